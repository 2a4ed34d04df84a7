"""Twin of `cfcore.kernels.svd` in NumPy: same names, arguments, results and errors.

Blocks that follow each other in the order and share no user and no item can be stepped side by side: first
the first rating of every block, then the second of every block, and so on. Every row of factors then sees
its updates in the kernel's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.reference.rng import philox

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Floating = np.ndarray[Any, Any]


def _are_codes(codes: Int32, n_codes: int) -> bool:
    return bool(((codes >= 0) & (codes < n_codes)).all())


def lay_out(
    user_codes: Int32,
    item_codes: Int32,
    values: Float32,
    user_stripes: Int32,
    item_stripes: Int32,
    block_ptr: Int64,
    ratings: Ratings,
    n_item_stripes: int,
    seed: int,
    n_threads: int,
    begin: int = 0,
    end: int = -1,
) -> None:
    """Sort ratings into blocks and shuffle each block; see the kernel."""
    n, n_blocks = len(user_codes), len(block_ptr) - 1
    if len(item_codes) != n or len(values) != n or len(ratings) != n:
        raise ValueError("lay_out: user_codes, item_codes, values and ratings must be of one length")
    if n_item_stripes < 1 or n_blocks < 1 or n_blocks % n_item_stripes:
        raise ValueError("lay_out: block_ptr must have user stripes * n_item_stripes + 1 entries")
    end = n if end == -1 else end
    if not 0 <= begin <= end <= n:
        raise ValueError("lay_out: [begin, end) is not within the ratings")
    if n and not (
        _are_codes(user_codes, len(user_stripes))
        and _are_codes(item_codes, len(item_stripes))
        and _are_codes(user_stripes, n_blocks // n_item_stripes)
        and _are_codes(item_stripes, n_item_stripes)
    ):
        raise ValueError("lay_out: a user, an item or a stripe is out of range")
    if end < n:  # the last call does the work of all
        return
    block = user_stripes[user_codes] * n_item_stripes + item_stripes[item_codes]
    block_ptr[0] = 0
    np.cumsum(np.bincount(block, minlength=n_blocks), out=block_ptr[1:])
    order = np.argsort(block, kind="stable")
    for number in range(n_blocks):
        _shuffle(order[block_ptr[number] : block_ptr[number + 1]], number, seed)
    ratings["user"], ratings["item"], ratings["value"] = user_codes[order], item_codes[order], values[order]


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
    ratings: Ratings,
    block_ptr: Int64,
    order: Int32,
    starts: Int64,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    low: float,
    high: float,
    lr: float,
    reg: float,
    lr_bias: float,
    reg_bias: float,
    in_turn: bool,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    """Work through blocks `order[begin:end]` of a pass of biased matrix factorisation; see the kernel."""
    _check_shapes("train", user_factors, item_factors, user_bias, item_bias)
    _check_order(ratings, block_ptr, order, starts, squares, turns, latest, n_item_stripes, begin, end)
    _check_codes(ratings, block_ptr, order[begin:end], len(user_bias), len(item_bias))
    users, items, values = ratings["user"], ratings["item"], ratings["value"]
    real = user_factors.dtype.type
    mean, low, high = real(mean), real(low), real(high)
    keep, keep_bias = real(1 - lr * reg), real(1 - lr_bias * reg_bias)
    lr, lr_bias = real(lr), real(lr_bias)
    for blocks in _independent(order[begin:end], n_item_stripes):
        squares[blocks] = 0
        for active, at in _side_by_side(block_ptr, blocks, starts):
            u, i = users[at], items[at]
            p, q = user_factors[u], item_factors[i]
            guess = mean + user_bias[u] + item_bias[i] + (p * q).sum(axis=1)
            error = values[at].astype(real) - np.clip(guess, low, high)
            user_bias[u] = user_bias[u] * keep_bias + lr_bias * error
            item_bias[i] = item_bias[i] * keep_bias + lr_bias * error
            step = (lr * error)[:, None]
            item_factors[i] = new_q = q * keep + p * step
            user_factors[u] = p * keep + (new_q if in_turn else q) * step
            squares[active] += error.astype(np.float64) ** 2


def _side_by_side(block_ptr: Int64, blocks: Int32, starts: Int64) -> Iterator[tuple[Int32, Int64]]:
    """The k-th rating of each block, for k from 0 on: blocks that still have one, and its place in each."""
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
    for turn, block in enumerate(order.tolist()):
        own = {("user", block // n_item_stripes), ("item", block % n_item_stripes)}
        if own & stripes:
            yield order[begin:turn]
            begin, stripes = turn, set()
        stripes |= own
    if begin < len(order):
        yield order[begin:]


def predict(
    users: Int32,
    items: Int32,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    out: Float64,
    mean: float,
    n_threads: int,
) -> None:
    """mu + b_u + b_i + p_u . q_i for pairs of codes, -1 being unknown; see the kernel."""
    if len(items) != len(users) or len(out) != len(users):
        raise ValueError("predict: users, items and out must be of one length")
    _check_shapes("predict", user_factors, item_factors, user_bias, item_bias)
    bad = (users < -1) | (users >= len(user_bias)) | (items < -1) | (items >= len(item_bias))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    out[:] = mean
    user, item = users >= 0, items >= 0
    both = user & item
    out[user] += user_bias[users[user]]
    out[item] += item_bias[items[item]]
    out[both] += np.einsum("nf,nf->n", user_factors[users[both]], item_factors[items[both]])


def _check_order(
    ratings: Ratings,
    block_ptr: Int64,
    order: Int32,
    starts: Int64,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    begin: int,
    end: int,
) -> None:
    n_blocks = len(block_ptr) - 1
    if n_blocks < 0 or len(starts) != n_blocks or len(squares) != n_blocks:
        raise ValueError("train: starts and squares must have one entry a block")
    if not 0 <= begin <= end <= len(order):
        raise ValueError("train: [begin, end) is not within order")
    if len(turns) < len(order) or turns.shape[1] != 3:
        raise ValueError("train: turns must be of shape (n_turns, 3)")
    if n_item_stripes < 1 or (len(latest) - n_item_stripes) * n_item_stripes < n_blocks:
        raise ValueError("train: latest must have an entry for each user stripe and each item stripe")
    for block in order[begin:end].tolist():
        if not (0 <= block < n_blocks and 0 <= block_ptr[block] <= block_ptr[block + 1] <= len(ratings)):
            raise ValueError(f"train: block {block} is out of range")
        if starts[block] < 0:
            raise ValueError(f"train: start {starts[block]} of block {block} is negative")


def _check_codes(ratings: Ratings, block_ptr: Int64, blocks: Int32, n_users: int, n_items: int) -> None:
    for block in blocks.tolist():
        own = ratings[block_ptr[block] : block_ptr[block + 1]]
        if len(own) and not (n_users and n_items):
            raise ValueError("train: there are ratings, but no users or no items")
        if not (_are_codes(own["user"], n_users) and _are_codes(own["item"], n_items)):
            raise ValueError(f"train: a user or an item in block {block} is out of range")


def _check_shapes(who: str, p: Floating, q: Floating, user_bias: Floating, item_bias: Floating) -> None:
    if p.shape[1] != q.shape[1] or p.shape[1] * p.itemsize % 64:
        raise ValueError(f"{who}: factor rows must be of one length, a multiple of 64 bytes")
    if len(user_bias) != len(p) or len(item_bias) != len(q):
        raise ValueError(f"{who}: biases and factors must have the same number of rows")
