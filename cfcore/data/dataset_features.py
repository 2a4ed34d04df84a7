"""Features of users and films that come with some data sets of MovieLens, as dicts of columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.errors import DataError

__all__ = ["TABLES", "Tables"]

Columns = dict[str, Any]

GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

#: Of ml-1m, where they are numbers.
OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer",
    "programmer", "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer",
    "tradesman/craftsman", "unemployed", "writer",
)  # fmt: skip

#: What movies.csv says of films that have no genre.
NO_GENRE = "(no genres listed)"

_YEAR = re.compile(r"\((\d{4})(?:[-\u2013]\d{0,4})?\)\s*$")


def _fields(path: Path, separator: str, n_fields: int) -> Iterator[list[str]]:
    """Fields of each line of a file in Latin-1, or DataError for lines with fewer."""
    with open(path, encoding="latin-1") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            found = line.rstrip("\n").split(separator)
            if len(found) < n_fields or not found[0].isdigit():
                raise DataError(f"{path}, line {number}: {n_fields} fields are wanted, the first an id")
            yield found


def _year(text: str) -> float:
    return float(text) if text.isdigit() else np.nan


def _ml_100k_users(path: Path) -> Columns:
    rows = list(_fields(path, "|", 5))
    return _users([(row[0], row[1], row[2], row[3], row[4]) for row in rows])


def _ml_1m_users(path: Path) -> Columns:
    rows = list(_fields(path, "::", 5))
    for row in rows:
        if not row[3].isdigit() or int(row[3]) >= len(OCCUPATIONS):
            raise DataError(f"{path}: user {row[0]} has the unknown occupation {row[3]!r}")
    return _users([(row[0], row[2], row[1], OCCUPATIONS[int(row[3])], row[4]) for row in rows])


def _users(rows: list[tuple[str, str, str, str, str]]) -> Columns:
    return {
        "user": np.array([int(row[0]) for row in rows], dtype=np.int64),
        "age": np.array([int(row[1]) for row in rows], dtype=np.int64),
        "gender": [row[2] for row in rows],
        "occupation": [row[3] for row in rows],
        "region": [row[4].strip()[:1] for row in rows],
    }


def _items(ids: list[str], years: list[float], genres: list[list[str]]) -> Columns:
    return {
        "item": np.array([int(one) for one in ids], dtype=np.int64),
        "year": np.array(years),
        "genres": genres,
    }


def _ml_100k_items(path: Path) -> Columns:
    rows = list(_fields(path, "|", 5 + len(GENRES)))
    flags = [[name for name, one in zip(GENRES, row[5:], strict=False) if one == "1"] for row in rows]
    return _items([row[0] for row in rows], [_year(row[2][-4:]) for row in rows], flags)


def _ml_1m_items(path: Path) -> Columns:
    rows = list(_fields(path, "::", 3))
    return _items(
        [row[0] for row in rows], [_year_of(row[1]) for row in rows], [_genres(row[2]) for row in rows]
    )


def _latest_items(path: Path) -> Columns:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"movieId", "title", "genres"} <= rows[0].keys():
        raise DataError(f"{path} should have the columns movieId, title and genres")
    return _items(
        [row["movieId"] for row in rows], [_year_of(row["title"]) for row in rows],
        [_genres(row["genres"]) for row in rows],
    )  # fmt: skip


def _year_of(title: str) -> float:
    found = _YEAR.search(title)
    return float(found[1]) if found else np.nan


def _genres(text: str) -> list[str]:
    return [one for one in text.strip().split("|") if one and one != NO_GENRE]


@dataclass(frozen=True)
class Tables:
    """Files of the features of a data set, beside its ratings, and their readers.

    Attributes
    ----------
    users, items : (str, callable) or None
    """

    users: tuple[str, Callable[[Path], Columns]] | None
    items: tuple[str, Callable[[Path], Columns]]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(one[0] for one in (self.users, self.items) if one is not None)

    def read(self, paths: dict[str, Path]) -> tuple[Columns | None, Columns]:
        """Columns of the features of users, None where there are none, and of items."""
        users = None if self.users is None else self.users[1](paths[self.users[0]])
        return users, self.items[1](paths[self.items[0]])


TABLES = {
    "ml-100k": Tables(("u.user", _ml_100k_users), ("u.item", _ml_100k_items)),
    "ml-1m": Tables(("users.dat", _ml_1m_users), ("movies.dat", _ml_1m_items)),
    "ml-latest-small": Tables(None, ("movies.csv", _latest_items)),
}
