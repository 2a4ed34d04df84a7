"""Twin of `cfcore.kernels.factorization.svdpp` in NumPy: same names, arguments, results and errors.

As in `cfcore.reference.factorization.svd`, blocks that share no user and no item are stepped side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.reference.factorization.svd import _are_codes, _independent, _side_by_side

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Ratings = NDArray[np.void]
Floating = np.ndarray[Any, Any]


def implicit_sums(
    indptr: Int64, members: Int32, implicit_factors: Floating, sums: Floating, n_threads: int
) -> None:
    """|N(u)|^-1/2 sum of y_j over j in N(u), for every user; see the kernel."""
    if implicit_factors.shape[1] != sums.shape[1] or sums.shape[1] * sums.itemsize % 64:
        raise ValueError("implicit_sums: factor rows must be of one length, a multiple of 64 bytes")
    _check_sets("implicit_sums", indptr, members, len(sums), len(implicit_factors))
    for user in range(len(sums)):
        _check_set("implicit_sums", indptr, members, user, len(implicit_factors))
        sums[user] = _implicit_sum(indptr, members, implicit_factors, user)


def _implicit_sum(indptr: Int64, members: Int32, y: Floating, user: int) -> Floating:
    own = members[indptr[user] : indptr[user + 1]]
    scale = y.dtype.type(max(len(own), 1) ** -0.5)
    total: Floating = y[own].sum(axis=0) * scale
    return total


def cut_sets(indptr: Int64, members: Int32, parts: Int32, cuts: Int64, n_threads: int) -> None:
    """Find where in every N(u) each part of the items begins; see the kernel."""
    if len(parts) < 2 or cuts.shape[1] != len(parts):
        raise ValueError("cut_sets: cuts must be of shape (n_users, n_parts + 1)")
    _check_parts("cut_sets", parts, parts[-1])
    _check_sets("cut_sets", indptr, members, len(cuts), 1)
    for user, begin in enumerate(indptr[:-1].tolist()):
        cuts[user] = begin + np.searchsorted(members[begin : indptr[user + 1]], parts)


def train(
    ratings: Ratings,
    block_ptr: Int64,
    chunks: Int32,
    order: Int32,
    starts: Int64,
    stripe_ptr: Int32,
    user_counts: Int64,
    indptr: Int64,
    members: Int32,
    parts: Int32,
    cuts: Int64,
    user_factors: Floating,
    item_factors: Floating,
    implicit_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    sums: Floating,
    first_sums: Floating,
    partial_sums: Floating,
    kept: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    mean: float,
    lr: float,
    reg: float,
    lr_bias: float,
    reg_bias: float,
    lr_implicit: float,
    reg_implicit: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    """Work through chunks `chunks[begin:end]` of a pass of SVD++; see the kernel."""
    n_users, n_items = len(user_factors), len(item_factors)
    if item_factors.shape[1] != user_factors.shape[1]:
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if len(item_bias) != n_items or len(user_bias) != n_users:
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    if len(ratings) and not (n_users and n_items):
        raise ValueError("train: there are ratings, but no users or no items")
    users, items, values = ratings["user"], ratings["item"], ratings["value"]
    real = user_factors.dtype.type
    keep_y = 1 - lr_implicit * reg_implicit
    given = (mean, lr, 1 - lr * reg, lr_bias, 1 - lr_bias * reg_bias, lr_implicit, keep_y)
    mu, rate, keep, rate_bias, keep_bias, rate_y, kept_y = (real(number) for number in given)
    p, s, q = user_factors, sums, item_factors

    def step(at: Int64) -> Floating:
        u, i = users[at], items[at]
        p_u, s_u, q_i = p[u], s[u], q[i]
        guess = mu + user_bias[u] + item_bias[i] + ((p_u + s_u) * q_i).sum(axis=1)
        error: Floating = values[at].astype(real) - guess
        user_bias[u] = user_bias[u] * keep_bias + rate_bias * error
        item_bias[i] = item_bias[i] * keep_bias + rate_bias * error
        p[u] = p_u * keep + q_i * (rate * error)[:, None]
        s[u] = s_u * kept_y + q_i * (rate_y * error)[:, None]
        q[i] = q_i * keep + (p_u + s_u) * (rate * error)[:, None]
        return error

    def sound(own: Ratings) -> bool:
        return _are_codes(own["user"], n_users) and _are_codes(own["item"], n_items)

    _visit_chunks(
        step, sound, "a user or an item", ratings, block_ptr, chunks, order, starts, stripe_ptr, user_counts,
        indptr, members, parts, cuts, user_factors, implicit_factors, sums, first_sums, partial_sums, kept,
        squares, turns, latest, n_item_stripes, keep_y, begin, end,
    )  # fmt: skip


def _visit_chunks(
    step: Callable[[Int64], Floating],
    sound: Callable[[Ratings], bool],
    codes: str,
    ratings: Ratings,
    block_ptr: Int64,
    chunks: Int32,
    order: Int32,
    starts: Int64,
    stripe_ptr: Int32,
    user_counts: Int64,
    indptr: Int64,
    members: Int32,
    parts: Int32,
    cuts: Int64,
    user_factors: Floating,
    y: Floating,
    sums: Floating,
    first_sums: Floating,
    partial_sums: Floating,
    kept: Floating,
    squares: Float64,
    turns: Int32,
    latest: Int32,
    n_item_stripes: int,
    keep_y: float,
    begin: int,
    end: int,
) -> None:
    """Twin of `chunked.pxd`.

    `step` moves along the ratings in some places, which share no user and no item, and returns their errors;
    `sound` says whether the `codes` of ratings are in range.
    """
    n_users, n_blocks, width = len(user_factors), order.shape[1], user_factors.shape[1]
    if {array.shape[1] for array in (y, sums, first_sums)} != {width} or width * y.itemsize % 64:
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if {len(array) for array in (sums, first_sums, kept, user_counts)} != {n_users}:
        raise ValueError("train: arrays of users, or of items, must have the same number of rows")
    _check_grid(ratings, block_ptr, chunks, order, starts, stripe_ptr, n_users, n_item_stripes, begin, end)
    per_chunk = n_blocks // n_item_stripes
    if len(squares) != len(starts):
        raise ValueError("train: squares and starts must have one entry a block")
    if len(turns) < len(chunks) * n_blocks or turns.shape[1] != 3:
        raise ValueError("train: turns must be of shape (n_visits * blocks_per_chunk, 3)")
    if len(latest) < len(chunks) or latest.shape[1] != n_item_stripes + per_chunk:
        raise ValueError("train: latest must have an entry for each visit and stripe of a chunk")
    _check_sets("train", indptr, members, n_users, len(y))
    _check_parts("train", parts, len(y))
    if cuts.shape != (n_users, len(parts)):
        raise ValueError("train: cuts must be of shape (n_users, n_parts + 1)")
    most = int(np.diff(stripe_ptr[::per_chunk]).max())
    if len(partial_sums) < most or partial_sums.shape[1:] != (len(parts) - 1, width):
        raise ValueError("train: partial_sums must be of shape (users of the largest chunk, n_parts, width)")
    for visit in range(begin, end):
        first = int(chunks[visit]) * per_chunk
        users = range(stripe_ptr[first], stripe_ptr[first + per_chunk])
        for user in users:
            _check_set("train", indptr, members, user, len(y))
            own = members[indptr[user] : indptr[user + 1]]
            if not np.array_equal(cuts[user], indptr[user] + np.searchsorted(own, parts)):
                raise ValueError("train: cuts are not those of the sets")
            first_sums[user] = sums[user] = _implicit_sum(indptr, members, y, user)
            kept[user] = keep_y ** user_counts[user]
        for blocks in _independent(order[visit], n_item_stripes):
            blocks = blocks + int(chunks[visit]) * n_blocks
            squares[blocks] = 0
            for block in blocks.tolist():
                if not sound(ratings[block_ptr[block] : block_ptr[block + 1]]):
                    raise ValueError(f"train: {codes} in block {block} is out of range")
            for active, at in _side_by_side(block_ptr, blocks, starts):
                squares[active] += step(at).astype(np.float64) ** 2
        for user in users:
            own = members[indptr[user] : indptr[user + 1]]
            sums[user] -= kept[user] * first_sums[user]
            sums[user] *= y.dtype.type(max(len(own), 1) ** -0.5)
            y[own] = y[own] * kept[user] + sums[user]


def _check_grid(
    ratings: Ratings,
    block_ptr: Int64,
    chunks: Int32,
    order: Int32,
    starts: Int64,
    stripe_ptr: Int32,
    n_users: int,
    n_item_stripes: int,
    begin: int,
    end: int,
) -> None:
    n_blocks, n_stripes, per_chunk = len(block_ptr) - 1, len(stripe_ptr) - 1, order.shape[1]
    if n_item_stripes < 1 or per_chunk < 1 or per_chunk % n_item_stripes:
        raise ValueError("train: a chunk must have user stripes * n_item_stripes blocks")
    if n_stripes < 1 or n_blocks != n_stripes * n_item_stripes or n_blocks % per_chunk:
        raise ValueError("train: block_ptr must have an entry for each block of each chunk, and one more")
    if len(starts) != n_blocks:
        raise ValueError("train: squares and starts must have one entry a block")
    if len(order) != len(chunks) or not 0 <= begin <= end <= len(chunks):
        raise ValueError("train: order must have a row for each of chunks, and [begin, end) be within them")
    for k, (low, high) in enumerate(zip(stripe_ptr[:-1].tolist(), stripe_ptr[1:].tolist(), strict=True)):
        if not 0 <= low <= high <= n_users:
            raise ValueError(f"train: users of stripe {k} are out of range")
    for k in range(n_blocks):
        if not 0 <= block_ptr[k] <= block_ptr[k + 1] <= len(ratings):
            raise ValueError(f"train: block {k} is out of range")
        if starts[k] < 0:
            raise ValueError(f"train: start {starts[k]} of block {k} is negative")
    for chunk, blocks in zip(chunks[begin:end].tolist(), order[begin:end], strict=True):
        if not 0 <= chunk < n_blocks // per_chunk:
            raise ValueError(f"train: chunk {chunk} is out of range")
        for block in blocks.tolist():
            if not 0 <= block < per_chunk:
                raise ValueError(f"train: block {block} of a chunk is out of range")


def _check_parts(who: str, parts: Int32, n_y: int) -> None:
    if len(parts) < 2 or parts[0] != 0 or parts[-1] != n_y:
        raise ValueError(f"{who}: parts must run from 0 to the number of implicit factors")
    if (np.diff(parts) < 0).any():
        raise ValueError(f"{who}: parts must be ascending")


def _check_sets(who: str, indptr: Int64, members: Int32, n_users: int, n_y: int) -> None:
    if len(members) and not n_y:
        raise ValueError(f"{who}: there are sets, but no implicit factors")
    if len(indptr) != n_users + 1 or indptr[0] != 0 or indptr[-1] != len(members):
        raise ValueError(f"{who}: indptr must run from 0 to the number of members, with n_users + 1 entries")
    down = np.flatnonzero(np.diff(indptr) < 0)
    if len(down):
        raise ValueError(f"{who}: indptr decreases at user {down[0]}")


def _check_set(who: str, indptr: Int64, members: Int32, user: int, n_y: int) -> None:
    own = members[indptr[user] : indptr[user + 1]]
    if (own < 0).any() or (own >= n_y).any() or (np.diff(own) <= 0).any():
        raise ValueError(f"{who}: the set of user {user} is not ascending or out of range")
