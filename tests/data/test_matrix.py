"""Matrices of users x items (dense, pivot tables, sparse), and ratings that stand for none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

NAN = float("nan")
MATRIX = np.array([[5, NAN, 3], [NAN, 4, NAN], [1, NAN, NAN], [NAN, NAN, NAN]])


def rows_of(ratings: cf.Ratings) -> list[tuple[Any, ...]]:
    columns = (ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist())
    return list(zip(*columns, strict=True))


EXPECTED = [(0, 0, 5.0), (0, 2, 3.0), (1, 1, 4.0), (2, 0, 1.0)]


@pytest.mark.parametrize(
    ("matrix", "missing"),
    [
        (MATRIX, None),
        (MATRIX.astype(np.float32), NAN),
        (MATRIX.tolist(), None),
        ([[None if value != value else value for value in row] for row in MATRIX.tolist()], None),
        (np.nan_to_num(MATRIX), 0),
        (np.nan_to_num(MATRIX).astype(np.int8), 0),
        (np.nan_to_num(MATRIX, nan=99), [99]),
        (np.where(np.isnan(MATRIX), [[-1, 99, NAN]], MATRIX), [-1, 99, NAN]),
        (np.ma.masked_invalid(MATRIX), None),
        (np.asfortranarray(MATRIX), None),
    ],
)
def test_dense_matrix(matrix: Any, missing: Any) -> None:
    ratings = cf.Ratings.from_matrix(matrix, missing=missing)
    assert rows_of(ratings) == EXPECTED
    assert (ratings.n_users, ratings.n_items, ratings.scale) == (4, 3, (1.0, 5.0))


def test_ids_of_rows_and_columns_in_any_order() -> None:
    given: dict[str, Any] = {"user_ids": ["d", "a", "c", "b"], "item_ids": np.array([30, 10, 20])}
    expected = [("d", 30, 5.0), ("d", 20, 3.0), ("a", 10, 4.0), ("c", 30, 1.0)]
    from scipy.sparse import coo_array, csc_matrix

    zeros = np.nan_to_num(MATRIX)
    for ratings in (
        cf.Ratings.from_matrix(MATRIX, **given),
        cf.Ratings.from_scipy(coo_array(zeros), **given),
        cf.Ratings.from_scipy(csc_matrix(zeros), **given),
    ):
        assert sorted(rows_of(ratings)) == sorted(expected)
        assert ratings.user_ids.tolist() == ["a", "b", "c", "d"]
        assert ratings.item_ids.tolist() == [10, 20, 30]
        again = ratings.to_scipy().toarray()
        np.testing.assert_array_equal(again[[3, 0, 2, 1]][:, [2, 0, 1]], zeros)


def test_missing_in_a_sparse_matrix_keeps_the_vocabulary() -> None:
    from scipy.sparse import coo_array

    matrix = coo_array(([0.0, 2.0, NAN], ([0, 3, 4], [1, 1, 2])), shape=(6, 4))
    ratings = cf.Ratings.from_scipy(matrix, missing=[0, NAN])
    assert (rows_of(ratings), ratings.n_users, ratings.n_items) == ([(3, 1, 2.0)], 6, 4)


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "sparse": (None, {}, "Ratings.from_scipy takes a sparse matrix"),
    "one dimension": ([1.0, 2.0], {}, r"matrix of users x items, got shape \(2,\)"),
    "three dimensions": (np.ones((2, 2, 2)), {}, r"got shape \(2, 2, 2\)"),
    "ragged": ([[1, 2], [3]], {}, "rows of the matrix differ in length"),
    "text": ([["a", "b"]], {}, "entries must be numbers"),
    "no rating": (MATRIX[3:], {}, "no entry of the 1 x 3 matrix is a rating"),
    "infinite": ([[1, np.inf]], {}, r"user 0 and item 1 is inf, not a finite .*missing=float\(\"inf\"\)"),
    "outside the scale": (
        [[99, 1.5]],
        {"scale": (-10, 10), "user_ids": ["ann"], "item_ids": ["x", "y"]},
        r"user ann and item x is 99, outside the scale \(-10, 10\); missing=99 leaves",
    ),
    "too few users": (MATRIX, {"user_ids": [1, 2]}, "user_ids has 2 ids, and the matrix has 4 rows"),
    "too many items": (MATRIX, {"item_ids": range(9)}, "item_ids has 9 ids, and the matrix has 3 columns"),
    "repeated id": (MATRIX, {"item_ids": ["a", "b", "a"]}, "item_ids: a is there more than once"),
    "missing id": (MATRIX, {"user_ids": [1, 2, None, 4]}, "'user_ids': missing id at row 2"),
    "user without a frame": (MATRIX, {"user": "x"}, "user='x' names a column, and the matrix is no frame"),
}


@pytest.mark.parametrize(("matrix", "given", "message"), BAD.values(), ids=BAD)
def test_refused(matrix: Any, given: dict[str, Any], message: str) -> None:
    if matrix is None:
        from scipy.sparse import coo_array

        matrix = coo_array(np.eye(2))
    with pytest.raises(cf.DataError, match=message):
        cf.Ratings.from_matrix(matrix, **given)


# Pivot tables.

LONG = {"userId": [2, 2, 1, 3], "movieId": [10, 30, 10, 20], "rating": [5.0, 3.0, 4.0, 2.0]}
PAIRS = sorted(zip(*LONG.values(), strict=True))


@pytest.mark.parametrize("form", ["pivot", "reset", "zeros", "nullable", "objects", "sparse"])
def test_pivot_of_pandas(form: str) -> None:
    pandas = pytest.importorskip("pandas")
    pivot = pandas.DataFrame(LONG).pivot(index="userId", columns="movieId", values="rating")
    missing = None
    if form == "reset":
        pivot = pivot.reset_index()
    elif form == "zeros":
        pivot, missing = pivot.fillna(0), 0
    elif form == "nullable":
        pivot = pivot.astype("Int64")
    elif form == "objects":
        pivot = pivot.astype(object)
    elif form == "sparse":
        pivot = pivot.astype(pandas.SparseDtype(float))
    ratings = cf.Ratings.from_matrix(pivot, missing=missing)
    assert rows_of(ratings) == PAIRS
    assert (ratings.column_names["user"], ratings.column_names["item"]) == ("userId", "movieId")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_pivot_of_other_libraries(library: str) -> None:
    polars = pytest.importorskip("polars")
    pivot = polars.DataFrame(LONG).pivot("movieId", index="userId", values="rating")

    def of(frame: Any) -> Any:
        return frame.to_arrow() if library == "pyarrow" else frame

    ratings = cf.Ratings.from_matrix(of(pivot))
    assert sorted(rows_of(ratings)) == PAIRS
    assert ratings.item_ids.dtype == np.int64
    if library == "polars":
        assert sorted(rows_of(cf.Ratings.from_matrix(pivot.lazy()))) == PAIRS
    who = pivot.rename({"userId": "who"})
    assert sorted(rows_of(cf.Ratings.from_matrix(of(who), user="who"))) == PAIRS
    text = who.with_columns(polars.col("who").cast(str))
    assert cf.Ratings.from_matrix(of(text)).user_ids.tolist() == ["1", "2", "3"]
    with pytest.raises(cf.DataError, match="no column looks like the user; name it by user="):
        cf.Ratings.from_matrix(of(who))
    bare = who.drop("who")
    assert sorted(rows_of(cf.Ratings.from_matrix(of(bare), user_ids=[2, 1, 3]))) == PAIRS
    padded = pivot.rename({"10": "010"})
    assert cf.Ratings.from_matrix(of(padded)).item_ids.tolist() == ["010", "20", "30"]


def test_pivot_that_was_written_to_a_file(tmp_path: Any) -> None:
    pandas = pytest.importorskip("pandas")
    pivot = pandas.DataFrame(LONG).pivot(index="userId", columns="movieId", values="rating")
    expected = [(user, str(item), value) for user, item, value in PAIRS]
    for named in (pivot, pivot.rename_axis(None)):
        named.to_csv(tmp_path / "wide.csv")
        again = pandas.read_csv(tmp_path / "wide.csv")
        assert rows_of(cf.Ratings.from_matrix(again)) == expected
    who = pivot.rename_axis("who").reset_index()
    assert rows_of(cf.Ratings.from_matrix(who)) == PAIRS, "the items are numbers, and one column has a name"
    who.to_csv(tmp_path / "wide.csv", index=False)
    again = pandas.read_csv(tmp_path / "wide.csv")
    assert rows_of(cf.Ratings.from_matrix(again, user="who")) == expected
    with pytest.warns(cf.errors.DataWarning, match="no ids of users, so they are 0 to 2.*user="):
        assert cf.Ratings.from_matrix(again).n_items == 4
    with pytest.raises(
        cf.DataError, match=r"'who'.*is text, not a number; .*name the column of users by user="
    ):
        cf.Ratings.from_matrix(again.assign(who=["a", "b", "c"]))
    with pytest.raises(cf.DataError, match="no column 'reader'"):
        cf.Ratings.from_matrix(pivot, user="reader")
    with pytest.raises(cf.DataError, match="from_matrix takes a DataFrame"):
        cf.Ratings.from_matrix(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


# Ratings that stand for none, in columns.


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ([99, 4, 3, 99], 99),
        ([0, 4, 3, 0], 0),
        ([NAN, 4, 3, NAN], NAN),
        ([None, 4, 3, None], NAN),
        ([99, 4, 3, -1], (99, -1)),
        ([99, 4, 3, NAN], [NAN, 99]),
        (np.ma.masked_equal([7, 4, 3, 7], 7), NAN),
        (np.array([99, 4, 3, 99], dtype=np.uint8), np.int64(99)),
        ([0.1, 4, 3, 0.1], 0.1),
    ],
)
def test_missing_ratings_are_left_out(values: Any, missing: Any) -> None:
    ratings = cf.Ratings(
        ["d", "a", "c", "b"], [1, 2, 3, 2], values, [5, 6, 7, 8], missing=missing, scale=(3, 4)
    )
    assert rows_of(ratings) == [("a", 2, 4.0), ("c", 3, 3.0)]
    assert (ratings.user_ids.tolist(), ratings.item_ids.tolist()) == (["a", "c"], [2, 3])
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [6, 7]
    assert ratings.scale == (3.0, 4.0)


def test_errors_keep_the_numbers_of_rows() -> None:
    with pytest.raises(cf.DataError, match="row 3 repeats row 1"):
        cf.Ratings([1, 2, 2, 2], [1, 1, 1, 1], [99, 5, 99, 4], missing=99)
    with pytest.raises(cf.DataError, match="7 at row 2 is outside"):
        cf.Ratings([1, 2, 2], [1, 1, 2], [99, 5, 7], missing=99, scale=(1, 5))
    with pytest.raises(cf.DataError, match="inf at row 1"):
        cf.Ratings([1, 2], [1, 1], [NAN, np.inf], missing=NAN)
    with pytest.raises(cf.DataError, match="no row has a rating, all 2 are missing=5"):
        cf.Ratings([1, 2], [1, 1], [5, 5], missing=5)


@pytest.mark.parametrize("wrong", ["99", True, ["NA"], [None], object()])
def test_what_cannot_stand_for_no_rating(wrong: Any) -> None:
    with pytest.raises(ValueError, match="missing must be a number"):
        cf.Ratings([1], [1], [1.0], missing=wrong)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_nulls_in_the_ratings_of_a_frame(library: str) -> None:
    module = pytest.importorskip(library)
    data = {"user": ["a", "b", "c"], "item": [1, 1, 1], "rating": [None, 4.0, 3.0]}
    frame = module.table(data) if library == "pyarrow" else module.DataFrame(data)
    assert rows_of(cf.Ratings.from_frame(frame, missing=NAN)) == [("b", 1, 4.0), ("c", 1, 3.0)]
    with pytest.raises(cf.DataError, match="'rating': missing value at row 0"):
        cf.Ratings.from_frame(frame, missing=99)
