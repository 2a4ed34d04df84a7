"""Ratings compressed by user or by item, and the search for repeated pairs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cfcore import backends

__all__ = [
    "Compressed", "Index", "compress", "counts", "first_repeat", "kept_of_repeats", "position_dtype",
    "resolve_repeats", "rows", "sets", "slices",
]  # fmt: skip

#: Ratings that a call of a kernel works on: about .3 s, after which Ctrl-C takes effect.
SLICE = 1 << 25

T = TypeVar("T")

Positions = NDArray[np.int32] | NDArray[np.int64]


def position_dtype(n: int) -> type[np.int32] | type[np.int64]:
    """Dtype that can number `n` rows: int32 where it suffices, for half the memory."""
    return np.int32 if n < 2**31 else np.int64


class derived(functools.cached_property[T]):  # a property, named like one
    """A property that is computed on first use and kept.

    Threads that use it first at the same time may compute it more than once, and all get the same value.
    `functools.cached_property` makes other objects wait in Python 3.11, and may give two values from 3.12 on.
    """

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        assert self.attrname is not None
        return vars(instance).setdefault(self.attrname, self.func(instance))


@dataclass(frozen=True, eq=False, repr=False)
class Compressed:
    """Ratings grouped by a major key (users: CSR; items: CSC), the minor key ascending in each group.

    Neither the object nor its arrays can be changed.

    Attributes
    ----------
    indptr : int64[n_major + 1]
        The ratings of code c are at ``indptr[c]:indptr[c + 1]``.
    indices : int32[n]
        Minor codes.
    values : float32[n]
    order : int32[n] (int64 from 2^31 ratings)
        Position of each entry in the input.
    n_minor : int
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    order: Positions
    n_minor: int

    @derived
    def to_other(self) -> Positions:
        """Position of each entry in the other compression, same dtype as `order` [n].

        That is, of a CSC entry in the CSR, and the reverse. Computed on first use.
        """
        kernel = backends.kernel("tables.csr")
        # The entries sorted stably by the minor key are the other compression: its entry k is ours[k].
        ours, other = np.empty_like(self.order), np.empty_like(self.order)
        kernel.counting_sort(self.indices, np.empty(self.n_minor + 1, dtype=np.int64), ours)
        kernel.invert(ours, other)
        other.flags.writeable = False
        return other


class Index:
    """What is derived from the codes of ratings, each part on first use: see the properties of ``Ratings``.

    Parameters
    ----------
    user_codes, item_codes : int32[n], read-only
    values : float32[n], read-only
    n_users, n_items : int
    """

    def __init__(
        self,
        user_codes: NDArray[np.int32],
        item_codes: NDArray[np.int32],
        values: NDArray[np.float32],
        n_users: int,
        n_items: int,
    ) -> None:
        self._user_codes, self._item_codes, self._values = user_codes, item_codes, values
        self._n_users, self._n_items = n_users, n_items

    def has(self, name: str) -> bool:
        """Whether a part has been computed."""
        return name in vars(self)

    @derived
    def by_user(self) -> Compressed:
        items = self.items_by_user[1] if self.has("items_by_user") or self.has("rows_by_user") else None
        return compress(self._user_codes, self._item_codes, self._values, self._n_users, self._n_items, items)

    @derived
    def by_item(self) -> Compressed:
        return compress(self._item_codes, self._user_codes, self._values, self._n_items, self._n_users)

    @derived
    def items_by_user(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        if self.has("by_user"):
            return self.by_user.indptr, self.by_user.indices
        if self.has("rows_by_user"):
            return self.rows_by_user[:2]
        return sets(self._user_codes, self._item_codes, self._n_users, self._n_items)

    @derived
    def rows_by_user(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        if self.has("by_user"):
            return self.by_user.indptr, self.by_user.indices, self.by_user.values
        columns = self._user_codes, self._item_codes, self._values
        held = self.items_by_user if self.has("items_by_user") else None
        return rows(*columns, self._n_users, self._n_items, held)

    @derived
    def user_counts(self) -> NDArray[np.int64]:
        return lengths(self.by_user) if self.has("by_user") else counts(self._user_codes, self._n_users)

    @derived
    def item_counts(self) -> NDArray[np.int64]:
        return lengths(self.by_item) if self.has("by_item") else counts(self._item_codes, self._n_items)


def compress(
    major: NDArray[np.int32],
    minor: NDArray[np.int32],
    values: NDArray[np.float32],
    n_major: int,
    n_minor: int,
    indices: NDArray[np.int32] | None = None,
) -> Compressed:
    """Group ratings by `major` and sort them by `minor` within, in O(n + n_major + n_minor).

    The result, except for `order`, depends on the set of ratings and not on their order. `indices` may be
    given if they are known, as from `sets`.
    """
    csr = backends.kernel("tables.csr")
    n, dtype = len(values), position_dtype(len(values))
    by_minor: NDArray[Any] = np.empty(n, dtype=dtype)
    order: NDArray[Any] = np.empty(n, dtype=dtype)
    csr.counting_sort(minor, np.empty(n_minor + 1, dtype=np.int64), by_minor)
    indptr = np.empty(n_major + 1, dtype=np.int64)
    csr.counting_sort_after(major, by_minor, indptr, order)
    if indices is None:
        # The order by the minor key is no longer needed; its memory is used again if entries are of one size.
        indices = by_minor if dtype is np.int32 else np.empty(n, dtype=np.int32)
        csr.take(minor, order, indices)
    del by_minor
    gathered = np.empty(n, dtype=np.float32)
    csr.take(values, order, gathered)
    for array in (indptr, indices, gathered, order):
        array.flags.writeable = False
    return Compressed(indptr, indices, gathered, order, n_minor)


def lengths(compressed: Compressed) -> NDArray[np.int64]:
    """Number of entries of each major code, int64[n_major]."""
    found: NDArray[np.int64] = np.diff(compressed.indptr)
    found.flags.writeable = False
    return found


def sets(
    major: NDArray[np.int32], minor: NDArray[np.int32], n_major: int, n_minor: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """`indptr` and `indices` of ``compress`` alone: 4 bytes a rating, and 4 more while they are computed.

    Entries are grouped by their minor code, then transposed. So codes are ascending without a sort, and each
    pass reads memory in order.
    """
    kernel = backends.kernel("tables.sets")
    n = len(major)
    columns, majors = np.empty(n_minor + 1, dtype=np.int64), np.empty(n, dtype=np.int32)
    for span in slices(n):
        kernel.scatter(minor, major, columns, majors, span)
    indptr, indices = np.empty(n_major + 1, dtype=np.int64), np.empty(n, dtype=np.int32)
    step = max(1, n_minor * SLICE // max(n, 1))
    for span in slices(n_minor, step):
        kernel.transpose(columns, majors, indptr, indices, span)
    indptr.flags.writeable = indices.flags.writeable = False
    return indptr, indices


def rows(
    major: NDArray[np.int32],
    minor: NDArray[np.int32],
    values: NDArray[np.float32],
    n_major: int,
    n_minor: int,
    held: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """`indptr`, `indices` and `values` of ``compress``: 8 bytes a rating, and 4 more while they are computed.

    `held` are the first two where they are known, as from `sets`.
    """
    kernel = backends.kernel("tables.sets")
    n = len(major)
    columns, indptr = np.empty(n_minor + 1, dtype=np.int64), np.empty(n_major + 1, dtype=np.int64)
    majors, by_minor, by_major = (np.empty(n, dtype=np.int32) for _ in range(3))
    # The kernel moves four bytes for each entry, whatever they stand for.
    for payload, out in ((major, majors), (values.view(np.int32), by_minor)):
        for span in slices(n):
            kernel.scatter(minor, payload, columns, out, span)
    for span in slices(n):
        kernel.scatter(majors, by_minor, indptr, by_major, span)
    if held is None:
        step = max(1, n_minor * SLICE // max(n, 1))
        for span in slices(n_minor, step):  # into memory that is no longer needed
            kernel.transpose(columns, majors, indptr, by_minor, span)
        held = indptr, by_minor
    found = by_major.view(np.float32)
    for array in (*held, found):
        array.flags.writeable = False
    return (*held, found)


def slices(n: int, step: int | None = None) -> Iterator[tuple[int, int]]:
    """Ranges of at most `step` that cover [0, n); one empty range for n = 0."""
    step = step or SLICE
    for begin in range(0, max(n, 1), step):
        yield begin, min(begin + step, n)


def counts(codes: NDArray[np.int32], n_codes: int) -> NDArray[np.int64]:
    """How often each code occurs, int64[n_codes]."""
    # In slices: bincount converts its argument to int64, which for 100 million codes is 800 MB.
    found = np.zeros(n_codes, dtype=np.int64)
    for start in range(0, len(codes), 1 << 22):
        found += np.bincount(codes[start : start + (1 << 22)], minlength=n_codes)
    found.flags.writeable = False
    return found


def first_repeat(users: NDArray[np.int32], items: NDArray[np.int32], n_users: int, n_items: int) -> int:
    """First row whose (user, item) pair an earlier row has too, or -1; linear time."""
    csr = backends.kernel("tables.csr")
    dtype = position_dtype(len(users))
    indptr, order = np.empty(n_users + 1, dtype=np.int64), np.empty(len(users), dtype=dtype)
    csr.counting_sort(users, indptr, order)
    return int(csr.first_repeat(items, indptr, order, np.empty(n_items, dtype=dtype)))


def resolve_repeats(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    values: NDArray[np.float32],
    timestamps: NDArray[np.int64] | None,
    n_users: int,
    n_items: int,
    how: str,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int64] | None]:
    """One row a pair; see `kept_of_repeats`."""
    columns = users, items, values
    kept, new_values = kept_of_repeats(columns, timestamps, n_users, n_items, how)
    return users[kept], items[kept], new_values, None if timestamps is None else timestamps[kept]


def kept_of_repeats(
    columns: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    timestamps: NDArray[np.int64] | None,
    n_users: int,
    n_items: int,
    how: str,
) -> tuple[Positions, NDArray[np.float32]]:
    """The rows to keep, ascending, and their ratings.

    "last" keeps the latest row where there are timestamps (of equal ones the last row), else the last row;
    "first" the earliest, else the first row; "mean" the row of "last" with the mean of all ratings of the
    pair. The rows kept are in input order.
    """
    users, items, values = columns
    grouped = compress(users, items, values, n_users, n_items)
    row_of = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(grouped.indptr))
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = (row_of[1:] != row_of[:-1]) | (grouped.indices[1:] != grouped.indices[:-1])
    begin = np.flatnonzero(starts)
    sizes = np.diff(np.append(begin, len(values)))
    # Both sorts are stable, so that the entries of a run of one pair are in the order of their rows.
    chosen = begin if how == "first" else begin + sizes - 1
    if timestamps is not None:
        times = timestamps[grouped.order]
        extreme = (np.minimum if how == "first" else np.maximum).reduceat(times, begin)
        places = np.arange(len(times))
        extremes = times == np.repeat(extreme, sizes)
        if how == "first":
            chosen = np.minimum.reduceat(np.where(extremes, places, len(times)), begin)
        else:
            chosen = np.maximum.reduceat(np.where(extremes, places, -1), begin)
    kept = grouped.order[chosen]
    in_order = np.argsort(kept, kind="stable")
    kept = kept[in_order]
    if how == "mean":
        means = np.add.reduceat(grouped.values.astype(np.float64), begin) / sizes
        new_values = means[in_order].astype(np.float32)
    else:
        new_values = values[kept]
    return kept, new_values
