"""Training of the RBM: the distribution it samples from, and the gradient it follows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cfcore.kernels.rbm import rbm as compiled
from cfcore.reference.rbm import rbm as reference
from tests.kernels.rbm.conftest import NAMES, Problem, arrays_of

Array = np.ndarray[Any, Any]


def log_sum(problem: Problem, levels: Array) -> float:
    """log of the sum over hidden states of exp(-E) of one rating of all units."""
    p = {name: array.astype(np.float64) for name, array in arrays_of(problem.parameters).items()}
    units = np.arange(problem.n_units)
    x = p["hidden_bias"] + p["weights"][units, levels].sum(axis=0) + p["conditional"].sum(axis=0)
    return float(p["visible_bias"][units, levels].sum() + np.logaddexp(0, x[: problem.n_hidden]).sum())


def all_states(problem: Problem) -> tuple[Array, Array]:
    """All ratings of all units, and their probabilities, by enumeration."""
    states = np.array(list(itertools.product(range(problem.n_levels), repeat=problem.n_units)))
    logs = np.array([log_sum(problem, state) for state in states])
    return states, np.exp(logs - np.logaddexp.reduce(logs))


def tiny(cd_steps: int, lr: tuple[float, ...]) -> Problem:
    """30,000 cases that rated all of 3 units alike, in one batch."""
    n = 30_000
    problem = Problem(
        n_cases=n, n_units=3, n_hidden=2, batch=n, scale=0.6, everything=True, cd_steps=cd_steps, lr=lr,
        decay=0.0, momentum=0.0,
    )  # fmt: skip
    problem.cases.levels[:] = np.tile(np.array([0, 2, 1], dtype=np.uint8), n)
    return problem


def test_the_chain_ends_in_the_distribution_of_the_model() -> None:
    problem = tiny(30, (0.0, 0.0, 0.0, 0.0))
    states, expected = all_states(problem)
    problem.train(compiled, epochs=1)
    cells = problem.scratch.drawn.reshape(-1, 3).astype(int) @ np.array([9, 3, 1])
    counts = np.bincount(cells, minlength=27)
    expected *= len(cells)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 54.1  # 26 degrees of freedom: exceeded once in a thousand seeds
    assert (states @ np.array([9, 3, 1]) == np.arange(27)).all()


def test_the_step_is_the_gradient_of_the_log_likelihood() -> None:
    problem, before = tiny(30, (1.0, 1.0, 1.0, 1.0)), tiny(30, (1.0, 1.0, 1.0, 1.0)).parameters
    data = np.array([0, 2, 1])

    def log_likelihood() -> float:
        logs = [log_sum(problem, np.array(s)) for s in itertools.product(range(3), repeat=3)]
        return log_sum(problem, data) - float(np.logaddexp.reduce(logs))

    slopes = {}
    for name in NAMES:
        array = getattr(problem.parameters, name)
        slope = slopes[name] = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            if name != "visible_bias" and index[-1] >= problem.n_hidden:
                continue  # padding
            ends = []
            for step in (0.01, -0.01):
                array[index] += np.float32(step)
                ends.append(log_likelihood())
                array[index] -= np.float32(step)
            slope[index] = (ends[0] - ends[1]) / 0.02
        array[:] = getattr(before, name)
    problem.train(compiled, epochs=1)
    for name, slope in slopes.items():
        step = getattr(problem.parameters, name) - getattr(before, name)
        np.testing.assert_allclose(step, slope, atol=0.015)  # five standard errors
        assert np.abs(slope).max() > 0.1


@pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
def test_sharing_is_the_gradient_of_what_levels_have_in_common(kernel: Any) -> None:
    shared, alone = Problem(shared=0.6, momentum=0.0), Problem(momentum=0.0)
    before = alone.parameters.weights.copy()
    for problem in (shared, alone):
        problem.order = alone.order[:4]  # one mini-batch
        problem.decay = 0.0
        problem.make_scratch()
        problem.train(kernel, epochs=1)
    ends = np.append(0, np.cumsum(np.log(shared.sharing.astype(np.float64))))
    matrix = np.exp(-np.abs(ends[:, None] - ends))
    factor = np.linalg.cholesky(matrix)  # W = A U, and the step of U is A' times that of W
    expected = factor @ (factor.T @ (alone.parameters.weights - before))
    np.testing.assert_allclose(shared.parameters.weights - before, expected, atol=1e-6)
    for name in NAMES[1:]:
        np.testing.assert_array_equal(getattr(shared.parameters, name), getattr(alone.parameters, name))
