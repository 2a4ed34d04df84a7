"""`TimeTrainer`: the trainer of timeSVD++."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import padded
from cfcore.data import Ratings
from cfcore.kernels.records import TIME_TERMS, TimeParameters, TimeRates
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.model import Array
from cfcore.models.factorization.base import state_of
from cfcore.models.factorization.implicit_state import constant_fields
from cfcore.models.factorization.implicit_terms import summed_rows
from cfcore.models.factorization.svdpp import Rates
from cfcore.models.factorization.time_state import TimeState
from cfcore.models.factorization.time_terms import FACTORS, in_order, names_of_sessions
from cfcore.models.factorization.user_batches import UserBatches, UserBatchTrainer
from cfcore.models.factorization.user_days import Days
from cfcore.models.factorization.user_sessions import Sessions, moments_of
from cfcore.threads import threads_worth


class TimeTrainer(UserBatchTrainer):
    """All parameters of timeSVD++ trained user batch by user batch.

    Parameters
    ----------
    start : TimeState
        The parameters to start from; they are copied.
    rates : Rates
        Of the parameters that SVD++ has, too.
    terms : dict of str to float
        Learning rates of the first epoch and regularisation of the terms of time, and of sessions.
    train : Ratings
    codes : list of int32[n_ratings]
        The user-day of each rating, and its session of each length.
    context : FitContext
    """

    def __init__(
        self,
        start: TimeState,
        rates: Rates,
        terms: Mapping[str, float],
        train: Ratings,
        codes: Sequence[Array],
        context: FitContext,
    ) -> None:
        self.rates, self.terms, self.context, self.days = rates, terms, context, start.days
        self.n_factors = start.item_factors.shape[1]
        live: dict[str, Any] = {
            name: padded(getattr(start, name)) if name in FACTORS else getattr(start, name).copy()
            for name in TIME_TERMS
        }
        self.sessions, moments = start.sessions, None
        owners, *of_sessions = codes
        if of_sessions:
            live["session_bias"] = start.session_bias.copy()
            moments, owners = moments_of(owners, of_sessions)
        self.live = TimeParameters(**live, mean=float(start.mean))
        self.constant = constant_fields(start, context.known, self.arrays())
        batches = UserBatches(
            train, start.sets, live["implicit_factors"], context.rng, context.n_threads,
            days=self.days.table, codes=owners, moments=moments,
        )  # fmt: skip
        super().__init__(batches, self.live)

    def steps(self, k: int) -> TimeRates:
        """The steps of epoch `k`."""
        lr, reg = in_order({**vars(self.rates), **self.terms})
        decay, lengths = self.rates.lr_decay**k, self.sessions.lengths.tolist()
        if not lengths:
            return TimeRates(lr * decay, reg)
        of_levels = np.array([[self.terms[name] for name in names_of_sessions(length)] for length in lengths])
        return TimeRates(lr * decay, reg, of_levels[:, 0] * decay, of_levels[:, 1].copy())

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters."""
        live = {name: getattr(self.live, name) for name in TIME_TERMS}
        table, n_threads = live["implicit_factors"], self.context.n_threads
        live["user_factors"] = summed_rows(self.batches.sets, table, live["user_factors"], n_threads)
        live["implicit_factors"] = table[:0]
        parameters = TimeParameters(**live, mean=self.live.mean)
        out = predicted(users, items, timestamps, self.days, parameters, n_threads)
        return with_sessions(out, users, timestamps, self.sessions, self.live.session_bias)

    def arrays(self) -> dict[str, Array]:
        """The live parameters, without padding."""
        live = {name: getattr(self.live, name) for name in TIME_TERMS}
        if self.live.session_bias is not None:
            live["session_bias"] = self.live.session_bias
        return {name: held[:, : self.n_factors] if name in FACTORS else held for name, held in live.items()}

    def carried(self) -> dict[str, Array]:
        """Nothing."""
        return {}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> TimeState:
        """The state with these parameters."""
        fields: dict[str, Any] = {**self.constant, **arrays, "history": dict(history), "n_epochs": n_epochs}
        decay = self.rates.lr_decay ** max(n_epochs - 1, 0)
        terms = {name: float(x * decay if name[:2] == "lr" else x) for name, x in self.terms.items()}
        fields["rates"] = self.rates.after(n_epochs) | terms
        rows = {"item_rows": self.live.item_factors}
        state: TimeState = state_of(self.context, TimeState, rows, **fields)
        vars(state).update(days=self.days, sessions=self.sessions, sets=self.batches.sets)
        return state


def predicted(
    users: Array,
    items: Array,
    timestamps: Array | None,
    days: Days,
    parameters: TimeParameters,
    n_threads: int | None,
) -> Array:
    """Predictions for codes, -1 being unknown."""
    out = np.empty(len(users))
    codes, when = days.place(users, timestamps)
    n_threads = threads_worth(n_threads, len(users) * parameters.width)
    backends.kernel("factorization.timesvdpp").predict(items, codes, when, parameters, out, n_threads)
    return out


def with_sessions(
    predictions: Array, users: Array, timestamps: Array | None, sessions: Sessions, biases: Array | None
) -> Array:
    """Predictions for codes, in place, with the biases of the sessions of training that the times are in."""
    if timestamps is not None and biases is not None and len(biases):
        for codes in sessions.place(users, timestamps):
            predictions += np.where(codes >= 0, biases[codes], biases.dtype.type(0))
    return predictions
