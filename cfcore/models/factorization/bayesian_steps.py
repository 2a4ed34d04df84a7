"""Steps of the sampler of `BayesianSVD` on spans of rows or ratings, which do not depend on each other.

A step is called with a span (begin, end), a number of threads, and the arrays that it reads and writes. On a
cluster another class takes the place of `InProcess` and divides spans among processes. The bits are the same,
because no step sums over rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.kernels.records import BiasDraws, DrawKey, RatingRows, RowProducts
from cfcore.models.factorization import bayesian_passes as passes
from cfcore.models.factorization.bayesian_passes import TILE, pass_threads, product_threads
from cfcore.models.factorization.sets import COLUMNS
from cfcore.threads import threads_worth

__all__ = [
    "BLOCK", "InProcess", "add", "draw_biases", "extend_rows", "from_blocks_times", "into_blocks_times",
    "multiply_rows", "of_groups", "overrelax", "prior_means", "scale", "subtract", "subtract_sums",
    "sum_parts", "times",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Span = tuple[int, int]

#: Rows of a part of the kernel `sum_products`: spans of rows are of multiples of so many.
BLOCK = 256
#: Rows, and groups of ratings, that a step takes at a time.
PIECE, GROUPS = 16 * BLOCK, 128


class InProcess:
    """Runs steps in this process."""

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """An array to be written by steps; elsewhere, the same one for the same name."""
        return np.empty(shape, dtype)

    def products_of(self, rows: Array, n_threads: int | None) -> Array:
        """The sum of the products x x' of rows (float64[n, k]): float64[k, k]."""
        return passes.products_of(rows, n_threads)

    def run(
        self, step: Callable[..., None], n: int, *given: Any, n_threads: int | None,
        indptr: Array | None = None,
    ) -> None:  # fmt: skip
        """Call a step with all spans of `n` things.

        Parameters
        ----------
        step : callable
        n : int
        *given : object
            Further arguments of the step.
        n_threads : int or None
        indptr : int64[n + 1], optional
            Bounds of the ratings of each. The time of the step depends on their number.
        """
        step((0, n), n_threads, *given)


def _pieces(span: Span, size: int) -> Iterator[slice]:
    begin, end = span
    for first in range(begin, end, size):
        yield slice(first, min(first + size, end))


# ---------------------------------------------------------------------- rows, and members of sets


def subtract_sums(
    span: Span, n_threads: int | None, rows: Array, features: Array | None, mean: Array | None,
    sums: Array, out: Array,
) -> None:  # fmt: skip
    """`out` is the rows less what features tell of them, less a mean if there is one, and less sums."""
    own = slice(*span)
    if features is None:
        kernel = backends.kernel("factorization.gibbs_rows")
        kernel.subtract_sums(rows[own], mean, sums[own], out[own], pass_threads(n_threads, out[own]))
    else:
        base = rows[own, : out.shape[1]] - features[own]
        np.subtract(base if mean is None else base - mean, sums[own], out=out[own])


def into_blocks_times(
    span: Span, n_threads: int | None, rows: Array, mean: Array | None, matrix: Array, blocks: Array,
    tiles: Array,
) -> None:  # fmt: skip
    """Rows, less a mean if given, times a matrix, in blocks of columns; `tiles` are scratch, for all rows."""
    kernel, k = backends.kernel("factorization.gibbs_blocks"), rows.shape[1]
    threads = product_threads(n_threads, rows)
    if span == (0, len(rows)) and len(tiles) >= threads:
        kernel.multiply_into_blocks(rows, mean, matrix, blocks, tiles, threads)
        return
    held = np.empty(len(blocks) * PIECE * COLUMNS)
    for own in _pieces(span, PIECE):
        part, n = rows[own], own.stop - own.start
        found = held[: len(blocks) * n * COLUMNS].reshape(len(blocks), n, COLUMNS)
        threads = product_threads(n_threads, part)
        kernel.multiply_into_blocks(part, mean, matrix, found, np.empty((threads, 2 * TILE * k)), threads)
        blocks[:, own] = found


def from_blocks_times(
    span: Span, n_threads: int | None, blocks: Array, matrix: Array, rows: Array, out: Array
) -> None:
    """`rows` are those in blocks of columns, and `out` is these times a matrix."""
    kernel = backends.kernel("factorization.gibbs_blocks")
    if span == (0, len(out)):
        kernel.multiply_blocks(blocks, matrix, rows, out, product_threads(n_threads, out))
        return
    held = np.empty(len(blocks) * PIECE * COLUMNS)
    for own in _pieces(span, PIECE):
        part = held[: len(blocks) * (own.stop - own.start) * COLUMNS].reshape(len(blocks), -1, COLUMNS)
        np.copyto(part, blocks[:, own])
        kernel.multiply_blocks(part, matrix, rows[own], out[own], product_threads(n_threads, out[own]))


def times(span: Span, n_threads: int | None, rows: Array, matrix: Array, out: Array) -> None:
    """`out` is the rows times a matrix."""
    passes.times(rows[slice(*span)], matrix, n_threads, out[slice(*span)])


def extend_rows(span: Span, n_threads: int | None, rows: Array, ends: Array, out: Array) -> None:
    """`out` is the rows, each with the same numbers after it; see the kernel."""
    own, kernel = slice(*span), backends.kernel("factorization.gibbs_rows")
    kernel.extend_rows(rows[own], ends, out[own], pass_threads(n_threads, out[own]))


def sum_parts(span: Span, n_threads: int | None, rows: Array, parts: Array) -> None:
    """Sums of products of blocks of the rows; see the kernel `sum_products`."""
    (begin, end), k = span, rows.shape[1]
    own, parts = rows[begin:end], parts[begin // BLOCK : -(-end // BLOCK)]
    kernel = backends.kernel("factorization.gibbs_priors")
    kernel.sum_products(own, parts, np.empty((k, k)), product_threads(n_threads, own))


def add(span: Span, n_threads: int | None, row: Array, rows: Array) -> None:
    """Add a row to rows, in single precision."""
    rows[slice(*span), : len(row)] += row.astype(np.float32)


def scale(span: Span, n_threads: int | None, factor: float, arrays: Sequence[Array]) -> None:
    """Multiply rows of arrays, each in its precision."""
    own = slice(*span)
    for array in arrays:
        array[own] *= array.dtype.type(factor)


def prior_means(
    span: Span, n_threads: int | None, mean: Array, sums: Array, features: Array | None, out: Array
) -> None:
    """`out` is the means of the rows in the prior."""
    own = slice(*span)
    np.add(mean, sums[own], out=out[own])
    if features is not None:
        out[own] += features[own]


def overrelax(
    span: Span, n_threads: int | None, rows: Array, drawn: Array, means: Array, factors: tuple[float, float]
) -> None:
    """Each row on the other side of its mean; see the kernel."""
    own, kernel = slice(*span), backends.kernel("factorization.gibbs_rows")
    kernel.overrelax_rows(rows[own], drawn[own], means[own], factors, pass_threads(n_threads, rows[own]))


# ---------------------------------------------------------------------- ratings


def of_groups(span: Span, n_threads: int | None, values: Array, indptr: Array, out: Array) -> None:
    """`out` has the value of each group for each of its ratings, which are consecutive."""
    for own in _pieces(span, GROUPS):
        bounds = indptr[own.start : own.stop + 1]
        out[bounds[0] : bounds[-1]] = np.repeat(values[own], np.diff(bounds))


def draw_biases(span: Span, n_threads: int | None, draws: BiasDraws, key: DrawKey) -> None:
    """Draw the biases of groups; see the kernel."""
    n_threads = threads_worth(n_threads, draws.n, "ratings")
    backends.kernel("factorization.gibbs_biases").draw_biases(draws, key, span, n_threads)


def subtract(
    span: Span, n_threads: int | None, codes: Array, steps: Array, others: tuple[Array, Array] | None,
    targets: Array,
) -> None:  # fmt: skip
    """Subtract the steps of its groups from each target; see the kernel."""
    own, kernel = slice(*span), backends.kernel("factorization.gibbs_biases")
    n_threads = threads_worth(n_threads, len(codes), "ratings")
    further = None if others is None else (others[0][own], others[1])
    kernel.subtract_steps(codes[own], steps, further, targets[own], n_threads)


def multiply_rows(span: Span, n_threads: int | None, ratings: RatingRows, products: RowProducts) -> None:
    """Products of rows for ratings, and sums of squares; see the kernel."""
    n_threads = threads_worth(n_threads, ratings.n * products.width)
    backends.kernel("factorization.gibbs").multiply_rows(ratings, products, span, n_threads)
