"""Weights of the ratings of a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.errors import DataError

__all__ = ["as_weights", "weighted_mean"]

Array = np.ndarray[Any, Any]

#: Bounds of weights: beyond them, sums of ratings of both kinds would lose all digits of one.
LEAST, MOST = 1e-9, 1e9


def as_weights(weights: Any, n: int, aggregates: bool) -> Array:
    """Weights of ratings as read-only float32[n].

    Parameters
    ----------
    weights : array_like
    n : int
        Number of ratings.
    aggregates : bool
        Whether repeated pairs may have been replaced by one rating, so that there are fewer than were given.

    Raises
    ------
    DataError
        The message names the row.
    """
    try:
        given = np.asarray(weights)
        if given.dtype.kind not in "biuf":
            raise TypeError
        numbers = given.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("weights must be an array of numbers, one for each rating") from None
    if numbers.ndim != 1 or len(numbers) != n:
        merged = "; repeated pairs are one rating: merge their weights, or leave out duplicates=" * aggregates
        raise DataError(f"weights must be of shape ({n},), one for each rating, not {numbers.shape}{merged}")
    bad = ~((numbers >= LEAST) & (numbers <= MOST))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"weights: row {row} is {numbers[row]:g}; weights must be positive numbers, from {LEAST:g} to "
            f"{MOST:g}: leave ratings out that should not count"
        )
    found = numbers.astype(np.float32)
    found.flags.writeable = False
    return found


def weighted_mean(values: Array, weights: Array) -> float:
    """Mean of values by their weights, in double."""
    wide = weights.astype(np.float64)
    return float(np.sum(wide * values) / np.sum(wide))
