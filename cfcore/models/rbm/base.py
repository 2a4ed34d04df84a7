"""`RBMBase`: the part of `RBM` that reads the fitted state: predictions, samples, energies."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from cfcore.arrays import check_memory
from cfcore.data import Ratings, as_ratings
from cfcore.errors import DataError
from cfcore.metrics.lists import relevant_from
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_number
from cfcore.models.core.state import State
from cfcore.models.rbm.cases import cases_of
from cfcore.models.rbm.forgetting import remaining_cases, remaining_units
from cfcore.models.rbm.given import with_cases, with_units, with_units_without_each
from cfcore.models.rbm.inference import CHUNK, Predictor, Settings, expectations, hidden_inputs
from cfcore.models.rbm.likelihood import draw, free_energies, log_partition, sigmoid, softmax
from cfcore.models.rbm.state import RBMState
from cfcore.random import RandomState, generator

__all__ = ["RBMBase"]


class RBMBase(Model):
    """Predictions and all else that follows from a fitted state."""

    _state_class: ClassVar[type[State]] = RBMState
    _state: RBMState

    by: str
    inference: str
    estimate: str
    n_threads: int | None

    # ------------------------------------------------------------------ predicting

    def _settings(self) -> Settings:
        return Settings(self.by == "user", self.inference == "exact", self.estimate, self.n_threads)

    def _predictor(self) -> Predictor:
        state = self._state
        inputs = state.inputs(self.n_threads)
        return Predictor(state.observed, state.parameters, inputs, self._settings(), state.user_trust)

    def _state_of_users(self, given: Ratings) -> RBMState:
        if self.by == "user":
            return with_cases(self._state, given, self._shrinks_few)
        return with_units(self._state, given, self.n_threads, self._shrinks_few)

    def _state_without_each(self, own: Ratings) -> RBMState | None:
        if self.by == "user":
            return None
        return with_units_without_each(self._state, own, self.n_threads, self._shrinks_few)

    def _remaining(self, kept: Array) -> RBMState:
        state, seen = self._state, self._state.remaining(kept)
        if self.by == "user":
            found = remaining_cases(state, seen, kept)
        else:
            found = remaining_units(state, seen, kept, self.n_threads)
        return found.prepared(self.n_threads)

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return self._predictor().scores(users, items)

    def _worth(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Sum of the probabilities of the levels that are relevant."""
        first = int(np.searchsorted(self._state.levels, np.float32(relevant_from(self._state.scale))))
        predictor, out = self._predictor(), np.empty(len(users))
        for begin in range(0, len(users), CHUNK):
            part = slice(begin, begin + CHUNK)
            chances = predictor.distributions(users[part], items[part])[:, first:]
            out[part] = np.minimum(np.einsum("nk->n", chances), 1.0)
        return out

    def _probabilities(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return self._predictor().distributions(users, items)

    # ------------------------------------------------------------------ ratings of one user

    def reconstruct(self, user: Any) -> tuple[Array, Array]:
        """Return the expectations of a user's training ratings.

        Parameters
        ----------
        user : int or str
            Raw id of a user with training ratings.

        Returns
        -------
        ids : ndarray
            Raw ids of the items that the user rated.
        ratings : ndarray of float64
            Their expectations given all training ratings, themselves included.
        """
        here = self.snapshot()
        code, state = here._code_of_user(user), here._state
        items = state.seen_items[state.seen_indptr[code] : state.seen_indptr[code + 1]]
        found = here._predictor().distributions(np.full(len(items), code, dtype=np.int32), items)
        return state.item_ids[items], expectations(found, state.cases.values)

    def sample(self, user: Any, n: int = 1, *, random_state: RandomState = None) -> Array:
        """Draw ratings of all items by a user.

        The hidden units of the cases concerned are drawn given their training ratings, then the ratings given
        these. For by="user" the ratings of one sample depend on each other; for by="item" each item has
        hidden units of its own.

        Parameters
        ----------
        user : int or str
            Raw id of a user with training ratings.
        n : int, default 1
        random_state : int, SeedSequence, Generator or None

        Returns
        -------
        ndarray of float32, shape (n, n_items)
            Ratings on the scale, columns as ``item_ids_``. Items without ratings are drawn from the
            distribution of the user's ratings.
        """
        here = self.snapshot()
        code, state = here._code_of_user(user), here._state
        check_number("n", n, 0, integer=True)
        n = int(n)
        rng = generator(random_state)
        by_user = here.by == "user"
        known = np.flatnonzero(state.item_counts > 0)
        cases, units = (np.array([code]), known) if by_user else (known, np.array([code]))
        on = sigmoid(state.inputs(here.n_threads)[cases, : len(state.hidden_bias)].astype(np.float64))
        weights, biases = state.weights[units], state.visible_bias[units]
        usual = (state.observed.by_case if by_user else state.observed.by_unit)[code]
        check_memory(8 * n * len(state.item_ids), f"n={n}: the samples")
        out = np.empty((n, len(state.item_ids)), dtype=np.int64)
        out[:] = draw(np.broadcast_to(usual, (*out.shape, len(state.levels))), rng)
        for row in out:
            hidden = (rng.random(on.shape) < on).astype(np.float32)
            # One case and many units, or many cases and one unit.
            logits = biases + np.einsum("ukj,cj->uck", weights, hidden).reshape(len(known), -1)
            row[known] = draw(softmax(logits.astype(np.float64)), rng)
        return state.levels[out]

    def _code_of_user(self, user: Any) -> int:
        self._check_fitted()
        code = self._state.users.encode_one(user)
        if code < 0:
            raise DataError(f"user: {user!r} has no training ratings")
        return code

    # ------------------------------------------------------------------ energies

    def free_energy(self, ratings: Any) -> tuple[Array, Array]:
        """Return the free energy of each case in some ratings: the lower, the more probable.

        Compared per rating between training and held-out ratings of the same cases, it shows overfitting.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            On the scale of training. Ratings of a visible unit unknown to the model are left out; the cases
            may be new.

        Returns
        -------
        ids : ndarray
            Raw ids of the cases: of items for by="item".
        energies : ndarray of float64

        Raises
        ------
        DataError
            A rating that is none of ``levels_``.
        """
        here = self.snapshot()
        here._check_fitted()
        given, state = as_ratings(ratings, timed=False), here._state
        by_user = here.by == "user"
        rows = given.by_user if by_user else given.by_item
        units = state.items.encode(given.item_ids) if by_user else state.users.encode(given.user_ids)
        units = units[rows.indices]
        levels = np.searchsorted(state.levels, rows.values)
        wrong = state.levels[np.minimum(levels, len(state.levels) - 1)] != rows.values
        if wrong.any():
            raise DataError(f"rating: {rows.values[np.argmax(wrong)]} is not on the scale of training")
        known = units >= 0
        indptr = np.append(0, np.cumsum(known))[rows.indptr]
        known_rows = indptr, units[known], levels[known].astype(np.uint8)
        cases = cases_of(known_rows, None, state.levels, len(state.weights))
        inputs = hidden_inputs(state.parameters, cases, here.n_threads)[:, : len(state.hidden_bias)]
        energies = free_energies(indptr, cases.units, cases.levels, inputs, state.visible_bias)
        return given.user_ids if by_user else given.item_ids, energies

    def log_partition(
        self, ids: Any, *, n_chains: int = 100, n_steps: int = 1000, random_state: RandomState = None
    ) -> float:
        """Estimate log Z for a case that rated just these, by annealed importance sampling.

        A case's log likelihood is minus its free energy minus this. Meant for small sets and models.

        Parameters
        ----------
        ids : array_like
            Raw ids of the visible units: of users for by="item".
        n_chains, n_steps : int
            Independent runs, and temperatures of each; more of both for a better estimate.
        random_state : int, SeedSequence, Generator or None

        Returns
        -------
        float

        Raises
        ------
        DataError
            An id that is unknown, or is given twice.
        """
        here = self.snapshot()
        here._check_fitted()
        check_number("n_chains", n_chains, 1, integer=True)
        check_number("n_steps", n_steps, 1, integer=True)
        state = here._state
        kind = "item" if here.by == "user" else "user"
        units = state.ids(kind).encode(ids)
        if (units < 0).any() or len(np.unique(units)) < len(units):
            raise DataError(f"ids: each must be a {kind} with training ratings, and be given once")
        offset = state.hidden_bias.astype(np.float64)
        if state.conditional_weights is not None:
            offset = offset + state.conditional_weights[units].sum(axis=0, dtype=np.float64)
        n_chains, n_steps = int(n_chains), int(n_steps)
        n_hidden = len(state.hidden_bias)
        check_memory(16 * n_chains * n_hidden, f"n_chains={n_chains}: the hidden units of the chains")
        rng = generator(random_state)
        weights, biases = state.weights[units], state.visible_bias[units]
        return log_partition(weights, biases, offset, n_chains, n_steps, rng)

    # ------------------------------------------------------------------ comparing

    def _similarity(self, kind: str, code: int) -> Array:
        """Cosine of hidden probabilities less their mean (cases), or of weights (visible units)."""
        if kind != self.by:
            return self._state.unit_features.cosines(code)
        self._state.inputs(self.n_threads)  # on the model's own number of threads
        return self._state.case_features.cosines(code)
