"""`Table`: columns of results that print well and turn into a data frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cfcore import html
from cfcore.data.frames import make
from cfcore.metrics.digits import decimals

__all__ = ["Table"]

Array = np.ndarray[Any, Any]

#: Significant digits of columns whose noise is not known: of the largest value of seconds, and of the least
#: of others; and decimals from which on all values of a column are written with exponents.
DIGITS, MOST_DECIMALS = 3, 6


class Table(Mapping[str, Array]):
    """Named columns of equal length: ``table["rmse"]`` is an array, ``print(table)`` prints all of them.

    A notebook shows it as a table.

    Parameters
    ----------
    columns : mapping of str to array_like, shape (n,)
    summary : bool, default False
        Print the mean and the standard deviation of the columns of floats below the rows.
    errors : mapping of str to float, optional
        Standard errors, by which the columns of these names have as many decimals as mean something: two
        digits of the error are shown. With `summary`, those of the means over the rows unless given.
    popularity : mapping of str to array_like, shape (n,), optional
        For columns of metrics of lists, what lists by popularity have: a line of their means is printed below
        the others.

    Attributes
    ----------
    popularity : dict of str to ndarray, shape (n,)
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        *,
        summary: bool = False,
        errors: Mapping[str, float] | None = None,
        popularity: Mapping[str, Any] | None = None,
    ) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self._summary = summary
        self._errors = dict(errors or {})
        self.popularity: dict[str, Array] = {
            name: np.asarray(column) for name, column in (popularity or {}).items()
        }

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
        body, foot = self._cells()
        rows = [list(self), *body, *foot]
        widths = [max(len(row[at]) for row in rows) for at in range(len(self))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body, foot = self._cells()
        return html.table(list(self), body, foot=foot)

    def _cells(self) -> tuple[list[list[str]], list[list[str]]]:
        """Texts of the rows, and of those of the summary."""
        forms = {name: self._form(name) for name in self}
        n = len(next(iter(self._columns.values()), ()))
        body = [[_text(column[at], forms[name]) for name, column in self._columns.items()] for at in range(n)]
        foot = []
        if self._summary and n > 1:
            for what in ("mean", "std"):
                figures = [
                    _text(getattr(self, what)(name), forms[name]) if column.dtype.kind == "f" else ""
                    for name, column in self._columns.items()
                ]
                foot.append([what, *figures[1:]])
        if self.popularity and n:
            means = [
                _text(float(np.mean(self.popularity[name])), forms[name]) if name in self.popularity else ""
                for name in self
            ]
            foot.append(["popularity", *means[1:]])
        return body, foot

    def _form(self, name: str) -> str:
        """Format of the floats of a column, the same in all rows, so that they are aligned."""
        column = self._columns[name]
        if column.dtype.kind == "O":  # None stands for what is not known
            column = np.array([value for value in column if isinstance(value, float)])
        if column.dtype.kind != "f":
            return ""
        sizes = np.abs(column[np.isfinite(column) & (column != 0)])
        if name.endswith("seconds"):
            largest = float(sizes.max()) if len(sizes) else 1.0
            return f".{min(max(DIGITS - 1 - _power(largest), 0), MOST_DECIMALS)}f"
        error = self._errors.get(name)
        if error is None and self._summary:
            error = self.std(name) / math.sqrt(len(column))
        if error is not None:
            return f".{decimals(error)}f"
        least = float(sizes.min()) if len(sizes) else 1.0
        places = max(DIGITS - 1 - _power(least), 0)
        return f".{places}f" if places <= MOST_DECIMALS else f".{DIGITS - 1}e"


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def _text(value: Any, form: str) -> str:
    if value is None:
        return ""
    return format(float(value), form) if isinstance(value, (float, np.floating)) else str(value)
