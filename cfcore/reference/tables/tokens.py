"""Twin of `cfcore.kernels.tables.tokens` in plain Python: same names, arguments, results and errors."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart
from cfcore.reference.tables.text import array_of, lines_from

Text = bytes | NDArray[np.uint8]


def locate_fields(
    text: Text,
    layout: NDArray[np.int32],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int32],
    separator: str,
    begin: int,
) -> tuple[int, int, int]:
    """Start and length of the wanted fields of each row; see the kernel."""
    check_apart("locate_fields", {"starts": starts, "lengths": lengths}, {"layout": layout} | array_of(text))
    if starts.shape != lengths.shape:
        raise ValueError("locate_fields: starts and lengths must be of one shape")
    if not (1 <= len(separator.encode()) <= 4 and separator.isascii()):
        raise ValueError("locate_fields: the separator must be 1 to 4 ASCII characters")
    if not 0 <= begin <= len(text):
        raise ValueError("locate_fields: begin is outside of the text")
    closed = len(layout) > 0 and layout[-1] == -2
    layout = layout[:-1] if closed else layout
    n_needed = max((column for column, field in enumerate(layout, 1) if field >= 0 or not closed), default=0)
    for column, field in enumerate(layout):
        if not -1 <= field < len(starts):
            raise ValueError(f"locate_fields: field {field} of column {column} does not exist")
    n_rows, capacity = 0, starts.shape[1]
    sep = re.escape(separator.encode())
    # A quoted run may come first in a field; then everything up to the separator.
    one_field = re.compile(rb'(?:"(?:[^"]|"")*"?)?(?:(?!' + sep + rb").)*", re.DOTALL)
    for line, row in lines_from(bytes(text), begin):
        if n_rows == capacity:
            return n_rows, line, -1
        if not row.strip(b" "):
            continue
        at = stop = 0
        for column, field in enumerate(layout):
            match = one_field.match(row, at)
            assert match is not None
            raw, stop = match.group(), match.end()
            if field >= 0:
                kept = raw.strip(b" ")
                starts[field, n_rows] = line + at + (len(raw) - len(raw.lstrip(b" ")) if kept else len(raw))
                lengths[field, n_rows] = len(kept)
            if stop == len(row) and column + 1 < len(layout):
                if column + 1 < n_needed:
                    return n_rows, line, column + 1
                break
            at = stop + len(separator)
        if closed and any(field.strip(b" ") for field in row[stop:].split(separator.encode())):
            n_found = len(layout)
            while stop < len(row):
                match = one_field.match(row, stop + len(separator) if n_found else stop)
                assert match is not None
                stop, n_found = match.end(), n_found + 1
            return n_rows, line, n_found
        n_rows += 1
    return n_rows, len(text), -1


def group_tokens(
    text: Text,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int32],
    codes: NDArray[np.int32],
    first: NDArray[np.int32],
    table: NDArray[np.int32],
) -> int:
    """Number the distinct tokens in the order of their first occurrence; see the kernel."""
    written, read = {"codes": codes, "first": first, "table": table}, array_of(text)
    check_apart("group_tokens", written, {"starts": starts, "lengths": lengths, **read})
    n = len(starts)
    if not len(lengths) == len(codes) == len(first) == n:
        raise ValueError("group_tokens: arrays must be of one length, at most 2^30")
    if len(table) < max(2 * n, 1) or len(table) & (len(table) - 1):
        raise ValueError("group_tokens: the table's size must be a power of two, twice the tokens or more")
    raw = bytes(text)
    groups: dict[bytes, int] = {}
    for k, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        if start < 0 or length < 0 or start > len(raw) - length:
            raise ValueError(f"group_tokens: token {k} is outside of the text")
        token = raw[start : start + length]
        if token not in groups:
            first[len(groups)] = k
            groups[token] = len(groups)
        codes[k] = groups[token]
    return len(groups)
