"""Stripes: consecutive codes with about equal numbers of ratings, by which work is divided."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["bounds", "stripes"]

Array = np.ndarray[Any, Any]


def stripes(counts: Array, n_stripes: int) -> Array:
    """Stripe of each code: consecutive codes with about equal numbers of ratings (int32[n])."""
    total = np.cumsum(counts)
    middle = total - (counts + 1) // 2
    return np.minimum(middle * n_stripes // max(int(total[-1]), 1), n_stripes - 1).astype(np.int32)


def bounds(stripe_of: Array, n: int) -> Array:
    """First code of each of `n` stripes, and the number of codes (int32[n + 1])."""
    return np.searchsorted(stripe_of, np.arange(n + 1)).astype(np.int32)
