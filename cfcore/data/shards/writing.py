"""Folders of shards are written: the header last, so that a folder without one is not complete."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cfcore import atomic, codec
from cfcore.data.index import position_dtype
from cfcore.data.shards.folder import FORMAT, HEADER, KIND
from cfcore.tensor_file import write_tensors

__all__ = ["LEAST", "Saver", "cuts", "save"]

Array = np.ndarray[Any, Any]

#: Ratings of a shard, at least, where there are many; below, there are FEW shards of at least SMALL ratings.
LEAST, FEW, SMALL = 5_000_000, 4, 1_000

#: Files beside the shards; the header is the first to be removed.
OWN = (HEADER, "users.safetensors", "items.safetensors")


def cuts(counts: Array, shard_size: int | None = None) -> Array:
    """Bounds of the users of shards: int64[n_shards + 1].

    Parameters
    ----------
    counts : int64[n_users]
        Number of ratings of each user.
    shard_size : int, optional
        Ratings of a shard, at least (all of them, if there are less). By default 5 million, but for less than
        20 million ratings a fourth of them.
    """
    ends = np.cumsum(counts, dtype=np.int64)
    n = int(ends[-1]) if len(ends) else 0
    size = shard_size or min(LEAST, max(SMALL, n // FEW))
    least = size if shard_size or size == LEAST else size // 2
    size = -(-n // max(1, n // size))  # of equal ones
    bounds, at = [0], 0
    while at < n:
        end = int(np.searchsorted(ends, at + size)) + 1
        if end >= len(ends) or n - int(ends[end - 1]) < least:
            break
        bounds.append(end)
        at = int(ends[end - 1])
    return np.array([*bounds, len(ends)], dtype=np.int64)


class Saver:
    """A folder of shards that is being written: `clear`, shards in any order, then `finish`.

    Parameters
    ----------
    path : path-like
        Made if it does not exist.
    overwrite : bool
        Whether a folder of shards there is replaced.

    Raises
    ------
    FileExistsError
        The folder has files already.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        self.path = Path(os.path.expanduser(path)).absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        held = [one.name for one in self.path.iterdir() if not one.name.startswith(".")]
        others = [name for name in held if name not in OWN and not name.startswith("shard-")]
        if held and (others or not overwrite):
            advice = "give a new folder" if others else "overwrite=True replaces it"
            raise FileExistsError(f"{self.path} has files already, such as {(others or held)[0]}; {advice}")

    def clear(self) -> None:
        """Remove the shards of before, the header first."""
        for name in OWN:
            (self.path / name).unlink(missing_ok=True)
        for one in self.path.glob("shard-*"):
            one.unlink()

    def write(self, number: int, begin: int, end: int, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """Write a shard; its entry for the header. See `Shard` for the arrays."""
        return self.put(self.path, number, begin, end, arrays)

    @staticmethod
    def put(path: Path, number: int, begin: int, end: int, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """As `write`, in another process than that of the folder."""
        name = f"shard-{number:05d}.safetensors"
        entry = {"file": name, "begin": begin, "end": end, "n_ratings": len(arrays["values"])}
        text = json.dumps({"kind": f"{KIND}: shard", "format": FORMAT, **entry})
        plain = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        with atomic.replacing(path / name) as file:
            write_tensors(file, {"cfcore": f"{codec.checksum(text, plain)} {text}"}, plain)
        return entry

    def finish(
        self,
        entries: list[dict[str, Any]],
        users: tuple[Array, Array],
        items: tuple[Array, Array],
        *,
        scale: tuple[float, float],
        mean: float,
        times: tuple[int, int] | None,
        column_names: Mapping[str, str],
    ) -> Path:
        """Write vocabularies, each with its counts, and the header; the folder is complete then."""
        import cfcore

        for role, (ids, counts) in (("user", users), ("item", items)):
            arrays = {"ids": ids, "counts": np.asarray(counts, dtype=np.int64)}
            codec.write(self.path / f"{role}s.safetensors", {"kind": f"{KIND}: {role}s"}, arrays)
        header = {
            "kind": KIND, "format": FORMAT, "cfcore": cfcore.__version__,
            "n_ratings": sum(entry["n_ratings"] for entry in entries), "n_users": len(users[0]),
            "n_items": len(items[0]), "scale": list(map(float, scale)), "mean": float(mean),
            "timestamps": None if times is None else list(times), "column_names": dict(column_names),
            "shards": sorted(entries, key=lambda entry: entry["begin"]),
        }  # fmt: skip
        with atomic.replacing(self.path / HEADER, text=True) as file:
            json.dump(header, file, indent=1)
        return self.path


def save(
    ratings: Any,
    path: str | os.PathLike[str],
    shard_size: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda n: None,
) -> Path:
    """Write `Ratings` to a folder of shards; see ``Ratings.save_shards``."""
    saver = Saver(path, overwrite)
    saver.clear()
    bounds = cuts(ratings.user_counts, shard_size)
    rows = ratings.by_user
    dtype = position_dtype(len(ratings))
    entries = []
    for number, (begin, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        part = slice(int(rows.indptr[begin]), int(rows.indptr[end]))
        arrays = {
            "indptr": rows.indptr[begin : end + 1] - rows.indptr[begin], "items": rows.indices[part],
            "values": rows.values[part], "rows": rows.order[part].astype(dtype, copy=False),
        }  # fmt: skip
        if ratings.timestamps is not None:
            arrays["timestamps"] = ratings.timestamps[rows.order[part]]
        entries.append(saver.write(number, begin, end, arrays))
        progress(part.stop - part.start)
    users, items = (ratings.user_ids, ratings.user_counts), (ratings.item_ids, ratings.item_counts)
    return saver.finish(
        entries, users, items, scale=ratings.scale, mean=ratings.mean,
        times=ratings._time_span(), column_names=ratings.column_names,
    )  # fmt: skip
