"""Parquet files, read in batches, give the ratings of the whole table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import cfcore as cf
from cfcore.data import parquet

COLUMNS = {
    "integers": (lambda n: [(7 * k) % 53 for k in range(n)], pa.int64()),
    "narrow": (lambda n: [(7 * k) % 53 - 20 for k in range(n)], pa.int8()),
    "far apart": (lambda n: [(7 * k) % 53 * 10**15 for k in range(n)], pa.uint64()),
    "text of growing length": (
        lambda n: ["x" * (k % 3) + str(k % 53) * (1 + k // 150) for k in range(n)],
        None,
    ),
    "large text": (lambda n: [f"ü{(7 * k) % 53}" for k in range(n)], pa.large_string()),
    "a category": (lambda n: [f"c{(7 * k) % 53}" for k in range(n)], pa.dictionary(pa.int32(), pa.string())),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("row_group_size", [40, 10_000])
def test_parquet_in_batches_is_parquet_at_once(
    name: str, row_group_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, kind = COLUMNS[name]
    n = 400
    users = make(n)
    items = [(k * k + k // 53) % 391 for k in range(n)]
    pairs: dict[tuple[object, int], int] = {}
    rows = [k for k, pair in enumerate(zip(users, items, strict=True)) if pairs.setdefault(pair, k) == k]
    table = pa.table(
        {
            "item": pa.array(items, pa.int32()),
            "other": pa.array(["unused"] * n),
            "user": pa.array(users, kind),
            "rating": pa.array([1 + k % 9 / 2 for k in range(n)], pa.float64()),
            "time": pa.array(range(10**9, 10**9 + n), pa.timestamp("s")),
        }
    ).take(rows)
    pyarrow.parquet.write_table(table, tmp_path / "r.parquet", row_group_size=row_group_size)
    monkeypatch.setattr(parquet, "BATCH", 64)
    read, expected = cf.Ratings.read(tmp_path / "r.parquet"), cf.Ratings.from_frame(table)
    for field in ("user_ids", "item_ids", "user_codes", "item_codes", "values", "timestamps"):
        np.testing.assert_array_equal(getattr(read, field), getattr(expected, field), strict=True)
    assert read.scale == expected.scale


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("user", None, "column 'user': missing id at row 77"),
        ("rating", None, "column 'rating': missing value at row 77"),
        ("rating", float("nan"), "column 'rating': nan at row 77 is not a finite"),
        ("rating", 1e300, "column 'rating': inf at row 77 is not a finite"),
        ("item", 0, "row 77 repeats row 70"),
    ],
)
def test_rows_are_numbered_across_batches(
    column: str, value: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {
        "user": [k // 10 for k in range(100)],
        "item": [k % 10 for k in range(100)],
        "rating": [2.0] * 100,
    }
    columns[column][77] = value  # type: ignore[call-overload]
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "r.parquet")
    monkeypatch.setattr(parquet, "BATCH", 32)
    with pytest.raises(cf.DataError, match=message):
        cf.Ratings.read(tmp_path / "r.parquet")
