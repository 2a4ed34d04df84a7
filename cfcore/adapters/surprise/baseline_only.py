"""`BaselineOnly`: predictions by baselines of user and item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["BaselineOnly", "baseline_estimates"]


class BaselineOnly(AlgoBase):
    """Baselines: r = mu + b_u + b_i, where an unknown user or item has a bias of 0.

    Parameters
    ----------
    bsl_options : dict, optional
        See `AlgoBase`.
    verbose : bool
        Whether to print what is computed.
    """

    def __init__(
        self,
        bsl_options: dict[str, Any] | None = None,
        verbose: bool = True,
        *,
        engine: str | None = None,
    ) -> None:
        super().__init__(bsl_options={} if bsl_options is None else bsl_options, engine=engine)
        self.verbose = verbose

    def fit(self, trainset: Trainset) -> BaselineOnly:
        """Train; returns self."""
        super().fit(trainset)
        self.bu, self.bi = self.compute_baselines()
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped."""
        assert self.bu is not None
        assert self.bi is not None
        est = self.trainset.global_mean
        if self.trainset.knows_user(u):
            est += self.bu[u]
        if self.trainset.knows_item(i):
            est += self.bi[i]
        return est

    def _estimates(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> Estimates:
        return Estimates(baseline_estimates(self, users, items))


def baseline_estimates(
    algo: AlgoBase, users: NDArray[np.int32], items: NDArray[np.int32]
) -> NDArray[np.float64]:
    """mu + b_u + b_i of pairs of inner ids, where -1 has a bias of 0."""
    assert algo.bu is not None
    assert algo.bi is not None
    values = np.full(len(users), float(algo.trainset.global_mean))
    values[users >= 0] += algo.bu[users[users >= 0]]
    values[items >= 0] += algo.bi[items[items >= 0]]
    return values
