"""Conversion of arguments that are ratings, or pairs to predict, of any supported type."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cfcore.data.build import Duplicates, Rules, check_duplicates, encoded
from cfcore.data.frames import is_frame
from cfcore.data.names import ARGUMENTS
from cfcore.data.ratings import Ratings, from_fields
from cfcore.data.shapes import Columns, Wanted, columns_of
from cfcore.errors import DataError, DuplicateError

__all__ = ["as_pairs", "as_ratings", "needs_times", "pair_columns"]


#: Arguments of ``Ratings`` in messages, unless their place is named already.
_OPTION = re.compile(r'(?<![\w(])((?:ids=str|timestamps?=False|missing=float\("nan"\)))(?! in Ratings| or )')


def as_ratings(
    x: Any,
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates | None = None,
    *,
    timed: bool = True,
    said: bool = False,
) -> Ratings:
    """Ratings from an argument of any supported type.

    Parameters
    ----------
    x : Ratings, DataFrame, (users, items, values[, timestamps]), rows, dict or SciPy sparse matrix
        Ratings are returned unchanged. Rows are a list or iterator of (user, item, rating[, timestamp]), an
        array n x 3 or n x 4, or a tuple of tuples; a dict has columns, by usual names.
    scale : (min, max), optional
        Scale of all but Ratings, which have their own.
    duplicates : {"error", "last", "first", "mean"}, optional
        As in ``Ratings``, for all but Ratings. None: "error", in a call that has no such argument.
    timed : bool, default True
        Whether times are needed. If not, times that cannot be read are left out.
    said : bool, default False
        Whether a DataWarning mentions that.

    Raises
    ------
    DataError
        For another type, and for values that ``Ratings`` refuses.
    """
    if isinstance(x, Ratings):
        if duplicates is not None:
            check_duplicates(duplicates)
        return x
    made = "cf.Ratings(users, items, values"
    if hasattr(x, "tocoo"):
        made = "cf.Ratings.from_scipy(matrix"
    elif is_frame(x):
        made = "cf.Ratings.from_frame(frame"
    try:
        way: Duplicates = "error" if duplicates is None else duplicates
        return _converted(x, Rules(scale, way, timed=timed, said=said))
    except DuplicateError as error:
        if duplicates is not None:
            raise
        remedy = f'pass {made}, duplicates="last") to keep one rating'
        raise DuplicateError(error.problem, remedy) from None
    except DataError as error:
        # The call that these ratings were given to has no such arguments.
        raise DataError(_OPTION.sub(rf"{made}, \1)", str(error))) from None


def _converted(x: Any, rules: Rules) -> Ratings:
    if hasattr(x, "tocoo"):
        return Ratings.from_scipy(x, scale=rules.scale, duplicates=rules.duplicates)
    given = columns_of(x, Wanted())
    rules = replace(rules, names=given.names)
    return from_fields(*encoded(given.users, given.items, given.values, given.timestamps, rules))


def needs_times(*models: Any) -> bool:
    """Whether any of the models needs timestamps; models of other libraries may."""
    return any(not hasattr(model, "uses_timestamps") or model.uses_timestamps() for model in models)


def pair_columns(x: Any, *, timed: bool = True) -> Columns:
    """Raw columns of the pairs in `x`, with their names in errors.

    Parameters
    ----------
    x : Ratings, DataFrame, (users, items[, values[, timestamps]]), rows, dict or SciPy sparse matrix
        As for `as_ratings`, but ratings are not needed. Their values are ignored.
    timed : bool, default True
        Whether timestamps are read.

    Raises
    ------
    DataError
        For another type.
    """
    if isinstance(x, Ratings):
        return Columns(x.users, x.items, None, x.timestamps if timed else None, ARGUMENTS)
    if hasattr(x, "tocoo"):
        coo = x.tocoo()
        return Columns(coo.row, coo.col, None, None, ARGUMENTS)
    return columns_of(x, Wanted(rated=False, timed=timed))


def as_pairs(x: Any) -> tuple[Any, Any, Any]:
    """Raw users, items and timestamps (or None) of the pairs in `x`; see `pair_columns`."""
    given = pair_columns(x)
    return given.users, given.items, given.timestamps
