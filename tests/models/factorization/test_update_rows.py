"""Rows joined, and least squares for rows: what `fold_in` and `partial_fit` are made of."""

from __future__ import annotations

import numpy as np
import pytest

from cfcore.models.factorization.update import joined_rows, ridge


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
    found, joined = joined_rows(indptr, members, at, n_rows, rows, columns)
    assert [joined[found[row] : found[row + 1]].tolist() for row in range(n_rows)] == [
        sorted(u) for u in union
    ]
    assert found.dtype == np.int64
    assert joined.dtype == np.int32


@pytest.mark.parametrize("reg_bias", [None, 0.3])
def test_ridge_is_least_squares_with_the_penalty_as_further_rows(reg_bias: float | None) -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(12, 4))
    counts = [1, 3, 12]
    indptr = np.append(0, np.cumsum(counts))
    columns = np.concatenate([rng.choice(12, count, replace=False) for count in counts])
    targets = rng.normal(size=len(columns))
    solved, biases = ridge(indptr, columns, targets, factors, 0.2, reg_bias)
    for row, count in enumerate(counts):
        span = slice(indptr[row], indptr[row + 1])
        left = np.column_stack([factors[columns[span]], np.ones(count)])
        penalty = np.sqrt(count * np.array([0.2] * 4 + [reg_bias or 0.0]))
        if reg_bias is None:
            left[:, -1] = 0
        wanted = np.linalg.lstsq(
            np.vstack([left, np.diag(penalty)]), np.append(targets[span], np.zeros(5)), rcond=None
        )[0]
        np.testing.assert_allclose(np.append(solved[row], biases[row]), wanted, atol=1e-10)
