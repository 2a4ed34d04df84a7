"""`OrderedProbit`: ratings as levels of latent ratings, in the sampler of `BayesianSVD`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from cfcore import backends
from cfcore.errors import DataError
from cfcore.kernels.records import DrawKey, LatentDraws, OrdinalRatings
from cfcore.models.factorization.bayesian_cut_points import (
    FREEDOM,
    first_cut_points,
    is_far,
    log_chance,
    moved,
    proposal_from,
)
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_residuals import Residuals
from cfcore.models.factorization.bayesian_side import FIXED, LATENTS
from cfcore.threads import threads_worth

__all__ = ["MOST_LEVELS", "OrderedProbit", "expected", "latent_means", "levels_of", "nearest_levels"]

Array = np.ndarray[Any, Any]

#: More different ratings than this are no levels.
MOST_LEVELS = 256
#: Neighbouring ratings, of which those of a level are a piece: they stay in the cache for all levels.
BLOCK = 1 << 14
#: Ratings of the pieces of one call of a kernel, after which Ctrl-C is handled: about .3 s.
CALL = 1 << 24
#: Those of a block of draws.
DRAWN = 4096
#: From sweep EACH on, cut points are drawn in every EVERY-th sweep: they take longer than latent ratings.
EACH, EVERY = 16, 4
#: Work of a rating, in multiplications.
WORK = 200
#: The training error is that of at most about so many ratings, evenly spaced.
JUDGED = 1 << 12


class OrderedProbit(GaussianNoise):
    """Levels between cut points of latent ratings, whose noise has precision 1, times one of each user.

    Cut points are drawn with the latent ratings integrated out, by a Metropolis-Hastings step from a
    multivariate t distribution around the mode of their density, which a step of Newton's method finds (as in
    Qi and Minka, "Hessian-based Markov chain Monte Carlo algorithms", 2002), in logarithms of distances. Then
    latent ratings are drawn given these (Albert and Chib, "Bayesian analysis of binary and polychotomous
    response data", 1993). Cut points drawn given the latent ratings would hardly move (Cowles, "Accelerating
    Monte Carlo Markov chain convergence for cumulative-link generalized linear models", 1996). After the
    first sweeps cut points are drawn in every fourth sweep, and all else in each.

    Parameters
    ----------
    users, n_users, user_noise, rng
        As of `GaussianNoise`.
    values : float64[n]
        The ratings.

    Attributes
    ----------
    levels : float64[n_levels]
        The different ratings, ascending.
    cut_points : float64[n_levels - 1]
    probit : float64[4]
        Log-likelihood of the last cut points, steps of cut points, how many of these were accepted, and how
        many are still taken without a test, while predictions are far from those of later sweeps.
    """

    def __init__(
        self, users: Array, n_users: int, values: Array, user_noise: bool, rng: np.random.Generator
    ) -> None:
        super().__init__(users, n_users, np.zeros(len(values)), user_noise, rng)
        self.values = values
        self.levels, codes = np.unique(values, return_inverse=True)
        self.cut_points: Array = first_cut_points(np.bincount(codes))
        self.set_levels(codes)
        self.rated = np.flatnonzero(self.counts)
        self.firsts = (np.cumsum(self.counts) - self.counts)[self.rated]
        self.judged = np.arange(0, len(values), max(1, len(values) // JUDGED))
        self.probit = np.array([0.0, 0.0, 0.0, FIXED])
        self.predictions = np.zeros(len(values))  # memory for those of a sweep

    def set_levels(self, codes: Array) -> None:
        """Take the ratings' positions among the levels, and divide the ratings of each level into pieces."""
        n_levels, n = len(self.levels), len(codes)
        self.codes = codes.astype(np.uint8)
        keys = np.arange(n) // BLOCK * n_levels + codes
        n_pieces = -(-n // BLOCK) * n_levels
        self.ratings = np.argsort(keys, kind="stable").astype(np.int32)
        self.indptr = np.append(0, np.cumsum(np.bincount(keys, minlength=n_pieces))).astype(np.int64)
        self.piece_levels = (np.arange(n_pieces) % n_levels).astype(np.int32)

    def go_on(self, levels: Array, cut_points: Array) -> None:
        """Start from cut points of an earlier fit, if the ratings have the same levels."""
        if np.array_equal(levels, self.levels):
            self.cut_points[:] = cut_points
            self.probit[3] = 0

    # ------------------------------------------------------------------ draws

    def draw(self, key: tuple[int, int], residuals: Residuals, n_threads: int | None) -> None:
        """Draw cut points, latent ratings and the users' precisions.

        Parameters
        ----------
        key : (seed, sweep)
        residuals : Residuals
            Targets and sums of squares change with the latent ratings.
        n_threads : int or None
        """
        if key[1] < EACH or key[1] % EVERY == 0:
            predictions = np.subtract(self.latents, residuals.targets, out=self.predictions)
            predictions += residuals.products
            self._draw_cut_points(
                OrdinalRatings(
                    self.indptr,
                    self.ratings,
                    self.piece_levels,
                    predictions,
                    self.weights(),
                    len(self.levels),
                ),
                n_threads,
            )
        self._draw_latents(key, residuals, n_threads)
        if self.user_noise:
            squares = residuals.errors(slice(None)) ** 2
            if self.rating_weights is not None:
                squares *= self.rating_weights
            found = np.zeros(len(self.user_weights))
            found[self.rated] = np.add.reduceat(squares, self.firsts)
            self._draw_user_weights(found)

    def _draw_cut_points(self, ratings: OrdinalRatings, n_threads: int | None) -> None:
        """Draw cut points."""
        now, noise, chance = self.cut_points, self.rng.normal(size=len(self.cut_points)), self.rng.random()
        noise *= np.sqrt(FREEDOM / self.rng.chisquare(FREEDOM))
        is_first = self.probit[3] > 0
        self.probit[3] -= is_first
        self.probit[1] += not is_first
        here = proposal_from(now, self._sums(ratings, now, n_threads)) if len(now) else None
        new = now if here is None else moved(now, here, noise)
        if here is None or is_far(now, new):
            return
        there = proposal_from(new, self._sums(ratings, new, n_threads))
        if there is not None:
            ratio = there.log_density - here.log_density
            ratio += log_chance(there, new, now) - log_chance(here, now, new)
            if is_first or np.log(chance) < ratio:
                now[:] = new
                self.probit[2] += not is_first

    def _draw_latents(self, key: tuple[int, int], residuals: Residuals, n_threads: int | None) -> None:
        """Draw latent ratings, which the targets follow; and sum the log-likelihood."""
        kernel = backends.kernel("factorization.ordinal")
        draws = LatentDraws(
            self.codes, self.latents, residuals.targets, residuals.products, self.weights(), len(self.levels)
        )
        sums = np.empty(kernel.n_blocks(draws.n))
        n_threads = threads_worth(n_threads, WORK * draws.n)
        step = CALL // DRAWN
        for begin in range(0, len(sums), step):
            span = begin, min(begin + step, len(sums))
            drawn = DrawKey(key[0], LATENTS, key[1])
            kernel.draw_latents(draws, self.cut_points, sums, drawn, span, n_threads)
        self.probit[0] = np.sum(sums)

    def _sums(self, ratings: OrdinalRatings, cut_points: Array, n_threads: int | None) -> Array:
        """Sums of the kernel for each level: float64[n_levels, 6]."""
        kernel = backends.kernel("factorization.ordinal")
        sums = np.empty((ratings.n_pieces, 6))
        n_threads = threads_worth(n_threads, WORK * ratings.n)
        pieces = CALL // BLOCK * len(self.levels)
        for begin in range(0, ratings.n_pieces, pieces):
            span = begin, min(begin + pieces, ratings.n_pieces)
            kernel.sum_likelihood(ratings, cut_points, sums, span, n_threads)
        n = len(self.levels)
        return np.stack([np.bincount(self.piece_levels, one, minlength=n) for one in sums.T], axis=1)

    # ------------------------------------------------------------------ what the trainer asks for

    def expected(self, rows: Array, residuals: Residuals) -> Array:
        """Expected ratings for some of the ratings, by the parameters as they are drawn."""
        predictions = (self.latents[rows] - residuals.errors(rows))[:, np.newaxis]
        scale = np.sqrt(self.user_weights[self.users[rows]])[:, np.newaxis]
        return expected(ndtr((self.cut_points - predictions) * scale), self.levels)

    def rmse(self, residuals: Residuals) -> float:
        """Error of the expected ratings on some training ratings."""
        apart = self.expected(self.judged, residuals) - self.values[self.judged]
        return float(np.sqrt(np.mean(apart * apart)))

    def log_likelihood(self, residuals: Residuals) -> float:
        """Logarithm of the ratings' probability, by this sweep's cut points and earlier predictions."""
        return float(self.probit[0])

    def carried(self) -> dict[str, Array]:
        """Live arrays that the next sweep starts from, beside `scalars`."""
        own = {"cut_points": self.cut_points, "latents": self.latents, "probit": self.probit}
        return super().carried() | own


def levels_of(values: Array, likelihood: str) -> Array | None:
    """The different ratings, ascending: float64[n_levels]; None for too many.

    Raises
    ------
    DataError
        There are more than 256, and the likelihood is "ordinal".
    """
    levels = np.unique(values).astype(np.float64)
    if len(levels) <= MOST_LEVELS:
        return levels
    if likelihood == "ordinal":
        raise DataError(
            f"rating: {len(levels):,} different values; likelihood='ordinal' takes ratings of at most "
            f"{MOST_LEVELS} levels: round them, or use likelihood='gaussian'"
        )
    return None


def expected(chances: Array, levels: Array) -> Array:
    """Expected ratings for the chances of at most each level but the last: float64[..., n_levels - 1]."""
    found: Array = levels[-1] - np.einsum("...l,l->...", chances, np.diff(levels))
    return found


def nearest_levels(values: Array, levels: Array) -> Array:
    """The position of the level that is nearest to each rating: int64[n]."""
    found: Array = np.searchsorted((levels[:-1] + levels[1:]) / 2, values)
    return found


def latent_means(predictions: Array, levels: Array, cut_points: Array, precisions: Array) -> Array:
    """Means of latent ratings given their levels, in each sample: float64[n, n_kept].

    Parameters
    ----------
    predictions : float64[n, n_kept]
    levels : int[n]
        Positions of the levels.
    cut_points : float64[n_kept, n_levels - 1]
    precisions : float64[n_kept]
        Of the latent ratings around the predictions.
    """
    n_kept = len(cut_points)
    edge = np.full((n_kept, 1), np.inf)
    ends = np.concatenate([-edge, cut_points, edge], axis=1).T
    scale = np.sqrt(precisions)
    first, last = (ends[levels + more] for more in (0, 1))
    first, last = (np.clip((end - predictions) * scale, -1e8, 1e8) for end in (first, last))
    turned = first + last < 0
    a, b = np.where(turned, -last, first), np.where(turned, -first, last)
    above_a, above_b = log_ndtr(-a), log_ndtr(-b)
    mass = above_a + np.log1p(-np.minimum(np.exp(above_b - above_a), 1 - 1e-15))
    low, high = (np.exp(-0.5 * end * end - 0.5 * np.log(2 * np.pi) - mass) for end in (a, b))
    found: Array = predictions + np.where(turned, high - low, low - high) / scale
    return found
