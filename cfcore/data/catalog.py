"""The public data sets: their files, formats and digests."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from cfcore.errors import DataError

__all__ = [
    "BOOKS", "CATALOG", "GROUPLENS", "JESTER_FILES", "ML100K_SPLITS", "NETFLIX_FILES", "RECBOLE", "Archive",
    "Entry", "files_in", "find",
]  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """A zip archive that the publisher offers.

    Attributes
    ----------
    url : str
        Complete, or the name of a file of GroupLens.
    members : tuple of str
        Files to unpack, by their paths in the archive; each gets the last part of its path as its name.
    md5 : str or None
        Published digest. None: the digest of the first download is recorded, and later ones must have it.
    """

    url: str
    members: tuple[str, ...]
    md5: str | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Entry:
    """Format, sources and digests of one data set.

    Attributes
    ----------
    folder : str
        Name of the folder in the published archive.
    file : str
        The ratings, inside that folder; a pattern where they are several files.
    n_ratings : int
        Rows it must have, if `exact`.
    scale : (float, float)
    separator : str
    header : bool
    archives : tuple of Archive
        Downloads of the publisher.
    file_md5 : str or None
        Digest of the ratings file itself, where known and cheap to check.
    advice : str
        What a user can do when no source has it.
    reader : str
        "text", or the name of a reader in ``cfcore.data.published``.
    exact : bool
        Whether every copy of the data set has `n_ratings` rows.
    folders : tuple of str
        Other usual names of the folder.
    files : tuple of str
        Other patterns of the files.
    """

    folder: str
    file: str
    n_ratings: int
    scale: tuple[float, float]
    separator: str | None = None
    header: bool | None = None
    archives: tuple[Archive, ...] = ()
    file_md5: str | None = None
    advice: str = ""
    reader: str = "text"
    exact: bool = True
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def most_bytes(self) -> int:
        """Upper bound of the size of the files, against archives that would fill the disk."""
        return (64 if self.exact else 256) * self.n_ratings + (1 << 20)


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI that contains u.data below a header line."""

    requirement: str
    sha256: str
    member: str


RECBOLE = Wheel(
    "recbole==1.2.1",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "recbole/dataset_example/ml-100k/ml-100k.inter",
)

GROUPLENS = "https://files.grouplens.org/datasets/movielens/"


def _movielens(folder: str, file: str, md5: str | None, archive: str | None = None) -> tuple[Archive, ...]:
    return (Archive(f"{archive or folder}.zip", (f"{folder}/{file}",), md5),)


#: Files of the Jester data sets, in the order of preference; those of the first pattern that fits are read.
JESTER_FILES = (
    "jester-data-*.csv", "jester-data-*.xls", "jester-data-*.zip", "jester_dataset_1_*.zip",
    "jester_ratings.dat", "jester_dataset_2.zip", "jesterfinal151cols.*", "[Ff][Ii][Nn][Aa][Ll]*jester*.xls",
)  # fmt: skip

#: Names of the file of Book-Crossing, and patterns of those of the Netflix prize.
BOOKS = ("BX-Book-Ratings.csv", "Book-Ratings.csv", "Ratings.csv")
NETFLIX_FILES = ("combined_data_*.txt", "mv_*.txt", "training_set/mv_*.txt", "download/training_set/mv_*.txt")

JESTER = "https://eigentaste.berkeley.edu/dataset/archive/"

CATALOG = {
    "ml-100k": Entry(
        "ml-100k", "u.data", 100_000, (1, 5), "\t", False,
        _movielens("ml-100k", "u.data", "0e33842e24a9c977be4e0107933c0723"),
        "6e47046882bad158b0efbb84cd5cb987",
    ),
    "ml-1m": Entry(
        "ml-1m", "ratings.dat", 1_000_209, (1, 5), "::", False,
        _movielens("ml-1m", "ratings.dat", "c4d9eecfca2ab87c1945afe126590906"),
    ),
    "ml-10m": Entry(
        "ml-10M100K", "ratings.dat", 10_000_054, (0.5, 5), "::", False,
        _movielens("ml-10M100K", "ratings.dat", "ce571fd55effeba0271552578f2648bd", "ml-10m"),
    ),
    "ml-20m": Entry(
        "ml-20m", "ratings.csv", 20_000_263, (0.5, 5), ",", True,
        _movielens("ml-20m", "ratings.csv", "cd245b17a1ae2cc31bb14903e1204af3"),
    ),
    "ml-25m": Entry(
        "ml-25m", "ratings.csv", 25_000_095, (0.5, 5), ",", True,
        _movielens("ml-25m", "ratings.csv", "6b51fb2759a8657d3bfcbfc42b592ada"),
    ),
    "ml-32m": Entry(
        "ml-32m", "ratings.csv", 32_000_204, (0.5, 5), ",", True,
        _movielens("ml-32m", "ratings.csv", "d472be332d4daa821edc399621853b57"),
    ),
    "ml-latest-small": Entry(  # GroupLens replaces it from time to time, and publishes no digest
        "ml-latest-small", "ratings.csv", 100_836, (0.5, 5), ",", True,
        _movielens("ml-latest-small", "ratings.csv", None), exact=False,
    ),
    "movietweetings": Entry(
        "movietweetings-100k", "ratings.dat", 100_000, (0, 10), "::", False,
        advice="Take the folder snapshots/100K of https://github.com/sidooms/MovieTweetings and put its "
        "ratings.dat there.",
    ),
    "jester": Entry(
        "jester", "jester-data-*", 4_136_360, (-10, 10),
        archives=tuple(
            Archive(f"{JESTER}jester_dataset_1_{part}.zip", (f"jester-data-{part}.xls",))
            for part in (1, 2, 3)
        ),
        reader="jester", exact=False, folders=("jester-data", "jester-1", "Jester"), files=JESTER_FILES,
    ),
    "jester-2": Entry(
        "jester-2", "jester_ratings.dat", 1_761_439, (-10, 10),
        archives=(Archive(f"{JESTER}jester_dataset_2.zip", ("jester_ratings.dat",)),),
        reader="jester", exact=False, folders=("jester_dataset_2", "jester"), files=("jester_dataset_2.zip",),
    ),
    "book-crossing": Entry(
        "book-crossing", BOOKS[0], 1_149_780, (1, 10),
        archives=(
            Archive("http://www2.informatik.uni-freiburg.de/~cziegler/BX/BX-CSV-Dump.zip", (BOOKS[0],)),
        ),
        reader="book_crossing", exact=False, folders=("BX-CSV-Dump", "bookcrossing", "Book-Crossing", "BX"),
        files=BOOKS[1:],
    ),
    "netflix": Entry(
        "netflix", NETFLIX_FILES[0], 100_480_507, (1, 5), reader="netflix", exact=False,
        folders=("netflix-prize-data", "netflix-prize", "nf_prize_dataset", "training_set"),
        files=NETFLIX_FILES[1:],
        advice="Netflix no longer offers the files of its prize; copies have combined_data_1.txt to "
        "combined_data_4.txt, or a folder training_set.",
    ),
}  # fmt: skip


def files_in(path: str | PathLike[str], patterns: Sequence[str], what: str) -> list[Path]:
    """A file itself; of a folder, the files that fit the first of the patterns that any file fits, sorted.

    Raises
    ------
    DataError
        The folder holds none of them; the message names them as files of `what`.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    for pattern in patterns:
        found = sorted(path.glob(pattern))
        if found:
            return found
    raise DataError(f"{path} holds no file of {what}: {', '.join(patterns)}")


def find(name: Any) -> str:
    """The name in the catalog that `name` is a spelling of: ML-100K, ml_100k and movielens-100k are ml-100k.

    Raises
    ------
    ValueError
        There is none; the message lists all, and the nearest.
    """
    hint = ""
    if isinstance(name, str):
        spellings = _spellings()
        if _plain(name) in spellings:
            return spellings[_plain(name)]
        near = difflib.get_close_matches(_plain(name), spellings, 1, 0.75)
        hint = f"; did you mean {spellings[near[0]]!r}?" if near else ""
    raise ValueError(f"unknown data set {name!r}; known: {', '.join(CATALOG)}{hint}")


def _spellings() -> dict[str, str]:
    others = {"movietweetings100k": "movietweetings", "netflixprize": "netflix", "jester1": "jester"}
    return {_plain(known): known for known in CATALOG} | others


def _plain(name: str) -> str:
    letters = "".join(c for c in name.lower() if c.isalnum())
    return letters.replace("movielens", "ml")


# md5 of the .base and the .test file of each split that GroupLens' scripts make of u.data.
ML100K_SPLITS = {
    "u1": ("4325f44281c9f8c119a3694662d63fc2", "62d5d837e7c8e36550cc956b09c2ecc8"),
    "u2": ("79541afecccbd5365bb2c09b123a01c7", "1951a71b7e1f4ed254508007fa2f6b70"),
    "u3": ("55c67a63f516fa9e593d68c3be779970", "cb3e4d0a9152041772285232ca002d4f"),
    "u4": ("66f64a75eeeffd20ff09533bcd31adcf", "328acfca94e85d01b1d7e92c7d73df3b"),
    "u5": ("0becb3392339231c08ba316944c79095", "bec898f7091dba3b7bdf793d1998d2d6"),
    "ua": ("346eb46a756be3b382bdef4f7dcf3a01", "52e5d0355092dc1596899855b220508f"),
    "ub": ("e4ce94f6e01e45f65b91a70bb9e8da2f", "5292d1e388d156aa0c19c384cdf35aca"),
}
