"""Features of users and items that come with the rows of X, as tables with a row for each user or item."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.adapters.sklearn_columns import arrays_of, frame_of
from cfcore.data.columns import usual_column
from cfcore.data.feature_table import as_raw
from cfcore.data.features import Features
from cfcore.errors import DataError, shown

__all__ = ["table_of_columns", "table_of_metadata"]

Array = np.ndarray[Any, Any]


def table_of_columns(X: Any, places: tuple[Any, ...], ids: Array, kind: str) -> Any:
    """Features of users, or of items, from columns of X; None without columns.

    Parameters
    ----------
    X : array, or frame of narwhals
    places : tuple of str or int
        The columns.
    ids : ndarray, shape (n,)
        The user, or item, of each row of X.
    kind : {"user", "item"}

    Returns
    -------
    (dict of str to column, ids)
        A row for each id, ascending, as ``model.fit(..., user_features=)`` takes it.

    Raises
    ------
    DataError
        Rows of one user or item that differ; the message names both.
    """
    if not places:
        return None
    names = [str(X.columns[place] if hasattr(X, "columns") and isinstance(place, int) else place)
             for place in places]  # fmt: skip
    if hasattr(X, "get_column"):
        columns = [X.get_column(name) for name in names]
    else:
        columns = [np.array(column.tolist()) if column.dtype == object else column
                   for column in arrays_of(X, places)]  # fmt: skip
    return rows_of_ids(dict(zip(names, columns, strict=True)), ids, kind, f"{kind}_columns=")


def table_of_metadata(given: Any, ids: Array, kind: str) -> Any:
    """Features that are an argument of a method: a table with ids, or one with the rows of X.

    Parameters
    ----------
    given : as the constructor of `cfcore.Features` takes, or an array, a sparse matrix or a frame without a
        column of ids, with a row for each row of X
    ids, kind
        As of `table_of_columns`.

    Returns
    -------
    None, or a table as ``model.fit(..., user_features=)`` takes it.
    """
    if given is None or isinstance(given, (Features, tuple)):
        return given
    where = f"{kind}_features"
    if hasattr(given, "tocsr"):
        matrix = given.tocsr()
        if matrix.shape[0] != len(ids):
            return given
        distinct, first, row_of = np.unique(ids, return_index=True, return_inverse=True)
        differ = np.asarray(abs(matrix - matrix[first[row_of]]).sum(axis=1)).ravel() > 0
        refuse_different(differ, ids, kind, where, first, row_of)
        return matrix[first], distinct
    if isinstance(given, np.ndarray) and given.ndim == 2 and len(given) == len(ids):
        columns = {str(at): given[:, at] for at in range(given.shape[1])}
        return rows_of_ids(columns, ids, kind, where)
    frame = frame_of(given)
    if frame is None or len(frame) != len(ids) or usual_column(list(frame.columns), kind) is not None:
        return given
    return rows_of_ids({str(name): frame.get_column(name) for name in frame.columns}, ids, kind, where)


def rows_of_ids(columns: dict[str, Any], ids: Array, kind: str, where: str) -> Any:
    """One row for each id, of columns with a row for each rating, all rows of an id being the same."""
    distinct, first, row_of = np.unique(ids, return_index=True, return_inverse=True)
    found: dict[str, Any] = {}
    for name, column in columns.items():
        raw = as_raw(column, name, where.rstrip("="))
        if raw.kind in ("flags", "numbers"):
            values = np.nan_to_num(raw.values, nan=np.inf)  # which it cannot hold: NaN is NaN
        else:
            words = [tuple(value) if isinstance(value, list) else value for value in raw.values]
            codes = {word: code for code, word in enumerate(dict.fromkeys(words))}
            values = np.array([codes[word] for word in words])
        refuse_different(
            values != values[first[row_of]], ids, kind, f"{where}, column {name!r}", first, row_of
        )
        is_array = isinstance(raw.values, np.ndarray)
        found[name] = raw.values[first] if is_array else [raw.values[at] for at in first]
    return found, distinct


def refuse_different(differ: Array, ids: Array, kind: str, where: str, first: Array, row_of: Array) -> None:
    """Raise DataError if rows of one id differ."""
    if differ.any():
        row = int(np.argmax(differ))
        one = ids[row].item() if isinstance(ids[row], np.generic) else ids[row]
        raise DataError(
            f"{where}: {kind} {shown(one)} has other features in row {row} of X than in row "
            f"{first[row_of[row]]}; they must be the same in all rows of a {kind}"
        )
