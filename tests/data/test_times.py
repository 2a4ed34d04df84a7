"""Times: numbers, dates and text of any kind as int64, and their units by their range."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.times import as_seconds, unit_of

NOW = 1_700_000_000_123_456_789  # beyond 2^53
UTC = datetime.UTC


def read(timestamps: Any) -> list[int]:
    n = len(timestamps)
    made = cf.Ratings(np.arange(n), np.arange(n), np.ones(n), timestamps)
    assert made.timestamps is not None
    return made.timestamps.tolist()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([NOW, 1], [NOW, 1]),
        (np.array([NOW, 1], dtype=object), [NOW, 1]),
        (np.array([NOW, np.int64(NOW)], dtype=object), [NOW, NOW]),
        ([Decimal(NOW), Decimal("1.0")], [NOW, 1]),
        ([str(NOW), "1.0"], [NOW, 1]),
        (np.array(["1970-01-02", "1970-01-01T00:01"]), [86_400, 60]),
        (np.array(["1970-01-02", "1970-01-03"], dtype=object), [86_400, 172_800]),
        ([datetime.date(1970, 1, 2), datetime.datetime(1970, 1, 1, 1)], [86_400, 3600]),
        ([datetime.datetime(1970, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))], [82_800]),
        (
            np.array([np.datetime64("1970-01-02"), np.datetime64("1970-01-01T00:01")], dtype=object),
            [86_400, 60],
        ),
        ([np.float32(7), 8.0], [7, 8]),
        (np.array([b"7", b"1970-01-02"]), [7, 86_400]),
        ([-1, 0], [-1, 0]),
    ],
    ids=repr,
)
def test_times_are_exact(given: Any, expected: list[int]) -> None:
    assert read(given) == expected


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (None, "missing value at row 1"),
        (float("nan"), "missing value at row 1"),
        (np.datetime64("NaT"), "missing value at row 1"),
        ("NaT", "missing value at row 1"),
        (float("inf"), "inf at row 1 is not a whole number"),
        (1e300, r"1e\+300 at row 1 is not a whole number"),
        (2**63, "9223372036854775808 at row 1 exceeds int64"),
        (Decimal("1e300"), "at row 1 is not a whole number"),
        ("1e300", "'1e300' at row 1 does not fit int64"),
        ("1_000", "'1_000' at row 1 is neither"),
        ("\u0661\u0662", "at row 1 is neither"),
        (True, "True at row 1 is neither"),
        ([1], r"\[1\] at row 1 is neither"),
        (datetime.date(2020, 1, 1), "at row 1 is a date among numbers"),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(bad: Any, problem: str) -> None:
    column = np.empty(3, dtype=object)
    column[:] = [1, 2, 3]
    column[1] = bad
    with pytest.raises(cf.DataError, match=f"column 'timestamps': .*{problem}.*; timestamps=False leaves"):
        read(column)
    assert cf.Ratings([1, 2, 3], [1, 2, 3], [1, 2, 3], False).timestamps is None


@pytest.mark.parametrize("pandas_kind", ["datetime", "zone", "Int64", "period"])
def test_missing_times_of_pandas(pandas_kind: str) -> None:
    pandas = pytest.importorskip("pandas")
    dates = pandas.to_datetime(["2020-01-01", None, "2020-01-03"])
    column = {
        "datetime": dates,
        "zone": dates.tz_localize("Europe/Paris"),
        "Int64": pandas.array([1, None, 3], dtype="Int64"),
        "period": dates.to_period("D"),
    }[pandas_kind]
    frame = pandas.DataFrame({"user": [1, 2, 3], "item": [1, 1, 1], "rating": [1.0, 2, 3], "when": column})
    with pytest.raises(cf.DataError, match="column 'when': missing value at row 1"):
        cf.Ratings.from_frame(frame, timestamp="when")
    complete = frame[frame["when"].notna()]
    assert cf.Ratings.from_frame(complete, timestamp="when").timestamps is not None


@pytest.mark.parametrize(("factor", "name"), [(1, 1), (10**3, 10**3), (10**6, 10**6), (10**9, 10**9)])
def test_units_by_range(factor: int, name: int) -> None:
    for year in (1, 10, 40, 130):
        times = np.array([0, 86_400 * 100, 86_400 * 365 * year]) * factor
        assert unit_of(times) == name
        assert as_seconds(times, name).tolist() == (times // factor).tolist()
    assert unit_of(np.array([], dtype=np.int64)) == 1
    assert unit_of(np.array([-(2**63), 0])) == 10**9


def test_two_units_in_one_column_are_refused() -> None:
    with pytest.raises(
        cf.DataError, match=r"964982703 at row 1 would be seconds .* 964982703000 at row 0 milli"
    ):
        unit_of(np.array([964982703000, 964982703, 0]), "when")


def test_ratings_and_times_exchanged_are_refused() -> None:
    users, items, ratings, times = [1, 2, 3], [4, 5, 6], [3.0, 4.5, 5.0], [964982703, 964982704, 964982705]
    for given in ((users, items, times, ratings), list(zip(users, items, times, ratings, strict=True))):
        with pytest.raises(cf.DataError, match=r"'values': the ratings from \d+ to \d+ look like times, and"):
            cf.Baseline().fit(given)
    with pytest.warns(cf.errors.DataWarning, match="look like times"):
        cf.Ratings(users, items, times)
    assert cf.Ratings(users, items, ratings, times).timestamps is not None


@pytest.mark.parametrize(
    ("factor", "unit"), [(1, ""), (10**3, " in milliseconds"), (10**9, " in nanoseconds")]
)
def test_repr_shows_dates_of_any_unit(factor: int, unit: str) -> None:
    times = np.array([964982703, 1_000_000_000]) * factor
    made = cf.Ratings([1, 2], [1, 1], [1.0, 2.0], times)
    assert repr(made).endswith(f", 2000-07-30 to 2001-09-09{unit})")
