"""Predictions of an RBM on codes: inputs of the hidden units, distributions over the levels, estimates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, thread_rows
from cfcore.kernels.records import Cases, RBMParameters
from cfcore.models.rbm.cases import case_histograms, smoothed, unit_histograms
from cfcore.threads import threads_worth

__all__ = ["Observed", "Predictor", "Settings", "expectations", "hidden_inputs", "probabilities"]

Array = np.ndarray[Any, Any]

#: Pairs whose distributions are in memory at a time, when only their estimates are needed.
CHUNK = 1 << 16
#: Further ratings per level with which distributions of unknown ids are shrunk towards that of all.
FALLBACK = 1.0


@dataclass(frozen=True, eq=False)
class Observed:
    """The training cases, and the distributions of their ratings.

    Attributes
    ----------
    cases : Cases
    """

    cases: Cases

    @cached_property
    def by_case(self) -> Array:
        """Smoothed distribution of the ratings of each case; the last row is that of all ratings."""
        return self._smoothed(case_histograms(self.cases))

    @cached_property
    def by_unit(self) -> Array:
        """Smoothed distribution of the ratings of each visible unit; the last row is that of all ratings."""
        return self._smoothed(unit_histograms(self.cases))

    def _smoothed(self, counts: Array) -> Array:
        return smoothed(np.concatenate([counts, np.zeros((1, self.cases.n_levels))]), FALLBACK)


@dataclass(frozen=True)
class Settings:
    """The hyper-parameters that predictions depend on.

    Attributes
    ----------
    by_user : bool
        Whether a case is a user.
    exact : bool
        Whether hidden units are summed out, or at their means.
    estimate : {"mean", "median", "mode"}
    n_threads : int or None
    """

    by_user: bool
    exact: bool
    estimate: str
    n_threads: int | None


@dataclass(frozen=True, eq=False)
class Predictor:
    """Predictions for codes of users and items, -1 being unknown.

    Attributes
    ----------
    observed : Observed
    parameters : RBMParameters
    inputs : ndarray of float32, shape (n_cases, width)
        Of `hidden_inputs`.
    settings : Settings
    trust : ndarray of float64, shape (n_users,), or None
        Weight of the distributions of each user beside those of the items' ratings.
    """

    observed: Observed
    parameters: RBMParameters
    inputs: Array
    settings: Settings
    trust: Array | None = None

    def distributions(self, users: Array, items: Array) -> Array:
        """Distribution over the levels of each pair: float64 (n, n_levels).

        Of an unknown item that of the user's ratings, of an unknown user that of the item's, of both unknown
        that of all ratings.
        """
        cases, units = (users, items) if self.settings.by_user else (items, users)
        known = (users >= 0) & (items >= 0)
        all_known = bool(known.all())
        if not all_known:
            cases, units = cases[known], units[known]
        found = probabilities(
            self.parameters, self.inputs, cases, units, self.settings.exact, self.settings.n_threads
        )
        if self.trust is not None:
            weights = self.trust[cases if self.settings.by_user else units][:, None]
            usual = self.observed.by_unit[units] if self.settings.by_user else self.observed.by_case[cases]
            found = weights * found + (1 - weights) * usual
        if all_known:
            return found
        observed = self.observed.by_case, self.observed.by_unit
        of_users, of_items = observed if self.settings.by_user else observed[::-1]
        full = of_items[items]  # -1 picks the last row
        only_user = (users >= 0) & (items < 0)
        full[only_user] = of_users[users[only_user]]
        full[known] = found
        return full

    def scores(self, users: Array, items: Array) -> Array:
        """The estimate of each pair: float64[n]."""
        out = np.empty(len(users))
        for begin in range(0, len(users), CHUNK):
            part = slice(begin, begin + CHUNK)
            out[part] = self._estimates(self.distributions(users[part], items[part]))
        return out

    def _estimates(self, distributions: Array) -> Array:
        levels = self.observed.cases.values
        if self.settings.estimate == "mean":
            return expectations(distributions, levels)
        if self.settings.estimate == "mode":
            return levels[np.argmax(distributions, axis=1)]
        half = np.cumsum(distributions, axis=1) >= 0.5
        half[:, -1] = True
        return levels[np.argmax(half, axis=1)]


def hidden_inputs(parameters: RBMParameters, cases: Cases, n_threads: int | None) -> Array:
    """Inputs of the hidden units of each case: float32 (n_cases, padded n_hidden)."""
    out = aligned_zeros(cases.n_cases, parameters.width, np.float32)
    threads = threads_worth(n_threads, cases.n * parameters.width)
    scratch = thread_rows(threads, parameters.width, np.float32)
    backends.kernel("rbm.predict").hidden_inputs(cases, parameters, scratch, out, threads)
    return out


def probabilities(
    parameters: RBMParameters, inputs: Array, cases: Array, units: Array, exact: bool, n_threads: int | None
) -> Array:
    """Distribution over the levels of each pair of a case and a unit: float64 (n, n_levels)."""
    out = np.empty((len(cases), parameters.n_levels))
    threads = threads_worth(n_threads, out.size * parameters.width)
    scratch = thread_rows(threads, parameters.width, np.float32)
    kernel = backends.kernel("rbm.predict")
    kernel.probabilities(cases, units, inputs, parameters, exact, scratch, out, threads)
    return out


def expectations(distributions: Array, levels: Array) -> Array:
    """Mean of each distribution, the same bits for one as for many (a product by BLAS is not)."""
    means: Array = np.einsum("nk,k->n", distributions, levels)
    return means
