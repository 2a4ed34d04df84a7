"""Picking the best of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def best(scores: Array, n: int, counts: Array) -> Array:
    """Positions of the `n` highest scores, best first.

    Ties go to the higher count, then to the lower position, so that the order is always the same one.

    Parameters
    ----------
    scores : ndarray of float64, shape (m,)
        No NaN.
    n : int
    counts : ndarray, shape (m,)

    Returns
    -------
    ndarray of int64, shape (min(n, m),)
    """
    positions = np.arange(len(scores))
    if 0 < n < len(scores):
        # Keep everything that ties with the n-th, and sort only that.
        threshold = np.partition(scores, len(scores) - n)[len(scores) - n]
        positions = positions[scores >= threshold]
    order = np.lexsort((positions, -counts[positions], -scores[positions]))
    return positions[order[:n]]
