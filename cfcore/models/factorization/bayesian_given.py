"""Users whose ratings come with a question, in each sample of a `BayesianState`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros, row_length
from cfcore.data import Ratings
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_side import Drawing
from cfcore.models.factorization.bayesian_state import BayesianState

Array = np.ndarray[Any, Any]


def users_of(state: BayesianState, given: Ratings, n_threads: int | None) -> dict[str, Array]:
    """Rows and biases of the users of some ratings, with items in the model's codes: fields of the state.

    In each sample of the items, the mean of the normal distribution of a user's bias and factors given the
    user's ratings. Ratings are taken to be outside of sessions: what these would explain counts as noise.
    """
    n_kept, k = state.prior_means.shape
    rows = given.by_user
    counts = np.diff(rows.indptr)
    n, most = len(counts), int(counts.max(initial=0))
    codes, columns_at = np.unique(rows.indices, return_inverse=True)  # items that are rated
    weights = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
    rated = np.flatnonzero(counts)
    starts = rows.indptr[rated]
    factors, added = (np.zeros((n + 1, n_kept, k), dtype=np.float32) for _ in range(2))
    biases, added_biases = (np.empty((n + 1, n_kept), dtype=np.float32) for _ in range(2))
    bias = np.zeros(n)
    width = row_length(k + 1, "float32")
    columns = aligned_zeros(len(codes), width, np.float32)
    columns[:, k] = 1  # of the bias
    drawn, means = (aligned_zeros(n, width, np.float32) for _ in range(2))
    values = (rows.values.astype(np.float64) - state.mean) / state.spread
    targets = np.empty(len(values), dtype=np.float32)
    # The arrays of the records are filled anew for each sample.
    ratings = RatingRows(rows.indptr, columns_at.astype(np.int32), targets, len(codes))
    draws = RowDraws(
        drawn, columns, np.zeros((n, k + 1)), np.zeros((k + 1, k + 1)), np.empty(n),
        np.ones(len(codes), dtype=np.float32), means,
    )  # fmt: skip
    draw = Drawing(ratings, draws, most, n_threads)
    items = state.item_factors.reshape(len(state.item_factors), n_kept, k)[codes]
    members = state.implicit_factors.reshape(len(state.item_ids), -1, k)[codes].astype(np.float64)
    item_biases = state.item_biases[rows.indices]
    for at in range(n_kept):
        columns[:, :k] = items[:, at]
        draws.precision[:k, :k], draws.precision[k, k] = state.prior_precisions[at], state.precisions[at, 1]
        draws.prior_mean[:, :k] = state.prior_means[at]
        if members.shape[1] and len(rated):
            sums = np.add.reduceat(members[columns_at, at], starts, axis=0)
            draws.prior_mean[rated, :k] += weights[rated, np.newaxis] * sums
        targets[:] = values - item_biases[:, at]
        draws.row_precision[:] = state.rating_precisions[at]
        draw(DrawKey(0, 0, at))
        factors[:-1, at] = means[:, :k]
        added[:-1, at] = drawn[:, :k] - means[:, :k]
        biases[:-1, at], added_biases[:-1, at] = means[:, k], drawn[:, k] - means[:, k]
        bias += means[:, k]
    factors *= np.float32(state.spread / n_kept)
    found = {"user_factors": factors.reshape(n + 1, -1), "user_draws": added.reshape(n + 1, -1)}
    found |= {"user_biases": biases, "user_weights": np.repeat(state.user_weights[-1:], n + 1, axis=0)}
    for name, rows_of_users in found.items():
        rows_of_users[-1] = getattr(state, name)[-1]
    added_biases[-1] = 0
    found["user_bias_draws"] = added_biases
    user_bias = np.append(bias * (state.spread / n_kept), state.user_bias[-1])
    return found | {"user_bias": user_bias.astype(np.float32)}
