"""`OrderedProbit`: ratings as levels of latent ratings, in the sampler of `BayesianSVD`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from cfcore import backends
from cfcore.errors import DataError
from cfcore.kernels.records import DrawKey, OrdinalRatings
from cfcore.models.factorization.bayesian_cut_points import (
    first_cut_points,
    is_far,
    log_chance,
    moved,
    proposal_from,
)
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_side import FIXED, LATENTS
from cfcore.threads import threads_worth

__all__ = ["MOST_LEVELS", "OrderedProbit", "check_levels", "expected"]

Array = np.ndarray[Any, Any]

#: More different ratings than this are no levels.
MOST_LEVELS = 256
#: Ratings of one level in a piece, whose sums are added in their order; pieces in one call of a kernel: .3 s.
PIECE, PIECES = 4096, 4096
#: Work of a rating, in multiplications.
WORK = 200
#: The training error is that of at most about so many ratings, evenly spaced.
JUDGED = 1 << 14


class OrderedProbit(GaussianNoise):
    """Levels between cut points of latent ratings, whose noise has precision 1, times one of each user.

    Cut points are drawn with the latent ratings integrated out, by a Metropolis-Hastings step from a normal
    distribution around the mode of their density, which a step of Newton's method finds (as in Qi and Minka,
    "Hessian-based Markov chain Monte Carlo algorithms", 2002), in logarithms of distances. Then latent
    ratings are drawn given these (Albert and Chib, "Bayesian analysis of binary and polychotomous response
    data", 1993). Cut points drawn given the latent ratings would hardly move (Cowles, "Accelerating Monte
    Carlo Markov chain convergence for cumulative-link generalized linear models", 1996).

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
    probit : float64[3]
        Log-likelihood of the last cut points, steps of cut points after the first sweeps, and how many of
        these were accepted.

    Raises
    ------
    DataError
        There are more than 256 different ratings.
    """

    def __init__(
        self, users: Array, n_users: int, values: Array, user_noise: bool, rng: np.random.Generator
    ) -> None:
        super().__init__(users, n_users, np.zeros(len(values)), user_noise, rng)
        self.values = values
        self.levels, codes = np.unique(values, return_inverse=True)
        check_levels(self.levels)
        counts = np.bincount(codes)
        self.cut_points = first_cut_points(counts)
        starts = np.cumsum(counts) - counts
        begins = [np.arange(start, start + count, PIECE) for start, count in zip(starts, counts, strict=True)]
        sizes = np.array([len(each) for each in begins])
        self.indptr = np.append(np.concatenate(begins), len(values)).astype(np.int64)
        self.ratings = np.argsort(codes, kind="stable").astype(np.int32)
        self.piece_levels = np.repeat(np.arange(len(counts), dtype=np.int32), sizes)
        self.first_pieces = np.cumsum(sizes) - sizes
        self.judged = np.arange(0, len(values), max(1, len(values) // JUDGED))
        self.probit = np.zeros(3)

    # ------------------------------------------------------------------ draws

    def draw(self, key: tuple[int, int], errors: Array, n_threads: int | None) -> None:
        """Draw cut points, latent ratings and the users' precisions.

        Parameters
        ----------
        key : (seed, sweep)
        errors : float64[n], overwritten
            Latent ratings less their predictions.
        n_threads : int or None
        """
        predictions = self.latents - errors
        ratings = OrdinalRatings(
            self.indptr, self.ratings, self.piece_levels, predictions, self.weights(), len(self.levels)
        )
        self._draw_cut_points(key, ratings, n_threads)
        np.subtract(self.latents, predictions, out=errors)
        if self.user_noise:
            self._draw_user_weights(self._squares(errors))

    def _draw_cut_points(self, key: tuple[int, int], ratings: OrdinalRatings, n_threads: int | None) -> None:
        """Draw cut points and latent ratings; the latter with those proposed, which are mostly accepted."""
        now, noise, chance = self.cut_points, self.rng.normal(size=len(self.cut_points)), self.rng.random()
        here = proposal_from(now, self._sums(ratings, now, None, n_threads)) if len(now) else None
        is_first = key[1] < FIXED  # predictions are far from those of later sweeps
        self.probit[1] += not is_first
        if here is not None:
            new = moved(now, here, noise)
            if not is_far(now, new):
                sums = self._sums(ratings, new, key, n_threads)
                there = proposal_from(new, sums)
                if there is not None:
                    ratio = there.log_density - here.log_density
                    ratio += log_chance(there, new, now) - log_chance(here, now, new)
                    if is_first or np.log(chance) < ratio:
                        now[:] = new
                        self.probit[0] = np.sum(sums[:, 0])
                        self.probit[2] += not is_first
                        return
        self.probit[0] = np.sum(self._sums(ratings, now, key, n_threads)[:, 0])

    def _sums(
        self, ratings: OrdinalRatings, cut_points: Array, key: tuple[int, int] | None, n_threads: int | None
    ) -> Array:
        """Sums of the kernel for each level, float64[n_levels, 6]; with a key, latent ratings are drawn."""
        kernel = backends.kernel("factorization.ordinal")
        sums = np.empty((ratings.n_pieces, 6))
        n_threads = threads_worth(n_threads, WORK * ratings.n)
        for begin in range(0, ratings.n_pieces, PIECES):
            span = begin, min(begin + PIECES, ratings.n_pieces)
            if key is None:
                kernel.sum_likelihood(ratings, cut_points, sums, span, n_threads)
            else:
                drawn = DrawKey(key[0], LATENTS, key[1])
                kernel.draw_latents(ratings, cut_points, self.latents, sums, drawn, span, n_threads)
        found: Array = np.add.reduceat(sums, self.first_pieces, axis=0)
        return found

    # ------------------------------------------------------------------ what the trainer asks for

    def expected(self, rows: Array, errors: Array) -> Array:
        """Expected ratings for some of the ratings, by the parameters as they are drawn."""
        predictions = (self.latents[rows] - errors[rows])[:, np.newaxis]
        scale = np.sqrt(self.user_weights[self.users[rows]])[:, np.newaxis]
        return expected(ndtr((self.cut_points - predictions) * scale), self.levels)

    def rmse(self, errors: Array) -> float:
        """Error of the expected ratings on some training ratings."""
        apart = self.expected(self.judged, errors) - self.values[self.judged]
        return float(np.sqrt(np.mean(apart * apart)))

    def log_likelihood(self, errors: Array) -> float:
        """Logarithm of the ratings' probability, by this sweep's cut points and earlier predictions."""
        return float(self.probit[0])

    def carried(self) -> dict[str, Array]:
        """Live arrays that the next sweep starts from, beside `scalars`."""
        own = {"cut_points": self.cut_points, "latents": self.latents, "probit": self.probit}
        return super().carried() | own


def check_levels(levels: Array) -> None:
    """Raise DataError for more different ratings than are levels."""
    if len(levels) > MOST_LEVELS:
        raise DataError(
            f"rating: {len(levels):,} different values; likelihood='ordinal' takes ratings of at most "
            f"{MOST_LEVELS} levels: round them, or use likelihood='gaussian'"
        )


def expected(chances: Array, levels: Array) -> Array:
    """Expected ratings for the chances of at most each level but the last: float64[..., n_levels - 1]."""
    found: Array = levels[-1] - np.einsum("...l,l->...", chances, np.diff(levels))
    return found
