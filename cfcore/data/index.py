"""Ratings compressed by user or by item, and the search for repeated pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore import backends

__all__ = ["Compressed", "compress", "counts", "first_repeat", "position_dtype", "resolve_repeats", "sets"]

#: Ratings that a call of a kernel works on: some .3 s, after which Ctrl-C is heard.
SLICE = 1 << 25

Positions = NDArray[np.int32] | NDArray[np.int64]


def position_dtype(n: int) -> type[np.int32] | type[np.int64]:
    """Dtype that can number `n` rows: int32 where it suffices, for half the memory."""
    return np.int32 if n < 2**31 else np.int64


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
    to_other : same dtype as `order` [n]
        Position of each entry in the other compression: of a CSC entry in the CSR and the reverse. Made on
        first use.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    order: Positions
    _find_other: Callable[[], Positions]
    _found: list[Positions] = field(default_factory=list)

    @property
    def to_other(self) -> Positions:
        if not self._found:
            other = self._find_other()
            other.flags.writeable = False
            self._found.append(other)
        return self._found[0]


def compress(
    major: NDArray[np.int32],
    minor: NDArray[np.int32],
    values: NDArray[np.float32],
    n_major: int,
    n_minor: int,
    indices: NDArray[np.int32] | None = None,
) -> Compressed:
    """Group ratings by `major` and sort them by `minor` within, in O(n + n_major + n_minor).

    The result depends on the set of ratings alone and not on the order they came in (but for `order`).
    `indices` may be given if they are known, as from `sets`.
    """
    csr = backends.kernel("tables.csr")
    n, dtype = len(values), position_dtype(len(values))
    by_minor: NDArray[Any] = np.empty(n, dtype=dtype)
    order: NDArray[Any] = np.empty(n, dtype=dtype)
    csr.counting_sort(minor, np.empty(n_minor + 1, dtype=np.int64), by_minor)
    indptr = np.empty(n_major + 1, dtype=np.int64)
    csr.counting_sort_after(major, by_minor, indptr, order)
    if indices is None:
        # The first order is needed no more; its memory holds the gathered codes when it is of their size.
        indices = by_minor if dtype is np.int32 else np.empty(n, dtype=np.int32)
        csr.take(minor, order, indices)
    del by_minor
    gathered = np.empty(n, dtype=np.float32)
    csr.take(values, order, gathered)

    def find_other() -> Positions:
        # The entries sorted stably by the minor key are the other compression: its entry k is ours[k].
        ours: NDArray[Any] = np.empty(n, dtype=dtype)
        other: NDArray[Any] = np.empty(n, dtype=dtype)
        backends.kernel("tables.csr").counting_sort(indices, np.empty(n_minor + 1, dtype=np.int64), ours)
        backends.kernel("tables.csr").invert(ours, other)
        return other

    for array in (indptr, indices, gathered, order):
        array.flags.writeable = False
    return Compressed(indptr, indices, gathered, order, find_other)


def sets(
    major: NDArray[np.int32], minor: NDArray[np.int32], n_major: int, n_minor: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """`indptr` and `indices` of ``compress``, for those who need no more: 4 bytes a rating, and 4 on the way.

    Grouped by minor code first, then transposed: the codes come out ascending without a sort, and no pass
    reads memory out of order.
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


def slices(n: int, step: int | None = None) -> Iterator[tuple[int, int]]:
    """Ranges of at most `step` that cover [0, n); one of nothing for n = 0."""
    step = step or SLICE
    for begin in range(0, max(n, 1), step):
        yield begin, min(begin + step, n)


def counts(codes: NDArray[np.int32], n_codes: int) -> NDArray[np.int64]:
    """How often each code occurs, int64[n_codes]."""
    # In pieces: bincount widens its argument to int64, which for 100 million codes is 800 MB.
    found = np.zeros(n_codes, dtype=np.int64)
    for start in range(0, len(codes), 1 << 22):
        found += np.bincount(codes[start : start + (1 << 22)], minlength=n_codes)
    found.flags.writeable = False
    return found


def first_repeat(users: NDArray[np.int32], items: NDArray[np.int32], n_users: int, n_items: int) -> int:
    """Earliest row whose (user, item) pair came before, or -1; linear time."""
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
    """One row a pair, where its last one stood: with its value ("last") or the mean of all ("mean")."""
    grouped = compress(users, items, values, n_users, n_items)
    row_of = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(grouped.indptr))
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = (row_of[1:] != row_of[:-1]) | (grouped.indices[1:] != grouped.indices[:-1])
    begin = np.flatnonzero(starts)
    # Both sorts are stable: within a run of one pair the input order is kept, its last entry is the last.
    last: NDArray[Any] = np.append(begin[1:], len(values)) - 1
    kept = grouped.order[last]
    in_order = np.argsort(kept, kind="stable")
    kept = kept[in_order]
    if how == "mean":
        means = np.add.reduceat(grouped.values.astype(np.float64), begin) / (last - begin + 1)
        new_values = means[in_order].astype(np.float32)
    else:
        new_values = values[kept]
    return users[kept], items[kept], new_values, None if timestamps is None else timestamps[kept]
