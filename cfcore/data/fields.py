"""Fields of text as numbers, times and ids."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from cfcore.errors import DataError

__all__ = ["BadField", "is_marker", "ratings_of", "time_of", "times_of"]

_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)

#: How files write that a value is missing, in lower case.
MARKERS = {"", "null", "\\n", "nan", "na", "n/a", "none", "nil", "<na>", "nat", "#n/a"}


class BadField(Exception):
    """A field that cannot be converted; the reader adds column and row."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def is_marker(text: str) -> bool:
    """Whether the text says that a value is missing."""
    return text.lower() in MARKERS


def ratings_of(decimal: str | None, unrated: bool) -> Callable[[list[str]], NDArray[np.float32]]:
    """The function that converts ratings.

    Parameters
    ----------
    decimal : {".", ","} or None
        Decimal point; None takes both, except where a comma may separate thousands.
    unrated : bool
        Whether a missing rating is NaN, and not an error.
    """

    def convert(fields: list[str]) -> NDArray[np.float32]:
        return np.array([_rating(field, decimal, unrated) for field in fields], dtype=np.float32)

    return convert


def times_of(fields: Sequence[str]) -> NDArray[np.int64]:
    """Times of a column as int64."""
    return np.array([time_of(field) for field in fields], dtype=np.int64)


def _rating(text: str, decimal: str | None, unrated: bool) -> float:
    if unrated and is_marker(text):
        return math.nan
    if not text:
        raise BadField("missing value", text)
    try:
        value = _number(_with_point(text, decimal))
    except ValueError:
        raise BadField(f"{text!r} is not a number", text) from None
    if not abs(value) <= float(np.finfo(np.float32).max):
        raise BadField(f"{text!r} is not a finite float32 number", text)
    return value


def _with_point(text: str, decimal: str | None) -> str:
    if "," not in text and decimal != ",":
        return text
    if decimal == ".":
        return text
    if decimal == ",":
        if "." in text:
            raise BadField(f"{text!r} is not a number with a decimal comma", text)
        return text.replace(",", ".")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
        raise BadField(f"{text!r} has a decimal comma or separates thousands (pass decimal=',' or '.')", text)
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _number(text: str) -> float:
    # float() accepts "1_000" and the digits of other scripts, which are not numbers in a file.
    if "_" in text or not text.isascii():
        raise ValueError
    return float(text)


def time_of(text: str) -> int:
    """A whole number, or the seconds since 1970 of an ISO 8601 date; UTC where it names no zone."""
    if not text:
        raise BadField("missing value", text)
    try:
        value = _number(text)
    except ValueError:
        return _seconds(text)
    if not (math.isfinite(value) and value == math.floor(value)):
        raise BadField(f"{text!r} is not a whole number", text)
    # A double holds whole numbers up to 2^53 only.
    exact = int(text) if text.lstrip("+-").isdigit() else int(value)
    if not -(2**63) <= exact < 2**63:
        raise BadField(f"{text!r} does not fit int64", text)
    return exact


def _seconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadField(
            f"{text!r} is neither a number nor an ISO 8601 date (timestamp=False reads no times)", text
        ) from None
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def ids_of(words: list[str], kind: type | None) -> NDArray[np.generic]:
    """Ids of a column from its distinct fields: integers if all are plain ones, else strings.

    Parameters
    ----------
    words : list of str
        Distinct, none of them empty.
    kind : int, str or None
        What the ids must be.

    Raises
    ------
    BadField
        For a word that stands for a missing id where all others are integers, and for one that is not of the
        kind given.
    """
    if kind is str:
        return np.array(words)
    other = [word for word in words if not _INTEGER.fullmatch(word)]
    if kind is None and other and len(other) < len(words) and all(map(is_marker, other)):
        raise BadField(f"missing id {other[0]!r} among integers (ids=str takes it for an id)", other[0])
    if other and kind is int:
        raise BadField(f"{other[0]!r} is not a plain integer", other[0])
    if not other:
        # Nineteen digits may exceed int64; such a column remains text.
        with contextlib.suppress(OverflowError):
            return np.array([int(word) for word in words], dtype=np.int64)
        if kind is int:
            large = max(words, key=lambda word: abs(int(word)))
            raise BadField(f"{large!r} does not fit int64", large)
    return np.array(words)


def whole_kind(ids: object) -> dict[str, type]:
    """Kinds of the ids of users and items from an argument ``ids``."""
    kinds = ids if isinstance(ids, (tuple, list)) else (ids, ids)
    if len(kinds) != 2 or any(kind not in (None, int, str) for kind in kinds):
        raise ValueError(f"ids must be int, str or a pair of them (users, items), got {ids!r}")
    return {role: kind for role, kind in zip(("user", "item"), kinds, strict=True) if kind is not None}


def missing(column: str, row: int, role: str) -> DataError:
    """The error for a missing value."""
    return DataError(f"column {column!r}: missing {'id' if role in ('user', 'item') else 'value'} at row {row}")
