"""What the kernels that make lists, their twins and their records refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cfcore.kernels.records import (
    BiasedRows,
    BitmapScratch,
    Factors,
    ItemOrder,
    ListQueries,
    ListScratch,
    PanelOrder,
    Panels,
    ScoreRows,
    TopLists,
)
from tests.kernels.top_n.cases import BOTH, Case, empty_panels, implementation

CASE = Case(6)
M, N_LISTS = len(CASE.items), len(CASE.users)


def int32(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int32)


def int64(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64)


def float32(*shape: int) -> Any:
    return np.zeros(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BiasedRows(float32(3, 16), float32(2)), r"BiasedRows: biases must be of shape \(m\)"),
        (lambda: Panels(float32(1, 3, 32), float32(40, 0), np.zeros(2), 0), r"panels must be of shape"),
        (lambda: Panels(float32(2, 4, 32), float32(40, 0), np.zeros(2), 0), r"\(ceil\(m / 32\), 2, 32\)"),
        (lambda: Panels(float32(2, 2, 16), float32(40, 0), np.zeros(2), 0), "axis 2 should be 32"),
        (lambda: Panels(float32(2, 2, 32), float32(40, 9), np.zeros(2), 0), "a multiple of 16 columns"),
        (lambda: Panels(float32(2, 2, 32), float32(40, 16), np.zeros(3), 0), "bounds must be of shape"),
        (lambda: Panels(float32(2, 2, 32), float32(40, 16), np.zeros(2), -1), "head must be between"),
        (lambda: ItemOrder(int32(0, 3), int32(0, 1, -1)), "items holds 3 at 1"),
        (lambda: ItemOrder(int32(0, -1), int32(0, 1, -1)), "items holds -1 at 1"),
        (lambda: ItemOrder(int32(0, 2), int32(0, 2, 1)), "positions holds 2 at 1"),
        (lambda: ItemOrder(int32(0, 2), int32(0, -2, 1)), "positions holds -2 at 1"),
        (lambda: ItemOrder(int32(0, 2), int32(1, -1, 0)), "positions must be those of items"),
        (lambda: ItemOrder(int32(0, 2), int32(0, 1, 1)), "and -1 for all others"),
        (lambda: PanelOrder(int32(0, 2), int32(0, -1, 0), int32(0, 1)), "positions must be those of items"),
        (lambda: PanelOrder(int32(0, 2), int32(0, -1, 1), int32(0)), "tie_positions must be of shape"),
        (lambda: PanelOrder(int32(0, 2), int32(0, -1, 1), int32(0, 2)), "tie_positions holds 2 at 1"),
        (lambda: PanelOrder(int32(0, 2), int32(0, -1, 1), int32(1, 1)), "must be a permutation"),
        (lambda: ListQueries(int32(0, -1), int64(0, 0), int64(0, 0), int32()), "rows must not be negative"),
        (lambda: ListQueries(int32(0, 1), int64(0), int64(0, 0), int32()), "starts must be of shape"),
        (
            lambda: ListQueries(int32(0, 1), int64(0, 0), int64(1, 4), int32(5, 5, 5)),
            "list 1 excludes 0:4 of 3",
        ),
        (lambda: ListQueries(int32(0, 1), int64(0, 2), int64(1, 1), int32(5, 5)), "list 1 excludes 2:1 of 2"),
        (
            lambda: ListQueries(int32(0, 1), int64(-1, 0), int64(1, 1), int32(5, 5)),
            "list 0 excludes -1:1 of 2",
        ),
        (lambda: TopLists(np.zeros((2, 0), np.int32), np.zeros((2, 0))), "room for an item"),
        (lambda: TopLists(np.zeros((2, 3), np.int32), np.zeros((2, 4))), "scores must be of shape"),
        (lambda: ScoreRows(float32(2, 3)), "scores must be of float64"),
        (lambda: BitmapScratch(np.zeros((1, 2), np.int64)), "bitmaps must be of uint64"),
        (
            lambda: ListScratch(np.zeros((2, 2), np.uint64), float32(1, 2), np.zeros((2, 2), np.int32)),
            "floats",
        ),
    ],
)
def test_records_check_themselves(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def zeroed(n_words: int, n_floats: int, n_columns: int, n_threads: int = 1) -> ListScratch:
    return ListScratch(
        np.zeros((n_threads, n_words), np.uint64),
        float32(n_threads, n_floats),
        np.zeros((n_threads, n_columns), np.int32),
    )


def queries(row: int = 0, excluded: int | None = None) -> ListQueries:
    """A list for each of CASE's, all of a user or row and without an item."""
    codes = int32() if excluded is None else int32(excluded)
    starts = np.zeros(N_LISTS, dtype=np.int64)
    return ListQueries(np.full(N_LISTS, row, dtype=np.int32), starts, starts + len(codes), codes)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"queries": queries(40)}, "user 40 is out of range"),
        ({"queries": queries(excluded=150)}, "excluded item 150 is out of range"),
        ({"queries": queries(excluded=-1)}, "excluded item -1 is out of range"),
        ({"order": PanelOrder(int32(), np.full(150, -1, np.int32), int32())}, "of the rows of panels"),
        ({"order": PanelOrder(*(np.arange(M, dtype=np.int32),) * 3)}, "of the items of factors"),
        ({"panels": empty_panels(M - 1, 16, 16)}, "of the rows of panels"),
        ({"panels": empty_panels(M, 32, 32)}, "rotation must be of the factors and of the panels"),
        ({"panels": empty_panels(M, 32, 16)}, "rotation must be of the factors and of the panels"),
        ({"rotation": empty_panels(16, 32, 32)}, "rotation must be of the factors and of the panels"),
        ({"rotation": empty_panels(17, 16, 16)}, "rotation must be of the factors and of the panels"),
        ({"rotation": empty_panels(15, 16, 16)}, "rotation must be of the factors and of the panels"),
        ({"lists": TopLists(np.zeros((2, 7), np.int32), np.zeros((2, 7)))}, "lists and queries"),
        ({"scratch": zeroed(5, 9999, 9999)}, "scratch is too small"),
        ({"scratch": zeroed(99, 5, 9999)}, "scratch is too small"),
        ({"scratch": zeroed(99, 9999, 5)}, "scratch is too small"),
        ({"scratch": zeroed(99, 9999, 9999, 0)}, "scratch is too small"),
        ({"n_threads": 2}, "scratch is too small"),
    ],
)
def test_products_that_do_not_fit(name: str, changed: dict[str, Any], message: str) -> None:
    with implementation(name) as kernels:
        given = CASE.product_records(kernels.products) | changed
        with pytest.raises(ValueError, match=message):
            kernels.products.best_products(**given)
        assert not given["scratch"].bitmaps.any()


@pytest.mark.parametrize("name", BOTH)
def test_excluded_items_are_checked_even_without_items_to_list(name: str) -> None:
    case = Case(5, allowed=0)
    with implementation(name) as kernels:
        given = case.product_records(kernels.products) | {"queries": queries(excluded=150)}
        with pytest.raises(ValueError, match="excluded item 150"):
            kernels.products.best_products(**given)
        given = case.score_records(np.empty((N_LISTS, 0))) | {"queries": queries(excluded=150)}
        with pytest.raises(ValueError, match="excluded item 150"):
            kernels.scores.best_scores(**given)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score_rows": ScoreRows(np.zeros((50, 3)))}, "a column for each item"),
        ({"score_rows": ScoreRows(np.zeros((2, M)))}, "row 42 is out of range"),
        ({"queries": queries(excluded=150)}, "excluded item 150 is out of range"),
        ({"lists": TopLists(np.zeros((2, 7), np.int32), np.zeros((2, 7)))}, "lists and queries"),
        ({"scratch": BitmapScratch(np.zeros((1, 1), np.uint64))}, "scratch is too small"),
        ({"n_threads": 2}, "scratch is too small"),
    ],
)
def test_scores_that_do_not_fit(name: str, changed: dict[str, Any], message: str) -> None:
    with implementation(name) as kernels:
        given = CASE.score_records(np.zeros((N_LISTS, M))) | changed
        with pytest.raises(ValueError, match=message):
            kernels.scores.best_scores(**given)
        assert not given["scratch"].bitmaps.any()


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("m", "width", "head", "message"),
    [
        (149, 16, 16, "of the same number"),
        (150, 32, 32, "whole groups of 16"),
        (150, 32, 16, "whole groups of 16"),
        (150, 16, 17, "whole groups of 16"),
    ],
)
def test_panels_that_do_not_fit(name: str, m: int, width: int, head: int, message: str) -> None:
    rows = BiasedRows(CASE.item_factors, CASE.item_bias)
    with implementation(name) as kernels, pytest.raises(ValueError, match=message):
        kernels.products.pack(rows, empty_panels(m, width, head))


@pytest.mark.parametrize("name", BOTH)
def test_what_is_written_may_be_nothing_else(name: str) -> None:
    with implementation(name) as kernels:
        given = CASE.product_records(kernels.products)
        for lists in (
            TopLists(
                given["lists"].positions,
                given["panels"].panels.ravel().view(np.float64)[: 7 * N_LISTS].reshape(-1, 7),
            ),
            TopLists(given["scratch"].columns.ravel()[: 7 * N_LISTS].reshape(-1, 7), given["lists"].scores),
        ):
            with pytest.raises(ValueError, match="share memory"):
                kernels.products.best_products(**given | {"lists": lists})
        scores = np.zeros((N_LISTS, M))
        given = CASE.score_records(scores, n=M)
        with pytest.raises(ValueError, match="share memory"):
            kernels.scores.best_scores(**given | {"lists": TopLists(given["lists"].positions, scores)})
        panels = empty_panels(150, 16, 0)
        with pytest.raises(ValueError, match="share memory"):
            kernels.products.pack(BiasedRows(panels.tails, CASE.item_bias), panels)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("part", ["positions", "scores"])
def test_lists_must_be_writable(name: str, part: str) -> None:
    with implementation(name) as kernels:
        given = CASE.product_records(kernels.products)
        getattr(given["lists"], part).flags.writeable = False
        with pytest.raises(ValueError, match=f"TopLists: {part} is read-only"):
            kernels.products.best_products(**given)
        panels = empty_panels(150, 16, 16)
        panels.bounds.flags.writeable = False
        with pytest.raises(ValueError, match="Panels: bounds is read-only"):
            kernels.products.pack(BiasedRows(CASE.item_factors, CASE.item_bias), panels)


def test_records_of_another_kind() -> None:
    with implementation(BOTH[0]) as kernels:
        given = CASE.product_records(kernels.products)
        for argument in ("queries", "factors", "order", "panels", "rotation", "lists", "scratch"):
            with pytest.raises(TypeError, match=f"best_products: {argument} must be a"):
                kernels.products.best_products(**given | {argument: CASE.order()})
        scored = CASE.score_records(np.zeros((N_LISTS, M)))
        for argument in ("score_rows", "queries", "order", "lists", "scratch"):
            with pytest.raises(TypeError, match=f"best_scores: {argument} must be a"):
                kernels.scores.best_scores(**scored | {argument: CASE.factors()})
        for arguments in ((CASE.order(), given["panels"]), (BiasedRows(float32(3, 16), float32(3)), None)):
            with pytest.raises(TypeError, match="pack: "):
                kernels.products.pack(*arguments)


def test_factor_rows_must_be_whole_groups() -> None:
    with pytest.raises(ValueError, match="multiple of 64 bytes"):
        Factors(float32(4, 20), float32(3, 20), float32(4), float32(3), 0.0)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("n_threads", [0, -1, 1025, 2**40])
def test_numbers_of_threads_out_of_range(name: str, n_threads: int) -> None:
    with implementation(name) as kernels:
        given = CASE.product_records(kernels.products)
        with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
            kernels.products.best_products(**given | {"n_threads": n_threads})
        scored = CASE.score_records(np.zeros((N_LISTS, M)))
        with pytest.raises(ValueError, match="n_threads must be between 1 and 1024"):
            kernels.scores.best_scores(**scored | {"n_threads": n_threads})
