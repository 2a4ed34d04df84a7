"""Pairs of users and items from a file, a chunk at a time, and ids of the kind of a model."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cfcore.cli.errors import UsageError
from cfcore.errors import DataError

if TYPE_CHECKING:
    from cfcore.models.core.model import Model

Array = np.ndarray[Any, Any]
Given = dict[str, Any]

#: Rows that are in memory at once.
CHUNK = 100_000
ROLES = ("user", "item", "timestamp")


class Pairs:
    """The pairs of a file; iterating yields the number of the first row of a chunk, and its columns.

    Parameters
    ----------
    path : Path
        Parquet, or text separated by tabs, commas or semicolons; "-" is standard input.
    given : dict
        How to read it, as `PairReading.keywords` gives it.
    size : int
        Rows of a chunk.

    Attributes
    ----------
    names : list of str
        Names of the columns of users and items.

    Raises
    ------
    DataError
        A column is missing, or a row is too short; the message names it.
    """

    def __init__(self, path: Path, given: Given, size: int = CHUNK) -> None:
        if str(path) != "-" and not path.exists():
            raise UsageError(f"{path}: there is no such file")
        self.names = ["user", "item"]
        self._chunks = pairs(path, given, size)

    def __iter__(self) -> Iterator[tuple[int, Array, Array, Array | None]]:
        row = 0
        for users, items, times in self._chunks:
            yield row, users, items, times
            row += len(users)


def pairs(path: Path, given: Given, size: int = CHUNK) -> Iterator[tuple[Array, Array, Array | None]]:
    """Users, items and, where there is such a column, timestamps of a file, chunk by chunk."""
    if str(path) == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed")
        yield from _text(sys.stdin, "standard input", given, size)
        return
    with open(path, "rb") as file:
        parquet = file.read(4) == b"PAR1"
    if parquet:
        yield from _parquet(path, given, size)
        return
    with open(path, encoding="utf-8-sig", newline="") as text:
        yield from _text(text, str(path), given, size)


def _parquet(path: Path, given: Given, size: int) -> Iterator[Any]:
    from cfcore.data.frames import find_columns

    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError("reading parquet needs pyarrow: pip install 'cfcore[frames]'") from None
    file = pyarrow.parquet.ParquetFile(path)
    names = find_columns(list(file.schema_arrow.names), given, str(path), ("user", "item"))
    wanted = {role: names[role] for role in ROLES if role in names}
    row = 0
    for batch in file.iter_batches(batch_size=size, columns=list(wanted.values())):
        for role, name in wanted.items():
            column = batch.column(batch.schema.names.index(name))
            if column.null_count:
                first = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
                raise DataError(f"{path}: column {name!r} ({role}): nothing at row {row + first}")
        row += len(batch)
        columns = {
            role: batch.column(batch.schema.names.index(name)).to_numpy(zero_copy_only=False)
            for role, name in wanted.items()
        }
        yield columns["user"], columns["item"], columns.get("timestamp")


def _text(lines: Any, where: str, given: Given, size: int) -> Iterator[Any]:
    from cfcore.data.frames import find_columns

    first = next(lines, "")
    separator = next((mark for mark in "\t,;" if mark in first), ",")
    if not first:
        raise DataError(f"{where} is empty: there are no pairs")
    head = next(csv.reader([first], delimiter=separator), [])
    if len(head) < 2:
        raise DataError(f"{where}: the first line has no two columns separated by tabs, commas or semicolons")
    named = not any(_is_number(field) for field in head) or any(given.values())
    if named:
        found = find_columns(head, given, where, ("user", "item"))
        places = {role: head.index(found[role]) for role in ROLES if role in found}
        rows = csv.reader(lines, delimiter=separator)
    else:
        places = {"user": 0, "item": 1}
        rows = csv.reader(chain([first], lines), delimiter=separator)
    needed, row = max(places.values()), 0
    filled = (fields for fields in rows if fields)
    while chunk := list(islice(filled, size)):
        for number, fields in enumerate(chunk, start=row):
            if len(fields) <= needed:
                raise DataError(f"{where}: row {number} has {len(fields)} columns, {needed + 1} are needed")
        row += len(chunk)
        columns = {role: np.array([fields[place] for fields in chunk]) for role, place in places.items()}
        times = columns.get("timestamp")
        yield columns["user"], columns["item"], None if times is None else _seconds(times, where)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _seconds(fields: Array, where: str) -> Array:
    try:
        return fields.astype(np.float64).astype(np.int64)
    except ValueError as error:
        raise DataError(f"{where}: column timestamp: {error}; it must hold seconds since 1970") from None


def as_ids(model: Model, kind: str, raw: Array, row: int | None = None) -> Array:
    """Ids of the model's kind: text becomes integers if the model's ids are integers.

    Parameters
    ----------
    model : Model
    kind : {"user", "item"}
    raw : ndarray, shape (n,)
    row : int, optional
        Number of the first, for errors.

    Raises
    ------
    DataError
        A text is no integer as the readers of ratings understand it: 007, 1_0 and digits of other scripts
        are strings.
    """
    if raw.dtype.kind not in "UO" or getattr(model, f"{kind}_ids_").dtype.kind not in "iu":
        return raw
    try:
        numbers = raw.astype(np.int64)
    except (ValueError, OverflowError):
        numbers = None
    wrong = None if numbers is None else np.flatnonzero(numbers.astype(str) != raw)
    if numbers is not None and wrong is not None and len(wrong) == 0:
        return numbers
    first = next(number for number, text in enumerate(raw.tolist()) if not _is_integer(text))
    at = "" if row is None else f" at row {row + first}"
    raise DataError(
        f"{kind}: {str(raw[first])!r}{at} is no integer (of 64 bits, without leading zeros), "
        f"but the {kind} ids of the model are integers"
    )


def _is_integer(text: Any) -> bool:
    try:
        return str(int(text)) == str(text) and -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
