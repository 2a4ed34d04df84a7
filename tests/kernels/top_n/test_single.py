"""Kernel `single` and its twin: the scores of `svd.predict`, and the list of one user among those of many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfcore.kernels import use_level
from cfcore.kernels.records import Factors, ItemOrder
from cfcore.kernels.top_n import single as compiled
from cfcore.reference.top_n import single as twin
from tests.kernels.top_n.cases import EVERYTHING, LEVELS, Case


def ascending(case: Case, k: int) -> Any:
    return np.unique(case.excluded[case.starts[k] : case.stops[k]])


def lists_of(name: str, case: Case, n: int, by_scores: bool = False) -> Any:
    """Codes and scores of the lists of all users, one by one; scores are of `predictions` if by scores."""
    factors, order, found = case.factors(), case.order(), []
    predictions = case.predictions()
    for k, user in enumerate(case.users):
        listed, scores = np.full(n, 99, dtype=np.int32), np.full(n, 9.0)
        request = order, ascending(case, k), listed, scores
        if by_scores:
            row = np.full(factors.n_items, np.nan)
            row[case.items] = predictions[k]
            call(name, "best_of_scores", row, *request)
        else:
            base = factors.mean + float(factors.user_bias[user])
            call(name, "best_of_row", factors.user_factors[user], base, factors, *request)
        found.append((listed, scores))
    return [np.array(column) for column in zip(*found, strict=True)]


def call(name: str, function: str, *arguments: Any) -> Any:
    if name == "reference":
        return getattr(twin, function)(*arguments)
    with use_level(name):
        return getattr(compiled, function)(*arguments)


@pytest.mark.parametrize("by_scores", [False, True])
@pytest.mark.parametrize("name", EVERYTHING)
def test_lists_are_those_of_a_sort(name: str, by_scores: bool) -> None:
    for seed in range(4):
        case = Case(seed, width=16 * seed, dtype=("float32", "float64")[seed % 2], whole=True)  # many ties
        expected = case.sorted(case.predictions(), 9)
        listed, scores = lists_of(name, case, 9, by_scores)
        codes = np.append(case.items, np.int32(-1))[expected.positions]
        np.testing.assert_array_equal(listed, codes)
        np.testing.assert_array_equal(scores, expected.scores)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [0, 16, 112])
def test_scores_have_the_bits_of_predictions_at_every_level(width: int, dtype: str) -> None:
    case = Case(1, width=width, dtype=dtype, allowed=1.0)
    factors, user = case.factors(), int(case.users[5])
    expected = np.empty(factors.n_items)
    expected[case.items] = case.predictions()[5]
    base = factors.mean + float(factors.user_bias[user])
    for level in LEVELS:
        out = np.empty(factors.n_items)
        call(level, "score_row", factors.user_factors[user], base, factors, out)
        assert out.tobytes() == expected.tobytes()
        pairs = [call(level, "score_pair", factors, user, item) for item in range(factors.n_items)]
        assert np.array(pairs).tobytes() == expected.tobytes()
    out = np.empty(factors.n_items)
    twin.score_row(factors.user_factors[user], base, factors, out)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twin.score_pair(factors, user, 3), expected[3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by_scores", [False, True])
@pytest.mark.parametrize("name", EVERYTHING)
def test_lists_longer_than_there_are_items(name: str, by_scores: bool) -> None:
    case = Case(4, 10, 30, density=0.5)
    listed, scores = lists_of(name, case, 40, by_scores)
    for k, (row, own) in enumerate(zip(listed, scores, strict=True)):
        n = len(np.setdiff1d(case.items, ascending(case, k)))
        assert (row[:n] >= 0).all()
        assert (row[n:] == -1).all()
        assert (own[n:] == 0).all()


@pytest.mark.parametrize("name", EVERYTHING)
def test_nan_and_minus_infinity_are_never_listed(name: str) -> None:
    order = ItemOrder(np.arange(5, dtype=np.int32), np.arange(5, dtype=np.int32))
    listed, scores = np.empty(5, dtype=np.int32), np.empty(5)
    given = np.array([np.nan, 1, -np.inf, np.inf, 1])
    call(name, "best_of_scores", given, order, np.zeros(0, dtype=np.int32), listed, scores)
    assert listed.tolist() == [3, 1, 4, -1, -1]
    assert scores.tolist() == [np.inf, 1, 1, 0, 0]


def arguments() -> dict[str, Any]:
    case = Case(2, width=16)
    return {
        "row": case.user_factors[1], "base": 3.0, "factors": case.factors(), "order": case.order(),
        "excluded": ascending(case, 0), "listed": np.empty(4, dtype=np.int32), "scores": np.empty(4),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given: {"row": given["row"][:8].copy()}, "row must have 16 numbers, not 8"),
        (lambda given: {"row": given["row"].astype(np.float64)}, "row must be of float32"),
        (lambda given: {"excluded": given["excluded"][::-1].copy()}, "excluded must be ascending"),
        (lambda given: {"excluded": np.array([3, 3], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"excluded": np.array([-1], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"excluded": np.array([150], dtype=np.int32)}, "excluded must be ascending"),
        (lambda given: {"scores": np.empty(3)}, "must be of one length"),
        (lambda given: {"scores": np.empty(0), "listed": np.empty(0, np.int32)}, "at least 1"),
        (lambda given: {"listed": np.arange(40, dtype=np.int32)[:4], "excluded": None}, "must be an ndarray"),
        (lambda given: {"order": ItemOrder(*np.zeros((2, 1), np.int32))}, "order must be of the 150 items"),
        (lambda given: {"order": None}, "must be a ItemOrder"),
        (lambda given: {"factors": None}, "must be a Factors"),
    ],
)
@pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
def test_refusals(module: Any, change: Any, message: str) -> None:
    given = arguments()
    with pytest.raises((ValueError, TypeError), match=message):
        module.best_of_row(**(given | change(given)))


@pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
def test_arrays_that_are_written_share_no_memory(module: Any) -> None:
    given = arguments()
    shared = np.arange(8, dtype=np.int32)
    with pytest.raises(ValueError, match="shares memory"):
        module.best_of_row(**(given | {"excluded": shared[:4], "listed": shared[2:6]}))
    given["scores"].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        module.best_of_row(**given)
    factors = Factors(*np.zeros((2, 3, 8)), *np.zeros((2, 3)), 0.0)
    with pytest.raises(ValueError, match="shares memory"):
        module.score_row(np.zeros(8), 0.0, factors, factors.item_bias)
    for pair in ((3, 0), (0, 3), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="out of range"):
            module.score_pair(factors, *pair)
