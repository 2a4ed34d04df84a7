"""Twin of `cfcore.kernels.factorization.baseline` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floating = np.ndarray[Any, Any]


def solve(
    indptr: Int64,
    indices: Int32,
    values: Float32,
    other: Float64,
    bias: Float64,
    mean: float,
    reg: float,
    n_threads: int,
) -> None:
    """Damped means of residuals, row by row; see the kernel."""
    _check("solve", indptr, indices, values, len(bias), len(other))
    counts = np.diff(indptr)
    residuals = values.astype(np.float64) - mean - other[indices]
    totals = np.bincount(np.repeat(np.arange(len(bias)), counts), weights=residuals, minlength=len(bias))
    bias[:] = np.where(counts > 0, totals / np.maximum(reg + counts, np.finfo(np.float64).tiny), 0)


def squared_error(
    indptr: Int64,
    indices: Int32,
    values: Float32,
    row_bias: Float64,
    column_bias: Float64,
    squares: Float64,
    mean: float,
    n_threads: int,
) -> None:
    """Sum of squared errors of each row; see the kernel."""
    _check("squared_error", indptr, indices, values, len(squares), len(column_bias))
    if len(row_bias) != len(squares):
        raise ValueError("squared_error: row_bias and squares must be of one length")
    rows = np.repeat(np.arange(len(squares)), np.diff(indptr))
    errors = values.astype(np.float64) - (mean + row_bias[rows]) - column_bias[indices]
    squares[:] = np.bincount(rows, weights=errors * errors, minlength=len(squares))


def predict(
    users: Int32,
    items: Int32,
    user_bias: Floating,
    item_bias: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None:
    """mu + b_u + b_i for pairs of codes, -1 being unknown; see the kernel."""
    if len(items) != len(users) or len(out) != len(users):
        raise ValueError("predict: users, items and out must be of one length")
    bad = (users < -1) | (users >= len(user_bias)) | (items < -1) | (items >= len(item_bias))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    out[:] = mean
    user, item = users >= 0, items >= 0
    out[user] += user_bias[users[user]]
    out[item] += item_bias[items[item]]


def _check(who: str, indptr: Int64, indices: Int32, values: Float32, n_rows: int, n_columns: int) -> None:
    if len(values) != len(indices) or len(indptr) != n_rows + 1:
        raise ValueError(f"{who}: indices and values must be of one length, indptr one longer than the rows")
    if indptr[0] != 0 or indptr[-1] != len(indices):
        raise ValueError(f"{who}: indptr must run from 0 to the number of ratings")
    falls = np.diff(indptr) < 0
    if falls.any():
        raise ValueError(f"{who}: indptr falls at row {int(falls.argmax())}")
    if ((indices < 0) | (indices >= n_columns)).any():
        raise ValueError(f"{who}: a column is out of range")
