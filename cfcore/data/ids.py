"""Conversion of raw ids to int32 codes.

A vocabulary is the sorted array of the distinct raw ids of a column; the code of an id is its position
there. Integer ids keep their dtype. Strings are held as NumPy's fixed-width unicode up to 64 characters,
longer ones as str objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.arrays import objects
from cfcore.data.id_columns import CHUNK, as_column, as_id_column, first_masked, is_missing, is_single
from cfcore.data.kinds import Kind, integers, strings, typed
from cfcore.errors import DataError

__all__ = [
    "MAX_CODES",
    "are_strings",
    "as_column",
    "as_id_column",
    "check_size",
    "distinct",
    "encode",
    "factorize",
    "first_masked",
    "is_missing",
    "is_single",
    "merge",
    "settle",
    "sort_vocabulary",
    "used",
]

MAX_CODES = 2**31 - 1
"""The largest vocabulary that int32 codes can number."""


def are_strings(ids: NDArray[Any]) -> bool:
    """Whether a vocabulary, or a column of ids, holds strings."""
    return ids.dtype.kind in "UO"


def settle(
    ids: NDArray[Any], codes: NDArray[np.int32], column: str, kind: Kind = None, *, guess: bool = False
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """A vocabulary of the kind asked for, sorted and checked, and the codes of the rows in it.

    Parameters
    ----------
    ids : integers, unicode or str objects [n_ids]
        Distinct, in any order.
    codes : int32[n]
        Position in `ids` of each row.
    column, kind, guess
        As in ``kinds.typed``.

    Returns
    -------
    ids [n_ids], codes : int32[n]
        The arguments themselves if nothing changes.
    """
    if not are_strings(ids) and kind != "str":
        return ids, codes
    found = typed(ids, column, kind, lambda at: int((codes == at).argmax()), guess=guess)
    if not are_strings(found):
        merged, place = np.unique(found, return_inverse=True)
        return merged, place.astype(np.int32)[codes]
    if len(found) < 2 or (found[1:] > found[:-1]).all():
        return found, codes
    found, position = sort_vocabulary(found, column)
    return found, position[codes]


def factorize(raw: NDArray[Any], column: str, kind: Kind = None) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Vocabulary of a column, and the code of each of its rows.

    Parameters
    ----------
    raw : integers, unicode or str objects [n]
        As ``as_id_column`` returns it.
    column : str
        Its name in errors.
    kind : {"int", "str"}, optional
        The kind of ids to make; by default that of `raw`.

    Returns
    -------
    ids : [n_ids]
        Sorted, distinct: integers of the dtype of `raw`, or strings.
    codes : int32[n]
        ``ids[codes]`` equals `raw`. When `raw` is int32, contiguous and already holds 0 ... n_ids - 1, each
        at least once, this is `raw` itself, not a copy.

    Raises
    ------
    DataError
        For more than 2^31 - 1 distinct ids, and for ids that ``kinds.typed`` refuses.

    Notes
    -----
    Linear for integers of a range not much larger than their number (a table) and for strings (hashing);
    other integers are sorted.
    """
    if len(raw) == 0:
        return raw[:0], np.empty(0, dtype=np.int32)
    found = _distinct_strings(raw, column) if are_strings(raw) else _distinct_integers(raw, column)
    return settle(*found, column, kind)


def distinct(raw: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """As `factorize`, without checks of the text: for a part of a column."""
    if len(raw) == 0 or not are_strings(raw):
        return factorize(raw, column)
    found, codes = _distinct_strings(raw, column)
    ids, position = sort_vocabulary(strings(found.tolist()), column)
    return ids, position[codes]


def _distinct_integers(raw: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
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
    if len(raw) < len(ids) // 16 and raw.dtype.kind == ids.dtype.kind:
        return _search(ids, raw)
    if len(raw) < len(ids) // 16:
        words = raw.tolist()
        longest = ids.dtype.itemsize // 4 if ids.dtype.kind == "U" else 0
        if longest and max(map(len, words)) > longest:  # such ids are in no vocabulary of this width
            words = [word if len(word) <= longest else "" for word in words]
            return np.where([len(word) <= longest for word in raw.tolist()], _search(ids, strings(words)), -1)
        return _search(ids, strings(words) if longest else np.array(words, dtype=object))
    code_of = {word: code for code, word in enumerate(ids.tolist())}
    return np.array([code_of.get(word, -1) for word in raw.tolist()], dtype=np.int32)


def _distinct_strings(raw: NDArray[Any], column: str) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Distinct strings of a column in the order of their first rows, and the position there of each row."""
    code_of: dict[str, int] = {}
    codes = np.empty(len(raw), dtype=np.int32)
    for start in range(0, len(raw), CHUNK):
        words = raw[start : start + CHUNK].tolist()
        codes[start : start + CHUNK] = [code_of.setdefault(word, len(code_of)) for word in words]
    check_size(len(code_of), column)
    return objects(code_of), codes


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
    if are_strings(ids) != are_strings(raw):
        raise _other_kind(ids, raw, column)
    if are_strings(ids):
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
    if are_strings(first) != are_strings(second):
        raise _other_kind(first, second, column)
    if are_strings(first):
        return first if first is second else np.union1d(first, second)
    if len(first) == 0 or len(second) == 0:
        return second if len(first) == 0 else first
    if np.result_type(first, second).kind == "f":  # int64 with uint64: NumPy would make floats of them
        low, high = min(int(first[0]), int(second[0])), max(int(first[-1]), int(second[-1]))
        dtype = integers([low, high], column).dtype
        first, second = first.astype(dtype), second.astype(dtype)
    return np.union1d(first, second)


def _other_kind(ids: NDArray[Any], given: NDArray[Any], column: str) -> DataError:
    """The error for ids of another kind than those in a vocabulary: they can never match."""
    names = ("strings", "integers") if are_strings(ids) else ("integers", "strings")
    examples = [repr(one[:1].tolist()[0])[:60] for one in (ids, given)]
    return DataError(
        f"column {column!r}: the ids are {names[0]} (such as {examples[0]}), but {names[1]} were given (such "
        f"as {examples[1]}), and no string equals an integer; make both of one kind by ids=str or ids=int in "
        "Ratings, Ratings.read or Ratings.from_frame"
    )
