"""Twin of `cfcore.kernels.top_n.scores`: a stable sort of the scores of each list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import BitmapScratch, ItemOrder, ListQueries, ScoreRows, TopLists, check_written
from cfcore.reference.common.threads import team_size


def best_scores(
    score_rows: ScoreRows,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: BitmapScratch,
    n_threads: int,
) -> None:
    """For each list the n items of highest score, best first; see the kernel."""
    check_written((lists, scratch), (score_rows, queries, order))
    team_size(n_threads)
    if score_rows.m != order.m:
        raise ValueError("best_scores: score_rows must have a column for each item of order")
    if lists.n_lists != queries.n_lists:
        raise ValueError("best_scores: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or scratch.n_words < -(-order.m // 64):
        raise ValueError("best_scores: scratch is too small")
    if queries.n_lists and queries.rows.max() >= score_rows.n_rows:
        raise ValueError(f"best_scores: row {queries.rows.max()} is out of range")
    check_excluded("best_scores", queries, order.n_items)
    for k, row in enumerate(queries.rows):
        excluded = order.positions[queries.excluded[queries.starts[k] : queries.stops[k]]]
        best(score_rows.scores[row], excluded, lists, k)


def best(scores: NDArray[np.float64], excluded: NDArray[np.int32], lists: TopLists, k: int) -> None:
    """List k: the best of the scores, one a position, without the positions in `excluded` (-1: none)."""
    keys = -scores
    keys[excluded[excluded >= 0]] = np.inf
    keys[np.isnan(keys)] = np.inf
    order = np.argsort(keys, kind="stable")[: lists.n]
    order = order[keys[order] < np.inf]
    lists.positions[k], lists.scores[k] = -1, 0
    lists.positions[k, : len(order)] = order
    lists.scores[k, : len(order)] = scores[order]


def check_excluded(function: str, queries: ListQueries, n_items: int) -> None:
    """Raise ValueError for the first item that a list of `queries` excludes and that does not exist."""
    for start, stop in zip(queries.starts, queries.stops, strict=True):
        items = queries.excluded[start:stop]
        bad = (items < 0) | (items >= n_items)
        if bad.any():
            raise ValueError(f"{function}: excluded item {items[bad.argmax()]} is out of range")
