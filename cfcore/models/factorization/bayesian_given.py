"""Users whose ratings come with a question, in each sample of a `BayesianState`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros, row_length
from cfcore.data import Ratings
from cfcore.data.ids import encode
from cfcore.data.times import as_seconds
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_features import entry_fields
from cfcore.models.factorization.bayesian_new_rows import features_of, priors_of
from cfcore.models.factorization.bayesian_ordinal import latent_means, nearest_levels
from cfcore.models.factorization.bayesian_side import Drawing
from cfcore.models.factorization.bayesian_state import BayesianState
from cfcore.models.factorization.given_sessions import GivenSessions
from cfcore.models.factorization.user_sessions import Sessions

Array = np.ndarray[Any, Any]

#: Numbers of the ratings' rows that are in memory at a time, of as many samples as that allows.
CHUNK = 1 << 22
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
    codes: Array | None = None,
) -> dict[str, Any]:  # fmt: skip
    """As `users_of`, of compressed rows: bounds, items and ratings of each user, and times in seconds.

    `codes` are those of the users in the state, whose features count; by default unknown users.
    """
    if codes is None:
        codes = np.full(len(rows[0]) - 1, -1)
    users = _Users(state, rows, seconds, n_threads)
    if state.user_encoding:
        users.set_priors(*priors_of(state, codes))
    if state.is_ordinal:
        for _ in range(LATENT_STEPS):
            users.set_latents()
            users.solve_all()
    else:
        users.solve_all()
    return users.fields()


class _Users:
    """The equations of some users, in one sample after the other."""

    def __init__(
        self, state: BayesianState, rows: tuple[Array, Array, Array], seconds: Array | None,
        n_threads: int | None,
    ) -> None:  # fmt: skip
        self.state = state
        self.n_kept, self.k = state.prior_means.shape
        indptr, items, values = rows
        self.counts = np.diff(indptr)
        self.n, n, k = len(self.counts), len(items), self.k
        codes, columns_at = np.unique(items, return_inverse=True)  # items that are rated
        self.columns_at = columns_at
        self.rated = np.flatnonzero(self.counts)
        self.starts = indptr[self.rated]
        self.sessions: GivenSessions | None = None
        owners = np.repeat(np.arange(self.n, dtype=np.int32), self.counts)
        all_sessions = Sessions.none(self.n)
        if seconds is not None:
            self.sessions = GivenSessions(state.session_lengths, owners, seconds, self.n)
            all_sessions = self.sessions.sessions
        of_sessions = np.diff(all_sessions.indptr)
        n_sessions = len(all_sessions.numbers)
        self.ratings_at = np.arange(n) + np.repeat(all_sessions.indptr[:-1], self.counts)
        self.sessions_at = np.arange(n_sessions) + np.repeat(indptr[1:], of_sessions)
        self.n_codes = len(codes)
        width = row_length(k + 1, "float32")
        self.columns = aligned_zeros(self.n_codes + n_sessions, width, np.float32)
        self.columns[: self.n_codes, k] = 1  # of the bias
        self.drawn, self.means = (aligned_zeros(self.n, width, np.float32) for _ in range(2))
        self.values = (values.astype(np.float64)[:, np.newaxis] - state.mean) / state.spread
        self.given, self.owners = values, owners
        self.targets = np.empty(n + n_sessions, dtype=np.float32)
        indices = np.empty(n + n_sessions, dtype=np.int32)
        indices[self.ratings_at] = columns_at
        indices[self.sessions_at] = self.n_codes + np.arange(n_sessions)
        weights = np.ones(len(self.columns), dtype=np.float32)
        weights[self.n_codes :] = -1
        # The arrays of the records are filled anew for each sample.
        bounds = indptr + all_sessions.indptr
        ratings = RatingRows(bounds, indices, self.targets, len(self.columns))
        self.draws = RowDraws(
            self.drawn, self.columns, np.zeros((self.n, k + 1)), np.zeros((k + 1, k + 1)), np.empty(self.n),
            weights, self.means, own_numbers=0,  # so that draws do not depend on the other users
        )  # fmt: skip
        self.draw = Drawing(ratings, self.draws, int(np.diff(bounds).max(initial=0)), n_threads)
        self.items = state.item_factors.reshape(len(state.item_factors), self.n_kept, k)[codes]
        self.members = state.implicit_factors.reshape(len(state.item_ids), -1, k)[codes]
        self.item_biases = state.item_biases[items]
        self.rows, self.rows_drawn = (
            np.zeros((self.n + 1, self.n_kept, width), dtype=np.float32) for _ in range(2)
        )
        self.session_means = np.zeros((3, n_sessions))
        self.base = np.repeat(state.prior_means[np.newaxis], self.n, axis=0)

    def set_priors(self, rows: Array, biases: Array) -> None:
        """Take other prior means of rows, before sets, and of biases: see `priors_of`."""
        self.base = rows
        self.draws.prior_mean[:, self.k] = biases

    def set_latents(self) -> None:
        """Take as ratings the means of the latent ratings in each sample, given the users' rows."""
        state, k = self.state, self.k
        if state.levels is None or state.cut_points is None:
            return
        predictions = self.item_biases + np.einsum(
            "nsk,nsk->ns", self.rows[self.owners, :, :k], self.items[self.columns_at]
        )
        predictions += self.rows[self.owners, :, k]
        levels = nearest_levels(self.given, state.levels)
        self.values = latent_means(predictions, levels, state.cut_points, state.rating_precisions)

    def solve_all(self) -> None:
        """Solve the equations of all samples."""
        self.session_means[:] = 0
        size = max(len(self.given), 1) * (self.k + 2)
        each = max(CHUNK // size, 1)
        for begin in range(0, self.n_kept, each):
            self.solve(range(begin, min(begin + each, self.n_kept)))

    def solve(self, samples: range) -> None:
        """Solve the equations of some samples."""
        state, k, draws = self.state, self.k, self.draws
        part = slice(samples.start, samples.stop)
        noise, prior_means = state.rating_precisions[part], self._prior_means(part)
        targets = np.subtract(self.values_of(part), self.item_biases[:, part], dtype=np.float64)
        sums = self._sums(part) if self.sessions is not None else None
        if sums is not None:
            noise = state.precisions[part, 0]
        for sample in samples:
            self.columns[: self.n_codes, :k] = self.items[:, sample]
            draws.precision[:k, :k] = state.prior_precisions[sample]
            draws.precision[k, k] = state.precisions[sample, 1]
            draws.prior_mean[:, :k] = prior_means[:, sample - samples.start]
            self.targets[self.ratings_at] = targets[:, sample - samples.start]
            draws.row_precision[:] = noise[sample - samples.start]
            if sums is not None:
                rows = sums[0][:, sample - samples.start]
                self.columns[self.n_codes :, : k + 1] = rows[:, :-1]
                self.targets[self.sessions_at] = rows[:, -1]
            self.draw(DrawKey(0, 0, sample))
            self.rows[:-1, sample] = self.means
            self.rows_drawn[:-1, sample] = self.drawn - self.means
        if sums is not None:
            self._add_biases(part, *sums[1:])

    def values_of(self, part: slice) -> Array:
        """Ratings less their mean and over `spread`: float64[n, n_samples], or [n, 1] for all samples."""
        return self.values if self.values.shape[1] == 1 else self.values[:, part]

    def _prior_means(self, part: slice) -> Array:
        """Means of the users' rows, from the items that they rated: float64[n_users, n_samples, k]."""
        means = self.base[:, part].astype(np.float64)
        if self.members.shape[1] and len(self.rated):
            members = self.members[self.columns_at, part].astype(np.float64)
            sums = np.add.reduceat(members, self.starts, axis=0)
            means[self.rated] += sums / np.sqrt(self.counts[self.rated])[:, np.newaxis, np.newaxis]
        return means

    def _sums(self, part: slice) -> tuple[Array, Array, Array, Array]:
        """The rows of sessions, as `draw_rows` takes them, and the sums that they are made of."""
        assert self.sessions is not None
        state, k = self.state, self.k
        items = self.items[self.columns_at, part]
        rows = np.empty((*items.shape[:2], k + 2), dtype=np.float32)
        rows[:, :, :k], rows[:, :, k] = items, 1
        rows[:, :, k + 1] = self.values_of(part) - self.item_biases[:, part]
        noise = state.precisions[part, 0].astype(np.float32)
        precisions = state.precisions[part, 3:].astype(np.float32)
        found, weights = self.sessions.sums(rows, noise, precisions)
        total = precisions.T[self.sessions.sessions.levels()] + weights
        return found / np.sqrt(total * noise)[:, :, np.newaxis], found, weights, precisions

    def _add_biases(self, part: slice, sums: Array, weights: Array, precisions: Array) -> None:
        """Add the biases of the sessions, given the users' rows, to their means."""
        assert self.sessions is not None
        k = self.k
        sessions = self.sessions.sessions
        owners = np.repeat(np.arange(self.n), np.diff(sessions.indptr))
        rows = self.rows[owners, part, : k + 1]
        left = sums[:, :, -1] - np.sum(sums[:, :, :-1] * rows, axis=2)
        for mean, found in zip(
            self.session_means, self.sessions.biases(left, weights, precisions), strict=True
        ):
            # Sample by sample, so that the bits do not depend on how many are solved at a time.
            for sample in found.T:
                mean += sample

    def fields(self) -> dict[str, Any]:
        """The fields of the state."""
        state, k, n_kept = self.state, self.k, self.n_kept
        scale = state.spread / n_kept
        found: dict[str, Any] = {
            "user_factors": self.rows[:, :, :k] * np.float32(scale),
            "user_draws": self.rows_drawn[:, :, :k],
        }
        found = {name: held.reshape(self.n + 1, n_kept * k) for name, held in found.items()}
        found["user_biases"] = self.rows[:, :, k].copy()
        found["user_weights"] = np.repeat(state.user_weights[-1:], self.n + 1, axis=0)
        for name, held in found.items():
            held[-1] = getattr(state, name)[-1]
        found["user_bias_draws"] = self.rows_drawn[:, :, k].copy()
        bias = np.zeros(self.n)
        for sample in range(n_kept):
            bias += self.rows[:-1, sample, k]
        found["user_bias"] = np.append(bias * scale, state.user_bias[-1]).astype(np.float32)
        sessions = Sessions.none(self.n) if self.sessions is None else self.sessions.sessions
        found |= sessions.fields() | {"session_lengths": state.session_lengths}
        means, slopes, variances = self.session_means.astype(np.float64) / n_kept
        found["session_bias"] = (state.spread * means).astype(np.float32)
        found["session_slope"] = slopes.astype(np.float32)
        found["session_variance"] = (state.spread**2 * variances).astype(np.float32)
        return found
