"""Similarities of all pairs of rows of a set of ratings: the models' call of the kernel `similarity`.

It packs the ratings, allocates, and calls the kernel in slices short enough for Ctrl-C and a progress bar.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data.index import Compressed
from cfcore.kernels.records import (
    LevelRatings,
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    ValueRatings,
)
from cfcore.models.core.engine import current_engine
from cfcore.threads import threads_worth

__all__ = ["Comparison", "Rows", "pack", "scratch_for"]

SLICE_SECONDS = 0.2
PAIR_SECONDS = 2e-9  # of a co-rated pair, and of the similarity from its sums
NUMBERS_OF_PAIR = 8  # that are added for a co-rated pair, and taken for a similarity
#: The rows are cut into at most so many parts, of at least so many ratings.
MAX_PARTS, MIN_PART = 64, 20_000
N_LEVELS = 16
SAMPLE = 10_000  # values that are looked at first, to see whether there are so few
TILE = 64  # rows of `mirror` go by whole tiles


@dataclass(frozen=True)
class Rows:
    """A part of a comparison: rows [begin, end).

    Parts of stage 0 are independent of each other. A part of stage 1 needs all of stage 0: it mirrors the
    half matrix.
    """

    stage: int
    begin: int
    end: int


class Comparison:
    """Similarity of all pairs of rows of `by_row`, over the co-raters that both have: whole or part by part.

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
    row_values, col_values : float32[n], optional
        Values to use in place of those of `by_row` and `by_col`, in the order of their entries.

    Attributes
    ----------
    found : SimilarityMatrix or NearestRows
        The matrix, when `top_k` is None: symmetric, with diagonal 1. Otherwise neighbours by falling
        similarity, ties by code; pairs without co-raters or with fewer than `min_support` are left out; code
        -1 and similarity 0 fill up. Rows that were not compared yet hold anything, of neighbours zeros.

    Raises
    ------
    ValueError
        For numbers out of range.

    Notes
    -----
    Where all values are in equal steps, at most 15 apart, sums are packed in 16-bit integers and exact. The
    same bits for any `n_threads`, and whichever process runs a part. Beyond the ratings, memory is that of
    the result and O(n_rows * n_threads).
    """

    def __init__(
        self,
        by_row: Compressed,
        by_col: Compressed,
        rule: SimilarityRule,
        *,
        top_k: int | None = None,
        dtype: DTypeLike = np.float32,
        n_threads: int | None = None,
        row_values: NDArray[np.float32] | None = None,
        col_values: NDArray[np.float32] | None = None,
    ) -> None:
        if top_k is not None and (top_k < 1 or rule.no_overlap != 0):
            raise ValueError(
                "top_k must be at least 1, and needs no_overlap=0: it lists pairs with co-raters"
            )
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {dtype!r}")
        self.rule = rule
        self.ratings = pack(by_row, by_col, rule.measure, row_values, col_values, with_ends=top_k is None)
        n, self._n_pairs = self.ratings.n_rows, _pairs(by_col)
        self.n_threads = threads_worth(n_threads, (self._n_pairs + n * n) * NUMBERS_OF_PAIR)
        self.found: SimilarityMatrix | NearestRows
        if top_k is None:
            self.found = SimilarityMatrix(np.empty((n, n), dtype=dtype))
        else:
            self.found = NearestRows(np.zeros((n, top_k), np.int32), np.zeros((n, top_k), dtype))

    def run(
        self, progress: Callable[[int], object] | None = None, *, mirror: bool = True
    ) -> SimilarityMatrix | NearestRows:
        """Compare all rows. Returns `found`.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of rows done since its last call.
        mirror : bool
            False leaves the similarities of a matrix above the diagonal unwritten.
        """
        engine = current_engine()
        if engine is None:
            self._compare(0, self.ratings.n_rows, progress)
        else:
            engine.compare(self, progress)
        if mirror:
            self._mirror()
        return self.found

    def parts(self) -> list[Rows]:
        """Ranges of rows that hold about as many ratings each, by the data alone; at the end the mirror."""
        indptr = self.ratings.indptr
        n_parts = max(1, min(MAX_PARTS, self.ratings.n // MIN_PART))
        wanted = np.arange(1, n_parts) * self.ratings.n // n_parts
        bounds = [0, *np.searchsorted(indptr[1:], wanted).tolist(), self.ratings.n_rows]
        parts = [Rows(0, *span) for span in pairwise(bounds)]
        if isinstance(self.found, SimilarityMatrix):
            parts.append(Rows(1, 0, self.ratings.n_rows))
        return parts

    def run_part(self, part: Rows) -> None:
        """Compare a range of rows with all others, which writes these rows of `found`; or mirror."""
        if part.stage == 0:
            self._compare(part.begin, part.end, None)
        else:
            self._mirror()

    def _compare(self, begin: int, end: int, progress: Callable[[int], object] | None) -> None:
        kernel = backends.kernel("neighbors.similarity")
        whole = isinstance(self.found, SimilarityMatrix)
        compare = kernel.half_rows if whole else kernel.top_rows
        scratch = scratch_for(self.ratings, self.rule, self.n_threads)
        n_rows = self.ratings.n_rows
        seconds = (self._n_pairs * (0.5 if whole else 1.0) + n_rows * n_rows) * PAIR_SECONDS
        for span in slices(begin, end, seconds / max(n_rows, 1)):
            compare(self.ratings, self.rule, self.found, scratch, span, self.n_threads)
            if progress is not None:
                progress(span[1] - span[0])

    def _mirror(self) -> None:
        if not isinstance(self.found, SimilarityMatrix):
            return
        n_rows, kernel = self.found.n_rows, backends.kernel("neighbors.similarity")
        for span in slices(0, n_rows, 2 * n_rows * PAIR_SECONDS):
            kernel.mirror(self.found, span, self.n_threads)


def _pairs(by_col: Compressed) -> float:
    """Pairs of rows, with the co-raters that each has."""
    return float(np.square(np.diff(by_col.indptr), dtype=np.float64).sum())


def slices(begin: int, end: int, row_seconds: float) -> Iterator[tuple[int, int]]:
    """Ranges of rows that take about SLICE_SECONDS each; how rows are sliced changes no result.

    The first size is a guess from the work ahead, the others follow the clock. Small work stays whole:
    threads wait for each other at the end of each slice, which costs a lot on a busy machine.
    """
    guess = SLICE_SECONDS / (row_seconds + 1e-12)
    size = max(TILE, int(min(guess, end - begin)) // TILE * TILE)
    size = end - begin if guess > end - begin else size
    while begin < end:
        stop = min(begin + size, end)
        started = time.perf_counter()
        yield begin, stop
        elapsed = max(time.perf_counter() - started, 1e-6)
        # Rows differ in cost: grow slowly.
        size = max(TILE, int(size * min(4.0, SLICE_SECONDS / elapsed)) // TILE * TILE)
        begin = stop


def pack(
    by_row: Compressed,
    by_col: Compressed,
    measure: str,
    row_values: NDArray[np.float32] | None = None,
    col_values: NDArray[np.float32] | None = None,
    *,
    with_ends: bool = True,
) -> PackedRatings:
    """Code and rating in one word: up to 16 levels if ratings are in equal steps, else the float32 value."""
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


def grid(values: NDArray[np.float32]) -> tuple[float, int, float] | None:
    """Lowest step, number of levels and size of a step, if `values` are at most 16 equal steps.

    Whole and half units are found fast. Other steps, as of ratings in another unit, are found if the values
    are on them to the rounding of float32.
    """
    if not len(values):
        return 0, 1, 1.0
    low, high = float(values.min()), float(values.max())
    for step in (1.0, 0.5):
        if (high - low) / step >= N_LEVELS or abs(low) > 2**20:
            break
        steps = values if step == 1 else values + values
        if np.array_equal(steps, np.rint(steps)):
            lowest = round(low / step)
            return lowest, round(high / step) - lowest + 1, step
    return _other_grid(values)


def _other_grid(values: NDArray[np.float32]) -> tuple[float, int, float] | None:
    if len(np.unique(values[:SAMPLE])) > N_LEVELS:
        return None
    levels = np.unique(values).astype(np.float64)
    if not 2 <= len(levels) <= N_LEVELS:
        return None
    n_steps = round(float((levels[-1] - levels[0]) / np.diff(levels).min()))
    step = float(levels[-1] - levels[0]) / n_steps
    rounding = 2 * float(np.abs(levels).max()) * float(np.finfo(np.float32).eps) / step
    steps = (levels - levels[0]) / step
    if n_steps >= N_LEVELS or rounding > 0.01 or np.abs(steps - np.rint(steps)).max() > rounding:
        return None
    lowest = float(levels[0]) / step
    whole = round(lowest)
    return (whole if abs(lowest - whole) <= rounding else lowest), n_steps + 1, step


def level_products(n_levels: int, middle: int) -> NDArray[np.int16]:
    """What a pair of levels adds to n, Sx, Sy, Sxx, Syy, Sxy; zero for levels not in use."""
    q = np.arange(n_levels, dtype=np.int16) - middle
    x, y = np.broadcast_arrays(q[:, None], q[None, :])
    table = np.zeros((N_LEVELS, N_LEVELS, 8), dtype=np.int16)
    for lane, product in enumerate((np.ones_like(x), x, y, x * x, y * y, x * y)):
        table[:n_levels, :n_levels, lane] = product
    return table


def with_levels(
    indices: NDArray[np.int32], values: NDArray[np.float32], lowest: float, step: float
) -> NDArray[np.uint32]:
    """``code << 4 | level``"""
    levels = values * np.float32(1 / step)
    levels -= np.float32(lowest)
    np.rint(levels, out=levels)
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
