"""Baselines of users and items: r = mu + b_u + b_i, by alternating least squares or by SGD.

Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010, section 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _baselines

if TYPE_CHECKING:
    from cfcore.adapters.surprise.algo_base import AlgoBase

__all__ = ["baseline_als", "baseline_sgd"]

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def baseline_als(self: AlgoBase) -> Pair:
    """Baselines by alternating least squares.

    Parameters
    ----------
    self : AlgoBase
        Its ``bsl_options`` may hold ``n_epochs`` (10), ``reg_u`` (15) and ``reg_i`` (10).

    Returns
    -------
    bu : float64[n_users]
    bi : float64[n_items]
    """
    options = self.bsl_options
    return _fit(
        self, _baselines.als, options.get("n_epochs", 10), options.get("reg_u", 15), options.get("reg_i", 10)
    )


def baseline_sgd(self: AlgoBase) -> Pair:
    """Baselines by stochastic gradient descent.

    Parameters
    ----------
    self : AlgoBase
        Its ``bsl_options`` may hold ``n_epochs`` (20), ``reg`` (0.02) and ``learning_rate`` (0.005).

    Returns
    -------
    bu : float64[n_users]
    bi : float64[n_items]
    """
    options = self.bsl_options
    return _fit(
        self,
        _baselines.sgd,
        options.get("n_epochs", 20),
        options.get("learning_rate", 0.005),
        options.get("reg", 0.02),
    )


def _fit(self: AlgoBase, kernel: Any, n_epochs: Any, *constants: Any) -> Pair:
    found = self.trainset.columns()
    bu, bi = np.zeros(self.trainset.n_users), np.zeros(self.trainset.n_items)
    mean = float(self.trainset.global_mean)
    if isinstance(n_epochs, str):
        raise TypeError(f"bsl_options['n_epochs'] is {n_epochs!r}; a whole number is required")
    kernel(found, mean, int(n_epochs), *map(float_of, constants), bu, bi)
    return bu, bi


def float_of(value: Any) -> float:
    """A number as float; text, which `float` would take, is an error."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"must be real number, not {type(value).__name__}")
    return float(value)
