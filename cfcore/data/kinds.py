"""The kind of a column of ids, integers or strings: rules for text, and conversion from one to the other.

Ids in a file are integers if all fields of the column are; ids in arrays and frames are of the kind given.
Whole floats are integers. Both can be overruled by ``ids=``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cfcore.arrays import objects
from cfcore.errors import DataError, DataWarning, shown, warn

__all__ = ["MAX_WIDTH", "IdKinds", "Kind", "as_kind", "integers", "kind_of", "strings", "typed"]

Kind = Literal["int", "str"] | None
"""The kind of ids that is asked for; None for that of the data."""

IdKinds = type | str | Mapping[str, Any] | None
"""The argument ``ids=``: int, str, "int", "str", None, or a mapping of "user" and "item" to these."""

MAX_WIDTH = 64
"""Longest id, in characters, for which strings have a fixed width; one longer id makes str objects of all."""

# At most 40 digits: Python refuses to convert very long ones.
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,39}")
WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,39})\.0+")
PADDED = re.compile(r"-?0[0-9]{1,39}")

#: Text that stands for a missing value in files of databases and data frames.
MARKERS = frozenset(
    {"", "NULL", "Null", "null", "(null)", "\\N", "nan", "NaN", "NAN", "-nan", "-NaN", "NA", "N/A", "n/a",
     "#N/A", "#NA", "<NA>", "None", "none", "NONE", "NaT", "nil", "Nil", "NIL"}
)  # fmt: skip
#: Text that is a missing value where all other ids are integers, and may be an id elsewhere.
AMONG_INTEGERS = MARKERS | {"na", "Na", "-", "--", "?", ".", "unknown", "Unknown", "missing", "undefined"}


#: Where `ids` can be given, for warnings, which come from any call. Errors of other calls add it themselves.
PLACES = "in Ratings, Ratings.read or Ratings.from_frame"


def kind_of(ids: IdKinds, role: str) -> Kind:
    """The kind that the argument ``ids=`` asks for in the column of users or items.

    Parameters
    ----------
    ids : int, str, "int", "str", None, or mapping
    role : {"user", "item"}

    Raises
    ------
    ValueError
        It is something else.
    """
    if isinstance(ids, Mapping):
        unknown = [key for key in ids if key not in ("user", "item")]
        if unknown:
            raise ValueError(f'ids has the keys "user" and "item", not {unknown[0]!r}')
        return as_kind(ids.get(role))
    return as_kind(ids)


def as_kind(kind: Any) -> Kind:
    """The kind of ids by its type or name, or ValueError."""
    names: dict[Any, Kind] = {int: "int", str: "str", "int": "int", "str": "str", None: None}
    try:
        return names[kind]
    except (KeyError, TypeError):
        raise ValueError(f'ids must be int, str or {{"user": int, "item": str}}, got {kind!r}') from None


def strings(texts: list[str]) -> NDArray[Any]:
    """An array of strings: of fixed width up to `MAX_WIDTH` characters, otherwise of str objects.

    A fixed width takes four bytes a character of the longest id for every id.
    """
    width = max(map(len, texts), default=0)
    if width <= MAX_WIDTH:
        return np.array(texts, dtype=f"U{max(width, 1)}")
    return objects(texts)


def integers(values: list[int], column: str, row_of: Callable[[int], int] = int) -> NDArray[Any]:
    """Integers as int64, or as uint64 when only that holds them all, or DataError."""
    low, high = min(values, default=0), max(values, default=0)
    if low >= -(2**63) and high < 2**63:
        return np.array(values, dtype=np.int64)
    if low >= 0 and high < 2**64:
        return np.array(values, dtype=np.uint64)
    at = next(at for at, value in enumerate(values) if not -(2**63) <= value < 2**63)
    raise DataError(
        f"column {column!r}: {shown(values[at])} at row {row_of(at)} does not fit int64, and not all rows "
        "fit uint64; ids=str takes such ids as strings"
    )


def typed(
    vocabulary: NDArray[Any],
    column: str,
    kind: Kind,
    row_of: Callable[[int], int],
    *,
    guess: bool = False,
) -> NDArray[Any]:
    """The ids of a vocabulary as integers or strings, after checks of the text.

    Parameters
    ----------
    vocabulary : integers, unicode or str objects [n]
        Distinct, in any order.
    column : str
        Its name in errors.
    kind : {"int", "str"} or None
        None keeps the kind, unless `guess` is true.
    row_of : callable (position in the vocabulary) -> row
        For errors.
    guess : bool
        Whether text is integers if all of it is: the rule for files.

    Returns
    -------
    ndarray [n]
        In the order of `vocabulary`. Different texts may give one integer: 1 and 1.0.

    Raises
    ------
    DataError
        For a missing marker among integers, a number that is not written as an integer among integers, and
        for `kind` "int" any text that is no integer.

    Warns
    -----
    DataWarning
        For missing markers among other strings, and for strings that differ only by zeros in front.
    """
    if vocabulary.dtype.kind not in "UO":
        return strings(list(map(str, vocabulary.tolist()))) if kind == "str" else vocabulary
    texts = vocabulary.tolist()
    if kind == "int":
        return _forced_integers(texts, column, row_of)
    if guess and kind is None:
        found = _guessed_integers(texts, column, row_of)
        if found is not None:
            return found
    _check_markers(texts, column, kind, row_of)
    _check_padded(texts, column, row_of)
    return strings(texts)


def _guessed_integers(texts: list[str], column: str, row_of: Callable[[int], int]) -> NDArray[Any] | None:
    """Integers if all texts are; None for strings; DataError for other numbers among integers."""
    others = [at for at, text in enumerate(texts) if not (INTEGER.fullmatch(text) or WHOLE.fullmatch(text))]
    if not others:
        try:
            return integers([_value(text) for text in texts], column)
        except DataError:
            large = [at for at, text in enumerate(texts) if not -(2**63) <= _value(text) < 2**63]
            _mention_strings(texts, large, column, row_of)
            return None  # such a column remains text
    for at in others:
        text = texts[at]
        if text not in AMONG_INTEGERS and not PADDED.fullmatch(text) and not _is_number(text):
            _mention_strings(texts, others, column, row_of)
            return None
    for at in others:
        text = texts[at]
        if text in AMONG_INTEGERS:
            raise _missing_marker(column, text, row_of(at))
        if not PADDED.fullmatch(text):
            raise DataError(
                f"column {column!r}: {shown(text)} at row {row_of(at)} is a number, but not written as an "
                "integer; ids=str takes all ids of the column as strings"
            )
    _mention_strings(texts, others, column, row_of)
    return None


def _mention_strings(texts: list[str], others: list[int], column: str, row_of: Callable[[int], int]) -> None:
    """DataWarning if hardly any id makes strings of a column of integers: it may be a total, or an error."""
    if len(texts) - len(others) < 2 or len(others) > max(1, len(texts) // 100):
        return
    warn(
        f"column {column!r}: all ids are strings, because {shown(texts[others[0]])} at row "
        f"{row_of(others[0])} is no integer, as nearly all others are; ids=str {PLACES} "
        "says that they are strings",
        DataWarning,
    )


def _forced_integers(texts: list[str], column: str, row_of: Callable[[int], int]) -> NDArray[Any]:
    values: list[int] = []
    text_of: dict[int, str] = {}
    for at, text in enumerate(texts):
        if not (INTEGER.fullmatch(text) or WHOLE.fullmatch(text) or PADDED.fullmatch(text)):
            if text in AMONG_INTEGERS:
                raise _missing_marker(column, text, row_of(at))
            raise DataError(
                f"column {column!r}: {shown(text)} at row {row_of(at)} is no integer, and ids=int was given"
            )
        value = _value(text)
        other = text_of.setdefault(value, text)
        if other != text and (PADDED.fullmatch(text) or PADDED.fullmatch(other)):
            raise DataError(
                f"column {column!r}: {shown(text)} at row {row_of(at)} and {shown(other)} are the same "
                "integer, but two ids; ids=str keeps them apart"
            )
        values.append(value)
    padded = next((at for at, text in enumerate(texts) if PADDED.fullmatch(text)), None)
    if padded is not None:
        warn(
            f"column {column!r}: {texts[padded]!r} at row {row_of(padded)} is taken for {values[padded]}",
            DataWarning,
        )
    return integers(values, column, row_of)


def _value(text: str) -> int:
    """The integer that a text is; only the first digits of one that no dtype holds, as Python has a limit."""
    return int(text.partition(".")[0][:40])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _missing_marker(column: str, text: str, row: int) -> DataError:
    return DataError(
        f"column {column!r}: missing id at row {row}: {shown(text)} among integers; remove such rows, or "
        "take all ids of the column as strings by ids=str"
    )


def _check_markers(texts: list[str], column: str, kind: Kind, row_of: Callable[[int], int]) -> None:
    """Refuse a missing marker if all other ids are integers; mention one among strings."""
    found = AMONG_INTEGERS.intersection(texts)
    if not found:
        return
    others = [text for text in texts if text not in AMONG_INTEGERS]
    among_integers = bool(others) and all(
        INTEGER.fullmatch(text) or WHOLE.fullmatch(text) or PADDED.fullmatch(text) for text in others
    )
    if among_integers and kind is None:
        at = next(at for at, text in enumerate(texts) if text in found)
        raise _missing_marker(column, texts[at], row_of(at))
    at = next((at for at, text in enumerate(texts) if text in MARKERS), -1)
    if at >= 0 and (among_integers or kind is None):
        silent = "" if kind else f"; ids=str {PLACES} says that it is one"
        warn(
            f"column {column!r}: {shown(texts[at])} at row {row_of(at)} is taken for an id, though it often "
            f"stands for a missing one{silent}",
            DataWarning,
        )


def _check_padded(texts: list[str], column: str, row_of: Callable[[int], int]) -> None:
    """Mention two ids that differ only by zeros in front."""
    padded = [at for at, text in enumerate(texts) if text[:1] in ("0", "-") and PADDED.fullmatch(text)]
    if not padded:
        return
    known: dict[int, str] = {}
    for text in texts:
        if INTEGER.fullmatch(text) or PADDED.fullmatch(text):
            other = known.setdefault(int(text), text)
            if other != text:
                at = texts.index(text if PADDED.fullmatch(text) else other)
                shorter = other if texts[at] == text else text
                warn(
                    f"column {column!r}: {shown(texts[at])} (row {row_of(at)}) and {shown(shorter)} differ "
                    "only by zeros in front, and are two ids",
                    DataWarning,
                )
                return
