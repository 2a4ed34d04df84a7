"""Means and standard deviations of groups of ratings, with the rounding of `numpy.mean` and `numpy.std`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_deviations", "group_means", "whole_parts"]

Array = NDArray[np.float64]


def group_means(indptr: NDArray[np.int64], ratings: Array) -> Array:
    """``numpy.mean`` of each group; NaN for an empty one.

    Parameters
    ----------
    indptr : int64[n + 1]
    ratings : float64[...]
        Group g is ``ratings[indptr[g]:indptr[g + 1]]``.
    """
    counts = np.diff(indptr)
    means = np.full(len(counts), np.nan)
    some = counts > 0
    if _exact(ratings):  # a sum without rounding is the same in any order
        means[some] = np.add.reduceat(ratings, indptr[:-1][some]) / counts[some] if some.any() else 0
        return means
    bounds, total = indptr.tolist(), np.add.reduce
    for group in np.flatnonzero(some).tolist():
        start, end = bounds[group], bounds[group + 1]
        means[group] = total(ratings[start:end]) / (end - start)
    return means


def group_deviations(indptr: NDArray[np.int64], ratings: Array, means: Array) -> Array:
    """``numpy.std`` of each group; NaN for an empty one.

    Parameters
    ----------
    indptr : int64[n + 1]
    ratings : float64[...]
    means : float64[n]
        As `group_means` returns them.
    """
    found = np.full(len(means), np.nan)
    counts = np.diff(indptr)
    squares = ratings - np.repeat(means, counts)
    squares *= squares
    bounds, total = indptr.tolist(), np.add.reduce
    for group in np.flatnonzero(counts).tolist():
        start, end = bounds[group], bounds[group + 1]
        found[group] = total(squares[start:end]) / (end - start)
    return np.sqrt(found)


def whole_parts(ratings: Array) -> Array:
    """``int`` of each rating, as a float64; ValueError for NaN and OverflowError for infinity, as `int`."""
    finite = np.isfinite(ratings)
    if not finite.all():
        int(ratings[~finite][0])
    return np.trunc(ratings)


def _exact(ratings: Array) -> bool:
    """Whether all are multiples of 1/8 and small, so that sums of them are exact."""
    if not len(ratings):
        return True
    scaled = ratings * 8
    return bool(np.abs(scaled).max() < 2**20 and np.array_equal(scaled, np.rint(scaled)))
