"""Hyper-parameters of the sampler of `BayesianSVD`: each conditional against its density, by many draws.

Those of rows, biases and members of sets are in `tests/kernels/factorization/test_gibbs.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from cfcore.models.factorization import bayesian_noise
from cfcore.models.factorization.bayesian_biases import Biases
from cfcore.models.factorization.bayesian_noise import GaussianNoise
from cfcore.models.factorization.bayesian_priors import RATE, SHAPE
from cfcore.models.factorization.bayesian_residuals import Residuals
from cfcore.models.factorization.bayesian_shifts import shift
from cfcore.models.factorization.bayesian_side import FIXED, FREEDOM, WISHART, Side, wishart

Array = np.ndarray[Any, Any]
LEAST = 1e-3  # a p-value; seeds are fixed


def uniform(values: Any) -> bool:
    """Whether numbers are uniform on [0, 1] by the test of Kolmogorov and Smirnov."""
    return bool(stats.kstest(np.asarray(values), "uniform").pvalue > LEAST)


def test_wishart_matrices() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    scale = root @ root.T + np.eye(3)
    drawn = np.array([wishart(scale, 7.0, rng) for _ in range(4_000)])
    vector = np.array([1.0, -2.0, 0.5])
    squares = np.einsum("f,nfg,g->n", vector, drawn, vector) / (vector @ np.linalg.solve(scale, vector))
    assert uniform(stats.chi2(7).cdf(squares))
    # Of the inverse, 1 over the same is a chi-square with k - 1 degrees of freedom less.
    inverse = np.einsum("f,nfg,g->n", vector, np.linalg.inv(drawn), vector)
    assert uniform(stats.chi2(7 - 2).cdf(vector @ scale @ vector / inverse))
    np.testing.assert_allclose(drawn.mean(axis=0), 7 * np.linalg.inv(scale), rtol=0.1, atol=0.05)


def noise_of(user_noise: bool, seed: int = 0) -> tuple[GaussianNoise, Array]:
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(5, dtype=np.int32), [1, 2, 3, 6, 12])
    errors = rng.normal(size=len(users))
    return GaussianNoise(users, 5, errors.copy(), user_noise, rng), errors


def residuals_of(users: Array, errors: Array, items: Array | None = None) -> Residuals:
    """Residuals of ratings of which nothing is predicted."""
    n_users = int(users[-1]) + 1
    codes = np.zeros(len(users), dtype=np.int32) if items is None else items
    found = Residuals(
        np.append(0, np.cumsum(np.bincount(users))),
        codes,
        4,
    )
    found.targets[:] = errors
    found.multiply(np.zeros((n_users, 16), dtype=np.float32), np.zeros((4, 16), dtype=np.float32), None, 1)
    return found


def test_the_noise_precision() -> None:
    noise, errors = noise_of(False)
    residuals = residuals_of(noise.users, errors)
    drawn = []
    for sweep in range(3_000):
        noise.draw((0, sweep), residuals, 1)
        drawn.append(noise.precision)
    expected = stats.gamma(SHAPE + len(errors) / 2, scale=1 / (RATE + np.sum(errors**2) / 2))
    assert uniform(expected.cdf(drawn))


def test_precisions_of_users_and_then_of_all() -> None:
    noise, errors = noise_of(True)
    squares = np.bincount(noise.users, errors**2)
    residuals = residuals_of(noise.users, errors)
    of_users, of_all = [], []
    for sweep in range(3_000):
        noise.scalars[:2] = 2.0, 5.0
        noise.draw((0, sweep), residuals, 1)
        expected = stats.gamma((5 + noise.counts) / 2, scale=2 / (5 + 2.0 * squares))
        of_users.append(expected.cdf(noise.user_weights))
        rate = RATE + np.sum(squares * noise.user_weights) / 2
        of_all.append(stats.gamma.cdf(noise.precision, SHAPE + len(errors) / 2, scale=1 / rate))
    assert all(uniform(each) for each in np.transpose(of_users))
    assert uniform(of_all)


def test_the_shape_of_users_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random walk's draws by a chi-square test on ten bins of equal probability."""
    monkeypatch.setattr(bayesian_noise, "SHAPE_STEP", 1.0)
    monkeypatch.setattr(bayesian_noise, "SHAPE_STEPS", 30)
    noise, _ = noise_of(True)
    weights = np.random.default_rng(1).gamma(3, 1 / 3, size=12)
    drawn = []
    for _ in range(2_000):
        noise.draw_shape(weights)
        drawn.append(noise.scalars[1])
    grid = np.exp(np.linspace(np.log(1e-2), np.log(5e3), 20_001))
    half = grid[:, np.newaxis] / 2
    density = half * np.log(half) - gammaln(half) + (half - 1) * np.log(weights) - half * weights
    logs = np.sum(density, axis=1) - grid / 100 + np.log(grid)  # the grid is even in the logarithm
    chances = np.cumsum(np.exp(logs - logs.max()))
    bins = np.interp(drawn, grid, chances / chances[-1])
    assert stats.chisquare(np.histogram(bins, bins=10, range=(0, 1))[0]).pvalue > LEAST


def side_of(has_sets: bool, k: int = 3) -> Side:
    rng = np.random.default_rng(2)
    counts = np.array([2, 3, 1, 4, 2, 3])
    indices = np.concatenate([rng.permutation(5)[:count] for count in counts]).astype(np.int32)
    side = Side(0, np.append(0, np.cumsum(counts)).astype(np.int64), indices, 5, k, has_sets, rng)
    side.rows[:, :k] = rng.normal(0.5, 1, (6, k))
    side.members[:] = rng.normal(size=side.members.shape)
    return side


def owners_of(side: Side) -> tuple[Array, Array]:
    order = np.argsort(side.indices, kind="stable")
    users = np.repeat(np.arange(side.n, dtype=np.int32), np.diff(side.indptr))
    bounds = np.append(0, np.cumsum(np.bincount(side.indices, minlength=5))).astype(np.int64)
    return bounds, users[order]


@pytest.mark.parametrize("has_sets", [False, True])
def test_mean_and_precision_of_rows(monkeypatch: pytest.MonkeyPatch, has_sets: bool) -> None:
    """The normal-Wishart posterior, and the penalty of the members given the precision."""
    monkeypatch.setattr(Side, "draw_member_scale", lambda *given: None)  # it changes the penalty again
    side = side_of(has_sets)
    k, n, owners = side.n_factors, side.n, owners_of(side)
    members, sums = side.members.copy(), 0.3 * side.rows[::-1, :k].astype(float)
    own = side.rows[:, :k].astype(float) - sums
    middle = own.sum(axis=0) / (n + 1)
    scale = own.T @ own - (n + 1) * np.outer(middle, middle) + WISHART * (k + 1) * np.eye(k)
    freedom = k + FREEDOM + n
    if has_sets:
        scale += 0.7 * members.T @ members
        freedom += len(members)
    vector = np.array([1.0, -0.5, 2.0])
    of_precision, of_mean, of_penalty = [], [], []
    for sweep in range(2_500):
        side.sums[:], side.members[:] = sums, members
        side.penalty[0] = 0.7
        side.draw_prior((5, FIXED + sweep), owners, 1)
        length = vector @ np.linalg.solve(scale, vector)
        of_precision.append(stats.chi2.cdf(vector @ side.precision @ vector / length, freedom))
        apart = side.mean - middle
        of_mean.append(stats.chi2.cdf((n + 1) * apart @ side.precision @ apart, k))
        size = np.sum(side.precision * (members.T @ members))
        chance = stats.gamma.cdf(side.penalty[0], SHAPE + members.size / 2, scale=1 / (RATE + size / 2))
        of_penalty.append(chance)
    assert uniform(of_precision)
    assert uniform(of_mean)
    assert not has_sets or uniform(of_penalty)


def test_precisions_and_mean_of_biases() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(6, dtype=np.int32), 4)
    by_user = np.arange(0, 25, 4, dtype=np.int64)
    by_item = np.arange(0, 25, 6, dtype=np.int64), rng.permutation(24).astype(np.int32)
    biases = Biases(users, by_user, by_item, None, rng)
    errors = rng.normal(0.4, 1, 24)
    noise = GaussianNoise(users, 6, errors.copy(), False, rng)
    items = np.empty(24, dtype=np.int32)
    items[by_item[1]] = np.repeat(np.arange(4, dtype=np.int32), 6)
    residuals = residuals_of(users, errors, items)
    of_precisions, of_mean = [], []
    for sweep in range(3_000):
        before = float(biases.scalars[0])
        biases.draw((9, sweep), residuals, noise, 1)
        user_rate = RATE + np.sum(biases.biases[0] ** 2) / 2
        rate = RATE + (np.sum((biases.biases[1] - before) ** 2) + before**2) / 2
        shapes = np.array([SHAPE + 6 / 2, SHAPE + (4 + 1) / 2])
        rates = np.array([user_rate, rate])
        of_precisions.append(stats.gamma.cdf(biases.precisions, shapes, scale=1 / rates))
        apart = biases.scalars[0] - np.sum(biases.biases[1]) / 5
        of_mean.append(stats.norm.cdf(apart * np.sqrt(5 * biases.precisions[1])))
    assert all(uniform(each) for each in np.transpose(of_precisions))
    assert uniform(of_mean)


def test_the_scale_of_members() -> None:
    """The penalty, given rows and members over their scale, by its density on a grid."""
    side, rng = side_of(True), np.random.default_rng(6)
    sums, apart = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    rows, members = sums + apart, side.members.copy()
    drawn = []
    for _ in range(3_000):
        side.sums[:] = sums  # in units of the noise, of which the sums have the members' scale
        before = float(side.penalty[0])
        side.draw_member_scale(rows - sums, sums)
        factor = np.sqrt(before / side.penalty[0])
        np.testing.assert_allclose(side.members, members * factor)
        sums, members = sums * factor, side.members.copy()
        drawn.append(float(side.penalty[0]))
    # The sums times the root of the penalty stay as they are.
    grid = np.exp(np.linspace(np.log(1e-3), np.log(1e3), 20_001))
    scaled = (sums * np.sqrt(side.penalty[0])).ravel()
    parts = scaled / np.sqrt(grid)[:, np.newaxis]
    logs = SHAPE * np.log(grid) - RATE * grid - np.sum((rows.ravel() - parts) ** 2, axis=1) / 2
    chances = np.cumsum(np.exp(logs - logs.max()))
    assert uniform(np.interp(drawn[20:], grid, chances / chances[-1]))


@pytest.mark.parametrize("own", [0, 1])
def test_shifts_between_rows_and_biases(own: int) -> None:
    """What is moved has its normal distribution, and no prediction changes."""
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(6, dtype=np.int32), 4)
    items = np.tile(np.arange(4, dtype=np.int32), 6)
    order = np.argsort(items, kind="stable").astype(np.int32)
    by_user, by_item = np.arange(0, 25, 4, dtype=np.int64), np.arange(0, 25, 6, dtype=np.int64)
    biases = Biases(users, by_user, (by_item, order), None, rng)
    biases.precisions[:] = 3.0, 5.0
    sides = Side(0, by_user, items, 4, 2, False, rng), Side(1, by_item, users[order], 6, 2, False, rng)
    for side in sides:
        side.rows[:, :2] = rng.normal(size=(side.n, 2))
        side.precision[:] = [[3.0, 1.0], [1.0, 2.0]]
        side.mean[:] = rng.normal(size=2)
    for at, n in enumerate((6, 4)):
        biases.biases[at][:] = rng.normal(size=n)
    side, other = sides[own], sides[1 - own]

    def predicted() -> Array:
        rows = [one.rows[:, :2].astype(float) for one in sides]
        found = np.sum(rows[0][users] * rows[1][items], axis=1)
        return found + biases.biases[0][users] + biases.biases[1][items]

    start, scores = predicted(), []
    # Coordinates: c, the number that is moved from the other side's biases, the mean of the items' biases.
    mean, held = side.mean.copy(), [one.copy() for one in biases.biases]
    rows = other.rows[:, :2].astype(float)
    weights, normal = [], []
    for row, bias in zip(rows, held[1 - own], strict=True):  # (bias - c . row - moved) around its mean
        weights.append([*row, 1.0, float(own == 0)])
        normal.append((biases.precisions[1 - own], bias))
    for bias in held[own]:
        weights.append([0.0, 0.0, -1.0, float(own == 1)])
        normal.append((biases.precisions[own], bias))
    weights.append([0.0, 0.0, 0.0, 1.0])
    normal.append((biases.precisions[1], 0.0))
    design, (each, values) = np.array(weights), np.array(normal).T
    precision = (design.T * each) @ design
    linear = design.T @ (each * values)
    precision[:2, :2] += side.precision
    linear[:2] -= side.precision @ mean
    centre, root, total = np.linalg.solve(precision, linear), np.linalg.cholesky(precision), np.zeros(3)
    for _ in range(1_500):
        c, steps = shift(side, other, biases, 1)
        total += [*c, steps[own][0]]
        np.testing.assert_allclose(biases.biases[own] - held[own], total[2], atol=1e-9)
        scores.append(root.T @ (np.append(total, biases.scalars[0]) - centre))
    np.testing.assert_allclose(predicted(), start, atol=2e-4)
    assert all(uniform(stats.norm.cdf(each)) for each in np.transpose(scores))
