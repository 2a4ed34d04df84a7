"""Users whose ratings come with a question, in each sample of a `BayesianState`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.data import Ratings
from cfcore.data.ids import encode
from cfcore.data.times import as_seconds
from cfcore.kernels.records import FactorSamples, GivenRatings, GivenRows, GivenSamples
from cfcore.models.factorization.bayesian_features import entry_fields
from cfcore.models.factorization.bayesian_new_rows import features_of, priors_of
from cfcore.models.factorization.bayesian_ordinal import latent_means, nearest_levels
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.sets import spans
from cfcore.models.factorization.user_sessions import Sessions
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Steps of latent ratings and rows, of which each takes up about a quarter of the error before it.
LATENT_STEPS = 4


def users_of(state: BayesianState, given: Ratings, n_threads: int | None) -> dict[str, Any]:
    """Rows, biases and sessions of the users of some ratings, with items in the model's codes: fields.

    In each sample of the items, the mean of the normal distribution of a user's bias and factors given the
    user's ratings, and a draw. Where the ratings have timestamps, the biases of their sessions are integrated
    out, and their means given the user's row are fields too; otherwise ratings are taken to be of different
    sessions, whose biases count as noise.

    Of ordinal ratings, latent ratings and rows are found in turn, each as the mean given the other: the
    mean-field approximation (Ormerod and Wand, "Explaining variational approximations", 2010), which is near
    the posterior's mean. Draws are those given the latent ratings' means.
    """
    rows = given.by_user
    seconds = None
    if len(state.session_lengths) and given.timestamps is not None and len(given):
        seconds = as_seconds(np.asarray(given.timestamps), state.time_unit, "timestamps")[rows.order]
    codes = None
    if state.user_encoding:
        codes = encode(state.user_ids, given.user_ids, "user")
    found = solved(state, (rows.indptr, rows.indices, rows.values), seconds, n_threads, codes)
    if codes is not None and state.user_featured is not None:
        found["user_featured"] = (codes >= 0) & state.user_featured[codes]
        found |= entry_fields("user", features_of(state, codes))
    return found


def solved(
    state: BayesianState, rows: tuple[Array, Array, Array], seconds: Array | None, n_threads: int | None,
    codes: Array | None = None, weights: Array | None = None,
) -> dict[str, Any]:  # fmt: skip
    """As `users_of`, of compressed rows: bounds, items and ratings of each user, and times in seconds.

    `codes` are those of the users in the state, whose features count; by default unknown users. `weights`
    (float32[n]) are of the ratings.
    """
    if codes is None:
        codes = np.full(len(rows[0]) - 1, -1)
    users = _Users(state, rows, seconds, n_threads)
    if weights is not None:
        users.weights = np.ascontiguousarray(weights[users.order], dtype=np.float32)
    if state.user_encoding:
        users.set_priors(*priors_of(state, codes))
    if state.is_ordinal:
        for _ in range(LATENT_STEPS):
            users.set_latents()
            users.solve()
    else:
        users.solve()
    return users.fields()


class _Users:
    """The equations of some users in all samples."""

    def __init__(
        self, state: BayesianState, rows: tuple[Array, Array, Array], seconds: Array | None,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        self.state, self.n_threads = state, n_threads
        self.n_kept, self.k = state.prior_means.shape
        indptr, items, values = rows
        counts = np.diff(indptr)
        self.n, self.indptr = len(counts), indptr
        owners = np.repeat(np.arange(self.n, dtype=np.int32), counts)
        self.sessions, codes = Sessions.none(self.n), np.zeros((len(items), 0), dtype=np.int32)
        self.weights: Array | None = None
        self.order = np.arange(len(items))
        if seconds is not None:
            self.sessions, of_ratings = Sessions.of_lengths(state.session_lengths, owners, seconds, self.n)
            # Those of a session together, users in their order.
            self.order = np.argsort(of_ratings[-1], kind="stable")
            codes = np.column_stack(of_ratings)[self.order]
            items, values = items[self.order], values[self.order]
        self.owners, self.items, self.given = owners, items.astype(np.int32, copy=False), values
        self.values = (values.astype(np.float64)[:, np.newaxis] - state.mean) / state.spread
        self.codes = np.ascontiguousarray(codes, dtype=np.int32)
        self.base = np.zeros((1, self.n_kept, self.k + 1))
        self.base[0, :, : self.k] = state.prior_means
        noise = state.rating_precisions if seconds is None else state.precisions[:, 0]
        of_sessions = state.precisions[:, 3:] if seconds is not None else np.zeros((self.n_kept, 0))
        members = state.implicit_factors if state.implicit_factors.shape[1] else None
        whole = np.ascontiguousarray  # of a state that is not from a fit
        self.samples = GivenSamples(
            whole(state.item_factors[:-1]), whole(state.prior_precisions), whole(state.precisions[:, 1]),
            whole(noise), whole(of_sessions), None if members is None else whole(members),
            first=max(abs(state.sample) - 1, 0),
        )  # fmt: skip
        # The last row of users is that of the unknown.
        self.rows, self.drawn = (
            np.zeros((self.n + 1, self.n_kept, self.k + 1), dtype=np.float32) for _ in range(2)
        )
        shape = self.n_kept, len(self.sessions.numbers)
        self.of_sessions = [np.zeros(shape, dtype=np.float32) for _ in range(3)]

    def set_priors(self, rows: Array, biases: Array) -> None:
        """Take other prior means of rows, before sets, and of biases: see `priors_of`."""
        self.base = np.empty((self.n, self.n_kept, self.k + 1))
        self.base[:, :, : self.k], self.base[:, :, self.k] = rows, biases[:, np.newaxis]

    def set_latents(self) -> None:
        """Take as ratings the means of the latent ratings in each sample, given the users' rows."""
        state, k = self.state, self.k
        if state.levels is None or state.cut_points is None:
            return
        rows = np.ascontiguousarray(self.rows[:, :, :k]).reshape(self.n + 1, -1)
        samples = FactorSamples(
            rows, rows, state.item_factors, np.ascontiguousarray(self.rows[:, :, k]), state.item_biases, k
        )
        found, unused = (np.empty((len(self.items), self.n_kept), dtype=np.float32) for _ in range(2))
        team = threads_worth(self.n_threads, 2 * found.size * k)
        kernel = backends.kernel("factorization.samples")
        kernel.score_samples(self.owners, self.items, samples, found, unused, team)
        levels = nearest_levels(self.given, state.levels)
        self.values = latent_means(
            found.astype(np.float64), levels, state.cut_points, state.rating_precisions
        )

    def solve(self) -> None:
        """Solve the equations of all users and samples."""
        k, state = self.k, self.state
        targets = np.subtract(self.values, state.item_biases[self.items], dtype=np.float64)
        n_sessions, n_lengths = len(self.sessions.numbers), self.codes.shape[1]
        ratings = GivenRatings(
            self.indptr,
            self.items,
            targets.astype(np.float32),
            self.codes,
            len(state.item_ids),
            n_sessions,
            self.weights,
        )
        means, slopes, variances = self.of_sessions
        rows = GivenRows(self.base, self.rows[:-1], self.drawn[:-1], means, slopes, variances)
        each, row = self.n_kept * k * (k + 16), self.n_kept * (k + 1) ** 3 // 3
        team = threads_worth(self.n_threads, len(self.items) * each + self.n * row)
        kernel = backends.kernel("factorization.given")
        scratch = np.empty(kernel.scratch_shape(team, k, n_lengths))
        for span in spans(self.indptr, each, row):
            kernel.solve_users(ratings, self.samples, rows, scratch, span, team)

    def fields(self) -> dict[str, Any]:
        """The fields of the state."""
        state, k, n_kept = self.state, self.k, self.n_kept
        scale = state.spread / n_kept
        found: dict[str, Any] = {
            "user_factors": self.rows[:, :, :k] * np.float32(scale),
            "user_draws": self.drawn[:, :, :k],
        }
        found = {name: held.reshape(self.n + 1, n_kept * k) for name, held in found.items()}
        found["user_biases"] = self.rows[:, :, k].copy()
        found["user_weights"] = np.repeat(state.user_weights[-1:], self.n + 1, axis=0)
        for name, held in found.items():
            held[-1] = getattr(state, name)[-1]
        found["user_bias_draws"] = self.drawn[:, :, k].copy()
        bias = np.zeros(self.n)
        for sample in range(n_kept):
            bias += self.rows[:-1, sample, k]
        if state.sample:  # of one of the samples: the draw is what it predicts by
            sign = np.float32(np.sign(state.sample))
            found["user_factors"][:-1] += sign * np.float32(scale) * found["user_draws"][:-1]
            bias += sign * found["user_bias_draws"][:-1, 0]
            found["user_biases"][:-1] += sign * found["user_bias_draws"][:-1]
            found["user_draws"] = np.zeros_like(found["user_draws"])
            found["user_bias_draws"] = np.zeros_like(found["user_bias_draws"])
        found["user_bias"] = np.append(bias * scale, state.user_bias[-1]).astype(np.float32)
        found |= self.sessions.fields() | {"session_lengths": state.session_lengths}
        # Sample by sample, so that the bits do not depend on the sessions of others.
        means, slopes, variances = (
            np.add.reduce(held, axis=0, dtype=np.float64) / n_kept for held in self.of_sessions
        )
        found["session_bias"] = (state.spread * means).astype(np.float32)
        found["session_slope"] = slopes.astype(np.float32)
        found["session_variance"] = (state.spread**2 * variances).astype(np.float32)
        return found
