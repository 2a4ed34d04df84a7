"""Shared by `ALS` and `BayesianSVD`: sums over sets, blocks of columns, spans of equal work for kernels."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["COLUMNS", "from_blocks", "in_blocks", "set_weights", "spans"]

Array = np.ndarray[Any, Any]

#: Columns of a block of the kernel that draws members of sets.
COLUMNS = 8
#: Multiplications in one call of a kernel, after which Ctrl-C is handled: about .3 s.
WORK = 1 << 30


def set_weights(counts: Array) -> Array:
    """What sums over sets of so many members are multiplied by, n^(-1/2): float64[n]; 0 of empty sets."""
    found: Array = np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
    return found


def spans(indptr: Array, each: int, row: int = 0) -> list[tuple[int, int]]:
    """Spans of rows of about equal work: `each` for a rating and `row` for a row."""
    n = len(indptr) - 1

    def work(row_at: int) -> int:
        return int(indptr[row_at]) * each + row_at * row

    bounds = range(WORK, work(n) + 1, WORK)
    cuts = [0, *(bisect_left(range(n + 1), bound, key=work) for bound in bounds), n]
    return [(begin, end) for begin, end in pairwise(cuts) if begin < end]


def in_blocks(rows: Array) -> Array:
    """Rows in blocks of 8 columns: float64[n_blocks, n, 8], the last filled up with zeros."""
    n, k = rows.shape
    n_blocks = -(-k // COLUMNS)
    wide = rows
    if k < n_blocks * COLUMNS:
        wide = np.zeros((n, n_blocks * COLUMNS))
        wide[:, :k] = rows
    return np.ascontiguousarray(wide.reshape(n, n_blocks, COLUMNS).transpose(1, 0, 2))


def from_blocks(blocks: Array, k: int, out: Array | None = None) -> Array:
    """The rows that `in_blocks` put into blocks; in `out` (float64[n, k]) if given.

    New memory costs more than the copy: pages that are used for the first time.
    """
    n_blocks, n, _ = blocks.shape
    if out is None or k < n_blocks * COLUMNS:
        return blocks.transpose(1, 0, 2).reshape(n, n_blocks * COLUMNS)[:, :k]
    np.copyto(out.reshape(n, n_blocks, COLUMNS), blocks.transpose(1, 0, 2))
    return out
