"""Tasks that turn the partitions of a table into shards. They are pure: each may run twice, anywhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cfcore import codec
from cfcore.data import checks, frames, ids
from cfcore.data.build import Rules
from cfcore.data.id_columns import check_ordered
from cfcore.data.index import kept_of_repeats, position_dtype
from cfcore.data.shards import Saver
from cfcore.errors import DataError, DuplicateError
from cfcore.tensor_file import opened, read_tensors

__all__ = [
    "Scan", "Written", "check_shared", "empty", "encode", "mark", "merge", "put_in_place",
    "put_vocabulary", "renumber", "scan", "vocabulary", "write",
]  # fmt: skip

Array = np.ndarray[Any, Any]

#: Multiples of this, up to MOST, have sums that do not depend on the order.
STEP, MOST = 2.0**-10, 2.0**20
#: Folder of shards with new positions, in that of the shards.
RENUMBERED = ".renumbered"
#: Columns of the frames of codes.
DTYPES = {"user": "int32", "item": "int32", "rating": "float32", "row": "int64", "timestamp": "int64"}


@dataclass(frozen=True, eq=False)
class Scan:
    """What is known of a partition, or of several.

    Attributes
    ----------
    n : int
        Number of its ratings.
    users, items : (ids, int64 counts)
        Distinct ids, ascending, and the number of ratings of each; None without ratings.
    low, high : float
    timed : bool
    left_out : bool
        Whether rows without a rating were left out.
    """

    n: int
    users: Any
    items: Any
    low: float
    high: float
    timed: bool
    left_out: bool


@dataclass(frozen=True, eq=False)
class Written:
    """What is known of a shard that has been written.

    Attributes
    ----------
    entry : dict
        Of the header.
    user_counts : int64[n_users of the shard]
    items : (codes, counts)
    dropped : int64[...]
        Positions of ratings that repeat others and were left out.
    repeat : (row, earlier row, user, item) or None
        The first row that repeats another, if that is an error.
    low, high, total : float
        Of the ratings.
    times : (int, int) or None
        The first and the last timestamp.
    exact : bool
        Whether the total does not depend on the order of the sum.
    """

    entry: dict[str, Any]
    user_counts: Array
    items: tuple[Array, Array]
    dropped: Array
    repeat: tuple[int, int, int, int] | None
    low: float
    high: float
    total: float
    times: tuple[int, int] | None
    exact: bool


@contextmanager
def _of_partition(number: int) -> Any:
    """Errors of a partition's rows say which partition it is."""
    try:
        yield
    except DuplicateError as error:
        raise DuplicateError(f"partition {number}: {error.problem}", error.remedy) from error
    except DataError as error:
        raise DataError(f"partition {number}: {error}") from error


def _columns(frame: Any, number: int, rules: Rules) -> tuple[Any, Any, Array, Array | None, bool]:
    """Ids, ratings and timestamps of the rows that have a rating, and whether others were left out."""
    names = rules.names
    with _of_partition(number):
        with_nan = any(one != one for one in checks.as_missing(rules.missing))
        given: dict[str, Any] = {role: name for role, name in names.items() if role != "timestamp"}
        timestamp = names.get("timestamp", False)
        (users, items, values, times), _ = frames.columns(
            frame, nullable=with_nan, timestamp=timestamp, **given
        )
        for column, role in ((users, "user"), (items, "item"), (values, "rating")):
            check_ordered(column, names[role])
        users = ids.as_id_column(users, names["user"], rules.kind("user"))
        items = ids.as_id_column(items, names["item"], rules.kind("item"))
        ratings = checks.as_values(values, names["rating"], rules.missing)
        moments = None if times is None else checks.as_timestamps(times, names["timestamp"])
        rows = None
        if rules.missing is not None and len(ratings):
            missing = checks.as_missing(rules.missing)
            rated = ~np.isin(ratings, [one for one in missing if one == one])
            rated &= ~np.isnan(ratings)
            rows = None if rated.all() else np.flatnonzero(rated)
        if rows is not None:
            users, items, ratings = users[rows], items[rows], ratings[rows]
            moments = None if moments is None else moments[rows]
        if rules.scale is not None and len(ratings):
            checks.check_scale(ratings, checks.as_scale(rules.scale), names["rating"], rows)
    return users, items, ratings, moments, rows is not None


def scan(frame: Any, number: int, rules: Rules) -> Scan:
    """Check a partition; its distinct ids and their counts."""
    users, items, values, times, left_out = _columns(frame, number, rules)
    if not len(values):
        return Scan(0, None, None, np.inf, -np.inf, times is not None, left_out)
    found = []
    with _of_partition(number):
        for column, role in ((users, "user"), (items, "item")):
            vocabulary, codes = ids.factorize(column, rules.names[role], rules.kind(role))
            found.append((vocabulary, np.bincount(codes, minlength=len(vocabulary))))
    low, high = float(values.min()), float(values.max())
    return Scan(len(values), found[0], found[1], low, high, times is not None, left_out)


def merge(parts: Sequence[Scan], names: Mapping[str, str]) -> Scan:
    """Several partitions as one."""
    parts = [part for part in parts if part.n] or list(parts[:1])
    first, *others = parts
    for other in others:
        first = Scan(
            first.n + other.n,
            _joined(first.users, other.users, names["user"]),
            _joined(first.items, other.items, names["item"]),
            min(first.low, other.low), max(first.high, other.high), first.timed and other.timed,
            first.left_out or other.left_out,
        )  # fmt: skip
    return first


def _joined(one: Any, other: Any, column: str) -> tuple[Array, Array]:
    vocabulary = ids.merge(one[0], other[0], column)
    counts = np.zeros(ids.check_size(len(vocabulary), column), dtype=np.int64)
    for own, n in (one, other):
        counts[np.searchsorted(vocabulary, own)] += n
    return vocabulary, counts


def mark(folder: str, token: str) -> Path:
    """The file by which workers know the folder of the calling process."""
    return Path(folder, f".ingest-{token}")


def check_shared(folder: str, token: str) -> None:
    """Raise OSError unless this is the folder of the calling process."""
    if not mark(folder, token).exists():
        missing = "there is another one" if Path(folder).is_dir() else "it does not exist"
        raise OSError(
            f"the folder of the shards, {folder}, is not that of the worker {_worker()}: {missing}. Pass one "
            "that all workers and this process share by the same path, folder=..."
        )


def _worker() -> str:
    from distributed import get_worker

    try:
        return f"{get_worker().address} of {socket.gethostname()}"
    except ValueError:  # not in a task
        return socket.gethostname()


def put_vocabulary(found: Scan, folder: str, token: str) -> Scan:
    """Write the vocabularies to temporary files of the folder; what is known without them."""
    check_shared(folder, token)
    for role, held in (("user", found.users), ("item", found.items)):
        if held is not None:
            codec.write(_place(folder, role), {}, {"ids": held[0], "counts": held[1]})
    return replace(found, users=None, items=None)


def _place(folder: str, role: str) -> Path:
    return Path(folder, f".vocabulary-{role}.safetensors")


@lru_cache(maxsize=4)
def vocabulary(folder: str, role: str, token: str) -> tuple[Array, Array]:
    """Ids and counts of `put_vocabulary`; `token` differs between calls for the same folder."""
    arrays = codec.read(_place(folder, role))[1]
    return arrays["ids"], arrays["counts"]


def encode(frame: Any, number: int, start: int, rules: Rules, folder: str, token: str, timed: bool) -> Any:
    """A partition as a frame of codes, ratings and positions in the original order."""
    import pandas

    check_shared(folder, token)
    users, items, values, times, _ = _columns(frame, number, rules)
    columns: dict[str, Any] = {}
    for role, column in (("user", users), ("item", items)):
        name = rules.names[role]
        if not len(column):
            columns[role] = []
            continue
        known = vocabulary(folder, role, token)[0]
        if rules.kind(role) is None:
            columns[role] = ids.encode(known, column, name)
        else:  # ids are converted to that kind
            own, codes = ids.factorize(column, name, rules.kind(role))
            columns[role] = ids.encode(known, own, name)[codes]
    columns["rating"] = values
    columns["row"] = np.arange(start, start + len(values))
    if timed:
        columns["timestamp"] = times
    return pandas.DataFrame(columns).astype({name: DTYPES[name] for name in columns})


def write(
    frame: Any, number: int, bounds: tuple[int, int], sizes: tuple[int, int], place: tuple[str, str],
    duplicates: str,
) -> Written:  # fmt: skip
    """Write the shard of the users from ``bounds[0]`` up to ``bounds[1] - 1``.

    Parameters
    ----------
    frame : pandas.DataFrame
        Their ratings, users in the index, in any order.
    number : int
    bounds : (int, int)
    sizes : (int, int)
        Numbers of items, and of ratings, of all shards.
    place : (folder, token)
    duplicates : {"error", "last", "first", "mean"}
    """
    check_shared(*place)
    (begin, end), (n_items, n) = bounds, sizes
    users = frame.index.to_numpy().astype(np.int32)
    items, values, rows = (frame[name].to_numpy() for name in ("item", "rating", "row"))
    times = frame["timestamp"].to_numpy() if "timestamp" in frame.columns else None
    order = np.argsort(rows, kind="stable")
    users, items, values, rows = users[order], items[order], values[order], rows[order]
    times = None if times is None else times[order]
    order = np.lexsort((items, users))
    same = (users[order][1:] == users[order][:-1]) & (items[order][1:] == items[order][:-1])
    repeat, dropped = None, np.empty(0, dtype=np.int64)
    if same.any() and duplicates == "error":
        at = np.flatnonzero(same)
        at = at[np.argmin(rows[order[at + 1]])]
        later = order[at + 1]
        earlier = np.flatnonzero((users == users[later]) & (items == items[later]))[0]
        repeat = (int(rows[later]), int(rows[earlier]), int(users[later]), int(items[later]))
    elif same.any():
        columns = users - np.int32(begin), items, values
        kept, values = kept_of_repeats(columns, times, end - begin, n_items, duplicates)
        dropped = np.delete(rows, kept)
        users, items, rows = users[kept], items[kept], rows[kept]
        times = None if times is None else times[kept]
        order = np.lexsort((items, users))
    arrays = {
        "indptr": np.append(0, np.cumsum(np.bincount(users - begin, minlength=end - begin))).astype(np.int64),
        "items": items[order].astype(np.int32, copy=False), "values": values[order],
        "rows": rows[order].astype(position_dtype(n)),
    }  # fmt: skip
    if times is not None:
        arrays["timestamps"] = times[order]
    entry = Saver.put(Path(place[0]), number, begin, end, arrays)
    codes, counts = np.unique(items, return_counts=True)
    scaled = values.astype(np.float64) / STEP
    exact = bool((scaled == np.round(scaled)).all() and (np.abs(values) <= MOST).all())
    return Written(
        entry, np.diff(arrays["indptr"]), (codes, counts), dropped, repeat,
        float(values.min(initial=np.inf)), float(values.max(initial=-np.inf)),
        float(np.add.reduce(values, dtype=np.float64)),
        None if times is None or not len(times) else (int(times.min()), int(times.max())), exact,
    )  # fmt: skip


def renumber(folder: str, dropped: Array, entry: dict[str, Any]) -> str:
    """Take ratings that were left out from the positions of those of a shard; the path of the new file.

    The shard stays as it is: the task may run twice.
    """
    path = Path(folder, entry["file"])
    with opened(path) as (file, size):
        arrays = read_tensors(file, size)[1]
    rows = arrays["rows"]
    arrays["rows"] = (rows - np.searchsorted(dropped, rows)).astype(rows.dtype)
    new = path.parent / RENUMBERED
    new.mkdir(exist_ok=True)
    Saver.put(new, int(path.stem.partition("-")[2]), entry["begin"], entry["end"], arrays)
    return str(new / path.name)


def put_in_place(paths: Sequence[str]) -> None:
    """Replace shards by the files that `renumber` has written."""
    for path in paths:
        os.replace(path, Path(path).parents[1] / Path(path).name)


def empty(timed: bool) -> Any:
    """The frame of `encode`, without rows."""
    import pandas

    names = ("user", "item", "rating", "row", "timestamp")[: 5 if timed else 4]
    return pandas.DataFrame({name: np.empty(0, dtype=DTYPES[name]) for name in names})
