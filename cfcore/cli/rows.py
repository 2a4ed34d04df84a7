"""Rows to standard output or to a file, as csv, JSON lines or parquet."""

from __future__ import annotations

import csv
import json
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from cfcore.atomic import replacing
from cfcore.cli.common import finite, need_folder
from cfcore.cli.errors import UsageError

__all__ = ["RowWriter", "check_rows_file"]

Array = np.ndarray[Any, Any]

ENDINGS = (".csv", ".jsonl", ".parquet")


def check_rows_file(path: Path | None) -> None:
    """Raise UsageError for a file of rows that cannot be written, or whose name has no known ending."""
    need_folder(path, "--out")
    if path is not None and path.suffix not in ENDINGS and not is_stream(path):
        raise UsageError(f"--out {path}: the name must end in .csv, .jsonl or .parquet")


def is_stream(path: Path) -> bool:
    """Whether `path` is standard output ("-"), or a pipe or a device, whose name has no ending."""
    if str(path) == "-":
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def as_text(column: Any) -> list[Any]:
    """Plain Python values: floats in 6 significant digits, float32 in as many as identify it."""
    array = np.asarray(column)
    if array.dtype == np.float32:
        return array.astype(str).astype(np.float64).tolist()
    if array.dtype.kind == "f":
        return [float(f"{value:.6g}") for value in array.tolist()]
    return array.tolist()


class JsonLines:
    """Rows as JSON objects, one a line; NaN and infinities become null, values JSON has no type for text."""

    def __init__(self, file: IO[str], names: list[str]) -> None:
        self._file, self._names = file, names

    def writerows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows of plain Python values."""
        for row in rows:
            entry = finite(dict(zip(self._names, row, strict=True)))
            self._file.write(json.dumps(entry, default=str) + "\n")


class RowWriter:
    """Writes rows to standard output, as csv or JSON lines, or to a file that appears whole or not at all.

    The format of the file follows from its name: .csv, .jsonl or .parquet. Nothing is written, nor a file
    made, before the first rows are there: a command that fails leaves no header.
    """

    def __init__(self, path: Path | None, names: Sequence[str], as_json: bool = False) -> None:
        check_rows_file(path)
        ending = "" if path is None or is_stream(path) else path.suffix
        if as_json and ending not in ("", ".jsonl"):
            raise UsageError(f"--json and --out {path}: give a name that ends in .jsonl, or leave out one")
        self._path = None if str(path) == "-" else path
        self._json, self._parquet = as_json or ending == ".jsonl", ending == ".parquet"
        self._names, self._stack = list(names), ExitStack()
        self._write: Any = None
        if self._parquet:
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError:
                raise ImportError("writing parquet needs pyarrow: pip install 'cfcore[frames]'") from None

    def __enter__(self) -> Self:
        return self

    def write(self, *columns: Any) -> None:
        """Add rows, given as columns of one length."""
        if self._parquet:
            self._write_table([np.asarray(column) for column in columns])
            return
        if self._write is None:
            self._open_text()
        self._write(zip(*map(as_text, columns), strict=True))

    def _open_text(self) -> None:
        if self._path is not None:
            file: IO[str] = self._stack.enter_context(replacing(self._path, text=True))
        elif sys.stdout is None:
            raise OSError("standard output is closed")
        else:
            file = sys.stdout
        if self._json:
            self._write = JsonLines(file, self._names).writerows
        else:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(self._names)
            self._write = rows.writerows

    def _write_table(self, columns: list[Array]) -> None:
        import pyarrow
        import pyarrow.parquet

        # A chunk may hold no string at all, from which the type of the column could be seen.
        arrays = [pyarrow.array(each, pyarrow.string() if each.dtype == object else None) for each in columns]
        table = pyarrow.table(dict(zip(self._names, arrays, strict=True)))
        if self._write is None:
            assert self._path is not None
            file = self._stack.enter_context(replacing(self._path))
            writer = self._stack.enter_context(pyarrow.parquet.ParquetWriter(file, table.schema))
            self._write = writer.write_table
        self._write(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._write is None:
            self.write(*[np.array([]) for _ in self._names])
        self._stack.__exit__(kind, error, trace)
