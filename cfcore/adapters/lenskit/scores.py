"""Scores of one user for many items: for neighbour models at once, which is faster than pair by pair."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.core.model import Model
from cfcore.models.core.preference import weighed
from cfcore.models.neighbors.base import KNN
from cfcore.models.neighbors.scoring import raters_of
from cfcore.models.neighbors.whole_rows import has_whole_rows, scores_of_rows

__all__ = ["scores_for_user"]

Array = np.ndarray[Any, Any]

#: Scores of all items are made at once for this part of them, or more.
MANY = 0.1


def scores_for_user(model: Model, user: int, items: Array, times: Array | None, by: str) -> Array:
    """Scores of a user (-1: unknown) for items (codes, -1: unknown), not clipped: float64[n].

    Parameters
    ----------
    model : Model
    user : int
    items : int32[n]
    times : int64[n] or None
    by : {"rating", "preference"}
    """
    many = len(items) > MANY * len(model.item_ids_) and user >= 0 and bool((items >= 0).all())
    if many and isinstance(model, KNN):
        return of_all_items(model, user, by)[items]
    users = np.full(len(items), user, dtype=np.int32)
    if by == "preference":
        return model.preference_codes(users, items, times)
    return model.score_codes(users, items, times)


def of_all_items(model: KNN, user: int, by: str) -> Array:
    """Scores of a known user for all items, equal to those of pairs but for last digits of float64."""
    state = model._state
    if state.kind == "item" and has_whole_rows(state):
        row = np.array([user], dtype=np.int32)
        scores = scores_of_rows(state, raters_of(state), row, model.n_threads)[0]
    else:
        scores = model._scores_of_user(user)
    if by == "rating":
        return scores
    choices = model._choice_rows(np.array([user], dtype=np.int32))[0]
    return weighed(choices, model._worth_of(scores), model._worth_weight)
