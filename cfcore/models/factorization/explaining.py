"""Predictions of models with implicit terms as sums over the items of a user's sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.core.explaining import Contributions, rated_by

__all__ = ["by_sets"]

Array = np.ndarray[Any, Any]


def by_sets(state: Any, user: int, item: int) -> Contributions:
    """The terms of each item of a user's sets: w_uj y_j · q_i, summed over the implicit terms.

    Parameters
    ----------
    state : SVDppState
    user, item : int
        Codes; -1 for an unknown item.
    """
    sets, width = state.sets, state.item_factors.shape[1]
    span = slice(*sets.indptr[user : user + 2])
    members = sets.members[span]
    # The tables of the terms follow one another; items have their codes in each.
    starts = np.cumsum([0, *(len(getattr(state, name)) for name in state.tables)])
    codes = members - starts[np.searchsorted(starts, members, side="right") - 1]
    seen, values = rated_by(state, user)
    items, at = np.unique(np.append(codes, seen), return_inverse=True)
    parts = np.zeros(len(codes))
    if item >= 0:
        factors = state.item_rows[item, :width].astype(np.float64)
        weights = max(len(members), 1) ** -0.5 if sets.weights is None else sets.weights[span]
        parts = weights * (state.table[members, :width].astype(np.float64) @ factors)
    ratings = np.full(len(items), np.nan)
    ratings[np.searchsorted(items, seen)] = values
    effects = np.bincount(at[: len(codes)], weights=parts, minlength=len(items))
    return Contributions(_ids_of(state, items), ratings, effects)


def _ids_of(state: Any, codes: Array) -> Array:
    """Raw ids of items, and of those that only `implicit` names, whose codes follow."""
    if state.extra_item_ids is None or not len(state.extra_item_ids):
        found: Array = state.item_ids[codes]
        return found
    return np.concatenate([state.item_ids, state.extra_item_ids])[codes]
