"""Twin of `cfcore.kernels.neighbors.similarity`: similarities of all pairs of rows by sparse matrix products.

With R the ratings (rows by co-raters), R2 their squares and M the ones where there is a rating, the sums over
co-raters are products of matrices: n = M M', Sx = R M', Sy = M R', Sxx = R2 M', Syy = M R2', Sxy = R R'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    LevelRatings,
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_record, check_threads

Array = NDArray[Any]


def row_bytes(ratings: PackedRatings, rule: SimilarityRule) -> int:
    """Bytes of scratch the compiled kernel needs a thread; this one needs none."""
    check_record(ratings, PackedRatings, "row_bytes: ratings")
    check_record(rule, SimilarityRule, "row_bytes: rule")
    if isinstance(ratings, LevelRatings):
        size = 48 if ratings.longest > ratings.spill_every else 16
    else:
        size = 64 if rule.measure == "pearson" else 32
    return -(-ratings.n_rows // 8) * 8 * size


def half_rows(
    ratings: PackedRatings,
    rule: SimilarityRule,
    matrix: SimilarityMatrix,
    scratch: SimilarityScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Similarity of each of the rows [begin, end) to every row before it: see the kernel."""
    _check_call("half_rows", ratings, rule, scratch, span, n_threads)
    check_record(matrix, SimilarityMatrix, "half_rows: matrix")
    check_written((matrix, scratch), (ratings,))
    if ratings.ends is None:
        raise ValueError("half_rows: ratings needs ends")
    if matrix.n_rows != ratings.n_rows:
        raise ValueError("half_rows: matrix must have a row for each row of ratings")
    begin, end = span
    _check_ends(ratings, ratings.ends, begin, end)
    # The partners of a row are those before it: one product reaches as far as the last row needs.
    sums = co_rated(ratings, begin, end, end)
    similar = evaluate(sums, ratings, rule, begin)
    for row in range(begin, end):
        matrix.values[row, :row] = similar[row - begin, :row]
        matrix.values[row, row] = 1


def top_rows(
    ratings: PackedRatings,
    rule: SimilarityRule,
    nearest: NearestRows,
    scratch: SimilarityScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """The most similar rows of each of the rows [begin, end): see the kernel."""
    _check_call("top_rows", ratings, rule, scratch, span, n_threads)
    check_record(nearest, NearestRows, "top_rows: nearest")
    check_written((nearest, scratch), (ratings,))
    if nearest.n_rows != ratings.n_rows or nearest.n_kept < 1:
        raise ValueError("top_rows: nearest must have a row for each row of ratings, and at least one column")
    begin, end = span
    sums = co_rated(ratings, begin, end, ratings.n_rows)
    similar = evaluate(sums, ratings, rule, begin)
    for row in range(begin, end):
        partners = np.flatnonzero(sums[0][row - begin] >= max(1, rule.min_support))
        partners = partners[partners != row]
        own = similar[row - begin, partners].astype(nearest.values.dtype)
        best = np.argsort(-own, kind="stable")[: nearest.n_kept]
        nearest.codes[row], nearest.values[row] = -1, 0
        nearest.codes[row, : len(best)], nearest.values[row, : len(best)] = partners[best], own[best]


def mirror(matrix: SimilarityMatrix, span: tuple[int, int], n_threads: int) -> None:
    """Copy the half below the diagonal to the half above it, for the target rows [begin, end)."""
    check_threads(n_threads)
    check_record(matrix, SimilarityMatrix, "mirror: matrix")
    check_written((matrix,))
    begin, end = check_span("mirror", span, matrix.n_rows, "rows")
    for row in range(begin, end):
        matrix.values[row, row + 1 :] = matrix.values[row + 1 :, row]


def _check_call(
    who: str,
    ratings: PackedRatings,
    rule: SimilarityRule,
    scratch: SimilarityScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    check_threads(n_threads)
    check_record(ratings, PackedRatings, f"{who}: ratings")
    check_record(rule, SimilarityRule, f"{who}: rule")
    check_record(scratch, SimilarityScratch, f"{who}: scratch")
    check_span(who, span, ratings.n_rows, "rows")
    if scratch.n_threads < n_threads or scratch.n_bytes < row_bytes(ratings, rule):
        raise ValueError(f"{who}: scratch needs n_threads rows of row_bytes(...) bytes")


def _check_ends(ratings: PackedRatings, ends: Array, begin: int, end: int) -> None:
    first, last = ratings.indptr[begin], ratings.indptr[end]
    co_raters, _ = unpack(ratings.entries[first:last])
    own = ends[first:last]
    bad = (own < ratings.co_indptr[co_raters]) | (own > ratings.co_indptr[co_raters + 1])
    if bad.any():
        raise ValueError(f"half_rows: ends[{first + bad.argmax()}] is outside the row of its co-rater")


def unpack(entries: Array) -> tuple[Array, Array]:
    """Codes, and levels or values."""
    if entries.dtype == np.uint32:
        return (entries >> 4).astype(np.int64), (entries & 15).astype(np.int64)
    return (entries >> 32).astype(np.int64), (entries & 0xFFFFFFFF).astype(np.uint32).view(np.float32)


def co_rated(ratings: PackedRatings, begin: int, end: int, reach: int) -> tuple[Array, ...]:
    """n, Sx, Sy, Sxx, Syy, Sxy of rows [begin, end) with rows [0, reach), in double (exact for levels)."""
    from scipy.sparse import csr_array

    def matrices(words: Array, pointers: Array, n_columns: int) -> list[Any]:
        codes, rated = unpack(words)
        if isinstance(ratings, LevelRatings):
            rated = np.diagonal(ratings.products[..., 1])[rated]
        rated = rated.astype(np.float64)
        shape = (len(pointers) - 1, n_columns)
        return [csr_array((data, codes, pointers), shape) for data in (np.ones_like(rated), rated, rated**2)]

    first, last = ratings.indptr[begin], ratings.indptr[end]
    mask, value, square = matrices(
        ratings.entries[first:last], ratings.indptr[begin : end + 1] - first, ratings.n_co_raters
    )
    co_mask, co_value, co_square = (
        matrix[:, :reach] for matrix in matrices(ratings.co_entries, ratings.co_indptr, ratings.n_rows)
    )
    pairs = ((mask, co_mask), (value, co_mask), (mask, co_value), (square, co_mask), (mask, co_square))
    return tuple((a @ b).toarray() for a, b in (*pairs, (value, co_value)))


def evaluate(sums: tuple[Array, ...], ratings: PackedRatings, rule: SimilarityRule, begin: int) -> Array:
    """From sums over co-raters to a similarity. A new measure is a branch here; see ``measures.pxd``."""
    n, x, y, xx, yy, xy = sums
    offset, step = ratings.offset, ratings.step
    if rule.measure == "pearson":
        vx, vy = n * xx - x * x, n * yy - y * y
        tolerance = 1e-12  # exact sums that are not equal differ by more than this
        vx, vy = (np.where(v > tolerance * n * s, v, 0.0) for v, s in ((vx, xx), (vy, yy)))
        similar = quotient(n * xy - x * y, np.sqrt(vx * vy)).clip(-1, 1)
    elif rule.measure == "jaccard":
        sizes = np.diff(ratings.indptr)
        similar = quotient(n, sizes[begin : begin + len(n), None] + sizes[None, : n.shape[1]] - n)
    else:
        xx = xx + offset * (2 * x + offset * n)
        yy = yy + offset * (2 * y + offset * n)
        xy = xy + offset * (x + y + offset * n)
        if rule.measure == "cosine":
            similar = quotient(xy, np.sqrt(xx * yy)).clip(-1, 1)
        elif rule.measure == "dot":
            similar = step**2 * xy
        else:
            similar = quotient(n, n + step**2 * np.maximum(xx + yy - 2 * xy, 0))
    if rule.shrinkage > 0:
        similar *= quotient(n - 1, n - 1 + rule.shrinkage)
    return np.where(n == 0, rule.no_overlap, np.where(n >= rule.min_support, similar, 0.0))


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)
