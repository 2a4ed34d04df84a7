"""Conversion of raw ids to int32 codes.

A vocabulary is the sorted array of the distinct raw ids of a column; the code of an id is its position
there. Integer ids keep their dtype, strings are held as NumPy's fixed-width unicode.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.errors import DataError

__all__ = [
    "MAX_CODES",
    "as_id_column",
    "check_size",
    "encode",
    "factorize",
    "first_masked",
    "is_missing",
    "merge",
    "sort_vocabulary",
    "used",
]

MAX_CODES = 2**31 - 1
"""The largest vocabulary that int32 codes can number."""

# Rows converted at a time: temporaries fit the cache, and a column on disk is never in memory whole.
CHUNK = 1 << 18


def as_id_column(raw: ArrayLike, column: str) -> NDArray[Any]:
    """One-dimensional array of integers, unicode strings or str objects; `raw` itself if it is one.

    Parameters
    ----------
    raw : array-like [n]
        Integers, strings, or objects that are all integers or all strings.
    column : str
        Its name in errors.

    Raises
    ------
    DataError
        For missing ids (None, NaN, masked), and for any other kind of id: floats, booleans, dates, mixtures.
    """
    masked = first_masked(raw)
    if masked is not None:
        raise _missing(column, masked)
    if not isinstance(raw, np.ndarray):
        raw = _from_sequence(raw, column)
    if raw.ndim != 1:
        raise DataError(f"column {column!r} must be one-dimensional, got shape {raw.shape}")
    kind = raw.dtype.kind
    if kind in "iuU":
        return raw
    if kind == "S":
        try:
            return np.char.decode(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"column {column!r}: {error.object!r} is not UTF-8 text") from None
    if kind in "OT":
        return _from_objects(raw, column)
    if kind == "f" and np.isnan(raw).any():
        raise _missing(column, int(np.isnan(raw).argmax()))
    advice = "; convert it, such as by astype(int)" if kind in "fb" else ""
    raise DataError(f"column {column!r} must hold integer or string ids, got {raw.dtype}{advice}")


def is_single(raw: Any) -> bool:
    """Whether `raw` is one value and not a column of them."""
    # Not np.ndim, which makes an array of a list only to count its dimensions.
    return (
        raw is None
        or isinstance(raw, (str, bytes, int, float, date, np.generic))
        or getattr(raw, "ndim", 1) == 0
    )


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
    if isinstance(raw, (str, bytes)) or not isinstance(raw, Iterable):
        raise DataError(f"column {column!r} must be one-dimensional, got the single value {raw!r}")
    # NumPy would make strings of [1, "a"] and floats of [1, None]; an array of objects changes nothing.
    objects = np.fromiter(raw, dtype=object)
    return objects if len(objects) else np.empty(0, dtype=np.int64)


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


def _from_objects(raw: NDArray[Any], column: str) -> NDArray[Any]:
    values = raw.tolist()
    kinds = set(map(type, values))
    if all(issubclass(kind, str) for kind in kinds):
        return raw if raw.dtype.kind == "O" else raw.astype(object)
    for row, value in enumerate(values):
        if is_missing(value):
            raise _missing(column, row)
    if all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds):
        return _integers(values, column)
    first = type(values[0])
    for row, value in enumerate(values):
        allowed = str if issubclass(first, str) else (int, np.integer)
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise DataError(
                f"column {column!r} must hold integer or string ids, all of one kind; "
                f"row {row} holds {value!r} ({type(value).__name__})"
            )
    raise AssertionError("unreachable")


def _integers(values: list[int], column: str) -> NDArray[Any]:
    """Integers as int64, or as uint64 when only that holds them all, or DataError."""
    low, high = min(values), max(values)
    if low >= -(2**63) and high < 2**63:
        return np.array(values, dtype=np.int64)
    if low >= 0 and high < 2**64:
        return np.array(values, dtype=np.uint64)
    row = next(row for row, value in enumerate(values) if not -(2**63) <= value < 2**63)
    raise DataError(
        f"column {column!r}: {values[row]} at row {row} does not fit int64, and not all rows fit uint64"
    )


def factorize(raw: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Vocabulary of a column, and the code of each of its rows.

    Parameters
    ----------
    raw : integers, unicode or str objects [n]
        As ``as_id_column`` returns it.
    column : str
        Its name in errors.

    Returns
    -------
    ids : same dtype [n_ids]
        Sorted, distinct.
    codes : int32[n]
        ``ids[codes]`` equals `raw`. When `raw` is int32, contiguous and already holds 0 ... n_ids - 1, each
        at least once, this is `raw` itself, not a copy.

    Raises
    ------
    DataError
        For more than 2^31 - 1 distinct ids.

    Notes
    -----
    Linear for integers of a range not much larger than their number (a table) and for strings (hashing);
    other integers are sorted.
    """
    if len(raw) == 0:
        return raw[:0], np.empty(0, dtype=np.int32)
    if raw.dtype.kind in "UO":
        return _factorize_strings(raw, column)
    low = raw.min()
    size = int(raw.max()) - int(low) + 1
    if not _table_pays(size, len(raw)):
        ids = np.unique(raw)
        check_size(len(ids), column)
        return ids, _search(ids, raw)
    present = np.zeros(size, dtype=bool)
    for start in range(0, len(raw), CHUNK):
        present[_offsets(raw[start : start + CHUNK], low)] = True
    offsets = np.flatnonzero(present)
    check_size(len(offsets), column)
    ids = offsets.astype(raw.dtype) + low
    if raw.dtype == np.int32 and int(low) == 0 and len(ids) == size:
        return ids, np.require(raw, requirements=("C", "A"))
    return ids, _look_up(ids, raw, size)


def _table_pays(size: int, n: int) -> bool:
    return size <= 16 * n + 65_536 and size <= 2**31


def check_size(n_ids: int, column: str) -> int:
    """`n_ids` itself if int32 codes can number that many, or DataError."""
    if n_ids > MAX_CODES:
        raise DataError(
            f"column {column!r}: {n_ids} distinct ids, more than {MAX_CODES}, the most there can be"
        )
    return n_ids


def _offsets(part: NDArray[Any], low: Any) -> NDArray[Any]:
    """``part - low`` where the range may exceed a narrow dtype (int8 ids -100 and 100)."""
    return part - low if part.dtype.itemsize == 8 else part.astype(np.int64) - int(low)


def _look_up(ids: NDArray[Any], raw: NDArray[Any], size: int) -> NDArray[np.int32]:
    """Codes by a table over the range of `ids`; `raw` is of their dtype and within their range."""
    low = ids[0]
    table = np.full(size, -1, dtype=np.int32)
    table[_offsets(ids, low)] = np.arange(len(ids), dtype=np.int32)
    codes = np.empty(len(raw), dtype=np.int32)
    for start in range(0, len(raw), CHUNK):
        codes[start : start + CHUNK] = table[_offsets(raw[start : start + CHUNK], low)]
    return codes


def _search(ids: NDArray[Any], raw: NDArray[Any]) -> NDArray[np.int32]:
    """Codes by binary search, -1 for ids that are not in the vocabulary."""
    codes = np.empty(len(raw), dtype=np.int32)
    for start in range(0, len(raw), CHUNK):
        part = raw[start : start + CHUNK]
        found = np.minimum(np.searchsorted(ids, part), len(ids) - 1)
        codes[start : start + CHUNK] = np.where(ids[found] == part, found, -1)
    return codes


def _search_strings(ids: NDArray[Any], raw: NDArray[Any]) -> NDArray[np.int32]:
    if len(raw) < len(ids) // 16:
        return _search(ids, raw.astype(str))
    code_of = {word: code for code, word in enumerate(ids.tolist())}
    return np.array([code_of.get(word, -1) for word in raw.tolist()], dtype=np.int32)


def _factorize_strings(raw: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    code_of: dict[str, int] = {}
    codes = np.empty(len(raw), dtype=np.int32)
    for start in range(0, len(raw), CHUNK):
        words = raw[start : start + CHUNK].tolist()
        codes[start : start + CHUNK] = [code_of.setdefault(word, len(code_of)) for word in words]
    check_size(len(code_of), column)
    ids, position = sort_vocabulary(np.array(list(code_of), dtype=str), column)
    return ids, position[codes]


def sort_vocabulary(ids: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Distinct ids in ascending order, and the int32 position there of each of `ids`."""
    order = np.argsort(ids)
    position = np.empty(len(ids), dtype=np.int32)
    position[order] = np.arange(len(ids), dtype=np.int32)
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        # NumPy pads unicode with NUL: "a" and "a\0" are equal.
        twice = ids[1:][ids[1:] == ids[:-1]][0]
        raise DataError(f"column {column!r}: ids that differ only in NULs at the end, such as {str(twice)!r}")
    return ids, position


def used(codes: NDArray[np.int32], ids: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """`codes` and `ids` without the ids that no code refers to."""
    present = np.zeros(len(ids), dtype=bool)
    present[codes] = True
    if present.all():
        return codes, ids
    position = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return position[codes], ids[present]


def encode(ids: NDArray[Any], raw: ArrayLike, column: str = "id") -> NDArray[np.int32]:
    """Codes of raw ids in a vocabulary, -1 for those that it lacks.

    Parameters
    ----------
    ids : integers or unicode [n_ids]
        Sorted, distinct: ``Ratings.user_ids`` or ``item_ids``.
    raw : array-like [n]
        Ids of the same kind.
    column : str
        Its name in errors.

    Raises
    ------
    DataError
        For missing ids, and for strings where the vocabulary holds integers or the reverse: as they can
        never match, that is a mistake and not an unknown id.
    """
    raw = as_id_column(raw, column)
    if len(raw) == 0 or len(ids) == 0:
        return np.full(len(raw), -1, dtype=np.int32)
    if (ids.dtype.kind == "U") != (raw.dtype.kind in "UO"):
        held, given = ("strings", "integers") if ids.dtype.kind == "U" else ("integers", "strings")
        raise DataError(
            f"column {column!r}: the ids are {held}, but {given} were given (first: {raw[:1].tolist()[0]!r})"
        )
    if ids.dtype.kind == "U":
        return _search_strings(ids, raw)
    low, high = int(ids[0]), int(ids[-1])
    size = high - low + 1

    def look_up(part: NDArray[Any]) -> NDArray[np.int32]:
        return _look_up(ids, part, size) if _table_pays(size, len(part)) else _search(ids, part)

    # Within the range every id fits the vocabulary's dtype, whatever the dtype it was given in.
    if int(raw.min()) >= low and int(raw.max()) <= high:
        return look_up(raw.astype(ids.dtype, copy=False))
    inside = (raw >= low) & (raw <= high)
    codes = np.full(len(raw), -1, dtype=np.int32)
    codes[inside] = look_up(raw[inside].astype(ids.dtype))
    return codes


def merge(first: NDArray[Any], second: NDArray[Any], column: str) -> NDArray[Any]:
    """Sorted union of two vocabularies.

    Raises
    ------
    DataError
        When one holds strings and the other integers, or integers that no one dtype holds.
    """
    if (first.dtype.kind == "U") != (second.dtype.kind == "U"):
        raise DataError(f"column {column!r}: one vocabulary holds strings, the other integers")
    if np.result_type(first, second).kind == "f":  # int64 with uint64: NumPy would make floats of them
        low, high = min(int(first[0]), int(second[0])), max(int(first[-1]), int(second[-1]))
        dtype = _integers([low, high], column).dtype
        first, second = first.astype(dtype), second.astype(dtype)
    return np.union1d(first, second)
