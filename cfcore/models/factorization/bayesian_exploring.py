"""States of single samples, by which lists of `BayesianSVD` explore."""

from __future__ import annotations

import dataclasses
import os
from typing import IO, Any, Self

import numpy as np

from cfcore.models.core.distributions import Exploration
from cfcore.models.core.model import Model
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.random import generator

__all__ = ["Exploring", "state_of_sample"]

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
        fields["implicit_factors"] = state.implicit_factors[:, at * k : (at + 1) * k].copy()
    spread = np.float32(state.spread)
    means = fields["user_factors"] * np.float32(n_kept)
    fields["user_factors"] = means + sign * spread * fields["user_draws"]
    fields["user_draws"] = np.zeros_like(fields["user_draws"])
    biases = fields["user_biases"][:, 0]
    if state.user_bias_draws is not None:
        biases = biases + sign * fields["user_bias_draws"][:, 0]
        fields["user_biases"] = np.ascontiguousarray(biases[:, np.newaxis])
        fields["user_bias_draws"] = np.zeros_like(fields["user_bias_draws"])
    fields["user_bias"], fields["item_bias"] = spread * biases, spread * fields["item_biases"][:, 0]
    fields["sample"] = int(sign) * (at + 1)
    return dataclasses.replace(state, **fields)


def of_sample(held: Array, shape: tuple[Any, ...], at: int, k: int) -> Array:
    """The part of an array that is of one sample, by the names of its dimensions."""
    for axis, name in enumerate(shape):
        if name == "n_kept":
            held = np.take(held, [at], axis=axis)
        elif name == "n_columns":
            held = np.take(held, range(at * k, (at + 1) * k), axis=axis)
    return held


class Exploring(Model):
    """The part of `BayesianSVD` whose predictions are upper bounds, or those of a sample."""

    #: Standard deviations of the mean that are added to predictions.
    _n_std: float = 0.0

    def save(self, path: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the fitted model to a file; see `Model.save`.

        Raises
        ------
        ValueError
            Predictions are upper bounds, which files do not tell; and as there.
        """
        if self._n_std:
            raise ValueError(
                'save: files do not tell that predictions are those of explorer("upper"); save the model '
                "itself, and call explorer after load"
            )
        super().save(path)

    def _explorer(self, exploration: Exploration) -> Self:
        here = self.snapshot()
        if exploration.by == "upper":
            here._n_std = exploration.n_std
        else:
            here._state = state_of_sample(self._state, generator(exploration.random_state))
        return here
