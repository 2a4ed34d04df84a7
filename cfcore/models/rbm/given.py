"""States of an RBM for users whose ratings are given with a question."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.errors import DataError
from cfcore.models.core.given import trust_in, user_fields
from cfcore.models.rbm.cases import case_histograms, find_cases, unit_histograms
from cfcore.models.rbm.inference import FALLBACK, probabilities
from cfcore.models.rbm.likelihood import softmax
from cfcore.models.rbm.state import RBMState

Array = np.ndarray[Any, Any]

#: Part of a user's log likelihood that counts in the comparison with the users of the fit: found by held-out
#: ratings of held-out users within the training rows of MovieLens 100K (u1).
TEMPER = 0.75
#: Ratings given from which on a case has all weight, and the distributions of items none. On users of
#: MovieLens who are not reported, the best weights for 1, 5, 10, 20, 40 and 80 ratings are .13, .23, .32,
#: .46, .72 and .94 (100K), and .11, .33, .54, .84, 1 and 1 (1M).
FULL_OF_CASES = 35
#: Least probability of a rating.
TINY = 1e-300
#: Ratings that are compared with all units at once, which bounds the memory.
ITEMS_AT_ONCE = 32
#: Users whose mixtures of units are in memory at once.
USERS_AT_ONCE = 256


def with_cases(state: RBMState, given: Ratings, shrinks: bool = True) -> RBMState:
    """The state with the users of some ratings as cases, in place of its own.

    `shrinks` tells whether the distributions of items count for users with few ratings.
    """
    check_levels(state, given)
    cases = find_cases(given, state.levels, "user")
    rated = None if state.rated_indptr is None else (cases.indptr, cases.units)
    found = dataclasses.replace(
        state, case_indptr=cases.indptr, case_units=cases.units, case_levels=cases.levels,
        rated_indptr=rated and rated[0], rated_units=rated and rated[1],
        case_distributions=towards(state.observed.by_case[-1], case_histograms(cases)),
        unit_distributions=state.observed.by_unit,
        user_trust=np.minimum(np.diff(cases.indptr) / FULL_OF_CASES, 1.0) if shrinks else None,
        **user_fields(given),
    )  # fmt: skip
    vars(found).update(parameters=state.parameters)
    return found


def with_units(state: RBMState, given: Ratings, n_threads: int | None, shrinks: bool = True) -> RBMState:
    """The state with the users of some ratings as visible units, in place of its own.

    The parameters of a unit are a weighted mean of those of the units of the fit. The weight of one is

    ::

        π_v ∝ Π_j p_v(r_j | h_j)^τ

    for the ratings given, each by the hidden units of its item. `shrinks` tells whether the distributions of
    items count besides, by ``state.half_of_units``.
    """
    check_levels(state, given)
    trust = trust_in(given.user_counts, state.half_of_units) if shrinks else None
    return of_units(state, given, *mixed_units(state, given, n_threads), trust, n_threads)


def with_units_without_each(
    state: RBMState, own: Ratings, n_threads: int | None, shrinks: bool = True
) -> RBMState:
    """As `with_units`, for one user without each rating in turn, and at the end with all.

    Their log likelihoods lack one term each. The users have no ratings in the state.
    """
    from threadpoolctl import threadpool_limits

    check_levels(state, own)
    known = np.flatnonzero(state.user_counts > 0).astype(np.int32)
    alone = from_fields(
        np.arange(len(own), dtype=np.int32), own.item_codes, own.values, None, np.arange(len(own)),
        own.item_ids, own.scale,
    )  # fmt: skip
    terms = log_likelihoods(state, known, alone, n_threads)
    units, none = state.weights.reshape(len(state.weights), -1)[known], np.zeros(0, dtype=np.int32)
    total, n = terms.sum(axis=0), len(own) + 1
    weights = np.empty((n, units.shape[1]), dtype=np.float32)
    biases = np.empty((n, len(state.levels)), dtype=np.float32)
    with threadpool_limits(1, user_api="blas"):  # with more, it would round otherwise
        for begin in range(0, n, USERS_AT_ONCE):
            rows = slice(begin, min(begin + USERS_AT_ONCE, n))
            logs = np.repeat(total[None, :], rows.stop - begin, axis=0)
            lacking = terms[rows]
            logs[: len(lacking)] -= lacking
            mixture = softmax(TEMPER * logs)
            weights[rows] = mixture.astype(np.float32) @ units
            biases[rows] = mixture @ state.visible_bias[known]
    unrated = from_fields(
        none, none, none.astype(np.float32), None, np.arange(n), own.item_ids, own.scale
    )  # fmt: skip
    trust = trust_in(np.append(np.full(n - 1, n - 2), n - 1), state.half_of_units) if shrinks else None
    return of_units(state, unrated, weights.reshape(-1, *state.weights.shape[1:]), biases, trust, n_threads)


def of_units(
    state: RBMState, given: Ratings, weights: Array, biases: Array, trust: Array | None, n_threads: int | None
) -> RBMState:
    """The state with the users of some ratings as visible units of these weights and biases."""
    n = given.n_users
    fields: dict[str, Any] = {"weights": weights, "visible_bias": biases}
    if state.conditional_weights is not None:  # of no effect: the inputs of the hidden units are held
        fields["conditional_weights"] = np.zeros((n, len(state.hidden_bias)), dtype=np.float32)
    own_cases = find_cases(given, state.levels, "item")
    found = dataclasses.replace(
        state, case_indptr=own_cases.indptr, case_units=own_cases.units, case_levels=own_cases.levels,
        rated_indptr=None, rated_units=None,
        case_inputs=state.inputs(n_threads)[:, : len(state.hidden_bias)],
        case_distributions=state.observed.by_case,
        unit_distributions=towards(state.observed.by_unit[-1], unit_histograms(own_cases)),
        user_trust=trust, **fields, **user_fields(given),
    )  # fmt: skip
    vars(found).update(_inputs=state.inputs(n_threads))
    return found


def mixed_units(
    state: RBMState, given: Ratings, n_threads: int | None, apart: Array | None = None
) -> tuple[Array, Array]:
    """Weights and biases of the users of some ratings, means of those of the units as `with_units` says.

    `apart` (int[n_users]) has the unit that each user is, which does not count.
    """
    known = np.flatnonzero(state.user_counts > 0).astype(np.int32)
    logs = log_likelihoods(state, known, given, n_threads)
    if apart is not None and len(known) > 1:
        logs[np.arange(len(logs)), np.searchsorted(known, apart)] = -np.inf
    units = state.weights.reshape(len(state.weights), -1)
    weights = np.empty((given.n_users, units.shape[1]), dtype=np.float32)
    biases = np.empty((given.n_users, len(state.levels)), dtype=np.float32)
    for user, own in enumerate(logs):
        mixture = np.zeros(len(units))
        mixture[known] = softmax(TEMPER * own[None, :])[0]
        # By itself, so that users asked for together have the bits of each alone.
        weights[user] = np.einsum("v,vf->f", mixture.astype(np.float32), units)
        biases[user] = np.einsum("v,vl->l", mixture, state.visible_bias)
    return weights.reshape(-1, *state.weights.shape[1:]), biases


def log_likelihoods(state: RBMState, units: Array, given: Ratings, n_threads: int | None) -> Array:
    """Sums of the logarithms of the probabilities of each user's ratings: float64[n_users, n_units].

    `units` (int32) are the visible units whose parameters give the probabilities.
    """
    columns, inputs = given.by_item, state.inputs(n_threads)
    levels = np.searchsorted(state.levels, columns.values)
    rated = np.flatnonzero(np.diff(columns.indptr)).astype(np.int32)
    logs = np.zeros((given.n_users, len(units)))
    for begin in range(0, len(rated), ITEMS_AT_ONCE):
        some = rated[begin : begin + ITEMS_AT_ONCE]
        # All items for one unit, then the next, whose weights are so read once; they serve all users.
        pairs = np.tile(some, len(units)), np.repeat(units, len(some))
        found = probabilities(state.parameters, inputs, *pairs, False, n_threads)
        for item, chances in zip(some, found.reshape(len(units), len(some), -1).swapaxes(0, 1), strict=True):
            own = slice(columns.indptr[item], columns.indptr[item + 1])
            # Probabilities may be 0 by rounding: a user of the fit is then least similar, not excluded.
            of_levels = np.log(np.maximum(chances, TINY))
            logs[columns.indices[own]] += of_levels[:, levels[own]].T
    return logs


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
