"""Parts of ratings: rows, their scale, and k-cores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from tests.data.strategies import triples


def test_subset_by_a_narrow_dtype() -> None:
    many = cf.Ratings(np.arange(1000), np.zeros(1000, dtype=int), np.ones(1000))
    assert many.subset(np.array([-1, 3], dtype=np.int8)).users.tolist() == [999, 3]
    with pytest.raises(cf.DataError, match="row 5 at 1 was selected before"):
        many.subset(np.array([5, 5], dtype=np.int8))
    with pytest.raises(cf.DataError, match=f"row {2**63} at 1 does not exist"):
        many.subset(np.array([5, 2**63], dtype=np.uint64))


def test_scale_of_a_subset_and_of_other_ratings(small: cf.Ratings) -> None:
    part = small.subset([1, 2])
    assert part.scale == (1.0, 5.0)
    assert small.subset([1, 2], scale="data").scale == (2.5, 3.0)
    assert small.subset([1, 2], scale=(0, 10)).scale == (0.0, 10.0)
    by_user = small.by_user
    for scale, expected in (((0.5, 6), (0.5, 6.0)), ("data", (2.5, 5.0))):
        other = small.with_scale(scale)  # type: ignore[arg-type]
        assert other.scale == expected
        assert other.by_user is by_user, "nothing is computed again"
        assert other.values is small.values
    assert small.scale == (1.0, 5.0)
    for call in (small.with_scale, lambda scale: small.subset([0], scale=scale)):
        with pytest.raises(cf.DataError, match=r"4 at row 0 is outside the scale \(1, 3\)"):
            call((1, 3))
        with pytest.raises(cf.DataError, match="scale must be"):
            call("all")  # type: ignore[arg-type]
        with pytest.raises(cf.DataError, match="min <= max"):
            call((5, 1))


def test_repr_counts_users_with_ratings(small: cf.Ratings) -> None:
    assert repr(small.subset([0, 2])).startswith("Ratings(2 by 1 users of 2 items, 100% dense, scale 1 to 5")


def test_k_core() -> None:
    # Item 9 has two ratings, until user 5, who has only one, is left out; then user 4 has only one.
    users = [1, 1, 2, 2, 3, 3, 4, 4, 5]
    items = [7, 8, 7, 8, 7, 8, 8, 9, 9]
    ratings = cf.Ratings(users, items, [float(n % 5) for n in range(9)], list(range(9)), scale=(0, 9))
    core = ratings.k_core(2, 2)
    assert core.users.tolist() == [1, 1, 2, 2, 3, 3]
    assert (core.user_ids.tolist(), core.item_ids.tolist()) == ([1, 2, 3], [7, 8])
    assert core.timestamps is not None
    assert core.timestamps.tolist() == [0, 1, 2, 3, 4, 5]
    assert core.scale == (0.0, 9.0)
    assert core.k_core(2, 2).users.tolist() == core.users.tolist()
    assert len(ratings.k_core(1, 1)) == 9
    assert ratings.k_core(users=1, items=4).items.tolist() == [8, 8, 8, 8]
    with pytest.raises(cf.DataError, match="no part of the ratings has 3 or more of each user and 3"):
        ratings.k_core(3, 3)
    for wrong in (0, 1.5, True, "2"):
        with pytest.raises(ValueError, match="k_core: items must be an integer"):
            ratings.k_core(2, wrong)  # type: ignore[arg-type]


@given(triples, st.integers(1, 4), st.integers(1, 4))
def test_k_core_is_the_largest(rated: dict[tuple[int, int], float], users: int, items: int) -> None:
    left = set(rated)
    while True:
        kept = {
            (user, item)
            for user, item in left
            if sum(user == one for one, _ in left) >= users and sum(item == one for _, one in left) >= items
        }
        if kept == left:
            break
        left = kept
    whole = cf.Ratings([u for u, _ in rated], [i for _, i in rated], list(rated.values()))
    if not left:
        with pytest.raises(cf.DataError, match="k_core"):
            whole.k_core(users, items)
        return
    core = whole.k_core(users, items)
    assert list(zip(core.users.tolist(), core.items.tolist(), strict=True)) == [p for p in rated if p in left]
    assert core.user_counts.min() >= users
    assert core.item_counts.min() >= items


def test_subset_keeps_codes(small: cf.Ratings) -> None:
    part = small.subset([3, 0])
    assert part.users.tolist() == ["cat", "bob"]
    assert part.user_codes.tolist() == [2, 1]
    assert part.user_ids is small.user_ids
    assert part.scale == small.scale
    assert part.user_counts.tolist() == [0, 1, 1]
    assert part.n_users == 3
    assert small.subset(np.array([True, False, False, True])).values.tolist() == [4.0, 5.0]
    assert small.subset(slice(1, 3)).values.tolist() == [2.5, 3.0]
    assert small.subset([-1]).values.tolist() == [5.0]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 4], "row 4 at 1 does not exist"),
        ([-5], "row -5 at 0 does not exist"),
        ([1, 0, 1], "row 1 at 2 was selected before"),
        ([0, -4], "row -4 at 1 was selected before"),
        ([True, False], "mask has 2 rows, the ratings have 4"),
        ([], "selects no row"),
        (slice(2, 2), "selects no row"),
        ([0.5], "one-dimensional array of rows"),
        ([[0]], "one-dimensional array of rows"),
    ],
)
def test_subset_refuses(small: cf.Ratings, index: Any, message: str) -> None:
    with pytest.raises(cf.DataError, match=message):
        small.subset(index)
