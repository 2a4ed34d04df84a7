"""Kernel `ridge` and its twin solve for the posterior mean, by the small system as by the large one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import ridge as compiled
from cfcore.reference.factorization import ridge as twin

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])


def problem(n: int, width: int, seed: int = 0, rank: int | None = None) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 0.5, (width, width if rank is None else rank))
    return {
        "rows": rng.normal(0, 1, (n, width)), "targets": rng.normal(0, 1, n), "mean": rng.normal(0, 1, width),
        "covariance": root @ root.T, "noise": 0.7, "scratch": np.full(n * (width + n + 1), np.nan),
        "out": np.full(width, np.nan),
    }  # fmt: skip


def other_form(given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `solve_many` for the same problem."""
    width = len(given["mean"])
    shared = {name: given[name] for name in ("rows", "targets", "mean")}
    penalty = given["noise"] * np.linalg.inv(given["covariance"])
    scratch, out = np.full(width**2, np.nan), np.full(width, np.nan)
    return shared | {"penalty": penalty, "scratch": scratch, "out": out}


def by_normal_equations(given: dict[str, Any]) -> Any:
    rows, mean = given["rows"], given["mean"]
    left = rows.T @ rows / given["noise"] + np.linalg.inv(given["covariance"])
    return mean + np.linalg.solve(left, rows.T @ (given["targets"] - rows @ mean) / given["noise"])


@given(st.integers(0, 40), st.sampled_from([8, 16, 24]), st.integers(0, 99))
def test_it_is_the_solution_of_the_normal_equations(n: int, width: int, seed: int) -> None:
    for module in (compiled, twin):
        one = problem(n, width, seed)
        other = other_form(one)
        assert module.solve_few(**one)
        assert module.solve_many(**other)
        np.testing.assert_allclose(one["out"], by_normal_equations(one), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(other["out"], by_normal_equations(one), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 4, 21, 104, 150])
def test_levels_give_the_same_bits(n: int) -> None:
    found = []
    for level in available_levels():
        one = problem(n, 104)
        other = other_form(one)
        with use_level(level):
            assert compiled.solve_few(**one)
            assert compiled.solve_many(**other)
        found.append((one["out"].tobytes(), other["out"].tobytes()))
    assert set(found) == {found[0]}


@BOTH
def test_without_targets_it_is_the_mean(module: Any) -> None:
    one = problem(0, 16)
    for solved in (one, other := other_form(one)):
        assert (module.solve_many if solved is other else module.solve_few)(**solved)
        np.testing.assert_array_equal(solved["out"], one["mean"])


@BOTH
def test_a_prior_of_lower_rank_keeps_what_it_says_nothing_of(module: Any) -> None:
    one = problem(5, 16, rank=3)
    assert module.solve_few(**one)
    apart = one["out"] - one["mean"]
    inside = one["covariance"] @ np.linalg.lstsq(one["covariance"], apart, rcond=1e-9)[0]
    np.testing.assert_allclose(apart, inside, atol=1e-8)


@BOTH
def test_what_cannot_be_solved_is_said(module: Any) -> None:
    assert not module.solve_few(**(problem(3, 8) | {"noise": -1e9}))
    assert not module.solve_many(**(other_form(problem(3, 8)) | {"penalty": -9e9 * np.eye(8)}))
    one = problem(3, 8)
    one["rows"][1, 2] = np.nan
    other = other_form(one)
    assert not module.solve_few(**one)
    assert not module.solve_many(**other)
    one["rows"][1, 2] = 1e200
    assert not module.solve_few(**one)
    assert not module.solve_many(**other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(7)}, "multiple of 8"),
        ({"targets": np.zeros(2)}, "of one n and one width"),
        ({"covariance": np.zeros((16, 8))}, "of one n and one width"),
        ({"rows": np.zeros((3, 16))}, "of one n and one width"),
        ({"out": np.zeros(16)}, "of one n and one width"),
        ({"scratch": np.zeros(35)}, "scratch must have 36 numbers, not 35"),
        ({"rows": np.zeros((3, 8), dtype=np.float32)}, "rows must be of float64"),
        ({"rows": None}, "rows must be an ndarray"),
    ],
)
@BOTH
def test_refusals(module: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        module.solve_few(**(problem(3, 8) | change))


@BOTH
def test_refusals_of_the_other_form(module: Any) -> None:
    one = other_form(problem(3, 8))
    for change, message in (
        ({"penalty": np.zeros((8, 16))}, "of one n and one width"),
        ({"scratch": np.zeros(63)}, "scratch must have 64 numbers, not 63"),
        ({"out": one["mean"]}, "shares memory"),
        ({"penalty": one["scratch"].reshape(8, 8)}, "shares memory"),
    ):
        with pytest.raises(ValueError, match=message):
            module.solve_many(**(one | change))


@BOTH
def test_arrays_that_are_written_share_no_memory(module: Any) -> None:
    one = problem(3, 8)
    with pytest.raises(ValueError, match="shares memory"):
        module.solve_few(**(one | {"out": one["mean"]}))
    with pytest.raises(ValueError, match="shares memory"):
        module.solve_few(
            **(one | {"scratch": np.zeros(36), "out": one["scratch"][:8], "mean": one["scratch"][4:12]})
        )
    one["out"].flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        module.solve_few(**one)
