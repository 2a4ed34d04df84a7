"""Twin of `cfcore.kernels.factorization.als` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import RatingRows, RowSolves, check_span, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps

Float64 = NDArray[np.float64]

PIECE, TILE, SCALARS, LONG = 2048, 64, 8, 32768
BATCH, WIDEST = 8, 64


def scratch_shape(n_threads: int, width: int, most: int) -> tuple[int, int]:
    """Shape of the scratch of `solve_rows`; see the kernel."""
    check_threads(n_threads)
    if not (0 <= width <= 2**20 and 0 <= most < 2**48):
        raise ValueError("scratch_shape: width must be at most 2^20 and most below 2^48, both at least 0")
    sums = SCALARS + width * (width + 2)
    batches = 2 * sums + 3 * width if width > WIDEST else (BATCH + 1) * sums + BATCH * width * (width + 6)
    size = batches + TILE * width + 512
    pieces = (most // PIECE + 1) * sums if most > LONG else 0
    return n_threads + -(-pieces // size), size


def solve_rows(
    ratings: RatingRows, solves: RowSolves, scratch: Float64, span: tuple[int, int], n_threads: int
) -> None:
    """Rows and biases by least squares; see the kernel."""
    check_record(ratings, RatingRows, "solve_rows: ratings")
    check_record(solves, RowSolves, "solve_rows: solves")
    check_array(scratch, np.float64, 2, True, "solve_rows: scratch")
    if ratings.n_rows != solves.n_rows or ratings.n_columns != solves.n_columns:
        raise ValueError("solve_rows: ratings and solves must be of as many rows and columns")
    if solves.weights is not None and len(solves.weights) != ratings.n:
        raise ValueError("solve_rows: there must be as many weights as ratings")
    check_written((solves,), (ratings,))
    begin, end = check_span("solve_rows", span, solves.n_rows, "rows")
    if overlaps(scratch, [held for record in (ratings, solves) for _, held, _ in record.arrays()]):
        raise ValueError("solve_rows: scratch shares memory with another argument")
    most = int(np.diff(ratings.indptr[begin : end + 1]).max(initial=0))
    wanted = scratch_shape(n_threads, solves.width, most)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"solve_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    failed = sum(not _solve_row(ratings, solves, row) for row in range(begin, end))
    if failed:
        raise ValueError(f"solve_rows: the matrices of {failed} rows are not positive definite")


def _solve_row(ratings: RatingRows, solves: RowSolves, row: int) -> bool:
    # The last row and column of the matrix are those of the bias.
    width, penalty = solves.width, solves.penalty[row]
    begin, end = ratings.indptr[row], ratings.indptr[row + 1]
    gram, rest, squares = np.zeros((width + 1, width + 1)), np.zeros(width + 1), 0.0
    for first in range(begin, max(end, begin + 1), PIECE):
        sums = _piece(ratings, solves, first, min(first + PIECE, end))
        gram, rest, squares = gram + sums[0], rest + sums[1], squares + sums[2]
    n = width if solves.bias_penalty is None else width + 1
    added = np.full(n, penalty)
    added[width:] = 0.0 if solves.bias_penalty is None else solves.bias_penalty[row]
    right = rest[:n].copy()
    if solves.centres is not None:
        right[:width] += penalty * solves.centres[row]
    try:
        factor = np.linalg.cholesky(gram[:n, :n] + np.diag(added))
    except np.linalg.LinAlgError:
        return False
    if not np.isfinite(factor).all():
        return False
    solution = np.zeros(width + 1)
    solution[:n] = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
    solves.rows[row] = solution[:width]
    if solves.bias_penalty is not None:
        solves.biases[row] = solution[width]
    squares += float(solution @ (gram @ solution) - 2 * (solution @ rest))
    solves.squares[row] = max(squares, 0.0)
    return True


def _piece(ratings: RatingRows, solves: RowSolves, begin: int, end: int) -> tuple[Float64, Float64, float]:
    """Sums of z z', of z t and of t t, the last of the numbers of z being 1: as `_piece` of `gibbs`."""
    width = solves.width
    gram, rest, numbers = np.zeros((width + 1, width + 1)), np.zeros(width + 1), np.zeros(3)
    for first in range(begin, end, TILE):
        tile = slice(first, min(first + TILE, end))
        columns = ratings.indices[tile]
        z = np.ones((len(columns), width + 1), dtype=np.float32)
        z[:, :width] = solves.columns[columns]
        values = ratings.values[tile].astype(np.float64)
        targets = (values - solves.mean - solves.column_biases[columns]).astype(np.float32)
        weights = np.ones_like(targets) if solves.weights is None else solves.weights[tile]
        scaled = z * weights[:, np.newaxis]
        gram += np.cumsum(scaled[:, :, np.newaxis] * z[:, np.newaxis], axis=0, dtype=np.float32)[-1]
        rest += np.cumsum(scaled * targets[:, np.newaxis], axis=0, dtype=np.float32)[-1]
        # Those that are single numbers are summed in double.
        products = weights.astype(np.float64) * targets
        numbers[:] += np.sum(weights, dtype=np.float64), np.sum(products), np.sum(products * targets)
    gram[width, width], rest[width] = numbers[:2]
    return gram, rest, float(numbers[2])
