"""The similarity measures of neighbourhood models: the kernel's measure, and the values that it is given.

A new measure is a line of `MEASURES` here, and of the docstring of `ItemKNN`. If it is a measure that the
kernel has, of other values, the line names a function that prepares them; otherwise the kernel gets it first,
as ``cfcore/kernels/neighbors/measures.pxd`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from cfcore.models.neighbors.centering import Centering, normalized, without_means

__all__ = ["MEASURES", "Measure", "Prepared"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """Values to compare.

    Attributes
    ----------
    values : ndarray of float32, shape (n_ratings,), or None
        In place of the ratings, in the order of the holders' rows; None for the ratings themselves.
    shrinkage : float
        For the kernel's rule.
    """

    values: Array | None
    shrinkage: float


@dataclass(frozen=True)
class Measure:
    """A measure of the models.

    Attributes
    ----------
    kernel : str
        The kernel's measure: a key of `cfcore.kernels.records.MEASURES`.
    prepare : callable (Centering, shrinkage) -> Prepared
        From the training ratings and the model's `shrinkage`.
    shrinkage : float
        The default; found by ``benchmarks/defaults.py --similarities``.
    """

    kernel: str
    prepare: Callable[[Centering, float], Prepared]
    shrinkage: float


def ratings(given: Centering, shrinkage: float) -> Prepared:
    """The ratings themselves."""
    return Prepared(None, shrinkage)


def ratings_in_quarters(given: Centering, shrinkage: float) -> Prepared:
    """Ratings in units of a quarter of the scale's width: 1 for ratings from 1 to 5."""
    low, high = given.train.scale
    unit = (high - low) / 4 or 1.0
    if unit == 1:
        return ratings(given, shrinkage)
    return Prepared((given.by_holder.values.astype(np.float64) / unit).astype(np.float32), shrinkage)


def without_holder_means(given: Centering, shrinkage: float) -> Prepared:
    """Ratings less the mean of their holder."""
    return Prepared(without_means(given.by_holder, given.train.mean), shrinkage)


def residuals(given: Centering, shrinkage: float) -> Prepared:
    """Ratings less the baseline."""
    return Prepared(given.residuals, shrinkage)


def normalized_residuals(given: Centering, shrinkage: float) -> Prepared:
    """Residuals over the damped norm of all residuals of their target: their products are cosines."""
    n_targets = len(given.by_target.indptr) - 1
    return Prepared(normalized(given.residuals, given.by_holder.indices, n_targets, shrinkage), 0.0)


#: Name of the hyper-parameter `similarity` -> the measure.
MEASURES = MappingProxyType(
    {
        "cosine_baseline": Measure("dot", normalized_residuals, 18.0),
        "pearson_baseline": Measure("cosine", residuals, 100.0),
        "pearson": Measure("pearson", ratings, 100.0),
        "cosine": Measure("cosine", ratings, 5.0),
        "adjusted_cosine": Measure("cosine", without_holder_means, 100.0),
        "msd": Measure("msd", ratings_in_quarters, 10.0),
        "raw_msd": Measure("msd", ratings, 10.0),
        "jaccard": Measure("jaccard", ratings, 0.0),
    }
)
