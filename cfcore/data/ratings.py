"""`Ratings`, the container that all models are fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.data import checks, combine, ids
from cfcore.data.build import NAMES, Duplicates, checked, encoded
from cfcore.data.index import Compressed, Index
from cfcore.errors import DataError
from cfcore.threads import threads_worth

__all__ = ["Duplicates", "Ratings"]


class Ratings:
    """Explicit ratings of items by users, with timestamps if there are any. Immutable and always valid.

    Parameters
    ----------
    users, items : array-like of int or str [n]
        Raw ids, of any integer dtype or strings; they are kept unchanged.
    values : array-like of float [n]
        Ratings, finite.
    timestamps : array-like of int or datetime64 [n], optional
        Whole numbers, usually seconds since 1970; dates are converted to that.
    scale : (min, max), optional
        Least and greatest possible rating; by default the least and greatest of `values`.
    duplicates : {"error", "last", "mean"}, default "error"
        What to do when a user rated an item more than once: raise DataError; keep the last such row; or keep
        the last such row, its rating replaced by the mean of all of them.

    Attributes
    ----------
    user_ids, item_ids : [n_users], [n_items]
        The vocabularies: distinct raw ids, sorted. Integers in the dtype given, strings as fixed-width
        unicode.
    user_codes, item_codes : int32[n]
        Each row's position in the vocabulary.
    values : float32[n]
    timestamps : int64[n] or None
    scale : (float, float)

    Raises
    ------
    DataError
        For missing ids, ratings that are NaN, infinite or outside the scale, repeated (user, item) pairs,
        columns of different lengths, no rows at all, more than 2^31 - 1 distinct ids. The message names the
        column and the first offending row.

    Notes
    -----
    All arrays are read-only and in input order. An int32, float32 or int64 array that is read-only when
    passed (a memory map opened with mode "r", say) and needs no change is kept, not copied: int32 ids that
    are 0 ... n - 1 already, float32 values, int64 timestamps. Writable ones are copied.

    Memory is 12 bytes a rating, 20 with timestamps. ``by_user`` and ``by_item`` cost 12 more each while
    they are held, ``items_by_user`` alone 4; ``drop_index`` frees them.

    Examples
    --------
    >>> import cfcore as cf
    >>> cf.Ratings(["ann", "ann", "bob"], [10, 20, 10], [4.0, 5.0, 3.5], scale=(0.5, 5))
    Ratings(3 by 2 users of 2 items, 75% dense, scale 0.5 to 5, mean 4.17)
    """

    __slots__ = (
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
    _index: Index

    def __init__(
        self,
        users: ArrayLike,
        items: ArrayLike,
        values: ArrayLike,
        timestamps: ArrayLike | None = None,
        *,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
    ) -> None:
        self._set(*encoded(users, items, values, timestamps, scale, duplicates, NAMES))

    def _set(
        self,
        user_codes: NDArray[np.int32],
        item_codes: NDArray[np.int32],
        values: NDArray[np.float32],
        timestamps: NDArray[np.int64] | None,
        user_ids: NDArray[Any],
        item_ids: NDArray[Any],
        scale: tuple[float, float],
    ) -> None:
        """Store columns without a check or a copy: they are valid, and nothing else can write to them."""
        fields = (user_codes, item_codes, values, timestamps, user_ids, item_ids)
        names = ("user_codes", "item_codes", "values", "timestamps", "user_ids", "item_ids")
        for name, array in zip(names, fields, strict=True):
            object.__setattr__(self, name, None if array is None else _frozen(array))
        object.__setattr__(self, "scale", scale)
        self.drop_index()

    @classmethod
    def _from_raw(cls, columns: Sequence[Any], *rest: Any) -> Ratings:
        return cls._new(*encoded(*columns, *rest))

    @classmethod
    def _from_codes(cls, *fields: Any) -> Ratings:
        return cls._new(*checked(*fields))

    @classmethod
    def _new(cls, *fields: Any) -> Ratings:
        ratings = cls.__new__(cls)
        ratings._set(*fields)
        return ratings

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"Ratings cannot be changed: {name!r} was assigned to")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Ratings cannot be changed: {name!r} was deleted")

    def __getstate__(self) -> tuple[Any, ...]:
        return (
            self.user_codes, self.item_codes, self.values, self.timestamps,
            self.user_ids, self.item_ids, self.scale,
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._set(*state)

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

    def __repr__(self) -> str:
        parts = [
            f"{self.n_ratings:,} by {self.n_users:,} users of {self.n_items:,} items",
            f"{100 * self.n_ratings / (self.n_users * self.n_items):.3g}% dense",
            f"scale {self.scale[0]:g} to {self.scale[1]:g}",
            f"mean {self.mean:.3g}",
        ]
        if self.timestamps is not None:
            first, last = int(self.timestamps.min()), int(self.timestamps.max())
            if first > 0 and last < 2**32:  # seconds since 1970, until 2106
                days = np.array([first, last], dtype="datetime64[s]").astype("datetime64[D]")
                parts.append(f"{days[0]} to {days[1]}")
            else:
                parts.append(f"timestamps {first} to {last}")
        return f"Ratings({', '.join(parts)})"

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
        """Free `by_user`, `by_item`, `items_by_user` and the counts; the next use computes them again."""
        index = Index(self.user_codes, self.item_codes, self.values, self.n_users, self.n_items)
        object.__setattr__(self, "_index", index)

    # Subsets and concatenation.

    def subset(self, index: Any) -> Ratings:
        """The rows that `index` selects, with the vocabulary, codes and scale of these ratings.

        Parameters
        ----------
        index : int array, bool array [n] or slice
            Rows, in the order of the subset.

        Raises
        ------
        DataError
            For rows that do not exist or are selected twice, a mask of the wrong length, and no rows at all.
        """
        index = combine.checked_index(index, self.n_ratings)
        picked = self.values[index]
        if len(picked) == 0:
            raise DataError("subset: the index selects no row; ratings need at least one")
        times = None if self.timestamps is None else self.timestamps[index]
        return self._new(
            self.user_codes[index], self.item_codes[index], picked, times,
            self.user_ids, self.item_ids, self.scale,
        )  # fmt: skip

    def concat(self, *others: Ratings, duplicates: Duplicates = "error") -> Ratings:
        """These ratings followed by `others`, under the union of the vocabularies and of the scales.

        Parameters
        ----------
        *others : Ratings
            Their ids must be of the same kind, and all or none must have timestamps.
        duplicates : {"error", "last", "mean"}, default "error"
            As in the constructor, across all of them.

        Raises
        ------
        DataError
            For repeated pairs (rows are numbered across all parts), ids of different kinds, and timestamps in
            some of the parts only.
        """
        for number, other in enumerate(others, start=1):
            if not isinstance(other, Ratings):
                raise DataError(f"concat takes Ratings; part {number} is a {type(other).__name__}")
        return self._from_codes(*combine.joined((self, *others), NAMES), duplicates, NAMES)

    # Conversion.

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        timestamp: str | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
    ) -> Ratings:
        """Ratings from the columns of a pandas or polars DataFrame or a pyarrow Table.

        Parameters
        ----------
        frame : DataFrame or Table
            Any eager frame that narwhals supports.
        user, item, rating, timestamp : str, optional
            Names of the columns. By default columns with usual names are taken (user, userId, user_id,
            movieId, score, ...); a timestamp column is optional.
        scale, duplicates
            As in the constructor.
        """
        from cfcore.data import frames

        columns, names = frames.columns(frame, user=user, item=item, rating=rating, timestamp=timestamp)
        return cls._from_raw(columns, scale, duplicates, names)

    def to_frame(self, library: Literal["pandas", "polars", "pyarrow"] | None = None) -> Any:
        """DataFrame (or pyarrow Table) with the columns user, item, rating and, if any, timestamp.

        Parameters
        ----------
        library : {"pandas", "polars", "pyarrow"}, optional
            By default the first of these that is installed.

        Raises
        ------
        ImportError
            When it is not installed, or none of them is.
        """
        from cfcore.data import frames

        return frames.build(self, library)

    @classmethod
    def from_scipy(
        cls, matrix: Any, *, scale: tuple[float, float] | None = None, duplicates: Duplicates = "error"
    ) -> Ratings:
        """Ratings from a SciPy sparse matrix of users x items.

        All stored entries are ratings, stored zeros too. The ids are the numbers of rows and columns; those
        without ratings are in the vocabulary too.
        """
        if not hasattr(matrix, "tocoo"):
            raise DataError(f"from_scipy takes a SciPy sparse matrix, got {type(matrix).__name__}")
        coo = matrix.tocoo()
        if coo.ndim != 2:
            raise DataError(f"a sparse matrix of ratings has two dimensions, got {coo.ndim}")
        values = checks.owned(checks.as_values(coo.data), coo.data)
        checks.check_lengths({"values": len(values)})
        shape = [ids.check_size(size, name) for size, name in zip(coo.shape, ("users", "items"), strict=True)]
        return cls._from_codes(
            np.array(coo.row, dtype=np.int32), np.array(coo.col, dtype=np.int32), values, None,
            np.arange(shape[0]), np.arange(shape[1]), scale, duplicates, NAMES,
        )  # fmt: skip

    def to_scipy(self) -> Any:
        """`scipy.sparse.csr_array` of float32, users x items by code; a rating of 0 is a stored zero."""
        from scipy.sparse import csr_array

        rows = self.by_user
        shape = (self.n_users, self.n_items)
        matrix = csr_array((rows.values.copy(), rows.indices.copy(), rows.indptr.copy()), shape=shape)
        matrix.has_canonical_format = True
        return matrix

    @classmethod
    def read(cls, path: str | PathLike[str], **options: Any) -> Ratings:
        """Ratings from a text or parquet file, compressed or not; see ``cfcore.data.readers.read_fields``."""
        from cfcore.data import readers

        return cls._new(*readers.read_fields(path, **options))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
