"""Files of ratings or of pairs: text, parquet, Arrow, JSON lines; compressed or not; one or several."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np

from cfcore.arrays import objects
from cfcore.data import checks
from cfcore.data import ids as id_columns
from cfcore.data.batches import Batch, GrowingVocabulary, TextIds, Words, joined
from cfcore.data.build import Duplicates, Rules, checked, settled
from cfcore.data.checks import Missing
from cfcore.data.formats import format_of
from cfcore.data.guesses import warn_of_index
from cfcore.data.kinds import PADDED, IdKinds, kind_of
from cfcore.data.layout import Layout, Options
from cfcore.data.opening import Place, opened, places
from cfcore.data.typed import rows_from, rows_of
from cfcore.errors import DataError, warnings_as

__all__ = ["PairBatches", "read_fields", "read_pairs"]

Array = np.ndarray[Any, Any]

Source = str | PathLike[str] | Any | Sequence[Any]

#: Bytes of text that pairs are read from at a time.
PAIR_BLOCK = 1 << 22


@dataclass
class _Table:
    """An open file."""

    where: str
    names: dict[str, str]
    batches: Iterator[Batch]
    layout: Layout | None = None  # of text


def _tables(found: list[Place], options: Options, block: int = 0) -> Iterator[_Table]:
    """The files, one after the other; each is open until the next is asked for."""
    first: _Table | None = None
    for place in found:
        with opened(place) as stream:
            kind = format_of(stream.peek(512), stream.where)
            before = None if first is None else first.layout
            if kind == "text":
                from cfcore.data.text import open_text

                layout, batches = open_text(stream, options, before, block)
                table = _Table(stream.where, layout.names, batches, layout)
            elif kind == "json":
                from cfcore.data.json_lines import open_json

                table = _Table(stream.where, *open_json(stream, options, place.constants))
            elif kind == "parquet":
                from cfcore.data.parquet import open_parquet

                table = _Table(stream.where, *open_parquet(stream, options, place.constants))
            else:
                from cfcore.data.parquet import open_arrow

                table = _Table(stream.where, *open_arrow(stream, options, place.constants, kind))
            first = first or table
            _check_alike(first, table)
            yield table


def _check_alike(first: _Table, other: _Table) -> None:
    if (first.layout is None) != (other.layout is None):
        raise DataError(
            f"{first.where} and {other.where} are files of different kinds, text and typed columns; read "
            "them one by one, and join them by Ratings.concat"
        )
    if first.layout is not None and other.layout is not None and other.layout.headed > first.layout.headed:
        raise DataError(
            f"{other.where} has a header, and {first.where} has none; give a file with a header first, if "
            "the columns of all are in its order"
        )
    for one, two in ((first, other), (other, first)):
        if "timestamp" in one.names and "timestamp" not in two.names:
            raise DataError(
                f"{one.where} has timestamps, and {two.where} has none; timestamp=False reads none of any "
                "file"
            )


def read_fields(
    path: Source,
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    timestamp: str | int | Literal[False] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    decimal: str | None = None,
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "error",
    missing: Missing = None,
    ids: IdKinds = None,
) -> tuple[Any, ...]:
    """The fields of `Ratings` from a file with one rating in each row; see `Ratings.read`.

    Parameters
    ----------
    path : path, file object, or list of them
        Delimited text, JSON lines (or an array of objects), parquet, feather or another Arrow file; plain, or
        compressed by gzip, bzip2, xz or zstd, or the only file in a zip archive. The format is told by the
        content. Also a pattern (``"ratings_*.csv"``), a folder of such files (partitioned parquet: columns
        may be in names of folders, ``year=2020``), an open file, or "-" for standard input. Several files
        are read one after the other, as if they were one.
    user, item, rating, timestamp : str or int, optional
        Name or position (from 0) of the columns. By default, with a header the columns with usual names
        (userId, movieId, score, ...); without one the first, second, third and, if it holds numbers or
        dates, the fourth column. A file without header and with more columns needs positions.
        ``timestamp=False`` reads none.
    separator : str, optional
        By default the one of ``::``, tab, comma, semicolon, bar and blank that separates the first lines
        alike. ``\\s+`` stands for runs of blanks and tabs.
    header : bool, optional
        Whether the first line names the columns; by default it does if none of its fields is a number.
    encoding : str, default "utf-8"
        Encoding of text. A byte order mark overrules it.
    decimal : {".", ","}, optional
        Decimal point of ratings. By default both are understood, except where a comma may separate thousands.
    scale, duplicates, missing
        As in ``Ratings``. With ``missing=nan`` ratings that are empty, null, NA or the like are left out too.
        The logger "cfcore" says how many rows were left out, also by `duplicates`.
    ids : int, str or {"user": int, "item": str}, optional
        As in ``Ratings``. By default ids in text are integers if all of a column are written as such, whole
        decimals (7.0) too, and else strings; a missing marker (NULL, nan, ...) and another number (1.5, +7,
        1_0) among integers are errors. Strings are as in the file, without the double quotes around them.

    Returns
    -------
    tuple
        Codes, values, timestamps, ids, scale and names of columns.

    Raises
    ------
    DataError
        For missing or unreadable fields, damaged files, files in another format (the message says which), and
        values that ``Ratings`` refuses. The message names the column and the row, counted from 0 without the
        header and blank lines.
    FileNotFoundError
        When there is no such file, or none fits the pattern.
    ImportError
        For parquet and Arrow files without pyarrow and polars, and zstd without zstandard.
    ValueError, TypeError
        For invalid arguments.

    Warns
    -----
    DataWarning
        For a first column that only counts the rows, a column of times that cannot be read, and other guesses
        that the first rows make doubtful.

    Notes
    -----
    Text needs no other library; numbers are parsed at several hundred MB/s. A quoted field must not contain
    line breaks. Lines that begin with ``#`` or ``%`` before the first row are comments. Dates (ISO 8601)
    become seconds since 1970. Parquet is decoded batch by batch where pyarrow is installed.
    """
    wanted: dict[str, Any] = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    options = _options(wanted, separator, header, encoding, decimal, ids, missing)
    names: dict[str, str] = {}
    columns: dict[str, Any] = {}
    layout, where = None, ""
    files: list[tuple[str, int]] = []
    for table in _tables(places(path), options):
        if not names:
            names, layout, where = table.names, table.layout, table.where
            collect = GrowingVocabulary if layout is None else TextIds
            columns = {
                role: collect(name, options.kinds[role]) if role in ("user", "item") else []
                for role, name in names.items()
            }
        n_rows = 0
        for batch in table.batches:
            n_rows += len(batch["rating"])
            for role, part in batch.items():
                columns[role].add(part) if role in ("user", "item") else columns[role].append(part)
        files.append((table.where, n_rows))
    if not columns["rating"]:
        headed = layout is not None and layout.headed
        what = "has a header and no rows" if headed else "is empty"
        raise DataError(f"{where} {what}: ratings need at least one row")
    rules = Rules(scale, duplicates, missing, names, ids)
    values = joined(columns["rating"])
    times = joined(columns["timestamp"]) if "timestamp" in columns else None
    with rows_of(files):
        (user_ids, users), (item_ids, items) = (columns.pop(role).finish() for role in ("user", "item"))
        text = layout is not None
        users, items, values, times, user_ids, item_ids = settled(
            [users, items, values, times], [user_ids, item_ids], rules, guess=text
        )
    if layout is not None and layout.guessed:
        warn_of_index(users, user_ids, values, where, layout.width)
    with rows_of(files):
        return checked(users, items, values, times, user_ids, item_ids, rules)


def _options(
    wanted: dict[str, Any],
    separator: str | None,
    header: bool | None,
    encoding: str,
    decimal: str | None,
    ids: IdKinds,
    missing: Missing = None,
) -> Options:
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal must be '.' or ',', got {decimal!r}")
    for role, column in wanted.items():
        valid = column is None or isinstance(column, (str, int, np.integer))
        if not valid or column is True or (column is False and role != "timestamp"):
            raise TypeError(f"{role} must be the name or the position of a column, got {column!r}")
    kinds = {role: kind_of(ids, role) for role in ("user", "item")}
    return Options(
        wanted, separator, header, encoding, decimal,
        rated="rating" in wanted,
        unrated=any(map(math.isnan, checks.as_missing(missing))),
        kinds=kinds,
    )  # fmt: skip


class PairBatches:
    """Pairs of users and items in batches: iterate over it once.

    Attributes
    ----------
    names : dict of str to str
        Names of the columns user, item and, if there are times, timestamp; those of the first file.
    where : str
        Name of the file that the present batch is from.
    row : int
        Its first row in that file.
    """

    def __init__(self, tables: Iterator[_Table], kinds: dict[str, Any], size: int) -> None:
        self._tables, self._kinds, self._size = tables, kinds, size
        self._said: set[str] = set()
        self._first = next(tables)
        self.names = dict(self._first.names)
        self.where, self.row = self._first.where, 0

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        table: _Table | None = self._first
        while table is not None:
            start = 0
            for batch in table.batches:
                rows = len(batch["user"])
                for begin in range(0, rows, self._size):
                    part = {role: column[begin : begin + self._size] for role, column in batch.items()}
                    self.where, self.row = table.where, start + begin
                    yield (
                        self._ids(part, "user", table, start + begin),
                        self._ids(part, "item", table, start + begin),
                        part.get("timestamp"),
                    )
                start += rows
            table = next(self._tables, None)

    def _ids(self, part: Batch, role: str, table: _Table, start: int) -> Any:
        column = part[role]

        def once(message: str) -> str:
            # Batches differ in the ids that they mention, not in what is the matter.
            kind = role + re.sub(r"'[^']*'|\d+", "", message)
            known = kind in self._said
            self._said.add(kind)
            return "" if known else message

        with rows_from(start, table.where), warnings_as(once):
            if isinstance(column, Words):
                used, numbers = np.unique(column.codes, return_inverse=True)
                vocabulary = objects([column.texts[code] for code in used.tolist()])
                codes = numbers.astype(np.int32)
            else:
                vocabulary, codes = id_columns.distinct(column, table.names[role])
            kind, guess = self._kinds[role], table.layout is not None
            if kind == "int" and id_columns.are_strings(vocabulary):
                _check_padded(vocabulary, codes, table.names[role])
            found, codes = id_columns.settle(vocabulary, codes, table.names[role], kind, guess=guess)
        return found[codes]


def _check_padded(texts: Array, codes: Array, column: str) -> None:
    """DataError for 007: it is not the integer 7 of a model."""
    for number, text in enumerate(texts.tolist()):
        if PADDED.fullmatch(text):
            row = int((codes == number).argmax())
            raise DataError(
                f"column {column!r}: {text!r} at row {row} has zeros in front, and the ids of the model "
                "are integers"
            )


def read_pairs(
    path: Source,
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    timestamp: str | int | Literal[False] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    ids: IdKinds = None,
    size: int = 100_000,
) -> PairBatches:
    """Pairs of users and items, and times where there are any, from files that `Ratings.read` reads.

    Ratings are neither needed nor read, so that a file of ratings is read as pairs too.

    Parameters
    ----------
    path, user, item, timestamp, separator, header, encoding
        As in `read_fields`. Without a header, the first two columns are users and items; the third, if it
        holds times, or else the fourth are the timestamps.
    ids : int, str or {"user": int, "item": str}, optional
        The kinds of ids: those of the model. By default integers if all of a batch are. Unlike in
        `read_fields`, an integer must not have zeros in front (007).
    size : int
        Most pairs in a batch.

    Returns
    -------
    PairBatches
        Iterating gives users, items and timestamps (or None), arrays of one length. The file is read while
        that is done: any number of pairs fits.

    Raises
    ------
    DataError, FileNotFoundError, ImportError, ValueError, TypeError
        As `read_fields`, also while batches are read.
    """
    wanted: dict[str, Any] = {"user": user, "item": item, "timestamp": timestamp}
    options = _options(wanted, separator, header, encoding, None, ids)
    kinds = {role: kind_of(ids, role) for role in ("user", "item")}
    return PairBatches(_tables(places(path), options, PAIR_BLOCK), kinds, size)
