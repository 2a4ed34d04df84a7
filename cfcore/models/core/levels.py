"""`rating_step`, the distance of levels of ratings, and `boundary`, where a level begins between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["boundary", "rating_step"]

Array = np.ndarray[Any, Any]

#: Ratings that are looked at, spread evenly over all.
SAMPLE = 1 << 16
#: More different values than this are no steps.
MOST_LEVELS = 101


def rating_step(values: Array) -> float:
    """The distance between neighbouring levels of ratings: 1 for whole stars, .5 for half stars.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Ratings; of more than 65,536, as many are looked at.

    Returns
    -------
    float
        The least difference of two values; 0 for fewer than two, or more than 101, different values.
    """
    levels = np.unique(values[:: max(1, len(values) // SAMPLE)])
    if not 2 <= len(levels) <= MOST_LEVELS:
        return 0.0
    return float(np.diff(levels.astype(np.float64)).min())


def boundary(level: float, low: float, step: float) -> float:
    """Where numbers begin that, rounded to a whole step from `low`, are at least `level`.

    3.5 for a level of 4 on whole stars from 1 (the continuity correction); the level itself for step 0.
    """
    if step <= 0:
        return level
    first = low + math.ceil((level - low) / step - 1e-6) * step
    return first - step / 2
