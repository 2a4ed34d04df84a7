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
from cfcore.kernels.records import DrawKey, LatentDraws, OrdinalRatings
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


def latents_of(n: int, spread: float = 1.0, seed: int = 0, weighted: bool = True) -> LatentDraws:
    """Ratings of the levels 0, 1, 2, 3, 4, 0, ..., with predictions that are divided among the parts."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 4, n).astype(np.float32) if weighted else None
    return LatentDraws(
        (np.arange(n) % 5).astype(np.uint8), rng.normal(0, spread, n),
        rng.normal(0, spread, n).astype(np.float32), rng.normal(0, spread, n).astype(np.float32), weights, 5,
    )  # fmt: skip


def of_one_level(n: int, mean: float, cuts: Any, level: int) -> LatentDraws:
    """Ratings of one level with the same prediction."""
    zeros = np.zeros(n, dtype=np.float32)
    return LatentDraws(
        np.full(n, level, np.uint8), np.full(n, mean), zeros, zeros.copy(), None, len(cuts) + 1
    )


def draw(
    module: Any, draws: LatentDraws, cuts: Any = CUTS, key: DrawKey = KEY, n_threads: int = 1,
    ends: Any = None,
) -> Any:  # fmt: skip
    """Latents, targets and sums."""
    draws = replace(draws, latents=draws.latents.copy(), targets=draws.targets.copy())
    sums = np.full(module.n_blocks(draws.n), np.nan)
    for span in pairwise(ends or [0, len(sums)]):
        module.draw_latents(draws, cuts, sums, key, span, n_threads)
    return draws.latents, draws.targets, sums


def predictions_of(draws: LatentDraws) -> Any:
    return draws.latents - draws.targets + draws.products


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 150), min_size=1, max_size=8), st.sampled_from([0.3, 2.0, 12.0, 300.0]),
    st.integers(0, 99), st.booleans(),
)  # fmt: skip
def test_the_twin_sums_the_same(counts: Any, spread: float, seed: int, weighted: bool) -> None:
    ratings = case(counts, spread, seed, weighted)
    found, expected = np.empty((ratings.n_pieces, 6)), np.empty((ratings.n_pieces, 6))
    compiled.sum_likelihood(ratings, CUTS, found, (0, ratings.n_pieces), 1)
    twin.sum_likelihood(ratings, CUTS, expected, (0, ratings.n_pieces), 1)
    # Second derivatives are differences of numbers of the order of the squared distance.
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * (1 + spread) ** 2.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 300), st.sampled_from([0.1, 0.3, 2.0, 12.0, 300.0]), st.integers(0, 99), st.booleans())
def test_the_twin_draws_the_same(n: int, spread: float, seed: int, weighted: bool) -> None:
    draws = latents_of(n, spread, seed, weighted)
    before = predictions_of(draws)
    latents, targets, sums = draw(compiled, draws)
    expected = draw(twin, draws)
    np.testing.assert_allclose(latents, expected[0], rtol=2e-6, atol=2e-5)
    np.testing.assert_allclose(sums, expected[2], rtol=1e-6, atol=1e-6 * n)
    np.testing.assert_allclose(
        latents - targets + draws.products, before, rtol=1e-6, atol=1e-6 * (1 + spread)
    )
    ends = np.concatenate([[-np.inf], CUTS, [np.inf]])
    assert ((latents >= ends[draws.levels]) & (latents <= ends[draws.levels + 1])).all()


@pytest.mark.parametrize("n_levels", [2, 5, 40])
def test_draws_of_float32_and_of_double_agree(n_levels: int) -> None:
    """One interval that is far from its prediction makes a tile one of double."""
    cuts = np.linspace(-1.5, 1.5, n_levels - 1)
    rng = np.random.default_rng(n_levels)
    predictions = rng.normal(0, 0.7, 64_000)
    levels = np.searchsorted(cuts, predictions + rng.normal(size=len(predictions))).astype(np.uint8)
    zeros = np.zeros(len(levels), dtype=np.float32)
    draws = LatentDraws(levels, predictions, zeros, zeros.copy(), None, n_levels)
    close, _, sums = draw(compiled, draws, cuts)
    far = replace(draws, latents=predictions.copy(), levels=levels.copy())
    far.latents[::64], far.levels[::64] = 9.0, 0
    exact, rest = draw(compiled, far, cuts)[0], np.arange(len(levels)) % 64 > 0
    apart = np.abs(close - exact)[rest]
    assert apart.max() < 2e-5
    assert 0 < np.median(apart) < 3e-7
    expected = draw(twin, draws, cuts)[2]
    assert abs(sums.sum() - expected.sum()) < 2e-6 * len(levels)


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [
        (0.0, -0.7, 0.9), (0.3, 0.31, 0.32), (0.0, 2.0, 2.5), (-1.0, 5.5, 7.0), (3.0, -5.0, -4.9),
        (0.0, 30.0, 31.0), (0.0, 9.0, 9.001), (0.0, -60.0, -45.0), (0.0, -9.0, 9.0), (0.0, 1000.0, 1001.0),
    ],
)  # fmt: skip
def test_latents_are_from_truncated_normals(mean: float, low: float, high: float) -> None:
    """By Kolmogorov and Smirnov's distance, and by counts in cells of equal probability."""
    found, *_ = draw(compiled, of_one_level(20_000, mean, [low, high], 1), np.array([low, high]))
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
    found, *_ = draw(compiled, of_one_level(20_000, 0.0, cuts, int(side > 0)), cuts)
    beyond = side * found - far
    assert beyond.min() >= 0
    exact = -np.expm1(-beyond * (far + beyond / 2))
    if far < 100:  # Mills' ratio changes over the tail
        exact = 1 - np.exp(stats.norm.logsf(side * found) - stats.norm.logsf(far))
    assert stats.kstest(exact, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("mean", [-3.9, -4.1])
def test_a_million_draws_of_a_tail(mean: float) -> None:
    """In float32 and in double: the distribution function at the draws in cells, the outermost of 1e-5."""
    found, *_ = draw(compiled, of_one_level(1_000_000, mean, [0.0], 1), np.array([0.0]))
    above = stats.norm.sf(found - mean) / stats.norm.sf(-mean)
    assert stats.kstest(above, "uniform").pvalue > 1e-3
    edges = np.array([0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1])
    counts, _ = np.histogram(above, edges)
    assert stats.chisquare(counts, 1e6 * np.diff(edges)).pvalue > 1e-3


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


@pytest.mark.parametrize("spread", [0.3, 3.0])
def test_same_bits_for_threads_spans_and_levels(spread: float) -> None:
    draws, ratings = latents_of(20_001, spread), case([3, 4096, 0, 70, 64, 65, 1, 4095], spread)

    def both(n_threads: int, ends: Any = None) -> list[bytes]:
        sums = np.empty((8, 6))
        compiled.sum_likelihood(ratings, CUTS, sums, (0, 8), n_threads)
        return [part.tobytes() for part in (*draw(compiled, draws, n_threads=n_threads, ends=ends), sums)]

    expected = both(1)
    assert both(3) == expected
    assert both(1, [0, 1, 2, 5]) == expected
    for level in available_levels():
        with use_level(level):
            assert both(2) == expected


def test_each_rating_has_numbers_of_its_own() -> None:
    draws = of_one_level(6400, 0.1, CUTS, 2)
    first = draw(compiled, draws)[0]
    assert len(np.unique(first)) > 6390
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05
    for change in ({"seed": 1}, {"kind": 1}, {"sweep": 1}):
        assert (draw(compiled, draws, key=replace(KEY, **change))[0] != first).mean() > 0.999


@pytest.mark.parametrize("m", [1, 63, 64, 128, 130])
def test_chances_of_mixtures(m: int) -> None:
    rng = np.random.default_rng(m)
    means, scales, cuts = rng.normal(0, 2, (20, m)), rng.uniform(0.1, 9, (20, m)), rng.normal(0, 1, (4, m))
    expected = stats.norm.cdf(scales[:, np.newaxis] * (cuts - means[:, np.newaxis])).mean(axis=2)
    found, other = np.empty((20, 4)), np.empty((20, 4))
    twin.level_chances(means, scales, cuts, found, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for level in available_levels():
        with use_level(level):
            compiled.level_chances(means, scales, cuts, other, 3)
        np.testing.assert_allclose(other, expected, rtol=1e-12, atol=1e-15)
        compiled.level_chances(means, scales, cuts, found, 1)
        assert found.tobytes() == other.tobytes()


@BOTH
def test_refusals(module: Any) -> None:
    ratings, draws = case([3, 4]), latents_of(7)
    sums, one = np.zeros((2, 6)), np.zeros(1)
    with pytest.raises(ValueError, match="must be 4 cut_points, not 3"):
        module.sum_likelihood(ratings, CUTS[:3].copy(), sums, (0, 2), 1)
    with pytest.raises(ValueError, match="finite and ascending"):
        module.sum_likelihood(ratings, CUTS[::-1].copy(), sums, (0, 2), 1)
    with pytest.raises(ValueError, match="finite and ascending"):
        module.sum_likelihood(ratings, np.append(CUTS[:3], np.nan), sums, (0, 2), 1)
    with pytest.raises(ValueError, match=r"sums must be of shape \(2, 6\)"):
        module.sum_likelihood(ratings, CUTS, np.zeros((2, 5)), (0, 2), 1)
    with pytest.raises(ValueError, match="must be 1 sums, not 2"):
        module.draw_latents(draws, CUTS, np.zeros(2), KEY, (0, 1), 1)
    with pytest.raises(ValueError, match="must be 4 cut_points, not 3"):
        module.draw_latents(draws, CUTS[:3].copy(), one, KEY, (0, 1), 1)
    ascending = np.arange(7.0)
    with pytest.raises(ValueError, match="share memory"):
        module.draw_latents(replace(draws, latents=ascending), ascending[:4], one, KEY, (0, 1), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.draw_latents(replace(draws, products=draws.targets), CUTS, one, KEY, (0, 1), 1)
    held = draws.latents.copy()
    held.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        module.draw_latents(replace(draws, latents=held), CUTS, one, KEY, (0, 1), 1)
    with pytest.raises(ValueError, match="levels holds 4, of 3 levels"):
        replace(draws, n_levels=3)
    with pytest.raises(ValueError, match="n must be at least 0"):
        module.n_blocks(-1)
    with pytest.raises(ValueError, match="not within the 1 blocks"):
        module.draw_latents(draws, CUTS, one, KEY, (0, 2), 1)
    with pytest.raises(TypeError, match="draws must be a LatentDraws"):
        module.draw_latents(ratings, CUTS, one, KEY, (0, 1), 1)
    with pytest.raises(ValueError, match="not within the 2 pieces"):
        module.sum_likelihood(ratings, CUTS, sums, (0, 3), 1)
    with pytest.raises(TypeError, match="ratings must be a OrdinalRatings"):
        module.sum_likelihood(3, CUTS, sums, (0, 2), 1)
    square = np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"cut_points of \(n_cuts, m\)"):
        module.level_chances(square, square, np.zeros((3, 1)), square.copy(), 1)
    with pytest.raises(ValueError, match="share memory"):
        module.level_chances(square, square, square, square, 1)
    with pytest.raises(ValueError, match="weights must be positive"):
        replace(ratings, weights=np.zeros(7, dtype=np.float32))
    with pytest.raises(ValueError, match="levels holds 5"):
        replace(ratings, levels=np.array([0, 5], dtype=np.int32))
