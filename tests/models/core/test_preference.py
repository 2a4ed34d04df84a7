"""Worths and preferences: chances of relevant ratings, by what is known of ratings and of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

import cfcore as cf
from cfcore.models.core.levels import boundary, rating_step
from cfcore.models.core.noise import error_variance


def least_relevant(ratings: cf.Ratings) -> float:
    """The first level from three quarters up the scale on."""
    low, high = ratings.scale
    return float(min(ratings.values[ratings.values >= low + 0.75 * (high - low)]))


WHOLE = cf.datasets.synthetic(80, 50, 1500, random_state=1)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1, 2, 5], 1.0),
        ([0.5, 4.0, 3.5], 0.5),
        ([3, 3, 3], 0.0),
        ([], 0.0),
        (range(200), 0.0),
        ([0, 100], 100.0),
    ],
)
def test_step_of_ratings(values: Any, step: float) -> None:
    assert rating_step(np.array(list(values), dtype=np.float32)) == step


@pytest.mark.parametrize(
    ("level", "low", "step", "found"),
    [
        (4.0, 1.0, 1.0, 3.5),
        (4.0, 0.5, 0.5, 3.75),
        (7.75, 1.0, 1.0, 7.5),
        (3.7, 1.0, 0.1, 3.65),
        (4.0, 1.0, 0.0, 4.0),
    ],
)
def test_boundary_is_half_a_step_below_the_first_relevant_level(
    level: float, low: float, step: float, found: float
) -> None:
    assert boundary(level, low, step) == pytest.approx(found)


def test_variance_is_that_of_training_or_of_the_scale() -> None:
    assert error_variance({"train_rmse": [2.0, 1.0, 0.5]}, 2, (1, 5)) == pytest.approx(1.3)
    assert error_variance({}, None, (1, 5)) == pytest.approx(0.64)
    assert error_variance({"train_rmse": [0.0]}, 1, (3, 3)) == 1.0


def test_preference_is_popularity_times_the_worth() -> None:
    model = cf.SVD(n_factors=4, n_epochs=6, random_state=0).fit(WHOLE)
    user, items = WHOLE.users[0], WHOLE.item_ids
    scores = model.score_codes(np.repeat(model.encode_users(user), len(items)), model.encode_items(items))
    sigma = np.sqrt(1.3) * model.history_["train_rmse"][-1]
    level = least_relevant(WHOLE) - model.rating_step_ / 2
    popularity = model.item_counts_ / model.item_counts_.max()
    expected = np.maximum(popularity, 1e-4) * ndtr((scores - level) / sigma)
    np.testing.assert_allclose(model.preference(user, items), expected)


def test_worth_is_the_share_of_relevant_ratings() -> None:
    """Chances are those of held-out ratings: on average as many are relevant as is said."""
    train, test = cf.split.holdout(
        cf.datasets.synthetic(400, 200, 20_000, random_state=2), 0.2, random_state=0
    )
    low, high = train.scale
    relevant = test.values >= low + 0.75 * (high - low)
    for rater in (cf.SVD(random_state=0), cf.Baseline(), cf.RBM(n_hidden=20, random_state=0)):
        model = cf.Ranker(cf.Popularity(), rater, weight=1.0).fit(train)
        known = model.knows(test)
        pairs = test.subset(known)
        chances = model.preference(pairs) / model.members_[0].preference(pairs)
        assert abs(chances.mean() - relevant[known].mean()) < 0.06


def test_files_and_given_users_keep_the_step(tmp_path: Any) -> None:
    model = cf.Baseline().fit(([1, 1, 2, 2], [1, 2, 1, 3], [0.5, 4.0, 3.5, 5.0]))
    assert model.rating_step_ == 0.5
    model.save(tmp_path / "m.cf")
    assert cf.load(tmp_path / "m.cf").rating_step_ == 0.5
    assert model.for_users({1: 5.0}).rating_step_ == 0.5
    joined = cf.Ranker.of(cf.Popularity().fit(([1, 2], [1, 2], [3.0, 4.0])), model)
    assert joined.rating_step_ == 0.5
