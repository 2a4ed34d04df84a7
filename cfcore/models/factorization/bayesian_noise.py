"""`GaussianNoise`: the noise of the ratings in the sampler of `BayesianSVD`, and its precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import gammaincinv, gammaln

from cfcore.models.factorization import bayesian_priors as priors
from cfcore.models.factorization.bayesian_priors import drawn_precision
from cfcore.models.factorization.bayesian_residuals import Residuals
from cfcore.models.factorization.bayesian_steps import InProcess, of_groups

Array = np.ndarray[Any, Any]

#: Steps of the random walk of the shape of users' noise precisions in a sweep, and their standard deviation.
SHAPE_STEPS, SHAPE_STEP = 3, 0.1
#: Bounds of users' precisions.
LEAST, MOST = 1e-3, 1e3


class GaussianNoise:
    """Normal noise, whose precision is that of all ratings times one of each user.

    Parameters
    ----------
    users : int32[n]
        The user of each rating, ascending.
    n_users : int
    values : float64[n]
        The ratings less their mean.
    user_noise : bool
        Whether each user has a precision of its own.
    rng : Generator

    Attributes
    ----------
    spread : float
        Unit of the sampler's parameters, in that of the ratings: their standard deviation.
    latents : float64[n]
        What the model's terms add up to, and noise: here the ratings.
    cut_points : float64[n_levels - 1] or None
        None: there are none.
    user_weights : float64[n_users]
        Precisions of the users, whose mean in the prior is 1.
    rating_weights : float32[n] or None
        Of the precision of each rating, as given to the fit; all 1 where None.
    scalars : float64[3]
        Precision of the noise, shape of the users' precisions, and the mean of the first over sweeps.
    """

    def __init__(
        self, users: Array, n_users: int, values: Array, user_noise: bool, rng: np.random.Generator
    ) -> None:
        self.users, self.user_noise, self.rng = users, user_noise, rng
        self.spread = float(np.sqrt(np.mean(values * values))) or 1.0
        self.latents = values / self.spread
        self.cut_points: Array | None = None
        self.counts = np.bincount(users, minlength=n_users)
        self.bounds = np.append(0, np.cumsum(self.counts)).astype(np.int64)
        self.user_weights = np.ones(n_users)
        self.rating_weights: Array | None = None
        self.scalars = np.array([1.0, 8.0, 0.0])
        self.work: Any = InProcess()  # or what has others do it

    @property
    def precision(self) -> float:
        """Precision of a rating of a user of weight 1."""
        return float(self.scalars[0])

    def weights(self) -> Array | None:
        """Weight of each rating's precision: float32[n]; None where all are 1."""
        if not self.user_noise:
            return self.rating_weights
        found: Array = self.work.empty("weights", (len(self.users),), np.float32)
        values = self.user_weights.astype(np.float32)
        given = values, self.bounds, found
        self.work.run(of_groups, len(values), *given, n_threads=1, indptr=self.bounds)
        if self.rating_weights is not None:
            found *= self.rating_weights
        return found

    def log_likelihood(self, residuals: Residuals) -> float:
        """Logarithm of the density of the ratings, in units of their spread."""
        squares = residuals.squared_errors()
        each = self.counts * np.log(self.user_weights * (self.precision / (2 * np.pi)))
        total = float(np.sum(each - self.precision * squares * self.user_weights))
        if self.rating_weights is not None:
            total += float(np.sum(np.log(self.rating_weights.astype(np.float64))))
        return total / 2

    def draw(self, key: tuple[int, int], residuals: Residuals, n_threads: int | None) -> None:
        """Draw the precisions, and latent ratings where these are not the ratings.

        Parameters
        ----------
        key : (seed, sweep)
        residuals : Residuals
            Of the latest parameters; targets and sums of squares change with the latent ratings.
        n_threads : int or None
        """
        squares = residuals.squared_errors()
        if self.user_noise:
            self._draw_user_weights(squares)
        total = float(np.sum(squares * self.user_weights))  # by BLAS, bits would depend on its threads
        self.scalars[0] = drawn_precision(len(self.users), total, self.rng)

    def draw_scale(self) -> None:
        """Multiply all users' precisions by a factor, and divide the common one by it, where both are drawn.

        Their products do not change, so that the factor c depends on the priors alone: with n users of shape
        s it has the density c^(n s / 2 - a - 1) exp(-c s sum(weights) / 2 - b precision / c), where a and b
        are shape and rate of the prior of the precision. Proposed is c without the last term.
        """
        if not self.user_noise or self.cut_points is not None:
            return
        rated = self.counts > 0
        shape = self.scalars[1] / 2
        power = np.sum(rated) * shape - priors.SHAPE
        if power <= 0:
            return
        factor = self.rng.standard_gamma(power) / (shape * float(np.sum(self.user_weights[rated])))
        scaled = factor * self.user_weights[rated]
        rate = priors.RATE * self.scalars[0]
        within = bool(scaled.min() >= LEAST and scaled.max() <= MOST)
        if np.log(self.rng.random()) < rate - rate / factor and within:
            self.user_weights[rated] = scaled
            self.scalars[0] /= factor

    def _draw_user_weights(self, squares: Array) -> None:
        shape = self.scalars[1] / 2
        drawn = self.rng.standard_gamma(shape + self.counts / 2)
        self.user_weights[:] = drawn / (shape + self.scalars[0] * squares / 2)
        self.user_weights[:] = np.clip(self.user_weights, LEAST, MOST)
        self.draw_shape(self.user_weights[self.counts > 0])

    def draw_shape(self, weights: Array) -> None:
        """The shape of the Gamma distribution of users' precisions, whose mean is 1, by a random walk."""
        n, logs = len(weights), float(np.sum(np.log(weights) - weights))

        def density(shape: float) -> float:
            half = shape / 2
            return float(n * (half * np.log(half) - gammaln(half)) + half * logs) - shape / 100

        for _ in range(SHAPE_STEPS):
            now = self.scalars[1]
            new = now * np.exp(SHAPE_STEP * self.rng.normal())
            if np.log(self.rng.random()) < density(new) - density(now) + np.log(new / now):
                self.scalars[1] = min(new, 1e4)

    def prior_weight(self, level: float) -> float:
        """A quantile of the prior of users' precisions; 1 where they have none."""
        half = float(self.scalars[1]) / 2
        return max(float(gammaincinv(half, level)) / half, 1e-3) if self.user_noise else 1.0

    def keep(self, n: int) -> None:
        """Add the precision to its mean over `n` sweeps, this one included."""
        self.scalars[2] += (self.scalars[0] - self.scalars[2]) / n

    def expected(self, rows: Array, residuals: Residuals) -> Array:
        """Expected ratings less their mean, for some of them, by the parameters as they are drawn."""
        found: Array = self.spread * (self.latents[rows] - residuals.errors(rows))
        return found

    def rmse(self, residuals: Residuals) -> float:
        """Error of the parameters as they are drawn on the training ratings."""
        if self.rating_weights is None:
            return self.spread * float(np.sqrt(np.sum(residuals.squared_errors()) / len(self.users)))
        errors = residuals.errors(slice(None))
        return self.spread * float(np.sqrt(np.mean(errors * errors)))

    def carried(self) -> dict[str, Array]:
        """Live arrays that the next sweep starts from, beside `scalars`."""
        return {"user_weights": self.user_weights}
