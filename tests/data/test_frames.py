"""Conversion from and to data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

USERS, ITEMS, VALUES, TIMES = ["a", "b", "a"], [3, 3, 4], [1.0, 2.5, 3.0], [10, 20, 30]


def frame(library: str, columns: dict[str, Any]) -> Any:
    module = pytest.importorskip(library)
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])


@LIBRARIES
def test_round_trip(library: str) -> None:
    given = frame(library, {"user": USERS, "item": ITEMS, "rating": VALUES, "timestamp": TIMES})
    ratings = cf.Ratings.from_frame(given, scale=(1, 5))
    assert ratings.users.tolist() == USERS
    assert ratings.items.tolist() == ITEMS
    assert ratings.values.tolist() == VALUES
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == TIMES
    assert ratings.scale == (1.0, 5.0)
    back = ratings.to_frame(library)  # type: ignore[arg-type]
    assert type(back) is type(given)
    again = cf.Ratings.from_frame(back)
    assert again.users.tolist() == USERS
    assert again.timestamps is not None
    assert again.timestamps.tolist() == TIMES


@LIBRARIES
def test_named_columns(library: str) -> None:
    given = frame(library, {"x": VALUES, "who": USERS, "what": ITEMS, "rating": [9.0] * 3})
    ratings = cf.Ratings.from_frame(given, user="who", item="what", rating="x")
    assert ratings.values.tolist() == VALUES
    assert ratings.timestamps is None


@LIBRARIES
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": ["a", None, "b"]}, "column 'user': missing id at row 1"),
        ({"item": [None, 2, 3]}, "column 'item': missing id at row 0"),
        ({"rating": [1.0, 2.0, None]}, "column 'rating': missing value at row 2"),
        ({"rating": [1.0, float("inf"), 2.0]}, "column 'rating': inf at row 1"),
        ({"timestamp": [1, None, 3]}, "column 'timestamp': missing value at row 1"),
        ({"user": ["a", "a", "a"], "item": [1, 2, 1]}, "columns 'user' and 'item': row 2 repeats row 0"),
    ],
)
def test_refused(library: str, change: dict[str, Any], message: str) -> None:
    columns = {"user": USERS, "item": ITEMS, "rating": VALUES, "timestamp": TIMES} | change
    with pytest.raises(cf.DataError, match=message):
        cf.Ratings.from_frame(frame(library, columns))


@LIBRARIES
def test_missing_columns(library: str) -> None:
    given = frame(library, {"who": USERS, "item": ITEMS, "rating": VALUES})
    with pytest.raises(cf.DataError, match="no column looks like the user; name one with user="):
        cf.Ratings.from_frame(given)
    with pytest.raises(cf.DataError, match="the frame has no column 'nobody' for user"):
        cf.Ratings.from_frame(given, user="nobody")


def test_dates_and_categories() -> None:
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame(
        {
            "user": pandas.Categorical(USERS),
            "item": pandas.array(ITEMS, dtype="Int64"),
            "rating": pandas.array(VALUES, dtype="Float64"),
            "timestamp": pandas.to_datetime(TIMES, unit="s"),
        }
    )
    ratings = cf.Ratings.from_frame(given)
    assert ratings.users.tolist() == USERS
    assert ratings.items.tolist() == ITEMS
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == TIMES


def test_names_that_are_not_strings() -> None:
    """Frames that pandas reads from files without a header have the columns 0, 1, 2."""
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame(zip(USERS, ITEMS, VALUES, strict=True))
    ratings = cf.Ratings.from_frame(given, user=0, item=1, rating=2)  # type: ignore[arg-type]
    assert ratings.users.tolist() == USERS
    with pytest.raises(cf.DataError, match=r"no column looks like the user; .* there are 0, 1, 2"):
        cf.Ratings.from_frame(given)
    with pytest.raises(cf.DataError, match="must be unique, and 'item' is there more than once"):
        cf.Ratings.from_frame(given.set_axis(["user", "item", "item"], axis=1))


@LIBRARIES
def test_one_column_has_one_role(library: str) -> None:
    given = frame(library, {"user": USERS, "item": ITEMS, "time": VALUES})
    ratings = cf.Ratings.from_frame(given, rating="time")
    assert ratings.values.tolist() == VALUES
    assert ratings.timestamps is None
    with pytest.raises(cf.DataError, match="column 'item' is named for two roles"):
        cf.Ratings.from_frame(given, user="item", item="item", rating="time")


def test_typed_names() -> None:
    polars = pytest.importorskip("polars")
    given = polars.DataFrame({"user_id:token": USERS, "item_id:token": ITEMS, "rating:float": VALUES})
    assert cf.Ratings.from_frame(given).users.tolist() == USERS


def test_frames_are_copied() -> None:
    """Later changes of the columns of a frame must not change the ratings."""
    pandas = pytest.importorskip("pandas")
    import numpy as np

    values = np.array(VALUES, dtype=np.float32)
    given = pandas.DataFrame({"user": USERS, "item": ITEMS, "rating": values}, copy=False)
    ratings = cf.Ratings.from_frame(given)
    values[:] = 0
    given.loc[:, "rating"] = 0
    assert ratings.values.tolist() == VALUES


def test_lazy_frames_are_collected() -> None:
    """Only the columns needed, and for `fit`, `predict` and `evaluate` as for `from_frame`."""
    polars = pytest.importorskip("polars")
    lazy = polars.LazyFrame({"more": [1, 1, 1], "user": USERS, "item": ITEMS, "rating": VALUES})
    lazy = lazy.with_columns(bad=polars.col("more").map_elements(lambda _: 1 / 0, return_dtype=polars.Int64))
    ratings = cf.Ratings.from_frame(lazy)
    assert (ratings.users.tolist(), ratings.values.tolist()) == (USERS, VALUES)
    model = cf.Baseline().fit(lazy)
    assert model.predict(lazy).tolist() == model.predict(USERS, ITEMS).tolist()
    assert cf.metrics.evaluate(model, lazy) == cf.metrics.evaluate(model, ratings)


def test_arrow_batches_are_frames() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"user": USERS, "item": ITEMS, "rating": VALUES})
    batch = table.to_batches()[0]
    for given in (batch, table.to_reader()):
        assert cf.Ratings.from_frame(given).users.tolist() == USERS
    assert (
        cf.Baseline().fit(batch).predict(batch).tolist()
        == cf.Baseline().fit(table).predict(table).to_pylist()
    )


def test_what_is_no_frame_is_named() -> None:
    with pytest.raises(cf.DataError, match=r"from_frame takes a DataFrame .* got builtins.list"):
        cf.Ratings.from_frame([1, 2])
    with pytest.raises(ValueError, match="library must be one of"):
        cf.Ratings(USERS, ITEMS, VALUES).to_frame("dask")  # type: ignore[arg-type]


def test_levels_of_an_index_are_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"userId": USERS, "item": ITEMS, "rating": VALUES})
    for given in (frame.set_index("userId"), frame.set_index(["userId", "item"]), frame.set_index("item")):
        ratings = cf.Ratings.from_frame(given)
        assert (ratings.users.tolist(), ratings.items.tolist()) == (USERS, ITEMS)
    who = frame.rename(columns={"userId": "who"}).set_index("who")
    assert cf.Ratings.from_frame(who, user="who").users.tolist() == USERS
    model = cf.Baseline().fit(frame)
    predictions = model.predict(frame.set_index("userId"))
    assert predictions.index.tolist() == USERS
    assert predictions.tolist() == model.predict(USERS, ITEMS).tolist()
    # The index of a frame whose columns have users and items stays out of it.
    assert cf.Ratings.from_frame(frame.set_index(frame["item"] * 2)).items.tolist() == ITEMS


@LIBRARIES
def test_times_as_text_are_read_as_in_files(library: str) -> None:
    columns = {"user": USERS, "item": ITEMS, "rating": VALUES}
    for texts, seconds in (
        (["1970-01-02", "1970-01-01T00:00:30+00:00", "1970-01-01 01:00:00"], [86_400, 30, 3600]),
        (["7", "964982703", "-3"], [7, 964982703, -3]),
    ):
        ratings = cf.Ratings.from_frame(frame(library, {**columns, "date": texts}))
        assert ratings.timestamps is not None
        assert ratings.timestamps.tolist() == seconds
    for text, problem in (
        ("05 23, 2014", "'05 23, 2014' at row 1 is neither a number nor an ISO 8601 date"),
        ("12:30", "'12:30' at row 1 is neither a number nor an ISO 8601 date"),
        ("2.5", "'2.5' at row 1 is not a whole number"),
        ("NULL", "missing value at row 1"),
        ("", "missing value at row 1"),
    ):
        bad = frame(library, {**columns, "date": ["1970-01-01", text, "1970-01-01"]})
        with pytest.raises(cf.DataError, match=f"column 'date': {problem}; timestamp=False leaves"):
            cf.Ratings.from_frame(bad)
        assert cf.Ratings.from_frame(bad, timestamp=False).timestamps is None


def test_messages_of_narwhals_stay_inside() -> None:
    pandas = pytest.importorskip("pandas")
    twice = pandas.DataFrame([["a", 1, 2.0]], columns=["user", "item", "item"])
    with pytest.raises(cf.DataError, match="must be unique, and 'item' is there more than once"):
        cf.Baseline().fit(twice)


def test_to_frame_uses_an_installed_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    polars = pytest.importorskip("polars")
    found = importlib.util.find_spec
    hidden = {"pandas"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else found(name))
    ratings = cf.Ratings(USERS, ITEMS, VALUES)
    assert isinstance(ratings.to_frame(), polars.DataFrame)
    hidden |= {"polars", "pyarrow"}
    with pytest.raises(ImportError, match="needs pandas, polars or pyarrow"):
        ratings.to_frame()


def test_integers_of_128_bits_are_read_by_their_values() -> None:
    import polars as pl

    def wide(*numbers: int) -> Any:
        return pl.Series(numbers, dtype=pl.Int128)

    ratings = cf.Ratings.from_frame(
        pl.DataFrame({"user": wide(1, 2**40), "item": wide(3, 3), "rating": wide(4, 5)})
    )
    assert ratings.users.tolist() == [1, 2**40]
    assert ratings.values.tolist() == [4.0, 5.0]
    with pytest.raises(cf.DataError, match="user"):
        cf.Ratings.from_frame(
            pl.DataFrame({"user": wide(1, 2**100), "item": wide(3, 3), "rating": wide(4, 5)})
        )


def test_columns_of_lists_are_refused() -> None:
    import polars as pl

    # Of lists of objects polars makes no Python objects, but ends the process.
    nested = [[[1], [2]], np.array([[1], [2]], dtype=object), [{"id": 1}, {"id": 2}]]
    for users in nested:
        frame = pl.DataFrame({"user": users, "item": [1, 2], "rating": [3, 4]})
        for read in (cf.Ratings.from_frame, cf.Ratings.from_matrix):
            with pytest.raises(cf.DataError, match="user"):
                read(frame)


def test_times_of_few_bits() -> None:
    times = np.array([3, 5, 2048], dtype=np.float16)
    with np.errstate(all="raise"):
        assert cf.Ratings([1, 2, 3], [1, 2, 3], [1, 2, 3], times).timestamps.tolist() == [3, 5, 2048]
