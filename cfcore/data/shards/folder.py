"""`Folder` and `Shard`: a folder of ratings in files with a range of users each.

::

    header.json              version, numbers, scale, mean, names of columns, and one entry a shard
    users.safetensors        ids, ascending, and number of ratings of each user
    items.safetensors        the same of items
    shard-00000.safetensors  indptr, items, values, rows and, if there are any, timestamps

A shard holds the ratings of the users ``begin`` ... ``end - 1`` in compressed rows (CSR), items ascending
within a user; ``rows`` are their positions in the original order, which defines the bits of some fits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cfcore import codec
from cfcore.data.index import Compressed, compress
from cfcore.data.names import UNNAMED
from cfcore.errors import FileFormatError
from cfcore.tensor_file import map_tensors, opened

__all__ = ["FORMAT", "HEADER", "Folder", "Shard"]

Array = np.ndarray[Any, Any]

#: Version of the layout. A folder with a higher one is refused.
FORMAT = 1
HEADER = "header.json"
KIND = "cfcore ratings"
#: Most bytes of a header: 100 bytes a shard.
LONGEST = 1 << 28


@dataclass(frozen=True)
class Shard:
    """The ratings of a range of users, in a file that is mapped on first use.

    It is pickled as the path of its file: another process maps the file itself.

    Attributes
    ----------
    path : str
    begin, end : int
        Codes of the users: ``begin`` up to ``end - 1``.
    n_ratings : int
    n_items : int
        Of all shards.
    timed : bool
        Whether there are timestamps.
    """

    path: str
    begin: int
    end: int
    n_ratings: int
    n_items: int
    timed: bool

    @property
    def n_users(self) -> int:
        """Number of users of the shard."""
        return self.end - self.begin

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in self.__dataclass_fields__}

    def __setstate__(self, fields: dict[str, Any]) -> None:
        vars(self).update(fields)

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, mapped and read-only; the file is read once, to check it.

        Raises
        ------
        FileFormatError
            The file is damaged, or its arrays are not those that the header tells of.
        """
        with opened(self.path) as (file, size):
            try:
                metadata, found = map_tensors(file, size)
                written, _, text = metadata["cfcore"].partition(" ")
                if written != codec.checksum(text, found):
                    raise FileFormatError(f"{self.path}: damaged, its checksum does not match its content")
            except FileFormatError:
                raise
            except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
                raise FileFormatError(f"{self.path}: damaged, or no shard of ratings ({error})") from error
        n, positions = self.n_ratings, ("int32", "int64")
        wanted = {"indptr": (self.n_users + 1, ("int64",)), "items": (n, ("int32",)),
                  "values": (n, ("float32",)), "rows": (n, positions)}  # fmt: skip
        if self.timed:
            wanted["timestamps"] = (n, ("int64",))
        for name, (length, dtypes) in wanted.items():
            held = found.get(name)
            if held is None or held.shape != (length,) or held.dtype.name not in dtypes:
                shown = "missing" if held is None else f"{held.dtype}{list(held.shape)}"
                raise FileFormatError(f"{self.path}: {name} must be {dtypes[0]}[{length}], and is {shown}")
        indptr = found["indptr"]
        if indptr[0] != 0 or indptr[-1] != n or (indptr[1:] < indptr[:-1]).any():
            raise FileFormatError(f"{self.path}: indptr must ascend from 0 to {n}")
        items = found["items"]
        if n and not (int(items.min()) >= 0 and int(items.max()) < self.n_items):
            raise FileFormatError(f"{self.path}: items must be in [0, {self.n_items})")
        low, high = found["values"].min(initial=0), found["values"].max(initial=0)
        if not (np.isfinite(low) and np.isfinite(high)):  # NaN is the least and the greatest
            raise FileFormatError(f"{self.path}: values must be finite numbers")
        return {name: found[name] for name in wanted}

    @property
    def indptr(self) -> Array:
        """int64[n_users + 1]: the ratings of user ``begin + k`` are at ``indptr[k]:indptr[k + 1]``."""
        return self.arrays["indptr"]

    @property
    def items(self) -> Array:
        """int32[n]: item codes, ascending within a user."""
        return self.arrays["items"]

    @property
    def values(self) -> Array:
        """float32[n]"""
        return self.arrays["values"]

    @property
    def rows(self) -> Array:
        """int32[n] or int64[n]: positions in the original order of all ratings."""
        return self.arrays["rows"]

    @property
    def timestamps(self) -> Array | None:
        """int64[n] or None"""
        return self.arrays.get("timestamps")

    def user_codes(self, local: bool = False) -> Array:
        """int32[n]: the user of each rating; with `local`, counted from ``begin``."""
        first = 0 if local else self.begin
        users = np.arange(first, first + self.n_users, dtype=np.int32)
        return np.repeat(users, np.diff(self.indptr))

    def by_item(self) -> Compressed:
        """The ratings by item, users ascending and counted from ``begin``; ``order`` is into the shard."""
        return compress(self.items, self.user_codes(local=True), self.values, self.n_items, self.n_users)

    def in_order(self) -> Array:
        """Positions in the shard, in the original order of the ratings: int64[n]."""
        return np.argsort(self.rows, kind="stable")

    def drop(self) -> None:
        """Forget the arrays; the next use maps the file again."""
        vars(self).pop("arrays", None)


class Folder:
    """A folder of shards: its header, vocabularies and shards.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    path : Path
    n_ratings, n_users, n_items : int
    scale : (float, float)
    mean : float
        Of all ratings, with the bits of `Ratings.mean`.
    timed : bool
    times : (int, int) or None
        The first and the last timestamp.
    column_names : dict of str to str
    shards : tuple of Shard
        In the order of their users; they cover all.

    Raises
    ------
    FileFormatError
        The header is damaged, or has a later version.
    OSError
        There is no such folder, or it is no folder of shards.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.expanduser(path)).absolute()
        if not self.path.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path}")
        place = self.path / HEADER
        if not place.is_file():
            raise FileNotFoundError(
                f"{self.path}: there is no {HEADER}, so that it is no folder of shards; "
                "Ratings.save_shards(folder) and Ratings.read_to_shards(path, folder) write one"
            )
        if place.stat().st_size > LONGEST:
            raise FileFormatError(f"{place}: a header of {place.stat().st_size} bytes")
        try:
            header = json.loads(place.read_text(encoding="utf-8"))
            self._set(header)
        except FileFormatError:
            raise
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise FileFormatError(f"{place}: damaged, or no header of shards ({error})") from error

    def _set(self, header: dict[str, Any]) -> None:
        if header["kind"] != KIND:
            raise ValueError(f"kind {header['kind']!r}")
        if header["format"] > FORMAT:
            raise FileFormatError(
                f"{self.path / HEADER}: written by cfcore {header['cfcore']} in format {header['format']}; "
                f"this cfcore reads formats up to {FORMAT}"
            )
        self.n_ratings, self.n_users, self.n_items = (
            _count(header, name) for name in ("n_ratings", "n_users", "n_items")
        )
        low, high = header["scale"]
        self.scale = float(low), float(high)
        self.mean = float(header["mean"])
        if not (np.isfinite(self.mean) and np.isfinite(low) and np.isfinite(high) and low <= high):
            raise ValueError(f"scale {header['scale']!r}, mean {self.mean}")
        times = header["timestamps"]
        self.times = None if times is None else (int(times[0]), int(times[1]))
        self.timed = times is not None
        self.column_names = {role: str(header["column_names"][role]) for role in UNNAMED}
        shards, at, n = [], 0, 0
        for entry in header["shards"]:
            name = entry["file"]
            if not isinstance(name, str) or name != os.path.basename(name) or name in ("", ".", ".."):
                raise ValueError(f"file {name!r} of a shard")
            end, size = _count(entry, "end"), _count(entry, "n_ratings")
            if _count(entry, "begin") != at or end < at:
                raise ValueError(f"{name}: its users do not follow those before")
            shards.append(Shard(str(self.path / name), at, end, size, self.n_items, self.timed))
            at, n = end, n + size
        if at != self.n_users or n != self.n_ratings:
            raise ValueError(f"shards of {at} users and {n} ratings, not {self.n_users} and {self.n_ratings}")
        self.shards = tuple(shards)

    def __reduce__(self) -> Any:
        return Folder, (self.path,)

    def __iter__(self) -> Iterator[Shard]:
        return iter(self.shards)

    def __len__(self) -> int:
        return len(self.shards)

    @cached_property
    def _users(self) -> tuple[Array, Array]:
        return self._vocabulary("user", self.n_users)

    @cached_property
    def _items(self) -> tuple[Array, Array]:
        return self._vocabulary("item", self.n_items)

    @property
    def user_ids(self) -> Array:
        """Raw ids of users, ascending; read on first use."""
        return self._users[0]

    @property
    def item_ids(self) -> Array:
        """Raw ids of items, ascending; read on first use."""
        return self._items[0]

    @property
    def user_counts(self) -> Array:
        """int64[n_users]: number of ratings of each user."""
        return self._users[1]

    @property
    def item_counts(self) -> Array:
        """int64[n_items]: number of ratings of each item."""
        return self._items[1]

    def _vocabulary(self, role: str, n: int) -> tuple[Array, Array]:
        place = self.path / f"{role}s.safetensors"
        header, arrays = codec.read(place)
        if header.get("kind") != f"{KIND}: {role}s" or arrays.keys() != {"ids", "counts"}:
            raise FileFormatError(f"{place}: not the {role}s of a folder of shards")
        ids, counts = arrays["ids"], arrays["counts"]
        sound = ids.shape == (n,) and counts.shape == (n,) and counts.dtype == np.int64
        if not (sound and ids.dtype.kind in "iuUO" and (ids[1:] > ids[:-1]).all()):
            raise FileFormatError(f"{place}: must hold {n} ascending ids and as many counts")
        if counts.min(initial=0) < 0 or int(counts.sum()) != self.n_ratings:
            raise FileFormatError(f"{place}: the counts must sum up to {self.n_ratings} ratings")
        ids.flags.writeable = counts.flags.writeable = False
        return ids, counts


def _count(entry: Any, name: str) -> int:
    found = entry[name]
    if type(found) is not int or not 0 <= found < 2**53:
        raise ValueError(f"{name} {found!r}")
    return found
