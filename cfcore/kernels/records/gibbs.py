"""Records of Gibbs samplers of matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cfcore.kernels.records.base import (
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    check_row_length,
    dimension,
    integer,
    real,
)

__all__ = ["BiasDraws", "DrawKey", "MemberDraws", "RowDraws", "RowProducts"]


@dataclass(frozen=True, eq=False, repr=False)
class DrawKey(Record):
    """The key of the random numbers of a call: each number is that of (seed, kind, sweep, row, slot).

    Attributes
    ----------
    seed : int in [0, 2^64)
    kind : int
        Which of the parameters are drawn.
    sweep : int
    """

    seed: int = integer(0, 2**64 - 1)
    kind: int = integer(0, 2**31 - 1)
    sweep: int = integer(0, 2**31 - 1)


@dataclass(frozen=True, eq=False, repr=False)
class RowDraws(Record):
    """Rows of factors to draw, given those of the columns.

    Attributes
    ----------
    rows : float32[n_rows, width]
        Rows of `n_factors` numbers, padded with zeros.
    columns : float32[n_columns, width]
    prior_mean : float64[n_rows, n_factors]
    precision : float64[n_factors, n_factors]
        Of the prior of each row around its mean; symmetric.
    row_precision : float64[n_rows]
        Precision of the ratings of a row, which `column_weight` multiplies.
    column_weight : float32[n_columns]
    means : float32[n_rows, width], optional
        Means of the conditional distributions of the rows, where they are asked for.
    weights : float32[n], optional
        Of the precision of each rating, as a further factor.
    own_numbers : int
        1 if each row has random numbers of its own, 0 if all have those of row 0.
    """

    rows: Array = array("float32", "n_rows", "width", written=True)
    columns: Array = array("float32", "n_columns", "width")
    prior_mean: Array = array("float64", "n_rows", "n_factors")
    precision: Array = array("float64", "n_factors", "n_factors")
    row_precision: Array = array("float64", "n_rows")
    column_weight: Array = array("float32", "n_columns")
    means: Array | None = array("float32", "n_rows", "width", written=True, optional=True)
    weights: Array | None = array("float32", None, optional=True)
    own_numbers: int = integer(0, 1, 1)
    n_rows: int = dimension()
    n_columns: int = dimension()
    width: int = dimension()
    n_factors: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("rows"), self.width, "float32")
        if not 1 <= self.n_factors <= self.width:
            raise ValueError(f"{self._name('precision')} must be of 1 to {self.width} factors")


@dataclass(frozen=True, eq=False, repr=False)
class RowProducts(Record):
    """Products of rows and columns for the ratings of the rows, and their sums of squares.

    Attributes
    ----------
    rows : float32[n_rows, width]
        Padded with zeros, as the columns are.
    columns : float32[n_columns, width]
    products : float32[n], overwritten
    squares : float64[n_rows, 3], overwritten
    weights : float32[n], optional
        Of each rating in the sums; 1 where None.
    """

    rows: Array = array("float32", "n_rows", "width")
    columns: Array = array("float32", "n_columns", "width")
    products: Array = array("float32", "n", written=True)
    squares: Array = array("float64", "n_rows", 3, written=True)
    weights: Array | None = array("float32", "n", optional=True)
    n_rows: int = dimension()
    n_columns: int = dimension()
    width: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("rows"), self.width, "float32")


@dataclass(frozen=True, eq=False, repr=False)
class BiasDraws(Record):
    """Biases of groups of ratings, and the targets of the ratings, which follow them.

    Attributes
    ----------
    indptr : int64[n_groups + 1]
        Group g has the ratings ``ratings[indptr[g]:indptr[g + 1]]``.
    targets : float32[n]
        Ratings less all biases; one that grows by d lessens the targets of its group by d.
    products : float32[n]
        What else is predicted of the ratings: of targets less products, biases are drawn.
    ratings : int32[n], optional
        Each rating of the `n` in one group; 0, 1, ..., n - 1 where None.
    weights : float32[n], optional
        Of the precision of each rating's noise; 1 where None.
    sorted : float32[n], optional
        Where given, overwritten by the targets in the order of `ratings`; `targets` are left as they are.
    cross : float64[n_groups], optional
        Where given, overwritten by the sums over each group of weight times target, which follows the bias,
        times product.
    biases : float64[n_groups]
    mean, precision : float
        Of the prior of the biases.
    noise_precision : float
        Of a rating of weight 1.
    """

    indptr: Array = array("int64", "n_groups + 1")
    targets: Array = array("float32", "n", written=True)
    products: Array = array("float32", "n")
    biases: Array = array("float64", "n_groups", written=True)
    mean: float = real()
    precision: float = real(0.0)
    noise_precision: float = real(0.0)
    ratings: Array | None = array("int32", "n", optional=True)
    weights: Array | None = array("float32", "n", optional=True)
    sorted: Array | None = array("float32", "n", written=True, optional=True)
    cross: Array | None = array("float64", "n_groups", written=True, optional=True)
    n_groups: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n)
        if self.ratings is not None:
            check_codes(self._name("ratings"), self.ratings, self.n)


@dataclass(frozen=True, eq=False, repr=False)
class MemberDraws(Record):
    """Rows of the members of sets, given a row of each owner of a set: the ridge regression of these on sums.

    Attributes
    ----------
    indptr : int64[n_members + 1]
        Member j is in the sets of the owners ``owners[indptr[j]:indptr[j + 1]]``.
    owners : int32[n]
    weights : float64[n_owners]
        The sum of an owner's members is multiplied by it.
    members : float64[n_blocks, n_members, 8]
        A block has 8 columns of the rows.
    errors : float64[n_blocks, n_owners, 8]
        The owners' rows less their weighted sums, with noise of variance 1.
    penalty : float
        Precision of each number of the members, whose mean is 0.
    values : float32[n], optional
        What each member is multiplied by in the sum of its owner, such as a feature; 1 where None.
    noise : float
        What the random numbers are multiplied by: with 0, members are the means that they are drawn around.
    first_block : int
        The number of the first of these blocks among all of the rows, by which random numbers differ.
    """

    divided: ClassVar[tuple[str, ...]] = ("n_blocks", "first_block")

    indptr: Array = array("int64", "n_members + 1")
    owners: Array = array("int32", "n")
    weights: Array = array("float64", "n_owners")
    members: Array = array("float64", "n_blocks", "n_members", 8, written=True)
    errors: Array = array("float64", "n_blocks", "n_owners", 8, written=True)
    penalty: float = real(0.0)
    values: Array | None = array("float32", "n", optional=True)
    noise: float = real(0.0, 1.0, default=1.0)
    first_block: int = integer(0, 2**24, default=0)
    n_members: int = dimension()
    n_owners: int = dimension()
    n_blocks: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n)
        check_codes(self._name("owners"), self.owners, self.n_owners)
