"""`scores_of_pairs`: predictions of neighbourhood models for codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.kernels.records import PredictionRequests, PredictionScratch, RatingRows
from cfcore.models.neighbors.state import NeighborState
from cfcore.threads import threads_worth

__all__ = ["Raters", "raters_of", "scores_of_pairs"]

Array = np.ndarray[Any, Any]

#: Ratings that one thread reads in a call: about .3 s, after which Ctrl-C takes effect.
SLICE = 80_000_000


@dataclass(frozen=True, eq=False)
class Raters:
    """The ratings that predictions are made from: those of training, or of a session.

    Attributes
    ----------
    rated : RatingRows
        Deviations by holder.
    user_centers : float64[n_users + 1]
        The last is for the unknown.
    """

    rated: RatingRows
    user_centers: Array


def raters_of(state: NeighborState) -> Raters:
    """Those of training."""
    return Raters(state.rated, state.user_centers)


def scores_of_pairs(
    state: NeighborState, raters: Raters, users: Array, items: Array, n_threads: int | None
) -> Array:
    """Scores of pairs of codes, -1 being unknown: float64[n]."""
    targets, holders = (items, users) if state.kind == "item" else (users, items)
    scores = weighted_means(state, raters.rated, holders, targets, n_threads)
    scores[np.isnan(scores)] = 0.0
    if state.spreads is not None:
        scores *= state.spreads[targets]  # no deviation where the target is unknown
    scores += centers_at(state, raters.user_centers, users, items)
    if state.user_trust is not None:
        unknown = centers_at(state, raters.user_centers, np.full_like(users, -1), items)
        scores = unknown + state.user_trust[users] * (scores - unknown)
    return scores


def centers_at(state: NeighborState, of_users: Array, users: Array, items: Array) -> Array:
    """Centre of the weighted mean; the prediction where there is no neighbour."""
    # The entry that -1 picks, the last, is that of an unknown user or item.
    user_centers, item_centers = of_users[users], state.item_centers[items]
    if state.rule["additive"]:
        return state.mean + user_centers + item_centers
    if state.kind == "item":
        return np.where(items >= 0, item_centers, user_centers)
    return np.where(users >= 0, user_centers, item_centers)


def weighted_means(
    state: NeighborState, rated: RatingRows, holders: Array, targets: Array, n_threads: int | None
) -> Array:
    """Weighted mean deviations for codes; NaN where there is no neighbour, or a code is -1."""
    kernel = backends.kernel("neighbors.predict")
    n, n_targets, lengths = len(targets), rated.n_columns, np.diff(rated.indptr)
    rule = state.rule_for(lengths)
    order = np.empty(n, dtype=np.int64)
    # Requests for the same target share its row of similarities; -1, the unknown, comes first.
    backends.kernel("tables.csr").counting_sort(targets + 1, np.empty(n_targets + 2, dtype=np.int64), order)
    cost = n * 100 + int(lengths[holders].sum())
    threads = threads_worth(n_threads, cost, "neighbor_ratings")
    rows = None if state.neighbors is None else np.zeros((threads, n_targets), dtype=np.float32)
    scratch = PredictionScratch(aligned_zeros(threads, 8 * (rule.n_neighbors // 2 + 8), np.uint64), rows)
    requests = PredictionRequests(holders, targets, order, np.empty(n), rated.n_rows, n_targets)
    predict = kernel.predict_dense if state.neighbors is None else kernel.predict_rows
    step = max(1, threads * SLICE * n // max(cost, 1))
    for begin in range(0, n, step):
        span = (begin, min(begin + step, n))
        predict(state.compared, rated, requests, rule, scratch, span, threads)
    return requests.out
