"""Part of `cluster.py`: from parquet files to written lists, step by step, with the peak of memory."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

#: Ratings of a partition, and of each user and item on average.
PART, OF_USER, N_ITEMS = 1_250_000, 160, 30_000
#: Bytes that the process of the client, and each of two workers, may have in memory.
OF_CLIENT, OF_WORKER = "1.6GB", "2.2GB"
#: Bytes on their way to other workers in Dask's shuffle; its default, 1 GiB, is half of such a worker.
SHUFFLED = "128MiB"


HEADINGS = ("step", "s", "peak GB of processes", "with mapped files", "GB on disk")


def lines(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Cells of a table."""
    found = []
    for row in rows:
        held = [f"{row[name] / 1e9:.2f}" for name in ("own", "both", "disk")]
        found.append([row["step"], f"{row['seconds']:.1f}", *held])
        for name, seconds in row.get("phases", {}).items():
            found.append([f"  of these: {name}", f"{seconds:.1f}", "", "", ""])
    return found


class Memory:
    """Peak of the memory of this process and of all below it, sampled every tenth of a second.

    Proportional set sizes: a page that several processes map counts once. Pages of files, which the system
    takes back when it needs them, count apart from those that only the processes have.
    """

    def __init__(self) -> None:
        self.own = self.files = 0
        self.both = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(0.1):
            own, files = map(sum, zip(*map(sizes, processes()), strict=True))
            self.own, self.files = max(self.own, own), max(self.files, files)
            self.both = max(self.both, own + files)

    def peak(self) -> tuple[int, int, int]:
        """Bytes of the processes alone, of files, and of both together at one time, since the last call."""
        found = self.own, self.files, self.both
        self.own = self.files = self.both = 0
        return found

    def stop(self) -> None:
        """End sampling."""
        self._done.set()
        self._thread.join()


def processes() -> list[int]:
    """This process and all that it has started."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, left = [], [os.getpid()]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def sizes(process: int) -> tuple[int, int]:
    """Bytes of a process that are in no file, and those of files that it maps."""
    try:
        lines = Path("/proc", str(process), "smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0, 0
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
    return found.get("Pss_Anon", 0) + found.get("Pss_Shmem", 0), found.get("Pss_File", 0)


def write_parts(folder: Path, n_ratings: int, part: int) -> None:
    """Parquet files, in each of which rows of all users follow each other at random."""
    import pyarrow
    import pyarrow.parquet

    import cfcore as cf

    n_files = max(2, n_ratings // part)
    schema = pyarrow.schema([("user", "int64"), ("item", "int64"), ("rating", "float32")])
    folder.mkdir()
    writers = [
        pyarrow.parquet.ParquetWriter(folder / f"part-{at:03d}.parquet", schema) for at in range(n_files)
    ]
    n_users = max(50, n_ratings // n_files // OF_USER)
    n_items = min(N_ITEMS, max(50, n_ratings // 50))
    for at in range(n_files):
        own = cf.datasets.synthetic(n_users, n_items, n_ratings // n_files, random_state=at, timestamps=False)
        order = np.random.default_rng(at).permutation(len(own))
        users = (own.user_codes.astype(np.int64) * n_files + at) * 2_654_435_761 % 2**40
        columns = users, own.item_codes.astype(np.int64) + 1, own.values
        for writer, rows in zip(writers, np.array_split(order, n_files), strict=True):
            arrays = [column[rows] for column in columns]
            writer.write_table(pyarrow.table(arrays, schema=schema))
    for writer in writers:
        writer.close()


@contextmanager
def phases(times: dict[str, float]) -> Iterator[None]:
    """Note the seconds of the phases of an ingestion."""
    from cfcore.distributed import running

    each = running.Tasks.each

    async def timed(self: Any, delayed: Any, what: str) -> Any:
        start = time.perf_counter()
        try:
            return await each(self, delayed, what)
        finally:
            times[what] = times.get(what, 0.0) + time.perf_counter() - start

    running.Tasks.each = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        running.Tasks.each = each  # type: ignore[method-assign]


def steps(n_ratings: int, where: str | None, quick: bool) -> list[dict[str, Any]]:
    """Seconds and memory of each step."""
    import dask
    from distributed import Client, LocalCluster

    import cfcore as cf

    folder = Path(tempfile.mkdtemp(prefix="cfcore-large-", dir=where))
    rows: list[dict[str, Any]] = []
    try:
        write_parts(folder / "parquet", n_ratings, 2_000 if quick else PART)
        memory = Memory()

        def note(step: str, seconds: float) -> None:
            own, files, both = memory.peak()
            disk = sum(one.stat().st_blocks * 512 for one in folder.rglob("*") if one.is_file())
            rows.append(
                {"step": step, "seconds": seconds, "own": own, "files": files, "both": both, "disk": disk}
            )
            print(f"{step}: {seconds:.1f} s", file=sys.stderr, flush=True)

        with (
            dask.config.set(
                {"temporary-directory": str(folder / "dask"), "distributed.p2p.comm.buffer": SHUFFLED}
            ),
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
                memory_limit=OF_WORKER, silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            times: dict[str, float] = {}
            start = time.perf_counter()
            with phases(times):
                cf.distributed.Ratings.from_parquet(folder / "parquet", client, folder=folder / "shards")
            took = time.perf_counter() - start
            note("from parquet to shards", took)
            rows[-1]["phases"] = times
            start = time.perf_counter()
            ratings = cf.Ratings.open(folder / "shards", memory_limit=None if quick else OF_CLIENT)
            model = cf.distributed.fit(cf.SVD(n_factors=32, n_epochs=3, random_state=0), ratings)
            note("3 epochs of SVD, 32 factors", time.perf_counter() - start)
            start = time.perf_counter()
            sharded = cf.distributed.shard(model, folder / "model")
            del model, ratings
            note("model in shards", time.perf_counter() - start)
            start = time.perf_counter()
            cf.distributed.recommend(sharded, n=10).to_parquet(str(folder / "lists"))
            note("lists of 10, written", time.perf_counter() - start)
        memory.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows
