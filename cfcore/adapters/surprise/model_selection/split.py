"""Iterators over splits; for an equal `random_state` their splits are scikit-surprise's."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from itertools import chain, pairwise
from math import ceil, floor
from typing import Any

import numpy as np

from cfcore.adapters.surprise.dataset import DatasetAutoFolds, TestSet
from cfcore.adapters.surprise.trainset import Trainset
from cfcore.adapters.surprise.utils import get_rng

__all__ = [
    "KFold",
    "LeaveOneOut",
    "PredefinedKFold",
    "RepeatedKFold",
    "ShuffleSplit",
    "get_cv",
    "train_test_split",
]

Split = tuple[Trainset, TestSet]
RandomState = int | np.random.RandomState | None


def _n_ratings(data: Any) -> int:
    return data.n_ratings if isinstance(data, DatasetAutoFolds) else len(data.raw_ratings)


def _subsets(data: Any, train: Any, test: Any) -> Split:
    """Rows of any data set with ``raw_ratings``, as a training set and a test set."""
    if isinstance(data, DatasetAutoFolds):
        return data.subsets(train, test)
    raw = data.raw_ratings
    trainset: Trainset = data.construct_trainset([raw[row] for row in train])
    return trainset, data.construct_testset([raw[row] for row in test])


class KFold:
    """Each rating is in one of `n_splits` test sets.

    Parameters
    ----------
    n_splits : int
    random_state : int, RandomState or None
        An int gives the same splits each time; None, NumPy's global generator.
    shuffle : bool
        Whether ratings are shuffled first; not in `raw_ratings`.

    Raises
    ------
    ValueError
        By `split`: `n_splits` is less than 2 or more than the number of ratings.
    """

    def __init__(self, n_splits: int = 5, random_state: RandomState = None, shuffle: bool = True) -> None:
        self.n_splits, self.shuffle, self.random_state = n_splits, shuffle, random_state

    def split(self, data: Any) -> Iterator[Split]:
        """Yield (training set, test set) of each fold."""
        n = _n_ratings(data)
        if self.n_splits > n or self.n_splits < 2:
            raise ValueError(
                f"Incorrect value for n_splits={self.n_splits}. Must be >=2 and at most the number of "
                f"ratings, {n}"
            )
        order = np.arange(n)
        if self.shuffle:
            get_rng(self.random_state).shuffle(order)
        # The first folds have one rating more where n_splits does not divide their number.
        bounds = [
            fold * (n // self.n_splits) + min(fold, n % self.n_splits) for fold in range(self.n_splits + 1)
        ]
        for start, end in pairwise(bounds):
            yield _subsets(data, np.concatenate([order[:start], order[end:]]), order[start:end])

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_splits


class RepeatedKFold:
    """`KFold` several times, shuffled in another way each time.

    Parameters
    ----------
    n_splits, n_repeats : int
    random_state : int, RandomState or None
    """

    def __init__(self, n_splits: int = 5, n_repeats: int = 10, random_state: RandomState = None) -> None:
        self.n_repeats, self.random_state, self.n_splits = n_repeats, random_state, n_splits

    def split(self, data: Any) -> Iterator[Split]:
        """Yield (training set, test set) of each fold of each repetition."""
        rng = get_rng(self.random_state)
        for _ in range(self.n_repeats):
            yield from KFold(self.n_splits, random_state=rng, shuffle=True).split(data)

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_repeats * self.n_splits


class ShuffleSplit:
    """Random test sets, each drawn from all ratings.

    Parameters
    ----------
    n_splits : int
    test_size : float, int or None
        A part (float, rounded up) or a number (int) of ratings; None: all that are not for training.
    train_size : float, int or None
        Likewise (a part is rounded down); None: all that are not for testing.
    random_state : int, RandomState or None
    shuffle : bool
        Without, the test set is the end of the ratings.

    Raises
    ------
    ValueError
        `n_splits` is not positive; by `split`, the sizes are no sizes for the number of ratings.
    """

    def __init__(
        self,
        n_splits: int = 5,
        test_size: float | None = 0.2,
        train_size: float | None = None,
        random_state: RandomState = None,
        shuffle: bool = True,
    ) -> None:
        if n_splits <= 0:
            raise ValueError(f"n_splits = {n_splits} should be strictly greater than 0.")
        for size, name in ((test_size, "test_size"), (train_size, "train_size")):
            if size is not None and size <= 0:
                raise ValueError(f"{name}={size} should be strictly greater than 0")
        self.n_splits, self.test_size, self.train_size = n_splits, test_size, train_size
        self.random_state, self.shuffle = random_state, shuffle

    def validate_train_test_sizes(
        self, test_size: float | None, train_size: float | None, n_ratings: int
    ) -> tuple[int, int]:
        """Numbers of ratings for training and for testing; ValueError if there are not so many."""
        for size, name in ((test_size, "test_size"), (train_size, "train_size")):
            if size is not None and size >= n_ratings:
                raise ValueError(f"{name}={size} should be less than the number of ratings {n_ratings}")
        n_test = None if test_size is None else _count(test_size, n_ratings, ceil)
        n_train = None if train_size is None else _count(train_size, n_ratings, floor)
        if n_test is None:
            if n_train is None:
                raise TypeError("test_size and train_size are both None; give a number or a part for one")
            n_test = n_ratings - n_train
        if n_train is None:
            n_train = n_ratings - n_test
        if n_test + n_train > n_ratings:
            raise ValueError(
                f"The sum of train_size and test_size ({n_train + n_test}) should be smaller than the number "
                f"of ratings {n_ratings}."
            )
        return n_train, n_test

    def split(self, data: Any) -> Iterator[Split]:
        """Yield (training set, test set) of each split."""
        n = _n_ratings(data)
        n_train, n_test = self.validate_train_test_sizes(self.test_size, self.train_size, n)
        rng = get_rng(self.random_state)
        for _ in range(self.n_splits):
            order = rng.permutation(n) if self.shuffle else np.arange(n)
            yield _subsets(data, order[:n_train], order[n_train : n_train + n_test])

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_splits


def _count(size: float, n: int, rounded: Any) -> int:
    return int(rounded(size * n)) if np.asarray(size).dtype.kind == "f" else int(size)


def train_test_split(
    data: Any,
    test_size: float | None = 0.2,
    train_size: float | None = None,
    random_state: RandomState = None,
    shuffle: bool = True,
) -> Split:
    """One training set and one test set; arguments as of `ShuffleSplit`."""
    splits = ShuffleSplit(1, test_size, train_size, random_state, shuffle)
    return next(splits.split(data))


class LeaveOneOut:
    """Test sets of one random rating of each user.

    Parameters
    ----------
    n_splits : int
    random_state : int, RandomState or None
    min_n_ratings : int
        Users who would have fewer ratings in the training set are left out of both.

    Raises
    ------
    ValueError
        By `split`: no user has so many ratings.
    """

    def __init__(self, n_splits: int = 5, random_state: RandomState = None, min_n_ratings: int = 0) -> None:
        self.n_splits, self.random_state, self.min_n_ratings = n_splits, random_state, min_n_ratings

    def split(self, data: Any) -> Iterator[Split]:
        """Yield (training set, test set) of each split."""
        rng = get_rng(self.random_state)
        users = _rows_of_users(data)
        for _ in range(self.n_splits):
            train, test = [], []
            for rows in users:
                if len(rows) - 1 >= self.min_n_ratings:
                    left_out = rng.randint(0, len(rows))
                    test.append(rows[left_out])
                    train.append(rows[:left_out] + rows[left_out + 1 :])
            if not any(train):
                raise ValueError("Could not build any trainset. Maybe min_n_ratings is too high?")
            yield _subsets(data, np.array(list(chain.from_iterable(train)), dtype=np.int64), test)

    def get_n_folds(self) -> int:
        """Number of splits."""
        return self.n_splits


def _rows_of_users(data: Any) -> list[list[int]]:
    if isinstance(data, DatasetAutoFolds):
        return data.rows_of_users()
    rows: dict[Any, list[int]] = {}
    for row, rating in enumerate(data.raw_ratings):
        rows.setdefault(rating[0], []).append(row)
    return list(rows.values())


class PredefinedKFold:
    """The splits of `Dataset.load_from_folds`."""

    n_splits: int

    def split(self, data: Any) -> Iterator[Split]:
        """Yield (training set, test set) of each pair of files."""
        self.n_splits = len(data.folds_files)
        for train, test in data.folds_files:
            raw_train, raw_test = data.read_ratings(train), data.read_ratings(test)
            yield data.construct_trainset(raw_train), data.construct_testset(raw_test)

    def get_n_folds(self) -> int:
        """Number of splits; AttributeError before the first of them."""
        return self.n_splits


def get_cv(cv: Any) -> Any:
    """What an argument `cv` stands for: None is `KFold`, an int its number of splits."""
    if cv is None:
        return KFold(n_splits=5)
    if isinstance(cv, numbers.Integral):
        return KFold(n_splits=int(cv))
    if hasattr(cv, "split") and not isinstance(cv, str):
        return cv
    raise ValueError(f"Wrong CV object. Expecting None, an int or CV iterator, got a {type(cv)}")
