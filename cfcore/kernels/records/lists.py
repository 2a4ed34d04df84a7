"""Records of the models of lists: the matrix that EASE inverts, its weights, and scores and lists by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfcore.kernels.records.base import Array, Record, array, check_codes, dimension, integer
from cfcore.kernels.records.top_n import BitmapScratch

__all__ = [
    "SWEEP_DEPTH",
    "SWEEP_GROUP",
    "SWEEP_TILE",
    "WEIGHT_COLUMNS",
    "CandidateScratch",
    "GramMatrix",
    "ItemWeights",
    "RatingMultiples",
    "SweepPanel",
    "UserScores",
    "WeightPanels",
]

#: Rows that are swept at once, rows of a tile, and columns that are packed side by side; as in
#: ``cfcore/kernels/lists/tiles.h``.
SWEEP_DEPTH, SWEEP_TILE, SWEEP_GROUP = 128, 64, 16
#: Columns of a panel of weights; as in ``cfcore/kernels/lists/rounded_rows.h``.
WEIGHT_COLUMNS = 64
#: Columns of 8-bit weights that share a bound, and the most panels of 16-bit weights without bounds; as in
#: ``cfcore/kernels/lists/top_lists_loops.pxd``.
WEIGHT_GROUP, UNBOUNDED_PANELS = 16, 16
#: Candidates beyond n for a list of n; as in ``cfcore/kernels/lists/top_lists_loops.pxd``.
SPARE_CANDIDATES = 256


@dataclass(frozen=True, eq=False, repr=False)
class GramMatrix(Record):
    """A symmetric, positive definite matrix, of which only the half up to the diagonal counts.

    Attributes
    ----------
    values : float64[n, n]
        n is a multiple of 16. What is above the diagonal is overwritten.
    """

    values: Array = array("float64", "n", "n", written=True)
    n: int = dimension()

    def _check(self) -> None:
        if self.n % SWEEP_GROUP:
            raise ValueError(
                f"{self._name('values')} must have a multiple of {SWEEP_GROUP} rows, not {self.n}"
            )


@dataclass(frozen=True, eq=False, repr=False)
class SweepPanel(Record):
    """What a step of `sweep_tiles` reads beside the matrix; `sweep_panel` fills it.

    Attributes
    ----------
    rows : float64[n, 128]
        The columns that are swept, times the inverse of the block where they meet the diagonal.
    columns : float64[n / 16, 128, 16]
        The columns as they were: those of 16 rows side by side.
    pivot : float64[8, 128, 16]
        The inverse of the block, negative; columns in groups of 16.
    """

    rows: Array = array("float64", "n", SWEEP_DEPTH, written=True)
    columns: Array = array("float64", "n_groups", SWEEP_DEPTH, SWEEP_GROUP, written=True)
    pivot: Array = array("float64", SWEEP_DEPTH // SWEEP_GROUP, SWEEP_DEPTH, SWEEP_GROUP, written=True)
    n: int = dimension()
    n_groups: int = dimension()

    def _check(self) -> None:
        if SWEEP_GROUP * self.n_groups != self.n:
            raise ValueError(f"{self._name('columns')} must be of shape (n / {SWEEP_GROUP}, ...)")


@dataclass(frozen=True, eq=False, repr=False)
class ItemWeights(Record):
    """Weights of items in the scores of items.

    Attributes
    ----------
    values : float32[n_items, n_items]
        values[i, j] is the weight of item i in the score of item j.
    """

    values: Array = array("float32", "n_items", "n_items", written=True)
    n_items: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class WeightPanels(Record):
    """The columns of `ItemWeights` in panels of 64, in any order; `top_lists.fill_panels` fills most arrays.

    Attributes
    ----------
    sources : int32[n_panels, 64]
        Columns of the weights, which have n_rows; -1 fills up.
    columns : int32[n_panels, 64]
        Items that those are of, each at most once; -1 where `sources` are.
    places : int32[n_items]
        64 p + c for the item columns[p, c]; -1 for the others.
    rounded : int16[n_fine, n_rows, 64]
        rounded[p, i, c] is the weight of row i in column sources[p, c], over the unit.
    coarse : int8[n_pairs, n_rows, 128]
        Weights of the later panels, each over the unit of its column; n_fine + 2 q and the one after it are
        side by side in coarse[q].
    scales : float32[2 n_pairs, 64]
        The units of those columns, over that of `rounded`.
    most : int16[ceil(n_fine / 64) if n_fine > 16 else 0, n_rows, 64]
        most[p // 64, i, p % 64] is the largest weight of row i in panel p, as in `rounded`, or 0.
    groups : int8[ceil(n_pairs / 8), n_rows, 64]
        groups[q // 8, i, 8 (q % 8) + g] is the largest weight of row i in the columns [16 g, 16 g + 16) of
        coarse[q], or 0, over the unit of these columns and rounded up.
    group_scales : float32[ceil(n_pairs / 8), 64]
        The units of groups, over that of `rounded`.
    exact : float32[64 n_panels, n_rows]
        exact[64 p + c, i] is that weight.
    peaks : float32[n_rows]
        The largest weight of each row, without its sign.
    """

    sources: Array = array("int32", "n_panels", WEIGHT_COLUMNS)
    columns: Array = array("int32", "n_panels", WEIGHT_COLUMNS)
    places: Array = array("int32", "n_items")
    rounded: Array = array("int16", "n_fine", "n_rows", WEIGHT_COLUMNS, written=True)
    coarse: Array = array("int8", "n_pairs", "n_rows", 2 * WEIGHT_COLUMNS, written=True)
    scales: Array = array("float32", "n_coarse", WEIGHT_COLUMNS, written=True)
    most: Array = array("int16", "n_blocks", "n_rows", WEIGHT_COLUMNS, written=True)
    groups: Array = array("int8", "n_group_blocks", "n_rows", WEIGHT_COLUMNS, written=True)
    group_scales: Array = array("float32", "n_group_blocks", WEIGHT_COLUMNS, written=True)
    exact: Array = array("float32", "n_columns", "n_rows", written=True)
    peaks: Array = array("float32", "n_rows", written=True)
    n_panels: int = dimension()
    n_fine: int = dimension()
    n_pairs: int = dimension()
    n_coarse: int = dimension()
    n_blocks: int = dimension()
    n_group_blocks: int = dimension()
    n_columns: int = dimension()
    n_rows: int = dimension()
    n_items: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("sources"), self.sources, self.n_rows, low=-1)
        check_codes(self._name("columns"), self.columns, self.n_items, low=-1)
        check_codes(self._name("places"), self.places, self.n_columns, low=-1)
        if self.n_coarse != 2 * self.n_pairs or self.n_panels != self.n_fine + self.n_coarse:
            raise ValueError(
                f"{self._name('coarse')} must hold all panels that are not in rounded, two beside one another"
            )
        if self.n_columns != WEIGHT_COLUMNS * self.n_panels:
            raise ValueError(f"{self._name('exact')} must be of shape ({WEIGHT_COLUMNS} n_panels, n_rows)")
        if (self.n_blocks, self.n_group_blocks) != self.blocks(self.n_fine, self.n_pairs):
            raise ValueError(
                f"{self._name('most')} must be of shape (ceil(n_fine / {WEIGHT_COLUMNS}), ...) for more than "
                f"{UNBOUNDED_PANELS} panels, and groups of (ceil(n_pairs / 8), ...)"
            )
        if ((self.sources < 0) != (self.columns < 0)).any():
            raise ValueError(f"{self._name('columns')} must be -1 where sources are")
        used = self.columns.reshape(-1)[self.places[self.places >= 0]]
        if len(used) != (self.columns >= 0).sum() or (used != np.flatnonzero(self.places >= 0)).any():
            raise ValueError(
                f"{self._name('columns')} must hold each item at most once, and places must tell where"
            )

    @staticmethod
    def blocks(n_fine: int, n_pairs: int) -> tuple[int, int]:
        """`n_blocks` and `n_group_blocks`: how many rows of 64 bounds there are."""
        n_groups = 2 * WEIGHT_COLUMNS // WEIGHT_GROUP * n_pairs
        n_bounded = n_fine if n_fine > UNBOUNDED_PANELS else 0
        return -(-n_bounded // WEIGHT_COLUMNS), -(-n_groups // WEIGHT_COLUMNS)


@dataclass(frozen=True, eq=False, repr=False)
class RatingMultiples(Record):
    """Ratings of `RatingRows` as integers; `top_lists.fill_multiples` fills the arrays.

    Attributes
    ----------
    values : int16[n]
        The multiple of 1 / steps[k] next to what each rating of row k weighs.
    steps : int32[n_rows]
        A multiple of `per_one` where so many are possible; 0 if no number is, as for negative ratings.
    margins : int32[n_rows]
        The most by which sums of rounded weights differ from scores, in units of rounded weights over
        steps[k]; -1 if it is not known, or too wide.
    levels : uint8[n]
        Multiples of 1 / level_steps[k], at most 127, for weights of 8 bits.
    level_steps : float64[n_rows]
        `per_one` if the ratings of the row are such multiples; 0 where margins[k] is -1.
    level_margins : int32[n_rows]
        The most by which sums of 8-bit weights of a column differ from scores, in units of the column over
        level_steps[k].
    runs : int32[n_rows]
        An even number of ratings, the sums of whose levels times 127 are below 2^15.
    per_one : int
        Ratings are multiples of 1 / `per_one`, if they are of any.
    """

    values: Array = array("int16", "n", written=True)
    steps: Array = array("int32", "n_rows", written=True)
    margins: Array = array("int32", "n_rows", written=True)
    levels: Array = array("uint8", "n", written=True)
    level_steps: Array = array("float64", "n_rows", written=True)
    level_margins: Array = array("int32", "n_rows", written=True)
    runs: Array = array("int32", "n_rows", written=True)
    per_one: int = integer(1, 32767)
    n: int = dimension()
    n_rows: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class CandidateScratch(BitmapScratch):
    """What `top_lists.best_lists` writes beside the lists.

    Attributes
    ----------
    bitmaps : uint64[n_threads, n_words]
        As in `BitmapScratch`.
    codes : int32[n_threads, n_codes]
    """

    codes: Array = array("int32", "n_threads", "n_codes", written=True)
    n_codes: int = dimension()

    @staticmethod
    def sizes(n_lists: int, n_panels: int, n: int) -> tuple[int, int]:
        """`n_words` and `n_codes` for `n_lists` lists of `n` that a thread makes side by side."""
        return (n_lists + 2) * n_panels, n_lists * _list_codes(n, n_panels) + WEIGHT_COLUMNS * n_panels + 1

    def lists(self, n_panels: int, n: int) -> int:
        """How many lists of `n` a thread has room for; 0 or less if there is none."""
        by_codes = (self.n_codes - WEIGHT_COLUMNS * n_panels - 1) // _list_codes(n, n_panels)
        return min(by_codes, self.n_words // n_panels - 2) if n_panels else by_codes


def _list_codes(n: int, n_panels: int) -> int:
    """Integers beside a list: its limit, number of candidates and two for each, and bounds."""
    return 2 + n_panels + WEIGHT_COLUMNS + 2 * (n + SPARE_CANDIDATES)


@dataclass(frozen=True, eq=False, repr=False)
class UserScores(Record):
    """Scores of all items for some users.

    Attributes
    ----------
    users : int32[n_lists]
        Rows of ratings; repeats allowed.
    scores : float32[n_lists, n_items]
    """

    users: Array = array("int32", "n_lists")
    scores: Array = array("float32", "n_lists", "n_items", written=True)
    n_lists: int = dimension()
    n_items: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("users"), self.users, 2**31 - 1)
