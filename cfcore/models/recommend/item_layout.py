"""Items laid out as the kernel `products` reads them: turned, and those that may score highest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros

Array = np.ndarray[Any, Any]

#: What of the squares of turned rows need not be in panels.
HEAD_LEAVES = 0.1
TINY = np.finfo(np.float64).tiny
#: Cosine of the angle between a user and an item on their list, about.
LIKED = 0.6
#: Users are put in order by direction among those whose lengths differ less, in powers of two.
LENGTHS_ALIKE = 0.25


@dataclass(frozen=True)
class Products:
    """A model whose score is mean + b_u + b_i + p_u . q_i for users and items that it knows."""

    user_rows: Array
    item_rows: Array
    user_bias: Array
    item_bias: Array
    mean: float


class Panels:
    """Items as `best_products` reads them; see there.

    Parameters
    ----------
    given : Products
    order : int32[m]
        Items that may be listed, in the order of equal scores.
    """

    @np.errstate(over="ignore", invalid="ignore")  # of a model that diverges
    def __init__(self, given: Products, order: Array) -> None:
        # What scores highest for a user of usual length who likes it comes first, so that lists are soon full
        # of good ones and the rest is dismissed. (Not a number: anywhere, it is never listed.)
        usual = np.sqrt(np.mean(squares(some(given.user_rows))))
        most = (given.item_bias + LIKED * usual * np.sqrt(squares(given.item_rows)))[order]
        self.standing = np.argsort(-most, kind="stable").astype(np.int32)
        self.columns = order[self.standing]
        self.column_of = np.full(len(given.item_rows), -1, dtype=np.int32)
        self.column_of[self.columns] = np.arange(len(order), dtype=np.int32)
        rows = given.item_rows[self.columns]
        turn, head = turned(rows)
        self.axis = turn[:, 0].copy() if turn.shape[1] else np.zeros(len(turn), dtype=turn.dtype)
        self.turn, _, _ = packed(np.ascontiguousarray(turn.T), rows.shape[1])
        self.panels, self.tails, self.bounds = packed(rows @ turn, head, given.item_bias[self.columns])
        self.head = head

    @np.errstate(over="ignore", invalid="ignore")
    def alike(self, users: Array, rows: Array) -> Array:
        """Order in which neighbours have rows of like length and direction: a bound is that of a group."""
        if 4 * len(users) < len(rows):
            rows, users = rows[users], np.arange(len(users))
        lengths = np.sqrt(squares(rows)) + TINY
        # Not by BLAS: its threads go on waiting for work on the cores that the kernel is about to use.
        along = np.einsum("nf,f->n", rows, self.axis) / lengths
        level = np.floor(np.log2(lengths) / LENGTHS_ALIKE)
        order: Array = np.argsort((level + along / 2.01)[users])
        return order


def some(rows: Array) -> Array:
    """Enough of the rows to tell how long they are, and along which axes."""
    return rows[:: max(1, len(rows) // 1024)]


def squares(rows: Array) -> Array:
    """Square of the length of each row."""
    lengths: Array = np.einsum("nf,nf->n", rows, rows)
    return lengths


def turned(rows: Array) -> tuple[Array, int]:
    """Orthonormal columns that span the rows: their principal axes, the longest first; how many are the head.

    The tail, what is left after the head, is at most HEAD_LEAVES of the rows in the square.
    """
    factors = np.flatnonzero(np.abs(rows).max(axis=0, initial=0))
    turn = np.zeros((rows.shape[1], len(factors)), dtype=rows.dtype)
    sample = some(rows)[:, factors].astype(np.float64)
    moments = sample.T @ sample
    if len(factors) == 0 or not np.isfinite(moments).all():
        turn[factors] = np.eye(len(factors))
        return turn, len(factors)
    squares_along, axes = np.linalg.eigh(moments)
    turn[factors] = axes[:, ::-1]
    # A head of 16 or 32 factors ... or all.
    left = 1 - np.cumsum(squares_along[::-1]) / max(squares_along.sum(), TINY)
    few = 16 * (int(np.count_nonzero(left > HEAD_LEAVES)) // 16 + 1)
    return turn, few if few + 16 <= len(factors) else len(factors)


def packed(rows: Array, head: int, bias: Array | None = None) -> tuple[Array, Array, Array]:
    """Panels and tails of rows, and the largest length and bias among them."""
    kernel = backends.kernel("top_n.products")
    n_panels, n_lines = -(-len(rows) // 32), kernel.n_lines(head)
    panels = aligned_zeros(n_panels * n_lines, 32, np.float32).reshape(n_panels, n_lines, 32)
    tails = aligned_zeros(len(rows), -(-(rows.shape[1] - head) // 16) * 16, np.float32)
    bounds = np.empty(2)
    bias = np.zeros(len(rows), dtype=rows.dtype) if bias is None else bias
    kernel.pack(rows, bias, panels, tails, bounds)
    return panels, tails, bounds
