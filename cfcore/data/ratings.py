"""`Ratings`, the container that all models are fitted to."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike

from cfcore.data import checks, combine, ids
from cfcore.data.build import Duplicates, Rules, checked, encoded
from cfcore.data.checks import Missing
from cfcore.data.kinds import IdKinds
from cfcore.data.names import ARGUMENTS
from cfcore.data.sharded import Sharded
from cfcore.errors import DataError

__all__ = ["Duplicates", "Ratings", "from_fields"]

Scale = Literal["keep", "data"] | tuple[float, float]


class Ratings(Sharded):
    """Explicit ratings of items by users, with timestamps if there are any. Immutable and always valid.

    Parameters
    ----------
    users, items : array-like of int or str [n]
        Raw ids, of any integer dtype or strings; they are kept unchanged. Whole floats are integers.
    values : array-like of float [n]
        Ratings, finite.
    timestamps : array-like of int, datetime64 or str [n], optional
        Whole numbers, usually seconds since 1970, which are kept unchanged; dates, also as ISO 8601 text, are
        converted to seconds. None or False for none.
    scale : (min, max), optional
        Least and greatest possible rating; by default the least and greatest of `values`.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item more than once: raise DuplicateError; keep the latest such row
        (without timestamps, or where they are equal, the last one); keep the earliest (or first) one; or keep
        the latest, its rating replaced by the mean of all of them.
    missing : float or list of float, optional
        Ratings that stand for none, such as 99, 0, -1 or ``float("nan")``: their rows are left out, before
        the scale and repeated pairs are checked. By default every number is a rating, and NaN is an error.
    ids : int, str or {"user": int, "item": str}, optional
        The kind of the ids of both columns, or of each, whatever the kind of the data. Text becomes integers
        if it is written as such (7, -7, 7.0, and 007 unless there is 7 too), else it is an error; integers
        become their decimal digits. By default ids are of the kind given.

    Attributes
    ----------
    user_ids, item_ids : [n_users], [n_items]
        The vocabularies: distinct raw ids, sorted. Integers in the dtype given, strings as fixed-width
        unicode, or as objects if one is longer than 64 characters.
    user_codes, item_codes : int32[n]
        Each row's position in the vocabulary.
    values : float32[n]
    timestamps : int64[n] or None
    scale : (float, float)
    column_names : dict of str to str
        Names of the columns that user, item, rating and timestamp came from, where they had any; frames made
        of the ratings, and of lists of models fitted to them, have the same names.

    Raises
    ------
    DataError
        For missing ids, also text such as NULL or nan among integers, ratings that are NaN, infinite or
        outside the scale, repeated (user, item) pairs, columns of different lengths, no rows at all, more
        than 2^31 - 1 distinct ids. The message names the column and the first offending row. For repeated
        pairs it is a DuplicateError.

    Notes
    -----
    All arrays are read-only and in input order. An int32, float32 or int64 array that is read-only when
    passed (a memory map opened with mode "r", say) and needs no change is kept, not copied: int32 ids that
    are 0 ... n - 1 already, float32 values, int64 timestamps. Writable ones are copied.

    Memory is 12 bytes a rating, 20 with timestamps. ``by_user`` and ``by_item`` cost 12 more each while
    they are held, ``rows_by_user`` alone 8, ``items_by_user`` 4; ``drop_index`` frees them.

    Examples
    --------
    >>> import cfcore as cf
    >>> cf.Ratings(["ann", "ann", "bob"], [10, 20, 10], [4.0, 5.0, 3.5], scale=(0.5, 5))
    Ratings(3 by 2 users of 2 items, 75% dense, scale 0.5 to 5, mean 4.17)
    """

    __slots__ = ()

    def __init__(
        self,
        users: ArrayLike,
        items: ArrayLike | None = None,
        values: ArrayLike | None = None,
        timestamps: ArrayLike | Literal[False] | None = None,
        *,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
        missing: Missing = None,
        ids: IdKinds = None,
    ) -> None:
        if items is None or values is None:
            raise TypeError(
                "Ratings needs three columns, users, items and values; of a frame "
                'Ratings.from_frame(frame, user="user", item="item", rating="rating")'
            )
        rules = Rules(scale, duplicates, missing, ids=ids)
        self._set(*encoded(users, items, values, timestamps, rules))

    # Subsets and concatenation.

    def subset(self, index: Any, *, scale: Scale = "keep") -> Ratings:
        """The rows that `index` selects, with the vocabulary and codes of these ratings.

        Parameters
        ----------
        index : int array, bool array [n] or slice
            Rows, in the order of the subset.
        scale : "keep", "data" or (min, max), default "keep"
            That of these ratings; the least and the greatest rating of the subset; or this one.

        Raises
        ------
        DataError
            For rows that do not exist or are selected twice, a mask of the wrong length, no rows at all, and
            ratings outside a scale given.
        """
        index = combine.checked_index(index, self.n_ratings)
        picked = self.values[index]
        if len(picked) == 0:
            raise DataError("subset: the index selects no row; ratings need at least one")
        times = None if self.timestamps is None else self.timestamps[index]
        kept = isinstance(scale, str) and scale == "keep"
        return self._new(
            self.user_codes[index], self.item_codes[index], picked, times, self.user_ids, self.item_ids,
            self.scale if kept else checks.chosen_scale(picked, scale), self._column_names,
        )  # fmt: skip

    def with_scale(self, scale: Literal["data"] | tuple[float, float]) -> Ratings:
        """The same ratings on another scale; columns and index are shared, not copied.

        Parameters
        ----------
        scale : "data" or (min, max)
            "data": the least and the greatest rating.

        Raises
        ------
        DataError
            For ratings outside the scale.
        """
        return self._with(scale=checks.chosen_scale(self.values, scale))

    def k_core(self, users: int = 5, items: int = 5) -> Ratings:
        """The most of these ratings in which every user and every item has enough of them.

        Ratings of users and items with too few are left out again and again, until nothing changes: an item
        may lose ratings by users who are left out. `cfcore.split.k_core` also returns the rows.

        Parameters
        ----------
        users, items : int, default 5
            Least number of ratings of a user, and of an item; 1 for no limit.

        Returns
        -------
        Ratings
            Rows in input order, on the same scale. Users and items without ratings are not in the vocabulary.

        Raises
        ------
        DataError
            When no rating is left.
        ValueError
            For numbers below 1.
        """
        rows = combine.core_rows(self, users, items)
        user_codes, user_ids = ids.used(self.user_codes[rows], self.user_ids)
        item_codes, item_ids = ids.used(self.item_codes[rows], self.item_ids)
        times = None if self.timestamps is None else self.timestamps[rows]
        return self._new(
            user_codes, item_codes, self.values[rows], times, user_ids, item_ids, self.scale,
            self._column_names,
        )  # fmt: skip

    def concat(self, *others: Ratings, duplicates: Duplicates = "error") -> Ratings:
        """These ratings followed by `others`, under the union of the vocabularies and of the scales.

        Names of columns are those of these ratings.

        Parameters
        ----------
        *others : Ratings
            Their ids must be of the same kind, and all or none must have timestamps.
        duplicates : {"error", "last", "first", "mean"}, default "error"
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
        columns, scale = combine.joined((self, *others), ARGUMENTS)
        return self._new(*checked(*columns, Rules(scale, duplicates))[:-1], self._column_names)

    # Conversion.

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        timestamp: str | Literal[False] | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
        missing: Missing = None,
        ids: IdKinds = None,
    ) -> Ratings:
        """Ratings from the columns of a pandas or polars DataFrame or a pyarrow Table.

        For a frame with a row for each user and a column for each item, see `from_matrix`.

        Parameters
        ----------
        frame : DataFrame or Table
            Any eager frame that narwhals supports.
        user, item, rating, timestamp : str, optional
            Names of the columns. By default columns with usual names are taken (user, userId, user_id,
            movieId, score, ...); a timestamp column is optional, and ``timestamp=False`` reads none.
        scale, duplicates, missing, ids
            As in the constructor. Nulls in the column of ratings are NaN.
        """
        from cfcore.data import frames

        with_nan = any(one != one for one in checks.as_missing(missing))
        columns, names = frames.columns(
            frame, nullable=with_nan, user=user, item=item, rating=rating, timestamp=timestamp
        )
        users, items, values, times = columns
        return cls._new(*encoded(users, items, values, times, Rules(scale, duplicates, missing, names, ids)))

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        *,
        user_ids: ArrayLike | None = None,
        item_ids: ArrayLike | None = None,
        user: str | None = None,
        missing: Missing = None,
        scale: tuple[float, float] | None = None,
        ids: IdKinds = None,
    ) -> Ratings:
        """Ratings from a dense matrix of users x items, or a frame of that form (a pivot table).

        Parameters
        ----------
        matrix : array_like [n_users, n_items] or DataFrame
            Every entry is a rating, except NaN, None, masked entries and the `missing`.
        user_ids, item_ids : array_like of int or str, optional
            Ids of rows and columns, in their order. By default their numbers; for a frame its index and the
            names of its columns. Names that can only be text (polars, pyarrow) are integers if all of them
            are plain ones, as in files.
        user : str, optional
            The column of a frame that holds the ids of users. By default, for pandas the index, unless it
            only numbers the rows and a column has a usual name (user, userId, ...); for other libraries the
            column of such a name, or else the only one that does not hold numbers.
        missing : float or list of float, optional
            Further values that stand for no rating, such as 0 or 99.
        scale, ids
            As in the constructor.

        Returns
        -------
        Ratings
            Row by row. Users and items without ratings are in the vocabulary too.

        Raises
        ------
        DataError
            For entries that are no finite numbers or are outside the scale (the message names user and item),
            ids that are missing, repeated or of another number than the matrix has, and no ratings at all.

        Examples
        --------
        >>> import cfcore as cf
        >>> cf.Ratings.from_matrix([[5, 0, 3], [0, 4, 1]], user_ids=["ann", "bob"], missing=0)
        Ratings(4 by 2 users of 3 items, 66.7% dense, scale 1 to 5, mean 3.25)
        """
        from cfcore.data import matrix as matrices

        return cls._new(*matrices.dense_fields(matrix, (user_ids, item_ids), user, missing, scale, ids))

    def to_frame(self, library: Literal["pandas", "polars", "pyarrow"] | None = None) -> Any:
        """DataFrame (or pyarrow Table) with columns of users, items, ratings and, if any, timestamps.

        Their names are those of `column_names`: of the file or frame that the ratings came from, or else
        user, item, rating and timestamp.

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

        return frames.make(frames.named_columns(self), library)

    @classmethod
    def from_scipy(
        cls,
        matrix: Any,
        *,
        user_ids: ArrayLike | None = None,
        item_ids: ArrayLike | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "error",
        missing: Missing = None,
        ids: IdKinds = None,
    ) -> Ratings:
        """Ratings from a SciPy sparse matrix of users x items.

        Parameters
        ----------
        matrix : sparse matrix or array
            All stored entries are ratings, stored zeros too (``missing=0`` leaves them out).
        user_ids, item_ids : array_like of int or str, optional
            Ids of rows and columns, in their order; by default their numbers. Rows and columns without
            ratings are in the vocabulary too.
        scale, duplicates, missing, ids
            As in the constructor.

        Raises
        ------
        DataError
            For ids that are missing, repeated or of another number than the matrix has rows or columns, and
            for values that the constructor refuses.
        """
        from cfcore.data import matrix as matrices

        rules = Rules(scale, duplicates, missing, ids=ids)
        return cls._new(*matrices.sparse_fields(matrix, (user_ids, item_ids), rules))

    def to_scipy(self) -> Any:
        """`scipy.sparse.csr_array` of float32, users x items by code; a rating of 0 is a stored zero."""
        from scipy.sparse import csr_array

        rows = self.by_user
        shape = (self.n_users, self.n_items)
        matrix = csr_array((rows.values.copy(), rows.indices.copy(), rows.indptr.copy()), shape=shape)
        matrix.has_canonical_format = True
        return matrix

    @classmethod
    def read(cls, path: Any, **options: Any) -> Ratings:
        """Ratings from files of text, JSON lines, parquet or Arrow (feather), compressed or not.

        Parameters
        ----------
        path : path, file object, or list of them
            Also a pattern ("ratings_*.csv"), a folder, a zip archive of one file, or "-" (standard input).
        **options
            ``user, item, rating, timestamp``: names or positions of columns; ``separator, header, encoding,
            decimal``: of text; ``scale, duplicates, missing, ids``: as in the constructor. See
            ``help("cfcore.data.readers.read_fields")``, also for errors and warnings.
        """
        from cfcore.data import readers

        return cls._new(*readers.read_fields(path, **options))


def from_fields(*fields: Any) -> Ratings:
    """Ratings of columns that are valid, and that nothing else can write to: neither checked nor copied.

    Parameters
    ----------
    *fields
        `cfcore.data.build.Fields`: codes of users and items (int32), values (float32), timestamps (int64 or
        None), vocabularies of users and items, scale and, if the columns had names, these.
    """
    return Ratings._new(*fields)
