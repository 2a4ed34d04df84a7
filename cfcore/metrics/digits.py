"""How many decimals of a number mean something, by its standard error."""

from __future__ import annotations

import math

__all__ = ["decimals"]

#: Without an error, and at most.
USUAL, MOST = 4, 6


def decimals(error: float) -> int:
    """Decimals that show two digits of a standard error: 3 for .013, 4 for .0031; 4 without one."""
    if not math.isfinite(error) or error <= 0:
        return USUAL
    return min(max(1 - math.floor(math.log10(error)), 0), MOST)
