"""Twin of `cfcore.kernels.factorization.svd` in NumPy: same names, arguments, results and errors.

Blocks that follow each other in the order and share no user and no item are computed together: the first
rating of every block, then the second of every block, and so on. Every row of factors is then updated in the
kernel's order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
    check_seed,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_array, check_record, check_threads, overlaps
from cfcore.reference.common.rng import philox

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def lay_out(
    columns: RatingColumns,
    grid: BlockGrid,
    layout: BlockLayout,
    seed: int,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Sort ratings into blocks and shuffle each block; see the kernel."""
    check_record(columns, RatingColumns, "lay_out: columns")
    check_record(grid, BlockGrid, "lay_out: grid")
    check_record(layout, BlockLayout, "lay_out: layout")
    check_threads(n_threads)
    check_written((layout,), (columns, grid))
    if columns.n_users > grid.n_users or columns.n_items > grid.n_items:
        raise ValueError("lay_out: grid must have a stripe for each user and item of columns")
    if layout.n != columns.n:
        raise ValueError("lay_out: layout and columns must have the same number of ratings")
    if (
        grid.n_item_stripes != layout.n_item_stripes
        or grid.n_user_stripes * grid.n_item_stripes != layout.n_blocks
    ):
        raise ValueError("lay_out: layout must have a block for each pair of stripes of grid")
    seed = check_seed("lay_out: seed", seed)
    _, end = check_span("lay_out", span, columns.n, "ratings")
    if end < columns.n:  # the last call does the work of all
        return
    users, items = columns.user_codes, columns.item_codes
    block = grid.user_stripes[users] * grid.n_item_stripes + grid.item_stripes[items]
    layout.block_ptr[0] = 0
    np.cumsum(np.bincount(block, minlength=layout.n_blocks), out=layout.block_ptr[1:])
    order = np.argsort(block, kind="stable")
    for number in range(layout.n_blocks):
        _shuffle(order[slice(*layout.block_ptr[number : number + 2])], number, seed)
    layout.ratings["user"], layout.ratings["item"] = users[order], items[order]
    layout.ratings["value"] = columns.values[order]


def _shuffle(order: NDArray[np.intp], block: int, seed: int) -> None:
    """Fisher-Yates: swap t exchanges the last of the n - t entries left with any of them."""
    n = len(order)
    counters = np.zeros((-(-n // 4), 4), dtype=np.uint32)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 1] = block
    words = np.empty_like(counters)
    philox(counters, words, seed)
    left = np.arange(n, 1, -1, dtype=np.uint64)
    others = (words.ravel()[: len(left)] * left) >> np.uint64(32)
    for last, other in zip(range(n - 1, 0, -1), others.tolist(), strict=True):
        order[last], order[other] = order[other], order[last]


def train(
    layout: BlockLayout,
    factors: Factors,
    rates: SGDRates,
    visits: BlockVisits,
    scratch: BlockScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Work through blocks ``visits.order[begin:end]`` of an epoch; see the kernel."""
    check_record(layout, BlockLayout, "train: layout")
    check_record(factors, Factors, "train: factors")
    check_record(rates, SGDRates, "train: rates")
    check_record(visits, BlockVisits, "train: visits")
    check_record(scratch, BlockScratch, "train: scratch")
    check_threads(n_threads)
    check_written((factors, scratch), (layout, visits))
    _check_visits(layout, visits, scratch, span)
    for block in visits.order[slice(*span)].tolist():
        _check_block(layout, factors, visits, block)
    users, items, values = (layout.ratings[name] for name in ("user", "item", "value"))
    user_factors, item_factors = factors.user_factors, factors.item_factors
    user_bias, item_bias = factors.user_bias, factors.item_bias
    real = user_factors.dtype.type
    mean, low, high = real(factors.mean), real(rates.low), real(rates.high)
    keep, keep_bias = real(1 - rates.lr * rates.reg), real(1 - rates.lr_bias * rates.reg_bias)
    lr, lr_bias = real(rates.lr), real(rates.lr_bias)
    for blocks in _independent(visits.order[slice(*span)], layout.n_item_stripes):
        scratch.squares[blocks] = 0
        for active, at in _side_by_side(layout.block_ptr, blocks, visits.starts):
            u, i = users[at], items[at]
            p, q = user_factors[u], item_factors[i]
            guess = mean + user_bias[u] + item_bias[i] + (p * q).sum(axis=1)
            error = values[at].astype(real) - np.clip(guess, low, high)
            user_bias[u] = user_bias[u] * keep_bias + lr_bias * error
            item_bias[i] = item_bias[i] * keep_bias + lr_bias * error
            step = (lr * error)[:, None]
            item_factors[i] = new_q = q * keep + p * step
            user_factors[u] = p * keep + (new_q if rates.sequential else q) * step
            scratch.squares[active] += error.astype(np.float64) ** 2


def _side_by_side(block_ptr: Int64, blocks: Int32, starts: Int64) -> Iterator[tuple[Int32, Int64]]:
    """The k-th rating of each block, for k from 0 on: blocks that have one left, and its position in each."""
    first, count = block_ptr[blocks], block_ptr[blocks + 1] - block_ptr[blocks]
    # Longest block first: the blocks that still have a k-th rating are then the first few.
    longest = np.argsort(-count, kind="stable")
    blocks, first, count = blocks[longest], first[longest], count[longest]
    start = starts[blocks] % np.maximum(count, 1)
    for k in range(count[0]):
        active = slice(0, int(np.searchsorted(-count, -k)))
        yield blocks[active], first[active] + (start[active] + k) % count[active]


def _independent(order: Int32, n_item_stripes: int) -> Iterator[Int32]:
    """Cut the order into runs of blocks that share no stripe."""
    begin = 0
    stripes: set[tuple[str, int]] = set()
    for visit, block in enumerate(order.tolist()):
        own = {("user", block // n_item_stripes), ("item", block % n_item_stripes)}
        if own & stripes:
            yield order[begin:visit]
            begin, stripes = visit, set()
        stripes |= own
    if begin < len(order):
        yield order[begin:]


def predict(users: Int32, items: Int32, factors: Factors, out: Float64, n_threads: int) -> None:
    """mu + b_u + b_i + p_u . q_i for pairs of codes, -1 being unknown; see the kernel."""
    check_array(users, np.int32, 1, False, "predict: users")
    check_array(items, np.int32, 1, False, "predict: items")
    check_record(factors, Factors, "predict: factors")
    check_array(out, np.float64, 1, True, "predict: out")
    check_threads(n_threads)
    if len(items) != len(users) or len(out) != len(users):
        raise ValueError("predict: users, items and out must be of one length")
    if overlaps(out, (users, items, *(held for _, held, _ in factors.arrays()))):
        raise ValueError("predict: out shares memory with another argument")
    bad = (users < -1) | (users >= factors.n_users) | (items < -1) | (items >= factors.n_items)
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    out[:] = factors.mean
    user, item = users >= 0, items >= 0
    both = user & item
    out[user] += factors.user_bias[users[user]]
    out[item] += factors.item_bias[items[item]]
    out[both] += np.einsum("nf,nf->n", factors.user_factors[users[both]], factors.item_factors[items[both]])


def _check_visits(
    layout: BlockLayout, visits: BlockVisits, scratch: BlockScratch, span: tuple[int, int]
) -> None:
    n_blocks, n_item_stripes = layout.n_blocks, layout.n_item_stripes
    if visits.n_blocks != n_blocks or scratch.n_blocks != n_blocks:
        raise ValueError("train: visits.starts and scratch.squares must have one entry a block")
    check_span("train", span, visits.n_visits, "visits")
    if scratch.n_visits < visits.n_visits:
        raise ValueError("train: scratch.schedule must have a row for each visit")
    if scratch.n_stripes < n_blocks // n_item_stripes + n_item_stripes:
        raise ValueError("train: scratch.latest must have an entry for each user stripe and each item stripe")


def _check_block(layout: BlockLayout, factors: Factors, visits: BlockVisits, block: int) -> None:
    # The arrays may have changed since their records were made.
    if not 0 <= block < layout.n_blocks or visits.starts[block] < 0:
        raise ValueError(f"train: block {block} is out of range")
    first, last = layout.block_ptr[block : block + 2]
    if not 0 <= first <= last <= layout.n:
        raise ValueError(f"train: block {block} is out of range")
    own = layout.ratings[first:last]
    if len(own) and not (factors.n_users and factors.n_items):
        raise ValueError("train: there are ratings, but no users or no items")
    for codes, n_codes in ((own["user"], factors.n_users), (own["item"], factors.n_items)):
        if len(own) and (codes.min() < 0 or codes.max() >= n_codes):
            raise ValueError(f"train: a user or an item in block {block} is out of range")
