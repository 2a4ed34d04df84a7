"""Batches of rows out of delimited text.

Numbers are parsed by the kernel `text` in one scan. If a block holds anything else (string ids, quotes,
dates), the kernel `tokens` finds the fields and groups equal ones, so that Python converts each distinct
field once and not every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore import backends
from cfcore.data.batches import Batch, Words
from cfcore.data.blocks import head, line_blocks, lines_of_open_quotes, n_lines
from cfcore.data.fields import BadField, ratings_of, times_of
from cfcore.data.layout import ROLES, Layout, Options, find_layout
from cfcore.data.separators import split_line
from cfcore.data.stream import Stream, in_utf8
from cfcore.errors import DataError, shown

__all__ = ["open_text"]

_DTYPES = {"user": np.int64, "item": np.int64, "rating": np.float32, "timestamp": np.int64}


def open_text(
    stream: Stream, options: Options, before: Layout | None = None, block: int = 0
) -> tuple[Layout, Iterator[Batch]]:
    """Layout of a text file and its rows, in batches.

    Parameters
    ----------
    stream : Stream
    options : Options
    before : Layout, optional
        Of the file before this one, where several are read as one.
    block : int
        Bytes of a batch; 0 for the usual number.

    Raises
    ------
    DataError
        For a file without separator or columns; while rows are read, for a row with too few columns, a
        missing id, and an invalid rating or time. The message names the column and the row.
    """
    stream, encoding = in_utf8(stream, options.encoding)
    layout = find_layout(head(stream), stream.where, options, encoding, before)
    return layout, _Reader(stream.where, layout, options, encoding).batches(stream, block)


class _Reader:
    def __init__(self, where: str, layout: Layout, options: Options, encoding: str) -> None:
        self.where, self.layout, self.encoding = where, layout, encoding
        self.roles = [role for role in ROLES if role in layout.columns]
        self.separator = layout.separator.kernel
        # An id that must be a string is taken as it is written; a point may be no decimal point.
        self.plain = "str" not in options.kinds.values() and options.decimal != ","
        self.convert: dict[str, Callable[[list[str]], NDArray[Any]]] = {
            "rating": ratings_of(options.decimal, options.unrated),
            "timestamp": times_of,
        }

    def batches(self, stream: Stream, size: int) -> Iterator[Batch]:
        stream.read(self.layout.begin)
        row = 0
        for block in line_blocks(stream, size):
            block = self.layout.separator.prepare(block, self.where)
            # Those kernels would take a separator inside of quotes for the end of a field.
            quoted = b'"' in block
            batch = None
            if self.plain and not quoted:
                batch = _parsed(block, self.layout.columns, self.layout.width, self.separator)
            if batch is None:
                if quoted:
                    self._check_quotes(block, row)
                batch = self._located(block, quoted, row)
            n = len(batch["rating"] if "rating" in batch else batch["user"])
            if n:
                yield batch
            row += n

    def _check_quotes(self, block: bytes, row: int) -> None:
        """DataError for a quoted field with a line break, of which each line would be a row."""
        for line, raw in lines_of_open_quotes(block):
            text = raw.decode(self.encoding, errors="replace").rstrip("\r")
            for field in split_line(text, self.separator):
                if field.startswith('"') and (len(field) == 1 or not field.endswith('"')):
                    raise DataError(
                        f"{self.where}: row {row + line} has a double quote that is not closed on its line, "
                        f"before {field[1:31]!r}. Fields with line breaks are not read; pass a frame, such "
                        "as Ratings.from_frame(pandas.read_csv(path))"
                    )

    def _located(self, block: bytes, quoted: bool, row: int) -> Batch:
        layout, roles, n = self.layout, self.roles, n_lines(block)
        columns = np.full(layout.width + 1, -1, dtype=np.int32)
        columns[-1] = -2  # no further columns
        for number, role in enumerate(roles):
            columns[layout.columns[role]] = number
        starts, lengths = np.empty((len(roles), n), dtype=np.int64), np.empty((len(roles), n), dtype=np.int32)
        locate = backends.kernel("tables.tokens").locate_fields
        n_rows, _, n_found = locate(block, columns, starts, lengths, self.separator, 0)
        if n_found >= 0:
            if n_found > layout.width:
                named = f"{layout.width} are {'named in the header' if layout.headed else 'in the others'}"
                raise DataError(
                    f"{self.where}: row {row + n_rows} has {n_found} columns, and {named} (separator "
                    f"{layout.separator.text!r}); a field that holds the separator must be in double quotes"
                )
            missing = min((column, role) for role, column in layout.columns.items() if column >= n_found)[1]
            raise DataError(
                f"{self.where}: column {layout.names[missing]!r} is missing at row {row + n_rows}, "
                f"which has {n_found} columns (separator {layout.separator.text!r})"
            )
        numeric = [role for role in roles if role in self.convert]
        numbers = None
        if numeric and self.plain and not quoted:
            some = {role: layout.columns[role] for role in numeric}
            numbers = _parsed(block, some, layout.width, self.separator)
        batch: Batch = {}
        for number, role in enumerate(roles):
            if numbers is not None and role in numbers:
                batch[role] = numbers[role]
                continue
            found = _Fields(block, starts[number, :n_rows], lengths[number, :n_rows])
            try:
                words = found.decoded(self.encoding)
                if role in self.convert:
                    batch[role] = self.convert[role](words)[found.codes]
                elif "" in words:
                    raise BadField("missing id", "")
                else:
                    batch[role] = Words(words, found.codes)
            except BadField as bad:
                raise DataError(
                    f"{self.where}: column {layout.names[role]!r}: {bad} at row "
                    f"{row + found.row_of(bad.field)}{bad.advice}"
                ) from None
        return batch


def _parsed(block: bytes, columns: dict[str, int], width: int, separator: str) -> Batch | None:
    """Arrays of the roles in `columns`; None if those are not plain numbers, or a row has more columns."""
    layout = np.zeros(width + 1, dtype=np.int32)
    layout[-1] = 5  # no further columns
    for role, column in columns.items():
        layout[column] = ROLES.index(role) + 1
    n = n_lines(block)
    arrays: Batch = {role: np.empty(n, dtype=dtype) for role, dtype in _DTYPES.items()}
    parse = backends.kernel("tables.text").parse_ratings
    n_rows, _, stopped = parse(block, layout, *arrays.values(), separator, 0)
    return None if stopped else {role: arrays[role][:n_rows] for role in columns}


class _Fields:
    """One column of a block: its distinct fields, and the number of the field of each row."""

    def __init__(self, block: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int32]) -> None:
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
        self._texts: list[str] = []

    def decoded(self, encoding: str) -> list[str]:
        """The distinct fields as text, without quotes."""
        for raw in self._raw:
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                self._texts.append("")
                raise BadField(
                    f"{shown(raw)} is not {encoding} (pass encoding=, such as encoding='latin-1')", ""
                ) from None
            if len(text) > 1 and text[0] == text[-1] == '"':
                text = text[1:-1].replace('""', '"')
            self._texts.append(text)
        return self._texts

    def row_of(self, text: str) -> int:
        """First row that holds this field."""
        return int(self._first[self._texts.index(text)])
