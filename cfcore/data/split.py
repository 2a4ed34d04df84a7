"""Splits of ratings into training and test parts, or more, that share one vocabulary.

All splits take what `fit` takes. With ``return_rows=True`` each result is followed by the numbers of the rows
of its parts, int64 and ascending: ``train, test, train_rows, test_rows = holdout(frame, return_rows=True)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cfcore.data import parts
from cfcore.data.combine import core_rows
from cfcore.data.convert import as_ratings
from cfcore.data.index import position_dtype
from cfcore.data.parts import Fractions
from cfcore.data.ratings import Ratings
from cfcore.data.time_split import by_time, time_folds
from cfcore.random import RandomState, generator

__all__ = [
    "by_time", "holdout", "items", "k_core", "kfold", "leave_k_out", "repeated_kfold", "time_folds",
    "user_holdout", "users",
]  # fmt: skip


def holdout(
    ratings: Any, test: Fractions = 0.2, random_state: RandomState = None, *, return_rows: bool = False
) -> tuple[Any, ...]:
    """Random split of the rows.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    test : float or sequence of float
        Fraction of the rows that become the test part, rounded to whole rows. Several fractions make as many
        parts beside the training part: (0.1, 0.1), or (0.8, 0.1, 0.1) with that of the training part, for a
        validation and a test part. The last part is that of the same fraction alone.
    random_state : None, int, SeedSequence or Generator
    return_rows : bool, default False
        Return the numbers of the rows of the parts, too.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order; with several fractions train, then a part for each.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        For fractions outside (0, 1), with a sum above 1, or that leave a part empty.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    n = len(ratings)
    sizes = parts.sizes(n, test)
    part = _labels(generator(random_state).permutation(_rows(n)), sizes)
    return parts.cut(ratings, part, len(sizes) + 1, return_rows)


def _labels(order: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Number of the part of each element: the first in the order are those of the last part."""
    part = _all_training(len(order), len(sizes))
    first = 0
    for number in range(len(sizes), 0, -1):
        part[order[first : first + sizes[number - 1]]] = number
        first += sizes[number - 1]
    return part


def users(
    ratings: Any, test: Fractions = 0.2, random_state: RandomState = None, *, return_rows: bool = False
) -> tuple[Any, ...]:
    """Random split of the users: all ratings of a user are in one part, to test on users without training.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    test : float or sequence of float
        Fraction of the users with ratings, rounded; or several, as for `holdout`.
    random_state : None, int, SeedSequence or Generator
    return_rows : bool, default False
        Return the numbers of the rows of the parts, too.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order. Users of other parts are in the vocabulary, and unknown.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        For fractions outside (0, 1), with a sum above 1, or that leave a part without users.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    return _whole(ratings, ratings.user_codes, ratings.user_counts, "users", test, random_state, return_rows)


def items(
    ratings: Any, test: Fractions = 0.2, random_state: RandomState = None, *, return_rows: bool = False
) -> tuple[Any, ...]:
    """Random split of the items: all ratings of an item are in one part; as `users`, roles exchanged."""
    ratings = as_ratings(ratings, timed=False, said=True)
    return _whole(ratings, ratings.item_codes, ratings.item_counts, "items", test, random_state, return_rows)


def _whole(
    ratings: Ratings,
    codes: np.ndarray,
    counts: np.ndarray,
    what: str,
    test: Fractions,
    random_state: RandomState,
    return_rows: bool,
) -> tuple[Any, ...]:
    present = np.flatnonzero(counts)
    sizes = parts.sizes(len(present), test, what)
    part = _all_training(len(counts), len(sizes))
    part[present] = _labels(generator(random_state).permutation(len(present)), sizes)
    return parts.cut(ratings, part[codes], len(sizes) + 1, return_rows)


def k_core(ratings: Any, users: int = 5, items: int = 5, *, return_rows: bool = False) -> Any:
    """The ratings in which every user and item has enough of them; see `Ratings.k_core`.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    users, items : int, default 5
        Least number of ratings of a user, and of an item.
    return_rows : bool, default False
        Return the numbers of the rows that are left, too.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    core = ratings.k_core(users, items)
    return (core, core_rows(ratings, users, items)) if return_rows else core


def kfold(
    ratings: Any, k: int = 5, random_state: RandomState = None, *, return_rows: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Random split of the rows into k parts of equal size, to one row; each is the test part once.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    k : int
        From 2 to the number of ratings.
    random_state : None, int, SeedSequence or Generator
    return_rows : bool, default False
        Yield the numbers of the rows of the parts, too.

    Yields
    ------
    train, test : Ratings
        Subsets, rows in input order.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        For any other k.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    n = len(ratings)
    if not isinstance(k, (int, np.integer)) or not 2 <= k <= n:
        raise ValueError(f"k must be an integer from 2 to the number of ratings, {n}; got {k!r}")
    return _folds(ratings, int(k), generator(random_state), return_rows)


def _folds(
    ratings: Ratings, k: int, rng: np.random.Generator, return_rows: bool
) -> Iterator[tuple[Any, ...]]:
    n = len(ratings)
    fold = np.empty(n, dtype=np.int32)
    fold[rng.permutation(_rows(n))] = _rows(n) % k
    for held in range(k):
        yield parts.cut(ratings, fold == held, 2, return_rows)


def repeated_kfold(
    ratings: Any,
    k: int = 5,
    repeats: int = 2,
    random_state: RandomState = None,
    *,
    return_rows: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """`kfold` several times, each time with another division: k * repeats pairs.

    Parameters, yields and errors are those of `kfold`; ValueError for `repeats` below 1 as well.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    repeats = parts.number("repeats", repeats)
    rng = generator(random_state)
    kfold(ratings, k, rng)  # raises for a wrong k at once, and draws nothing
    rounds = (kfold(ratings, k, rng, return_rows=return_rows) for _ in range(repeats))
    return (pair for folds in rounds for pair in folds)


def user_holdout(
    ratings: Any, test: Fractions = 0.2, random_state: RandomState = None, *, return_rows: bool = False
) -> tuple[Any, ...]:
    """Random split of the ratings of each user.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    test : float or sequence of float
        Fraction of each user's ratings that become the test part, rounded down; or several, as for `holdout`.
    random_state : None, int, SeedSequence or Generator
    return_rows : bool, default False
        Return the numbers of the rows of the parts, too.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order; with several fractions train, then a part for each.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        For fractions outside (0, 1), with a sum above 1, or that leave a part empty.
    """
    ratings = as_ratings(ratings, timed=False, said=True)
    found = parts.fractions(test)
    draw = generator(random_state).random(len(ratings))
    # Plus a little, so that a fifth of five is one in floating point too.
    sizes = [np.floor(ratings.user_counts * one + 1e-9) for one in found]
    return _last_of_users(ratings, draw, sizes, f"test={test}", return_rows)


def leave_k_out(
    ratings: Any,
    k: int | Sequence[int] = 1,
    *,
    latest: bool = False,
    random_state: RandomState = None,
    return_rows: bool = False,
) -> tuple[Any, ...]:
    """k ratings of each user as the test part.

    Parameters
    ----------
    ratings : Ratings, or whatever `fit` takes
    k : int or sequence of int
        Users with k ratings or fewer have none in the test part. Several numbers make as many parts beside
        the training part: with ``(1, 1), latest=True`` the test part has each user's latest rating, and the
        validation part the one before.
    latest : bool, default False
        Each user's latest by timestamp (of equal ones, the last rows), instead of random ones.
    random_state : None, int, SeedSequence or Generator
    return_rows : bool, default False
        Return the numbers of the rows of the parts, too.

    Returns
    -------
    train, test : Ratings
        Subsets, rows in input order; with several numbers train, then a part for each.
    train_rows, test_rows : ndarray of int64
        Only with `return_rows`.

    Raises
    ------
    ValueError
        For k below 1, one that leaves the test part empty, or `latest` without timestamps.
    """
    ratings = as_ratings(ratings, timed=latest, said=True)
    wanted = parts.numbers("k", k)
    if not latest:
        draw = generator(random_state).random(len(ratings))
    elif ratings.timestamps is None:
        raise ValueError("leave_k_out(latest=True) needs ratings with timestamps")
    else:
        draw = ratings.timestamps
    enough = ratings.user_counts > sum(wanted)
    sizes = [np.where(enough, one, 0) for one in wanted]
    return _last_of_users(ratings, draw, sizes, f"k={k}", return_rows)


def _last_of_users(
    ratings: Ratings, key: np.ndarray, sizes: list[np.ndarray], what: str, return_rows: bool
) -> tuple[Any, ...]:
    """Of each user's rows, ordered by `key`, the last are the last part, those before the part before it."""
    order = np.lexsort((key, ratings.user_codes))  # stable: equal keys in the order of the rows
    users = ratings.user_codes[order]
    from_end = np.cumsum(ratings.user_counts)[users] - np.arange(len(order))
    part = _all_training(len(ratings), len(sizes))
    ends = np.cumsum(sizes[::-1], axis=0)
    # The rows of later parts are among those of earlier ones.
    for number, end in enumerate(ends[::-1], start=1):
        part[order[from_end <= end[users]]] = number
    if min(np.bincount(part, minlength=len(sizes) + 1)[1:]) == 0:
        which = "the test part" if len(sizes) == 1 else "a part"
        raise ValueError(f"{what} leaves {which} empty: no user has enough ratings")
    return parts.cut(ratings, part, len(sizes) + 1, return_rows)


def _all_training(n: int, n_other: int) -> np.ndarray:
    """Number of the part of n elements, 0 for the training part; wide enough for those of `n_other` parts."""
    return np.zeros(n, dtype=np.int8 if n_other < 128 else np.int32)


def _rows(n: int) -> np.ndarray:
    return np.arange(n, dtype=position_dtype(n))
