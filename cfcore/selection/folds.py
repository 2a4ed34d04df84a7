"""Pairs of training and test ratings from a `cv` argument, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cfcore.data import Ratings, as_ratings, datasets, split
from cfcore.data.catalog import ML100K_SPLITS
from cfcore.random import RandomState

__all__ = ["Folds", "folds"]

Pair = tuple[Ratings, Ratings]
Folds = Any  # int, str, Callable[[Ratings], Any], Iterable[Any] or a splitter of scikit-learn


def folds(ratings: Any, cv: Folds, random_state: RandomState) -> Iterator[Pair]:
    """Pairs of training and test ratings, each made when the iterator comes to it.

    Parameters
    ----------
    ratings : Ratings, or another input of `fit`; None if `cv` brings its own
    cv : int, str, callable, iterable or a splitter of scikit-learn
        As for `cross_validate`.
    random_state : None, int, SeedSequence or Generator
        For an int.

    Raises
    ------
    ValueError, TypeError
        For any other `cv`, or where ratings are missing or too many; at once, not at the first fold.
    """
    if isinstance(cv, str):
        cv = [cv]
    if hasattr(cv, "get_n_splits"):
        cv = _rows_of_splitter(cv, ratings)
    if isinstance(cv, Iterable):
        cv = [cv] if _is_pair(cv) else list(cv)
        if not cv:
            raise ValueError("cv: there are no folds")
        if all(isinstance(entry, str) for entry in cv):
            return _predefined(cv, ratings)
    if isinstance(cv, Iterable) and all(_is_pair(entry) for entry in cv):
        return iter([(train, test) for train, test in cv])
    if ratings is None:
        raise ValueError(f"ratings are needed to divide, unless cv names splits or holds pairs; cv={cv!r}")
    ratings = as_ratings(ratings)
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        if not 2 <= cv <= len(ratings):
            raise ValueError(f"cv must be from 2 to the number of ratings, {len(ratings)}, not {cv}")
        return split.kfold(ratings, int(cv), random_state)
    if callable(cv):
        made = cv(ratings)
        return folds(ratings, [made] if _is_pair(made) else made, random_state)
    if not isinstance(cv, Iterable):
        raise TypeError(
            "cv must be a number of folds, names of splits, a function, pairs or a splitter of scikit-learn, "
            f"not {cv!r}"
        )
    if not all(isinstance(entry, tuple) and len(entry) == 2 for entry in cv):
        raise TypeError("cv: every fold must be a pair (train, test) of ratings or of rows")
    return ((ratings.subset(train), ratings.subset(test)) for train, test in cv)


def _rows_of_splitter(splitter: Any, ratings: Any) -> list[Any]:
    """Pairs of rows by a splitter of scikit-learn (KFold, GroupKFold, ...); users are the groups."""
    if ratings is None:
        raise ValueError(f"ratings are needed to divide by cv={splitter!r}")
    ratings = as_ratings(ratings)
    rows = np.column_stack([ratings.user_codes, ratings.item_codes])
    # Others warn about groups, which they have no use for.
    groups = ratings.user_codes if "Group" in type(splitter).__name__ else None
    return list(splitter.split(rows, ratings.values, groups))


def _is_pair(entry: Any) -> bool:
    return (
        isinstance(entry, (tuple, list))
        and len(entry) == 2
        and all(isinstance(part, Ratings) for part in entry)
    )


def _predefined(names: list[Any], ratings: Any) -> Iterator[Pair]:
    unknown = [name for name in names if name not in ML100K_SPLITS]
    if unknown:
        raise ValueError(f"cv: unknown split {unknown[0]!r}; MovieLens 100K has {', '.join(ML100K_SPLITS)}")
    if ratings is not None:
        raise ValueError("the splits of MovieLens 100K bring their own ratings: leave `ratings` out")
    return (datasets.load("ml-100k", split=name, progress=False) for name in names)
