"""Conversion from and to data frames by narwhals, so that no data frame library is required."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.arrays import objects
from cfcore.data.columns import NAME_IT, find_columns, missing_at, usual_column
from cfcore.data.id_columns import as_column
from cfcore.data.names import ROLES, distinct_names, needed_roles
from cfcore.errors import DataError

__all__ = [
    "as_array",
    "column_like",
    "columns",
    "is_frame",
    "library_of",
    "lists",
    "make",
    "named_columns",
    "similar",
]

#: Methods that only objects with named columns have.
FRAME_METHODS = ("__narwhals_dataframe__", "__narwhals_lazyframe__", "__dataframe__", "column_names")

#: Packages whose objects have no columns with an index or a name: values are returned as arrays.
PLAIN = ("builtins", "numpy", "scipy", "cfcore")


def is_frame(x: Any) -> bool:
    """True for objects with named columns, of pandas, polars, pyarrow and all that narwhals supports."""
    if type(x).__name__ in ("RecordBatch", "RecordBatchReader") and hasattr(x, "schema"):
        return True
    return any(hasattr(x, name) for name in FRAME_METHODS) or (
        type(x).__name__ in ("DataFrame", "LazyFrame", "Table", "DuckDBPyRelation")
        and hasattr(type(x), "columns")
    )


def columns(
    frame: Any, *, rated: bool = True, nullable: bool = False, advice: str = NAME_IT, **given: Any
) -> tuple[list[Any], dict[str, str]]:
    """Raw columns user, item, rating, timestamp (None where absent) as arrays, and their names.

    Lazy frames are collected, the columns needed alone. For pandas, levels of the index count as columns.
    With ``timestamp=False`` no timestamps are read. With ``rated=False`` a column of ratings is neither
    required nor read; with ``nullable=True`` it may have nulls. Nulls in timestamps are left in.
    """
    present, collect = _opened(frame, given)
    timed = given.pop("timestamp", None)
    names = find_columns(
        present, {**given, "timestamp": timed or None}, "the frame", needed_roles(rated), advice
    )
    if not rated:
        names.pop("rating", None)
    if timed is False:
        names.pop("timestamp", None)
    eager = collect(list(names.values()))
    arrays = []
    for role in ROLES:
        one = eager.get_column(names[role]) if role in names else None
        unchecked = role == "timestamp" or (nullable and role == "rating")
        if one is not None and not unchecked and one.is_null().any():
            row = int(one.is_null().arg_true()[0])
            raise missing_at(names[role], role, row)
        arrays.append(None if one is None else as_array(one))
    return arrays, {role: names.get(role, role) for role in ROLES}


def as_array(column: Any) -> NDArray[Any]:
    """A column as an array; as objects if text, of which one long one would widen all, or of 128 bits."""
    import narwhals as nw

    if isinstance(column.dtype, (nw.List, nw.Array, nw.Struct)):
        raise DataError(
            f"column {column.name!r} holds a {type(column.dtype).__name__} in each row, not one value"
        )
    numbers = column.dtype.is_numeric() or column.dtype.is_temporal()
    if not column.implementation.is_polars() or (numbers and str(column.dtype) not in ("Int128", "UInt128")):
        array: NDArray[Any] = column.to_numpy()
        return array
    return objects(column.to_list())


def _opened(frame: Any, given: Mapping[str, Any]) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Names of the columns of a frame, and a function that returns some of them as an eager frame."""
    import narwhals as nw

    if hasattr(frame, "dask") and hasattr(frame, "compute"):
        return list(frame.columns), lambda names: nw.from_native(frame[list(dict.fromkeys(names))].compute())
    if hasattr(frame, "read_all"):  # pyarrow's RecordBatchReader
        frame = frame.read_all()
    elif type(frame).__name__ == "RecordBatch":
        import pyarrow

        frame = pyarrow.table(frame)
    try:
        opened = nw.from_native(frame)
    except (TypeError, ValueError) as error:
        raise _not_opened(frame, error) from None
    if isinstance(opened, nw.LazyFrame):
        lazy = opened
        return list(lazy.collect_schema().names()), lambda names: lazy.select(*names).collect()
    if opened.implementation.is_pandas_like():
        opened = nw.from_native(_with_index(frame, given))
    return list(opened.columns), lambda names: opened


def _not_opened(frame: Any, error: Exception) -> DataError:
    """The error for a frame that narwhals does not open."""
    names = list(getattr(frame, "columns", ()))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return DataError(f"the frame: names of columns must be unique, and {twice!r} is there more than once")
    kind = f"{type(frame).__module__.partition('.')[0]}.{type(frame).__name__}"
    return DataError(
        f"from_frame takes a DataFrame of pandas, polars or another library, or a pyarrow Table, got {kind}"
    )


def _with_index(frame: Any, given: Mapping[str, Any]) -> Any:
    """A pandas frame in which the levels of its index that hold users or items are columns."""
    levels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    wanted = [name for name in levels if name in given.values()]
    present = list(frame.columns)
    missing = [
        role for role in ("user", "item") if not given.get(role) and usual_column(present, role) is None
    ]
    wanted += [name for role in missing if (name := usual_column(levels, role)) is not None]
    return frame.reset_index(level=wanted) if wanted else frame


def named_columns(ratings: Any) -> dict[str, NDArray[Any]]:
    """Raw users and items, ratings and, if any, timestamps of `Ratings`, by the names of their columns."""
    columns = {"user": ratings.users, "item": ratings.items, "rating": ratings.values}
    if ratings.timestamps is not None:
        columns["timestamp"] = ratings.timestamps
    names = distinct_names(ratings.column_names, columns)
    return {names[role]: column for role, column in columns.items()}


def make(data: Mapping[str, Any], library: str | None) -> Any:
    """A frame of `library`, or of the first installed, with these columns."""
    known = ("pandas", "polars", "pyarrow")
    if library is not None and not (isinstance(library, str) and library in known):
        raise ValueError(f"library must be one of {', '.join(known)}, got {library!r}")
    name = library or next((name for name in known if importlib.util.find_spec(name)), None)
    if name is None:
        raise ImportError("to_frame needs pandas, polars or pyarrow: pip install pandas")
    module = importlib.import_module(name)
    columns = dict(data)
    return module.table(columns) if name == "pyarrow" else module.DataFrame(columns)


def lists(users: Any, ids: Any, scores: Any, library: str | None, names: Mapping[str, str]) -> Any:
    """A frame with a row for each item listed: user, item, score, rank.

    Parameters
    ----------
    users : array_like, shape (n_users,), or None
        None: there is no column of users.
    ids, scores : ndarray, shape (n_users, n)
        Scores are NaN beyond the end of a list.
    library : {"pandas", "polars", "pyarrow"} or None
        None: that of the column `users`, or else the first installed.
    names : dict of str to str
        Names of the columns of users and items.
    """
    listed = ~np.isnan(scores)
    rows, ranks = np.nonzero(listed)
    named = distinct_names(names, ("user", "item"), ("score", "rank"))
    data = {} if users is None else {named["user"]: as_column(users)[rows]}
    data |= {
        named["item"]: ids[listed],
        "score": scores[listed],
        "rank": ranks + 1,
    }
    return make(data, library_of(users) if library is None else library)


def similar(raw: Any, ids: Any, similarities: Any, library: str | None, name: str) -> Any:
    """A frame with a row for each similar item, or user: the id asked for, its id, similarity, rank.

    Parameters
    ----------
    raw : array_like, shape (m,)
        The ids asked for.
    ids, similarities : ndarray, shape (m, n)
        Similarities are NaN beyond the end of a list.
    library : {"pandas", "polars", "pyarrow"} or None
    name : str
        Name of the column of the ids asked for.
    """
    name = name if name not in ("similarity", "rank") else "id"
    listed = ~np.isnan(similarities)
    rows, ranks = np.nonzero(listed)
    data = {
        name: np.asarray(raw)[rows],
        f"similar_{name}": ids[listed],
        "similarity": similarities[listed],
        "rank": ranks + 1,
    }
    return make(data, library)


def column_like(given: Any, values: Any, name: str) -> Any:
    """Values as a column of the library of `given`: a pandas or polars Series, a pyarrow ChunkedArray.

    Parameters
    ----------
    given : frame or column, or anything else
        The result for pandas has its index. For all but eager frames and columns the result is `values`.
    values : ndarray, shape (n,)
    name : str
    """
    if type(given).__module__.partition(".")[0] in PLAIN:
        return values
    import narwhals as nw

    eager = nw.from_native(given, eager_only=True, allow_series=True, pass_through=True)
    if not isinstance(eager, (nw.DataFrame, nw.Series)):
        return values
    kind, library = eager.implementation, nw.get_native_namespace(eager)
    if kind.is_pandas_like():
        return library.Series(values, index=given.index, name=name)
    if kind.is_polars():
        return library.Series(name, values)
    return library.chunked_array([values]) if kind.is_pyarrow() else values


def library_of(column: Any) -> str | None:
    """Name of the library of a column, if frames can be made with it."""
    name = type(column).__module__.partition(".")[0]
    return name if name in ("pandas", "polars", "pyarrow") else None
