"""Twin of `cfcore.kernels.lists.weighted_sums`: the same terms in the same order, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    BitmapScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingRows,
    TopLists,
    UserScores,
    WeightPanels,
    check_written,
)
from cfcore.reference.common.checks import check_record, check_threads
from cfcore.reference.top_n.scores import best, check_excluded

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
        out.scores[k] = _sums(rated, int(user), weights.values)


def best_lists(
    rated: RatingRows,
    panels: WeightPanels,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: BitmapScratch,
    n_threads: int,
) -> None:
    """For each list the n items of highest score, best first; see the kernel."""
    for name, record, kind in (
        ("rated", rated, RatingRows),
        ("panels", panels, WeightPanels),
        ("queries", queries, ListQueries),
        ("order", order, ItemOrder),
        ("lists", lists, TopLists),
        ("scratch", scratch, BitmapScratch),
    ):
        check_record(record, kind, f"best_lists: {name}")
    check_written((lists, scratch), (rated, panels, queries, order))
    check_threads(n_threads)
    if rated.n_columns != panels.n_rows or order.n_items != panels.n_items:
        raise ValueError("best_lists: panels must have a row for each column of rated, and items of order")
    if lists.n_lists != queries.n_lists:
        raise ValueError("best_lists: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or scratch.n_words < max(-(-order.m // 64), 1):
        raise ValueError("best_lists: scratch is too small")
    if queries.n_lists and queries.rows.max() >= rated.n_rows:
        raise ValueError(f"best_lists: user {queries.rows.max()} is out of range")
    check_excluded("best_lists", queries, order.n_items)
    columns = panels.columns.reshape(-1)
    weights = panels.values.transpose(1, 0, 2).reshape(panels.n_rows, len(columns))[:, columns >= 0]
    columns = columns[columns >= 0]
    for k, user in enumerate(queries.rows):
        scores = np.full(order.n_items, -np.inf)
        scores[columns] = _sums(rated, int(user), weights)
        excluded = order.positions[queries.excluded[queries.starts[k] : queries.stops[k]]]
        best(scores[order.items], excluded, lists, k)


def _sums(rated: RatingRows, user: int, weights: Array) -> Array:
    """Sum of the weighted rows of what a user rated: float32, one term after the other."""
    sums = np.zeros(weights.shape[1], dtype=np.float32)
    for e in range(rated.indptr[user], rated.indptr[user + 1]):
        sums += rated.values[e] * weights[rated.indices[e]]
    return sums
