"""The kernel `svd`, its twin and a plain oracle take the same steps and predict the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels import svd as compiled
from cfcore.kernels.records import Factors
from cfcore.reference.factorization import svd as twin
from tests.kernels.conftest import gradient
from tests.kernels.factorization.svd_case import RATES, Case, cases

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


@given(cases)
def test_kernel_twin_and_oracle_take_the_same_steps(case: Case) -> None:
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if case.dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    oracle = case.oracle()
    for module in (compiled, twin):
        for found, expected in zip(case.train(module), oracle, strict=True):
            np.testing.assert_allclose(found, expected, **tolerance)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("term", range(4), ids=["user_factors", "item_factors", "user_bias", "item_bias"])
@pytest.mark.parametrize("sequential", [False, True])
def test_each_gradient_is_that_of_the_loss(module: Any, term: int, sequential: bool) -> None:
    # Steps so small that all are taken at the starting point: their sum is that of the gradients.
    pace = 1e-7
    rates = {name: pace if name.startswith("lr") else value for name, value in RATES.items()}
    case = Case(dtype="float64", rates=rates, sequential=sequential)
    step = (case.train(module)[term] - case.start[term]) / pace
    np.testing.assert_allclose(step, -gradient(case.loss, case.start[term]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", BOTH)
def test_padding_stays_zero(module: Any) -> None:
    case = Case(width=32)
    for array in case.start[:2]:
        array[:, 20:] = 0
    for array in case.train(module)[:2]:
        assert array[:, :20].all()
        assert not array[:, 20:].any()


@pytest.mark.parametrize("module", BOTH)
def test_biases_stay_zero_without_a_learning_rate_of_theirs(module: Any) -> None:
    case = Case(rates={**RATES, "lr_bias": 0.0})
    case.start[2][:] = case.start[3][:] = 0
    p, _, b_user, b_item, _ = case.train(module, factors=case.factors(mean=0.0))
    assert not np.array_equal(p, case.start[0].astype("float32"))
    assert not b_user.any()
    assert not b_item.any()


@pytest.mark.parametrize("module", BOTH)
def test_divergence_shows_in_the_squared_errors(module: Any) -> None:
    case = Case(rates={**RATES, "lr": 1e6}, n=60)
    with np.errstate(all="ignore"):
        assert not np.isfinite(case.train(module)[-1].sum())


@pytest.mark.parametrize("module", BOTH)
def test_blocks_that_are_not_visited_keep_their_rows_and_their_squared_errors(module: Any) -> None:
    case = Case()
    visited = case.order[:2]
    given = case.records()
    given["scratch"].squares[:] = 9.0
    before = given["factors"].user_factors.copy()
    module.train(**given, span=(0, 2), n_threads=1)
    kept = ~np.isin(np.arange(case.n_blocks), visited)
    assert (given["scratch"].squares[kept] == 9.0).all()
    assert (given["scratch"].squares[visited] != 9.0).all()
    users = ~np.isin(case.user_stripes, visited // case.grid[1])
    assert np.array_equal(given["factors"].user_factors[users], before[users])


@given(cases, st.data())
def test_predictions(case: Case, data: st.DataObject) -> None:
    p, q, b_user, b_item = (array.astype(case.dtype) for array in case.start)
    rng = np.random.default_rng(case.seed)
    n = data.draw(st.integers(0, 30))
    users = rng.integers(-1, case.n_users, n).astype(np.int32)
    items = rng.integers(-1, case.n_items, n).astype(np.int32)
    for array in (p, q, b_user, b_item, users, items):
        array.flags.writeable = False
    factors = Factors(p, q, b_user, b_item, 2.5)
    expected = np.full(n, 2.5)
    expected += np.where(users >= 0, b_user[users], 0) + np.where(items >= 0, b_item[items], 0)
    inner = (p[users].astype(float) * q[items].astype(float)).sum(axis=1)
    expected += np.where((users >= 0) & (items >= 0), inner, 0)
    outs = []
    for level in available_levels():
        for n_threads in (1, 3):
            outs.append(np.empty(n))
            with use_level(level):
                compiled.predict(users, items, factors, outs[-1], n_threads)
    assert all(np.array_equal(out, outs[0]) for out in outs)
    outs.append(np.empty(n))
    twin.predict(users, items, factors, outs[-1], 1)
    for out in outs:
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
