"""Rows joined, and least squares for rows: what `fold_in` and `partial_fit` are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.fallback import mean_row
from cfcore.models.factorization.joining import joined_rows
from cfcore.models.factorization.ridge import RowPrior, is_positive_definite, ridge, row_prior


@pytest.mark.parametrize("seed", range(20))
def test_joined_rows_are_the_unions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_rows, width, m = int(rng.integers(0, 6)), 8, 9, int(rng.integers(0, 12))
    own = [np.flatnonzero(rng.random(width) < rng.random()) for _ in range(n)]
    indptr = np.append(0, np.cumsum([len(row) for row in own])).astype(np.int64)
    members = np.concatenate([*own, []]).astype(np.int32)
    at = np.sort(rng.choice(n_rows, n, replace=False)).astype(np.int32)
    rows, columns = rng.integers(0, n_rows, m), rng.integers(0, width, m)
    union: list[set[int]] = [set() for _ in range(n_rows)]
    for position, row in zip(at, own, strict=True):
        union[position] |= set(row.tolist())
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        union[row].add(column)
    found, joined, none = joined_rows(indptr, members, at, n_rows, rows, columns)
    assert none is None
    assert [joined[found[row] : found[row + 1]].tolist() for row in range(n_rows)] == [
        sorted(u) for u in union
    ]
    assert found.dtype == np.int64
    assert joined.dtype == np.int32


@pytest.mark.parametrize("seed", range(20))
def test_values_are_joined_and_new_ones_replace_those_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = (rng.random((3, 9)) < 0.5) * rng.integers(1, 6, (3, 9))
    later = (rng.random((6, 9)) < 0.3) * rng.integers(1, 6, (6, 9))
    at = np.sort(rng.choice(6, 3, replace=False))
    wanted = later.copy()
    wanted[at] = np.where(later[at], later[at], before)
    indptr = np.append(0, np.cumsum((before > 0).sum(axis=1)))
    members = np.nonzero(before)[1].astype(np.int32)
    rows, columns = (codes[::-1] for codes in np.nonzero(later))
    values = before[before > 0].astype(np.float32), later[rows, columns].astype(np.float32)
    found, joined, together = joined_rows(indptr, members, at, 6, rows, columns, values)
    assert together is not None
    assert together.dtype == np.float32
    table = np.zeros((6, 9))
    table[np.repeat(np.arange(6), np.diff(found)), joined] = together
    np.testing.assert_array_equal(table, wanted)


@pytest.mark.parametrize("biased", [False, True])
def test_ridge_is_least_squares_with_the_prior_as_further_rows(biased: bool) -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(12, 4))
    counts, size, noise = [0, 1, 3, 12], 4 + biased, 0.3
    indptr = np.append(0, np.cumsum(counts))
    columns = np.concatenate([rng.choice(12, count, replace=False) for count in counts])
    targets, means = rng.normal(size=len(columns)), rng.normal(size=(4, size))
    root = rng.normal(size=(size, size))
    prior = RowPrior(np.zeros(size), root @ root.T)
    solved = ridge(indptr, columns, targets, factors, prior, means, noise)
    np.testing.assert_array_equal(solved[0], means[0])
    for row, count in enumerate(counts):
        span = slice(indptr[row], indptr[row + 1])
        left = np.column_stack([factors[columns[span]], np.ones(count)])[:, :size]
        whitened = np.linalg.inv(root) * noise**0.5
        wanted = np.linalg.lstsq(
            np.vstack([left, whitened]), np.append(targets[span], whitened @ means[row]), rcond=None
        )[0]
        np.testing.assert_allclose(solved[row], wanted, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_prior_has_full_rank_for_any_number_of_rows(n: int) -> None:
    rng = np.random.default_rng(n)
    factors, bias = rng.normal(size=(n, 6)), rng.normal(size=n)
    prior = row_prior(factors, bias, 0.25, np.ones(n, dtype=np.int64), np.zeros(7))
    assert np.linalg.eigvalsh(prior.covariance)[0] > 0
    np.testing.assert_array_equal(prior.covariance, prior.covariance.T)
    if n == 0:
        np.testing.assert_array_equal(prior.mean, 0)
        np.testing.assert_allclose(prior.covariance, 0.25 * np.eye(7))
    if n == 500:
        np.testing.assert_allclose(prior.covariance, np.cov(factors.T, bias), atol=0.02)
        few = row_prior(factors, bias, 0.25, np.repeat([1, 99], 250), np.full(7, 3.0))
        rows = np.column_stack([factors, bias]) - 3
        expected = (rows[:250].T @ rows[:250] + 99 * rows[250:].T @ rows[250:]) / 25_000
        np.testing.assert_allclose(few.covariance, expected, atol=0.1)


def test_rows_count_by_their_ratings_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    rows, bias, counts = rng.normal(size=(40_000, 3)), rng.normal(size=40_000), rng.integers(0, 9, 40_000)
    wanted = np.average(np.column_stack([rows, bias]), axis=0, weights=counts)
    np.testing.assert_allclose(mean_row(rows, bias, counts), wanted, atol=1e-12)
    assert mean_row(rows[:0], bias[:0], counts[:0]).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_prior_in_any_unit(unit: float) -> None:
    """Factors have the unit's root, biases the unit; with the noise, rows are the same in all units."""
    rng = np.random.default_rng(4)
    factors, bias, others = rng.normal(size=(50, 6)), rng.normal(size=50), rng.normal(size=(9, 6))
    indptr, columns, targets = np.array([0, 3, 9]), np.arange(9), rng.normal(size=9)

    def solved(unit: float) -> Any:
        root = unit**0.5
        mean = np.append(np.full(6, 0.1 * root), 0.1 * unit)
        counts = np.arange(1, 51)
        prior = row_prior(factors * root, bias * unit, 0.1 * unit**2, counts, mean)
        assert is_positive_definite(prior.covariance)
        means = np.tile(prior.mean, (2, 1))
        rows = ridge(indptr, columns, targets * unit, others * root, prior, means, 0.1 * unit**2)
        return rows / np.append(np.full(6, root), unit)

    np.testing.assert_allclose(solved(unit), solved(1.0), rtol=1e-6)


def test_factors_that_hardly_left_zero_have_a_prior() -> None:
    rng = np.random.default_rng(5)
    train = cf.Ratings(
        rng.integers(0, 9, 60), rng.integers(0, 9, 60), rng.integers(1, 6, 60), duplicates="last"
    )
    model = cf.SVD(n_factors=3, n_epochs=1, init_scale=1e-30, random_state=0).fit(train)
    model.fold_in((np.repeat(77, 4), [0, 1, 2, 3], [5, 4, 5, 4]))
    assert np.isfinite(model.predict(77, np.arange(9))).all()
    assert model.predict(77, 5) > model.predict(99, 5)
