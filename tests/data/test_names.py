"""Names of columns: those of the file or frame come back in frames made of ratings and of lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cfcore as cf

pandas = pytest.importorskip("pandas")

ROWS: dict[str, list[Any]] = {
    "userId": [1, 1, 2, 2, 3, 3],
    "movieId": [10, 20, 10, 30, 20, 30],
    "Stars": [5.0, 3.0, 4.0, 2.0, 1.0, 4.0],
    "unixReviewTime": [5, 6, 7, 8, 9, 10],
}


def frame(**renamed: str) -> Any:
    return pandas.DataFrame({renamed.get(name, name): column for name, column in ROWS.items()})


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "frame"])
def test_frames_of_ratings_have_the_names_that_came_in(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"ratings.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        frame().to_parquet(path)
    elif kind != "frame":
        frame().to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    ratings = cf.Ratings.from_frame(frame()) if kind == "frame" else cf.Ratings.read(path)
    assert list(ratings.column_names.values()) == list(ROWS)
    assert ratings.to_frame("pandas").to_dict("list") == ROWS
    for other in (ratings.subset([0, 2]), ratings.with_scale((0, 5)), ratings.k_core(2, 2)):
        assert list(other.to_frame("pandas")) == list(ROWS)
    both = ratings.concat(cf.Ratings([9], [10], [1.0], [4]))
    assert list(both.to_frame("pandas")) == list(ROWS)


def test_columns_without_a_name_have_that_of_their_role(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    frame().to_csv(path, index=False, header=False)
    numbered = pandas.DataFrame(frame().to_numpy())
    for ratings in (
        cf.Ratings.read(path),
        cf.Ratings([1], [2], [3.0], [4]),
        cf.Ratings.from_scipy(cf.Ratings.from_frame(frame()).to_scipy()),
        cf.Ratings.from_frame(numbered.astype({0: int, 1: int}), user=0, item=1, rating=2, timestamp=3),  # type: ignore[arg-type]
    ):
        assert ratings.column_names == {role: role for role in ("user", "item", "rating", "timestamp")}


def test_names_of_the_levels_of_a_series() -> None:
    series = frame().set_index(["userId", "movieId"])["Stars"]
    model = cf.Baseline().fit(series)
    assert model.column_names_ == {
        "user": "userId",
        "item": "movieId",
        "rating": "Stars",
        "timestamp": "timestamp",
    }
    assert cf.Baseline().fit(series.rename(None)).column_names_["rating"] == "rating"


def test_names_are_part_of_a_model_and_of_its_file(tmp_path: Path) -> None:
    model = cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit(frame())
    assert model.column_names_["item"] == "movieId"
    model.save(tmp_path / "model.cf")
    blend = cf.Blend([cf.Baseline(), cf.GlobalMean()], cv=2).fit(frame())
    for one in (model, cf.load(tmp_path / "model.cf"), blend, model.snapshot()):
        listed = one.recommend([1, 2], 2, as_frame="pandas")
        assert list(listed) == ["userId", "movieId", "score", "rank"]
        assert listed["userId"].tolist() == [1, 2]
        assert listed["movieId"].tolist() == [30, 20]
    (batch,) = model.recommend_batches([1, 2], 2, as_frame="pandas")
    assert batch.equals(model.recommend([1, 2], 2, as_frame="pandas"))
    model.partial_fit(([4], [10], [3.0]))
    assert list(model.recommend(4, as_frame="pandas"))[:2] == ["userId", "movieId"]


def test_similar_items_as_a_frame() -> None:
    model = cf.SVD(n_factors=2, n_epochs=2, random_state=0).fit(frame())
    ids, similarities = model.similar_items(10, 2)
    found = model.similar_items(10, 2, as_frame="pandas")
    assert found.to_dict("list") == {
        "movieId": [10, 10],
        "similar_movieId": ids.tolist(),
        "similarity": similarities.tolist(),
        "rank": [1, 2],
    }
    assert list(model.similar_users(1, 1, as_frame="pandas"))[:2] == ["userId", "similar_userId"]


def test_a_name_that_another_column_has_does_not_replace_it() -> None:
    given = frame(movieId="rank", userId="score")
    model = cf.Baseline().fit(cf.Ratings.from_frame(given, user="score", item="rank", rating="Stars"))
    listed = model.recommend([1], 3, as_frame="pandas")
    assert list(listed) == ["user", "item", "score", "rank"]
    assert listed["user"].tolist() == [1]


def test_damaged_names_in_a_file_are_refused() -> None:
    model = cf.Baseline().fit(frame())
    for wrong in (
        {"user": "u"},
        {**model.column_names_, "user": 3},
        ["user"],
        {**model.column_names_, "item": ""},
    ):
        with pytest.raises(ValueError, match="column_names_ must map user, item, rating, timestamp to names"):
            model.with_parameters(column_names=wrong)
