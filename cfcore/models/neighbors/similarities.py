"""All pairs of rows: the kernel `similarity` run over a whole set of ratings.

This is the thin part that models share: how ratings are packed, which memory is needed, and slices short
enough for Ctrl-C and a progress bar.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cfcore import backends
from cfcore.threads import resolve_threads

__all__ = ["similarities"]

SLICE_SECONDS = 0.2
PAIR_SECONDS = 2e-9  # of a co-rated pair, and of the similarity from its sums
N_LEVELS = 16
TILE = 64  # rows of the mirror pass go by whole tiles


class Index(Protocol):
    """What is needed of `cfcore.data.Compressed`."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]

    @property
    def to_other(self) -> NDArray[np.int32] | NDArray[np.int64]:
        """Position of each entry in the other index."""


class Packed(NamedTuple):
    """Both sides in the form that the kernel takes, and what turns levels back into ratings."""

    entries: NDArray[Any]
    co_entries: NDArray[Any]
    products: NDArray[np.int16]
    offset: float
    step: float


def similarities(
    by_row: Index,
    by_col: Index,
    *,
    measure: str = "pearson",
    shrinkage: float = 0.0,
    min_support: int = 1,
    no_overlap: float = 0.0,
    top_k: int | None = None,
    dtype: DTypeLike = np.float32,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
    row_values: NDArray[np.float32] | None = None,
    col_values: NDArray[np.float32] | None = None,
) -> NDArray[Any] | tuple[NDArray[np.int32], NDArray[Any]]:
    """Similarity of all pairs of rows of `by_row`, over the co-raters that both have.

    Parameters
    ----------
    by_row, by_col : Compressed
        The ratings by what is compared and by co-rater: ``r.by_item, r.by_user`` to compare items,
        ``r.by_user, r.by_item`` to compare users.
    measure : {"pearson", "cosine", "msd", "jaccard", "dot"}
        Pearson's correlation, the cosine, 1 / (1 + mean squared difference), or the co-raters' share of all
        who rated either. The cosine of ratings less the co-rater's mean is the adjusted cosine; the cosine of
        what a baseline leaves is the Pearson of Koren (2010), which wants ``shrinkage=100`` or so.
        "dot" is the sum of products itself, for values that were scaled before: a cosine whose norms are over
        all ratings of a row.
    shrinkage : float
        If positive, similarities are multiplied by (n - 1) / (n - 1 + shrinkage), n the number of co-raters.
    min_support : int
        Fewer co-raters than this make a similarity 0, as does a zero denominator.
    no_overlap : float
        Similarity of pairs without co-raters.
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
    float[n_rows, n_rows], symmetric with diagonal 1
        When `top_k` is None.
    codes : int32[n_rows, top_k], values : float[n_rows, top_k]
        Otherwise. Neighbours by falling similarity, ties by code; pairs without co-raters or with fewer than
        `min_support` are left out; code -1 and similarity 0 fill up. Beyond the ratings, memory is
        O(n_rows * (top_k + n_threads)).

    Raises
    ------
    ValueError
        For an unknown measure, or numbers out of range.

    Notes
    -----
    Where all values are whole or half units at most 15 steps apart, sums are packed in 16-bit integers and
    exact. The same bits for any `n_threads`.
    """
    kernel = backends.kernel("neighbors.similarity")
    threads = resolve_threads(n_threads)
    if measure not in kernel.MEASURES:
        raise ValueError(f"measure must be one of {', '.join(kernel.MEASURES)}, got {measure!r}")
    if not (0 <= shrinkage < np.inf and np.isfinite(no_overlap)):
        raise ValueError("shrinkage must be at least 0 and finite, no_overlap finite")
    if top_k is not None and (top_k < 1 or no_overlap != 0):
        raise ValueError("top_k must be at least 1, and needs no_overlap=0: it lists pairs with co-raters")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
    n_rows, code = len(by_row.indptr) - 1, kernel.MEASURES[measure]
    packed = pack(by_row, by_col, measure, row_values, col_values)
    scratch = scratch_for(kernel, by_row.indptr, packed, code, threads)
    report = progress or (lambda n: None)
    n_pairs = float(np.square(np.diff(by_col.indptr), dtype=np.float64).sum())
    if top_k is not None:
        codes = np.empty((n_rows, top_k), dtype=np.int32)
        values = np.empty((n_rows, top_k), dtype=dtype)
        for begin, end in slices(n_rows, n_pairs):
            kernel.top_rows(
                packed.entries, by_row.indptr, packed.co_entries, by_col.indptr, packed.products, codes,
                values, scratch, code, packed.offset, packed.step, shrinkage, min_support,
                begin, end, threads,
            )  # fmt: skip
            report(end - begin)
        return codes, values
    out = np.empty((n_rows, n_rows), dtype=dtype)
    ends = by_row.to_other.astype(np.int64, copy=False)
    for begin, end in slices(n_rows, n_pairs / 2):
        kernel.half_rows(
            packed.entries, by_row.indptr, ends, packed.co_entries, by_col.indptr, packed.products, out,
            scratch, code, packed.offset, packed.step, shrinkage, min_support, no_overlap,
            begin, end, threads,
        )  # fmt: skip
        report(end - begin)
    for begin, end in slices(n_rows, float(n_rows) ** 2):
        kernel.mirror(out, begin, end, threads)
    return out


def slices(n_rows: int, n_pairs: float) -> Iterator[tuple[int, int]]:
    """Row ranges that take about SLICE_SECONDS each; how rows are sliced changes no result.

    The first size is a guess from the work ahead, the others follow the clock. Small work stays whole:
    threads meet at the end of each slice, which costs a lot on a busy machine.
    """
    guess = n_rows * SLICE_SECONDS / (n_pairs * PAIR_SECONDS + n_rows * n_rows * PAIR_SECONDS + 1e-9)
    begin, size = 0, max(TILE, int(min(guess, n_rows)) // TILE * TILE)
    size = n_rows if guess > n_rows else size
    while begin < n_rows:
        end = min(begin + size, n_rows)
        started = time.perf_counter()
        yield begin, end
        elapsed = max(time.perf_counter() - started, 1e-6)
        # Rows differ in cost: grow with care.
        size = max(TILE, int(size * min(4.0, SLICE_SECONDS / elapsed)) // TILE * TILE)
        begin = end


def pack(
    by_row: Index,
    by_col: Index,
    measure: str,
    row_values: NDArray[np.float32] | None = None,
    col_values: NDArray[np.float32] | None = None,
) -> Packed:
    """Code and rating in one word: 16 levels if the ratings are on a grid, the float32 value otherwise."""
    rows = by_row.values if row_values is None else row_values
    cols = by_col.values if col_values is None else col_values
    if measure == "jaccard":
        rows = cols = np.zeros(len(rows), dtype=np.float32)
    n_rows, n_cols = len(by_row.indptr) - 1, len(by_col.indptr) - 1
    found = grid(rows) if max(n_rows, n_cols) <= 2**28 else None
    if found is None:
        if measure == "pearson" and len(rows):
            # Pearson does not notice a shift, and sums about the mean lose fewer digits.
            mean = np.float32(rows.mean(dtype=np.float64))
            rows, cols = rows - mean, cols - mean
        nothing = np.zeros((N_LEVELS, N_LEVELS, 8), dtype=np.int16)
        return Packed(with_values(by_row.indices, rows), with_values(by_col.indices, cols), nothing, 0.0, 1.0)
    lowest, n_levels, step = found
    middle = (n_levels - 1) // 2
    entries = with_levels(by_row.indices, rows, lowest, step)
    co_entries = with_levels(by_col.indices, cols, lowest, step)
    return Packed(entries, co_entries, level_products(n_levels, middle), float(lowest + middle), step)


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


def scratch_for(
    kernel: Any, indptr: NDArray[np.int64], packed: Packed, measure: int, n_threads: int
) -> NDArray[np.uint8]:
    """One row of sums per thread, on 64-byte boundaries."""
    longest = int(np.diff(indptr).max(initial=0))
    largest = int(np.abs(packed.products).max())
    width = kernel.row_bytes(len(indptr) - 1, packed.entries.dtype == np.uint32, longest, largest, measure)
    memory = np.empty(n_threads * width + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + n_threads * width].reshape(n_threads, width)
