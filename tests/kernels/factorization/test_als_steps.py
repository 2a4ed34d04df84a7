"""Kernel `als_steps` and its twin: steps of conjugate gradients towards the solutions of `als`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import als as exact
from cfcore.kernels.factorization import als_steps as compiled
from cfcore.kernels.records import RowSolves
from cfcore.reference.factorization import als_steps as twin
from tests.kernels.factorization.test_als import case, solve

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
NAMES = ("rows", "biases", "squares")


def improved(module: Any, given: Any, steps: int, n_threads: int = 1, cuts: Any = None) -> RowSolves:
    ratings, solves = given
    rng = np.random.default_rng(5)
    rows, biases = solves.rows.copy(), rng.normal(0, 0.2, solves.n_rows).astype(np.float32)
    rows[:, :3] = rng.normal(0, 0.2, (solves.n_rows, 3))
    if solves.bias_penalty is None:
        biases[:] = 0
    solves = replace(solves, rows=rows, biases=biases, squares=np.full(solves.n_rows, np.nan))
    scratch = np.full(module.scratch_shape(n_threads, solves.width), np.nan)
    for span in pairwise(cuts or [0, solves.n_rows]):
        module.improve_rows(ratings, solves, steps, scratch, span, n_threads)
    return solves


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("k", [5, 24, 40, 64, 70])
def test_the_twin_takes_the_same_steps(k: int, weighted: bool, biased: bool) -> None:
    given = case([3, 0, 70, 200, 1], k, weighted=weighted, biased=biased, centred=True)
    for steps in (0, 1, 3):
        found, expected = improved(compiled, given, steps), improved(twin, given, steps)
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-4, err_msg=name
            )


@BOTH
@pytest.mark.parametrize("biased", [True, False])
def test_many_steps_end_at_the_solution(module: Any, biased: bool) -> None:
    given = case([3, 70, 0, 200, 64], 6, biased=biased, weighted=True, centred=True)
    found, expected = improved(module, given, 40), solve(exact, given)
    for name in NAMES:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-4)


def test_each_step_lessens_the_penalised_squares() -> None:
    ratings, solves = given = case([100, 7, 30], 12, biased=True)

    def total(found: RowSolves) -> Any:
        assert solves.bias_penalty is not None
        sizes = np.sum(found.rows.astype(float) ** 2, axis=1)
        return found.squares + solves.penalty * sizes + solves.bias_penalty * found.biases.astype(float) ** 2

    totals = np.array([total(improved(compiled, given, steps)) for steps in range(7)])
    assert (np.diff(totals, axis=0) < 1e-5 * totals[0]).all()
    assert (totals[3] < totals[0]).all()
    assert ratings.n == 137


@pytest.mark.parametrize(("k", "weighted"), [(8, False), (32, True), (48, False), (64, True), (72, False)])
def test_same_bits_for_threads_spans_and_levels(k: int, weighted: bool) -> None:
    given = case([3, 5000, 0, 70, 2048, 11, 64], k, n_columns=500, weighted=weighted)
    expected = improved(compiled, given, 3)
    found = [improved(compiled, given, 3, n_threads=3), improved(compiled, given, 3, cuts=[0, 1, 5, 7])]
    for level in available_levels():
        with use_level(level):
            found.append(improved(compiled, given, 3, n_threads=2))
    for one in found:
        for name in NAMES:
            assert getattr(one, name).tobytes() == getattr(expected, name).tobytes()


@BOTH
def test_refusals(module: Any) -> None:
    ratings, solves = case([3, 4], 3)
    scratch = np.zeros(module.scratch_shape(1, solves.width))
    with pytest.raises(ValueError, match="as many rows and columns"):
        module.improve_rows(case([3], 3)[0], solves, 3, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="scratch must be of shape"):
        module.improve_rows(ratings, solves, 3, scratch[:, :-1].copy(), (0, 2), 1)
    with pytest.raises(ValueError, match="steps must be between 0 and 1024"):
        module.improve_rows(ratings, solves, -1, scratch, (0, 2), 1)
    with pytest.raises(ValueError, match="width must be between"):
        module.scratch_shape(1, 2**21)
    with pytest.raises(TypeError, match="solves must be a RowSolves"):
        module.improve_rows(ratings, ratings, 3, scratch, (0, 2), 1)
    bad = replace(solves, penalty=np.full(2, -1e9))
    with pytest.raises(ValueError, match="the matrices of 2 rows are not positive definite"):
        module.improve_rows(ratings, bad, 3, scratch, (0, 2), 1)
