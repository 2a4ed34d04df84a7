"""Records of the factor models: arguments of `_factorization` and `_nmf`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Constants", "Parameters"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parameters:
    """What is trained: float64, in rows by inner id.

    Attributes
    ----------
    bu, bi : float64[n_users], float64[n_items]
    pu, qi : float64[n_users, n_factors], float64[n_items, n_factors]
    yj : float64[n_items, n_factors] or None
        Implicit item factors of SVD++.
    """

    bu: Array
    bi: Array
    pu: Array
    qi: Array
    yj: Array | None = None


@dataclass(frozen=True)
class Constants:
    """Hyper-parameters.

    Attributes
    ----------
    mean : float
        Of all ratings.
    biased : bool
    rates, regs : tuple of 5 float
        Learning rates and regularization of bu, bi, pu, qi and yj.
    """

    mean: float
    biased: bool
    rates: tuple[float, float, float, float, float]
    regs: tuple[float, float, float, float, float]
