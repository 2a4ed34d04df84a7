"""Twin of `cfcore.kernels.tables.csr` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int32] | NDArray[np.int64]


def _check(codes: NDArray[np.int32], n_codes: int, who: str) -> None:
    outside = (codes < 0) | (codes >= n_codes)
    if outside.any():
        bad = int(outside.argmax())
        raise ValueError(f"{who}: code {codes[bad]} at {bad} is outside [0, {n_codes})")


def _fill_indptr(codes: NDArray[np.int32], indptr: NDArray[np.int64]) -> None:
    indptr[0] = 0
    np.cumsum(np.bincount(codes, minlength=len(indptr) - 1), out=indptr[1:])


def counting_sort(codes: NDArray[np.int32], indptr: NDArray[np.int64], order: Positions) -> None:
    """Stable order of `codes`, and where each code's run starts in it; see the kernel."""
    if len(indptr) < 1 or len(order) != len(codes):
        raise ValueError("counting_sort: order must be as long as codes, indptr must have at least one entry")
    _check(codes, len(indptr) - 1, "counting_sort")
    _fill_indptr(codes, indptr)
    order[:] = np.argsort(codes, kind="stable")


def counting_sort_after(
    codes: NDArray[np.int32], first: Positions, indptr: NDArray[np.int64], order: Positions
) -> None:
    """`codes`, read in the order `first`, sorted stably; see the kernel."""
    if len(indptr) < 1 or len(order) != len(codes) or len(first) != len(codes):
        raise ValueError(
            "counting_sort_after: first and order must be as long as codes, "
            "indptr must have at least one entry"
        )
    _check(codes, len(indptr) - 1, "counting_sort_after")
    wrong = (first < 0) | (first >= len(codes))
    if wrong.any():
        raise ValueError(f"counting_sort_after: first is no permutation (at {int(wrong.argmax())})")
    _fill_indptr(codes, indptr)
    order[:] = first[np.argsort(codes[first], kind="stable")]


def scatter(
    codes: NDArray[np.int32],
    payload: NDArray[np.int32],
    indptr: NDArray[np.int64],
    out: NDArray[np.int32],
    begin: int,
    end: int,
) -> None:
    """Group `payload` by `codes`, a slice of the rows a call; see the kernel."""
    n = len(codes)
    if len(indptr) < 1 or len(payload) != n or len(out) != n or not 0 <= begin <= end <= n:
        raise ValueError(
            "scatter: payload and out must be as long as codes, [begin, end) within them, "
            "indptr must have at least one entry"
        )
    if begin == 0:
        _check(codes, len(indptr) - 1, "scatter")
        _fill_indptr(codes, indptr)
    _check(codes[begin:end], len(indptr) - 1, "scatter")
    _place(codes[begin:end], payload[begin:end], indptr, out, "scatter: indptr is")
    if end == n:
        _to_bounds(indptr)


def transpose(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    other_indptr: NDArray[np.int64],
    other: NDArray[np.int32],
    begin: int,
    end: int,
) -> None:
    """From the columns of each row to the rows of each column, a slice of the rows a call; see the kernel."""
    n, n_rows = len(indices), len(indptr) - 1
    if n_rows < 0 or len(other_indptr) < 1 or len(other) != n or not 0 <= begin <= end <= n_rows:
        raise ValueError(
            "transpose: other must be as long as indices, [begin, end) within the rows, "
            "indptr and other_indptr must have at least one entry"
        )
    if indptr[0] != 0 or indptr[-1] != n:
        raise ValueError("transpose: indptr must run from 0 to the number of indices")
    if begin == 0:
        _check(indices, len(other_indptr) - 1, "transpose")
        _fill_indptr(indices, other_indptr)
    bounds = indptr[begin : end + 1]
    message = "transpose: indptr decreases, or other_indptr is"
    if (np.diff(bounds) < 0).any() or bounds.min() < 0 or bounds.max() > n:
        raise ValueError(f"{message} not from the call before")
    columns = indices[bounds[0] : bounds[-1]]
    _check(columns, len(other_indptr) - 1, "transpose")
    rows = np.repeat(np.arange(begin, end, dtype=np.int32), np.diff(bounds))
    _place(columns, rows, other_indptr, other, message)
    if end == n_rows:
        _to_bounds(other_indptr)


def _to_bounds(indptr: NDArray[np.int64]) -> None:
    indptr[1:] = indptr[:-1].copy()
    indptr[0] = 0


def _place(
    codes: NDArray[np.int32],
    payload: NDArray[np.int32],
    cursor: NDArray[np.int64],
    out: NDArray[np.int32],
    message: str,
) -> None:
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(cursor) - 1)
    ends = np.cumsum(counts)
    places = np.repeat(cursor[:-1] - ends + counts, counts) + np.arange(len(codes))
    if len(places) and (places.min() < 0 or places.max() >= len(out)):
        raise ValueError(f"{message} not from the call before")
    out[places] = payload[order]
    cursor[:-1] += counts


def take(source: NDArray[Any], order: Positions, out: NDArray[Any]) -> None:
    """Gather ``out[k] = source[order[k]]``; see the kernel."""
    if len(out) != len(order):
        raise ValueError("take: out must be as long as order")
    wrong = (order < 0) | (order >= len(source))
    if wrong.any():
        bad = int(wrong.argmax())
        raise ValueError(f"take: position {order[bad]} at {bad} is outside [0, {len(source)})")
    out[:] = source[order]


def invert(order: Positions, inverse: Positions) -> None:
    """Inverse permutation; see the kernel."""
    if len(inverse) != len(order):
        raise ValueError("invert: inverse must be as long as order")
    wrong = (order < 0) | (order >= len(order))
    if wrong.any():
        bad = int(wrong.argmax())
        raise ValueError(f"invert: position {order[bad]} at {bad} is outside [0, {len(order)})")
    inverse[order] = np.arange(len(order), dtype=order.dtype)


def first_repeat(
    minor: NDArray[np.int32], indptr: NDArray[np.int64], order: Positions, seen_at: Positions
) -> int:
    """Earliest position whose (major, minor) pair came before, or -1; see the kernel."""
    n = len(minor)
    if len(order) != n or len(indptr) < 1:
        raise ValueError("first_repeat: order must be as long as minor, indptr must have at least one entry")
    lengths = np.diff(indptr)
    sound = indptr[0] == 0 and indptr[-1] == n and (lengths >= 0).all()
    if not sound or ((minor < 0) | (minor >= len(seen_at))).any() or ((order < 0) | (order >= n)).any():
        raise ValueError("first_repeat: a code, position or row bound is out of range")
    major = np.repeat(np.arange(len(lengths)), lengths)
    by_pair = np.lexsort((order, minor[order], major))  # the same pair side by side, earliest first
    positions = order[by_pair]
    again = (np.diff(major[by_pair]) == 0) & (np.diff(minor[positions]) == 0)
    return int(positions[1:][again].min()) if again.any() else -1
