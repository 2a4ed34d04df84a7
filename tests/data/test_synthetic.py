"""Synthetic ratings: valid, reproducible, and distributed like MovieLens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.index import first_repeat


def test_distributions_are_those_of_movielens() -> None:
    ratings = cf.datasets.synthetic(6040, 3706, 400_000, random_state=0)
    assert (ratings.n_users, ratings.n_items, ratings.n_ratings) == (6040, 3706, 400_000)
    assert first_repeat(ratings.user_codes, ratings.item_codes, 6040, 3706) == -1
    assert 3.3 < ratings.mean < 3.7
    assert 0.95 < ratings.values.std() < 1.15
    assert set(ratings.values.tolist()) == {k / 2 for k in range(1, 11)}
    # MovieLens 1M: the median user has .58 of the mean number of ratings, the busiest 1% 5.5 times it;
    # the median item .46, the most popular 1% 6.6 times.
    for counts in (ratings.user_counts, ratings.item_counts):
        shares = np.quantile(counts, [0.5, 0.99]) / counts.mean()
        assert 0.25 < shares[0] < 0.75
        assert 4 < shares[1] < 12
    assert ratings.timestamps is not None
    span = np.ptp(ratings.timestamps) / 86_400 / 365
    assert 12 < span < 15


def test_biases_can_be_learnt() -> None:
    """Biases explain about a third of the variance."""
    ratings = cf.datasets.synthetic(500, 300, 30_000, random_state=1)
    residual = ratings.values - ratings.mean
    for codes, n in ((ratings.item_codes, 300), (ratings.user_codes, 500)):
        count = np.maximum(np.bincount(codes, minlength=n), 1)
        residual = residual - (np.bincount(codes, residual, n) / count)[codes]
    assert 0.5 < residual.var() / ratings.values.var() < 0.8


def test_same_seed_same_ratings() -> None:
    first, again, other = (cf.datasets.synthetic(100, 80, 2000, random_state=seed) for seed in (5, 5, 6))
    for name in ("user_codes", "item_codes", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.values != other.values).any()


@pytest.mark.parametrize(
    "shape", [(1, 2, 1), (3, 5, 7), (1, 100, 50), (100, 1, 50), (40, 50, 1000), (500, 7, 900)]
)
def test_small_and_full(shape: tuple[int, int, int]) -> None:
    ratings = cf.datasets.synthetic(*shape, random_state=2)
    assert len(ratings) == shape[2]
    assert first_repeat(ratings.user_codes, ratings.item_codes, shape[0], shape[1]) == -1
    assert ratings.user_ids.tolist() == list(range(1, shape[0] + 1))


def test_levels_and_timestamps() -> None:
    whole = cf.datasets.synthetic(100, 80, 2000, scale=(1, 5), step=1, timestamps=False)
    assert set(whole.values.tolist()) == {1, 2, 3, 4, 5}
    assert whole.timestamps is None
    free = cf.datasets.synthetic(100, 80, 2000, scale=(0, 100), step=None)
    assert len(np.unique(free.values)) > 1000
    assert free.values.min() >= 0
    assert free.values.max() <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_users": 0}, "at least 1"),
        ({"n_ratings": 0}, "at least 1"),
        ({"n_users": 10, "n_items": 10, "n_ratings": 51}, "more than half"),
        ({"scale": (5, 1)}, "interval"),
        ({"scale": (1, 5), "step": 0.3}, "whole steps"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cf.datasets.synthetic(**arguments)


def test_sizes_are_integers() -> None:
    with pytest.raises(TypeError, match=r"n_ratings must be an integer, got 1000\.0"):
        cf.datasets.synthetic(100, 100, 1e3)  # type: ignore[arg-type]
