"""Weights of items by EASE: the Gram matrix of ratings, its inverse in place, and B from it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, available_memory
from cfcore.data import Ratings
from cfcore.kernels.records import GramMatrix, ItemWeights, SimilarityRule, SweepPanel
from cfcore.kernels.records.lists import SWEEP_DEPTH, SWEEP_GROUP, SWEEP_TILE
from cfcore.models.neighbors.similarities import Comparison
from cfcore.progress import progress_bar
from cfcore.threads import threads_worth

__all__ = ["BYTES_PER_PAIR", "check_items", "invert", "item_weights", "gram_matrix"]

Array = np.ndarray[Any, Any]

#: Of each pair of items: the inverse in double, and a weight in float32.
BYTES_PER_PAIR = 12
#: More items than this must be asked for: they take more than 10 GiB, and a quarter of an hour or more.
MOST_ITEMS = 30_000
#: Multiplications in one call of a kernel: about .3 s on one core, after which Ctrl-C takes effect.
SLICE = 3_000_000_000


def check_items(n_rated: int, max_items: int | None) -> None:
    """Raise, before anything is allocated, unless the matrix of so many items may be made and fits in memory.

    Parameters
    ----------
    n_rated : int
        Items that have ratings.
    max_items : int or None
        The hyper-parameter.

    Raises
    ------
    MemoryError
        The message names the number of items that fit.
    """
    n = n_rated if max_items is None else min(n_rated, max_items)
    needed, free = BYTES_PER_PAIR * n * n, available_memory()
    if max_items is None and n > MOST_ITEMS:
        raise MemoryError(
            f"EASE: the matrix of {n:,} items needs {needed / 2**30:,.1f} GiB; fit the most rated of them by "
            f"EASE(max_items={MOST_ITEMS}), which needs {BYTES_PER_PAIR * MOST_ITEMS**2 / 2**30:,.1f} GiB, "
            f"or all of them by EASE(max_items={n})"
        )
    if free is not None and needed > free:
        fitting = max(1, int((free / BYTES_PER_PAIR) ** 0.5 * 0.95))
        raise MemoryError(
            f"EASE: the matrix of {n:,} items needs {needed / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB "
            f"are available; fit the most rated of them by EASE(max_items={fitting})"
        )


def gram_matrix(train: Ratings, weights: Array, ridge: float, n_threads: int | None) -> GramMatrix:
    """X'X + lambda I up to the diagonal, in whole groups of rows: those after the items have but a diagonal.

    Parameters
    ----------
    train : Ratings
        Of which each item has a row.
    weights : float32[n]
        X, in the order of the ratings.
    ridge : float
        lambda.
    n_threads : int or None
    """
    by_item, by_user = train.by_item, train.by_user
    n = -(-train.n_items // SWEEP_GROUP) * SWEEP_GROUP
    indptr = np.pad(by_item.indptr, (0, n - train.n_items), mode="edge")
    comparison = Comparison(
        dataclasses.replace(by_item, indptr=indptr),
        by_user,
        SimilarityRule("dot"),
        dtype=np.float64,
        n_threads=n_threads,
        row_values=weights[by_item.order],
        col_values=weights[by_user.order],
    )
    comparison.run(mirror=False)  # the other half is not needed
    gram = GramMatrix(comparison.found.values)
    squares = np.square(weights, dtype=np.float64)
    np.fill_diagonal(gram.values, np.bincount(train.item_codes, squares, n) + ridge)
    return gram


def invert(gram: GramMatrix, n_threads: int | None, verbose: bool) -> bool:
    """Replace a matrix A by -A^-1, up to the diagonal; False if it is not positive definite.

    n^3 operations in double: n^3 / 2 multiplications, and as many differences.
    """
    kernel, n = backends.kernel("lists.ease"), gram.n
    panel = SweepPanel(
        aligned_zeros(n, SWEEP_DEPTH, np.float64),
        aligned_zeros(n, SWEEP_DEPTH, np.float64).reshape(-1, SWEEP_DEPTH, SWEEP_GROUP),
        aligned_zeros(SWEEP_DEPTH, SWEEP_DEPTH, np.float64).reshape(-1, SWEEP_DEPTH, SWEEP_GROUP),
    )
    n_tiles = -(-n // SWEEP_TILE)
    n_threads = threads_worth(n_threads, n * n * SWEEP_DEPTH)
    step = max(1, SLICE // (SWEEP_TILE * SWEEP_DEPTH * n))
    with progress_bar(n, "EASE", verbose) as bar:
        for begin in range(0, n, SWEEP_DEPTH):
            if not kernel.sweep_panel(gram, panel, begin, n_threads):
                return False
            for first in range(0, n_tiles, step):
                kernel.sweep_tiles(gram, panel, begin, (first, min(first + step, n_tiles)), n_threads)
            bar.update(SWEEP_DEPTH)
    return True


def item_weights(gram: GramMatrix, n_items: int, n_threads: int | None) -> Array:
    """B = I - P diagMat(1 / diag P) of the first items, from -P: float32[n_items, n_items]."""
    kernel, weights = backends.kernel("lists.ease"), ItemWeights(np.empty((n_items, n_items), np.float32))
    n_tiles = -(-n_items // SWEEP_TILE)
    n_threads = threads_worth(n_threads, n_items * n_items)
    step = max(1, SLICE // (10 * SWEEP_TILE * n_items))
    for first in range(0, n_tiles, step):
        kernel.item_weights(gram, weights, (first, min(first + step, n_tiles)), n_threads)
    return weights.values
