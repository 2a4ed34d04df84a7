"""Twin of `cfcore.kernels.top_n.single`: all scores, and a stable sort of those of a list."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Factors, ItemOrder
from cfcore.reference.common.checks import check_array, check_record, overlaps

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]


def score_pair(factors: Factors, user: int, item: int) -> float:
    """mean + b_u + b_i + p_u . q_i for a pair of codes, neither of them unknown; see the kernel."""
    check_record(factors, Factors, "score_pair: factors")
    user, item = operator.index(user), operator.index(item)
    if not (0 <= user < factors.n_users and 0 <= item < factors.n_items):
        raise ValueError(f"score_pair: pair ({user}, {item}) is out of range")
    product = np.einsum("f,f->", factors.user_factors[user], factors.item_factors[item])
    base = factors.mean + np.float64(factors.user_bias[user])
    return float(base + factors.item_bias[item] + np.float64(product))


def score_row(row: NDArray[Any], base: float, factors: Factors, out: Float64) -> None:
    """base + b_i + row . q_i for all items; see the kernel."""
    _check_row("score_row", row, factors)
    check_array(out, np.float64, 1, True, "score_row: out")
    if len(out) != factors.n_items:
        raise ValueError(f"score_row: out must have {factors.n_items} numbers, not {len(out)}")
    if overlaps(out, (row, factors.item_factors, factors.item_bias)):
        raise ValueError("score_row: out shares memory with another argument")
    out[:] = base + factors.item_bias.astype(np.float64)
    out += np.einsum("nf,f->n", factors.item_factors, row)


def best_of_row(
    row: NDArray[Any],
    base: float,
    factors: Factors,
    order: ItemOrder,
    excluded: Int32,
    listed: Int32,
    scores: Float64,
) -> None:
    """The n items of highest base + b_i + row . q_i, best first; see the kernel."""
    _check_row("best_of_row", row, factors)
    _check_list("best_of_row", factors.n_items, order, excluded, listed, scores)
    for written in (listed, scores):
        if overlaps(written, (row, factors.item_factors, factors.item_bias)):
            raise ValueError("best_of_row: listed or scores shares memory with another argument")
    found = np.empty(factors.n_items)
    score_row(row, base, factors, found)
    _list(found, order, excluded, listed, scores)


def best_of_scores(
    item_scores: Float64, order: ItemOrder, excluded: Int32, listed: Int32, scores: Float64
) -> None:
    """The n items of highest score, best first; see the kernel."""
    check_array(item_scores, np.float64, 1, False, "best_of_scores: item_scores")
    _check_list("best_of_scores", len(item_scores), order, excluded, listed, scores)
    for written in (listed, scores):
        if overlaps(written, (item_scores,)):
            raise ValueError("best_of_scores: listed or scores shares memory with another argument")
    _list(item_scores, order, excluded, listed, scores)


def _list(found: Float64, order: ItemOrder, excluded: Int32, listed: Int32, scores: Float64) -> None:
    keys = -found
    keys[excluded] = np.inf
    keys[np.isnan(keys)] = np.inf
    keys = keys[order.items]
    best = np.argsort(keys, kind="stable")[: len(listed)]
    best = order.items[best[keys[best] < np.inf]]
    listed[:], scores[:] = -1, 0
    listed[: len(best)], scores[: len(best)] = best, found[best]


def _check_row(function: str, row: NDArray[Any], factors: Factors) -> None:
    check_record(factors, Factors, f"{function}: factors")
    check_array(row, factors.item_factors.dtype, 1, False, f"{function}: row")
    if len(row) != factors.width:
        raise ValueError(f"{function}: row must have {factors.width} numbers, not {len(row)}")


def _check_list(
    function: str, n_items: int, order: ItemOrder, excluded: Int32, listed: Int32, scores: Float64
) -> None:
    check_record(order, ItemOrder, f"{function}: order")
    check_array(excluded, np.int32, 1, False, f"{function}: excluded")
    check_array(listed, np.int32, 1, True, f"{function}: listed")
    check_array(scores, np.float64, 1, True, f"{function}: scores")
    if order.n_items != n_items:
        raise ValueError(f"{function}: order must be of the {n_items} items")
    if len(listed) < 1 or len(scores) != len(listed):
        raise ValueError(f"{function}: listed and scores must be of one length, at least 1")
    read = excluded, order.items, order.positions
    if overlaps(listed, (scores, *read)) or overlaps(scores, read):
        raise ValueError(f"{function}: listed or scores shares memory with another argument")
    bad = (np.diff(excluded, prepend=np.int64(-1)) <= 0) | (excluded >= n_items)
    if bad.any():
        raise ValueError(
            f"{function}: excluded must be ascending codes of items, and {excluded[bad.argmax()]} is not"
        )
