"""Kernel `ordinal` and its twin: latent ratings exact in all tails, the likelihood of cut points."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import ordinal as compiled
from cfcore.kernels.records import DrawKey, OrdinalRatings
from cfcore.reference.factorization import ordinal as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
KEY = DrawKey(12_345_678_901, 3, 7)
CUTS = np.array([-1.5, -0.5, 0.4, 1.6])


def case(counts: Any, spread: float = 1.0, seed: int = 0, weighted: bool = True) -> OrdinalRatings:
    """Pieces of some sizes, of the levels 0, 1, 2, 3, 4, 0, ..."""
    rng = np.random.default_rng(seed)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int64)
    n = int(indptr[-1])
    weights = rng.uniform(0.2, 4, n).astype(np.float32) if weighted else None
    return OrdinalRatings(
        indptr, rng.permutation(n).astype(np.int32), (np.arange(len(counts)) % 5).astype(np.int32),
        rng.normal(0, spread, n), weights, 5,
    )  # fmt: skip


def draw(
    module: Any, ratings: OrdinalRatings, cuts: Any = CUTS, key: DrawKey = KEY, n_threads: int = 1,
    ends: Any = None,
) -> Any:  # fmt: skip
    latents, sums = np.full(ratings.n, np.nan), np.full((ratings.n_pieces, 6), np.nan)
    for span in pairwise(ends or [0, ratings.n_pieces]):
        module.draw_latents(ratings, cuts, latents, sums, key, span, n_threads)
    return latents, sums


def of_one_level(n: int, mean: float, cuts: Any, level: int) -> OrdinalRatings:
    """Ratings of one level with the same prediction."""
    order = np.arange(n, dtype=np.int32)
    indptr, levels = np.array([0, n], dtype=np.int64), np.array([level], dtype=np.int32)
    return OrdinalRatings(indptr, order, levels, np.full(n, mean), None, len(cuts) + 1)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 150), min_size=1, max_size=8), st.sampled_from([0.3, 2.0, 12.0, 300.0]),
    st.integers(0, 99), st.booleans(),
)  # fmt: skip
def test_the_twin_draws_and_sums_the_same(counts: Any, spread: float, seed: int, weighted: bool) -> None:
    ratings = case(counts, spread, seed, weighted)
    found, expected = draw(compiled, ratings), draw(twin, ratings)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-9)
    # Second derivatives are differences of numbers of the order of the squared distance.
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-8, atol=1e-8 * (1 + spread) ** 2.5)
    summed = np.empty_like(found[1])
    compiled.sum_likelihood(ratings, CUTS, summed, (0, ratings.n_pieces), 1)
    assert summed.tobytes() == found[1].tobytes()


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [
        (0.0, -0.7, 0.9), (0.3, 0.31, 0.32), (0.0, 2.0, 2.5), (-1.0, 5.5, 7.0), (3.0, -5.0, -4.9),
        (0.0, 30.0, 31.0), (0.0, 9.0, 9.001), (0.0, -60.0, -45.0), (0.0, -9.0, 9.0), (0.0, 1000.0, 1001.0),
    ],
)  # fmt: skip
def test_latents_are_from_truncated_normals(mean: float, low: float, high: float) -> None:
    """By Kolmogorov and Smirnov's distance, and by counts in cells of equal probability."""
    found, _ = draw(compiled, of_one_level(20_000, mean, [low, high], 1), np.array([low, high]))
    assert found.min() >= low
    assert found.max() <= high
    distribution = stats.truncnorm(low - mean, high - mean, loc=mean)
    below = distribution.cdf(found) if low < mean else 1 - distribution.sf(found)
    assert stats.kstest(below, "uniform").pvalue > 1e-3
    cells = np.bincount(np.minimum((below * 50).astype(int), 49), minlength=50)
    assert stats.chisquare(cells).pvalue > 1e-3


@pytest.mark.parametrize("far", [3.0, 8.0, 40.0, 1e4, 1e7])
@pytest.mark.parametrize("side", [-1, 1])
def test_open_tails_at_any_distance(far: float, side: int) -> None:
    """Beyond a far cut point, latent ratings are as good as exponential, with the distance as rate."""
    cuts = np.array([side * far])
    found, _ = draw(compiled, of_one_level(20_000, 0.0, cuts, int(side > 0)), cuts)
    beyond = side * found - far
    assert beyond.min() >= 0
    exact = -np.expm1(-beyond * (far + beyond / 2))
    if far < 100:  # Mills' ratio changes over the tail
        exact = 1 - np.exp(stats.norm.logsf(side * found) - stats.norm.logsf(far))
    assert stats.kstest(exact, "uniform").pvalue > 1e-3


def test_draws_below_a_mass_of_1e_11() -> None:
    """Numbers beyond the range of the quantile's approximation agree with the inverse on a log scale."""
    ratings = of_one_level(4000, -6.4, [0.0], 1)
    found, expected = draw(compiled, ratings, np.array([0.0])), draw(twin, ratings, np.array([0.0]))
    assert ((found[0] + 6.4) > 6.7).any()
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=1e-13)


def test_sums_are_the_likelihood_and_its_derivatives() -> None:
    """Against SciPy's distribution function, and differences of the first derivatives."""
    ratings = case([40, 30, 50, 20, 60])
    scale = np.sqrt(ratings.weights.astype(np.float64))
    ends = np.concatenate([[-np.inf], CUTS, [np.inf]])

    def sums(cuts: Any) -> Any:
        found = np.empty((5, 6))
        compiled.sum_likelihood(ratings, cuts, found, (0, 5), 1)
        return found

    found, step = sums(CUTS), 1e-5
    for level in range(5):
        own = ratings.ratings[ratings.indptr[level] : ratings.indptr[level + 1]]
        below = stats.norm.cdf((ends[level : level + 2, np.newaxis] - ratings.predictions[own]) * scale[own])
        assert found[level, 0] == pytest.approx(np.log(below[1] - below[0]).sum(), rel=1e-8)
    for cut in range(4):
        move = step * (np.arange(4) == cut)
        more, less = sums(CUTS + move), sums(CUTS - move)
        slope = (more - less) / (2 * step)
        assert found[cut, 2] + found[cut + 1, 1] == pytest.approx(slope[:, 0].sum(), rel=1e-6)
        np.testing.assert_allclose(found[cut, 4:], slope[cut, 1:3], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found[cut + 1, 3:5], slope[cut + 1, 1:3], rtol=1e-6, atol=1e-9)


def test_same_bits_for_threads_spans_and_levels() -> None:
    ratings = case([3, 4096, 0, 70, 64, 65, 1, 4095], 3.0)
    expected = draw(compiled, ratings)
    found = [draw(compiled, ratings, n_threads=3), draw(compiled, ratings, ends=[0, 1, 2, 5, 8])]
    for level in available_levels():
        with use_level(level):
            found.append(draw(compiled, ratings, n_threads=2))
    for one in found:
        assert [part.tobytes() for part in one] == [part.tobytes() for part in expected]


def test_numbers_are_those_of_ratings_not_of_pieces() -> None:
    ratings = of_one_level(100, 0.1, CUTS, 2)
    first = draw(compiled, ratings)[0]
    turned = replace(ratings, ratings=ratings.ratings[::-1].copy())
    assert (draw(compiled, turned)[0] == first).all()
    assert len(np.unique(first)) == 100
    for change in ({"seed": 1}, {"kind": 1}, {"sweep": 1}):
        assert (draw(compiled, ratings, key=replace(KEY, **change))[0] != first).all()


@BOTH
def test_refusals(module: Any) -> None:
    ratings = case([3, 4])
    latents, sums = np.zeros(7), np.zeros((2, 6))
    with pytest.raises(ValueError, match="must be 4 cut_points, not 3"):
        module.sum_likelihood(ratings, CUTS[:3].copy(), sums, (0, 2), 1)
    with pytest.raises(ValueError, match="finite and ascending"):
        module.sum_likelihood(ratings, CUTS[::-1].copy(), sums, (0, 2), 1)
    with pytest.raises(ValueError, match="finite and ascending"):
        module.sum_likelihood(ratings, np.append(CUTS[:3], np.nan), sums, (0, 2), 1)
    with pytest.raises(ValueError, match=r"sums must be of shape \(2, 6\)"):
        module.sum_likelihood(ratings, CUTS, np.zeros((2, 5)), (0, 2), 1)
    with pytest.raises(ValueError, match="must be 7 latents, not 6"):
        module.draw_latents(ratings, CUTS, latents[:6].copy(), sums, KEY, (0, 2), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.draw_latents(ratings, CUTS, ratings.predictions, sums, KEY, (0, 2), 1)
    with pytest.raises(ValueError, match="not within the 2 pieces"):
        module.sum_likelihood(ratings, CUTS, sums, (0, 3), 1)
    with pytest.raises(TypeError, match="ratings must be a OrdinalRatings"):
        module.sum_likelihood(3, CUTS, sums, (0, 2), 1)
    with pytest.raises(ValueError, match="weights must be positive"):
        replace(ratings, weights=np.zeros(7, dtype=np.float32))
    with pytest.raises(ValueError, match="levels holds 5"):
        replace(ratings, levels=np.array([0, 5], dtype=np.int32))
