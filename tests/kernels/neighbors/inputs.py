"""Inputs of the kernels of neighbourhoods, built without the models."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np

from cfcore import kernels
from cfcore.kernels.records import (
    LevelRatings,
    NearestRows,
    PackedRatings,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    ValueRatings,
)

Array = np.ndarray[Any, Any]


class Scale(NamedTuple):
    """Ratings that occur, and the step of their grid; None if they are on none of at most 16 levels."""

    values: Array
    step: float | None


SCALES = {
    "whole stars": Scale(np.arange(1.0, 6), 1.0),
    "half stars": Scale(np.arange(1, 11) / 2, 0.5),
    "0 to 10": Scale(np.arange(11.0), 1.0),
    "negative": Scale(np.arange(-10.0, -4), 1.0),
    "thumbs": Scale(np.array([0.0, 1.0]), 1.0),
    "all 16 levels": Scale(np.arange(16.0), 1.0),
    "many levels": Scale(np.arange(0, 40) / 2, None),
    "floats": Scale(np.array([0.1, 1.7, 2.3, math.pi, -5.5]), None),
}


class Side(NamedTuple):
    """Ratings by row, or by co-rater."""

    indptr: Array
    indices: Array
    values: Array
    to_other: Array


def both_sides(dense: Array, rated: Array) -> tuple[Side, Side]:
    """Ratings by row and by co-rater, from a matrix and a mask."""
    position = np.full(rated.shape, -1, dtype=np.int64)
    position.T[rated.T] = np.arange(rated.sum())
    other = np.full(rated.shape, -1, dtype=np.int64)
    other[rated] = np.arange(rated.sum())
    sides = []
    for mask, matrix, positions in ((rated, dense, position), (rated.T, dense.T, other.T)):
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        values = np.ascontiguousarray(matrix)[mask].astype(np.float32)
        sides.append(Side(indptr, np.nonzero(mask)[1].astype(np.int32), values, positions[mask]))
    return sides[0], sides[1]


def packed(dense: Array, rated: Array, step: float | None) -> PackedRatings:
    """The record of a matrix of ratings and a mask: levels on a grid of `step`, or values."""
    by_row, by_co_rater = both_sides(dense, rated)
    common = {"indptr": by_row.indptr, "co_indptr": by_co_rater.indptr, "ends": by_row.to_other}
    if step is None:
        for name, side in (("entries", by_row), ("co_entries", by_co_rater)):
            bits = side.values.view(np.uint32).astype(np.uint64)
            common[name] = side.indices.astype(np.uint64) << np.uint64(32) | bits
        record: PackedRatings = ValueRatings(**common)
    else:
        lowest = round(float(by_row.values.min(initial=0)) / step)
        for name, side in (("entries", by_row), ("co_entries", by_co_rater)):
            levels = np.rint(side.values / np.float32(step)).astype(np.int64) - lowest
            common[name] = (side.indices.astype(np.int64) << 4 | levels).astype(np.uint32)
        record = LevelRatings(**common, products=products(7), offset=lowest + 7, step=step)
    for _, array, _ in record.arrays():
        array.flags.writeable = False
    return record


def products(middle: int) -> Array:
    """1, x, y, x x, y y, x y for each pair of 16 levels, counted from the `middle` one."""
    q = np.arange(16) - middle
    x, y = np.broadcast_arrays(q[:, None], q[None, :])
    nothing = np.zeros_like(x)
    return np.stack([nothing + 1, x, y, x * x, y * y, x * y, nothing, nothing], axis=-1).astype(np.int16)


def scratch_of(ratings: PackedRatings, rule: SimilarityRule, n_threads: int) -> SimilarityScratch:
    """As little as the kernel takes, full of ones."""
    width = kernels.similarity.row_bytes(ratings, rule)
    memory = np.full(n_threads * width + 64, 255, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return SimilarityScratch(memory[start : start + n_threads * width].reshape(n_threads, width))


def dense_similarities(
    module: Any, ratings: PackedRatings, rule: SimilarityRule, *, dtype: Any = np.float64, n_threads: int = 1,
    cuts: tuple[int, ...] = (),
) -> Array:  # fmt: skip
    """The whole matrix, computed and mirrored in slices that end at `cuts`."""
    n = ratings.n_rows
    matrix = SimilarityMatrix(np.full((n, n), np.nan, dtype=dtype))
    scratch = scratch_of(ratings, rule, n_threads)
    for span in pairwise((0, *cuts, n)):
        module.half_rows(ratings, rule, matrix, scratch, span, n_threads)
    for span in pairwise((0, *cuts, n)):
        module.mirror(matrix, span, n_threads)
    return matrix.values


def nearest_rows(
    module: Any, ratings: PackedRatings, rule: SimilarityRule, k: int, *, dtype: Any = np.float64,
    n_threads: int = 1, cuts: tuple[int, ...] = (),
) -> NearestRows:  # fmt: skip
    """The k nearest of each row, computed in slices that end at `cuts`."""
    n = ratings.n_rows
    nearest = NearestRows(np.full((n, k), 99, dtype=np.int32), np.full((n, k), np.nan, dtype=dtype))
    scratch = scratch_of(ratings, rule, n_threads)
    for span in pairwise((0, *cuts, n)):
        module.top_rows(ratings, rule, nearest, scratch, span, n_threads)
    return nearest


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Array, Array, float | None]:
    """A small matrix of ratings, a mask and the step of the grid or None, which is tried for every scale.

    There are empty rows, constant ones and rows of a single rating.
    """
    scale = SCALES[draw(st.sampled_from(sorted(SCALES)))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 80)), draw(st.integers(1, 25))
    rated = rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.4, 1.0]))
    dense = rng.choice(scale.values, shape)
    dense[rng.random(shape[0]) < 0.3] = scale.values[0]
    return dense, rated, draw(st.sampled_from([scale.step, None]))
