"""Fields of text as ratings and times."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cfcore.data import times
from cfcore.data.columns import LEAVE_OUT
from cfcore.data.kinds import MARKERS
from cfcore.errors import shown

__all__ = ["BadField", "ratings_of", "times_of"]


class BadField(Exception):
    """A field that cannot be converted; the reader adds column and row.

    Parameters
    ----------
    message : str
    field : str
    advice : str
        What the caller can do.
    """

    def __init__(self, message: str, field: str, advice: str = "") -> None:
        super().__init__(message)
        self.field, self.advice = field, advice and f"; {advice}"


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


def times_of(fields: list[str]) -> NDArray[np.int64]:
    """Times as whole numbers; dates become seconds since 1970."""
    return np.array([_time(field) for field in fields], dtype=np.int64)


def _time(text: str) -> int:
    if not text:
        raise BadField("missing value", text, "timestamp=False reads no times")
    try:
        return times.parse(text)
    except ValueError as error:
        raise BadField(f"{shown(text)} {error}", text, "timestamp=False reads no times") from None


def _rating(text: str, decimal: str | None, unrated: bool) -> float:
    if unrated and text in MARKERS:
        return math.nan
    advice = LEAVE_OUT if text in MARKERS else ""
    if not text:
        raise BadField("missing value", text, advice)
    try:
        value = _number(_with_point(text, decimal))
    except ValueError:
        raise BadField(f"{shown(text)} is not a number", text, advice) from None
    if not abs(value) <= float(np.finfo(np.float32).max):
        raise BadField(f"{shown(text)} is not a finite float32 number", text, advice)
    return value


def _with_point(text: str, decimal: str | None) -> str:
    if "," not in text and decimal != ",":
        return text
    if decimal == ".":
        return text
    if decimal == ",":
        if "." in text:
            raise BadField(f"{shown(text)} is not a number with a decimal comma", text)
        return text.replace(",", ".")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
        raise BadField(
            f"{shown(text)} may have a decimal comma, or one between thousands",
            text,
            "pass decimal=',' if it is a decimal comma",
        )
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _number(text: str) -> float:
    # float() accepts "1_000" and the digits of other scripts, which are not numbers in a file.
    if "_" in text or not text.isascii():
        raise ValueError
    return float(text)
