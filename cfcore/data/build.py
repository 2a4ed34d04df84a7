"""Checks of raw columns or codes, and their conversion to the fields of ``Ratings``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.data import checks, ids
from cfcore.data.checks import Missing
from cfcore.data.id_columns import check_ordered
from cfcore.data.index import first_repeat, resolve_repeats
from cfcore.data.kinds import IdKinds, Kind, kind_of
from cfcore.data.names import ARGUMENTS, result_names
from cfcore.data.times import warn_of_dates
from cfcore.errors import DuplicateError

__all__ = [
    "Duplicates", "Fields", "Rules", "check_duplicates", "checked", "encoded", "settled",
]  # fmt: skip

Duplicates = Literal["error", "last", "first", "mean"]

DUPLICATES: tuple[Duplicates, ...] = ("error", "last", "first", "mean")

# user codes, item codes, values, timestamps, user ids, item ids, scale, names of columns
Fields = tuple[
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.int64] | None,
    NDArray[Any],
    NDArray[Any],
    tuple[float, float],
    dict[str, str],
]

logger = logging.getLogger("cfcore")


@dataclass(frozen=True)
class Rules:
    """What ratings are checked for, and what happens to some of them; arguments as of ``Ratings``.

    Attributes
    ----------
    scale : (min, max) or None
    duplicates : {"error", "last", "first", "mean"}
    missing : number, list of numbers or None
        Ratings that stand for none, NaN among them if it is given.
    names : mapping
        Name of the column of each role, for errors and for results.
    ids : int, str, None, or mapping
        The kind of ids to make, as for ``kinds.kind_of``.
    timed : bool
        Whether timestamps that cannot be read are errors; otherwise they are left out.
    said : bool
        Whether it is mentioned that timestamps are left out.
    """

    scale: tuple[float, float] | None = None
    duplicates: Duplicates = "error"
    missing: Missing = None
    names: Mapping[str, str] = field(default_factory=lambda: ARGUMENTS)
    ids: IdKinds = None
    timed: bool = True
    said: bool = False

    def kind(self, role: str) -> Kind:
        """The kind of ids to make of the column of users or items."""
        return kind_of(self.ids, role)


def check_duplicates(duplicates: Any) -> None:
    """Raise ValueError unless it is a way to treat repeated pairs."""
    if not isinstance(duplicates, str) or duplicates not in DUPLICATES:
        known = ", ".join(f'"{way}"' for way in DUPLICATES[:-1])
        raise ValueError(f'duplicates must be {known} or "{DUPLICATES[-1]}", got {duplicates!r}')


def encoded(
    users: ArrayLike,
    items: ArrayLike,
    values: ArrayLike,
    timestamps: ArrayLike | Literal[False] | None,
    rules: Rules,
) -> Fields:
    """Fields from raw columns of any kind that ``Ratings`` takes."""
    names = rules.names
    for given, role in ((users, "user"), (items, "item"), (values, "rating"), (timestamps, "timestamp")):
        check_ordered(given, names[role])
    kinds = {role: rules.kind(role) for role in ("user", "item")}
    user_column = ids.as_id_column(users, names["user"], kinds["user"])
    item_column = ids.as_id_column(items, names["item"], kinds["item"])
    rating_column = checks.as_values(values, names["rating"], rules.missing)
    lengths = {
        names["user"]: len(user_column),
        names["item"]: len(item_column),
        names["rating"]: len(rating_column),
    }
    times = None
    timestamps = None if timestamps is False else timestamps
    checks.check_order(rating_column, timestamps, names)
    if timestamps is not None:
        times = (
            checks.as_timestamps(timestamps, names["timestamp"])
            if rules.timed
            else checks.readable(timestamps, names["timestamp"], said=rules.said)
        )
    if times is not None:
        lengths[names["timestamp"]] = len(times)
    checks.check_lengths(lengths)
    user_ids, user_codes = ids.factorize(user_column, names["user"], kinds["user"])
    item_ids, item_codes = ids.factorize(item_column, names["item"], kinds["item"])
    return checked(
        # A writable array of the caller is copied: the caller could change valid ratings later.
        checks.owned(user_codes, users),
        checks.owned(item_codes, items),
        checks.owned(rating_column, values),
        None if times is None else checks.owned(times, timestamps),
        user_ids,
        item_ids,
        rules,
    )


def settled(
    columns: Sequence[Any], vocabularies: Sequence[NDArray[Any]], rules: Rules, *, guess: bool = False
) -> list[Any]:
    """Columns of codes, values and times, and vocabularies of the kind asked for; arguments of `checked`.

    Parameters
    ----------
    columns : codes of users, codes of items, values, timestamps or None
    vocabularies : ids of users, ids of items
        Distinct, in any order.
    rules : Rules
    guess : bool
        Whether text is integers if all of a column is.
    """
    (user_ids, users), (item_ids, items) = (
        ids.settle(vocabulary, codes, rules.names[role], rules.kind(role), guess=guess)
        for role, codes, vocabulary in zip(("user", "item"), columns[:2], vocabularies, strict=True)
    )
    return [users, items, *columns[2:], user_ids, item_ids]


def checked(
    user_codes: NDArray[np.int32],
    item_codes: NDArray[np.int32],
    values: NDArray[np.float32],
    timestamps: NDArray[np.int64] | None,
    user_ids: NDArray[Any],
    item_ids: NDArray[Any],
    rules: Rules,
) -> Fields:
    """Fields from codes and values, without missing ratings, after checks of scale and repeated pairs.

    Values are finite, except that NaN may stand for no rating where ``rules.missing`` says so.
    """
    names, duplicates = rules.names, rules.duplicates
    check_duplicates(duplicates)
    scale = None if rules.scale is None else checks.as_scale(rules.scale)
    rows = checks.rated_rows(values, rules.missing, names["rating"])
    if rows is not None:
        logger.info(
            "%d of %d rows have no rating (missing=%s) and are left out",
            len(values) - len(rows), len(values), rules.missing,
        )  # fmt: skip
        user_codes, user_ids = ids.used(user_codes[rows], user_ids)
        item_codes, item_ids = ids.used(item_codes[rows], item_ids)
        values, timestamps = values[rows], None if timestamps is None else timestamps[rows]
    if scale is not None:
        checks.check_scale(values, scale, names["rating"], rows)
    row = first_repeat(user_codes, item_codes, len(user_ids), len(item_ids))
    if row >= 0 and duplicates == "error":
        user, item = user_codes[row], item_codes[row]
        earlier = int(((user_codes[:row] == user) & (item_codes[:row] == item)).argmax())
        given = (row, earlier) if rows is None else (int(rows[row]), int(rows[earlier]))
        raise DuplicateError(
            f"columns {names['user']!r} and {names['item']!r}: row {given[0]} repeats row {given[1]} "
            f"(user {user_ids[user]}, item {item_ids[item]})"
        )
    if row >= 0:
        n = len(values)
        user_codes, item_codes, values, timestamps = resolve_repeats(
            user_codes, item_codes, values, timestamps, len(user_ids), len(item_ids), duplicates
        )
        logger.info(
            "%d of %d rows repeat a pair of others and are left out (duplicates=%r)",
            n - len(values), n, duplicates,
        )  # fmt: skip
    if timestamps is not None:
        warn_of_dates(timestamps, names["timestamp"])
    scale = scale or (float(values.min()), float(values.max()))
    return user_codes, item_codes, values, timestamps, user_ids, item_ids, scale, result_names(names)
