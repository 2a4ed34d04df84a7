"""Implicit pairs: pairs of a user and an item whose rating is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings, as_pairs
from cfcore.data.ids import as_id_column, distinct, encode
from cfcore.data.index import sets
from cfcore.errors import DataError

__all__ = ["joined"]

Array = np.ndarray[Any, Any]


def joined(train: Ratings, pairs: Any) -> tuple[Array, Array, Array]:
    """The sets N(u): the items that a user rated, and those of ``fit(..., implicit=pairs)``.

    Returns
    -------
    indptr, members : ndarray of int64, ndarray of int32
        Item codes of each user, ascending.
    extra_ids : ndarray
        Raw ids of items that are not in the training vocabulary; their codes begin at n_items.
    """
    raw_users, raw_items, _ = as_pairs(pairs)
    users = encode(train.user_ids, raw_users, "implicit users")
    items = encode(train.item_ids, raw_items, "implicit items")
    if len(users) != len(items):
        raise DataError(f"implicit: the columns differ in length: {len(users)} users, {len(items)} items")
    extra, extra_ids = items < 0, train.item_ids[:0]
    if extra.any():
        raw = as_id_column(raw_items, "implicit items")[extra]
        extra_ids, rank = distinct(raw, "implicit items")
        items[extra] = train.n_items + rank
    known = (users >= 0) & (train.user_counts[users] > 0)
    codes = (np.append(train.user_codes, users[known]), np.append(train.item_codes, items[known]))
    indptr, members = sets(*codes, train.n_users, train.n_items + len(extra_ids))
    again = np.zeros(len(members), dtype=bool)
    again[1:] = members[1:] == members[:-1]
    again[indptr[:-1][indptr[:-1] < indptr[1:]]] = False  # the first member of a set repeats none
    indptr = indptr - np.searchsorted(np.flatnonzero(again), indptr)
    return indptr, members[~again], extra_ids
