"""Arguments that hold ratings or pairs in rows, in columns or in a table, taken apart into columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cfcore.data.names import ARGUMENTS, ROLES, needed_roles
from cfcore.errors import DataError, DataWarning, warn

__all__ = ["Columns", "Wanted", "columns_of"]


class Wanted(NamedTuple):
    """The columns that a call takes.

    Attributes
    ----------
    rated : bool
        Whether ratings are needed; pairs to predict have none, or are read without.
    timed : bool
        Whether timestamps are read, where there are some.
    """

    rated: bool = True
    timed: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of columns that a table without names may have."""
        return (3, 4) if self.rated else (2, 3, 4)

    @property
    def what(self) -> str:
        """The arguments in the words of errors."""
        return "ratings" if self.rated else "pairs"

    @property
    def advice(self) -> str:
        """What to do about a column of a frame that is not found."""
        if self.rated:
            return "name one by Ratings.from_frame(frame, {role}=...)"
        return "rename the column to {role!r}"

    @property
    def form(self) -> str:
        """The columns in the words of errors."""
        return "user, item, rating[, timestamp]" if self.rated else "user, item[, rating[, timestamp]]"


class Columns(NamedTuple):
    """Raw columns, None where absent, and their names in errors."""

    users: Any
    items: Any
    values: Any
    timestamps: Any
    names: Mapping[str, str]


def columns_of(x: Any, wanted: Wanted) -> Columns:
    """Columns of an argument that is neither `Ratings` nor sparse.

    Parameters
    ----------
    x : object
        A frame; a dict of columns; rows (a list, iterator or array, n x 3 or n x 4, or a tuple of tuples),
        with names (dicts, named tuples, rows of databases) or without; a pandas Series whose index has users
        and items; or a tuple of columns.
    wanted : Wanted

    Raises
    ------
    DataError
        For anything else; the message says how it can be given.
    """
    from cfcore.data import frames

    if frames.is_frame(x):
        return _of_frame(x, wanted)
    if isinstance(x, Mapping):
        return _named({str(name): column for name, column in x.items()}, wanted, "the dict")
    if isinstance(x, np.ndarray):
        return _of_array(x, wanted)
    if hasattr(x, "index") and hasattr(x, "to_numpy"):  # a pandas Series
        return _of_series(x, wanted)
    if isinstance(x, Iterator):
        x = list(x)
    if not isinstance(x, (tuple, list)) or len(x) == 0:
        raise _refused(x, wanted)
    if isinstance(x, tuple) and not _are_rows(x, wanted):
        if len(x) not in wanted.sizes:
            raise _refused(x, wanted)
        return _unnamed(x, wanted)
    return _of_rows(x, wanted)


def _unnamed(columns: Sequence[Any], wanted: Wanted) -> Columns:
    users, items = columns[:2]
    values = columns[2] if len(columns) > 2 else None
    return Columns(
        users, items, values, columns[3] if wanted.timed and len(columns) == 4 else None, ARGUMENTS
    )


def _named(table: Mapping[str, Any], wanted: Wanted, where: str) -> Columns:
    from cfcore.data.columns import find_columns

    names = find_columns(list(table), {}, where, needed_roles(wanted.rated), "name one {role!r}")
    if not wanted.timed:
        names.pop("timestamp", None)
    users, items, values, times = (
        _values_of(table[names[role]]) if role in names else None for role in ROLES
    )
    return Columns(users, items, values, times, {role: names.get(role, role) for role in ROLES})


def _values_of(column: Any) -> Any:
    """A column; the values of one that is a dict of rows, as pandas' ``to_dict`` makes it."""
    return list(column.values()) if isinstance(column, Mapping) else column


def _of_frame(frame: Any, wanted: Wanted) -> Columns:
    from cfcore.data import frames

    timestamp = None if wanted.timed else False
    (users, items, values, times), names = frames.columns(
        frame, rated=wanted.rated, advice=wanted.advice, timestamp=timestamp
    )
    return Columns(users, items, values, times, names)


def _of_series(series: Any, wanted: Wanted) -> Columns:
    """Columns of a pandas Series: its index has two levels, the users and the items."""
    if getattr(series.index, "nlevels", 1) != 2:
        raise _refused(series, wanted)
    from cfcore.data.columns import usual_column

    levels = [series.index.get_level_values(level) for level in (0, 1)]
    names = [str(name) for name in series.index.names]
    first = usual_column(names[:1], "item") is not None and usual_column(names[1:], "user") is not None
    users, items = levels[::-1] if first else levels
    names = names[::-1] if first else names
    own = {"user": names[0], "item": names[1], "rating": str(series.name or "rating")}
    shown = {role: own.get(role, role) for role in ROLES} if "None" not in names else ARGUMENTS
    return Columns(users.to_numpy(), items.to_numpy(), series.to_numpy(), None, shown)


def _of_array(array: Any, wanted: Wanted) -> Columns:
    if array.dtype.names:
        return _named({name: array[name] for name in array.dtype.names}, wanted, "the array")
    if array.ndim == 2 and array.shape[1] in wanted.sizes:
        return _unnamed([array[:, column] for column in range(array.shape[1])], wanted)
    if array.ndim == 1 and array.dtype == object and len(array) and _is_row(array[0]):
        return _of_rows(array.tolist(), wanted)
    if array.ndim == 2:
        matrix = "; Ratings.from_matrix reads a matrix of users x items" if wanted.rated else ""
        raise DataError(
            f"an array of {wanted.what} has the columns {wanted.form}, not shape {array.shape}{matrix}"
        )
    raise _refused(array, wanted)


def _is_row(x: Any) -> bool:
    """Whether an element of a list or a tuple can be a row: a tuple, a list, or a row with names."""
    return isinstance(x, (tuple, list, Mapping)) or _names_of(x) is not None


def _names_of(row: Any) -> list[str] | None:
    """Names of the fields of a row: a mapping, a named tuple or a row of a database; None without any."""
    if isinstance(row, Mapping) or callable(getattr(row, "keys", None)):
        return list(map(str, row.keys()))
    fields = getattr(row, "_fields", None)
    if isinstance(fields, tuple):
        return list(map(str, fields))
    described = getattr(type(row), "__dataclass_fields__", None)
    return list(described) if described else None


def _are_rows(x: tuple[Any, ...], wanted: Wanted) -> bool:
    """Whether a tuple holds rows and not columns. Rows are tuples, all of a length that rows have.

    Tuples of tuples that can be both, by size and by the kinds of values, are rows.
    """
    if any(hasattr(one, "__array__") for one in x):  # arrays and Series, whose labels are no names of fields
        return False
    if any(_names_of(one) is not None for one in x):
        return True
    if not all(isinstance(one, (tuple, list)) for one in x):
        return False
    if len(x) not in wanted.sizes:
        return True
    lengths = {len(one) for one in x}
    if not all(isinstance(one, tuple) for one in x) or len(lengths) > 1 or not lengths <= {*wanted.sizes}:
        return False
    as_rows = all(map(_is_of_one_kind, zip(*x, strict=True)))
    as_columns = all(map(_is_of_one_kind, x))
    if as_columns and as_rows and lengths == {len(x)}:
        warn(
            f"{len(x)} tuples of {len(x)} are taken for rows ({wanted.form}), not for columns; columns "
            "can be lists or arrays",
            DataWarning,
        )
    return as_rows or not as_columns


def _is_of_one_kind(values: Sequence[Any]) -> bool:
    return len({isinstance(value, (str, bytes)) for value in values}) == 1


def _of_rows(rows: Sequence[Any], wanted: Wanted) -> Columns:
    names = _names_of(rows[0])
    if names is not None:
        by_attribute = not hasattr(rows[0], "keys")
        try:
            table = {
                name: [getattr(row, name) if by_attribute else row[name] for row in rows] for name in names
            }
        except (AttributeError, LookupError, TypeError):
            row = next(number for number, row in enumerate(rows) if _names_of(row) != names)
            raise DataError(
                f"{wanted.what}: row {row} does not have the fields of row 0: {', '.join(names)}"
            ) from None
        return _named(table, wanted, "the rows")
    for number, row in enumerate(rows):
        if not isinstance(row, (tuple, list, np.ndarray)):
            if number == 0:
                raise _refused(rows, wanted)
            raise DataError(f"{wanted.what}: row {number} is {row!r}; a row has {wanted.form}")
        if len(row) != len(rows[0]) or len(row) not in wanted.sizes:
            raise DataError(
                f"{wanted.what}: row {number} has {len(row)} values; a row has {wanted.form}, and columns "
                "are given as a tuple of lists or arrays"
            )
    return _unnamed([list(column) for column in zip(*rows, strict=True)], wanted)


def _refused(x: Any, wanted: Wanted) -> DataError:
    columns = (
        "(users, items, values[, timestamps])" if wanted.rated else "(users, items[, values[, timestamps]])"
    )
    has_length = isinstance(x, (tuple, list)) or (isinstance(x, np.ndarray) and x.ndim > 0)
    shape = f" of length {len(x)}" if has_length else ""
    return DataError(
        f"{wanted.what} must be Ratings, a DataFrame, a tuple {columns}, rows ({wanted.form}), a dict of "
        f"columns or sparse, got {type(x).__name__}{shape}"
    )
