"""Parquet and Arrow files of which bytes have been changed."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import cfcore as cf
from tests.fuzz.engine import Target
from tests.fuzz.targets.text import check_ratings

TOKENS = (
    b"PAR1",
    b"PARE",
    b"ARROW1",
    b"\xff\xff\xff\xff",
    b"\0" * 8,
    b"user",
    b"item",
    b"rating",
    b"\x80" * 9 + b"\x01",
)


def _tables() -> list[Any]:
    import pyarrow as pa

    plain = {"user": [1, 1, 2], "item": [10, 11, 10], "rating": pa.array([4.0, 3.5, 5.0], pa.float32())}
    text = {"user": ["a", "b", "a"], "item": ["x", "y", "y"], "rating": [1, 2, 3]}
    dates = pa.array([10**9, 10**9 + 1, None], pa.timestamp("s"))
    return [
        pa.table(plain), pa.table({**plain, "timestamp": [1, 2, 3]}), pa.table(text),
        pa.table({**plain, "timestamp": dates}),
        pa.table({**text, "user": pa.array(["a", "b", "a"]).dictionary_encode()}),
        pa.table({**plain, "user": pa.array([[1], [2], [3]])}),
        pa.table({**plain, "rating": [None, 1.0, 2.0]}),
    ]  # fmt: skip


def _parquet() -> list[bytes]:
    import pyarrow.parquet

    found = []
    for table in _tables():
        for options in ({"compression": "none"}, {"compression": "snappy", "row_group_size": 2}):
            out = io.BytesIO()
            pyarrow.parquet.write_table(table, out, **options)
            found.append(out.getvalue())
    return found


def _arrow() -> list[bytes]:
    import pyarrow as pa

    found = []
    for table in _tables():
        for make in (pa.ipc.new_file, pa.ipc.new_stream):
            out = io.BytesIO()
            with make(out, table.schema) as writer:
                writer.write_table(table)
            found.append(out.getvalue())
    return found


def _run(data: bytes, name: str) -> None:
    Path(name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        check_ratings(cf.Ratings.read(name))


TARGETS = {
    "parquet": lambda: Target(
        "parquet", lambda data: _run(data, "ratings.parquet"), _parquet, TOKENS, weight=3
    ),
    "arrow": lambda: Target("arrow", lambda data: _run(data, "ratings.arrow"), _arrow, TOKENS, weight=2),
}
