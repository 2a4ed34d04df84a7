"""Rows of users and items from few ratings: least squares with the rows of the fit as prior.

The row w of a user, factors and bias, has the prior N(m, C) with mean and covariance of the rows of the users
in the fit, each counted once for each of its ratings. Ratings have noise of variance σ². So a
user with one rating stays close to the mean user, and one with many is determined by them. (Ridge regression
with an empirical prior; a user's posterior mean in Salakhutdinov and Mnih, "Bayesian probabilistic matrix
factorization", 2008.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore import backends

__all__ = ["RowPrior", "is_positive_definite", "ridge", "ridge_row", "row_prior"]

Array = np.ndarray[Any, Any]

#: Targets over numbers in a row up to which as many equations as targets are solved.
FEW = 0.5
#: Rows looked at together: temporaries of a few MB.
PIECE = 1 << 14


@dataclass(frozen=True, eq=False)
class RowPrior:
    """Mean and covariance of rows, the bias as the last of their numbers.

    Attributes
    ----------
    mean : float64[n_factors + 1]
    covariance : float64[n_factors + 1, n_factors + 1]
    """

    mean: Array
    covariance: Array

    @cached_property
    def padded_covariance(self) -> Array:
        """The covariance with zeros after it, to a multiple of 8 rows and columns, as the kernel reads it."""
        room = -len(self.mean) % 8
        return np.pad(self.covariance, ((0, room), (0, room)))

    @cached_property
    def padded_inverse(self) -> Array:
        """The inverse of the covariance, padded likewise, with ones on the diagonal."""
        from threadpoolctl import threadpool_limits

        size, room = len(self.mean), -len(self.mean) % 8
        padded = np.eye(size + room)
        with threadpool_limits(1, user_api="blas"):  # with more, it would round otherwise
            padded[:size, :size] = inverse(self.covariance)
        return padded


def row_prior(factors: Array, bias: Array, variance: float, counts: Array, mean: Array) -> RowPrior:
    """Covariance of rows around a mean, with one further row of average variance in all directions.

    ::

        C = (n S + V) / (n + 1)
        S = (Σ_u c_u (w_u - m) (w_u - m)ᵀ) / (Σ_u c_u)
        n = ((Σ_u c_u)²) / (Σ_u c_u²)

    Rows count by their ratings: those of few ratings are close to 0 by regularisation, and the ratings to
    come are mostly of others. With rows that count once, errors after one rating are .006 to .026 larger
    (``python benchmarks/new_users.py --choose``). V is diagonal, with the mean variance of the factors, and
    for the bias, which has another unit, with its own. So C has full rank for any number of rows.

    Parameters
    ----------
    factors, bias : ndarray, shape (n_rows, n_factors), (n_rows,)
        The bias becomes the last number of a row.
    variance : float
        In place of a variance that is 0: where there are fewer than two rows, or rows that are all equal.
    counts : int64[n_rows]
        c, positive.
    mean : float64[n_factors + 1]
        m.
    """
    size = factors.shape[1] + 1
    weights = counts / max(int(counts.sum()), 1)
    n = 1 / float((weights * weights).sum()) if len(weights) else 0.0
    scatter = np.zeros((size, size))
    for begin in range(0, len(factors), PIECE):
        piece = slice(begin, begin + PIECE)
        apart = np.column_stack([factors[piece], bias[piece]]).astype(np.float64) - mean
        scatter += (apart * weights[piece, None]).T @ apart
    variances = np.diagonal(scatter)
    spreads = np.full(size, float(variances[:-1].mean()) if size > 1 else 0.0)
    spreads[-1] = variances[-1]
    covariance = (n * scatter + np.diag(np.where(spreads > 0, spreads, variance))) / (n + 1)
    return RowPrior(mean, (covariance + covariance.T) / 2)


def correlation(covariance: Array) -> tuple[Array, Array]:
    """The correlations of a covariance, and the standard deviations.

    The variances of factors and biases may differ by many orders of magnitude, as their units do, so that
    eigenvalues and inverse are those of the correlations.
    """
    deviations = np.sqrt(np.diagonal(covariance))
    return covariance / deviations / deviations[:, None], deviations


def is_positive_definite(covariance: Array) -> bool:
    """Whether a symmetric matrix is."""
    if not (np.diagonal(covariance) > 0).all():
        return False
    return bool(np.linalg.eigvalsh(correlation(covariance)[0])[0] > 0)


def inverse(covariance: Array) -> Array:
    """Inverse of a positive definite matrix."""
    correlations, deviations = correlation(covariance)
    return np.linalg.inv(correlations) / deviations / deviations[:, None]


def ridge(
    indptr: Array, columns: Array, targets: Array, factors: Array, prior: RowPrior, means: Array, noise: float
) -> Array:
    """Solve for the bias b and the factors p of each row, the factors q of the columns held.

    ::

        min_w Σ_j (t_j - b - q_j · p)² / σ² + (w - m)ᵀ C⁻¹ (w - m)
        w = (p, b)

    Parameters
    ----------
    indptr, columns : int64[n_rows + 1], int[n_targets]
        Columns of each row's targets.
    targets : float64[n_targets]
    factors : ndarray, shape (n_columns, n_factors)
    prior : RowPrior
        With n_factors numbers in a row, there is no b.
    means : ndarray, shape (n_rows, size)
        m of each row, in place of ``prior.mean``.
    noise : float
        σ².

    Returns
    -------
    float64[n_rows, size]

    Notes
    -----
    Each row is solved for itself, in double and on one thread: neither the other rows nor the number of
    threads change a bit of it. Costs O(n k^2 + k^3) a row, or O(n k^2 + n^2 k + n^3) for few targets.
    """
    solved = np.empty_like(means)
    for row, mean in enumerate(means):
        span = slice(indptr[row], indptr[row + 1])
        solved[row] = ridge_row(factors[columns[span]], targets[span], prior, mean, noise)
    return solved


def ridge_row(factors: Array, targets: Array, prior: RowPrior, mean: Array, noise: float) -> Array:
    """One of the rows that `ridge` solves for.

    Parameters
    ----------
    factors : ndarray, shape (n_targets, n_factors)
        Those of the columns of the targets.
    targets : float64[n_targets]
    prior, noise
        As of `ridge`.
    mean : float64[size]

    Returns
    -------
    float64[size]
    """
    n, size = len(targets), len(mean)
    width = -(-size // 8) * 8
    rows = np.zeros((n, width))
    rows[:, : factors.shape[1]] = factors
    rows[:, factors.shape[1] : size] = 1
    padded_mean, out = np.zeros(width), np.empty(width)
    padded_mean[:size] = mean
    kernel = backends.kernel("factorization.ridge")
    if n <= FEW * size:
        scratch = np.empty(n * (width + n + 1))
        solved = kernel.solve_few(rows, targets, padded_mean, prior.padded_covariance, noise, scratch, out)
    else:
        penalty, scratch = noise * prior.padded_inverse, np.empty(width * width)
        solved = kernel.solve_many(rows, targets, padded_mean, penalty, scratch, out)
    if not solved:  # not positive definite by rounding: of parameters of very different sizes
        out = padded_mean + _by_elimination(rows, targets - rows @ padded_mean, prior, noise)
    return out[:size]


def _by_elimination(rows: Array, errors: Array, prior: RowPrior, noise: float) -> Array:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        return np.linalg.solve(rows.T @ rows + noise * prior.padded_inverse, rows.T @ errors)
