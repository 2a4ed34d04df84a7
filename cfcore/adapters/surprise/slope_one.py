"""`SlopeOne`, with the numbers of scikit-surprise's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _slope_one
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.means import group_means
from cfcore.adapters.surprise.predictions import PredictionImpossible

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["SlopeOne"]

_UNKNOWN = "User and/or item is unknown."


class SlopeOne(AlgoBase):
    """Slope One: r = mean of the user's ratings + mean of dev(i, j) over the items j that they rated.

    dev(i, j) is the mean of r_i - r_j over users who rated both. Lemire, Maclachlan, "Slope one predictors
    for online rating-based collaborative filtering", SDM 2005. As in scikit-surprise, dev is of ratings that
    are cut to whole numbers: 3.5 counts as 3.

    Attributes
    ----------
    freq : int64[n_items, n_items]
        Number of users who rated both items.
    dev : float64[n_items, n_items]
        NaN where there is none.
    user_mean : list of float
    """

    freq: NDArray[np.int64]
    dev: NDArray[np.float64]

    def __init__(self, *, engine: str | None = None) -> None:
        super().__init__(engine=engine)

    def fit(self, trainset: Trainset) -> SlopeOne:
        """Train; returns self."""
        super().fit(trainset)
        found, n = trainset.columns(), trainset.n_items
        self.freq, self.dev = np.zeros((n, n), dtype=np.int64), np.zeros((n, n))
        _slope_one.deviations(found, self.freq, self.dev)
        self.user_mean = list(group_means(found.user_indptr, found.user_ratings))
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped."""
        if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
            raise PredictionImpossible(_UNKNOWN)
        return self._estimates(np.array([u], dtype=np.int32), np.array([i], dtype=np.int32)).values[0]

    def _estimates(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> Estimates:
        both = (users >= 0) & (items >= 0)
        values = np.zeros(len(users))
        values[both] = np.asarray(self.user_mean)[users[both]]
        _slope_one.add_deviations(self._ratings(), self.freq, self.dev, (users, items), values)
        return Estimates(values, (~both).astype(np.uint8), (_UNKNOWN,))
