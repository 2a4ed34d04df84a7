"""Steps of a Gibbs sampler that draw a few numbers in place of all those that they depend on.

Precisions of nearly unknown numbers move slowly where these are drawn given the precision, and the precision
given these. Here a precision is drawn with the numbers integrated out (`collapsed`), or a common factor of
the numbers is drawn, which the precision follows (`drawn_scale`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cfcore.models.factorization import bayesian_priors as priors

__all__ = ["collapsed", "collapsed_with_noise", "drawn_scale"]

Array = np.ndarray[Any, Any]


class Point(NamedTuple):
    """Logarithms of precisions, and the logarithm of their density with its derivatives there."""

    at: Array
    log_density: float
    slope: Array
    curvature: Array


def drawn_scale(
    power: float, spread: float, square: float, product: float, rng: np.random.Generator
) -> float:
    """A draw of a factor s with density s^(-power - 1) exp(-spread / s^2 - square s^2 / 2 + product s).

    A step of Metropolis and Hastings from 1, with a normal distribution of log s at the mode as proposal
    (Liu and Sabatti, "Generalised Gibbs sampler and multigrid Monte Carlo for Bayesian computation",
    Biometrika 2000).

    Returns
    -------
    float
        The factor; 1 where the proposal is rejected.
    """

    def density(log: float) -> float:
        s = np.exp(log)
        return float(-power * log - spread / s**2 - square * s**2 / 2 + product * s)

    mode, width = 0.0, 1.0
    for _ in range(50):
        s = float(np.exp(mode))  # numbers of Python, which operations take a tenth of the time of
        slope = -power + 2 * spread / s**2 - square * s**2 + product * s
        width = 4 * spread / s**2 + 2 * square * s**2 + abs(product) * s
        step = max(-1.0, min(1.0, slope / width))
        mode += step
        if abs(step) < 1e-6:
            break
    curve = 4 * spread * np.exp(-2 * mode) + 2 * square * np.exp(2 * mode) - product * np.exp(mode)
    deviation = 1 / np.sqrt(curve if curve > 0 else width)
    new = mode + deviation * rng.normal()
    gain = density(new) - density(0.0) + ((new - mode) ** 2 - mode**2) / (2 * deviation**2)
    return float(np.exp(new)) if np.log(rng.random()) < gain else 1.0


def collapsed(precision: float, information: Array, apart: Array, rng: np.random.Generator) -> float:
    r"""A draw of the precision of numbers of mean 0, of which noisy values are known, without the numbers.

    .. math:: m_g \sim N(0, 1 / \lambda + 1 / A_g)

    Parameters
    ----------
    precision : float
        The present one.
    information, apart : float64[n]
        Precision A of each value around its number, above 0, and the values m.
    rng : Generator

    Returns
    -------
    float
    """
    squares = information * apart * apart

    def density(logs: Array) -> Point:
        now = np.exp(logs[0])
        part, rest, fitted = _parts(now, information, squares)
        both = fitted * rest
        value = np.sum(np.log(part) - fitted) / 2 + priors.SHAPE * logs[0] - priors.RATE * now
        slope = np.sum(rest - both) / 2 + priors.SHAPE - priors.RATE * now
        curve = -np.sum(part * rest + both * (rest - part)) / 2 - priors.RATE * now
        return Point(logs, float(value), np.array([slope]), np.array([[curve]]))

    return float(np.exp(_step(density, np.log([precision]), rng)[0]))


def collapsed_with_noise(
    precisions: tuple[float, float], weights: Array, apart: Array, n: int, square: float,
    rng: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """As `collapsed`, of the noise's precision and that of the numbers together.

    What sessions of few ratings have in common, and what is noise, can hardly be told apart: the two move
    slowly where each is drawn given the other.

    Parameters
    ----------
    precisions : (float, float)
        Of the noise, and of the numbers.
    weights, apart : float64[n_groups]
        Sum of the weights of the ratings of each group, above 0, and their weighted mean.
    n : int
        Number of ratings.
    square : float
        Weighted sum of the squared distances of the ratings from the means of their groups.
    rng : Generator

    Returns
    -------
    (float, float)
    """
    squares = weights * apart * apart

    def density(logs: Array) -> Point:
        noise, now = np.exp(logs)
        part, rest, fitted = _parts(now, noise * weights, noise * squares)
        total, sum_of_rest = noise * square / 2 + priors.RATE * noise, np.sum(rest)
        spread, left, right = np.sum(part * rest), fitted * rest, fitted * part
        both = np.sum(right * rest)
        value = n / 2 * logs[0] - total + np.sum(np.log(part) - fitted) / 2
        value += priors.SHAPE * (logs[0] + logs[1]) - priors.RATE * now
        slope_noise = n / 2 - total + priors.SHAPE - (sum_of_rest + np.sum(right)) / 2
        slope = (sum_of_rest - np.sum(left)) / 2 + priors.SHAPE - priors.RATE * now
        of_noise = -total - (spread + np.sum(right * (part - rest))) / 2
        of_numbers = -priors.RATE * now - (spread + np.sum(left * (rest - part))) / 2
        mixed = spread / 2 - both
        curves = np.array([[of_noise, mixed], [mixed, of_numbers]])
        return Point(logs, float(value), np.array([slope_noise, slope]), curves)

    noise, now = np.exp(_step(density, np.log(precisions), rng))
    return float(noise), float(now)


def _parts(precision: float, information: Array, squares: Array) -> tuple[Array, Array, Array]:
    """Part of the prior in the precision of each number, the rest, and squares over their expectation."""
    total = precision + information
    part = precision / total
    return part, information / total, squares * part


def _step(density: Callable[[Array], Point], start: Array, rng: np.random.Generator) -> Array:
    """A step of Metropolis and Hastings; proposals are normal around what a step of Newton's method reaches.

    Qi and Minka, "Hessian-based Markov chain Monte Carlo algorithms" (2002).
    """
    here = density(start)
    centre, widths, axes = _proposal(here)
    new = centre + np.einsum("fg,g->f", axes, widths * rng.normal(size=len(start)))
    there = density(new)
    gain = there.log_density - here.log_density + _log_chance(start, there) - _log_chance(new, here)
    return new if np.log(rng.random()) < gain else start


def _proposal(point: Point) -> tuple[Array, Array, Array]:
    """Mean, standard deviations and axes of the proposal from a point."""
    values, axes = np.linalg.eigh(-point.curvature)
    values = np.maximum(np.abs(values), 1.0)
    step = np.einsum("fg,g->f", axes, np.einsum("fg,f->g", axes, point.slope) / values)
    return point.at + np.clip(step, -1, 1), 1 / np.sqrt(values), axes


def _log_chance(new: Array, point: Point) -> float:
    """Logarithm of the density of a proposal from a point, but for a constant."""
    centre, widths, axes = _proposal(point)
    scores = np.einsum("fg,f->g", axes, new - centre) / widths
    return float(-np.sum(np.log(widths)) - np.sum(scores**2) / 2)
