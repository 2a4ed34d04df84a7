"""Text of every shape that programs write is read right, or refused with a remedy."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import cfcore as cf
from cfcore.data import blocks

NAN = float("nan")
BACKENDS = pytest.mark.parametrize("backend", ["compiled", "reference"])


def read(tmp_path: Path, content: str | bytes, **options: Any) -> list[tuple[Any, ...]]:
    path = tmp_path / "r.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ratings = cf.Ratings.read(path, **options)
    columns = [ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist()]
    if ratings.timestamps is not None:
        columns.append(ratings.timestamps.tolist())
    return list(zip(*columns, strict=True))


RUNS = {
    "aligned": "  1   10   4.5\n 22    5     3\n",
    "aligned, with a header": "user   item  rating\n  1     10     4.5\n 22      5       3\n",
    "blanks at the end": "1 10 4.5  \n22 5 3 \n",
    "doubled tabs": "1\t\t10\t\t4.5\n22\t\t5\t\t3\n",
    "doubled tabs, with a header": "user\t\titem\t\trating\n1\t\t10\t\t4.5\n22\t\t5\t\t3\n",
    "tabs up to a column": "1\t\t10\t4.5\n22\t5\t\t3\n",
    "tabs and blanks": "1 \t10  4.5\n22\t 5 3\n",
    "quoted": '"1"   10   4.5\n 22    5   "3"\n',
}


@BACKENDS
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("shape", RUNS)
def test_runs_of_blanks_and_tabs(tmp_path: Path, shape: str, end: str, backend: str) -> None:
    with cf.backend(backend):
        assert read(tmp_path, RUNS[shape].replace("\n", end)) == [(1, 10, 4.5), (22, 5, 3.0)]


@pytest.mark.parametrize("size", [1, 10, 25])
def test_runs_at_the_ends_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(blocks, "BLOCK", size)
    for content in RUNS.values():
        assert read(tmp_path, content) == [(1, 10, 4.5), (22, 5, 3.0)]


def test_a_run_that_comes_late_or_is_asked_for(tmp_path: Path) -> None:
    content = "1 10 4.5\n" + "2 5 3\n" * 0 + "22  5   3\n"
    for separator in (None, " ", r"\s+"):
        assert read(tmp_path, content, separator=separator) == [(1, 10, 4.5), (22, 5, 3.0)]


def test_blanks_inside_of_quotes_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, 'ann   "Toy  Story"   4.5\nbob   "Heat  2"     3\n') == [
        ("ann", "Toy  Story", 4.5),
        ("bob", "Heat  2", 3.0),
    ]


def test_an_empty_column_of_tabs_is_a_column(tmp_path: Path) -> None:
    content = "user\tnote\titem\trating\n1\t\t10\t4.5\n22\t\t5\t3\n"
    assert read(tmp_path, content) == [(1, 10, 4.5), (22, 5, 3.0)]


@BACKENDS
@pytest.mark.parametrize("separator", ["<sep>", " :: ", "¦", "\x01", "~", "^", "||", "--", r"\t"])
def test_given_separators(tmp_path: Path, separator: str, backend: str) -> None:
    in_file = "\t" if separator == r"\t" else separator
    content = f"1{in_file}10{in_file}4.5\nann{in_file}5{in_file}3\n"
    with cf.backend(backend):
        assert read(tmp_path, content, separator=separator) == [("1", 10, 4.5), ("ann", 5, 3.0)]
    assert read(tmp_path, content.encode("latin-1"), separator=separator, encoding="latin-1")


@pytest.mark.parametrize(
    ("separator", "error", "message"),
    [
        ("", ValueError, "separator is empty; leave it out"),
        ("\n", ValueError, "ends a line"),
        ('"', ValueError, "holds"),
        ("1", ValueError, "belongs to a field"),
        (5, TypeError, "separator must be a str, not int"),
        (";", cf.DataError, "the separator ';' is not in its first line '1,2,3'"),
    ],
)
def test_separators_that_cannot_be(
    tmp_path: Path, separator: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, "1,2,3\n", separator=separator)


def test_a_separator_that_all_lines_agree_on(tmp_path: Path) -> None:
    assert read(tmp_path, "1;2;3,5;964982703\n1;3;4,5;964982704\n") == [
        (1, 2, 3.5, 964982703),
        (1, 3, 4.5, 964982704),
    ]
    assert read(tmp_path, "a,b c d;5\nb,b c e;4\n".replace(";", ",")) == [
        ("a", "b c d", 5.0),
        ("b", "b c e", 4.0),
    ]
    assert read(tmp_path, "sep=;\nuser;item;rating\n1;2;3\n") == [(1, 2, 3.0)]


@BACKENDS
def test_decimal_commas(tmp_path: Path, backend: str) -> None:
    with cf.backend(backend):
        for content in (
            "1;10;4,5\n22;5;3\n",
            "1\t10\t4,5\n22\t5\t3,0\n",
            '1,10,"4,5"\n22,5,3\n',
            "1 10 4,5\n22 5 3.0\n",
        ):
            assert read(tmp_path, content) == [(1, 10, 4.5), (22, 5, 3.0)]
    assert read(tmp_path, "1;10;1,234\n", decimal=",")[0][2] == pytest.approx(1.234)
    for content, decimal, message in (
        ("1;10;1,234\n", None, "'1,234' may have a decimal comma, .*; pass decimal=','"),
        ("1;10;1.5\n", ",", "'1.5' is not a number with a decimal comma at row 0"),
        ("1;10;1,5\n", ".", "'1,5' is not a number at row 0"),
    ):
        with pytest.raises(cf.DataError, match=message):
            read(tmp_path, content, decimal=decimal)
    with pytest.raises(ValueError, match=r"decimal must be"):
        read(tmp_path, "1;10;1,5\n", decimal=";")


@BACKENDS
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_unicode_with_and_without_a_mark(tmp_path: Path, encoding: str, backend: str) -> None:
    content = "user\titem\trating\r\nä€\tb\t3.5\r\nc\tb\t4\r\n".encode(encoding)
    with cf.backend(backend):
        assert read(tmp_path, content) == [("ä€", "b", 3.5), ("c", "b", 4.0)]
        assert read(tmp_path, content, encoding=encoding) == [("ä€", "b", 3.5), ("c", "b", 4.0)]


def test_a_mark_in_numbers(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert read(tmp_path, "1,2,3\n4,5,1\n".encode(encoding)) == [(1, 2, 3.0), (4, 5, 1.0)]


@pytest.mark.parametrize(
    ("encoding", "user"),
    [
        ("latin-1", "é"),
        ("cp1252", "“x”"),
        ("koi8-r", "мир"),
        ("gbk", "中文"),
        ("shift_jis", "ソ表"),
        ("utf-7", "é"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, user: str) -> None:
    # The second byte of some characters of Shift JIS is that of a backslash or a bar.
    content = f"{user}|2|3\nann|2|4\n".encode(encoding)
    assert read(tmp_path, content, encoding=encoding) == [(user, 2, 3.0), ("ann", 2, 4.0)]


def test_wrong_encodings(tmp_path: Path) -> None:
    with pytest.raises(cf.DataError, match=r"'user': b'\\xe9' is not utf-8 .*encoding='latin-1'"):
        read(tmp_path, b"\xe9,2,3\n")
    with pytest.raises(cf.DataError, match=r"r.txt: .*; pass the encoding of the file"):
        read(tmp_path, "1,2,3\n".encode("utf-16")[:-1])
    with pytest.raises(cf.DataError, match=r"r.txt: .*; pass the encoding of the file"):
        read(tmp_path, b"\xff1,2,3\n", encoding="gbk")
    for encoding in ("utf-99", "rot13", "", None, 8):
        with pytest.raises(ValueError, match=r"encoding=.* is unknown"):
            read(tmp_path, b"1,2,3\n", encoding=encoding)


@BACKENDS
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_thousands_of_blank_lines(tmp_path: Path, end: str, backend: str) -> None:
    blank = (end + "  " + end) * 40_000
    with cf.backend(backend):
        for content in (
            f"user,item,rating{end}1,1,1{end}{blank}2,2,2{end}3,3,3{blank}",
            f"{blank}1,1,1{end}2,2,2{blank}3,3,3",
            f"{blank}user,item,rating{blank}1,1,1{end}2,2,2{end}3,3,3{end}",
        ):
            assert read(tmp_path, content) == [(1, 1, 1.0), (2, 2, 2.0), (3, 3, 3.0)]
    with pytest.raises(cf.DataError, match=r"is empty"):
        read(tmp_path, blank)


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    assert read(tmp_path, "user,item,rating\ra,b,3\rc,b,4") == [("a", "b", 3.0), ("c", "b", 4.0)]


def test_separators_at_the_end_of_lines(tmp_path: Path) -> None:
    assert read(tmp_path, "1,2,3,\n4,5,6,\n") == [(1, 2, 3.0), (4, 5, 6.0)]
    assert read(tmp_path, "1::2::3::\r\n") == [(1, 2, 3.0)]
    assert read(tmp_path, "1,2,3,964982703,,\n") == [(1, 2, 3.0, 964982703)]
    assert read(tmp_path, "user,item,rating,\n4,5,6,\n") == [(4, 5, 6.0)]


COMMENTS = {
    "lines of words": "# ratings of 2020\n#\n% a, b, c\nuser,item,rating\n1,2,3\n",
    "before rows": "% bip weighted\n% 1000 943 1682\n1 2 3\n",
    "a header behind a mark": "# user,item,rating\n1,2,3\n",
    "a header behind a mark, other order": "#rating\titem\tuser\n3\t2\t1\n",
    "a comment, then such a header": "# from the shop\n# rating item user\n3 2 1\n",
}


@pytest.mark.parametrize("kind", COMMENTS)
def test_comments(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, COMMENTS[kind]) == [(1, 2, 3.0)]


def test_ids_with_the_mark_of_comments_are_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "#7,1,5\n#8,1,4\nann,2,3\n") == [("#7", 1, 5.0), ("#8", 1, 4.0), ("ann", 2, 3.0)]
    with pytest.raises(cf.DataError, match=r"'item' is missing at row 1"):
        read(tmp_path, "1,2,3\n# a comment\n2,3,4\n")


@BACKENDS
def test_quotes(tmp_path: Path, backend: str) -> None:
    with cf.backend(backend):
        rows = read(tmp_path, '1,"a,9,9",2,5\n3,"b,8,8",2,4\n', user=0, item=2, rating=3)
        assert rows == [(1, 2, 5.0), (3, 2, 4.0)]
        assert read(tmp_path, 'user,item,rating,disk\n1,2,3,7" disk\n4,5,6,x\n') == [(1, 2, 3.0), (4, 5, 6.0)]
        # The second line would be a row.
        broken = 'user,item,rating,text\n1,2,3,"fine\n7,8,1,bad"\n4,5,6,x\n'
        with pytest.raises(cf.DataError, match=r"row 0 has a double quote .* 'fine'.*pandas\.read_csv"):
            read(tmp_path, broken)
        with pytest.raises(cf.DataError, match=r"row 1 has a double quote"):
            read(tmp_path, "user,item,rating,text\n5,5,5,x\n\n" + broken.split("\n", 1)[1])


def test_ratings_that_are_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cfcore")
    assert read(tmp_path, "1,2,0\n1,3,4\n2,2,0\n", missing=0) == [(1, 3, 4.0)]
    assert "2 of 3 rows have no rating (missing=0)" in caplog.text
    assert read(tmp_path, "1;2;\n1;3;4,5\n2;2;NULL\n2;4;99\n", missing=[99, NAN]) == [(1, 3, 4.5)]
    assert "3 of 4 rows" in caplog.text
    assert read(tmp_path, "user,anime_id,rating\n1,2,-1\n1,3,4\n", missing=-1, scale=(1, 10)) == [(1, 3, 4.0)]
    for content, message in (
        ("1,2,\n", "missing value"),
        ("1,2,NA\n", "'NA' is not"),
        ("1,2,nan\n", "'nan' is not"),
    ):
        with pytest.raises(
            cf.DataError,
            match=rf"{message}.* at row 1; missing=float\(.nan.\) leaves such rows out",
        ):
            read(tmp_path, "1,3,4\n" + content)


def test_long_fields_are_cut_in_messages(tmp_path: Path) -> None:
    for content in ("1,2," + "x" * 100_000, "9" * 100_000 + ",2,3\n7,2,3", "1,2,3,5\n2,2,3," + "9" * 100_000):
        with pytest.raises(cf.DataError) as caught:
            read(tmp_path, content)
        assert len(str(caught.value)) < 400 + len(str(tmp_path))
