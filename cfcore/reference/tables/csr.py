"""Twin of `cfcore.kernels.tables.csr` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart

Positions = NDArray[np.int32] | NDArray[np.int64]


def check_codes(codes: NDArray[np.int32], n_codes: int, function: str) -> None:
    """Raise ValueError unless all codes are in [0, n_codes)."""
    outside = (codes < 0) | (codes >= n_codes)
    if outside.any():
        bad = int(outside.argmax())
        raise ValueError(f"{function}: code {codes[bad]} at {bad} is outside [0, {n_codes})")


def fill_indptr(codes: NDArray[np.int32], indptr: NDArray[np.int64]) -> None:
    """Fill `indptr` with the exclusive running count of each code."""
    indptr[0] = 0
    np.cumsum(np.bincount(codes, minlength=len(indptr) - 1), out=indptr[1:])


def counting_sort(codes: NDArray[np.int32], indptr: NDArray[np.int64], order: Positions) -> None:
    """Stable order of `codes`, and where each code's run starts in it; see the kernel."""
    check_apart("counting_sort", {"indptr": indptr, "order": order}, {"codes": codes})
    if len(indptr) < 1 or len(order) != len(codes):
        raise ValueError("counting_sort: order must be as long as codes, indptr must have at least one entry")
    check_codes(codes, len(indptr) - 1, "counting_sort")
    fill_indptr(codes, indptr)
    order[:] = np.argsort(codes, kind="stable")


def counting_sort_after(
    codes: NDArray[np.int32], first: Positions, indptr: NDArray[np.int64], order: Positions
) -> None:
    """`codes`, read in the order `first`, sorted stably; see the kernel."""
    check_apart("counting_sort_after", {"indptr": indptr, "order": order}, {"codes": codes, "first": first})
    if len(indptr) < 1 or len(order) != len(codes) or len(first) != len(codes):
        raise ValueError(
            "counting_sort_after: first and order must be as long as codes, "
            "indptr must have at least one entry"
        )
    check_codes(codes, len(indptr) - 1, "counting_sort_after")
    wrong = (first < 0) | (first >= len(codes))
    if wrong.any():
        raise ValueError(f"counting_sort_after: first is no permutation (at {int(wrong.argmax())})")
    fill_indptr(codes, indptr)
    order[:] = first[np.argsort(codes[first], kind="stable")]


def take(source: NDArray[Any], order: Positions, out: NDArray[Any]) -> None:
    """Gather ``out[k] = source[order[k]]``; see the kernel."""
    check_apart("take", {"out": out}, {"source": source, "order": order})
    if len(out) != len(order):
        raise ValueError("take: out must be as long as order")
    wrong = (order < 0) | (order >= len(source))
    if wrong.any():
        bad = int(wrong.argmax())
        raise ValueError(f"take: position {order[bad]} at {bad} is outside [0, {len(source)})")
    out[:] = source[order]


def invert(order: Positions, inverse: Positions) -> None:
    """Inverse permutation; see the kernel."""
    check_apart("invert", {"inverse": inverse}, {"order": order})
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
    check_apart("first_repeat", {"seen_at": seen_at}, {"minor": minor, "indptr": indptr, "order": order})
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
