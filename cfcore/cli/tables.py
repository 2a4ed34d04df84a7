"""Read pairs from files, a chunk at a time, and write rows to them."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np

from cfcore.cli.common import UsageError, finite, need_folder
from cfcore.errors import DataError

if TYPE_CHECKING:
    from cfcore.models.core.model import Model

Array = np.ndarray[Any, Any]

#: Rows that are in memory at once.
CHUNK = 100_000
KINDS = ("user", "item")


def pairs(
    path: Path, given: dict[str, str | None], size: int = CHUNK, model: Model | None = None
) -> Iterator[tuple[Array, Array, Array | None]]:
    """Users, items and, where there is such a column, timestamps of a file, chunk by chunk.

    Parameters
    ----------
    path : Path
        As `cfcore.data.readers.read_pairs` takes it; "-" is standard input.
    given : dict
        Names of the columns for "user", "item", "timestamp"; None: a usual one, or in text without a header
        the first two.
    size : int
        Rows of a chunk.
    model : Model, optional
        The ids become of its kinds.

    Raises
    ------
    DataError
        A column is missing, or a row is too short; the message names it.
    """
    from cfcore.data.readers import read_pairs

    kinds, columns = None, dict[str, Any](given)
    if model is not None:
        kinds = {kind: int if getattr(model, f"{kind}_ids_").dtype.kind in "iu" else str for kind in KINDS}
    try:
        yield from read_pairs(path, size=size, ids=kinds, **columns)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None


def as_ids(model: Model, kind: str, raw: Array) -> Array:
    """Ids of the model's kind: text becomes integers if the model's ids are integers."""
    if raw.dtype.kind not in "UO" or getattr(model, f"{kind}_ids_").dtype.kind not in "iu":
        return raw
    try:
        return raw.astype(np.int64)
    except (ValueError, OverflowError):
        bad = next(text for text in raw if not str(text).strip().lstrip("-").isdigit())
        raise DataError(f"{kind}: {str(bad)!r} is no integer, but the model's ids are") from None


def check_rows_file(path: Path | None) -> None:
    """Raise UsageError for a file of rows whose folder does not exist, or whose name has no known ending."""
    need_folder(path, "--out")
    if path is not None and path.suffix not in (".csv", ".jsonl", ".parquet"):
        raise UsageError(f"--out {path}: the name must end in .csv, .jsonl or .parquet")


class JsonLines:
    """Rows as JSON objects, one a line; NaN and infinities become null, values JSON has no type for text."""

    def __init__(self, file: TextIO, names: list[str]) -> None:
        self._file, self._names = file, names

    def writerows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows of plain Python values."""
        for row in rows:
            entry = finite(dict(zip(self._names, row, strict=True)))
            self._file.write(json.dumps(entry, default=str) + "\n")


class RowWriter:
    """Writes rows to standard output, as csv or JSON lines, or to a file that appears whole or not at all.

    The format of the file follows from its name: .csv, .jsonl or .parquet.
    """

    def __init__(self, path: Path | None, names: Sequence[str], as_json: bool = False) -> None:
        check_rows_file(path)
        if as_json and path is not None and path.suffix != ".jsonl":
            raise UsageError(f"--json and --out {path}: give a name that ends in .jsonl, or leave out one")
        as_json |= path is not None and path.suffix == ".jsonl"
        self._path, self._names, self._stack = path, list(names), ExitStack()
        self._part = None if path is None else path.with_name(f"{path.name}.{os.getpid()}.part")
        self._text: Any = None
        self._parquet: Any = None
        if path is None or path.suffix != ".parquet":
            file: TextIO = sys.stdout
            if self._part is not None:
                file = self._stack.enter_context(self._part.open("w", encoding="utf-8", newline=""))
            if as_json:
                self._text = JsonLines(file, self._names)
            else:
                self._text = csv.writer(file, lineterminator="\n")
                self._text.writerow(self._names)
        else:
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError:
                raise ImportError("writing parquet needs pyarrow: pip install 'cfcore[frames]'") from None

    def __enter__(self) -> Self:
        return self

    def write(self, *columns: Any) -> None:
        """Add rows, given as columns of one length."""
        if self._text is not None:
            self._text.writerows(zip(*[np.asarray(column).tolist() for column in columns], strict=True))
            return
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table(dict(zip(self._names, map(np.asarray, columns), strict=True)))
        if self._parquet is None:
            writer = pyarrow.parquet.ParquetWriter(self._part, table.schema)
            self._parquet = self._stack.enter_context(writer)
        self._parquet.write_table(table)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._part is not None and self._parquet is None and self._text is None and kind is None:
            self.write(*[np.array([]) for _ in self._names])
        self._stack.close()
        if self._text is not None and self._part is None:
            sys.stdout.flush()
        if self._part is not None and self._path is not None:
            if kind is None:
                os.replace(self._part, self._path)
            else:
                self._part.unlink(missing_ok=True)
