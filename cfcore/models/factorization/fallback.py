"""Predictions of factor models for an unknown user and a known item, or the other way round.

An unknown user stands for the users who rated the item. The prediction is

::

    μ + b_i + f_i + a
    f_i = (Σ_{u ∈ R(i)} q_i · z_u + d q_i · z̄) / (n_i + d)

with the users R(i) who rated item i, their number n_i, their factors z_u (in `SVDpp` with the sums over their
sets), and the mean z̄ of the factors over all ratings. The constant a makes the mean over all
training ratings the mean rating. Unknown items likewise, with users and items exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore import backends
from cfcore.kernels.records import Factors
from cfcore.threads import threads_worth

__all__ = ["DAMPING", "mean_row", "mean_shifts", "with_shifts"]

Array = np.ndarray[Any, Any]

#: Ratings that the mean row counts for. Of users and items of MovieLens who are not reported, errors with 2
#: to 20 differ by .0007 at most; those by the mean row alone are up to .007 larger, and those without a up to
#: .019 (``python benchmarks/new_users.py --choose``, also with ``--kind item``).
DAMPING = 10.0
#: Products that are formed in one call, and rows that are looked at together: temporaries of some MB.
PIECE, ROWS = 1 << 20, 1 << 14


def mean_row(rows: Array, bias: Array, counts: Array) -> Array:
    """Mean of rows, and of their biases as its last number, each counted once for each of its ratings.

    Parameters
    ----------
    rows, bias : ndarray, shape (n, n_factors), (n,)
    counts : int64[n]

    Returns
    -------
    float64[n_factors + 1]
        Zeros if there are no ratings.
    """
    weights = counts / max(int(counts.sum()), 1)
    mean = np.zeros(rows.shape[1] + 1)
    for begin in range(0, len(rows), ROWS):
        piece = slice(begin, begin + ROWS)
        # No product of matrices: BLAS rounds as the number of its threads has it.
        mean[:-1] += (weights[piece, None] * rows[piece]).sum(axis=0)
        mean[-1] += float((weights[piece] * bias[piece]).sum())
    return mean


def mean_shifts(state: Any, n_threads: int | None) -> dict[str, tuple[Array, float]]:
    """The f of each item for an unknown user, and a; and those of each user for an unknown item.

    Parameters
    ----------
    state : FactorState
    n_threads : int or None
        The result does not depend on it.

    Returns
    -------
    dict of str to (float64[n], float)
        For "item" and "user".

    Notes
    -----
    Costs O(n_ratings n_factors): a product for each rating of training.
    """
    found = {}
    sums = _sums_of_products(state, n_threads)
    for kind, other in (("item", "user"), ("user", "item")):
        mean = state.mean_factors(other)
        rows = getattr(state, f"{kind}_rows")[:, : len(mean)]
        of_mean = np.empty(len(rows))
        for begin in range(0, len(rows), ROWS):
            piece = slice(begin, begin + ROWS)
            of_mean[piece] = (rows[piece] * mean).sum(axis=1)
        total, n_seen = sums[kind]
        effects = (total + DAMPING * of_mean) / (n_seen + DAMPING)
        counts, bias = getattr(state, f"{kind}_counts"), getattr(state, f"{kind}_bias")
        level = -float((counts * (effects + bias)).sum()) / max(int(counts.sum()), 1)
        found[kind] = effects, level
    return found


def _sums_of_products(state: Any, n_threads: int | None) -> dict[str, tuple[Array, Array]]:
    """Sums of the products of factors over the ratings of each item and user, and the numbers of ratings."""
    rows = state.user_rows, state.item_rows
    no_bias = [np.zeros(len(held), dtype=held.dtype) for held in rows]
    record = Factors(rows[0], rows[1], no_bias[0], no_bias[1], 0.0)
    indptr, (n_users, n_items) = state.seen_indptr, map(len, rows)
    of_items, n_of_items = np.zeros(n_items), np.bincount(state.seen_items, minlength=n_items)
    of_users = np.zeros(n_users)
    predict = backends.kernel("factorization.svd").predict
    begin = 0
    while begin < n_users:
        end = max(int(np.searchsorted(indptr, indptr[begin] + PIECE, side="right")) - 1, begin + 1)
        items = np.ascontiguousarray(state.seen_items[indptr[begin] : indptr[end]])
        users = np.repeat(np.arange(begin, end, dtype=np.int32), np.diff(indptr[begin : end + 1]))
        out = np.empty(len(items))
        predict(users, items, record, out, threads_worth(n_threads, len(out) * record.width))
        of_items += np.bincount(items, out, n_items)
        of_users[begin:end] = np.bincount(users - begin, out, end - begin)
        begin = end
    return {"item": (of_items, n_of_items), "user": (of_users, np.diff(indptr))}


def with_shifts(predictions: Array, users: Array, items: Array, state: Any, n_threads: int | None) -> Array:
    """Predictions for codes, in place: those of the biases alone are shifted where one side is unknown."""
    for codes, others, kind in ((users, items, "item"), (items, users, "user")):
        if len(codes) and codes.min() < 0:
            alone = np.flatnonzero((codes < 0) & (others >= 0))
            if len(alone):
                predictions[alone] += state.shift(kind, n_threads)[others[alone]]
    return predictions
