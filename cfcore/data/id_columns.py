"""Columns of raw ids as arrays of integers or strings, from everything that holds them."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import ItemsView, Iterable, KeysView, Mapping, Set
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.arrays import objects
from cfcore.data.kinds import Kind, integers, strings
from cfcore.errors import DataError

__all__ = [
    "CHUNK",
    "as_column",
    "as_id_column",
    "check_ordered",
    "first_masked",
    "is_missing",
    "is_single",
    "named",
]

# Rows converted at a time: temporaries fit the cache, and a column on disk is never in memory whole.
CHUNK = 1 << 18


def as_id_column(raw: ArrayLike, column: str, kind: Kind = None) -> NDArray[Any]:
    """One-dimensional array of integers, unicode strings or str objects; `raw` itself if it is one.

    Parameters
    ----------
    raw : array-like [n]
        Integers, whole floats or decimals, strings, UTF-8 bytes, or objects that are all numbers or all
        strings. Whole floats become integers.
    column : str
        Its name in errors.
    kind : {"int", "str"}, optional
        If given, objects may be of both kinds. The column is converted by `factorize`.

    Raises
    ------
    DataError
        For missing ids (None, NaN, masked), floats that are not whole or too large for their precision, and
        for any other kind of id: booleans, dates, mixtures.
    """
    masked = first_masked(raw)
    if masked is not None:
        raise _missing(column, masked)
    if not isinstance(raw, np.ndarray):
        raw = _from_sequence(raw, column)
    if raw.ndim != 1:
        raise DataError(f"column {column!r} must be one-dimensional, got shape {raw.shape}")
    if raw.dtype.kind in "iuU":
        return raw
    if raw.dtype.kind == "f":
        return _from_floats(raw, column)
    if raw.dtype.kind == "S":
        raw = raw.astype(object)
    if raw.dtype.kind in "OT":
        return _from_objects(raw, column, kind)
    advice = "; convert it, such as by astype(int)" if raw.dtype.kind == "b" else ""
    raise DataError(f"column {column!r} must hold integer or string ids, got {raw.dtype}{advice}")


def as_column(raw: Any) -> NDArray[Any]:
    """Ids as an array for look-ups by position; strings of a list are not padded to the longest."""
    if isinstance(raw, np.ndarray) or hasattr(raw, "__array__") or is_single(raw):
        return np.atleast_1d(np.asarray(raw))
    values = list(raw)
    return strings(values) if values and all(isinstance(one, str) for one in values) else np.asarray(values)


def check_ordered(raw: Any, column: str) -> None:
    """Refuse a set and a dict as a column: a set has no order, and a dict keys where values are meant."""
    if isinstance(raw, Mapping):
        raise _is_dict(column)
    if isinstance(raw, Set) and not isinstance(raw, (KeysView, ItemsView)):
        raise DataError(f"column {column!r} is a set, which has no order; pass a list")


def _is_dict(column: str) -> DataError:
    return DataError(f"column {column!r} is a dict; a column is a list or an array, such as list(d.values())")


def is_single(raw: Any) -> bool:
    """Whether `raw` is one value and not a column of them."""
    # Not np.ndim, which makes an array of a list only to count its dimensions.
    return (
        raw is None
        or isinstance(raw, (str, bytes, int, float, date, np.generic, numbers.Number))
        or getattr(raw, "ndim", 1) == 0
    )


def named(raw: Any, marked: NDArray[Any], most: int = 5) -> tuple[int, str]:
    """Number of the distinct ids of a column that are marked (bool[n]), and the first few, for an error."""
    some = list(dict.fromkeys(as_column(raw)[marked].tolist()))
    return len(some), ", ".join(map(repr, some[:most])) + (", ..." if len(some) > most else "")


def first_masked(raw: ArrayLike) -> int | None:
    """First masked row of a masked array; None if there is none, or it is no masked array."""
    # Importing numpy.ma takes longer than loading small data, and a masked array exists only after it.
    # Another thread may be importing it: the module is in sys.modules before its names are.
    masked = sys.modules.get("numpy.ma")
    kind = getattr(masked, "MaskedArray", None)
    if masked is None or kind is None or not isinstance(raw, kind) or not masked.is_masked(raw):
        return None
    return int(masked.getmaskarray(raw).argmax())


def _from_sequence(raw: ArrayLike, column: str) -> NDArray[Any]:
    if hasattr(raw, "__array__"):
        return np.asarray(raw)
    if isinstance(raw, Mapping):
        raise _is_dict(column)
    if isinstance(raw, (str, bytes)) or not isinstance(raw, Iterable):
        raise DataError(f"column {column!r} must be one-dimensional, got the single value {raw!r}")
    # NumPy would make strings of [1, "a"] and floats of [1, None]; an array of objects changes nothing.
    array = np.fromiter(raw, dtype=object)
    return array if len(array) else np.empty(0, dtype=np.int64)


def _missing(column: str, row: int) -> DataError:
    return DataError(f"column {column!r}: missing id at row {row}")


def is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and pandas' NA."""
    # NaN and NaT are not equal to themselves; a comparison of pandas' NA has no truth value.
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)
    except Exception:
        return False


def _from_floats(raw: NDArray[Any], column: str) -> NDArray[np.int64]:
    """Whole floats as integers, or DataError."""
    bits = np.finfo(raw.dtype).nmant + 1
    for start in range(0, len(raw), CHUNK):
        part = raw[start : start + CHUNK]
        with np.errstate(invalid="ignore"):
            right = (part == np.floor(part)) & (np.abs(part) <= 2.0 ** min(bits, 53))
        if right.all():
            continue
        row = start + int(right.argmin())
        if np.isnan(raw[row]):
            raise _missing(column, row)
        if not np.isfinite(raw[row]) or raw[row] != np.floor(raw[row]):
            raise DataError(
                f"column {column!r} must hold integer or string ids; row {row} holds {raw[row]!s}, "
                "which is not whole"
            )
        raise DataError(
            f"column {column!r}: {raw[row]!s} at row {row} is beyond 2^{bits}, where {raw.dtype} does not "
            "hold all integers, so that ids may have been rounded; make the column of integers or strings"
        )
    return raw.astype(np.int64)


def _from_objects(raw: NDArray[Any], column: str, kind: Kind) -> NDArray[Any]:
    values = raw.tolist()
    kinds = set(map(type, values))
    if all(issubclass(one, str) for one in kinds):
        return raw if raw.dtype.kind == "O" else raw.astype(object)
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(column, row)
    if bytes in kinds or np.bytes_ in kinds:
        values = [_decoded(value, row, column) for row, value in enumerate(values)]
        kinds = set(map(type, values))
    wholes = [one for one in kinds if not issubclass(one, str)]
    if not all(map(_is_number, wholes)):
        row = next(row for row, value in enumerate(values) if not _is_id(type(value)))
        raise DataError(
            f"column {column!r} must hold integer or string ids; row {row} holds {values[row]!r} "
            f"({type(values[row]).__name__}); convert it, such as by astype(str)"
        )
    if len(wholes) < len(kinds) and wholes and kind is None:
        first = isinstance(values[0], str)
        row = next(row for row, value in enumerate(values) if isinstance(value, str) is not first)
        raise DataError(
            f"column {column!r} must hold integer or string ids, all of one kind; row 0 holds {values[0]!r}, "
            f"row {row} holds {values[row]!r} ({type(values[row]).__name__}); ids=str makes strings of all"
        )
    if any(not issubclass(one, (int, np.integer)) for one in wholes):
        values = [
            value if isinstance(value, (str, int, np.integer)) else _whole(value, row, column)
            for row, value in enumerate(values)
        ]
    if len(wholes) == len(kinds) and kind != "str":
        return integers(values, column)
    return objects([value if isinstance(value, str) else str(int(value)) for value in values])


def _is_id(kind: type) -> bool:
    return issubclass(kind, str) or _is_number(kind)


def _is_number(kind: type) -> bool:
    return issubclass(kind, (int, np.integer, float, np.floating, Decimal)) and kind is not bool


def _decoded(value: Any, row: int, column: str) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"column {column!r}: {value!r} at row {row} is not UTF-8 text") from None


def _whole(value: Any, row: int, column: str) -> int:
    """A whole float or decimal as an integer, or DataError."""
    if not math.isfinite(value) or value != int(value):
        raise DataError(
            f"column {column!r} must hold integer or string ids; row {row} holds {value!s}, "
            "which is not whole"
        )
    if not isinstance(value, Decimal) and abs(value) > 2.0**53:
        raise DataError(
            f"column {column!r}: {value!s} at row {row} is beyond 2^53, where floats do not hold all "
            "integers, so that ids may have been rounded; make the column of integers or strings"
        )
    return int(value)
