"""Users whose ratings come with a question, in each sample of a `BayesianState`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.arrays import aligned_zeros, row_length
from cfcore.data import Ratings
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_side import draw_all
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
    n, n_items, most = len(counts), len(state.item_ids), int(counts.max(initial=0))
    weights = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
    owners = np.repeat(np.arange(n), counts)
    factors = np.empty((n + 1, n_kept, k), dtype=np.float32)
    bias = np.zeros(n)
    width = row_length(k + 1, "float32")
    columns = aligned_zeros(n_items, width, np.float32)
    columns[:, k] = 1  # of the bias
    drawn, means = (aligned_zeros(n, width, np.float32) for _ in range(2))
    precision, prior = np.zeros((k + 1, k + 1)), np.zeros((n, k + 1))
    ones = np.ones(n_items, dtype=np.float32)
    values = (rows.values.astype(np.float64) - state.mean) / state.spread
    items = state.item_factors[:-1].reshape(n_items, n_kept, k)
    members = state.implicit_factors.reshape(n_items, -1, k)
    for at in range(n_kept):
        columns[:, :k] = items[:, at]
        precision[:k, :k], precision[k, k] = state.prior_precisions[at], state.precisions[at, 1]
        prior[:, :k] = state.prior_means[at]
        if members.shape[1]:
            y = members[rows.indices, at].astype(np.float64)
            for f in range(k):
                prior[:, f] += weights * np.bincount(owners, y[:, f], minlength=n)
        targets = (values - state.item_biases[rows.indices, at]).astype(np.float32)
        ratings = RatingRows(rows.indptr, rows.indices, targets, n_items)
        each = np.full(n, state.precisions[at, 0])
        draws = RowDraws(drawn, columns, prior, precision, each, ones, means)
        draw_all(ratings, draws, DrawKey(0, 0, 0), most, n_threads)
        factors[:-1, at] = means[:, :k]
        bias += means[:, k]
    factors *= np.float32(state.spread / n_kept)
    flat = factors.reshape(n + 1, n_kept * k)
    flat[-1] = state.user_factors[-1]
    user_bias = np.append(bias * (state.spread / n_kept), state.user_bias[-1])
    return {"user_factors": flat, "user_bias": user_bias.astype(np.float32)}
