"""Random number generators, as the classes take them by `random_state`."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

__all__ = ["get_rng"]


def get_rng(random_state: Any) -> np.random.RandomState:
    """The generator that an argument `random_state` stands for.

    Parameters
    ----------
    random_state : None, int or numpy.random.RandomState
        None is NumPy's global generator (`np.random.seed`); an int seeds a generator of its own.

    Raises
    ------
    ValueError
        For anything else, as a `numpy.random.Generator`, whose draws are others.
    """
    if random_state is None:
        return np.random.mtrand._rand  # the one that np.random.seed seeds
    if isinstance(random_state, (numbers.Integral, np.integer)):
        return np.random.RandomState(int(random_state))
    if isinstance(random_state, np.random.RandomState):
        return random_state
    raise ValueError(
        "Wrong random state. Expecting None, an int or a numpy RandomState instance, got a "
        f"{type(random_state)}"
    )
