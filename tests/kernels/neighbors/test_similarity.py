"""The kernel `similarity`, its twin and the definitions of the measures agree, at all SIMD levels."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cfcore import kernels
from cfcore.kernels.neighbors import similarity as compiled
from cfcore.kernels.records import MEASURES, SimilarityMatrix, SimilarityRule
from cfcore.reference.neighbors import similarity as twin
from tests.kernels.neighbors.inputs import (
    SCALES,
    dense_similarities,
    matrices,
    nearest_rows,
    packed,
    scratch_of,
)

rules = st.builds(
    SimilarityRule,
    measure=st.sampled_from(sorted(MEASURES)),
    shrinkage=st.sampled_from([0.0, 1.0, 100.0]),
    min_support=st.integers(0, 4),
    no_overlap=st.sampled_from([0.0, 1.0, -0.5]),
)
dtypes = st.sampled_from([np.float32, np.float64])


def by_definition(x: np.ndarray, y: np.ndarray, union: int, measure: str) -> float:
    """Similarity of two aligned vectors, straight from the textbook, in two passes."""
    if measure == "jaccard":
        return len(x) / union
    if measure == "msd":
        return 1 / (1 + np.mean((x - y) ** 2))
    if measure == "pearson":
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            return 0.0
        x, y = x - x.mean(), y - y.mean()
    if measure == "dot":
        return x @ y
    norms = math.sqrt((x @ x) * (y @ y))
    return (x @ y) / norms if norms > 0 else 0.0


def expected_similarities(dense: np.ndarray, rated: np.ndarray, rule: SimilarityRule) -> np.ndarray:
    """All pairs, one after the other."""
    dense = dense.astype(np.float32).astype(np.float64)
    expected = np.eye(len(dense))
    for i, j in zip(*np.tril_indices(len(dense), -1), strict=True):
        both = rated[i] & rated[j]
        n, union = both.sum(), (rated[i] | rated[j]).sum()
        value = rule.no_overlap
        if n:
            value = by_definition(dense[i][both], dense[j][both], union, rule.measure)
            value *= (n - 1) / (n - 1 + rule.shrinkage) if rule.shrinkage else 1
            value *= n >= rule.min_support
        expected[i, j] = expected[j, i] = value
    return expected


@given(matrices(), rules, dtypes)
def test_dense_is_what_the_definition_says(data: Any, rule: SimilarityRule, dtype: Any) -> None:
    dense, rated, step = data
    expected = expected_similarities(dense, rated, rule)
    ratings = packed(dense, rated, step)
    for level in kernels.available_levels():
        with kernels.use_level(level):
            similar = dense_similarities(compiled, ratings, rule, dtype=dtype)
        assert similar.dtype == dtype
        np.testing.assert_allclose(similar, expected, rtol=1e-5, atol=2e-6)


@given(matrices(), rules, dtypes, st.integers(1, 4))
def test_compiled_and_twin_agree(data: Any, rule: SimilarityRule, dtype: Any, n_threads: int) -> None:
    ratings = packed(*data)
    found = dense_similarities(compiled, ratings, rule, dtype=dtype, n_threads=n_threads)
    expected = dense_similarities(twin, ratings, rule, dtype=dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@given(matrices(), rules, dtypes, st.integers(1, 90), st.integers(1, 4))
def test_top_rows_are_the_best_of_the_dense_ones(
    data: Any, rule: SimilarityRule, dtype: Any, k: int, n_threads: int
) -> None:
    ratings = packed(*data)
    rated = data[1].astype(int)
    eligible = rated @ rated.T >= max(1, rule.min_support)
    np.fill_diagonal(eligible, False)
    for module in (compiled, twin):
        dense = dense_similarities(module, ratings, rule, dtype=dtype)
        nearest = nearest_rows(module, ratings, rule, k, dtype=dtype, n_threads=n_threads)
        for row in range(len(dense)):
            candidates = np.flatnonzero(eligible[row])
            best = candidates[np.argsort(-dense[row, candidates], kind="stable")][:k]
            np.testing.assert_array_equal(nearest.codes[row, : len(best)], best)
            np.testing.assert_array_equal(nearest.values[row, : len(best)], dense[row, best])
            assert (nearest.codes[row, len(best) :] == -1).all()
            assert (nearest.values[row, len(best) :] == 0).all()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("measure", ["pearson", "cosine"])
def test_all_threads_slices_and_levels_give_the_same_bits(scale: str, measure: str) -> None:
    rng = np.random.default_rng(5)
    rated = rng.random((150, 60)) < 0.4
    ratings = packed(rng.choice(SCALES[scale].values, rated.shape), rated, SCALES[scale].step)
    rule = SimilarityRule(measure, shrinkage=10.0, min_support=2, no_overlap=0.5)
    results = set()
    for level in kernels.available_levels():
        for n_threads in (1, 2, 3, 4):
            for cuts in ((), (1, 77, 77)):
                how: Any = {"n_threads": n_threads, "cuts": cuts}
                with kernels.use_level(level):
                    dense = dense_similarities(compiled, ratings, rule, **how)
                    nearest = nearest_rows(compiled, ratings, rule, 5, dtype=np.float32, **how)
                results.add(dense.tobytes() + nearest.codes.tobytes() + nearest.values.tobytes())
    assert len(results) == 1


def test_few_partners_among_many_rows() -> None:
    """Rows whose co-raters rated little are searched another way, with the same result."""
    rng = np.random.default_rng(6)
    rated = np.zeros((900, 400), dtype=bool)
    rated[np.arange(900), rng.integers(0, 400, 900)] = True
    rated[np.arange(0, 900, 3), rng.integers(0, 400, 300)] = True
    dense = rng.choice(SCALES["half stars"].values, rated.shape)
    for step in (0.5, None):
        ratings = packed(dense, rated, step)
        rule = SimilarityRule("cosine")
        full = dense_similarities(compiled, ratings, rule)
        nearest = nearest_rows(compiled, ratings, rule, 3)
        eligible = rated.astype(int) @ rated.T.astype(int) >= 1
        np.fill_diagonal(eligible, False)
        for row in range(len(rated)):
            candidates = np.flatnonzero(eligible[row])
            best = candidates[np.argsort(-full[row, candidates], kind="stable")][:3]
            assert nearest.codes[row].tolist() == best.tolist() + [-1] * (3 - len(best))
            assert nearest.values[row, : len(best)].tolist() == full[row, best].tolist()


@pytest.mark.parametrize(
    ("scale", "n_raters"),
    [("whole stars", 2100), ("half stars", 1311), ("0 to 10", 1311 * 3), ("half stars", 405)],
)
@pytest.mark.parametrize("measure", MEASURES)
def test_sums_of_16_bits_are_spilled_before_they_overflow(scale: str, n_raters: int, measure: str) -> None:
    # The ends of the scale, by every co-rater, are the fastest way to overflow: the largest product is 64.
    values = SCALES[scale].values
    dense = np.array([[values.max(), values.max(), values.min(), values.min()]] * n_raters).T
    dense[:, : n_raters // 3] = dense[:, : n_raters // 3][::-1]
    dense[3, 0] = dense[0, 0]
    ratings = packed(dense, np.ones_like(dense, dtype=bool), SCALES[scale].step)
    assert (ratings.longest > ratings.spill_every) == (n_raters > 511)
    rule = SimilarityRule(measure)
    for level in kernels.available_levels():
        with kernels.use_level(level):
            found = dense_similarities(compiled, ratings, rule)
            nearest = nearest_rows(compiled, ratings, rule, 2)
        np.testing.assert_array_equal(found, dense_similarities(twin, ratings, rule))
        assert nearest.values[0, 0] == found[0, 1:].max()
    if measure == "pearson":
        np.testing.assert_allclose(found, np.corrcoef(dense), atol=1e-12)


@pytest.mark.parametrize("step", [1.0, None])
def test_equal_and_opposite_rows_have_similarity_one_and_minus_one(step: float | None) -> None:
    dense = np.array([[1, 2, 3, 5, 4], [1, 2, 3, 5, 4], [5, 4, 3, 1, 2], [2, 2, 2, 2, 2]]) + 0.0
    ratings = packed(dense, np.ones(dense.shape, dtype=bool), step)
    similar = dense_similarities(compiled, ratings, SimilarityRule("pearson"))
    np.testing.assert_allclose(similar[0], [1, 1, -1, 0], atol=1e-12)
    if step:
        np.testing.assert_array_equal(similar[0], [1, 1, -1, 0])


def test_rows_outside_the_span_are_left_alone() -> None:
    rng = np.random.default_rng(7)
    ratings = packed(rng.choice(SCALES["whole stars"].values, (9, 8)), rng.random((9, 8)) < 0.7, 1.0)
    rule = SimilarityRule("cosine")
    for module in (compiled, twin):
        whole = dense_similarities(module, ratings, rule)
        part = np.full((9, 9), 7.0)
        module.half_rows(ratings, rule, SimilarityMatrix(part), scratch_of(ratings, rule, 1), (3, 5), 1)
        for row in (3, 4):
            np.testing.assert_array_equal(part[row, : row + 1], whole[row, : row + 1])
            part[row, : row + 1] = 7
        assert (part == 7).all()
