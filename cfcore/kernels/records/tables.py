"""Records of tables: ratings in compressed rows."""

from __future__ import annotations

from dataclasses import dataclass

from cfcore.kernels.records.base import (
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    dimension,
    integer,
)

__all__ = ["RatingRows"]


@dataclass(frozen=True, eq=False, repr=False)
class RatingRows(Record):
    """Ratings in compressed rows: of users by user, or of items by item.

    Attributes
    ----------
    indptr : int64[n_rows + 1]
    indices : int32[n]
        Columns, each in [0, n_columns).
    values : float32[n]
    n_columns : int
    """

    indptr: Array = array("int64", "n_rows + 1")
    indices: Array = array("int32", "n")
    values: Array = array("float32", "n")
    n_columns: int = integer(0, 2**31 - 1)
    n_rows: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n)
        check_codes(self._name("indices"), self.indices, self.n_columns)
