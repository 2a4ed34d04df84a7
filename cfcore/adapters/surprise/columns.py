"""Ratings of a Trainset as arrays, in the order of the lists that scikit-surprise keeps them in."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore import backends

__all__ = ["Columns", "Rows", "first_seen", "flat", "frozen", "lists_of", "rows_of", "without_collector"]

Codes = NDArray[np.int32]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Ratings grouped by a major key, the others in the order of the lists of ``ur`` or ``ir``; read-only.

    Attributes
    ----------
    indptr : int64[n_major + 1]
        The ratings of inner id c are at ``indptr[c]:indptr[c + 1]``.
    others : int32[n]
        Inner ids of the other kind.
    ratings : float64[n]
    """

    indptr: NDArray[np.int64]
    others: Codes
    ratings: Values


@dataclass(frozen=True, eq=False)
class Columns:
    """The ratings of a Trainset; the arrays are read-only.

    Attributes
    ----------
    n_users, n_items : int
    users, items : int32[n]
        Inner ids, in the order of ``Trainset.all_ratings()``.
    ratings : float64[n]
    user_indptr, user_items, user_ratings : int64[n_users + 1], int32[n], float64[n]
        ``ur``: the ratings of inner user u are at ``user_indptr[u]:user_indptr[u + 1]``, in the order of
        ``ur[u]``.
    item_indptr, item_users, item_ratings : int64[n_items + 1], int32[n], float64[n]
        ``ir``, likewise.
    """

    n_users: int
    n_items: int
    users: Codes
    items: Codes
    ratings: Values
    user_indptr: NDArray[np.int64]
    user_items: Codes
    user_ratings: Values
    item_indptr: NDArray[np.int64]
    item_users: Codes
    item_ratings: Values

    def check(self) -> None:
        """Check columns of a file; ValueError for dtypes, lengths, ids or bounds of no training set."""
        lengths = (
            ("users", "items", "ratings"),
            ("user_items", "user_ratings"),
            ("item_users", "item_ratings"),
        )
        n_of = {"users": self.n_users, "items": self.n_items}
        for names in lengths:
            for name in names:
                array = getattr(self, name)
                dtype = np.float64 if name.endswith("ratings") else np.int32
                if array.dtype != dtype or array.shape != getattr(self, names[0]).shape or array.ndim != 1:
                    raise ValueError(f"{name}: {array.dtype} of shape {array.shape}")
                bound = n_of.get(name.rpartition("_")[2])
                if bound is not None and len(array) and not 0 <= array.min() <= array.max() < bound:
                    raise ValueError(f"{name}: inner ids outside of 0 to {bound - 1}")
        for name, n, others in (
            ("user_indptr", self.n_users, self.user_items),
            ("item_indptr", self.n_items, self.item_users),
        ):
            bounds = getattr(self, name)
            if bounds.dtype != np.int64 or bounds.shape != (n + 1,) or (np.diff(bounds) < 0).any():
                raise ValueError(f"{name}: no bounds of {n} lists")
            if bounds[0] != 0 or bounds[-1] != len(others):
                raise ValueError(f"{name}: {bounds[0]} to {bounds[-1]}, but {len(others)} ratings")


@contextmanager
def without_collector() -> Iterator[None]:
    """While millions of tuples are made, which are in no cycle, the garbage collector would look at each."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def frozen(array: Any) -> Any:
    """The array, which can be written no more."""
    array.flags.writeable = False
    return array


def rows_of(majors: Codes, others: Codes, ratings: Values, n_majors: int) -> Rows:
    """Group ratings by their major ids, in the order that they come in; O(n)."""
    indptr = np.empty(n_majors + 1, dtype=np.int64)
    order = np.empty(len(majors), dtype=np.int64)
    backends.kernel("tables.csr").counting_sort(np.ascontiguousarray(majors), indptr, order)
    return Rows(frozen(indptr), frozen(others[order]), frozen(ratings[order]))


def lists_of(rows: Rows) -> list[list[tuple[int, float]]]:
    """For each major id, the list of its (other id, rating)."""
    with without_collector():
        pairs = list(zip(rows.others.tolist(), rows.ratings.tolist(), strict=True))
    bounds = rows.indptr.tolist()
    return [pairs[start:end] for start, end in pairwise(bounds)]


def flat(
    lists: Mapping[int, Iterable[tuple[int, float]]], kind: str, sizes: tuple[int, int]
) -> tuple[Codes, Codes, Values]:
    """Major ids, other ids and ratings of a dict such as ``ur``, in its order.

    Parameters
    ----------
    lists : mapping of inner id to list of (other inner id, rating)
    kind : {"ur", "ir"}
        Its name in errors.
    sizes : (int, int)
        Numbers of ids of the major and of the other kind.

    Returns
    -------
    majors, others : int32[n]
    ratings : float64[n]

    Raises
    ------
    ValueError
        An id is no inner id of the Trainset.
    """
    given = {major: list(entries) for major, entries in lists.items() if entries}
    lengths = np.fromiter(map(len, given.values()), np.int64, len(given))
    entries = list(chain.from_iterable(given.values()))
    keys = np.fromiter(given, np.int64, len(given))
    others = np.fromiter(map(itemgetter(0), entries), np.int64, len(entries))
    ratings = np.fromiter(map(itemgetter(1), entries), np.float64, len(entries))
    for ids, size, part in ((keys, sizes[0], "keys"), (others, sizes[1], "ids in the lists")):
        wrong = ids[(ids < 0) | (ids >= size)]
        if len(wrong):
            raise ValueError(
                f"trainset.{kind}: {wrong[0]} is among its {part}, but inner ids are 0 to {size - 1}; set "
                f"trainset.n_users and trainset.n_items when ids are added"
            )
    return np.repeat(keys, lengths).astype(np.int32), others.astype(np.int32), ratings


def first_seen(raw: list[Any]) -> tuple[dict[Any, int], Codes]:
    """Number raw ids in the order in which they come: their inner ids, and that of each row."""
    inner = {one: number for number, one in enumerate(dict.fromkeys(raw))}
    return inner, np.fromiter(map(inner.__getitem__, raw), np.int32, len(raw))
