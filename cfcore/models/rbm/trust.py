"""`ratings_for_half`: how far predictions for new users, who are visible units, are to be trusted.

The distributions from n ratings given have the weight n / (n + b) beside those of the items, b being found
from the training users, each of whom is left out of the units that make up its own:

::

    b = argmin Σ_n Σ_{(u, i)} (r_ui - f_i - (n / (n + b)) (p^n_ui - f_i))²

with f the expectation of the item's ratings and p^n the prediction from n of the user's ratings. With ample
training ratings b is below 1. With few, a mean of the parameters of others makes larger errors for a user of
one or two ratings than knowing nothing of them does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.models.rbm.given import mixed_units
from cfcore.models.rbm.inference import expectations, probabilities
from cfcore.models.rbm.parameters import padded_parameters
from cfcore.models.rbm.state import RBMState

__all__ = ["ratings_for_half"]

Array = np.ndarray[Any, Any]

#: Ratings given, users, and the further ratings of each that are predicted.
SIZES, USERS, TESTED = (1, 2, 3, 5, 10), 200, 20
#: Pairs of an item and a user of the fit whose probabilities are formed, about; least users.
PAIRS, LEAST = 10_000_000, 20
#: Values of b.
HALVES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)


def ratings_for_half(state: RBMState, train: Ratings, n_threads: int | None) -> float:
    """The b of a fit whose visible units are users; 0 where none has two ratings.

    Parameters
    ----------
    state : RBMState
    train : Ratings
        Of the fit.
    n_threads : int or None
        The result does not depend on it.
    """
    rng = np.random.default_rng(0)
    few = PAIRS // max(train.n_users * SIZES[-1], 1)
    most = USERS if train.n_users * train.n_items <= PAIRS else min(max(few, LEAST), USERS)
    some = np.sort(rng.permutation(np.flatnonzero(train.user_counts > 1))[:most])
    rows = np.flatnonzero(np.isin(train.user_codes, some))
    if not len(rows):
        return 0.0
    own = train.subset(rows[np.lexsort((rng.random(len(rows)), train.user_codes[rows]))])
    users = np.searchsorted(some, own.user_codes).astype(np.int32)
    place = np.arange(len(own)) - np.searchsorted(users, np.arange(len(some)))[users]
    # Each user once for each number of ratings given, so that all are compared with the units at once.
    given = [np.flatnonzero(place < n) for n in SIZES]
    asked = [np.flatnonzero((place >= n) & (place < n + TESTED)) for n in SIZES]
    rows, copies = (
        np.concatenate([users[at] + k * len(some) for k, at in enumerate(part)]) for part in (given, asked)
    )
    chosen, tested = np.concatenate(given), np.concatenate(asked)
    ratings = from_fields(
        rows.astype(np.int32), own.item_codes[chosen], own.values[chosen], None,
        np.arange(len(SIZES) * len(some)), state.item_ids, state.scale,
    )  # fmt: skip
    weights, biases = mixed_units(state, ratings, n_threads, np.tile(some, len(SIZES)))
    held = state.conditional_weights is not None  # of no effect: the inputs of the hidden units are held
    conditional = np.zeros((len(weights), weights.shape[2]), dtype=np.float32) if held else None
    parameters = padded_parameters(weights, biases, state.hidden_bias, conditional)
    items, inputs = own.item_codes[tested], state.inputs(n_threads)
    found = probabilities(parameters, inputs, items, copies.astype(np.int32), False, n_threads)
    unknown = expectations(state.observed.by_case[items], state.cases.values)
    apart = expectations(found, state.cases.values) - unknown
    errors, n_given = own.values[tested] - unknown, np.repeat(SIZES, [len(at) for at in asked])
    losses = [float(((errors - n_given / (n_given + half) * apart) ** 2).sum()) for half in HALVES]
    return HALVES[int(np.argmin(losses))]
