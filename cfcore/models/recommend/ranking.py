"""Picking the best of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import thread_rows
from cfcore.kernels.records import BitmapScratch, ItemOrder, ListQueries, ScoreRows, TopLists
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]


def best(scores: Array, n: int, counts: Array) -> Array:
    """Positions of the `n` highest scores, best first.

    Ties go to the higher count, then to the lower position, so that the order is always the same one.

    Parameters
    ----------
    scores : ndarray of float64, shape (m,)
        No NaN.
    n : int
    counts : ndarray, shape (m,)

    Returns
    -------
    ndarray of int64, shape (min(n, m),)
    """
    positions = np.arange(len(scores))
    if 0 < n < len(scores):
        # Keep everything that ties with the n-th, and sort only that.
        threshold = np.partition(scores, len(scores) - n)[len(scores) - n]
        positions = positions[scores >= threshold]
    order = np.lexsort((positions, -counts[positions], -scores[positions]))
    return positions[order[:n]]


def best_of_rows(
    rows: Array, left_out: Array, order: ItemOrder, n: int, n_threads: int | None
) -> tuple[Array, Array]:
    """Codes and values of the `n` highest entries of each row, best first; ties by `order`.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_items)
        NaN is never listed.
    left_out : ndarray of int32, shape (n_rows,)
        An item that the list of each row must not have.
    order : ItemOrder
        Items that may be listed.
    n : int
        From 1 to the number of items in `order`.
    n_threads : int or None

    Returns
    -------
    codes : ndarray of int32, shape (n_rows, n)
        -1 after the last item.
    values : ndarray of float64, shape (n_rows, n)
        NaN after the last item.
    """
    codes, values = np.full((len(rows), n), -1, dtype=np.int32), np.zeros((len(rows), n))
    at = np.arange(len(rows) + 1, dtype=np.int64)
    queries = ListQueries(at[:-1].astype(np.int32), at[:-1], at[1:], left_out)
    n_threads = threads_worth(n_threads, len(rows) * order.m)
    scratch = BitmapScratch(thread_rows(n_threads, -(-order.m // 64), np.uint64))
    scores = ScoreRows(np.ascontiguousarray(rows[:, order.items]))
    lists = TopLists(codes, values)
    backends.kernel("top_n.scores").best_scores(scores, queries, order, lists, scratch, n_threads)
    beyond = codes < 0
    codes = order.items[codes]
    codes[beyond], values[beyond] = -1, np.nan
    return codes, values
