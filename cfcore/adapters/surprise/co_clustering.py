"""`CoClustering`, with the numbers of scikit-surprise's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cfcore.adapters.surprise import _co_clustering
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.means import group_means, whole_parts
from cfcore.adapters.surprise.utils import get_rng

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["CoClustering"]

Array = NDArray[np.float64]
Clusters = NDArray[np.int64]


class CoClustering(AlgoBase):
    """Co-clustering: r = A(cu, ci) + (mean of u - A(cu)) + (mean of i - A(ci)), A being averages of clusters.

    George, Merugu, "A scalable collaborative filtering framework based on co-clustering", ICDM 2005. As in
    scikit-surprise, all ratings are cut to whole numbers (3.5 counts as 3), and the prediction is the mean of
    all ratings if user or item is unknown.

    Parameters
    ----------
    n_cltr_u, n_cltr_i : int
        Numbers of clusters of users and of items.
    n_epochs : int
    random_state : None, int or numpy.random.RandomState
        For the first clusters.
    verbose : bool
        Whether to print the number of each epoch.

    Attributes
    ----------
    cltr_u, cltr_i : int64[n_users], int64[n_items]
        Cluster of each user and item.
    user_mean, item_mean : float64[n_users], float64[n_items]
    avg_cltr_u, avg_cltr_i, avg_cocltr : float64[n_cltr_u], float64[n_cltr_i], float64[n_cltr_u, n_cltr_i]
    """

    def __init__(
        self,
        n_cltr_u: int = 3,
        n_cltr_i: int = 3,
        n_epochs: int = 20,
        random_state: Any = None,
        verbose: bool = False,
        engine: str | None = None,
    ) -> None:
        super().__init__(engine=engine)
        self.n_cltr_u, self.n_cltr_i, self.n_epochs = n_cltr_u, n_cltr_i, n_epochs
        self.verbose, self.random_state = verbose, random_state

    def fit(self, trainset: Trainset) -> CoClustering:
        """Train; returns self."""
        super().fit(trainset)
        rng, found = get_rng(self.random_state), trainset.columns()
        cltr_u: Clusters = rng.randint(self.n_cltr_u, size=trainset.n_users)
        cltr_i: Clusters = rng.randint(self.n_cltr_i, size=trainset.n_items)
        cltr_u, cltr_i = cltr_u.astype(np.int64), cltr_i.astype(np.int64)
        by_user = (found.user_indptr, found.user_items, whole_parts(found.user_ratings))
        by_item = (found.item_indptr, found.item_users, whole_parts(found.item_ratings))
        user_mean = group_means(by_user[0], by_user[2])
        item_mean = group_means(by_item[0], by_item[2])
        for epoch in range(self.n_epochs):
            if self.verbose:
                print(f"Processing epoch {epoch}")
            of_users, of_items, of_both = self.compute_averages(cltr_u, cltr_i)
            sides = ((cltr_u, user_mean, of_users), (cltr_i, item_mean, of_items))
            _co_clustering.assign(by_user, sides, np.ascontiguousarray(of_both.T), True)
            _co_clustering.assign(by_item, sides[::-1], of_both, False)
        self.cltr_u, self.cltr_i = cltr_u, cltr_i
        self.user_mean, self.item_mean = user_mean, item_mean
        self.avg_cltr_u, self.avg_cltr_i, self.avg_cocltr = self.compute_averages(cltr_u, cltr_i)
        return self

    def compute_averages(self, cltr_u: Clusters, cltr_i: Clusters) -> tuple[Array, Array, Array]:
        """Averages of the ratings, cut to whole numbers, in clusters; the global mean for an empty cluster.

        Parameters
        ----------
        cltr_u, cltr_i : int64[n_users], int64[n_items]
            Cluster of each user and item.

        Returns
        -------
        float64[n_cltr_u], float64[n_cltr_i], float64[n_cltr_u, n_cltr_i]
        """
        found, mean = self._ratings(), self.trainset.global_mean
        ratings = whole_parts(found.ratings)
        u, i = cltr_u[found.users], cltr_i[found.items]
        n_u, n_i = self.n_cltr_u, self.n_cltr_i
        shape = (n_u, n_i)
        both = u * n_i + i
        # Sums of whole numbers, which are exact.
        averages = []
        for clusters, n in ((u, n_u), (i, n_i), (both, n_u * n_i)):
            counts = np.bincount(clusters, minlength=n)
            sums = np.bincount(clusters, weights=ratings, minlength=n)
            averages.append(np.divide(sums, counts, out=np.full(n, float(mean)), where=counts > 0))
        return averages[0], averages[1], averages[2].reshape(shape)

    def estimate(self, u: Any, i: Any) -> Any:
        """Estimate of a pair of inner ids, not clipped."""
        if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
            return self.trainset.global_mean
        return float(self._of_known(u, i))

    def _of_known(self, u: Any, i: Any) -> Any:
        of_u, of_i = self.cltr_u[u], self.cltr_i[i]
        est = self.avg_cocltr[of_u, of_i] + self.user_mean[u] - self.avg_cltr_u[of_u]
        return est + self.item_mean[i] - self.avg_cltr_i[of_i]

    def _estimates(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> Estimates:
        both = (users >= 0) & (items >= 0)
        values = np.full(len(users), float(self.trainset.global_mean))
        values[both] = self._of_known(users[both], items[both])
        return Estimates(values, python_float=both)
