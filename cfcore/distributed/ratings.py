"""`Ratings` of a cluster: tables of Dask become shards, which the tasks of fits map."""

from __future__ import annotations

import os
import secrets
import tempfile
import weakref
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cfcore.data.build import Duplicates, Rules, check_duplicates
from cfcore.data.checks import Missing, as_missing, as_scale
from cfcore.data.columns import NAME_IT, find_columns
from cfcore.data.kinds import IdKinds
from cfcore.data.names import needed_roles, result_names
from cfcore.data.sharded import check_size
from cfcore.data.shards import Folder, Saver, cuts
from cfcore.data.shards.opened import OpenedRatings
from cfcore.distributed import ingest_tasks
from cfcore.distributed.running import Tasks, client_of, run
from cfcore.errors import DataError, DuplicateError, FileFormatError

__all__ = ["Ratings"]

Array = np.ndarray[Any, Any]

#: Partitions whose vocabularies are merged by a task.
FAN = 8


class Ratings(OpenedRatings):
    """Ratings in shards, written by the workers of a Dask cluster; `cfcore.Ratings` in all else.

    `from_parquet` and `from_dask` make them, and `cfcore.Ratings.open` opens their folder again. Models are
    fitted to them by `cfcore.distributed.fit`, or in one process, to the same bits.

    Parameters
    ----------
    folder : Folder
        The opened folder of the shards.
    memory_limit : int, optional
        Bytes that the ratings may take in memory at once.
    """

    __slots__ = ("__weakref__",)

    @classmethod
    def from_parquet(
        cls,
        path: Any,
        client: Any = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        timestamp: str | Literal[False] | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
        missing: Missing = None,
        ids: IdKinds = None,
        shard_size: int | None = None,
        overwrite: bool = False,
        verbose: bool = False,
    ) -> Any:
        """Ratings from a folder of parquet files, or one, or a list of them, that all workers can read.

        Parameters
        ----------
        path : path-like, str, or list of them
            As ``dask.dataframe.read_parquet`` takes it, remote ones too.
        client, folder, user, item, rating, timestamp, scale, duplicates, missing, ids
            As of `from_dask`.
        shard_size, overwrite, verbose
            As of `from_dask`.
        """
        given: dict[str, Any] = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        client = client_of(client)
        try:
            import dask.dataframe
        except ImportError as error:
            raise ImportError("reading parquet needs pip install 'cfcore[distributed]'") from error
        place = [os.fspath(one) for one in path] if isinstance(path, (list, tuple)) else os.fspath(path)
        try:
            frame = dask.dataframe.read_parquet(place)
        except ValueError as error:  # of Dask, and of pyarrow
            raise FileFormatError(f"{place}: not read as parquet ({error})") from error
        names = _names(_columns(frame), given, place)
        frame = frame[[name for name in dict.fromkeys(names.values()) if name in frame.columns]]
        return cls.from_dask(
            frame, client, folder=folder, **(given | names), scale=scale, duplicates=duplicates,
            missing=missing, ids=ids, shard_size=shard_size, overwrite=overwrite, verbose=verbose,
        )  # fmt: skip

    @classmethod
    def from_dask(
        cls,
        frame: Any,
        client: Any = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        timestamp: str | Literal[False] | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
        missing: Missing = None,
        ids: IdKinds = None,
        shard_size: int | None = None,
        overwrite: bool = False,
        verbose: bool = False,
    ) -> Any:
        """Ratings from a Dask DataFrame, whose partitions are read twice.

        Parameters
        ----------
        frame : dask.dataframe.DataFrame
            A row for each rating. The order of the rows is that of the partitions.
        client : distributed.Client, optional
            By default the current one. With an asynchronous one, `await` the result.
        folder : path-like, optional
            Of the shards: one that this process and all workers share, by the same path. By default a
            temporary one of this computer, which is removed with the ratings; for a LocalCluster.
        user, item, rating, timestamp : str, optional
            Names of the columns, or of the index; by default those with usual names. ``timestamp=False``
            reads none.
        scale, duplicates, missing, ids
            As of `cfcore.Ratings`.
        shard_size, overwrite
            As of `cfcore.Ratings.save_shards`.
        verbose : bool, default False
            Whether to show progress bars.

        Returns
        -------
        Ratings or awaitable
            With the vocabularies, the order and the values of ``cfcore.Ratings`` of the same rows.

        Raises
        ------
        DataError
            As `cfcore.Ratings` does; the message names the partition and the row in it. For repeated pairs a
            DuplicateError.
        ImportError
            Dask is not installed, or a worker has no cfcore, or another version of it.
        FileExistsError
            The folder has files, and they are not to be replaced.
        OSError
            A worker does not have the folder.
        TypeError
            For what is no DataFrame of Dask.

        Notes
        -----
        The tasks are: distinct ids of each partition, merged in a tree; codes of each partition; a shuffle by
        ranges of users (Dask's p2p); a file for each range. The vocabularies must fit in the memory of a
        worker. Ctrl-C cancels all.
        """
        client = client_of(client)
        check_duplicates(duplicates)
        as_missing(missing)
        check_size(shard_size)
        given = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        if not (hasattr(frame, "to_delayed") and hasattr(frame, "columns")):
            raise TypeError(
                f"frame must be a DataFrame of Dask, not {type(frame).__name__}; "
                "dask.dataframe.from_pandas makes one, and cfcore.Ratings takes what is in memory"
            )
        names = _names(_columns(frame), given, "the frame")
        rules = Rules(None if scale is None else as_scale(scale), duplicates, missing, names, ids)
        temporary = folder is None
        place = tempfile.mkdtemp(prefix="cfcore-shards-") if folder is None else folder
        work = _Ingest(frame, rules, Saver(place, overwrite), shard_size)

        async def ingest(tasks: Tasks) -> Ratings:
            done = False
            try:
                found = cls(Folder(await work.run(tasks)))
                done = True
            finally:
                if temporary and not done:
                    _remove(str(place))
            if temporary:
                weakref.finalize(found, _remove, str(place))
            return found

        return run(client, verbose, ingest)

    def to_dask(self) -> Any:
        """A Dask DataFrame of these ratings, with raw ids: a partition a shard, ordered by user and item."""
        import dask
        import dask.dataframe

        names = self.column_names
        parts = [dask.delayed(_frame)(self._folder, number, names) for number in range(len(self.shards))]
        meta = _frame(self._folder, 0, names).iloc[:0]
        return dask.dataframe.from_delayed(parts, meta=meta)


class _Ingest:
    """The conversion of a table to shards.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    rules : Rules
        With the names of the columns that there are.
    saver : Saver
    shard_size : int or None
    """

    def __init__(self, frame: Any, rules: Rules, saver: Saver, shard_size: int | None) -> None:
        self.partitions = frame.to_delayed()
        self.rules, self.saver, self.shard_size = rules, saver, shard_size
        self.folder, self.token = str(saver.path), secrets.token_hex(8)
        self.timed = "timestamp" in rules.names

    async def run(self, tasks: Tasks) -> Path:
        """Run all tasks; the folder."""
        mark = ingest_tasks.mark(self.folder, self.token)
        mark.touch()
        try:
            return await self._ingest(tasks)
        finally:
            for path in (mark, *self.saver.path.glob(".vocabulary-*.safetensors")):
                path.unlink(missing_ok=True)
            _remove(str(self.saver.path / ingest_tasks.RENUMBERED))

    async def _ingest(self, tasks: Tasks) -> Path:
        import dask

        rules, names = self.rules, self.rules.names
        scan = dask.delayed(ingest_tasks.scan)
        scans = [scan(part, number, rules) for number, part in enumerate(self.partitions)]
        merged = _tree(scans, names)
        put = dask.delayed(ingest_tasks.put_vocabulary)(merged, self.folder, self.token)
        sized = [dask.delayed(_size)(one) for one in scans]
        *sizes, found = await tasks.each([*sized, put], "ids")
        n = sum(size for size, _, _ in sizes)
        _check_kinds(sizes, names)
        if not n:
            raise DataError("the frame is empty: ratings need at least one row")
        return await self._shards(tasks, found, [size for size, _, _ in sizes], n)

    async def _shards(self, tasks: Tasks, found: Any, sizes: list[int], n: int) -> Path:
        user_ids, user_counts = ingest_tasks.vocabulary(self.folder, "user", self.token)
        item_ids, _ = ingest_tasks.vocabulary(self.folder, "item", self.token)
        starts = np.append(0, np.cumsum(sizes))
        bounds = cuts(user_counts, self.shard_size)
        self.saver.clear()
        write = _delayed(ingest_tasks.write)
        shuffled = self._shuffled(starts, bounds)
        ranges = pairwise(bounds.tolist())
        sizes_of_all, how = (len(item_ids), n), self.rules.duplicates
        written = await tasks.each(
            [
                write(part, number, own, sizes_of_all, (self.folder, self.token), how)
                for number, (part, own) in enumerate(zip(shuffled, ranges, strict=True))
            ],
            "shards",
        )
        self._check_repeats(written, starts, user_ids, item_ids)
        dropped = np.sort(np.concatenate([one.dropped for one in written]))
        if len(dropped):
            each = [_delayed(ingest_tasks.renumber)(self.folder, dropped, one.entry) for one in written]
            ingest_tasks.put_in_place(await tasks.each(each, "rows"))
        return self._finish(written, (user_ids, item_ids))

    def _shuffled(self, starts: Array, bounds: Array) -> list[Any]:
        """The rows of each range of users."""
        import dask.dataframe

        encode = _delayed(ingest_tasks.encode)
        encoded = [
            encode(part, number, int(start), self.rules, self.folder, self.token, self.timed)
            for number, (part, start) in enumerate(zip(self.partitions, starts[:-1], strict=True))
        ]
        meta = ingest_tasks.empty(self.timed)
        frame = dask.dataframe.from_delayed(encoded, meta=meta, verify_meta=False)
        divisions = tuple(bounds.tolist())
        found = frame.set_index("user", divisions=divisions, shuffle_method="p2p")
        return list(found.to_delayed())

    def _check_repeats(self, written: Sequence[Any], starts: Array, user_ids: Array, item_ids: Array) -> None:
        """Raise DuplicateError for the first row that repeats another."""
        repeats = sorted(one.repeat for one in written if one.repeat is not None)
        if not repeats:
            return
        *rows, user, item = repeats[0]
        parts = np.searchsorted(starts, rows, side="right") - 1
        first, second = (
            f"row {row - starts[part]} of partition {part}" for row, part in zip(rows, parts, strict=True)
        )
        names = self.rules.names
        raise DuplicateError(
            f"columns {names['user']!r} and {names['item']!r}: {first} repeats {second} "
            f"(user {user_ids[user]}, item {item_ids[item]})"
        )

    def _finish(self, written: Sequence[Any], vocabularies: tuple[Array, Array]) -> Path:
        item_counts = np.zeros(len(vocabularies[1]), dtype=np.int64)
        for one in written:
            item_counts[one.items[0]] += one.items[1]
        user_counts = np.concatenate([one.user_counts for one in written])
        scale = self.rules.scale or (min(one.low for one in written), max(one.high for one in written))
        spans = [one.times for one in written if one.times is not None]
        times = (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None
        n = int(user_counts.sum())
        mean = sum(one.total for one in written) / n
        entries = [one.entry for one in written]
        given: dict[str, Any] = {
            "scale": scale, "times": times, "column_names": result_names(_with_roles(self.rules.names)),
        }  # fmt: skip
        users, items = (vocabularies[0], user_counts), (vocabularies[1], item_counts)
        path = self.saver.finish(entries, users, items, mean=mean, **given)
        if not all(one.exact for one in written):
            # Sums of such numbers depend on their order.
            values = OpenedRatings(Folder(path)).values
            mean = float(np.add.reduce(values, dtype=np.float64) / n)
            path = self.saver.finish(entries, users, items, mean=mean, **given)
        return path


def _delayed(function: Any) -> Any:
    import dask

    return dask.delayed(function)


def _tree(parts: list[Any], names: Any) -> Any:
    """All parts merged, some at a time."""
    merge = _delayed(ingest_tasks.merge)
    while len(parts) > 1:
        parts = [merge(parts[at : at + FAN], names) for at in range(0, len(parts), FAN)]
    return parts[0] if parts else _delayed(ingest_tasks.merge)([], names)


def _size(found: Any) -> tuple[int, str, str]:
    """Number of ratings of a partition, and kinds of its ids."""
    kinds = ("", "") if not found.n else tuple(
        "strings" if one[0].dtype.kind in "UO" else "integers" for one in (found.users, found.items)
    )  # fmt: skip
    return found.n, kinds[0], kinds[1]


def _check_kinds(sizes: Sequence[tuple[int, str, str]], names: Any) -> None:
    """Raise DataError unless ids of all partitions are of one kind."""
    for at, role in ((1, "user"), (2, "item")):
        kinds: dict[str, int] = {}
        for number, size in enumerate(sizes):
            if size[0]:
                kinds.setdefault(str(size[at]), number)
        if len(kinds) > 1:
            told = " and ".join(f"{kind} in partition {number}" for kind, number in kinds.items())
            raise DataError(f"column {names[role]!r}: the ids are {told}; ids=str makes strings of all")


def _names(present: list[Any], given: dict[str, Any], where: Any) -> dict[str, str]:
    """Names of the columns that there are, by role."""
    timestamp = given["timestamp"]
    wanted = {**given, "timestamp": timestamp or None}
    names = find_columns(present, wanted, str(where), needed_roles(True), NAME_IT)
    if timestamp is False:
        names.pop("timestamp", None)
    return dict(names)


def _columns(frame: Any) -> list[Any]:
    """Names of the columns of a frame, and of its index if it has one."""
    found, name = list(frame.columns), frame.index.name
    return found if name is None or name in found else [*found, name]


def _with_roles(names: Any) -> dict[str, str]:
    return {role: names.get(role, role) for role in ("user", "item", "rating", "timestamp")}


def _frame(folder: Folder, number: int, names: dict[str, str]) -> Any:
    import pandas

    shard = folder.shards[number]
    columns = {
        names["user"]: folder.user_ids[shard.user_codes()], names["item"]: folder.item_ids[shard.items],
        names["rating"]: shard.values,
    }  # fmt: skip
    if shard.timestamps is not None:
        columns[names["timestamp"]] = shard.timestamps
    return pandas.DataFrame(columns)


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
