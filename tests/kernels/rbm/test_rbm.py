"""The kernel of the RBM: its twin, its gradient, the distribution it samples from, and its limits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from cfcore import kernels
from cfcore.kernels.rbm import rbm as compiled
from cfcore.models.rbm.trainer import PLACE
from cfcore.reference.rbm import rbm as reference

Array = np.ndarray[Any, Any]


@dataclass
class Problem:
    """Cases, parameters and scratch, made anew from a seed, so that two kernels start alike."""

    n_cases: int = 14
    n_units: int = 9
    n_levels: int = 3
    n_hidden: int = 5
    conditional: bool = True
    batch: int = 4
    scale: float = 0.3
    everything: bool = False
    density: float = 0.5
    rates: tuple[float, ...] = (0.1, 0.2, 0.05, 0.03)
    decay: float = 0.01
    momentum: float = 0.5
    cd_steps: int = 2
    by_count: bool = False
    persistent: bool = False
    shared: float = 0.0
    arrays: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        width = -(-self.n_hidden // 16) * 16
        mask = rng.random((self.n_cases, self.n_units)) < (1.1 if self.everything else self.density)
        mask[1] = False  # a case without ratings
        mask[1] |= self.everything
        more = mask | (rng.random(mask.shape) < 0.2 * self.density)
        more[1] = mask[1]

        def rows(pairs: Array) -> tuple[Array, Array]:
            return np.append(0, np.cumsum(pairs.sum(axis=1))), np.nonzero(pairs)[1].astype(np.int32)

        self.data = (*rows(mask), rng.integers(0, self.n_levels, mask.sum()).astype(np.uint8), *rows(more))
        self.order = rng.permutation(np.flatnonzero(mask.any(axis=1))).astype(np.int32)
        shapes = [(self.n_units, self.n_levels, width), (self.n_units, self.n_levels), (width,)]
        shapes.append((self.n_units if self.conditional else 0, width))
        self.parameters = [rng.normal(0, self.scale, shape).astype(np.float32) for shape in shapes]
        for array, padded in zip(self.parameters, (True, False, True, True), strict=True):
            if padded:
                array[..., self.n_hidden :] = 0
        self.velocities = [np.zeros_like(array) for array in self.parameters]
        self.drawn = self.data[2].copy()
        parts = np.array([0, self.n_units // 2, self.n_units // 2, self.n_units], dtype=np.int32)
        self.parts = parts[: self.n_units]  # one of them empty
        self.parts[-1] = self.n_units
        n_parts = len(self.parts) - 1
        steps = rng.uniform(0.5, 2.0, self.n_levels - 1 if self.shared else 0)
        self.sharing = (self.shared**steps).astype(np.float32)
        self.scratch = (
            np.zeros((4, self.batch, width), np.float32),
            np.zeros((n_parts, 3, self.batch, width), np.float32),
            np.zeros(len(self.data[4]), PLACE), np.zeros(self.n_units, np.int32),
            np.zeros(self.n_units, np.int32), np.zeros((n_parts, 2), np.int64),
            np.zeros((4, self.n_levels * width), np.float32),
            np.zeros((4, 2 * self.n_levels * self.batch), np.int32),
        )  # fmt: skip

    def replace_scratch(self, at: int, array: Array) -> None:
        self.scratch = (*self.scratch[:at], array, *self.scratch[at + 1 :])

    def train(self, kernel: Any, epochs: int = 2, n_threads: int = 1, slices: int = 1) -> float:
        n_batches = -(-len(self.order) // self.batch)
        cuts = np.linspace(0, n_batches, slices + 1).astype(int)
        squares = np.zeros((n_batches, len(self.parts) - 1))
        total = 0.0
        for epoch in range(epochs):
            for begin, end in itertools.pairwise(cuts):
                kernel.train(
                    *self.data, self.order, self.parts, np.arange(1.0, self.n_levels + 1), self.sharing,
                    *self.parameters, *self.velocities, self.drawn, *self.scratch, squares,
                    np.array(self.rates), self.decay,
                    self.momentum, self.n_hidden, self.cd_steps, self.by_count, self.persistent, 2**63 + 7,
                    epoch, begin, end, n_threads,
                )  # fmt: skip
            total += float(squares.sum())
        return total

    def inputs(self, kernel: Any) -> Array:
        out = np.zeros((self.n_cases, self.parameters[2].size), np.float32)
        kernel.hidden_inputs(*self.data, *self.parameters, self.scratch[-2], out, self.n_hidden, 1)
        return out

    def answers(self, kernel: Any, exact: bool) -> Array:
        cells = np.indices((self.n_cases, self.n_units)).reshape(2, -1).astype(np.int32)
        out = np.empty((cells.shape[1], self.n_levels))
        kernel.probabilities(
            *cells, self.inputs(kernel), *self.parameters, self.scratch[-2], out, self.n_hidden, exact, 1
        )
        return out


@pytest.mark.parametrize("shared", [0.0, 0.6])
@pytest.mark.parametrize("by_count", [False, True])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(
    ("n_levels", "n_hidden", "persistent"), [(1, 1, False), (2, 16, True), (5, 21, False), (11, 33, True)]
)
def test_twin(
    shared: float, by_count: bool, conditional: bool, n_levels: int, n_hidden: int, persistent: bool
) -> None:
    given: dict[str, Any] = {
        "by_count": by_count, "conditional": conditional, "n_levels": n_levels, "n_hidden": n_hidden,
        "persistent": persistent, "shared": shared,
    }  # fmt: skip
    one, two = Problem(**given), Problem(**given)
    assert one.train(compiled) == pytest.approx(two.train(reference), rel=1e-5)
    for mine, theirs in zip(one.parameters + one.velocities, two.parameters + two.velocities, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(one.drawn, two.drawn)
    for exact in (False, True):
        np.testing.assert_allclose(
            one.answers(compiled, exact), two.answers(reference, exact), rtol=0, atol=2e-6
        )


@pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
def test_persistent_chains_go_on_where_they_were(kernel: Any) -> None:
    fresh, persistent, moved = (Problem(persistent=p, scale=2.0) for p in (False, True, True))
    moved.drawn[:] = (moved.drawn + 1) % moved.n_levels
    for problem in (fresh, persistent, moved):
        problem.train(kernel, epochs=1)
    np.testing.assert_array_equal(fresh.parameters[0], persistent.parameters[0])  # from the data
    assert (fresh.parameters[0] != moved.parameters[0]).any()


def test_without_momentum_no_velocities_are_needed() -> None:
    with_rows, without = Problem(momentum=0.0), Problem(momentum=0.0)
    without.velocities = [array[:0] for array in without.velocities]
    assert with_rows.train(compiled) == without.train(compiled)
    for mine, theirs in zip(with_rows.parameters, without.parameters, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    without.momentum = 0.5
    with pytest.raises(ValueError, match="velocities"):
        without.train(compiled)


@pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
def test_padding_stays_zero(kernel: Any) -> None:
    problem = Problem(n_hidden=5)
    problem.train(kernel)
    for array in (problem.parameters[0], problem.parameters[2], problem.parameters[3]):
        assert not array[..., 5:].any()


@pytest.mark.parametrize("persistent", [False, True])
def test_few_ratings_of_many_units(persistent: bool) -> None:
    given: dict[str, Any] = {"n_units": 2000, "density": 0.002, "persistent": persistent, "n_cases": 20}
    one, two = Problem(**given), Problem(**given)
    assert one.train(compiled) == pytest.approx(two.train(reference), rel=1e-5)
    for mine, theirs in zip(one.parameters, two.parameters, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(one.drawn, two.drawn)
    assert not one.scratch[3].any()  # counts, for the next call


@pytest.mark.parametrize("conditional", [False, True])
def test_many_ratings_of_a_unit_in_a_batch(conditional: bool) -> None:
    given: dict[str, Any] = {"n_cases": 50, "batch": 40, "n_hidden": 100, "conditional": conditional}
    one, two = Problem(**given), Problem(**given)
    assert one.train(compiled) == pytest.approx(two.train(reference), rel=1e-5)
    for mine, theirs in zip(one.parameters, two.parameters, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(one.drawn, two.drawn)


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
            problem.velocities = [array[:0] for array in problem.velocities]
        return problem

    expected = problem_of()
    total = expected.train(compiled)
    for level in kernels.available_levels():
        kernel = kernels.load_level("rbm.rbm", level)
        for n_threads, slices in ((1, 1), (2, 1), (3, 2), (4, 3)):
            problem = problem_of()
            assert problem.train(kernel, n_threads=n_threads, slices=slices) == total
            arrays = [*problem.parameters, *problem.velocities, problem.drawn]
            for mine, theirs in zip(
                arrays, [*expected.parameters, *expected.velocities, expected.drawn], strict=True
            ):
                np.testing.assert_array_equal(mine, theirs)


def log_sum(problem: Problem, levels: Array) -> float:
    """log of the sum over hidden states of exp(-E) of one rating of all units."""
    weights, visible, hidden, conditional = (array.astype(np.float64) for array in problem.parameters)
    units = np.arange(problem.n_units)
    x = hidden + weights[units, levels].sum(axis=0) + conditional.sum(axis=0)
    return float(visible[units, levels].sum() + np.logaddexp(0, x[: problem.n_hidden]).sum())


def everything(problem: Problem) -> tuple[Array, Array]:
    """All ratings of all units, and their probabilities, by enumeration."""
    states = np.array(list(itertools.product(range(problem.n_levels), repeat=problem.n_units)))
    logs = np.array([log_sum(problem, state) for state in states])
    return states, np.exp(logs - np.logaddexp.reduce(logs))


def tiny(cd_steps: int, rates: tuple[float, ...]) -> Problem:
    """30,000 cases that rated all of 3 units alike, in one batch."""
    n = 30_000
    problem = Problem(
        n_cases=n, n_units=3, n_hidden=2, batch=n, scale=0.6, everything=True, cd_steps=cd_steps,
        rates=rates, decay=0.0, momentum=0.0,
    )  # fmt: skip
    problem.data[2][:] = np.tile(np.array([0, 2, 1], dtype=np.uint8), n)
    return problem


def test_the_chain_ends_in_the_distribution_of_the_model() -> None:
    problem = tiny(30, (0.0, 0.0, 0.0, 0.0))
    states, expected = everything(problem)
    problem.train(compiled, epochs=1)
    cells = problem.drawn.reshape(-1, 3).astype(int) @ np.array([9, 3, 1])
    counts = np.bincount(cells, minlength=27)
    expected *= len(cells)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 54.1  # 26 degrees of freedom: exceeded once in a thousand seeds
    assert (states @ np.array([9, 3, 1]) == np.arange(27)).all()


def test_the_step_is_the_gradient_of_the_log_likelihood() -> None:
    problem = tiny(30, (1.0, 1.0, 1.0, 1.0))
    before = [array.copy() for array in problem.parameters]
    data = np.array([0, 2, 1])

    def log_likelihood() -> float:
        logs = [log_sum(problem, np.array(s)) for s in itertools.product(range(3), repeat=3)]
        return log_sum(problem, data) - float(np.logaddexp.reduce(logs))

    slopes = []
    for array in problem.parameters:
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            if array.ndim != 2 or array.shape[1] == 3:
                inside = array.ndim == 2 or index[-1] < 2
            else:
                inside = index[-1] < 2
            if inside:
                ends = []
                for step in (0.01, -0.01):
                    array[index] += np.float32(step)
                    ends.append(log_likelihood())
                    array[index] -= np.float32(step)
                slope[index] = (ends[0] - ends[1]) / 0.02
        slopes.append(slope)
    problem.parameters[:] = [array.copy() for array in before]
    problem.train(compiled, epochs=1)
    for array, start, slope in zip(problem.parameters, before, slopes, strict=True):
        np.testing.assert_allclose(array - start, slope, atol=0.015)  # five standard errors
        assert np.abs(slope).max() > 0.1


def test_exact_predictions_by_enumeration() -> None:
    problem = Problem(n_units=4, n_cases=6, scale=1.0)
    indptr, units, levels, rated_indptr, rated = problem.data
    weights, visible, hidden, conditional = (array.astype(np.float64) for array in problem.parameters)
    found = problem.answers(compiled, exact=True).reshape(6, 4, 3)
    for case, unit in np.ndindex(6, 4):
        mine = slice(indptr[case], indptr[case + 1])
        x = hidden + weights[units[mine], levels[mine]].sum(axis=0)
        x = x + conditional[rated[rated_indptr[case] : rated_indptr[case + 1]]].sum(axis=0)
        joint = np.zeros(3)
        for state in itertools.product((0, 1), repeat=problem.n_hidden):
            on = np.zeros(x.size)
            on[: problem.n_hidden] = state
            joint += np.exp(visible[unit] + weights[unit] @ on + x @ on)
        np.testing.assert_allclose(found[case, unit], joint / joint.sum(), atol=1e-6)


@pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
def test_extreme_weights_give_probabilities(kernel: Any) -> None:
    problem = Problem(scale=1e4)
    assert np.isfinite(problem.train(kernel))
    for array in problem.parameters:
        assert np.isfinite(array).all()
    for exact in (False, True):
        found = problem.answers(kernel, exact)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
        assert (found >= 0).all()


def test_sharing_is_the_gradient_of_what_levels_have_in_common() -> None:
    shared, alone = Problem(shared=0.6, momentum=0.0), Problem(momentum=0.0)
    shared.order = alone.order = alone.order[:4]  # one mini-batch
    before = alone.parameters[0].copy()
    for problem in (shared, alone):
        problem.decay = 0.0
        problem.train(compiled, epochs=1)
    matrix = reference.sharing_matrix(shared.sharing).astype(np.float64)
    factor = np.linalg.cholesky(matrix)  # W = A U, U moves by A' dW
    expected = factor @ (factor.T @ (alone.parameters[0] - before))
    np.testing.assert_allclose(shared.parameters[0] - before, expected, atol=1e-6)
    for mine, theirs in zip(shared.parameters[1:], alone.parameters[1:], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_no_case_rated_is_not_touched() -> None:
    problem = Problem()
    indptr, units, _, rated_indptr, rated = problem.data
    before = [array.copy() for array in problem.parameters]
    problem.order = problem.order[:1]
    problem.train(compiled, epochs=1)
    case = problem.order[0]
    mine = units[indptr[case] : indptr[case + 1]]
    seen = rated[rated_indptr[case] : rated_indptr[case + 1]]
    pairs = zip(problem.parameters, before, strict=True)
    moved = [(a != b).reshape(len(a), -1).any(axis=1) for a, b in pairs]
    np.testing.assert_array_equal(np.flatnonzero(moved[0]), mine)
    np.testing.assert_array_equal(np.flatnonzero(moved[3]), seen)


@pytest.mark.parametrize("kernel", [compiled, reference], ids=["compiled", "reference"])
@pytest.mark.parametrize(
    ("which", "value"),
    [(1, 9), (1, -1), (2, 3), (4, 9), ("order", 14)],
    ids=["unit", "below", "level", "r", "case"],
)
def test_codes_out_of_range(kernel: Any, which: Any, value: int) -> None:
    problem = Problem()
    (problem.order if which == "order" else problem.data[which])[0] = value
    with pytest.raises(ValueError, match="out of range"):
        problem.train(kernel)


@pytest.mark.parametrize(("at", "name"), [(-2, "gradients"), (-1, "slots")])
def test_scratch_that_is_too_small(at: int, name: str) -> None:
    problem = Problem()
    scratch = list(problem.scratch)
    scratch[at] = np.ascontiguousarray(scratch[at][:, 1:])
    problem.scratch = tuple(scratch)
    with pytest.raises(ValueError, match=f"{name} must"):
        problem.train(compiled)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_with_less_to_do_take_parts_of_others(n_threads: int) -> None:
    def problem_of() -> Problem:
        problem = Problem(n_cases=30, n_units=300, batch=10)
        # The second half of the parts is of one unit each: who owns them is soon done.
        problem.parts = np.array([0, 70, 140, 210, 296, 297, 298, 299, 300], dtype=np.int32)
        problem.replace_scratch(1, np.zeros((8, *problem.scratch[1].shape[1:]), np.float32))
        problem.replace_scratch(5, np.zeros((8, 2), np.int64))
        return problem

    one, more = problem_of(), problem_of()
    assert one.train(compiled, epochs=30) == more.train(compiled, epochs=30, n_threads=n_threads)
    for mine, theirs in zip(one.parameters, more.parameters, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_few_ratings_are_summed_to_the_bits_of_many() -> None:
    # Cases that rated nothing change how many places a unit has in the batch, and nothing else.
    few, many = (
        Problem(n_cases=6, batch=26, conditional=False, by_count=True, rates=(0.1, 0.2, 0.0, 0.03))
        for _ in range(2)
    )
    indptr, units, levels, rated_indptr, rated = many.data
    idle = 20
    many.data = (
        np.append(indptr, np.full(idle, indptr[-1])), units, levels,
        np.append(rated_indptr, rated_indptr[-1] + np.arange(1, idle + 1) * many.n_units),
        np.append(rated, np.tile(np.arange(many.n_units, dtype=np.int32), idle)),
    )  # fmt: skip
    many.order = np.append(many.order, np.arange(6, 6 + idle, dtype=np.int32))
    many.replace_scratch(2, np.zeros(len(many.data[4]), PLACE))
    assert few.train(compiled) == many.train(compiled)
    for mine, theirs in zip(few.parameters, many.parameters, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (few.parameters[0] != Problem(n_cases=6, conditional=False).parameters[0]).any()


def test_no_room_for_the_largest_batch() -> None:
    problem = Problem()
    problem.replace_scratch(2, problem.scratch[2][:3].copy())
    with pytest.raises(ValueError, match="places must"):
        problem.train(compiled)


def test_more_parts_than_threads_can_share_out() -> None:
    problem = Problem(n_units=70)
    problem.parts = np.arange(71, dtype=np.int32)
    problem.replace_scratch(1, np.zeros((70, *problem.scratch[1].shape[1:]), np.float32))
    with pytest.raises(ValueError, match="70 parts are too many"):
        problem.train(compiled)


def test_shapes_that_do_not_fit() -> None:
    for spoil in range(4):
        problem = Problem()
        problem.sharing = np.ones(7, dtype=np.float32)
        with pytest.raises(ValueError, match="sharing must"):
            problem.train(compiled)
        problem = Problem()
        problem.parameters[spoil] = problem.parameters[spoil][:-1].copy()
        with pytest.raises(ValueError, match="must"):
            problem.train(compiled)
