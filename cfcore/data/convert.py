"""Conversion of arguments that are ratings, or pairs to predict, of any supported type."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data.build import Duplicates, check_duplicates
from cfcore.data.ratings import Ratings
from cfcore.errors import DataError, DuplicateError

__all__ = ["as_pairs", "as_ratings"]


def as_ratings(
    x: Any, scale: tuple[float, float] | None = None, duplicates: Duplicates | None = None
) -> Ratings:
    """Ratings from an argument of any supported type.

    Parameters
    ----------
    x : Ratings, DataFrame, (users, items, values[, timestamps]) or SciPy sparse matrix
        Ratings are returned unchanged.
    scale : (min, max), optional
        Scale of all but Ratings, which have their own.
    duplicates : {"error", "last", "first", "mean"}, optional
        As in ``Ratings``, for all but Ratings. None: "error", in a call that has no such argument.

    Raises
    ------
    DataError
        For another type, and for values that ``Ratings`` refuses.
    """
    if isinstance(x, Ratings):
        if duplicates is not None:
            check_duplicates(duplicates)
        return x
    try:
        return _converted(x, scale, duplicates or "error")
    except DuplicateError as error:
        if duplicates is not None:
            raise
        made = "from_scipy(matrix" if hasattr(x, "tocoo") else "from_frame(frame"
        made = "cf.Ratings(users, items, values" if isinstance(x, tuple) else f"cf.Ratings.{made}"
        raise DuplicateError(error.problem, f'pass {made}, duplicates="last") to keep one rating') from None


def _converted(x: Any, scale: tuple[float, float] | None, duplicates: Duplicates) -> Ratings:
    if hasattr(x, "tocoo"):
        return Ratings.from_scipy(x, scale=scale, duplicates=duplicates)
    if isinstance(x, tuple) and len(x) in (3, 4):
        return Ratings(*x, scale=scale, duplicates=duplicates)
    if _is_frame(x):
        return Ratings.from_frame(x, scale=scale, duplicates=duplicates)
    raise DataError(
        "ratings must be Ratings, a DataFrame, a tuple (users, items, values[, timestamps]) or sparse, "
        f"got {_describe(x)}"
    )


def as_pairs(x: Any) -> tuple[Any, Any, Any]:
    """Raw users, items and timestamps (or None) of the pairs in `x`.

    Parameters
    ----------
    x : Ratings, DataFrame, (users, items), (users, items, values[, timestamps]) or SciPy sparse matrix
        Values are ignored.

    Raises
    ------
    DataError
        For another type.
    """
    if isinstance(x, Ratings):
        return x.users, x.items, x.timestamps
    if hasattr(x, "tocoo"):
        coo = x.tocoo()
        return coo.row, coo.col, None
    if isinstance(x, tuple) and 2 <= len(x) <= 4:
        return x[0], x[1], x[3] if len(x) == 4 else None
    if _is_frame(x):
        from cfcore.data import frames

        (users, items, _, timestamps), _ = frames.columns(x, rated=False)
        return users, items, timestamps
    raise DataError(
        "pairs must be Ratings, a DataFrame, a tuple (users, items[, values[, timestamps]]) or sparse, "
        f"got {_describe(x)}"
    )


def _is_frame(x: Any) -> bool:
    from cfcore.data.frames import is_frame

    return is_frame(x)


def _describe(x: Any) -> str:
    shape = f" of length {len(x)}" if isinstance(x, (tuple, list, np.ndarray)) else ""
    return f"{type(x).__name__}{shape}"
