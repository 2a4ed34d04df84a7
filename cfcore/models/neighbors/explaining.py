"""Predictions of neighbourhood models as sums over the nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.core.explaining import Contributions, rated_by
from cfcore.models.neighbors.state import NeighborState

__all__ = ["by_item", "neighbors_of", "terms"]

Array = np.ndarray[Any, Any]


def by_item(state: NeighborState, user: int, item: int, similarity: Array) -> Contributions:
    """The effects of a user's ratings where items are compared.

    Parameters
    ----------
    state : NeighborState
    user, item : int
        Codes; -1 for an unknown item.
    similarity : ndarray of float64, shape (n_items,)
        Of the item to all; NaN where they cannot be compared.
    """
    codes, values = rated_by(state, user)
    effects = np.zeros(len(codes))
    if item >= 0:
        effects = terms(state, user, item, similarity)
    return Contributions(state.item_ids[codes], values, effects)


def neighbors_of(state: NeighborState, user: int, item: int, similarity: Array) -> tuple[Array, Array]:
    """Raw ids of the nearest users who rated an item, and the effect of each, greatest first."""
    if user < 0 or item < 0:
        return state.user_ids[:0], np.zeros(0)
    users = state.rated.indices[slice(*state.rated.indptr[item : item + 2])]
    effects = terms(state, item, user, similarity)
    if state.user_trust is not None:
        effects *= state.user_trust[user]
    order = np.argsort(-np.abs(effects), kind="stable")
    order = order[effects[order] != 0]
    return state.user_ids[users[order]], effects[order]


def terms(state: NeighborState, holder: int, target: int, similarity: Array) -> Array:
    """The term of each rating of a holder in the weighted mean for a target; 0 for all but neighbours."""
    span = slice(*state.rated.indptr[holder : holder + 2])
    codes, deviations = state.rated.indices[span], state.rated.values[span].astype(np.float64)
    near = similarity[codes]
    sizes = near if state.rule["positive_only"] else np.abs(near)
    chosen = np.flatnonzero((sizes > 0) & (codes != target))
    n_neighbors = state.rule["n_neighbors"]
    if n_neighbors:  # of equally near ones those that sort first by id
        chosen = chosen[np.lexsort((codes[chosen], -sizes[chosen]))[:n_neighbors]]
    weights = np.abs(near[chosen]) ** state.rule["power"]
    effects = np.zeros(len(codes))
    total = state.rule["damping"] + weights.sum()
    if total > 0:
        effects[chosen] = np.copysign(weights, near[chosen]) * deviations[chosen] / total
    return effects if state.spreads is None else effects * state.spreads[target]
