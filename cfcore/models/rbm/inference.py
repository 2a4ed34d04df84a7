"""What a fitted RBM answers: distributions over the levels, samples, reconstructions, energies."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import as_ratings
from cfcore.errors import DataError
from cfcore.kernels.records import Cases, RBMParameters
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_number
from cfcore.models.rbm.cases import case_histograms, cases_of, smoothed, unit_histograms
from cfcore.models.rbm.likelihood import draw, free_energies, log_partition, sigmoid, softmax
from cfcore.models.rbm.parameters import padded_parameters
from cfcore.models.rbm.trainer import hidden_inputs, probabilities
from cfcore.random import RandomState, generator

#: Cells whose distributions are in memory at a time, when only their mean is asked for.
CHUNK = 1 << 16
#: Further ratings per level with which distributions of unknown ids are drawn to that of all ratings.
FALLBACK = 1.0


class Distributions(Model):
    """The part of `RBM` that reads what training has left behind."""

    by: str
    inference: str
    estimate: str
    n_threads: int | None

    levels_: Array
    weights_: Array
    visible_bias_: Array
    hidden_bias_: Array
    conditional_weights_: Array | None
    case_indptr_: Array
    case_units_: Array
    case_levels_: Array
    rated_indptr_: Array | None
    rated_units_: Array | None

    # ------------------------------------------------------------------ what is known of each case

    def _cases(self) -> Cases:
        """The training cases, which the kernel has checked."""
        if "cases" not in self._cache:
            rows = self.case_indptr_, self.case_units_, self.case_levels_
            rated = None
            if self.rated_indptr_ is not None and self.rated_units_ is not None:
                rated = self.rated_indptr_, self.rated_units_
            self._cache["cases"] = cases_of(rows, rated, self.levels_, len(self.visible_bias_))
        cases: Cases = self._cache["cases"]
        return cases

    def _parameters(self) -> RBMParameters:
        """Padded parameters; made anew after loading, unpickling and each epoch of training."""
        if "parameters" not in self._cache:
            self._cache["parameters"] = padded_parameters(
                self.weights_, self.visible_bias_, self.hidden_bias_, self.conditional_weights_
            )
        parameters: RBMParameters = self._cache["parameters"]
        return parameters

    def _inputs(self) -> Array:
        """What enters the hidden units of each case: float32 (n_cases, padded n_hidden), made when needed."""
        if "inputs" not in self._cache:
            self._cache["inputs"] = hidden_inputs(self._parameters(), self._cases(), self.n_threads)
        inputs: Array = self._cache["inputs"]
        return inputs

    def _usual(self, kind: str) -> Array:
        """Smoothed distributions of each user's or item's ratings; the last row is that of all ratings."""
        if "usual_user" not in self._cache:
            cases, units = case_histograms(self._cases()), unit_histograms(self._cases())
            by_kind = {"user": cases, "item": units} if self.by == "user" else {"user": units, "item": cases}
            for name, counts in by_kind.items():
                rows = np.concatenate([counts, np.zeros((1, len(self.levels_)))])
                self._cache[f"usual_{name}"] = smoothed(rows, FALLBACK)
        usual: Array = self._cache[f"usual_{kind}"]
        return usual

    # ------------------------------------------------------------------ predicting

    def _distributions(self, users: Array, items: Array) -> Array:
        """Distribution over the levels of each cell, codes given; float64 (n, n_levels)."""
        cases, units = (users, items) if self.by == "user" else (items, users)
        known = (users >= 0) & (items >= 0)
        everywhere = bool(known.all())
        out = probabilities(
            self._parameters(), self._inputs(), cases if everywhere else cases[known],
            units if everywhere else units[known], self.inference == "exact", self.n_threads,
        )  # fmt: skip
        if everywhere:
            return out
        full = self._usual("item")[items]  # -1 picks the last row
        only_user = (users >= 0) & (items < 0)
        full[only_user] = self._usual("user")[users[only_user]]
        full[known] = out
        return full

    def _estimates(self, distributions: Array) -> Array:
        """The one number that `estimate` makes of each distribution."""
        levels = self.levels_.astype(np.float64)
        if self.estimate == "mean":
            return _expectations(distributions, levels)
        if self.estimate == "mode":
            return levels[np.argmax(distributions, axis=1)]
        half = np.cumsum(distributions, axis=1) >= 0.5
        half[:, -1] = True
        return levels[np.argmax(half, axis=1)]

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        out = np.empty(len(users))
        for begin in range(0, len(users), CHUNK):
            part = slice(begin, begin + CHUNK)
            out[part] = self._estimates(self._distributions(users[part], items[part]))
        return out

    def predict_proba(self, users: Any, items: Any = None) -> Array:
        """Predict how probable each level of the scale is.

        Parameters
        ----------
        users, items
            As for `predict`.

        Returns
        -------
        ndarray of float64, shape (n, n_levels)
            A row for each cell; columns go with ``levels_`` and sum to 1.
        """
        user_codes, item_codes, _, _ = self._asked(users, items)
        return self._distributions(user_codes, item_codes)

    # ------------------------------------------------------------------ what a user's ratings look like

    def reconstruct(self, user: Any) -> tuple[Array, Array]:
        """Return the training ratings of a user as the model sees them.

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
        code = self._one_user(user)
        items = self.seen_items_[self.seen_indptr_[code] : self.seen_indptr_[code + 1]]
        values = self._distributions(np.full(len(items), code, dtype=np.int32), items)
        values = _expectations(values, self.levels_.astype(np.float64))
        return self.item_ids_[items], values

    def sample(self, user: Any, n: int = 1, *, random_state: RandomState = None) -> Array:
        """Draw what the user might give every item.

        The hidden units of the cases concerned are drawn given their training ratings, then the ratings given
        these: for by="user" the ratings of one sample hang together, for by="item" each item has hidden units
        of its own.

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
        code = self._one_user(user)
        check_number("n", n, 0, integer=True)
        rng = generator(random_state)
        known = np.flatnonzero(self.item_counts_ > 0)
        n_hidden = self.weights_.shape[2]
        mine = np.array([code]) if self.by == "user" else known
        on = sigmoid(self._inputs()[mine, :n_hidden].astype(np.float64))
        units = known if self.by == "user" else np.array([code])
        weights, biases = self.weights_[units], self.visible_bias_[units]
        out = np.empty((n, len(self.item_ids_)), dtype=np.int64)
        out[:] = draw(np.broadcast_to(self._usual("user")[code], (n, out.shape[1], len(self.levels_))), rng)
        for row in out:
            hidden = (rng.random(on.shape) < on).astype(np.float32)
            # One case and many units, or many cases and one unit.
            row[known] = draw(softmax(biases + np.einsum("ukj,cj->uck", weights, hidden).reshape(
                len(known), -1).astype(np.float64)), rng)  # fmt: skip
        return self.levels_[out]

    def _one_user(self, user: Any) -> int:
        self._check_fitted()
        code = self._code(user, "user")
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
        self._check_fitted()
        given = as_ratings(ratings)
        by_user = self.by == "user"
        rows = given.by_user if by_user else given.by_item
        kind = "item" if by_user else "user"
        ids = given.item_ids if by_user else given.user_ids
        units = self._codes_of(ids, rows.indices, kind)
        levels = np.searchsorted(self.levels_, rows.values)
        wrong = self.levels_[np.minimum(levels, len(self.levels_) - 1)] != rows.values
        if wrong.any():
            raise DataError(f"rating: {rows.values[np.argmax(wrong)]} is not on the scale of training")
        known = units >= 0
        indptr = np.append(0, np.cumsum(known))[rows.indptr]
        rows_known = indptr, units[known], levels[known].astype(np.uint8)
        cases = cases_of(rows_known, None, self.levels_, len(self.visible_bias_))
        inputs = hidden_inputs(self._parameters(), cases, self.n_threads)[:, : self.weights_.shape[2]]
        energies = free_energies(indptr, cases.units, cases.levels, inputs, self.visible_bias_)
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
            An id that is unknown, or comes twice.
        """
        self._check_fitted()
        check_number("n_chains", n_chains, 1, integer=True)
        check_number("n_steps", n_steps, 1, integer=True)
        kind = "item" if self.by == "user" else "user"
        units = self._codes(ids, kind)
        if (units < 0).any() or len(np.unique(units)) < len(units):
            raise DataError(f"ids: each must be a {kind} with training ratings, and come once")
        offset = self.hidden_bias_.astype(np.float64)
        if self.conditional_weights_ is not None:
            offset = offset + self.conditional_weights_[units].sum(axis=0, dtype=np.float64)
        rng = generator(random_state)
        weights, biases = self.weights_[units], self.visible_bias_[units]
        return log_partition(weights, biases, offset, n_chains, n_steps, rng)

    # ------------------------------------------------------------------ comparing

    def _similarity_to(self, kind: str, code: int) -> Array:
        """Cosine of hidden probabilities from their mean (cases), or of weights (visible units)."""
        key = f"features_{kind}"
        if key not in self._cache:
            self._cache[key] = self._features(kind)
        features = self._cache[key]
        norms = np.sqrt(np.einsum("nf,nf->n", features, features))
        products = features @ features[code]
        return np.divide(products, norms * norms[code], out=np.full(len(norms), np.nan), where=norms > 0)

    def _features(self, kind: str) -> Array:
        known = getattr(self, f"{kind}_counts_") > 0
        if kind == self.by:
            on = sigmoid(self._inputs()[:, : self.weights_.shape[2]].astype(np.float64))
            features = on - on.mean(axis=0, where=known[:, None]) if known.any() else on
        else:
            # What is added to all levels alike changes no distribution.
            weights = self.weights_.astype(np.float64)
            features = (weights - weights.mean(axis=1, keepdims=True)).reshape(len(weights), -1)
        features[~known] = 0
        return np.ascontiguousarray(features)


def _expectations(distributions: Array, levels: Array) -> Array:
    """Mean of each distribution, the same bits for one as for many (a product by BLAS is not)."""
    means: Array = np.einsum("nk,k->n", distributions, levels)
    return means
