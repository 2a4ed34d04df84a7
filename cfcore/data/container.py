"""`Container`: the columns of ratings with their codes, vocabularies and index; nothing can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore import html
from cfcore.data import checks, times
from cfcore.data.index import Compressed, Index
from cfcore.data.names import UNNAMED
from cfcore.data.unrated import unrated_pairs
from cfcore.threads import threads_worth

__all__ = ["Container"]

#: Rows that a notebook shows, and characters of an id.
FIRST, WIDTH = 5, 60


class Container:
    """What `Ratings` hold; see there."""

    __slots__ = (
        "_column_names",
        "_index",
        "item_codes",
        "item_ids",
        "scale",
        "timestamps",
        "user_codes",
        "user_ids",
        "values",
    )

    user_codes: NDArray[np.int32]
    item_codes: NDArray[np.int32]
    values: NDArray[np.float32]
    timestamps: NDArray[np.int64] | None
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    scale: tuple[float, float]
    _column_names: dict[str, str]
    _index: Index

    def _set(
        self,
        user_codes: NDArray[np.int32],
        item_codes: NDArray[np.int32],
        values: NDArray[np.float32],
        timestamps: NDArray[np.int64] | None,
        user_ids: NDArray[Any],
        item_ids: NDArray[Any],
        scale: tuple[float, float],
        column_names: dict[str, str] = UNNAMED,
    ) -> None:
        """Store columns without a check or a copy: they are valid, and nothing else can write to them."""
        fields = (user_codes, item_codes, values, timestamps, user_ids, item_ids)
        names = ("user_codes", "item_codes", "values", "timestamps", "user_ids", "item_ids")
        for name, array in zip(names, fields, strict=True):
            object.__setattr__(self, name, None if array is None else _frozen(array))
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "_column_names", dict(column_names))
        self.drop_index()

    @classmethod
    def _new(cls, *fields: Any) -> Self:
        ratings = cls.__new__(cls)
        ratings._set(*fields)
        return ratings

    def _with(self, **fields: Any) -> Self:
        """The same ratings with other `timestamps` or another `scale`; columns and index are shared."""
        own = {"timestamps": self.timestamps, "scale": self.scale} | fields
        other = self._new(
            self.user_codes, self.item_codes, self.values, own["timestamps"], self.user_ids, self.item_ids,
            own["scale"], self._column_names,
        )  # fmt: skip
        object.__setattr__(other, "_index", self._index)
        return other

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"Ratings cannot be changed: {name!r} was assigned to")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Ratings cannot be changed: {name!r} was deleted")

    def __getstate__(self) -> tuple[Any, ...]:
        return (
            self.user_codes, self.item_codes, self.values, self.timestamps,
            self.user_ids, self.item_ids, self.scale, self._column_names,
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Arrays that come from another process may begin anywhere in the bytes that were received.
        aligned: list[Any] = [
            np.require(one, requirements="A") if isinstance(one, np.ndarray) else one for one in state
        ]
        self._set(*aligned)

    # Sizes and summaries.

    @property
    def n_users(self) -> int:
        """Size of the vocabulary of users, including those a subset left without ratings."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the vocabulary of items, including those a subset left without ratings."""
        return len(self.item_ids)

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return len(self.values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def users(self) -> NDArray[Any]:
        """Raw user id of each row, looked up on each access."""
        return self.user_ids[self.user_codes]

    @property
    def items(self) -> NDArray[Any]:
        """Raw item id of each row, looked up on each access."""
        return self.item_ids[self.item_codes]

    @property
    def mean(self) -> float:
        """Mean rating, summed in double."""
        return float(np.add.reduce(self.values, dtype=np.float64) / len(self.values))

    @property
    def column_names(self) -> dict[str, str]:
        """Name of the column that each of user, item, rating and timestamp came from, or else the role."""
        return dict(self._column_names)

    def __repr__(self) -> str:
        # Those with ratings: the vocabulary of a part is that of the whole.
        n_users, n_items = np.count_nonzero(self.user_counts), np.count_nonzero(self.item_counts)
        parts = [
            f"{self.n_ratings:,} by {n_users:,} users of {n_items:,} items",
            f"{100 * self.n_ratings / (n_users * n_items):.3g}% dense",
            f"scale {self.scale[0]:g} to {self.scale[1]:g}",
            f"mean {self.mean:.3g}",
        ]
        span = self._time_span()
        if span is not None:
            first, last = span
            unit = times.unit_by_largest(last)
            if first > 0 and last < times.END * unit:
                seconds = np.array([first // unit, last // unit], dtype="datetime64[s]")
                days = seconds.astype("datetime64[D]")
                parts.append(f"{days[0]} to {days[1]}" + (f" in {times.UNITS[unit]}" if unit > 1 else ""))
            else:
                parts.append(f"timestamps {first} to {last}")
        return f"Ratings({', '.join(parts)})"

    def _time_span(self) -> tuple[int, int] | None:
        """The first and the last timestamp, if there are any."""
        if self.timestamps is None:
            return None
        return int(self.timestamps.min()), int(self.timestamps.max())

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        columns = [self.user_ids[self.user_codes[:FIRST]], self.item_ids[self.item_codes[:FIRST]]]
        texts = [[_cut(str(raw)) for raw in column.tolist()] for column in columns]
        texts.append([f"{value:g}" for value in self.values[:FIRST]])
        roles = ["user", "item", "rating"]
        if self.timestamps is not None:
            roles.append("timestamp")
            texts.append([str(time) for time in self.timestamps[:FIRST].tolist()])
        rows = [list(row) for row in zip(*texts, strict=True)]
        more = [["..."] * len(roles)] if len(self) > FIRST else []
        return html.table([_cut(self._column_names[role]) for role in roles], rows + more, repr(self))

    def unrated_pairs(
        self, users: Any = None, items: Any = None, *, batch_size: int = 1_000_000
    ) -> Iterator[tuple[Any, Any]]:
        """Pairs of users and items that have ratings, but none of each other, in batches.

        Parameters
        ----------
        users, items : id or array_like, optional
            Raw ids of those to pair; by default all that have ratings.
        batch_size : int, default 1000000
            Pairs in a batch.

        Yields
        ------
        users, items : ndarray, shape (batch_size,); the last may be shorter
            Raw ids, as `predict` takes them: ascending by user, then by item.

        Raises
        ------
        DataError
            Users or items without ratings; the message names them.

        Notes
        -----
        The pairs of scikit-surprise's ``build_anti_testset``. Memory follows `batch_size`, not their number.
        """
        return unrated_pairs(self, users, items, batch_size)

    def with_timestamps(self, timestamps: ArrayLike | None) -> Self:
        """The same ratings with other timestamps, or with none; other columns and the index are shared.

        Parameters
        ----------
        timestamps : array-like of int, datetime64 or str [n], or None
            As in the constructor.

        Raises
        ------
        DataError
            For timestamps of another number than there are ratings, or that cannot be read.
        """
        moments = None
        if timestamps is not None:
            moments = checks.owned(checks.as_timestamps(timestamps), timestamps)
            checks.check_lengths({"values": len(self), "timestamps": len(moments)})
        return self._with(timestamps=moments)

    # Compressed forms.

    @property
    def by_user(self) -> Compressed:
        """Compressed rows (CSR): each user's ratings, items ascending; kept until ``drop_index``."""
        return self._index.by_user

    @property
    def items_by_user(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """``indptr`` and ``indices`` of `by_user` alone, for 4 bytes a rating; kept until ``drop_index``."""
        return self._index.items_by_user

    @property
    def rows_by_user(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """``indptr``, ``indices`` and ``values`` of `by_user` alone, for 8 bytes a rating; kept likewise."""
        return self._index.rows_by_user

    @property
    def by_item(self) -> Compressed:
        """Compressed columns (CSC): each item's ratings, users ascending; kept until ``drop_index``."""
        return self._index.by_item

    @property
    def user_counts(self) -> NDArray[np.int64]:
        """Number of ratings of each user code, int64[n_users]; 0 for a user without ratings here."""
        return self._index.user_counts

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """Number of ratings of each item code, int64[n_items]; 0 for an item without ratings here."""
        return self._index.item_counts

    def build_index(self, n_threads: int | None = None) -> None:
        """Compute ``by_user`` and ``by_item`` now, at the same time if two threads pay.

        Parameters
        ----------
        n_threads : int, optional
            1 computes one after the other; all cores by default. The result does not depend on it.
        """
        index = self._index
        if threads_worth(n_threads, len(self), "ratings") == 1 or index.has("by_user"):
            index.by_user, index.by_item  # noqa: B018
            return
        import contextvars
        from concurrent.futures import ThreadPoolExecutor

        # The other thread must see the backend that is in force here.
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as executor:
            other = executor.submit(context.run, lambda: index.by_item)
            index.by_user  # noqa: B018
            other.result()

    def drop_index(self) -> None:
        """Free `by_user`, `by_item`, the rows and the counts; the next use computes them again."""
        index = Index(self.user_codes, self.item_codes, self.values, self.n_users, self.n_items)
        object.__setattr__(self, "_index", index)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
