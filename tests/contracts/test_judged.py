"""Lists of every model are judged as `recommend` makes them, beside the same popularity."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf

NAMES = ("ndcg@4", "recall@30", "coverage@6")


@pytest.fixture(scope="module")
def test_part(train: cf.Ratings) -> cf.Ratings:
    """Ratings of pairs that training lacks and has, and of an unknown user."""
    rng = np.random.default_rng(5)
    users = np.append(rng.choice(train.user_ids, 60), [-99, -99])
    items = np.append(rng.choice(train.item_ids, 60), train.item_ids[:2])
    low, high = train.scale
    values = rng.uniform(low, high, len(users)).astype(np.float32)
    return cf.Ratings(users, items, values, np.full(len(users), 10**9), scale=train.scale, duplicates="last")


@pytest.mark.parametrize("by", [None, "rating", "preference"])
def test_lists_are_those_of_recommend(fitted: Any, test_part: cf.Ratings, by: str | None) -> None:
    options = {"by": by, "min_support": 3, "exclude": fitted.item_ids_[:2].tolist()}
    judged = cf.metrics.judge(fitted, test_part, 7, **options)
    ids, scores = fitted.recommend(judged.users, 7, **options)
    codes = np.where(np.isnan(scores), -1, fitted.encode_items(ids.ravel()).reshape(ids.shape))
    np.testing.assert_array_equal(judged.items, codes)


@pytest.mark.parametrize("by", ["rating", "preference"])
def test_candidates_among_the_test_items(
    fitted: Any, train: cf.Ratings, test_part: cf.Ratings, by: str
) -> None:
    """The order of the items of a user's test ratings is that of a list of these items alone."""
    judged = cf.metrics.judge(fitted, test_part, 5, by=by, candidates="test")
    for row, user in enumerate(judged.users):
        own = test_part.items[test_part.users == user]
        ids, _ = fitted.recommend(user, 5, by=by, items=own)
        listed = judged.items[row][judged.items[row] >= 0]
        assert fitted.item_ids_[listed].tolist() == ids.tolist()


def test_popularity_is_that_of_the_training_ratings(
    fitted: Any, train: cf.Ratings, test_part: cf.Ratings
) -> None:
    popular = cf.Popularity().fit(train)
    for options in ({}, {"candidates": "test"}, {"exclude_seen": False, "by": "rating"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cf.DataWarning)
            found = cf.metrics.evaluate(fitted, test_part, NAMES, threshold=3.0, **options)
            line = cf.metrics.evaluate(
                popular, test_part, NAMES, threshold=3.0, **{**options, "by": "preference"}
            )
        assert found.popularity == pytest.approx(dict(line))
        assert list(found) == list(NAMES)
