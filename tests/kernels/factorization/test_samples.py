"""Kernel `samples` and its twin: products in each sample, and the same bits however they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import samples as compiled
from cfcore.kernels.records import FactorSamples
from cfcore.reference.factorization import samples as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])


def case(n: int, n_kept: int, k: int, seed: int = 0) -> tuple[Any, Any, FactorSamples]:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        return rng.normal(0, 1, shape).astype(np.float32)

    samples = FactorSamples(
        draw(5, n_kept * k), draw(5, n_kept * k), draw(7, n_kept * k), draw(5, n_kept), draw(7, n_kept), k,
        3.5,
    )  # fmt: skip
    return rng.integers(0, 5, n).astype(np.int32), rng.integers(0, 7, n).astype(np.int32), samples


def scored(module: Any, given_case: Any, n_threads: int = 1) -> tuple[Any, Any]:
    users, items, samples = given_case
    means, draws = (np.full((len(users), samples.n_kept), np.nan, dtype=np.float32) for _ in range(2))
    module.score_samples(users, items, samples, means, draws, n_threads)
    return means, draws


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.integers(1, 4), st.sampled_from([1, 3, 15, 16, 17, 32, 50]), st.integers(0, 99))
def test_the_twin_has_the_same_scores(n: int, n_kept: int, k: int, seed: int) -> None:
    args = case(n, n_kept, k, seed)
    for found, expected in zip(scored(compiled, args), scored(twin, args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@BOTH
def test_scores_are_sums_of_biases_and_products(module: Any) -> None:
    users, items, samples = args = case(6, 3, 4)
    means, draws = scored(module, args)
    for pair, (user, item) in enumerate(zip(users, items, strict=True)):
        for s in range(3):
            own = slice(4 * s, 4 * s + 4)
            row = samples.item_factors[item, own].astype(np.float64)
            mean = samples.user_biases[user, s] + samples.item_biases[item, s]
            mean += 3.5 * float(samples.user_means[user, own] @ row)
            np.testing.assert_allclose(means[pair, s], mean, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(draws[pair, s], samples.user_draws[user, own] @ row, atol=1e-5)


@pytest.mark.parametrize("k", [5, 16, 32, 40])
def test_same_bits_for_threads_levels_and_one_pair_at_a_time(k: int) -> None:
    users, items, samples = args = case(200, 6, k)
    expected = scored(compiled, args)
    found = [scored(compiled, args, n_threads=3)]
    for level in available_levels():
        with use_level(level):
            found.append(scored(compiled, args, n_threads=2))
    alone = [scored(compiled, (users[at : at + 1], items[at : at + 1], samples)) for at in range(200)]
    found.append((np.concatenate([one[0] for one in alone]), np.concatenate([one[1] for one in alone])))
    for one in found:
        assert [held.tobytes() for held in one] == [held.tobytes() for held in expected]


@BOTH
def test_what_is_out_of_range_is_refused(module: Any) -> None:
    users, items, samples = case(4, 2, 3)
    for codes in (np.array([0, 1, 2, 5], dtype=np.int32), np.array([0, -1, 2, 3], dtype=np.int32)):
        with pytest.raises(ValueError, match=r"pair \d .* is out of range"):
            scored(module, (codes, items, samples))
    with pytest.raises(ValueError, match="one length"):
        scored(module, (users, items[:3], samples))
    means = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(ValueError, match=r"must be of shape \(4, 2\)"):
        module.score_samples(users, items, samples, means, means[:3], 1)
    with pytest.raises(ValueError, match="share memory"):
        module.score_samples(users, items, samples, means, means, 1)
    with pytest.raises(ValueError, match="read-only"):
        module.score_samples(users, items, samples, means, read_only(means), 1)
    with pytest.raises(TypeError, match="must be a FactorSamples"):
        module.score_samples(users, items, None, means, means.copy(), 1)


def read_only(array: Any) -> Any:
    held = array.copy()
    held.flags.writeable = False
    return held


def test_the_record_has_as_many_columns_as_samples_and_factors() -> None:
    samples = case(1, 2, 3)[2]
    with pytest.raises(ValueError, match="must have 8 columns"):
        replace(samples, n_factors=4)
