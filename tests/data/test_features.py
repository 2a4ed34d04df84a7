"""`Features`: tables of all forms become the same sparse matrix; errors name the column and the row."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

import cfcore as cf

TABLE: dict[str, Any] = {
    "user": [30, 10, 20],
    "age": [20, 40, 60],
    "sex": ["F", "M", "F"],
    "likes": [["a", "b"], [], ["b"]],
    "vip": [True, False, True],
}
NAMES = (
    "age=[, 40)", "age=[40, 60)", "age=[60, )", "sex=F", "sex=M", "likes=a", "likes=b", "vip",
)  # fmt: skip
ROWS = [[0, 1, 0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0, 1, 1], [1, 0, 0, 1, 0, 1, 1, 1]]


def by_rows() -> dict[int, dict[str, Any]]:
    names = [name for name in TABLE if name != "user"]
    return {user: {name: TABLE[name][at] for name in names} for at, user in enumerate(TABLE["user"])}


FORMS: dict[str, Any] = {
    "dict of columns": TABLE,
    "dict of rows": by_rows(),
    "list of rows": [{"user": user, **row} for user, row in by_rows().items()],
    "pandas": pd.DataFrame(TABLE),
    "pandas with an index": pd.DataFrame(TABLE).set_index("user"),
    "pandas with categories": pd.DataFrame(TABLE).astype({"sex": "category"}),
    "polars": pl.DataFrame(TABLE),
    "polars, lazy": pl.LazyFrame(TABLE),
    "polars with categories": pl.DataFrame(TABLE).with_columns(pl.col("sex").cast(pl.Categorical)),
    "pyarrow": pa.table(TABLE),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_the_same(form: str) -> None:
    found = cf.Features(FORMS[form], numbers="bins")
    assert found.names == NAMES
    np.testing.assert_array_equal(found.ids, [10, 20, 30])
    np.testing.assert_array_equal(found.to_scipy().toarray(), ROWS)


def test_lists_of_categories_by_id_and_matrices() -> None:
    found = cf.Features({"x": ["War", "Drama"], "a": ["Drama", "Drama"]})
    assert found.names == ("Drama", "War")
    np.testing.assert_array_equal(found.to_scipy().toarray(), [[1, 0], [1, 1]])
    matrix = np.array([[0.5, 0.0], [0.0, 2.0]])
    for given in (
        cf.Features(sp.csr_array(matrix), ["b", "a"]),
        cf.Features((sp.coo_matrix(matrix), ["b", "a"])),
    ):
        assert given.ids.tolist() == ["a", "b"]
        np.testing.assert_array_equal(given.to_scipy().toarray(), matrix[::-1])
    assert cf.Features(sp.csr_array(matrix)).ids.tolist() == [0, 1]


def test_numbers() -> None:
    ages = np.arange(200)
    binned = cf.Features({"user": ages, "age": ages}, numbers="bins", n_bins=4)
    assert binned.names == ("age=[, 50)", "age=[50, 100)", "age=[100, 150)", "age=[150, )")
    plain = cf.Features({"user": ages, "age": ages}).to_scipy().toarray()
    assert abs(plain.mean()) < 1e-6
    assert plain.std() == pytest.approx(1)
    as_text = cf.Features({"user": [1, 2], "job": [7, 12]}, categories=["job"])
    assert as_text.names == ("job=12", "job=7")
    flags = cf.Features({"user": [1, 2], "drama": [0, 1], "war": [1.0, 0.0]})
    np.testing.assert_array_equal(flags.to_scipy().toarray(), [[0, 1], [1, 0]])


def test_what_is_missing_has_a_feature_of_its_own_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    table = {"user": ["x", "y", "z"], "age": [3, None, 5], "sex": ["F", "M", None]}
    with pytest.warns(cf.errors.DataWarning) as told:
        found = cf.Features(table, numbers="bins")
    assert [str(one.message)[:62] for one in told] == [
        "features: column 'age' has no value in 1 of 3 rows, the first ",
        "features: column 'sex' has no value in 1 of 3 rows, the first ",
    ]
    assert "'y'" in str(told[0].message)
    assert found.names == ("age=[, 5)", "age=[5, )", "age=missing", "sex=F", "sex=M", "sex=missing")
    np.testing.assert_array_equal(found.to_scipy().toarray()[1], [0, 0, 1, 0, 1, 0])
    ages = [float("nan"), *range(300)]  # few of many are logged
    with caplog.at_level(logging.INFO, logger="cfcore"):
        cf.Features({"user": np.arange(301), "age": ages})
    assert "column 'age' has no value in 1 of 301 rows, the first with id 0" in caplog.text


def test_guesses_are_said() -> None:
    with pytest.warns(cf.errors.DataWarning, match=r"column 'genres' is read as lists of categories"):
        found = cf.Features({"item": [1, 2], "genres": ["Drama|War", "War"]})
    assert found.names == ("genres=Drama", "genres=War")
    whole = cf.Features({"item": [1, 2], "genres": ["Drama|War", "War"]}, categories=["genres"])
    assert whole.names == ("genres=Drama|War", "genres=War")
    titles = {"item": np.arange(40), "title": [f"film {at}" for at in range(40)], "year": np.arange(40) // 8}
    with pytest.warns(cf.errors.DataWarning, match=r"column 'title' has 40 texts in 40 rows"):
        assert cf.Features(titles).names == ("year",)
    assert len(cf.Features(titles, categories=["title"]).names) == 41


def test_further_rows_in_the_same_encoding() -> None:
    features = cf.Features(TABLE, numbers="bins")
    new = {"likes": [["b"]], "vip": [True], "user": [99], "age": [45], "sex": ["M"], "more": [1]}
    np.testing.assert_array_equal(features.transform(new).to_scipy().toarray(), [[0, 1, 0, 0, 1, 0, 1, 1]])
    again = features.transform(pd.DataFrame(TABLE))
    assert (again.to_scipy() != features.to_scipy()).nnz == 0
    with pytest.warns(cf.errors.DataWarning, match=r"column 'sex' has 'X'.*first for id 99"):
        found = features.transform({**new, "sex": ["X"]})
    assert found.to_scipy().toarray()[0, 3:5].tolist() == [0, 0]
    with pytest.raises(cf.DataError, match="there is no column 'sex', which the table of the fit has"):
        features.transform({name: column for name, column in new.items() if name != "sex"})
    with pytest.raises(cf.DataError, match="column 'age' must hold numbers, as in the fit"):
        features.transform({**new, "age": ["old"]})
    assert repr(pickle.loads(pickle.dumps(features))) == repr(features)
    with pytest.raises(AttributeError, match="immutable"):
        features.ids = new  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"user": [7, 8, 7], "a": [1, 2, 3]},
            r"row 2 repeats the id of row 0 \(column 'user', 7\); keep one",
        ),
        ({"user": [7, None], "a": [1, 2]}, "column 'user': missing id at row 1"),
        ({"user": ["x", "y"], "a": [1, np.inf]}, r"column 'a' is infinite in row 1 \(id 'y'\)"),
        ({"user": [7, 8], "a": ["x", 2]}, "column 'a' holds 'x' in row 0 and 2 in row 1"),
        ({"user": [7, 8], "a": [1, 2, 3]}, "column 'a' has 3 rows, and there are 2 ids"),
        ({"user": [7, 8], "a": [None, None]}, "column 'a' has no value in any row"),
        ({"user": [7], "a": np.array(["2020-01-01"], "M8[D]")}, "column 'a' holds dates; give a number"),
        ({"foo": [1, 2], "a": [1, 2]}, "no column looks like the ids; rename one to 'user'"),
        ({"user": [7, 8]}, "there is no column of features beside the ids"),
        (pl.DataFrame({"foo": [1, 2], "a": [1, 2]}), "no column looks like the ids"),
        ({"user": [], "a": []}, "holds no rows"),
        ({1: {"a": 1}, 2: 3}, "the features of 1 must be"),
        (sp.csr_array([[np.nan]]), "the entry of row 0 and column 0 is nan"),
        ((sp.csr_array([[1.0]]), [1, 2]), "the matrix has 1 rows, and there are 2 ids"),
        ({}, "holds no rows"),
        (3, "must be a DataFrame, a dict of columns"),
    ],
)
def test_refusals(table: Any, message: str) -> None:
    with pytest.raises(cf.DataError, match=message):
        cf.Features(table)


def test_arguments() -> None:
    with pytest.raises(ValueError, match="numbers must be"):
        cf.Features(TABLE, numbers="log")
    with pytest.raises(ValueError, match="n_bins must be"):
        cf.Features(TABLE, numbers="bins", n_bins=1)
    with pytest.raises(ValueError, match='n_bins is of numbers="bins"'):
        cf.Features(TABLE, n_bins=4)
    with pytest.raises(TypeError, match="categories must be a list"):
        cf.Features(TABLE, categories="sex")
    with pytest.raises(cf.DataError, match="there is no column 'x'"):
        cf.Features(TABLE, categories=["x"])
    assert cf.Features({**TABLE, "key": [1, 2, 3]}, id="key").ids.tolist() == [1, 2, 3]
    with pytest.raises(cf.DataError, match="there is no column 'key' of ids"):
        cf.Features(TABLE, id="key")
