"""JSON lines, parquet and Arrow files give the same ratings as text; other formats are named."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

import cfcore as cf
from cfcore.data import json_lines, parquet
from tests.contents import rows_of

TABLE = pa.table(
    {
        "review": ["good", "bad", "fine", "good"],
        "user_id": ["ann", "bob", "ann", "eve"],
        "business_id": [7, 7, 8, 8],
        "stars": [4.5, 1.0, 3.0, 2.0],
        "date": pa.array([1531001351, 5, 6, 7], pa.timestamp("s")),
    }
)
EXPECTED = [("ann", 7, 4.5, 1531001351), ("bob", 7, 1.0, 5), ("ann", 8, 3.0, 6), ("eve", 8, 2.0, 7)]


def in_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


def as_lines(table: pa.Table, path: Path) -> None:
    table.to_pandas().to_json(path, orient="records", lines=True, date_format="iso")


def as_array(table: pa.Table, path: Path) -> None:
    table.to_pandas().to_json(path, orient="records", date_format="iso", indent=1)


WRITERS = {
    "parquet": pq.write_table,
    "feather": pa.feather.write_feather,
    "Arrow stream": in_stream,
    "JSON lines": as_lines,
    "JSON array": as_array,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_typed_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH", 2)
    monkeypatch.setattr(json_lines, "BATCH", 2)
    path = tmp_path / "no_ending"
    WRITERS[kind](TABLE, path)
    for source in (path, io.BytesIO(path.read_bytes())):
        assert rows_of(cf.Ratings.read(source)) == EXPECTED
    chosen = cf.Ratings.read(path, user="review", item="user_id", timestamp=False)
    assert chosen.users.tolist() == TABLE["review"].to_pylist()
    assert chosen.timestamps is None
    if "JSON" not in kind:
        assert rows_of(cf.Ratings.read([path, path], duplicates="last")) == EXPECTED


@pytest.mark.parametrize("kind", ["parquet", "feather", "Arrow stream"])
def test_without_pyarrow(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    path = tmp_path / "r"
    WRITERS[kind](TABLE, path)
    found, hidden = importlib.util.find_spec, {"pyarrow"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in hidden else found(name))
    assert rows_of(cf.Ratings.read(path)) == EXPECTED
    hidden.add("polars")
    with pytest.raises(ImportError, match=r"pip install 'cfcore\[frames\]'"):
        cf.Ratings.read(path)


@pytest.mark.parametrize("column", ["user_id", "business_id", "stars"])
def test_parquet_in_folders_named_by_a_column(column: str, tmp_path: Path) -> None:
    pq.write_to_dataset(TABLE, tmp_path / "table", partition_cols=[column])
    assert sorted(rows_of(cf.Ratings.read(tmp_path / "table"))) == sorted(EXPECTED)


def test_files_of_one_table_have_ids_of_one_kind(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]}), tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"user": ["1", "x"], "item": [3, 4], "rating": [1.0, 2.0]}), tmp_path / "b.parquet"
    )
    with pytest.raises(cf.DataError, match="'user' must hold integer or string ids, all of one kind"):
        cf.Ratings.read(tmp_path)
    assert cf.Ratings.read(tmp_path, ids={"user": str}).users.tolist() == ["1", "2", "1", "x"]
    pq.write_table(
        pa.table({"user": pa.array([2**64 - 1], pa.uint64()), "item": [5], "rating": [3.0]}),
        tmp_path / "b.parquet",
    )
    assert cf.Ratings.read(tmp_path).users.tolist() == [1, 2, 2**64 - 1]


@pytest.mark.parametrize("size", [10, 120, -30, -9])
@pytest.mark.parametrize("kind", ["parquet", "feather", "Arrow stream"])
def test_truncated(kind: str, size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    WRITERS[kind](TABLE, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(cf.DataError, match=r"file: the .* file is damaged"):
        cf.Ratings.read(path)


@pytest.mark.parametrize("kind", ["parquet", "feather", "Arrow stream"])
def test_a_changed_byte_gives_ratings_or_a_data_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    WRITERS[kind](TABLE, path)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for at in rng.choice(len(good), min(len(good), 300), replace=False).tolist():
        changed = bytearray(good)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            cf.Ratings.read(path)
        except cf.DataError:
            refused += 1
    assert refused > 30


def test_rows_that_the_footer_claims_and_the_file_lacks(tmp_path: Path) -> None:
    """The number of rows in a parquet footer was believed, so that memory became ratings."""
    n, more = 3_000, 4_000
    table = pa.table({"user": np.arange(n) % 100, "item": np.arange(n) // 100, "rating": np.ones(n)})
    path = tmp_path / "r.parquet"
    pq.write_table(table, path, compression="none")
    good = path.read_bytes()

    def coded(number: int) -> bytes:  # a zigzag varint, as the footer has it
        number, out = 2 * number, b""
        while number > 127:
            number, out = number >> 7, out + bytes([number & 127 | 128])
        return out + bytes([number])

    tried = 0
    at = good.find(coded(n), len(good) - 8 - int.from_bytes(good[-8:-4], "little"))
    while at >= 0:
        path.write_bytes(good[:at] + coded(more) + good[at + len(coded(n)) :])
        try:
            claimed = pq.ParquetFile(path).metadata.num_rows
        except (pa.ArrowException, OSError):
            claimed = n
        if claimed == more:
            tried += 1
            with pytest.raises(cf.DataError, match=rf"r\.parquet.*(footer claims {more} rows|damaged)"):
                cf.Ratings.read(path)
        at = good.find(coded(n), at + 1)
    assert tried


LINE = '{"user": 1, "item": 2, "rating": 3}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"user": 1, "item": 2}', "'rating': missing value at row 2"),
        ('{"user": null, "item": 2, "rating": 3}', "'user': missing id at row 2"),
        ('{"item": 2, "rating": 3}', "'user': missing id at row 2"),
        ('{"user": "a", "item": 2, "rating": 3}', "'user' must hold integer or string ids, all of one kind"),
        ('{"user": 1.5, "item": 2, "rating": 3}', "'user' .* row 2 holds 1.5"),
        ('{"user": [5], "item": 2, "rating": 3}', r"'user' .* row 2 holds \[5\]"),
        ('{"user": true, "item": 2, "rating": 3}', "'user' .* row 2 holds True"),
        ('{"user": 5, "item": 2, "rating": true}', "'rating': True is not a number at row 2"),
        ('{"user": 5, "item": 2, "rating": "good"}', "'rating': 'good' is not a number at row 2"),
        ('{"user": 5, "item": 2, "rating": NaN}', "'rating': nan at row 2"),
        ("[1, 2, 3]", "row 2 is list, not a JSON object"),
        ('{"user": 5, "item"', "row 2 is not JSON"),
        ('{"user": 5, "item": 1, "rating": ' + "9" * 5000 + "}", "row 2 is not JSON"),
    ],
)
def test_wrong_lines(line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(LINE + "\n" + LINE.replace("1", "7") + line + "\n")
    for size in (1, 100):
        monkeypatch.setattr(json_lines, "BATCH", size)
        with pytest.raises(cf.DataError, match=message):
            cf.Ratings.read(path)


def test_json_of_other_forms(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for content, message in {
        '{\n "user": 1,\n "item": 2,\n "rating": 3\n}\n': "not one object a line .* lines=True",
        '{"user": {"0": 1}, "item": {"0": 2}, "rating": {"0": 3}}': "JSON by columns",
        "{'user': 1, 'item': 2, 'rating': 3}\n": "literals of Python, not JSON",
        "[[1, 2, 3]]": "element 0 is list",
        "[]": "is empty",
        '[{"user": 1,': "is not JSON",
        '{"who": 1, "item": 2, "rating": 3}\n': "no column looks like the user; .*'who', 'item', 'rating'",
    }.items():
        path.write_text(content)
        with pytest.raises(cf.DataError, match=message):
            cf.Ratings.read(path)


@pytest.mark.parametrize("kind", ["parquet", "feather", "JSON lines"])
def test_times_that_cannot_be_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "r"
    words = pa.array(["05 23, 2014", "06 1, 2014", "", "June"])
    WRITERS[kind](TABLE.set_column(4, "reviewTime", words), path)
    with pytest.warns(cf.errors.DataWarning, match=r"'reviewTime' is not read: '05 23, 2014'"):
        assert cf.Ratings.read(path).timestamps is None
    with pytest.raises(cf.DataError, match=r"'reviewTime': '05 23, 2014' at row 0 is neither"):
        cf.Ratings.read(path, timestamp="reviewTime")
    assert cf.Ratings.read(path, timestamp=False).timestamps is None
    dates = pa.array(["2014-05-23", "2014-05-24 10:00:00", "1400803200", "2014-05-23T00:00:00Z"])
    WRITERS[kind](TABLE.set_column(4, "reviewTime", dates), path)
    times = cf.Ratings.read(path).timestamps
    assert times is not None
    assert times.tolist() == [1400803200, 1400925600, 1400803200, 1400803200]


def test_numbers_as_text_in_json(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"user": "7", "item": 2, "rating": "3.5"}\n{"user": "007", "item": 2, "rating": "4"}\n')
    ratings = cf.Ratings.read(path, ids=str)
    assert (ratings.users.tolist(), ratings.values.tolist()) == (["7", "007"], [3.5, 4.0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1]), "a pickle, .* save it as parquet or csv"),
        (b"\x93NUMPY\x01\x00", "NumPy array; .*numpy.load"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"SQLite format 3\0", "SQLite database; .*read_sql"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
        (b"ORC\x01\x02\x00", "ORC"),
        (b"x" * 257 + b"ustar" + b"0" * 300, "tar archive; unpack it first"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7z archive"),
        (b"%%MatrixMarket matrix coordinate\n1 1 1\n1 1 5\n", "Ratings.from_scipy"),
        (b"@RELATION ratings\n", "ARFF"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"<html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"1:\n1488844,3,2005-09-06\n", "Netflix prize: the line '1:' names the item"),
        (b"1,2,3\n\0\0\0", "not a text file"),
    ],
)
def test_other_formats_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.csv"
    path.write_bytes(content)
    with pytest.raises(cf.DataError, match=rf"thing\.csv.*{message}"):
        cf.Ratings.read(path)


@pytest.mark.parametrize(
    "user", ["BZh9", "BZhang", "ORC7", "PAR1", "ARROW1", "Rar!", "{3F25-04E0}", "[a]", "RDX"]
)
def test_ids_that_begin_like_another_format(user: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"{user},1,5\n{user},2,4\n")
    assert cf.Ratings.read(path).user_ids.tolist() == [user]
