"""Telling items excluded for all users from pairs of users and items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.data.frames import as_array, is_frame
from cfcore.data.ids import is_single
from cfcore.errors import DataWarning, warn

__all__ = ["Exclusion", "exclusion_of"]

Array = np.ndarray[Any, Any]


class Exclusion:
    """What `exclude` stands for: `items`, raw ids excluded for all users, or `pairs`; the other is None."""

    def __init__(self, items: Any = None, pairs: Any = None) -> None:
        self.items, self.pairs = items, pairs


def exclusion_of(exclude: Any) -> Exclusion:
    """Raw ids for everybody, if `exclude` is an id or a flat sequence of ids, or else pairs.

    A tuple of two ids is taken for two items; as it can be meant as a pair, a DataWarning says so.
    """
    if exclude is None:
        return Exclusion()
    if is_single(exclude):
        return Exclusion(items=np.atleast_1d(exclude))
    if isinstance(exclude, (Ratings, Mapping)) or hasattr(exclude, "tocoo"):
        return Exclusion(pairs=exclude)
    if is_frame(exclude):
        only = _only_column(exclude)
        return Exclusion(pairs=exclude) if only is None else Exclusion(items=only)
    if isinstance(exclude, (Iterator, Set)):
        exclude = list(exclude)
    if getattr(getattr(exclude, "index", None), "nlevels", 1) > 1:  # a pandas Series of pairs
        return Exclusion(pairs=exclude)
    if isinstance(exclude, np.ndarray) and exclude.dtype != object:
        flat = exclude.ndim == 1 and exclude.dtype.names is None
        return Exclusion(items=exclude) if flat else Exclusion(pairs=exclude)
    if isinstance(exclude, (list, tuple, np.ndarray)) and not all(map(is_single, exclude)):
        return Exclusion(pairs=exclude)
    if isinstance(exclude, tuple) and len(exclude) == 2:
        warn(
            f"exclude: {exclude!r} is taken for two items that nobody gets; a pair of a user and an item is "
            f"([{exclude[0]!r}], [{exclude[1]!r}]), and a list of items gives no such warning",
            DataWarning,
        )
    return Exclusion(items=exclude)


def _only_column(frame: Any) -> Array | None:
    """Values of a frame of one column; None if it has more."""
    import narwhals as nw

    opened = nw.from_native(frame, pass_through=True)
    if not isinstance(opened, (nw.DataFrame, nw.LazyFrame)):
        return None
    names = opened.collect_schema().names()
    if len(names) != 1:
        return None
    eager = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    return as_array(eager.get_column(names[0]))
