"""The kernel `predict`, its twin and a plain oracle give the same answers, at all SIMD levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.neighbors import predict as compiled
from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
)
from cfcore.reference.neighbors import predict as twin

Array = np.ndarray[Any, Any]


class Case:
    """Similarities, ratings and requests, drawn so that ties, gaps, zeros and unknown codes are common."""

    def __init__(self, seed: int, n_holders: int, n_targets: int, density: float, n: int) -> None:
        rng = np.random.default_rng(seed)
        given_to = rng.random((n_holders, n_targets)) < density
        self.indptr = np.append(0, np.cumsum(given_to.sum(axis=1))).astype(np.int64)
        self.indices = np.nonzero(given_to)[1].astype(np.int32)
        self.values = rng.integers(-9, 10, len(self.indices)).astype(np.float32) / np.float32(2)
        coarse = rng.choice([-1, -0.5, -0.25, 0, 0.25, 0.5, 1, np.nan], (n_targets, n_targets))
        fine = rng.uniform(-1, 1, (n_targets, n_targets))
        self.similarity = np.where(rng.random((n_targets, n_targets)) < 0.5, coarse, fine).astype(np.float32)
        self.holders = rng.integers(-1, n_holders, n).astype(np.int32)
        self.targets = rng.integers(-1, n_targets, n).astype(np.int32)
        self.order = np.argsort(self.targets, kind="stable")

    def rated(self) -> RatingRows:
        return RatingRows(self.indptr, self.indices, self.values, len(self.similarity))

    def requests(self) -> PredictionRequests:
        out = np.full(len(self.holders), 1e300)
        n_holders, n_targets = len(self.indptr) - 1, len(self.similarity)
        return PredictionRequests(self.holders, self.targets, self.order, out, n_holders, n_targets)

    def dense(self, module: Any, rule: PredictionRule, **how: Any) -> Array:
        return self._run(module.predict_dense, SimilarityMatrix(self.similarity), rule, **how)

    def rows(self, module: Any, rule: PredictionRule, codes: Array, weights: Array, **how: Any) -> Array:
        return self._run(module.predict_rows, NearestRows(codes, weights), rule, **how)

    def _run(
        self, predict: Callable[..., None], compared: Any, rule: PredictionRule, *, n_threads: int = 1,
        room: int = 0, parts: int = 1,
    ) -> Array:  # fmt: skip
        requests = self.requests()
        keys = np.empty((n_threads, max(room, rule.n_neighbors + 1)), dtype=np.uint64)
        scratch = PredictionScratch(keys, np.zeros((n_threads, len(self.similarity)), dtype=np.float32))
        for span in pairwise(np.linspace(0, requests.n, parts + 1).astype(int).tolist()):
            predict(compared, self.rated(), requests, rule, scratch, span, n_threads)
        assert scratch.rows is not None
        assert not scratch.rows.any()
        return requests.out


def runs() -> Iterator[Any]:
    """The twin, then the kernel at each SIMD level in turn."""
    yield twin
    for level in available_levels():
        with use_level(level):
            yield compiled


def naive(case: Case, rule: PredictionRule) -> list[float]:
    """The docstring of the kernel, one request after the other."""
    out = []
    for holder, target in zip(case.holders.tolist(), case.targets.tolist(), strict=True):
        if holder < 0 or target < 0:
            out.append(math.nan)
            continue
        entries = []
        for q in range(case.indptr[holder], case.indptr[holder + 1]):
            code, similarity = int(case.indices[q]), float(case.similarity[target, case.indices[q]])
            if code != target and (similarity > 0 or (similarity < 0 and not rule.positive_only)):
                entries.append((-abs(similarity), code, similarity, float(case.values[q])))
        entries = sorted(entries)[: rule.n_neighbors or None]
        above = sum(math.copysign(abs(s) ** rule.power, s) * value for _, _, s, value in entries)
        below = rule.damping + sum(abs(s) ** rule.power for _, _, s, _ in entries)
        out.append(above / below if below > 0 else math.nan)
    return out


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    n_holders=st.integers(0, 7),
    n_targets=st.integers(1, 12),
    density=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    n=st.integers(0, 40),
)
rules = st.builds(
    PredictionRule,
    n_neighbors=st.integers(0, 6),
    damping=st.sampled_from([0.0, 0.03, 2.0]),
    power=st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 1.3, 8.0, 8.5]),
    positive_only=st.booleans(),
)


@given(cases, rules)
def test_compiled_twin_and_oracle_agree(case: Case, rule: PredictionRule) -> None:
    expected = naive(case, rule)
    for module in runs():
        np.testing.assert_allclose(case.dense(module, rule), expected, rtol=1e-9, atol=1e-12)


@given(cases, rules)
def test_rows_that_keep_everything_are_as_good_as_the_matrix(case: Case, rule: PredictionRule) -> None:
    n = len(case.similarity)
    shuffled = np.random.default_rng(n).permuted(np.tile(np.arange(n, dtype=np.int32), (n, 1)), axis=1)
    weights = np.take_along_axis(case.similarity, shuffled.astype(np.int64), axis=1)
    padded = np.hstack([shuffled, np.full((n, 2), -1, dtype=np.int32)])
    weights = np.hstack([weights, np.full((n, 2), 9, dtype=np.float32)])
    for module in runs():
        found = case.rows(module, rule, padded, weights, n_threads=2)
        np.testing.assert_array_equal(found, case.dense(module, rule))


@given(cases, rules, st.integers(0, 3))
def test_pairs_that_rows_leave_out_are_no_neighbours(case: Case, rule: PredictionRule, n_kept: int) -> None:
    near = np.nan_to_num(case.similarity, nan=-9)
    codes = np.argsort(-near, axis=1, kind="stable")[:, :n_kept].astype(np.int32)
    weights = np.take_along_axis(case.similarity, codes.astype(np.int64), axis=1)
    kept = np.zeros_like(case.similarity)
    np.put_along_axis(kept, codes.astype(np.int64), weights, axis=1)
    expected = [case.rows(module, rule, codes, weights) for module in runs()]
    case.similarity = kept
    for module, out in zip(runs(), expected, strict=True):
        np.testing.assert_array_equal(out, case.dense(module, rule))


@pytest.fixture(scope="module")
def long() -> Case:
    """Rows far longer than the scratch, and requests enough for every thread to have many chunks."""
    return Case(seed=1, n_holders=30, n_targets=900, density=0.7, n=3000)


@pytest.mark.parametrize("n_neighbors", [0, 1, 40, 699])
@pytest.mark.parametrize("positive_only", [True, False])
def test_long_rows_against_the_twin(long: Case, n_neighbors: int, positive_only: bool) -> None:
    rule = PredictionRule(n_neighbors, 0.1, 1.5, positive_only)
    expected, *found = [long.dense(module, rule) for module in runs()]
    for out in found:
        np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "rule",
    [
        PredictionRule(0, 0.0, 1.0),
        PredictionRule(0, 0.1, 1.5, positive_only=False),
        PredictionRule(40, 0.03, 2.0),
        PredictionRule(25, 0.1, 1.3, positive_only=False),
    ],
)
def test_same_bits_whatever_threads_levels_slices_scratch_and_order(long: Case, rule: PredictionRule) -> None:
    expected = long.dense(compiled, rule)
    for level in available_levels():
        for n_threads in (1, 2, 3, 4):
            with use_level(level):
                np.testing.assert_array_equal(long.dense(compiled, rule, n_threads=n_threads), expected)
    np.testing.assert_array_equal(long.dense(compiled, rule, parts=7), expected)
    np.testing.assert_allclose(long.dense(compiled, rule, room=200), expected, rtol=1e-12)
    shuffled = Case(seed=1, n_holders=30, n_targets=900, density=0.7, n=3000)
    shuffled.order = np.random.default_rng(0).permutation(len(long.order))
    np.testing.assert_array_equal(shuffled.dense(compiled, rule), expected)


def test_both_have_the_same_functions() -> None:
    public = [name for name in dir(compiled) if name.startswith("predict")]
    assert public == sorted(twin.__all__)
