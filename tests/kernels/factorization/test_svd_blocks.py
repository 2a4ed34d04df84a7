"""Ratings in blocks, and the same bits for any number of threads, any SIMD level and any slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfcore.kernels import available_levels, use_level
from cfcore.kernels import svd as compiled
from cfcore.kernels.common import cpu
from cfcore.kernels.common.threads import workers_of_last_call
from cfcore.reference.factorization import svd as twin
from tests.kernels.factorization.svd_case import Case, cases, same_bits

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


@given(cases, st.data())
def test_threads_levels_and_slices_do_not_change_a_bit(case: Case, data: st.DataObject) -> None:
    expected = case.train()
    cut = data.draw(st.integers(0, len(case.order)))
    for level in available_levels():
        with use_level(level):
            for n_threads in (1, 2, 3, 4):
                assert same_bits(case.train(n_threads=n_threads), expected)
            assert same_bits(case.train(cuts=(cut,), n_threads=2), expected)


@given(cases, st.data())
def test_slices_do_not_change_the_twin(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(case.order)))
    for found, expected in zip(case.train(twin, cuts=(cut,)), case.train(twin), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_many_blocks_on_many_threads() -> None:
    case = Case(n_users=300, n_items=200, n=20_000, grid=(16, 8), width=32)
    expected = case.train()
    for _ in range(5):
        for n_threads in (2, 3, 4, 9):
            assert same_bits(case.train(n_threads=n_threads), expected)


def test_more_threads_than_stripes_run_as_many_as_there_are_stripes() -> None:
    case = Case(n_users=60, n_items=40, n=1000, grid=(4, 3))
    expected = case.train()
    for n_threads in (5, 200, 1024):
        assert same_bits(case.train(n_threads=n_threads), expected)
        assert workers_of_last_call() in (1, 2, 3)  # 1 without OpenMP


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_as_many_threads_run_as_are_given(n_threads: int) -> None:
    case = Case(n_users=60, n_items=40, n=1000, grid=(4, 3))
    expected = n_threads if cpu.openmp_version() else 1
    case.train(n_threads=n_threads)
    assert workers_of_last_call() == expected
    case.layout(n_threads=n_threads)
    assert workers_of_last_call() == expected
    compiled.predict(case.users, case.items, case.factors(), np.empty(1000), n_threads)
    assert workers_of_last_call() == expected


def test_blocks_that_share_a_user_wait_for_each_other() -> None:
    case = Case(n_users=40, n_items=40, n=1200, grid=(4, 4), width=32)
    case.order = np.sort(case.order)  # the four blocks of a user stripe one after the other
    expected = case.train()
    for _ in range(5):
        assert same_bits(case.train(n_threads=4), expected)


def test_blocks_may_be_visited_again() -> None:
    case = Case(n_users=40, n_items=40, n=1200, grid=(4, 4), width=32)
    case.order = np.tile(case.order, 2)
    expected = case.train()
    once = Case(n_users=40, n_items=40, n=1200, grid=(4, 4), width=32).train()
    assert not same_bits(expected, once)
    assert same_bits(case.train(n_threads=4), expected)


@given(cases)
def test_layout_is_a_shuffle_within_blocks(case: Case) -> None:
    layout = case.layout()
    for module, n_threads in ((compiled, 3), (twin, 1)):
        again = case.layout(module, n_threads)
        assert again.ratings.tobytes() == layout.ratings.tobytes()
        assert again.block_ptr.tolist() == layout.block_ptr.tolist()
    users, items = layout.ratings["user"], layout.ratings["item"]
    block = case.user_stripes[users] * case.grid[1] + case.item_stripes[items]
    assert block.tolist() == np.repeat(np.arange(case.n_blocks), np.diff(layout.block_ptr)).tolist()
    given = zip(case.users.tolist(), case.items.tolist(), case.values.tolist(), strict=True)
    assert sorted(layout.ratings.tolist()) == sorted(given)


def test_each_position_within_a_block_is_as_likely() -> None:
    case, counts = Case(grid=(1, 1), n_users=5, n_items=1, n=5), np.zeros((5, 5))
    for seed in range(2000):
        case.seed = seed
        counts[np.arange(5), case.layout().ratings["user"]] += 1
    assert np.abs(counts - 400).max() < 100  # 5.6 standard deviations


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("cuts", [(1, 7), (0,), (39,), (20, 20)])
def test_lay_out_in_slices(module: Any, cuts: tuple[int, ...]) -> None:
    case = Case()
    whole, found = case.layout(module), case.layout(module, 2, cuts)
    assert found.ratings.tobytes() == whole.ratings.tobytes()
    assert (found.block_ptr == whole.block_ptr).all()
