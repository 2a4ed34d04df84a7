"""What tests of kernels that descend a loss have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

WAY = 1e-4


def gradient(loss: Callable[[], float], x: Any, places: Iterable[Any] | None = None) -> Any:
    """Derivatives of `loss` by the numbers in array `x`, or by those in some places, by central differences.

    `loss` looks at `x`, which is changed a little and back. The other places are 0.
    """
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape) if places is None else places:
        start = x[place]
        losses = []
        for x[place] in (start + WAY, start - WAY):
            losses.append(loss())
        x[place] = start
        found[place] = (losses[0] - losses[1]) / (2 * WAY)
    return found
