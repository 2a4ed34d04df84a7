"""Twin of `cfcore.kernels.factorization.gibbs` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    DrawKey,
    RatingRows,
    RowDraws,
    RowProducts,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps
from cfcore.reference.common.rng import philox

Float64 = NDArray[np.float64]

PIECE, TILE, LONG = 2048, 64, 32768
BATCH, WIDEST = 8, 64


def scratch_shape(n_threads: int, width: int, most: int) -> tuple[int, int]:
    """Shape of the scratch of `draw_rows`; see the kernel."""
    check_threads(n_threads)
    if not (0 <= width <= 2**20 and 0 <= most < 2**48):
        raise ValueError("scratch_shape: width must be at most 2^20 and most below 2^48, both at least 0")
    sums = width * (width + 1)
    batches = 2 * sums + 10 * width if width > WIDEST else (BATCH + 1) * sums + BATCH * width * (width + 3)
    size = batches + TILE * width + 512
    pieces = (most // PIECE + 1) * sums if most > LONG else 0
    return n_threads + 1 + -(-pieces // size), size


def draw_rows(
    ratings: RatingRows,
    draws: RowDraws,
    key: DrawKey,
    scratch: Float64,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Rows from their conditional normal distributions; see the kernel."""
    check_record(ratings, RatingRows, "draw_rows: ratings")
    check_record(draws, RowDraws, "draw_rows: draws")
    check_record(key, DrawKey, "draw_rows: key")
    check_array(scratch, np.float64, 2, True, "draw_rows: scratch")
    if ratings.n_rows != draws.n_rows or ratings.n_columns != draws.n_columns:
        raise ValueError("draw_rows: ratings and draws must be of as many rows and columns")
    if draws.weights is not None and len(draws.weights) != ratings.n:
        raise ValueError("draw_rows: there must be as many weights as ratings")
    check_written((draws,), (ratings,))
    begin, end = check_span("draw_rows", span, draws.n_rows, "rows")
    if overlaps(scratch, [held for record in (ratings, draws) for _, held, _ in record.arrays()]):
        raise ValueError("draw_rows: scratch shares memory with another argument")
    most = int(np.diff(ratings.indptr[begin : end + 1]).max(initial=0))
    wanted = scratch_shape(n_threads, draws.width, most)
    if scratch.shape[0] < wanted[0] or scratch.shape[1] < wanted[1]:
        raise ValueError(f"draw_rows: scratch must be of shape {wanted}, not {scratch.shape}")
    slots = -(-draws.n_factors // 2)
    noise = normal_numbers(key, begin, end, slots)
    if not draws.own_numbers:
        noise[:] = normal_numbers(key, 0, 1, slots)
    failed = sum(not _draw_row(ratings, draws, row, noise[row - begin]) for row in range(begin, end))
    if failed:
        raise ValueError(f"draw_rows: the precisions of {failed} rows are not positive definite")


def _draw_row(ratings: RatingRows, draws: RowDraws, row: int, noise: Float64) -> bool:
    n, alpha = draws.n_factors, draws.row_precision[row]
    gram, rest = np.zeros((n, n)), np.zeros(n)
    begin, end = ratings.indptr[row], ratings.indptr[row + 1]
    for first in range(begin, max(end, begin + 1), PIECE):
        sums = _piece(ratings, draws, first, min(first + PIECE, end))
        gram, rest = gram + sums[0], rest + sums[1]
    precision = alpha * gram + draws.precision
    linear = alpha * rest + np.einsum("i,ij->j", draws.prior_mean[row], draws.precision)
    try:
        factor = np.linalg.cholesky(precision)  # lower
    except np.linalg.LinAlgError:
        return False
    if not np.isfinite(factor).all():
        return False
    solution = np.linalg.solve(factor, linear)
    if draws.means is not None:
        draws.means[row, :n] = np.linalg.solve(factor.T, solution)
    draws.rows[row, :n] = np.linalg.solve(factor.T, solution + noise[:n])
    return True


def _piece(ratings: RatingRows, draws: RowDraws, begin: int, end: int) -> tuple[Float64, Float64]:
    """Sums of z z' and of z times target: tiles in float32, in the order of the ratings, then in double."""
    n = draws.n_factors
    gram, rest = np.zeros((n, n)), np.zeros(n)
    for first in range(begin, end, TILE):
        tile = slice(first, min(first + TILE, end))
        columns = ratings.indices[tile]
        z = draws.columns[columns, :n]
        weights = draws.column_weight[columns]
        if draws.weights is not None:
            weights = weights * draws.weights[tile]
        scaled = z * weights[:, np.newaxis]
        # Unlike np.sum, running sums add the ratings one after the other.
        gram += np.cumsum(scaled[:, :, np.newaxis] * z[:, np.newaxis], axis=0, dtype=np.float32)[-1]
        rest += np.cumsum(scaled * ratings.values[tile, np.newaxis], axis=0, dtype=np.float32)[-1]
    return gram, rest


def multiply_rows(ratings: RatingRows, products: RowProducts, span: tuple[int, int], n_threads: int) -> None:
    """Products of rows and columns, and sums of squares; see the kernel."""
    check_record(ratings, RatingRows, "multiply_rows: ratings")
    check_record(products, RowProducts, "multiply_rows: products")
    if (ratings.n_rows, ratings.n_columns, ratings.n) != (products.n_rows, products.n_columns, products.n):
        raise ValueError("multiply_rows: ratings and products must be of as many rows, columns and ratings")
    check_written((products,), (ratings,))
    begin, end = check_span("multiply_rows", span, products.n_rows, "rows")
    check_threads(n_threads)
    for row in range(begin, end):
        mine = slice(ratings.indptr[row], ratings.indptr[row + 1])
        found = products.columns[ratings.indices[mine]] @ products.rows[row]
        products.products[mine] = found
        target, product = ratings.values[mine].astype(np.float64), found.astype(np.float64)
        weights = (
            np.ones(len(found)) if products.weights is None else products.weights[mine].astype(np.float64)
        )
        for at, each in enumerate((target * target, target * product, product * product)):
            products.squares[row, at] = np.sum(weights * each)


def normal_numbers(key: DrawKey, begin: int, end: int, n_slots: int) -> Float64:
    """Two standard normal numbers for each slot of some rows, by the method of Box and Muller."""
    counters = np.empty((end - begin, n_slots, 4), dtype=np.uint32)
    counters[:, :, 0] = np.arange(n_slots)
    counters[:, :, 1] = np.arange(begin, end)[:, np.newaxis]
    counters[:, :, 2:] = key.sweep, key.kind
    words = np.empty_like(counters).reshape(-1, 4)
    philox(counters.reshape(-1, 4), words, key.seed)
    pairs = (words[:, ::2].astype(np.uint64) << np.uint64(32)) | words[:, 1::2]
    units = ((pairs >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    radius, angle = np.sqrt(-2 * np.log(units[:, 0])), 2 * np.pi * units[:, 1]
    found = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return found.reshape(end - begin, 2 * n_slots)
