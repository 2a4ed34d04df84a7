"""Lists by preference, and preferences of pairs, of every model: for users known, unknown, and given."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import threads
from cfcore.models.recommend.top_n import MANY


def of_training(fitted: Any, train: cf.Ratings) -> Any:
    """Users of whom some are unknown, in no order."""
    return np.concatenate([[-99], train.user_ids[::-1], [train.user_ids[5]], [-98]])


def test_lists_are_sorted_by_preference(fitted: Any, train: cf.Ratings) -> None:
    for user in (train.users[3], -99):
        ids, scores = fitted.recommend(user, n=12, by="preference")
        assert len(set(ids)) == len(ids) == 12
        assert (np.diff(scores) <= 0).all()
        np.testing.assert_array_equal(scores, fitted.preference(user, ids))
        others = np.setdiff1d(train.items, np.append(ids, train.items[train.users == user]))
        assert fitted.preference(user, others).max() <= scores[-1]


def test_by_default_lists_are_by_what_the_model_ranks_by(fitted: Any, train: cf.Ratings) -> None:
    users = of_training(fitted, train)
    default = fitted.recommend(users, n=6)
    for found, expected in zip(default, fitted.recommend(users, n=6, by=fitted.ranks_by), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"by must be one of 'rating', 'preference'.*, not 'score'"):
        fitted.recommend(users[1], by="score")
    with pytest.raises(ValueError, match="by must be"):
        next(fitted.recommend_batches(users, by=True))


def test_many_lists_are_those_of_each(fitted: Any, train: cf.Ratings) -> None:
    users = np.resize(of_training(fitted, train), MANY + 10)
    for options in ({}, {"exclude_seen": False, "min_support": 15}, {"items": train.item_ids[3:20]}):
        ids, scores = fitted.recommend(users, n=9, by="preference", **options)
        batches = list(fitted.recommend_batches(users, n=9, by="preference", **options))
        np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), ids)
        for user, row, its_scores in list(zip(users, ids, scores, strict=True))[:70:7]:
            alone = fitted.recommend(user, n=9, by="preference", **options)
            np.testing.assert_array_equal(row[: len(alone[0])], alone[0])
            np.testing.assert_array_equal(its_scores[: len(alone[0])], alone[1])
            assert np.isnan(its_scores[len(alone[0]) :]).all()


def test_preferences_of_pairs(fitted: Any, train: cf.Ratings) -> None:
    """One pair as many, as a frame's column, as codes, and for unknown items."""
    pairs = train.subset(np.arange(40))
    found = fitted.preference(pairs)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    users, items = fitted.encode_users(pairs.users), fitted.encode_items(pairs.items)
    times = pairs.timestamps if fitted.uses_timestamps() else None
    np.testing.assert_array_equal(fitted.preference_codes(users, items, times), found)
    one = fitted.preference(pairs.users[7], pairs.items[7], False)
    assert isinstance(one, float)
    assert one == fitted.preference(pairs.users, pairs.items, False)[7]
    least = fitted.preference(pairs.users, np.full(40, 99_999), False)
    assert np.isfinite(least).all()
    assert least.min() <= fitted.preference(pairs.users[0], train.item_ids).max()
    with pytest.raises(cf.NotFittedError):
        fitted.clone().preference(1, 2)


def test_preferences_given_ratings(fitted: Any, train: cf.Ratings) -> None:
    mine = train.users == train.users[0]
    session = dict(zip(train.items[mine].tolist(), train.values[mine].tolist(), strict=True))
    ids, scores = fitted.recommend(given=session, n=7, by="preference")
    assert not set(ids) & set(session)
    np.testing.assert_array_equal(scores, fitted.preference(ids, given=session))
    given = train.subset(np.isin(train.users, train.user_ids[:4]))
    ids, scores = fitted.recommend(given=given, n=7, by="preference")
    assert ids.shape == (4, 7)
    users = np.repeat(np.unique(given.users), 7)
    np.testing.assert_array_equal(scores.ravel(), fitted.preference(users, ids.ravel(), given=given))
    assert len(fitted.recommend(n=3, given={}, by="preference")[0]) == 3
    with pytest.raises(TypeError, match=r"preference\(items, given="):
        fitted.preference(1, 2, given=session)


def test_preferences_on_any_number_of_threads(fitted: Any, train: cf.Ratings) -> None:
    if not hasattr(fitted, "n_threads"):
        return  # nothing to set
    found = []
    with threads.policy(minimum_work=0):
        for n_threads in (1, 3):
            model = copy.deepcopy(fitted).set_params(n_threads=n_threads)
            found.append(model.recommend(train.user_ids, n=9, by="preference"))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_worth_makes_a_difference_where_a_model_is_of_ratings(fitted: Any, train: cf.Ratings) -> None:
    """The choice is popularity: of items rated equally often, the higher prediction comes first."""
    if fitted.ranks_by == "preference" or type(fitted).__name__ in ("ItemKNN", "UserKNN", "RBM"):
        return  # they have choices, or worths, of their own
    user = train.users[3]
    counts = fitted.item_counts_
    often = np.flatnonzero(counts == np.bincount(counts[counts > 0]).argmax())
    items = fitted.item_ids_[often]
    predictions, preferences = fitted.predict(user, items), fitted.preference(user, items)
    order = np.argsort(predictions, kind="stable")
    assert (np.diff(preferences[order]) >= -1e-12).all()
