"""Kernel `products`, its twin and a full sort of `svd.predict` list the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfcore.kernels.records import panel_checks
from tests.kernels.top_n.cases import EVERYTHING, LEVELS, Case, implementation, packed, same


@pytest.mark.parametrize("level", LEVELS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 200)),
    groups=st.integers(0, 5),
    dtype=st.sampled_from(["float32", "float64"]),
    whole=st.booleans(),
    scale=st.sampled_from([1e-4, 0.3, 1.0, 50.0]),
    density=st.sampled_from([0.0, 0.2, 1.0]),
    n=st.integers(1, 40),
    head=st.sampled_from([0, 5, 16, 32, 99]),
)
def test_lists_are_those_of_sorting_all_predictions(
    level: str, seed: int, shape: tuple[int, int], groups: int, dtype: str, whole: bool, scale: float,
    density: float, n: int, head: int,
) -> None:  # fmt: skip
    width = groups * (16 if dtype == "float32" else 8)
    case = Case(seed, *shape, width, dtype, whole=whole, scale=scale, density=density)
    with implementation(level) as kernels:
        scores = case.predictions()
        expected = case.sorted(scores, n)
        same(case.by_products(kernels.products, n, head=head), expected)
        same(case.by_scores(kernels.scores, scores, n), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", LEVELS)
def test_the_twin_agrees(level: str, dtype: str) -> None:
    with implementation("reference") as twin, implementation(level) as compiled:
        for seed in range(10):
            case = Case(seed, dtype=dtype, whole=True)  # sums of whole numbers are exact in any order
            same(case.by_products(twin.products), case.by_products(compiled.products))
        rough = Case(99, dtype=dtype)
        ours, theirs = rough.by_products(compiled.products), rough.by_products(twin.products)
    np.testing.assert_allclose(theirs.scores, ours.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_scores_that_differ_by_less_than_rounding_of_sums_are_told_apart(level: str) -> None:
    # Items that are equal but for the order of large terms that cancel: only the exact sum ranks them.
    rng = np.random.default_rng(0)
    case = Case(1, 33, 400, 64)
    row = rng.normal(0, 30, 64)
    case.item_factors = np.stack([row + rng.normal(0, 1e-5, 64) for _ in range(400)]).astype(np.float32)
    case.item_bias = np.zeros(400, dtype=np.float32)
    expected = case.sorted(case.predictions(), 25)
    with implementation(level) as kernels:
        for head in (0, 16, 64):
            same(case.by_products(kernels.products, 25, head=head), expected)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("dtype", "users", "items"),
    [
        ("float32", 1e-24, 1e4), ("float32", 1e4, 1e-24), ("float64", 1e-25, 1e-25), ("float64", 1e-44, 1e18),
        ("float64", 1e18, 1e18), ("float64", 1e30, 1e30), ("float64", 1e38, 1e-7), ("float64", 1e-7, 1e38),
    ],
)  # fmt: skip
def test_numbers_beyond_the_range_of_float32(level: str, dtype: str, users: float, items: float) -> None:
    # Squares or products that vanish in float32, or overflow, with nothing added that would hide it.
    case = Case(2, dtype=dtype)
    rng = np.random.default_rng(2)
    close = 1 + rng.normal(0, 1e-7, case.item_factors.shape)  # items that only the exact sum tells apart
    for item_factors in (case.item_factors, close * case.item_factors[0]):
        case.mean = 0.0
        case.user_bias, case.item_bias = np.zeros(40, dtype=dtype), np.zeros(150, dtype=dtype)
        case.user_factors = (case.user_factors / np.abs(case.user_factors).max() * users).astype(dtype)
        case.item_factors = (item_factors / np.abs(item_factors).max() * items).astype(dtype)
        expected = case.sorted(case.predictions(), 7)
        with implementation(level) as kernels:
            for head in (0, 16):
                same(case.by_products(kernels.products, head=head), expected)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n_used", [0, 1, 20, 40])
def test_factors_that_are_zero_in_all_items(level: str, n_used: int) -> None:
    case = Case(3, 50, 120, 64)
    factors = case.item_factors.copy()
    factors[:, n_used:] = 0
    case.item_factors = factors
    expected = case.sorted(case.predictions(), 9)
    with implementation(level) as kernels:
        for head in (0, 16, 40):
            same(case.by_products(kernels.products, 9, head=head), expected)


@pytest.mark.parametrize("level", LEVELS)
def test_packed_rows(level: str) -> None:
    case = Case(8, n_items=70, width=48)
    rows, biases = case.item_factors, case.item_bias
    for head in (0, 16, 20, 48):
        with implementation(level) as kernels:
            ours = packed(kernels.products, rows, biases, head)
        with implementation("reference") as twin:
            theirs = packed(twin.products, rows, biases, head)
        for name in ("panels", "tails", "bounds"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-12)
        for line, check in enumerate(panel_checks(head)):  # lengths are upper bounds
            lengths = np.linalg.norm(rows[:, check:].astype(float), axis=1)
            assert (ours.panels[:, head + 1 + line].ravel()[:70] >= lengths).all()


@pytest.mark.parametrize("n_threads", [2, 3])
def test_any_number_of_threads(n_threads: int) -> None:
    case = Case(3, 300, 90)
    with implementation(LEVELS[-1]) as kernels:
        for head in (0, 16):
            several = case.by_products(kernels.products, n_threads=n_threads, head=head)
            same(several, case.by_products(kernels.products, head=head))


@pytest.mark.parametrize("name", EVERYTHING)
def test_nan_is_never_listed(name: str) -> None:
    case = Case(4, 10, 50, density=0)
    factors = case.item_factors.copy()
    factors[case.items[::2]] = np.nan
    case.item_factors = factors
    with implementation(name) as kernels:
        positions = case.by_products(kernels.products, 40).positions
    assert not np.isin(positions[positions >= 0], np.arange(0, len(case.items), 2)).any()
    assert (positions >= 0).sum(axis=1).tolist() == [len(case.items) // 2] * len(case.users)


@pytest.mark.parametrize("name", EVERYTHING)
def test_minus_infinity_is_never_listed(name: str) -> None:
    case = Case(4, 10, 50, density=0)
    bias = case.item_bias.copy()
    bias[case.items[::2]] = -np.inf
    case.item_bias = bias
    with implementation(name) as kernels:
        positions = case.by_products(kernels.products, 40).positions
    assert not np.isin(positions[positions >= 0], np.arange(0, len(case.items), 2)).any()
    assert (positions >= 0).sum(axis=1).tolist() == [len(case.items) // 2] * len(case.users)


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_items(name: str) -> None:
    with implementation(name) as kernels:
        lists = Case(5, allowed=0).by_products(kernels.products)
    assert (lists.positions == -1).all()
    assert (lists.scores == 0).all()


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_lists(name: str) -> None:
    case = Case(5)
    case.users, case.starts, case.stops = case.users[:0], case.starts[:0], case.stops[:0]
    with implementation(name) as kernels:
        assert case.by_products(kernels.products).positions.shape == (0, 7)


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_read_stays_as_it_was(name: str) -> None:
    case = Case(6)
    with implementation(name) as kernels:
        records = case.product_records(kernels.products, head=5)
        read = [records[part] for part in ("queries", "factors", "order", "panels", "rotation")]
        before = [array.copy() for record in read for _, array, _ in record.arrays()]
        kernels.products.best_products(**records)
    for array, copy in zip(
        (array for record in read for _, array, _ in record.arrays()), before, strict=True
    ):
        assert array.tobytes() == copy.tobytes()
