"""Checks of the index of a subset, rows of a k-core, and concatenation of ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfcore.data import ids
from cfcore.errors import DataError

__all__ = ["checked_index", "core_rows", "joined"]


def checked_index(index: Any, n: int) -> Any:
    """Slice, mask or int64 rows that select each of `n` rows at most once, or DataError."""
    if isinstance(index, slice):
        return index
    index = np.asarray(index)
    if index.ndim != 1 or (len(index) and index.dtype.kind not in "iub"):
        raise DataError(f"subset: index must be a one-dimensional array of rows or a mask, got {index!r}")
    if index.dtype.kind == "b":
        if len(index) != n:
            raise DataError(f"subset: the mask has {len(index)} rows, the ratings have {n}")
        return index
    outside = (index < -n) | (index >= n)
    if outside.any():
        at = int(outside.argmax())
        raise DataError(f"subset: row {index[at]} at {at} does not exist, there are {n}")
    index = index.astype(np.int64)
    seen = np.zeros(n, dtype=bool)
    seen[index] = True
    if np.count_nonzero(seen) != len(index):
        _, first = np.unique(index % n, return_index=True)
        at = int(np.setdiff1d(np.arange(len(index)), first)[0])
        raise DataError(f"subset: row {index[at]} at {at} was selected before")
    return index


def core_rows(ratings: Any, users: int, items: int) -> Any:
    """Rows, ascending, of the largest part in which users and items have at least that many ratings."""
    for name, least in (("users", users), ("items", items)):
        if isinstance(least, bool) or not isinstance(least, (int, np.integer)) or least < 1:
            raise ValueError(f"k_core: {name} must be an integer of at least 1, got {least!r}")
    rows = np.arange(len(ratings))
    user_codes, item_codes = ratings.user_codes, ratings.item_codes
    while len(rows):
        kept = (np.bincount(user_codes)[user_codes] >= users) & (np.bincount(item_codes)[item_codes] >= items)
        if kept.all():
            return rows
        rows, user_codes, item_codes = rows[kept], user_codes[kept], item_codes[kept]
    raise DataError(
        f"k_core: no part of the ratings has {users} or more of each user and {items} or more of each item; "
        "try smaller numbers"
    )


def joined(
    parts: Sequence[Any], names: Mapping[str, str]
) -> tuple[tuple[Any, Any, Any, Any, Any, Any], tuple[float, float]]:
    """Columns and vocabularies, and the scale, of all `Ratings` together; repeated pairs are kept."""
    times = [part.timestamps for part in parts if part.timestamps is not None]
    if len(times) not in (0, len(parts)):
        without = next(number for number, part in enumerate(parts) if part.timestamps is None)
        raise DataError(
            f"concat: column {names['timestamp']!r} is missing in part {without}; "
            "with_timestamps(None) of the others leaves them out"
        )
    user_codes, user_ids = _merged([(part.user_codes, part.user_ids) for part in parts], names["user"])
    item_codes, item_ids = _merged([(part.item_codes, part.item_ids) for part in parts], names["item"])
    scale = min(part.scale[0] for part in parts), max(part.scale[1] for part in parts)
    values = np.concatenate([part.values for part in parts])
    columns = (user_codes, item_codes, values, np.concatenate(times) if times else None, user_ids, item_ids)
    return columns, scale


def _merged(columns: Sequence[tuple[Any, Any]], name: str) -> tuple[Any, Any]:
    union = columns[0][1]
    for _, vocabulary in columns[1:]:
        union = union if vocabulary is union else ids.merge(union, vocabulary, name)
    codes = [
        codes if vocabulary is union else ids.encode(union, vocabulary, name)[codes]
        for codes, vocabulary in columns
    ]
    return np.concatenate(codes), union
