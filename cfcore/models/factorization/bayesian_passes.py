"""Passes of NumPy over ratings, or over rows of factors, on threads; the same bits for any number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Rows whose products are one part of a sum: parts are added in their order.
ROWS = 1024


def in_slices(run: Callable[[slice], object], n: int, n_threads: int | None, work: int = 1) -> None:
    """Call `run` on slices of [0, n), one for each thread; what it does to a number depends on no other.

    Parameters
    ----------
    run : callable (slice) -> object
    n : int
    n_threads : int or None
    work : int
        Ratings that a pass could read in the time of one of the n.
    """
    workers = threads_worth(n_threads, n * work, "ratings")
    if workers == 1:
        run(slice(0, n))
        return
    cuts = [n * at // workers for at in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, map(slice, cuts[:-1], cuts[1:])))


def times(rows: Array, matrix: Array, n_threads: int | None) -> Array:
    """Rows times a matrix, not by BLAS: its bits depend on the number of threads.

    Parameters
    ----------
    rows : float64[n, k]
    matrix : float64[k, m]
    n_threads : int or None
    """
    out = np.empty((len(rows), matrix.shape[1]))
    in_slices(
        lambda part: np.einsum("nf,fg->ng", rows[part], matrix, out=out[part]),
        len(rows), n_threads, 2 * matrix.size // 16,
    )  # fmt: skip
    return out


def squares(rows: Array, n_threads: int | None) -> Array:
    """The sum of the outer products of rows with themselves: float64[k, k].

    Parameters
    ----------
    rows : float64[n, k]
    n_threads : int or None
    """
    k = rows.shape[1]
    parts = np.empty((-(-len(rows) // ROWS), k, k))

    def add(part: slice) -> None:
        for at in range(part.start, part.stop):
            some = rows[at * ROWS : (at + 1) * ROWS]
            np.einsum("nf,ng->fg", some, some, out=parts[at])

    in_slices(add, len(parts), n_threads, ROWS * k * k // 8)
    found: Array = parts.sum(axis=0)
    return found
