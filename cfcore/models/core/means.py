"""`damped_means`: biases of users, or of items, from the errors of their ratings."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["damped_means"]

Array = np.ndarray[Any, Any]


def damped_means(errors: Array, codes: Array, n: int, damping: float) -> Array:
    """Sum of the errors of each code over their number plus `damping`: float64[n], 0 for codes without any.

    Parameters
    ----------
    errors : ndarray of float, shape (n_ratings,)
    codes : ndarray of int, shape (n_ratings,)
        In [0, n).
    n : int
    damping : float
        Not negative.
    """
    sums, counts = np.bincount(codes, errors, n), np.bincount(codes, minlength=n)
    means: Array = np.divide(sums, counts + damping, out=np.zeros(n), where=counts > 0)
    return means
