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
    """

    kernel: str
    prepare: Callable[[Centering, float], Prepared]


def ratings(given: Centering, shrinkage: float) -> Prepared:
    """The ratings themselves."""
    return Prepared(None, shrinkage)


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
        "cosine_baseline": Measure("dot", normalized_residuals),
        "pearson_baseline": Measure("cosine", residuals),
        "pearson": Measure("pearson", ratings),
        "cosine": Measure("cosine", ratings),
        "adjusted_cosine": Measure("cosine", without_holder_means),
        "msd": Measure("msd", ratings),
        "jaccard": Measure("jaccard", ratings),
    }
)
