"""Rating files: csv, tsv, ``::``-separated, parquet; compressed or not."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cfcore.data import blocks, frames, text
from cfcore.data.build import Duplicates, Rules, checked, encoded, settled
from cfcore.data.checks import Missing
from cfcore.data.kinds import IdKinds
from cfcore.data.layout import find_layout, within
from cfcore.errors import DataError

__all__ = ["read_fields"]


def read_fields(
    path: str | PathLike[str],
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    timestamp: str | int | Literal[False] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "error",
    missing: Missing = None,
    ids: IdKinds = None,
) -> tuple[Any, ...]:
    """The fields of `Ratings` from a file with one rating in each row; see `Ratings.read`.

    Parameters
    ----------
    path : path
        Delimited text, plain or compressed by gzip, bzip2 or xz, or parquet (needs pyarrow or polars).
    user, item, rating, timestamp : str or int, optional
        Name or position (from 0) of the columns. By default, with a header the columns with usual names
        (userId, movieId, score, ...); without one the first, second, third and, if it is a number, the fourth
        column. ``timestamp=False`` reads none.
    separator : str, optional
        1 to 4 ASCII characters; by default the first of ``::``, tab, comma, semicolon, bar and blank that
        separates the first line into three columns or more.
    header : bool, optional
        Whether the first line names the columns; by default it does if none of its fields is a number.
    encoding : str, default "utf-8"
        Encoding of string ids; any that extends ASCII.
    scale, duplicates, missing
        As in ``Ratings``.
    ids : int, str or {"user": int, "item": str}, optional
        As in ``Ratings``. By default ids are integers if all of a column are written as such, whole decimals
        (7.0) too, and else strings; a missing marker (NULL, nan, ...) and another number (1.5, +7, 1_0) among
        integers are errors. Strings are as in the file, without the double quotes around them.

    Returns
    -------
    tuple
        Codes, values, timestamps, ids, scale and names of columns.

    Raises
    ------
    DataError
        For missing or unreadable fields and for values that ``Ratings`` refuses. The message names the column
        and the row, counted from 0 without the header and blank lines.
    FileNotFoundError
        When there is no such file.
    ImportError
        For parquet without pyarrow and polars.

    Notes
    -----
    Text needs no other library; numbers are parsed at several hundred MB/s. A quoted field must not contain
    line breaks. Dates (ISO 8601) become seconds since 1970. Parquet is decoded batch by batch
    where pyarrow is installed, in about 100 MB beside the ratings themselves.
    """
    path = Path(fspath(path))
    wanted: dict[str, Any] = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    with open(path, "rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        return _read_parquet(path, wanted, Rules(scale, duplicates, missing, ids=ids))
    if start == b"PK\x03\x04":
        raise DataError(f"{path} is a zip archive, which may hold many files; unpack the ratings first")
    layout = find_layout(blocks.head(path), str(path), wanted, separator, header, encoding)
    rules = Rules(scale, duplicates, missing, layout.names, ids)
    numbers = text.read_numbers(path, layout)
    if numbers is not None and numbers[0] is not None:
        return _encoded([*numbers, rules])
    columns, *vocabularies = text.read_tokens(path, layout, encoding)
    return _checked([*settled(columns, vocabularies, rules, guess=True), rules])


def _encoded(arguments: list[Any]) -> tuple[Any, ...]:
    return encoded(*arguments)


def _checked(arguments: list[Any]) -> tuple[Any, ...]:
    return checked(*arguments)


def _read_parquet(path: Path, wanted: dict[str, Any], rules: Rules) -> tuple[Any, ...]:
    # The names come first, so that only the columns needed are read.
    if importlib.util.find_spec("pyarrow"):
        import pyarrow.parquet

        present = pyarrow.parquet.read_schema(path).names
        load: Any = pyarrow.parquet.read_table
    elif importlib.util.find_spec("polars"):
        import polars

        present = list(polars.read_parquet_schema(path))
        load = polars.read_parquet
    else:
        raise ImportError("reading parquet needs pyarrow or polars: pip install 'cfcore[frames]'")
    given = {
        role: present[within(int(column), present, str(path), role)]
        if isinstance(column, (int, np.integer)) and column is not False
        else column
        for role, column in wanted.items()
    }
    timed = given.pop("timestamp")
    names = frames.find_columns(present, given | {"timestamp": timed or None}, str(path))
    if timed is False:
        names.pop("timestamp", None)
    if importlib.util.find_spec("pyarrow"):
        from cfcore.data.parquet import read_batches

        found = read_batches(path, names)
        if found is not None:
            columns, *vocabularies = found
            rules = replace(rules, names=names)
            return _checked([*settled(columns, vocabularies, rules), rules])
    frame = load(path, columns=list(names.values()))
    given_names: dict[str, Any] = {"timestamp": None, **names}
    raw, shown = frames.columns(frame, **given_names)
    return _encoded([*raw, replace(rules, names=shown)])
