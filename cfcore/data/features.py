"""`Features`: what is known of users, or of items, beside ratings, as a sparse matrix with named columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfcore.data import ids as raw_ids
from cfcore.data.columns import listed
from cfcore.data.feature_columns import KINDS, entries, learned, names_of
from cfcore.data.feature_table import Table, table_of
from cfcore.data.ratings import Ratings
from cfcore.errors import DataError, DataWarning, shown, warn

__all__ = ["Features", "aligned", "check_encoding", "encoding_names", "of_encoding", "of_matrix"]

Array = np.ndarray[Any, Any]

#: Largest weight: sums of squares of products with effects stay finite in float32.
MOST_WEIGHT = 1e9
#: Bins of a column of numbers.
N_BINS = 12


class Features:
    """Features of users or of items, encoded: a column each for numbers, categories and list elements.

    Immutable. Models take tables in all forms below and encode them so; `Features` themselves are for other
    encodings than the default, and for a look at the result.

    Parameters
    ----------
    table : DataFrame, dict, list of dict, sparse matrix, array or path
        - A frame of pandas, polars, pyarrow or any library that narwhals supports, with a column of ids, or
          the ids as its index (pandas);
        - a dict of columns, one of them of ids;
        - a dict of id to the features of a row: a dict of name to value, or a list of categories;
        - a SciPy sparse matrix whose entries are weights, or an array of numbers, with `ids`; a tuple
          (matrix, ids) is the same;
        - the path of a text file with a line of names (fields separated by tabs, ";", "," or "|"), or of a
          parquet file.

        A column has numbers, text or truth values (categories), or lists of text (lists of categories, such
        as genres). Numbers that are all 0 or 1 are flags: 0 is no feature.
    ids : array-like of int or str [n], optional
        Ids of the rows, in place of a column. By default the rows of a matrix are numbered.
    id : str, optional
        Name of the column of ids. By default a column with a usual name of users or items (user, userId,
        movie_id, ...) is taken.
    numbers : {"standard", "bins"}, default "standard"
        "standard": the number less its mean over its standard deviation, which was as good as bins or better
        on held-out training rows of MovieLens 100K (u1). "bins": a category for each interval of a column's
        numbers; intervals have about as many rows each, and where numbers are few, each is a category.
    n_bins : int, optional
        With ``numbers="bins"``, intervals of a column at most; 12 by default.
    categories : sequence of str, optional
        Columns of numbers, or of any text, that are categories.

    Attributes
    ----------
    ids : [n]
        Ascending.
    indptr, indices, values : int64[n + 1], int32[nnz], float32[nnz]
        Compressed rows: feature and weight of each entry.
    names : tuple of str [n_features]
        ``column=value`` for categories, ``column=[low, high)`` for bins, the column itself for others. Where
        values are missing, there is a feature ``column=missing``.
    encoding : tuple of dict
        How each column is encoded, in values that can be written as JSON.

    Raises
    ------
    DataError
        Ids that are missing or repeated, infinite numbers, dates, columns of mixed kinds or without any
        value. The message names the column and the row.

    Examples
    --------
    >>> import cfcore as cf
    >>> cf.Features({"item": [10, 20], "year": [1995, 2001], "genres": [["Drama"], ["Drama", "War"]]})
    Features(2 rows of 3 features: year, genres=Drama, genres=War)
    """

    __slots__ = ("encoding", "ids", "indices", "indptr", "names", "values")

    ids: Array
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    names: tuple[str, ...]
    encoding: tuple[dict[str, Any], ...]

    def __init__(
        self,
        table: Any,
        ids: ArrayLike | None = None,
        *,
        id: str | None = None,
        numbers: str = "standard",
        n_bins: int | None = None,
        categories: Sequence[str] = (),
    ) -> None:
        if numbers not in ("bins", "standard"):
            raise ValueError(f'numbers must be "bins" or "standard", got {shown(numbers)}')
        if n_bins is not None and numbers != "bins":
            raise ValueError('n_bins is of numbers="bins"; pass both')
        n_bins = N_BINS if n_bins is None else n_bins
        if isinstance(n_bins, bool) or not isinstance(n_bins, (int, np.integer)) or not 2 <= n_bins <= 2**16:
            raise ValueError(f"n_bins must be an integer of at least 2, got {shown(n_bins)}")
        if isinstance(categories, str) or not all(isinstance(name, str) for name in categories):
            raise TypeError(f"categories must be a list of names of columns, got {shown(categories)}")
        found = table_of(table, "features", None, () if id is None else (id,), ids)
        if id is not None and found.id_name != id:
            raise DataError(f"features: there is no column {id!r} of ids; there are {listed(found.columns)}")
        self._set(found, "features", numbers, n_bins, categories)

    @classmethod
    def of(cls, table: Any, where: str, role: str, wanted: Sequence[str] = ()) -> Self:
        """Features of a table of users or of items, in the default encoding; `Features` themselves.

        Parameters
        ----------
        table : as of the constructor, or Features
        where : str
            The table in errors, such as "user_features".
        role : {"user", "item"}
        wanted : sequence of str
            Names that the column of ids may have, before usual ones.
        """
        if isinstance(table, cls):
            return table
        made = object.__new__(cls)
        made._set(table_of(table, where, role, wanted), where, "standard", N_BINS, ())
        return made

    def _set(self, table: Table, where: str, numbers: str, n_bins: int, categories: Sequence[str]) -> None:
        own = checked_ids(table, where)
        unknown = [name for name in categories if name not in table.columns]
        if unknown:
            raise DataError(f"{where}: there is no column {unknown[0]!r}; there are {listed(table.columns)}")
        if table.matrix is not None:
            encoding: list[Any] = [{"name": "", "kind": "weights", "levels": table.matrix.names}]
        else:
            encoding, columns = [], {}
            for name, raw in table.columns.items():
                column, read = learned(
                    name, raw, where, numbers=numbers, n_bins=n_bins, as_category=name in categories, ids=own
                )  # fmt: skip
                if column is not None:
                    encoding.append(column)
                    columns[name] = read
            table = table._replace(columns=columns)
        if not encoding or not encoding_names(encoding):
            raise DataError(f"{where}: there is no column of features beside the ids")
        self._fill(table, own, tuple(encoding), where)

    def _fill(self, table: Table, own: Array, encoding: tuple[Any, ...], where: str) -> None:
        n = len(own)
        order = np.argsort(own, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        if table.matrix is not None:
            rows = np.repeat(np.arange(n), np.diff(table.matrix.indptr))
            parts = [(rows, table.matrix.indices.astype(np.int64), table.matrix.values)]
        else:
            parts, start = [], 0
            for column in encoding:
                raw = table.columns[column["name"]]
                rows, places, weights = entries(column, raw, where, own)
                parts.append((rows, places + start, weights))
                start += len(names_of(column))
        rows, indices, weights = (np.concatenate([part[at] for part in parts]) for at in range(3))
        far = np.flatnonzero(~(np.abs(weights) <= MOST_WEIGHT))
        if len(far):
            row, name = own[rows[far[0]]].item(), encoding_names(encoding)[indices[far[0]]]
            raise DataError(
                f"{where}: {name!r} of id {shown(row)} is {weights[far[0]]:g} when encoded; numbers may be "
                f"up to {MOST_WEIGHT:g} standard deviations from the mean of the fit, and weights up to that"
            )
        rows = place[rows]
        sorting = np.lexsort((indices, rows))
        fields = {
            "ids": own[order],
            "indptr": np.append(0, np.cumsum(np.bincount(rows, minlength=n))).astype(np.int64),
            "indices": indices[sorting].astype(np.int32),
            "values": weights[sorting].astype(np.float32),
        }
        for name, held in fields.items():
            held.flags.writeable = False
            object.__setattr__(self, name, held)
        object.__setattr__(self, "encoding", encoding)
        object.__setattr__(self, "names", tuple(encoding_names(encoding)))

    def transform(self, table: Any, where: str = "features") -> Features:
        """Features of further rows, in the encoding of these.

        Parameters
        ----------
        table : as of the constructor
            It has the columns of the table of these features, in any order; others are not read. Categories
            that these features do not have are left out, and a warning names them.
        where : str, default "features"
            The table in errors.

        Raises
        ------
        DataError
            A column is missing or of another kind; and as the constructor does.
        """
        return of_encoding(self.encoding, table, where)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("Features are immutable: make others by cfcore.Features(table)")

    def __reduce__(self) -> Any:
        return _restored, tuple(getattr(self, name) for name in self.__slots__)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.names)

    def to_scipy(self) -> Any:
        """`scipy.sparse.csr_array` of float32, rows by ascending id x features."""
        from scipy.sparse import csr_array

        arrays = self.values.copy(), self.indices.copy(), self.indptr.copy()
        return csr_array(arrays, shape=(len(self), self.n_features))

    def __repr__(self) -> str:
        return f"Features({len(self):,} rows of {self.n_features:,} features: {', '.join(_some(self.names))})"


def _some(names: Sequence[str], most: int = 8) -> list[str]:
    return list(names) if len(names) <= most else [*names[: most - 1], "..."]


def _restored(*fields: Any) -> Features:
    made = object.__new__(Features)
    for name, held in zip(Features.__slots__, fields, strict=True):
        if isinstance(held, np.ndarray):
            held.flags.writeable = False
        object.__setattr__(made, name, held)
    return made


def checked_ids(table: Table, where: str) -> Array:
    """Ids of the rows, or DataError for none, for missing and for repeated ones."""
    try:
        own = raw_ids.as_id_column(table.ids, table.id_name)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if len(own) == 0:
        raise DataError(f"{where} holds no rows")
    if own.dtype.kind == "O":
        own = np.array(own.tolist())
    order = np.argsort(own, kind="stable")
    again = np.flatnonzero(own[order][1:] == own[order][:-1])
    if len(again):
        first = again[np.argmin(order[again + 1])]
        rows = int(order[first]), int(order[first + 1])
        raise DataError(
            f"{where}: row {rows[1]} repeats the id of row {rows[0]} (column {table.id_name!r}, "
            f"{shown(own[rows[1]].item())}); keep one row of each id, such as by "
            f"frame.drop_duplicates({table.id_name!r}) of pandas or frame.unique({table.id_name!r}) of polars"
        )
    return own


def encoding_names(encoding: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of all features of an encoding."""
    return [name for column in encoding for name in names_of(column)]


def of_encoding(
    encoding: Sequence[Mapping[str, Any]], table: Any, where: str, role: str | None = None,
    wanted: Sequence[str] = (),
) -> Features:  # fmt: skip
    """Features of a table in an encoding that was learned from another; see `Features.transform`."""
    if isinstance(table, Features):
        if list(table.names) != encoding_names(encoding):
            raise DataError(
                f"{where}: these Features have other columns than those of the fit; pass the table itself, "
                "or what Features.transform makes of it"
            )
        return table
    found = table_of(table, where, role, wanted)
    own = checked_ids(found, where)
    if encoding[0]["kind"] == "weights":
        n = len(encoding[0]["levels"])
        if found.matrix is None or len(found.matrix.names) != n:
            raise DataError(f"{where} must be a sparse matrix of {n} columns, as that of the fit, and ids")
    else:
        lacking = [column["name"] for column in encoding if column["name"] not in found.columns]
        if lacking:
            raise DataError(
                f"{where}: there is no column {lacking[0]!r}, which the table of the fit has; there are "
                f"{listed(found.columns)}"
            )
    made = object.__new__(Features)
    made._fill(found, own, tuple(dict(column) for column in encoding), where)
    return made


def of_matrix(encoding: Sequence[Mapping[str, Any]], ids: Array, matrix: Any) -> Features:
    """Features in an encoding, from their rows: ascending `ids`, and weights as a sparse matrix of rows."""
    arrays = np.array(matrix.indices, np.int32), np.array(matrix.indptr, np.int64)
    names, values = tuple(encoding_names(encoding)), np.array(matrix.data, np.float32)
    return _restored(tuple(map(dict, encoding)), np.array(ids), *arrays, names, values)


def aligned(features: Features, ids: Array, rated: Array, where: str, column: str) -> Array:
    """Position in the features of each id of a vocabulary, -1 without; says which rated ids have none.

    Parameters
    ----------
    features : Features
    ids : [n]
        The vocabulary of the ratings.
    rated : bool[n]
        Whether each has training ratings.
    where, column : str
        The table, and the column of ids, in messages.

    Raises
    ------
    DataError
        Ids of another kind than those of the ratings (strings for integers), or none of them has ratings.
    """
    try:
        codes = raw_ids.encode(features.ids, ids, column)
    except DataError as error:
        found, wanted = (("strings" if raw_ids.are_strings(one) else "integers")
                         for one in (features.ids, ids))  # fmt: skip
        kind = "str" if wanted == "strings" else "int"
        raise DataError(
            f"{where}: its ids are {found} (such as {shown(features.ids[0].item())}), those of the ratings "
            f"{wanted} (such as {shown(ids[0].item())}); convert the column, such as by astype({kind}), or "
            f"read the ratings with ids={'int' if kind == 'str' else 'str'}"
        ) from error
    lacking = np.flatnonzero(rated & (codes < 0))
    if len(lacking) == np.count_nonzero(rated):
        raise DataError(
            f"{where}: none of its {len(features):,} ids (such as {shown(features.ids[0].item())}) has "
            f"ratings, whose ids are such as {shown(ids[rated][0].item())}; is it the table of these ratings?"
        )
    if len(lacking):
        warn(
            f"{where}: {len(lacking):,} of {np.count_nonzero(rated):,} rated ids are not in the table, the "
            f"first is {shown(ids[lacking[0]].item())}; they are fitted without features",
            DataWarning,
        )
    return codes


def extended(train: Ratings, users: Features | None, items: Features | None) -> Ratings:
    """The same ratings, whose vocabularies have the ids of features too."""
    vocabularies = [train.user_ids, train.item_ids]
    codes: list[Array] = [train.user_codes, train.item_codes]
    for at, (features, column) in enumerate(((users, "users"), (items, "items"))):
        if features is None:
            continue
        union = raw_ids.merge(vocabularies[at], features.ids, column)
        if len(union) > len(vocabularies[at]):
            codes[at] = raw_ids.encode(union, vocabularies[at], column)[codes[at]]
            vocabularies[at] = union
    if vocabularies[0] is train.user_ids and vocabularies[1] is train.item_ids:
        return train
    return train._new(
        *codes, train.values, train.timestamps, *vocabularies, train.scale, dict(train.column_names)
    )


def check_encoding(encoding: Any) -> None:
    """Raise ValueError unless this is an encoding that `Features` can have."""
    try:
        for column in encoding:
            if column["kind"] not in KINDS or not isinstance(column["name"], str):
                raise ValueError(f"unknown kind {shown(column['kind'])}")
            if column["kind"] in ("categories", "lists", "weights"):
                if not all(isinstance(level, str) for level in column["levels"]):
                    raise ValueError("levels must be strings")
            elif column["kind"] == "bins":
                edges = np.asarray(column["edges"], dtype=np.float64)
                if edges.ndim != 1 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
                    raise ValueError("edges must ascend")
            elif column["kind"] == "numbers":
                numbers = float(column["mean"]), float(column["spread"])
                if not np.isfinite(numbers).all() or numbers[1] <= 0:
                    raise ValueError("mean and spread must be finite, and spread positive")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the encoding of features is not valid: {error}") from None
