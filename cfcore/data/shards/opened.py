"""`OpenedRatings`: ratings in a folder of shards, which are mapped; `Ratings` in all else."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore import html
from cfcore.data import ids
from cfcore.data.index import Compressed, Index, compress, derived, position_dtype
from cfcore.data.ratings import Ratings, from_fields
from cfcore.data.shards.folder import Folder, Shard
from cfcore.errors import FileFormatError
from cfcore.memory import as_bytes, limited

__all__ = ["OpenedRatings"]

Array = np.ndarray[Any, Any]

#: Ratings that are copied at a time.
PIECE = 1 << 20


class OpenedRatings(Ratings):
    """Ratings that `Ratings.open` gives: nothing of the ratings is in memory until it is used.

    Columns and index have the same values as those of the ratings that were saved, in the same order, and are
    computed from the shards on first use.

    Parameters
    ----------
    folder : Folder
    memory_limit : int or None
        Bytes that this process may have in memory.
    """

    __slots__ = ("_columns", "_folder", "memory_limit")

    _folder: Folder
    _columns: dict[str, Any]
    memory_limit: int | None

    def __init__(self, folder: Folder, memory_limit: int | None = None) -> None:
        self._set_folder(folder, memory_limit)

    def _set_folder(self, folder: Folder, memory_limit: int | None) -> None:
        object.__setattr__(self, "_folder", folder)
        object.__setattr__(self, "memory_limit", memory_limit)
        object.__setattr__(self, "_columns", {})
        object.__setattr__(self, "scale", folder.scale)
        object.__setattr__(self, "_column_names", dict(folder.column_names))
        self.drop_index()

    def __getstate__(self) -> Any:
        return self._folder, self.memory_limit

    def __setstate__(self, state: Any) -> None:
        self._set_folder(*state)

    # ------------------------------------------------------------------ shards

    @property
    def folder(self) -> Any:
        """Path of the folder."""
        return self._folder.path

    @property
    def shards(self) -> tuple[Any, ...]:
        """The shards, in the order of their users: each has the ratings of a range of users."""
        return self._folder.shards

    def to_memory(self) -> Ratings:
        """`Ratings` with the same rows in the same order, all in memory."""
        columns = self._read()
        return from_fields(
            columns["user_codes"], columns["item_codes"], columns["values"], columns["timestamps"],
            self.user_ids, self.item_ids, self.scale, self.column_names,
        )  # fmt: skip

    # ------------------------------------------------------------------ what `Ratings` hold

    @property
    def user_ids(self) -> NDArray[Any]:  # type: ignore[override]
        """The vocabulary of users."""
        with self.within():
            return self._folder.user_ids

    @property
    def item_ids(self) -> NDArray[Any]:  # type: ignore[override]
        """The vocabulary of items."""
        return self._folder.item_ids

    @property
    def user_codes(self) -> NDArray[np.int32]:  # type: ignore[override]
        """int32[n], in the original order."""
        return self._column("user_codes")

    @property
    def item_codes(self) -> NDArray[np.int32]:  # type: ignore[override]
        """int32[n], in the original order."""
        return self._column("item_codes")

    @property
    def values(self) -> NDArray[np.float32]:  # type: ignore[override]
        """float32[n], in the original order."""
        return self._column("values")

    @property
    def timestamps(self) -> NDArray[np.int64] | None:  # type: ignore[override]
        """int64[n] or None, in the original order."""
        return self._column("timestamps") if self._folder.timed else None

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self._folder.n_users

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self._folder.n_items

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return self._folder.n_ratings

    def __len__(self) -> int:
        return self._folder.n_ratings

    @property
    def mean(self) -> float:
        """Mean rating."""
        return self._folder.mean

    def _time_span(self) -> tuple[int, int] | None:
        return self._folder.times

    def _repr_html_(self) -> str:
        """Numbers alone: the first rows would have to be looked for in all shards."""
        numbers = (len(self), self.n_users, self.n_items, len(self.shards))
        heads = ("ratings", "users", "items", "shards")
        return html.table(heads, [[f"{number:,}" for number in numbers]], repr(self))

    def encode(self, users: Any = None, items: Any = None) -> Any:
        """Codes of raw ids, -1 for those that have no ratings here.

        Parameters
        ----------
        users, items : array_like of int or str, optional

        Returns
        -------
        int32[n], or a pair of them where both are given
        """
        found = [
            ids.encode(vocabulary, raw, column)
            for vocabulary, raw, column in ((self.user_ids, users, "users"), (self.item_ids, items, "items"))
            if raw is not None
        ]
        return found[0] if len(found) == 1 else tuple(found)

    def within(self, memory_limit: int | str | None = None) -> AbstractContextManager[None]:
        """A block in which large arrays are in files of the folder, if there is a limit; see `limited`."""
        return limited(as_bytes(memory_limit) or self.memory_limit, self.folder)

    def drop_index(self) -> None:
        """Free columns and index; the next use computes them again."""
        self._columns.clear()
        object.__setattr__(self, "_index", ShardIndex(self))

    def _with(self, **fields: Any) -> Any:
        own = {"timestamps": self.timestamps, "scale": self.scale} | fields
        return from_fields(
            self.user_codes, self.item_codes, self.values, own["timestamps"], self.user_ids, self.item_ids,
            own["scale"], self.column_names,
        )  # fmt: skip

    @classmethod
    def _new(cls, *fields: Any) -> Any:
        return from_fields(*fields)

    def _column(self, name: str) -> Any:
        if name not in self._columns:
            with self.within():
                self._columns.update(self._read())
        return self._columns[name]

    def _rows(self, shard: Shard) -> Array:
        """Positions of the ratings of a shard, checked."""
        rows, n = shard.rows, self.n_ratings
        if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < n):
            raise FileFormatError(f"{shard.path}: rows must be in [0, {n})")
        return rows

    def _read(self) -> dict[str, Any]:
        """The columns in the original order."""
        n = self.n_ratings
        found: dict[str, Any] = {
            "user_codes": np.empty(n, dtype=np.int32), "item_codes": np.empty(n, dtype=np.int32),
            "values": np.empty(n, dtype=np.float32), "timestamps": None,
        }  # fmt: skip
        if self._folder.timed:
            found["timestamps"] = np.empty(n, dtype=np.int64)
        seen = np.zeros(n, dtype=bool)
        for shard in self.shards:
            rows, indptr = self._rows(shard), shard.indptr
            for begin in range(0, shard.n_ratings, PIECE):
                piece = slice(begin, min(begin + PIECE, shard.n_ratings))
                at = rows[piece]
                first, last = np.searchsorted(indptr, (piece.start, piece.stop - 1), side="right") - 1
                bounds = np.clip(indptr[first : last + 2], piece.start, piece.stop)
                users = np.arange(shard.begin + first, shard.begin + last + 1, dtype=np.int32)
                found["user_codes"][at] = np.repeat(users, np.diff(bounds))
                found["item_codes"][at] = shard.items[piece]
                found["values"][at] = shard.values[piece]
                if shard.timestamps is not None:
                    found["timestamps"][at] = shard.timestamps[piece]
                seen[at] = True
        if not seen.all():
            raise FileFormatError(f"{self.folder}: no shard has the rating at position {int(seen.argmin())}")
        for held in found.values():
            if held is not None:
                held.flags.writeable = False
        return found


class ShardIndex(Index):
    """As `Index`, from shards: compressed rows of users are those of the shards, one after the other."""

    def __init__(self, ratings: OpenedRatings) -> None:
        self._ratings = ratings

    # What `Index` derives the compressed columns from.

    @property
    def _user_codes(self) -> Array:  # type: ignore[override]
        return self._ratings.user_codes

    @property
    def _item_codes(self) -> Array:  # type: ignore[override]
        return self._ratings.item_codes

    @property
    def _values(self) -> Array:  # type: ignore[override]
        return self._ratings.values

    @property
    def _n_users(self) -> int:  # type: ignore[override]
        return self._ratings.n_users

    @property
    def _n_items(self) -> int:  # type: ignore[override]
        return self._ratings.n_items

    @derived
    def by_user(self) -> Compressed:
        indptr, items, values = self.rows_by_user
        for shard in self._ratings.shards:
            self._ratings._rows(shard)
        order = self._joined("rows", position_dtype(len(values)))
        return Compressed(indptr, items, values, order, self._n_items)

    @derived
    def by_item(self) -> Compressed:
        with self._ratings.within():
            found = compress(self._item_codes, self._user_codes, self._values, self._n_items, self._n_users)
        return found

    @derived
    def rows_by_user(self) -> tuple[Array, Array, Array]:
        return (*self.items_by_user, self._joined("values", np.float32))

    @derived
    def items_by_user(self) -> tuple[Array, Array]:
        with self._ratings.within():
            indptr = np.zeros(self._n_users + 1, dtype=np.int64)
            np.cumsum(self.user_counts, out=indptr[1:])
        indptr.flags.writeable = False
        return indptr, self._joined("items", np.int32)

    @derived
    def user_counts(self) -> Array:
        return self._ratings._folder.user_counts

    @derived
    def item_counts(self) -> Array:
        return self._ratings._folder.item_counts

    def _joined(self, name: str, dtype: Any) -> Array:
        """An array of all shards; that of a single one itself."""
        shards = self._ratings.shards
        if len(shards) == 1 and getattr(shards[0], name).dtype == dtype:
            found: Array = getattr(shards[0], name)
            return found
        with self._ratings.within():
            out: Array = np.empty(len(self._ratings), dtype=dtype)
        at = 0
        for shard in shards:
            for begin in range(0, shard.n_ratings, PIECE):
                piece = getattr(shard, name)[begin : begin + PIECE]
                out[at : at + len(piece)] = piece
                at += len(piece)
        out.flags.writeable = False
        return out


def opened(path: str | os.PathLike[str], memory_limit: Any = None) -> OpenedRatings:
    """The ratings of a folder; see ``Ratings.open``."""
    limit = as_bytes(memory_limit)
    return OpenedRatings(Folder(path), limit)
