"""Raw ratings of a data set as columns, from which their list of tuples is made on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise.columns import Codes, Values, first_seen, without_collector
from cfcore.adapters.surprise.reader import Reader, Row
from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["Coded", "RawRating", "from_frame", "from_lines", "from_tuples"]

#: (user id, item id, rating, timestamp)
RawRating = tuple[Any, Any, float, Any]
Positions = NDArray[np.int64] | Sequence[int]


@dataclass(frozen=True, eq=False)
class Coded:
    """Raw ratings: distinct raw ids in the order in which they first appear, and their number in each row."""

    raw_users: list[Any]
    users: Codes
    raw_items: list[Any]
    items: Codes
    ratings: Values
    timestamps: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.ratings)

    def tuples(self) -> list[RawRating]:
        """The list of (user id, item id, rating, timestamp)."""
        times = [None] * len(self) if self.timestamps is None else self.timestamps
        with without_collector():
            return list(zip(*self._columns(slice(None)), times, strict=True))

    def testset(self, rows: Any) -> list[tuple[Any, Any, float]]:
        """The rows as a test set."""
        return list(zip(*self._columns(rows), strict=True))

    def _columns(self, rows: Any) -> tuple[Iterable[Any], Iterable[Any], list[float]]:
        return (
            map(self.raw_users.__getitem__, self.users[rows].tolist()),
            map(self.raw_items.__getitem__, self.items[rows].tolist()),
            self.ratings[rows].tolist(),
        )

    def trainset(self, scale: tuple[float, float], rows: Any = None) -> Trainset:
        """All ratings, or the rows, as a training set."""
        if rows is None:
            users, items = _numbered(self.raw_users), _numbered(self.raw_items)
            return Trainset.from_codes((users, self.users), (items, self.items), self.ratings, scale)
        users_of = _numbered_again(self.raw_users, self.users[rows])
        items_of = _numbered_again(self.raw_items, self.items[rows])
        return Trainset.from_codes(users_of, items_of, self.ratings[rows], scale)


def from_tuples(rows: Sequence[Any]) -> Coded:
    """Columns of a list of (user id, item id, rating, timestamp).

    Raises
    ------
    ValueError
        A row has not four entries.
    """
    lengths = set(map(len, rows))
    if lengths - {4}:
        wrong = min(lengths - {4})
        raise ValueError(
            f"not enough values to unpack (expected 4, got {wrong})"
            if wrong < 4
            else "too many values to unpack (expected 4): a raw rating is (user, item, rating, timestamp)"
        )
    users, user_codes = first_seen(list(map(itemgetter(0), rows)))
    items, item_codes = first_seen(list(map(itemgetter(1), rows)))
    ratings = np.fromiter(map(itemgetter(2), rows), np.float64, len(rows))
    return Coded(list(users), user_codes, list(items), item_codes, ratings)


def from_lines(lines: Iterable[str], reader: Reader) -> Coded:
    """Columns of the lines of a file."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user_codes, item_codes, ratings, times = [], [], [], []
    kept = islice(lines, reader.skip_lines, None)
    if type(reader).parse_line is Reader.parse_line:
        rows = _fields(kept, reader)
    else:
        rows = map(reader.parse_line, kept)
    for user, item, rating, time in rows:
        user_codes.append(users.setdefault(user, len(users)))
        item_codes.append(items.setdefault(item, len(items)))
        ratings.append(rating)
        times.append(time)
    return Coded(
        list(users),
        np.array(user_codes, dtype=np.int32),
        list(items),
        np.array(item_codes, dtype=np.int32),
        np.array(ratings, dtype=np.float64),
        times,
    )


def _fields(lines: Iterable[str], reader: Reader) -> Iterator[Row]:
    """`Reader.parse_line` of many lines, faster."""
    sep, (user, item, rating, *others) = reader.sep, reader.indexes
    time = others[0] if others else None
    try:
        for line in lines:
            found = line.split(sep)
            stamp = None if time is None else found[time].strip()
            yield found[user].strip(), found[item].strip(), float(found[rating]), stamp
    except IndexError:
        raise ValueError("Impossible to parse line. Check the line_format and sep parameters.") from None


def from_frame(df: Any) -> Coded:
    """Columns of a frame of users, items and ratings, in this order.

    Raises
    ------
    ValueError
        The frame has not three columns, or a rating is no number.
    """
    if not hasattr(df, "itertuples"):
        raise AttributeError(
            f"{type(df).__name__!r} object has no attribute 'itertuples': load_from_df takes a pandas frame"
        )
    columns = list(df.columns)
    if len(columns) != 3:
        problem = "too many" if len(columns) > 3 else "not enough"
        raise ValueError(
            f"{problem} values to unpack (expected 3): the frame has the columns {columns}; pass those of "
            f"users, items and ratings alone, as in df[['user', 'item', 'rating']]"
        )
    raw_users, users = _factorized(df.iloc[:, 0])
    raw_items, items = _factorized(df.iloc[:, 1])
    column = df.iloc[:, 2]
    if getattr(column.dtype, "kind", "O") in "iufb" and isinstance(column.dtype, np.dtype):
        ratings = column.to_numpy().astype(np.float64)
    else:
        ratings = np.fromiter(map(float, column), np.float64, len(column))
    return Coded(raw_users, users, raw_items, items, ratings)


def _factorized(column: Any) -> tuple[list[Any], Codes]:
    """Distinct values of a pandas Series in the order in which they first appear, and their numbers."""
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else str(column.dtype)
    if kind in ("i", "u", "O", "string", "str"):
        codes, distinct = column.factorize()
        if (codes >= 0).all():  # else values are missing: a dict tells NaN from NaN, as scikit-surprise does
            return distinct.tolist(), codes.astype(np.int32)
    inner, numbers = first_seen(list(column))
    return list(inner), numbers


def _numbered(raw: list[Any]) -> dict[Any, int]:
    return {one: number for number, one in enumerate(raw)}


def _numbered_again(raw: list[Any], codes: Codes) -> tuple[dict[Any, int], Codes]:
    """Number the ids of some rows in the order in which they first appear in these."""
    first = np.full(len(raw), len(codes), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # the last write is the first appearance
    seen = np.flatnonzero(first < len(codes))
    seen = seen[np.argsort(first[seen])]
    number = np.empty(len(raw), dtype=np.int32)
    number[seen] = np.arange(len(seen), dtype=np.int32)
    return _numbered([raw[code] for code in seen.tolist()]), number[codes]
