"""The kernel of similarities by a table, and its twin, agree bit by bit."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.adapters.surprise import similarities
from cfcore.kernels import simd
from cfcore.reference.surprise import dense as twin
from tests.adapters.surprise.test_similarity_levels import SCALES, lists_of

compiled = import_module("cfcore.adapters.surprise._dense")
#: Whether vectors are wide, at the levels that have the kernel here.
WIDTHS = [
    level == "avx512"
    for level in simd.available_levels()
    if compiled.available and level in ("avx2", "avx512")
]


def outcome(module: Any, *arguments: Any) -> Any:
    """The answer and the bytes of the matrix, or the error."""
    sim = np.full((arguments[0].n_x,) * 2, np.nan)
    try:
        answer = module.similarities(*arguments[:-1], sim, arguments[-1])
    except (ValueError, ZeroDivisionError) as error:
        return type(error).__name__, str(error)
    return answer, sim.tobytes() if answer else b""


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(similarities.NAMES),
    n_x=st.sampled_from([1, 2, 31, 33, 129]),
    n_y=st.integers(1, 40),
    share=st.sampled_from([0.02, 0.3, 0.9]),
    scale=st.sampled_from(sorted(SCALES)),
    support=st.integers(0, 4),
    shrinkage=st.sampled_from([0.0, 1.0, 100.0]),
    seed=st.integers(0, 99),
    again=st.booleans(),
)
def test_twin(
    name: str,
    n_x: int,
    n_y: int,
    share: float,
    scale: str,
    support: int,
    shrinkage: float,
    seed: int,
    again: bool,
) -> None:
    lists = lists_of(n_x, n_y, share, scale, seed, again)
    least, _, step = SCALES[scale]
    rule = (similarities.NAMES.index(name), support, shrinkage)
    if name == "pearson_baseline":
        residuals = lists.ratings - np.random.default_rng(seed).normal(3, 1, len(lists.ratings))
        arguments = (lists, None, residuals, (1.0, 0), rule)
    else:
        codes = twin.codes_of(lists.ratings, least, 1 / step)
        arguments = (lists, codes, None, (step, round(least / step)), rule)
    expected = outcome(twin, *arguments, False)
    for wide in WIDTHS:
        assert outcome(compiled, *arguments, wide) == expected


@pytest.mark.parametrize(
    ("codes", "multiples", "measure"),
    [
        (0, (1.0, 1), 0),
        (16, (1.0, 1), 0),
        (1, (1.0, 16), 0),
        (15, (1.0, 2), 2),
        (15, (1.0, 2), 1),
        (1, (1.0, 1), 4),
        (None, (1.0, 1), 0),
    ],
)
def test_both_refuse_the_same(codes: int | None, multiples: Any, measure: int) -> None:
    lists = lists_of(5, 9, 0.9, "five stars", 0)
    given_codes = np.full(len(lists.ratings) - (codes is None), codes or 0, dtype=np.uint8)
    arguments = (lists, given_codes, None, multiples, (measure, 1, 0.0))
    expected = outcome(twin, *arguments, False)
    for wide in WIDTHS:
        assert outcome(compiled, *arguments, wide) == expected


@given(
    ratings=st.lists(st.sampled_from([0.5, 1.0, 2.25, 3.0, 5.0, 15.5, -1.0, np.inf, np.nan]), min_size=1),
    least=st.sampled_from([0.5, 1.0]),
    step=st.sampled_from([1.0, 2.0, 4.0]),
)
def test_codes(ratings: list[float], least: float, step: float) -> None:
    found, expected = (one.codes_of(np.array(ratings), least, step) for one in (compiled, twin))
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)


@given(n_x=st.integers(1, 9), n_y=st.integers(1, 9), seed=st.integers(0, 99))
def test_residuals(n_x: int, n_y: int, seed: int) -> None:
    lists, rng = lists_of(n_x, n_y, 0.5, "five stars", seed), np.random.default_rng(seed)
    baselines = (3.5, rng.normal(size=n_x), rng.normal(size=n_y))
    found, expected = (one.residuals_of(lists, *baselines).tobytes() for one in (compiled, twin))
    assert found == expected
    level = (0.0, np.full(n_x, -0.0), np.full(n_y, -0.0))
    zeros = similarities.Lists(n_x, lists.indptr, lists.xs, np.full(len(lists.xs), -0.0))
    for one in (compiled, twin):
        assert not np.signbit(one.residuals_of(zeros, *level)).any()
        with pytest.raises(ValueError, match="fit to each other"):
            one.residuals_of(lists, 3.5, baselines[1], baselines[2][1:])
        if len(lists.xs):
            with pytest.raises(ValueError, match="not below n_x"):
                one.residuals_of(lists, 3.5, baselines[1][: lists.xs.max()], baselines[2])


def test_signatures() -> None:
    for name in ("codes_of", "residuals_of", "similarities"):
        found = inspect.signature(getattr(compiled, name))
        assert list(found.parameters) == list(inspect.signature(getattr(twin, name)).parameters)
