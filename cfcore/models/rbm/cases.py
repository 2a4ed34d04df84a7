"""Training ratings as an RBM takes them: levels of the scale, and cases that rated visible units."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.errors import DataError
from cfcore.kernels.records import Cases

Array = np.ndarray[Any, Any]

#: A column with more different ratings holds measurements, not levels of a scale.
MAX_LEVELS = 64
#: Part of the width of the scale at which levels share 1/e of a gradient: neighbours of five share .7.
REACH = 0.7


def unit_histograms(cases: Cases) -> Array:
    """How often each level was given to each visible unit: float64 (n_units, n_levels)."""
    return _count(cases.units, cases.levels, cases.n_units, cases.n_levels)


def case_histograms(cases: Cases) -> Array:
    """How often each level was given by each case: float64 (n_cases, n_levels)."""
    rows = np.repeat(np.arange(cases.n_cases), np.diff(cases.indptr))
    return _count(rows, cases.levels, cases.n_cases, cases.n_levels)


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
    """Part of its gradient that each level shares with the next.

    exp(-distance / REACH), the distance being a part of the width of the scale. Empty for softmax units,
    whose levels share nothing.
    """
    if visible == "softmax":
        return np.zeros(0, dtype=np.float32)
    steps = np.diff(levels.astype(np.float64)) / max(float(levels[-1] - levels[0]), 1e-9)
    return np.exp(-steps / REACH).astype(np.float32)


def find_cases(train: Ratings, levels: Array, by: str, rated: tuple[Array, Array] | None = None) -> Cases:
    """Cases of training ratings: a user each, or an item each.

    Parameters
    ----------
    train : Ratings
    levels : ndarray
        Of `find_levels`.
    by : {"user", "item"}
    rated : (indptr, units), optional
        The sets r; by default the units that each case rated.
    """
    rows, n_units = (train.by_user, train.n_items) if by == "user" else (train.by_item, train.n_users)
    positions = np.searchsorted(levels, rows.values).astype(np.uint8)
    return cases_of((rows.indptr, rows.indices, positions), rated, levels, n_units)


def cases_of(
    rows: tuple[Array, Array, Array], rated: tuple[Array, Array] | None, levels: Array, n_units: int
) -> Cases:
    """The kernel's record of ratings in compressed rows (indptr, units, positions in `levels`)."""
    return Cases(*rows, *(rows[:2] if rated is None else rated), levels.astype(np.float64), n_units)


def smoothed(counts: Array, strength: float) -> Array:
    """Distributions over the levels from counts, shrunk towards the distribution of all counts.

    Each row is given `strength` further ratings per level, which are distributed as all ratings and one more
    of each level: so no level has probability 0, and a row without ratings has the distribution of all.
    """
    overall = counts.sum(axis=0) + 1.0
    overall /= overall.sum()
    strength *= counts.shape[1]
    return (counts + strength * overall) / (counts.sum(axis=1, keepdims=True) + strength)


def transposed(indptr: Array, indices: Array, n_columns: int) -> tuple[Array, Array]:
    """Compressed rows of the transposed matrix."""
    rows = np.repeat(np.arange(len(indptr) - 1, dtype=np.int32), np.diff(indptr))
    order = np.argsort(indices, kind="stable")
    counts = np.bincount(indices, minlength=n_columns)
    return np.append(0, np.cumsum(counts)), rows[order]
