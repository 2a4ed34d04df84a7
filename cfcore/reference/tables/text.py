"""Twin of `cfcore.kernels.tables.text` in plain Python: same names, arguments, results and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart

_INTEGER = rb"-?[1-9][0-9]{0,17}|0"
# By role: user, item, rating, timestamp.
_FIELDS = {
    1: re.compile(_INTEGER),
    2: re.compile(_INTEGER),
    3: re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"),
    4: re.compile(rb"(" + _INTEGER + rb")(?:\.0*)?"),
}


def lines_from(text: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
    """Start and content of each line from `begin` on, its line end (LF or CR LF) cut off."""
    while begin < len(text):
        newline = text.find(b"\n", begin)
        end = len(text) if newline < 0 else newline
        row = text[begin:end]
        yield begin, row.removesuffix(b"\r")
        begin = end + 1


def array_of(text: bytes | NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """The text by its name if it is an array, whose memory others could share; bytes cannot be written."""
    return {} if isinstance(text, bytes) else {"text": text}


def _power_of_ten(number: bytes) -> tuple[bool, int]:
    """Whether any of the first 19 digits counts, and the power of ten by which they are to be scaled."""
    mantissa, _, exponent = number.lower().partition(b"e")
    whole, _, fraction = mantissa.lstrip(b"+-").partition(b".")
    power, kept, any_digit = int(exponent or b"0"), 0, False
    for digits, after_point in ((whole, False), (fraction, True)):
        for digit in digits:
            if kept < 19:
                any_digit |= digit != 48
                kept += any_digit
                power -= after_point
            elif not after_point:
                power += 1
    return any_digit, power


def parse_ratings(
    text: bytes | NDArray[np.uint8],
    layout: NDArray[np.int32],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    values: NDArray[np.float32],
    timestamps: NDArray[np.int64],
    separator: str,
    begin: int,
) -> tuple[int, int, int]:
    """Read rows of plain numbers until the text ends or something else turns up; see the kernel."""
    filled: dict[str, NDArray[Any]] = {
        "users": users,
        "items": items,
        "values": values,
        "timestamps": timestamps,
    }
    check_apart("parse_ratings", filled, {"layout": layout} | array_of(text))
    capacity = len(users)
    if not len(items) == len(values) == len(timestamps) == capacity:
        raise ValueError("parse_ratings: the four arrays must be of one length")
    if not (1 <= len(separator.encode()) <= 4 and separator.isascii()):
        raise ValueError("parse_ratings: the separator must be 1 to 4 ASCII characters")
    if not 0 <= begin <= len(text):
        raise ValueError("parse_ratings: begin is outside of the text")
    for column, role in enumerate(layout):
        if not (0 <= role <= 4 or (role == 5 and column == len(layout) - 1)):
            raise ValueError(f"parse_ratings: role {role} of column {column} is unknown")
    targets: dict[int, NDArray[Any]] = {1: users, 2: items, 3: values, 4: timestamps}
    sep, n_rows = separator.encode(), 0
    for line, row in lines_from(bytes(text), begin):
        if n_rows == capacity:
            return n_rows, line, 0
        if not row.strip(b" "):
            continue
        fields = row.split(sep)
        for column, role in enumerate(layout.tolist()):
            if role == 5:
                if any(field.strip(b" ") for field in fields[column:]):
                    return n_rows, line, 5
                continue
            if column >= len(fields):
                missing = next((later for later in layout[column:].tolist() if later), 3)
                if missing == 5:
                    break
                return n_rows, line, missing
            if role == 0:
                continue
            field = fields[column] if sep[:1] == b" " else fields[column].strip(b" ")
            match = _FIELDS[role].fullmatch(field)
            if match is None:
                return n_rows, line, role
            if role == 3:
                any_digit, power = _power_of_ten(field)
                if any_digit and abs(power) > 22:
                    return n_rows, line, role
                if abs(float(field)) > float(np.finfo(np.float32).max):
                    return n_rows, line, role
                values[n_rows] = float(field)
            else:
                targets[role][n_rows] = int(match.group(1) if role == 4 else field)
        n_rows += 1
    return n_rows, len(text), 0
