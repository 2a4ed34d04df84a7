"""`NormalPredictor`: random ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["NormalPredictor"]


class NormalPredictor(AlgoBase):
    """A random rating from the normal distribution of the training ratings.

    Mean and standard deviation are those of the training set; `numpy.random.seed` seeds the draws.
    """

    def __init__(self, *, engine: str | None = None) -> None:
        super().__init__(engine=engine)

    def fit(self, trainset: Trainset) -> NormalPredictor:
        """Train; returns self."""
        super().fit(trainset)
        squares = ((trainset.columns().ratings - trainset.global_mean) ** 2).tolist()
        total = 0.0
        for square in squares:  # one after the other, which `sum` does not from Python 3.12 on
            total += square
        self.sigma = np.sqrt(total / trainset.n_ratings)
        return self

    def estimate(self, *_: Any) -> Any:
        """A draw."""
        return np.random.normal(self.trainset.global_mean, self.sigma)  # noqa: NPY002

    def _estimates(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> Estimates:
        drawn = np.random.normal(self.trainset.global_mean, self.sigma, len(users))  # noqa: NPY002
        return Estimates(drawn, python_float=True)
