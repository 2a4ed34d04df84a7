"""Which pairs a model was fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["in_training"]

Array = np.ndarray[Any, Any]


def in_training(model: Any, users: Array, items: Array) -> Array:
    """Which of some pairs have a training rating.

    Parameters
    ----------
    model : Model
        Fitted.
    users, items : int array [n]
        Codes; -1 is an unknown one.

    Returns
    -------
    bool array [n]
    """
    # Binary searches for all pairs at once, each in the training items of its user, which are sorted.
    known = (users >= 0) & (items >= 0)
    low = np.where(known, model.seen_indptr_[users], 0)
    end = np.where(known, model.seen_indptr_[users + 1], 0)
    high = end.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        below = np.zeros(len(low), dtype=bool)
        below[open_] = model.seen_items_[middle[open_]] < items[open_]
        low, high = np.where(open_ & below, middle + 1, low), np.where(open_ & ~below, middle, high)
    seen: Array = low < end
    seen[seen] = model.seen_items_[low[seen]] == items[seen]
    return seen
