"""Kernel `gibbs_biases` and its twin: the same draws, from the distributions that they should be from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cfcore.kernels.factorization import gibbs_biases as compiled
from cfcore.kernels.records import BiasDraws, DrawKey
from cfcore.reference.factorization import gibbs_biases as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
KEY = DrawKey(12_345_678_901, 3, 7)


def biases_case(seed: int = 0, weighted: bool = True, n_groups: int = 6, n: int = 80) -> BiasDraws:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    indptr = np.append(0, np.cumsum(np.bincount(groups, minlength=n_groups))).astype(np.int64)
    weights = rng.uniform(0.5, 2, n).astype(np.float32) if weighted else None
    ratings = np.argsort(groups, kind="stable").astype(np.int32)
    return BiasDraws(
        indptr, rng.normal(0, 1, n).astype(np.float32), rng.normal(0, 1, n).astype(np.float32),
        rng.normal(0, 1, n_groups), 0.3, 2.0, 1.5, ratings, weights,
    )  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
def test_biases_and_their_targets(weighted: bool) -> None:
    found, expected, first = (biases_case(1, weighted) for _ in range(3))
    compiled.draw_biases(found, KEY, (0, 2), 2)
    compiled.draw_biases(found, KEY, (2, 6), 1)
    twin.draw_biases(expected, KEY, (0, 6), 1)
    np.testing.assert_allclose(found.biases, expected.biases, rtol=1e-12)
    np.testing.assert_allclose(found.targets, expected.targets, rtol=1e-6, atol=1e-6)
    group = np.repeat(np.arange(6), np.diff(found.indptr))
    # What a bias and a target add up to stays.
    before = first.targets[first.ratings] + first.biases[group]
    np.testing.assert_allclose(found.targets[found.ratings] + found.biases[group], before, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_biases_that_sort_their_targets(weighted: bool) -> None:
    """The targets are written in the order of the groups, the others follow by the steps of biases."""
    usual, found, expected = (biases_case(1, weighted) for _ in range(3))
    compiled.draw_biases(usual, KEY, (0, 6), 1)
    before, first = found.biases.copy(), found.targets.copy()
    for module, draws in ((compiled, found), (twin, expected)):
        draws = replace(draws, sorted=np.full(80, np.nan, dtype=np.float32), cross=np.full(6, np.nan))
        module.draw_biases(draws, KEY, (0, 6), 2)
        each = usual.targets * usual.products * (usual.weights if weighted else 1.0)
        sums = [each[usual.ratings[slice(*ends)]].sum() for ends in pairwise(usual.indptr)]
        np.testing.assert_allclose(draws.cross, sums, rtol=1e-5, atol=1e-6)
        assert draws.targets.tobytes() == first.tobytes()
        np.testing.assert_allclose(draws.sorted, usual.targets[usual.ratings], atol=1e-6)
        np.testing.assert_allclose(draws.biases, usual.biases, rtol=1e-12)
        codes = np.empty(80, dtype=np.int32)
        codes[draws.ratings] = np.repeat(np.arange(6, dtype=np.int32), np.diff(draws.indptr))
        module.subtract_steps(codes, draws.biases - before, None, draws.targets, 2)
        np.testing.assert_allclose(draws.targets, usual.targets, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_of_ratings_in_their_order(weighted: bool) -> None:
    """Without places of ratings these are in the order of the groups."""
    usual = biases_case(3, weighted)
    usual = replace(usual, ratings=np.arange(80, dtype=np.int32))
    found, expected = (
        replace(usual, ratings=None, biases=usual.biases.copy(), targets=usual.targets.copy())
        for _ in range(2)
    )
    compiled.draw_biases(usual, KEY, (0, 6), 1)
    compiled.draw_biases(found, KEY, (0, 6), 2)
    twin.draw_biases(expected, KEY, (0, 6), 1)
    for one in (found, expected):
        np.testing.assert_allclose(one.biases, usual.biases, rtol=1e-12)
        np.testing.assert_allclose(one.targets, usual.targets, atol=1e-6)


def test_same_bits_for_threads() -> None:
    groups = [biases_case(2, n_groups=700, n=300_000) for _ in range(2)]
    for at, draws in enumerate(groups):
        compiled.draw_biases(draws, KEY, (0, 700), at + 1)
        codes = np.random.default_rng(0).integers(0, 700, 300_000).astype(np.int32)
        compiled.subtract_steps(codes, draws.biases, None, draws.targets, at + 1)
    assert groups[0].biases.tobytes() == groups[1].biases.tobytes()
    assert groups[0].targets.tobytes() == groups[1].targets.tobytes()


def test_biases_are_from_their_conditional_distribution() -> None:
    rng = np.random.default_rng(2)
    n = 5000
    draws = BiasDraws(
        2 * np.arange(n + 1, dtype=np.int64), np.tile(np.array([0.5, -0.2], dtype=np.float32), n),
        np.zeros(2 * n, dtype=np.float32), rng.normal(0, 1, n), 0.3, 2.0, 1.5,
    )  # fmt: skip
    whole = draws.targets.astype(float).reshape(n, 2).sum(axis=1) + 2 * draws.biases
    compiled.draw_biases(draws, KEY, (0, n), 1)
    mean = (2.0 * 0.3 + 1.5 * whole) / (2.0 + 2 * 1.5)
    assert stats.kstest((draws.biases - mean) * np.sqrt(5.0), "norm").pvalue > 1e-3


@BOTH
def test_refusals(module: Any) -> None:
    draws = biases_case()
    with pytest.raises(TypeError, match="draws must be a BiasDraws"):
        module.draw_biases(KEY, KEY, (0, 1), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.draw_biases(replace(draws, products=draws.targets), KEY, (0, 1), 1)
    codes, steps = np.zeros(80, dtype=np.int32), np.zeros(6)
    with pytest.raises(ValueError, match="must be of one length"):
        module.subtract_steps(codes[1:], steps, None, draws.targets, 1)
    codes[3] = 6
    with pytest.raises(ValueError, match=r"subtract_steps: 1 codes are not in \[0, 6\)"):
        module.subtract_steps(codes, steps, None, draws.targets, 1)


@BOTH
def test_two_steps_at_once_are_one_after_the_other(module: Any) -> None:
    rng = np.random.default_rng(0)
    n = 10_000  # several blocks
    own, other = (rng.integers(0, 50, n).astype(np.int32) for _ in range(2))
    steps, other_steps = rng.normal(size=50), rng.normal(size=50)
    together = rng.normal(size=n).astype(np.float32)
    apart = together.copy()
    module.subtract_steps(own, steps, (other, other_steps), together, 2)
    module.subtract_steps(own, steps, None, apart, 1)
    module.subtract_steps(other, other_steps, None, apart, 1)
    assert together.tobytes() == apart.tobytes()
    with pytest.raises(ValueError, match=r"codes are not in \[0, 49\)"):
        module.subtract_steps(own, steps, (other, other_steps[1:]), together, 1)
    with pytest.raises(ValueError, match="codes of both kinds must be of one length"):
        module.subtract_steps(own, steps, (other[1:], other_steps), together, 1)
    with pytest.raises(ValueError, match="share memory"):
        module.subtract_steps(own, steps, (together.view(np.int32), other_steps), together, 1)
