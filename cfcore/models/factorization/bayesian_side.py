"""`Side`: the users, or the items, of a Gibbs sampler: rows, sets, priors, and draws of all of these."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, row_length
from cfcore.kernels.records import DrawKey, MemberDraws, RatingRows, RowDraws
from cfcore.models.factorization import bayesian_priors as priors
from cfcore.models.factorization.bayesian_passes import TILE, Scratch, pass_threads, product_threads
from cfcore.models.factorization.bayesian_priors import drawn_precision
from cfcore.models.factorization.bayesian_scales import drawn_scale
from cfcore.models.factorization.bayesian_steps import (
    InProcess,
    from_blocks_times,
    into_blocks_times,
    overrelax,
    prior_means,
    scale,
    subtract_sums,
    times,
)
from cfcore.models.factorization.sets import COLUMNS, set_weights, spans
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Kinds of random numbers of the kernels, which all differ: rows and members of sets of users, and one more
#: of items; biases of users, of items, and of sessions from the longest length on.
ROWS, MEMBERS, BIASES = 0, 2, 4
#: Effects of features on rows and on biases, of users, and one more of items; latent ratings.
ON_ROWS, ON_BIASES, LATENTS = 96, 98, 1000
#: Inverse scale of the Wishart prior is this times (k + 1) I, in units of the ratings' variance.
WISHART = 0.02
#: Its degrees of freedom are k and this.
FREEDOM = 1
#: Sweeps at the start for which the precisions of the priors have fixed values: factors near 0 would keep
#: them high, and stay near 0 for hundreds of sweeps.
FIXED, FIRST_PRECISION, FIRST_PENALTY = 5, 20.0, 5.0
#: Rows are drawn with this correlation to those before, given all else, after so many sweeps.
OVERRELAXED, PLAIN = -0.85, 30


class Side:
    """Rows of users, or of items, as x = p + w sum of y over a set, and what they are drawn from.

    Parameters
    ----------
    kind : int
        0 of users, 1 of items.
    indptr, indices : int64[n_rows + 1], int32[n]
        The ratings of each row: codes of the other side.
    n_others : int
    n_factors : int
    has_sets : bool
        Whether rows have the sets of the other side's members that they have ratings of.
    rng : Generator
        For the first rows, and for hyper-parameters.
    scratch : Scratch, optional
        Those of the other side, whose steps take place at other times.
    """

    def __init__(
        self, kind: int, indptr: Array, indices: Array, n_others: int, n_factors: int, has_sets: bool,
        rng: np.random.Generator, scratch: Scratch | None = None,
    ) -> None:  # fmt: skip
        self.kind, self.indptr, self.indices, self.rng = kind, indptr, indices, rng
        self.scratch = Scratch() if scratch is None else scratch
        self.n, self.n_others, self.n_factors = len(indptr) - 1, n_others, n_factors
        counts = np.diff(indptr)
        self.most = int(counts.max(initial=0))
        self.weights = set_weights(counts)
        self.rows = aligned_zeros(self.n, row_length(n_factors, "float32"), np.float32)
        self.rows[:, :n_factors] = rng.normal(0, 0.1, (self.n, n_factors))
        # Scratch of a draw of rows: the means of their distributions, and draws that move them.
        self.row_means, self.drawn = np.zeros_like(self.rows), np.zeros_like(self.rows)
        self.members = np.zeros((n_others if has_sets else 0, n_factors))
        self.sums = np.zeros((self.n, n_factors))
        self.mean, self.precision = np.zeros(n_factors), FIRST_PRECISION * np.eye(n_factors)
        self.penalty = np.ones(1)
        self.rated = counts > 0
        self.all_rated = bool(self.rated.all())
        self.features: Any = None  # FeatureTerms, where there are features
        # Records of the last draws, whose codes are checked.
        self.ratings: RatingRows | None = None
        self.member_draws: MemberDraws | None = None
        self.drawing: Any = partial(Drawing, scratch=self.scratch)  # or what draws rows elsewhere
        self.drawing_members: Any = draw_members  # or what draws them elsewhere
        self.work: Any = InProcess()  # or what has others do the other steps

    @property
    def has_sets(self) -> bool:
        """Whether rows have sets."""
        return len(self.members) > 0

    def arrays(self, name: str) -> dict[str, Array]:
        """Live arrays beside the rows that the next sweep starts from, under names that begin with `name`."""
        live = {
            "members": self.members,
            "sums": self.sums,
            "penalty": self.penalty,
            "precision": self.precision,
        }
        found = {f"{name}_{part}": array for part, array in live.items()}
        return found if self.features is None else found | self.features.carried(name)

    def unknown_row(self) -> Array:
        """Mean of the prior of a row nothing is known of."""
        return self.mean if self.features is None else self.mean + self.features.mean_row()

    def draw_scale(self, square: float, product: float) -> float:
        """Draw a factor of the rows, of their means and of all that these are sums of; precisions follow it.

        Rows that have few ratings are near their prior, and the prior's precision is near that of the rows:
        drawn in turn, both move slowly. Their common scale s has, given the rows over s, the density
        s^(-k d - 1) exp(-tr(W L) / (2 s^2) - a s^2 / 2 + b s), with L the precision, d and W the degrees of
        freedom and inverse scale of its prior, a `square` and b `product` (Liu and Sabatti, "Generalised
        Gibbs sampler and multigrid Monte Carlo for Bayesian computation", Biometrika 2000).

        Parameters
        ----------
        square, product : float
            Sum over ratings of precision times prediction squared, and times prediction and target; of the
            part of the predictions that is a product of rows.

        Returns
        -------
        float
            The factor, by which predictions are to be multiplied.
        """
        k = self.n_factors
        power, spread = k * (k + FREEDOM), WISHART * (k + 1) * float(np.trace(self.precision)) / 2
        factor = drawn_scale(power, spread, square, product, self.rng)
        if factor == 1:
            return factor
        self._scale(factor, self.rows, self.sums)
        self._scale(factor, self.members)
        if self.features is not None:
            self.features.effects *= factor
            self.features.sums *= factor
        self.mean *= factor
        self.precision /= factor**2
        return factor

    def _scale(self, factor: float, *arrays: Array) -> None:
        self.work.run(scale, len(arrays[0]), factor, arrays, n_threads=1)

    def draw_prior(self, key: tuple[int, int], owners: Any, n_threads: int | None) -> None:
        """Draw mean and precision of the rows around the sums of their sets, and then the sets' members.

        The prior is normal-Wishart with k + 1 degrees of freedom; the members' precision is a multiple of
        that of the rows, with a sampled factor. `owners` are bounds and codes of the rows that have each
        member in their set.
        """
        k, features = self.n_factors, self.features
        own = self.scratch.take("own", self.n, k)
        self._subtract(None, self.sums, own, n_threads)
        given = own if self.all_rated else own[self.rated]  # rows without ratings do not inform the prior
        n = len(given)
        mean, apart = np.empty(k), self.scratch.take("apart", n, k)
        sums = backends.kernel("factorization.gibbs_sums")
        sums.centre_rows(given, mean, apart, pass_threads(n_threads, apart))
        products_of = self.work.products_of
        inverse = products_of(apart, n_threads) + WISHART * (k + 1) * np.eye(k)
        inverse += n / (n + 1) * np.outer(mean, mean)
        freedom = k + FREEDOM + n
        squares = products_of(self.members, n_threads)
        if self.has_sets:
            inverse += self.penalty[0] * squares
            freedom += len(self.members)
        if features is not None:
            inverse += features.penalty[0] * products_of(features.effects, n_threads)
            freedom += len(features.effects)
        if key[1] >= FIXED:
            self.precision[:] = wishart(inverse, freedom, self.rng)
        root = np.linalg.cholesky(self.precision)
        noise = self.rng.normal(size=k)
        self.mean = n * mean / (n + 1) + np.linalg.solve(root.T, noise) / np.sqrt(n + 1)
        if self.has_sets:
            size = float(np.sum(self.precision * squares))
            drawn = drawn_precision(self.members.size, size, self.rng)
            self.penalty[0] = drawn if key[1] >= FIXED else FIRST_PENALTY
            self._draw_members(key, own, root, owners, n_threads)
        if features is not None:
            rows = self.rows[:, :k].astype(np.float64)
            features.draw(key, rows - self.sums - self.mean, self.precision, n_threads)

    def _subtract(self, mean: Array | None, sums: Array, out: Array, n_threads: int | None) -> None:
        """Rows less what features tell of them, less a mean if there is one, and less sums."""
        of_features = None if self.features is None else self.features.sums
        given = self.rows, of_features, mean, sums, out
        self.work.run(subtract_sums, self.n, *given, n_threads=n_threads)

    def _draw_members(
        self, key: tuple[int, int], own: Array, root: Array, owners: Any, n_threads: int | None
    ) -> None:
        """Draw the members with rows and noise in units in which the noise is white."""
        k, n_blocks, take = self.n_factors, -(-self.n_factors // COLUMNS), self.scratch.take
        run = self.work.run
        white = take("members", n_blocks, len(self.members), COLUMNS)
        white_errors = take("errors", n_blocks, self.n, COLUMNS)
        for rows, mean, blocks in ((self.members, None, white), (own, self.mean, white_errors)):
            of_product = product_threads(n_threads, rows)
            tiles = take("tiles", of_product, 2 * TILE * k)
            run(into_blocks_times, len(rows), rows, mean, root, blocks, tiles, n_threads=n_threads)
        changing: dict[str, Any] = {
            "members": white,
            "errors": white_errors,
            "penalty": float(self.penalty[0]),
        }
        if self.member_draws is None or self.member_draws.owners is not owners[1]:
            self.member_draws = MemberDraws(owners[0], owners[1], self.weights, **changing)
        drawn = DrawKey(key[0], MEMBERS + self.kind, key[1])
        members, errors = self.drawing_members(self.member_draws.changed(**changing), drawn, n_threads)
        back = np.linalg.inv(root)
        product = take("apart", len(members[0]), k)
        run(from_blocks_times, len(product), members, back, product, self.members, n_threads=n_threads)
        product = take("apart", self.n, k)
        run(from_blocks_times, self.n, errors, back, own, product, n_threads=n_threads)
        self._subtract(self.mean, product, self.sums, n_threads)
        if key[1] >= FIXED:
            run(times, self.n, self.sums, root, product, n_threads=n_threads)
            self.draw_member_scale(own, product, n_threads)

    def draw_member_scale(self, apart: Array, sums: Array, n_threads: int | None = 1) -> None:
        """Draw a factor of the members, which their precision follows; the rows stay as they are.

        Members that are in few sets are near their prior, and its precision is near what they are.

        Parameters
        ----------
        apart, sums : float64[n, n_factors]
            Rows less all parts of their prior means, and their sums of members, in units in which the noise
            of rows is white.
        n_threads : int or None
        """
        kernel, n_threads = backends.kernel("factorization.gibbs_sums"), pass_threads(n_threads, sums)
        square = kernel.sum_pairs(sums, sums, n_threads)
        product = square + kernel.sum_pairs(sums, apart, n_threads)
        spread = priors.RATE * float(self.penalty[0])
        factor = drawn_scale(2 * priors.SHAPE, spread, square, product, self.rng)
        self._scale(factor, self.members)
        self._scale(factor, self.sums)
        self.penalty /= factor**2

    def draw_rows(
        self, key: tuple[int, int], others: Side, targets: Array,
        precisions: tuple[Array, Array, Array | None], means: Array | None, n_threads: int | None,
    ) -> None:  # fmt: skip
        """Draw the rows given those of the other side.

        A row is on the other side of the mean of its normal distribution from where it was, ::

            x' = m + a (x - m) + (1 - a^2)^(1/2) e,    e ~ N(0, covariance),    a = -0.85

        which leaves that distribution as it is (Adler, "Over-relaxation method for the Monte Carlo evaluation
        of the partition function for multiquadratic actions", Physical Review D 23, 1981). Rows of users and
        of items determine each other, and what both have to change together moves by steps of one direction
        in place of a random walk. Not in the first sweeps, which are on the way to their mode.

        Parameters
        ----------
        key : (seed, sweep)
        others : Side
        targets : float32[n]
            Ratings less their biases, in the order of the side.
        precisions : (float64[n_rows], float32[n_others], float32[n] or None)
            As `row_precision`, `column_weight` and `weights` of `RowDraws`.
        means : float32[n_rows, width] or None
            Overwritten by the means that the rows are drawn around.
        """
        if self.ratings is None:
            self.ratings = RatingRows(self.indptr, self.indices, targets, self.n_others)
        ratings = self.ratings.changed(values=targets)
        prior = self.scratch.take("own", self.n, self.n_factors)
        of_features = None if self.features is None else self.features.sums
        given = self.mean, self.sums, of_features, prior
        self.work.run(prior_means, self.n, *given, n_threads=n_threads)
        overrelaxed, rows = key[1] >= PLAIN, self.rows
        if overrelaxed:
            rows, means = self.drawn, self.row_means if means is None else means
        draws = RowDraws(rows, others.rows, prior, self.precision, *precisions[:2], means, precisions[2])
        self.drawing(ratings, draws, self.most, n_threads)(DrawKey(key[0], ROWS + self.kind, key[1]))
        if overrelaxed:
            factors = OVERRELAXED, float(np.sqrt(1 - OVERRELAXED**2))
            self.work.run(overrelax, self.n, self.rows, self.drawn, means, factors, n_threads=n_threads)


class Drawing:
    """Draws of all rows, in calls of about .3 s.

    Parameters
    ----------
    ratings : RatingRows
    draws : RowDraws
    most : int
        Ratings of the row that has most.
    n_threads : int or None
    scratch : Scratch, optional
    """

    def __init__(
        self, ratings: RatingRows, draws: RowDraws, most: int, n_threads: int | None,
        scratch: Scratch | None = None,
    ) -> None:  # fmt: skip
        self.kernel = backends.kernel("factorization.gibbs")
        self.ratings, self.draws, width = ratings, draws, draws.width
        cost = width * (width + 16)
        self.n_threads = threads_worth(n_threads, ratings.n * cost + draws.n_rows * width**3 / 3)
        shape = self.kernel.scratch_shape(self.n_threads, width, most)
        self.scratch = (Scratch() if scratch is None else scratch).take("rows", *shape)
        self.spans = spans(ratings.indptr, cost, width**3 // 3)

    def __call__(self, key: DrawKey) -> None:
        for span in self.spans:
            self.kernel.draw_rows(self.ratings, self.draws, key, self.scratch, span, self.n_threads)


def draw_members(draws: MemberDraws, key: DrawKey, n_threads: int | None) -> tuple[Array, Array]:
    """Draw all members of sets, in calls of about .3 s; the members and the errors of the record."""
    kernel, width = backends.kernel("factorization.gibbs_priors"), 8 * draws.n_blocks
    n_threads = threads_worth(n_threads, 4 * draws.n * width)
    for span in spans(draws.indptr, 4 * width):
        kernel.draw_members(draws, key, span, n_threads)
    return draws.members, draws.errors


def wishart(inverse_scale: Array, freedom: float, rng: np.random.Generator) -> Array:
    """A matrix from the Wishart distribution, by Bartlett's decomposition."""
    k = len(inverse_scale)
    lower = np.tril(rng.normal(size=(k, k)), -1)
    lower[np.diag_indices(k)] = np.sqrt(rng.chisquare(freedom - np.arange(k)))
    root = np.linalg.solve(np.linalg.cholesky(inverse_scale).T, lower)
    return np.einsum("fk,gk->fg", root, root)
