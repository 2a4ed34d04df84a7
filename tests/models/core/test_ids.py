"""Raw ids to a model's codes, and columns of pairs to columns of one length."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.names import ARGUMENTS
from cfcore.data.shapes import Columns
from cfcore.models.core.ids import Ids, codes_of_pairs

Array = np.ndarray[Any, Any]

NUMBERS = Ids("item", np.array([3, 5, 8, 9]), np.array([2, 0, 1, 4]))
NAMES = Ids("user", np.array(["ann", "bob", "çelik"]), np.array([1, 1, 1]))


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        ([3, 8, 9], [0, 2, 3]),
        ([9, 3, 9], [3, 0, 3]),
        ([5], [-1]),  # in the vocabulary, without training ratings
        ([4, -1, 10**12], [-1, -1, -1]),
        ([], []),
        (8, [2]),
        (np.int16(8), [2]),
        (np.array(8), [2]),
        (np.array([8, 3], dtype=np.uint64), [2, 0]),
    ],
)
def test_codes(raw: Any, codes: list[int]) -> None:
    found = NUMBERS.encode(raw)
    assert found.tolist() == codes
    assert found.dtype == np.int32


def test_codes_of_strings() -> None:
    assert NAMES.encode(["çelik", "eve", "ann"]).tolist() == [2, -1, 0]
    assert NAMES.encode("bob").tolist() == [1]
    assert NAMES.encode(np.array(["a" * 50, "bob"])).tolist() == [-1, 1]


def test_the_vocabulary_itself_is_not_searched() -> None:
    """Its codes are those of equal ids in another array."""
    assert (
        NUMBERS.encode(NUMBERS.ids).tolist() == NUMBERS.encode(NUMBERS.ids.copy()).tolist() == [0, -1, 2, 3]
    )
    assert NAMES.encode(NAMES.ids).tolist() == [0, 1, 2]


@pytest.mark.parametrize("raw", [["a"], "a", [1.5], [True], [None], None, [date(2020, 1, 1)], [[1, 2]]])
def test_ids_of_another_kind_are_refused(raw: Any) -> None:
    with pytest.raises(cf.DataError, match="items"):
        NUMBERS.encode(raw)
    if raw not in (["a"], "a"):
        with pytest.raises(cf.DataError, match="users"):
            NAMES.encode(raw)


def test_one_id() -> None:
    assert NUMBERS.encode_one(8) == 2
    assert NUMBERS.encode_one(5) == NUMBERS.encode_one(77) == -1
    assert isinstance(NAMES.encode_one("ann"), int)
    several: list[Any] = [[8], np.array([8]), [8, 9], (), {}]
    for raw in several:
        with pytest.raises(cf.DataError, match="item: one id is wanted"):
            NUMBERS.encode_one(raw)
    with pytest.raises(cf.DataError, match="items"):
        NUMBERS.encode_one("8")


def test_empty_vocabulary() -> None:
    empty = Ids("user", np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    assert empty.encode([1, 2]).tolist() == [-1, -1]
    assert empty.encode([]).tolist() == []


# ---------------------------------------------------------------------- pairs


def pairs(users: Any, items: Any, timestamps: Any = None) -> tuple[Any, ...]:
    found = codes_of_pairs(NAMES, NUMBERS, Columns(users, items, None, timestamps, ARGUMENTS))
    return tuple(None if column is None else column.tolist() for column in found)


def test_pairs() -> None:
    assert pairs(["ann", "eve"], [8, 9]) == ([0, -1], [2, 3], None)
    assert pairs(["ann", "bob"], [8, 9], [5, 6]) == ([0, 1], [2, 3], [5, 6])
    assert pairs([], []) == ([], [], None)


def test_single_values_are_repeated() -> None:
    assert pairs("ann", [8, 9, 3]) == ([0, 0, 0], [2, 3, 0], None)
    assert pairs(["ann", "bob"], 8) == ([0, 1], [2, 2], None)
    assert pairs("ann", 8) == ([0], [2], None)
    assert pairs("ann", [8, 9], 77) == ([0, 0], [2, 3], [77, 77])
    assert pairs("ann", 8, [1, 2, 3]) == ([0, 0, 0], [2, 2, 2], [1, 2, 3])
    assert pairs("ann", []) == ([], [], None)
    assert pairs(["ann"], [8, 9]) == ([0, 0], [2, 3], None)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(cf.DataError, match="the columns differ in length: 2 users, 3 items"):
        pairs(["ann", "bob"], [8, 9, 3])
    with pytest.raises(cf.DataError, match="2 users, 2 items, 3 timestamps"):
        pairs(["ann", "bob"], [8, 9], [1, 2, 3])
