"""Columns of X: which of them are ids, times and features, by name or by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cfcore.data.columns import find_columns, listed
from cfcore.data.frames import is_frame
from cfcore.errors import DataWarning, warn

__all__ = ["Layout", "arrays_of", "frame_of", "layout_of", "names_of", "present", "whole"]

Array = np.ndarray[Any, Any]

#: Roles of columns, in the order of arrays without names.
ROLES = ("user", "item", "timestamp")


class Layout(NamedTuple):
    """Where the columns of X are: names of a frame, or positions in an array.

    `ids` are those of users, of items and, if there are any, of times; `features` those that describe users
    and items.
    """

    ids: tuple[Any, ...]
    user_features: tuple[Any, ...] = ()
    item_features: tuple[Any, ...] = ()

    def features(self, kind: str) -> tuple[Any, ...]:
        """Columns that describe users, or items."""
        return self.user_features if kind == "user" else self.item_features


def frame_of(X: Any) -> Any:
    """A data frame of narwhals, lazy ones collected; None for anything else."""
    if not is_frame(X):
        return None
    import narwhals as nw

    frame = nw.from_native(X)
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def names_of(frame: Any) -> list[str] | None:
    """Names of the columns; None without a frame, or if they are numbers."""
    if frame is None or not all(isinstance(name, str) for name in frame.columns):
        return None
    return list(frame.columns)


def arrays_of(X: Any, places: Sequence[Any]) -> list[Array]:
    """Columns of a frame of narwhals, each with its own dtype, or of an array."""
    if hasattr(X, "get_column"):
        names = X.columns
        return [
            X.get_column(names[place] if isinstance(place, int) else place).to_numpy() for place in places
        ]
    return [X[:, place] for place in places]


def layout_of(given: Any, X: Any, names: list[str] | None, n_columns: int) -> Layout:
    """The columns of X by the parameters of a regressor (`given`), and by their names.

    Parameters
    ----------
    given : RatingRegressor
        Its `user`, `item`, `timestamp`, `user_columns` and `item_columns`.
    X : array or DataFrame
        For `user_columns` and `item_columns` that are callables.
    names : list of str or None
        Names of the columns, if they have some.
    n_columns : int

    Raises
    ------
    ValueError
        Columns that do not exist, or that cannot be told apart; the message names the parameter.

    Warns
    -----
    DataWarning
        Columns that are not used, or that are taken by position because their names are not usual ones.
    """
    features = [chosen(name, getattr(given, name), X, names, n_columns) for name in FEATURES]
    taken = {place for group in features for place in group}
    own = {role: getattr(given, role) for role in ROLES}
    own = {
        role: None if key is None or key is False else single(role, key, names, n_columns)
        for role, key in own.items()
    }
    if names is None:
        free = [at for at in range(n_columns) if at not in taken]
        return Layout(ids_by_position(own, free, n_columns), *features)
    named = [name for name in names if name not in taken]
    return Layout(ids_by_name(own, named, given.timestamp is False), *features)


#: Parameters that choose columns of features.
FEATURES = ("user_columns", "item_columns")


def chosen(parameter: str, columns: Any, X: Any, names: list[str] | None, n_columns: int) -> tuple[Any, ...]:
    """Names or positions of columns of features: from a name, a position, several, a slice or a callable."""
    if columns is None:
        return ()
    if callable(columns):
        columns = columns(X)
    if isinstance(columns, slice):
        columns = list(range(n_columns))[columns]
    if isinstance(columns, (str, int, np.integer)):
        columns = [columns]
    columns = np.asarray(columns).tolist() if isinstance(columns, np.ndarray) else list(columns)
    if columns and all(isinstance(one, bool) for one in columns):
        columns = [at for at, one in enumerate(columns) if one]
    return tuple(single(parameter, one, names, n_columns) for one in columns)


def single(parameter: str, key: Any, names: list[str] | None, n_columns: int) -> Any:
    """The name or position of one column."""
    if isinstance(key, str):
        if names is None:
            raise ValueError(f"{parameter}={key!r} names a column of a data frame, and X has no names")
        if key in names:
            return key
        ends = [name for name in names if name.partition("__")[2] == key]
        if len(ends) == 1:  # a column transformer puts its names before those of columns
            return ends[0]
        raise ValueError(f"X has no column {key!r} for {parameter}; it has {listed(names)}")
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)):
        raise TypeError(f"{parameter} must be a name or a position of a column of X, not {key!r}")
    if not -n_columns <= key < n_columns:
        raise ValueError(f"{parameter}={key}: X has {n_columns} feature(s)")
    return int(key) % n_columns if names is None else names[key]


def ids_by_name(own: dict[str, Any], names: list[str], untimed: bool) -> tuple[str, ...]:
    """Names of the columns of users, of items and, if there are any, of times."""
    plain = {name.partition("__")[2] or name: name for name in reversed(names)}
    short = {name: key for key, name in plain.items()}
    called = {role: short.get(name, name) for role, name in own.items()}
    found = find_columns([short.get(name, name) for name in names], called, "X", needed=())
    found = {role: plain.get(name, name) for role, name in found.items()}
    if untimed:
        found.pop("timestamp", None)
    rest = [name for name in names if name not in found.values()]
    if ("user" in found) != ("item" in found) and len(rest) == 1:
        found["item" if "user" in found else "user"] = rest.pop()
    if "user" in found and "item" in found:
        roles = tuple(found[role] for role in ROLES if role in found)
        unused = [name for name in names if name not in roles]
        if unused:
            warn(
                f"RatingRegressor does not use the columns {listed(unused)} of X; ids are {roles[0]!r} "
                f"and {roles[1]!r}" + ("" if len(roles) > 2 else ", and timestamp= names the times"),
                DataWarning,
            )
        return roles
    if found or len(names) not in (2, 3):
        raise ValueError(
            "X must have the columns user, item and perhaps time, and no names say which they are; it "
            f"has {len(names)} feature(s), {listed(names)}: RatingRegressor(user=..., item=...)"
        )
    warn(
        f"RatingRegressor takes the columns {listed(names)} of X for user, item"
        + (" and time" if len(names) == 3 else "")
        + ", in this order, because no names say which they are; name them: "
        f"RatingRegressor(user={names[0]!r}, item={names[1]!r})",
        DataWarning,
    )
    return tuple(names)


def ids_by_position(own: dict[str, Any], free: list[int], n_columns: int) -> tuple[int, ...]:
    """Positions of the columns of users, of items and, if there are any, of times."""
    given = {role: at for role, at in own.items() if at is not None}
    rest = [at for at in free if at not in given.values()]
    if "user" in given and "item" in given:
        if rest:
            warn(
                f"RatingRegressor does not use the columns {listed(rest)} of X; timestamp=, user_columns= "
                "and item_columns= choose further ones",
                DataWarning,
            )
        return tuple(given[role] for role in ROLES if role in given)
    if len(rest) + len(given) not in (2, 3):
        more = "" if n_columns <= 3 else "; user_columns= and item_columns= choose columns of features"
        raise ValueError(
            f"X must have the columns user, item and perhaps time; it has {n_columns} feature(s){more}"
        )
    free_roles = iter(rest)
    roles = [given[role] if role in given else next(free_roles, None) for role in ROLES]
    return tuple(at for at in roles if at is not None)


def whole(name: str, column: Array) -> Array:
    """A column of ids, floats that are whole numbers as integers: arrays of mixed columns are floats."""
    column = np.asarray(column)
    if column.dtype == object:
        column = np.array(column.tolist())
    if column.dtype.kind != "f":
        return column
    if not np.isfinite(column).all() or (column != np.rint(column)).any() or (abs(column) > 2**53).any():
        raise ValueError(f"X: the column of {name} ids holds numbers that are not whole; ids are wanted")
    return column.astype(np.int64)


def present(layout: Layout, names: list[str]) -> Layout:
    """The columns of the fit in a frame with these names; features may be left out where ids are known."""
    for name in layout.ids:
        if name not in names:
            raise ValueError(f"X has no column {name!r}, which `fit` used; it has {listed(names)}")
    groups = []
    for group in (layout.user_features, layout.item_features):
        missing = [name for name in group if name not in names]
        if missing and len(missing) < len(group):
            raise ValueError(f"X has no column {missing[0]!r}, which `fit` used; it has {listed(names)}")
        groups.append(() if missing else group)
    return Layout(layout.ids, *groups)
