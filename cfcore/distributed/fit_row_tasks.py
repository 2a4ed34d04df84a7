"""Tasks on rows of users or items: least squares, and draws from conditional distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.distributed.fit_files import mapped
from cfcore.distributed.fit_tasks import Static, aligned, own_threads, ready
from cfcore.kernels.records import (
    Biases,
    DrawKey,
    ImplicitRows,
    ImplicitSets,
    MemberDraws,
    RatingRows,
    RowDraws,
    RowSolves,
)
from cfcore.models.factorization.als_rows import Side, Solving, improved_members
from cfcore.models.factorization.bayesian_side import Drawing, draw_members
from cfcore.threads import threads_worth

__all__ = [
    "DrawJob", "RowsPart", "Sets", "draw_columns", "draw_rows", "improve_columns", "solve_biases",
    "solve_rows",
]  # fmt: skip

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class RowsPart:
    """The ratings of consecutive rows: users, or items.

    Attributes
    ----------
    begin, n_rows : int
        The first of the rows, and how many there are in all parts.
    indptr, indices : int64[n + 1], int32[m]
    values, weights : float32[m], or None for `weights` of 1
    n_columns, most : int
        Codes of the other side, and ratings of the row that has most in all parts.
    fixed : dict
        What else a task reads that does not change in a fit.
    """

    begin: int
    n_rows: int
    indptr: Array
    indices: Array
    values: Array
    weights: Array | None
    n_columns: int
    most: int
    fixed: dict[str, Any]

    @property
    def n(self) -> int:
        """The number of its rows."""
        return len(self.indptr) - 1


def solve_rows(part: Static, shared: Any) -> tuple[Array, Array, Array]:
    """Solve for rows and biases by least squares; these, and sums of weighted squared errors.

    Parameters
    ----------
    part : Static of RowsPart
    shared : ((float32[n_columns, width], float32[n_columns]), float32[n_columns, width] or None)
        Rows and biases of the other side, and the factors that the sets of the rows are sums of.
    """
    held: RowsPart = part.value
    columns, members = shared
    rows = aligned_zeros(held.n, columns[0].shape[1], np.float32)
    ratings = RatingRows(held.indptr, held.indices, held.values, held.n_columns)
    with own_threads() as n_threads:
        centres = None
        if members is not None:
            sums = aligned_zeros(held.n, members.shape[1], np.float32)
            sets = ImplicitSets(held.indptr, held.indices, len(members))
            threads = threads_worth(n_threads, len(held.indices) * members.shape[1])
            kernel = backends.kernel("factorization.svdpp")
            kernel.implicit_sums(sets, ImplicitRows(aligned(members), sums), threads)
            centres = sums.astype(np.float64)
        solves = RowSolves(
            rows, np.zeros(held.n, np.float32), aligned(columns[0]), ready(columns[1]),
            held.fixed["penalty"], np.zeros(held.n), held.fixed["mean"], None, held.fixed["bias_penalty"],
            held.weights,
        )  # fmt: skip
        squares = Solving(ratings, solves, n_threads)(centres)
    return rows, solves.biases, squares


@dataclass(frozen=True, eq=False)
class Sets:
    """The sets of the rows of a side, in place of its `RatingRows`: which members each has.

    Attributes
    ----------
    indptr, indices : int64[n_rows + 1], int32[n], or `InFile`
    n_columns : int
        Members.
    """

    indptr: Any
    indices: Any
    n_columns: int

    def mapped(self) -> Sets:
        """With the arrays."""
        return Sets(mapped(self.indptr), mapped(self.indices), self.n_columns)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def n(self) -> int:
        """Number of members of all sets."""
        return len(self.indices)


def improve_columns(sets: Static, kind: str, weights: Static, columns: tuple[Array, Array]) -> Array:
    """`improved_members` for some columns, which do not depend on the others.

    Parameters
    ----------
    sets : Static of dict of str to Sets
        Of users, and of items.
    kind : {"user", "item"}
        Whose sets they are.
    weights : Static of (float32[n] or None, Penalties)
    columns : (float32[n_rows, k], float32[n_members, k])
        Of the rows and of the members: a multiple of 8, but for the last ones.
    """
    rows, members = columns
    held: dict[str, Sets] = sets.value
    own: Any = held[kind].mapped()
    owners = held["item" if kind == "user" else "user"].mapped()
    held_weights, penalties = weights.value
    with own_threads() as n_threads:
        side = Side(own, held_weights, penalties, n_threads)
        return improved_members(side, (owners.indptr, owners.indices), ready(rows), ready(members))


def draw_columns(
    sets: Static, kind: str, weights: Static, blocks: tuple[Array, Array], given: tuple[Any, ...]
) -> tuple[Array, Array]:
    """`draw_members` of a sampler for some blocks of columns, which do not depend on the others.

    Parameters
    ----------
    sets, kind
        As of `improve_columns`.
    weights : Static of float64[n_rows]
    blocks : (float64[n_blocks, n_members, 8], float64[n_blocks, n_rows, 8])
        `members` and `errors` of `MemberDraws`.
    given : (float, int, (int, int, int))
        `penalty` and `first_block` of `MemberDraws`; a `DrawKey`.
    """
    penalty, first, key = given
    owners = sets.value["item" if kind == "user" else "user"].mapped()
    members, errors = (np.array(one) for one in blocks)
    draws = MemberDraws(
        owners.indptr, owners.indices, weights.value, members, errors, penalty, first_block=first
    )
    with own_threads() as n_threads:
        return draw_members(draws, DrawKey(*key), n_threads)


@dataclass(frozen=True, eq=False)
class DrawJob:
    """What a task draws rows from, beside what all tasks of a sweep read.

    Attributes
    ----------
    targets : float32[m]
    prior_mean : float64[n, n_factors]
    row_precision : float64[n]
    weights : float32[m] or None
    """

    targets: Array
    prior_mean: Array
    row_precision: Array
    weights: Array | None


def draw_rows(part: Static, job: DrawJob, shared: dict[str, Any]) -> tuple[Array, Array | None]:
    """Draw rows from their conditional distributions; these, and the distributions' means.

    Parameters
    ----------
    part : Static of RowsPart
    job : DrawJob
    shared : dict
        "columns", rows of the other side; "precision" and "column_weight" of `RowDraws`; "with_means"; "key"
        (seed, kind, sweep).
    """
    held: RowsPart = part.value
    columns = aligned(shared["columns"])
    begin, end, width = held.begin, held.begin + held.n, columns.shape[1]
    # Random numbers are keyed by the row: arrays have all rows, of which memory is used for these alone.
    rows = aligned_zeros(held.n_rows, width, np.float32)
    means = aligned_zeros(held.n_rows, width, np.float32) if shared["with_means"] else None
    prior = np.zeros((held.n_rows, job.prior_mean.shape[1]))
    prior[begin:end] = job.prior_mean
    row_precision = np.zeros(held.n_rows)
    row_precision[begin:end] = job.row_precision
    indptr = np.full(held.n_rows + 1, len(held.indices), dtype=np.int64)
    indptr[:begin] = 0
    indptr[begin : end + 1] = held.indptr
    ratings = RatingRows(indptr, held.indices, ready(job.targets), held.n_columns)
    draws = RowDraws(
        rows, columns, prior, ready(shared["precision"]), row_precision,
        ready(shared["column_weight"]), means, ready(job.weights),
    )  # fmt: skip
    with own_threads() as n_threads:
        drawing = Drawing(ratings, draws, held.most, n_threads)
        drawing.spans = [(begin, end)]
        drawing(DrawKey(*shared["key"]))
    return rows[begin:end].copy(), None if means is None else means[begin:end].copy()


def solve_biases(part: Static, column_bias: Array) -> Array:
    """Biases by least squares, with those of the other side held."""
    held: RowsPart = part.value
    ratings = RatingRows(held.indptr, held.indices, held.values, held.n_columns)
    found = np.zeros(held.n, dtype=column_bias.dtype)
    with own_threads() as n_threads:
        threads = threads_worth(n_threads, len(held.indices), "ratings")
        biases = Biases(found, ready(column_bias), held.fixed["mean"])
        backends.kernel("factorization.baseline").solve(ratings, biases, held.fixed["reg"], threads)
    return found
