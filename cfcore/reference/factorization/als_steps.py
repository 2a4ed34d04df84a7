"""Twin of `cfcore.kernels.factorization.als_steps` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import RatingRows, RowSolves, check_span, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps

Float64 = NDArray[np.float64]

VECTORS = 10


def scratch_shape(n_threads: int, width: int) -> tuple[int, int]:
    """Shape of the scratch of `improve_rows`; see the kernel."""
    check_threads(n_threads)
    if not 0 <= width <= 2**20:
        raise ValueError("scratch_shape: width must be between 0 and 2^20")
    return n_threads, VECTORS * width + 512


def improve_rows(
    ratings: RatingRows,
    solves: RowSolves,
    steps: int,
    scratch: Float64,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Rows and biases improved by steps of conjugate gradients; see the kernel."""
    check_record(ratings, RatingRows, "improve_rows: ratings")
    check_record(solves, RowSolves, "improve_rows: solves")
    check_array(scratch, np.float64, 2, True, "improve_rows: scratch")
    if ratings.n_rows != solves.n_rows or ratings.n_columns != solves.n_columns:
        raise ValueError("improve_rows: ratings and solves must be of as many rows and columns")
    if solves.weights is not None and len(solves.weights) != ratings.n:
        raise ValueError("improve_rows: there must be as many weights as ratings")
    if not 0 <= steps <= 1024:
        raise ValueError(f"improve_rows: steps must be between 0 and 1024, not {steps}")
    check_written((solves,), (ratings,))
    begin, end = check_span("improve_rows", span, solves.n_rows, "rows")
    if overlaps(scratch, [held for record in (ratings, solves) for _, held, _ in record.arrays()]):
        raise ValueError("improve_rows: scratch shares memory with another argument")
    wanted = scratch_shape(n_threads, solves.width)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"improve_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    failed = sum(not _improve_row(ratings, solves, row, steps) for row in range(begin, end))
    if failed:
        raise ValueError(f"improve_rows: the matrices of {failed} rows are not positive definite")


def _improve_row(ratings: RatingRows, solves: RowSolves, row: int, steps: int) -> bool:
    # The last number of each vector is that of the bias.
    width, own = solves.width, slice(ratings.indptr[row], ratings.indptr[row + 1])
    columns, biased = ratings.indices[own], solves.bias_penalty is not None
    z = np.full((len(columns), width + 1), float(biased))
    z[:, :width] = solves.columns[columns]
    targets = ratings.values[own].astype(np.float64) - solves.mean - solves.column_biases[columns]
    weights = np.ones(len(columns)) if solves.weights is None else solves.weights[own].astype(np.float64)
    added, centre, x = np.full(width + 1, solves.penalty[row]), np.zeros(width + 1), np.zeros(width + 1)
    added[width] = 1.0 if solves.bias_penalty is None else solves.bias_penalty[row]
    x[:width] = solves.rows[row]
    if biased:
        x[width] = solves.biases[row]
    if solves.centres is not None:
        centre[:width] = solves.centres[row]
    rest = z.T @ (weights * (targets - z @ x)) - added * (x - centre)
    scale = 1 / ((z * z).T @ weights + added)
    if not (scale > 0).all():
        return False
    direction = scale * rest
    size = float(rest @ direction)
    for _ in range(steps):
        if not size > 0:
            break
        product = z.T @ (weights * (z @ direction)) + added * direction
        length = float(direction @ product)
        if not 0 < length < np.inf:
            return False
        x += size / length * direction
        rest -= size / length * product
        new = float(rest @ (scale * rest))
        direction = scale * rest + new / size * direction
        size = new
    solves.rows[row] = x[:width]
    if biased:
        solves.biases[row] = x[width]
    errors = targets - z @ x
    solves.squares[row] = float(weights @ (errors * errors))
    return bool(size < np.inf)
