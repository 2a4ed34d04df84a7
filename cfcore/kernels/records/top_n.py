"""Records of the kernels that list the best items of many users."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore.kernels.records.base import FLOATING, Array, Record, array, check_codes, dimension, integer

__all__ = [
    "BiasedRows",
    "BitmapScratch",
    "ItemOrder",
    "ItemPanels",
    "ListQueries",
    "ListScratch",
    "PanelOrder",
    "Panels",
    "ScoreRows",
    "TopLists",
    "check_sizes",
    "panel_checks",
]

#: Rows in a panel, and factors before the first check after the one at 0.
PANEL_ROWS, FIRST_CHECK = 32, 16


def check_sizes(function: str, **sizes: Any) -> list[int]:
    """Numbers of items and factors as Python's integers; ValueError unless they are in [0, 2^31)."""
    for name, size in sizes.items():
        if not 0 <= size < 2**31:
            raise ValueError(f"{function}: {name} must be in [0, 2^31), not {size}")
    return list(map(operator.index, sizes.values()))


def panel_checks(head: int) -> list[int]:
    """Factors before which rows of a panel are bounded: 0, 16, 32, 64 ... below `head`, and `head`."""
    checks = [0] if head > 0 else []
    while checks and (following := 2 * checks[-1] or FIRST_CHECK) < head:
        checks.append(following)
    return [*checks, head]


@dataclass(frozen=True, eq=False, repr=False)
class BiasedRows(Record):
    """Factor rows, each with a bias.

    Attributes
    ----------
    factors : float32 or float64 [m, width]
    biases : same dtype [m]
    """

    factors: Array = array(FLOATING, "m", "width")
    biases: Array = array(FLOATING, "m")
    m: int = dimension()
    width: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class Panels(Record):
    """Rows in panels of 32, factor by factor; `products.pack` fills it.

    Attributes
    ----------
    panels : float32[ceil(m / 32), head + 1 + len(panel_checks(head)), 32]
        panels[b, f, j] is factor f < `head` of row 32 b + j, line `head` its bias, and each further line the
        length of its factors from a check on, rounded up. Zeros beyond row m.
    tails : float32[m, n_tail]
        The factors from `head` on, padded with zeros to a multiple of 16.
    bounds : float64[2]
        Largest length of a row, and largest absolute value of a bias.
    head : int
        Number of factors in panels.
    """

    panels: Array = array("float32", "n_panels", "n_lines", PANEL_ROWS, written=True)
    tails: Array = array("float32", "m", "n_tail", written=True)
    bounds: Array = array("float64", 2, written=True)
    head: int = integer(0, 2**31 - 1)
    n_panels: int = dimension()
    n_lines: int = dimension()
    m: int = dimension()
    n_tail: int = dimension()

    def _check(self) -> None:
        n_lines = self.head + 1 + len(panel_checks(self.head))
        if self.n_panels != -(-self.m // PANEL_ROWS) or self.n_lines != n_lines:
            raise ValueError(f"{self._name('panels')} must be of shape (ceil(m / 32), {n_lines}, 32)")
        if self.n_tail % 16:
            raise ValueError(f"{self._name('tails')} must have a multiple of 16 columns")


@dataclass(frozen=True, eq=False, repr=False)
class ItemOrder(Record):
    """Items that may be listed, in an order.

    Attributes
    ----------
    items : int32[m]
        Distinct codes.
    positions : int32[n_items]
        Position of each item in `items`, or -1.
    """

    items: Array = array("int32", "m")
    positions: Array = array("int32", "n_items")
    m: int = dimension()
    n_items: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("items"), self.items, self.n_items)
        check_codes(self._name("positions"), self.positions, self.m, low=-1)
        in_order = np.array_equal(self.positions[self.items], np.arange(self.m))
        if not in_order or np.count_nonzero(self.positions >= 0) != self.m:
            raise ValueError(f"{self._name('positions')} must be those of items, and -1 for all others")


@dataclass(frozen=True, eq=False, repr=False)
class PanelOrder(ItemOrder):
    """Items in the order of the rows of panels.

    Attributes
    ----------
    items, positions
        As in `ItemOrder`.
    tie_positions : int32[m]
        Position of each of `items` in the order in which equal scores are listed: a permutation.
    """

    tie_positions: Array = array("int32", "m")

    def _check(self) -> None:
        super()._check()
        check_codes(self._name("tie_positions"), self.tie_positions, self.m)
        if (np.bincount(self.tie_positions, minlength=self.m) != 1).any():
            raise ValueError(f"{self._name('tie_positions')} must be a permutation")


@dataclass(frozen=True, eq=False, repr=False)
class ItemPanels(PanelOrder):
    """Rows of items in panels, and the rotation that they were given, in one record.

    Attributes
    ----------
    items, positions, tie_positions
        As in `PanelOrder`.
    panels, tails, bounds, head
        As in `Panels`, of the rotated rows of `items`.
    rotation : float32[ceil(rank / 32), width + 2 + n, 32]
        The ``panels`` of a `Panels` that is all head, of the transpose of the rotation [width, rank].
    rank : int
    """

    panels: Array = array("float32", "n_panels", "n_lines", PANEL_ROWS)
    tails: Array = array("float32", "m", "n_tail")
    bounds: Array = array("float64", 2)
    rotation: Array = array("float32", "n_rotation", "n_rotation_lines", PANEL_ROWS)
    head: int = integer(0, 2**31 - 1)
    rank: int = integer(0, 2**31 - 1)
    n_panels: int = dimension()
    n_lines: int = dimension()
    n_tail: int = dimension()
    n_rotation: int = dimension()
    n_rotation_lines: int = dimension()

    def _check(self) -> None:
        super()._check()
        n_lines = self.head + 1 + len(panel_checks(self.head))
        if self.n_panels != -(-self.m // PANEL_ROWS) or self.n_lines != n_lines:
            raise ValueError(f"{self._name('panels')} must be of shape (ceil(m / 32), {n_lines}, 32)")
        if not self.head <= self.rank or self.n_tail != -(-(self.rank - self.head) // 16) * 16:
            raise ValueError(f"{self._name('tails')} must hold the factors after the head in groups of 16")
        if self.n_rotation != -(-self.rank // PANEL_ROWS):
            raise ValueError(f"{self._name('rotation')} must be of shape (ceil(rank / 32), ..., 32)")


@dataclass(frozen=True, eq=False, repr=False)
class ScoreRows(Record):
    """Scores of items, a column for each, for some users.

    Attributes
    ----------
    scores : float64[n_rows, m]
    """

    scores: Array = array("float64", "n_rows", "m")
    n_rows: int = dimension()
    m: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class ListQueries(Record):
    """For whom lists are made, and which items each excludes.

    Attributes
    ----------
    rows : int32[n_lists]
        The user of each list, or the row of scores; several lists may have the same.
    starts, stops : int64[n_lists]
        List k excludes the items excluded[starts[k]:stops[k]]; in any order, repeats allowed.
    excluded : int32[...]
        Codes. Kernels check those that they read, while they read them.
    """

    rows: Array = array("int32", "n_lists")
    starts: Array = array("int64", "n_lists")
    stops: Array = array("int64", "n_lists")
    excluded: Array = array("int32", "n_excluded")
    n_lists: int = dimension()
    n_excluded: int = dimension()

    def _check(self) -> None:
        if self.n_lists and self.rows.min() < 0:
            raise ValueError(f"{self._name('rows')} must not be negative")
        bad = (self.starts < 0) | (self.stops < self.starts) | (self.stops > self.n_excluded)
        if bad.any():
            k = int(bad.argmax())
            raise ValueError(
                f"{self._name('starts and stops')}: list {k} excludes {self.starts[k]}:{self.stops[k]} "
                f"of {self.n_excluded} items"
            )


@dataclass(frozen=True, eq=False, repr=False)
class TopLists(Record):
    """Lists of at most n items, the best first.

    Attributes
    ----------
    positions : int32[n_lists, n]
        Position of each item in the order in which equal scores are listed; -1 after the last item.
    scores : float64[n_lists, n]
        0 after the last item.
    """

    positions: Array = array("int32", "n_lists", "n", written=True)
    scores: Array = array("float64", "n_lists", "n", written=True)
    n_lists: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        if self.n < 1:
            raise ValueError(f"{self._name('positions')} must have room for an item a list")


@dataclass(frozen=True, eq=False, repr=False)
class BitmapScratch(Record):
    """Bitmaps of the items that a list excludes.

    Attributes
    ----------
    bitmaps : uint64[n_threads, n_words]
        A row for each thread. Zeros, and zeros again after each call.
    """

    bitmaps: Array = array("uint64", "n_threads", "n_words", written=True)
    n_threads: int = dimension()
    n_words: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class ListScratch(BitmapScratch):
    """What `products.best_products` writes beside the lists; `products.scratch_sizes` gives row lengths.

    Attributes
    ----------
    bitmaps : uint64[n_threads, n_words]
        As in `BitmapScratch`.
    floats : float32[n_threads, n_floats]
    columns : int32[n_threads, n_columns]
    """

    floats: Array = array("float32", "n_threads", "n_floats", written=True)
    columns: Array = array("int32", "n_threads", "n_columns", written=True)
    n_floats: int = dimension()
    n_columns: int = dimension()
