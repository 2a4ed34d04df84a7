"""Kernel `gibbs` and its twin: the same draws, from the distributions that they should be from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cfcore.arrays import padded
from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import gibbs as compiled
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws, RowProducts
from cfcore.reference.factorization import gibbs as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
KEY = DrawKey(12_345_678_901, 3, 7)


def rows_case(
    counts: Any, k: int, seed: int = 0, n_columns: int = 30, with_means: bool = True
) -> tuple[RatingRows, RowDraws]:
    rng = np.random.default_rng(seed)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int64)
    n, n_rows = int(indptr[-1]), len(counts)
    ratings = RatingRows(
        indptr, rng.integers(0, n_columns, n).astype(np.int32), rng.normal(0, 1, n).astype(np.float32),
        n_columns,
    )  # fmt: skip
    root = rng.normal(0, 1, (k, 2 * k))
    rows = padded(np.zeros((n_rows, k), dtype=np.float32))
    draws = RowDraws(
        rows, padded(rng.normal(0, 0.7, (n_columns, k)).astype(np.float32)), rng.normal(0, 1, (n_rows, k)),
        root @ root.T, rng.uniform(0.5, 2, n_rows), rng.uniform(0.5, 2, n_columns).astype(np.float32),
        rows.copy() if with_means else None,
    )  # fmt: skip
    return ratings, draws


def draw(module: Any, case: Any, key: DrawKey = KEY, n_threads: int = 1, cuts: Any = None) -> Any:
    ratings, draws = case
    draws = replace(draws, rows=draws.rows.copy(), means=None if draws.means is None else draws.means.copy())
    most = int(np.diff(ratings.indptr).max(initial=0))
    scratch = np.full(module.scratch_shape(n_threads, draws.width, most), np.nan)
    ends = cuts or [0, draws.n_rows]
    for span in pairwise(ends):
        module.draw_rows(ratings, draws, key, scratch, span, n_threads)
    return draws


def conditional(ratings: RatingRows, draws: RowDraws, row: int) -> tuple[Any, Any]:
    """Mean and covariance of a row, by the equations."""
    mine = slice(ratings.indptr[row], ratings.indptr[row + 1])
    columns = ratings.indices[mine]
    z = draws.columns[columns, : draws.n_factors].astype(np.float64)
    weights = draws.row_precision[row] * draws.column_weight[columns].astype(np.float64)
    covariance = np.linalg.inv(draws.precision + (z * weights[:, np.newaxis]).T @ z)
    linear = draws.precision @ draws.prior_mean[row] + z.T @ (weights * ratings.values[mine])
    return covariance @ linear, covariance


def test_rows_with_the_same_random_numbers() -> None:
    case = rows_case([4, 0, 7], 5)
    ratings, draws = case[0], replace(case[1], own_numbers=0)
    found, expected = draw(compiled, (ratings, draws)), draw(twin, (ratings, draws))
    np.testing.assert_allclose(found.rows, expected.rows, rtol=1e-5, atol=1e-5)
    mine = slice(4, 11)
    alone = RatingRows(
        np.array([0, 7]), ratings.indices[mine].copy(), ratings.values[mine].copy(), ratings.n_columns
    )
    last = replace(
        draws, rows=draws.rows[2:].copy(), means=None, prior_mean=draws.prior_mean[2:].copy(),
        row_precision=draws.row_precision[2:].copy(),
    )  # fmt: skip
    assert draw(compiled, (alone, last)).rows.tobytes() == found.rows[2:].tobytes()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=5), st.sampled_from([1, 3, 16, 17, 33]),
    st.integers(0, 99), st.booleans(),
)  # fmt: skip
def test_the_twin_draws_the_same_rows(counts: Any, k: int, seed: int, with_means: bool) -> None:
    case = rows_case(counts, k, seed, with_means=with_means)
    found, expected = draw(compiled, case), draw(twin, case)
    np.testing.assert_allclose(found.rows, expected.rows, rtol=1e-5, atol=1e-5)
    if with_means:
        np.testing.assert_allclose(found.means, expected.means, rtol=1e-5, atol=1e-5)
    assert not found.rows[:, k:].any()


@BOTH
def test_means_are_those_of_the_equations(module: Any) -> None:
    ratings, draws = rows_case([0, 1, 5, 200], 5)
    found = draw(module, (ratings, draws))
    for row in range(4):
        mean, _ = conditional(ratings, draws, row)
        np.testing.assert_allclose(found.means[row, :5], mean, atol=1e-5)


@BOTH
def test_weights_of_ratings_multiply_their_precision(module: Any) -> None:
    """A weight of 2 is the rating twice."""
    ratings, draws = rows_case([4, 300], 5)
    twice = RatingRows(
        2 * ratings.indptr, np.repeat(ratings.indices, 2), np.repeat(ratings.values, 2), ratings.n_columns
    )
    weights = np.full(ratings.n, 2, dtype=np.float32)
    found, expected = draw(module, (ratings, replace(draws, weights=weights))), draw(module, (twice, draws))
    np.testing.assert_allclose(found.rows, expected.rows, atol=1e-5)
    np.testing.assert_allclose(found.means, expected.means, atol=1e-5)
    with pytest.raises(ValueError, match="as many weights as ratings"):
        draw(module, (twice, replace(draws, weights=weights)))


def test_draws_are_from_the_conditional_distribution() -> None:
    """Standardised by the conditional's mean and covariance, draws are independent standard normals."""
    ratings, draws = rows_case([7], 4, seed=3)
    mean, covariance = conditional(ratings, draws, 0)
    many = RatingRows(
        7 * np.arange(4001, dtype=np.int64), np.tile(ratings.indices, 4000), np.tile(ratings.values, 4000),
        ratings.n_columns,
    )  # fmt: skip
    wide = replace(
        draws, rows=np.zeros((4000, 16), dtype=np.float32), means=None,
        prior_mean=np.repeat(draws.prior_mean, 4000, axis=0),
        row_precision=np.repeat(draws.row_precision, 4000),
    )  # fmt: skip
    found = draw(compiled, (many, wide)).rows[:, :4].astype(np.float64)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (found - mean).T)
    for one in white:
        assert stats.kstest(one, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(white), np.eye(4), atol=0.08)
    squares = np.sum(white**2, axis=0)
    assert stats.kstest(squares, stats.chi2(4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("k", [8, 32, 40, 72])
@pytest.mark.parametrize("weighted", [False, True])
def test_same_bits_for_threads_spans_and_levels(k: int, weighted: bool) -> None:
    ratings, draws = rows_case([3, 5000, 0, 70, 2048, 2049, 11, 64, 33000, 5], k, n_columns=500)
    if not weighted:
        draws = replace(draws, column_weight=np.ones_like(draws.column_weight))
    case = ratings, draws
    expected = draw(compiled, case)
    found = [draw(compiled, case, n_threads=3), draw(compiled, case, cuts=[0, 1, 2, 6, 10])]
    for level in available_levels():
        with use_level(level):
            found.append(draw(compiled, case, n_threads=2))
    for one in found:
        assert one.rows.tobytes() == expected.rows.tobytes()
        assert one.means.tobytes() == expected.means.tobytes()


@pytest.mark.parametrize("k", [40, 72])
def test_the_twin_draws_the_same_of_wide_and_long_rows(k: int) -> None:
    case = rows_case([3, 5000, 0, 70, 2048, 2049, 33000, 1, 2, 3], k, n_columns=500)
    found, expected = draw(compiled, case), draw(twin, case)
    np.testing.assert_allclose(found.rows, expected.rows, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-4, atol=1e-4)


def test_rows_do_not_depend_on_those_that_are_drawn_with_them() -> None:
    """A row whose precision is not positive definite is reported, and changes no other."""
    ratings, draws = rows_case([4, 70, 0, 9, 3], 5)
    expected = draw(compiled, (ratings, draws))
    scratch = np.full(compiled.scratch_shape(1, draws.width, 70), np.nan)
    precisions = draws.row_precision.copy()
    precisions[1] = -1e6
    bad = replace(draws, row_precision=precisions, rows=draws.rows.copy(), means=None)
    with pytest.raises(ValueError, match="the precisions of 1 rows are not positive definite"):
        compiled.draw_rows(ratings, bad, KEY, scratch, (0, 5), 1)
    others = [0, 2, 3, 4]
    assert bad.rows[others].tobytes() == expected.rows[others].tobytes()


def products_case(case: Any, weighted: bool = False) -> RowProducts:
    ratings, draws = case
    rng = np.random.default_rng(1)
    rows = padded(rng.normal(0, 0.5, (draws.n_rows, draws.n_factors)).astype(np.float32))
    weights = rng.uniform(0.5, 2, ratings.n).astype(np.float32) if weighted else None
    products, squares = np.full(ratings.n, np.nan, dtype=np.float32), np.full((draws.n_rows, 3), np.nan)
    return RowProducts(rows, draws.columns, products, squares, weights)


@pytest.mark.parametrize("k", [7, 32, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_products_and_their_sums(k: int, weighted: bool) -> None:
    case = rows_case([3, 500, 0, 70, 64, 9], k)
    found, expected = (products_case(case, weighted) for _ in range(2))
    compiled.multiply_rows(case[0], found, (0, 2), 2)
    compiled.multiply_rows(case[0], found, (2, 6), 1)
    twin.multiply_rows(case[0], expected, (0, 6), 1)
    np.testing.assert_allclose(found.products, expected.products, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-5, atol=1e-5)
    for level in available_levels():
        with use_level(level):
            again = products_case(case, weighted)
            compiled.multiply_rows(case[0], again, (0, 6), 3)
        assert again.products.tobytes() == found.products.tobytes()
        assert again.squares.tobytes() == found.squares.tobytes()


def test_more_threads_than_shares_or_rows() -> None:
    counts = [0, 3, 50, 0, *range(1100), 0]
    case = rows_case(counts, 3)
    one, many = draw(compiled, case), draw(compiled, case, n_threads=70)
    assert one.rows.tobytes() == many.rows.tobytes()
    case = rows_case([0, 0, 5], 3)
    assert draw(compiled, case).rows.tobytes() == draw(compiled, case, n_threads=9).rows.tobytes()
    case = rows_case([0, 0, 0], 3)
    assert draw(compiled, case).rows.tobytes() == draw(compiled, case, n_threads=2).rows.tobytes()
    one, many = products_case(rows_case(counts, 3)), products_case(rows_case(counts, 3))
    compiled.multiply_rows(rows_case(counts, 3)[0], one, (0, len(counts)), 1)
    compiled.multiply_rows(rows_case(counts, 3)[0], many, (0, len(counts)), 70)
    assert one.products.tobytes() == many.products.tobytes()
    assert one.squares.tobytes() == many.squares.tobytes()


def test_every_part_of_the_key_gives_other_draws() -> None:
    case = rows_case([4, 4], 3)
    first = draw(compiled, case).rows
    assert (first[0, :3] != first[1, :3]).all()
    for change in ({"seed": 1}, {"kind": 1}, {"sweep": 1}):
        other = draw(compiled, case, replace(KEY, **change)).rows
        assert (other[:, :3] != first[:, :3]).all()


@BOTH
def test_refusals(module: Any) -> None:
    ratings, draws = rows_case([3, 4], 3)
    scratch = np.zeros(module.scratch_shape(1, draws.width, 4))
    with pytest.raises(ValueError, match="as many rows and columns"):
        module.draw_rows(rows_case([3], 3)[0], draws, KEY, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="scratch must be of shape"):
        module.draw_rows(ratings, draws, KEY, scratch[:, :-1].copy(), (0, 2), 1)
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        module.draw_rows(ratings, draws, KEY, scratch, (0, 2), 0)
    with pytest.raises(TypeError, match="key must be a DrawKey"):
        module.draw_rows(ratings, draws, 3, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.draw_rows(ratings, replace(draws, means=draws.rows), KEY, scratch, (0, 2), 1)
    bad = replace(draws, precision=-9e9 * np.eye(3))
    with pytest.raises(ValueError, match="the precisions of 2 rows are not positive definite"):
        module.draw_rows(ratings, bad, KEY, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="width must be at most"):
        module.scratch_shape(1, 2**21, 4)
    products = products_case(case := rows_case([3, 4], 3))
    with pytest.raises(ValueError, match="as many rows, columns and ratings"):
        module.multiply_rows(rows_case([3, 5], 3)[0], products, (0, 2), 1)
    changed = replace(products, products=case[0].values)
    with pytest.raises(ValueError, match="share memory"):
        module.multiply_rows(case[0], changed, (0, 2), 1)
    with pytest.raises(TypeError, match="products must be a RowProducts"):
        module.multiply_rows(case[0], draws, (0, 2), 1)
