"""Records of similarities between rows of ratings, and of predictions from the most similar ones."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cfcore.kernels.records.base import (
    FLOATING,
    Array,
    Record,
    array,
    check_compressed,
    dimension,
    integer,
    real,
)

__all__ = [
    "MEASURES",
    "LevelRatings",
    "NearestRows",
    "PackedRatings",
    "PredictionRequests",
    "PredictionRule",
    "PredictionScratch",
    "SimilarityMatrix",
    "SimilarityRule",
    "SimilarityScratch",
    "ValueRatings",
]

#: Name of a measure -> its number in ``cfcore/kernels/neighbors/measures.pxd``.
MEASURES = {"pearson": 0, "cosine": 1, "msd": 2, "jaccard": 3, "dot": 4}
#: Sums of 16 and 32 bits hold so much.
INT16, INT32 = 2**15 - 1, 2**31 - 1
#: The largest finite number.
FINITE = sys.float_info.max


class PackedRatings(Record):
    """Ratings by row and by co-rater, code and rating in one word: a `LevelRatings` or a `ValueRatings`.

    Rows are compared with each other: items, say. Co-raters are of the other side: users.

    Attributes
    ----------
    offset, step : float
        A rating is ``step * (q + offset)`` for the number q that is summed.
    code_shift : int
        A word is ``code << code_shift | rating``.
    """

    entries: Array
    indptr: Array
    co_entries: Array
    co_indptr: Array
    ends: Array | None
    n_rows: int
    n_co_raters: int
    n: int
    offset: float
    step: float
    code_shift: ClassVar[int]
    max_rows: ClassVar[int]

    def _check(self) -> None:
        if max(self.n_rows, self.n_co_raters) > self.max_rows:
            raise ValueError(f"{self._name('indptr')} and co_indptr must have at most {self.max_rows} rows")
        check_compressed(self._name("indptr"), self.indptr, self.n)
        check_compressed(self._name("co_indptr"), self.co_indptr, self.n)
        for name, n_codes in (("entries", self.n_co_raters), ("co_entries", self.n_rows)):
            words = getattr(self, name)
            largest = int(words.max()) >> self.code_shift if words.size else -1
            if largest >= n_codes:
                raise ValueError(f"{self._name(name)} holds code {largest}, which is not in [0, {n_codes})")

    @cached_property
    def longest(self) -> int:
        """Ratings of the longest row."""
        return int(np.diff(self.indptr).max(initial=0))


@dataclass(frozen=True, eq=False, repr=False)
class LevelRatings(PackedRatings):
    """Packed ratings on a scale of at most 16 levels, whose sums are integers.

    Attributes
    ----------
    entries : uint32[n]
        Row by row, ``co-rater << 4 | level``, co-raters ascending.
    indptr : int64[n_rows + 1]
        Row x is ``entries[indptr[x]:indptr[x + 1]]``.
    co_entries : uint32[n]
        The same ratings co-rater by co-rater, ``row << 4 | level``, rows ascending.
    co_indptr : int64[n_co_raters + 1]
    products : int16[16, 16, 8]
        ``[level of x, level of y]``: 1, x, y, x x, y y, x y, 0, 0, and zeros for levels not in use.
    offset, step : float
        A rating is ``step * (q + offset)``, q being the whole number that `products` has for its level.
    ends : int64[n] or None
        Position of each entry among `co_entries`: the partners before it are those before its row.
        `half_rows` needs and checks it.
    """

    entries: Array = array("uint32", "n")
    indptr: Array = array("int64", "n_rows + 1")
    co_entries: Array = array("uint32", "n")
    co_indptr: Array = array("int64", "n_co_raters + 1")
    products: Array = array("int16", 16, 16, 8)
    offset: float = real()
    step: float = real()
    ends: Array | None = array("int64", "n", optional=True)
    n_rows: int = dimension()
    n_co_raters: int = dimension()
    n: int = dimension()
    code_shift: ClassVar[int] = 4
    max_rows: ClassVar[int] = 2**28

    def _check(self) -> None:
        super()._check()
        if self.products.min() < -INT16:
            raise ValueError(f"{self._name('products')} must be within -{INT16} and {INT16}")
        if self.longest > INT32 // self.largest_product:
            raise ValueError(f"{self._name('indptr')}: a row has more ratings than 32-bit sums can hold")

    @cached_property
    def largest_product(self) -> int:
        """Largest absolute number in `products`, at least 1."""
        return max(1, int(np.abs(self.products).max()))

    @property
    def spill_every(self) -> int:
        """Co-raters that are summed in 16 bits before the sums could overflow."""
        return INT16 // self.largest_product


@dataclass(frozen=True, eq=False, repr=False)
class ValueRatings(PackedRatings):
    """Packed ratings of any values, whose sums are doubles.

    Attributes
    ----------
    entries : uint64[n]
        Row by row, ``co-rater << 32 | bits of the float32 value``, co-raters ascending.
    indptr : int64[n_rows + 1]
    co_entries : uint64[n]
        The same ratings co-rater by co-rater, ``row << 32 | bits of the value``, rows ascending.
    co_indptr : int64[n_co_raters + 1]
    ends : int64[n] or None
        As in `LevelRatings`.
    """

    entries: Array = array("uint64", "n")
    indptr: Array = array("int64", "n_rows + 1")
    co_entries: Array = array("uint64", "n")
    co_indptr: Array = array("int64", "n_co_raters + 1")
    ends: Array | None = array("int64", "n", optional=True)
    n_rows: int = dimension()
    n_co_raters: int = dimension()
    n: int = dimension()
    offset: ClassVar[float] = 0.0  # type: ignore[misc]
    step: ClassVar[float] = 1.0  # type: ignore[misc]
    code_shift: ClassVar[int] = 32
    max_rows: ClassVar[int] = INT32


@dataclass(frozen=True, eq=False, repr=False)
class SimilarityRule(Record):
    """How two rows are compared over the co-raters of both.

    Attributes
    ----------
    measure : str
        One of `MEASURES`: pearson, cosine, msd (1 / (1 + mean squared difference)), jaccard, dot (Sxy as it
        is).
    shrinkage : float
        If positive, every similarity is multiplied by (n - 1) / (n - 1 + shrinkage), n being the number of
        co-raters (Koren 2010, eq. 3).
    min_support : int
        Pairs with fewer co-raters have similarity 0; so have pairs whose denominator is 0.
    no_overlap : float
        Similarity of pairs without co-raters, whatever `min_support`.
    """

    measure: str
    shrinkage: float = real(0, FINITE, default=0.0)
    min_support: int = integer(0, default=1)
    no_overlap: float = real(-FINITE, FINITE, default=0.0)

    def _check(self) -> None:
        if self.measure not in MEASURES:
            raise ValueError(
                f"{self._name('measure')} must be one of {', '.join(MEASURES)}, not {self.measure!r}"
            )


@dataclass(frozen=True, eq=False, repr=False)
class SimilarityMatrix(Record):
    """Similarities of all pairs of rows.

    Attributes
    ----------
    values : float32 or float64 [n_rows, n_rows]
        NaN means to a prediction: no neighbour.
    """

    values: Array = array(FLOATING, "n_rows", "n_rows", written=True)
    n_rows: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class NearestRows(Record):
    """The most similar rows of each row.

    Attributes
    ----------
    codes : int32[n_rows, n_kept]
        -1 fills up. `top_rows` puts the most similar first; predictions take them in any order.
    values : float32 or float64 [n_rows, n_kept]
        Their similarities.
    """

    codes: Array = array("int32", "n_rows", "n_kept", written=True)
    values: Array = array(FLOATING, "n_rows", "n_kept", written=True)
    n_rows: int = dimension()
    n_kept: int = dimension()


@dataclass(frozen=True, eq=False, repr=False)
class SimilarityScratch(Record):
    """Sums of the pairs of one row, for each thread.

    Attributes
    ----------
    sums : uint8[n_threads, n_bytes]
        Of at least `row_bytes` bytes, a multiple of 16. Rows at multiples of 64 are faster.
    """

    sums: Array = array("uint8", "n_threads", "n_bytes", written=True)
    n_threads: int = dimension()
    n_bytes: int = dimension()

    def _check(self) -> None:
        if self.n_bytes % 16 or (self.sums.size and self.sums.ctypes.data % 16):
            raise ValueError(f"{self._name('sums')}: rows must start at multiples of 16 bytes")


@dataclass(frozen=True, eq=False, repr=False)
class PredictionRule(Record):
    """Which neighbours count, and how much.

    Attributes
    ----------
    n_neighbors : int
        How many of the nearest; 0 for all. Of equally near ones the lower code wins.
    damping : float, at least 0
        Added to the sum of weights.
    power : float, above 0
        Weights are similarities to this power. Halves of whole numbers up to 8 are fastest.
    positive_only : bool
        Leave out negative similarities. Otherwise they count by their size, with their sign.
    """

    n_neighbors: int = integer(0)
    damping: float = real(0)
    power: float = real()
    positive_only: bool = True

    def _check(self) -> None:
        if not self.power > 0:
            raise ValueError(f"{self._name('power')} must be above 0, not {self.power}")


@dataclass(frozen=True, eq=False, repr=False)
class PredictionRequests(Record):
    """Pairs of a holder and a target to predict for. (Roles: see `cfcore.kernels.neighbors.predict`.)

    Attributes
    ----------
    holders, targets : int32[n]
        Codes; -1 is unknown, and its prediction NaN.
    order : int64[n], a permutation
        The order in which requests are worked on. Fastest where equal targets follow each other; the results
        are the same in any.
    out : float64[n]
        The predictions.
    n_holders, n_targets : int
    """

    holders: Array = array("int32", "n")
    targets: Array = array("int32", "n")
    order: Array = array("int64", "n")
    out: Array = array("float64", "n", written=True)
    n_holders: int = integer(0, INT32)
    n_targets: int = integer(0, INT32)
    n: int = dimension()

    def _check(self) -> None:
        for name, low, high in (
            ("holders", -1, self.n_holders),
            ("targets", -1, self.n_targets),
            ("order", 0, self.n),
        ):
            codes = getattr(self, name)
            if codes.size and not (low <= codes.min() and codes.max() < high):
                raise ValueError(f"{self._name(name)} must lie in [{low}, {high})")


@dataclass(frozen=True, eq=False, repr=False)
class PredictionScratch(Record):
    """Memory of the search for the nearest neighbours, for each thread.

    Attributes
    ----------
    keys : uint64[n_threads, room]
        Longer than n_neighbors; four times as long is fast. `room` decides in which order neighbours are
        added: results are the same to rounding for all, and to the bit for equal ones.
    rows : float32[n_threads, n_targets] or None
        For `predict_rows`: zeros, and zeros again on return.
    """

    keys: Array = array("uint64", "n_threads", "room", written=True)
    rows: Array | None = array("float32", "n_threads", "n_targets", written=True, optional=True)
    n_threads: int = dimension()
    room: int = dimension()
