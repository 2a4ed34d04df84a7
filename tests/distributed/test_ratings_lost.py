"""Ratings from tables of Dask when a worker is killed meanwhile."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import cfcore as cf
from cfcore.data.shards import Saver
from cfcore.distributed import ingest_tasks
from cfcore.tensor_file import opened, read_tensors

N_PARTS = 4


@pytest.fixture(scope="module")
def own() -> Iterator[Any]:
    """A client of a cluster of its own."""
    with (
        LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


def frame_of(ratings: cf.Ratings) -> pd.DataFrame:
    return pd.DataFrame({"user": ratings.users, "item": ratings.items, "rating": ratings.values})


def part(path: str, number: int, kill_at: int) -> pd.DataFrame:
    """A partition; the process that reads number 2 for the given time is killed."""
    read = Path(path) / f"read-{time.monotonic_ns()}"
    if number == 2:
        read.touch()
        if len(list(Path(path).glob("read-*"))) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    found: pd.DataFrame = pd.read_pickle(Path(path) / f"{number}.pickle")
    return found


def table(folder: Path, train: cf.Ratings, kill_at: int) -> Any:
    import dask
    import dask.dataframe as dd

    frame = frame_of(train)
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), N_PARTS)):
        frame.iloc[rows].to_pickle(folder / f"{number}.pickle")
    parts = [dask.delayed(part)(str(folder), number, kill_at) for number in range(N_PARTS)]
    return dd.from_delayed(parts, meta=frame.iloc[:0])


def check(found: cf.Ratings, train: cf.Ratings) -> None:
    wanted = cf.Ratings.from_frame(frame_of(train))
    for name in ("user_ids", "item_ids", "user_codes", "item_codes", "values", "user_counts", "item_counts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


@pytest.mark.parametrize("kill_at", [1, 2])
def test_a_worker_killed_while_ids_or_codes_are_made(
    kill_at: int, own: Client, train: cf.Ratings, tmp_path: Path
) -> None:
    own.wait_for_workers(3, timeout=60)
    frame = table(tmp_path, train, kill_at)
    found = cf.distributed.Ratings.from_dask(frame, own, folder=tmp_path / "shards", shard_size=1500)
    assert len(list(tmp_path.glob("read-*"))) > kill_at  # the partition was read again
    assert len(found.shards) > 2
    check(found, train)
    assert not list((tmp_path / "shards").glob(".*"))


def test_a_worker_killed_while_shards_are_written(own: Client, train: cf.Ratings, tmp_path: Path) -> None:
    own.wait_for_workers(3, timeout=60)
    frame, folder = table(tmp_path, train, 0), tmp_path / "shards"
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not list(folder.glob("shard-*")) and time.monotonic() < until:
            time.sleep(0.001)
        workers = own.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.workers))
        [(_, killed_one), *_] = own.run(os.getpid, workers=workers).items()
        os.kill(killed_one, signal.SIGKILL)
        killed.append(killed_one)

    killing = threading.Thread(target=kill)
    killing.start()
    found = cf.distributed.Ratings.from_dask(frame, own, folder=folder, shard_size=600)
    killing.join()
    assert killed
    check(found, train)


def test_positions_are_the_same_when_a_task_has_run_twice(tmp_path: Path) -> None:
    arrays = {
        "indptr": np.array([0, 3]), "items": np.arange(3, dtype=np.int32), "values": np.ones(3, np.float32),
        "rows": np.array([1, 5, 9], np.int32),
    }  # fmt: skip
    entry = Saver.put(tmp_path, 0, 0, 1, arrays)
    new = [ingest_tasks.renumber(str(tmp_path), np.array([2, 7, 8]), entry) for _ in range(2)]
    assert new[0] == new[1]
    ingest_tasks.put_in_place(new[:1])
    with opened(tmp_path / entry["file"]) as (file, size):
        np.testing.assert_array_equal(read_tensors(file, size)[1]["rows"], [1, 4, 6])
