"""`KNNBasic`, `KNNWithMeans`, `KNNWithZScore` and `KNNBaseline`, with the numbers of scikit-surprise's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise.baseline_only import baseline_estimates
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.means import group_deviations, group_means
from cfcore.adapters.surprise.symmetric import SymmetricAlgo

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["KNNBaseline", "KNNBasic", "KNNWithMeans", "KNNWithZScore", "SymmetricAlgo"]

_REASONS = ("User and/or item is unknown.", "Not enough neighbors.")

Array = NDArray[np.float64]
Codes = NDArray[np.int32]


class KNNBasic(SymmetricAlgo):
    """Weighted mean of the ratings of the nearest neighbours.

    Parameters
    ----------
    k, min_k : int
        The greatest number of neighbours; with fewer than `min_k`, the prediction is impossible.
    sim_options : dict, optional
        See `AlgoBase`.
    verbose : bool
        Whether to print what is computed.

    Attributes
    ----------
    sim : float64[n_x, n_x]
    """

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(sim_options=sim_options, verbose=verbose, **kwargs)
        self.k, self.min_k = k, min_k

    def fit(self, trainset: Trainset) -> KNNBasic:
        """Train; returns self."""
        super().fit(trainset)
        self.sim = self.compute_similarities()
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped, and its details."""
        return super().estimate(u, i)

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        sums = self._sums(users, items)
        unknown = (users < 0) | (items < 0)
        reasons = np.where(unknown, 1, np.where(sums.counts < self.min_k, 2, 0)).astype(np.uint8)
        if np.any((reasons == 0) & (sums.weights == 0)):
            raise ZeroDivisionError("a pair has no neighbour; with min_k=1 it is predicted by the mean")
        return Estimates(sums.quotients(self.min_k), reasons, _REASONS, sums.counts)


class KNNWithMeans(SymmetricAlgo):
    """Mean of x, plus the weighted mean of the neighbours' deviations from their means.

    Parameters
    ----------
    k, min_k : int
        The greatest number of neighbours; with fewer than `min_k`, the prediction is the mean of x.
    sim_options : dict, optional
        See `AlgoBase`.
    verbose : bool
        Whether to print what is computed.

    Attributes
    ----------
    sim : float64[n_x, n_x]
    means : float64[n_x]
    """

    means: Array

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(sim_options=sim_options, verbose=verbose, **kwargs)
        self.k, self.min_k = k, min_k

    def fit(self, trainset: Trainset) -> KNNWithMeans:
        """Train; returns self."""
        super().fit(trainset)
        self.sim = self.compute_similarities()
        starts, _, ratings = self._rows("xr")
        self.means = np.nan_to_num(group_means(starts, ratings), nan=0.0)
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped, and its details."""
        return super().estimate(u, i)

    def _values(self, rows: tuple[Codes, Codes, Array]) -> tuple[Array, Array | None]:
        return rows[2] - self.means[rows[1]], None

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        sums, unknown = self._sums(users, items), (users < 0) | (items < 0)
        x, _ = self.switch(users, items)
        values = self.means[np.where(unknown, 0, x)] + sums.quotients(self.min_k)
        return Estimates(values, unknown.astype(np.uint8), _REASONS, sums.counts)


class KNNWithZScore(SymmetricAlgo):
    """As `KNNWithMeans`, with deviations divided by the standard deviation of each x.

    Parameters
    ----------
    k, min_k : int
        The greatest number of neighbours; with fewer than `min_k`, the prediction is the mean of x.
    sim_options : dict, optional
        See `AlgoBase`.
    verbose : bool
        Whether to print what is computed.

    Attributes
    ----------
    sim : float64[n_x, n_x]
    means, sigmas : float64[n_x]
        A standard deviation of 0 is replaced by `overall_sigma`.
    overall_sigma : float
        Standard deviation of all ratings.
    """

    means: Array
    sigmas: Array

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(sim_options=sim_options, verbose=verbose, **kwargs)
        self.k, self.min_k = k, min_k

    def fit(self, trainset: Trainset) -> KNNWithZScore:
        """Train; returns self."""
        super().fit(trainset)
        starts, _, ratings = self._rows("xr")
        means = group_means(starts, ratings)
        sigmas = group_deviations(starts, ratings, means)
        self.overall_sigma = np.std(self._ratings().ratings)
        self.means = np.nan_to_num(means, nan=0.0)
        self.sigmas = np.where(sigmas == 0, self.overall_sigma, np.nan_to_num(sigmas, nan=1.0))
        self.sim = self.compute_similarities()
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped, and its details."""
        return super().estimate(u, i)

    def _values(self, rows: tuple[Codes, Codes, Array]) -> tuple[Array, Array | None]:
        return rows[2] - self.means[rows[1]], self.sigmas[rows[1]]

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        sums, unknown = self._sums(users, items), (users < 0) | (items < 0)
        x = np.where(unknown, 0, self.switch(users, items)[0])
        values = self.means[x] + sums.quotients(self.min_k) * self.sigmas[x]
        return Estimates(values, unknown.astype(np.uint8), _REASONS, sums.counts)


class KNNBaseline(SymmetricAlgo):
    """Baseline of the pair, plus the weighted mean of the neighbours' deviations from their baselines.

    Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010.

    Parameters
    ----------
    k, min_k : int
        The greatest number of neighbours; with fewer than `min_k`, the prediction is the baseline.
    sim_options, bsl_options : dict, optional
        See `AlgoBase`.
    verbose : bool
        Whether to print what is computed.

    Attributes
    ----------
    sim : float64[n_x, n_x]
    bu, bi, bx, by : float64[n_users], float64[n_items], float64[n_x], float64[n_y]
    """

    bx: Array
    by: Array

    def __init__(
        self,
        k: int = 40,
        min_k: int = 1,
        sim_options: dict[str, Any] | None = None,
        bsl_options: dict[str, Any] | None = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> None:
        bsl_options = {} if bsl_options is None else bsl_options
        super().__init__(sim_options=sim_options, bsl_options=bsl_options, verbose=verbose, **kwargs)
        self.k, self.min_k = k, min_k

    def fit(self, trainset: Trainset) -> KNNBaseline:
        """Train; returns self."""
        super().fit(trainset)
        self.bu, self.bi = self.compute_baselines()
        self.bx, self.by = self.switch(self.bu, self.bi)
        self.sim = self.compute_similarities()
        return self

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped, and its details."""
        return super().estimate(u, i)

    def _values(self, rows: tuple[Codes, Codes, Array]) -> tuple[Array, Array | None]:
        ys, xs, ratings = rows
        return ratings - (self.trainset.global_mean + self.bx[xs] + self.by[ys]), None

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        sums, unknown = self._sums(users, items), (users < 0) | (items < 0)
        values = baseline_estimates(self, users, items) + np.where(unknown, 0, sums.quotients(self.min_k))
        return Estimates(values, actual_k=np.where(unknown, np.int32(-1), sums.counts))
