"""Data sets in the layouts of their publishers: Book-Crossing, Jester, Netflix, ml-latest-small."""

from __future__ import annotations

import struct
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore.data import netflix


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user; the cache is empty."""
    monkeypatch.setenv("CFCORE_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def put(folder: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def rows_of(ratings: cf.Ratings) -> list[tuple[Any, ...]]:
    columns = (ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist())
    return list(zip(*columns, strict=True))


def test_ml_latest_small(mine: Path) -> None:
    put(
        mine,
        "ml-latest-small/ratings.csv",
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,3.5,964981247\n",
    )
    ratings = cf.datasets.load("ml-latest-small")
    assert (rows_of(ratings), ratings.scale) == ([(1, 1, 4.0), (1, 3, 3.5)], (0.5, 5.0))
    assert ratings.column_names["user"] == "userId"


# Book-Crossing.

BOOKS = """"User-ID";"ISBN";"Book-Rating"
"276725";"034545104X";"0"
"276726";"0155061224";"5"
"276727";"0446520802";"0"
"276729";"052165615X";"3"
"276729";"ß521795028";"6"
"""
RATED = [(276726, "0155061224", 5.0), (276729, "052165615X", 3.0), (276729, "ß521795028", 6.0)]


@pytest.mark.parametrize("name", ["book-crossing/BX-Book-Ratings.csv", "BX-CSV-Dump/BX-Book-Ratings.csv"])
def test_book_crossing_leaves_out_zeros_and_says_so(mine: Path, name: str) -> None:
    path = put(mine, name, BOOKS, "latin-1")
    with pytest.warns(
        cf.errors.DataWarning, match="2 of 5 rows are left out, as their rating is 0.*missing=None"
    ):
        ratings = cf.datasets.load("book-crossing")
    assert (rows_of(ratings), ratings.scale, ratings.timestamps) == (RATED, (1.0, 10.0), None)
    assert (ratings.n_users, ratings.n_items) == (2, 3)
    assert list(ratings.column_names.values())[:3] == ["User-ID", "ISBN", "Book-Rating"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = cf.datasets.load("book-crossing", missing=None)
    assert (len(kept), kept.scale) == (5, (0.0, 10.0))
    with pytest.warns(cf.errors.DataWarning):
        assert rows_of(cf.datasets.read_book_crossing(path)) == RATED


def test_copies_of_book_crossing_with_commas(tmp_path: Path) -> None:
    put(tmp_path, "Ratings.csv", "User-ID,ISBN,Book-Rating\n1,0155061224,5\n2,0446520802,7\n")
    ratings = cf.datasets.read_book_crossing(tmp_path)
    assert rows_of(ratings) == [(1, "0155061224", 5.0), (2, "0446520802", 7.0)], "ISBNs are text"
    with pytest.raises(cf.DataError, match="outside the scale"):
        cf.datasets.read_book_crossing(put(tmp_path, "bad.csv", "User-ID,ISBN,Book-Rating\n1,X,11\n"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(cf.DataError, match=r"holds no file of Book-Crossing: BX-Book-Ratings\.csv"):
        cf.datasets.read_book_crossing(tmp_path / "empty")


# Jester.

JOKES = [[2, -7.82, 99, 8.79], [3, 0.5, 1.0, -10.0], [0, 99, 99, 99]]
JESTER = [(1, 1, -7.82), (1, 3, 8.79), (2, 1, 0.5), (2, 2, 1.0), (2, 3, -10.0)]


def text(separator: str, decimal: str = ".") -> str:
    lines = (separator.join(f"{value:g}".replace(".", decimal) for value in row) for row in JOKES)
    return "\n".join(lines) + "\n"


def sheet(rows: list[list[float]]) -> bytes:
    """A spreadsheet of Excel 2, the simplest format that readers of xls files know."""
    records = [struct.pack("<4H", 0x0009, 4, 2, 0x10)]
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            records.append(struct.pack("<4H3xd", 0x0003, 15, number, column, value))
    return b"".join([*records, struct.pack("<2H", 0x000A, 0)])


def approximately(rows: list[tuple[int, int, float]]) -> Any:
    return [(user, item, pytest.approx(value, rel=1e-6)) for user, item, value in rows]


@pytest.mark.parametrize(
    "form", ["commas", "tabs", "semicolons", "decimal commas", "header", "xls", "zip", "151"]
)
def test_matrix_of_jester(mine: Path, form: str) -> None:
    name, content = "jester-data-1.csv", text(",").encode()
    if form == "xls":
        name, content = "jester-data-1.xls", sheet(JOKES)
    elif form == "zip":
        name = "jester_dataset_1_1.zip"
        with zipfile.ZipFile(put(mine, f"jester/{name}", b""), "w") as zipped:
            zipped.writestr("jester-data-1.xls", sheet(JOKES))
            zipped.writestr("__MACOSX/._jester-data-1.xls", b"x")
        content = (mine / "jester" / name).read_bytes()
    elif form == "151":
        name = "jesterfinal151cols.csv"
    elif form == "header":
        content = b"count,joke1,joke2,joke3\n" + content
    elif form != "commas":
        content = {"tabs": text("\t"), "semicolons": text(";"), "decimal commas": text(";", ",")}[
            form
        ].encode()
    path = put(mine, f"jester/{name}", content)
    for ratings in (
        cf.datasets.load("jester"),
        cf.datasets.read_jester(path),
        cf.datasets.read_jester(path.parent),
    ):
        assert rows_of(ratings) == approximately(JESTER)
        assert (ratings.n_users, ratings.n_items, ratings.scale) == (3, 3, (-10.0, 10.0))


def test_parts_of_jester_are_numbered_through(mine: Path) -> None:
    put(mine, "jester/jester-data-1.xls", sheet(JOKES))
    put(mine, "jester/jester-data-2.xls", sheet([[1, 99, 4.5, 99]]))
    ratings = cf.datasets.load("jester")
    assert rows_of(ratings) == approximately([*JESTER, (4, 2, 4.5)])
    put(mine, "jester/jester-data-3.xls", sheet([[1, 99, 4.5]]))
    with pytest.raises(cf.DataError, match="3 and 4 columns"):
        cf.datasets.load("jester")


@pytest.mark.parametrize("separator", ["\t\t", "\t", " "])
def test_rows_of_jester(mine: Path, separator: str) -> None:
    lines = [("1", "5", "0.219"), ("1", "7", "-9.281"), ("12", "5", "-10.000"), ("12", "8", "99")]
    put(mine, "jester-2/jester_ratings.dat", "".join(separator.join(line) + "\n" for line in lines))
    put(mine, "jester-2/jester-data-1.csv", text(","))
    for split in (None, 0.34):
        ratings = cf.datasets.load("jester-2", split=split)  # type: ignore[call-overload]
        whole = ratings if split is None else ratings[0].concat(ratings[1])
        assert sorted(rows_of(whole)) == approximately([(1, 5, 0.219), (1, 7, -9.281), (12, 5, -10.0)])
        assert whole.scale == (-10.0, 10.0)


def test_files_that_are_not_of_jester(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = cf.datasets.read_jester
    for name, content, message in (
        ("a.csv", b"1.5,2,99\n", "first column is not the number of jokes rated: 1.5 at row 0.*from_matrix"),
        ("b.csv", b"2,2,11\n", "user 1 and item 2 is 11, outside the scale"),
        ("c.csv", b"1,2\n1,2,3\n", "c.csv: .*columns"),
        ("d.csv", b"x\n", "d.csv holds no numbers"),
        ("e.csv", b"\n", "e.csv is empty"),
        ("f.xlsx", b"PK\x03\x04rest", "f.xlsx is an xlsx file or an archive: save it as csv"),
        ("g.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "g.xls cannot be read as a spreadsheet"),
        ("jester_ratings.dat", b"1 2\n", "has 2 columns, jester_ratings.dat has user, joke and rating"),
        ("k.zip", b"PK\x03\x04rest", "k.zip: "),
    ):
        with pytest.raises(cf.DataError, match=message):
            read(put(tmp_path, name, content))
    with pytest.warns(cf.errors.DataWarning, match="not the number of jokes rated in 1 of 2 rows"):
        assert len(read(put(tmp_path, "h.csv", b"1,2,99\n0,2,99\n"))) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(cf.DataError, match="holds no file of Jester: jester-data"):
        read(tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(
        ImportError, match=r"i.xls is a spreadsheet, which needs xlrd: pip install 'cfcore\[data\]'"
    ):
        read(put(tmp_path, "i.xls", sheet(JOKES)))


# Netflix.

FIRST = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n2059652,4,2005-09-05\n"
SECOND = "3:\n1488844,1,1999-12-31\n7,2,2004-02-29\n"
MOVIES = [(1488844, 1, 3.0), (822109, 1, 5.0), (2059652, 2, 4.0), (1488844, 3, 1.0), (7, 3, 2.0)]
DAYS = ["2005-09-06", "2005-05-13", "2005-09-05", "1999-12-31", "2004-02-29"]


@pytest.mark.parametrize("layout", ["combined", "crlf", "movies", "training_set", "no end"])
def test_netflix(mine: Path, layout: str) -> None:
    folder = mine / "netflix"
    if layout in ("combined", "crlf", "no end"):
        for number, content in ((1, FIRST), (2, SECOND)):
            content = content.replace("\n", "\r\n") if layout == "crlf" else content
            put(folder, f"combined_data_{number}.txt", content[:-1] if layout == "no end" else content)
    else:
        inner = folder / "training_set" if layout == "training_set" else folder
        for movie, content in enumerate(
            (FIRST + SECOND).replace("2:", "|2:", 1).replace("3:", "|3:", 1).split("|"), 1
        ):
            put(inner, f"mv_{movie:07}.txt", content)
    ratings = cf.datasets.load("netflix")
    assert (rows_of(ratings), ratings.scale) == (MOVIES, (1.0, 5.0))
    assert ratings.timestamps is not None
    assert ratings.timestamps.astype("datetime64[s]").astype("datetime64[D]").astype(str).tolist() == DAYS
    assert rows_of(cf.datasets.read_netflix(folder)) == MOVIES


@given(
    st.lists(
        st.tuples(
            st.integers(1, 99_999),
            st.lists(st.tuples(st.integers(0, 10**9 - 1), st.integers(1, 5), st.dates()), max_size=4),
        ),
        min_size=1, max_size=6,
    ),
    st.integers(1, 60),
    st.booleans(),
)  # fmt: skip
def test_netflix_in_blocks_of_any_size(movies: Any, block: int, blank: bool) -> None:
    lines, rows = [], []
    for movie, ratings in movies:
        lines.append(f"{movie}:")
        for user, rating, day in ratings:
            lines += [f"{user},{rating},{day}", *([""] if blank else [])]
            rows.append((user, movie, rating, day.toordinal() - 719163))
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(netflix, "BLOCK", block)
        path = put(Path(folder), "combined_data_1.txt", "\n".join(lines) + "\n")
        found = list(netflix.parsed([path]))
    columns = [np.concatenate(column).tolist() for column in zip(*found, strict=True)] if found else []
    assert list(zip(*columns, strict=True)) == rows


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("5,3,2005-09-06\n", 1, "must come before the ratings"),
        ("1:\n5,6,2005-09-06\n", 2, "rating of 1 to 5"),
        ("1:\n5,3,2005-09-06\n\n5,3,2005-02-29\n", 4, "user,rating,YYYY-MM-DD"),
        ("1:\n5,3,2005-13-01\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n5,3,2005-09-31\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n5;3;2005-09-06\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n-5,3,2005-09-06\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n,3,2005-09-06\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n1234567890,3,2005-09-06\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\n1488844,2005-09-06\n", 2, "user,rating,YYYY-MM-DD"),
        ("1:\nx\n", 2, "user,rating,YYYY-MM-DD"),
        ("one:\n", 1, "must hold the number of a movie"),
        (":\n", 1, "must hold the number of a movie"),
    ],
)
def test_lines_that_are_not_of_netflix(tmp_path: Path, content: str, line: int, why: str) -> None:
    path = put(tmp_path, "combined_data_1.txt", content)
    with pytest.raises(cf.DataError, match=rf"combined_data_1\.txt: line {line} is .*{why}"):
        cf.datasets.read_netflix(path)


def test_folders_without_files_of_netflix(tmp_path: Path) -> None:
    with pytest.raises(cf.DataError, match="holds no file of the Netflix prize: combined_data"):
        cf.datasets.read_netflix(tmp_path)
    for content in ("", "\n\n", "1:\n2:\n"):
        with pytest.raises(cf.DataError, match="holds no ratings"):
            cf.datasets.read_netflix(put(tmp_path, "combined_data_1.txt", content))
    with pytest.raises(FileNotFoundError):
        cf.datasets.read_netflix(tmp_path / "nothing.txt")


def test_several_parts_of_a_data_set(mine: Path) -> None:
    put(mine, "netflix/combined_data_1.txt", FIRST + SECOND)
    parts = cf.datasets.load("netflix", split=(0.2, 0.2))
    assert [len(part) for part in parts] == [3, 1, 1]
