"""Formats of files told by their first bytes, and what to do with those that are not read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cfcore.data.columns import listed
from cfcore.errors import DataError

__all__ = ["Format", "format_of", "refuse_archive", "refuse_folder"]

Format = Literal["text", "json", "parquet", "arrow", "arrow stream"]

_BY_PANDAS = "pass a frame, such as Ratings.from_frame(pandas.{reader})"
_EXCEL = f"an Excel workbook; save it as csv, or {_BY_PANDAS.format(reader='read_excel(path)')}"
_HTML = "a web page (HTML), perhaps an error page of a download"

# First bytes -> what the file is, and a remedy.
_OTHERS: dict[bytes, str] = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _EXCEL,
    b"FEA1": "in the old feather format; " + _BY_PANDAS.format(reader="read_feather(path)"),
    b"\x89HDF\r\n": "in HDF5 format; " + _BY_PANDAS.format(reader="read_hdf(path)"),
    b"SQLite format 3\0": "a SQLite database; " + _BY_PANDAS.format(reader="read_sql(query, connection)"),
    b"\x93NUMPY": "a NumPy array; pass its columns, Ratings(users, items, values), from numpy.load(path)",
    b"Obj\x01": "in Avro format; convert it to parquet or csv",
    b"ORC": "in ORC format; " + _BY_PANDAS.format(reader="read_orc(path)"),
    b"RDX": "R data; save it as csv by write.csv",
    b"\x80\x02": "a pickle, which may run any code when it is loaded; save it as parquet or csv",
    b"\x80\x03": "a pickle, which may run any code when it is loaded; save it as parquet or csv",
    b"\x80\x04": "a pickle, which may run any code when it is loaded; save it as parquet or csv",
    b"\x80\x05": "a pickle, which may run any code when it is loaded; save it as parquet or csv",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it first",
    b"Rar!\x1a\x07": "a rar archive; unpack it first",
    b"\x04\x22\x4d\x18": "compressed by lz4; unpack it first",
    b"\xff\x06\x00\x00sNaPpY": "compressed by snappy; unpack it first",
    b"\x1f\x9d": "compressed by compress (.Z); unpack it first",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%%MatrixMarket": "a matrix in Matrix Market format; Ratings.from_scipy(scipy.io.mmread(path)) reads it",
    b"version https://git-lfs": "a pointer of Git LFS and not the data; fetch them by `git lfs pull`",
    b"<?xml": "an XML document; convert it to csv",
}


def format_of(start: bytes, where: str) -> Format:
    """Format of a file from its first bytes; DataError, with a remedy, for those that are known but not read.

    Parameters
    ----------
    start : bytes
        At least the first 512 bytes, unless the file is shorter.
    where : str
        Name of the file in errors.
    """
    start = start[:512]
    # An id such as ORC7 may begin a text, which has separators and no control characters.
    binary = not re.match(rb"[^\0-\x08]*[,;|\t\n]", start) or re.search(rb"[\0-\x08]", start)
    if binary and start.startswith(b"PAR1"):
        return "parquet"
    if binary and start.startswith(b"PARE"):
        raise DataError(f"{where} is encrypted parquet; decrypt it first")
    if binary and start.startswith(b"ARROW1"):
        return "arrow"
    if start.startswith(b"\xff\xff\xff\xff") and start[8:9] not in (b"", b"\xff"):
        return "arrow stream"
    for magic, what in _OTHERS.items():
        if start.startswith(magic) and (binary or not magic.isalnum()):
            raise DataError(f"{where} is {what}")
    if start[257:262] == b"ustar":
        raise DataError(f"{where} is a tar archive; unpack it first")
    begin = start[:3] == b"\xef\xbb\xbf" and 3
    text = start[begin:].lstrip()
    if re.match(rb"<(!doctype|html|head|body)", text, re.IGNORECASE):
        raise DataError(f"{where} is {_HTML}")
    if re.match(rb"@(relation|attribute)", text, re.IGNORECASE):
        raise DataError(f"{where} is in ARFF format; convert it to csv")
    if re.match(rb"\{\s*u?'", text):
        raise DataError(
            f"{where} holds literals of Python, not JSON: its names are in single quotes; convert each line "
            "by json.dumps(ast.literal_eval(line))"
        )
    if re.match(rb"\[\s*[-\d\"]", text) and b"]\n" in text.replace(b"\r", b""):
        raise DataError(
            f"{where} holds arrays of JSON, which name no columns; pass rows, such as "
            "Ratings.from_frame(pandas.DataFrame(map(json.loads, open(path)), "
            "columns=['user', 'item', 'rating']))"
        )
    if re.match(rb'\{\s*("|\}|$)', text) or re.match(rb"\[\s*(\{|\[|\]|$)", text):
        return "json"
    if re.match(rb"\d+:\r?\n", text):
        raise DataError(
            f"{where} is in the format of the Netflix prize: the line {text.split()[0].decode()!r} names the "
            "item of the rows below it; cf.datasets.read_netflix(path) reads it"
        )
    return "text"


def refuse_archive(names: Sequence[str], where: str) -> None:
    """DataError for a zip archive that is a document of some program."""
    present = set(names)
    if any(name.startswith("xl/") for name in present):
        raise DataError(f"{where} is {_EXCEL}")
    if "[Content_Types].xml" in present or "mimetype" in present:
        raise DataError(f"{where} is a document of an office program; save the table in it as csv")
    if present and all(name.endswith(".npy") for name in present):
        raise DataError(
            f"{where} is an archive of NumPy arrays ({listed(names)}); pass its columns, Ratings(users, "
            "items, values), from numpy.load(path)"
        )


def refuse_folder(folder: Path) -> None:
    """DataError for a folder that is a table of which not all files are valid rows."""
    if (folder / "_delta_log").is_dir():
        raise DataError(
            f"{folder} is a Delta table, whose files hold deleted rows too; pass a frame: "
            "Ratings.from_frame(polars.read_delta(path))"
        )
    if (folder / "metadata").is_dir() and any((folder / "metadata").glob("*.metadata.json")):
        raise DataError(
            f"{folder} is an Iceberg table, whose files hold deleted rows too; pass a frame: "
            "Ratings.from_frame(polars.scan_iceberg(path).collect())"
        )
