"""Features that come with data sets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import cfcore as cf
from cfcore.data.dataset_features import GENRES

RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,2,3.5,964982224\n2,1,5.0,964983815\n"
MOVIES = (
    "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n"
    '2,"Postman, The (Postino, Il) (1994)",Comedy\n3,Untitled,(no genres listed)\n'
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CFCORE_DATA", str(tmp_path))
    monkeypatch.setenv("CFCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_latest_small(home: Path) -> None:
    folder = home / "ml-latest-small"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(MOVIES)
    ratings, users, items = cf.datasets.load("ml-latest-small", features=True)
    assert len(ratings) == 3
    assert users is None
    assert items["genres"] == [["Adventure", "Animation"], ["Comedy"], []]
    np.testing.assert_array_equal(items["year"], [1995, 1994, np.nan])
    train, test, _, again = cf.datasets.load("ml-latest-small", 0.4, features=True)
    assert (len(train), len(test)) == (2, 1)
    assert again["genres"] == items["genres"]
    assert len(pd.DataFrame(items)) == len(pl.DataFrame(items)) == 3


def test_files_in_an_archive_of_the_user(home: Path) -> None:
    with zipfile.ZipFile(home / "ml-latest-small.zip", "w") as archive:
        archive.writestr("ml-latest-small/ratings.csv", RATINGS)
        archive.writestr("ml-latest-small/movies.csv", MOVIES)
    for _ in range(2):  # the second time from the cache
        items = cf.datasets.load("ml-latest-small", features=True)[-1]
        assert items["item"].tolist() == [1, 2, 3]


def test_files_that_are_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfcore.data.sources.publisher", _nothing)
    folder = home / "ml-latest-small"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    with pytest.raises(cf.datasets.UnavailableError, match=r"movies\.csv beside the ratings, in the folder"):
        cf.datasets.load("ml-latest-small", features=True)
    with pytest.raises(ValueError, match="netflix has no features of users or items; ml-100k, ml-1m"):
        cf.datasets.load("netflix", features=True)
    with pytest.raises(TypeError, match="features must be True or False"):
        cf.datasets.load("ml-latest-small", features="yes")  # type: ignore[call-overload]


def _nothing(*_: object) -> None:
    from cfcore.data.sources import NotFound

    raise NotFound("unreachable")


def test_rows_of_the_other_formats(tmp_path: Path) -> None:
    from cfcore.data.dataset_features import TABLES

    flags = "|".join("1" if name in ("Drama", "War") else "0" for name in GENRES)
    files = {
        "u.user": "1|24|M|technician|85711\n2|53|F|other|T8H1N\n",
        "u.item": f"1|A (1995)|01-Jan-1995||http://x|{flags}\n267|unknown||||{flags}\n",
        "users.dat": "1::F::1::10::48067\n",
        "movies.dat": "7::Caf\xe9 (1999)::Drama|War\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    paths = {name: tmp_path / name for name in files}
    users, items = TABLES["ml-100k"].read(paths)
    assert users is not None
    assert users["region"] == ["8", "T"]
    assert users["age"].tolist() == [24, 53]
    np.testing.assert_array_equal(items["year"], [1995, np.nan])
    assert items["genres"][0] == ["Drama", "War"]
    users, items = TABLES["ml-1m"].read(paths)
    assert users is not None
    assert (users["occupation"], users["gender"], items["year"].tolist()) == (["K-12 student"], ["F"], [1999])
    (tmp_path / "u.user").write_text("1|24\n")
    with pytest.raises(cf.DataError, match="line 1: 5 fields are wanted"):
        TABLES["ml-100k"].read(paths)
