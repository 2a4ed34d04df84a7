"""Similarities are the same, bit by bit, at all SIMD levels: by a table of all ratings, and pair by pair."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfcore.surprise as surprise
from cfcore.adapters.surprise import similarities
from cfcore.kernels import available_levels, use_level

SCALES = {
    "five stars": (1, 5, 1.0),
    "half stars": (0.5, 5, 0.5),
    "with zero": (0, 4, 1.0),
    "ten": (1, 10, 1.0),
}


def lists_of(n_x: int, n_y: int, share: float, scale: str, seed: int, again: bool = False) -> Any:
    """A share of all ratings, by y; `again`: one of them twice."""
    rng = np.random.default_rng(seed)
    least, most, step = SCALES[scale]
    ys, xs = np.nonzero(rng.random((n_y, n_x)) < share * rng.random(n_x) * 2)
    if again and len(ys):
        ys, xs = np.insert(ys, 0, ys[0]), np.insert(xs, 0, xs[0])
    ratings = rng.integers(round(least / step), round(most / step) + 1, len(ys)) * step
    indptr = np.searchsorted(ys, np.arange(n_y + 1)).astype(np.int64)
    return similarities.Lists(n_x, indptr, xs.astype(np.int32), ratings.astype(np.float64))


def matrices(name: str, lists: Any, support: int) -> dict[str, Any]:
    """Of each level; "division" where it is by 0."""
    rng, found = np.random.default_rng(0), {}
    baselines = (3.5, rng.normal(size=lists.n_x), rng.normal(size=len(lists.indptr) - 1), 100)
    for level in available_levels():
        with use_level(level):
            try:
                given = baselines if name == "pearson_baseline" else ()
                found[level] = similarities.matrix(name, lists, support, given).tobytes()
            except ZeroDivisionError:
                found[level] = "division"
    return found


@pytest.mark.parametrize("name", similarities.NAMES)
@settings(max_examples=40, deadline=None)
@given(
    n_x=st.sampled_from([1, 2, 15, 31, 33, 129, 150, 260]),
    n_y=st.integers(1, 70),
    share=st.sampled_from([0.02, 0.3, 0.9]),
    scale=st.sampled_from(sorted(SCALES)),
    support=st.integers(0, 4),
    seed=st.integers(0, 99),
    again=st.booleans(),
)
def test_levels(
    name: str, n_x: int, n_y: int, share: float, scale: str, support: int, seed: int, again: bool
) -> None:
    found = matrices(name, lists_of(n_x, n_y, share, scale, seed, again), support)
    assert len(set(found.values())) == 1


@pytest.mark.parametrize("name", similarities.NAMES)
def test_sums_that_need_more_than_a_byte_and_more_than_two(name: str) -> None:
    lists = lists_of(40, 6000, 0.9, "ten", 0)  # up to 100 for each of some 5000 common ratings
    found = matrices(name, lists, 1)
    assert len(set(found.values())) == 1
    if name == "cosine":
        dense = np.zeros((6000, 40))
        ys = np.repeat(np.arange(6000), np.diff(lists.indptr))
        dense[ys, lists.xs] = lists.ratings
        squares = dense.T**2 @ (dense > 0)
        expected = dense.T @ dense / np.sqrt(squares * squares.T)
        sim = np.frombuffer(found["baseline"]).reshape(40, 40)
        off = ~np.eye(40, dtype=bool)
        np.testing.assert_array_equal(sim[off], expected[off])


@pytest.mark.parametrize("by_user", [True, False])
def test_ratings_that_are_not_finite(by_user: bool) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"user": np.repeat(np.arange(30), 20), "item": np.tile(np.arange(20), 30)})
    frame["rating"] = rng.integers(1, 6, len(frame)).astype(float)
    frame.loc[7, "rating"] = np.inf
    trainset = surprise.Dataset.load_from_df(frame, surprise.Reader()).build_full_trainset()
    for name in ("cosine", "msd", "pearson"):
        found = []
        for level in available_levels():
            with use_level(level), np.errstate(all="ignore"):
                algo = surprise.KNNBasic(sim_options={"name": name, "user_based": by_user}, verbose=False)
                found.append(algo.fit(trainset).sim)
        for one in found[1:]:
            np.testing.assert_array_equal(one, found[0])


def test_the_table_refuses_what_it_cannot_hold() -> None:
    lists, sim = lists_of(5, 9, 0.9, "five stars", 0), np.empty((5, 5))
    dense = import_module("cfcore.adapters.surprise._dense")
    if not dense.available:
        return
    n = len(lists.ratings)
    for codes, multiples, rule, error in (
        (np.zeros(n), (1.0, 1), (0, 1, 0.0), "1 to 15"),
        (np.full(n, 16), (1.0, 1), (0, 1, 0.0), "1 to 15"),
        (np.ones(n), (1.0, 16), (0, 1, 0.0), "byte"),
        (np.ones(n), (1.0, 1), (4, 1, 0.0), "measure"),
        (np.ones(n - 1), (1.0, 1), (0, 1, 0.0), "fit"),
    ):
        with pytest.raises(ValueError, match=error):
            dense.similarities(lists, codes.astype(np.uint8), None, multiples, rule, sim, False)


def test_codes_of_ratings() -> None:
    codes_of = import_module("cfcore.adapters.surprise._dense").codes_of
    np.testing.assert_array_equal(codes_of(np.array([0.5, 5, 2.5]), 0.5, 2.0), [1, 10, 5])
    assert codes_of(np.array([1, 2.25]), 1.0, 2.0) is None
    for beyond in (15.0, -1.0, np.inf, np.nan, 1e300):
        assert codes_of(np.array([0, beyond]), 0.0, 1.0) is None


def test_a_large_matrix() -> None:
    lists = lists_of(800, 40, 0.5, "five stars", 3)
    found = similarities.matrix("msd", lists, 1)
    assert found.shape == (800, 800)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diagonal(found), 1)


def test_memory_of_a_matrix_is_used_again_only_when_nothing_refers_to_it() -> None:
    lists = lists_of(800, 40, 0.5, "five stars", 3)
    found = similarities.matrix("msd", lists, 1)
    row, expected = found[5], found[5].copy()
    address = found.ctypes.data
    del found  # the row is a view of it
    other = similarities.matrix("cosine", lists, 1)
    assert not np.shares_memory(other, row)
    np.testing.assert_array_equal(row, expected)
    del row
    again = similarities.matrix("cosine", lists, 1)
    assert again.ctypes.data == address
    np.testing.assert_array_equal(again, other)
    again[:] = 0  # not shared with what is in use
    assert other.any()
    assert similarities.matrix("msd", lists_of(1700, 9, 0.5, "five stars", 3), 1).shape == (1700, 1700)


def test_users_of_few_and_of_many_ratings() -> None:
    rng = np.random.default_rng(0)
    n_x, n_y = 300, 600
    ys, xs = np.nonzero(rng.random((n_y, n_x)) < rng.permutation(np.geomspace(0.005, 0.9, n_x)))
    indptr = np.searchsorted(ys, np.arange(n_y + 1)).astype(np.int64)
    lists = similarities.Lists(n_x, indptr, xs.astype(np.int32), rng.normal(3, 1, len(ys)))
    found = matrices("pearson_baseline", lists, 1)
    assert len(set(found.values())) == 1
    sim = np.frombuffer(found["baseline"]).reshape(n_x, n_x)
    np.testing.assert_array_equal(sim, sim.T)
