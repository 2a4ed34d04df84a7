"""The kernel `svdpp`, its twin and the paper's equations take the same steps, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels import svdpp as compiled
from cfcore.kernels.common import cpu
from cfcore.kernels.records import ImplicitRows, ImplicitSets, UserBatchLayout
from cfcore.reference.factorization import svdpp as twin
from cfcore.threads import workers_of_last_call
from tests.kernels.conftest import gradient
from tests.kernels.factorization.batch_case import same_bits
from tests.kernels.factorization.svdpp_case import PARAMETERS, RATES, Case, cases

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])


@given(cases)
def test_kernel_and_twin_take_the_steps_of_the_paper(case: Case) -> None:
    tolerance = {"rtol": 3e-4, "atol": 3e-5} if case.dtype == "float32" else {"rtol": 1e-8, "atol": 1e-10}
    oracle = case.oracle()
    for module in (compiled, twin):
        for found, expected in zip(case.train(module), oracle, strict=True):
            np.testing.assert_allclose(found, expected, **tolerance)


@given(cases, st.data())
def test_threads_levels_and_slices_do_not_change_a_bit(case: Case, data: st.DataObject) -> None:
    expected = case.train()
    stop = data.draw(st.integers(0, case.n_batches))
    for level in available_levels():
        with use_level(level):
            for n_threads in (1, 2, 3, 4):
                assert same_bits(case.train(n_threads=n_threads), expected)
            assert same_bits(case.train(stops=(stop,), n_threads=2), expected)


@given(cases, st.data())
def test_slices_do_not_change_the_twin(case: Case, data: st.DataObject) -> None:
    stop = data.draw(st.integers(0, case.n_batches))
    assert same_bits(case.train(twin, stops=(stop,)), case.train(twin))


@WEIGHTED
def test_many_batches_on_many_threads(weighted: bool) -> None:
    case = Case(600, 200, 30_000, n_batches=16, grid=(8, 8), n_parts=8, width=32, weighted=weighted)
    expected = case.train()
    for _ in range(3):
        for n_threads in (2, 3, 4, 9, 40):
            assert same_bits(case.train(n_threads=n_threads), expected)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_as_many_threads_run_as_are_given(n_threads: int) -> None:
    case = Case(60, 40, 1000, grid=(4, 3))
    expected = n_threads if cpu.openmp_version() else 1
    case.train(n_threads=n_threads)
    assert workers_of_last_call() == expected
    compiled.cut_sets(case.sets, UserBatchLayout(*case.arrays()), n_threads)
    assert workers_of_last_call() == expected
    rows = ImplicitRows(case.start["implicit_factors"], np.empty((60, 16)))
    compiled.implicit_sums(case.sets, rows, n_threads)
    assert workers_of_last_call() == expected


def test_no_more_threads_run_than_have_work() -> None:
    case = Case(60, 40, 1000, grid=(4, 2))
    expected = case.train()
    for n_threads in (4, 200, 1024):
        assert same_bits(case.train(n_threads=n_threads), expected)
        assert workers_of_last_call() in (1, 3)  # 1 without OpenMP


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", range(5), ids=PARAMETERS)
@WEIGHTED
def test_each_gradient_is_that_of_the_loss(module: Any, term: int, weighted: bool) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    pace = 1e-7
    rates = {name: pace if name.startswith("lr") else value for name, value in RATES.items()}
    case = Case(dtype="float64", rates=rates, n=30, weighted=weighted)
    start = [*case.start.values()]
    step = (case.train(module)[term] - start[term]) / pace
    expected = -gradient(lambda: case.loss(start), start[term])
    assert np.count_nonzero(expected) >= 7
    np.testing.assert_allclose(step, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", BOTH)
def test_a_rate_of_users_that_is_that_of_items_changes_no_bit(module: Any) -> None:
    expected = Case().train(module)
    assert same_bits(Case(rates={**RATES, "lr_user": RATES["lr"]}).train(module), expected)
    assert not same_bits(Case(rates={**RATES, "lr_user": 0.01}).train(module), expected)


@pytest.mark.parametrize("module", BOTH)
def test_without_factors_of_users_they_stay_zero(module: Any) -> None:
    case = Case(weighted=True, rates={**RATES, "lr_user": 0.0})
    case.start["user_factors"][:] = 0
    p, q, *_ = case.train(module)
    assert not p.any()
    assert not np.array_equal(q, case.start["item_factors"].astype("float32"))


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_the_usual_sum_are_close_to_none(module: Any, dtype: str) -> None:
    case = Case(dtype=dtype)
    sizes = np.diff(case.sets.indptr)
    weights = np.repeat(np.maximum(sizes, 1) ** -0.5, sizes).astype(np.float32)
    weighted = ImplicitSets(case.sets.indptr, case.sets.members, case.n_rows, weights)
    for found, expected in zip(case.train(module, sets=weighted), case.train(module), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("module", BOTH)
def test_rows_of_weight_zero_decay_only(module: Any) -> None:
    case = Case(weighted=True)
    assert case.sets.weights is not None
    case.sets.weights[:] = 0
    _, _, y, *_ = case.train(module)
    decay = np.ones(case.n_rows)
    for u in range(case.n_users):
        decay[case.set_of(u)] *= (1 - RATES["lr_implicit"] * RATES["reg_implicit"]) ** case.counts[u]
    np.testing.assert_allclose(y, case.start["implicit_factors"] * decay[:, None], rtol=1e-5)


@pytest.mark.parametrize("module", BOTH)
def test_padding_stays_zero(module: Any) -> None:
    case = Case(width=32, weighted=True)
    for name in PARAMETERS[:3]:
        case.start[name][:, 20:] = 0
    for array in case.train(module)[:3]:
        assert array[:, :20].any()
        assert not array[:, 20:].any()


@pytest.mark.parametrize("module", BOTH)
def test_divergence_shows_in_the_squared_errors(module: Any) -> None:
    case = Case(rates={**RATES, "lr": 1e6}, n=60)
    with np.errstate(all="ignore"):
        assert not np.isfinite(case.train(module)[-1].sum())


@pytest.mark.parametrize("module", BOTH)
def test_batches_that_are_not_visited_keep_their_users_and_squared_errors(module: Any) -> None:
    case = Case()
    given = case.records()
    given["scratch"].squares[:] = 9.0
    before = given["factors"].user_factors.copy()
    module.train(**given, span=(0, 1), n_threads=1)
    batch = int(case.visits.batches[0])
    layout = given["layout"]
    visited = np.arange(case.n_blocks) // layout.batch_blocks == batch
    assert (given["scratch"].squares[~visited] == 9.0).all()
    assert (given["scratch"].squares[visited] != 9.0).all()
    first, last = layout.stripe_ptr[[batch * layout.batch_stripes, (batch + 1) * layout.batch_stripes]]
    others = np.ones(case.n_users, dtype=bool)
    others[first:last] = False
    assert np.array_equal(given["factors"].user_factors[others], before[others])
    assert not np.array_equal(given["factors"].user_factors, before)


@pytest.mark.parametrize("module", BOTH)
def test_batches_may_be_visited_again(module: Any) -> None:
    case = Case()
    once = case.train(module)
    visits = type(case.visits)(
        np.tile(case.visits.batches, 2), np.tile(case.visits.order, (2, 1)), case.visits.starts
    )
    scratch = case.scratch()
    scratch = type(scratch)(
        scratch.sums, scratch.first_sums, scratch.partial_sums, scratch.kept, scratch.gains, scratch.squares,
        np.zeros((2 * case.n_blocks, 3), dtype=np.int32), np.zeros((4, 4), dtype=np.int32),
        np.zeros((5, 3), dtype=np.int32),
    )  # fmt: skip
    case.visits = visits
    twice = [case.train(module, n_threads=n, visits=visits, scratch=scratch) for n in (1, 3)]
    assert same_bits(*twice)
    assert not same_bits(twice[0], once)
