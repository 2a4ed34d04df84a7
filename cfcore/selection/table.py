"""`Table`: columns of results that print well and turn into a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cfcore.data.frames import make

__all__ = ["Table"]

Array = np.ndarray[Any, Any]


class Table(Mapping[str, Array]):
    """Named columns of equal length: ``table["rmse"]`` is an array, ``print(table)`` prints all of them.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
    summary : bool, default False
        Print the mean and the standard deviation of the columns of floats below the rows.
    """

    def __init__(self, columns: Mapping[str, Any], *, summary: bool = False) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self._summary = summary

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def mean(self, name: str) -> float:
        """Mean of a column."""
        return float(np.mean(self._columns[name]))

    def std(self, name: str) -> float:
        """Standard deviation of a column, with n - 1 degrees of freedom; NaN for a single row."""
        column = self._columns[name]
        return float(np.std(column, ddof=1)) if len(column) > 1 else float("nan")

    def to_frame(self, library: str | None = None) -> Any:
        """A pandas, polars or pyarrow frame: the library named, or the first of them that is installed."""
        return make(self._columns, library)

    def __repr__(self) -> str:
        rows = [list(self)]
        n = len(next(iter(self._columns.values()), ()))
        rows += [[_text(name, column[at]) for name, column in self._columns.items()] for at in range(n)]
        if self._summary and n > 1:
            for what in ("mean", "std"):
                figures = [
                    _text(name, getattr(self, what)(name)) if column.dtype.kind == "f" else ""
                    for name, column in self._columns.items()
                ]
                rows.append([what, *figures[1:]])
        widths = [max(len(row[at]) for row in rows) for at in range(len(self))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        return "\n".join(lines)


def _text(name: str, value: Any) -> str:
    """A cell: seconds to the hundredth, other floats to five digits."""
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return f"{value:.2f}" if name.endswith("seconds") else f"{value:.5g}"
    return str(value)
