"""Similarities of all pairs of rows of a set of ratings: the models' call of the kernel `similarity`.

How ratings are packed, which memory is needed, and slices short enough for Ctrl-C and a progress bar.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.kernels.records import (
    LevelRatings,
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    ValueRatings,
)
from cfcore.threads import resolve_threads

__all__ = ["pack", "row_similarities", "scratch_for"]

SLICE_SECONDS = 0.2
PAIR_SECONDS = 2e-9  # of a co-rated pair, and of the similarity from its sums
N_LEVELS = 16
TILE = 64  # rows of `mirror` go by whole tiles


class Index(Protocol):
    """What is needed of `cfcore.data.Compressed`."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]

    @property
    def to_other(self) -> NDArray[np.int32] | NDArray[np.int64]:
        """Position of each entry in the other index."""


def row_similarities(
    by_row: Index,
    by_col: Index,
    rule: SimilarityRule,
    *,
    top_k: int | None = None,
    dtype: DTypeLike = np.float32,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
    row_values: NDArray[np.float32] | None = None,
    col_values: NDArray[np.float32] | None = None,
) -> SimilarityMatrix | NearestRows:
    """Similarity of all pairs of rows of `by_row`, over the co-raters that both have.

    Parameters
    ----------
    by_row, by_col : Compressed
        The ratings by what is compared and by co-rater: ``r.by_item, r.by_user`` to compare items,
        ``r.by_user, r.by_item`` to compare users.
    rule : SimilarityRule
        The cosine of ratings less the co-rater's mean is the adjusted cosine; the cosine of what a baseline
        leaves is the Pearson of Koren (2010), which wants ``shrinkage=100`` or so. "dot" is for values that
        were normalised before: a cosine whose norms are over all ratings of a row.
    top_k : int, optional
        Keep the largest similarities of each row alone.
    dtype : float32 or float64
        Of the similarities; sums are exact integers or doubles in any case.
    n_threads : int, optional
    progress : callable, optional
        Called with the number of rows done since its last call.
    row_values, col_values : float32[n], optional
        Values to use in place of those of `by_row` and `by_col`, in the order of their entries.

    Returns
    -------
    SimilarityMatrix
        When `top_k` is None: symmetric, with diagonal 1.
    NearestRows
        Otherwise. Neighbours by falling similarity, ties by code; pairs without co-raters or with fewer than
        `min_support` are left out; code -1 and similarity 0 fill up. Beyond the ratings, memory is
        O(n_rows * (top_k + n_threads)).

    Raises
    ------
    ValueError
        For numbers out of range.

    Notes
    -----
    Where all values are whole or half units at most 15 steps apart, sums are packed in 16-bit integers and
    exact. The same bits for any `n_threads`.
    """
    threads = resolve_threads(n_threads)
    if top_k is not None and (top_k < 1 or rule.no_overlap != 0):
        raise ValueError("top_k must be at least 1, and needs no_overlap=0: it lists pairs with co-raters")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    kernel = backends.kernel("neighbors.similarity")
    ratings = pack(by_row, by_col, rule.measure, row_values, col_values, with_ends=top_k is None)
    scratch = scratch_for(ratings, rule, threads)
    n_rows, report = ratings.n_rows, progress or (lambda n: None)
    n_pairs = float(np.square(np.diff(by_col.indptr), dtype=np.float64).sum())
    if top_k is not None:
        nearest = NearestRows(
            np.empty((n_rows, top_k), dtype=np.int32), np.empty((n_rows, top_k), dtype=dtype)
        )
        for begin, end in slices(n_rows, n_pairs):
            kernel.top_rows(ratings, rule, nearest, scratch, (begin, end), threads)
            report(end - begin)
        return nearest
    matrix = SimilarityMatrix(np.empty((n_rows, n_rows), dtype=dtype))
    for begin, end in slices(n_rows, n_pairs / 2):
        kernel.half_rows(ratings, rule, matrix, scratch, (begin, end), threads)
        report(end - begin)
    for span in slices(n_rows, float(n_rows) ** 2):
        kernel.mirror(matrix, span, threads)
    return matrix


def slices(n_rows: int, n_pairs: float) -> Iterator[tuple[int, int]]:
    """Row ranges that take about SLICE_SECONDS each; how rows are sliced changes no result.

    The first size is a guess from the work ahead, the others follow the clock. Small work stays whole:
    threads wait for each other at the end of each slice, which costs a lot on a busy machine.
    """
    guess = n_rows * SLICE_SECONDS / (n_pairs * PAIR_SECONDS + n_rows * n_rows * PAIR_SECONDS + 1e-9)
    begin, size = 0, max(TILE, int(min(guess, n_rows)) // TILE * TILE)
    size = n_rows if guess > n_rows else size
    while begin < n_rows:
        end = min(begin + size, n_rows)
        started = time.perf_counter()
        yield begin, end
        elapsed = max(time.perf_counter() - started, 1e-6)
        # Rows differ in cost: grow slowly.
        size = max(TILE, int(size * min(4.0, SLICE_SECONDS / elapsed)) // TILE * TILE)
        begin = end


def pack(
    by_row: Index,
    by_col: Index,
    measure: str,
    row_values: NDArray[np.float32] | None = None,
    col_values: NDArray[np.float32] | None = None,
    *,
    with_ends: bool = True,
) -> PackedRatings:
    """Code and rating in one word: 16 levels if the ratings are on a grid, the float32 value otherwise."""
    rows = by_row.values if row_values is None else row_values
    cols = by_col.values if col_values is None else col_values
    if measure == "jaccard":
        rows = cols = np.zeros(len(rows), dtype=np.float32)
    ends = by_row.to_other.astype(np.int64, copy=False) if with_ends else None
    n_rows, n_cols = len(by_row.indptr) - 1, len(by_col.indptr) - 1
    found = grid(rows) if max(n_rows, n_cols) <= LevelRatings.max_rows else None
    if found is None:
        if measure == "pearson" and len(rows):
            # Pearson does not change with a shift, and sums about the mean lose fewer digits.
            mean = np.float32(rows.mean(dtype=np.float64))
            rows, cols = rows - mean, cols - mean
        return ValueRatings(
            with_values(by_row.indices, rows),
            by_row.indptr,
            with_values(by_col.indices, cols),
            by_col.indptr,
            ends,
        )
    lowest, n_levels, step = found
    middle = (n_levels - 1) // 2
    return LevelRatings(
        with_levels(by_row.indices, rows, lowest, step),
        by_row.indptr,
        with_levels(by_col.indices, cols, lowest, step),
        by_col.indptr,
        level_products(n_levels, middle),
        lowest + middle,
        step,
        ends,
    )


def grid(values: NDArray[np.float32]) -> tuple[int, int, float] | None:
    """Lowest step, number of levels and size of a step, if `values` are at most 16 whole or half units."""
    if not len(values):
        return 0, 1, 1.0
    low, high = float(values.min()), float(values.max())
    for step in (1.0, 0.5):
        if (high - low) / step >= N_LEVELS or abs(low) > 2**20:
            return None
        steps = values if step == 1 else values + values
        if np.array_equal(steps, np.rint(steps)):
            lowest = round(low / step)
            return lowest, round(high / step) - lowest + 1, step
    return None


def level_products(n_levels: int, middle: int) -> NDArray[np.int16]:
    """What a pair of levels adds to n, Sx, Sy, Sxx, Syy, Sxy; zero for levels not in use."""
    q = np.arange(n_levels, dtype=np.int16) - middle
    x, y = np.broadcast_arrays(q[:, None], q[None, :])
    table = np.zeros((N_LEVELS, N_LEVELS, 8), dtype=np.int16)
    for lane, product in enumerate((np.ones_like(x), x, y, x * x, y * y, x * y)):
        table[:n_levels, :n_levels, lane] = product
    return table


def with_levels(
    indices: NDArray[np.int32], values: NDArray[np.float32], lowest: int, step: float
) -> NDArray[np.uint32]:
    """``code << 4 | level``"""
    levels = values * np.float32(1 / step)
    levels -= np.float32(lowest)
    words = indices << 4
    words |= levels.astype(np.int32)
    return words.view(np.uint32)


def with_values(indices: NDArray[np.int32], values: NDArray[np.float32]) -> NDArray[np.uint64]:
    """``code << 32 | bits of the value``"""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return indices.astype(np.uint64) << np.uint64(32) | bits


def scratch_for(ratings: PackedRatings, rule: SimilarityRule, n_threads: int) -> SimilarityScratch:
    """A row of sums for each thread."""
    width = backends.kernel("neighbors.similarity").row_bytes(ratings, rule)
    return SimilarityScratch(aligned_zeros(n_threads, width, np.uint8))
