"""Pairs to predict are read from the files that ratings are read from, a batch at a time."""

from __future__ import annotations

import gzip
import io
import lzma
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cfcore as cf
from cfcore.data import readers
from cfcore.data.readers import read_pairs


def pairs(source: Any, **options: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for users, items, times in read_pairs(source, **options):
        columns = [users.tolist(), items.tolist()] + ([] if times is None else [times.tolist()])
        found += zip(*columns, strict=True)
    return found


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "pairs"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


TIMED = "user,item,date\n1,10,2020-02-01\n2,20,2020-02-02 10:00:00\n"
SHAPES: dict[str, str | bytes] = {
    "commas": "1,10\n2,20\n",
    "a header": "movieId,userId\n10,1\n20,2\n",
    "colons": "1::10\n2::20\n",
    "bars": "1|10\n2|20\n",
    "blanks": "1 10\n2 20\n",
    "aligned": " 1  10\n 2  20\n",
    "tabs": "1\t10\n2\t20\n",
    "gzip": gzip.compress(b"1,10\n2,20\n"),
    "xz": lzma.compress(b"1,10\n2,20\n"),
    "UTF-16": "user\titem\n1\t10\n2\t20\n".encode("utf-16"),
    "JSON lines": '{"user": 1, "item": 10}\n{"user": 2, "item": 20}\n',
    "ratings": "1,10,4.5\n2,20,3\n",
    "a header with ratings": "userId,movieId,rating\n1,10,x\n2,20,\n",
    "quotes": '"1","10"\n"2","20"\n',
    "comments": "# user item\n1 10\n2 20\n",
    "an id column": "Id,user,item\n0,1,10\n1,2,20\n",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 100])
def test_shapes(tmp_path: Path, shape: str, size: int) -> None:
    path = written(tmp_path, SHAPES[shape])
    assert pairs(path, size=size) == [(1, 10), (2, 20)]
    with open(path, "rb") as file:
        assert pairs(file) == [(1, 10), (2, 20)]


def test_times(tmp_path: Path) -> None:
    expected = [(1, 10, 1580515200), (2, 20, 1580637600)]
    assert pairs(written(tmp_path, TIMED)) == expected
    assert pairs(written(tmp_path, TIMED.split("\n", 1)[1])) == expected  # three columns, the third of times
    assert pairs(written(tmp_path, "1,10,4.5,1580515200\n2,20,3,1580637600\n")) == expected
    assert pairs(written(tmp_path, TIMED), timestamp=False) == [(1, 10), (2, 20)]
    for time, message in (("nan", "'nan' is not a whole"), ("1e300", "'1e300' does not fit int64")):
        with pytest.raises(cf.DataError, match=f"{message}.* at row 0"):
            pairs(written(tmp_path, f"user,item,timestamp\n1,2,{time}\n"))


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table(
        {"movie": ["a", "b", "a"], "who": [3, 2, 1], "time": pa.array([5, 6, 7], pa.timestamp("s"))}
    )
    pq.write_table(table, tmp_path / "p.parquet")
    expected = [(3, "a", 5), (2, "b", 6), (1, "a", 7)]
    assert pairs(tmp_path / "p.parquet", user="who", size=2) == expected
    assert pairs(io.BytesIO((tmp_path / "p.parquet").read_bytes()), user=1) == expected
    pq.write_table(table.slice(0, 0), tmp_path / "p.parquet")
    assert pairs(tmp_path / "p.parquet", user="who") == []


def test_names_are_known_before_the_rows(tmp_path: Path) -> None:
    found = read_pairs(written(tmp_path, "userId,movieId,date\n1,2,soon\n"), timestamp=False)
    assert found.names == {"user": "userId", "item": "movieId"}
    assert read_pairs(written(tmp_path, "1,2\n")).names == {"user": "user", "item": "item"}
    assert pairs(written(tmp_path, "user,item\n")) == []


def test_any_number_of_pairs_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PAIR_BLOCK", 100)
    content = "user,item,timestamp\n" + "".join(f"u{k % 50},{k},{k}\n" for k in range(1000))
    batches = list(read_pairs(written(tmp_path, content), size=7))
    assert max(len(users) for users, _, _ in batches) == 7
    assert np.concatenate([users for users, _, _ in batches]).tolist() == [f"u{k % 50}" for k in range(1000)]
    assert np.concatenate([times for _, _, times in batches]).tolist() == list(range(1000))


def test_rows_behind_blank_lines_are_read(tmp_path: Path) -> None:
    assert pairs(written(tmp_path, "user,item\n1,1\n" + "\n" * 250_000 + "2,2\n3,3\n")) == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TIMED.encode()))))
    assert [pair[:2] for pair in pairs("-")] == [(1, 10), (2, 20)]


def test_kinds_of_ids_are_those_of_the_model(tmp_path: Path) -> None:
    path = written(tmp_path, "7,10\n8,11\n")
    assert pairs(path, ids={"user": str, "item": int}) == [("7", 10), ("8", 11)]
    assert pairs(written(tmp_path, "007,10\n7,11\n"), ids=str) == [("007", "10"), ("7", "11")]
    assert pairs(written(tmp_path, "7.0,10\n8.0,11\n"), ids=int) == [(7, 10), (8, 11)]
    for user, message in {
        "007": "'007' at row 1 has zeros in front",
        "1_0": "'1_0' at row 1 is no integer",
        "٢": "'٢' at row 1 is no integer",
        "film": "'film' at row 1 is no integer",
        "NULL": "missing id at row 1: 'NULL'",
        "9" * 30: "9* at row 1 does not fit int64",
    }.items():
        with pytest.raises(cf.DataError, match=f"pairs: column 'user': {message}"):
            pairs(written(tmp_path, f"1,2\n{user},3\n"), ids=int, size=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("7\n8\n", "at least the columns user and item are needed"),
        (
            "ann,tea\nbob,rye\n",
            "no column looks like the user.* if this is a row and no header, pass header=False",
        ),
        ("1,2,3,4,5\n", "5 columns and no header.* user=0, item=1 "),
        ("user,item\n1,2\n3\n", "'item' is missing at row 1, which has 1 columns"),
        ("user,item\n1,2\n,3\n", "'user': missing id at row 1"),
        (b"user,item\n\xff,2\n", r"'user': b'\\xff' is not utf-8 .* at row 0"),
        (gzip.compress(b"1,2\n" * 99)[:-9], "damaged or truncated"),
        (b"PAR1junkjunkPAR1", "parquet file is damaged"),
    ],
)
def test_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(cf.DataError, match=f"pairs.*{message}"):
        pairs(written(tmp_path, content))
