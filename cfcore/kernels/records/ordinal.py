"""Records of ordered probit likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfcore.kernels.records.base import (
    Array,
    Record,
    array,
    check_codes,
    check_compressed,
    dimension,
    integer,
)

__all__ = ["LatentDraws", "OrdinalRatings", "check_cut_points"]


@dataclass(frozen=True, eq=False, repr=False)
class OrdinalRatings(Record):
    """Ratings in pieces of one level each, and the predictions of their latent ratings.

    Attributes
    ----------
    indptr : int64[n_pieces + 1]
        Piece p has the ratings ``ratings[indptr[p]:indptr[p + 1]]``.
    ratings : int32[n]
        Each rating of the `n` once.
    levels : int32[n_pieces]
        The level of the ratings of each piece, from 0.
    predictions : float64[n]
        Means of the latent ratings.
    weights : float32[n], optional
        Precisions of the latent ratings; 1 where None.
    n_levels : int in [1, 2^31)
    """

    indptr: Array = array("int64", "n_pieces + 1")
    ratings: Array = array("int32", "n")
    levels: Array = array("int32", "n_pieces")
    predictions: Array = array("float64", "n")
    weights: Array | None = array("float32", "n", optional=True)
    n_levels: int = integer(1, default=1)
    n_pieces: int = dimension()
    n: int = dimension()

    def _check(self) -> None:
        check_compressed(self._name("indptr"), self.indptr, self.n)
        check_codes(self._name("ratings"), self.ratings, self.n)
        check_codes(self._name("levels"), self.levels, self.n_levels)
        if self.weights is not None and not (self.weights > 0).all():
            raise ValueError(f"{self._name('weights')} must be positive")


@dataclass(frozen=True, eq=False, repr=False)
class LatentDraws(Record):
    """Latent ratings that are drawn, and what the model predicts of them.

    Attributes
    ----------
    levels : uint8[n]
        The level of each rating, from 0.
    latents : float64[n]
    targets, products : float32[n]
        Latent ratings less all biases, and products of rows: the prediction is latent - target + product.
    weights : float32[n], optional
        Precisions of the latent ratings; 1 where None.
    n_levels : int in [1, 256]
    """

    levels: Array = array("uint8", "n")
    latents: Array = array("float64", "n", written=True)
    targets: Array = array("float32", "n", written=True)
    products: Array = array("float32", "n")
    weights: Array | None = array("float32", "n", optional=True)
    n_levels: int = integer(1, 256, default=1)
    n: int = dimension()

    def _check(self) -> None:
        if self.n and self.levels.max() >= self.n_levels:
            raise ValueError(f"{self._name('levels')} holds {self.levels.max()}, of {self.n_levels} levels")
        if self.weights is not None and not (self.weights > 0).all():
            raise ValueError(f"{self._name('weights')} must be positive")


def check_cut_points(function: str, cut_points: Array, n_levels: int) -> None:
    """Raise ValueError unless there is a cut point between any two levels, in ascending order."""
    if len(cut_points) != n_levels - 1:
        raise ValueError(f"{function}: there must be {n_levels - 1} cut_points, not {len(cut_points)}")
    if not (np.isfinite(cut_points).all() and (cut_points[1:] >= cut_points[:-1]).all()):
        raise ValueError(f"{function}: cut_points must be finite and ascending")
