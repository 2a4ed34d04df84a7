"""Records of the RBM: errors when they are made, and errors of calls whose records do not fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cfcore.kernels.rbm import predict
from cfcore.kernels.rbm import rbm as compiled
from cfcore.kernels.records import BATCH_RATING, MiniBatches, Record
from cfcore.reference.rbm import predict as reference_predict
from cfcore.reference.rbm import rbm as reference
from tests.kernels.rbm.conftest import Problem, arrays_of

BOTH = pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])


def changed(record: Record, name: str, at: Any, value: Any) -> Record:
    """The record with one entry of one array changed."""
    array = getattr(record, name).copy()
    array[at] = value
    return replace(record, **{name: array})


@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [
        ("units", 0, 9, r"units holds 9 at 0, which is not in \[0, 9\)"),
        ("units", 0, -1, "units holds -1"),
        ("levels", 3, 3, "levels holds 3 at 3"),
        ("rated_units", 0, 9, "rated_units holds 9"),
        ("indptr", -1, 10**9, "indptr must run from 0"),
        ("indptr", 0, 1, "indptr must run from 0"),
        ("indptr", 3, 10**12, "indptr falls at row 3"),  # beyond the arrays: must not be read
        ("indptr", 3, -(10**12), "indptr falls at row 2"),
        ("rated_indptr", 5, 10**12, "rated_indptr falls at row 5"),
    ],
)
def test_codes_and_bounds_out_of_range(name: str, at: int, value: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"Cases: {message}"):
        changed(Problem().cases, name, at, value)


def test_units_of_a_case_ascend() -> None:
    cases = Problem().cases
    case = int(np.flatnonzero(np.diff(cases.indptr) >= 2)[3])
    own = slice(*cases.indptr[case : case + 2])
    for units in (cases.units[own][::-1], np.full(own.stop - own.start, cases.units[own.start])):
        with pytest.raises(ValueError, match=f"units must ascend within a case; in case {case} they do not"):
            changed(cases, "units", own, units)


def test_a_set_holds_what_its_case_rated() -> None:
    cases = Problem().cases
    bounds = cases.indptr.copy()
    bounds[1:] -= 1
    with pytest.raises(ValueError, match=r"case 0 rated unit \d+, which is not in its r"):
        replace(cases, rated_indptr=bounds, rated_units=cases.units[1:])
    with pytest.raises(ValueError, match="not in its r"):
        replace(cases, rated_indptr=np.zeros_like(bounds), rated_units=cases.units[:0])


@pytest.mark.parametrize("n_levels", [0, 65])
def test_number_of_levels(n_levels: int) -> None:
    with pytest.raises(ValueError, match="1 to 64 levels"):
        replace(Problem().cases, values=np.zeros(n_levels))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.zeros((9, 3, 8), np.float32)}, "axis 0 should be 8|64 bytes"),
        ({"visible_bias": np.zeros((8, 3), np.float32)}, "visible_bias must be of shape"),
        ({"hidden_bias": np.zeros(32, np.float32)}, "hidden_bias must be of shape"),
        (
            {"conditional": np.zeros((8, 16), np.float32)},
            "conditional must have a row for each unit, or none",
        ),
        ({"n_hidden": 17}, "n_hidden must be within rows of 16"),
        ({"n_hidden": 0}, "n_hidden must be between 1"),
        ({"weights": np.zeros((9, 3, 16))}, "weights must be of float32"),
    ],
)
def test_parameters(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"RBMParameters: .*({message})"):
        replace(Problem().parameters, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"cd_steps": 0}, "cd_steps"), ({"weights": np.nan}, "weights must be between"),
     ({"sharing": np.zeros(2)}, "sharing must be of float32")],
)  # fmt: skip
def test_rates(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"RBMRates: {message}"):
        replace(Problem().rates(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": np.arange(71, dtype=np.int32)}, "parts must be 1 to 64, not 70"),
        ({"parts": np.zeros(1, np.int32)}, "parts must be 1 to 64, not 0"),
        ({"parts": np.array([1, 9], np.int32)}, "parts must ascend from 0"),
        ({"parts": np.array([0, 5, 4, 9], np.int32)}, "parts must ascend from 0"),
        ({"order": np.array([0, -1], np.int32)}, "order holds -1"),
        ({"batch_size": 0}, "batch_size must be between 1"),
        ({"seed": 2**64}, "seed must be between"),
        ({"epoch": -1}, "epoch must be between"),
    ],
)
def test_mini_batches(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"MiniBatches: {message}"):
        replace(Problem().batches(), **changes)


def test_number_of_mini_batches() -> None:
    parts = np.array([0, 9], np.int32)
    sizes = {n: MiniBatches(np.zeros(n, np.int32), parts, 4, 0, 0).n_batches for n in (0, 1, 4, 5)}
    assert sizes == {0: 0, 1: 1, 4: 1, 5: 2}


def spoilt(spoil: Callable[[Problem], Any]) -> Problem:
    problem = Problem()
    spoil(problem)
    return problem


def narrower(name: str) -> Callable[[Problem], Any]:
    def spoil(problem: Problem) -> None:
        array = getattr(problem.scratch, name)
        problem.replace_scratch(**{name: np.ascontiguousarray(array[:, 1:])})

    return spoil


@BOTH
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (narrower("gradients"), "gradients must"),
        (narrower("rows"), "rows must"),
        (lambda p: p.replace_scratch(ratings=np.zeros(3, BATCH_RATING)), "ratings must have room"),
        (lambda p: p.replace_scratch(drawn=p.scratch.drawn[1:].copy()), "drawn must"),
        (lambda p: p.replace_scratch(squares=p.scratch.squares[1:].copy()), "squares must"),
        (lambda p: p.scratch.counts.__setitem__(4, 1), "counts must be 0"),
        (lambda p: setattr(p, "batch", 5), "squares must|hidden must"),
        (lambda p: setattr(p, "sharing", np.ones(7, np.float32)), "sharing must"),
        (lambda p: p.parts.__setitem__(-1, 8), "parts must end with 9"),
        (lambda p: p.order.__setitem__(0, 14), "order holds case 14, which is out of range"),
        (lambda p: setattr(p, "parameters", Problem(n_units=8).parameters), "cases are of 9 units"),
        (lambda p: setattr(p, "parameters", Problem(n_levels=4).parameters), "cases are of 9 units"),
        (lambda p: setattr(p, "velocities", Problem(conditional=False).velocities), "velocities must"),
        (lambda p: setattr(p, "velocities", Problem(n_hidden=6).velocities), "velocities must"),
    ],
)
def test_records_that_do_not_fit_together(kernel: Any, spoil: Any, message: str) -> None:
    problem = spoilt(spoil)
    with pytest.raises(ValueError, match=f"train: .*({message})"):
        problem.train(kernel)


CHANGES = [
    ("units", 0, 10**6, "units holds 1000000"),
    ("units", 5, -1, "units holds -1"),
    ("levels", 3, 200, "levels holds 200"),
    ("indptr", 3, 10**12, "indptr falls at row 3"),
    ("indptr", -1, 10**12, "indptr must run from 0"),
    ("rated_units", 0, 10**6, "rated_units holds 1000000"),
    ("rated_indptr", 3, 10**12, "rated_indptr falls at row 3"),
]


@pytest.mark.parametrize(("name", "at", "value", "message"), CHANGES)
def test_arrays_that_changed_since_they_were_checked(name: str, at: int, value: int, message: str) -> None:
    for kernel, predictions in ((compiled, predict), (reference, reference_predict)):
        problem = Problem()
        getattr(problem.cases, name)[at] = value
        with pytest.raises(ValueError, match=f"Cases: {message}"):
            problem.train(kernel)
        with pytest.raises(ValueError, match=f"Cases: {message}"):
            problem.hidden_inputs(predictions)


@BOTH
def test_units_that_no_longer_ascend(kernel: Any) -> None:
    problem = Problem()
    units = problem.cases.units
    units[:2] = units[1::-1]
    with pytest.raises(ValueError, match="units must ascend within a case"):
        problem.train(kernel)


@BOTH
@pytest.mark.parametrize(
    ("name", "at", "value", "message"),
    [("order", 2, -5, "order holds -5"), ("order", 2, 14, "order holds case 14"), ("parts", 1, 10, "ascend")],
)
def test_mini_batches_that_changed_since_they_were_made(
    kernel: Any, name: str, at: int, value: int, message: str
) -> None:
    problem = Problem()
    batches = problem.batches()
    getattr(batches, name)[at] = value
    with pytest.raises(ValueError, match=message):
        kernel.train(
            problem.cases, problem.parameters, problem.velocities, problem.rates(), batches, problem.scratch,
            (0, 1), 1,
        )  # fmt: skip


@BOTH
def test_a_chain_of_no_level(kernel: Any) -> None:
    problem = Problem(persistent=True)
    problem.scratch.drawn[5] = problem.n_levels
    with pytest.raises(ValueError, match="drawn holds a level"):
        problem.train(kernel)


@BOTH
@pytest.mark.parametrize("span", [(-1, 2), (2, 1), (0, 99)])
def test_spans(kernel: Any, span: tuple[int, int]) -> None:
    problem = Problem()
    with pytest.raises(ValueError, match="span"):
        kernel.train(
            problem.cases, problem.parameters, problem.velocities, problem.rates(), problem.batches(),
            problem.scratch, span, 1,
        )  # fmt: skip


def test_arguments_that_are_no_records() -> None:
    for position, name in enumerate(("cases", "parameters", "velocities", "rates", "batches", "scratch")):
        problem = Problem()
        given = [
            problem.cases, problem.parameters, problem.velocities, problem.rates(), problem.batches(),
            problem.scratch, (0, 1), 1,
        ]  # fmt: skip
        given[position] = object()
        with pytest.raises(TypeError, match=f"train: {name} must be a"):
            compiled.train(*given)


@BOTH
@pytest.mark.parametrize("of", ["parameters", "velocities", "scratch"])
def test_read_only_arrays_are_refused(kernel: Any, of: str) -> None:
    for name in arrays_of(getattr(Problem(), of)):
        problem = Problem()
        getattr(getattr(problem, of), name).flags.writeable = False
        with pytest.raises(ValueError, match=f"{name} is read-only, and would be written"):
            problem.train(kernel)


@BOTH
def test_arrays_that_share_memory_are_refused(kernel: Any) -> None:
    problem = Problem()
    problem.velocities = replace(problem.velocities, weights=problem.parameters.weights)
    with pytest.raises(ValueError, match=r"weights and .*weights share memory"):
        problem.train(kernel)
    problem = Problem()
    problem.replace_scratch(drawn=problem.cases.levels)
    with pytest.raises(ValueError, match="share memory"):
        problem.train(kernel)
    problem = Problem()
    problem.replace_scratch(touched=problem.scratch.counts)
    with pytest.raises(ValueError, match="share memory"):
        problem.train(kernel)
