"""Rows, columns and tables that `fit`, `predict` and `evaluate` take."""

from __future__ import annotations

import sqlite3
import warnings
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import as_pairs, as_ratings

USERS, ITEMS, VALUES = [1, 1, 2, 2, 3], [10, 11, 10, 12, 11], [4.0, 5.0, 3.0, 1.0, 2.0]
ROWS = list(zip(USERS, ITEMS, VALUES, strict=True))
PAIRS = list(zip(USERS, ITEMS, strict=True))
COLUMNS = {"rating": VALUES, "userId": USERS, "item_id": ITEMS}

Row = namedtuple("Row", ["item", "user", "rating"])
Plain = namedtuple("Plain", ["user", "item", "rating", "more"])


@dataclass
class Rated:
    user: int
    item: int
    stars: float


def database() -> list[Any]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute("CREATE TABLE r (rating REAL, user INT, item INT)")
    connection.executemany("INSERT INTO r VALUES (?, ?, ?)", [(r, u, i) for u, i, r in ROWS])
    return connection.execute("SELECT * FROM r").fetchall()


FORMS = {
    "list of tuples": ROWS,
    "list of lists": [list(row) for row in ROWS],
    "list of arrays": [np.array(row) for row in ROWS],
    "tuple of tuples": tuple(ROWS),
    "tuple of lists": tuple(list(row) for row in ROWS),
    "array": np.array(ROWS),
    "array of objects": np.array(ROWS, dtype=object),
    "structured array": np.array(ROWS, dtype=[("user", int), ("item", int), ("rating", float)]),
    "dict": COLUMNS,
    "list of dicts": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    "named tuples": [Row(i, u, r) for u, i, r in ROWS],
    "more fields": [Plain(u, i, r, None) for u, i, r in ROWS],
    "data classes": [Rated(*row) for row in ROWS],
    "rows of a database": database(),
    "columns": (USERS, ITEMS, VALUES),
    "columns that are tuples": (tuple(USERS), tuple(ITEMS), tuple(VALUES)),
    "columns that are arrays": (np.array(USERS), np.array(ITEMS), np.array(VALUES)),
}


@pytest.mark.parametrize("form", FORMS)
def test_ratings_in_rows_and_columns(form: str) -> None:
    given = as_ratings(FORMS[form])
    assert (given.users.tolist(), given.items.tolist(), given.values.tolist()) == (USERS, ITEMS, VALUES)
    model = cf.Baseline().fit(FORMS[form])
    np.testing.assert_array_equal(model.predict(FORMS[form]), model.predict(USERS, ITEMS))
    assert cf.metrics.evaluate(model, FORMS[form]) == cf.metrics.evaluate(model, given)


def test_iterators_are_rows() -> None:
    assert as_ratings(zip(USERS, ITEMS, VALUES, strict=True)).users.tolist() == USERS
    model = cf.Baseline().fit(iter(ROWS))
    expected = model.predict(USERS, ITEMS)
    np.testing.assert_array_equal(model.predict(iter(PAIRS)), expected)
    np.testing.assert_array_equal(model.predict(zip(USERS, ITEMS, strict=True), unknown="error"), expected)


@pytest.mark.parametrize(
    "pairs",
    [PAIRS, [list(pair) for pair in PAIRS], np.array(PAIRS), tuple(PAIRS), {"user": USERS, "item": ITEMS}],
    ids=["tuples", "lists", "array", "tuple", "dict"],
)
def test_pairs_in_rows(pairs: Any) -> None:
    users, items, times = as_pairs(pairs)
    assert (list(users), list(items), times) == (USERS, ITEMS, None)


@pytest.mark.parametrize("n", [1, 3, 4, 5])
def test_a_tuple_of_pairs_is_rows(n: int) -> None:
    """Of any number of them: three and four were once taken for columns."""
    model = cf.Baseline().fit(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict(tuple(PAIRS[:n]))
    np.testing.assert_array_equal(found, model.predict(USERS[:n], ITEMS[:n]))


def test_square_tuples_are_rows_and_said_to_be() -> None:
    model = cf.Baseline().fit(ROWS)
    with pytest.warns(cf.errors.DataWarning, match="2 tuples of 2 are taken for rows"):
        found = model.predict(((1, 10), (2, 11)))
    np.testing.assert_array_equal(found, model.predict([1, 2], [10, 11]))
    # The kinds of the values tell: a column of strings is no row.
    columns = (("ann", "bob", "eve"), ("x", "y", "x"), (1.0, 2.0, 3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_ratings(columns).users.tolist() == ["ann", "bob", "eve"]
        assert as_ratings(tuple(zip(*columns, strict=True))).users.tolist() == ["ann", "bob", "eve"]


def test_a_series_with_users_and_items_in_its_index() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"item": ITEMS, "user": USERS, "rating": VALUES})
    for levels in (["user", "item"], ["item", "user"]):
        assert as_ratings(frame.set_index(levels)["rating"]).users.tolist() == USERS
    with pytest.raises(cf.DataError, match=r"ratings must be .* got Series"):
        cf.Baseline().fit(frame["rating"])
    assert as_ratings(list(frame.itertuples())).users.tolist() == USERS


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ([(1, 10, 4.0), (2, 11)], "ratings: row 1 has 2 values; a row has user, item, rating"),
        ([(1, 10)], "ratings: row 0 has 2 values"),
        ([[1, 2], [10, 10], [4, 5]], "row 0 has 2 values; .* columns are given as a tuple"),
        ([(1, 10, 4.0), 7], "ratings: row 1 is 7"),
        ([{"user": 1, "item": 2, "rating": 3}, {"user": 1}], "row 1 does not have the fields of row 0"),
        ({"who": [1], "item": [1], "rating": [1]}, "the dict: no column looks like the user"),
        ([], "ratings must be"),
        ((), "ratings must be"),
        (7, "ratings must be .* got int"),
        ("path.csv", "ratings must be .* got str"),
        (np.zeros((3, 7)), r"not shape \(3, 7\); Ratings.from_matrix"),
        ([1, 2, 3], "ratings must be .* got list of length 3"),
    ],
)
def test_what_is_neither_is_refused(bad: Any, problem: str) -> None:
    with pytest.raises(cf.DataError, match=problem):
        cf.Baseline().fit(bad)


@pytest.mark.parametrize("model", [cf.SVD(), cf.SVDpp(), cf.RBM(), cf.Blend([cf.Baseline()])], ids=repr)
def test_columns_one_by_one_are_explained(model: Any) -> None:
    name = type(model).__name__
    with pytest.raises(
        TypeError, match=rf"{name}\.fit takes all ratings as one .*fit\(\(users, items, values"
    ):
        model.fit(USERS, ITEMS, VALUES)
    with pytest.raises(TypeError, match="RatingRegressor takes X and y"):
        model.fit(PAIRS, VALUES)
    for method in ("fold_in", "partial_fit"):
        if hasattr(model, method):
            with pytest.raises(TypeError, match=rf"{name}\.{method} takes all .*{method}\(\(users, items"):
                getattr(model, method)(USERS, ITEMS, VALUES)


def test_dicts_of_rows_and_sets() -> None:
    """The keys of a dict are no ids, and a set has no order."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(COLUMNS, index=[5, 3, 9, 1, 7])
    for orient in ("dict", "list", "series", "records"):
        assert as_ratings(frame.to_dict(orient)).users.tolist() == USERS
    assert as_ratings(frame.to_records()).users.tolist() == USERS
    model = cf.Baseline().fit(frame)
    by_row = dict(enumerate(USERS))
    for call in (
        lambda: cf.Ratings(by_row, ITEMS, VALUES),
        lambda: cf.Ratings(USERS, ITEMS, by_row),
        lambda: cf.Ratings({*USERS}, [10, 11, 12], [1, 2, 3]),
        lambda: model.predict(by_row, ITEMS),
        lambda: model.predict({1, 2}, 10),
        lambda: model.predict({1, 2}, [10, 11]),
    ):
        with pytest.raises(cf.DataError, match=r"column '(users|values)' is a (dict; a|set, which has no)"):
            call()
    assert len(cf.Ratings(by_row.values(), ITEMS, VALUES)) == len(cf.Ratings(USERS, ITEMS, VALUES))
    assert model.recommend(3, items={12, 10})[0].tolist() == model.recommend(3, items=[12, 10])[0].tolist()


def test_errors_name_the_columns_of_the_frame() -> None:
    pandas = pytest.importorskip("pandas")
    model = cf.Baseline().fit(ROWS)
    frame = pandas.DataFrame({"userId": ["a"], "movieId": [1]})
    with pytest.raises(cf.DataError, match="column 'userId': the ids are integers"):
        model.predict(frame)
    with pytest.raises(cf.DataError, match="column 'movieId': missing id at row 0"):
        model.predict(frame.assign(userId=1, movieId=[None]))


@pytest.mark.parametrize("wrapped", [tuple, list], ids=["tuple", "of lists"])
def test_columns_of_a_frame_in_a_tuple_are_columns(wrapped: Any) -> None:
    """A Series has labels, which are no names of fields as those of a row are."""
    frame = pytest.importorskip("pandas").DataFrame({"u": [1, 1, 2], "i": [1, 2, 1], "r": [4.0, 2.0, 3.0]})
    columns = (frame["u"], frame["i"], frame["r"])
    given = columns if wrapped is tuple else tuple(map(list, columns))
    model = cf.Baseline().fit(given)
    assert model.predict(given).tolist() == model.predict(frame["u"], frame["i"]).tolist()
    assert cf.metrics.evaluate(model, given)["rmse"] < 1
    assert model.predict((frame["u"], frame["i"])).tolist() == model.predict(frame["u"], frame["i"]).tolist()


def test_remedies_name_the_call_that_has_the_argument() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"user": [1, "1"], "item": [1, 2], "rating": [4.0, 2.0]})
    with pytest.raises(cf.DataError, match=r"cf\.Ratings\.from_frame\(frame, ids=str\) makes strings of all"):
        cf.Baseline().fit(frame)
    assert cf.Ratings.from_frame(frame, ids=str).users.tolist() == ["1", "1"]
    frame = frame.assign(user=[1, 2], rating=[4.0, None], timestamp=["x", "y"])
    with pytest.raises(cf.DataError, match=r"from_frame\(frame, missing=float\(.nan.\)\) leaves such rows"):
        cf.Baseline().fit(frame)
    assert len(cf.Ratings.from_frame(frame, missing=float("nan"), timestamp=False)) == 1
    model = cf.TimeSVDpp(n_epochs=1, n_factors=2).fit(([1, 2], [1, 2], [4, 2], [880000000, 890000000]))
    with pytest.raises(cf.DataError, match=r"cf\.Ratings\.from_frame\(frame, timestamp=False\) leaves"):
        cf.metrics.evaluate(model, frame.assign(rating=4.0))
    with pytest.raises(cf.DataError, match="; timestamps=False leaves"):
        model.predict(frame)
    assert len(model.predict(frame, timestamps=False)) == 2
    with pytest.raises(cf.DataError, match=r"cf\.Ratings\(users, items, values, timestamps=False\) leaves"):
        model.clone().fit(([1, 2], [1, 2], [4, 2], ["x", "y"]))


def test_ratings_as_text_in_a_frame_say_what_they_are() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"user": [1, 2], "item": [1, 2], "rating": ["4", "2"]})
    with pytest.raises(cf.DataError, match=r"'4' at row 0 is text, not a number; .* astype\(float\)"):
        cf.Ratings.from_frame(frame)
