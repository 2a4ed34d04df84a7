"""`Predictive`: distributions of ratings and of their means, from the samples of a `BayesianState`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from cfcore import backends
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.threads import threads_worth

__all__ = ["Predictive"]

Array = np.ndarray[Any, Any]

#: Newton's method for quantiles ends when the probability is as close as this, or after so many steps. Of
#: mixtures that are nearly normal 3 or 4 are enough; a step that would leave the interval in which the
#: quantile is known to be halves it instead.
CLOSE, STEPS = 1e-9, 60


class Predictive:
    """Mixtures of normal distributions, one for each pair of a user and an item.

    Sample s has two components of equal weight, at f_s + d_s and f_s - d_s: the mean of the user's factors
    given the other parameters of the sample, and what the draw adds to it. They are moved so that the mean is
    the prediction, which is a mean over all sweeps.

    Parameters
    ----------
    state : BayesianState
    users, items : int32[n]
        Codes, -1 being unknown. Some thousands of pairs at most: there are n x n_kept numbers.
    centre : float64[n]
        Predictions of the pairs, not clipped.
    seconds : int64[n] or None
        Times of the ratings.
    n_threads : int or None

    Attributes
    ----------
    apart, added : float64[n, n_kept]
        f less the prediction, and d, in the unit of the ratings.
    of_sample : float64[n, n_kept]
        Variances of a rating around them: noise, and sessions in which there are no training ratings.
    of_session : float64[n]
        Variance of the means that is due to the biases of known sessions, beside that between samples.
    """

    def __init__(
        self, state: BayesianState, users: Array, items: Array, centre: Array, seconds: Array | None,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        self.centre = centre
        rows = np.where(users < 0, len(state.user_ids), users).astype(np.int32)
        columns = np.where(items < 0, len(state.item_ids), items).astype(np.int32)
        samples = state.samples
        means, draws = (np.empty((len(rows), samples.n_kept), dtype=np.float32) for _ in range(2))
        team = threads_worth(n_threads, 2 * len(rows) * samples.n_columns)
        backends.kernel("factorization.samples").score_samples(rows, columns, samples, means, draws, team)
        if state.user_bias_draws is not None:
            draws += state.user_bias_draws[rows]
        apart = means.astype(np.float64)
        slopes, self.of_session, last = last_sessions(state, users, seconds)
        if (slopes != 1).any():
            biases = state.user_biases[rows].astype(np.float64)
            apart += (slopes - 1)[:, np.newaxis] * biases
        apart -= np.mean(apart, axis=1, keepdims=True)
        self.apart, self.added = state.spread * apart, state.spread * draws.astype(np.float64)
        weights = state.user_weights[rows].astype(np.float64)
        self.of_sample = 1 / (state.precisions[:, 0] * weights) + unknown_sessions(state)[last]
        self.of_sample *= state.spread**2

    @cached_property
    def means(self) -> Array:
        """Means of the components: float64[n, 2 n_kept]."""
        apart = np.concatenate([self.apart + self.added, self.apart - self.added], axis=1)
        return self.centre[:, np.newaxis] + apart

    @cached_property
    def noise(self) -> Array:
        """Variances of a rating around the means of the components: float64[n, 2 n_kept]."""
        return np.concatenate([self.of_sample, self.of_sample], axis=1)

    def mean(self) -> Array:
        """Means of ratings, which are the predictions: float64[n]."""
        return self.centre

    def variance(self, of: str = "rating") -> Array:
        """Variances: float64[n].

        Parameters
        ----------
        of : {"rating", "mean"}
            Of a new rating, or of the mean of the ratings that the user may give, which is not known exactly.
        """
        # Of the two components of a sample, the mean of (f + d)^2 and (f - d)^2.
        found: Array = np.mean(self.apart * self.apart + self.added * self.added, axis=1) + self.of_session
        return found + np.mean(self.of_sample, axis=1) if of == "rating" else found

    def cdf(self, levels: Array) -> Array:
        """The chance of a new rating of at most each level (float64[n_levels]): float64[n, n_levels]."""
        deviations = np.sqrt(self.noise + self.of_session[:, np.newaxis])
        found = np.empty((len(self.means), len(levels)))
        for at, level in enumerate(levels):
            found[:, at] = np.mean(ndtr((level - self.means) / deviations), axis=1)
        return found

    def quantiles(self, level: float, of: str = "rating") -> Array:
        """Quantiles: float64[n].

        Those of a rating are of the mixture, those of a mean of the normal distribution of its variance.
        """
        start = self.centre + ndtri(level) * np.sqrt(self.variance(of))
        return start if of == "mean" else self._newton(level, start)

    def _newton(self, level: float, found: Array) -> Array:
        """Where the mixtures' distribution functions are `level`, from some first guess."""
        means, deviations = self.means, np.sqrt(self.noise + self.of_session[:, np.newaxis])
        reach = ndtri(level) * deviations + means  # the quantiles of the components
        low, high = np.min(reach, axis=1), np.max(reach, axis=1)
        rows, x = np.arange(len(found)), found.copy()  # of the pairs that are not found yet
        for _ in range(STEPS):
            apart = (x[:, np.newaxis] - means) / deviations
            excess = np.mean(ndtr(apart), axis=1) - level
            found[rows] = x
            left = np.abs(excess) > CLOSE
            rows, x, low, high, excess = rows[left], x[left], low[left], high[left], excess[left]
            if not len(rows):
                break
            means, deviations, apart = means[left], deviations[left], apart[left]
            low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
            slopes = np.mean(np.exp(-0.5 * apart * apart) / deviations, axis=1) / np.sqrt(2 * np.pi)
            x = x - np.divide(excess, slopes, out=np.full(len(x), np.inf), where=slopes > 0)
            x = np.where((x > low) & (x < high), x, (low + high) / 2)
        return found


def last_sessions(state: BayesianState, users: Array, seconds: Array | None) -> tuple[Array, Array, Array]:
    """Slopes and variances of the shortest known session of each pair, and how many lengths are known."""
    slopes, variances, last = np.ones(len(users)), np.zeros(len(users)), np.zeros(len(users), dtype=np.int64)
    if seconds is not None and len(state.session_bias):
        for at, codes in enumerate(state.sessions.place(users, seconds)):
            known = np.flatnonzero(codes >= 0)
            slopes[known] = state.session_slope[codes[known]]
            variances[known] = state.session_variance[codes[known]]
            last[known] = at + 1
    return slopes, variances, last


def unknown_sessions(state: BayesianState) -> Array:
    """Variance of the sessions after the first l lengths, for each l and sample, over `spread` squared."""
    each = 1 / state.precisions[:, 3:].T
    found = np.zeros((len(each) + 1, state.precisions.shape[0]))
    found[:-1] = np.cumsum(each[::-1], axis=0)[::-1]
    return found
