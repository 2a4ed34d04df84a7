"""`GibbsTrainer`: a chain of `BayesianSVD`; an epoch is a sweep over all parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cfcore.arrays import check_memory
from cfcore.data import Ratings
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_diagnostics import Trace
from cfcore.models.factorization.bayesian_features import FeatureTerms
from cfcore.models.factorization.bayesian_moments import SessionMoments
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_ordinal import OrderedProbit
from cfcore.models.factorization.bayesian_residuals import RENEWED, Residuals
from cfcore.models.factorization.bayesian_samples import Samples
from cfcore.models.factorization.bayesian_shifts import shift
from cfcore.models.factorization.bayesian_side import FIXED, Side
from cfcore.models.factorization.bayesian_steps import add
from cfcore.models.factorization.bayesian_stopping import Stopping

Array = np.ndarray[Any, Any]


#: Default numbers of factors: of any data, and of data with at least so many ratings per user and item.
N_FACTORS, MANY_RATINGS, MORE_FACTORS = 32, 60, 48


class GibbsTrainer:
    """Parameters in units of the ratings' standard deviation, drawn in turn from their conditionals.

    Parameters
    ----------
    model : BayesianSVD
        Whose hyper-parameters are read, and which is not kept.
    train : Ratings
    seconds : int64[n] or None
        Times of the ratings, where there are sessions.
    context : FitContext
        Whose generator is not used.
    seed : int in [0, 2^64)
        Of all draws of the chain.
    n_kept : int
        At most so many of the chain's samples are kept.
    """

    def __init__(
        self, model: Any, train: Ratings, seconds: Array | None, context: FitContext, seed: int, n_kept: int
    ) -> None:
        self.seed, self.rng, self.n_threads = seed, generator_of(seed), context.n_threads
        self.burn_in, stopping = model.burn_in, Stopping.of(model)
        users, items = train.by_user, train.by_item
        n = len(train)
        k = factors_for(train) if model.n_factors is None else model.n_factors
        self._check_memory(train, k, min(stopping.most, n_kept))
        place = np.empty(n, dtype=np.int32)
        place[users.order] = np.arange(n, dtype=np.int32)
        self.item_order = place[items.order]  # the ratings by item, of those by user
        self.codes = np.repeat(np.arange(train.n_users, dtype=np.int32), np.diff(users.indptr)), users.indices
        sets = model.sets
        shape = train.n_items, k, sets in ("both", "user"), self.rng
        self.users = Side(0, users.indptr, users.indices, *shape)
        shape = train.n_users, k, sets in ("both", "item"), self.rng
        self.items = Side(1, items.indptr, items.indices, *shape, self.users.scratch)
        likelihood, mean = GaussianNoise, context.known["mean"]
        if model.likelihood == "ordinal":
            likelihood, mean = OrderedProbit, 0.0
        values = users.values.astype(np.float64) - mean
        self.noise = likelihood(self.codes[0], train.n_users, values, bool(model.user_noise), self.rng)
        if context.weights is not None:
            self.noise.rating_weights = context.weights[users.order]
        self.spread = self.noise.spread
        self.residuals = Residuals(users.indptr, users.indices, train.n_items)
        ordered = None if seconds is None else seconds[users.order]
        by_item = items.indptr, self.item_order
        self.biases = Biases(self.codes[0], users.indptr, by_item, ordered, self.rng)
        for at, side in enumerate((self.users, self.items)):
            given = context.side.get("item_features" if at else "user_features")
            if given is not None:
                side.features = FeatureTerms(at, given[0], given[1], side.rated, k, self.rng)
                self.biases.features[at] = side.features
        self.moments = SessionMoments(self.biases.sessions, self.biases.session_at, train.n_users)
        self.samples = Samples(self.users, self.items, model.burn_in, stopping, n_kept)
        self.samples.hold(self.seed, self.biases, self.noise)
        self.renew()
        self.trace = Trace(n, model.burn_in, stopping.most)
        self.seconds = ordered
        self.n_sweeps_before = 0  # of a fit that goes on from an earlier one
        self.interrupted = False  # by another thread

    @staticmethod
    def _check_memory(train: Ratings, k: int, n_kept: int) -> None:
        rows = train.n_users + train.n_items
        numbers = n_kept * (k * (2 * train.n_users + 3 * train.n_items) + rows) + 16 * len(train)
        check_memory(8 * numbers, f"n_factors={k} and {n_kept} kept samples (n_kept)")

    # ------------------------------------------------------------------ a sweep

    def epoch(self, k: int) -> float:
        """Run sweep `k`; the RMSE on the training ratings of the parameters as they are drawn."""
        key = self.seed, self.n_sweeps_before + k
        restart(self.rng, *key)
        self.interrupted = False
        residuals = self.residuals
        if key[1] % RENEWED == 0:
            residuals.renew(self.noise.latents, self._groups())
        self.noise.draw(key, residuals, self.n_threads)
        self._pause()
        self.biases.draw(key, residuals, self.noise, self.n_threads)
        self._pause()
        if key[1] >= FIXED:
            self._draw_scales()
        self._draw_rows(key, self.samples.keeps(k))
        if key[1] >= FIXED:
            self._shift()
        self._multiply()
        self._keep(k)
        return self.noise.rmse(residuals)

    def renew(self) -> None:
        """Compute what is left of the ratings, after parameters were set."""
        self.residuals.renew(self.noise.latents, self._groups())
        self._multiply()

    def _multiply(self) -> None:
        weights = self.noise.rating_weights
        self.residuals.multiply(self.users.rows, self.items.rows, weights, self.n_threads)

    def _groups(self) -> Iterable[tuple[tuple[Array, Array | None], Array]]:
        return zip(self.biases.groups, self.biases.biases, strict=True)

    def _pause(self) -> None:
        """Raise KeyboardInterrupt between two steps if the thread that called `fit` was interrupted."""
        if self.interrupted:
            raise KeyboardInterrupt

    def _draw_scales(self) -> None:
        """Draw the scales of the rows of users and of items, and of the users' precisions."""
        # Sums not by BLAS, whose bits depend on its threads.
        square = float(np.sum(self.residuals.squares[:, 2] * self.noise.user_weights))
        square, product = (
            self.noise.precision * each for each in (square, float(np.sum(self.residuals.cross)))
        )
        for side in (self.users, self.items):
            factor = side.draw_scale(square, product)
            square, product = square * factor**2, product * factor
        self.noise.draw_scale()

    def _draw_rows(self, key: tuple[int, int], keeps: bool) -> None:
        """Draw priors, sets and rows of items, and then of users."""
        users, items, weights = self.users, self.items, self.noise.user_weights
        items.draw_prior(key, (users.indptr, users.indices), self.n_threads)
        own = self.noise.rating_weights
        of_item = None if own is None else own[self.item_order]
        each = np.full(items.n, self.noise.precision), weights.astype(np.float32), of_item
        items.draw_rows(key, users, self.residuals.by_item, each, None, self.n_threads)
        self._pause()
        users.draw_prior(key, (items.indptr, items.indices), self.n_threads)
        each = self.noise.precision * weights, np.ones(items.n, dtype=np.float32), own
        means = self.samples.row_means if keeps else None
        users.draw_rows(key, items, self.residuals.targets, each, means, self.n_threads)

    def _shift(self) -> None:
        """Move what rows and biases have in common between them; the targets follow the biases."""
        c, of_items = shift(self.users, self.items, self.biases, self.n_threads)
        self.users.work.run(add, self.users.n, c, self.samples.row_means, n_threads=1)
        _, of_users = shift(self.items, self.users, self.biases, self.n_threads)
        steps = [np.add(*both) for both in zip(of_items, of_users, strict=True)]
        self.residuals.subtract(self.codes[0], steps[0], self.n_threads, (self.codes[1], steps[1]))

    def _keep(self, k: int) -> None:
        """Add the parameters to the means, which are those of the last sweep until the end of the burn-in."""
        n = max(k + 1 - self.burn_in, 1)
        self.biases.keep(n)
        self.noise.keep(n)
        self.moments.add(n, self.biases.biases[0], self.biases.biases[2:])
        rows = self.trace.rows
        log_likelihood = self.noise.log_likelihood(self.residuals)
        log_likelihood -= len(self.codes[0]) * float(np.log(self.spread))
        self.trace.add(k, self.noise.expected(rows, self.residuals), log_likelihood)
        self.samples.keep(k)

    # ------------------------------------------------------------------ arrays

    def arrays(self) -> dict[str, Array]:
        """Means of biases, and the latest sweep: what changes with every sweep of what is predicted from."""
        live = self.biases.arrays() | self.moments.arrays() | {"noise": self.noise.scalars}
        return live | self.samples.arrays()

    def carried(self) -> dict[str, Array]:
        """Parameters as they are drawn, and the samples."""
        live = {"users": self.users.rows, "items": self.items.rows, "item_precision": self.items.precision}
        live |= self.users.arrays("users") | self.items.arrays("items")
        live |= self.residuals.arrays() | self.noise.carried()
        return live | self.biases.carried() | self.samples.carried() | self.trace.arrays()

    def fields(self, arrays: Mapping[str, Array], n_epochs: int) -> dict[str, Any]:
        """Fields of a `BayesianState` with these means of biases, and the samples of so many sweeps."""
        spread = self.spread
        return {
            **self.samples.fields(arrays, n_epochs, spread), **self.biases.fields(arrays, spread),
            **self.moments.fields(arrays, spread),
            "noise_precision": float(arrays["noise"][2]) / spread**2,
        }  # fmt: skip

    def last(self) -> dict[str, Array | None]:
        """Fields of a `BayesianState` of the last sweep, beside its sample, from which a chain goes on."""
        penalties = float(self.users.penalty[0]), float(self.items.penalty[0])
        return {
            "item_members": self.items.members.astype(np.float32) if self.items.has_sets else None,
            "chain_scalars": np.array([[*penalties, float(self.noise.scalars[1])]]),
        }

    def share(self, first: GibbsTrainer) -> None:
        """Use what another chain on the same ratings has made of them, in place of copies."""
        self.codes, self.item_order, self.seconds = first.codes, first.item_order, first.seconds
        self.biases.groups, self.biases.session_at = first.biases.groups, first.biases.session_at
        self.biases.nested = first.biases.nested


def factors_for(train: Ratings) -> int:
    """The default number of factors: more where rows of factors have many ratings each."""
    n_rows = np.count_nonzero(train.user_counts) + np.count_nonzero(train.item_counts)
    return MORE_FACTORS if len(train) >= MANY_RATINGS * n_rows else N_FACTORS


def generator_of(seed: int) -> np.random.Generator:
    """The generator of a chain's hyper-parameters, and of the factors that it starts from."""
    return np.random.Generator(np.random.Philox(key=seed))


def restart(rng: np.random.Generator, seed: int, k: int) -> None:
    """Set a generator of `generator_of` to the start of sweep `k`: a fit may go on from any."""
    rng.bit_generator.state = np.random.Philox(key=seed, counter=(k + 1) << 192).state
