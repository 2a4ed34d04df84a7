"""`Nested`: biases of users and of their sessions, drawn together in the sampler of `BayesianSVD`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_scales import collapsed, collapsed_with_noise

Array = np.ndarray[Any, Any]


class Nested:
    """Users, and sessions of each length, each of which is within one of the length before.

    Each precision is drawn with the biases of its length, and of all that are within them, integrated out;
    then all biases together, from users to the shortest sessions. What groups within a group tell of it adds
    up from the shortest sessions on (a Kalman filter on a tree). Drawn one length after the other, biases
    that share most of their ratings would hardly move.

    Parameters
    ----------
    groups : sequence of (int64[n_groups + 1], int32[n] or None)
        Bounds and ratings of the groups: of users, and of sessions, the longest first. None: all in order.

    Attributes
    ----------
    codes : int32[n]
        The shortest session of each rating.
    parents : list of int64[n_groups]
        Of each session, the group of the length before; the first is empty.
    owners : int64[n_leaves]
        The user of each of the shortest sessions.
    """

    def __init__(self, groups: Sequence[tuple[Array, Array | None]]) -> None:
        sizes = [np.diff(indptr) for indptr, _ in groups]
        places = []
        for (indptr, ratings), counts in zip(groups, sizes, strict=True):
            codes = np.empty(indptr[-1], dtype=np.int32)
            codes[slice(None) if ratings is None else ratings] = np.repeat(
                np.arange(len(counts), dtype=np.int32), counts
            )
            places.append(codes)
        self.parents = [np.zeros(0, dtype=np.int64)]
        for (indptr, ratings), above in zip(groups[1:], places[:-1], strict=True):
            firsts = indptr[:-1] if ratings is None else ratings[indptr[:-1]]
            self.parents.append(above[firsts].astype(np.int64))
        self.codes, self.counts = places[-1], sizes[-1].astype(np.float64)
        self.n_groups = [len(counts) for counts in sizes]
        self.owners = np.arange(self.n_groups[-1])
        for parents in self.parents[:0:-1]:
            self.owners = parents[self.owners]

    def sums(self, numbers: Array) -> Array:
        """Sums over the ratings of each of the shortest sessions: float64[n_leaves]."""
        return np.bincount(self.codes, numbers, self.n_groups[-1])

    def draw(
        self, biases: list[Array], precisions: Array, prior: Array, sums: Array, square: float,
        noise: GaussianNoise, rng: np.random.Generator,
    ) -> Array:  # fmt: skip
        """Draw precisions and biases, and with them the noise's precision if there is one.

        Parameters
        ----------
        biases : list of float64[n_groups]
            Of users and sessions; changed in place.
        precisions : float64[n_lengths + 1]
            Changed in place.
        prior : float64[n_users]
            Means of the users' biases in the prior.
        sums : float64[n_leaves]
            Of the errors of ratings (less all that is predicted of them), with the weights given with these.
        square : float
            Sum over the ratings of their weight, that of the user included, times the squared error.
        noise : GaussianNoise
        rng : Generator

        Returns
        -------
        float64[n_leaves]
            By how much the sum of the biases has grown of ratings in each of the shortest sessions.
        """
        above = [biases[0]]
        for own, parents in zip(biases[1:], self.parents[1:], strict=True):
            above.append(above[-1][parents] + own)
        of_user = noise.user_weights[self.owners]
        given = noise.rating_weights
        weights = of_user * (self.counts if given is None else self.sums(given))
        apart = of_user * sums / weights
        if noise.cut_points is None:
            within = max(square - float(np.sum(weights * apart**2)), 0.0)
            found = noise.precision, float(precisions[-1])
            found = collapsed_with_noise(found, weights, apart + biases[-1], len(self.codes), within, rng)
            noise.scalars[0], precisions[-1] = found
        information: list[Array] = [noise.precision * weights]
        means: list[Array] = [apart + above[-1]]
        for at in range(len(biases) - 1, -1, -1):
            own, mean = information[0], means[0]
            known = own > 0  # users without ratings inform of nothing
            before = above[at - 1][self.parents[at]] if at else prior
            if at < len(biases) - 1 or noise.cut_points is not None:
                precisions[at] = collapsed(float(precisions[at]), own[known], (mean - before)[known], rng)
            if at:
                part = own * (precisions[at] / (precisions[at] + own))
                n = self.n_groups[at - 1]
                told, product = (np.bincount(self.parents[at], one, n) for one in (part, part * mean))
                information.insert(0, told)
                means.insert(0, np.divide(product, told, out=np.zeros(n), where=told > 0))
        before, total = above[-1], prior
        for at, (own, mean) in enumerate(zip(information, means, strict=True)):
            start = np.zeros(len(own)) if at == 0 else total[self.parents[at]]
            centre = prior if at == 0 else 0.0
            precision = precisions[at] + own
            drawn = (precisions[at] * centre + own * (mean - start)) / precision
            biases[at][:] = drawn + rng.normal(size=len(own)) / np.sqrt(precision)
            total = start + biases[at]
        found_step: Array = total - before
        return found_step
