"""Predictions for one user and all items at once, where items are compared and all similarities are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import row_length
from cfcore.kernels.records import ItemOrder, ListQueries, RatingRows, SimilarityMatrix
from cfcore.models.neighbors.scoring import Raters, raters_of, scores_of_pairs
from cfcore.models.neighbors.state import NeighborState
from cfcore.threads import threads_worth

__all__ = ["has_whole_rows", "is_exact", "scores_for_list", "scores_for_lists", "scores_of_rows", "tolerance"]

Array = np.ndarray[Any, Any]

#: Numbers of scratch for each rating of the longest row; numbers by which the rows of threads are apart.
ROOM, APART = 80, 1024
#: Relative error of one addition of doubles, with room to spare.
ROUNDING = 2.0**-50


def has_whole_rows(state: NeighborState) -> bool:
    """Whether `scores_of_rows` can answer: it reads rows of a symmetric matrix of the items."""
    return state.kind == "item" and state.neighbors is None and state.is_symmetric


def scores_of_rows(state: NeighborState, raters: Raters, users: Array, n_threads: int | None) -> Array:
    """Scores of all items for some users: float64[n_users, n_items].

    They have the bits of `scores_of_pairs` for users of at most n_neighbors ratings, and else differ from
    them by at most `tolerance`, because weighted deviations are added in another order.

    Parameters
    ----------
    state : NeighborState
    raters : Raters
    users : int32[n_users]
        Known ones.
    """
    matrix, rated = state.compared, raters.rated
    assert isinstance(matrix, SimilarityMatrix)
    lengths = rated.indptr[users + 1] - rated.indptr[users]
    longest, n_items = int(lengths.max(initial=0)), rated.n_columns
    threads = threads_worth(n_threads, int(lengths.sum()) * n_items)
    scratch = np.empty((threads, row_length(ROOM * longest, np.float32) + APART), dtype=np.float32)
    scores = np.empty((len(users), n_items))
    kernel = backends.kernel("neighbors.predict_all")
    kernel.predict_all(matrix, rated, users, state.rule_for(lengths), scratch, scores, threads)
    np.copyto(scores, 0.0, where=np.isnan(scores))
    if state.spreads is not None:
        scores *= state.spreads[:-1]
    if state.rule["additive"]:
        scores += (state.mean + raters.user_centers[users])[:, None] + state.item_centers[:-1]
    else:
        scores += state.item_centers[:-1]
    return scores


def is_exact(state: NeighborState, rated: RatingRows) -> bool:
    """Whether `scores_of_rows` has the bits of `scores_of_pairs` for all rows."""
    n_neighbors = state.rule["n_neighbors"]
    return n_neighbors == 0 or bool(np.diff(rated.indptr).max(initial=0) <= n_neighbors)


def tolerance(state: NeighborState, raters: Raters, user: int, scores: Array) -> float:
    """Largest difference of a user's scores from those of `scores_of_pairs`; 0 where they are the same."""
    begin, end = raters.rated.indptr[user : user + 2].tolist()
    n_neighbors = state.rule["n_neighbors"]
    if n_neighbors == 0 or end - begin <= n_neighbors:
        return 0.0
    largest = float(np.abs(raters.rated.values[begin:end]).max())
    if state.spreads is not None:
        largest *= float(state.spreads.max())
    return ROUNDING * ((n_neighbors + 8) * largest + float(np.abs(scores).max(initial=0.0)))


def contenders(scores: Array, order: ItemOrder, excluded: Array, n: int, error: float) -> Array:
    """Items that may be among the n best of those in `order` and not excluded, if scores err by `error`.

    Parameters
    ----------
    scores : float64[n_items]
    order : ItemOrder
    excluded : int32[...]
        Codes of items.
    n : int
    error : float

    Returns
    -------
    int32[...]
        Codes of items.
    """
    listed = scores[order.items]
    places = order.positions[excluded]
    listed[places[places >= 0]] = -np.inf
    if n < len(listed):
        bound = np.partition(listed, len(listed) - n)[len(listed) - n] - 2 * error
        return order.items[~(listed < bound)]
    return order.items


def scores_for_list(
    state: NeighborState, raters: Raters, user: int, order: ItemOrder, excluded: Array, n: int,
    n_threads: int | None,
) -> Array:  # fmt: skip
    """Scores of all items for a user, exact where they can be among the n best: float64[n_items].

    The n best of the items in `order` and not `excluded` are those by the scores of `scores_of_pairs`, with
    the same bits; other items may have scores that differ from these by rounding.
    """
    scores = scores_of_rows(state, raters, np.array([user], dtype=np.int32), n_threads)[0]
    error = tolerance(state, raters, user, scores)
    if error > 0:
        some = contenders(scores, order, excluded, n, error)
        users = np.full(len(some), user, dtype=np.int32)
        scores[some] = scores_of_pairs(state, raters, users, some, n_threads)
    return scores


def scores_for_lists(
    state: NeighborState, users: Array, order: ItemOrder, queries: ListQueries, n: int, n_threads: int | None
) -> Array:
    """As `scores_for_list`, for many users (-1: unknown) and the items in `order`: float64[n_users, order.m].

    Row queries.rows[k] of the result is for list k, which excludes items of its own.
    """
    raters, known = raters_of(state), np.flatnonzero(users >= 0)
    scores = np.empty((len(users), len(state.item_ids)))
    scores[known] = scores_of_rows(state, raters, users[known], n_threads)
    chosen: list[tuple[int, Array]] = []
    for k, row in enumerate(queries.rows.tolist()):
        error = tolerance(state, raters, int(users[row]), scores[row]) if users[row] >= 0 else 0.0
        if error > 0:
            excluded = queries.excluded[queries.starts[k] : queries.stops[k]]
            chosen.append((row, contenders(scores[row], order, excluded, n, error)))
    chosen += [(row, order.items) for row in np.flatnonzero(users < 0).tolist()]
    if chosen:
        rows = np.repeat([row for row, _ in chosen], [len(items) for _, items in chosen])
        items = np.concatenate([items for _, items in chosen])
        scores[rows, items] = scores_of_pairs(state, raters, users[rows], items, n_threads)
    return scores[:, order.items]
