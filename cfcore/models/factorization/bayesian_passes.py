"""Passes over all rows in the sampler of `BayesianSVD`: their arrays, threads, products and sums."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.threads import threads_worth

__all__ = ["TILE", "Scratch", "pass_threads", "product_threads", "products_of", "times"]

Array = np.ndarray[Any, Any]

#: A product of doubles and its sum, in products of floats; a number that is read, changed and written.
WORK, PASS = 4, 64
#: Rows that `multiply_into_blocks` multiplies at a time.
TILE = 64


class Scratch:
    """Arrays that a step uses for a moment, in memory that is allocated once.

    Of new memory, the system clears each page when it is first written.
    """

    def __init__(self) -> None:
        self.memory: dict[str, Array] = {}
        self.arrays: dict[tuple[str, tuple[int, ...]], Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """The array of a name, of any numbers: float64[shape]. It shares memory with others of the name."""
        found = self.arrays.get((name, shape))
        if found is None:
            size = prod(shape)
            if name not in self.memory or self.memory[name].size < size:
                self.memory[name] = aligned_zeros(1, size, np.float64)
                self.arrays = {key: array for key, array in self.arrays.items() if key[0] != name}
            found = self.arrays[name, shape] = self.memory[name].reshape(-1)[:size].reshape(shape)
        return found


def pass_threads(n_threads: int | None, rows: Array) -> int:
    """Threads of a pass over an array."""
    return threads_worth(n_threads, PASS * rows.size)


def product_threads(n_threads: int | None, rows: Array) -> int:
    """Threads of the product of rows (float64[n, k]) and a matrix."""
    return threads_worth(n_threads, WORK * rows.size * rows.shape[1])


def products_of(rows: Array, n_threads: int | None) -> Array:
    """The sum of the products x x' of rows (float64[n, k]): float64[k, k]."""
    kernel, (n, k) = backends.kernel("factorization.gibbs_priors"), rows.shape
    found = np.empty((k, k))
    parts = np.empty((kernel.n_parts(n), k, k))
    kernel.sum_products(np.ascontiguousarray(rows), parts, found, product_threads(n_threads, rows))
    return found


def times(rows: Array, matrix: Array, n_threads: int | None, out: Array) -> Array:
    """Rows (float64[n, k]) times a matrix, in `out`."""
    kernel = backends.kernel("factorization.gibbs_priors")
    kernel.multiply_matrix(rows, np.ascontiguousarray(matrix), out, product_threads(n_threads, rows))
    return out
