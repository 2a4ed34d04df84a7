"""Fields of ``Ratings`` from matrices of users x items: dense ones, pivot tables and sparse ones."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data import checks, frames, ids
from cfcore.data.build import Fields, Rules, checked
from cfcore.data.columns import usual_column
from cfcore.data.kinds import IdKinds, Kind, kind_of
from cfcore.data.names import ARGUMENTS, UNNAMED
from cfcore.errors import DataError, DataWarning, warn

__all__ = ["dense_fields", "sparse_fields"]

Array = NDArray[Any]

#: Names of the column of an index that was written to a file without one.
LEFT_OVER = ("", "Unnamed: 0")

#: Names of columns that are integers: neither a sign nor leading zeros nor digits of other scripts.
_PLAIN_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")


def dense_fields(
    matrix: Any,
    given: tuple[Any, Any],
    user: str | None,
    missing: Any,
    scale: tuple[float, float] | None,
    kinds: IdKinds = None,
) -> Fields:
    """Fields of a dense matrix or a pivot table; see ``Ratings.from_matrix``."""
    names = dict(UNNAMED)
    if hasattr(matrix, "tocoo"):
        raise DataError(
            "from_matrix takes a dense matrix or a frame; Ratings.from_scipy takes a sparse matrix"
        )
    if frames.is_frame(matrix):
        matrix, own, names = _of_pivot(matrix, user, given)
        given = tuple(own if one is None else one for own, one in zip(own, given, strict=True))
    elif user is not None:
        raise DataError(
            f"from_matrix: user={user!r} names a column, and the matrix is no frame; pass user_ids="
        )
    values = _as_table(matrix)
    (user_ids, row_codes), (item_ids, column_codes) = (
        _axis(own, size, name, kind_of(kinds, name))
        for own, size, name in zip(given, values.shape, ("user", "item"), strict=True)
    )
    rated = ~np.isnan(values)
    for mark in checks.as_missing(missing):
        rated &= values != mark  # NaN is no rating anyway
    rows, columns = np.nonzero(rated)
    if len(rows) == 0:
        raise DataError(f"from_matrix: no entry of the {_size(values)} matrix is a rating")
    with np.errstate(over="ignore"):
        found = values[rows, columns].astype(np.float32)
    user_codes, item_codes = row_codes[rows], column_codes[columns]

    def refuse(outside: Array, why: str) -> None:
        if outside.any():
            at = int(outside.argmax())
            value = values[rows[at], columns[at]]
            mark = f"{value:g}" if np.isfinite(value) else f'float("{value}")'
            raise DataError(
                f"from_matrix: the entry of user {user_ids[user_codes[at]]} and item "
                f"{item_ids[item_codes[at]]} is {value:g}, {why}; missing={mark} leaves such entries out"
            )

    refuse(~np.isfinite(found), "not a finite float32 number")
    if scale is not None:
        scale = checks.as_scale(scale)
        low, high = np.float32(scale[0]), np.float32(scale[1])
        refuse((found < low) | (found > high), f"outside the scale ({scale[0]:g}, {scale[1]:g})")
    scale = scale or (float(found.min()), float(found.max()))
    return user_codes, item_codes, found, None, user_ids, item_ids, scale, names


def sparse_fields(matrix: Any, given: tuple[Any, Any], rules: Rules) -> Fields:
    """Fields of a sparse matrix; see ``Ratings.from_scipy``."""
    if not hasattr(matrix, "tocoo"):
        raise DataError(
            f"from_scipy takes a SciPy sparse matrix, got {type(matrix).__name__}; Ratings.from_matrix takes "
            "dense matrices and pivot tables"
        )
    coo = matrix.tocoo()
    if coo.ndim != 2:
        raise DataError(f"a sparse matrix of ratings has two dimensions, got {coo.ndim}")
    values = checks.owned(checks.as_values(coo.data, ARGUMENTS["rating"], rules.missing), coo.data)
    checks.check_lengths({"values": len(values)})
    axes = [
        _axis(own, size, name, rules.kind(name))
        for own, size, name in zip(given, coo.shape, ("user", "item"), strict=True)
    ]
    codes = [
        np.asarray(table[numbers], dtype=np.int32)
        for numbers, (_, table) in zip((coo.row, coo.col), axes, strict=True)
    ]
    rated = checks.rated_rows(values, rules.missing, ARGUMENTS["rating"])
    if rated is not None:  # here, and not in `checked`, which drops ids without ratings
        values, codes = values[rated], [part[rated] for part in codes]
    bare = Rules(rules.scale, rules.duplicates)
    return checked(codes[0], codes[1], values, None, axes[0][0], axes[1][0], bare)


def _axis(given: Any, size: int, role: str, kind: Kind) -> tuple[Array, NDArray[np.int32]]:
    """Vocabulary of the rows or columns of a matrix, and the code of each."""
    ids.check_size(size, f"{role}s")
    if given is None and kind != "str":
        return np.arange(size), np.arange(size, dtype=np.int32)
    name = f"{role}_ids"
    column = np.arange(size) if given is None else ids.as_id_column(given, name, kind)
    if len(column) != size:
        which = "rows" if role == "user" else "columns"
        raise DataError(f"{name} has {len(column)} ids, and the matrix has {size} {which}")
    vocabulary, codes = ids.factorize(column, name, kind)
    if len(vocabulary) != size:
        twice = vocabulary[np.bincount(codes).argmax()]
        raise DataError(f"{name}: {twice!s} is there more than once")
    return vocabulary, checks.owned(codes, given)


def _as_table(matrix: Any) -> Array:
    """A dense matrix as a two-dimensional array of numbers: NaN for None, NA and masked entries."""
    if isinstance(matrix, np.ndarray) and ids.first_masked(matrix.ravel()) is not None:
        matrix = np.ma.filled(matrix.astype(np.float64), np.nan)
    try:
        values = np.asarray(matrix)
    except ValueError:  # rows of different lengths
        raise DataError("from_matrix: the rows of the matrix differ in length") from None
    if values.ndim != 2:
        raise DataError(f"from_matrix takes a matrix of users x items, got shape {values.shape}")
    if values.dtype.kind in "iu":
        return values.astype(np.float64)
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind == "O":
        flat = checks.as_values(values.ravel(), "matrix", float("nan"))
        return flat.reshape(values.shape)
    raise DataError(f"from_matrix: the entries must be numbers, got {values.dtype}")


def _of_pivot(
    frame: Any, user: str | None, given: tuple[Any, Any]
) -> tuple[Array, tuple[Any, Any], dict[str, str]]:
    """Entries of a frame, ids of its rows and columns (as far as they are not given), and names of both."""
    import narwhals as nw

    try:
        opened = nw.from_native(frame)
    except (TypeError, ValueError) as error:  # ValueError: two columns of one name
        raise DataError(f"from_matrix takes a DataFrame or a pyarrow Table: {error}") from None
    eager: Any = opened.collect() if isinstance(opened, nw.LazyFrame) else opened
    pandas_like = eager.implementation.is_pandas_like()
    names, users = dict(UNNAMED), None
    column = _user_column(eager, frame if pandas_like else None, user, given[0] is not None)
    if column is not None:
        users = frames.as_array(eager.get_column(column))
        if isinstance(column, str) and column not in LEFT_OVER:
            names["user"] = column
        eager = eager.drop(column)
    elif pandas_like:
        users = frame.index.to_numpy()
        names["user"] = str(frame.index.name or "user")
    items: Any = list(eager.columns)
    if pandas_like:
        names["item"] = str(frame.columns.name or "item")
    elif items and all(_PLAIN_INTEGER.fullmatch(name) for name in items):
        items = [int(name) for name in items]
    if not items:
        raise DataError("from_matrix: the frame has no columns of items")
    table = np.empty(eager.shape, dtype=np.float64)
    for number, name in enumerate(eager.columns):
        table[:, number] = _ratings_of(frames.as_array(eager.get_column(name)), name)
    guessed = given[0] is None and column is None and pandas_like and _only_numbers(frame.index)
    if guessed and not _only_numbers(frame.columns):
        warn(
            f"from_matrix: the frame has no ids of users, so they are 0 to {len(table) - 1}, and all of its "
            "columns are items; name a column of users by user=, or pass user_ids=",
            DataWarning,
        )
    return table, (users, items), names


def _user_column(eager: Any, pandas: Any, user: str | None, known: bool) -> Any:
    """Name of the column of users; None for the index of pandas, and for rows without names."""
    columns = list(eager.columns)
    if user is not None:
        if user not in columns:
            raise DataError(f"from_matrix: the frame has no column {user!r}")
        return user
    if known or (pandas is not None and not _only_numbers(pandas.index)):
        return None
    # The index of a frame that was written to csv has no name, or pandas' name for that.
    usual = usual_column(columns, "user") or next((c for c in columns[:1] if c in LEFT_OVER), None)
    if usual is not None:
        return usual
    if pandas is not None:  # numbered items, and one name among them
        text = [name for name in columns if isinstance(name, str)]
        return text[0] if len(text) == 1 < len(columns) else None
    text = [name for name, kind in eager.schema.items() if not kind.is_numeric()]
    if len(text) != 1:
        raise DataError(
            "from_matrix: no column looks like the user; name it by user=, or give the ids of the rows by "
            "user_ids="
        )
    return text[0]


def _only_numbers(index: Any) -> bool:
    """True for an index of pandas that only numbers rows or columns."""
    return type(index).__name__ == "RangeIndex" and index.name is None


def _ratings_of(column: Array, name: Any) -> Array:
    if column.dtype.kind in "iuf":
        return column
    try:
        return checks.as_values(column, str(name), float("nan"))
    except DataError as error:
        raise DataError(f"from_matrix: {error}; name the column of users by user=") from None


def _size(values: Array) -> str:
    return " x ".join(map(str, values.shape))
