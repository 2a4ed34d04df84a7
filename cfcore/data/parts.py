"""Sizes, moments and results of splits into two or more parts."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data import times as units
from cfcore.data.ratings import Ratings

__all__ = ["Fractions", "cut", "fractions", "moments", "number", "numbers", "shown", "sizes", "taken"]

Array = NDArray[Any]

#: One fraction of the test part, or those of several parts.
Fractions = float | Sequence[float]

#: ISO 8601 text begins with a year.
_DATE = re.compile(r"\d{4}(-|$|\d{4}($|T))")


def fractions(test: Any) -> tuple[float, ...]:
    """Fractions of the parts after the training part: of a number, or of several that may include it.

    Raises
    ------
    ValueError
        For a number that is not between 0 and 1, and several whose sum exceeds 1.
    """
    several = _several(test)
    found = several if several is not None else [test]
    if not all(map(_is_fraction, found)):
        raise ValueError(f"test must be a fraction between 0 and 1, or several of them, got {test!r}")
    found = [float(one) for one in found]
    total = math.fsum(found)
    if total > 1 + 1e-9 or not found:
        raise ValueError(f"test={test!r}: the fractions must have a sum of at most 1")
    # (.8, .1, .1) names the training part too.
    parts = found[1:] if total > 1 - 1e-9 else found
    if not parts:
        raise ValueError(f"test={test!r} leaves the training part empty")
    return tuple(parts)


def _is_fraction(value: Any) -> bool:
    if isinstance(value, (str, bytes, bool)):
        return False
    try:
        return 0 < float(value) < 1
    except (TypeError, ValueError, OverflowError):
        return False


def sizes(n: int, test: Any, what: str = "ratings") -> list[int]:
    """Numbers of rows of the parts after the training part; ValueError if a part would be empty."""
    found = [round(n * one) for one in fractions(test)]
    if min(found) < 1 or sum(found) >= n:
        raise ValueError(f"test={test} of {n} {what} leaves one part empty")
    return found


def numbers(name: str, value: Any) -> list[int]:
    """An integer of at least 1, or several of them, as a list; ValueError for anything else."""
    several = _several(value)
    found = several if several is not None else [value]
    if not found:
        raise ValueError(f"{name} must be an integer of at least 1, or several, got {value!r}")
    for one in found:
        if isinstance(one, bool) or not isinstance(one, (int, np.integer)) or one < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return [int(one) for one in found]


def number(name: str, value: Any) -> int:
    """An integer of at least 1, as Python's, which does not overflow; ValueError for anything else."""
    return numbers(name, [value])[0]


def _several(value: Any) -> list[Any] | None:
    if isinstance(value, str) or getattr(value, "ndim", 1) == 0:
        return None
    return list(value) if isinstance(value, (Sequence, np.ndarray)) else None


def moments(at: Any, timestamps: NDArray[np.int64]) -> list[int]:
    """The moments at which parts begin, ascending, in the unit of the timestamps.

    Raises
    ------
    ValueError
        For what is no moment, and moments that do not ascend.
    """
    several = _several(at)
    unit = units.unit_of(timestamps)
    found = [_moment(one, unit) for one in ([at] if several is None else several)]
    if not found or any(later <= one for one, later in itertools.pairwise(found)):
        raise ValueError(f"at must be a moment, or several in ascending order, got {at!r}")
    return found


def _moment(at: Any, unit: int) -> int:
    wrong = ValueError(
        f'at must be a moment, such as "1998-03-01", a date, or a number as in the timestamps; got {at!r}'
    )
    try:
        if isinstance(at, str) and _DATE.match(at.strip()):
            at = _of_text(at.strip())
        if isinstance(at, np.datetime64) and not np.isnat(at):
            return -(-int(at.astype("datetime64[us]").astype(np.int64)) * unit // 10**6)  # rounded up
        if isinstance(at, date):
            moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)
            return math.ceil((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * unit)
        if isinstance(at, (int, float, np.integer, np.floating)) and not isinstance(at, bool):
            return math.ceil(at)
    except (ValueError, OverflowError):
        pass
    raise wrong


def shown(moment: Any, timestamps: NDArray[np.int64]) -> str:
    """A timestamp as a date, if the timestamps are times since 1970, or else as a number."""
    unit = units.unit_of(timestamps)
    if timestamps.min() <= 0 or timestamps.max() < 86_400 * unit:
        return str(int(moment))
    return str(np.datetime64(int(moment) // unit, "s"))


def _of_text(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return np.datetime64(text)  # years and months


def cut(ratings: Ratings, part: Array, n_parts: int, return_rows: bool) -> tuple[Any, ...]:
    """The parts of ratings, and their rows if asked for.

    Parameters
    ----------
    ratings : Ratings
    part : ndarray of bool or int, shape (n,)
        Number of the part of each row, 0 for the training part.
    n_parts : int
    return_rows : bool
    """
    if n_parts == 2:
        held = part.astype(bool, copy=False)
        return taken(ratings, [~held, held], return_rows)
    return taken(ratings, [part == number for number in range(n_parts)], return_rows)


def taken(ratings: Ratings, masks: Sequence[Array], return_rows: bool) -> tuple[Any, ...]:
    """Subsets by masks, followed by the numbers of their rows if asked for."""
    rows = tuple(np.flatnonzero(mask) for mask in masks) if return_rows else ()
    return (*(ratings.subset(mask) for mask in masks), *rows)
