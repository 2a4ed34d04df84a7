"""Timestamps: conversion of dates and text, and the unit of whole numbers."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data.id_columns import CHUNK, is_missing
from cfcore.data.kinds import MARKERS
from cfcore.errors import DataError, DataWarning, warn

__all__ = [
    "END", "FIRST_SECOND", "UNITS", "as_seconds", "from_array", "parse", "unit_by_largest", "unit_of",
    "warn_of_dates",
]  # fmt: skip

#: Names of the units of timestamps, by their number in a second.
UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
#: Times of ratings are from 1973 on: whole numbers from here on may be times, and are no ratings.
FIRST_SECOND = 100_000_000
#: Seconds since 1970 end here, in the year 2106: later ones are milliseconds or finer.
END = 2**32
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")


def parse(text: str) -> int:
    """A timestamp as text: a whole number, or an ISO 8601 date as seconds since 1970.

    Dates without a time zone are in UTC. Fractions of a second are dropped (rounded down).

    Raises
    ------
    ValueError
        The message says what the text is not, such as "is not a whole number".
    """
    if _WHOLE.fullmatch(text):
        exact = int(text)  # not by way of a float, which holds whole numbers up to 2^53 only
    else:
        try:
            # float() accepts "1_000" and the digits of other scripts, which are not numbers in a file.
            value = float(text) if "_" not in text and text.isascii() else math.nan
        except ValueError:
            value = math.nan
        if math.isnan(value) and text.lower().lstrip("+-") != "nan":
            return _parse_date(text)
        if not _is_moment(value):
            raise ValueError("is not a whole number")
        exact = math.floor(value)
    if not -(2**63) <= exact < 2**63:
        raise ValueError("does not fit int64")
    return exact


def _is_moment(value: Any) -> bool:
    """Whether a number is whole, or has a fraction of a second: so small a number would lose by rounding."""
    return math.isfinite(value) and (value == math.floor(value) or abs(value) >= FIRST_SECOND)


def _parse_date(text: str) -> int:
    try:
        return _seconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ValueError("is neither a number nor an ISO 8601 date") from None


def _seconds(moment: date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def from_array(array: NDArray[Any], column: str) -> NDArray[np.int64]:
    """Timestamps of an array of any dtype as int64; dates become seconds since 1970.

    Raises
    ------
    DataError
        For missing and infinite values, numbers that int64 does not hold, fractions of small numbers, and
        text that is no ISO 8601 date.

    Notes
    -----
    Fractions of seconds since 1970, as pandas and JSON hold them in floats, are rounded down: those of
    numbers from 10^8 (the year 1973) on.
    """
    kind = array.dtype.kind
    if kind in "iu":
        if array.dtype == np.uint64 and len(array) and int(array.max()) >= 2**63:
            raise _error(column, f"{array.max()} at row {int(array.argmax())} exceeds int64")
        return np.require(array, dtype=np.int64, requirements=("C", "A"))
    if kind == "M":
        missing = np.isnat(array)
        if missing.any():
            raise _error(column, f"missing value at row {int(missing.argmax())}")
        return array.astype("datetime64[s]").astype(np.int64)
    if kind == "f":
        return _from_floats(array, column)
    if kind in "OTUS":
        return _from_objects(array.tolist(), column)
    raise _error(column, f"times are whole numbers, dates or ISO 8601 text, not {array.dtype}")


def _from_floats(array: NDArray[Any], column: str) -> NDArray[np.int64]:
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        with np.errstate(invalid="ignore", over="ignore"):  # 2^63 is infinite in float16
            fine = (part == np.floor(part)) | (np.abs(part) >= FIRST_SECOND)
            valid = np.isfinite(part) & fine & (np.abs(part) < 2.0**63)
        if not valid.all():
            row = start + int(valid.argmin())
            raise _bad_number(column, float(array[row]), row)
    return np.floor(array).astype(np.int64)


def _from_objects(values: list[Any], column: str) -> NDArray[np.int64]:
    times = np.empty(len(values), dtype=np.int64)
    known: dict[str, int] = {}
    dates = bool(values) and isinstance(values[0], date)
    for row, value in enumerate(values):
        if isinstance(value, (str, bytes)):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            if text not in known:
                known[text] = _of_text(text.strip(), row, column)
            times[row] = known[text]
        else:
            times[row] = _of_object(value, row, column)
            if dates is not isinstance(value, date):
                kind = "a number among dates" if dates else "a date among numbers"
                raise _error(column, f"{value!r} at row {row} is {kind}")
    return times


def _of_text(text: str, row: int, column: str) -> int:
    if text in MARKERS:
        raise _error(column, f"missing value at row {row}")
    try:
        return parse(text)
    except ValueError as error:
        raise _error(column, f"{text!r} at row {row} {error}") from None


def _of_object(value: Any, row: int, column: str) -> int:
    if isinstance(value, np.generic):
        if isinstance(value, np.datetime64) and not np.isnat(value):
            return int(value.astype("datetime64[s]").astype(np.int64))
        value = value.item()
    if is_missing(value):
        return _missing(column, row)
    if isinstance(value, int) and not isinstance(value, bool):
        if not -(2**63) <= value < 2**63:
            raise _error(column, f"{value} at row {row} exceeds int64")
        return value
    if isinstance(value, date):
        return _seconds(value)
    if isinstance(value, (float, Decimal)):
        if not _is_moment(value) or not -(2**63) <= value < 2**63:
            raise _bad_number(column, value, row)
        return math.floor(value)
    if hasattr(value, "to_timestamp"):  # pandas' Period
        return _seconds(value.to_timestamp())
    raise _error(column, f"{value!r} at row {row} is neither a number nor a date")


def _missing(column: str, row: int) -> int:
    raise _error(column, f"missing value at row {row}")


def _bad_number(column: str, value: Any, row: int) -> DataError:
    if is_missing(value):
        return _error(column, f"missing value at row {row}")
    return _error(column, f"{value} at row {row} is not a whole number that fits int64")


def _error(column: str, problem: str) -> DataError:
    option = "timestamps" if column == "timestamps" else "timestamp"
    return DataError(f"column {column!r}: {problem}; {option}=False leaves the times out")


def unit_of(times: NDArray[np.int64], column: str = "timestamps") -> int:
    """How many of the unit of timestamps make a second, by their range: 1, 10^3, 10^6 or 10^9.

    The unit is the coarsest in which no time is after the year 2106; numbers that are no times since 1970
    count as seconds.

    Raises
    ------
    DataError
        Positive times in different units, as one column cannot hold; the message names two rows.
    """
    if len(times) == 0:
        return 1
    unit = unit_by_largest(max(int(times.max()), -int(times.min())))
    if unit > 1:
        positive = np.where(times > 0, times, np.int64(2**63 - 1))
        row = int(positive.argmin())
        least = unit_by_largest(int(positive[row])) if times[row] > 0 else unit
        if least != unit:
            other = int(np.abs(times.astype(np.float64)).argmax())
            raise DataError(
                f"column {column!r}: {times[row]} at row {row} would be {UNITS[least]} since 1970 and "
                f"{times[other]} at row {other} {UNITS[unit]}; make all times of one unit"
            )
    return unit


def warn_of_dates(times: NDArray[np.int64], column: str = "timestamps") -> None:
    """DataWarning if the numbers are dates such as 20050906, which as seconds since 1970 are of one year."""
    if len(times) == 0 or not 19_700_101 <= times.min() <= times.max() <= 21_061_231:
        return
    months, days = times // 100 % 100, times % 100
    if months.min() >= 1 and months.max() <= 12 and days.min() >= 1 and days.max() <= 31:
        shown = str(times[0])
        warn(
            f"column {column!r}: {shown} looks like the date {shown[:4]}-{shown[4:6]}-{shown[6:]}, and is "
            "taken for a number, such as of seconds; dates are read as ISO 8601 text or datetime64",
            DataWarning,
        )


def unit_by_largest(largest: int) -> int:
    """How many of the unit of a time make a second: the coarsest in which it is not after the year 2106."""
    return next((unit for unit in UNITS if largest < END * unit), max(UNITS))


def as_seconds(times: NDArray[np.int64], unit: int, column: str = "timestamps") -> NDArray[np.int64]:
    """Timestamps as whole seconds, rounded down, after a check that they have the unit of training.

    Raises
    ------
    DataError
        By their range they have another unit.
    """
    if not times.any():  # no times at all, in any unit
        return times
    own = unit_of(times, column)
    if own != unit:
        largest = int(times[int(np.abs(times.astype(np.float64)).argmax())])
        raise DataError(
            f"column {column!r}: {largest} looks like {UNITS[own]} since 1970, and the timestamps of "
            f"training are {UNITS[unit]}; make both of one unit"
        )
    return times if unit == 1 else np.floor_divide(times, unit)
