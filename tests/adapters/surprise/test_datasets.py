"""Readers and data sets of the drop-in: files, folds, frames, built-in ones."""

from __future__ import annotations

import builtins
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cfcore.adapters.surprise import builtin_datasets as downloads
from cfcore.surprise import Dataset, Reader, get_dataset_dir
from cfcore.surprise.dataset import DatasetAutoFolds, DatasetUserFolds
from cfcore.surprise.model_selection import KFold, PredefinedKFold

FRAME = pd.DataFrame({"item": [1, 2, 1, 3], "user": ["b", "a", "a", "b"], "rating": [3, 2, 4, 1.5]})
ROWS = [("b", 1, 3.0, None), ("a", 2, 2.0, None), ("a", 1, 4.0, None), ("b", 3, 1.5, None)]


@pytest.fixture
def data() -> DatasetAutoFolds:
    return Dataset.load_from_df(FRAME[["user", "item", "rating"]], Reader(rating_scale=(1, 5)))


# ---------------------------------------------------------------------- readers


def test_reader_fields() -> None:
    reader = Reader(line_format="timestamp rating item user", sep=",", skip_lines=2, rating_scale=(0, 10))
    assert (reader.sep, reader.skip_lines, reader.rating_scale) == (",", 2, (0, 10))
    assert reader.with_timestamp
    assert reader.indexes == [3, 2, 1, 0]
    assert reader.parse_line("12, 4,i 1,u\n") == ("u", "i 1", 4.0, "12")
    assert Reader().parse_line(" u  i  3 x\n") == ("u", "i", 3.0, None)
    assert Reader("jester").rating_scale == (-10, 10)
    assert (Reader(name="ml-1m").sep, Reader("ml-100k").sep) == ("::", "\t")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ml-3"}, "unknown reader ml-3. Accepted values are ml-100k, ml-1m, jester."),
        ({"line_format": "user, item, rating"}, "line_format parameter is incorrect"),
        ({"line_format": "user item rating other"}, "line_format parameter is incorrect"),
        ({"line_format": "user item"}, "'rating' is not in list"),
    ],
)
def test_readers_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reader(**arguments)


# ---------------------------------------------------------------------- files and frames


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user;item;rating\nb;1;3\na;2;2\n")
    data = Dataset.load_from_file(str(path), reader=Reader(sep=";", skip_lines=1))
    assert data.raw_ratings == [("b", "1", 3.0, None), ("a", "2", 2.0, None)]
    assert data.read_ratings(str(path)) == data.raw_ratings
    with pytest.raises(ValueError, match="Impossible to parse line"):
        Dataset.load_from_file(str(path), Reader(sep=",", skip_lines=1))
    with pytest.raises(ValueError, match="could not convert string to float"):
        Dataset.load_from_file(str(path), Reader(sep=";"))
    with pytest.raises(OSError, match="nowhere"):
        Dataset.load_from_file(str(tmp_path / "nowhere"), Reader())


def test_own_reader_is_asked_for_each_line(tmp_path: Path) -> None:
    class Halves(Reader):
        def parse_line(self, line: str) -> tuple[str, str, float, str | None]:
            user, item, rating, time = super().parse_line(line)
            return user, item, rating / 2, time

    path = tmp_path / "ratings"
    path.write_text("b 1 3\n")
    assert Dataset.load_from_file(str(path), Halves()).raw_ratings == [("b", "1", 1.5, None)]


def test_frame(data: DatasetAutoFolds) -> None:
    assert data.raw_ratings == ROWS
    assert all(type(item) is int for _, item, _, _ in data.raw_ratings)
    assert list(data.df.columns) == ["user", "item", "rating"]
    trainset = data.build_full_trainset()
    assert [trainset.to_raw_uid(inner) for inner in range(2)] == ["b", "a"]
    assert trainset.ur == {0: [(0, 3.0), (2, 1.5)], 1: [(1, 2.0), (0, 4.0)]}
    assert data.construct_trainset(data.raw_ratings).ur == trainset.ur
    assert data.construct_testset(data.raw_ratings) == [row[:3] for row in ROWS]


def test_frames_refused() -> None:
    with pytest.raises(
        ValueError, match=r"too many values to unpack \(expected 3\).*\['user', 'item', 'rating'\]"
    ):
        Dataset.load_from_df(FRAME.assign(time=0), Reader())
    with pytest.raises(ValueError, match="not enough values to unpack"):
        Dataset.load_from_df(FRAME[["user", "item"]], Reader())
    with pytest.raises(ValueError, match="could not convert string to float"):
        Dataset.load_from_df(FRAME[["user", "item", "user"]], Reader())
    with pytest.raises(ValueError, match="Must specify ratings file or dataframe"):
        DatasetAutoFolds(reader=Reader())
    with pytest.raises(AttributeError, match="pandas"):
        Dataset.load_from_df([("a", 1, 3.0)], Reader())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.5, 2.5, 1.5]),
        pd.Series(["x", "y", "x"], dtype="string"),
        pd.Series(["x", "y", "x"], dtype="category"),
        pd.Series([3, 7, 3], dtype="Int64"),
        pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"])),
        pd.Series([300, 2, 300], dtype="uint16"),
        pd.Series([("x", 1), "y", ("x", 1)]),
    ],
)
def test_ids_of_any_type(column: pd.Series[Any]) -> None:
    frame = pd.DataFrame({"user": column, "item": [1, 2, 3], "rating": ["1", "2", "3"]})
    data = Dataset.load_from_df(frame, Reader())
    trainset = data.build_full_trainset()
    assert trainset.ur == {0: [(0, 1.0), (2, 3.0)], 1: [(1, 2.0)]}
    assert [row[0] for row in data.raw_ratings] == list(column)
    assert trainset.to_raw_uid(1) == list(column)[1]


def test_missing_ids_are_told_apart_as_by_a_dict() -> None:
    frame = pd.DataFrame({"user": [float("nan")] * 2, "item": [None, None], "rating": [1, 2]})
    trainset = Dataset.load_from_df(frame, Reader()).build_full_trainset()
    assert (trainset.n_users, trainset.n_items) == (2, 1)


def test_later_changes_of_the_frame_do_not_count(data: DatasetAutoFolds) -> None:
    frame = FRAME[["user", "item", "rating"]].copy()
    data = Dataset.load_from_df(frame, Reader())
    frame["rating"] = 5
    assert data.raw_ratings == ROWS


def test_raw_ratings_may_be_shuffled_and_set(data: DatasetAutoFolds) -> None:
    expected = list(ROWS)
    random.Random(3).shuffle(expected)
    random.Random(3).shuffle(data.raw_ratings)
    assert data.raw_ratings == expected
    assert list(data.build_full_trainset().inner_ids()["users"]) == list(
        dict.fromkeys(row[0] for row in expected)
    )
    data.raw_ratings = ROWS[2:]
    assert data.n_ratings == 2
    assert data.build_full_trainset().n_ratings == 2
    _, testset = next(KFold(2, shuffle=False).split(data))
    assert testset == [ROWS[2][:3]]


def test_tuples_of_another_length(data: DatasetAutoFolds) -> None:
    with pytest.raises(ValueError, match="not enough values to unpack"):
        data.construct_trainset([("a", 1, 3.0)])  # type: ignore[list-item]


def test_subclasses_construct_their_own_sets(data: DatasetAutoFolds) -> None:
    class Doubled(DatasetAutoFolds):
        def construct_testset(self, raw_testset: Any) -> Any:
            return 2 * super().construct_testset(raw_testset)

    own = Doubled(reader=Reader(), df=data.df)
    _, testset = next(KFold(2, shuffle=False).split(own))
    assert testset == 2 * [row[:3] for row in ROWS[:2]]


# ---------------------------------------------------------------------- folds


def test_folds(tmp_path: Path) -> None:
    for name, text in (("train", "b 1 3\na 1 4\n"), ("test", "b 2 1\n")):
        (tmp_path / name).write_text(text)
    files = (str(tmp_path / "train"), str(tmp_path / "test"))
    data = Dataset.load_from_folds([files, files[::-1]], reader=Reader())
    assert isinstance(data, DatasetUserFolds)
    splits = PredefinedKFold()
    with pytest.raises(AttributeError, match="n_splits"):
        splits.get_n_folds()
    first, second = splits.split(data)
    assert splits.get_n_folds() == 2
    assert (first[0].n_ratings, first[1]) == (2, [("b", "2", 1.0)])
    assert second[1] == [("b", "1", 3.0), ("a", "1", 4.0)]
    with pytest.raises(ValueError, match="does not exist"):
        Dataset.load_from_folds([("nowhere", files[1])], Reader())
    with pytest.raises(ValueError, match="File nowhere does not exist"):
        Dataset.load_from_folds([("nowhere",)], Reader())  # type: ignore[list-item]


# ---------------------------------------------------------------------- built-in data sets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Downloads, in place of which a small archive is written."""
    asked: list[str] = []

    def retrieve(url: str, path: str) -> None:
        asked.append(url)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("ml-100k/u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n")

    monkeypatch.setattr(downloads, "urlretrieve", retrieve)
    return asked


def test_a_built_in_data_set_is_downloaded_once(
    folder: Path, server: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = Dataset.load_builtin("ml-100k", prompt=False)
    assert data.raw_ratings[0] == ("196", "242", 3.0, "881250949")
    assert f"Done! Dataset ml-100k has been saved to {folder / 'ml-100k'}" in capsys.readouterr().out
    assert (folder / "ml-100k" / "ml-100k" / "u.data").is_file()
    assert len(Dataset.load_builtin().raw_ratings) == 2
    assert len(server) == 1
    assert get_dataset_dir() == str(folder)


@pytest.mark.parametrize(("answers", "downloads"), [(["n"], 0), (["x", "NO"], 0), (["Y"], 1), ([""], 1)])
def test_prompt(
    folder: Path,
    server: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[str],
    downloads: int,
) -> None:
    given = iter(answers)
    monkeypatch.setattr(builtins, "input", lambda *_: next(given))
    if downloads:
        assert len(Dataset.load_builtin("ml-100k").raw_ratings) == 2
    else:
        with pytest.raises(SystemExit):
            Dataset.load_builtin("ml-100k")
        assert capsys.readouterr().out.endswith("Ok then, I'm out!\n")
    assert len(server) == downloads


def test_a_data_set_of_cfcore_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SURPRISE_DATA_FOLDER", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CFCORE_DATA", str(tmp_path))
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("1\t2\t3\t4\n")
    (tmp_path / "ml-100k" / "u.item").write_text("2|Title\n")
    assert Dataset.load_builtin("ml-100k").raw_ratings == [("1", "2", 3.0, "4")]
    assert "has been copied from" in capsys.readouterr().out
    titles = Path(get_dataset_dir()) / "ml-100k" / "ml-100k" / "u.item"  # where the guide reads them
    assert titles.read_text() == "2|Title\n"
    assert titles.is_relative_to(tmp_path / ".surprise_data")
    with pytest.raises(ValueError, match=r"unknown dataset x\. Accepted values are ml-100k, ml-1m, jester\."):
        Dataset.load_builtin("x")
    assert np.isfinite(Dataset.load_builtin("ml-100k").build_full_trainset().global_mean)
