"""Files of every layout give the same ratings."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.data import blocks

ROWS = [(196, 242, 3.0, 881250949), (186, 302, 3.5, 891717742), (22, 242, 1.0, 878887116)]
BACKENDS = pytest.mark.parametrize("backend", ["compiled", "reference"])


def written(tmp_path: Path, content: str | bytes, name: str = "ratings.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(separator: str, end: str = "\n") -> str:
    return "".join(
        separator.join(f"{cell:g}" if cell == 3.5 else str(int(cell)) for cell in row) + end for row in ROWS
    )


def check(ratings: cf.Ratings, *, timed: bool = True) -> None:
    assert ratings.users.tolist() == [row[0] for row in ROWS]
    assert ratings.items.tolist() == [row[1] for row in ROWS]
    assert ratings.values.tolist() == [row[2] for row in ROWS]
    if timed:
        assert ratings.timestamps is not None
        assert ratings.timestamps.tolist() == [row[3] for row in ROWS]
    else:
        assert ratings.timestamps is None


@BACKENDS
@pytest.mark.parametrize("separator", ["::", "\t", ",", ";", "|", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separator_is_found(tmp_path: Path, backend: str, separator: str, end: str) -> None:
    with cf.backend(backend):
        check(cf.Ratings.read(written(tmp_path, lines(separator, end))))
        check(cf.Ratings.read(written(tmp_path, lines(separator, end).rstrip())))


@pytest.mark.parametrize(
    "header",
    [
        "userId,movieId,rating,timestamp",
        "user_id,item_id,rating,timestamp",
        "user_id:token,item_id:token,rating:float,timestamp:float",
        '"User-ID","ISBN","Book-Rating","Date"',
        "\ufeffuser,item,score,time",
        "\n\nuser,item,stars,ts",
    ],
)
def test_header_is_found(tmp_path: Path, header: str) -> None:
    check(cf.Ratings.read(written(tmp_path, header + "\n" + lines(","))))


@BACKENDS
def test_columns_by_name_and_by_position(tmp_path: Path, backend: str) -> None:
    content = "when,who,x,what,how\n" + "".join(f"{t},{u},-,{i},{r}\n" for u, i, r, t in ROWS)
    path = written(tmp_path, content)
    with cf.backend(backend):
        check(cf.Ratings.read(path, user="who", item="what", rating="how", timestamp="when"))
        check(cf.Ratings.read(path, user=1, item=3, rating=4, timestamp=0))
        check(cf.Ratings.read(path, user=1, item="what", rating=4), timed=False)
        bare = written(tmp_path, content.split("\n", 1)[1], "bare")
        check(cf.Ratings.read(bare, user=1, item=3, rating=4, timestamp=0))


def test_timestamps_may_be_missing_or_left_out(tmp_path: Path) -> None:
    three = "".join(f"{u},{i},{r}\n" for u, i, r, _ in ROWS)
    check(cf.Ratings.read(written(tmp_path, three)), timed=False)
    check(cf.Ratings.read(written(tmp_path, lines(",")), timestamp=False), timed=False)
    headed = "user,item,rating,timestamp\n" + lines(",")
    check(cf.Ratings.read(written(tmp_path, headed), timestamp=False), timed=False)
    named = "".join(f"{u},{i},{r},some words\n" for u, i, r, _ in ROWS)
    check(cf.Ratings.read(written(tmp_path, named)), timed=False)


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_compressed(tmp_path: Path, module: Any) -> None:
    check(cf.Ratings.read(written(tmp_path, module.compress(lines("\t").encode()), "any.name")))


@BACKENDS
@pytest.mark.parametrize("size", [1, 16, 25, 1000])
def test_blocks_may_end_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, size: int
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", size)
    with cf.backend(backend):
        check(cf.Ratings.read(written(tmp_path, "user,item,rating,time\n" + lines(","))))
        strings = "".join(f"u{u},{i},{r},{t}\n" for u, i, r, t in ROWS)
        ratings = cf.Ratings.read(written(tmp_path, strings))
    assert ratings.users.tolist() == ["u196", "u186", "u22"]
    assert ratings.items.tolist() == [242, 302, 242]


@BACKENDS
def test_string_ids_are_unchanged(tmp_path: Path, backend: str) -> None:
    content = 'é,"a, b",4.5\n"007",7,"3"\n 007 ,"say ""x""",2\n'
    with cf.backend(backend):
        ratings = cf.Ratings.read(written(tmp_path, content))
        latin = cf.Ratings.read(written(tmp_path, content.encode("latin-1")), encoding="latin-1")
    for one in (ratings, latin):
        assert one.users.tolist() == ["é", "007", "007"]
        assert one.items.tolist() == ["a, b", "7", 'say "x"']
        assert one.values.tolist() == [4.5, 3.0, 2.0]


def test_quoted_numbers_are_numbers(tmp_path: Path) -> None:
    quoted = "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in ROWS)
    check(cf.Ratings.read(written(tmp_path, quoted)))


def test_dates_become_seconds(tmp_path: Path) -> None:
    content = (
        "user,item,rating,date\n1,1,1,1970-01-02\n1,2,1,1970-01-01T00:00:05Z\n2,2,2,1970-01-01 01:00:00\n"
    )
    ratings = cf.Ratings.read(written(tmp_path, content))
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [86_400, 5, 3600]


@BACKENDS
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("user,item,rating\n", "has a header and no rows"),
        ("1,1\n2,2\n", "no separator found"),
        ("1,1,5\n1,2,x\n", "'rating': 'x' is not a number at row 1"),
        ("1,1,5\n1,2,\n", "'rating': missing value at row 1"),
        ("1,1,5\n1,2,nan\n", "'rating': 'nan' is not a finite .* at row 1"),
        ("1,1,5\n1,2,1e60\n", "'rating': '1e60' is not a finite .* at row 1"),
        ("1,1,5\n\n1,2\n", "'rating' is missing at row 1, which has 2 columns"),
        ("1,1,5\n,2,5\n", "'user': missing id at row 1"),
        ('1,1,5\n1,"",5\n', "'item': missing id at row 1"),
        ("1,1,5,7\n1,2,5,soon\n", "'timestamp': 'soon' is neither .* at row 1"),
        ("1,1,5,7\n1,2,5,7.5\n", "'timestamp': '7.5' is not a whole number at row 1"),
        ("1,1,5,7\n1,2,5,NaT\n", "'timestamp': 'NaT' is neither .* at row 1"),
        ("1,1,5,7\n1,2,5,now\n", "'timestamp': 'now' is neither .* at row 1"),
        ("1,1,5,7\n1,2,5,99999999999999999999\n", "'timestamp': '9*' does not fit int64 at row 1"),
        ("1,1,5\n1,2,1_0\n", "'rating': '1_0' is not a number at row 1"),
        (b"PK\x03\x04...", "is a zip archive"),
        (gzip.compress(b"1,1,5\n" * 99)[:-9], "compressed file is damaged or truncated"),
        (bz2.compress(b"1,1,5\n" * 99)[:-9], "compressed file is damaged or truncated"),
        (lzma.compress(b"1,1,5\n" * 99)[:-9], "compressed file is damaged or truncated"),
        (b"\x1f\x8b nonsense", "compressed file is damaged or truncated"),
        (b"BZh9 nonsense", "compressed file is damaged or truncated"),
        ("who,item,rating\n1,1,1\n", "no column looks like the user; .*'who', 'item', 'rating'"),
        ("1,1,5\n1,1,4\n", "columns 'user' and 'item': row 1 repeats row 0"),
        ("userId,movieId,score\n1,1,5\n1,1,4\n", "columns 'userId' and 'movieId': row 1 repeats row 0"),
        (b"a,1,1\n\xff,1,1\n", r"'user': b'\\xff' is not utf-8 .* at row 1"),
    ],
)
def test_refused(tmp_path: Path, backend: str, content: str, message: str) -> None:
    with cf.backend(backend), pytest.raises(cf.DataError, match=message):
        cf.Ratings.read(written(tmp_path, content))


def test_columns_of_one_name_are_chosen_by_position(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,rating,rating\n1,2,3,4\n")
    with pytest.raises(cf.DataError, match=r"columns 2, 3 have the same name 'rating'; .*such as rating=2"):
        cf.Ratings.read(path)
    assert cf.Ratings.read(path, rating=2).values.tolist() == [3.0]
    assert cf.Ratings.read(path, rating=3).values.tolist() == [4.0]


def test_a_given_column_has_no_other_role(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,time\n1,2,3\n")
    for rating in ("time", 2):
        ratings = cf.Ratings.read(path, rating=rating)
        assert (ratings.values.tolist(), ratings.timestamps) == ([3.0], None)


def test_ids_of_nineteen_digits_are_integers_while_64_bits_hold_them(tmp_path: Path) -> None:
    ratings = cf.Ratings.read(written(tmp_path, f"{2**63 - 1},1,5\n{-(2**63)},1,4\n"))
    assert ratings.users.tolist() == [2**63 - 1, -(2**63)]
    ratings = cf.Ratings.read(written(tmp_path, f"{2**64 - 1},1,5\n7,1,4\n"))
    assert ratings.users.tolist() == [2**64 - 1, 7]
    ratings = cf.Ratings.read(written(tmp_path, f"{2**64},1,5\n7,1,4\n"))
    assert ratings.users.tolist() == [str(2**64), "7"]


def test_dates_with_a_zone(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    ratings = cf.Ratings.read(
        written(tmp_path, "1,1,5,1970-01-02T00:00:00+01:00\n1,2,5,1970-01-02 00:00:00.9\n"), timestamp=3
    )
    assert ratings.timestamps is not None
    assert ratings.timestamps.tolist() == [82_800, 86_400]
    assert not recwarn.list


def test_wrong_arguments(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,rating\n1,1,1\n")
    with pytest.raises(cf.DataError, match="no column 'who' for user"):
        cf.Ratings.read(path, user="who")
    with pytest.raises(cf.DataError, match="no column 7 for the item"):
        cf.Ratings.read(path, item=7)
    with pytest.raises(ValueError, match="header is False"):
        cf.Ratings.read(path, user="user", header=False)
    with pytest.raises(ValueError, match="one column is named for two roles"):
        cf.Ratings.read(written(tmp_path, "1,1,1\n"), user=1)
    with pytest.raises(FileNotFoundError):
        cf.Ratings.read(tmp_path / "nothing")


def test_scale_and_duplicates_are_passed_on(tmp_path: Path) -> None:
    path = written(tmp_path, "1,1,5\n1,1,4\n")
    ratings = cf.Ratings.read(path, duplicates="last", scale=(0, 10))
    assert (ratings.values.tolist(), ratings.scale) == ([4.0], (0.0, 10.0))
    with pytest.raises(cf.DataError, match="'rating': 5 at row 0 is outside the scale"):
        cf.Ratings.read(path, scale=(0, 4))


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow")
def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow
    import pyarrow.parquet

    users, items, values, times = map(list, zip(*ROWS, strict=True))
    table = pyarrow.table({"x": values, "userId": users, "time": times, "movieId": items, "rating": values})
    pyarrow.parquet.write_table(table, tmp_path / "r.parquet")
    check(cf.Ratings.read(tmp_path / "r.parquet"))
    check(cf.Ratings.read(tmp_path / "r.parquet", user=1, rating="x", timestamp=False), timed=False)
    with pytest.raises(cf.DataError, match="has no column 9 for the user"):
        cf.Ratings.read(tmp_path / "r.parquet", user=9)
    found = importlib.util.find_spec
    if found("polars"):
        hide = {"pyarrow"}
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hide else found(name))
        check(cf.Ratings.read(tmp_path / "r.parquet"))
        hide.add("polars")
        with pytest.raises(ImportError, match="needs pyarrow or polars"):
            cf.Ratings.read(tmp_path / "r.parquet")


def test_float32_is_the_nearest(tmp_path: Path) -> None:
    numbers = ["0.1", "3.3333333333", "1e-30", "123456789.123456789", "4.999999999999999999999"]
    path = written(tmp_path, "".join(f"{k},1,{number}\n" for k, number in enumerate(numbers)))
    assert cf.Ratings.read(path).values.tolist() == [float(np.float32(number)) for number in numbers]
