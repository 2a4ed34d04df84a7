"""Twin of `cfcore.kernels.factorization.baseline` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Biases, RatingRows, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]


def solve(rows: RatingRows, biases: Biases, reg: float, n_threads: int) -> None:
    """Damped means of residuals, row by row; see the kernel."""
    _check_fit("solve", rows, biases)
    check_written((biases,), (rows,))
    check_threads(n_threads)
    if not 0 <= reg < np.inf:
        raise ValueError(f"solve: reg must be finite and at least 0, not {reg!r}")
    counts = np.diff(rows.indptr)
    residuals = rows.values.astype(np.float64) - biases.mean - biases.column_bias[rows.indices]
    totals = np.bincount(_row_numbers(rows), weights=residuals, minlength=rows.n_rows)
    damped = totals / np.maximum(reg + counts, np.finfo(np.float64).tiny)
    biases.row_bias[:] = np.where(counts > 0, damped, 0)


def squared_error(rows: RatingRows, biases: Biases, squares: Float64, n_threads: int) -> None:
    """Sum of squared errors of each row; see the kernel."""
    _check_fit("squared_error", rows, biases)
    check_array(squares, np.float64, 1, True, "squared_error: squares")
    check_threads(n_threads)
    if len(squares) != rows.n_rows:
        raise ValueError("squared_error: squares must have one entry a row")
    if overlaps(squares, (rows.indptr, rows.indices, rows.values, biases.row_bias, biases.column_bias)):
        raise ValueError("squared_error: squares shares memory with rows or biases")
    row_of = _row_numbers(rows)
    base = biases.mean + biases.row_bias[row_of]
    errors = rows.values.astype(np.float64) - base - biases.column_bias[rows.indices]
    squares[:] = np.bincount(row_of, weights=errors * errors, minlength=rows.n_rows)


def predict(users: Int32, items: Int32, biases: Biases, out: Float64, n_threads: int) -> None:
    """mu + b_u + b_i for pairs of codes, -1 being unknown; see the kernel."""
    check_array(users, np.int32, 1, False, "predict: users")
    check_array(items, np.int32, 1, False, "predict: items")
    check_record(biases, Biases, "predict: biases")
    check_array(out, np.float64, 1, True, "predict: out")
    check_threads(n_threads)
    if len(items) != len(users) or len(out) != len(users):
        raise ValueError("predict: users, items and out must be of one length")
    if overlaps(out, (users, items, biases.row_bias, biases.column_bias)):
        raise ValueError("predict: out shares memory with another argument")
    bad = (users < -1) | (users >= biases.n_rows) | (items < -1) | (items >= biases.n_columns)
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    out[:] = biases.mean
    user, item = users >= 0, items >= 0
    out[user] += biases.row_bias[users[user]]
    out[item] += biases.column_bias[items[item]]


def _row_numbers(rows: RatingRows) -> NDArray[np.int64]:
    """The row of each rating."""
    return np.repeat(np.arange(rows.n_rows), np.diff(rows.indptr))


def _check_fit(function: str, rows: RatingRows, biases: Biases) -> None:
    check_record(rows, RatingRows, f"{function}: rows")
    check_record(biases, Biases, f"{function}: biases")
    if rows.n_rows != biases.n_rows or rows.n_columns != biases.n_columns:
        raise ValueError(
            f"{function}: rows has {rows.n_rows} rows and {rows.n_columns} columns, "
            f"biases has {biases.n_rows} and {biases.n_columns}"
        )
