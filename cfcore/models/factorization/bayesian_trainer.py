"""`GibbsTrainer`: the trainer of `BayesianSVD`; an epoch is a sweep over all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.arrays import check_memory
from cfcore.data import Ratings
from cfcore.kernels.records import Factors
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.base import predicted
from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_features import FeatureTerms, encoded_features
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_samples import Samples
from cfcore.models.factorization.bayesian_side import Side
from cfcore.models.factorization.bayesian_state import BayesianState, scores
from cfcore.random import seed64

Array = np.ndarray[Any, Any]


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
    """

    def __init__(self, model: Any, train: Ratings, seconds: Array | None, context: FitContext) -> None:
        self.context, self.rng, self.n_threads = context, context.rng, context.n_threads
        self.burn_in = model.burn_in
        self.seed = seed64(self.rng)
        users, items = train.by_user, train.by_item
        n, k = len(train), model.n_factors
        self._check_memory(train, k, min(model.n_samples, model.n_kept))
        place = np.empty(n, dtype=np.int32)
        place[users.order] = np.arange(n, dtype=np.int32)
        self.item_order = place[items.order]  # the ratings by item, of those by user
        self.codes = np.repeat(np.arange(train.n_users, dtype=np.int32), np.diff(users.indptr)), users.indices
        sets = model.sets
        shape = train.n_items, k, sets in ("both", "user"), self.rng
        self.users = Side(0, users.indptr, users.indices, *shape)
        shape = train.n_users, k, sets in ("both", "item"), self.rng
        self.items = Side(1, items.indptr, items.indices, *shape)
        values = users.values.astype(np.float64) - context.known["mean"]
        self.spread = float(np.sqrt(np.mean(values * values))) or 1.0
        self.targets = values / self.spread  # less all biases, as they are drawn
        self.products = np.zeros(n)
        ordered = None if seconds is None else seconds[users.order]
        by_item = items.indptr, self.item_order
        self.biases = Biases(self.codes[0], users.indptr, by_item, ordered, self.rng)
        for at, side in enumerate((self.users, self.items)):
            given = context.side.get("item_features" if at else "user_features")
            if given is not None:
                side.features = FeatureTerms(at, given[0], given[1], side.rated, k, self.rng)
                self.biases.features[at] = side.features
        self.noise = GaussianNoise(self.codes[0], train.n_users, bool(model.user_noise), self.rng)
        self.samples = Samples(self.users, self.items, model.burn_in, model.n_samples, model.n_kept)
        self.n_sweeps_run = np.zeros(1)

    @staticmethod
    def _check_memory(train: Ratings, k: int, n_kept: int) -> None:
        numbers = n_kept * k * (train.n_users + 3 * train.n_items) + 12 * len(train)
        check_memory(8 * numbers, f"n_factors={k} and {n_kept} kept samples")

    # ------------------------------------------------------------------ a sweep

    def epoch(self, k: int) -> float:
        """Run sweep `k`; the RMSE on the training ratings of the parameters as they are drawn."""
        key = self.seed, k
        errors = self.targets - self.products
        self.noise.draw(errors)
        self.biases.draw(key, errors, self.noise, self.n_threads)
        self.targets = errors + self.products
        self._draw_rows(key)
        self.products = self._products()
        self._keep(k)
        errors = self.targets - self.products
        return self.spread * float(np.sqrt(np.mean(errors * errors)))

    def _draw_rows(self, key: tuple[int, int]) -> None:
        """Draw priors, sets and rows of items, and then of users."""
        users, items, weights = self.users, self.items, self.noise.user_weights
        targets = self.targets.astype(np.float32)
        items.draw_prior(key, (users.indptr, users.indices), self.n_threads)
        each = np.full(items.n, self.noise.precision), weights.astype(np.float32)
        items.draw_rows(key, users, targets[self.item_order], each, None, self.n_threads)
        users.draw_prior(key, (items.indptr, items.indices), self.n_threads)
        each = self.noise.precision * weights, np.ones(items.n, dtype=np.float32)
        means = self.samples.row_means if self.samples.keeps(key[1]) else None
        users.draw_rows(key, items, targets, each, means, self.n_threads)

    def _products(self) -> Array:
        users, items = self.users.rows, self.items.rows
        zeros = np.zeros(len(users), dtype=np.float32), np.zeros(len(items), dtype=np.float32)
        return predicted(*self.codes, Factors(users, items, *zeros, mean=0.0), self.n_threads)

    def _keep(self, k: int) -> None:
        """Add the parameters to the means, which are those of the last sweep until the end of the burn-in."""
        n = max(k + 1 - self.burn_in, 1)
        self.biases.keep(n)
        self.noise.keep(n)
        self.n_sweeps_run[0] = k + 1
        variance = 1 / self.noise.precision + self.biases.session_variance
        self.samples.keep(k, float(self.biases.precisions[0]), self.biases.biases[1], variance)

    # ------------------------------------------------------------------ what `run_epochs` asks for

    def parts(self, k: int) -> Sequence[Any]:
        """The sweep, which is one part."""
        return [k]

    def run_part(self, part: Any) -> float:
        """Run a sweep."""
        return self.epoch(part)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes from the samples so far; timestamps are in seconds."""
        state = self.state(self.arrays(), {}, int(self.n_sweeps_run[0]))
        return scores(state, users, items, timestamps, self.n_threads)

    def arrays(self) -> dict[str, Array]:
        """Means of biases; they are what changes with every sweep of what is predicted from."""
        return self.biases.arrays() | {"noise": self.noise.scalars}

    def carried(self) -> dict[str, Array]:
        """Parameters as they are drawn, and the samples."""
        live = {"users": self.users.rows, "items": self.items.rows, "n_sweeps_run": self.n_sweeps_run}
        live |= self.users.arrays("users") | self.items.arrays("items")
        live |= {"targets": self.targets, "products": self.products, "user_weights": self.noise.user_weights}
        return live | self.biases.carried() | self.samples.carried()

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> BayesianState:
        """The state with these means of biases, and the samples of so many sweeps."""
        spread = self.spread
        return self.context.state(
            BayesianState, **self.samples.fields(n_epochs, spread), **self.biases.fields(arrays, spread),
            history=dict(history), n_epochs=n_epochs, spread=spread,
            noise_precision=float(arrays["noise"][2]) / spread**2,
            time_unit=self.context.side.get("time_unit", 1), **encoded_features(self.context.side),
        )  # fmt: skip
