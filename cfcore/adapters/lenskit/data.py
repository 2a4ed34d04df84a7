"""Data sets of LensKit as cfcore takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from lenskit.data import Dataset, ItemList

from cfcore.data import Ratings
from cfcore.errors import DataError

__all__ = ["features_of", "ratings_of", "seconds"]

Array = np.ndarray[Any, Any]


def ratings_of(data: Dataset, scale: tuple[float, float] | None, need_values: bool, name: str) -> Ratings:
    """The ratings of a data set; of repeated pairs the latest.

    Parameters
    ----------
    data : Dataset
    scale : (low, high) or None
    need_values : bool
        Whether interactions without ratings are refused; otherwise each is a rating of 1.
    name : str
        Of the model, for errors.

    Raises
    ------
    DataError
        There are no ratings, or they cannot be used.
    """
    table = data.interactions().arrow()
    names = table.column_names
    if "rating" in names:
        values = table.column("rating").to_numpy()
    elif need_values:
        raise DataError(
            f"the interactions of this data set have no ratings, which {name} predicts; for lists of "
            'interactions use EASE or Popularity, or rank_by="preference"'
        )
    else:
        values = np.ones(table.num_rows, dtype=np.float32)
        scale = (0.0, 1.0) if scale is None else scale
    users = data.users.ids()[table.column("user_num").to_numpy()]
    items = data.items.ids()[table.column("item_num").to_numpy()]
    if len(wrong := np.flatnonzero(~np.isfinite(values))):
        at = wrong[0]
        raise DataError(
            f"{len(wrong)} of the ratings of this data set are no finite numbers, the first {values[at]:g}, "
            f"of user {users[at]} and item {items[at]}; make the data set of rows without them"
        )
    times = seconds(table.column("timestamp").to_numpy()) if "timestamp" in names else None
    return Ratings(users, items, values, times, scale=scale, duplicates="last")


def seconds(times: Any) -> Array:
    """Times in seconds: numbers as they are, dates since 1970."""
    times = np.asarray(times)
    return times.astype("datetime64[s]").astype(np.int64) if times.dtype.kind == "M" else times


def features_of(data: Dataset, kind: str, names: list[str]) -> Any:
    """A table of attributes of LensKit's entities, as ``fit(..., user_features=)`` takes it; None for none.

    Raises
    ------
    DataError
        There is no such attribute.
    """
    if not names:
        return None
    entities = data.entities(kind)
    columns: dict[str, Any] = {}
    for name in names:
        if name not in entities.attributes:
            there = ", ".join(entities.attributes) or "none"
            raise DataError(f"{kind}_features: the {kind}s have no attribute {name!r}; there are {there}")
        attribute = entities.attribute(name)
        if attribute.is_scalar or attribute.is_list:
            columns[name] = attribute.arrow().to_pylist()
            continue
        matrix = attribute.scipy()
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
        dimensions = attribute.dim_names or range(matrix.shape[1])
        columns |= {f"{name}={one}": matrix[:, at] for at, one in enumerate(dimensions)}
    return columns, entities.ids()


def rated_items(items: ItemList | None, default: float | None) -> tuple[Array, Any, Any] | None:
    """Ids, ratings and times or None of the items of a query; None if there are no ratings.

    Parameters
    ----------
    items : ItemList or None
    default : float or None
        The rating of items without ratings; None: such lists do not count.
    """
    if items is None or len(items) == 0:
        return None
    values = items.field("rating")
    if values is None:
        if default is None:
            return None
        values = np.full(len(items), default)
    times = items.field("timestamp")
    return items.ids(), np.asarray(values, dtype=np.float64), None if times is None else seconds(times)
