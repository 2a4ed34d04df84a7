"""The row of a user whose ratings come with the question."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.kernels.records import Factors
from cfcore.models.core.single import Session
from cfcore.models.factorization.ridge import ridge_row
from cfcore.models.factorization.state import FactorState

Array = np.ndarray[Any, Any]


def row_of_session(
    state: FactorState, record: Factors, session: Session, biased: bool
) -> tuple[Array, float]:
    """The padded row that `fold_in` gives the user of a session, to the bit, and the sum of mean and bias.

    Parameters
    ----------
    state : FactorState
        With priors.
    record : Factors
        Of items, and of the mean.
    session : Session
    biased : bool
        Whether the user has a bias.

    Returns
    -------
    row, base : ndarray [width], float
    """
    n_factors = state.item_factors.shape[1]
    prior = state.user_prior if biased else state.unbiased_user_prior
    rows, item_bias = record.item_factors[session.items], record.item_bias[session.items]
    # Without the user's own terms: with sums of sets, if the model has some.
    alone = state.summed_row(session.items, np.zeros(n_factors, dtype=rows.dtype))
    without = record.mean + item_bias.astype(np.float64)
    if alone.any():
        items = Factors(rows[:0], rows, item_bias[:0], item_bias, record.mean)
        backends.kernel("top_n.single").score_row(alone, record.mean, items, without)
    mean = prior.mean.copy()
    mean[:n_factors] -= alone[:n_factors]
    noise = state.noise_variance or 1.0
    solved = ridge_row(rows[:, :n_factors], session.values - without, prior, mean, noise).astype(rows.dtype)
    base = record.mean + float(solved[-1]) if biased else record.mean
    return state.summed_row(session.items, solved[:n_factors]), base
