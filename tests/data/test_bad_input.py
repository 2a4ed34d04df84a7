"""Each kind of invalid input raises an error that names the column and the first offending row."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import ids

GOOD: dict[str, Any] = {
    "users": [1, 2, 3],
    "items": [1, 1, 2],
    "values": [1.0, 2.0, 3.0],
    "timestamps": [5, 6, 7],
}

BAD = {
    "NaN rating": ({"values": [1.0, np.nan, np.nan]}, "'values': nan at row 1"),
    "None rating": ({"values": [1.0, None, 2.0]}, "'values': nan at row 1"),
    "infinite rating": ({"values": [1.0, 2.0, -np.inf]}, "'values': -inf at row 2"),
    "rating too large for float32": ({"values": [1.0, 1e300, 2.0]}, "'values': inf at row 1"),
    "text rating": ({"values": ["1", "2", "3"]}, "'values' must hold numbers"),
    "object rating": ({"values": np.array([1, "x", 2], dtype=object)}, "'values': 'x' at row 1"),
    "boolean ratings": ({"values": [True, False, True]}, "'values' must hold numbers"),
    "masked rating": (
        {"values": np.ma.masked_greater([1.0, 2.0, 9.0], 5)},
        "'values': missing value at row 2",
    ),
    "two-dimensional ratings": ({"values": np.ones((3, 1))}, "'values' must be one-dimensional"),
    "None user": ({"users": ["a", None, "b"]}, "'users': missing id at row 1"),
    "NaN user": ({"users": np.array([1.0, 2.0, np.nan])}, "'users': missing id at row 2"),
    "NaN among strings": ({"users": ["a", "b", float("nan")]}, "'users': missing id at row 2"),
    "None item": ({"items": [None, 1, 2]}, "'items': missing id at row 0"),
    "masked item": ({"items": np.ma.masked_less([5, 0, 7], 1)}, "'items': missing id at row 1"),
    "NaT item": (
        {"items": np.array([1, np.datetime64("NaT", "s"), 2], dtype=object)},
        "'items': missing id at row 1",
    ),
    "fractional ids": (
        {"users": [1.0, 2.5, 3.0]},
        "'users' must hold .* row 1 holds 2.5, which is not whole",
    ),
    "boolean ids": ({"users": [True, False, True]}, "'users' must hold integer or string ids"),
    "boolean array ids": (
        {"users": np.array([True, False, True])},
        "'users' must hold integer or string ids",
    ),
    "mixed ids": ({"users": [1, "b", 2]}, "'users' must hold .* of one kind; row 0 holds 1, row 1 holds 'b'"),
    "date ids": ({"items": [datetime.date(2020, 1, 1)] * 3}, "'items' must hold integer or string ids"),
    "boolean among integers": ({"users": [1, True, 2]}, "'users' must hold .* row 1 holds True"),
    "lists for ids": ({"users": [[1, 2], [3, 4], [5, 6]]}, r"'users' must hold .* row 0 holds \[1, 2\]"),
    "a single id": ({"users": 7}, "'users' must be one-dimensional, got the single value 7"),
    "a single string": ({"users": "abc"}, "'users' must be one-dimensional, got the single value 'abc'"),
    "ids beyond 64 bits": ({"users": [1, 2**64, 3]}, "'users': 18446744073709551616 at row 1"),
    "ids that no dtype holds": ({"items": [-1, 2, 2**63]}, "'items': 9223372036854775808 at row 2"),
    "bytes that are no text": (
        {"users": np.array([b"a", b"\xff", b"b"])},
        r"'users': b'\\xff' at row 1 is not UTF-8",
    ),
    "two-dimensional ids": ({"users": np.ones((3, 1), dtype=int)}, "'users' must be one-dimensional"),
    "fewer items": ({"items": [1, 2]}, "'items' has 2 rows and 'users' has 3; row 2"),
    "more ratings": ({"values": [1.0] * 5}, "'values' has 5 rows and 'users' has 3; row 3"),
    "fewer timestamps": ({"timestamps": [1]}, "'timestamps' has 1 rows and 'users' has 3; row 1"),
    "NaN timestamp": ({"timestamps": [1.0, 2.0, np.nan]}, "'timestamps': missing value at row 2"),
    "NaT timestamp": (
        {"timestamps": np.array(["2020", "NaT", "2021"], dtype="datetime64[s]")},
        "'timestamps': missing value at row 1",
    ),
    "fractional timestamp": ({"timestamps": [1.0, 2.5, 3.0]}, "'timestamps': 2.5 at row 1"),
    "missing date": (
        {"timestamps": [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 2)]},
        "'timestamps': missing value at row 1",
    ),
    "number among dates": (
        {"timestamps": [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), 7]},
        "'timestamps': 7 at row 2 is a number among dates",
    ),
    "timestamp too large": (
        {"timestamps": np.array([1, 2, 2**63], dtype=np.uint64)},
        "'timestamps': .* row 2",
    ),
    "text timestamp": (
        {"timestamps": ["a", "b", "c"]},
        "'timestamps': 'a' at row 0 is neither a number nor an ISO",
    ),
    "below the scale": ({"scale": (2, 5)}, r"'values': 1 at row 0 is outside the scale \(2, 5\)"),
    "above the scale": ({"scale": (0, 2.5)}, r"'values': 3 at row 2 is outside the scale \(0, 2.5\)"),
    "scale upside down": ({"scale": (5, 1)}, "min <= max"),
    "scale of one": ({"scale": (5,)}, "pair"),
    "endless scale": ({"scale": (0, np.inf)}, "finite"),
    "scale of words": ({"scale": ("low", "high")}, "pair"),
    "duplicate": (
        {"users": [1, 1, 1], "items": [2, 1, 2]},
        r"columns 'users' and 'items': row 2 repeats row 0 \(user 1, item 2\)",
    ),
    "rows of several lengths": (
        {"values": [[1.0], [2.0, 3.0], 4.0]},
        "'values' must be one-dimensional, got rows",
    ),
    "a complex rating": (
        {"values": np.array([1.0, 2 + 3j, 3.0], dtype=object)},
        r"'values': \(2\+3j\) at row 1",
    ),
    "a rating beyond float64": (
        {"values": [1.0, 10**400, 3.0]},
        "'values': row 1 holds a number beyond float64",
    ),
    "a scale beyond float64": ({"scale": (1, 10**400)}, r"scale must be a pair \(min, max\)"),
    "all empty": ({"users": [], "items": [], "values": [], "timestamps": []}, "'users' is empty"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.DataError, match=message) as caught:
        cf.Ratings(**(GOOD | change))
    assert isinstance(caught.value, ValueError)


def test_more_ids_than_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """2^31 distinct ids are too many for a test: the limit is lowered, and checked for each kind of input."""
    monkeypatch.setattr(ids, "MAX_CODES", 2)
    for users in ([1, 2, 3], [1, 10**15, 3], ["a", "b", "c"]):
        with pytest.raises(cf.DataError, match="'users': 3 distinct ids, more than 2"):
            cf.Ratings(users, [1, 1, 2], [1.0, 2.0, 3.0])
    from scipy.sparse import coo_array

    with pytest.raises(cf.DataError, match="'items': 9 distinct ids"):
        cf.Ratings.from_scipy(coo_array(([1.0], ([0], [1])), shape=(2, 9)))


def test_the_first_of_several_duplicates_is_named() -> None:
    users = np.array([9, 8, 8, 9, 8, 9])
    items = np.array([1, 1, 2, 2, 2, 1])
    with pytest.raises(cf.DataError, match="row 4 repeats row 2"):
        cf.Ratings(users, items, np.ones(6))


def test_unknown_treatment_of_duplicates() -> None:
    with pytest.raises(ValueError, match='duplicates must be "error", "last", "first" or "mean"'):
        cf.Ratings(**GOOD, duplicates="latest")


@pytest.mark.parametrize("odd", [np.array(["last", "mean"]), ["last"], 0, "x"])
def test_ways_to_treat_duplicates_are_words(odd: Any) -> None:
    with pytest.raises(ValueError, match="duplicates must be"):
        cf.Ratings(**GOOD, duplicates=odd)
    with pytest.raises(ValueError, match="duplicates must be"):
        cf.GlobalMean().fit(tuple(GOOD.values()), duplicates=odd)
    with pytest.raises(cf.DataError, match="got ndarray"):
        cf.GlobalMean().fit(np.array(2))
