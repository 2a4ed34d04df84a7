"""Codes of raw ids, as a fitted model assigns them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore.data.checks import as_timestamps, readable
from cfcore.data.convert import as_pairs
from cfcore.data.id_columns import check_ordered
from cfcore.data.ids import are_strings, as_column, encode, is_single
from cfcore.data.shapes import Columns
from cfcore.errors import DataError

__all__ = ["ODD", "Ids", "check_known", "codes_of_pairs"]

Array = np.ndarray[Any, Any]

#: What `Ids.code_of` returns for ids of another kind, which are errors.
ODD = -2
#: Larger integers are in no vocabulary of int64.
MOST = 2**63 - 1
#: Advice to those who make ``Ratings``.
_OPTION = re.compile("; ids=str (makes strings of all|takes such ids as strings)$")


@dataclass(frozen=True, eq=False)
class Ids:
    """The vocabulary of the users, or of the items, of a model.

    A code is a position in `ids`. Unknown ids share code -1: ids that are not in the vocabulary, and ids
    without training ratings (a subset keeps the vocabulary of the whole).

    Attributes
    ----------
    kind : {"user", "item"}
    ids : ndarray, shape (n,)
        Raw ids, ascending.
    counts : ndarray of int64, shape (n,)
        Training ratings of each.
    featured : ndarray of bool, shape (n,), or None
        Which are known by features too, and so have codes without ratings.
    """

    kind: str
    ids: Array
    counts: Array
    featured: Array | None = None

    @cached_property
    def known(self) -> Array:
        """Raw ids with training ratings, ascending, read-only."""
        found = self.ids.view() if self.counts.all() else self.ids[self.counts > 0]
        found.flags.writeable = False
        return found

    @cached_property
    def has_code(self) -> Array:
        """Whether each id is known, by ratings or by features: bool[n]."""
        rated: Array = self.counts > 0
        return rated if self.featured is None else rated | self.featured

    @cached_property
    def table(self) -> Array | None:
        """For each code the code itself, or -1 of unknown ones; None if all codes are known.

        A last entry of -1 is for code -1 (not in the vocabulary), which indexes from the end.
        """
        if self.has_code.all():
            return None
        table = np.full(len(self.counts) + 1, -1, dtype=np.int32)
        table[:-1][self.has_code] = np.flatnonzero(self.has_code)
        return table

    @cached_property
    def kind_of_ids(self) -> type:
        """The Python type of the ids: str or int."""
        return str if are_strings(self.ids) else int

    def code_of(self, raw: int | str, find: Callable[[Array, int | str], int]) -> int:
        """Code of an id of Python; -1 if it is unknown, `ODD` if `encode` must say what it is.

        `find` is that of the kernel ``tables.lookup``.
        """
        code = find(self.ids, raw)
        if code >= 0:
            return code if self.table is None else int(self.table[code])
        if type(raw) is not self.kind_of_ids or (type(raw) is int and not -MOST <= raw <= MOST):
            return ODD
        return -1

    def encode(self, raw: Any, name: str | None = None) -> Array:
        """Codes of raw ids, a single one or a column, with its name in errors: int32[n], -1 for unknown."""
        if raw is self.ids:  # the most frequent case: ratings with the vocabulary of the model
            codes = np.arange(len(self.ids), dtype=np.int32)
        else:
            try:
                codes = encode(self.ids, column_of(raw), name or f"{self.kind}s")
            except DataError as error:
                wanted = "strings" if are_strings(self.ids) else "integers"
                # The calls of a model have no such argument.
                advice = f"; the {self.kind} ids of this model are {wanted}"
                raise DataError(_OPTION.sub(advice, str(error))) from None
        return codes if self.table is None else self.table[codes]

    def recode(self, ids: Array, codes: Array) -> Array:
        """Codes here of codes in another vocabulary; the same array where the vocabularies are one."""
        if ids is self.ids:
            return codes if self.table is None else self.table[codes]
        return self.encode(ids)[codes]

    def encode_one(self, raw: Any) -> int:
        """Code of a single raw id.

        Raises
        ------
        DataError
            Several ids were given, or an id of another kind than in training.
        """
        if not is_single(raw):
            length = f" of length {len(raw)}" if hasattr(raw, "__len__") else ""
            raise DataError(f"{self.kind}: one id is wanted, not {type(raw).__name__}{length}")
        return int(self.encode(raw)[0])


def codes_of_pairs(
    users: Ids, items: Ids, given: Columns, *, timed: bool = True
) -> tuple[Array, Array, Array | None]:
    """Codes of raw ids, and timestamps, all of one length; single values are repeated.

    With ``timed=False`` timestamps that cannot be read are left out.

    Raises
    ------
    DataError
        Columns of different lengths, or ids that cannot be in the vocabulary.
    """
    for raw, name in ((given.users, "users"), (given.items, "items"), (given.timestamps, "timestamps")):
        check_ordered(raw, name)
    columns = {
        "users": users.encode(given.users, given.names["user"]),
        "items": items.encode(given.items, given.names["item"]),
    }
    if given.timestamps is not None:
        times = column_of(given.timestamps)
        times = _times(times, given.names["timestamp"]) if timed else readable(times)
        columns |= {} if times is None else {"timestamps": times}
    lengths = {len(column) for column in columns.values()} - {1}
    if len(lengths) > 1:
        sizes = ", ".join(f"{len(column)} {name}" for name, column in columns.items())
        raise DataError(f"predict: the columns differ in length: {sizes}")
    length = lengths.pop() if lengths else 1
    for name, column in columns.items():
        if len(column) != length:
            columns[name] = np.repeat(column, length)
    return columns["users"], columns["items"], columns.get("timestamps")


def check_known(user_codes: Array, item_codes: Array, users: Any, items: Any) -> None:
    """Raise DataError, naming the first unknown user or item, unless all codes are known.

    Parameters
    ----------
    user_codes, item_codes : ndarray of int32, shape (n,)
        -1: unknown.
    users, items : object
        The arguments of `predict`.
    """
    unknown = (user_codes < 0) | (item_codes < 0)
    if not unknown.any():
        return
    row = int(np.argmax(unknown))
    kind, place = ("user", 0) if user_codes[row] < 0 else ("item", 1)
    columns = as_pairs(users)[:2] if items is None else (column_of(users), column_of(items))
    column = as_column(columns[place])
    raw = column[row if len(column) > 1 else 0]
    raw = raw.item() if isinstance(raw, np.generic) else raw
    more = int(np.count_nonzero(unknown)) - 1
    raise DataError(
        f"predict: {kind} {raw!r} in row {row} has no training ratings"
        + (f", nor have users or items of {more:,} more rows" if more else "")
        + "; unknown='nan' predicts NaN for them, and unknown='fallback' what the model predicts without them"
    )


def column_of(raw: Any) -> Any:
    """A single value as a column of one; anything else as it is."""
    return np.atleast_1d(raw) if is_single(raw) else raw


def _times(times: Any, column: str) -> Array:
    try:
        return as_timestamps(times, column)
    except DataError as error:  # the argument of `predict` has another name than that of `Ratings.from_frame`
        raise DataError(re.sub(r"\btimestamp=False", "timestamps=False", str(error))) from None
