"""Layout of a text file: its separator, its header, and the role of each column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cfcore.data.columns import find_columns, listed, within
from cfcore.data.guesses import check_header, check_positions, check_width, is_time_column, time_column
from cfcore.data.kinds import Kind
from cfcore.data.names import ROLES, needed_roles
from cfcore.data.separators import NUMBER, Separator, find_separator, separator_given
from cfcore.data.times import FIRST_SECOND
from cfcore.errors import DataError

__all__ = ["ROLES", "Layout", "Options", "find_layout"]

Wanted = Mapping[str, str | int | bool | None]

#: Lines whose values are looked at, to tell what their columns are.
MOST_ROWS = 1000


@dataclass(frozen=True)
class Options:
    """How a file is to be read; arguments as of ``Ratings.read``.

    Attributes
    ----------
    wanted : mapping
        For each role the name or position of its column, or None; False for no timestamps.
    separator : str or None
    header : bool or None
    encoding : str
    decimal : {".", ","} or None
    rated : bool
        Whether ratings are read; else pairs of users and items.
    unrated : bool
        Whether a rating may be missing, and is NaN then.
    kinds : mapping
        Kind of the ids of "user" and "item".
    """

    wanted: Wanted = field(default_factory=lambda: dict.fromkeys(ROLES))
    separator: str | None = None
    header: bool | None = None
    encoding: str = "utf-8"
    decimal: str | None = None
    rated: bool = True
    unrated: bool = False
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """Roles without which nothing can be read."""
        return needed_roles(self.rated)


@dataclass(frozen=True)
class Layout:
    """Separator and columns of a text file.

    Attributes
    ----------
    separator : Separator
    begin : int
        Bytes before the first row: comments, the header line.
    columns : dict
        Position of the column for each role; "timestamp" only if there is one.
    names : dict
        Name in errors of the column of each role.
    width : int
        Number of columns; a row must not have more, except empty ones.
    headed : bool
        Whether a header names the columns.
    guessed : bool
        Whether the column of users was taken for its position only.
    """

    separator: Separator
    begin: int
    columns: dict[str, int]
    names: dict[str, str]
    width: int
    headed: bool
    guessed: bool


def find_layout(
    head: bytes, where: str, options: Options, encoding: str = "utf-8", before: Layout | None = None
) -> Layout:
    """Layout of a file from its first lines.

    Parameters
    ----------
    head : bytes
        The start of the file: whole lines.
    where : str
        Name of the file in errors.
    options : Options
    encoding : str
        Of the bytes of `head`.
    before : Layout, optional
        Of the file before this one, where several are read as one.

    Raises
    ------
    DataError
        When the separator or a column cannot be found, or the values tell that the columns are others than
        their positions say.
    """
    lines = [(at, raw.decode(encoding, errors="replace").rstrip("\r")) for at, raw in _lines(head)]
    separator = None if options.separator is None else separator_given(options.separator, encoding)
    if lines and (hint := re.fullmatch(r"sep=(.)", lines[0][1])):  # spreadsheets write it
        separator = separator or Separator(hint[1], encoding)
        lines = lines[1:]
    data = [line for line in lines if not line[1].lstrip().startswith(("#", "%"))] or lines
    if not data:
        raise DataError(f"{where} is empty: ratings need at least one row")
    if separator and len(separator.split(data[0][1])) == 1:
        raise DataError(
            f"{where}: the separator {separator.text!r} is not in its first line {data[0][1][:80]!r}"
        )
    separator = separator or find_separator([text for _, text in data], len(options.needed), where)
    lines, marked = _without_comments(lines, len(separator.split(data[0][1])), separator, options)
    rows = [separator.split(text) for _, text in lines[:MOST_ROWS]]
    if marked:
        rows[0] = separator.split(lines[0][1].lstrip("#% "))
    headed = marked or _is_headed(rows, where, options)
    if not headed and before is not None and before.headed:
        # `split` cuts a file into parts of which the first alone has the header.
        if len(rows[0]) != before.width:
            raise DataError(f"{where} has {len(rows[0])} columns and no header, unlike the file before it")
        columns, names = dict(before.columns), dict(before.names)
        return Layout(separator, lines[0][0], columns, names, before.width, True, False)
    if headed:
        width = check_width(rows, options.wanted, options.needed, where)
        columns = _by_header(rows[0], options, where, width)
        # Names are shifted where rows have a column more, the first, than the header.
        own = rows[0] if width == len(rows[0]) else ["", *rows[0]]
        names = {role: own[column] for role, column in columns.items()}
    else:
        width = max((number for row in rows for number, each in enumerate(row, start=1) if each), default=0)
        rows = [row[:width] for row in rows]  # a separator may end each line
        columns = _by_position(rows, width, options, where)
        names = {role: role for role in columns}
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"one column is named for two roles: {columns}")
    if not headed:
        check_positions(rows, options.wanted, columns, where)
    elif (
        options.wanted.get("timestamp") is None
        and "timestamp" in columns
        and not is_time_column(rows[1:], columns["timestamp"], names["timestamp"], where)
    ):
        del columns["timestamp"], names["timestamp"]
    begin = len(head) if headed and len(lines) == 1 else lines[1 if headed else 0][0]
    guessed = not headed and options.wanted.get("user") is None
    return Layout(separator, begin, columns, names, width, headed, guessed)


def _lines(head: bytes) -> list[tuple[int, bytes]]:
    """Start and content of the lines that are not blank."""
    found, at = [], 0
    for raw in head.split(b"\n"):
        if raw.strip():
            found.append((at, raw))
        at += len(raw) + 1
    return found


def _without_comments(
    lines: list[tuple[int, str]], width: int, separator: Separator, options: Options
) -> tuple[list[tuple[int, str]], bool]:
    """The lines from the header or the first row on, and whether the first is a header behind a "#"."""
    number = 0
    while number < len(lines) - 1 and lines[number][1].lstrip().startswith(("#", "%")):
        text = lines[number][1].lstrip()
        fields = separator.split(text.lstrip("#% "))
        if len(fields) == width and options.header is not False and _names_columns(fields, options):
            return lines[number:], True
        # "#7,1,5" is a row of a user #7.
        if not re.match(r"[#%]+(\s|$)", text) and len(separator.split(text)) == width:
            break
        number += 1
    return lines[number:], False


def _names_columns(fields: list[str], options: Options) -> bool:
    if any(NUMBER.fullmatch(each) for each in fields):
        return False
    try:
        _by_header(fields, options, "", len(fields))
    except DataError:
        return False
    return True


def _is_headed(rows: list[list[str]], where: str, options: Options) -> bool:
    by_name = any(isinstance(column, str) for column in options.wanted.values())
    if options.header is False and by_name:
        raise ValueError("columns are given by name, but header is False")
    if options.header is not None or by_name:
        return options.header is not False
    if not any(NUMBER.fullmatch(each) for each in rows[0]):
        return True
    check_header(rows, where)
    return False


def _by_header(fields: list[str], options: Options, where: str, width: int) -> dict[str, int]:
    # Columns without a position are found by name; a position decides, as two columns may have one name.
    untyped = [each.partition(":")[0] for each in fields]
    columns, names = {}, {}
    for role, column in options.wanted.items():
        if isinstance(column, str):
            without_type = column not in fields and column in untyped
            names[role] = fields[untyped.index(column)] if without_type else column
        elif column is not None and column is not False:
            columns[role] = within(int(column), range(width), where, role)
    unnamed = [role for role in options.needed if role not in columns]
    positions = [position for position in range(len(fields)) if position not in columns.values()]
    free = [fields[position] for position in positions]
    try:
        found = find_columns(free, names, where, tuple(unnamed))
    except DataError as error:
        if options.header is None and not names and not options.rated and len(fields) < 4:
            raise DataError(f"{error}; if this is a row and no header, pass header=False") from None
        raise
    for role, name in found.items():
        left_out = role == "timestamp" and options.wanted.get(role) is False
        if role not in columns and not left_out and (options.rated or role != "rating"):
            if free.count(name) > 1:
                both = [at for at, field in zip(positions, free, strict=True) if field == name]
                raise DataError(
                    f"{where}: the columns {listed(both)} have the same name {name!r}; say which is the "
                    f"{role} by its position, such as {role}={both[0]}"
                )
            columns[role] = positions[free.index(name)]
    return columns


def _by_position(rows: Sequence[list[str]], width: int, options: Options, where: str) -> dict[str, int]:
    wanted, fields = options.wanted, rows[0]
    given = [role for role in options.needed if wanted.get(role) is not None]
    if width > 4 and len(given) < len(options.needed):
        positions = ", ".join(f"{role}={number}" for number, role in enumerate(options.needed))
        raise DataError(
            f"{where} has {width} columns and no header: {listed(fields)}; give the positions of the "
            f"columns, such as {positions} (from 0 on). A matrix with a column for each item is read by "
            "Ratings.from_matrix"
        )
    columns = {}
    for position, role in enumerate(options.needed):
        column = wanted.get(role)
        columns[role] = within(position if column is None else int(column), fields, where, role)
    column = wanted.get("timestamp")
    if column is False:
        return columns
    if column is not None:
        columns["timestamp"] = within(int(column), fields, where, "timestamp")
    # Without a header, the fourth column is the timestamp if it holds numbers or dates, and the first three
    # are the others. In pairs the third may be, unless it has ratings.
    elif width == 4 and max(columns.values()) < 3 and time_column(rows, 3) is None:
        columns["timestamp"] = 3
    elif (
        not options.rated
        and width == 3
        and max(columns.values()) < 2
        and time_column(rows, 2, least=FIRST_SECOND) is None
    ):
        columns["timestamp"] = 2
    return columns
