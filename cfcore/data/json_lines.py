"""JSON files: one object a line, or one array of objects."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.arrays import objects
from cfcore.data.batches import Batch
from cfcore.data.blocks import line_blocks
from cfcore.data.columns import missing_at
from cfcore.data.fields import BadField, ratings_of
from cfcore.data.kinds import MARKERS
from cfcore.data.layout import MOST_ROWS, Options
from cfcore.data.stream import Stream, in_utf8
from cfcore.data.typed import check_times, columns_of, rows_from, typed_batch
from cfcore.errors import DataError, shown

__all__ = ["open_json"]

#: Objects in a batch.
BATCH = 1 << 16


def open_json(
    stream: Stream, options: Options, constants: Mapping[str, str]
) -> tuple[dict[str, str], Iterator[Batch]]:
    """Names of the columns of a JSON file, and its rows in batches.

    The columns are the keys of the first object. Ids are integers or strings as they are written; ratings and
    times may be written as text.

    Parameters
    ----------
    stream : Stream
    options : Options
    constants : mapping
        Columns with one value, which are not in the file but in the name of its folder.

    Raises
    ------
    DataError
        For text that is not JSON, or is neither objects in lines nor an array of them, and for columns and
        values as for other files.
    """
    stream, encoding = in_utf8(stream, options.encoding)
    rows = _rows(stream, encoding)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{stream.where} is empty: ratings need at least one row")
    if all(isinstance(value, (dict, list)) for value in first.values()):
        raise DataError(
            f"{stream.where} is JSON by columns, not one object a line; pass a frame, such as "
            "Ratings.from_frame(pandas.read_json(path))"
        )
    present = list(dict.fromkeys([*first, *constants]))
    names = columns_of(present, options, stream.where)
    start = [first, *itertools.islice(rows, 0 if "timestamp" not in names else MOST_ROWS)]
    check_times((row.get(names.get("timestamp", "")) for row in start), names, options, stream.where)
    return names, _batches(itertools.chain(start, rows), names, options, constants, stream.where)


def _rows(stream: Stream, encoding: str) -> Iterator[dict[str, Any]]:
    """The objects."""
    if stream.peek(1).lstrip()[:1] == b"[" or stream.peek(4096).lstrip()[:1] == b"[":
        yield from _array(stream, encoding)
        return
    number = 0
    for block in line_blocks(stream):
        for line in block.split(b"\n"):
            if line.isspace() or not line:
                continue
            try:
                row = json.loads(line.decode(encoding))
            except UnicodeDecodeError:
                raise DataError(
                    f"{stream.where}: row {number} is not {encoding}; pass encoding=, such as "
                    "encoding='latin-1'"
                ) from None
            except (ValueError, RecursionError) as error:
                raise DataError(_not_lines(stream.where, number, error)) from None
            if not isinstance(row, dict):
                raise DataError(f"{stream.where}: row {number} is {type(row).__name__}, not a JSON object")
            yield row
            number += 1


def _not_lines(where: str, number: int, error: Exception) -> str:
    if number == 0:
        return (
            f"{where} is JSON, but not one object a line ({error}); convert it, such as by "
            "pandas.read_json(path).to_json(new_path, orient='records', lines=True)"
        )
    return f"{where}: row {number} is not JSON ({error})"


def _array(stream: Stream, encoding: str) -> Iterator[dict[str, Any]]:
    try:
        rows = json.loads(stream.read().decode(encoding))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{stream.where} is not JSON ({error})") from None
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(
                f"{stream.where}: element {number} is {type(row).__name__}, not a JSON object with named "
                "columns"
            )
        yield row


def _batches(
    rows: Iterator[dict[str, Any]],
    names: Mapping[str, str],
    options: Options,
    constants: Mapping[str, str],
    where: str,
) -> Iterator[Batch]:
    start = 0
    while part := list(itertools.islice(rows, BATCH)):
        with rows_from(start, where):
            arrays = {}
            for role, name in names.items():
                given = constants.get(name)
                column = [row.get(name, given) for row in part]
                arrays[role] = _objects(column, name, role, options)
            batch = typed_batch(arrays, names, options)
        yield batch
        start += len(part)


def _objects(values: list[Any], name: str, role: str, options: Options) -> NDArray[Any]:
    if role == "rating":
        return _ratings(values, name, options)
    if None in values:
        raise missing_at(name, role, values.index(None))
    if role != "timestamp" and "" in values:
        raise missing_at(name, role, values.index(""))
    return objects(values)


def _ratings(values: list[Any], name: str, options: Options) -> NDArray[Any]:
    numbers = np.empty(len(values), dtype=np.float64)
    convert = ratings_of(options.decimal, options.unrated)
    for row, value in enumerate(values):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                numbers[row] = value
                continue
            except OverflowError:
                pass
        if value is None or value in MARKERS if isinstance(value, str) or value is None else False:
            if not options.unrated:
                raise missing_at(name, "rating", row)
            numbers[row] = np.nan
            continue
        try:
            if not isinstance(value, str):
                raise BadField(f"{shown(value)} is not a number", "")
            numbers[row] = convert([value])[0]
        except BadField as bad:
            raise DataError(f"column {name!r}: {bad} at row {row}{bad.advice}") from None
    return numbers
