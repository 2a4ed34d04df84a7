"""Stripes: consecutive codes with about equal numbers of ratings."""

from __future__ import annotations

import numpy as np
import pytest

from cfcore.models.core.stripes import bounds, stripes


@pytest.mark.parametrize("n_stripes", [1, 2, 5, 16])
def test_stripes_are_consecutive_and_even(n_stripes: int) -> None:
    counts = np.random.default_rng(0).integers(0, 40, 300)
    found = stripes(counts, n_stripes)
    assert found.dtype == np.int32
    assert (np.diff(found) >= 0).all()
    assert (found.min(), found.max()) == (0, n_stripes - 1)
    loads = np.bincount(found, counts, n_stripes)
    assert abs(loads - counts.sum() / n_stripes).max() <= counts.max()


def test_stripes_of_few_ratings() -> None:
    assert stripes(np.array([0, 0, 0]), 4).tolist() == [0, 0, 0]
    assert stripes(np.array([5]), 1).tolist() == [0]
    one_heavy = stripes(np.array([1, 100, 1]), 2)
    assert one_heavy[0] == 0
    assert one_heavy[-1] == 1


@pytest.mark.parametrize("n_stripes", [1, 3, 8])
def test_bounds_are_where_stripes_begin(n_stripes: int) -> None:
    counts = np.array([3, 0, 4, 9, 1, 1, 1, 0, 2])
    stripe_of = stripes(counts, n_stripes)
    found = bounds(stripe_of, n_stripes)
    assert found.dtype == np.int32
    assert len(found) == n_stripes + 1
    assert (found[0], found[-1]) == (0, len(counts))
    for stripe in range(n_stripes):
        assert (stripe_of[found[stripe] : found[stripe + 1]] == stripe).all()
