"""Items that come after a fit of `BayesianSVD`, from the ratings of users that it knows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros, row_length
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_joined import Joined
from cfcore.models.factorization.bayesian_new_rows import widened
from cfcore.models.factorization.bayesian_ordinal import latent_means, nearest_levels
from cfcore.models.factorization.bayesian_predictive import last_sessions, unknown_sessions
from cfcore.models.factorization.bayesian_side import Drawing
from cfcore.models.factorization.bayesian_state import BayesianState

__all__ = ["with_items"]

Array = np.ndarray[Any, Any]

#: Steps of latent ratings and rows, as in `bayesian_given`.
LATENT_STEPS = 4


def with_items(joined: Joined, seconds: Array | None, n_threads: int | None) -> BayesianState:
    """The state in which items that have no ratings yet have rows and biases, and these ratings.

    In each kept sample they are drawn from their normal distribution given the users' rows and biases of the
    sample: the prior of items, and the ratings given. Sums over sets of the items (w), of which no samples
    are kept, are left out.

    Parameters
    ----------
    joined : Joined
        Ratings of items without training ratings by users of the state.
    seconds : int64[n] or None
        Times of these ratings.
    n_threads : int or None
    """
    items = _Items(joined, seconds, n_threads)
    for _ in range(LATENT_STEPS if joined.state.is_ordinal else 1):
        items.set_latents()
        items.solve()
    return items.state_with_rows()


class _Items:
    """The equations of the new items, in one sample after the other."""

    def __init__(self, joined: Joined, seconds: Array | None, n_threads: int | None) -> None:
        self.joined = joined
        self.state = state = widened(joined.state, "item", joined.item_ids, joined.items_at)
        self.n_kept, self.k = state.prior_means.shape
        order = np.argsort(joined.own_items, kind="stable")
        users = joined.users[order]
        self.codes, at = np.unique(joined.own_items[order], return_inverse=True)  # of the new items
        n, k = len(self.codes), self.k
        values = joined.own_values[order].astype(np.float64)
        times = None if seconds is None else seconds[order]
        self.raters, self.columns_at = np.unique(users, return_inverse=True)
        self.users, self.items_at, self.given = users, at, values
        moods, self.of_session = self._sessions(users, times)
        self.values = np.repeat(((values - state.mean) / state.spread)[:, np.newaxis], self.n_kept, axis=1)
        self.known = state.user_biases[users].astype(np.float64) + moods[:, np.newaxis]
        width = row_length(k + 1, "float32")
        self.columns = aligned_zeros(len(self.raters), width, np.float32)
        self.columns[:, k] = 1  # of the bias
        self.drawn, self.means = (aligned_zeros(n, width, np.float32) for _ in range(2))
        indptr = np.append(0, np.cumsum(np.bincount(at, minlength=n))).astype(np.int64)
        self.targets = np.zeros(len(users), dtype=np.float32)
        self.weights = np.ones(len(users), dtype=np.float32)
        self.own_weights = None if joined.own_weights is None else joined.own_weights[order]
        ratings = RatingRows(indptr, self.columns_at.astype(np.int32), self.targets, len(self.raters))
        self.draws = RowDraws(
            self.drawn, self.columns, np.zeros((n, k + 1)), np.zeros((k + 1, k + 1)), np.ones(n),
            np.ones(len(self.raters), dtype=np.float32), self.means, self.weights,
            own_numbers=0,  # so that draws do not depend on the other items
        )  # fmt: skip
        self.draw = Drawing(ratings, self.draws, int(np.diff(indptr).max(initial=0)), n_threads)
        self.rows, self.row_means = (np.zeros((n, self.n_kept, k + 1)) for _ in range(2))

    def _sessions(self, users: Array, times: Array | None) -> tuple[Array, Array]:
        """Biases of the sessions of ratings, over `spread`, and variances of those not known, by sample."""
        state = self.state
        biases = np.zeros(len(users))
        if times is not None and len(state.session_bias):
            for codes in state.sessions.place(users, times):
                biases += np.where(codes >= 0, state.session_bias[codes], 0) / state.spread
        last = last_sessions(state, users, times)[2]
        return biases, unknown_sessions(state)[last]

    def set_latents(self) -> None:
        """Take as ratings the means of the latent ratings in each sample, given the items' rows."""
        state, k = self.state, self.k
        if state.levels is None or state.cut_points is None:
            return
        x = self._users_rows()[self.columns_at]
        own = self.row_means[self.items_at]
        found = self.known + np.einsum("nsk,nsk->ns", x, own[:, :, :k]) + own[:, :, k]
        levels = nearest_levels(self.given, state.levels)
        self.values = latent_means(found, levels, state.cut_points, state.rating_precisions)

    def _users_rows(self) -> Array:
        """Rows of the raters in each sample: float64[n_raters, n_kept, k]."""
        state = self.state
        scale = np.float32(self.n_kept / state.spread)
        rows = state.user_factors[self.raters] * scale + state.user_draws[self.raters]
        return rows.reshape(len(self.raters), self.n_kept, self.k).astype(np.float64)

    def solve(self) -> None:
        """Draw the rows in each sample."""
        state, k, draws = self.state, self.k, self.draws
        assert state.item_precisions is not None
        x = self._users_rows()
        means = state.item_factors[self.codes].reshape(len(self.codes), self.n_kept, k)
        biases = state.item_bias[self.codes].astype(np.float64) / state.spread
        for sample in range(self.n_kept):
            self.columns[:, :k] = x[:, sample]
            draws.prior_mean[:, :k], draws.prior_mean[:, k] = means[:, sample], biases
            draws.precision[:k, :k] = state.item_precisions[sample]
            draws.precision[k, k] = state.precisions[sample, 2]
            draws.row_precision[:] = 1.0
            noise = state.precisions[sample, 0] * state.user_weights[self.users, sample].astype(np.float64)
            if self.own_weights is not None:
                noise *= self.own_weights
            self.weights[:] = 1 / (1 / noise + self.of_session[:, sample])
            self.targets[:] = self.values[:, sample] - self.known[:, sample]
            self.draw(DrawKey(0, 1, sample))
            self.rows[:, sample] = self.drawn[:, : k + 1]
            self.row_means[:, sample] = self.means[:, : k + 1]

    def state_with_rows(self) -> BayesianState:
        """The state with these rows, and the ratings."""
        state, k, codes = self.state, self.k, self.codes
        changed = self.joined.seen_fields()
        factors, biases = np.array(state.item_factors), np.array(state.item_biases)
        bias = np.array(state.item_bias)
        factors[codes] = self.rows[:, :, :k].reshape(len(codes), -1)
        biases[codes] = self.rows[:, :, k]
        bias[codes] = state.spread * np.mean(self.row_means[:, :, k], axis=1)
        return dataclasses.replace(state, **changed, item_factors=factors, item_biases=biases, item_bias=bias)
