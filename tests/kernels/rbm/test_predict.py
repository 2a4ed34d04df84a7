"""Predictions of the RBM: the twin, enumeration, the same bits for any threads and levels, bad input."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.rbm import predict as compiled
from cfcore.reference.rbm import predict as reference
from tests.kernels.rbm.conftest import N_THREADS, Problem, arrays_of

BOTH = pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
EXACT = pytest.mark.parametrize("exact", [False, True], ids=["mean field", "exact"])


@EXACT
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(("n_levels", "n_hidden"), [(1, 1), (2, 16), (5, 21), (11, 33)])
def test_twin(exact: bool, conditional: bool, n_levels: int, n_hidden: int) -> None:
    problem = Problem(n_levels=n_levels, n_hidden=n_hidden, conditional=conditional, scale=0.5)
    one, two = problem.hidden_inputs(compiled), problem.hidden_inputs(reference)
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-5)
    assert not one[:, n_hidden:].any()
    one, two = problem.probabilities(compiled, exact), problem.probabilities(reference, exact)
    np.testing.assert_allclose(one, two, rtol=0, atol=2e-6)


@EXACT
def test_same_bits_for_any_threads_and_levels(exact: bool) -> None:
    problem = Problem(n_cases=100, n_hidden=40, n_levels=5)
    inputs, expected = problem.hidden_inputs(compiled), problem.probabilities(compiled, exact)
    for level in available_levels():
        with use_level(level):
            for n_threads in (1, 2, 3, N_THREADS + 8):  # more than rows of scratch
                np.testing.assert_array_equal(problem.hidden_inputs(compiled, n_threads), inputs)
                found = problem.probabilities(compiled, exact, n_threads)
                np.testing.assert_array_equal(found, expected)


@BOTH
def test_exact_predictions_by_enumeration(kernel: Any) -> None:
    problem = Problem(n_units=4, n_cases=6, scale=1.0)
    cases = problem.cases
    p = {name: array.astype(np.float64) for name, array in arrays_of(problem.parameters).items()}
    found = problem.probabilities(kernel, exact=True).reshape(6, 4, 3)
    for case, unit in np.ndindex(6, 4):
        own = slice(*cases.indptr[case : case + 2])
        x = p["hidden_bias"] + p["weights"][cases.units[own], cases.levels[own]].sum(axis=0)
        known = cases.rated_units[slice(*cases.rated_indptr[case : case + 2])]
        x = x + p["conditional"][known].sum(axis=0)
        joint = np.zeros(3)
        for state in itertools.product((0, 1), repeat=problem.n_hidden):
            on = np.zeros(x.size)
            on[: problem.n_hidden] = state
            joint += np.exp(p["visible_bias"][unit] + p["weights"][unit] @ on + x @ on)
        np.testing.assert_allclose(found[case, unit], joint / joint.sum(), atol=1e-6)


@BOTH
@EXACT
def test_extreme_weights_give_probabilities(kernel: Any, exact: bool) -> None:
    found = Problem(scale=1e4).probabilities(kernel, exact)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    assert (found >= 0).all()


@BOTH
def test_no_pairs(kernel: Any) -> None:
    given = arguments(Problem())
    none = np.empty(0, np.int32)
    kernel.probabilities(**{**given, "case_codes": none, "unit_codes": none, "out": np.empty((0, 3))})


def arguments(problem: Problem) -> dict[str, Any]:
    """Of `probabilities`, for all pairs."""
    cases, units = problem.pairs()
    return {
        "case_codes": cases, "unit_codes": units, "inputs": problem.hidden_inputs(compiled),
        "parameters": problem.parameters, "exact": False, "scratch": problem.scratch.gradients,
        "out": np.empty((len(cases), problem.n_levels)), "n_threads": 2,
    }  # fmt: skip


@BOTH
@pytest.mark.parametrize(
    ("name", "value"), [("case_codes", -1), ("case_codes", 14), ("unit_codes", -1), ("unit_codes", 9)]
)
def test_codes_out_of_range(kernel: Any, name: str, value: int) -> None:
    given = arguments(Problem())
    given[name][77] = value
    with pytest.raises(ValueError, match=r"pair 77, .* is out of range"):
        kernel.probabilities(**given)


@BOTH
@pytest.mark.parametrize(
    ("name", "shape"),
    [("unit_codes", (125,)), ("inputs", (14, 32)), ("scratch", (2, 15)), ("scratch", (0, 48)),
     ("out", (126, 4)), ("out", (125, 3))],
)  # fmt: skip
def test_shapes_that_do_not_fit(kernel: Any, name: str, shape: tuple[int, ...]) -> None:
    given = arguments(Problem())
    given[name] = np.zeros(shape, given[name].dtype)
    with pytest.raises(ValueError, match="must"):
        kernel.probabilities(**given)


@BOTH
def test_hidden_inputs_of_other_shapes(kernel: Any) -> None:
    problem, wide = Problem(), Problem(n_units=10)
    good = np.empty((14, 16), np.float32)
    scratch = problem.scratch.gradients
    with pytest.raises(ValueError, match="cases are of 9 units"):
        kernel.hidden_inputs(problem.cases, wide.parameters, scratch, good, 1)
    with pytest.raises(ValueError, match="out must"):
        kernel.hidden_inputs(problem.cases, problem.parameters, scratch, good[1:], 1)
    with pytest.raises(ValueError, match="scratch must"):
        kernel.hidden_inputs(problem.cases, problem.parameters, np.empty((1, 8), np.float32), good, 1)


@BOTH
@pytest.mark.parametrize("n_threads", [0, -1, 1025])
def test_numbers_of_threads_out_of_range(kernel: Any, n_threads: int) -> None:
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        Problem().hidden_inputs(kernel, n_threads)
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        Problem().probabilities(kernel, False, n_threads)


def test_arrays_of_other_kinds() -> None:
    for name, value, error in [
        ("case_codes", [0, 1], TypeError), ("unit_codes", np.zeros(126, np.int64), ValueError),
        ("inputs", np.zeros((14, 32), np.float32)[:, ::2], ValueError), ("parameters", None, TypeError),
        ("out", np.zeros((126, 3), np.float32), ValueError),
        ("scratch", np.zeros(48, np.float32), ValueError),
    ]:  # fmt: skip
        given = arguments(Problem())
        given[name] = value
        with pytest.raises(error, match=f"probabilities: {name} "):
            compiled.probabilities(**given)
    for name in ("out", "scratch"):
        given = arguments(Problem())
        given[name].flags.writeable = False
        with pytest.raises(ValueError, match=f"{name} is read-only"):
            compiled.probabilities(**given)


@BOTH
def test_arrays_that_share_memory(kernel: Any) -> None:
    for name in ("case_codes", "unit_codes", "inputs", "scratch"):
        given = arguments(Problem())
        size = given["out"].nbytes
        buffer = np.zeros(max(size, given[name].nbytes), np.uint8)
        given["out"] = buffer[:size].view(np.float64).reshape(given["out"].shape)
        given[name] = buffer[: given[name].nbytes].view(given[name].dtype).reshape(given[name].shape)
        with pytest.raises(ValueError, match="shares memory"):
            kernel.probabilities(**given)
    problem = Problem(n_units=14)  # as many as cases
    out = problem.parameters.conditional
    with pytest.raises(ValueError, match="shares memory"):
        kernel.hidden_inputs(problem.cases, problem.parameters, problem.scratch.gradients, out, 1)
