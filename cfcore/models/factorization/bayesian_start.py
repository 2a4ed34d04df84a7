"""The parameters that a chain of `BayesianSVD` goes on from, in `partial_fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_features import weighted
from cfcore.models.factorization.bayesian_side import Side
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.joining import scattered

__all__ = ["Start", "last_samples"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Start:
    """A state that chains go on from, and where its users and items are among those of the ratings.

    Attributes
    ----------
    state : BayesianState
        With what only the sampler reads (``chain_scalars`` is not None).
    users_at, items_at : int32[n_users], int32[n_items]
        Codes of the state's users and items in the ratings to go on with.
    """

    state: BayesianState
    users_at: Array
    items_at: Array

    @property
    def n_sweeps(self) -> int:
        """Sweeps so far, after which those to come are numbered: no random number is used twice."""
        return self.state.n_epochs or 0

    def set(self, chain: Any, number: int) -> None:
        """Set the parameters of a `GibbsTrainer` to those of the last sample of a chain.

        Users and items that the state does not have are drawn from the priors.
        """
        state, sample = self.state, last_samples(self.state)[number]
        n_kept, k = state.prior_means.shape
        rng = np.random.default_rng((chain.seed, self.n_sweeps, 1))
        chain.n_sweeps_before = self.n_sweeps
        own = slice(sample * k, (sample + 1) * k)
        users, items = chain.users, chain.items
        users.mean, users.precision = state.prior_means[sample].copy(), state.prior_precisions[sample].copy()
        items.mean = state.item_factors[-1, own].astype(np.float64)
        assert state.item_precisions is not None
        assert state.chain_scalars is not None
        items.precision = state.item_precisions[sample].copy()
        self._set_effects(users, "user", own, n_kept / state.spread)
        self._set_effects(items, "item", own, 1.0)
        means = state.user_factors[:-1, own] * np.float32(n_kept / state.spread)
        self._set_rows(users, means + state.user_draws[:-1, own], self.users_at, rng)
        self._set_rows(items, state.item_factors[:-1, own], self.items_at, rng)
        if users.has_sets:
            self._set_members(users, state.implicit_factors[:, own], self.items_at)
        if items.has_sets:
            assert state.item_members is not None
            of_chain = slice(number * k, (number + 1) * k)
            self._set_members(items, state.item_members[:, of_chain], self.users_at)
        users.penalty[0], items.penalty[0], shape = state.chain_scalars[number]
        self._set_noise(chain, sample, float(shape))
        self._set_biases(chain, sample, rng)
        chain.spread = chain.noise.spread
        chain.renew()

    def _set_effects(self, side: Side, kind: str, own: slice, scale: float) -> None:
        """Effects of features: those on rows of the last sample, those on biases by their means."""
        terms = side.features
        if terms is None:
            return
        state = self.state
        factors, effects = (getattr(state, f"{kind}_feature_{name}") for name in ("factors", "effects"))
        terms.effects[:] = scale * factors[:-1, own].astype(np.float64)
        side.mean = scale * factors[-1, own].astype(np.float64)
        terms.bias_effects[:] = effects[:-1].astype(np.float64) / state.spread
        terms.sums[:] = weighted(terms.matrix, terms.effects)
        terms.bias_sums[:] = terms.matrix @ terms.bias_effects

    @staticmethod
    def _set_rows(side: Side, rows: Array, at: Array, rng: np.random.Generator) -> None:
        k = side.n_factors
        root = np.linalg.cholesky(side.precision)
        drawn = np.linalg.solve(root.T, rng.normal(size=(k, side.n))).T
        side.rows[:, :k] = side.mean + drawn + (0.0 if side.features is None else side.features.sums)
        side.rows[at, :k] = rows

    @staticmethod
    def _set_members(side: Side, members: Array, at: Array) -> None:
        side.members[:] = scattered(members.astype(np.float64), at, side.n_others)
        owners = np.flatnonzero(np.diff(side.indptr))
        sums = np.add.reduceat(side.members[side.indices], side.indptr[owners], axis=0)
        side.sums[owners] = side.weights[owners, np.newaxis] * sums

    def _set_noise(self, chain: Any, sample: int, shape: float) -> None:
        state, noise = self.state, chain.noise
        noise.scalars[0], noise.scalars[1] = state.precisions[sample, 0], shape
        if noise.user_noise:
            noise.user_weights[self.users_at] = state.user_weights[:-1, sample]
        noise.latents *= noise.spread / state.spread
        noise.spread = state.spread
        if state.cut_points is not None:
            noise.go_on(state.levels, state.cut_points[sample])

    def _set_biases(self, chain: Any, sample: int, rng: np.random.Generator) -> None:
        state, biases = self.state, chain.biases
        found: Biases = biases
        lengths = state.session_lengths.tolist()
        kinds = [0, 1, *(2 + lengths.index(one) for one in found.sessions.lengths.tolist() if one in lengths)]
        if len(kinds) == len(found.precisions):
            found.precisions[:] = state.precisions[sample, 1:][kinds]
        else:
            found.precisions[:2] = state.precisions[sample, 1:3]
        if state.item_feature_effects is None:
            found.scalars[0] = float(np.mean(state.item_biases[:-1, sample], dtype=np.float64))
        else:
            found.scalars[0] = float(state.item_feature_effects[-1]) / state.spread
        for at, mean in ((0, 0.0), (1, float(found.scalars[0]))):
            drawn = rng.normal(size=len(found.biases[at])) / np.sqrt(found.precisions[at])
            terms = found.features[at]
            found.biases[at][:] = mean + drawn + (0.0 if terms is None else terms.bias_sums)
        found.biases[0][self.users_at] = state.user_biases[:-1, sample]
        found.biases[1][self.items_at] = state.item_biases[:-1, sample]
        if len(found.sessions.lengths):
            self._set_sessions(chain)

    def _set_sessions(self, chain: Any) -> None:
        """Biases of sessions that the state has, by their means; others start from 0."""
        state, biases = self.state, chain.biases
        codes = np.full(len(chain.users.indptr) - 1, -1, dtype=np.int32)
        codes[self.users_at] = np.arange(len(self.users_at), dtype=np.int32)
        places = state.sessions.place(codes[chain.codes[0]], chain.seconds)
        lengths = state.session_lengths.tolist()
        for at, length in enumerate(biases.sessions.lengths.tolist()):
            if length in lengths:
                indptr, ratings = biases.groups[2 + at]
                known = places[lengths.index(length)][ratings[indptr[:-1]]]
                means = np.where(known >= 0, state.session_bias[known], 0) / state.spread
                biases.biases[2 + at][:] = means


def last_samples(state: BayesianState) -> list[int]:
    """The position of each chain's last sample."""
    n_kept = len(state.prior_means)
    assert state.chain_scalars is not None
    n = len(state.chain_scalars)
    sizes = [n_kept // n + (at < n_kept % n) for at in range(n)]
    return (np.cumsum(sizes) - 1).tolist()
