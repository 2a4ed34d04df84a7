"""The ratings as an RBM sees them: levels of the scale, and cases that rated visible units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.errors import DataError

Array = np.ndarray[Any, Any]

#: More different ratings than this are measurements and not levels of a scale.
MAX_LEVELS = 64
#: Part of the width of the scale at which levels share 1/e of a step: neighbours of five share .7.
REACH = 0.7


@dataclass(frozen=True)
class Cases:
    """Ratings in compressed rows, a row a case.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n_cases + 1,)
    units : ndarray of int32
        Visible units that each case rated, ascending.
    levels : ndarray of uint8
        Their ratings, as positions in the levels of the scale.
    """

    indptr: Array
    units: Array
    levels: Array

    def histograms(self, n_units: int, n_levels: int) -> tuple[Array, Array]:
        """How often each level was given by each case, and to each unit (float64, a row each)."""
        n_cases = len(self.indptr) - 1
        rows = np.repeat(np.arange(n_cases), np.diff(self.indptr))
        return _count(rows, self.levels, n_cases, n_levels), _count(
            self.units, self.levels, n_units, n_levels
        )


def _count(rows: Array, levels: Array, n_rows: int, n_levels: int) -> Array:
    cells = rows.astype(np.int64) * n_levels + levels
    return np.bincount(cells, minlength=n_rows * n_levels).reshape(n_rows, n_levels).astype(np.float64)


def find_levels(values: Array) -> Array:
    """The different ratings, ascending.

    Raises
    ------
    DataError
        There are more than `MAX_LEVELS`.
    """
    levels = np.unique(values)
    if len(levels) > MAX_LEVELS:
        raise DataError(
            f"rating: {len(levels):,} different values; RBM takes ratings on a scale of at most "
            f"{MAX_LEVELS} levels (round them, or use SVD)"
        )
    return levels


def sharing_of(levels: Array, visible: str) -> Array:
    """What each level shares with the next: exp(-distance / REACH), 1 being the width of the scale.

    Nothing for softmax units, whose levels do not know of each other.
    """
    if visible == "softmax":
        return np.zeros(0, dtype=np.float32)
    steps = np.diff(levels.astype(np.float64)) / max(float(levels[-1] - levels[0]), 1e-9)
    return np.exp(-steps / REACH).astype(np.float32)


def find_cases(train: Ratings, levels: Array, by: str) -> Cases:
    """Cases of training ratings: a user each, or an item each."""
    rows = train.by_user if by == "user" else train.by_item
    return Cases(rows.indptr, rows.indices, np.searchsorted(levels, rows.values).astype(np.uint8))


def smoothed(counts: Array, strength: float) -> Array:
    """Distributions over the levels from counts, drawn towards the distribution of all counts together.

    Each row counts as if it held `strength` more ratings per level, distributed as all ratings are (they,
    with one more of each level): no level is impossible, and a row without ratings has the distribution of
    all.
    """
    overall = counts.sum(axis=0) + 1.0
    overall /= overall.sum()
    strength *= counts.shape[1]
    return (counts + strength * overall) / (counts.sum(axis=1, keepdims=True) + strength)


def transposed(indptr: Array, members: Array, n_columns: int) -> tuple[Array, Array]:
    """Compressed rows of pairs, turned into compressed rows of their second part."""
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
    order = np.argsort(members, kind="stable")
    counts = np.bincount(members, minlength=n_columns)
    return np.append(0, np.cumsum(counts)), rows[order]
