"""Checks of raw columns or codes, and their conversion to the fields of ``Ratings``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.data import checks, ids
from cfcore.data.index import first_repeat, resolve_repeats
from cfcore.errors import DataError

__all__ = ["NAMES", "Duplicates", "Fields", "checked", "encoded"]

Duplicates = Literal["error", "last", "mean"]

# user codes, item codes, values, timestamps, user ids, item ids, scale
Fields = tuple[
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.int64] | None,
    NDArray[Any],
    NDArray[Any],
    tuple[float, float],
]

# Names in errors of columns that have no names.
NAMES = {"user": "users", "item": "items", "rating": "values", "timestamp": "timestamps"}


def encoded(
    users: ArrayLike,
    items: ArrayLike,
    values: ArrayLike,
    timestamps: ArrayLike | None,
    scale: tuple[float, float] | None,
    duplicates: Duplicates,
    names: Mapping[str, str],
) -> Fields:
    """Fields from raw columns of any kind that ``Ratings`` takes."""
    user_column = ids.as_id_column(users, names["user"])
    item_column = ids.as_id_column(items, names["item"])
    rating_column = checks.as_values(values, names["rating"])
    lengths = {
        names["user"]: len(user_column),
        names["item"]: len(item_column),
        names["rating"]: len(rating_column),
    }
    times = None
    if timestamps is not None:
        times = checks.as_timestamps(timestamps, names["timestamp"])
        lengths[names["timestamp"]] = len(times)
    checks.check_lengths(lengths)
    user_ids, user_codes = ids.factorize(user_column, names["user"])
    item_ids, item_codes = ids.factorize(item_column, names["item"])
    return checked(
        # A writable array of the caller is copied: the caller could change valid ratings later.
        checks.owned(user_codes, users),
        checks.owned(item_codes, items),
        checks.owned(rating_column, values),
        None if times is None else checks.owned(times, timestamps),
        user_ids,
        item_ids,
        scale,
        duplicates,
        names,
    )


def checked(
    user_codes: NDArray[np.int32],
    item_codes: NDArray[np.int32],
    values: NDArray[np.float32],
    timestamps: NDArray[np.int64] | None,
    user_ids: NDArray[Any],
    item_ids: NDArray[Any],
    scale: tuple[float, float] | None,
    duplicates: Duplicates,
    names: Mapping[str, str],
) -> Fields:
    """Fields from codes and finite values, after checks of the scale and of repeated pairs."""
    if duplicates not in ("error", "last", "mean"):
        raise ValueError(f'duplicates must be "error", "last" or "mean", got {duplicates!r}')
    if scale is not None:
        scale = checks.as_scale(scale)
        checks.check_scale(values, scale, names["rating"])
    row = first_repeat(user_codes, item_codes, len(user_ids), len(item_ids))
    if row >= 0 and duplicates == "error":
        user, item = user_codes[row], item_codes[row]
        earlier = int(((user_codes[:row] == user) & (item_codes[:row] == item)).argmax())
        raise DataError(
            f"columns {names['user']!r} and {names['item']!r}: row {row} repeats row {earlier} (user "
            f'{user_ids[user]}, item {item_ids[item]}); pass duplicates="last" or "mean" to merge them'
        )
    if row >= 0:
        user_codes, item_codes, values, timestamps = resolve_repeats(
            user_codes, item_codes, values, timestamps, len(user_ids), len(item_ids), duplicates
        )
    scale = scale or (float(values.min()), float(values.max()))
    return user_codes, item_codes, values, timestamps, user_ids, item_ids, scale
