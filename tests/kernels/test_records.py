"""The checks that a record makes of its fields, and their messages."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from cfcore.kernels import records
from cfcore.kernels.records import (
    RATING,
    BiasDraws,
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    RatingRows,
    Record,
    SGDRates,
    check_written,
)
from cfcore.kernels.records.base import array, dimension, integer, real

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Table(Record):
    """A record of every kind of field."""

    values: Array = array("floating", "n_rows", "n_columns", written=True)
    bounds: Array = array("int64", "n_rows + 1")
    pairs: Array = array("int32", None, 2)
    size: int = integer(1, 9)
    rate: float = real(0.0, 1.0, default=0.5)
    weights: Array | None = array("floating", "n_columns", optional=True)
    n_rows: int = dimension()
    n_columns: int = dimension()


def table(**changes: Any) -> Table:
    given = {
        "values": np.zeros((3, 2), dtype=np.float32),
        "bounds": np.zeros(4, dtype=np.int64),
        "pairs": np.zeros((7, 2), dtype=np.int32),
        "size": 3,
    }
    return Table(**{**given, **changes})


def test_a_record_knows_its_dimensions_and_the_dtype_of_its_parameters() -> None:
    found = table()
    assert (found.n_rows, found.n_columns, found.size, found.rate) == (3, 2, 3, 0.5)
    assert found.dtype == np.float32
    assert found.weights is None
    assert table(values=np.zeros((3, 2)), weights=np.zeros(2)).dtype == np.float64


def test_a_record_is_frozen_and_holds_the_arrays_themselves() -> None:
    values = np.zeros((3, 2), dtype=np.float32)
    found = table(values=values)
    assert found.values is values
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.values = values  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("values", [[1.0, 2.0]], "must be an ndarray, not list"),
        ("bounds", None, "must be an ndarray, not NoneType"),
        ("size", 3.0, "must be an integer"),
        ("size", "3", "must be an integer"),
        ("rate", None, "must be a number"),
        ("rate", "high", "must be a number"),
    ],
)
def test_values_of_other_kinds(field: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^Table: {field} {message}"):
        table(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("values", np.zeros((3, 2), dtype=np.int32), "must be of float32 or float64, not int32"),
        ("values", np.zeros((3, 2), dtype=np.float16), "must be of float32 or float64, not float16"),
        ("values", np.zeros((3, 2), dtype=">f4"), "must be of float32 or float64, not >f4"),
        ("weights", np.zeros(2), "must be of float32, not float64"),
        ("bounds", np.zeros(4, dtype=np.int32), "must be of int64, not int32"),
        ("bounds", np.zeros(4, dtype=np.uint64), "must be of int64, not uint64"),
        ("bounds", np.zeros(4, dtype=">i8"), "must be of int64, not >i8"),
        ("pairs", np.zeros((7, 2), dtype=[("a", "i4")]), "must be of int32"),
        ("values", np.zeros(6, dtype=np.float32), "must have 2 dimensions, not 1"),
        ("bounds", np.zeros((4, 1), dtype=np.int64), "must have 1 dimensions, not 2"),
        ("values", np.zeros((2, 3), dtype=np.float32).T, "must be contiguous"),
        ("values", np.zeros((3, 4), dtype=np.float32)[:, ::2], "must be contiguous"),
        ("bounds", np.zeros(33, dtype=np.uint8)[1:].view(np.int64), "must be contiguous .* and aligned"),
        ("bounds", np.zeros(3, dtype=np.int64), "must be of shape .n_rows . 1., got .3,.: axis 0 .* 4"),
        ("bounds", np.zeros(0, dtype=np.int64), "must be of shape .n_rows . 1., got .0,.: axis 0 .* 4"),
        ("pairs", np.zeros((7, 3), dtype=np.int32), "must be of shape .None, 2., got .7, 3.: axis 1 .* 2"),
        ("weights", np.zeros(3, dtype=np.float32), "must be of shape .n_columns., got .3,.: axis 0 .* 2"),
        ("size", 0, "must be between 1 and 9, not 0"),
        ("size", 10, "must be between 1 and 9, not 10"),
        ("rate", -0.1, "must be between 0.0 and 1.0, not -0.1"),
        ("rate", float("nan"), "must be between 0.0 and 1.0, not nan"),
    ],
)  # fmt: skip
def test_dtypes_layouts_shapes_and_numbers(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Table: {field} {message}"):
        table(**{field: value})


def test_numbers_of_numpy_become_those_of_python() -> None:
    found = table(size=np.int16(4), rate=np.float32(0.25))
    assert type(found.size) is int
    assert type(found.rate) is float


def test_arrays_may_be_read_only_until_they_are_written() -> None:
    values = np.zeros((3, 2), dtype=np.float32)
    values.flags.writeable = False
    frozen = table(values=values)
    check_written((), (frozen,))
    with pytest.raises(ValueError, match=r"^Table: values is read-only, and would be written$"):
        check_written((frozen,))


def test_fields_that_are_not_written_may_be_read_only_and_share_memory() -> None:
    bounds = np.zeros(4, dtype=np.int64)
    bounds.flags.writeable = False
    both = table(bounds=bounds), table(bounds=bounds)
    check_written(both)
    shared = np.zeros((3, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="Table: values and Table: values share memory"):
        check_written((table(values=shared),), (table(values=shared),))
    with pytest.raises(ValueError, match="share memory"):
        check_written((table(values=shared), table(values=shared)))
    check_written((), (table(values=shared), table(values=shared)))


def test_fields_of_structured_arrays_are_aligned() -> None:
    memory = np.zeros(3 * RATING.itemsize + 4, dtype=np.uint8)
    for shift in (1, 2, 3):
        ratings = memory[shift : shift + 3 * RATING.itemsize].view(RATING)
        with pytest.raises(ValueError, match="BlockLayout: ratings must be aligned to 4 bytes"):
            BlockLayout(ratings, np.array([0, 3]), 1)
    BlockLayout(memory[4:].view(RATING), np.array([0, 3]), 1)


def test_neighbours_in_memory_do_not_overlap() -> None:
    memory = np.zeros((6, 2), dtype=np.float32)
    check_written((table(values=memory[:3]), table(values=memory[3:])))
    with pytest.raises(ValueError, match="share memory"):
        check_written((table(values=memory[:3]), table(values=memory[2:5])))


class TestRecordsOfFactorization:
    def test_rows_of_factors_are_whole_groups_of_64_bytes(self) -> None:
        rows, biases = np.zeros((3, 20), dtype=np.float32), np.zeros(3, dtype=np.float32)
        with pytest.raises(
            ValueError, match="Factors: user_factors: rows must be padded to a multiple of 64"
        ):
            Factors(rows, rows, biases, biases, 0.0)
        rows = np.zeros((3, 24))
        assert Factors(rows, rows, np.zeros(3), np.zeros(3), 0.0).width == 24

    def test_factors_and_biases_of_one_side_are_of_one_length(self) -> None:
        rows, biases = np.zeros((3, 16), dtype=np.float32), np.zeros(3, dtype=np.float32)
        with pytest.raises(ValueError, match=r"Factors: item_bias must be of shape \(n_items\), got \(2,\)"):
            Factors(rows, rows, biases, biases[:2], 0.0)
        with pytest.raises(ValueError, match="Factors: user_bias must be of float32, not float64"):
            Factors(rows, rows, np.zeros(3), biases, 0.0)
        with pytest.raises(ValueError, match="Factors: mean must be between -inf and inf, not nan"):
            Factors(rows, rows, biases, biases, float("nan"))

    def test_codes_of_ratings_and_stripes(self) -> None:
        codes, values = np.array([0, 3], dtype=np.int32), np.zeros(2, dtype=np.float32)
        with pytest.raises(ValueError, match=r"RatingColumns: user_codes holds 3 at 1, .* not in \[0, 3\)"):
            RatingColumns(codes, codes, values, 3, 4)
        with pytest.raises(ValueError, match=r"RatingColumns: item_codes holds -1 at 0"):
            RatingColumns(codes, codes - 1, values, 4, 4)
        with pytest.raises(ValueError, match=r"BlockGrid: item_stripes holds 3 at 1"):
            BlockGrid(codes, codes, 4, 3)
        with pytest.raises(ValueError, match=r"BlockGrid: n_user_stripes must be between 1"):
            BlockGrid(codes[:0], codes, 0, 4)

    def test_blocks_are_pairs_of_stripes(self) -> None:
        ratings = np.zeros(2, dtype=RATING)
        assert BlockLayout(ratings, np.zeros(7, dtype=np.int64), 3).n_blocks == 6
        for bounds in (np.zeros(8, dtype=np.int64), np.zeros(1, dtype=np.int64)):
            with pytest.raises(ValueError, match="BlockLayout: block_ptr must have user stripes"):
                BlockLayout(ratings, bounds, 3)
        with pytest.raises(ValueError, match="BlockLayout: block_ptr must be of shape"):
            BlockLayout(ratings, np.zeros(0, dtype=np.int64), 3)
        with pytest.raises(ValueError, match=r"BlockLayout: ratings must be of .*, not int32"):
            BlockLayout(np.zeros(2, dtype=np.int32), np.zeros(7, dtype=np.int64), 3)

    def test_visits_are_to_blocks(self) -> None:
        order, starts = np.array([0, 2, 1], dtype=np.int32), np.zeros(3, dtype=np.int64)
        assert BlockVisits(order, starts).n_visits == 3
        with pytest.raises(ValueError, match=r"BlockVisits: order holds 2 at 1, which is not in \[0, 2\)"):
            BlockVisits(order, starts[:2])
        with pytest.raises(ValueError, match="BlockVisits: starts must not be negative"):
            BlockVisits(order, starts - 1)

    def test_scratch_has_three_numbers_a_visit(self) -> None:
        latest = np.zeros(5, dtype=np.int32)
        assert BlockScratch(np.zeros(6), np.zeros((6, 3), dtype=np.int32), latest).n_stripes == 5
        with pytest.raises(ValueError, match=r"BlockScratch: schedule must be of shape .*axis 1 should be 3"):
            BlockScratch(np.zeros(6), np.zeros((6, 2), dtype=np.int32), latest)

    def test_rates_are_numbers(self) -> None:
        assert SGDRates(0.1, 0.1, 0.1, 0.1).high == np.inf
        with pytest.raises(ValueError, match="SGDRates: lr must be between -inf and inf, not nan"):
            SGDRates(float("nan"), 0.1, 0.1, 0.1)
        with pytest.raises(TypeError, match="SGDRates: reg must be a number"):
            SGDRates(0.1, None, 0.1, 0.1)  # type: ignore[arg-type]


def test_rows_of_ratings_ascend_to_their_number() -> None:
    codes, values = np.array([0, 1], dtype=np.int32), np.zeros(2, dtype=np.float32)
    assert RatingRows(np.array([0, 0, 2]), codes, values, 2).n_rows == 2
    for bounds, message in (
        ([0, 1], "RatingRows: indptr must run from 0 to 2, the number of entries"),
        ([1, 2], "RatingRows: indptr must run from 0 to 2"),
        ([0, 2, 1, 2], "RatingRows: indptr falls at row 1"),
    ):
        with pytest.raises(ValueError, match=message):
            RatingRows(np.array(bounds), codes, values, 2)
    with pytest.raises(ValueError, match=r"RatingRows: indices holds 1 at 1, which is not in \[0, 1\)"):
        RatingRows(np.array([0, 2]), codes, values, 1)


def test_a_changed_record_has_the_same_codes_unchecked_and_checks_what_is_new() -> None:
    bounds, codes = np.array([0, 1, 2]), np.array([0, 1], dtype=np.int32)
    ratings = RatingRows(bounds, codes, np.zeros(2, dtype=np.float32), 2)
    values = np.ones(2, dtype=np.float32)
    changed = ratings.changed(values=values)
    assert changed.values is values
    assert changed.indices is codes
    assert (changed.n, changed.n_rows, changed.n_columns) == (2, 2, 2)
    assert not ratings.values.any()
    assert [name for *_, name in changed.extents] == [name for *_, name in ratings.extents]
    assert changed.extents != ratings.extents
    with pytest.raises(ValueError, match=r"RatingRows: values must be of shape \(n\), got \(3,\)"):
        ratings.changed(values=np.ones(3, dtype=np.float32))
    with pytest.raises(ValueError, match="RatingRows: values must be of float32, not float64"):
        ratings.changed(values=np.ones(2))
    with pytest.raises(TypeError, match=r"RatingRows: of a record, \['indices', 'n_columns', 'none'\] stay"):
        ratings.changed(indices=codes, n_columns=1, none=1)
    draws = BiasDraws(bounds, values, values.copy(), np.zeros(2), 0.0, 1.0, 1.0)
    assert draws.changed(mean=2.0, weights=values.copy()).mean == 2
    with pytest.raises(ValueError, match=r"BiasDraws: precision must be between 0.0 and inf, not -1"):
        draws.changed(precision=-1)


def test_every_record_that_is_exported_is_frozen_and_documented() -> None:
    kinds = [held for name in records.__all__ if isinstance(held := getattr(records, name), type)]
    assert len(kinds) > 8
    for kind in kinds:
        assert issubclass(kind, Record)
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert kind.__doc__
        for field in dataclasses.fields(kind):
            assert "dimension" in field.metadata or field.name in (kind.__doc__ or "") or kind is Record
