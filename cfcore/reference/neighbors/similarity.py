"""Similarities of all pairs of rows, by sparse matrix products: the twin of `cfcore.kernels.neighbors.similarity`.

With R the ratings (rows by co-raters), R2 their squares and M the ones where there is a rating, the sums over
co-raters are products of matrices: n = M M', Sx = R M', Sy = M R', Sxx = R2 M', Syy = M R2', Sxy = R R'.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MEASURES = {"pearson": 0, "cosine": 1, "msd": 2, "jaccard": 3, "dot": 4}
PEARSON, COSINE, MSD, JACCARD, DOT = MEASURES.values()


def row_bytes(n_rows: int, packed: bool, longest: int, largest: int, measure: int) -> int:
    """Bytes of scratch the compiled kernel needs a thread; this one needs none."""
    size = 16 if packed else 64 if measure == PEARSON else 32
    if packed and longest > 32767 // max(largest, 1):
        size = 48
    return -(-n_rows // 8) * 8 * size


def half_rows(
    entries: Array, indptr: Array, ends: Array, co_entries: Array, co_indptr: Array, products: Array,
    out: Array, scratch: Array, measure: int, offset: float, step: float, shrinkage: float, min_support: int,
    no_overlap: float, begin: int, end: int, n_threads: int,
) -> None:  # fmt: skip
    """Similarity of each of the rows [begin, end) to every row before it: see the kernel."""
    check(entries, indptr, co_entries, co_indptr, products, measure, shrinkage, begin, end, n_threads)
    if len(ends) != len(entries):
        raise ValueError("similarity: ends must be as long as entries")
    if out.shape != (len(indptr) - 1,) * 2:
        raise ValueError("similarity: out must be square, a row for each row of indptr")
    rows, _ = unpack(entries[indptr[begin] : indptr[end]])
    own = ends[indptr[begin] : indptr[end]]
    if ((own < co_indptr[rows]) | (own > co_indptr[rows + 1])).any():
        raise ValueError("similarity: ends has a position outside the row of its co-rater")
    # The partners of a row are those before it: one product reaches as far as the last row needs.
    sums = co_rated(entries, indptr, co_entries, co_indptr, products, begin, end, end)
    similar = evaluate(sums, indptr, measure, offset, step, shrinkage, min_support, no_overlap, begin)
    for row in range(begin, end):
        out[row, :row] = similar[row - begin, :row]
        out[row, row] = 1


def top_rows(
    entries: Array, indptr: Array, co_entries: Array, co_indptr: Array, products: Array, codes: Array,
    values: Array, scratch: Array, measure: int, offset: float, step: float, shrinkage: float,
    min_support: int, begin: int, end: int, n_threads: int,
) -> None:  # fmt: skip
    """The most similar rows of each of the rows [begin, end): see the kernel."""
    check(entries, indptr, co_entries, co_indptr, products, measure, shrinkage, begin, end, n_threads)
    n_rows, k = len(indptr) - 1, codes.shape[1]
    if codes.shape[0] != n_rows or values.shape != codes.shape or k < 1:
        raise ValueError("similarity: codes and values must have shape (n_rows, k) with k at least 1")
    sums = co_rated(entries, indptr, co_entries, co_indptr, products, begin, end, n_rows)
    similar = evaluate(sums, indptr, measure, offset, step, shrinkage, min_support, 0.0, begin)
    for row in range(begin, end):
        partners = np.flatnonzero(sums[0][row - begin] >= max(1, min_support))
        partners = partners[partners != row]
        own = similar[row - begin, partners].astype(values.dtype)
        best = np.argsort(-own, kind="stable")[:k]
        codes[row], values[row] = -1, 0
        codes[row, : len(best)], values[row, : len(best)] = partners[best], own[best]


def mirror(out: Array, begin: int, end: int, n_threads: int) -> None:
    """Copy the half below the diagonal to the half above it, for the target rows [begin, end)."""
    if out.shape[0] != out.shape[1] or not 0 <= begin <= end <= len(out) or n_threads < 1:
        raise ValueError("similarity: mirror takes a square array and rows within it")
    for row in range(begin, end):
        out[row, row + 1 :] = out[row + 1 :, row]


def check(
    entries: Array, indptr: Array, co_entries: Array, co_indptr: Array, products: Array, measure: int,
    shrinkage: float, begin: int, end: int, n_threads: int,
) -> None:  # fmt: skip
    """Raise ValueError where the kernel does."""
    n_rows, n_co = len(indptr) - 1, len(co_indptr) - 1
    if n_rows < 0 or n_co < 0:
        raise ValueError("similarity: indptr must have at least one entry")
    for pointers, words in ((indptr, entries), (co_indptr, co_entries)):
        if (np.diff(pointers) < 0).any() or pointers[0] != 0 or pointers[-1] != len(words):
            raise ValueError("similarity: indptr and co_indptr must rise from 0 to the number of entries")
    if not 0 <= begin <= end <= n_rows:
        raise ValueError(f"similarity: rows {begin} to {end} are not within 0 to {n_rows}")
    if n_threads < 1:
        raise ValueError("similarity: n_threads must be at least 1")
    if not (0 <= measure <= DOT and shrinkage >= 0):
        raise ValueError("similarity: measure must be one of MEASURES, shrinkage at least 0")
    if len(co_entries) and unpack(co_entries)[0].max() >= n_rows:
        raise ValueError(f"similarity: co_entries holds a code beyond its {n_rows} rows")
    own = unpack(entries[indptr[begin] : indptr[end]])[0]
    if len(own) and own.max() >= n_co:
        raise ValueError(f"similarity: entries holds a code beyond its {n_co} co-raters")
    if entries.dtype == np.uint32 and products.shape != (16, 16, 8):
        raise ValueError("similarity: products must have shape (16, 16, 8)")


def unpack(entries: Array) -> tuple[Array, Array]:
    """Codes, and levels or values."""
    if entries.dtype == np.uint32:
        return (entries >> 4).astype(np.int64), (entries & 15).astype(np.int64)
    return (entries >> 32).astype(np.int64), (entries & 0xFFFFFFFF).astype(np.uint32).view(np.float32)


def co_rated(
    entries: Array, indptr: Array, co_entries: Array, co_indptr: Array, products: Array, begin: int, end: int,
    reach: int,
) -> tuple[Array, ...]:  # fmt: skip
    """n, Sx, Sy, Sxx, Syy, Sxy of rows [begin, end) with rows [0, reach), in double (exact for levels)."""
    from scipy.sparse import csr_array

    def sides(words: Array, pointers: Array, n_columns: int) -> list[Any]:
        codes, marks = unpack(words)
        rated = marks if words.dtype == np.uint64 else np.diagonal(products[..., 1])[marks]
        rated = rated.astype(np.float64)
        shape = (len(pointers) - 1, n_columns)
        return [csr_array((data, codes, pointers), shape) for data in (np.ones_like(rated), rated, rated**2)]

    first, last = indptr[begin], indptr[end]
    mask, value, square = sides(entries[first:last], indptr[begin : end + 1] - first, len(co_indptr) - 1)
    co_mask, co_value, co_square = (m[:, :reach] for m in sides(co_entries, co_indptr, len(indptr) - 1))
    pairs = ((mask, co_mask), (value, co_mask), (mask, co_value), (square, co_mask), (mask, co_square))
    return tuple((a @ b).toarray() for a, b in (*pairs, (value, co_value)))


def evaluate(
    sums: tuple[Array, ...], indptr: Array, measure: int, offset: float, step: float, shrinkage: float,
    min_support: int, no_overlap: float, begin: int,
) -> Array:  # fmt: skip
    """From sums over co-raters to a similarity."""
    n, x, y, xx, yy, xy = sums
    if measure == PEARSON:
        vx, vy = n * xx - x * x, n * yy - y * y
        tolerance = 1e-12  # exact sums that are not equal differ by more than this
        vx, vy = (np.where(v > tolerance * n * s, v, 0.0) for v, s in ((vx, xx), (vy, yy)))
        similar = quotient(n * xy - x * y, np.sqrt(vx * vy)).clip(-1, 1)
    elif measure == JACCARD:
        sizes = np.diff(indptr)
        similar = quotient(n, sizes[begin : begin + len(n), None] + sizes[None, : n.shape[1]] - n)
    else:
        xx = xx + offset * (2 * x + offset * n)
        yy = yy + offset * (2 * y + offset * n)
        xy = xy + offset * (x + y + offset * n)
        if measure == COSINE:
            similar = quotient(xy, np.sqrt(xx * yy)).clip(-1, 1)
        elif measure == DOT:
            similar = step**2 * xy
        else:
            similar = quotient(n, n + step**2 * np.maximum(xx + yy - 2 * xy, 0))
    if shrinkage > 0:
        similar *= quotient(n - 1, n - 1 + shrinkage)
    return np.where(n == 0, no_overlap, np.where(n >= min_support, similar, 0.0))


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)
