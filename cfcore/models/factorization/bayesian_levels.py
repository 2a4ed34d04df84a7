"""Predictions of `BayesianSVD` from its state: of ratings as numbers, and as levels between cut points."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from cfcore.models.core.distributions import PAIRS_PER_BLOCK
from cfcore.models.factorization.bayesian_ordinal import expected
from cfcore.models.factorization.bayesian_predictive import Predictive, between
from cfcore.models.factorization.bayesian_state import BayesianState, scores

__all__ = ["OrdinalPredictive", "predictions", "predictive"]

Array = np.ndarray[Any, Any]


class OrdinalPredictive(Predictive):
    """Distributions over the levels of ratings, from those of latent ratings, one for each pair.

    A component of sample s has the cut points of that sample.

    Parameters
    ----------
    state : BayesianState
        With cut points.
    users, items, centre, seconds, n_threads
        As of `Predictive`, whose means and variances are those of latent ratings here.

    Attributes
    ----------
    levels : float64[n_levels]
    cut_points : float64[n_levels - 1, 2 n_kept]
        Of the components.
    below : float64[n, n_levels - 1]
        Chances of at most each level but the last.
    """

    def __init__(
        self, state: BayesianState, users: Array, items: Array, centre: Array, seconds: Array | None,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        super().__init__(state, users, items, centre, seconds, n_threads)
        assert state.levels is not None
        assert state.cut_points is not None
        self.levels = state.levels
        self.cut_points = np.concatenate([state.cut_points, state.cut_points]).T
        self.below = self._below(self.cut_points)

    def mean(self) -> Array:
        """Expected ratings: float64[n]."""
        return expected(self.below, self.levels)

    def variance(self, of: str = "rating") -> Array:
        """Variances of ratings, or of the mean of the ratings that the user may give: float64[n]."""
        if of == "rating":
            apart = self.levels - self.mean()[:, np.newaxis]
            return np.einsum("nl,nl->n", self.probabilities(self.levels), apart * apart)
        deviations = np.sqrt(self.noise)
        means, slopes = np.full(self.means.shape, self.levels[-1]), np.zeros(len(self.means))
        for points, step in zip(self.cut_points, np.diff(self.levels), strict=True):
            apart = (points - self.means) / deviations
            means -= step * ndtr(apart)
            slopes += step * np.mean(np.exp(-0.5 * apart * apart) / deviations, axis=1) / np.sqrt(2 * np.pi)
        found: Array = np.var(means, axis=1) + slopes * slopes * self.of_session
        return found

    def cdf(self, levels: Array) -> Array:
        """The chance of a new rating of at most each number (float64[m]): float64[n, m]."""
        n = len(self.below)
        chances = np.concatenate([np.zeros((n, 1)), self.below, np.ones((n, 1))], axis=1)
        return chances[:, np.searchsorted(self.levels, levels, side="right")]

    def probabilities(self, levels: Array) -> Array:
        """The chance of each level: float64[n, n_levels]."""
        return between(self.below)

    def quantiles(self, level: float, of: str = "rating") -> Array:
        """Quantiles: float64[n].

        For those of a rating the chance of each level is spread evenly between the middles to its neighbours.
        Those of a mean are of the normal distribution of its variance.
        """
        if of == "mean":
            return self.mean() + ndtri(level) * np.sqrt(self.variance(of))
        levels = self.levels
        if len(levels) < 2:
            return np.full(len(self.below), levels[0])
        middles = (levels[:-1] + levels[1:]) / 2
        ends = np.concatenate([[2 * levels[0] - middles[0]], middles, [2 * levels[-1] - middles[-1]]])
        found = np.empty(len(self.below))
        for at, chances in enumerate(np.pad(self.below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))):
            found[at] = np.interp(level, chances, ends)
        return found


def predictive(
    state: BayesianState, users: Array, items: Array, seconds: Array | None, n_threads: int | None
) -> Predictive:
    """Distributions of ratings for codes, -1 being unknown; some thousands of pairs at most."""
    kind = OrdinalPredictive if state.is_ordinal else Predictive
    centre = scores(state, users, items, seconds, n_threads)
    return kind(state, users, items, centre, seconds, n_threads)


def predictions(
    state: BayesianState, users: Array, items: Array, seconds: Array | None, n_threads: int | None
) -> Array:
    """Expected ratings for codes, -1 being unknown: float64[n]."""
    if not state.is_ordinal:
        return scores(state, users, items, seconds, n_threads)
    found = np.empty(len(users))
    for begin in range(0, len(users), PAIRS_PER_BLOCK):
        part = slice(begin, begin + PAIRS_PER_BLOCK)
        times = None if seconds is None else seconds[part]
        found[part] = predictive(state, users[part], items[part], times, n_threads).mean()
    return found
