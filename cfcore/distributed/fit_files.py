"""Parts of the training data in files of a folder that all workers share: these map them, nothing is sent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.distributed.fit_cluster import Cluster

__all__ = ["InFile", "mapped", "remove", "shared_folder", "write"]

Array = np.ndarray[Any, Any]


class InFile:
    """An array that is the contents of a file.

    Parameters
    ----------
    path : str
        The same for all workers.
    dtype : dtype
    n : int
        Its length.
    """

    def __init__(self, path: str, dtype: Any, n: int) -> None:
        self.path, self.dtype, self.n = path, dtype, n

    def mapped(self) -> Array:
        """The array; its pages are read when they are used."""
        return np.memmap(self.path, self.dtype, "r", shape=(self.n,)) if self.n else np.empty(0, self.dtype)


def mapped(array: Any) -> Array:
    """The array, mapped if it is in a file."""
    found: Array = array.mapped() if isinstance(array, InFile) else array
    return found


def write(folder: Path, pieces: Iterable[Array], dtype: Any) -> InFile:
    """Write pieces of an array to a new file, the name of which begins with a dot."""
    path, n = folder / f".fit-{secrets.token_hex(8)}", 0
    with path.open("xb") as file:
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).data)
            n += len(piece)
    return InFile(str(path), dtype, n)


def remove(arrays: list[InFile]) -> None:
    """Remove the files."""
    for one in arrays:
        Path(one.path).unlink(missing_ok=True)
    arrays.clear()


def shared_folder(ratings: Any, cluster: Cluster) -> Path | None:
    """The folder of the shards of ratings, if this process writes to it what all workers read."""
    folder = getattr(ratings, "folder", None)
    if folder is None:
        return None
    try:
        found = write(Path(folder), [np.zeros(1)], np.float64)
    except OSError:
        return None
    try:
        at_each = cluster.run(
            lambda tasks: tasks.gather(
                [
                    tasks.submit(os.path.exists, found.path, at=at, only=True)
                    for at in range(len(tasks.workers))
                ]
            )
        )
    finally:
        remove([found])
    return Path(folder) if all(at_each) else None
