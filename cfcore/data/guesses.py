"""Values that tell that the columns of a file without a header are others than their positions say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cfcore.data.columns import FROM_MATRIX, listed, usual_column
from cfcore.data.kinds import AMONG_INTEGERS, MARKERS
from cfcore.data.separators import NUMBER
from cfcore.data.times import END, FIRST_SECOND
from cfcore.errors import DataError, DataWarning, shown, warn

__all__ = ["check_header", "check_positions", "check_width", "is_time_column", "time_column", "warn_of_index"]

#: Numbers from here to FIRST_SECOND may be dates such as 19980301, which are mentioned elsewhere.
FIRST_DATE = 19_000_101

#: A rating of any scale is below this number.
MOST_RATING = 10_000

_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)


class _Column:
    """What the values of a column are, as far as the first rows tell."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.numbers = [float(field) for field in fields if NUMBER.fullmatch(field)]
        self.numeric = len(self.numbers) == len(fields) > 0
        self.dates = len(fields) > 0 and not self.numbers and all(map(_is_date, fields))
        self.fraction = next((field for field in fields if _is_fraction(field)), None)

    @property
    def is_time(self) -> bool:
        return self.dates or (self.numeric and min(self.numbers) >= FIRST_SECOND)

    @property
    def is_rating(self) -> bool:
        """Whether the values are few and small."""
        return self.numeric and max(map(abs, self.numbers)) <= 100 and len(set(self.numbers)) <= 101


def _is_fraction(field: str) -> bool:
    return NUMBER.fullmatch(field) is not None and float(field) % 1 != 0 and abs(float(field)) < FIRST_SECOND


def _column(rows: Sequence[list[str]], position: int) -> _Column:
    return _Column([row[position] for row in rows if position < len(row) and row[position]])


def check_header(rows: Sequence[list[str]], where: str) -> None:
    """DataError if the first line has numbers and may nevertheless be a header: the items of a wide table."""
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not others:
        return
    numbered = len(first) > 2 and all(NUMBER.fullmatch(field) for field in first[1:])
    if numbered and (first[0] == "" or usual_column(first[:1], "user") is not None):
        raise DataError(
            f"{where} looks like a table with a row for each user and a column for each item (pivot table): "
            f"its first line is the items. Pass it to {FROM_MATRIX} as a frame"
        )
    for position, field in enumerate(first[:2]):
        named = not NUMBER.fullmatch(field) and field not in AMONG_INTEGERS
        if named and all(_PLAIN.fullmatch(row[position]) for row in others):
            raise DataError(
                f"{where}: the first line has {shown(field)} where all others have a number; pass "
                "header=False if it is a row, header=True if it names the columns. A table with a column for "
                "each item is read by Ratings.from_matrix"
            )


def check_width(
    rows: Sequence[list[str]],
    wanted: Mapping[str, str | int | bool | None],
    needed: Sequence[str],
    where: str,
) -> int:
    """Number of columns of the rows below a header; DataError if all rows have more than it names.

    Row names, as R writes them, are such a column, the first; a decimal comma in a file with commas makes
    two columns of one. The positions of the columns settle it.
    """
    width, others = len(rows[0]), rows[1:]
    more = max((len(row) for row in others), default=0)
    if more <= width or any(len(row) <= width or not any(row[width:]) for row in others):
        return width
    if all(isinstance(wanted.get(role), int) for role in needed):
        return more
    positions = ", ".join(f"{role}={number}" for number, role in enumerate(needed, start=more - width))
    raise DataError(
        f"{where}: the header names {width} columns, and row 0 has {len(others[0])}: "
        f"{listed(others[0])}. If the first has no name, as of row names that R writes, pass the positions "
        f"of the columns, such as {positions} (from 0 on); a decimal comma needs another separator, or "
        "quotes around the number"
    )


def check_positions(
    rows: Sequence[list[str]],
    wanted: Mapping[str, str | int | bool | None],
    columns: Mapping[str, int],
    where: str,
) -> None:
    """DataError if columns that were taken for their position hold values of another kind.

    Parameters
    ----------
    rows : list of list of str
        The first rows.
    wanted : mapping
        Positions that the caller gave: those columns are not checked.
    columns : mapping
        Position of the column of each role.
    where : str
        Name of the file in errors.
    """
    found = {role: _column(rows, position) for role, position in columns.items()}
    fourth = _column(rows, 3) if rows and len(rows[0]) == 4 else None
    likely = _likely(rows, columns, found)
    positions = f"pass the positions of the columns, such as {likely}"
    for role in ("user", "item"):
        if wanted.get(role) is None and found[role].fraction is not None:
            remedy = f"{positions}, or read a matrix by {FROM_MATRIX}" if likely else ""
            raise DataError(
                f"{where}: column {columns[role]} ({role}) holds {found[role].fraction}, which is no id. "
                f"The file has no header; {remedy or f'if it is a matrix, it is read by {FROM_MATRIX}'}"
            )
    if "rating" in found and wanted.get("rating") is None and found["rating"].is_time:
        if fourth is not None and fourth.is_rating:
            raise DataError(
                f"{where}: column {columns['rating']} (rating) holds times such as "
                f"{rows[0][columns['rating']]}, and column 3 ratings; pass rating=3, timestamp=2"
            )
        raise DataError(
            f"{where}: column {columns['rating']} (rating) holds {rows[0][columns['rating']]} in the first "
            f"row, which looks like a time or an id. The file has no header; {positions}"
        )
    if "rating" in found and all(wanted.get(role) is None for role in ("item", "rating")):
        _warn_of_order(found, where)
    if fourth is None or wanted.get("timestamp") is not None:
        return
    early = [role for role in ("user", "item") if wanted.get(role) is None and _all_seconds(found[role])]
    if early and fourth.is_rating and columns.get("timestamp") == 3:
        order = (
            "user=1, item=2, rating=3, timestamp=0"
            if early[0] == "user"
            else ("user=0, item=2, rating=3, timestamp=1")
        )
        raise DataError(
            f"{where}: column {columns[early[0]]} ({early[0]}) looks like times and column 3 (timestamp) "
            f"like ratings. The file has no header; pass the positions of the columns, such as {order}"
        )
    # A first column that counts the rows is mentioned later, when all rows are known.
    if "rating" in found and not _counts(found["user"].numbers):
        _warn_of_fourth(rows, fourth, columns, where)


def _counts(numbers: Sequence[float]) -> bool:
    return len(numbers) >= 3 and numbers[0] in (0, 1) and bool((np.diff(numbers) == 1).all())


def _likely(rows: Sequence[list[str]], columns: Mapping[str, int], found: Mapping[str, _Column]) -> str:
    """Positions for a message; "" if fractions are in several columns, as in a matrix.

    The ratings are where fractions are, if those are in one column.
    """
    places = [_column(rows, position) for position in range(len(rows[0]))]
    fractions = [position for position, column in enumerate(places) if column.fraction is not None]
    rest = [position for position in range(len(rows[0])) if position not in fractions]
    if len(fractions) > 1:
        return ""
    if len(fractions) == 1 and len(rest) >= 2 and columns.get("rating") != fractions[0]:
        columns = {"user": rest[0], "item": rest[1], "rating": fractions[0]}
    return ", ".join(f"{role}={position}" for role, position in columns.items())


def _warn_of_order(found: Mapping[str, _Column], where: str) -> None:
    """DataWarning if the items look like ratings, and the ratings like ids of items."""
    items, values = found["item"], found["rating"]
    if not (items.numeric and values.numeric and values.fraction is None):
        return
    few = max(map(abs, items.numbers)) <= 10 and len(set(items.numbers)) <= 10
    if few and min(values.numbers) > 10 and max(values.numbers) > MOST_RATING:
        warn(
            f"{where}: column 1 (item) holds a few small numbers, and column 2 (rating) numbers up to "
            f"{max(values.numbers):.0f}; if the order is user, rating, item, pass user=0, item=2, rating=1",
            DataWarning,
        )


def _warn_of_fourth(
    rows: Sequence[list[str]], fourth: _Column, columns: Mapping[str, int], where: str
) -> None:
    """DataWarning if the fourth column is taken for times, or not, and its values do not tell."""
    first = shown(next((row[3] for row in rows if len(row) > 3 and row[3]), ""))
    if "timestamp" not in columns:
        if first != "''" and 3 not in columns.values():
            warn(
                f"{where}: column 3 is not read: {first} is neither a number nor an ISO 8601 date "
                "(timestamp=False reads no times)",
                DataWarning,
            )
    elif fourth.numeric and fourth.fraction is None and 0 <= min(fourth.numbers) < FIRST_DATE:
        warn(
            f"{where}: column 3 is taken for times, though numbers such as {min(fourth.numbers):.0f} are no "
            "seconds of the years from 1973 on; timestamp=False reads no times, timestamp=3 says that these "
            "are some",
            DataWarning,
        )


def _all_seconds(column: _Column) -> bool:
    return (
        column.numeric
        and column.is_time
        and (max(column.numbers) < END or (1e3 * FIRST_SECOND <= min(column.numbers) < 1e3 * END))
    )


def time_column(rows: Sequence[list[str]], position: int, least: float = -np.inf) -> str | None:
    """None if any of the first rows has a time in the column, or all are empty; else its first value.

    Parameters
    ----------
    rows : list of list of str
    position : int
    least : float
        Numbers below are no times.
    """
    fields = [row[position] for row in rows if position < len(row) and row[position] not in MARKERS]
    for field in fields:
        if NUMBER.fullmatch(field):
            if float(field) >= least:
                return None
        elif _is_date(field):
            return None
    return fields[0] if fields else None


def _is_date(field: str) -> bool:
    try:
        datetime.fromisoformat(field)
    except ValueError:
        return False
    return True


def is_time_column(rows: Sequence[list[str]], position: int, name: str, where: str) -> bool:
    """Whether a column that has a usual name of times can be read as such; DataWarning if not."""
    unread = time_column(rows, position)
    if unread is not None:
        warn(
            f"{where}: column {name!r} is not read: {shown(unread)} is neither a number nor an ISO 8601 date "
            "(timestamp=False reads no times, timestamp= names another column)",
            DataWarning,
        )
    return unread is None


def warn_of_index(
    users: NDArray[np.int32],
    user_ids: NDArray[np.generic],
    values: NDArray[np.float32],
    where: str,
    width: int,
) -> None:
    """DataWarning if the first column only numbers the rows: an index that pandas wrote.

    Parameters
    ----------
    users : int32[n]
        Codes.
    user_ids : [n_users]
    values : float32[n]
        Ratings. Those of three columns may be ids, if the first is an index.
    where : str
        Name of the file in the message.
    width : int
        Number of columns.
    """
    n = len(users)
    if n < 3 or len(user_ids) != n or user_ids.dtype.kind not in "iu" or int(user_ids[0]) not in (0, 1):
        return
    if int(user_ids[-1]) - int(user_ids[0]) != n - 1 or (np.diff(users) != 1).any():
        return
    if width < 4 and np.abs(values).max() <= 100:
        return
    remedy = "pass user=1, item=2, rating=3 if it is" if width > 3 else "remove it if it is"
    warn(
        f"{where}: the first column counts the rows from {user_ids[0]} on, so that each user has one rating. "
        f"It may be the index of a frame; {remedy}",
        DataWarning,
    )
