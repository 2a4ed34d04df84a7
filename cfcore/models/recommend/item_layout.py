"""Items laid out for the kernel `products`: rotated to their principal axes, high estimated scores first."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.backends import current_backend
from cfcore.kernels.records import (
    BiasedRows,
    Factors,
    ItemOrder,
    ItemPanels,
    PanelOrder,
    Panels,
    panel_checks,
)

Array = np.ndarray[Any, Any]

#: Share of the squares of rotated rows that may be in tails, which are read only for candidates.
TAIL_SHARE = 0.1
TINY = np.finfo(np.float64).tiny
#: Lists for single users after which items are laid out for those that follow.
SINGLE_LISTS = 256
#: Cosine of the angle between a user and an item on their list, about.
LISTED_COSINE = 0.6
#: Users whose lengths differ by less, in powers of two, are sorted by direction.
LENGTH_STEP = 0.25


class ItemLayouts:
    """Orders and layouts of the items of a fitted state, each made when it is first needed.

    The state never changes. Threads may share the object: at worst they make the same layout twice.

    Parameters
    ----------
    counts : int64[n_items]
        Training ratings of each item. Items without any are not listed, except
    featured : bool[n_items], optional
        those that are known by their features.
    """

    def __init__(self, counts: Array, featured: Array | None = None) -> None:
        known = np.flatnonzero(counts if featured is None else (counts > 0) | featured)
        self._known = order_of(known[np.argsort(-counts[known], kind="stable")], len(counts))
        self._counts, self._least = counts, int(counts[known].min(initial=1))
        self._supported: tuple[int, ItemOrder] | None = None
        self._last: tuple[str, ItemLayout] | None = None
        self._single_lists = 0

    @cached_property
    def known_items(self) -> Array:
        """Codes of the items that are known, ascending (int32)."""
        return np.sort(self._known.items)

    def supported(self, min_support: int) -> ItemOrder:
        """Known items with at least so many training ratings, ordered as by `order`.

        The last choice is kept.
        """
        if min_support <= self._least:
            return self._known
        last = self._supported
        if last is None or last[0] != min_support:
            last = min_support, self.order(self._counts >= min_support)
            self._supported = last
        return last[1]

    def order(self, allowed: Array) -> ItemOrder:
        """Known items of a mask, by the number of training ratings, most first, then by code."""
        items = self._known.items[allowed[self._known.items]]
        return self._known if len(items) == self._known.m else order_of(items, self._known.n_items)

    def layout_for_one(self, factors: Factors, order: ItemOrder) -> ItemLayout | None:
        """The layout of items in that order for a list of one user; None for the first lists.

        It is made after so many lists that making it takes less time than they did.
        """
        last = self._last
        if last is not None and last[1].ties is order and last[0] == current_backend():
            return last[1]
        self._single_lists += 1
        if self._single_lists <= SINGLE_LISTS:
            return None
        self._single_lists = 0
        return self.layout(factors, order)

    def layout(self, factors: Factors, order: ItemOrder) -> ItemLayout:
        """The layout of items in that order of ties. The last one is kept, twice as large as the factors.

        Parameters
        ----------
        factors : Factors
            Of the state.
        order : ItemOrder
            From `order`.
        """
        backend, last = current_backend(), self._last
        if last is None or last[0] != backend or not np.array_equal(last[1].ties.items, order.items):
            last = backend, ItemLayout(factors, order)
            self._last = last
        return last[1]


class ItemLayout:
    """Items as `best_products` reads them; see there.

    Parameters
    ----------
    factors : Factors
    ties : ItemOrder
        Items that may be listed, in the order in which equal scores are listed.

    Attributes
    ----------
    ties : ItemOrder
    order : PanelOrder
    panels, rotation : Panels
    """

    @np.errstate(over="ignore", invalid="ignore")  # of a model that diverges
    def __init__(self, factors: Factors, ties: ItemOrder) -> None:
        self.ties = ties
        # Sort items by estimated score, that of a user of usual length at a usual angle: then the n-th best
        # score of a list rises early, and most panels are dismissed. (NaN: anywhere, it is never listed.)
        usual = np.sqrt(np.mean(squares(sample(factors.user_factors))))
        estimates = factors.item_bias + LISTED_COSINE * usual * np.sqrt(squares(factors.item_factors))
        tie_positions = np.argsort(-estimates[ties.items], kind="stable").astype(np.int32)
        items = ties.items[tie_positions]
        self.order = PanelOrder(items, positions_of(items, factors.n_items), tie_positions=tie_positions)
        rows = factors.item_factors[items]
        axes, head = principal_axes(rows)
        self._axis = axes[:, 0].copy() if axes.shape[1] else np.zeros(len(axes), dtype=axes.dtype)
        transposed = np.ascontiguousarray(axes.T)
        self.rotation = packed(transposed, np.zeros(len(transposed), dtype=axes.dtype), rows.shape[1])
        self.panels = packed(rows @ axes, factors.item_bias[items], head)

    @cached_property
    def item_panels(self) -> ItemPanels:
        """The layout as the kernel for one user takes it; it shares all arrays."""
        order, panels = self.order, self.panels
        return ItemPanels(
            items=order.items, positions=order.positions, tie_positions=order.tie_positions,
            panels=panels.panels, tails=panels.tails, bounds=panels.bounds, rotation=self.rotation.panels,
            head=panels.head, rank=self.rotation.m,
        )  # fmt: skip

    @np.errstate(over="ignore", invalid="ignore")
    def similar_together(self, users: Array, factors: Array) -> Array:
        """Order of users in which neighbours have rows of similar length and direction.

        The kernel dismisses a panel for a group of neighbours at once.
        """
        if 4 * len(users) < len(factors):
            factors, users = factors[users], np.arange(len(users))
        lengths = np.sqrt(squares(factors)) + TINY
        # Not by BLAS, whose threads spin after a call, on the cores that the kernel is about to use.
        cosines = np.einsum("nf,f->n", factors, self._axis) / lengths
        level = np.floor(np.log2(lengths) / LENGTH_STEP)
        order: Array = np.argsort((level + cosines / 2.01)[users])
        return order


def order_of(items: Array, n_items: int) -> ItemOrder:
    """A record of items in that order, of `n_items` in all."""
    items = items.astype(np.int32)
    return ItemOrder(items, positions_of(items, n_items))


def positions_of(items: Array, n_items: int) -> Array:
    """Position of each of `n_items` codes in `items`, or -1 (int32)."""
    positions = np.full(n_items, -1, dtype=np.int32)
    positions[items] = np.arange(len(items), dtype=np.int32)
    return positions


def sample(rows: Array) -> Array:
    """About 1,024 of the rows, or all: enough to estimate their lengths and principal axes."""
    return rows[:: max(1, len(rows) // 1024)]


def squares(rows: Array) -> Array:
    """Square of the length of each row."""
    lengths: Array = np.einsum("nf,nf->n", rows, rows)
    return lengths


def principal_axes(rows: Array) -> tuple[Array, int]:
    """Principal axes of the rows, as columns, that of the largest variance first; and the size of the head.

    The tail, the factors after the head, has at most TAIL_SHARE of the squares of the rows.
    """
    used = np.flatnonzero(np.abs(rows).max(axis=0, initial=0))
    axes = np.zeros((rows.shape[1], len(used)), dtype=rows.dtype)
    some = sample(rows)[:, used].astype(np.float64)
    moments = some.T @ some
    if len(used) == 0 or not np.isfinite(moments).all():
        axes[used] = np.eye(len(used))
        return axes, len(used)
    variances, vectors = np.linalg.eigh(moments)
    axes[used] = vectors[:, ::-1]
    # A head of 16 or 32 factors ... or all.
    rest = 1 - np.cumsum(variances[::-1]) / max(variances.sum(), TINY)
    head = 16 * (int(np.count_nonzero(rest > TAIL_SHARE)) // 16 + 1)
    return axes, head if head + 16 <= len(used) else len(used)


def packed(rows: Array, biases: Array, head: int) -> Panels:
    """Rows and biases in panels."""
    n_panels, n_lines = -(-len(rows) // 32), head + 1 + len(panel_checks(head))
    panels = Panels(
        aligned_zeros(n_panels * n_lines, 32, np.float32).reshape(n_panels, n_lines, 32),
        aligned_zeros(len(rows), -(-(rows.shape[1] - head) // 16) * 16, np.float32),
        np.empty(2),
        head,
    )
    backends.kernel("top_n.products").pack(BiasedRows(rows, biases), panels)
    return panels
