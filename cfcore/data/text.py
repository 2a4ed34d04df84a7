"""Columns of ratings out of delimited text.

Numbers are parsed by the kernel `text` in one scan. If a file holds anything else (string ids, quotes,
dates), the kernel `tokens` finds the fields and groups equal ones, so that Python converts each distinct
field once and not every row.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore import backends
from cfcore.data import times
from cfcore.data.blocks import line_blocks, n_lines
from cfcore.data.ids import check_size
from cfcore.data.layout import ROLES, Layout
from cfcore.errors import DataError

__all__ = ["read_numbers", "read_tokens"]


def read_numbers(path: Path, layout: Layout) -> list[NDArray[Any] | None] | None:
    """Columns user, item, rating, timestamp (None if absent) of a file that is all plain numbers.

    Returns None at the first field that is no plain number: ``read_tokens`` reads such files.
    """
    parts: list[list[NDArray[Any]]] = [[], [], [], []]
    for block in line_blocks(path, layout.begin):
        arrays = _parsed(block, layout.columns, layout.separator)
        if arrays is None:
            return None
        for part, array in zip(parts, arrays, strict=True):
            part.append(array)
    if "timestamp" not in layout.columns:
        parts[3] = []
    return [_joined(part) if part else None for part in parts]


def _parsed(block: bytes, columns: dict[str, int], separator: str) -> list[NDArray[Any]] | None:
    """Arrays of all roles, filled for those in `columns`; None if those are not plain numbers."""
    layout = np.zeros(max(columns.values()) + 1, dtype=np.int32)
    for role, column in columns.items():
        layout[column] = ROLES.index(role) + 1
    n = n_lines(block)
    arrays = [np.empty(n, dtype=dtype) for dtype in (np.int64, np.int64, np.float32, np.int64)]
    n_rows, _, stopped = backends.kernel("tables.text").parse_ratings(block, layout, *arrays, separator, 0)
    return None if stopped else [array[:n_rows] for array in arrays]


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    column = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    # Read-only arrays are taken over by Ratings instead of being copied.
    for array in (column, column.base):
        if array is not None:
            array.flags.writeable = False
    return column


class _Vocabulary:
    """Distinct ids of a column over all blocks."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def number(self, fields: list[str]) -> NDArray[np.int32]:
        """Code of each field; new fields get the next codes."""
        codes = self.codes
        return np.array([codes.setdefault(field, len(codes)) for field in fields], dtype=np.int32)

    def ids(self, column: str) -> NDArray[Any]:
        """The fields, in the order of their codes."""
        check_size(len(self.codes), column)
        fields = np.empty(len(self.codes), dtype=object)
        fields[:] = list(self.codes)
        return fields


def read_tokens(path: Path, layout: Layout, encoding: str) -> tuple[list[Any], NDArray[Any], NDArray[Any]]:
    """Columns of any text file: codes of users and items, ratings, times (or None), and the texts of ids.

    Raises
    ------
    DataError
        For a row with too few columns, a missing id, and an invalid rating or time. The message names the
        column and the row.
    """
    roles = [role for role in ROLES if role in layout.columns]
    columns = np.full(max(layout.columns.values()) + 1, -1, dtype=np.int32)
    for number, role in enumerate(roles):
        columns[layout.columns[role]] = number
    users, items = _Vocabulary(), _Vocabulary()
    convert: dict[str, Callable[[list[str]], NDArray[Any]]] = {
        "user": users.number,
        "item": items.number,
        "rating": lambda fields: np.array([_rating(field) for field in fields], dtype=np.float32),
        "timestamp": lambda fields: np.array([_time(field) for field in fields], dtype=np.int64),
    }
    parts: dict[str, list[NDArray[Any]]] = {role: [] for role in ROLES}
    row = 0
    for block in line_blocks(path, layout.begin):
        n = n_lines(block)
        starts, lengths = np.empty((len(roles), n), dtype=np.int64), np.empty((len(roles), n), dtype=np.int32)
        locate = backends.kernel("tables.tokens").locate_fields
        n_rows, _, n_found = locate(block, columns, starts, lengths, layout.separator, 0)
        if n_found >= 0:
            missing = min((column, role) for role, column in layout.columns.items() if column >= n_found)[1]
            raise DataError(
                f"{path}: column {layout.names[missing]!r} is missing at row {row + n_rows}, "
                f"which has {n_found} columns (separator {layout.separator!r})"
            )
        numbers = None
        if b'"' not in block:  # that kernel would take a separator inside of quotes for the end of a field
            wanted = {role: layout.columns[role] for role in roles if role in ("rating", "timestamp")}
            numbers = _parsed(block, wanted, layout.separator)
        for number, role in enumerate(roles):
            if numbers is not None and role in wanted:
                parts[role].append(numbers[ROLES.index(role)])
                continue
            found = _Fields(block, starts[number, :n_rows], lengths[number, :n_rows], encoding)
            try:
                parts[role].append(convert[role](found.checked(role))[found.codes])
            except _BadField as bad:
                raise DataError(
                    f"{path}: column {layout.names[role]!r}: {bad} at row {row + found.row_of(bad.field)}"
                ) from None
        row += n_rows
    if row == 0:
        raise DataError(f"{path} is empty: ratings need at least one row")
    joined = [_joined(parts[role]) if parts[role] else None for role in ROLES]
    return joined, users.ids(layout.names["user"]), items.ids(layout.names["item"])


class _BadField(Exception):
    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class _Fields:
    """One column of a block: its distinct fields as text, and the number of the field of each row."""

    def __init__(
        self, block: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int32], encoding: str
    ) -> None:
        n = len(starts)
        self.codes = np.empty(n, dtype=np.int32)
        first = np.empty(n, dtype=np.int32)
        table = np.empty(1 << (2 * n).bit_length(), dtype=np.int32)
        starts, lengths = np.ascontiguousarray(starts), np.ascontiguousarray(lengths)
        n_groups = backends.kernel("tables.tokens").group_tokens(
            block, starts, lengths, self.codes, first, table
        )
        self._first = first[:n_groups]
        begins = starts[self._first].tolist()
        ends = (starts[self._first] + lengths[self._first]).tolist()
        self._raw = [block[begin:end] for begin, end in zip(begins, ends, strict=True)]
        self._encoding = encoding
        self._texts: list[str] = []

    def checked(self, role: str) -> list[str]:
        """The distinct fields, decoded, unquoted, none of them empty."""
        for raw in self._raw:
            try:
                text = raw.decode(self._encoding)
            except UnicodeDecodeError:
                self._texts.append("")
                raise _BadField(f"{raw!r} is not {self._encoding} (pass encoding=)", "") from None
            if len(text) > 1 and text[0] == text[-1] == '"':
                text = text[1:-1].replace('""', '"')
            self._texts.append(text)
            if not text:
                raise _BadField("missing id" if role in ("user", "item") else "missing value", text)
        return self._texts

    def row_of(self, text: str) -> int:
        """First row that holds this field."""
        return int(self._first[self._texts.index(text)])


def _rating(text: str) -> float:
    try:
        value = _number(text)
    except ValueError:
        raise _BadField(f"{text!r} is not a number", text) from None
    if not abs(value) <= float(np.finfo(np.float32).max):
        raise _BadField(f"{text!r} is not a finite float32 number", text)
    return value


def _number(text: str) -> float:
    # float() accepts "1_000" and the digits of other scripts, which are not numbers in a file.
    if "_" in text or not text.isascii():
        raise ValueError
    return float(text)


def _time(text: str) -> int:
    try:
        return times.parse(text)
    except ValueError as error:
        raise _BadField(f"{text!r} {error}", text) from None
