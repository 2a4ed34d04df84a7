"""Readers of Book-Crossing and Jester, whose files have zeros or 99 for no rating, or are matrices."""

from __future__ import annotations

import io
from collections.abc import Iterator
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.data import archives
from cfcore.data.build import Rules, checked, encoded
from cfcore.data.catalog import BOOKS, JESTER_FILES, files_in
from cfcore.data.checks import Missing, as_missing
from cfcore.data.ratings import Ratings, from_fields
from cfcore.errors import DataError, DataWarning, warn

__all__ = ["read_book_crossing", "read_jester"]

#: How files of Excel begin: since 1997, and versions 2 to 4.
SHEETS = (b"\xd0\xcf\x11\xe0", b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")

#: Bytes that a spreadsheet in an archive may have.
MOST_BYTES = 1 << 30

#: That of a joke that a user has not rated.
NOT_RATED = 99.0


def read_book_crossing(path: str | PathLike[str], *, missing: Missing = 0) -> Ratings:
    """Ratings of books in the Book-Crossing data set (Ziegler et al. 2005).

    Parameters
    ----------
    path : path
        ``BX-Book-Ratings.csv`` as published (semicolons, quotes, latin-1), a copy with commas, or a folder
        that holds one.
    missing : float or list of float, optional
        Ratings that stand for none. Five of eight are 0, by which Book-Crossing denotes books that were read
        and not rated; by default they are left out, and a warning counts them. None keeps them.

    Returns
    -------
    Ratings
        On the scale 1 to 10 (0 to 10 if zeros are kept). Users are integers, books ISBNs as text.
    """
    path = files_in(path, BOOKS, "Book-Crossing")[0]
    whole = Ratings.read(path, encoding="latin-1", scale=(0, 10), ids={"user": int, "item": str})
    marks = as_missing(missing)
    scale = (1.0, 10.0) if 0 in marks else (0.0, 10.0)
    fields = checked(
        whole.user_codes, whole.item_codes, whole.values, None, whole.user_ids, whole.item_ids,
        Rules(scale, missing=missing, names=whole.column_names),
    )  # fmt: skip
    rated = from_fields(*fields)
    n_left_out = len(whole) - len(rated)
    if n_left_out:
        warn(
            f"{path}: {n_left_out:,} of {len(whole):,} rows are left out, as their rating is "
            f"{' or '.join(f'{mark:g}' for mark in marks)}, which stands for a book that was not rated; "
            "missing=None keeps them",
            DataWarning,
        )
    return rated


def read_jester(path: str | PathLike[str], *, missing: Missing = NOT_RATED) -> Ratings:
    """Ratings of jokes in a data set of Jester (Goldberg et al. 2001).

    Parameters
    ----------
    path : path
        One of the files below, or a folder that holds them; several parts are read one after the other.

        - A matrix with a row for each user: the number of jokes that the user rated, then a rating for each
          joke (``jester-data-1.xls`` to ``-3.xls``, ``jesterfinal151cols.csv``): a spreadsheet (needs xlrd),
          the same as csv, or a zip archive of it.
        - A row for each rating: user, joke, rating, separated by tabs (``jester_ratings.dat``).
    missing : float or list of float, default 99
        Ratings that stand for none.

    Returns
    -------
    Ratings
        On the scale -10 to 10. Jokes are numbered from 1, users too: by their rows in a matrix, through all
        parts.

    Raises
    ------
    DataError
        When a file has another layout, or a rating is outside the scale.
    ImportError
        For a spreadsheet without xlrd.
    """
    paths = files_in(path, JESTER_FILES, "Jester")
    if any(".dat" in name for one in paths for name in _content_names(one)):
        return _jester_rows(paths[0], missing)
    tables = [table for one in paths for table in _tables(one)]
    widths = sorted({table.shape[1] for table in tables})
    if len(widths) > 1:
        raise DataError(
            f"{path}: the parts have {' and '.join(map(str, widths))} columns; read one data set alone"
        )
    table = np.concatenate(tables)
    _check_counts(path, table, missing)
    users, items = np.arange(1, len(table) + 1), np.arange(1, table.shape[1])
    return Ratings.from_matrix(table[:, 1:], user_ids=users, item_ids=items, missing=missing, scale=(-10, 10))


def _content_names(path: Path) -> list[str]:
    """The name of a file, or of the ratings in an archive."""
    if path.suffix.lower() != ".zip":
        return [path.name]
    try:
        found = [name for name in archives.names(path) if _is_table(name)]
    except archives.ArchiveError as error:
        raise DataError(f"{path}: {error}") from None
    if not found:
        raise DataError(f"{path} holds no file of ratings: .xls, .csv or .dat")
    return found


def _is_table(name: str) -> bool:
    file = PurePosixPath(name)
    ratings = file.suffix.lower() in (".xls", ".csv") or file.name == "jester_ratings.dat"
    return ratings and not file.name.startswith(".") and "__MACOSX" not in file.parts


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of ratings, those of an archive without unpacking it."""
    for name in _content_names(path):
        if path.suffix.lower() != ".zip":
            yield str(path), path.read_bytes()
            continue
        try:
            yield f"{path}: {name}", b"".join(archives.member_blocks(path, name, MOST_BYTES))
        except archives.ArchiveError as error:
            raise DataError(f"{path}: {error}") from None


def _jester_rows(path: Path, missing: Missing) -> Ratings:
    ((where, content),) = _contents(path)
    if not content.strip():
        raise DataError(f"{where} is empty")
    try:
        table = np.loadtxt(io.BytesIO(content), ndmin=2)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    if table.shape[1] != 3 or len(table) == 0:
        raise DataError(f"{where} has {table.shape[1]} columns, jester_ratings.dat has user, joke and rating")
    users, items = table[:, 0], table[:, 1]
    if (users != np.rint(users)).any() or (items != np.rint(items)).any():
        raise DataError(f"{where}: the first two columns must be numbers of users and jokes")
    rules = Rules((-10, 10), missing=missing)
    columns = users.astype(np.int64), items.astype(np.int64), table[:, 2]
    return from_fields(*encoded(*columns, None, rules))


def _tables(path: Path) -> Iterator[NDArray[np.float64]]:
    for where, content in _contents(path):
        table = _sheet(where, content) if content.startswith(SHEETS) else _text(where, content)
        if table.ndim != 2 or table.shape[1] < 2:
            raise DataError(f"{where} is no matrix of a row for each user: it has shape {table.shape}")
        yield table


def _text(where: str, content: bytes) -> NDArray[np.float64]:
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{where} is an xlsx file or an archive: save it as csv")
    content = content.strip()
    if not content:
        raise DataError(f"{where} is empty")
    first = content[: content.find(b"\n") % (len(content) + 1)]
    separator = next((one for one in (b";", b",", b"\t") if one in first), None)
    if separator == b";" and b"," in content:  # a spreadsheet in a language with decimal commas
        content = content.replace(b",", b".")
    try:
        float(first.split(separator)[0])
    except ValueError:
        content = content[len(first) + 1 :]  # a header
        if not content:
            raise DataError(f"{where} holds no numbers") from None
    try:
        return np.loadtxt(io.BytesIO(content), delimiter=separator.decode() if separator else None, ndmin=2)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None


def _sheet(where: str, content: bytes) -> NDArray[np.float64]:
    try:
        import xlrd
    except ImportError:
        raise ImportError(f"{where} is a spreadsheet, which needs xlrd: pip install 'cfcore[data]'") from None
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
        sheets = [book.sheet_by_index(number) for number in range(book.nsheets)]
        rows = [sheet.row_values(row) for sheet in sheets if sheet.ncols > 1 for row in range(sheet.nrows)]
        table = [[value if isinstance(value, float) else np.nan for value in row] for row in rows]
        return np.array(table, dtype=np.float64)
    except Exception as error:  # xlrd raises errors of all kinds for damaged files
        raise DataError(f"{where} cannot be read as a spreadsheet: {type(error).__name__}: {error}") from None


def _check_counts(path: Any, table: NDArray[np.float64], missing: Missing) -> None:
    """Check that the first column is the number of jokes that the user rated, as in all published files."""
    counts, ratings = table[:, 0], table[:, 1:]
    if (counts != np.rint(counts)).any() or (counts < 0).any() or (counts > ratings.shape[1]).any():
        row = int(((counts != np.rint(counts)) | (counts < 0) | (counts > ratings.shape[1])).argmax())
        raise DataError(
            f"{path}: the first column is not the number of jokes rated: {counts[row]:g} at row {row}; "
            "cf.Ratings.from_matrix(matrix, missing=99) reads a matrix without it"
        )
    rated = ~np.isnan(ratings)
    for mark in as_missing(missing):
        rated &= ratings != mark
    n_wrong = int(np.count_nonzero(rated.sum(axis=1) != counts))
    if n_wrong:
        warn(
            f"{path}: the first column, which is left out, is not the number of jokes rated in {n_wrong:,} "
            f"of {len(table):,} rows",
            DataWarning,
        )
