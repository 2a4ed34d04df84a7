"""What a text file looks like: its separator, its header, and which column is which."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cfcore.data.frames import find_columns
from cfcore.errors import DataError

__all__ = ["ROLES", "Layout", "find_layout", "split_line", "within"]

ROLES = ("user", "item", "rating", "timestamp")

# In this order: "::" before ":" would be, a tab before blanks, a comma before what it may stand beside.
SEPARATORS = ("::", "\t", ",", ";", "|", " ")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """Where to find what.

    Attributes
    ----------
    separator : str
    begin : int
        Bytes before the first row: a byte order mark, the header line.
    columns : dict
        Position of the column for each role; "timestamp" only if there is one.
    names : dict
        What to call the column of each role in an error.
    """

    separator: str
    begin: int
    columns: dict[str, int]
    names: dict[str, str]


def split_line(line: str, separator: str) -> list[str]:
    """Fields of one line, blanks and quotes around them taken off."""
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    quoted = rf'\s*"((?:[^"]|"")*)"\s*(?={re.escape(separator)}|$)|(.*?)(?={re.escape(separator)}|$)'
    fields, at = [], 0
    while True:
        match = re.compile(quoted).match(line, at)
        assert match is not None
        inside, plain = match.groups()
        fields.append(inside.replace('""', '"') if inside is not None else plain.strip())
        at = match.end() + len(separator)
        if match.end() >= len(line):
            return fields


def find_layout(
    head: bytes,
    where: str,
    wanted: dict[str, str | int | bool | None],
    separator: str | None,
    header: bool | None,
    encoding: str,
) -> Layout:
    """Layout of a file from its first lines.

    Parameters
    ----------
    head : bytes
        The start of the file, at least its first line.
    where : str
        What to call the file in an error.
    wanted : dict
        For each role the name or position of its column, or None; False for no timestamps.
    separator, header
        As ``read`` was given them; None to find out.
    encoding : str

    Raises
    ------
    DataError
        When the separator or a column cannot be found.
    """
    begin = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    for raw in head[begin:].splitlines(keepends=True):
        begin += len(raw)
        if raw.strip():
            break
    else:
        raise DataError(f"{where} is empty: ratings need at least one row")
    first = raw.decode(encoding, errors="replace").rstrip("\r\n")
    if separator is None:
        separator = _find_separator(first, where)
    fields = split_line(first, separator)
    by_name = any(isinstance(column, str) for column in wanted.values())
    if header is None:
        header = by_name or not any(_NUMBER.fullmatch(field) for field in fields)
    if by_name and not header:
        raise ValueError("columns are given by name, but header is False")
    if header:
        columns = _by_header(fields, wanted, where)
        names = {role: fields[column] for role, column in columns.items()}
    else:
        begin -= len(raw)
        columns = _by_position(fields, wanted, where)
        names = {role: role for role in columns}
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"one column is named for two roles: {columns}")
    return Layout(separator, begin, columns, names)


def _find_separator(line: str, where: str) -> str:
    for separator in SEPARATORS:
        if len(split_line(line, separator)) >= 3:
            return separator
    raise DataError(
        f"{where}: no separator found in its first line {line[:80]!r}, tried "
        f"{', '.join(map(repr, SEPARATORS))}; at least the columns user, item and rating are needed"
    )


def _by_header(fields: list[str], wanted: dict[str, str | int | bool | None], where: str) -> dict[str, int]:
    # By name where there is none; a position is kept as it is, for a header may name two columns alike.
    untyped = [field.partition(":")[0] for field in fields]
    columns, names = {}, {}
    for role, column in wanted.items():
        if isinstance(column, str):
            without_type = column not in fields and column in untyped
            names[role] = fields[untyped.index(column)] if without_type else column
        elif column is not None and column is not False:
            columns[role] = within(int(column), fields, where, role)
    unnamed = [role for role in ("user", "item", "rating") if role not in columns]
    places = [place for place in range(len(fields)) if place not in columns.values()]
    free = [fields[place] for place in places]
    for role, name in find_columns(free, names, where, tuple(unnamed)).items():
        if role not in columns and not (role == "timestamp" and wanted[role] is False):
            columns[role] = places[free.index(name)]
    return columns


def _by_position(fields: list[str], wanted: dict[str, str | int | bool | None], where: str) -> dict[str, int]:
    columns = {}
    for place, role in enumerate(ROLES):
        column = wanted[role]
        if role == "timestamp":
            # The fourth of nameless columns is taken for the time only if it could be one.
            absent = place >= len(fields) or not re.fullmatch(r"\d+(\.0*)?", fields[place])
            if column is False or (column is None and absent):
                continue
        columns[role] = within(place if column is None else int(column), fields, where, role)
    return columns


def within(column: int, fields: list[str], where: str, role: str) -> int:
    """The position `column` itself if there is such a field, or DataError."""
    if not 0 <= column < len(fields):
        raise DataError(f"{where} has no column {column} for the {role}; there are {len(fields)}, from 0 on")
    return column
