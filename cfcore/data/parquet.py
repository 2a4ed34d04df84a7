"""Parquet and Arrow files, read in batches, so that the raw columns are never in memory whole."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data.batches import Batch
from cfcore.data.columns import missing_at
from cfcore.data.layout import MOST_ROWS, Options
from cfcore.data.stream import Stream
from cfcore.data.typed import check_times, columns_of, rows_from, typed_batch
from cfcore.errors import CfcoreError, DataError, first_line

__all__ = ["open_arrow", "open_parquet"]

#: Rows decoded at a time.
BATCH = 1 << 20

Opened = tuple[dict[str, str], Iterator[Batch]]


def open_parquet(stream: Stream, options: Options, constants: Mapping[str, str]) -> Opened:
    """Names of the columns of a parquet file, and its rows in batches.

    Parameters
    ----------
    stream : Stream
    options : Options
    constants : mapping
        Columns with one value, which are not in the file but in the name of its folder.

    Raises
    ------
    DataError
        When the file is damaged or has no such columns; while rows are read, for missing values, and numbers
        that are not valid ratings or timestamps.
    ImportError
        Without pyarrow and polars.
    """
    if not importlib.util.find_spec("pyarrow"):
        return _by_polars(stream, options, constants, "parquet")
    import pyarrow.parquet

    with _undamaged(stream.where, "parquet"):
        file = pyarrow.parquet.ParquetFile(_source(stream), buffer_size=1 << 20)
        n = file.metadata.num_rows
        names = columns_of([*file.schema_arrow.names, *constants], options, stream.where)
        if _is_text(file.schema_arrow, names.get("timestamp", "")):
            first = next(file.iter_batches(MOST_ROWS, columns=[names["timestamp"]]), None)
            check_times([] if first is None else first.column(0).to_pylist(), names, options, stream.where)

    def parts() -> Iterator[Any]:
        wanted = [name for name in names.values() if name not in constants]
        found = 0
        for part in file.iter_batches(BATCH, columns=wanted, use_threads=False):
            found += part.num_rows
            yield part
        if found != n:
            raise DataError(f"{stream.where} is damaged: its footer claims {n} rows, there are {found}")

    return names, _batches(
        _guarded(parts(), stream.where, "parquet"), names, options, constants, stream.where
    )


def open_arrow(stream: Stream, options: Options, constants: Mapping[str, str], kind: str) -> Opened:
    """As `open_parquet`, for files of Arrow's format (feather, IPC): of `kind` "arrow" or "arrow stream"."""
    if not importlib.util.find_spec("pyarrow"):
        return _by_polars(stream, options, constants, kind)
    import pyarrow.ipc

    where = stream.where
    source = _source(stream)
    with _undamaged(where, "Arrow"):
        first: Any = pyarrow.ipc.open_file(source) if kind == "arrow" else pyarrow.ipc.open_stream(source)
        present = list(first.schema.names)
        names = columns_of([*present, *constants], options, where)
        # The other columns are not decoded.
        wanted = sorted(present.index(name) for name in names.values() if name not in constants)
        reading = pyarrow.ipc.IpcReadOptions(included_fields=wanted)
        if kind == "arrow":
            file = pyarrow.ipc.open_file(source, options=reading)
            if _is_text(first.schema, names.get("timestamp", "")) and file.num_record_batches:
                times = file.get_batch(0).slice(0, MOST_ROWS)
                times.validate(full=True)
                check_times(times.column(names["timestamp"]).to_pylist(), names, options, where)

    def parts() -> Iterator[Any]:
        if kind == "arrow":
            for number in range(file.num_record_batches):
                yield from _sliced(file.get_batch(number))
        else:
            for part in first:
                yield from _sliced(part.select([present[number] for number in wanted]))

    return names, _batches(_guarded(parts(), where, "Arrow"), names, options, constants, where)


def _is_text(schema: Any, name: str) -> bool:
    from pyarrow import types

    at = schema.get_field_index(name)
    return at >= 0 and (
        types.is_string(schema.field(at).type) or types.is_large_string(schema.field(at).type)
    )


def _sliced(batch: Any) -> Iterator[Any]:
    batch.validate(full=True)  # offsets of a damaged file may point anywhere
    for start in range(0, batch.num_rows, BATCH):
        yield batch.slice(start, BATCH)


def _source(stream: Stream) -> Any:
    """What pyarrow opens: the path, or the content of a stream."""
    return str(stream.path) if stream.path is not None else io.BytesIO(stream.read())


@contextmanager
def _undamaged(where: str, kind: str) -> Iterator[None]:
    """Errors of a decoder as DataError: it raises many kinds for a damaged file."""
    try:
        yield
    except (CfcoreError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = first_line(error)[:200]
        raise DataError(f"{where}: the {kind} file is damaged or cannot be read ({reason})") from error


def _guarded(parts: Iterator[Any], where: str, kind: str) -> Iterator[Any]:
    while True:
        with _undamaged(where, kind):
            part = next(parts, None)
        if part is None:
            return
        yield part


def _batches(
    parts: Iterator[Any], names: Mapping[str, str], options: Options, constants: Mapping[str, str], where: str
) -> Iterator[Batch]:
    start = 0
    for part in parts:
        if part.num_rows == 0:
            continue
        with rows_from(start, where):
            arrays = {}
            for role, name in names.items():
                if name in constants:
                    arrays[role] = constant(constants[name], part.num_rows, role, name)
                    continue
                with _undamaged(where, "Arrow"):
                    arrays[role] = _array(part.column(name), name, role, options)
            batch = typed_batch(arrays, names, options)
        yield batch
        start += part.num_rows


def constant(text: str, n: int, role: str, name: str) -> NDArray[Any]:
    """A column with the value that the name of a folder gives, as integers if it is one."""
    if text == "__HIVE_DEFAULT_PARTITION__":
        raise missing_at(name, role, 0)
    if role == "rating":
        try:
            return np.full(n, float(text))
        except ValueError:
            raise DataError(f"column {name!r}: {text!r} at row 0 is not a number") from None
    integer = text.lstrip("-").isdigit() and str(int(text)) == text
    return np.full(n, int(text)) if integer else np.full(n, text)


def _array(column: Any, name: str, role: str, options: Options) -> NDArray[Any]:
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_decimal(column.type):
        column = column.cast("float64")
    if column.null_count and not (role == "rating" and options.unrated):
        row = int(np.asarray(column.is_null().to_numpy(zero_copy_only=False)).argmax())
        raise missing_at(name, role, row)
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array


def _by_polars(stream: Stream, options: Options, constants: Mapping[str, str], kind: str) -> Opened:
    if not importlib.util.find_spec("polars"):
        name = "parquet" if kind == "parquet" else "Arrow files"
        raise ImportError(f"reading {name} needs pyarrow or polars: pip install 'cfcore[frames]'")
    import polars

    where, source = stream.where, stream.path or io.BytesIO(stream.read())
    read: dict[str, Callable[..., Any]] = {
        "parquet": polars.read_parquet,
        "arrow": polars.read_ipc,
        "arrow stream": polars.read_ipc_stream,
    }
    schema = polars.read_parquet_schema if kind == "parquet" else polars.read_ipc_schema
    with _undamaged(where, kind):
        if kind == "arrow stream":
            frame = polars.read_ipc_stream(source)
            names = columns_of([*frame.columns, *constants], options, where)
        else:
            names = columns_of([*schema(source), *constants], options, where)
            wanted = [name for name in names.values() if name not in constants]
            frame = read[kind](source, columns=wanted)

    def batch() -> Iterator[Batch]:
        with rows_from(0, where):
            arrays = {}
            for role, name in names.items():
                if name in constants:
                    arrays[role] = constant(constants[name], len(frame), role, name)
                    continue
                column = frame[name]
                if column.null_count() and not (role == "rating" and options.unrated):
                    raise missing_at(name, role, int(column.is_null().arg_max() or 0))
                arrays[role] = column.to_numpy()
            if len(frame):
                yield typed_batch(arrays, names, options)

    return names, batch()
