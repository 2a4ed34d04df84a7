"""Cut points of the ordinal sampler: draws are from their density, with latent ratings integrated out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_ndtr, ndtr

from cfcore.models.factorization.bayesian_cut_points import PRIOR, first_cut_points, is_far
from cfcore.models.factorization.bayesian_ordinal import EACH, EVERY, OrderedProbit
from cfcore.models.factorization.bayesian_residuals import Residuals
from cfcore.models.factorization.bayesian_side import FIXED


def sampler(values: Any, seed: int = 0) -> OrderedProbit:
    users = np.arange(len(values), dtype=np.int32) % 3
    users.sort()
    return OrderedProbit(users, 3, np.asarray(values, float), False, np.random.default_rng(seed))


def residuals_of(noise: OrderedProbit, predictions: Any) -> Residuals:
    """Residuals of the latent ratings, of which biases predict all."""
    n = len(noise.values)
    found = Residuals(np.append(0, np.cumsum(noise.counts)), np.zeros(n, dtype=np.int32), 1)
    found.targets[:] = noise.latents - predictions
    return found


def drawn(values: Any, predictions: Any, n: int, seed: int = 0) -> tuple[Any, OrderedProbit]:
    """Cut points of many steps with the same predictions, after those that are all taken."""
    noise = sampler(values, seed)
    found = []
    for sweep in range(0, EVERY * (20 + n), EVERY):
        noise.draw((seed, sweep), residuals_of(noise, predictions), 1)
        found.append(noise.cut_points.copy())
    return np.array(found[20:]), noise


def test_first_cut_points_give_levels_their_frequencies() -> None:
    cuts = first_cut_points(np.array([10, 20, 30, 40]))
    np.testing.assert_allclose(np.diff(ndtr(cuts), prepend=0, append=1), [0.1, 0.2, 0.3, 0.4])


def test_one_cut_point_is_from_its_density() -> None:
    """Two levels: the density on a fine grid, with the prior, against a test by its distribution function."""
    values, predictions = [1, 1, 1, 2, 2, 1, 2], np.array([-0.5, 0.2, 1.4, 0.8, 0.1, -1.0, 2.0])
    found, _ = drawn(values, predictions, 4000)
    grid = np.linspace(-6, 8, 4001)
    signs = np.where(np.array(values) == 1, 1, -1)
    logs = log_ndtr(signs * (grid[:, np.newaxis] - predictions)).sum(axis=1) - PRIOR / 2 * grid**2
    below = np.cumsum(np.exp(logs - logs.max()))
    below /= below[-1]
    thinned = np.interp(found[::4, 0], grid, below)
    assert stats.kstest(thinned, "uniform").pvalue > 1e-3


def test_two_cut_points_are_from_their_density() -> None:
    """Three levels, one of them with a single rating: means, variances and covariance from a grid."""
    values = [1, 1, 2, 3, 3, 3, 1, 3]
    predictions = np.array([-0.5, 0.4, 0.3, 0.8, 0.1, 1.0, -1.5, 2.0])
    found, noise = drawn(values, predictions, 6000)
    grid = np.linspace(-5, 4, 451)
    low, high = np.meshgrid(grid, grid, indexing="ij")
    logs = -PRIOR / 2 * (low**2 + high**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        for value, mean in zip(values, predictions, strict=True):
            ends = [(0, ndtr(low - mean)), (ndtr(low - mean), ndtr(high - mean)), (ndtr(high - mean), 1)]
            begin, end = ends[value - 1]
            logs = logs + np.where(low < high, np.log(end - begin), -np.inf)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    points = np.stack([low, high], axis=-1)
    mean = np.einsum("ij,ijk->k", weights, points)
    covariance = np.einsum("ij,ijk,ijl->kl", weights, points - mean, points - mean)
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.06)
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.06)
    gaps = np.quantile(np.diff(found, axis=1), [0.05, 0.5, 0.95])
    order = np.argsort((high - low).ravel())
    below = np.cumsum(weights.ravel()[order])
    exact = (high - low).ravel()[order][np.searchsorted(below, [0.05, 0.5, 0.95])]
    np.testing.assert_allclose(gaps, exact, atol=0.07)
    assert noise.probit[2] / noise.probit[1] > 0.5


def test_steps_of_many_ratings_are_accepted_and_find_the_cut_points() -> None:
    """Simulated ratings: with predictions known, cut points come out within their standard errors."""
    rng = np.random.default_rng(3)
    cuts = np.array([-1.2, -0.4, 0.3, 1.5])
    predictions = rng.normal(0, 1, 20_000)
    values = 1 + np.searchsorted(cuts, predictions + rng.normal(0, 1, 20_000))
    found, noise = drawn(values, predictions, 200)
    np.testing.assert_allclose(found.mean(axis=0), cuts, atol=0.04)
    assert noise.probit[2] / noise.probit[1] > 0.9
    inner = (noise.latents > noise.cut_points[0]) & (noise.latents <= noise.cut_points[1])
    assert (inner == (values == 2)).all()


def test_a_hundred_levels() -> None:
    rng = np.random.default_rng(4)
    cuts = np.linspace(-2, 2, 99)
    predictions = rng.normal(0, 1, 5000)
    values = np.searchsorted(cuts, predictions + rng.normal(0, 1, 5000))
    found, noise = drawn(values, predictions, 200)
    np.testing.assert_allclose(found.mean(axis=0), cuts, atol=0.15)
    assert noise.probit[2] / noise.probit[1] > 0.3


def test_far_steps_are_noticed_both_ways() -> None:
    start, end = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1e-4, 1.0])
    assert is_far(start, end)
    assert is_far(end, start)
    assert is_far(start, np.array([0.0, 0.0, 1.0]))
    assert not is_far(start, np.array([5.0, 5.5, 7.0]))


def test_cut_points_of_many_ratings_follow_their_predictions() -> None:
    """Predictions that move by many standard deviations of the cut points: these do not stay behind."""
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=60_000)
    values = np.searchsorted([-1.0, 0.0, 1.0], predictions + rng.normal(size=len(predictions)))
    noise = sampler(values)
    for step in range(30):
        noise.draw((0, EVERY * step), residuals_of(noise, predictions + 0.1 * (-1) ** (step // 3)), 1)
    assert noise.probit[1] == 30 - FIXED
    assert noise.probit[2] > 0.7 * noise.probit[1]
    np.testing.assert_allclose(noise.cut_points, [-1.1, -0.1, 0.9], atol=0.03)


def test_cut_points_stay_for_some_sweeps_and_latent_ratings_do_not() -> None:
    """In each of the first sweeps a step is made, later in every fourth, and it is counted."""
    rng = np.random.default_rng(0)
    predictions = rng.normal(size=2000)
    noise = sampler(np.searchsorted([-1.0, 1.0], predictions + rng.normal(size=2000)))
    cuts, latents = [], []
    for sweep in range(EACH + 2 * EVERY):
        noise.draw((0, sweep), residuals_of(noise, predictions), 1)
        cuts.append(noise.cut_points.copy())
        latents.append(noise.latents.copy())
    moved = [not np.array_equal(*pair) for pair in pairwise(cuts)]
    assert sum(moved[: EACH - 1]) > EACH // 2
    assert not any(moved[EACH:][: EVERY - 1])
    assert noise.probit[1] == EACH - FIXED + 2
    assert all((one != other).mean() > 0.99 for one, other in pairwise(latents))


@pytest.mark.parametrize("n_levels", [1, 2])
def test_few_levels(n_levels: int) -> None:
    noise = sampler(np.arange(9) % n_levels)
    residuals = residuals_of(noise, np.linspace(-1, 1, 9))
    noise.draw((0, 30), residuals, 1)
    assert np.isfinite(noise.latents).all()
    assert len(noise.cut_points) == n_levels - 1
    assert np.isfinite(noise.rmse(residuals))
