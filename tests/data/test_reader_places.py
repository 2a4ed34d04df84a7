"""Ratings are read from paths, patterns, folders, archives, open files and standard input alike."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import cfcore as cf
from tests.contents import rows_of

TEXT = "user,item,rating,timestamp\n1,10,4.5,964982703\n2,20,3,964982704\n"
MORE = "user,item,rating,timestamp\n3,10,1,964982705\n"
ROWS = [(1, 10, 4.5, 964982703), (2, 20, 3.0, 964982704)]


def alone(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def in_two_frames(data: bytes) -> bytes:
    return zstandard.compress(data[:30]) + zstandard.compress(data[30:])


def twice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(data))


PACKERS = [gzip.compress, bz2.compress, lzma.compress, alone, zstandard.compress, in_two_frames, twice]


@pytest.mark.parametrize("pack", PACKERS)
def test_compressed_files_are_told_by_their_content(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "ratings"
    path.write_bytes(pack(TEXT.encode()))
    assert rows_of(cf.Ratings.read(path)) == ROWS
    path.write_bytes(pack(TEXT.encode())[:-5])
    with pytest.raises(cf.DataError, match="ratings: the compressed file is damaged or truncated"):
        cf.Ratings.read(path)


@pytest.mark.parametrize("modules", [["zstandard"], ["pyarrow"], []])
def test_zstd_by_any_library_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: list[str]
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    hidden = {"compression", "backports", "zstandard", "pyarrow"} - set(modules)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name.partition(".")[0] in hidden else found(name)
    )
    path = tmp_path / "ratings.csv.zst"
    path.write_bytes(zstandard.compress(TEXT.encode()))
    if modules:
        assert rows_of(cf.Ratings.read(path)) == ROWS
        path.write_bytes(zstandard.compress(TEXT.encode())[:-5])
        with pytest.raises(cf.DataError, match="damaged or truncated"):
            cf.Ratings.read(path)
    else:
        with pytest.raises(ImportError, match=r"pip install 'cfcore\[zstd\]'"):
            cf.Ratings.read(path)


def test_open_files(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(TEXT)
    for mode in ("r", "rb"):
        with open(path, mode) as file:
            assert rows_of(cf.Ratings.read(file)) == ROWS
            assert not file.closed
    assert rows_of(cf.Ratings.read(io.StringIO(TEXT))) == ROWS
    for pack in (bytes, *PACKERS):
        assert rows_of(cf.Ratings.read(io.BytesIO(pack(TEXT.encode())))) == ROWS
    with pytest.raises(cf.DataError, match="closed"):
        cf.Ratings.read(file)


def test_what_has_been_read_of_an_open_file_is_not_read_again(tmp_path: Path) -> None:
    file = io.BytesIO(b"a line of words\n" + TEXT.encode())
    file.readline()
    assert rows_of(cf.Ratings.read(file)) == ROWS


def test_a_pipe_and_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    receive, send = os.pipe()
    os.write(send, TEXT.encode())
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        assert rows_of(cf.Ratings.read(pipe)) == ROWS
    # Strings follow after numbers: nothing is read twice.
    mixed = io.BytesIO(("1,1,5\n" * 3).replace("1,1", "1,{}").format(1, 2, 3).encode() + b"ann,1,4\n")
    mixed.seekable = lambda: False  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(mixed))
    assert cf.Ratings.read("-").users.tolist() == ["1", "1", "1", "ann"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(TEXT))
    assert rows_of(cf.Ratings.read("-")) == ROWS
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(cf.DataError, match="standard input is closed"):
        cf.Ratings.read("-")


def test_several_files_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ratings_1.csv").write_text(TEXT)
    (tmp_path / "ratings_2.csv.gz").write_bytes(gzip.compress(MORE.encode()))
    both = [*ROWS, (3, 10, 1.0, 964982705)]
    assert rows_of(cf.Ratings.read("ratings_*")) == both
    assert rows_of(cf.Ratings.read(["ratings_1.csv", tmp_path / "ratings_2.csv.gz"])) == both
    assert rows_of(cf.Ratings.read(["ratings_2.csv.gz", io.StringIO(TEXT)])) == [both[2], *ROWS]
    with pytest.raises(cf.DataError, match=r"row 0 of .* repeats row 0 of"):
        cf.Ratings.read(["ratings_1.csv", "ratings_1.csv"])
    with pytest.raises(FileNotFoundError, match=r"no file fits the pattern 'other_\*'"):
        cf.Ratings.read("other_*")
    with pytest.raises(ValueError, match="list of paths is empty"):
        cf.Ratings.read([])
    (tmp_path / "a[1].csv").write_text(TEXT)  # a name, not a pattern
    assert rows_of(cf.Ratings.read("a[1].csv")) == ROWS


def test_parts_of_a_file_that_was_cut_have_one_header(tmp_path: Path) -> None:
    (tmp_path / "x_aa").write_text("rating,item,user\n4,10,1\n3,20,2\n")
    (tmp_path / "x_ab").write_text("5,30,1\n")
    assert rows_of(cf.Ratings.read(tmp_path / "x_*")) == [
        (1, 10, 4.0, None),
        (2, 20, 3.0, None),
        (1, 30, 5.0, None),
    ]
    (tmp_path / "x_ac").write_text("5,30,1,7\n")
    with pytest.raises(cf.DataError, match="x_ac has 4 columns and no header, unlike the file before"):
        cf.Ratings.read(tmp_path / "x_*")


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(cf.DataError, match=r"has a header, and .* has none; give a file with a header first"):
        cf.Ratings.read([io.StringIO("1,2,3\n"), io.StringIO("item,user,rating\n1,2,3\n")])
    with pytest.raises(cf.DataError, match=r"has timestamps, and .* has none; timestamp=False"):
        cf.Ratings.read([io.StringIO(TEXT), io.StringIO("user,item,rating\n1,2,3\n")])
    pair = [io.StringIO(TEXT), io.StringIO('{"user": 7, "item": 2, "rating": 3, "timestamp": 1}\n')]
    with pytest.raises(cf.DataError, match=r"different kinds, .* Ratings\.concat"):
        cf.Ratings.read(pair)


def test_a_folder_of_parts(tmp_path: Path) -> None:
    folder = tmp_path / "out.csv"
    folder.mkdir()
    (folder / "part-00000.csv").write_text(TEXT)
    (folder / "part-00001.csv").write_text(MORE)
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-00000.csv.crc").write_text("x")
    assert rows_of(cf.Ratings.read(folder)) == [*ROWS, (3, 10, 1.0, 964982705)]
    (folder / "movies.dat").write_text("1::Heat\n")
    with pytest.raises(cf.DataError, match=r"folder of different files: 'movies\.dat', .*; name one"):
        cf.Ratings.read(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(cf.DataError, match="empty is a folder without data files"):
        cf.Ratings.read(empty)


@pytest.mark.parametrize("folder", ["_delta_log", "metadata"])
def test_tables_whose_files_hold_deleted_rows(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "v1.metadata.json").write_text("{}")
    with pytest.raises(cf.DataError, match=r"(Delta|Iceberg) table, .* Ratings\.from_frame"):
        cf.Ratings.read(tmp_path)


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_zip_archive_with_one_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "r.zip", {"data/": "", "data/r.csv": TEXT, "__MACOSX/data/._r.csv": "x"})
    assert rows_of(cf.Ratings.read(path)) == ROWS
    assert rows_of(cf.Ratings.read(io.BytesIO(path.read_bytes()))) == ROWS
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[whole.find(b"data/r.csv") + 20] ^= 255
    for content in (damaged, whole[:-30]):
        (tmp_path / "damaged.zip").write_bytes(content)
        with pytest.raises(cf.DataError, match=r"damaged\.zip.* damaged or truncated"):
            cf.Ratings.read(tmp_path / "damaged.zip")


def test_a_zip_archive_with_more_names_them(tmp_path: Path) -> None:
    path = zipped(tmp_path / "ml.zip", {"ml/README.txt": "", "ml/ratings.csv": TEXT, "ml/tags.csv": "x"})
    with pytest.raises(cf.DataError, match=r"3 files: 'ml/README\.txt', .*\.open\('ml/ratings\.csv'\)"):
        cf.Ratings.read(path)
    with zipfile.ZipFile(path) as archive, archive.open("ml/ratings.csv") as file:
        assert rows_of(cf.Ratings.read(file)) == ROWS
    book = zipped(tmp_path / "r.xlsx", {"[Content_Types].xml": "", "xl/workbook.xml": ""})
    with pytest.raises(cf.DataError, match=r"Excel workbook; save it as csv, or .*read_excel"):
        cf.Ratings.read(book)


def test_home_and_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "my ratings.csv").write_text(TEXT)
    assert rows_of(cf.Ratings.read("~/my ratings.csv")) == ROWS
    assert rows_of(cf.Ratings.read((tmp_path / "my ratings.csv").as_uri())) == ROWS
    for address in ("https://example.org/r.csv", "s3://bucket/r.parquet", "http:/example.org/r.csv"):
        with pytest.raises(cf.DataError, match="is a URL: download the file first"):
            cf.Ratings.read(address)
    with pytest.raises(FileNotFoundError):
        cf.Ratings.read(tmp_path / "no.csv")


def test_what_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(cf.DataError, match=r"is no path; .*io\.StringIO"):
        cf.Ratings.read(TEXT)
    for wrong, message in ((TEXT.encode(), "io.BytesIO"), (7, "not int"), ({"a": [1]}, "Ratings.from_frame")):
        with pytest.raises(TypeError, match=message):
            cf.Ratings.read(wrong)
