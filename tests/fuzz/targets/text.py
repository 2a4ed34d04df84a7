"""Text files and JSON lines, with all options of the reader; a twin in plain Python reads them too."""

from __future__ import annotations

import bz2
import decimal
import gzip
import json
import lzma
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import cfcore as cf
from tests.fuzz.engine import Stream, Target, Wrong

#: Bytes of an input that choose options; the rest is the file.
OPTIONS = 8
SEPARATORS = (
    None,
    None,
    ",",
    "\t",
    "::",
    ";",
    "|",
    " ",
    "",
    "ab",
    ",,",
    "é",
    "\n",
    '"',
    "12345",
    "\0",
    ".",
    "1",
    7,
)
ENCODINGS = (
    "utf-8", "utf-8", "utf-8", "latin-1", "utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig", "ascii",
    "utf-7", "x",
    "shift_jis", "idna", "punycode", "rot13", "",
)  # fmt: skip
COLUMNS: tuple[Any, ...] = (None, None, None, 0, 1, 2, 3, -1, 9, 2**70, "user", "rating", "x", "")
TOKENS = (
    b",", b"\t", b"::", b";", b"|", b" ", b"\n", b"\r\n", b"\r", b'"', b'""', b"'", b"\0", b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc3\xa9", b"\xd9\xa3", b"nan", b"NaN", b"inf", b"-inf", b"NULL", b"\\N", b"NA", b"None", b"1e5",
    b"1e-5", b"1e400",
    b"1e39", b"-0", b"+5", b".5", b"5.", b"0x10", b"1_0", b"007", b"3,5", b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808", b"18446744073709551615", b"1970-01-01", b"2020-02-30", b"2020-01-01T00:00:00Z",
    b"9999-12-31T23:59:59+14:00", b"0001-01-01", b"user,item,rating\n", b"userId,movieId,rating,timestamp\n",
    b"\n" * 9,
    b"1:\n", b"0" * 40, b"a" * 70, b"1,2,3\n", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"BZh9", b"(\xb5/\xfd",
    b"#", b"%",
)  # fmt: skip
TEXTS = (
    b"1,10,4\n1,20,3.5\n2,10,5\n",
    b"user,item,rating\nann,x,4\nbob,y,3\n",
    b"userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n2,31,3.0,1260759179\n7,1029,3,835355604\n",
    b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    b"196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n",
    b'"a;b";"1";"5"\n"c""d";"2";"6"\n', b"1|2|3|2020-01-01\n2|2|4|2020-01-02T03:04:05+01:00\n",
    b"1 2 3\n 4  5 6 \n\n7\t8 9\n", b"1;2;3,5\n2;2;4,5\n",
    "user\titem\trating\nJos\xe9\tb\xfccher\t3\n".encode(),
    "u,i,r\n1,2,3\n2,3,4\n".encode("utf-16"), b",user,item,rating\n0,5,6,3\n1,6,6,4\n",
    b"0,5,6,3\n1,6,6,4\n2,7,6,4\n",
    b"\xef\xbb\xbfuser,item,rating\r\n1,2,3\r\n", b"user:token\titem:token\trating:float\n1\t2\t3\n",
    b"a,b,1\nNULL,b,2\n3,4,nan\n", b"\n" * 50 + b"1,2,3\n", b"1,2,3", b"",
)  # fmt: skip
ROWS = (
    {"user": 1, "item": 2, "rating": 3.5, "timestamp": 978300760}, {"user": "a", "item": "b", "rating": 4},
    {"user_id": "x", "business_id": "y", "stars": 5.0, "date": "2020-01-01 10:00:00", "text": "a\nb"},
    {"reviewerID": "A1", "asin": "0000", "overall": 5, "unixReviewTime": 1252800000},
)  # fmt: skip
LINE_TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999",
    b'"user"',
    b'"item": ', b'"rating": ', b'"timestamp": ', b"\n", b"\\u0000", b"\\ud800", b"\\", b"[" * 300,
    b'{"a":' * 300,
    b"9" * 30, b"1.0", b"1.5", b"{}", b"[1,2,3]\n", b"\xff", b"\xef\xbb\xbf", b'"2020-01-01"',
)  # fmt: skip


def _seeds() -> list[bytes]:
    plain = bytes(OPTIONS)
    chosen = [plain + text for text in TEXTS]
    # Separator, encoding and header chosen; see `options_of`.
    chosen += [bytes([2, 0, 0, 0, 0, 0, 1, 0]) + TEXTS[0], bytes([4, 0, 0, 0, 0, 0, 1, 0]) + TEXTS[3]]
    chosen += [bytes([0, 4, 0, 0, 0, 0, 0, 0]) + TEXTS[10], bytes([5, 0, 0, 0, 0, 0, 1, 0]) + TEXTS[5]]
    return chosen


def _line_seeds() -> list[bytes]:
    rows = [json.dumps(row).encode() + b"\n" for row in ROWS]
    return [bytes(OPTIONS) + row + row.replace(b"1", b"2") for row in rows] + [bytes(OPTIONS) + rows[0]]


def options_of(stream: Stream) -> tuple[dict[str, Any], int]:
    """Options of the reader, and the compression."""
    options: dict[str, Any] = {"separator": stream.pick(SEPARATORS), "encoding": stream.pick(ENCODINGS)}
    kinds = stream.byte(), stream.byte(), stream.byte()
    if kinds[0] % 4 == 1:
        for role in ("user", "item", "rating", "timestamp"):
            options[role] = COLUMNS[(kinds[0] + kinds[1] * (len(role) + ord(role[0]))) % len(COLUMNS)]
    if kinds[1] % 4 == 1:
        options["timestamp"] = False
    if kinds[2] % 8 == 1:
        options["scale"] = ((0, 10), (1, 5), (5, 1), (float("nan"), 3), (1,), "x")[kinds[2] // 8 % 6]
    options["duplicates"] = ("error", "error", "last", "mean")[stream.byte() % 4]
    options["header"] = (None, False, True, None)[stream.byte() % 4]
    return options, stream.byte()


def _packed(content: bytes, kind: int) -> bytes:
    if kind % 16 < 12:
        return content
    pack: Any = (gzip.compress, bz2.compress, lambda text: lzma.compress(text, preset=0), gzip.compress)[
        kind % 4
    ]
    packed: bytes = pack(content)
    if kind % 16 == 15 and packed:  # damaged after packing
        at = kind // 16 * len(packed) // 16
        packed = packed[:at] + bytes([packed[at] ^ 1 << kind // 16 % 8]) + packed[at + 1 :]
    return packed


def check_ratings(ratings: cf.Ratings) -> None:
    """Raise Wrong unless a Ratings meets the conditions in its docstring."""
    n = len(ratings)
    for codes, ids in ((ratings.user_codes, ratings.user_ids), (ratings.item_codes, ratings.item_ids)):
        if codes.dtype != np.int32 or len(codes) != n or codes.min() < 0 or codes.max() >= len(ids):
            raise Wrong("codes are not within the vocabulary")
        # Sorted and distinct: each id is found where it is.
        if len(set(ids.tolist())) != len(ids) or sorted(ids.tolist()) != ids.tolist():
            raise Wrong("ids are not distinct and sorted")
    low, high = ratings.scale
    if ratings.values.dtype != np.float32 or not np.isfinite(ratings.values).all():
        raise Wrong("values are not finite")
    if not (
        math.isfinite(low)
        and math.isfinite(high)
        and np.float32(low) <= ratings.values.min()
        and ratings.values.max() <= np.float32(high)
    ):
        raise Wrong(f"values are not within the scale {ratings.scale}")
    if ratings.timestamps is not None and (
        ratings.timestamps.dtype != np.int64 or len(ratings.timestamps) != n
    ):
        raise Wrong("timestamps are not int64")
    repr(ratings)


def _twin(content: bytes, options: dict[str, Any]) -> list[tuple[str, str, float]] | None:
    """Ids and ratings of a file of plain lines, in plain Python; None if the file is not that plain."""
    separator = options["separator"]
    plain = (
        separator in (",", "\t", ";", "|", "::")
        and options["header"] is False
        and options["duplicates"] == "error"
    )
    columns = all(options.get(role) is None for role in ("user", "item", "rating"))
    if (
        not plain
        or not columns
        or options["encoding"] != "utf-8"
        or b'"' in content
        or b"\r" in content
        or b"\0" in content
    ):
        return None
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    rows = []
    for line in text.split("\n"):
        if not line.strip(" "):
            continue
        if not rows and line.lstrip().startswith(("#", "%")):
            return None  # a comment, or an id: the reader decides by its columns
        fields = [field.strip(" ") for field in line.split(separator)]
        try:
            rows.append((fields[0], fields[1], float(fields[2])))
        except (IndexError, ValueError):
            return None
    return rows


def _is_id(read: Any, text: str) -> bool:
    """Whether an id is what the file holds: the text, or its whole number."""
    if read == text or str(read) == text:
        return True
    return isinstance(read, int) and "." in text and decimal.Decimal(text) == read


def _check_against_twin(ratings: cf.Ratings, content: bytes, options: dict[str, Any]) -> None:
    rows = _twin(content, options)
    if rows is None:
        return
    if len(rows) != len(ratings):
        raise Wrong(f"{len(ratings)} rows read, {len(rows)} in the file")
    users, items = ratings.users.tolist(), ratings.items.tolist()
    for at, (user, item, value) in enumerate(rows):
        if (
            not _is_id(users[at], user)
            or not _is_id(items[at], item)
            or ratings.values[at] != np.float32(value)
        ):
            raise Wrong(
                f"row {at} is {rows[at]} and was read as {users[at]!r}, {items[at]!r}, {ratings.values[at]}"
            )


def run(data: bytes, name: str = "ratings.csv") -> None:
    stream = Stream(data[:OPTIONS])
    options, packing = options_of(stream)
    content = data[OPTIONS:]
    path = Path(name)
    path.write_bytes(_packed(content, packing))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ratings = cf.Ratings.read(path, **options)
    check_ratings(ratings)
    if packing % 16 < 12 and not content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")):
        _check_against_twin(ratings, content, options)


def run_lines(data: bytes) -> None:
    run(data, "ratings.jsonl")


TARGETS = {
    "text": lambda: Target("text", run, _seeds, TOKENS, weight=20, smoke=600),
    "lines": lambda: Target("lines", run_lines, _line_seeds, LINE_TOKENS, weight=3),
}
