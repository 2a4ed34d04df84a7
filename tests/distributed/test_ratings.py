"""Ratings from tables of Dask: the shards are those of the same rows in memory."""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import cfcore as cf
from cfcore.errors import DataError, DuplicateError

COLUMNS = ("user_ids", "item_ids", "user_codes", "item_codes", "values", "timestamps")


def table(n: int = 4000, seed: int = 0, strings: bool = False, whole: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(80 * 90)[:n]
    users, items = cells // 90 * 3, cells % 90
    values = rng.integers(1, 6, n).astype(float) if whole else rng.normal(3, 1, n)
    frame = pd.DataFrame(
        {"userId": users, "movieId": items, "rating": values, "timestamp": rng.integers(0, 9**9, n)}
    )
    if strings:
        frame["movieId"] = [f"ö{'x' * (one % 80)}{one}" for one in items]
    return frame


def in_parts(frame: pd.DataFrame, n: int = 5) -> Any:
    import dask.dataframe as dd

    return dd.from_pandas(frame.reset_index(drop=True), npartitions=n, sort=False)


def same(one: cf.Ratings, other: cf.Ratings) -> None:
    for name in COLUMNS:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)
            assert mine.dtype == theirs.dtype, name
    assert (one.scale, one.mean, one.column_names) == (other.scale, other.mean, other.column_names)
    np.testing.assert_array_equal(one.user_counts, other.user_counts)
    np.testing.assert_array_equal(one.item_counts, other.item_counts)


@pytest.mark.parametrize(("strings", "whole", "timed"), [(False, True, True), (True, False, False)])
def test_ratings_of_a_frame(client: Client, tmp_path: Path, strings: bool, whole: bool, timed: bool) -> None:
    frame = table(strings=strings, whole=whole)
    timestamp = None if timed else False
    found = cf.distributed.Ratings.from_dask(
        in_parts(frame), client, folder=tmp_path / "shards", timestamp=timestamp, shard_size=900
    )
    wanted = cf.Ratings.from_frame(frame, timestamp=timestamp)
    same(found, wanted)
    assert len(found.shards) > 2
    same(cf.Ratings.open(tmp_path / "shards"), wanted)
    assert not list((tmp_path / "shards").glob(".*"))
    model = cf.SVD(n_factors=3, n_epochs=2, random_state=0)
    np.testing.assert_array_equal(
        model.clone().fit(found).predict(wanted), model.clone().fit(wanted).predict(wanted)
    )


def test_ratings_of_parquet_and_back(client: Client, tmp_path: Path) -> None:
    frame = table().rename(columns={"userId": "who", "movieId": "what"})
    (tmp_path / "ratings").mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].to_parquet(tmp_path / "ratings" / f"part-{number}.parquet")
    found = cf.distributed.Ratings.from_parquet(tmp_path / "ratings", user="who", item="what")
    same(found, cf.Ratings.from_frame(frame, user="who", item="what"))
    folder = found.folder
    back = found.to_dask().compute().sort_values(["who", "what"], ignore_index=True)
    pd.testing.assert_frame_equal(
        back, frame.sort_values(["who", "what"], ignore_index=True), check_dtype=False
    )
    del found  # a temporary folder goes with the ratings
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("how", ["last", "first", "mean"])
def test_repeated_pairs(client: Client, tmp_path: Path, how: Any) -> None:
    frame = table()
    again = frame.sample(200, random_state=1)
    frame = pd.concat(
        [frame, again.assign(rating=6 - again.rating, timestamp=again.timestamp + 1)], ignore_index=True
    )
    found = cf.distributed.Ratings.from_dask(
        in_parts(frame), client, folder=tmp_path / "shards", duplicates=how, shard_size=900
    )
    same(found, cf.Ratings.from_frame(frame, duplicates=how))
    with pytest.raises(DuplicateError) as raised:
        cf.distributed.Ratings.from_dask(in_parts(frame), client)
    sizes = in_parts(frame).map_partitions(len).compute().tolist()
    partition = int(np.searchsorted(np.cumsum(sizes), 4000, side="right"))
    row = 4000 - sum(sizes[:partition])
    assert f"row {row} of partition {partition} repeats row" in str(raised.value)


def test_rows_without_a_rating_are_left_out(client: Client, tmp_path: Path) -> None:
    frame = table()
    frame.loc[[3, 1000, 3999], "rating"] = np.nan
    frame.loc[frame.userId == 6, "rating"] = 99
    found = cf.distributed.Ratings.from_dask(
        in_parts(frame), client, folder=tmp_path / "shards", missing=[99, float("nan")], scale=(1, 5)
    )
    same(found, cf.Ratings.from_frame(frame, missing=[99, float("nan")], scale=(1, 5)))


def test_errors_name_partition_and_row(client: Client) -> None:
    frame = table()
    sizes = in_parts(frame).map_partitions(len).compute().tolist()
    frame.loc[sizes[0] + 7, "rating"] = np.inf
    with pytest.raises(DataError, match=r"partition 1: column 'rating': inf at row 7"):
        cf.distributed.Ratings.from_dask(in_parts(frame), client)
    frame = table()
    frame.loc[sizes[0] + sizes[1] + 2, "rating"] = 8
    with pytest.raises(DataError, match=r"partition 2: .*row 2"):
        cf.distributed.Ratings.from_dask(in_parts(frame), client, scale=(1, 5))
    with pytest.raises(DataError, match="item"):
        cf.distributed.Ratings.from_dask(in_parts(table().rename(columns={"movieId": "x"})), client)
    with pytest.raises(DataError, match="empty"):
        cf.distributed.Ratings.from_dask(in_parts(table().iloc[:0], 1), client)


def test_without_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_client() -> Any:
        raise ValueError("No clients found")

    monkeypatch.setattr("distributed.default_client", no_client)
    with pytest.raises(ValueError, match=r"distributed\.Client\(\), or pass client="):
        cf.distributed.Ratings.from_dask(in_parts(table()))


def test_an_asynchronous_client(cluster: LocalCluster, tmp_path: Path) -> None:
    import asyncio

    async def ingest() -> Any:
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            return await cf.distributed.Ratings.from_dask(
                in_parts(table()), client, folder=tmp_path / "shards"
            )

    same(asyncio.run(ingest()), cf.Ratings.from_frame(table()))


def slow(frame: pd.DataFrame) -> pd.DataFrame:
    time.sleep(30)
    return frame


def test_cancellation_ends_the_tasks(cluster: LocalCluster, tmp_path: Path) -> None:
    import asyncio

    async def cancelled() -> Any:
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            frame = in_parts(table()).map_partitions(slow, meta=table().iloc[:0])
            work = asyncio.ensure_future(cf.distributed.Ratings.from_dask(frame, client))
            for _ in range(100):
                await asyncio.sleep(0.1)
                if any((await client.processing()).values()):
                    break
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            for _ in range(100):
                await asyncio.sleep(0.1)
                if not any((await client.processing()).values()):
                    return True
            return False

    before = set(Path(tempfile.gettempdir()).glob("cfcore-shards-*"))
    assert asyncio.run(cancelled())
    assert set(Path(tempfile.gettempdir()).glob("cfcore-shards-*")) <= before
