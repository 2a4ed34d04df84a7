"""The kernel `predict_all`, its twin and predictions of single requests agree, at all SIMD levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.neighbors import predict_all as compiled
from cfcore.kernels.records import PredictionRule, SimilarityMatrix
from cfcore.reference.neighbors import predict_all as twin
from tests.kernels.neighbors import test_predict
from tests.kernels.neighbors.test_predict import Case, naive, rules

Array = np.ndarray[Any, Any]
BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])


def case_of(seed: int, n_holders: int, n_targets: int, density: float) -> Case:
    """A case with symmetric similarities, and a request for each holder and target."""
    case = Case(seed, n_holders, n_targets, density, 0)
    case.similarity = np.maximum(case.similarity, case.similarity.T)
    case.holders = np.repeat(np.arange(n_holders, dtype=np.int32), n_targets)
    case.targets = np.tile(np.arange(n_targets, dtype=np.int32), n_holders)
    case.order = np.argsort(case.targets, kind="stable")
    return case


cases = st.builds(
    case_of,
    seed=st.integers(0, 2**32 - 1),
    n_holders=st.integers(0, 5),
    n_targets=st.integers(1, 40),
    density=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
)


def arguments(case: Case, rule: PredictionRule, n_threads: int = 1) -> dict[str, Any]:
    n_holders, n_targets = len(case.indptr) - 1, len(case.similarity)
    longest = int(np.diff(case.indptr).max(initial=0))
    return {
        "matrix": SimilarityMatrix(case.similarity),
        "rated": case.rated(),
        "holders": np.arange(n_holders, dtype=np.int32),
        "rule": rule,
        "scratch": np.full((n_threads, 80 * longest), 1e30, dtype=np.float32),
        "out": np.full((n_holders, n_targets), 1e300),
        "n_threads": n_threads,
    }


def predicted(module: Any, case: Case, rule: PredictionRule, n_threads: int = 1) -> Array:
    call = arguments(case, rule, n_threads)
    module.predict_all(**call)
    found: Array = call["out"]
    return found.reshape(-1)


@given(cases, rules)
def test_compiled_twin_and_oracle_agree(case: Case, rule: PredictionRule) -> None:
    expected = naive(case, rule)
    np.testing.assert_allclose(predicted(twin, case, rule), expected, rtol=1e-9, atol=1e-12)
    for level in available_levels():
        with use_level(level):
            found = predicted(compiled, case, rule)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(cases, rules)
def test_where_all_entries_count_the_bits_are_those_of_single_requests(
    case: Case, rule: PredictionRule
) -> None:
    for n_neighbors in (0, len(case.similarity)):
        every = PredictionRule(n_neighbors, rule.damping, rule.power, rule.positive_only)
        single = case.dense(test_predict.compiled, every)
        for level in available_levels():
            with use_level(level):
                np.testing.assert_array_equal(predicted(compiled, case, every), single)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize(("n_neighbors", "power"), [(0, 1.0), (1, 2.0), (40, 2.0), (40, 1.5), (599, 1.3)])
@pytest.mark.parametrize("step", [0.0, 0.01, 1.0], ids=["no ties", "ties", "all equal"])
def test_long_rows_with_and_without_ties(
    positive_only: bool, n_neighbors: int, power: float, step: float
) -> None:
    case = case_of(seed=1, n_holders=6, n_targets=1200, density=0.5)
    if step:
        case.similarity = np.float32(step) * np.rint(case.similarity / np.float32(step) + np.float32(0.1))
    rule = PredictionRule(n_neighbors, 0.1, power, positive_only)
    expected = predicted(twin, case, rule)
    bits = predicted(compiled, case, rule)
    np.testing.assert_allclose(bits, expected, rtol=1e-9, atol=1e-12)
    for level in available_levels():
        for n_threads in (1, 2, 3):
            with use_level(level):
                np.testing.assert_array_equal(predicted(compiled, case, rule, n_threads), bits)


def test_similarities_of_any_size_are_told_apart() -> None:
    case = case_of(seed=2, n_holders=3, n_targets=70, density=1.0)
    sizes = np.random.default_rng(0).uniform(-140, 37, case.similarity.shape)  # denormal ones among them
    sizes = np.float32(10) ** np.maximum(sizes, sizes.T) * np.sign(np.nan_to_num(case.similarity))
    case.similarity = np.maximum(sizes, sizes.T).astype(np.float32)
    rule = PredictionRule(7, 0.0, 1.0, positive_only=False)
    expected = case.dense(test_predict.compiled, rule)
    for level in available_levels():
        with use_level(level):
            np.testing.assert_allclose(predicted(compiled, case, rule), expected, rtol=1e-12)


@BOTH
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"matrix": None}, TypeError, "predict_all: matrix must be a SimilarityMatrix"),
        ({"rated": None}, TypeError, "rated must be a RatingRows"),
        ({"rule": 3}, TypeError, "rule must be a PredictionRule"),
        ({"holders": [0]}, TypeError, "holders must be an ndarray"),
        ({"holders": np.array([0, 1, 2, 3])}, ValueError, "holders must be of int32"),
        ({"holders": np.array([0, 1, -1, 2], np.int32)}, ValueError, r"holders holds -1 at 2, .* \[0, 4\)"),
        ({"holders": np.array([0, 4, 1, 2], np.int32)}, ValueError, "holders holds 4 at 1"),
        ({"holders": np.array([0], np.int32)}, ValueError, r"out must be of shape \(1, 9\)"),
        ({"out": np.zeros((4, 8))}, ValueError, r"out must be of shape \(4, 9\)"),
        ({"out": np.zeros((4, 9), np.float32)}, ValueError, "out must be of float64"),
        ({"scratch": np.zeros((2, 719), np.float32)}, ValueError, "scratch needs a row of 720 for each"),
        ({"n_threads": 3}, ValueError, "scratch needs a row"),
        ({"n_threads": 0}, ValueError, "n_threads must be between 1 and 1024"),
        ({"matrix": SimilarityMatrix(np.zeros((9, 9)))}, ValueError, "matrix must be of float32"),
        ({"matrix": SimilarityMatrix(np.zeros((8, 8), np.float32))}, ValueError, "have 9 rows"),
    ],
)
def test_what_does_not_fit_is_refused(module: Any, changes: Any, error: Any, message: str) -> None:
    call = {**arguments(case_of(3, 4, 9, 1.0), PredictionRule(2, 0.1, 1.0), 2), **changes}
    with pytest.raises(error, match=message):
        module.predict_all(**call)


@BOTH
def test_shared_memory_is_refused(module: Any) -> None:
    call = arguments(case_of(3, 4, 9, 1.0), PredictionRule(2, 0.1, 1.0))
    call["scratch"] = call["matrix"].values.reshape(1, -1)
    call["rated"] = case_of(3, 4, 9, 0.0).rated()
    with pytest.raises(ValueError, match="share"):
        module.predict_all(**call)
