"""Kinds of ids: integers and strings, whole floats, missing markers, and `ids=`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.errors import DataWarning

MARKERS = ("NULL", "\\N", "nan", "NaN", "NA", "N/A", "None", "null", "<NA>", "NaT", "-", "?")


def from_file(path: Path, ids: list[str]) -> Callable[..., cf.Ratings]:
    path = path / "ratings.csv"
    path.write_text(
        "userId,item,rating\n" + "".join(f"{one},{row},3\n" for row, one in enumerate(ids)), "utf-8"
    )
    return lambda **options: cf.Ratings.read(path, **options)


def from_frame(library: str, ids: Any) -> Callable[..., cf.Ratings]:
    module = pytest.importorskip(library)
    columns = {"userId": ids, "item": range(len(ids)), "rating": [3.0] * len(ids)}
    frame = module.table(columns) if library == "pyarrow" else module.DataFrame(columns)
    return lambda **options: cf.Ratings.from_frame(frame, **options)


def from_objects(ids: Any) -> Callable[..., cf.Ratings]:
    column = np.empty(len(ids), dtype=object)
    column[:] = ids
    return lambda **options: cf.Ratings(column, range(len(ids)), [3.0] * len(ids), **options)


def ways(path: Path, ids: list[str]) -> list[Callable[..., cf.Ratings]]:
    """The same texts from a file, from frames, and from arrays."""
    frames = [from_frame(library, ids) for library in ("pandas", "polars", "pyarrow")]
    return [from_file(path, ids), *frames, from_objects(ids), lambda **o: from_objects(np.array(ids))(**o)]


# ------------------------------------------------------------------ missing markers


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_among_integers_is_refused_with_its_row(marker: str, tmp_path: Path) -> None:
    ids = ["5", "17", "5", marker, "8"]
    for read in ways(tmp_path, ids):
        with pytest.raises(cf.DataError, match=r"column '(userId|users)': missing id at row 3: .* ids=str"):
            read()
        with pytest.raises(cf.DataError, match=r"missing id at row 3"):
            read(ids=int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert sorted(read(ids=str).user_ids.tolist()) == sorted({"5", "17", "8", marker})


def test_a_marker_in_a_later_block_is_found(tmp_path: Path) -> None:
    n = 60_000
    with pytest.raises(cf.DataError, match=f"'userId': missing id at row {n}: 'NULL'"):
        from_file(tmp_path, [*map(str, range(n)), "NULL"])()


def test_an_empty_id_is_missing(tmp_path: Path) -> None:
    for ids in (["5", ""], ["ann", ""]):
        with pytest.raises(cf.DataError, match="'userId': missing id at row 1"):
            from_file(tmp_path, ids)()
    with pytest.raises(cf.DataError, match="'userId': missing id at row 1: ''"):
        from_frame("pandas", ["5", ""])()


def test_a_marker_among_names_is_mentioned(tmp_path: Path) -> None:
    for read in ways(tmp_path, ["ann", "bob", "nan"]):
        with pytest.warns(DataWarning, match=r"'nan' at row 2 is taken for an id"):
            assert read().user_ids.tolist() == ["ann", "bob", "nan"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read(ids=str).user_ids.tolist() == ["ann", "bob", "nan"]


@pytest.mark.parametrize("missing", [None, float("nan"), np.datetime64("NaT")])
def test_missing_objects_are_refused_whatever_the_kind(missing: Any) -> None:
    for kind in (None, int, str):
        for others in ([1, 2], ["a", "b"]):
            with pytest.raises(cf.DataError, match="'users': missing id at row 1"):
                from_objects([others[0], missing, others[1]])(ids=kind)


# ------------------------------------------------------------------ what an integer is


def test_whole_floats_are_integers_everywhere(tmp_path: Path) -> None:
    for read in (
        from_file(tmp_path, ["1.0", "2.0", "30.00"]),
        from_file(tmp_path, ["1", "2.0", "30"]),
        from_frame("pandas", [1.0, 2.0, 30.0]),
        from_frame("polars", [1.0, 2.0, 30.0]),
        from_frame("pyarrow", [1.0, 2.0, 30.0]),
        from_objects([1.0, np.float32(2), Decimal("30.0")]),
        from_objects([1, 2.0, np.int8(30)]),
        lambda **options: cf.Ratings(np.array([1, 2, 30], dtype=np.float16), [1, 2, 3], [1, 2, 3], **options),
    ):
        made = read()
        assert (made.user_ids.tolist(), made.user_ids.dtype) == ([1, 2, 30], np.int64)
        assert read(ids=int).user_ids.tolist() == [1, 2, 30]
    model = cf.Baseline().fit(([1, 2, 30], [1, 1, 1], [1, 2, 3]))
    expected = model.predict(2, 1)
    for user in (2.0, np.float64(2), np.float32(2), Decimal(2), np.uint8(2), np.array(2.0)):
        assert model.predict(user, 1.0) == expected
    assert model.recommend(2.0)[0].tolist() == model.recommend(2)[0].tolist()
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": [1, 2], "item": [1, 1], "rating": [1.0, 2.0]})
    found = frame.apply(lambda row: model.predict(row["user"], row["item"]), axis=1)
    assert found.tolist() == model.predict([1, 2], [1, 1]).tolist()


def test_whole_floats_in_parquet(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"user": [3.0, 1.0], "item": ["a", "b"], "rating": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "r.parquet")
    assert cf.Ratings.read(tmp_path / "r.parquet").users.tolist() == [3, 1]
    assert cf.Ratings.read(tmp_path / "r.parquet", ids={"user": str}).users.tolist() == ["3", "1"]


@pytest.mark.parametrize(
    "bad", ["1.5", "+7", "1_0", "1e3", "\u0661\u0662", "\uff11\uff12", '" 7"', "-0", "inf", "1."]
)
def test_other_numbers_among_integers_of_a_file_are_refused(bad: str, tmp_path: Path) -> None:
    read = from_file(tmp_path, ["5", bad])
    with pytest.raises(cf.DataError, match=r"column 'userId': .* at row 1 .*ids=str"):
        read()
    with pytest.raises(cf.DataError, match=r"column 'userId': .* at row 1 is no integer"):
        read(ids=int)
    assert read(ids=str).users.tolist() == ["5", bad.strip('"')]


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        ([1.0, 2.5], "row 1 holds 2.5, which is not whole"),
        ([1.0, np.inf], "row 1 holds inf, which is not whole"),
        ([1, 2.5, 3], "row 1 holds 2.5, which is not whole"),
        ([1, Decimal("2.5")], "row 1 holds 2.5, which is not whole"),
        ([1.0, 2.0**60], r"at row 1 is beyond 2\^53"),
        ([1, 2.0**60], r"at row 1 is beyond 2\^53"),
        (np.array([1, 2**25], dtype=np.float32), r"at row 1 is beyond 2\^24"),
        ([True, False], r"row 0 holds True \(bool\)"),
        ([1, np.True_], "row 1 holds"),
        ([1, "a"], "all of one kind; row 0 holds 1, row 1 holds 'a' .*ids=str"),
        (["a", 1], "all of one kind; row 0 holds 'a', row 1 holds 1"),
        ([1, (2, 3)], r"row 1 holds \(2, 3\) \(tuple\); convert it"),
        ([1, 2**70], "1180591620717411303424 at row 1 does not fit int64.*ids=str"),
        ([-1, 2**63], "9223372036854775808 at row 1"),
        ([1, 1j], "row 1 holds 1j"),
    ],
)
def test_what_is_no_id_is_refused(ids: Any, problem: str) -> None:
    with pytest.raises(cf.DataError, match=f"column 'users'.*{problem}"):
        cf.Ratings(ids, range(len(ids)), [1.0] * len(ids))


def test_integers_of_any_width(tmp_path: Path) -> None:
    for ids in ([2**64 - 1, 0], [2**63 - 1, -(2**63)], [np.uint8(3), np.int64(-3)], [2**63, np.int8(1)]):
        assert cf.Ratings(ids, [1, 2], [1.0, 2.0]).users.tolist() == [int(one) for one in ids]
        assert from_file(tmp_path, [str(one) for one in ids])().users.tolist() == [int(one) for one in ids]
    wide = [2**70, 1]
    assert cf.Ratings(wide, [1, 2], [1.0, 2.0], ids=str).users.tolist() == [str(2**70), "1"]
    assert from_file(tmp_path, list(map(str, wide)))().users.tolist() == [str(2**70), "1"]
    with pytest.raises(cf.DataError, match="at row 0 does not fit int64"):
        from_file(tmp_path, list(map(str, wide)))(ids=int)


def test_zeros_in_front_make_strings(tmp_path: Path) -> None:
    read = from_file(tmp_path, ["007", "12"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read().users.tolist() == ["007", "12"]
    assert read(ids=int).users.tolist() == [7, 12]
    for read in ways(tmp_path, ["12", "007", "7"]):
        with pytest.warns(DataWarning, match=r"'007' \(row 1\) and '7' differ only by zeros in front"):
            assert read().users.tolist() == ["12", "007", "7"]
        with pytest.raises(cf.DataError, match=r"'0*7' at row . and '0*7' are the same integer, but two ids"):
            read(ids=int)


# ------------------------------------------------------------------ ids=


def test_ids_are_of_the_kind_asked_for(tmp_path: Path) -> None:
    for read in ways(tmp_path, ["5", "17", "5"]):
        assert read(ids=str).users.tolist() == ["5", "17", "5"]
        assert read(ids="str").user_ids.tolist() == ["17", "5"]
        assert read(ids=int).users.tolist() == [5, 17, 5]
        made = read(ids={"user": "int", "item": str})
        assert (made.users.tolist(), made.items.tolist()) == ([5, 17, 5], ["0", "1", "2"])
    for read in (
        from_frame("pandas", [5, 17, 5]),
        from_objects([5, "17", 5.0]),
        from_frame("polars", [5, 17, 5]),
    ):
        assert read(ids=str).users.tolist() == ["5", "17", "5"]
        assert read(ids={"user": int}).users.tolist() == [5, 17, 5]
    for wrong in (float, "integer", {"users": int}, 3, {"user": bytes}):
        with pytest.raises(ValueError, match="ids"):
            cf.Ratings([1], [1], [1], ids=wrong)  # type: ignore[arg-type]


def test_strings_and_integers_of_two_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("user,isbn,rating\n1,052165615X,5\n2,2080674722,3\n3,052165615X,2\n")
    (tmp_path / "test.csv").write_text("user,isbn,rating\n3,2080674722,5\n1,2080674722,4\n")
    train, test = cf.Ratings.read(tmp_path / "train.csv"), cf.Ratings.read(tmp_path / "test.csv")
    model = cf.Baseline().fit(train)
    message = r"the ids are strings \(such as '052165615X'\), but integers were given \(such as 2080.*ids=str"
    for call in (
        lambda: cf.metrics.evaluate(model, test),
        lambda: model.predict([1], [2080674722]),
        lambda: train.concat(test),
        lambda: cf.SVD(n_epochs=1).fit(train, validation=test),
    ):
        with pytest.raises(cf.DataError, match=message):
            call()
    cf.metrics.evaluate(model, cf.Ratings.read(tmp_path / "test.csv", ids={"item": str}))
    reverse = r"the ids are integers \(such as 1\), but strings were given \(such as '1'\).*ids=int"
    with pytest.raises(cf.DataError, match=reverse):
        model.predict("1", "052165615X")


def test_ids_of_matrices() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.arange(1.0, 13).reshape(1, 12)
    for made in (
        cf.Ratings.from_scipy(sparse.coo_array(dense), ids=str),
        cf.Ratings.from_matrix(dense, ids=str),
    ):
        assert made.users.tolist() == ["0"] * 12
        assert dict(zip(made.items.tolist(), made.values.tolist(), strict=True))["10"] == 11.0
        assert made.item_ids.tolist() == sorted(map(str, range(12)))
    made = cf.Ratings.from_matrix([[1.0, 2.0]], item_ids=["7", "3"], ids={"item": int})
    assert (made.items.tolist(), made.values.tolist()) == ([7, 3], [1.0, 2.0])
    made = cf.Ratings.from_scipy(sparse.coo_array([[1.0, 2.0]]), item_ids=[70.0, 3.0])
    assert (made.items.tolist(), made.values.tolist()) == ([70, 3], [1.0, 2.0])
