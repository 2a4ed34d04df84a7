"""States of an RBM for users whose ratings are given with a question."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.errors import DataError
from cfcore.models.core.given import user_fields
from cfcore.models.rbm.cases import case_histograms, find_cases, unit_histograms
from cfcore.models.rbm.inference import FALLBACK
from cfcore.models.rbm.likelihood import sigmoid, softmax
from cfcore.models.rbm.state import RBMState

Array = np.ndarray[Any, Any]

#: Part of a user's log likelihood that counts in the comparison with the users of the fit: found by held-out
#: ratings of held-out users within the training rows of MovieLens 100K (u1).
TEMPER = 0.75
#: Least probability of a rating.
TINY = 1e-300


def with_cases(state: RBMState, given: Ratings) -> RBMState:
    """The state with the users of some ratings as cases, in place of its own."""
    check_levels(state, given)
    cases = find_cases(given, state.levels, "user")
    rated = None if state.rated_indptr is None else (cases.indptr, cases.units)
    return dataclasses.replace(
        state, case_indptr=cases.indptr, case_units=cases.units, case_levels=cases.levels,
        rated_indptr=rated and rated[0], rated_units=rated and rated[1],
        case_distributions=towards(state.observed.by_case[-1], case_histograms(cases)),
        unit_distributions=state.observed.by_unit, **user_fields(given),
    )  # fmt: skip


def with_units(state: RBMState, given: Ratings, n_threads: int | None) -> RBMState:
    r"""The state with the users of some ratings as visible units, in place of its own.

    The parameters of a unit are a weighted mean of those of the units of the fit. The weight of one is

    .. math:: \pi_v \propto \prod_j p_v(r_j \mid h_j)^\tau

    for the ratings given, each by the hidden units of its item.
    """
    check_levels(state, given)
    inputs = state.inputs(n_threads)
    on = sigmoid(inputs[:, : len(state.hidden_bias)].astype(np.float64))
    known = state.user_counts > 0
    weights = state.weights[known].astype(np.float64)
    biases = state.visible_bias[known].astype(np.float64)
    columns, n = given.by_item, given.n_users
    levels = np.searchsorted(state.levels, columns.values)
    logs = np.zeros((n, len(weights)))
    # An item at a time, whose probabilities serve all users who rated it.
    for item in np.flatnonzero(np.diff(columns.indptr)).tolist():
        own = slice(columns.indptr[item], columns.indptr[item + 1])
        # Probabilities may be 0 by rounding: a user of the fit is then least similar, not excluded.
        chances = np.log(np.maximum(softmax(biases + weights @ on[item]), TINY))
        logs[columns.indices[own]] += chances[:, levels[own]].T
    mixture = np.vstack([softmax(TEMPER * row[None, :]) for row in logs])
    fields: dict[str, Any] = {
        "weights": np.einsum("uv,vlh->ulh", mixture, weights, optimize=True).astype(np.float32),
        "visible_bias": (mixture @ biases).astype(np.float32),
    }
    if state.conditional_weights is not None:  # of no effect: the inputs of the hidden units are held
        fields["conditional_weights"] = np.zeros((n, len(state.hidden_bias)), dtype=np.float32)
    own_cases = find_cases(given, state.levels, "item")
    found = dataclasses.replace(
        state, case_indptr=own_cases.indptr, case_units=own_cases.units, case_levels=own_cases.levels,
        rated_indptr=None, rated_units=None, case_inputs=inputs[:, : len(state.hidden_bias)],
        case_distributions=state.observed.by_case,
        unit_distributions=towards(state.observed.by_unit[-1], unit_histograms(own_cases)),
        **fields, **user_fields(given),
    )  # fmt: skip
    vars(found).update(_inputs=inputs)
    return found


def towards(overall: Array, counts: Array) -> Array:
    """Distributions of the ratings of new users, shrunk towards that of the fit, which is the last row."""
    counts = np.concatenate([counts, np.zeros((1, len(overall)))])
    strength = FALLBACK * len(overall)
    return (counts + strength * overall) / (counts.sum(axis=1, keepdims=True) + strength)


def check_levels(state: RBMState, given: Ratings) -> None:
    """Raise DataError for a rating that is none of the levels."""
    levels = np.minimum(np.searchsorted(state.levels, given.values), len(state.levels) - 1)
    wrong = state.levels[levels] != given.values
    if wrong.any():
        row, shown = int(wrong.argmax()), [f"{level:g}" for level in state.levels]
        raise DataError(
            f"ratings: row {row} (user {given.users[row]}, item {given.items[row]}) is "
            f"{given.values[row]:g}, which is none of the levels of training: {', '.join(shown)}"
        )
