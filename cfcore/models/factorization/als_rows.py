"""Rows of users, or of items, by least squares: in fits of `ALS`, and of users that come later."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, as_padded, padded
from cfcore.kernels.records import (
    DrawKey,
    ImplicitRows,
    ImplicitSets,
    MemberDraws,
    RatingRows,
    RowSolves,
)
from cfcore.models.factorization.sets import COLUMNS, from_blocks, in_blocks, set_weights, spans
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Penalties:
    """The regularisation of `ALS`.

    Attributes
    ----------
    reg, reg_bias, reg_implicit : float
        Of factors, biases and members of sets.
    scale_reg : bool
        Whether `reg` is multiplied by the weight of a row's ratings, which is their number without weights.
    """

    reg: float
    reg_bias: float
    reg_implicit: float
    scale_reg: bool

    @classmethod
    def of(cls, rates: Mapping[str, float]) -> Penalties:
        """Those in the rates of a state."""
        return cls(rates["reg"], rates["reg_bias"], rates["reg_implicit"], bool(rates["scale_reg"]))

    def scales(self, totals: Array) -> Array:
        """What `reg` is multiplied by, for the weights of rows; 1 for rows without ratings."""
        return np.where(totals > 0, totals, 1.0) if self.scale_reg else np.ones(len(totals))


@dataclass(frozen=True, eq=False)
class Side:
    """Ratings of users by user, or of items by item.

    Attributes
    ----------
    ratings : RatingRows
    weights : float32[n] or None
        Of the ratings.
    penalties : Penalties
    n_threads : int or None
    """

    ratings: RatingRows
    weights: Array | None
    penalties: Penalties
    n_threads: int | None

    def totals(self) -> Array:
        """Weight of the ratings of each row."""
        counts = np.diff(self.ratings.indptr)
        if self.weights is None:
            return counts.astype(np.float64)
        rows = np.repeat(np.arange(len(counts)), counts)
        return np.bincount(rows, self.weights, len(counts))

    def set_weights(self) -> Array:
        """What the sum over the set of each row is multiplied by."""
        return set_weights(np.diff(self.ratings.indptr))

    @functools.cached_property
    def sets(self) -> ImplicitSets:
        """The sets of the rows; checked once."""
        return ImplicitSets(self.ratings.indptr, self.ratings.indices, self.ratings.n_columns)

    @functools.cached_property
    def roots(self) -> Array:
        """Roots of what the penalty of rows is multiplied by."""
        found: Array = np.sqrt(self.penalties.scales(self.totals()))
        return found

    def member_draws(self, owners: tuple[Array, Array]) -> MemberDraws:
        """The record of members of the sets and of errors, without any: its codes are checked once.

        `owners` are bounds and codes of the rows that have each member in their set.
        """
        held = vars(self)
        if "draws" not in held or held["draws"].owners is not owners[1]:
            nothing = np.empty((0, len(owners[0]) - 1, COLUMNS)), np.empty((0, len(self.roots), COLUMNS))
            penalty = self.penalties.reg_implicit / self.penalties.reg
            weights = self.roots * self.set_weights()
            held["draws"] = MemberDraws(*owners, weights, *nothing, penalty, noise=0.0)
        found: MemberDraws = held["draws"]
        return found

    def sums(self, table: Array) -> Array | None:
        """The sums over the sets of rows: float64[n_rows, width]; None where members have no factors.

        Parameters
        ----------
        table : float32[n_columns, width]
            Padded rows of the members, or rows of length 0.
        """
        if not table.shape[1]:
            return None
        rows = aligned_zeros(self.ratings.n_rows, table.shape[1], np.float32)
        n_threads = threads_worth(self.n_threads, self.ratings.n * table.shape[1])
        kernel = backends.kernel("factorization.svdpp")
        kernel.implicit_sums(self.sets, ImplicitRows(table, rows), n_threads)
        return rows.astype(np.float64)

    def solving(
        self,
        own: tuple[Array, Array],
        others: tuple[Array, Array],
        mean: float,
        totals: Array,
        steps: int = 0,
    ) -> Solving:
        """What solves for padded rows and biases, `own`, given those of the other side.

        With `steps`, it improves them by so many steps of conjugate gradients instead.
        """
        solves = RowSolves(
            own[0], own[1], others[0], others[1], self.penalties.reg * self.penalties.scales(totals),
            np.zeros(len(own[0])), mean, None, np.full(len(own[0]), self.penalties.reg_bias), self.weights,
        )  # fmt: skip
        return Solving(self.ratings, solves, self.n_threads, steps)


class Solving:
    """Solutions for all rows, in calls of about .3 s.

    Parameters
    ----------
    ratings : RatingRows
    solves : RowSolves
        Without centres.
    n_threads : int or None
    steps : int
        Of conjugate gradients; 0 for exact solutions.
    """

    def __init__(self, ratings: RatingRows, solves: RowSolves, n_threads: int | None, steps: int = 0) -> None:
        self.ratings, self.solves, self.steps, width = ratings, solves, steps, solves.width
        if steps:
            cost = 3 * width * (steps + 1)
            self.steps_kernel = backends.kernel("factorization.als_steps")
            self.n_threads = threads_worth(n_threads, ratings.n * cost)
            self.scratch = np.empty(self.steps_kernel.scratch_shape(self.n_threads, width))
            self.spans = spans(ratings.indptr, cost, width)
            return
        self.kernel = backends.kernel("factorization.als")
        cost, row_cost = width * (width + 16), width**3 // 3 + 1
        self.n_threads = threads_worth(n_threads, ratings.n * cost + solves.n_rows * row_cost)
        most = int(np.diff(ratings.indptr).max(initial=0))
        self.scratch = np.empty(self.kernel.scratch_shape(self.n_threads, width, most))
        self.spans = spans(ratings.indptr, cost, row_cost)

    @staticmethod
    def centres(side: Side, members: Array) -> Array | None:
        """What rows are called with: the sums over their sets, given the rows of the members."""
        return side.sums(as_padded(members))

    def __call__(self, centres: Array | None) -> Array:
        """Overwrite rows and biases; the sum of weighted squared errors of each row."""
        held = self.solves
        solves = held if centres is None else replace(held, centres=centres)
        for span in self.spans:
            if self.steps:
                own = self.ratings, solves, self.steps, self.scratch, span, self.n_threads
                self.steps_kernel.improve_rows(*own)
                continue
            self.kernel.solve_rows(self.ratings, solves, self.scratch, span, self.n_threads)
        return held.squares


def improved_members(side: Side, owners: tuple[Array, Array], rows: Array, members: Array) -> Array:
    """The factors of the members of sets, each in turn the best for the rows given all others.

    Parameters
    ----------
    side : Side
        Whose rows have the sets.
    owners : int64[n_members + 1], int32[n]
        Bounds and codes of the rows that have each member in their set.
    rows : float32[n_rows, n_factors]
    members : float32[n_members, n_factors]

    Returns
    -------
    float32[n_members, n_factors]
    """
    k = rows.shape[1]
    sums = side.sums(padded(members))
    assert sums is not None
    draws = side.member_draws(owners).changed(
        members=in_blocks(members.astype(np.float64)),
        errors=in_blocks(side.roots[:, np.newaxis] * (rows - sums[:, :k])),
    )
    kernel = backends.kernel("factorization.gibbs_priors")
    n_threads = threads_worth(side.n_threads, 4 * side.ratings.n * k)
    for span in spans(owners[0], 4 * k):
        kernel.draw_members(draws, DrawKey(0, 0, 0), span, n_threads)
    return from_blocks(draws.members, k).astype(np.float32)
