"""Arguments that the kernel `similarity`, its twin and records refuse; refused arrays stay unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cfcore.kernels.neighbors import similarity as compiled
from cfcore.kernels.records import (
    LevelRatings,
    NearestRows,
    SimilarityMatrix,
    SimilarityRule,
    SimilarityScratch,
    ValueRatings,
)
from cfcore.reference.neighbors import similarity as twin
from tests.kernels.neighbors.inputs import packed, scratch_of

BOTH = pytest.mark.parametrize("module", [compiled, twin], ids=["compiled", "reference"])
PACKINGS = pytest.mark.parametrize("step", [1.0, None], ids=["levels", "values"])
RATINGS = np.resize(np.arange(1.0, 6), (3, 4))
EVERYTHING = np.ones((3, 4), dtype=bool)


def fields(step: float | None) -> dict[str, Any]:
    """Fields of valid packed ratings of three rows and four co-raters, as copies that may be changed."""
    record = packed(RATINGS, EVERYTHING, step)
    names = ["entries", "indptr", "co_entries", "co_indptr", "ends"]
    found = {name: getattr(record, name).copy() for name in names}
    if isinstance(record, LevelRatings):
        found |= {"products": record.products.copy(), "offset": record.offset, "step": record.step}
    return found


def record_of(given: dict[str, Any]) -> LevelRatings | ValueRatings:
    return (LevelRatings if "products" in given else ValueRatings)(**given)


def largest_at(name: str, position: int, value: int | None = None) -> Callable[[dict[str, Any]], None]:
    """Puts `value`, or the largest there is, into an array."""

    def change(given: dict[str, Any]) -> None:
        array = given[name]
        array[position] = np.iinfo(array.dtype).max if value is None else value

    return change


@PACKINGS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (largest_at("co_entries", 5), r"co_entries holds code \d+, which is not in \[0, 3\)"),
        (largest_at("entries", 5), r"entries holds code \d+, which is not in \[0, 4\)"),
        (largest_at("indptr", 1, 9), "indptr falls at row 1"),
        (largest_at("co_indptr", 1, 100), "co_indptr falls at row 1"),
        (largest_at("indptr", 0, -1), "indptr must run from 0 to 12"),
        (largest_at("co_indptr", 4, 13), "co_indptr must run from 0 to 12"),
        (lambda given: given.update(ends=given["ends"][:-1].copy()), "ends must be of shape"),
        (lambda given: given.update(entries=given["entries"].astype(np.int64)), "entries must be of uint"),
        (lambda given: given.update(indptr=given["indptr"][::2]), "contiguous"),
    ],
)
def test_packed_ratings_out_of_bounds_are_refused(step: float | None, change: Any, message: str) -> None:
    given = fields(step)
    record_of(given)
    change(given)
    with pytest.raises(ValueError, match=message):
        record_of(given)


def test_tables_of_products_are_checked() -> None:
    for products, message in (
        (np.zeros((16, 16, 6), dtype=np.int16), "shape"),
        (np.full((16, 16, 8), -(2**15), dtype=np.int16), "within -32767 and 32767"),
    ):
        with pytest.raises(ValueError, match=message):
            LevelRatings(**{**fields(1.0), "products": products})


def test_rows_too_long_for_32_bit_sums_are_refused() -> None:
    n = 2**31 // 32767 + 1
    products = np.full((16, 16, 8), 32767, dtype=np.int16)
    ones, pointers = np.zeros(n, dtype=np.uint32), np.arange(n + 1)
    by_row = np.arange(n, dtype=np.uint32) << np.uint32(4)
    with pytest.raises(ValueError, match="32-bit sums"):
        LevelRatings(by_row, np.array([0, n]), ones, pointers, products, 0.0, 1.0)
    assert (
        LevelRatings(by_row[:-1], np.array([0, n - 1]), ones[:-1], pointers[:-1], products, 0.0, 1.0).n
        == n - 1
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"measure": "spearman"}, ValueError),
        ({"measure": 0}, ValueError),
        ({"shrinkage": -1.0}, ValueError),
        ({"shrinkage": np.nan}, ValueError),
        ({"shrinkage": np.inf}, ValueError),
        ({"min_support": -1}, ValueError),
        ({"min_support": 1.5}, TypeError),
        ({"no_overlap": np.inf}, ValueError),
        ({"no_overlap": np.nan}, ValueError),
    ],
)
def test_rules_out_of_range_are_refused(options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error, match=next(iter(options))):
        SimilarityRule(**{"measure": "cosine", **options})


def test_results_and_scratch_of_other_shapes_are_refused() -> None:
    for make, message in (
        (lambda: SimilarityMatrix(np.zeros((3, 4))), "shape"),
        (lambda: SimilarityMatrix(np.zeros((3, 3), dtype=np.float16)), "float32 or float64"),
        (lambda: NearestRows(np.zeros((3, 2), dtype=np.int32), np.zeros((3, 3))), "shape"),
        (lambda: SimilarityScratch(np.zeros((2, 24), dtype=np.uint8)), "multiples of 16 bytes"),
        (lambda: SimilarityScratch(at_odd_address(64)), "multiples of 16 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match="ndarray"):
        SimilarityMatrix([[1.0]])  # type: ignore[arg-type]


def at_odd_address(n: int) -> np.ndarray:
    memory = np.zeros(n + 16, dtype=np.uint8)
    start = 1 - memory.ctypes.data % 2
    return memory[start : start + n].reshape(1, n)


class Call:
    """Valid arguments of `half_rows` and `top_rows`, by name."""

    def __init__(self, step: float | None = 1.0) -> None:
        self.ratings = record_of(fields(step))
        self.rule = SimilarityRule("pearson")
        self.matrix = SimilarityMatrix(np.zeros((3, 3), dtype=np.float32))
        self.nearest = NearestRows(np.zeros((3, 2), dtype=np.int32), np.zeros((3, 2), dtype=np.float32))
        self.scratch = scratch_of(self.ratings, self.rule, 2)
        self.span: Any = (0, 3)
        self.n_threads: Any = 2

    def half_rows(self, module: Any) -> None:
        module.half_rows(self.ratings, self.rule, self.matrix, self.scratch, self.span, self.n_threads)

    def top_rows(self, module: Any) -> None:
        module.top_rows(self.ratings, self.rule, self.nearest, self.scratch, self.span, self.n_threads)

    def mirror(self, module: Any) -> None:
        module.mirror(self.matrix, self.span, self.n_threads)


def narrow(scratch: SimilarityScratch, n_bytes: int) -> SimilarityScratch:
    return SimilarityScratch(np.zeros((scratch.n_threads, n_bytes), dtype=np.uint8))


@BOTH
@PACKINGS
@pytest.mark.parametrize("function", ["half_rows", "top_rows"])
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"span": (0, 4)}, ValueError, r"span \(0, 4\) is not within the 3 rows"),
        ({"span": (-1, 3)}, ValueError, "span"),
        ({"span": (2, 1)}, ValueError, "span"),
        ({"n_threads": 0}, ValueError, "n_threads must be between 1 and 1024"),
        ({"n_threads": -1}, ValueError, "n_threads"),
        ({"n_threads": 1025}, ValueError, "n_threads"),
        ({"n_threads": 3}, ValueError, "scratch needs n_threads rows"),
        ({"scratch": lambda call: narrow(call.scratch, call.scratch.n_bytes - 16)}, ValueError, "row_bytes"),
        ({"ratings": None}, TypeError, "ratings must be a PackedRatings, not NoneType"),
        ({"rule": "pearson"}, TypeError, "rule must be a SimilarityRule"),
        ({"scratch": np.zeros((2, 640), dtype=np.uint8)}, TypeError, "scratch must be a SimilarityScratch"),
        ({"matrix": np.zeros((3, 3)), "nearest": np.zeros((3, 2))}, TypeError, "must be a .*, not ndarray"),
        (
            {
                "matrix": SimilarityMatrix(np.zeros((2, 2))),
                "nearest": NearestRows(np.zeros((2, 2), dtype=np.int32), np.zeros((2, 2))),
            },
            ValueError,
            "a row for each row of ratings",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    module: Any, step: float | None, function: str, changes: dict[str, Any], error: Any, message: str
) -> None:
    call = Call(step)
    getattr(call, function)(module)
    for name, value in changes.items():
        setattr(call, name, value(call) if callable(value) else value)
    with pytest.raises(error, match=message):
        getattr(call, function)(module)


@BOTH
@pytest.mark.parametrize("step", [1.0, None])
@pytest.mark.parametrize(("position", "end"), [(3, 2), (0, -1), (11, 13)])
def test_ends_outside_the_row_of_their_co_rater_are_refused(
    module: Any, step: float | None, position: int, end: int
) -> None:
    call = Call(step)
    assert call.ratings.ends is not None
    call.ratings.ends[position] = end
    with pytest.raises(ValueError, match=rf"ends\[{position}\] is outside the row of its co-rater"):
        call.half_rows(module)
    call.top_rows(module)  # needs no ends


@BOTH
def test_half_rows_needs_ends(module: Any) -> None:
    call = Call()
    call.ratings = record_of({**fields(1.0), "ends": None})
    with pytest.raises(ValueError, match="needs ends"):
        call.half_rows(module)
    call.top_rows(module)


@BOTH
def test_no_column_for_the_nearest_is_refused(module: Any) -> None:
    call = Call()
    call.nearest = NearestRows(np.zeros((3, 0), dtype=np.int32), np.zeros((3, 0)))
    with pytest.raises(ValueError, match="at least one column"):
        call.top_rows(module)


@BOTH
def test_mirror_refuses(module: Any) -> None:
    for changes, error, message in (
        ({"span": (0, 4)}, ValueError, "span"),
        ({"span": (-1, 2)}, ValueError, "span"),
        ({"n_threads": 0}, ValueError, "n_threads"),
        ({"n_threads": 1025}, ValueError, "n_threads"),
        ({"matrix": np.zeros((3, 3))}, TypeError, "matrix must be a SimilarityMatrix"),
    ):
        call = Call()
        call.mirror(module)
        vars(call).update(changes)
        with pytest.raises(error, match=message):
            call.mirror(module)


@BOTH
@pytest.mark.parametrize("function", ["half_rows", "top_rows", "mirror"])
def test_read_only_results_are_refused(module: Any, function: str) -> None:
    call = Call()
    results = {"top_rows": [call.nearest.codes, call.nearest.values]}.get(function, [call.matrix.values])
    for array in results:
        array.flags.writeable = False
        with pytest.raises(ValueError, match="is read-only"):
            getattr(call, function)(module)
        array.flags.writeable = True
    getattr(call, function)(module)


@BOTH
@pytest.mark.parametrize("step", [1.0, None])
def test_results_that_share_memory_with_an_input_are_refused(module: Any, step: float | None) -> None:
    memory = np.zeros(16, dtype=np.int64)
    given = fields(step)
    memory[:12] = given["ends"]
    call = Call(step)
    call.ratings = record_of({**given, "ends": memory[:12]})
    call.half_rows(module)
    call.matrix = SimilarityMatrix(memory.view(np.float32)[:9].reshape(3, 3))
    with pytest.raises(ValueError, match=r"ends.* share memory"):
        call.half_rows(module)
    call = Call(step)
    call.matrix = SimilarityMatrix(call.scratch.sums.reshape(-1)[:36].view(np.float32).reshape(3, 3))
    with pytest.raises(ValueError, match="share memory"):
        call.half_rows(module)
    call.nearest = NearestRows(call.nearest.codes, call.nearest.codes.view(np.float32))
    with pytest.raises(ValueError, match="share memory"):
        call.top_rows(module)
    call.nearest = NearestRows(memory.view(np.int32)[:6].reshape(3, 2), np.zeros((3, 2)))
    call.ratings = record_of({**given, "ends": memory[:12]})
    with pytest.raises(ValueError, match="share memory"):
        call.top_rows(module)


@BOTH
@PACKINGS
def test_inputs_may_be_read_only_and_are_left_as_they_were(module: Any, step: float | None) -> None:
    call = Call(step)
    call.ratings = packed(RATINGS, EVERYTHING, step)
    before = {name: array.copy() for name, array, _ in call.ratings.arrays()}
    for _, array, _ in call.ratings.arrays():
        assert not array.flags.writeable
    call.half_rows(module)
    call.top_rows(module)
    for name, array, _ in call.ratings.arrays():
        np.testing.assert_array_equal(array, before[name])
