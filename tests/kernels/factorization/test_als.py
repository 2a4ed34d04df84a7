"""Kernel `als` and its twin: rows and biases are those of the normal equations."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.arrays import padded
from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import als as compiled
from cfcore.kernels.records import RatingRows, RowSolves
from cfcore.reference.factorization import als as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])


def case(
    counts: Any, k: int, seed: int = 0, *, n_columns: int = 30, biased: bool = True, weighted: bool = False,
    centred: bool = False,
) -> tuple[RatingRows, RowSolves]:  # fmt: skip
    rng = np.random.default_rng(seed)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int64)
    n, n_rows = int(indptr[-1]), len(counts)
    ratings = RatingRows(
        indptr, rng.integers(0, n_columns, n).astype(np.int32), rng.normal(3, 1, n).astype(np.float32),
        n_columns,
    )  # fmt: skip
    rows = padded(np.zeros((n_rows, k), dtype=np.float32))
    width = rows.shape[1]
    centres = np.zeros((n_rows, width))
    centres[:, :k] = rng.normal(0, 0.3, (n_rows, k))
    solves = RowSolves(
        rows, np.zeros(n_rows, dtype=np.float32),
        padded(rng.normal(0, 0.7, (n_columns, k)).astype(np.float32)),
        rng.normal(0, 0.3, n_columns).astype(np.float32), rng.uniform(0.5, 2, n_rows), np.zeros(n_rows), 2.9,
        centres if centred else None, rng.uniform(0.5, 2, n_rows) if biased else None,
        rng.uniform(0.2, 3, n).astype(np.float32) if weighted else None,
    )  # fmt: skip
    return ratings, solves


def solve(module: Any, given: Any, n_threads: int = 1, cuts: Any = None) -> RowSolves:
    ratings, solves = given
    solves = replace(
        solves, rows=solves.rows.copy(), biases=solves.biases.copy(), squares=solves.squares.copy()
    )
    most = int(np.diff(ratings.indptr).max(initial=0))
    scratch = np.full(module.scratch_shape(n_threads, solves.width, most), np.nan)
    for span in pairwise(cuts or [0, solves.n_rows]):
        module.solve_rows(ratings, solves, scratch, span, n_threads)
    return solves


def by_numpy(ratings: RatingRows, solves: RowSolves, row: int, k: int) -> tuple[Any, float, float]:
    """Row, bias and squared error by least squares on rows of ratings and of penalties."""
    mine = slice(ratings.indptr[row], ratings.indptr[row + 1])
    columns = ratings.indices[mine]
    z = np.column_stack([solves.columns[columns, :k], np.ones(len(columns))]).astype(np.float64)
    targets = ratings.values[mine].astype(np.float64) - solves.mean - solves.column_biases[columns]
    roots = np.ones(len(columns)) if solves.weights is None else np.sqrt(solves.weights[mine].astype(float))
    root = np.sqrt(solves.penalty[row])
    penalties = np.diag(
        [*[root] * k, 1e9 if solves.bias_penalty is None else solves.bias_penalty[row] ** 0.5]
    )
    wanted = np.zeros(k + 1)
    wanted[:k] = 0 if solves.centres is None else root * solves.centres[row, :k]
    rows, right = np.vstack([z * roots[:, None], penalties]), np.append(targets * roots, wanted)
    found = np.linalg.lstsq(rows, right, rcond=None)[0]
    return found[:k], found[k], float(np.sum((roots * (targets - z @ found)) ** 2))


@BOTH
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_and_biases_are_those_of_least_squares(module: Any, biased: bool, weighted: bool) -> None:
    given_case = case([0, 1, 5, 200, 2100], 5, biased=biased, weighted=weighted, centred=True)
    found = solve(module, given_case)
    for row in range(5):
        factors, bias, squares = by_numpy(*given_case, row, 5)
        np.testing.assert_allclose(found.rows[row, :5], factors, atol=2e-6)
        np.testing.assert_allclose(found.biases[row], bias, atol=2e-6)
        np.testing.assert_allclose(found.squares[row], squares, rtol=1e-5, atol=1e-6)
    assert not found.rows[:, 5:].any()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=5), st.sampled_from([1, 3, 16, 17, 33, 64, 70]),
    st.integers(0, 99), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_twin_finds_the_same(
    counts: Any, k: int, seed: int, biased: bool, weighted: bool, centred: bool
) -> None:
    given_case = case(counts, k, seed, biased=biased, weighted=weighted, centred=centred)
    found, expected = solve(compiled, given_case), solve(twin, given_case)
    np.testing.assert_allclose(found.rows, expected.rows, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.biases, expected.biases, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("k", "weighted"), [(8, False), (32, True), (40, False), (64, False), (72, True)])
def test_same_bits_for_threads_spans_and_levels(k: int, weighted: bool) -> None:
    given_case = case([3, 5000, 0, 70, 2048, 2049, 11, 64, 33000, 5], k, n_columns=500, weighted=weighted)
    expected = solve(compiled, given_case)
    found = [solve(compiled, given_case, n_threads=3), solve(compiled, given_case, cuts=[0, 1, 2, 6, 10])]
    for level in available_levels():
        with use_level(level):
            found.append(solve(compiled, given_case, n_threads=2))
    for one in found:
        for name in ("rows", "biases", "squares"):
            assert getattr(one, name).tobytes() == getattr(expected, name).tobytes()


@pytest.mark.parametrize("k", [48, 72])
def test_the_twin_solves_for_the_same_wide_and_long_rows(k: int) -> None:
    given_case = case([3, 5000, 0, 70, 2048, 2049, 33000, 1, 2, 3], k, n_columns=500, centred=True)
    found, expected = solve(compiled, given_case), solve(twin, given_case)
    for name in ("rows", "biases", "squares"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-4)


def test_a_weight_of_two_is_the_rating_twice() -> None:
    ratings, solves = case([40], 4)
    twice = RatingRows(
        np.array([0, 80]), np.repeat(ratings.indices, 2), np.repeat(ratings.values, 2), ratings.n_columns
    )
    weighted = replace(solves, weights=np.full(40, 2, dtype=np.float32))
    once, more = solve(compiled, (ratings, weighted)), solve(compiled, (twice, solves))
    np.testing.assert_allclose(once.rows, more.rows, atol=1e-6)
    np.testing.assert_allclose(once.biases, more.biases, atol=1e-6)
    np.testing.assert_allclose(once.squares, more.squares, rtol=1e-6)


@BOTH
def test_refusals(module: Any) -> None:
    ratings, solves = case([3, 4], 3, weighted=True)
    scratch = np.zeros(module.scratch_shape(1, solves.width, 4))
    with pytest.raises(ValueError, match="as many rows and columns"):
        module.solve_rows(case([3], 3)[0], solves, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="as many weights as ratings"):
        module.solve_rows(case([3, 3], 3)[0], solves, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="scratch must be of shape"):
        module.solve_rows(ratings, solves, scratch[:, :-1].copy(), (0, 2), 1)
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        module.solve_rows(ratings, solves, scratch, (0, 2), 0)
    with pytest.raises(TypeError, match="solves must be a RowSolves"):
        module.solve_rows(ratings, ratings, scratch, (0, 2), 1)
    square = case([3, 4], 3, n_columns=2)
    with pytest.raises(ValueError, match="share memory"):
        module.solve_rows(square[0], replace(square[1], columns=square[1].rows), scratch, (0, 2), 1)
    bad = replace(solves, penalty=np.full(2, -9e9))
    with pytest.raises(ValueError, match="the matrices of 2 rows are not positive definite"):
        module.solve_rows(ratings, bad, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="width must be at most"):
        module.scratch_shape(1, 2**21, 4)
