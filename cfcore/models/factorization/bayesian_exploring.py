"""States of single samples, by which lists of `BayesianSVD` explore."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.models.factorization.bayesian_state import BayesianState

Array = np.ndarray[Any, Any]


def state_of_sample(state: BayesianState, rng: np.random.Generator) -> BayesianState:
    """The state that predicts by one of the kept samples; biases of sessions stay means.

    What the draw of a user's factors adds to their mean is added or subtracted, which is as likely.
    """
    n_kept, k = state.prior_means.shape
    at, sign = int(rng.integers(n_kept)), np.float32(rng.choice([-1, 1]))
    fields: dict[str, Any] = {
        field.name: of_sample(getattr(state, field.name), field.metadata.get("shape", ()), at, k)
        for field in dataclasses.fields(state)
        if field.init and isinstance(getattr(state, field.name), np.ndarray)
    }
    if state.implicit_factors.shape[1]:
        fields["implicit_factors"] = state.implicit_factors[:, at * k : (at + 1) * k]
    spread = np.float32(state.spread)
    means = fields["user_factors"] * np.float32(n_kept)
    fields["user_factors"] = means + sign * spread * fields["user_draws"]
    fields["user_draws"] = np.zeros_like(fields["user_draws"])
    biases = fields["user_biases"][:, 0]
    if state.user_bias_draws is not None:
        biases = biases + sign * fields["user_bias_draws"][:, 0]
        fields["user_bias_draws"] = np.zeros_like(fields["user_bias_draws"])
    fields["user_bias"], fields["item_bias"] = spread * biases, spread * fields["item_biases"][:, 0]
    return dataclasses.replace(state, **fields)


def of_sample(held: Array, shape: tuple[Any, ...], at: int, k: int) -> Array:
    """The part of an array that is of one sample, by the names of its dimensions."""
    for axis, name in enumerate(shape):
        if name == "n_kept":
            held = np.take(held, [at], axis=axis)
        elif name == "n_columns":
            held = np.take(held, range(at * k, (at + 1) * k), axis=axis)
    return held
