"""What first rows, names and ids leave in doubt is said or refused, with a remedy that works there."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data.readers import read_pairs

HEADER = "userId,movieId,rating\n"


def written(tmp_path: Path, content: str, name: str = "r.csv") -> Path:
    path = tmp_path / name
    path.write_text(content)
    return path


def rows(ratings: cf.Ratings) -> list[tuple[Any, ...]]:
    columns = [ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist()]
    return list(zip(*columns, strict=True))


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", cf.DataWarning)
        yield


TOO_WIDE = {
    "a decimal comma": HEADER + "1,10,4.5\n2,10,4,5\n",
    "strings": HEADER + "ann,10,4.5\nbob,10,4,5\n",
    "a title with commas": "userId,title,rating\n1,Toy Story,4\n2,Good, Bad,5\n",
    "a column behind": "userId,movieId,rating,x\n1,10,4,0\n2,10,4,5,0\n",
    "no header": "1,10,4,964982703\n" * 1000 + "2,10,4,5,964982703\n",
    "quotes": HEADER + '"1","10","4"\n"2","10","4","5"\n',
}


@pytest.mark.parametrize("kind", TOO_WIDE)
def test_a_row_with_more_columns_is_refused(tmp_path: Path, kind: str) -> None:
    """Its fields would be those of other columns: 4,5 in a file with commas was the rating 4."""
    path = written(tmp_path, TOO_WIDE[kind])
    with pytest.raises(cf.DataError, match=r"r\.csv: row \d+ has \d columns, and \d are .*double quotes"):
        cf.Ratings.read(path, timestamp=False, duplicates="last")


def test_empty_fields_behind_and_missing_ones_that_are_not_read(tmp_path: Path) -> None:
    assert rows(cf.Ratings.read(written(tmp_path, HEADER + "1,10,4,\n2,10,5,,\n")))[1] == (2, 10, 5.0)
    path = written(tmp_path, "userId,movieId,rating,when,text\n1,10,4,7,a\n2,10,5\n3,10,5,8\n")
    assert len(cf.Ratings.read(path)) == 3
    path = written(tmp_path, "userId,movieId,rating,text\na,10,4,'x'\nb,10,5\n")
    assert len(cf.Ratings.read(path)) == 2


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_header_that_is_shorter_than_the_rows(tmp_path: Path, quote: str) -> None:
    """R writes names of rows, and none of their column."""
    q = quote
    content = f"{q}userId{q} {q}movieId{q} {q}rating{q}\n" + "".join(f"{q}{k}{q} 7 {k} 4\n" for k in (1, 2))
    path = written(tmp_path, content)
    with pytest.raises(cf.DataError, match=r"names 3 columns, and row 0 has 4.*user=1, item=2, rating=3"):
        cf.Ratings.read(path)
    ratings = cf.Ratings.read(path, user=1, item=2, rating=3)
    assert rows(ratings) == [(7, 1, 4.0), (7, 2, 4.0)]
    assert ratings.column_names["user"] == "userId"


def test_columns_of_different_meaning_are_mentioned(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,asin,parent_asin,rating\na,b,c,4\nd,e,c,5\n")
    with pytest.warns(cf.DataWarning, match=r"'asin' is taken .* 'parent_asin' is not read.*item="):
        assert cf.Ratings.read(path).items.tolist() == ["b", "e"]
    assert cf.Ratings.read(path, item="parent_asin").items.tolist() == ["c", "c"]
    assert cf.Ratings.read(path, item="asin").items.tolist() == ["b", "e"]
    path = written(tmp_path, "user_id,movie_id,title,rating,stars\n1,2,x,4,1\n")
    with pytest.warns(cf.DataWarning, match="'rating' is taken for the rating, and 'stars' is not read"):
        cf.Ratings.read(path)
    frame = pytest.importorskip("pandas").DataFrame({"user": [1], "item": [2], "rating": [3], "score": [4]})
    with pytest.warns(cf.DataWarning, match=r"Ratings\.from_frame\(frame, rating=\.\.\.\)"):
        cf.Baseline().fit(frame)


def test_the_order_user_rating_item_is_mentioned(tmp_path: Path) -> None:
    path = written(tmp_path, "1,4,100000\n1,3,200000\n2,5,100001\n")
    with pytest.warns(cf.DataWarning, match="pass user=0, item=2, rating=1"):
        cf.Ratings.read(path)
    assert rows(cf.Ratings.read(path, user=0, item=2, rating=1))[0] == (1, 100000, 4.0)


ODD = ["Total", "007", "u7", "0x1F", "True", "18446744073709551616"]


@pytest.mark.parametrize("odd", ODD)
def test_one_id_that_makes_strings_of_all_is_mentioned(tmp_path: Path, odd: str) -> None:
    path = written(tmp_path, HEADER + "".join(f"{k},10,4\n" for k in range(5)) + f"{odd},11,5\n")
    with pytest.warns(
        cf.DataWarning, match=rf"'userId': all ids are strings, because .{odd}. at row 5.*ids=str"
    ):
        assert cf.Ratings.read(path).users.tolist()[-1] == odd
    assert cf.Ratings.read(path, ids=str).users.tolist()[-1] == odd


def test_columns_of_codes_are_strings_without_a_word(tmp_path: Path) -> None:
    isbn = ["034545104X", "0155061224", "0446520802", "052165615X", "3404921038"]
    content = HEADER + "".join(f"{k},{one},4\n" for k, one in enumerate(isbn))
    assert cf.Ratings.read(written(tmp_path, content)).items.tolist() == isbn
    assert cf.Ratings.read(written(tmp_path, HEADER + "a,1,4\n1,2,4\n")).users.tolist() == ["a", "1"]


def test_errors_of_several_files_name_the_file_and_its_row(tmp_path: Path) -> None:
    first = written(tmp_path, HEADER + "1,10,4\n2,10,5\n", "a.csv")

    def problem(content: str, **options: Any) -> str:
        second = written(tmp_path, HEADER + content, "b.csv")
        with pytest.raises(cf.DataError) as caught:
            cf.Ratings.read([first, second], **options)
        return str(caught.value).replace(str(tmp_path), "")

    assert "missing id at row 1 of /b.csv: 'NULL'" in problem("3,10,4\nNULL,10,4\n")
    assert "9 at row 0 of /b.csv is outside the scale" in problem("3,10,9\n", scale=(1, 5))
    assert "row 1 of /b.csv repeats row 0 of /a.csv (user 1, item 10)" in problem("3,10,4\n1,10,4\n")
    assert problem("3,10,4\n", missing=[4, 5]).startswith("/a.csv and 1 more: column 'rating': no row has")
    for options in ({"scale": (1, 4)}, {"missing": [4, 5]}):
        with pytest.raises(cf.DataError, match=r"a\.csv: column 'rating'"):
            cf.Ratings.read(first, **options)
    with pytest.raises(
        cf.errors.DuplicateError, match=r"b\.csv: columns .* row 1 repeats row 0 .*duplicates="
    ):
        cf.Ratings.read(written(tmp_path, HEADER + "1,1,4\n1,1,4\n", "b.csv"))


def test_what_is_left_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "cfcore")
    cf.Ratings([1, 1, 2], [1, 2, 3], [4, 5, 99], missing=99)
    assert "1 of 3 rows have no rating (missing=99)" in caplog.text
    cf.Ratings.read(written(tmp_path, HEADER + "1,1,4\n1,1,4\n"), duplicates="last")
    assert "1 of 2 rows repeat a pair of others and are left out (duplicates='last')" in caplog.text


@pytest.mark.parametrize("dates", [[20050301, 20051231], ["20050301", "20051231"]], ids=["numbers", "text"])
def test_dates_that_are_written_as_numbers_are_mentioned(dates: list[Any]) -> None:
    with pytest.warns(cf.DataWarning, match=r"20050301 looks like the date 2005-03-01"):
        assert cf.Ratings([1, 2], [1, 2], [4, 5], dates).timestamps is not None
    cf.Ratings([1, 2], [1, 2], [4, 5], [20050301, 20059931])


FRACTIONS: dict[str, Callable[[list[float]], Any]] = {
    "floats": np.array,
    "objects": lambda times: np.array(times, dtype=object),
    "text": lambda times: list(map(str, times)),
}


@pytest.mark.parametrize("kind", FRACTIONS)
def test_fractions_of_a_second_are_dropped(kind: str) -> None:
    times = FRACTIONS[kind]([964982703.75, 5.0, -964982703.25])
    ratings = cf.Ratings([1, 2, 3], [1, 2, 3], [4, 5, 3], times)
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [964982703, 5, -964982704]
    with pytest.raises(
        cf.DataError, match=r"7.5 at row 1 is not a whole number|'7.5' at row 1 is not a whole"
    ):
        cf.Ratings([1, 2], [1, 2], [4, 5], FRACTIONS[kind]([964982703.75, 7.5]))


def test_fractions_of_a_second_in_files(tmp_path: Path) -> None:
    path = written(tmp_path, "1,10,4,964982703.5\n2,10,5,964982704.25\n")
    assert cf.Ratings.read(path).timestamps.tolist() == [964982703, 964982704]  # type: ignore[union-attr]
    line = {"user": 1, "item": 2, "rating": 3, "timestamp": 964982703.5}
    path = written(tmp_path, json.dumps(line) + "\n", "r.jsonl")
    assert cf.Ratings.read(path).timestamps.tolist() == [964982703]  # type: ignore[union-attr]


def test_warnings_of_pairs_are_given_once_and_not_for_each_batch(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item\n" + "".join(f"u{k},{0 if k % 2 else ''}7\n" for k in range(8)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", cf.DataWarning)
        batches = list(read_pairs(path, size=2, ids={"user": str, "item": str}))
    assert len(batches) == 4
    assert [str(one.message).count("differ only by zeros in front") for one in caught] == [1]
    assert str(path) in str(caught[0].message)


def test_arrays_of_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(cf.DataError, match="holds arrays of JSON, which name no columns"):
        cf.Ratings.read(written(tmp_path, "[1,2,3]\n[2,2,4]\n"))
