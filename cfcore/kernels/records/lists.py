"""Records of the models of lists: the matrix that EASE inverts, its weights, and scores by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfcore.kernels.records.base import Array, Record, array, check_codes, dimension, integer

__all__ = [
    "SWEEP_DEPTH",
    "SWEEP_GROUP",
    "SWEEP_TILE",
    "WEIGHT_COLUMNS",
    "GramMatrix",
    "ItemWeights",
    "SweepPanel",
    "UserScores",
    "WeightPanels",
]

#: Rows that are swept at once, rows of a tile, and columns that are packed side by side; as in
#: ``cfcore/kernels/lists/tiles.h``.
SWEEP_DEPTH, SWEEP_TILE, SWEEP_GROUP = 128, 64, 16
#: Columns of a panel of weights; as in ``cfcore/kernels/lists/weighted_rows.h``.
WEIGHT_COLUMNS = 64


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
    """The columns of `ItemWeights` in panels of 64, in any order.

    Attributes
    ----------
    values : float32[n_panels, n_rows, 64]
        values[p, i, c] is the weight of the item in row i in the score of item columns[p, c]; any number
        where that is -1.
    columns : int32[n_panels, 64]
        Items, each at most once; -1 fills up.
    n_items : int
        They are in [0, n_items).
    """

    values: Array = array("float32", "n_panels", "n_rows", WEIGHT_COLUMNS)
    columns: Array = array("int32", "n_panels", WEIGHT_COLUMNS)
    n_items: int = integer(0)
    n_panels: int = dimension()
    n_rows: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("columns"), self.columns, self.n_items, low=-1)
        items = self.columns[self.columns >= 0]
        if (np.bincount(items, minlength=1) > 1).any():
            raise ValueError(f"{self._name('columns')} must hold each item at most once")


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
