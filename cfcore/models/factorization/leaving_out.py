"""A user without each of their ratings in turn, from one least-squares problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.factorization.ridge import RowPrior, ridge_row
from cfcore.models.factorization.state import FactorState

__all__ = ["rows_without_each", "state_without_each"]

Array = np.ndarray[Any, Any]

#: Leverage up to which 1 less it has enough digits; rows without the ratings above it are solved for anew.
MOST = 0.999


def state_without_each(model: Any, own: Ratings) -> FactorState:
    """A state whose users are one user without each rating in turn, and at the end with all.

    The users have no sets: what is solved for is z, the factors with the sums over them, for which the sets
    do not matter.

    Parameters
    ----------
    model : FactorModel
    own : Ratings
        Of one user, each of another item, in the model's codes of items; with timestamps, if they count.
    """
    fit: FactorState = model._state
    primed = fit.primed
    n_factors, dtype = primed.item_factors.shape[1], primed.item_factors.dtype
    blank = model._with(primed.without_users(1))
    without = blank._score(np.zeros(len(own), dtype=np.int32), own.item_codes, own.timestamps)
    rows = rows_without_each(
        primed.item_factors[own.item_codes].astype(np.float64), own.values - without,
        primed.user_prior if model.biased else primed.unbiased_user_prior, primed.noise_variance or 1.0,
    ).astype(dtype)  # fmt: skip
    state = primed.without_users(len(rows))
    if model.biased:
        state = state.changed(user_bias=rows[:, -1])
    return state.changed(
        user_factors=np.ascontiguousarray(rows[:, :n_factors]),
        item_shift=fit.shift("item", model.n_threads), user_level=fit.level("user", model.n_threads),
    )  # fmt: skip


def rows_without_each(factors: Array, targets: Array, prior: RowPrior, noise: float) -> Array:
    """The rows that `ridge` solves for without each target in turn, and at the end with all.

    ::

        w_{(j)} = w - A⁻¹ z_j ((t_j - z_j · w) / (1 - h_j))
        A = Zᵀ Z + σ² C⁻¹
        h_j = z_jᵀ A⁻¹ z_j

    with the rows z of factors and 1 (the formula of Sherman and Morrison; Cook and Weisberg, "Residuals and
    influence in regression", 1982, section 2.2).

    Parameters
    ----------
    factors : float64[n, n_factors]
        Those of the columns of the targets.
    targets, prior, noise
        As of `ridge`, whose means are those of the prior.

    Returns
    -------
    float64[n + 1, size]

    Notes
    -----
    Costs O(n k^2 + k^3) for rows of size k, on one thread: neither bits nor time depend on their number.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve
    from threadpoolctl import threadpool_limits

    n, size = len(targets), len(prior.mean)
    rows = np.ones((n, size))
    rows[:, : factors.shape[1]] = factors
    found = np.tile(ridge_row(factors, targets, prior, prior.mean, noise), (n + 1, 1))
    leverages = np.ones(n)
    with threadpool_limits(1, user_api="blas"):
        try:
            system = cho_factor(rows.T @ rows + noise * prior.padded_inverse[:size, :size])
            solved = cho_solve(system, rows.T).T
            leverages = (rows * solved).sum(axis=1)
            errors = targets - rows @ found[-1]
        except LinAlgError:  # not positive definite by rounding, as in `ridge_row`
            pass
    usual = np.flatnonzero(leverages < MOST)
    found[usual] -= solved[usual] * (errors[usual] / (1 - leverages[usual]))[:, None]
    for at in np.flatnonzero(~(leverages < MOST)).tolist():
        others = np.arange(n) != at
        found[at] = ridge_row(factors[others], targets[others], prior, prior.mean, noise)
    return found
