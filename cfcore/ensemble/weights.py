"""Weights of predictions by regularised least squares, constant or linear in features of the pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Values from which `reg` is chosen if it is not given. Without regularisation, nearly equal members would
#: have weights of thousands that cancel each other.
REGS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
#: Ratings for which the columns of the least-squares problem are formed at a time.
CHUNK = 1 << 17


@dataclass(frozen=True)
class Weights:
    """The linear rule: Σ_k f_k (a_k + Σ_m w_km g_m) of features f and predictions g.

    Attributes
    ----------
    weights : float64[n_features, n_members]
    intercepts : float64[n_features]
    center, spread : float64[n_features - 1]
        The first feature is the constant 1; the others have their center subtracted and are divided by their
        spread.
    reg : float
    """

    weights: Array
    intercepts: Array
    center: Array
    spread: Array
    reg: float = float("inf")

    @classmethod
    def equal(cls, n_members: int) -> Weights:
        """Equal weights: the mean of the members."""
        none = np.empty(0)
        return cls(np.full((1, n_members), 1 / n_members), np.zeros(1), none, none)

    def combine(self, predictions: Array, extra: Array) -> Array:
        """Blended predictions.

        Parameters
        ----------
        predictions : float64[n_members, n]
        extra : float64[n_features - 1, n]
            The features without the constant.
        """
        if self.weights.shape != (len(self.intercepts), len(predictions)):
            raise ValueError(f"weights of shape {self.weights.shape} for {len(predictions)} members")
        # Term by term: BLAS may round the prediction of one pair differently from the same pair in a batch.
        blended = np.zeros(predictions.shape[1])
        for row, intercept, feature in zip(
            self.weights, self.intercepts, [None, *self.scaled(extra)], strict=True
        ):
            part = np.full(predictions.shape[1], intercept)
            for weight, column in zip(row, predictions, strict=True):
                part += weight * column
            blended += part if feature is None else feature * part
        return blended

    def scaled(self, extra: Array) -> list[Array]:
        """The features without the constant, centred and divided by their spread."""
        rows = zip(extra, self.center, self.spread, strict=True)
        return [(row - center) / spread for row, center, spread in rows]


def fit_weights(
    predictions: Array, extra: Array, values: Array, fold: Array, reg: float | None, unit: float = 1.0
) -> tuple[Weights, Array]:
    """Least squares with regularisation toward equal weights.

    With w = 1/M + d for M members, the mean of ``(r - f.(a + w g))**2 + reg (a**2 + u**2 d**2)`` is
    minimised, u being `unit`; the first intercept is not penalised.

    Parameters
    ----------
    predictions : float64[n_members, n]
        Predictions for ratings that the members were not fitted to.
    extra : float64[n_features - 1, n]
    values : float64[n]
        The ratings.
    fold : int[n]
        Fold of each rating, 0 to k - 1.
    reg : float or None
        None: the one of `REGS` with the lowest error of `held_out`.
    unit : float, default 1
        A unit of the ratings, in which the errors are measured: then `reg`, and the weights, do not depend
        on the one that the ratings are in.

    Returns
    -------
    weights : Weights
        Found on all ratings.
    held_out : float64[n]
        Blended predictions of each fold, with weights found on the other folds.
    """
    center, spread = extra.mean(axis=1), extra.std(axis=1)
    spread[spread < 1e-12] = 1.0
    middle = predictions.mean()
    n_members, n = predictions.shape
    n_features = len(extra) + 1
    base = Weights.equal(n_members).combine(predictions, extra[:0])
    target = (values - base) / unit
    n_folds = int(fold.max()) + 1
    width = n_features * (n_members + 1)
    gram, moment = np.zeros((n_folds, width, width)), np.zeros((n_folds, width))

    def columns(rows: Array) -> Array:
        """Products of each feature with 1 and the centred predictions: [len(rows), width]."""
        inner = np.vstack([np.ones(len(rows)), (predictions[:, rows] - middle) / unit])
        outer = np.vstack([np.ones(len(rows)), (extra[:, rows] - center[:, None]) / spread[:, None]])
        return (outer[:, None] * inner).reshape(width, len(rows)).T

    chunks = [
        (k, rows[begin : begin + CHUNK])
        for k in range(n_folds)
        for rows in [np.flatnonzero(fold == k)]
        for begin in range(0, len(rows), CHUNK)
    ]
    for k, rows in chunks:
        x = columns(rows)
        gram[k] += x.T @ x
        moment[k] += x.T @ target[rows]
    penalty = np.eye(width)
    penalty[0, 0] = 1e-12  # the first intercept is free

    def solve(matrix: Array, vector: Array, count: int, strength: float) -> Array:
        return np.linalg.solve(matrix + max(strength, 1e-9) * max(count, 1) * penalty, vector)

    best: tuple[float, float, Array] | None = None
    for strength in REGS if reg is None else (float(reg),):
        held_out = base.copy()
        for k in range(n_folds):
            counted = int(np.sum(fold != k))
            found = solve(gram.sum(0) - gram[k], moment.sum(0) - moment[k], counted, strength)
            for _, rows in (chunk for chunk in chunks if chunk[0] == k):
                held_out[rows] += columns(rows) @ found * unit
        error = float(np.mean(((values - held_out) / unit) ** 2))
        if best is None or error < best[0]:
            best = error, strength, held_out
    assert best is not None
    _, strength, held_out = best
    found = solve(gram.sum(0), moment.sum(0), n, strength).reshape(n_features, n_members + 1)
    weights = found[:, 1:].copy()
    intercepts = found[:, 0] * unit - weights.sum(axis=1) * middle
    weights[0] += 1 / n_members
    return Weights(weights, intercepts, center, spread, strength), held_out
