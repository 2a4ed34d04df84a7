"""Kernel `scores` and its twin list what a stable sort of the scores lists."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.top_n.cases import BOTH, Case, implementation, same


@pytest.mark.parametrize("name", BOTH)
def test_lists_are_those_of_a_sort(name: str) -> None:
    with implementation(name) as kernels:
        for seed in range(5):
            case = Case(seed, whole=True)  # many ties
            scores = case.predictions()
            same(case.by_scores(kernels.scores, scores, 9), case.sorted(scores, 9))


@pytest.mark.parametrize("name", BOTH)
def test_lists_may_share_a_row(name: str) -> None:
    case = Case(1)
    scores = case.predictions()
    rows = np.arange(len(case.users), dtype=np.int32) // 4
    with implementation(name) as kernels:
        given = case.score_records(scores) | {"queries": case.queries(rows)}
        kernels.scores.best_scores(**given)
    same(given["lists"], case.sorted(scores[rows], 7))


@pytest.mark.parametrize("n_threads", [2, 3])
def test_any_number_of_threads(n_threads: int) -> None:
    case = Case(3, 300, 90)
    scores = case.predictions()
    with implementation(BOTH[0]) as kernels:
        same(
            case.by_scores(kernels.scores, scores, n_threads=n_threads),
            case.by_scores(kernels.scores, scores),
        )


@pytest.mark.parametrize("name", BOTH)
def test_nan_and_minus_infinity_are_never_listed(name: str) -> None:
    case = Case(4, 10, 50, density=0)
    scores = case.predictions()
    scores[:, ::2] = np.nan
    scores[:, 1::4] = -np.inf
    with implementation(name) as kernels:
        positions = case.by_scores(kernels.scores, scores, 40).positions
    assert set(positions[positions >= 0].tolist()) == set(range(3, len(case.items), 4))


@pytest.mark.parametrize("name", BOTH)
def test_no_items(name: str) -> None:
    case = Case(5, allowed=0)
    with implementation(name) as kernels:
        lists = case.by_scores(kernels.scores, np.empty((len(case.users), 0)))
    assert (lists.positions == -1).all()
    assert (lists.scores == 0).all()
