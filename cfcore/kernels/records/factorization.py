"""Records of biases, and of matrix factorisation by stochastic gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cfcore.kernels.records.base import (
    FLOATING,
    Array,
    Record,
    array,
    check_codes,
    check_row_length,
    dimension,
    integer,
    real,
)

__all__ = [
    "RATING",
    "Biases",
    "BlockGrid",
    "BlockLayout",
    "BlockScratch",
    "BlockVisits",
    "Factors",
    "RatingColumns",
    "SGDRates",
]

#: A training rating.
RATING = np.dtype([("user", "i4"), ("item", "i4"), ("value", "f4")])


@dataclass(frozen=True, eq=False, repr=False)
class Biases(Record):
    """Biases of the rows and columns of a table of ratings: mean + b_row + b_column.

    Attributes
    ----------
    row_bias, column_bias : float64[n_rows], float64[n_columns]
        Users are the rows and items the columns, or items the rows; only those of the rows are solved for.
    mean : float
    """

    row_bias: Array = array("float64", "n_rows", written=True)
    column_bias: Array = array("float64", "n_columns")
    mean: float = real()
    n_rows: int = dimension()
    n_columns: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class Factors(Record):
    """Biases and factors of users and items: mean + b_u + b_i + p_u . q_i.

    Attributes
    ----------
    user_factors, item_factors : float32 or float64 [n_users, width], [n_items, width]
        Rows padded with zeros to a multiple of 64 bytes. 64-byte aligned is faster.
    user_bias, item_bias : same dtype [n_users], [n_items]
    mean : float
        The constant term; 0 for a model without biases.
    """

    user_factors: Array = array(FLOATING, "n_users", "width", written=True)
    item_factors: Array = array(FLOATING, "n_items", "width", written=True)
    user_bias: Array = array(FLOATING, "n_users", written=True)
    item_bias: Array = array(FLOATING, "n_items", written=True)
    mean: float = real()
    n_users: int = dimension()
    n_items: int = dimension()
    width: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("user_factors"), self.width, self.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class RatingColumns(Record):
    """Ratings in columns, in any order.

    Attributes
    ----------
    user_codes, item_codes : int32[n]
        In [0, n_users) and [0, n_items).
    values : float32[n]
    n_users, n_items : int
    """

    user_codes: Array = array("int32", "n")
    item_codes: Array = array("int32", "n")
    values: Array = array("float32", "n")
    n_users: int = integer(0, 2**31 - 1)
    n_items: int = integer(0, 2**31 - 1)
    n: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("user_codes"), self.user_codes, self.n_users)
        check_codes(self._name("item_codes"), self.item_codes, self.n_items)


@dataclass(frozen=True, eq=False, repr=False)
class BlockGrid(Record):
    """Stripes of users and of items; a block is a pair of them.

    Attributes
    ----------
    user_stripes, item_stripes : int32[n_users], int32[n_items]
        Stripe of each user and item, in [0, n_user_stripes) and [0, n_item_stripes).
    n_user_stripes, n_item_stripes : int
    """

    user_stripes: Array = array("int32", "n_users")
    item_stripes: Array = array("int32", "n_items")
    n_user_stripes: int = integer(1, 2**31 - 1)
    n_item_stripes: int = integer(1, 2**31 - 1)
    n_users: int = dimension()
    n_items: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("user_stripes"), self.user_stripes, self.n_user_stripes)
        check_codes(self._name("item_stripes"), self.item_stripes, self.n_item_stripes)


@dataclass(frozen=True, eq=False, repr=False)
class BlockLayout(Record):
    """Ratings sorted into blocks of a stripe of users x a stripe of items; `lay_out` fills it.

    Attributes
    ----------
    ratings : RATING[n]
        Block b is ``ratings[block_ptr[b]:block_ptr[b + 1]]``.
    block_ptr : int64[n_blocks + 1]
        Block = user stripe * n_item_stripes + item stripe.
    n_item_stripes : int
    """

    ratings: Array = array(RATING, "n", written=True)
    block_ptr: Array = array("int64", "n_blocks + 1", written=True)
    n_item_stripes: int = integer(1, 2**31 - 1)
    n: int = dimension()
    n_blocks: int = dimension()

    def _check(self) -> None:
        if self.n_blocks < 1 or self.n_blocks % self.n_item_stripes:
            raise ValueError(f"{self._name('block_ptr')} must have user stripes * n_item_stripes + 1 entries")


@dataclass(frozen=True, eq=False, repr=False)
class BlockVisits(Record):
    """The order in which blocks are worked on.

    Attributes
    ----------
    order : int32[n_visits]
        Numbers of blocks. The result is that of working through them one after the other.
    starts : int64[n_blocks]
        Position inside each block, taken modulo its length, at which its sweep begins.
    """

    order: Array = array("int32", "n_visits")
    starts: Array = array("int64", "n_blocks")
    n_visits: int = dimension()
    n_blocks: int = dimension()

    def _check(self) -> None:
        check_codes(self._name("order"), self.order, self.n_blocks)
        if self.n_blocks and self.starts.min() < 0:
            raise ValueError(f"{self._name('starts')} must not be negative")


@dataclass(frozen=True, eq=False, repr=False)
class BlockScratch(Record):
    """What a pass over blocks writes beside the parameters.

    Attributes
    ----------
    squares : float64[n_blocks]
        Sum of squared errors of each block visited, each error taken before its rating's step.
    schedule : int32[n_visits, 3]
        For each visit the visits before it to its user stripe and its item stripe, and its state.
    latest : int32[n_user_stripes + n_item_stripes]
        The last visit to each stripe that is scheduled.
    """

    squares: Array = array("float64", "n_blocks", written=True)
    schedule: Array = array("int32", "n_visits", 3, written=True)
    latest: Array = array("int32", "n_stripes", written=True)
    n_blocks: int = dimension()
    n_visits: int = dimension()
    n_stripes: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class SGDRates(Record):
    """Steps of stochastic gradient descent on biases and factors.

    Attributes
    ----------
    lr, reg : float
        Of the factors.
    lr_bias, reg_bias : float
        Of the biases; `lr_bias` is 0 for a model without biases.
    low, high : float
        The prediction is clipped to them before the error is taken; infinite for no clipping.
    sequential : bool
        q_i is updated first, and p_u with the new q_i; otherwise both from the old values.
    """

    lr: float = real()
    reg: float = real()
    lr_bias: float = real()
    reg_bias: float = real()
    low: float = real(default=-math.inf)
    high: float = real(default=math.inf)
    sequential: bool = False
