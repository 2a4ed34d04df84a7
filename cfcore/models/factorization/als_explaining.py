"""Predictions of `ALS` as sums over the ratings of the user."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.models.core.explaining import Contributions, rated_by
from cfcore.models.factorization.als_rows import Penalties
from cfcore.models.factorization.als_state import ALSState

__all__ = ["by_ratings"]

Array = np.ndarray[Any, Any]

#: Largest difference between a prediction and its sum, as a part of the scale: rows are float32.
CLOSE = 1e-4


def by_ratings(state: ALSState, user: int, item: int) -> Contributions | None:
    """The part of a prediction that each rating of the user, and each item of the user's set, explains.

    With factors and bias in one row, and those of the items likewise (z, 1), the user's row is
    A⁻¹ (Σ_j ω_j z_j t_j + λ n c) with the targets t and the mean c of the set: the
    prediction is linear in both (Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback
    datasets", section 5).

    Parameters
    ----------
    state : ALSState
    user, item : int
        Codes; -1 for an unknown item.

    Returns
    -------
    Contributions or None
        None where the user's row is not the solution for the ratings that the state has.
    """
    codes, values = rated_by(state, user)
    if not len(codes) or np.isnan(values).any() or "reg_implicit" not in state.rates:
        return None
    n, k = len(codes), state.item_factors.shape[1]
    if item < 0:
        return Contributions(state.item_ids[codes], values, np.zeros(n))
    penalties = Penalties.of(state.rates)
    span = slice(*state.seen_indptr[user : user + 2])
    weights = np.ones(n) if state.seen_weights is None else state.seen_weights[span].astype(np.float64)
    penalty = penalties.reg * float(penalties.scales(np.array([weights.sum()]))[0])
    rows = np.ones((n, k + 1))
    rows[:, :k] = state.item_factors[codes]
    matrix = np.einsum("n,nf,ng->fg", weights, rows, rows)
    matrix += np.diag([*[penalty] * k, penalties.reg_bias])
    asked = np.append(state.item_factors[item].astype(np.float64), 1.0)
    solved = np.linalg.solve(matrix, asked)
    targets = values - state.mean - state.item_bias[codes]
    effects = weights * np.einsum("nf,f->n", rows, solved) * targets
    if state.implicit_factors.shape[1]:
        members = state.implicit_factors[codes].astype(np.float64)
        effects += penalty / np.sqrt(n) * np.einsum("nf,f->n", members, solved[:k])
    row = np.append(state.user_factors[user].astype(np.float64), float(state.user_bias[user]))
    low, high = state.scale
    if abs(float(np.sum(row * asked)) - float(effects.sum())) > CLOSE * ((high - low) or 1.0):
        return None
    return Contributions(state.item_ids[codes], values, effects)
