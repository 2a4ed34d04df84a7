"""`Residuals`: what is left of the ratings in the sampler of `BayesianSVD`, and its sums of squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cfcore.kernels.records import RatingRows, RowProducts
from cfcore.models.factorization.bayesian_steps import InProcess, multiply_rows, subtract

Array = np.ndarray[Any, Any]

#: Sweeps after which targets are computed anew: each bias that is drawn adds an error of rounding of 3e-8.
RENEWED = 64


class Residuals:
    """Targets of the rows, their products, and sums of squares, of the ratings by user.

    Parameters
    ----------
    indptr, indices : int64[n_users + 1], int32[n]
        The ratings of each user: codes of items.
    n_items : int

    Attributes
    ----------
    targets, products : float32[n]
        (Latent) ratings less all biases, as these are drawn; and what rows of user and item predict of them.
    by_item : float32[n]
        The targets in the order of items, after a draw of the items' biases.
    cross : float64[n_items]
        Sums over each item's ratings of targets times products, after a draw of the items' biases, each times
        the weight of the rating's precision.
    squares : float64[n_users, 3]
        Sums over each user's ratings of squared targets, of targets times products, and of squared products,
        after the last `multiply`, each times the weight given with the rating.
    """

    def __init__(self, indptr: Array, indices: Array, n_items: int) -> None:
        n, n_users = len(indices), len(indptr) - 1
        self.targets, self.products = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        self.by_item = np.empty(n, dtype=np.float32)
        self.cross = np.zeros(n_items)
        self.squares = np.zeros((n_users, 3))
        self.ratings = RatingRows(indptr, indices, self.targets, n_items)
        self.work: Any = InProcess()  # or what has others do it

    def renew(self, latents: Array, groups: Iterable[tuple[tuple[Array, Array | None], Array]]) -> None:
        """Compute the targets from the (latent) ratings and the groups of ratings that have a bias each."""
        targets = latents.copy()
        for (indptr, ratings), biases in groups:
            targets[slice(None) if ratings is None else ratings] -= np.repeat(biases, np.diff(indptr))
        self.targets[:] = targets

    def multiply(self, users: Array, items: Array, weights: Array | None, n_threads: int | None) -> None:
        """Compute products and sums of squares.

        Parameters
        ----------
        users, items : float32[n_users, width], float32[n_items, width]
            Rows of factors.
        weights : float32[n] or None
            Those given with the ratings.
        n_threads : int or None
        """
        products = RowProducts(users, items, self.products, self.squares, weights)
        given, indptr = (self.ratings, products), self.ratings.indptr
        self.work.run(multiply_rows, len(users), *given, n_threads=n_threads, indptr=indptr)

    def subtract(
        self, codes: Array, steps: Array, n_threads: int | None, others: tuple[Array, Array] | None = None
    ) -> None:
        """Subtract the step (float64[n_groups]) of each target's group (int32[n]) from the targets.

        With `others`, codes and steps of another kind, then also those.

        Products, and sums of squares, do not follow.
        """
        self.work.run(subtract, len(codes), codes, steps, others, self.targets, n_threads=n_threads)

    def squared_errors(self) -> Array:
        """Sums of the squared errors of each user's ratings, each times its weight: float64[n_users]."""
        found: Array = self.squares[:, 0] - 2 * self.squares[:, 1] + self.squares[:, 2]
        return np.maximum(found, 0)

    def errors(self, rows: Any) -> Array:
        """Errors of some of the ratings: float64[...]."""
        found: Array = self.targets[rows].astype(np.float64) - self.products[rows]
        return found

    def arrays(self) -> dict[str, Array]:
        """Live arrays that the next sweep starts from."""
        return {"targets": self.targets, "products": self.products, "squares": self.squares}
