"""Files of features: tables with a line of names, as columns of Python and NumPy."""

from __future__ import annotations

import csv
import importlib
import importlib.util
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.errors import DataError, first_line

__all__ = ["read_columns"]

#: Fields of a text file are separated by the first of these that is in its first line.
SEPARATORS = ("\t", ";", ",", "|")


def read_columns(place: str | PathLike[str]) -> dict[str, Any]:
    """Columns of a text file with a line of names, or of a parquet file.

    Parameters
    ----------
    place : path-like
        Text in UTF-8, whose fields are separated by tabs, ";", "," or "|" and may be quoted; or a file that
        ends in ``.parquet``, for which pyarrow, polars or pandas is needed.

    Returns
    -------
    dict of str to column
        Of text: whole numbers as int64, numbers as float64 with NaN where a field is empty, other columns as
        lists of str, None where a field is empty.

    Raises
    ------
    DataError
        The file is not such a table; the message names it and the line.
    """
    path = Path(place)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = next((one for one in SEPARATORS if one in first), ",")
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=separator) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: it is no text file of a table in UTF-8: {first_line(error)}") from None
    if len(rows) < 2:
        raise DataError(f"{path}: a line of names and a row or more are wanted")
    names = [name.strip() for name in rows[0]]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: names of columns must be unique, and {twice!r} is there more than once")
    wrong = next((at for at, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        n = len(rows[wrong])
        raise DataError(f"{path}: row {wrong - 1} has {n} fields, and there are {len(names)} names")
    return {name: _column([row[at].strip() for row in rows[1:]]) for at, name in enumerate(names)}


def _column(fields: list[str]) -> Any:
    """A column of text as numbers if all of its fields are."""
    try:
        numbers = [float(one) if one else np.nan for one in fields]
    except ValueError:
        return [one or None for one in fields]
    # Numbers with zeros before them, such as zip codes, are text.
    if any(len(one) > 1 and one[0] == "0" and one.isdigit() for one in fields):
        return [one or None for one in fields]
    found = np.array(numbers)
    whole = all(one.lstrip("-").isdigit() for one in fields) and bool((np.abs(found) < 2**53).all())
    return found.astype(np.int64) if whole else found


def _parquet(path: Path) -> Any:
    for library, module, function in (
        ("pyarrow", "pyarrow.parquet", "read_table"), ("polars", "polars", "read_parquet"),
        ("pandas", "pandas", "read_parquet"),
    ):  # fmt: skip
        if importlib.util.find_spec(library) is None:
            continue
        try:
            return getattr(importlib.import_module(module), function)(path)
        except OSError:
            raise
        except Exception as error:
            raise DataError(f"{path}: {library} does not read it as parquet: {first_line(error)}") from None
    raise ImportError("files in parquet need pyarrow, polars or pandas: pip install 'cfcore[frames]'")
