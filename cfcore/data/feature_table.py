"""Tables of features of users or of items, in all forms that they come in, as columns of Python and NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cfcore.data.columns import listed, usual_column
from cfcore.data.feature_files import read_columns
from cfcore.data.id_columns import is_missing
from cfcore.errors import DataError, shown

__all__ = ["Matrix", "Raw", "Table", "as_raw", "id_at", "table_of"]

Array = np.ndarray[Any, Any]


class Raw(NamedTuple):
    """A column: "flags" and "numbers" are float64[n] with NaN where missing; "categories" a list of str with
    None where missing; "lists" a list of lists of str.
    """

    kind: str
    values: Any


class Matrix(NamedTuple):
    """A sparse matrix of weights (CSR, float64), with names of its columns."""

    indptr: Array
    indices: Array
    values: Array
    names: list[str]


class Table(NamedTuple):
    """Ids of the rows, the name of their column, and the columns or the matrix."""

    ids: Any
    id_name: str
    columns: dict[str, Raw]
    matrix: Matrix | None = None


def table_of(given: Any, where: str, role: str | None, wanted: Sequence[str], ids: Any = None) -> Table:
    """The columns of a table of features.

    Parameters
    ----------
    given : DataFrame, dict or sparse matrix
        A frame of any library that narwhals supports; a dict of columns, one of which has the ids; a dict of
        id to the features of a row (a dict of them, or a list of categories); a list of dicts, a row each; a
        SciPy sparse matrix or an array, or a tuple of one of these and the ids of its rows; the path of a
        file, see `read_columns`.
    where : str
        The table in errors, such as "user_features".
    role : {"user", "item"} or None
        Whose features these are; None: either's.
    wanted : sequence of str
        Names that the column of the ids may have, before usual ones.
    ids : array-like, optional
        Ids of the rows, in place of a column.
    """
    from cfcore.data import frames

    if isinstance(given, (str, os.PathLike)):
        given = read_columns(given)
    if isinstance(given, tuple) and len(given) == 2 and ids is None and not isinstance(given[0], str):
        given, ids = given
    if hasattr(given, "tocsr"):
        return _of_matrix(given.tocsr(), where, role, ids)
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind in "biuf":
        own = np.arange(len(given)) if ids is None else ids
        named = {str(at): as_raw(given[:, at], str(at), where) for at in range(given.shape[1])}
        return Table(own, role or "id", named)
    if frames.is_frame(given):
        columns, index, index_name = _columns_of_frame(given, where)
    elif isinstance(given, Mapping):
        if ids is None and not _is_table(given, role, wanted):
            return _of_rows(given, where, role)
        columns, index, index_name = dict(given), None, ""
    elif isinstance(given, list) and given and all(isinstance(row, Mapping) for row in given):
        names = dict.fromkeys(name for row in given for name in row)
        columns, index, index_name = {name: [row.get(name) for row in given] for name in names}, None, ""
    else:
        raise DataError(
            f"{where} must be a DataFrame, a dict of columns or of id to features, or (sparse matrix, ids), "
            f"got {type(given).__name__}"
        )
    if ids is not None:
        own, name = ids, role or "id"
    else:
        name = _id_column(list(columns), index_name, role, wanted)
        if name is None and index is None:
            raise DataError(
                f"{where}: no column looks like the ids; rename one to {(role or 'user')!r}, or pass "
                f"cfcore.Features(table, id=...). There are {listed(columns)}"
            )
        own = index if name is None or name not in columns else columns.pop(name)
        name = str(name if name is not None else index_name or role or "id")
    lengths = {str(column): len(values) for column, values in columns.items()}
    other = next((column for column, n in lengths.items() if n != len(own)), None)
    if other is not None:
        raise DataError(f"{where}: column {other!r} has {lengths[other]} rows, and there are {len(own)} ids")
    return Table(own, name, {str(column): as_raw(values, str(column), where, own)
                             for column, values in columns.items()})  # fmt: skip


def _is_table(given: Mapping[Any, Any], role: str | None, wanted: Sequence[str]) -> bool:
    """Whether a dict holds columns, one of them of ids; otherwise its keys are the ids."""
    names = list(given)
    if not all(isinstance(name, str) for name in names) or _id_column(names, "", role, wanted) is None:
        return False
    return all(not isinstance(column, (str, Mapping)) and hasattr(column, "__len__")
               for column in given.values())  # fmt: skip


def _id_column(present: list[Any], index: str, role: str | None, wanted: Sequence[str]) -> Any:
    """The column of the ids: one of the names wanted, or one with a usual name; the index may be it."""
    found = next((name for name in wanted if name in present or name == index), None)
    roles = (role,) if role else ("user", "item")
    for one in roles:
        found = usual_column(present, one) if found is None else found
    if found is None and not index:
        found = next((name for name in present if str(name).lower() == "id"), None)
    return found


def _columns_of_frame(frame: Any, where: str) -> tuple[dict[str, Any], Any, str]:
    """Columns of a frame, its index (pandas, unless it numbers rows and has no name) and the name of that."""
    import narwhals as nw

    if hasattr(frame, "dask") and hasattr(frame, "compute"):
        frame = frame.compute()
    if len(set(names := list(frame.columns) if hasattr(frame, "iloc") else [])) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{where}: there are {names.count(again)} columns {shown(again)}; rename or drop all but one"
        )
    opened = nw.from_native(frame)
    opened = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    index, index_name = None, ""
    if opened.implementation.is_pandas_like() and (
        type(frame.index).__name__ != "RangeIndex" or frame.index.name is not None
    ):
        index, index_name = frame.index.to_numpy(), str(frame.index.name or "")
    columns: dict[str, Any] = {}
    for column in opened.iter_columns():
        columns[column.name] = column
    return columns, index, index_name


def _of_rows(given: Mapping[Any, Any], where: str, role: str | None) -> Table:
    """A dict of id to the features of a row: a dict of them, or a list of categories."""
    if not given:
        raise DataError(f"{where} holds no rows")
    ids, rows = list(given), list(given.values())
    if all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {str(name): as_raw([row.get(name) for row in rows], str(name), where, ids)
                   for name in names}  # fmt: skip
        return Table(ids, role or "id", columns)
    wrong = next((one for one, row in given.items() if isinstance(row, str) or not _is_list(row)), None)
    if wrong is not None:
        raise DataError(
            f"{where}: the features of {shown(wrong)} must be a dict of name to value or a list of "
            f"categories, as those of all other rows, got {shown(given[wrong])}"
        )
    if all(isinstance(one, str) for one in ids) and any(
        not isinstance(word, (str, bytes)) for row in rows for word in row
    ):
        raise DataError(
            f"{where}: no column looks like the ids; rename one to {(role or 'user')!r}. There are "
            f"{listed(ids)}. In a dict of id to list of categories, categories are text"
        )
    return Table(ids, role or "id", {"": Raw("lists", [_words(row) for row in rows])})


def _of_matrix(matrix: Any, where: str, role: str | None, ids: Any) -> Table:
    matrix = matrix.astype(np.float64)
    matrix.sum_duplicates()
    wrong = np.flatnonzero(~np.isfinite(matrix.data))
    if len(wrong):
        row = int(np.searchsorted(matrix.indptr, wrong[0], "right")) - 1
        raise DataError(
            f"{where}: the entry of row {row} and column {matrix.indices[wrong[0]]} is "
            f"{matrix.data[wrong[0]]}; entries must be finite numbers, and one that is missing is not stored"
        )
    n_rows, n_columns = matrix.shape
    own = np.arange(n_rows) if ids is None else ids
    if len(own) != n_rows:
        raise DataError(f"{where}: the matrix has {n_rows} rows, and there are {len(own)} ids")
    names = [str(at) for at in range(n_columns)]
    arrays = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data
    return Table(own, role or "id", {}, Matrix(*arrays, names))


def as_raw(column: Any, name: str, where: str, ids: Any = None) -> Raw:
    """A column as one of the kinds of `Raw`; text with "|" is not yet taken apart.

    Raises
    ------
    DataError
        Infinite numbers, dates, mixtures of kinds, elements that are no features. The message names the
        column and the row.
    """
    if hasattr(column, "__narwhals_series__"):
        column = _of_series(column, name, where)
    values = column if isinstance(column, np.ndarray) else np.array(_plain_list(column), dtype=object)
    if values.ndim != 1:
        raise DataError(f"{where}: column {name!r} must be one-dimensional, got shape {values.shape}")
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
        return _numbers(numbers, name, where, ids, values.dtype.kind == "b")
    if values.dtype.kind in "US":
        return Raw("categories", [str(value) or None for value in values.astype(str).tolist()])
    if values.dtype.kind == "M":
        raise _of_dates(name, where)
    return _of_objects(list(values), name, where, ids)


def _plain_list(column: Any) -> Any:
    """An object array of the elements, lists among them."""
    elements = list(column)
    found = np.empty(len(elements), dtype=object)
    found[:] = elements if not any(_is_list(one) for one in elements) else [None] * len(elements)
    for at, one in enumerate(elements):
        found[at] = one
    return found


def _of_series(series: Any, name: str, where: str) -> Any:
    """A column of a frame as an array, or as a list of Python's objects."""
    import narwhals as nw

    if series.dtype.is_temporal():
        raise _of_dates(name, where)
    if isinstance(series.dtype, (nw.Categorical, nw.Enum)):  # categories of pandas may be integers
        return [None if is_missing(value) else str(value) for value in series.to_list()]
    if series.dtype.is_numeric() and not series.is_null().any():
        return series.to_numpy()
    return series.to_list()


def _of_objects(values: list[Any], name: str, where: str, ids: Any) -> Raw:
    missing = [is_missing(value) for value in values]
    kinds = {_kind(value) for value, gone in zip(values, missing, strict=True) if not gone}
    if kinds <= {"flag"} or kinds <= {"number", "flag"}:
        numbers = [np.nan if gone else float(value) for value, gone in zip(values, missing, strict=True)]
        return _numbers(np.array(numbers, dtype=np.float64), name, where, ids, kinds == {"flag"})
    if kinds == {"text"}:
        return Raw("categories", [None if gone else _text(value) or None
                                  for value, gone in zip(values, missing, strict=True)])  # fmt: skip
    if kinds == {"list"}:
        return Raw("lists", [[] if gone else _words(value)
                             for value, gone in zip(values, missing, strict=True)])  # fmt: skip
    if kinds == {"date"}:
        raise _of_dates(name, where)
    first = next(row for row, gone in enumerate(missing) if not gone)
    other = next((row for row, gone in enumerate(missing) if not gone
                  and _kind(values[row]) != _kind(values[first])), first)  # fmt: skip
    raise DataError(
        f"{where}: column {name!r} holds {shown(values[first], 40)} in row {first} and "
        f"{shown(values[other], 40)} in row {other}; a column has numbers, text, or lists of text: make all "
        "of one kind, such as by str(value)"
    )


def _kind(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "flag"
    if isinstance(value, (str, bytes)):
        return "text"
    if isinstance(value, (int, float, np.integer, np.floating)) or type(value).__name__ == "Decimal":
        return "number"
    if _is_list(value):
        return "list"
    return "date" if hasattr(value, "isoformat") or isinstance(value, np.datetime64) else "other"


def _is_list(value: Any) -> bool:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return not isinstance(value, np.ndarray) or value.ndim == 1


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _words(value: Iterable[Any]) -> list[str]:
    """Categories of a row, each once."""
    return list(dict.fromkeys(_text(one) for one in value if not is_missing(one) and _text(one)))


def _numbers(numbers: Array, name: str, where: str, ids: Any, flags: bool) -> Raw:
    if np.isinf(numbers).any():
        row = int(np.isinf(numbers).argmax())
        of = "" if ids is None else f" (id {id_at(ids, row)})"
        raise DataError(
            f"{where}: column {name!r} is infinite in row {row}{of}; numbers must be finite, and None or NaN "
            "where they are missing"
        )
    held = numbers[~np.isnan(numbers)]
    # Flags of 0 and 1, such as a column for each genre: the 0 is no feature.
    return Raw("flags" if flags or (len(held) and np.isin(held, (0.0, 1.0)).all()) else "numbers", numbers)


def id_at(ids: Any, row: Any) -> str:
    """The id of a row, for messages."""
    one = ids[int(row)]
    return shown(one.item() if isinstance(one, np.generic) else one)


def _of_dates(name: str, where: str) -> DataError:
    return DataError(
        f"{where}: column {name!r} holds dates; give a number, such as the year, or text for categories"
    )
