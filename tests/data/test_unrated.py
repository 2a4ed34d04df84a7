"""`Ratings.unrated_pairs`: all pairs of known users and items that are not rated, in batches."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf


def whole(batches: Any) -> list[tuple[Any, Any]]:
    return [pair for users, items in batches for pair in zip(users.tolist(), items.tolist(), strict=True)]


@given(
    st.sets(st.tuples(st.integers(1, 9), st.integers(10, 19)), min_size=1),
    st.integers(1, 40),
)
def test_batches_are_all_pairs_that_are_not_rated(rated: set[tuple[int, int]], batch_size: int) -> None:
    users, items = map(list, zip(*rated, strict=True))
    ratings = cf.Ratings(users, items, [3.0] * len(rated))
    expected = sorted({(u, i) for u in users for i in items} - rated)
    batches = list(ratings.unrated_pairs(batch_size=batch_size))
    assert whole(batches) == expected
    assert all(len(one) == batch_size for one, _ in batches[:-1])
    assert all(0 < len(one) == len(other) <= batch_size for one, other in batches)


def test_some_users_and_items() -> None:
    ratings = cf.Ratings(["a", "a", "b", "c"], ["x", "y", "y", "z"], [1, 2, 3, 4])
    assert whole(ratings.unrated_pairs("b")) == [("b", "x"), ("b", "z")]
    assert whole(ratings.unrated_pairs(["c", "b", "c"], items=["x", "y"])) == [
        ("b", "x"), ("c", "x"), ("c", "y")
    ]  # fmt: skip
    assert whole(ratings.unrated_pairs(items="z")) == [("a", "z"), ("b", "z")]
    assert whole(ratings.unrated_pairs([])) == []


def test_only_what_has_ratings_is_known() -> None:
    ratings = cf.Ratings([1, 2, 3], [10, 20, 30], [1, 2, 3]).subset([0, 1])
    assert whole(ratings.unrated_pairs()) == [(1, 20), (2, 10)]
    with pytest.raises(cf.DataError, match="users: 2 of them have no ratings here: 3, 4"):
        ratings.unrated_pairs([1, 3, 4])
    with pytest.raises(cf.DataError, match="items: 1 of them have no ratings here: 30"):
        ratings.unrated_pairs(items=[30])
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="batch_size"):
            ratings.unrated_pairs(batch_size=wrong)  # type: ignore[arg-type]


def test_predict_takes_the_batches() -> None:
    ratings = cf.Ratings([1, 1, 2], [10, 20, 20], [5, 3, 4])
    model = cf.Baseline().fit(ratings)
    (batch,) = ratings.unrated_pairs()
    assert model.predict(*batch).shape == (1,)
    assert model.predict(batch).shape == (1,)


def test_memory_follows_the_batch() -> None:
    n = 3_000
    rng = np.random.default_rng(0)
    users, items = np.arange(n), rng.permutation(n)
    ratings = cf.Ratings(users, items, np.ones(n, dtype=np.float32))
    ratings.items_by_user  # noqa: B018
    tracemalloc.start()
    n_pairs = sum(len(one) for one, _ in ratings.unrated_pairs(batch_size=50_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_pairs == n * (n - 1)
    assert peak < 50_000 * 160  # bytes: 8 MB; all pairs take 144 MB
