"""Training of the RBM: the twin, the same bits for any threads, slices and levels, no needless writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cfcore.config import config
from cfcore.kernels import available_levels, use_level
from cfcore.kernels.rbm import rbm as compiled
from cfcore.kernels.records import Cases
from cfcore.reference.rbm import rbm as reference
from cfcore.threads import workers_of_last_call
from tests.kernels.rbm.conftest import N_THREADS, NAMES, Problem, arrays_of

BOTH = pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])


def assert_trained_alike(one: Problem, two: Problem, atol: float = 0.0) -> None:
    """Same parameters, velocities and drawn levels, to the bit or nearly."""
    for mine, theirs in zip(one.trained(), two.trained(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)
    np.testing.assert_array_equal(one.scratch.drawn, two.scratch.drawn)


def assert_twins_agree(**given: Any) -> Problem:
    one, two = Problem(**given), Problem(**given)
    assert one.train(compiled) == pytest.approx(two.train(reference), rel=1e-5)
    assert_trained_alike(one, two, atol=2e-6)
    return one


@pytest.mark.parametrize("shared", [0.0, 0.6])
@pytest.mark.parametrize("by_count", [False, True])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(
    ("n_levels", "n_hidden", "persistent"), [(1, 1, False), (2, 16, True), (5, 21, False), (11, 33, True)]
)
def test_twin(
    shared: float, by_count: bool, conditional: bool, n_levels: int, n_hidden: int, persistent: bool
) -> None:
    assert_twins_agree(
        by_count=by_count, conditional=conditional, n_levels=n_levels, n_hidden=n_hidden,
        persistent=persistent, shared=shared,
    )  # fmt: skip


@pytest.mark.parametrize("persistent", [False, True])
def test_few_ratings_of_many_units(persistent: bool) -> None:
    problem = assert_twins_agree(n_units=2000, density=0.002, persistent=persistent, n_cases=20)
    assert not problem.scratch.counts.any()  # for the next call


@pytest.mark.parametrize("conditional", [False, True])
def test_many_ratings_of_a_unit_in_a_batch(conditional: bool) -> None:
    assert_twins_agree(n_cases=50, batch=40, n_hidden=100, conditional=conditional)


@BOTH
def test_persistent_chains_go_on_from_the_reconstructions_before(kernel: Any) -> None:
    fresh, persistent, other = (Problem(persistent=p, scale=2.0) for p in (False, True, True))
    other.scratch.drawn[:] = (other.scratch.drawn + 1) % other.n_levels
    for problem in (fresh, persistent, other):
        problem.train(kernel, epochs=1)
    np.testing.assert_array_equal(fresh.parameters.weights, persistent.parameters.weights)  # from the data
    assert (fresh.parameters.weights != other.parameters.weights).any()


@BOTH
def test_without_momentum_no_velocities_are_needed(kernel: Any) -> None:
    with_rows, without = Problem(momentum=0.0), Problem(momentum=0.0)
    without.velocities = None
    assert with_rows.train(kernel) == without.train(kernel)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(with_rows.parameters, name), getattr(without.parameters, name))
    without.momentum = 0.5
    with pytest.raises(ValueError, match="velocities"):
        without.train(kernel)


@BOTH
def test_padding_stays_zero(kernel: Any) -> None:
    problem = Problem(n_hidden=5)
    problem.train(kernel)
    for name in ("weights", "hidden_bias", "conditional"):
        assert not getattr(problem.parameters, name)[..., 5:].any()


@BOTH
def test_extreme_weights_stay_finite(kernel: Any) -> None:
    problem = Problem(scale=1e4)
    assert np.isfinite(problem.train(kernel))
    for name in NAMES:
        assert np.isfinite(getattr(problem.parameters, name)).all()


# 30, 100 and 300 hidden units have loops of their own, and so have five levels; few and many ratings of a
# unit in a batch are summed in different ways.
@pytest.mark.parametrize(
    "given",
    [
        {"n_hidden": 21, "shared": 0.6},
        {"n_levels": 5, "n_hidden": 100, "shared": 0.6, "momentum": 0.0},
        {"n_levels": 11, "n_hidden": 70, "cd_steps": 1},
        {"n_levels": 5, "n_hidden": 300, "conditional": False, "by_count": True},
        {"n_units": 2000, "density": 0.002, "persistent": True},
        {"n_hidden": 100, "batch": 40},
    ],
    ids=["30", "100", "70", "300", "sparse", "large batch"],
)
def test_same_bits_for_any_threads_slices_and_levels(given: dict[str, Any]) -> None:
    def problem_of() -> Problem:
        problem = Problem(n_cases=60, **given)
        if problem.momentum == 0:
            problem.velocities = None
        return problem

    expected = problem_of()
    total = expected.train(compiled)
    for level in available_levels():
        with use_level(level):
            for n_threads, slices in ((1, 1), (2, 1), (3, 2), (4, 3)):
                problem = problem_of()
                assert problem.train(compiled, n_threads=n_threads, slices=slices) == total
                assert_trained_alike(problem, expected)


@pytest.mark.parametrize("n_threads", [2, 3, N_THREADS])
def test_threads_with_less_to_do_steal_tasks(n_threads: int) -> None:
    def problem_of() -> Problem:
        problem = Problem(n_cases=30, n_units=300, batch=10)
        # The second half of the parts is of one unit each: its workers are soon done.
        problem.parts = np.array([0, 70, 140, 210, 296, 297, 298, 299, 300], dtype=np.int32)
        problem.make_scratch()
        return problem

    one, more = problem_of(), problem_of()
    assert one.train(compiled, epochs=30) == more.train(compiled, epochs=30, n_threads=n_threads)
    assert_trained_alike(one, more)


def test_as_many_parts_as_there_may_be() -> None:
    def problem_of() -> Problem:
        problem = Problem(n_units=70)
        problem.parts = np.append(np.arange(64), 70).astype(np.int32)
        problem.make_scratch()
        return problem

    one, two = problem_of(), problem_of()
    assert one.train(compiled) == two.train(compiled, n_threads=4)
    assert_trained_alike(one, two)
    assert_trained_alike(one, assert_twins_agree(n_units=70), atol=2e-6)


def test_few_ratings_are_summed_to_the_bits_of_many() -> None:
    # Cases that rated nothing change how many entries a unit has in the batch, and nothing else.
    few, many = (
        Problem(n_cases=6, batch=26, conditional=False, by_count=True, lr=(0.1, 0.2, 0.0, 0.03))
        for _ in range(2)
    )
    old, idle = many.cases, 20
    n_units = many.n_units
    many.cases = Cases(
        np.append(old.indptr, np.full(idle, old.indptr[-1])), old.units, old.levels,
        np.append(old.rated_indptr, old.rated_indptr[-1] + np.arange(1, idle + 1) * n_units),
        np.append(old.rated_units, np.tile(np.arange(n_units, dtype=np.int32), idle)), old.values, n_units,
    )  # fmt: skip
    many.order = np.append(many.order, np.arange(6, 6 + idle, dtype=np.int32))
    many.make_scratch()
    assert few.train(compiled) == many.train(compiled)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(few.parameters, name), getattr(many.parameters, name))
    untrained = Problem(n_cases=6, conditional=False)
    assert (few.parameters.weights != untrained.parameters.weights).any()


@BOTH
def test_what_no_case_rated_is_not_touched(kernel: Any) -> None:
    problem, before = Problem(), Problem().parameters
    cases = problem.cases
    problem.order = problem.order[:1]
    problem.make_scratch()
    problem.train(kernel, epochs=1)
    case = problem.order[0]
    own = cases.units[slice(*cases.indptr[case : case + 2])]
    known = cases.rated_units[slice(*cases.rated_indptr[case : case + 2])]
    for name, expected in (("weights", own), ("conditional", known)):
        changed = getattr(problem.parameters, name) != getattr(before, name)
        np.testing.assert_array_equal(np.flatnonzero(changed.reshape(len(changed), -1).any(axis=1)), expected)


@pytest.mark.parametrize(("n_threads", "most"), [(1, 1), (2, 2), (3, 3), (100, 3)])
def test_workers_are_at_most_threads_and_parts(n_threads: int, most: int) -> None:
    problem = Problem(n_cases=60)  # of 3 parts
    problem.train(compiled, n_threads=n_threads)
    assert 1 <= workers_of_last_call() <= most
    if n_threads > 1 and config()["openmp"]:
        assert workers_of_last_call() > 1


@BOTH
@pytest.mark.parametrize("n_threads", [0, -1, 1025])
def test_numbers_of_threads_out_of_range(kernel: Any, n_threads: int) -> None:
    with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
        Problem().train(kernel, n_threads=n_threads)


@BOTH
def test_inputs_are_not_changed(kernel: Any) -> None:
    problem, same = Problem(), Problem()
    for array in [*arrays_of(problem.cases).values(), problem.order, problem.parts, problem.sharing]:
        array.flags.writeable = False
    problem.train(kernel)
    for name, array in arrays_of(same.cases).items():
        np.testing.assert_array_equal(getattr(problem.cases, name), array)


@BOTH
def test_sets_given_as_the_ratings_themselves(kernel: Any) -> None:
    """The same arrays as sets r take a shorter way through the kernel."""
    one, two = Problem(), Problem()
    one.cases = replace(one.cases, rated_indptr=one.cases.indptr, rated_units=one.cases.units)
    copies = two.cases.indptr.copy(), two.cases.units.copy()
    two.cases = replace(two.cases, rated_indptr=copies[0], rated_units=copies[1])
    for problem in (one, two):
        problem.make_scratch()
    assert one.train(kernel) == two.train(kernel)
    assert_trained_alike(one, two)
