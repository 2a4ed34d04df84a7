"""Reader of the files of the Netflix prize: the ratings of each movie below a line with its number."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfcore.data.build import Rules, encoded
from cfcore.data.catalog import NETFLIX_FILES, files_in
from cfcore.data.ratings import Ratings, from_fields
from cfcore.errors import DataError

__all__ = ["parsed", "read_netflix"]

#: Bytes read at a time.
BLOCK = 1 << 24

# A row is "USER,RATING,YYYY-MM-DD"; positions from its end.
DIGITS_OF_DATE = (-10, -9, -8, -7, -5, -4, -2, -1)
MOST_DIGITS = 9

Column = NDArray[np.int32]


def read_netflix(path: str | PathLike[str]) -> Ratings:
    """Ratings of movies in the files of the Netflix prize (2006).

    Parameters
    ----------
    path : path
        A file ``combined_data_1.txt`` or ``mv_0000001.txt``, in which a line ``1:`` begins the ratings of
        movie 1, a row ``user,rating,YYYY-MM-DD`` each; or a folder of such files.

    Returns
    -------
    Ratings
        On the scale 1 to 5, with the days as seconds since 1970.

    Raises
    ------
    DataError
        For a file with other rows; the message names the file and the line.

    Notes
    -----
    All 100 million ratings take about 4 GB while they are read, and 2 GB afterwards.
    """
    parts = list(parsed(files_in(path, NETFLIX_FILES, "the Netflix prize")))
    if not parts:
        raise DataError(f"{fspath(path)} holds no ratings")
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    parts.clear()
    users, items, ratings, days = columns
    values, times = ratings.astype(np.float32), days.astype(np.int64) * 86_400
    for column in (users, items, values, times):
        column.flags.writeable = False  # so that Ratings takes them over
    return from_fields(*encoded(users, items, values, times, Rules((1, 5))))


def parsed(paths: list[Path]) -> Iterator[tuple[Column, ...]]:
    """Columns user, movie, rating and day since 1970, of one block after the other."""
    for path in paths:
        movie, n_lines, rest = -1, 0, b""
        with open(path, "rb") as file:
            while True:
                more = file.read(BLOCK)
                text = rest + more
                if not more:
                    text += b"\n"
                end = text.rfind(b"\n") + 1
                block, rest = text[:end], text[end:]
                found = _Block(path, block, n_lines)
                if len(found.starts):
                    part = found.columns(movie)
                    movie = found.last_movie(movie)
                    if len(part[0]):
                        yield part
                n_lines = found.n_lines
                if not more:
                    break


class _Block:
    """Lines of a file: those with the number of a movie, and rows."""

    def __init__(self, path: Path, block: bytes, n_before: int) -> None:
        self.path, self.block, self.n_before = path, block, n_before
        self.text = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(self.text == ord("\n"))
        self.n_lines = n_before + len(ends)
        starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
        if b"\r" in block:
            returns = (ends > starts) & (self.text[np.maximum(ends - 1, 0)] == ord("\r"))
            ends = ends - returns
        self.lines = np.flatnonzero(ends > starts)  # not empty
        self.starts, self.ends = starts[self.lines], ends[self.lines]
        self.heads = self.text[self.ends - 1] == ord(":") if len(self.ends) else np.zeros(0, dtype=bool)
        self.movies = np.array(
            [self._movie(line) for line in np.flatnonzero(self.heads).tolist()], dtype=np.int32
        )

    def _movie(self, line: int) -> int:
        number = self.block[self.starts[line] : self.ends[line] - 1]
        if not number.isdigit() or len(number) > MOST_DIGITS:
            self._refuse(line, "a line with a colon at its end must hold the number of a movie")
        return int(number)

    def last_movie(self, before: int) -> int:
        """The movie to which rows belong at the end of the block."""
        return int(self.movies[-1]) if len(self.movies) else before

    def columns(self, movie: int) -> tuple[Column, ...]:
        """Columns of the rows; `movie` is that at the beginning of the block, -1 for none."""
        rows = np.flatnonzero(~self.heads)
        items = np.append(np.int32(movie), self.movies)[np.cumsum(self.heads)[rows]]
        starts, ends = self.starts[rows], self.ends[rows]
        if len(rows) and items[0] < 0:
            self._refuse(
                int(rows[0]), "a line such as 1: with the number of a movie must come before the ratings"
            )
        n_digits = ends - 13 - starts
        right = (n_digits >= 1) & (n_digits <= MOST_DIGITS)
        ends = np.where(right, ends, 14)  # positions within the text, for rows that are refused below

        def at(position: int) -> NDArray[np.uint8]:
            found: NDArray[np.uint8] = self.text[np.minimum(ends + position, len(self.text) - 1)]
            return found

        def digit(position: int) -> NDArray[np.int32]:
            nonlocal right
            found = at(position).astype(np.int32) - ord("0")
            right &= (found >= 0) & (found <= 9)
            return found

        for position, character in ((-13, ","), (-11, ","), (-6, "-"), (-3, "-")):
            right &= at(position) == ord(character)
        date = [digit(position) for position in DIGITS_OF_DATE]
        rating = digit(-12)
        right &= (rating >= 1) & (rating <= 5)
        users = np.zeros(len(rows), dtype=np.int32)
        for place in range(MOST_DIGITS):
            longer = n_digits > place
            if not longer.any():
                break
            found = self.text[np.where(longer & right, ends - 14 - place, 0)].astype(np.int32) - ord("0")
            right &= ~longer | ((found >= 0) & (found <= 9))
            users += np.where(longer & right, found, 0) * np.int32(10**place)
        days = _days(date, right)
        if not right.all():
            self._refuse(
                rows[int(right.argmin())], "a row must be user,rating,YYYY-MM-DD with a rating of 1 to 5"
            )
        return users, items, rating, days

    def _refuse(self, line: int, why: str) -> None:
        text = self.block[self.starts[line] : self.ends[line]].decode("utf-8", "replace")
        raise DataError(
            f"{self.path}: line {self.n_before + int(self.lines[line]) + 1} is {text[:60]!r}; {why}"
        )


def _days(digits: list[NDArray[np.int32]], right: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Days since 1970 of the digits YYYYMMDD; `right` becomes False where there is no such day."""
    year = ((digits[0] * 10 + digits[1]) * 10 + digits[2]) * 10 + digits[3]
    month, day = digits[4] * 10 + digits[5], digits[6] * 10 + digits[7]
    right &= (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(right, (year - 1970) * 12 + month - 1, 0)
    if len(months) == 0:
        return months
    # The days on which all these months begin, in a table: conversion of each row would take twice as long.
    least = int(months.min())
    table = np.arange(least, int(months.max()) + 2).astype("datetime64[M]").astype("datetime64[D]")
    begins = table.astype(np.int32)
    first, after = begins[months - least], begins[months - (least - 1)]
    right &= day <= after - first
    return first + day - 1
