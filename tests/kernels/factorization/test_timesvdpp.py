"""The kernel `timesvdpp` and its twin descend the paper's loss, to the same bits however they are run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, svdpp, use_level
from cfcore.kernels import timesvdpp as compiled
from cfcore.kernels.records import TIME_TERMS, SVDppFactors, SVDppRates, TimeRates, UserBatchLayout
from cfcore.reference.factorization import timesvdpp as twin
from tests.kernels.conftest import gradient
from tests.kernels.factorization.batch_case import same_bits
from tests.kernels.factorization.timesvdpp_case import MEAN, SWITCHES, Case, cases

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


@given(cases)
def test_kernel_and_twin_agree(case: Case) -> None:
    tolerance = {"rtol": 3e-4, "atol": 3e-5} if case.dtype == "float32" else {"rtol": 1e-8, "atol": 1e-10}
    for found, expected in zip(case.train(), case.train(twin), strict=True):
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


def test_many_batches_on_many_threads() -> None:
    case = Case(600, 200, 30_000, n_batches=16, grid=(8, 8), n_parts=8, width=32)
    expected = case.train()
    for n_threads in (2, 3, 4, 9, 40):
        assert same_bits(case.train(n_threads=n_threads), expected)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", TIME_TERMS)
@pytest.mark.parametrize("off", [(), SWITCHES], ids=["all on", "all others off"])
def test_each_gradient_is_that_of_the_loss(module: Any, term: str, off: tuple[str, ...]) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    case = Case(dtype="float64", pace=1e-6, n=30, n_extra=1, off=frozenset(off) - {term})
    check_gradient(case, module, term)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", ["implicit_factors", "item_factors"])
def test_gradients_of_weighted_sets(module: Any, term: str) -> None:
    check_gradient(Case(dtype="float64", pace=1e-6, n=30, n_extra=1, weighted=True), module, term)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", ["session_bias", "day_bias", "user_scale", "item_factors", "item_bias"])
@pytest.mark.parametrize("levels", [1, 3])
def test_gradients_with_sessions(module: Any, term: str, levels: int) -> None:
    check_gradient(Case(dtype="float64", pace=1e-6, n=30, n_extra=1, levels=levels), module, term)


def levels_of(case: Case) -> Any:
    """The level of each session; of those without ratings any."""
    found = np.zeros(len(case.start["session_bias"]), dtype=int)
    for level in range(case.levels):
        found[case.moments[:, level + 1]] = level
    return found


@pytest.mark.parametrize("module", BOTH)
def test_sessions_of_no_ratings_stay_as_they_were(module: Any) -> None:
    case = Case(levels=2)
    rated = np.unique(case.moments[case.owners, 1:])
    expected = case.start["session_bias"].astype(case.dtype)
    found = dict(zip(case.start, case.train(module), strict=False))["session_bias"]
    assert 0 < len(rated) < len(found)
    same = found == expected
    assert not same[rated].any()
    assert np.delete(same, rated).all()


@pytest.mark.parametrize("module", BOTH)
def test_sessions_that_learn_nothing_change_nothing(module: Any) -> None:
    plain, timed = Case(dtype="float64"), Case(dtype="float64", levels=2)
    timed.start["session_bias"][:] = 0
    rates = replace(timed.rates, session_lr=np.zeros(2))
    found = dict(zip(timed.start, timed.train(module, rates=rates), strict=False))
    assert not found.pop("session_bias").any()
    timed.start["session_bias"][:] = 0.5
    higher = dict(zip(timed.start, timed.train(module, rates=rates), strict=False))
    assert not np.array_equal(higher["user_bias"], found["user_bias"])
    assert (higher["session_bias"] == 0.5).all()
    for term, expected in zip(plain.start, plain.train(module), strict=False):
        np.testing.assert_array_equal(found[term], expected)


def check_gradient(case: Case, module: Any, term: str) -> None:
    place = [*case.start].index(term)
    moved = case.train(module)[place] - case.start[term]
    if term == "session_bias":
        step = moved / case.rates.session_lr[levels_of(case)]
    else:
        step = moved / case.rates.lr[place]
    entries = [*np.ndindex(step.shape)]
    if term.endswith(("factors", "drift")):
        step[:, 4:] = 0  # four factors stand for all
        entries = [entry for entry in entries if entry[1] < 4]
    expected = -gradient(lambda: case.loss(case.start, term), case.start[term], entries)
    assert np.count_nonzero(expected) >= 7
    np.testing.assert_allclose(step, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("width", [0, 16])
@pytest.mark.parametrize("weighted", [False, True])
def test_without_time_it_is_svdpp(module: Any, width: int, weighted: bool) -> None:
    case = Case(most_days=1, off=frozenset(SWITCHES), width=width, dtype="float64", weighted=weighted)
    lr, reg = (dict(zip(TIME_TERMS, x.tolist(), strict=True)) for x in (case.rates.lr, case.rates.reg))
    for rates in (lr, reg):
        rates["item_bias"], rates["item_factors"] = rates["user_bias"], rates["user_factors"]
    shared = TimeRates(np.array([*lr.values()]), np.array([*reg.values()]))
    found = dict(zip(TIME_TERMS, case.train(module, rates=shared), strict=False))
    names = ("user_factors", "item_factors", "user_bias", "item_bias", "implicit_factors")
    factors = SVDppFactors(**{name: case.start[name].copy() for name in names}, mean=MEAN)
    rates_of = (lr["user_factors"], reg["user_factors"], lr["user_bias"], reg["user_bias"])
    rates = SVDppRates(*rates_of, lr["implicit_factors"], reg["implicit_factors"])
    svdpp.train(
        UserBatchLayout(*case.arrays()), case.sets, factors, rates, case.visits, case.scratch(), (0, 2), 1
    )
    for name in names:
        np.testing.assert_allclose(found[name], getattr(factors, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("module", BOTH)
def test_padding_stays_zero(module: Any) -> None:
    case = Case(width=32)
    rows = [term for term in TIME_TERMS if term.endswith(("factors", "drift"))]
    assert len(rows) == 5
    for term in rows:
        case.start[term][:, 20:] = 0
    found = dict(zip(TIME_TERMS, case.train(module), strict=False))
    for term in rows:
        assert found[term][:, :20].any()
        assert not found[term][:, 20:].any()


@pytest.mark.parametrize("module", BOTH)
def test_divergence_shows_in_the_squared_errors(module: Any) -> None:
    with np.errstate(all="ignore"):
        assert not np.isfinite(Case(pace=1e6, n=60).train(module)[-1].sum())


@pytest.mark.parametrize("module", BOTH)
def test_columns_of_a_term_that_is_left_out_may_be_any(module: Any) -> None:
    case = Case(off=frozenset({"item_bins", "item_weeks"}))
    expected = case.train(module)
    case.days["bin"] = case.days["week"] = 255
    assert same_bits(case.train(module), expected)
