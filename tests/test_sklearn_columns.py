"""RatingRegressor finds the columns of data frames by name, in fit and in predict."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import cfcore as cf
from cfcore.sklearn import RatingRegressor

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)
USERS, ITEMS, Y = RATINGS.users, RATINGS.items, RATINGS.values.astype(np.float64)
MODEL = cf.Baseline()
EXPECTED = MODEL.clone().fit((USERS, ITEMS, Y)).predict(USERS, ITEMS)


def frames(**columns: Any) -> list[Any]:
    return [pandas.DataFrame(columns), polars.DataFrame(columns), polars.LazyFrame(columns)]


@pytest.mark.parametrize(
    "names", [("user", "item"), ("userId", "movieId"), ("User ID", "isbn"), ("customer", "product_id")]
)
def test_names_count_and_not_positions(names: tuple[str, str]) -> None:
    user, item = names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frame in frames(**{item: ITEMS, user: USERS}):
            regressor = RatingRegressor(MODEL).fit(frame, Y)
            assert regressor.columns_ == (user, item)
            for given in (*frames(**{user: USERS, item: ITEMS}), *frames(**{item: ITEMS, user: USERS})):
                np.testing.assert_array_equal(regressor.predict(given), EXPECTED)


def test_named_by_the_caller_and_one_left_over() -> None:
    frame = pandas.DataFrame({"b": ITEMS, "a": USERS})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for regressor in (
            RatingRegressor(MODEL, user="a", item="b"),
            RatingRegressor(MODEL, user="a"),
            RatingRegressor(MODEL, item="b"),
        ):
            np.testing.assert_array_equal(regressor.fit(frame, Y).predict(frame[["a", "b"]]), EXPECTED)
        regressor = RatingRegressor(MODEL).fit(pandas.DataFrame({"thing": ITEMS, "user": USERS}), Y)
    assert regressor.columns_ == ("user", "thing")
    with pytest.raises(ValueError, match="no column 'who' for user"):
        RatingRegressor(MODEL, user="who").fit(frame, Y)
    with pytest.raises(ValueError, match="X has no names"):
        RatingRegressor(MODEL, user="who").fit(np.column_stack([USERS, ITEMS]), Y)


def test_unusual_names_are_taken_by_position_and_said() -> None:
    frame = pandas.DataFrame({"who": USERS, "what": ITEMS})
    with pytest.warns(cf.DataWarning, match=r"takes the columns 'who', 'what' .*user='who', item='what'"):
        regressor = RatingRegressor(MODEL).fit(frame, Y)
    np.testing.assert_array_equal(regressor.predict(frame[["what", "who"]]), EXPECTED)
    with pytest.raises(ValueError, match=r"4 feature\(s\), 'a', 'b', 'c', 'd': RatingRegressor\(user="):
        RatingRegressor(MODEL).fit(pandas.DataFrame(dict.fromkeys("abcd", USERS)), Y)


def test_further_columns_are_not_used_and_said() -> None:
    notes = np.where(np.arange(len(Y)) % 2, "old", "new")
    frame = pandas.DataFrame({"genre": notes, "movieId": ITEMS, "age": np.nan, "userId": USERS})
    with pytest.warns(cf.DataWarning, match="does not use the columns 'genre', 'age'") as said:
        regressor = RatingRegressor(MODEL).fit(frame, Y)
    assert len(said) == 1
    assert regressor.n_features_in_ == 4
    assert list(regressor.feature_names_in_) == list(frame.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (frame, frame[["userId", "movieId"]], frame.assign(more=1)):
            np.testing.assert_array_equal(regressor.predict(given), EXPECTED)


def test_missing_columns_are_named() -> None:
    regressor = RatingRegressor(MODEL).fit(pandas.DataFrame({"movieId": ITEMS, "userId": USERS}), Y)
    with pytest.raises(
        ValueError, match=r"X has no column 'movieId', which `fit` used; it has 'userId', 'film'"
    ):
        regressor.predict(pandas.DataFrame({"userId": USERS, "film": ITEMS}))
    with pytest.raises(ValueError, match="3 features, but RatingRegressor is expecting 2"):
        regressor.predict(np.column_stack([USERS, ITEMS, ITEMS]))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:X has feature names")
def test_arrays_have_the_columns_of_fit() -> None:
    frame = pandas.DataFrame({"movieId": ITEMS, "userId": USERS})
    by_name = RatingRegressor(MODEL).fit(frame, Y)
    np.testing.assert_array_equal(by_name.predict(frame.to_numpy()), EXPECTED)
    by_position = RatingRegressor(MODEL).fit(np.column_stack([USERS, ITEMS]), Y)
    np.testing.assert_array_equal(by_position.predict(np.column_stack([USERS, ITEMS])), EXPECTED)
    np.testing.assert_array_equal(by_position.predict(frame), EXPECTED)


def test_times() -> None:
    class Timed(cf.Baseline):
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return np.full(len(users), 2.0) if timestamps is None else timestamps % 5.0

    times = np.arange(len(Y)) + 1_000_000_000
    frame = pandas.DataFrame({"timestamp": times, "item": ITEMS, "user": USERS})
    regressor = RatingRegressor(Timed(), scale=(0, 5)).fit(frame, Y)
    np.testing.assert_array_equal(regressor.predict(frame), times % 5)
    with pytest.raises(ValueError, match="no column 'timestamp'"):
        regressor.predict(frame[["user", "item"]])
    named = frame.rename(columns={"timestamp": "seen"})
    regressor = RatingRegressor(Timed(), scale=(0, 5), timestamp="seen").fit(named, Y)
    np.testing.assert_array_equal(regressor.predict(named), times % 5)
    with pytest.warns(cf.DataWarning, match="does not use the columns 'timestamp'"):
        regressor = RatingRegressor(Timed(), scale=(0, 5), timestamp=False).fit(frame, Y)
    np.testing.assert_array_equal(regressor.predict(frame), 2.0)


def test_searches_and_pipelines_of_frames() -> None:
    frame = pandas.DataFrame({"movieId": ITEMS, "userId": USERS})
    swapped = frame[["userId", "movieId"]]
    grid = {"model__reg_user": np.array([1.0, 20.0]), "model__n_epochs": np.array([3, 5], dtype=np.int8)}
    found = [
        GridSearchCV(RatingRegressor(MODEL, scale=(0.5, 5)), grid, cv=3, n_jobs=2).fit(X, Y)
        for X in (frame, swapped)
    ]
    np.testing.assert_array_equal(*(one.cv_results_["mean_test_score"] for one in found))
    assert found[0].best_estimator_.columns_ == ("userId", "movieId")
    pipeline = Pipeline([("same", FunctionTransformer()), ("rate", RatingRegressor(MODEL, scale=(0.5, 5)))])
    np.testing.assert_array_equal(cross_val_score(pipeline, frame, Y), cross_val_score(pipeline, swapped, Y))


def test_times_that_cannot_be_read_are_left_to_models_that_need_them() -> None:
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"user": [1, 2], "item": [1, 2], "timestamp": ["05/23/2014", "05/24/2014"]})
    fitted = RatingRegressor(cf.Baseline()).fit(X, [4.0, 2.0])
    assert len(fitted.predict(X)) == 2
    with pytest.raises(cf.DataError, match="is neither a number nor an ISO 8601 date"):
        RatingRegressor(cf.TimeSVDpp(n_epochs=1)).fit(X, [4.0, 2.0])
