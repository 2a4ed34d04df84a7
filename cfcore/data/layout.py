"""Layout of a text file: its separator, its header, and the role of each column."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cfcore.data.frames import find_columns
from cfcore.errors import DataError

__all__ = ["ROLES", "Layout", "find_layout", "split_line", "within"]

ROLES = ("user", "item", "rating", "timestamp")

# Tried in this order: a field may contain those that come later.
SEPARATORS = ("::", "\t", ",", ";", "|", " ")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """Separator and columns of a text file.

    Attributes
    ----------
    separator : str
    begin : int
        Bytes before the first row: a byte order mark, the header line.
    columns : dict
        Position of the column for each role; "timestamp" only if there is one.
    names : dict
        Name in errors of the column of each role.
    """

    separator: str
    begin: int
    columns: dict[str, int]
    names: dict[str, str]


def split_line(line: str, separator: str) -> list[str]:
    """Fields of one line, without the blanks and quotes around them."""
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
        Name of the file in errors.
    wanted : dict
        For each role the name or position of its column, or None; False for no timestamps.
    separator, header
        As in ``read``; None to infer them.
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
    # Columns without a position are found by name; a position decides, as two columns may have one name.
    untyped = [field.partition(":")[0] for field in fields]
    columns, names = {}, {}
    for role, column in wanted.items():
        if isinstance(column, str):
            without_type = column not in fields and column in untyped
            names[role] = fields[untyped.index(column)] if without_type else column
        elif column is not None and column is not False:
            columns[role] = within(int(column), fields, where, role)
    unnamed = [role for role in ("user", "item", "rating") if role not in columns]
    positions = [position for position in range(len(fields)) if position not in columns.values()]
    free = [fields[position] for position in positions]
    for role, name in find_columns(free, names, where, tuple(unnamed)).items():
        if role not in columns and not (role == "timestamp" and wanted[role] is False):
            columns[role] = positions[free.index(name)]
    return columns


def _by_position(fields: list[str], wanted: dict[str, str | int | bool | None], where: str) -> dict[str, int]:
    columns = {}
    for position, role in enumerate(ROLES):
        column = wanted[role]
        if role == "timestamp":
            # Without a header, the fourth column is the timestamp only if it begins with a whole number.
            absent = position >= len(fields) or not re.fullmatch(r"\d+(\.0*)?", fields[position])
            if column is False or (column is None and absent):
                continue
        columns[role] = within(position if column is None else int(column), fields, where, role)
    return columns


def within(column: int, fields: list[str], where: str, role: str) -> int:
    """`column` itself if there is a field at that position, or DataError."""
    if not 0 <= column < len(fields):
        raise DataError(f"{where} has no column {column} for the {role}; there are {len(fields)}, from 0 on")
    return column
