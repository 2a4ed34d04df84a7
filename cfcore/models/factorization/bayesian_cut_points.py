"""`CutPoints`: those of an ordered probit, drawn with the latent ratings integrated out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cholesky_banded, solve_banded
from scipy.special import ndtri

Array = np.ndarray[Any, Any]

#: Precision of the normal prior of each cut point, in units of the latent ratings' precision: they have a
#: standard deviation of 5 around 0, and are ordered.
PRIOR = 0.04
#: Steps of more cut points than this are shortened, so that they are mostly accepted.
WHOLE = 10
#: Degrees of freedom of the t distribution of steps. Where ratings are many, a sweep may move the mode by
#: many of its standard deviations: under a normal distribution the way back would be too improbable.
FREEDOM = 30.0
#: Most that the logarithm of a distance of cut points changes in a step; further steps are not taken.
MOST_STEP = 5.0


class Proposal(NamedTuple):
    """A t distribution of steps of the first cut point, and of the logarithms of distances between them.

    Attributes
    ----------
    log_density : float
        Of the cut points in these coordinates, but for a constant.
    mean : float64[n]
        Of the steps, as changes of cut points to first order.
    root : float64[2, n]
        Cholesky factor of their precision, lower, in banded form.
    size : float
        Scale of steps, over that of the precision.
    log_scale : float
        Logarithm of the normal density at its mean in these coordinates, but for a constant.
    """

    log_density: float
    mean: Array
    root: Array
    size: float
    log_scale: float


def first_cut_points(counts: Array) -> Array:
    """Cut points that give levels their frequencies where all predictions are 0: float64[n_levels - 1].

    Parameters
    ----------
    counts : int64[n_levels]
        Ratings of each level, at least 1.
    """
    found: Array = ndtri(np.cumsum(counts)[:-1] / np.sum(counts))
    return found


def proposal_from(cut_points: Array, sums: Array) -> Proposal | None:
    """A proposal around the mode of the cut points' conditional density, found by a step of Newton's method.

    Parameters
    ----------
    cut_points : float64[n]
    sums : float64[n + 1, 6]
        Of each level, as of the kernel ``factorization.ordinal``.

    Returns
    -------
    Proposal or None
        None where the density is not finite.
    """
    gaps = np.diff(cut_points)
    log_density = float(
        np.sum(sums[:, 0]) - PRIOR / 2 * np.sum(cut_points * cut_points) + np.sum(np.log(gaps))
    )
    slope = sums[:-1, 2] + sums[1:, 1] - PRIOR * cut_points
    # Beside the curvature by the cut points, that by logarithms where it adds to it, and at least as much as
    # at the mode: distances far below the mode would be given steps without bounds.
    curved = np.maximum(-np.cumsum(slope[::-1])[::-1][1:], 1 / gaps) / gaps
    diagonal = PRIOR - sums[:-1, 5] - sums[1:, 3]
    diagonal[1:] += curved
    diagonal[:-1] += curved
    root = _factor(diagonal, -sums[1:-1, 4] - curved)
    slope[1:] += 1 / gaps
    slope[:-1] -= 1 / gaps
    if root is None or not np.isfinite(log_density):
        return None
    # A shorter step is that of an autoregression around the mode.
    size = min(1.0, np.sqrt(WHOLE / len(cut_points)))
    mean = (1 - np.sqrt(1 - size * size)) * _solve(root, slope)
    log_scale = float(np.sum(np.log(root[0])) + np.sum(np.log(gaps)) - len(cut_points) * np.log(size))
    return Proposal(log_density, mean, root, size, log_scale)


def _factor(diagonal: Array, beside: Array) -> Array | None:
    """Cholesky factor of a tridiagonal matrix, None if it is not positive definite."""
    banded = np.stack([diagonal, np.append(beside, 0.0)])
    if not np.isfinite(banded).all():
        return None
    try:
        found: Array = cholesky_banded(banded, lower=True)
    except np.linalg.LinAlgError:
        return None
    return found


def _solve(root: Array, right: Array) -> Array:
    found: Array = solve_banded((1, 0), root, right)
    return _solve_upper(root, found)


def _solve_upper(root: Array, right: Array) -> Array:
    upper = np.stack([np.append(0.0, root[1, :-1]), root[0]])
    found: Array = solve_banded((0, 1), upper, right)
    return found


def moved(cut_points: Array, proposal: Proposal, noise: Array) -> Array:
    """Cut points after a step of a proposal, with standard normal noise: float64[n]."""
    step = proposal.mean + proposal.size * _solve_upper(proposal.root, noise)
    gaps = np.diff(cut_points)
    logs = np.clip(np.diff(step) / gaps, -MOST_STEP, MOST_STEP)
    return cut_points[0] + step[0] + np.append(0.0, np.cumsum(gaps * np.exp(logs)))


def is_far(start: Array, end: Array) -> bool:
    """Whether a step is longer than any that is taken, or cut points have met."""
    ratios = np.diff(end) / np.diff(start)
    bound = np.exp(MOST_STEP * (1 - 1e-9))
    return not bool(((ratios < bound) & (ratios * bound > 1)).all())


def log_chance(proposal: Proposal, start: Array, end: Array) -> float:
    """Logarithm of the density with which a proposal from `start` goes to `end`, but for a constant."""
    gaps = np.diff(start)
    step = (end - start)[0] + np.append(0.0, np.cumsum(gaps * np.log(np.diff(end) / gaps)))
    apart = (step - proposal.mean) / proposal.size
    white = proposal.root[0] * apart + np.append(proposal.root[1, :-1] * apart[1:], 0.0)
    return proposal.log_scale - (FREEDOM + len(white)) / 2 * float(np.log1p(np.sum(white * white) / FREEDOM))
