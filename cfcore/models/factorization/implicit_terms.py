"""Implicit terms: sums of factors over sets of each user, which are added to the user's own factors.

A term has a table of factors, and for each user the set of its rows that count: items rated in SVD++, say, or
features of the user. A model has one term or several; the kernel is given all of them as one set over one
table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.kernels.records import ImplicitRows, ImplicitSets
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Term:
    """A term: sum of w_uj y_j over the members j of each user's set.

    Attributes
    ----------
    indptr, members : int64[n_users + 1], int32[n]
        Rows of the table for each user, ascending.
    n_rows : int
        Rows of the table.
    weights : float32[n] or None
        w_uj; None for the inverse root of the size of the set.
    """

    indptr: Array
    members: Array
    n_rows: int
    weights: Array | None = None

    def explicit_weights(self) -> Array:
        """The weights as numbers."""
        if self.weights is not None:
            return self.weights
        sizes = np.diff(self.indptr)
        return np.repeat(np.maximum(sizes, 1) ** -0.5, sizes).astype(np.float32)


def stacked(terms: Sequence[Term]) -> ImplicitSets:
    """The sets of all terms as one: the table of each term follows that of the term before."""
    if len(terms) == 1:
        (term,) = terms
        return ImplicitSets(term.indptr, term.members, term.n_rows, term.weights)
    indptr = np.sum([term.indptr for term in terms], axis=0)
    members = np.empty(indptr[-1], dtype=np.int32)
    weights = np.empty(indptr[-1], dtype=np.float32)
    n_rows, begins = 0, indptr[:-1].copy()
    for term in terms:
        sizes = np.diff(term.indptr)
        at = np.repeat(begins - term.indptr[:-1], sizes) + np.arange(len(term.members))
        members[at] = term.members + n_rows
        weights[at] = term.explicit_weights()
        n_rows += term.n_rows
        begins += sizes
    return ImplicitSets(indptr, members, n_rows, weights)


def summed_rows(sets: ImplicitSets, table: Array, factors: Array, n_threads: int | None) -> Array:
    """Users' own factors plus the sums of their sets, in padded rows.

    Parameters
    ----------
    sets : ImplicitSets
    table : ndarray, shape (sets.n_rows, width)
        Padded rows.
    factors : ndarray, shape (n_users, n_factors)
    n_threads : int or None
    """
    rows = aligned_zeros(len(factors), table.shape[1], table.dtype)
    n_threads = threads_worth(n_threads, len(sets.members) * table.shape[1])
    backends.kernel("factorization.svdpp").implicit_sums(sets, ImplicitRows(table, rows), n_threads)
    rows[:, : factors.shape[1]] += factors
    return rows
