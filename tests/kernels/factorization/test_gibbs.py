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
from cfcore.kernels.records import BiasDraws, DrawKey, MemberDraws, RatingRows, RowDraws
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


def test_members_without_noise_are_the_means_that_they_are_drawn_around() -> None:
    """Many rounds without noise end at the solution of ridge regression."""
    draws = replace(members_case(4, n_blocks=1), noise=0.0)
    matrix, sums = sums_of(draws)
    rows = draws.errors[0] + sums[0]
    gram = matrix.T @ matrix + draws.penalty * np.eye(draws.n_members)
    for _ in range(200):
        compiled.draw_members(draws, KEY, (0, 7), 1)
    np.testing.assert_allclose(draws.members[0], np.linalg.solve(gram, matrix.T @ rows), atol=1e-9)
    one, other = (replace(members_case(5), noise=0.0) for _ in range(2))
    compiled.draw_members(one, KEY, (0, 7), 1)
    twin.draw_members(other, KEY, (0, 7), 1)
    np.testing.assert_allclose(one.members, other.members, rtol=1e-10, atol=1e-12)


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


@pytest.mark.parametrize("k", [8, 32, 40])
def test_same_bits_for_threads_spans_and_levels(k: int) -> None:
    case = rows_case([3, 5000, 0, 70, 2048, 2049, 11, 64, 9000], k, n_columns=500)
    expected = draw(compiled, case)
    found = [draw(compiled, case, n_threads=3), draw(compiled, case, cuts=[0, 1, 2, 6, 9])]
    for level in available_levels():
        with use_level(level):
            found.append(draw(compiled, case, n_threads=2))
    for one in found:
        assert one.rows.tobytes() == expected.rows.tobytes()
        assert one.means.tobytes() == expected.means.tobytes()


def test_every_part_of_the_key_gives_other_draws() -> None:
    case = rows_case([4, 4], 3)
    first = draw(compiled, case).rows
    assert (first[0, :3] != first[1, :3]).all()
    for change in ({"seed": 1}, {"kind": 1}, {"sweep": 1}):
        other = draw(compiled, case, replace(KEY, **change)).rows
        assert (other[:, :3] != first[:, :3]).all()


def biases_case(seed: int = 0, weighted: bool = True, n_groups: int = 6, n: int = 80) -> BiasDraws:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    indptr = np.append(0, np.cumsum(np.bincount(groups, minlength=n_groups))).astype(np.int64)
    weights = rng.uniform(0.5, 2, n).astype(np.float32) if weighted else None
    return BiasDraws(
        indptr, np.argsort(groups, kind="stable").astype(np.int32), rng.normal(0, 1, n),
        rng.normal(0, 1, n_groups), 0.3, 2.0, 1.5, weights,
    )  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_biases_and_their_errors(weighted: bool) -> None:
    found, expected, first = (biases_case(1, weighted) for _ in range(3))
    compiled.draw_biases(found, KEY, (0, 2), 2)
    compiled.draw_biases(found, KEY, (2, 6), 1)
    twin.draw_biases(expected, KEY, (0, 6), 1)
    np.testing.assert_allclose(found.biases, expected.biases, rtol=1e-12)
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-10, atol=1e-13)
    group = np.repeat(np.arange(6), np.diff(found.indptr))
    # What a bias and an error add up to stays.
    np.testing.assert_allclose(
        found.errors[found.ratings] + found.biases[group], first.errors[first.ratings] + first.biases[group]
    )


def test_biases_are_from_their_conditional_distribution() -> None:
    rng = np.random.default_rng(2)
    n = 5000
    draws = BiasDraws(
        2 * np.arange(n + 1, dtype=np.int64), np.arange(2 * n, dtype=np.int32),
        np.tile([0.5, -0.2], n), rng.normal(0, 1, n), 0.3, 2.0, 1.5, None,
    )  # fmt: skip
    whole = draws.errors.reshape(n, 2).sum(axis=1) + 2 * draws.biases
    compiled.draw_biases(draws, KEY, (0, n), 1)
    mean = (2.0 * 0.3 + 1.5 * whole) / (2.0 + 2 * 1.5)
    assert stats.kstest((draws.biases - mean) * np.sqrt(5.0), "norm").pvalue > 1e-3


def members_case(
    seed: int = 0, n_blocks: int = 2, n_members: int = 7, n_owners: int = 9, valued: bool = False
) -> MemberDraws:
    rng = np.random.default_rng(seed)
    held = rng.random((n_members, n_owners)) < 0.5
    indptr = np.append(0, np.cumsum(held.sum(axis=1))).astype(np.int64)
    weights = 1 / np.sqrt(np.maximum(held.sum(axis=0), 1))
    return MemberDraws(
        indptr, np.nonzero(held)[1].astype(np.int32), weights, rng.normal(0, 1, (n_blocks, n_members, 8)),
        rng.normal(0, 1, (n_blocks, n_owners, 8)), 1.7,
        rng.normal(0, 1, indptr[-1]).astype(np.float32) if valued else None,
    )  # fmt: skip


def sums_of(draws: MemberDraws) -> Any:
    """Weighted sums of each owner's members."""
    matrix = np.zeros((draws.n_owners, draws.n_members))
    for j in range(draws.n_members):
        owners = draws.owners[draws.indptr[j] : draws.indptr[j + 1]]
        values = 1 if draws.values is None else draws.values[draws.indptr[j] : draws.indptr[j + 1]]
        matrix[owners, j] = draws.weights[owners] * values
    return matrix, np.einsum("uj,bjf->buf", matrix, draws.members)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3), st.booleans())
def test_members_and_the_errors_of_their_owners(seed: int, n_blocks: int, valued: bool) -> None:
    found, expected, first = (members_case(seed, n_blocks, valued=valued) for _ in range(3))
    compiled.draw_members(found, KEY, (0, 3), 2)
    compiled.draw_members(found, KEY, (3, 7), 1)
    twin.draw_members(expected, KEY, (0, 7), 1)
    np.testing.assert_allclose(found.members, expected.members, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.errors, expected.errors, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.errors + sums_of(found)[1], first.errors + sums_of(first)[1], atol=1e-12)


@pytest.mark.parametrize("valued", [False, True])
def test_members_settle_at_the_posterior_of_the_regression(valued: bool) -> None:
    """Over many sweeps, mean and covariance of a column are those of ridge regression."""
    draws = members_case(4, n_blocks=1, valued=valued)
    matrix, sums = sums_of(draws)
    rows = draws.errors[0] + sums[0]
    covariance = np.linalg.inv(matrix.T @ matrix + draws.penalty * np.eye(draws.n_members))
    expected = covariance @ matrix.T @ rows
    total, squares, n = np.zeros_like(expected), np.zeros((7, 7)), 6000
    for sweep in range(n):
        compiled.draw_members(draws, DrawKey(5, 2, sweep), (0, 7), 1)
        total += draws.members[0]
        apart = draws.members[0] - expected
        squares += apart @ apart.T / 8
    np.testing.assert_allclose(total / n, expected, atol=0.06)
    np.testing.assert_allclose(squares / n, covariance, atol=0.04)


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
    with pytest.raises(TypeError, match="draws must be a BiasDraws"):
        module.draw_biases(draws, KEY, (0, 1), 1)
    with pytest.raises(TypeError, match="draws must be a MemberDraws"):
        module.draw_members(draws, KEY, (0, 1), 1)
