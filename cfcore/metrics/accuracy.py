"""Errors of predicted ratings, and concordance of their order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cfcore.data.ids import first_masked
from cfcore.errors import DataError

__all__ = ["fcp", "mae", "rmse"]

Array = np.ndarray[Any, Any]


def rmse(ratings: ArrayLike, predictions: ArrayLike) -> float:
    """Root mean square error, √((1 / n) Σ (r - r̂)²).

    Parameters
    ----------
    ratings, predictions : array_like, shape (n,)

    Returns
    -------
    float

    Raises
    ------
    DataError
        No entries, different lengths, or NaN or inf.
    """
    ratings, predictions = checked(ratings, predictions)
    errors = ratings - predictions
    return float(np.sqrt(np.mean(errors * errors)))


def mae(ratings: ArrayLike, predictions: ArrayLike) -> float:
    """Mean absolute error, ``(1 / n) Σ |r - r̂|``.

    Parameters, result and errors are those of `rmse`.
    """
    ratings, predictions = checked(ratings, predictions)
    return float(np.mean(np.abs(ratings - predictions)))


def fcp(ratings: ArrayLike, predictions: ArrayLike, users: ArrayLike) -> float:
    """Fraction of concordant pairs.

    Of all pairs of different ratings by one user, the fraction that the predictions put in the same order.
    Equal predictions count as discordant. Random predictions have 0.5, perfect ones 1.

    Parameters
    ----------
    ratings, predictions : array_like, shape (n,)
    users : array_like, shape (n,)
        Ids or codes of the users.

    Returns
    -------
    float
        NaN if no user gave two different ratings.

    Raises
    ------
    DataError
        As `rmse`.

    Notes
    -----
    Pairs are counted over all users together, as in Koren and Sill, "Collaborative filtering on ordinal user
    feedback", IJCAI 2013. Time is O(n log n): discordant pairs are the inversions of one permutation.
    """
    in_order, different = pairs_by_user(ratings, predictions, users)
    return float(in_order.sum() / different.sum()) if different.any() else float("nan")


def pairs_by_user(ratings: ArrayLike, predictions: ArrayLike, users: ArrayLike) -> tuple[Array, Array]:
    """Numbers of concordant pairs and of all pairs of different ratings, for each user.

    Parameters and errors are those of `fcp`.

    Returns
    -------
    in_order, different : ndarray of int64, shape (n_users,)
        In the order of the sorted distinct users.
    """
    ratings, predictions = checked(ratings, predictions)
    users = np.asarray(users)
    if users.shape != ratings.shape:
        raise DataError(f"users: shape {users.shape}, but ratings have {ratings.shape}")
    users = np.unique(users, return_inverse=True)[1]
    n_users = int(users.max()) + 1
    # Two orders of each user's entries: by rating, and by prediction. Ties are broken so that a pair of equal
    # ratings is never an inversion of one order against the other, and a pair of different ratings with equal
    # predictions always is.
    by_rating = np.lexsort((predictions, ratings, users))
    by_prediction = np.lexsort((-ratings, predictions, users))
    position = np.empty(len(users), dtype=np.int64)
    position[by_rating] = np.arange(len(users))
    inversions = np.bincount(
        users[by_rating], weights=_inversions(position[by_prediction]), minlength=n_users
    ).astype(np.int64)  # sums of whole numbers below 2^53: exact
    levels, level = np.unique(ratings, return_inverse=True)
    groups, sizes = np.unique(users * len(levels) + level, return_counts=True)
    alike = np.bincount(groups // len(levels), weights=_pairs(sizes), minlength=n_users).astype(np.int64)
    different = _pairs(np.bincount(users, minlength=n_users)) - alike
    return different - inversions, different


def _pairs(sizes: Array) -> Array:
    """Number of pairs in groups of these sizes."""
    return sizes * (sizes - 1) // 2


def _inversions(permutation: Array) -> Array:
    """For each number in a permutation of 0 ... n-1, the number of smaller ones after it.

    A radix sort from the highest bit: among the entries that agree in all higher bits, a pair that differs in
    this bit is inverted if the entry with the bit set comes first. One pass of array operations per bit.
    """
    n = len(permutation)
    index = np.arange(n)
    inversions = np.zeros(n, dtype=np.int64)
    for bit in range((n - 1).bit_length() - 1, -1, -1):
        # Groups of entries that agree in the higher bits are complete, so their positions are known.
        starts = (index >> (bit + 1)) << (bit + 1)
        ends = np.minimum(starts + (2 << bit), n)
        zeros_in_group = np.minimum(starts + (1 << bit), n) - starts
        is_one = (permutation >> bit) & 1 == 1
        zeros_before = np.concatenate([[0], np.cumsum(~is_one)])
        before_in_group = zeros_before[index] - zeros_before[starts]
        inversions[permutation[is_one]] += (zeros_before[ends] - zeros_before[index])[is_one]
        ones_before = index - starts - before_in_group
        target = starts + np.where(is_one, zeros_in_group + ones_before, before_in_group)
        moved = np.empty_like(permutation)
        moved[target] = permutation
        permutation = moved
    return inversions


def checked(ratings: ArrayLike, predictions: ArrayLike) -> tuple[Array, Array]:
    columns = []
    for name, given in (("ratings", ratings), ("predictions", predictions)):
        masked = first_masked(given)
        if masked is not None:
            raise DataError(f"{name}: missing value in row {masked}")
        try:
            column = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} must be numbers ({error})") from error
        if column.ndim != 1:
            raise DataError(f"{name} must have one dimension, not shape {column.shape}")
        bad = ~np.isfinite(column)
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"{name}: {column[row]} in row {row} is not finite")
        columns.append(column)
    if len(columns[0]) != len(columns[1]):
        raise DataError(
            f"ratings and predictions have different lengths, {len(columns[0])} and {len(columns[1])}"
        )
    if len(columns[0]) == 0:
        raise DataError("ratings are empty: metrics need at least one")
    return columns[0], columns[1]
