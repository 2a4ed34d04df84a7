"""`GibbsTrainer`: the trainer of `BayesianSVD`; an epoch is a sweep over all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import gammaln

from cfcore import backends
from cfcore.arrays import check_memory
from cfcore.data import Ratings
from cfcore.kernels.records import BiasDraws, DrawKey, Factors
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.base import predicted
from cfcore.models.factorization.bayesian_side import BIASES, Side
from cfcore.models.factorization.bayesian_state import BayesianState, scores
from cfcore.models.factorization.user_sessions import Sessions
from cfcore.random import seed64
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Steps of the random walk of the shape of users' noise precisions in a sweep, and their standard deviation.
SHAPE_STEPS, SHAPE_STEP = 3, 0.1


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
        self.burn_in, self.n_sweeps = model.burn_in, model.burn_in + model.n_samples
        self.kept_sweeps = kept_sweeps(model.burn_in, model.n_samples, model.n_kept)
        self.seed = seed64(self.rng)
        users, items = train.by_user, train.by_item
        n, k = len(train), model.n_factors
        self._check_memory(train, k)
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
        self.sessions = None
        groups = [(users.indptr, np.arange(n, dtype=np.int32)), (items.indptr, self.item_order)]
        if seconds is not None:
            self.sessions = Sessions.of(train.user_codes, seconds, train.n_users)
            groups += self._session_groups(seconds[users.order])
        self.groups = groups
        self.biases = [np.zeros(len(indptr) - 1) for indptr, _ in groups]
        self.bias_means = [np.zeros(len(indptr) - 1) for indptr, _ in groups]
        self.bias_precisions = np.full(len(groups), 5.0)
        self.user_noise = bool(model.user_noise)
        self.user_weights = np.ones(train.n_users)
        # Precision of the noise, mean of items' biases, shape of users' precisions; means of the first two
        # over sweeps; the number of sweeps.
        self.scalars = np.array([1.0, 0.0, 8.0, 0.0, 0.0, 0.0])
        self._make_samples()

    def _check_memory(self, train: Ratings, k: int) -> None:
        numbers = len(self.kept_sweeps) * k * (train.n_users + 3 * train.n_items) + 12 * len(train)
        check_memory(8 * numbers, f"n_factors={k} and {len(self.kept_sweeps)} kept samples")

    def _session_groups(self, seconds: Array) -> list[tuple[Array, Array]]:
        """Bounds and ratings of the sessions of each length."""
        assert self.sessions is not None
        found = []
        levels = self.sessions.levels()
        self.session_at = [np.flatnonzero(levels == at) for at in range(len(self.sessions.lengths))]
        for at, codes in zip(self.session_at, self.sessions.place(self.codes[0], seconds), strict=True):
            own = np.searchsorted(at, codes)
            order = np.argsort(own, kind="stable").astype(np.int32)
            sizes = np.bincount(own, minlength=len(at))
            found.append((np.append(0, np.cumsum(sizes)).astype(np.int64), order))
        return found

    def _make_samples(self) -> None:
        n_kept, k = len(self.kept_sweeps), self.users.n_factors
        n_users, n_items = self.users.n, self.items.n
        has_sets = self.users.has_sets
        self.samples: dict[str, Array] = {
            "user_factors": np.zeros((n_users + 1, n_kept, k), dtype=np.float32),
            "item_factors": np.zeros((n_items + 1, n_kept, k), dtype=np.float32),
            "implicit_factors": np.zeros((n_items if has_sets else 0, n_kept, k), dtype=np.float32),
            "item_biases": np.zeros((n_items, n_kept), dtype=np.float32),
            "prior_means": np.zeros((n_kept, k)),
            "prior_precisions": np.zeros((n_kept, k, k)),
            "precisions": np.zeros((n_kept, 2)),
        }
        self.row_means = np.zeros_like(self.users.rows)

    # ------------------------------------------------------------------ a sweep

    def epoch(self, k: int) -> float:
        """Run sweep `k`; the RMSE on the training ratings of the parameters as they are drawn."""
        key = self.seed, k
        self._draw_noise()
        self._draw_biases(key)
        precisions = self.scalars[0] * self.user_weights, self.user_weights.astype(np.float32)
        targets = self.targets.astype(np.float32)
        users, items = self.users, self.items
        items.draw_prior(key, (users.indptr, users.indices), self.n_threads)
        each = np.full(items.n, self.scalars[0]), precisions[1]
        items.draw_rows(key, users, targets[self.item_order], each, None, self.n_threads)
        users.draw_prior(key, (items.indptr, items.indices), self.n_threads)
        each = precisions[0], np.ones(items.n, dtype=np.float32)
        means = self.row_means if k in self.kept_sweeps or k < self.burn_in else None
        users.draw_rows(key, items, targets, each, means, self.n_threads)
        self.products = self._products()
        self._keep(k)
        errors = self.targets - self.products
        return self.spread * float(np.sqrt(np.mean(errors * errors)))

    def _products(self) -> Array:
        users, items = self.users.rows, self.items.rows
        zeros = np.zeros(len(users), dtype=np.float32), np.zeros(len(items), dtype=np.float32)
        return predicted(*self.codes, Factors(users, items, *zeros, mean=0.0), self.n_threads)

    def _draw_noise(self) -> None:
        """Precision of the noise, and of each user's."""
        errors = self.targets - self.products
        squares = np.bincount(self.codes[0], errors * errors, minlength=self.users.n)
        if self.user_noise:
            counts = np.diff(self.users.indptr)
            shape = self.scalars[2] / 2
            drawn = self.rng.standard_gamma(shape + counts / 2)
            self.user_weights[:] = drawn / (shape + self.scalars[0] * squares / 2)
            self.user_weights[:] = np.clip(self.user_weights, 1e-3, 1e3)
            self._draw_shape(self.user_weights[counts > 0])
        total = float(squares @ self.user_weights)
        self.scalars[0] = self.rng.gamma(1 + len(errors) / 2) / (0.1 + total / 2)

    def _draw_shape(self, weights: Array) -> None:
        """The shape of the Gamma distribution of users' precisions, whose mean is 1, by a random walk."""
        n, logs = len(weights), float(np.sum(np.log(weights) - weights))

        def density(shape: float) -> float:
            half = shape / 2
            return float(n * (half * np.log(half) - gammaln(half)) + half * logs) - shape / 100

        for _ in range(SHAPE_STEPS):
            now = self.scalars[2]
            new = now * np.exp(SHAPE_STEP * self.rng.normal())
            if np.log(self.rng.random()) < density(new) - density(now) + np.log(new / now):
                self.scalars[2] = min(new, 1e4)

    def _draw_biases(self, key: tuple[int, int]) -> None:
        """Biases of users, items and sessions, and the precisions of each of these."""
        errors = self.targets - self.products
        weights = self.user_weights.astype(np.float32)[self.codes[0]] if self.user_noise else None
        kernel, n = backends.kernel("factorization.gibbs"), len(errors)
        n_threads = threads_worth(self.n_threads, n, "ratings")
        for at, ((indptr, ratings), biases) in enumerate(zip(self.groups, self.biases, strict=True)):
            mean = float(self.scalars[1]) if at == 1 else 0.0
            draws = BiasDraws(
                indptr, ratings, errors, biases, mean, float(self.bias_precisions[at]),
                float(self.scalars[0]), weights,
            )  # fmt: skip
            kernel.draw_biases(draws, DrawKey(key[0], BIASES + at, key[1]), (0, len(biases)), n_threads)
            squares = float(np.sum((biases - mean) ** 2))
            self.bias_precisions[at] = self.rng.gamma(1 + len(biases) / 2) / (0.1 + squares / 2)
        items = self.biases[1]
        noise = self.rng.normal() / np.sqrt(self.bias_precisions[1] * len(items))
        self.scalars[1] = items.mean() + noise
        self.targets = errors + self.products

    # ------------------------------------------------------------------ samples

    def _keep(self, k: int) -> None:
        """Add the parameters to the means, and to the samples where sweep `k` is kept.

        Until the end of the burn-in the first sample, and the means, are those of the last sweep.
        """
        n = max(k + 1 - self.burn_in, 1)
        for mean, biases in zip(self.bias_means, self.biases, strict=True):
            mean += (biases - mean) / n
        self.scalars[3:5] += (self.scalars[:2] - self.scalars[3:5]) / n
        self.scalars[5] = k + 1
        if k >= self.burn_in and k not in self.kept_sweeps:
            return
        at = self.n_kept(k + 1) - 1
        held, users, items = self.samples, self.users, self.items
        n_factors = users.n_factors
        held["user_factors"][:-1, at] = self.row_means[:, :n_factors]
        held["user_factors"][-1, at] = users.mean
        held["item_factors"][:-1, at] = items.rows[:, :n_factors]
        held["item_factors"][-1, at] = items.mean
        if users.has_sets:
            held["implicit_factors"][:, at] = users.members
        held["item_biases"][:, at] = self.biases[1]
        held["prior_means"][at], held["prior_precisions"][at] = users.mean, users.precision
        variance = 1 / self.scalars[0] + np.sum(1 / self.bias_precisions[2:])
        held["precisions"][at] = 1 / variance, self.bias_precisions[0]

    def n_kept(self, n_epochs: int) -> int:
        """The number of samples after so many sweeps."""
        return max(int(np.searchsorted(self.kept_sweeps, n_epochs)), 1)

    # ------------------------------------------------------------------ what `run_epochs` asks for

    def parts(self, k: int) -> Sequence[Any]:
        """The sweep, which is one part."""
        return [k]

    def run_part(self, part: Any) -> float:
        """Run a sweep."""
        return self.epoch(part)

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes from the samples so far; timestamps are in seconds."""
        state = self.state(self.arrays(), {}, int(self.scalars[5]))
        return scores(state, users, items, timestamps, self.n_threads)

    def arrays(self) -> dict[str, Array]:
        """Means of biases; they are what changes with every sweep of what is predicted from."""
        names = ("user_bias", "item_bias", *(f"session_bias_{at}" for at in range(len(self.groups) - 2)))
        return dict(zip(names, self.bias_means, strict=True)) | {"scalars": self.scalars}

    def carried(self) -> dict[str, Array]:
        """Parameters as they are drawn, and the samples."""
        live = {f"bias_{at}": biases for at, biases in enumerate(self.biases)}
        live |= {"users": self.users.rows, "items": self.items.rows, "user_weights": self.user_weights}
        live |= self.users.arrays("users") | self.items.arrays("items")
        live |= {"targets": self.targets, "products": self.products, "precisions": self.bias_precisions}
        return live | {f"sample_{name}": held for name, held in self.samples.items()}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> BayesianState:
        """The state with these means of biases, and the samples of so many sweeps."""
        n, spread = self.n_kept(n_epochs), self.spread
        is_last = n_epochs == self.n_sweeps  # no further sweep changes the samples
        held = {
            name: (samples if is_last else samples[:n].copy()) if name[:2] == "pr" else
            (samples if is_last else samples[:, :n].copy())
            for name, samples in self.samples.items()
        }  # fmt: skip
        fields: dict[str, Any] = dict(held)
        for name in ("user_factors", "item_factors", "implicit_factors"):
            fields[name] = held[name].reshape(len(held[name]), n * self.users.n_factors)
        if not len(held["implicit_factors"]):
            fields["implicit_factors"] = np.zeros((self.items.n, 0), dtype=np.float32)
        fields["user_factors"] = fields["user_factors"] * np.float32(spread / n)
        biases = [spread * arrays[name] for name in list(arrays)[: len(self.groups)]]
        unknown = [0.0, spread * float(arrays["scalars"][4])]
        for name, bias, last in zip(("user_bias", "item_bias"), biases, unknown, strict=False):
            fields[name] = np.append(bias, last).astype(np.float32)
        sessions = self.sessions or Sessions.none(self.users.n)
        fields["session_bias"] = np.zeros(len(sessions.numbers), dtype=np.float32)
        for at, bias in enumerate(biases[2:]):
            fields["session_bias"][self.session_at[at]] = bias
        return self.context.state(
            BayesianState, **fields, **sessions.fields(), history=dict(history), n_epochs=n_epochs,
            spread=spread, noise_precision=float(arrays["scalars"][3]) / spread**2,
            time_unit=self.context.side.get("time_unit", 1),
        )  # fmt: skip


def kept_sweeps(burn_in: int, n_samples: int, most: int) -> Array:
    """The sweeps whose samples are kept: at most so many, evenly spaced, the last among them."""
    n_kept = min(n_samples, most)
    return burn_in + (np.arange(1, n_kept + 1) * n_samples) // n_kept - 1
