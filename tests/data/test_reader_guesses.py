"""Columns are found by names, positions and values; a doubtful guess is said or refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf


def read(tmp_path: Path, content: str, **options: Any) -> list[tuple[Any, ...]]:
    path = tmp_path / "r.txt"
    path.write_text(content)
    ratings = cf.Ratings.read(path, **options)
    columns = [ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist()]
    if ratings.timestamps is not None:
        columns.append(ratings.timestamps.tolist())
    return list(zip(*columns, strict=True))


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", cf.errors.DataWarning)
        yield


REFUSED = {
    "five columns": ("1,2,3,4,5\n", r"5 columns and no header: '1', .*user=0, item=1, rating=2"),
    "a wide matrix": ("3,-7.82,99,8.79,1,2\n", r"6 columns and no header.*Ratings\.from_matrix"),
    "a matrix of three items": (
        "3,-7.82,99,8.79\n2,4.08,-0.29,99\n",
        r"column 1 \(item\) holds -7.82, .* no id",
    ),
    "a matrix of two items": ("3,-7.82,99\n2,4.08,-0.29\n", r"column 1 \(item\) holds -7.82"),
    "fractions later": ("3,99,99,1\n2,99,-0.29,4\n3,99,1,1\n4,5.5,1,1\n", r"column 1 \(item\) holds 5.5"),
    "fractions first": ("4.5,1,10\n3.5,2,10\n", r"column 0 \(user\) holds 4.5.*user=1, item=2, rating=0"),
    "a time third": ("1,10,964982703,4.5\n2,20,964982704,3\n", "pass rating=3, timestamp=2"),
    "milliseconds third": ("1,10,964982703000,4\n", "pass rating=3, timestamp=2"),
    "a date third": ("1,10,2020-01-01,4\n", "pass rating=3, timestamp=2"),
    "a time and no rating": ("1,10,964982703\n2,20,964982704\n", r"column 2 \(rating\) holds 964982703"),
    "a time first": ("964982703,1,10,4\n964982704,2,10,5\n", "such as user=1, item=2, rating=3, timestamp=0"),
    "a time second": (
        "1,964982703,10,4\n2,964982704,10,5\n",
        "such as user=0, item=2, rating=3, timestamp=1",
    ),
    "a weight fourth": ("1,10,4,0.5\n2,10,3,0.7\n", "'0.5' is not a whole number .*timestamp=False"),
    "a pivot table": (",1,2,3\n10,4,5,3\n", r"pivot table.*Ratings\.from_matrix"),
    "a wide table": ("user,101,102,103\n10,4,5,3\n", r"pivot table.*Ratings\.from_matrix"),
    "a name among numbers": ("ann,101,4\n10,102,4\n", "first line has 'ann' where all others have a number"),
    "a header with a number": ("user,item,2024\n1,2,3\n", "header=True if it names the columns"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("separator", [",", "\t", "::", ";"])
def test_values_that_are_not_what_positions_say(tmp_path: Path, kind: str, separator: str) -> None:
    content, message = REFUSED[kind]
    with pytest.raises(cf.DataError, match=rf"r\.txt.*{message}"):
        read(tmp_path, content.replace(",", separator))


def test_positions_overrule(tmp_path: Path) -> None:
    assert read(tmp_path, "9,1,2,8,4\n", user=1, item=2, rating=4) == [(1, 2, 4.0)]
    assert read(tmp_path, "9,1,2,8,4\n", user=1, item=2, rating=4, timestamp=0) == [(1, 2, 4.0, 9)]
    assert read(tmp_path, "1,10,964982703,4.5\n", rating=3, timestamp=2) == [(1, 10, 4.5, 964982703)]
    assert read(tmp_path, "964982703,1,10,4\n", user=1, item=2, rating=3, timestamp=0) == [
        (1, 10, 4.0, 964982703)
    ]
    assert read(tmp_path, "964982703,1,10,4\n", user=0, item=1, rating=2, timestamp=3) == [
        (964982703, 1, 10.0, 4)
    ]
    assert read(tmp_path, "1,10,4,0.5\n", timestamp=False) == [(1, 10, 4.0)]
    assert read(tmp_path, "1,10,964982703\n", user=0, item=1, rating=2)[0][2] == 964982720.0
    with pytest.raises(cf.DataError, match=r"5 columns and no header"):
        read(tmp_path, "1,2,3,4,5\n", user=1)


def test_the_fourth_column_without_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, "1,10,4,964982703\n") == [(1, 10, 4.0, 964982703)]
    with pytest.warns(cf.DataWarning, match=r"column 3 is taken for times, though .* 7 .*timestamp=False"):
        assert read(tmp_path, "1,10,4,7\n") == [(1, 10, 4.0, 7)]
    assert read(tmp_path, "1,10,4,7\n", timestamp=3) == [(1, 10, 4.0, 7)]
    assert read(tmp_path, "1,10,4,7\n", timestamp=False) == [(1, 10, 4.0)]
    assert read(tmp_path, "1,10,4,2020-01-01 10:00:00\n") == [(1, 10, 4.0, 1577872800)]
    with pytest.warns(cf.DataWarning, match="column 3 is not read: 'nice' is neither"):
        assert read(tmp_path, "1,10,4,nice\n") == [(1, 10, 4.0)]
    assert read(tmp_path, "1,10,4,nice\n", timestamp=False) == [(1, 10, 4.0)]
    with pytest.raises(cf.DataError, match=r"'timestamp': missing value at row 0; timestamp=False"):
        read(tmp_path, "1,10,4,\n1,11,4,964982703\n")
    with pytest.raises(cf.DataError, match=r"'nice' is neither .* at row 1; timestamp=False"):
        read(tmp_path, "1,10,4,964982703\n1,11,4,nice\n")


def test_large_ids_are_ids(tmp_path: Path) -> None:
    """Ids of ten digits are in the range of seconds since 1970."""
    content = "1000000007,1000000009,4,964982703\n1000000008,1000000010,5,964982704\n"
    assert read(tmp_path, content)[0] == (1000000007, 1000000009, 4.0, 964982703)
    assert read(tmp_path, "1000000007,1000000009,4\n") == [(1000000007, 1000000009, 4.0)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_counts_the_rows_is_mentioned(tmp_path: Path, first: int) -> None:
    content = "".join(f"{first + k},{k % 2},{10 + k // 2},{1 + k % 5}\n" for k in range(4))
    with pytest.warns(cf.errors.DataWarning, match=r"counts the rows from .* pass user=1, item=2, rating=3"):
        read(tmp_path, content)
    assert read(tmp_path, content, user=1, item=2, rating=3)[0] == (0, 10, 1.0)
    with pytest.warns(cf.errors.DataWarning, match=r"may be the index of a frame"):
        read(tmp_path, "".join(f"{first + k},{k % 2},{1000 + k}\n" for k in range(4)))


def test_files_without_an_index_give_no_warning(tmp_path: Path) -> None:
    assert len(read(tmp_path, ",user,item,rating\n0,3,1,4\n1,3,2,5\n2,4,1,5\n")) == 3
    assert len(read(tmp_path, "Unnamed: 0,user,item,rating\n0,3,1,4\n1,3,2,5\n2,4,1,5\n")) == 3
    assert len(read(tmp_path, "user,item,rating\n0,1,4\n1,1,5\n2,1,5\n")) == 3
    assert len(read(tmp_path, "0,1,4\n0,2,4\n1,1,5\n2,1,5\n")) == 4
    assert len(read(tmp_path, "1,1,4\n2,1,5\n3,1,5\n")) == 3  # one item, rated by three


NAMES = [
    "userId,movieId,rating,timestamp", "customer_id,product_id,star_rating", "Cust_Id,Movie_Id,Rating,Date",
    "visitorid,itemid,rating", "user_id,business_id,stars,date", "user_id,parent_asin,rating,timestamp",
    "user_id,anime_id,rating", "user_id,recipe_id,rating,date", "user_id,track_id,rating",
    "user_id,song_id,rating", "user_id,book_id,rating", "User-ID,ISBN,Book-Rating", "critic,title,rating",
    "UserID,JokeID,Rating", "reviewerID,asin,overall,unixReviewTime", "USER_ID,ITEM_ID,EVENT_VALUE",
    "profileName,beer_beerid,review_overall", "uid,mid,rating", "userId,productId,Score,Time",
    "user_id:token,item_id:token,rating:float,timestamp:float",
    "review/userId,product/productId,review/score",
    "customer,product,stars", "reviewer,movie,rating", "user.id,item.id,rating",
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
def test_usual_names(tmp_path: Path, names: str) -> None:
    expected = (1, 2, 3.0, 964982703) if names.count(",") == 3 else (1, 2, 3.0)
    row = "1,2,3,964982703" if names.count(",") == 3 else "1,2,3"
    assert read(tmp_path, f"{names}\n{row}\n") == [expected]
    reverse = ",".join(reversed(names.split(",")))
    assert read(tmp_path, f"x,{reverse}\nnone,{','.join(reversed(row.split(',')))}\n") == [expected]


def test_unknown_names_are_listed_unless_there_are_many(tmp_path: Path) -> None:
    with pytest.raises(
        cf.DataError, match=r"looks like the item; name one with item=, there are 'sku', 'user', 'stars'"
    ):
        read(tmp_path, "sku,user,stars\n1,2,3\n")
    wide = "user," + ",".join(f"Movie {k} ({1900 + k})" for k in range(1650)) + "\n7" + ",4" * 1650 + "\n"
    with pytest.raises(
        cf.DataError, match=r"'Movie 0 \(1900\)', .* \(1651 in all\).*Ratings\.from_matrix"
    ) as caught:
        read(tmp_path, wide)
    assert len(str(caught.value)) < 600 + len(str(tmp_path))
    with pytest.raises(cf.DataError, match=r"no column 'who' for user; it has .*\(1651 in all\)"):
        read(tmp_path, wide, user="who")


def test_a_column_of_times_that_cannot_be_read(tmp_path: Path) -> None:
    content = 'reviewerID,asin,overall,reviewTime\nann,B1,5,"05 23, 2014"\nbob,B1,4,"06 1, 2014"\n'
    with pytest.warns(
        cf.errors.DataWarning, match=r"'reviewTime' is not read: '05 23, 2014' .*timestamp=False"
    ):
        assert read(tmp_path, content) == [("ann", "B1", 5.0), ("bob", "B1", 4.0)]
    assert read(tmp_path, content, timestamp=False) == [("ann", "B1", 5.0), ("bob", "B1", 4.0)]
    with pytest.raises(cf.DataError, match=r"'reviewTime': '05 23, 2014' is neither .*timestamp=False"):
        read(tmp_path, content, timestamp="reviewTime")
    both = content.replace("reviewTime", "reviewTime,unixReviewTime").replace('4"', '4",1400803200')
    assert read(tmp_path, both)[0] == ("ann", "B1", 5.0, 1400803200)
    for bad in ("", "nan", "NULL"):  # missing times are no other kind of column
        with pytest.raises(cf.DataError, match=r"at row 0; timestamp=False"):
            read(tmp_path, f"user,item,rating,date\n1,2,3,{bad}\n")


@pytest.mark.parametrize("column", [True, 1.0, [0]])
def test_columns_are_names_or_positions(tmp_path: Path, column: Any) -> None:
    with pytest.raises(TypeError, match=r"user must be the name or the position of a column"):
        read(tmp_path, "1,2,3\n", user=column)
    with pytest.raises(TypeError, match=r"rating must be"):
        read(tmp_path, "1,2,3\n", rating=False)
