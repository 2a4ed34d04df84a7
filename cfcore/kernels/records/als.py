"""Record of alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass

from cfcore.kernels.records.base import Array, Record, array, check_row_length, dimension, real

__all__ = ["RowSolves"]


@dataclass(frozen=True, eq=False, repr=False)
class RowSolves(Record):
    """Rows of factors and their biases to solve for, given those of the columns.

    Attributes
    ----------
    rows : float32[n_rows, width]
        Padded with zeros, as the columns are.
    biases : float32[n_rows]
        Written unless `bias_penalty` is None.
    columns : float32[n_columns, width]
    column_biases : float32[n_columns]
    penalty : float64[n_rows]
        Of the squared distance of each row from its centre; positive.
    centres : float64[n_rows, width], optional
        0 where None.
    bias_penalty : float64[n_rows], optional
        Of the squared biases; positive. None: rows have no biases, and `biases` counts as 0.
    weights : float32[n], optional
        Of the squared error of each rating; 1 where None.
    squares : float64[n_rows]
        Overwritten by the sums of the weighted squared errors.
    mean : float
        The constant term.
    """

    rows: Array = array("float32", "n_rows", "width", written=True)
    biases: Array = array("float32", "n_rows", written=True)
    columns: Array = array("float32", "n_columns", "width")
    column_biases: Array = array("float32", "n_columns")
    penalty: Array = array("float64", "n_rows")
    squares: Array = array("float64", "n_rows", written=True)
    mean: float = real()
    centres: Array | None = array("float64", "n_rows", "width", optional=True)
    bias_penalty: Array | None = array("float64", "n_rows", optional=True)
    weights: Array | None = array("float32", "n", optional=True)
    n_rows: int = dimension()
    n_columns: int = dimension()
    width: int = dimension()

    def _check(self) -> None:
        check_row_length(self._name("rows"), self.width, "float32")
