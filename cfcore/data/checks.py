"""Checks and conversion of ratings, timestamps and scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.data import times
from cfcore.data.columns import LEAVE_OUT
from cfcore.data.ids import CHUNK, first_masked, is_missing
from cfcore.data.times import FIRST_SECOND
from cfcore.errors import DataError, DataWarning, warn

__all__ = [
    "Missing", "as_missing", "as_scale", "as_timestamps", "as_values", "check_lengths",
    "check_order", "check_scale", "chosen_scale", "owned", "rated_rows", "readable",
]  # fmt: skip

#: Ratings that stand for none.
Missing = float | Iterable[float] | None


def _array(raw: ArrayLike, column: str) -> NDArray[Any]:
    masked = first_masked(raw)
    if masked is not None:
        raise DataError(f"column {column!r}: missing value at row {masked}")
    if isinstance(raw, Iterable) and not hasattr(raw, "__array__") and not isinstance(raw, (str, bytes)):
        # NumPy makes one object of a generator or of the values of a dict.
        raw = cast(ArrayLike, list(raw))
    try:
        array = raw if isinstance(raw, np.ndarray) else np.asarray(raw)
    except ValueError:  # lists of several lengths
        raise DataError(f"column {column!r} must be one-dimensional, got rows of several lengths") from None
    if array.ndim != 1:
        raise DataError(f"column {column!r} must be one-dimensional, got shape {array.shape}")
    return array


def owned(array: NDArray[Any], source: Any) -> NDArray[Any]:
    """`array`, copied if it shares memory with a `source` that can be written to."""
    if not isinstance(source, np.ndarray):
        source = np.asarray(source) if hasattr(source, "__array__") else np.empty(0)
    return array.copy() if np.may_share_memory(array, source) and _changeable(array) else array


def _changeable(array: Any) -> bool:
    """True if the array, or one that it is a view of, can be written to."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return False


def as_values(raw: ArrayLike, column: str = "values", missing: Missing = None) -> NDArray[np.float32]:
    """Ratings as finite float32, not copied if they are float32 already, or DataError.

    NaN, None and masked ratings become NaN if NaN is one of the `missing`.
    """
    with_nan = any(map(math.isnan, as_missing(missing)))
    if with_nan and first_masked(raw) is not None:
        raw = np.ma.filled(np.ma.asarray(raw, dtype=np.float64), np.nan)
    values = _array(raw, column)
    if values.dtype.kind not in "iuf":
        values = _numbers(values, column)
    if values.dtype != np.float32:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        valid = ~np.isinf(part) if with_nan else np.isfinite(part)
        if not valid.all():
            row = start + int(valid.argmin())
            advice = f"; {LEAVE_OUT}" if np.isnan(values[row]) else ""
            raise DataError(
                f"column {column!r}: {values[row]} at row {row} is not a finite float32 number{advice}"
            )
    return np.require(values, requirements=("C", "A"))


def as_missing(missing: Missing) -> tuple[float, ...]:
    """The ratings that stand for none, as a tuple of floats, or ValueError."""
    if missing is None:
        return ()
    found: list[Any] = (
        list(missing)
        if isinstance(missing, Iterable) and not isinstance(missing, (str, bytes))
        else [missing]
    )
    if any(
        isinstance(one, (bool, str, bytes, np.bool_)) or not isinstance(one, SupportsFloat) for one in found
    ):
        raise ValueError(
            f"missing must be a number such as 99, nan, a list of numbers, or None; got {missing!r}"
        )
    try:
        return tuple(map(float, found))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"missing must be numbers within float64; got {missing!r}") from None


def rated_rows(values: NDArray[np.float32], missing: Missing, column: str) -> NDArray[np.int64] | None:
    """Rows whose rating is none of the `missing`, or None if all are rated; DataError if no row is."""
    marks = as_missing(missing)
    if not marks:
        return None
    rated = np.ones(len(values), dtype=bool)
    with np.errstate(over="ignore"):
        for mark in marks:
            rated &= ~np.isnan(values) if math.isnan(mark) else values != np.float32(mark)
    if rated.all():
        return None
    if not rated.any():
        shown = ", ".join(f"{mark:g}" for mark in marks)
        raise DataError(f"column {column!r}: no row has a rating, all {len(values)} are missing={shown}")
    return np.flatnonzero(rated)


def _numbers(array: NDArray[Any], column: str) -> NDArray[np.float64]:
    """Objects (pandas' nullable columns, Decimal) as float64, missing ones as NaN; DataError for text."""
    if array.dtype.kind == "O":
        numbers = np.empty(len(array), dtype=np.float64)
        for row, value in enumerate(array.tolist()):
            try:
                if isinstance(value, (str, bytes)):
                    raise DataError(
                        f"column {column!r}: {value!r} at row {row} is text, not a number; convert the "
                        "column, such as by astype(float)"
                    )
                if isinstance(value, (bool, complex, np.complexfloating)):
                    raise TypeError
                numbers[row] = np.nan if is_missing(value) else float(value)
            except DataError:
                raise
            except (TypeError, ValueError):
                raise DataError(f"column {column!r}: {value!r} at row {row} is not a number") from None
            except OverflowError:
                raise DataError(f"column {column!r}: row {row} holds a number beyond float64") from None
        return numbers
    advice = "; convert it, such as by astype(float)" if array.dtype.kind in "bSUT" else ""
    raise DataError(f"column {column!r} must hold numbers, got {array.dtype}{advice}")


def as_timestamps(raw: ArrayLike, column: str = "timestamps") -> NDArray[np.int64]:
    """Timestamps as int64; dates, also as ISO 8601 text, become seconds since 1970; or DataError."""
    return times.from_array(_array(raw, column), column)


def readable(timestamps: Any, column: str = "timestamps", *, said: bool = False) -> NDArray[np.int64] | None:
    """Timestamps, or None if they cannot be read: for calls that do not need them.

    With `said` that is a DataWarning.
    """
    try:
        return as_timestamps(timestamps, column)
    except DataError as error:
        if said:
            warn(f"the times are left out: {str(error).partition(';')[0]}", DataWarning)
        return None


def check_order(values: NDArray[np.float32], timestamps: Any, names: Mapping[str, str]) -> None:
    """Refuse a column of times in the place of ratings; mention one without timestamps beside it.

    Whole numbers of 10^8 and more are times since 1973, not ratings.
    """
    least, most = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if not FIRST_SECOND <= least <= most < 2.0**63 or not (values == np.floor(values)).all():
        return
    what = f"column {names['rating']!r}: the ratings from {least:.10g} to {most:.10g}"
    if timestamps is None:
        warn(f"{what} look like times since 1970", DataWarning)
        return
    try:
        times = as_timestamps(timestamps, names["timestamp"])
    except DataError:
        times = np.zeros(1, dtype=np.int64)
    if len(times) == 0 or times.max() < FIRST_SECOND:
        raise DataError(
            f"{what} look like times, and the column {names['timestamp']!r} does not; the order is users, "
            "items, ratings, timestamps"
        )


def check_lengths(columns: dict[str, int]) -> None:
    """Raise DataError unless all columns are of one length and not empty."""
    (first, n), *others = columns.items()
    for name, length in others:
        if length != n:
            raise DataError(
                f"column {name!r} has {length} rows and {first!r} has {n}; "
                f"row {min(length, n)} is missing in the shorter one"
            )
    if n == 0:
        raise DataError(f"column {first!r} is empty: ratings need at least one row")


def as_scale(scale: Any) -> tuple[float, float]:
    """(min, max) as two floats, or DataError."""
    try:
        low, high = (float(bound) for bound in scale)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"scale must be a pair (min, max), got {scale!r}") from None
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise DataError(f"scale must be a finite pair with min <= max, got {scale!r}")
    return low, high


def chosen_scale(values: NDArray[np.float32], scale: Any) -> tuple[float, float]:
    """The scale "data" of the values, or a pair that holds them all; DataError for any other."""
    if isinstance(scale, str):
        if scale != "data":
            raise DataError(f'scale must be "data" or a pair (min, max), got {scale!r}')
        return float(values.min()), float(values.max())
    pair = as_scale(scale)
    check_scale(values, pair)
    return pair


def check_scale(
    values: NDArray[np.float32],
    scale: tuple[float, float],
    column: str = "values",
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Raise DataError unless every rating is within the scale; `rows`: their rows in the input."""
    # Compared as float32: a scale from 0.1 on must include the rating 0.1.
    low, high = np.float32(scale[0]), np.float32(scale[1])
    if values.min() >= low and values.max() <= high:
        return
    outside = (values < low) | (values > high)
    at = int(outside.argmax())
    row = at if rows is None else int(rows[at])
    raise DataError(
        f"column {column!r}: {values[at]:g} at row {row} is outside the scale ({scale[0]:g}, {scale[1]:g})"
    )
