"""The kernel `svd` and its twin refuse bad arguments, in the same words, before parameters change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import svd as compiled
from cfcore.kernels.records import BlockGrid, BlockLayout, BlockScratch, BlockVisits, RatingColumns
from cfcore.reference.factorization import svd as twin
from tests.kernels.factorization.svd_case import Case

BOTH = [pytest.param(compiled, id="compiled"), pytest.param(twin, id="reference")]


def read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


def refused(module: Any, message: str, span: tuple[int, int] = (0, 6), **changes: Any) -> None:
    """`train` raises ValueError and leaves the factors as they were."""
    given = {**Case().records(), **changes}
    before = [held.copy() for _, held, _ in given["factors"].arrays()]
    with pytest.raises(ValueError, match=message):
        module.train(**given, span=span, n_threads=1)
    for held, expected in zip(given["factors"].arrays(), before, strict=True):
        assert np.array_equal(held[1], expected)


@pytest.mark.parametrize("module", BOTH)
class TestTrain:
    def test_codes_out_of_range(self, module: Any) -> None:
        for column, code in (("user", 9), ("user", -1), ("item", 7), ("item", -(2**31))):
            case = Case()
            layout = case.layout()
            layout.ratings[column][-1] = code
            with pytest.raises(ValueError, match="train: a user or an item in block 5 is out of range"):
                case.train(module, layout=layout)

    def test_blocks_out_of_range(self, module: Any) -> None:
        for block in (-1, 6):
            order = np.zeros(6, dtype=np.int32)
            visits = BlockVisits(order, np.zeros(6, dtype=np.int64))
            order[3] = block  # after the record has checked it
            refused(module, f"train: block {block} is out of range", visits=visits)
        starts = np.zeros(6, dtype=np.int64)
        visits = BlockVisits(np.arange(6, dtype=np.int32), starts)
        starts[2] = -1
        refused(module, "train: block 2 is out of range", visits=visits)
        ratings = Case().layout().ratings
        for bounds in ([0, 9, 3, 9, 9, 9, 40], [0, 9, 9, 9, 9, 9, 41], [-1, 9, 9, 9, 9, 9, 40]):
            layout = BlockLayout(ratings, np.array(bounds, dtype=np.int64), 2)
            refused(module, r"train: block \d is out of range", layout=layout)

    def test_records_that_do_not_fit_together(self, module: Any) -> None:
        case = Case()
        order, starts, scratch = case.order, case.starts, case.scratch()
        few = order[order < 5]
        for changes, message in (
            ({"visits": BlockVisits(few, starts[:5])}, "starts and scratch.squares"),
            ({"scratch": replace(scratch, squares=np.zeros(5))}, "starts and scratch.squares"),
            ({"scratch": replace(scratch, schedule=np.zeros((5, 3), dtype=np.int32))}, "schedule"),
            ({"scratch": replace(scratch, latest=np.zeros(4, dtype=np.int32))}, "latest"),
        ):
            refused(module, f"train: .*{message}", **changes)

    def test_spans_beyond_the_visits(self, module: Any) -> None:
        for span in ((4, 3), (0, 7), (-1, 3)):
            refused(module, rf"train: span \({span[0]}, {span[1]}\) is not within the 6 visits", span=span)

    def test_ratings_without_users(self, module: Any) -> None:
        factors = Case().factors()
        none = replace(factors, user_factors=factors.user_factors[:0], user_bias=factors.user_bias[:0])
        refused(module, "train: there are ratings, but no users or no items", factors=none)

    @pytest.mark.parametrize("n_threads", [0, -1, 1025])
    def test_numbers_of_threads_out_of_range(self, module: Any, n_threads: int) -> None:
        case, codes = Case(), np.zeros(1, dtype=np.int32)
        message = f"n_threads must be between 1 and 1024, not {n_threads}"
        with pytest.raises(ValueError, match=message):
            case.train(module, n_threads=n_threads)
        with pytest.raises(ValueError, match=message):
            case.layout(module, n_threads=n_threads)
        with pytest.raises(ValueError, match=message):
            module.predict(codes, codes, case.factors(), np.zeros(1), n_threads)

    def test_arguments_of_other_kinds(self, module: Any) -> None:
        for name in ("layout", "factors", "rates", "visits", "scratch"):
            given = {**Case().records(), name: None}
            with pytest.raises(TypeError, match=f"train: {name} must be a .*, not NoneType"):
                module.train(**given, span=(0, 6), n_threads=1)

    @pytest.mark.parametrize("name", ["user_factors", "item_factors", "user_bias", "item_bias"])
    def test_parameters_that_are_read_only(self, module: Any, name: str) -> None:
        factors = Case().factors()
        frozen = replace(factors, **{name: read_only(getattr(factors, name))})
        refused(module, f"Factors: {name} is read-only", factors=frozen)

    @pytest.mark.parametrize("name", ["squares", "schedule", "latest"])
    def test_scratch_that_is_read_only(self, module: Any, name: str) -> None:
        scratch = Case().scratch()
        frozen = replace(scratch, **{name: read_only(getattr(scratch, name))})
        refused(module, f"BlockScratch: {name} is read-only", scratch=frozen)

    def test_arrays_that_share_memory(self, module: Any) -> None:
        case = Case(n_users=7)
        given = case.records()
        factors = replace(given["factors"], item_factors=given["factors"].user_factors)
        with pytest.raises(ValueError, match=r"Factors: .*_factors and Factors: .*_factors share memory"):
            module.train(**{**given, "factors": factors}, span=(0, 6), n_threads=1)
        memory = np.zeros(8)
        squares = BlockScratch(memory[:6], given["scratch"].schedule, given["scratch"].latest)
        starts = BlockVisits(given["visits"].order, memory[2:].view(np.int64))
        with pytest.raises(ValueError, match=r"BlockScratch: squares and BlockVisits: starts share memory"):
            module.train(**{**given, "scratch": squares, "visits": starts}, span=(0, 6), n_threads=1)


@pytest.mark.parametrize("module", BOTH)
class TestLayOut:
    def test_codes_and_stripes_beyond_the_grid(self, module: Any) -> None:
        case = Case()
        fewer = BlockGrid(case.user_stripes[:-1], case.item_stripes, 3, 2)
        with pytest.raises(ValueError, match="a stripe for each user and item"):
            module.lay_out(case.columns(), fewer, case.empty_layout(), 1, (0, 40), 1)
        for stripes in ((3, 3), (4, 2)):
            other = BlockGrid(case.user_stripes, case.item_stripes, *stripes)
            with pytest.raises(ValueError, match="a block for each pair of stripes"):
                module.lay_out(case.columns(), other, case.empty_layout(), 1, (0, 40), 1)

    def test_another_number_of_ratings(self, module: Any) -> None:
        case = Case()
        layout = Case(n=39).empty_layout()
        with pytest.raises(ValueError, match="the same number of ratings"):
            module.lay_out(case.columns(), case.block_grid(), layout, 1, (0, 39), 1)

    def test_spans_beyond_the_ratings(self, module: Any) -> None:
        case = Case()
        for span in ((0, 41), (-1, 3), (5, 4)):
            with pytest.raises(ValueError, match=r"lay_out: span .* is not within the 40 ratings"):
                module.lay_out(case.columns(), case.block_grid(), case.empty_layout(), 1, span, 1)

    def test_arguments_of_other_kinds(self, module: Any) -> None:
        case = Case()
        given = {"columns": case.columns(), "grid": case.block_grid(), "layout": case.empty_layout()}
        for name in given:
            with pytest.raises(TypeError, match=f"lay_out: {name} must be a .*, not list"):
                module.lay_out(**{**given, name: []}, seed=1, span=(0, 40), n_threads=1)

    def test_layouts_that_are_read_only_or_share_memory(self, module: Any) -> None:
        case = Case()
        layout, columns, grid = case.empty_layout(), case.columns(), case.block_grid()
        for name in ("ratings", "block_ptr"):
            frozen = replace(layout, **{name: read_only(getattr(layout, name))})
            with pytest.raises(ValueError, match=f"BlockLayout: {name} is read-only"):
                module.lay_out(columns, grid, frozen, 1, (0, 40), 1)
        users = layout.ratings.view(np.int32)[:40]
        users[:] = 0
        shared = RatingColumns(users, case.items, case.values, 9, 7)
        with pytest.raises(ValueError, match=r"user_codes and BlockLayout: ratings share memory"):
            module.lay_out(shared, grid, layout, 1, (0, 40), 1)


def test_lay_out_refuses_to_go_on_from_nothing() -> None:
    case = Case()
    layout = case.layout()
    layout.block_ptr[:] = case.n
    with pytest.raises(ValueError, match="not from the call before"):
        compiled.lay_out(case.columns(), case.block_grid(), layout, 1, (1, case.n), 1)


@pytest.mark.parametrize("module", BOTH)
class TestPredict:
    def test_codes_out_of_range(self, module: Any) -> None:
        factors = Case().factors()
        for user, item in ((9, 0), (-2, 0), (0, 7), (0, -2)):
            codes = np.array([[0, user], [0, item]], dtype=np.int32)
            with pytest.raises(ValueError, match=rf"predict: pair 1 \({user}, {item}\) is out of range"):
                module.predict(codes[0], codes[1], factors, np.empty(2), 1)

    def test_arrays_that_do_not_fit(self, module: Any) -> None:
        factors, codes, out = Case().factors(), np.zeros(2, dtype=np.int32), np.zeros(2)
        for users, items, found, message in (
            (codes, codes[:1], out, "of one length"),
            (codes, codes, np.empty(3), "of one length"),
            (codes.astype(np.int64), codes, out, "predict: users must be of int32, not int64"),
            (codes, np.zeros(4, dtype=np.int32)[::2], out, "predict: items must be contiguous"),
            (codes, codes, out.astype(np.float32), "predict: out must be of float64, not float32"),
            (codes, codes, np.empty((2, 1)), "predict: out must have 1 dimensions, not 2"),
            (codes, codes, read_only(out), "predict: out is read-only"),
        ):
            with pytest.raises(ValueError, match=message):
                module.predict(users, items, factors, found, 1)
        with pytest.raises(TypeError, match="predict: users must be an ndarray, not list"):
            module.predict([0, 0], codes, factors, out, 1)
        with pytest.raises(TypeError, match="predict: factors must be a Factors, not tuple"):
            module.predict(codes, codes, (), out, 1)

    def test_results_that_share_memory_with_what_is_read(self, module: Any) -> None:
        factors, out = Case(dtype="float64").factors(), np.zeros(2)
        other = np.zeros(2, dtype=np.int32)
        biases = replace(factors, user_bias=np.zeros(11)[:9])
        for users, items, held, found in (
            (out.view(np.int32)[1:3], other, factors, out),
            (other, out.view(np.int32)[:2], factors, out),
            (other, other, factors, factors.item_factors.reshape(-1)[5:7]),
            (other, other, biases, biases.user_bias.base[8:10]),
        ):
            with pytest.raises(ValueError, match="predict: out shares memory"):
                module.predict(users, items, held, found, 1)
        module.predict(other, other, biases, biases.user_bias.base[9:11], 1)  # beside it
