"""Steps of the sampler of `BayesianSVD` on spans of rows or ratings, which do not depend on each other.

A step is called with a span (begin, end), a number of threads, and what it reads and writes. Elsewhere than
in this process, `InProcess` is replaced by what divides the spans between processes: with the same bits, as
no step sums over rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.kernels.records import BiasDraws, DrawKey, RatingRows, RowProducts
from cfcore.models.factorization.sets import COLUMNS
from cfcore.threads import threads_worth

__all__ = [
    "BLOCK", "InProcess", "add", "distances", "draw_biases", "less", "multiply_rows", "of_groups",
    "overrelax", "prior_means", "products_of", "restore_members", "restore_sums", "scale", "subtract",
    "whiten", "with_columns",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Span = tuple[int, int]

#: Rows of a product with a matrix in the kernel: spans of these steps are of multiples of so many.
BLOCK = 256
#: Rows that a step takes at a time, so that what it computes on the way stays in the cache.
PIECE = 16 * BLOCK
#: Groups of ratings that are filled at a time.
GROUPS = 128
#: A product of doubles and its sum, in products of floats.
WORK = 4


class InProcess:
    """Runs steps in this process."""

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """An array to be written by steps; elsewhere, the same one for the same name."""
        return np.empty(shape, dtype)

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
            Bounds of the ratings of each, of the number of which the time of the step depends.
        """
        step((0, n), n_threads, *given)


def _pieces(span: Span, size: int = PIECE) -> Iterator[slice]:
    begin, end = span
    for first in range(begin, end, size):
        yield slice(first, min(first + size, end))


def _times(rows: Array, matrix: Array, out: Array, n_threads: int | None) -> Array:
    """Rows (float64[n, k]) times a matrix."""
    n_threads = threads_worth(n_threads, WORK * rows.size * len(matrix))
    backends.kernel("factorization.gibbs_priors").multiply_matrix(rows, matrix, out, n_threads)
    return out


# ---------------------------------------------------------------------- rows, and members of sets


def _memory(span: Span, n_arrays: int, k: int) -> Iterator[tuple[slice, list[Array]]]:
    """Pieces of a span, with arrays of their rows: new memory for each would cost page faults."""
    held = np.empty((n_arrays, min(PIECE, span[1] - span[0]), k))
    for own in _pieces(span):
        yield own, [one[: own.stop - own.start] for one in held]


def _base(own: slice, rows: Array, features: Array | None, out: Array) -> Array:
    """Rows less what features tell of them, in double."""
    np.copyto(out, rows[own, : out.shape[1]])
    if features is not None:
        out -= features[own]
    return out


def less(span: Span, n_threads: int | None, rows: Array, row: Array, out: Array) -> None:
    """`out` is the rows less one row."""
    np.subtract(rows[slice(*span)], row, out=out[slice(*span)])


def add(span: Span, n_threads: int | None, row: Array, arrays: Sequence[Array]) -> None:
    """Add a row to the rows of arrays, in single precision."""
    for array in arrays:
        array[slice(*span), : len(row)] += row.astype(np.float32)


def distances(
    span: Span, n_threads: int | None, rows: Array, features: Array | None, sums: Array, out: Array
) -> None:
    """`out` (float64[n, k]) is the rows less the sums of their sets, and what features tell of them."""
    for own in _pieces(span):
        _base(own, rows, features, out[own])
        out[own] -= sums[own]


def with_columns(span: Span, n_threads: int | None, rows: Array, last: Array, out: Array) -> None:
    """`out` (float64[n, k + m]) is the first k numbers of the rows and, for each, m further ones."""
    own, k = slice(*span), out.shape[1] - len(last)
    out[own, :k], out[own, k:] = rows[own, :k], last


def sum_parts(span: Span, n_threads: int | None, rows: Array, parts: Array) -> None:
    """Sums of products of blocks of the rows; see the kernel `sum_products`."""
    (begin, end), k = span, rows.shape[1]
    own = parts[begin // BLOCK : -(-end // BLOCK)]
    n_threads = threads_worth(n_threads, WORK * (end - begin) * k * k)
    kernel = backends.kernel("factorization.gibbs_priors")
    kernel.sum_products(rows[begin:end], own, np.empty((k, k)), n_threads)


def products_of(rows: Array, n_threads: int | None, work: Any) -> Array:
    """The sum of the products x x' of rows (float64[n, k]): float64[k, k]."""
    n, k = rows.shape
    parts = work.empty("parts", (-(-n // BLOCK), k, k))
    work.run(sum_parts, n, rows, parts, n_threads=n_threads)
    upper = np.triu(np.add.reduce(parts, axis=0, initial=0.0))  # in the order of the parts
    found: Array = upper + np.triu(upper, 1).T
    return found


def whiten(
    span: Span, n_threads: int | None, rows: Array, mean: Array | None, root: Array, blocks: Array
) -> None:
    """Rows, less their mean if given, times a matrix, in blocks of columns (see `in_blocks`)."""
    k = rows.shape[1]
    for own, (apart, white) in _memory(span, 2, k):
        if mean is not None:
            np.subtract(rows[own], mean, out=apart)
        _times(rows[own] if mean is None else apart, root, white, n_threads)
        for at in range(len(blocks)):
            first, last = COLUMNS * at, min(COLUMNS * (at + 1), k)
            blocks[at, own, : last - first] = white[:, first:last]
            blocks[at, own, last - first :] = 0


def _from_blocks(blocks: Array, own: slice, out: Array) -> Array:
    for at in range(len(blocks)):
        first, last = COLUMNS * at, min(COLUMNS * (at + 1), out.shape[1])
        out[:, first:last] = blocks[at, own, : last - first]
    return out


def restore_members(span: Span, n_threads: int | None, blocks: Array, back: Array, members: Array) -> None:
    """`members` are those in blocks of columns times a matrix, the inverse of that of `whiten`."""
    for own, (white,) in _memory(span, 1, members.shape[1]):
        _times(_from_blocks(blocks, own, white), back, members[own], n_threads)


def restore_sums(
    span: Span, n_threads: int | None, given: tuple[Array, Array | None, Array], blocks: Array,
    matrices: tuple[Array, Array], sums: Array, out: tuple[Array, Array] | None,
) -> None:  # fmt: skip
    """`sums` over sets: the rows less their mean and the errors that are left.

    Parameters
    ----------
    given : (float32[n, width], float64[n, k] or None, float64[k])
        Rows, what features tell of them, and their mean.
    blocks : float64[n_blocks, n, 8]
        The errors, white, in blocks of columns.
    matrices : (float64[k, k], float64[k, k])
        The inverse of that of `whiten`, and that one.
    sums : float64[n, k]
        Overwritten.
    out : (float64[n, k], float64[n, k]), optional
        Overwritten by squares of the sums in units in which the errors are white, and products of both.
    """
    (rows, features, mean), (back, root), k = given, matrices, sums.shape[1]
    for own, (apart, errors, white) in _memory(span, 3, k):
        _times(_from_blocks(blocks, own, apart), back, errors, n_threads)
        _base(own, rows, features, sums[own])
        sums[own] -= mean
        sums[own] -= errors
        if out is not None:
            _times(sums[own], root, white, n_threads)
            np.multiply(white, white, out=out[0][own])
            np.multiply(white, apart, out=out[1][own])


def scale(span: Span, n_threads: int | None, factor: float, arrays: list[Array]) -> None:
    """Multiply rows of arrays, each in its precision."""
    own = slice(*span)
    for array in arrays:
        array[own] *= array.dtype.type(factor)


def prior_means(
    span: Span, n_threads: int | None, mean: Array, sums: Array, features: Array | None, out: Array,
    rows: Array, before: Array | None,
) -> None:  # fmt: skip
    """`out` is the means of the rows in the prior; and `before`, if given, a copy of the rows."""
    own = slice(*span)
    if before is not None:
        before[own] = rows[own]
    np.add(mean, sums[own], out=out[own])
    if features is not None:
        out[own] += features[own]


def overrelax(
    span: Span, n_threads: int | None, rows: Array, means: Array, before: Array, factor: float
) -> None:
    """Turn independent draws around their means into ones that have a correlation with the rows before.

    `before` is overwritten.
    """
    for own in _pieces(span):
        before[own] -= means[own]
        before[own] *= np.float32(factor)
        rows[own] -= means[own]
        rows[own] *= np.float32(np.sqrt(1 - factor**2))
        rows[own] += before[own]
        rows[own] += means[own]


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


def subtract(span: Span, n_threads: int | None, codes: Array, steps: Array, targets: Array) -> None:
    """Subtract the step of its group from each target; see the kernel."""
    own = slice(*span)
    n_threads = threads_worth(n_threads, len(codes), "ratings")
    backends.kernel("factorization.gibbs_biases").subtract_steps(codes[own], steps, targets[own], n_threads)


def multiply_rows(span: Span, n_threads: int | None, ratings: RatingRows, products: RowProducts) -> None:
    """Products of rows for ratings, and sums of squares; see the kernel."""
    n_threads = threads_worth(n_threads, ratings.n * products.width)
    backends.kernel("factorization.gibbs").multiply_rows(ratings, products, span, n_threads)
