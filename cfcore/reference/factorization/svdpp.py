"""Twin of `cfcore.kernels.factorization.svdpp` in NumPy: same names, arguments, results and errors.

As in `cfcore.reference.factorization.svd`, blocks that share no user and no item are stepped side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    ImplicitRows,
    ImplicitSets,
    SVDppFactors,
    SVDppRates,
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
    check_cuts,
    check_sums,
    check_user_batches,
)
from cfcore.reference.common.checks import check_record, check_threads
from cfcore.reference.factorization.svd import _independent, _side_by_side

Int64 = NDArray[np.int64]
Ratings = NDArray[np.void]
Floating = np.ndarray[Any, Any]


def implicit_sums(sets: ImplicitSets, rows: ImplicitRows, n_threads: int) -> None:
    """s_u = sum of w_uj y_j over j in N(u), for every user; see the kernel."""
    check_record(sets, ImplicitSets, "implicit_sums: sets")
    check_record(rows, ImplicitRows, "implicit_sums: rows")
    check_threads(n_threads)
    check_sums(sets, rows)
    if not all(_is_ascending(sets, user) for user in range(sets.n_users)):
        raise ValueError("implicit_sums: sets are not ascending or out of range")
    for user in range(sets.n_users):
        rows.sums[user] = _sum_of(sets, user, rows.table)


def cut_sets(sets: ImplicitSets, layout: UserBatchLayout, n_threads: int) -> None:
    """Find where in every N(u) each part of the table begins; see the kernel."""
    check_record(sets, ImplicitSets, "cut_sets: sets")
    check_record(layout, UserBatchLayout, "cut_sets: layout")
    check_threads(n_threads)
    check_cuts(sets, layout)
    for user in range(sets.n_users):
        layout.cuts[user] = _cuts_of(sets, layout, user)


def train(
    layout: UserBatchLayout,
    sets: ImplicitSets,
    factors: SVDppFactors,
    rates: SVDppRates,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Work through user batches ``visits.batches[begin:end]`` of an epoch of SVD++; see the kernel."""
    check_record(layout, UserBatchLayout, "train: layout")
    check_record(sets, ImplicitSets, "train: sets")
    check_record(factors, SVDppFactors, "train: factors")
    check_record(rates, SVDppRates, "train: rates")
    check_record(visits, UserBatchVisits, "train: visits")
    check_record(scratch, UserBatchScratch, "train: scratch")
    check_threads(n_threads)
    check_user_batches(layout, sets, factors, visits, scratch, span)
    users, items, values = (layout.ratings[name] for name in ("user", "item", "value"))
    p, s, q, gains = factors.user_factors, scratch.sums, factors.item_factors, scratch.gains
    user_bias, item_bias = factors.user_bias, factors.item_bias
    real = p.dtype.type
    mean = real(factors.mean)
    lr, keep = real(rates.lr), real(1 - rates.lr * rates.reg)
    lr_user, keep_user = real(rates.lr_user), real(1 - rates.lr_user * rates.reg)
    lr_bias, keep_bias = real(rates.lr_bias), real(1 - rates.lr_bias * rates.reg_bias)
    lr_sum, keep_sum = real(rates.lr_implicit), real(1 - rates.lr_implicit * rates.reg_implicit)

    def step(at: Int64) -> Floating:
        u, i = users[at], items[at]
        p_u, s_u, q_i = p[u], s[u], q[i]
        guess = mean + user_bias[u] + item_bias[i] + ((p_u + s_u) * q_i).sum(axis=1)
        error: Floating = values[at].astype(real) - guess
        user_bias[u] = user_bias[u] * keep_bias + lr_bias * error
        item_bias[i] = item_bias[i] * keep_bias + lr_bias * error
        p[u] = p_u * keep_user + q_i * (lr_user * error)[:, None]
        s[u] = s_u * keep_sum + q_i * (lr_sum * error * gains[u])[:, None]
        q[i] = q_i * keep + (p_u + s_u) * (lr * error)[:, None]
        return error

    def are_known(own: Ratings) -> bool:
        return _are_codes(own["user"], factors.n_users) and _are_codes(own["item"], factors.n_items)

    model = _Model(factors.implicit_factors, 1 - rates.lr_implicit * rates.reg_implicit, step, are_known)
    _train_batches(model, layout, sets, visits, scratch, span)


@dataclass(frozen=True)
class _Model:
    """What `_train_batches` needs to know of a model."""

    table: Floating
    #: What is left of a row of the table after its decay by one rating.
    keep: float
    #: Updates the parameters by the ratings at some positions, which share no user and no item. Their errors.
    step: Callable[[Int64], Floating]
    #: Whether all codes of ratings are in range.
    are_known: Callable[[Ratings], bool]
    codes: str = "a user or an item"


def _train_batches(
    model: _Model,
    layout: UserBatchLayout,
    sets: ImplicitSets,
    visits: UserBatchVisits,
    scratch: UserBatchScratch,
    span: tuple[int, int],
) -> None:
    """Twin of `user_batches.pxd`."""
    table, squares = model.table, scratch.squares
    sums, first_sums, kept = scratch.sums, scratch.first_sums, scratch.kept
    for visit in range(*span):
        batch = int(visits.batches[visit])
        first, last = layout.stripe_ptr[np.array([batch, batch + 1]) * layout.batch_stripes].tolist()
        users = range(first, last)
        for user in users:
            cuts = _cuts_of(sets, layout, user)
            if not (_is_ascending(sets, user) and np.array_equal(layout.cuts[user], cuts)):
                raise ValueError("train: sets are not ascending, or layout.cuts are not those of the sets")
            first_sums[user] = sums[user] = _sum_of(sets, user, table)
            scratch.gains[user] = _gain_of(sets, user)
            kept[user] = model.keep ** layout.user_counts[user]
        for blocks in _independent(visits.order[visit], layout.n_item_stripes):
            blocks = blocks + batch * layout.batch_blocks
            squares[blocks] = 0
            for block in blocks.tolist():
                if not model.are_known(layout.ratings[slice(*layout.block_ptr[block : block + 2])]):
                    raise ValueError(f"train: {model.codes} in block {block} is out of range")
            for active, at in _side_by_side(layout.block_ptr, blocks, visits.starts):
                squares[active] += model.step(at).astype(np.float64) ** 2
        for user in users:
            sums[user] -= kept[user] * first_sums[user]
            sums[user] *= (
                _scale_of(sets, user, table) if sets.weights is None else _inverse(scratch.gains[user])
            )
            own, weights = _set_of(sets, user, table)
            table[own] = table[own] * kept[user] + weights * sums[user]


def _sum_of(sets: ImplicitSets, user: int, table: Floating) -> Floating:
    """s_u"""
    own, weights = _set_of(sets, user, table)
    total: Floating = (table[own] * weights).sum(axis=0) * _scale_of(sets, user, table)
    return total


def _set_of(sets: ImplicitSets, user: int, table: Floating) -> tuple[NDArray[np.int32], Floating]:
    """N(u), and the weights of its members (1 if there are none) in a column of the table's dtype."""
    span = slice(*sets.indptr[user : user + 2])
    own = sets.members[span]
    weights = np.ones(len(own)) if sets.weights is None else sets.weights[span]
    return own, weights.astype(table.dtype)[:, None]


def _scale_of(sets: ImplicitSets, user: int, table: Floating) -> Any:
    """Factor on the sum: |N(u)|^-1/2, but 1 if there are weights."""
    n = int(sets.indptr[user + 1] - sets.indptr[user])
    return table.dtype.type(1.0 if sets.weights is not None else max(n, 1) ** -0.5)


def _gain_of(sets: ImplicitSets, user: int) -> float:
    """c_u, the sum of squared weights."""
    if sets.weights is None:
        return 1.0
    own = sets.weights[slice(*sets.indptr[user : user + 2])].astype(np.float64)
    return float(own @ own)


def _inverse(gain: Any) -> Any:
    """1 / c_u; 0 where all weights are 0, and so is the sum."""
    return 1 / gain if gain > 0 else gain


def _is_ascending(sets: ImplicitSets, user: int) -> bool:
    own = sets.members[slice(*sets.indptr[user : user + 2])]
    return _are_codes(own, sets.n_rows) and bool((np.diff(own) > 0).all())


def _cuts_of(sets: ImplicitSets, layout: UserBatchLayout, user: int) -> Int64:
    begin, end = sets.indptr[user : user + 2]
    found: Int64 = begin + np.searchsorted(sets.members[begin:end], layout.parts)
    return found


def _are_codes(codes: NDArray[Any], n_codes: int) -> bool:
    return not len(codes) or bool(codes.min() >= 0 and codes.max() < n_codes)
