"""Pairs of users and items that are not rated, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.data.id_columns import check_ordered, is_single, named
from cfcore.data.ids import encode
from cfcore.errors import DataError

if TYPE_CHECKING:
    from cfcore.data.container import Container

__all__ = ["unrated_pairs"]

Array = np.ndarray[Any, Any]


def unrated_pairs(
    ratings: Container, users: Any, items: Any, batch_size: int
) -> Iterator[tuple[Array, Array]]:
    """The generator of ``Ratings.unrated_pairs``, which checks its arguments when it is called."""
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ValueError(f"batch_size must be an integer of at least 1, not {batch_size!r}")
    user_codes, item_codes = _codes(ratings, "user", users), _codes(ratings, "item", items)
    return _batches(_pieces(ratings, user_codes, item_codes, int(batch_size)), ratings, int(batch_size))


def _codes(ratings: Container, kind: str, raw: Any) -> Array:
    """Codes of the users, or items, that have ratings, ascending: all of them, or those of some raw ids."""
    ids, counts = getattr(ratings, f"{kind}_ids"), getattr(ratings, f"{kind}_counts")
    if raw is None:
        return np.flatnonzero(counts).astype(np.int32)
    raw = list(raw) if isinstance(raw, Iterator) else raw
    check_ordered(raw, f"{kind}s")
    raw = np.atleast_1d(raw) if is_single(raw) else raw
    codes = encode(ids, raw, f"{kind}s")
    rated = (codes >= 0) & (np.append(counts, 0)[codes] > 0)
    if not rated.all():
        n_unknown, shown = named(raw, ~rated)
        raise DataError(f"{kind}s: {n_unknown:,} of them have no ratings here: {shown}")
    return np.unique(codes)


def _pieces(ratings: Container, users: Array, items: Array, batch_size: int) -> Iterator[tuple[Array, Array]]:
    """Codes of the pairs of a few users after the other, about `batch_size` pairs at a time."""
    indptr, rated = ratings.items_by_user
    column = np.full(len(ratings.item_ids) + 1, -1, dtype=np.int64)
    column[items] = np.arange(len(items))
    step = max(1, batch_size // max(len(items), 1))
    for begin in range(0, len(users), step):
        some = users[begin : begin + step]
        free = np.ones((len(some), len(items)), dtype=bool)
        for row, user in enumerate(some.tolist()):
            columns = column[rated[indptr[user] : indptr[user + 1]]]
            free[row, columns[columns >= 0]] = False
        rows, columns = np.nonzero(free)
        yield some[rows], items[columns]


def _batches(
    pieces: Iterator[tuple[Array, Array]], ratings: Container, batch_size: int
) -> Iterator[tuple[Array, Array]]:
    """Raw ids of pairs, `batch_size` at a time; the last batch may have fewer."""
    held: list[tuple[Array, Array]] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += len(piece[0])
        if n_held < batch_size:
            continue
        users, items = (np.concatenate(columns) for columns in zip(*held, strict=True))
        whole = n_held - n_held % batch_size
        for begin in range(0, whole, batch_size):
            part = slice(begin, begin + batch_size)
            yield ratings.user_ids[users[part]], ratings.item_ids[items[part]]
        held, n_held = [(users[whole:], items[whole:])], n_held - whole
    if n_held:
        users, items = (np.concatenate(columns) for columns in zip(*held, strict=True))
        yield ratings.user_ids[users], ratings.item_ids[items]
