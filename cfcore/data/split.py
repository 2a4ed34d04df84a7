"""Splits of ratings into training and test parts that share one vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data.convert import as_ratings
from cfcore.data.ratings import Ratings
from cfcore.random import RandomState, generator

__all__ = ["by_time", "holdout", "kfold", "leave_k_out", "repeated_kfold", "time_folds", "user_holdout"]


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
    """Random split of the rows into k parts of equal size, to one row; each is the test part once.

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


def repeated_kfold(
    ratings: Any, k: int = 5, repeats: int = 2, random_state: RandomState = None
) -> Iterator[tuple[Ratings, Ratings]]:
    """`kfold` several times, each time with another division: k * repeats pairs.

    Parameters, yields and errors are those of `kfold`; ValueError for `repeats` below 1 as well.
    """
    ratings = as_ratings(ratings)
    _check_count("repeats", repeats)
    rng = generator(random_state)
    rounds = [kfold(ratings, k, rng) for _ in range(repeats)]
    return (parts for folds in rounds for parts in folds)


def user_holdout(
    ratings: Any, test: float = 0.2, random_state: RandomState = None
) -> tuple[Ratings, Ratings]:
    """Random split of the ratings of each user.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    test : float
        Fraction of each user's ratings that become the test part, rounded down.
    random_state : None, int, SeedSequence or Generator

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order.

    Raises
    ------
    ValueError
        For a fraction outside (0, 1), or one that leaves the test part empty.
    """
    ratings = as_ratings(ratings)
    if not 0 < test < 1:
        raise ValueError(f"test must be a fraction between 0 and 1, got {test!r}")
    draw = generator(random_state).random(len(ratings))
    # Plus a little, so that a fifth of five is one in floating point too.
    return _last_of_users(ratings, draw, np.floor(ratings.user_counts * test + 1e-9), f"test={test}")


def leave_k_out(
    ratings: Any, k: int = 1, *, latest: bool = False, random_state: RandomState = None
) -> tuple[Ratings, Ratings]:
    """k ratings of each user as the test part.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    k : int
        Users with k ratings or fewer have none in the test part.
    latest : bool, default False
        Each user's latest by timestamp (of equal ones, the last rows), instead of random ones.
    random_state : None, int, SeedSequence or Generator

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order.

    Raises
    ------
    ValueError
        For k below 1, one that leaves the test part empty, or `latest` without timestamps.
    """
    ratings = as_ratings(ratings)
    _check_count("k", k)
    if not latest:
        draw = generator(random_state).random(len(ratings))
    elif ratings.timestamps is None:
        raise ValueError("leave_k_out(latest=True) needs ratings with timestamps")
    else:
        draw = ratings.timestamps
    sizes = np.where(ratings.user_counts > k, k, 0)
    return _last_of_users(ratings, draw, sizes, f"k={k}")


def _last_of_users(
    ratings: Ratings, key: np.ndarray, sizes: np.ndarray, what: str
) -> tuple[Ratings, Ratings]:
    """Of each user's rows, ordered by `key`, the last `sizes` as the test part."""
    order = np.lexsort((key, ratings.user_codes))  # stable: equal keys in the order of the rows
    users = ratings.user_codes[order]
    ends = np.cumsum(ratings.user_counts)
    held = np.zeros(len(ratings), dtype=bool)
    held[order] = ends[users] - np.arange(len(order)) <= sizes[users]
    if not held.any():
        raise ValueError(f"{what} leaves the test part empty: no user has enough ratings")
    return ratings.subset(~held), ratings.subset(held)


def time_folds(ratings: Any, k: int = 5) -> Iterator[tuple[Ratings, Ratings]]:
    """Splits by time, into k + 1 consecutive parts; each but the first is the test part once.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
        With timestamps.
    k : int

    Yields
    ------
    train, test : Ratings
        All parts before a part, and that part. Parts have numbers of ratings as equal as is possible without
        dividing ratings of one timestamp.

    Raises
    ------
    ValueError
        Without timestamps, or with too few different ones for k + 1 parts.
    """
    ratings = as_ratings(ratings)
    _check_count("k", k)
    times = ratings.timestamps
    if times is None:
        raise ValueError("time_folds needs ratings with timestamps")
    moments, counts = np.unique(times, return_counts=True)
    before = np.cumsum(counts)[:-1]
    wanted = len(ratings) * np.arange(1, k + 1) / (k + 1)
    cuts = [int(np.abs(before - want).argmin()) for want in wanted] if len(before) else []
    if len(set(cuts)) < k:
        raise ValueError(f"time_folds: the timestamps cannot be cut into {k + 1} parts; try a smaller k")
    ends = [*moments[cuts[1:]], moments[-1]]
    return (
        (ratings.subset(times <= moments[cut]), ratings.subset((times > moments[cut]) & (times <= end)))
        for cut, end in zip(cuts, ends, strict=True)
    )


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")


def by_time(ratings: Any, test: float = 0.2) -> tuple[Ratings, Ratings]:
    """The latest ratings as the test part.

    Ratings of one timestamp are never divided: the cut is at the change of the timestamp that gives a
    fraction nearest to `test`.

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
