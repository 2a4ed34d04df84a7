"""Ratings into training and test parts that share one vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data.convert import as_ratings
from cfcore.data.ratings import Ratings
from cfcore.random import RandomState, generator

__all__ = ["by_time", "holdout", "kfold"]


def _test_size(n: int, test: float) -> int:
    if not 0 < test < 1:
        raise ValueError(f"test must be a fraction between 0 and 1, got {test!r}")
    size = round(n * test)
    if not 0 < size < n:
        raise ValueError(f"test={test} of {n} ratings leaves one part empty")
    return size


def holdout(ratings: Any, test: float = 0.2, random_state: RandomState = None) -> tuple[Ratings, Ratings]:
    """Random split of the rows.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    test : float
        Fraction of the rows that become the test part, rounded to whole rows.
    random_state : None, int, SeedSequence or Generator

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order.

    Raises
    ------
    ValueError
        For a fraction outside (0, 1), or one that leaves a part empty.
    """
    ratings = as_ratings(ratings)
    n = len(ratings)
    size = _test_size(n, test)
    held = np.zeros(n, dtype=bool)
    held[generator(random_state).permutation(_rows(n))[:size]] = True
    return ratings.subset(~held), ratings.subset(held)


def kfold(ratings: Any, k: int = 5, random_state: RandomState = None) -> Iterator[tuple[Ratings, Ratings]]:
    """Random split of the rows into k parts of equal size (to one row), each the test part once.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    k : int
        From 2 to the number of ratings.
    random_state : None, int, SeedSequence or Generator

    Yields
    ------
    train, test : Ratings
        Subsets, rows in input order.

    Raises
    ------
    ValueError
        For any other k.
    """
    ratings = as_ratings(ratings)
    n = len(ratings)
    if not isinstance(k, (int, np.integer)) or not 2 <= k <= n:
        raise ValueError(f"k must be an integer from 2 to the number of ratings, {n}; got {k!r}")
    return _folds(ratings, k, generator(random_state))


def _folds(ratings: Ratings, k: int, rng: np.random.Generator) -> Iterator[tuple[Ratings, Ratings]]:
    n = len(ratings)
    fold = np.empty(n, dtype=np.int32)
    fold[rng.permutation(_rows(n))] = _rows(n) % k
    for held in range(k):
        yield ratings.subset(fold != held), ratings.subset(fold == held)


def by_time(ratings: Any, test: float = 0.2) -> tuple[Ratings, Ratings]:
    """The latest ratings as the test part.

    Ratings of one timestamp are never divided: the cut is moved to the nearest change of the timestamp,
    so the fraction is met as nearly as they allow.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
        With timestamps.
    test : float
        Fraction of the rows that should become the test part.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order.

    Raises
    ------
    ValueError
        Without timestamps, with a single one, or for a fraction outside (0, 1).
    """
    ratings = as_ratings(ratings)
    if ratings.timestamps is None:
        raise ValueError("by_time needs ratings with timestamps")
    n = len(ratings)
    wanted = n - _test_size(n, test)
    moments, counts = np.unique(ratings.timestamps, return_counts=True)
    if len(moments) < 2:
        raise ValueError("by_time needs at least two different timestamps")
    before = np.cumsum(counts)[:-1]
    cut = int(np.abs(before - wanted).argmin())
    late = ratings.timestamps > moments[cut]
    return ratings.subset(~late), ratings.subset(late)


def _rows(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
