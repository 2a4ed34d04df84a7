"""Biases of users and sessions in the sampler of `BayesianSVD`: drawn together, from what they depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from cfcore.models.factorization.bayesian_nested import Nested
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_priors import RATE, SHAPE
from cfcore.models.factorization.bayesian_scales import collapsed, collapsed_with_noise, drawn_scale

Array = np.ndarray[Any, Any]
LEAST = 1e-3  # a p-value; seeds are fixed


def uniform(values: Any) -> bool:
    """Whether numbers are uniform on [0, 1] by the test of Kolmogorov and Smirnov."""
    return bool(stats.kstest(np.asarray(values), "uniform").pvalue > LEAST)


def chances_of(logs: Array) -> Array:
    """Cumulative chances of a density on an even grid, of which the logarithms are given."""
    chances = np.cumsum(np.exp(logs - logs.max()))
    found: Array = chances / chances[-1]
    return found


def groups_of(*codes: Any) -> list[tuple[Array, Array]]:
    """Bounds and ratings of groups, of which the codes of each rating are given."""
    found = []
    for each in codes:
        sizes = np.bincount(each)
        order = np.argsort(each, kind="stable").astype(np.int32)
        found.append((np.append(0, np.cumsum(sizes)).astype(np.int64), order))
    return found


@pytest.mark.parametrize("first", [1.0, 30.0])
def test_a_factor(first: float) -> None:
    """Chained draws of a number x = s x have the density that x has in the factor's."""
    rng = np.random.default_rng(0)
    power, spread, square, product = 5.0, 2.0, 3.0, 4.0
    at, drawn = first, []
    for _ in range(4_000):
        at *= drawn_scale(power, spread / at**2, square * at**2, product * at, rng)
        drawn.append(at)
    grid = np.exp(np.linspace(np.log(0.05), np.log(10), 20_001))
    logs = -power * np.log(grid) - spread / grid**2 - square * grid**2 / 2 + product * grid
    assert uniform(np.interp(drawn[10:], grid, chances_of(logs)))


def test_a_precision_without_the_numbers() -> None:
    rng = np.random.default_rng(1)
    information, apart = rng.gamma(2, size=15), rng.normal(size=15)
    at, drawn = 50.0, []
    for _ in range(6_000):
        at = collapsed(at, information, apart, rng)
        drawn.append(at)
    grid = np.exp(np.linspace(np.log(1e-3), np.log(300), 20_001))
    variance = 1 / grid[:, np.newaxis] + 1 / information
    logs = -np.sum(np.log(variance) + apart**2 / variance, axis=1) / 2
    logs += SHAPE * np.log(grid) - RATE * grid
    assert uniform(np.interp(drawn[30::2], grid, chances_of(logs)))


def test_two_precisions_without_the_numbers() -> None:
    """Of the noise and of the numbers together; groups of one rating tell of their sum alone."""
    rng = np.random.default_rng(2)
    weights = np.concatenate([np.ones(10), rng.gamma(3, size=8)])
    apart, n, square = rng.normal(size=18), 40, 17.0
    at, drawn = (0.1, 9.0), []
    for _ in range(12_000):
        at = collapsed_with_noise(at, weights, apart, n, square, rng)
        drawn.append(at)
    noise, own = np.meshgrid(
        np.exp(np.linspace(np.log(0.02), np.log(20), 400)),
        np.exp(np.linspace(np.log(1e-2), np.log(300), 600)),
    )
    logs = n / 2 * np.log(noise) - noise * square / 2 + SHAPE * np.log(noise * own) - RATE * (noise + own)
    for weight, mean in zip(weights, apart, strict=True):
        part = own / (own + noise * weight)
        logs += (np.log(part) - noise * weight * mean**2 * part) / 2
    chances = np.exp(logs - logs.max())
    both, thin = np.array(drawn)[50::4], chances / chances.sum()
    assert uniform(np.interp(both[:, 0], noise[0], np.cumsum(thin.sum(axis=0))))
    assert uniform(np.interp(both[:, 1], own[:, 0], np.cumsum(thin.sum(axis=1))))


USERS = np.array([0, 0, 0, 0, 1, 1, 1, 3, 3, 3, 3, 3], dtype=np.int32)  # user 2 has no rating
DAYS = np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5])
HOURS = np.array([1, 0, 2, 2, 3, 4, 4, 5, 5, 7, 6, 8])


def drawn_biases(rated: Any, n: int, fixed: bool = False) -> tuple[Array, list[Array]]:
    """Standard scores of draws, by the dense normal distribution of all biases; and the biases of days."""
    rng = np.random.default_rng(3)
    groups = [(np.array([0, 4, 7, 7, 12]), np.arange(12, dtype=np.int32)), *groups_of(DAYS, HOURS)]
    nested = Nested(groups)
    noise = GaussianNoise(USERS, 4, rng.normal(size=12), True, rng)
    noise.user_weights[:] = 0.5, 2.0, 1.0, 1.5
    noise.rating_weights = rated
    targets, prior = rng.normal(0.3, 1, 12), np.array([0.3, 0.0, -0.4, 0.2])
    each = np.repeat(noise.user_weights, noise.counts) * (1 if rated is None else rated)
    biases = [np.zeros(4), np.zeros(6), np.zeros(9)]
    precisions = np.array([2.0, 3.0, 4.0])
    design = np.concatenate(
        [np.eye(len(own))[at] for own, at in zip(biases, (USERS, DAYS, HOURS), strict=True)], 1
    )
    scores, days = [], []
    for _ in range(n):
        if fixed:
            precisions[:], noise.scalars[0] = (2.0, 3.0, 4.0), 50.0
        errors = targets - design @ np.concatenate(biases)
        square = float(np.sum(each * errors**2))
        before = biases[0][USERS] + biases[1][DAYS] + biases[2][HOURS]
        sums = nested.sums(errors if rated is None else errors * rated)
        steps = nested.draw(biases, precisions, prior, sums, square, noise, rng)
        after = biases[0][USERS] + biases[1][DAYS] + biases[2][HOURS]
        np.testing.assert_allclose(steps[nested.codes], after - before, atol=1e-12)
        own = np.repeat(precisions, [4, 6, 9])
        dense = noise.precision * (design.T * each) @ design + np.diag(own)
        linear = noise.precision * design.T @ (each * targets)
        linear[:4] += precisions[0] * prior
        root = np.linalg.cholesky(dense)
        scores.append(root.T @ (np.concatenate(biases) - np.linalg.solve(dense, linear)))
        days.append(biases[1].copy())
    return np.array(scores), days


@pytest.mark.parametrize("weighted", [False, True])
def test_biases_of_users_and_sessions(weighted: bool) -> None:
    rated = np.linspace(0.3, 2, 12, dtype=np.float32) if weighted else None
    scores, _ = drawn_biases(rated, 1_200)
    assert all(uniform(stats.norm.cdf(each)) for each in scores.T)
    assert uniform(stats.chi2(19).cdf(np.sum(scores**2, axis=1)))


def test_biases_do_not_depend_on_those_before() -> None:
    """Drawn one length after the other, those of days would follow those of the sweep before."""
    _, days = drawn_biases(None, 1_500, fixed=True)
    found = np.array(days) - np.mean(days, axis=0)
    correlations = np.sum(found[1:] * found[:-1], axis=0) / np.sum(found**2, axis=0)
    assert np.max(np.abs(correlations)) < 0.12
