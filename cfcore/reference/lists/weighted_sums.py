"""Twin of `cfcore.kernels.lists.weighted_sums`: the same terms in the same order, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import ItemWeights, RatingRows, UserScores, check_written
from cfcore.reference.common.checks import check_record, check_threads

Array = NDArray[Any]


def score_rows(rated: RatingRows, weights: ItemWeights, out: UserScores, n_threads: int) -> None:
    """Scores of all items for users, X B; see the kernel."""
    check_record(rated, RatingRows, "score_rows: rated")
    check_record(weights, ItemWeights, "score_rows: weights")
    check_record(out, UserScores, "score_rows: out")
    check_written((out,), (rated, weights))
    check_threads(n_threads)
    if rated.n_columns != weights.n_items or out.n_items != weights.n_items:
        raise ValueError("score_rows: rated, weights and out must be of the same items")
    if out.n_lists and out.users.max() >= rated.n_rows:
        raise ValueError(f"score_rows: user {out.users.max()} is out of range")
    for k, user in enumerate(out.users):
        out.scores[k] = weighted_sum(rated, int(user), weights.values)


def weighted_sum(rated: RatingRows, user: int, weights: Array) -> Array:
    """Sum of the weighted rows of what a user rated: float32, one term after the other."""
    sums = np.zeros(weights.shape[1], dtype=np.float32)
    for e in range(rated.indptr[user], rated.indptr[user + 1]):
        sums += rated.values[e] * weights[rated.indices[e]]
    return sums
