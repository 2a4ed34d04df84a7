"""`Dataset` of scikit-surprise, and the data sets that its methods return."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cfcore.adapters.surprise import builtin_datasets
from cfcore.adapters.surprise.builtin_datasets import BUILTIN_DATASETS, get_dataset_dir
from cfcore.adapters.surprise.raw_ratings import Coded, RawRating, from_frame, from_lines, from_tuples
from cfcore.adapters.surprise.reader import Reader
from cfcore.adapters.surprise.trainset import Trainset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUILTIN_DATASETS", "Dataset", "DatasetAutoFolds", "DatasetUserFolds", "get_dataset_dir"]

TestSet = list[tuple[Any, Any, float]]


class Dataset:
    """Ratings to be split; made by the methods ``load_...``.

    Parameters
    ----------
    reader : Reader
        Its rating scale is that of the training sets.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @classmethod
    def load_builtin(cls, name: str = "ml-100k", prompt: bool = True) -> DatasetAutoFolds:
        """Load a built-in data set, which is downloaded at the first time.

        Parameters
        ----------
        name : {"ml-100k", "ml-1m", "jester"}
        prompt : bool
            Whether to ask before a download.

        Raises
        ------
        ValueError
            There is no data set of this name.
        SystemExit
            The answer was no.

        Notes
        -----
        The folder is `get_dataset_dir()`: ``SURPRISE_DATA_FOLDER``, or ``~/.surprise_data/``. Where the
        former is not set, and the folder that ``CFCORE_DATA`` names has the data set, it is copied from there
        in place of a download.
        """
        if name not in BUILTIN_DATASETS:
            accepted = ", ".join(BUILTIN_DATASETS)
            raise ValueError(f"unknown dataset {name}. Accepted values are {accepted}.")
        path = builtin_datasets.stored_at(name)
        if not os.path.isfile(path) and not builtin_datasets.copy_of_cfcore(name):
            if prompt and not _agreed(name):
                print("Ok then, I'm out!")
                sys.exit()
            builtin_datasets.download_builtin_dataset(name)
            path = builtin_datasets.stored_at(name)
        return cls.load_from_file(path, Reader(**BUILTIN_DATASETS[name].reader_params))

    @classmethod
    def load_from_file(cls, file_path: str, reader: Reader) -> DatasetAutoFolds:
        """Load ratings from a file whose lines the reader describes.

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            A line is not of the format of the reader.
        """
        return DatasetAutoFolds(ratings_file=file_path, reader=reader)

    @classmethod
    def load_from_folds(cls, folds_files: Iterable[tuple[str, str]], reader: Reader) -> DatasetUserFolds:
        """Load ratings that are split already: pairs of files, of which the first is for training.

        `PredefinedKFold` iterates over them.

        Raises
        ------
        ValueError
            A file does not exist.
        """
        return DatasetUserFolds(folds_files=folds_files, reader=reader)

    @classmethod
    def load_from_df(cls, df: pd.DataFrame, reader: Reader) -> DatasetAutoFolds:
        """Load ratings from a frame of three columns: users, items and ratings, in this order.

        Parameters
        ----------
        df : pandas.DataFrame
        reader : Reader
            Its rating scale alone counts.

        Raises
        ------
        ValueError
            The frame has not three columns, or a rating is no number.
        """
        return DatasetAutoFolds(reader=reader, df=df)

    def read_ratings(self, file_name: str) -> list[RawRating]:
        """Read a file: a list of (user id, item id, rating, timestamp), the timestamp as text or None."""
        return self._read(file_name).tuples()

    def _read(self, file_name: str) -> Coded:
        with open(os.path.expanduser(file_name)) as file:
            return from_lines(file, self.reader)

    def construct_trainset(self, raw_trainset: Sequence[RawRating]) -> Trainset:
        """A training set of a list of (user id, item id, rating, timestamp)."""
        return from_tuples(raw_trainset).trainset(self.reader.rating_scale)

    def construct_testset(self, raw_testset: Iterable[RawRating]) -> TestSet:
        """A test set of a list of (user id, item id, rating, timestamp)."""
        return [(user, item, rating) for user, item, rating, _ in raw_testset]


def _agreed(name: str) -> bool:
    """Ask until the answer is yes or no; no answer is yes."""
    while True:
        print(f"Dataset {name} could not be found. Do you want to download it? [Y/n] ", end="")
        answer = input().lower()
        if answer in ("", "y", "yes", "n", "no"):
            return answer[:1] != "n"


class DatasetAutoFolds(Dataset):
    """Ratings of one file or frame, which iterators such as `KFold` split.

    Parameters
    ----------
    ratings_file : str, optional
    reader : Reader
    df : pandas.DataFrame, optional
        One of `ratings_file` and `df` is needed.
    """

    def __init__(
        self, ratings_file: str | None = None, reader: Reader | None = None, df: pd.DataFrame | None = None
    ) -> None:
        super().__init__(reader)  # type: ignore[arg-type]
        self.has_been_split = False
        self._raw: list[RawRating] | None = None
        self._coded: Coded | None = None
        if ratings_file is not None:
            self.ratings_file = ratings_file
            overridden = type(self).read_ratings is not Dataset.read_ratings
            if overridden:
                self._raw = self.read_ratings(ratings_file)
            else:
                self._coded = self._read(ratings_file)
        elif df is not None:
            self.df = df
            self._coded = from_frame(df)
        else:
            raise ValueError("Must specify ratings file or dataframe.")

    @property
    def raw_ratings(self) -> list[RawRating]:
        """All ratings: a list of (user id, item id, rating, timestamp), to be changed in place or set."""
        if self._raw is None:
            assert self._coded is not None
            self._raw = self._coded.tuples()
            self._coded = None  # from now on, the list may be changed
        return self._raw

    @raw_ratings.setter
    def raw_ratings(self, rows: list[RawRating]) -> None:
        self._raw, self._coded = rows, None

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return len(self._raw if self._raw is not None else self._coded or ())

    def build_full_trainset(self) -> Trainset:
        """A training set of all ratings."""
        coded = self._columns()
        if coded is not None:
            return coded.trainset(self.reader.rating_scale)
        return self.construct_trainset(self.raw_ratings)

    def subsets(self, train: Any, test: Any) -> tuple[Trainset, TestSet]:
        """Rows of the data set, as positions, as a training set and a test set.

        Parameters
        ----------
        train, test : int64[n]
        """
        coded = self._columns()
        if coded is not None:
            return coded.trainset(self.reader.rating_scale, train), coded.testset(test)
        raw = self.raw_ratings
        return (
            self.construct_trainset([raw[row] for row in train]),
            self.construct_testset([raw[row] for row in test]),
        )

    def rows_of_users(self) -> list[list[int]]:
        """Positions of the ratings of each user, users in the order in which they first appear."""
        rows: dict[Any, list[int]] = {}
        coded = self._columns()
        if coded is not None:
            users: Iterable[Any] = coded.users.tolist()
        else:
            users = (rating[0] for rating in self.raw_ratings)
        for row, user in enumerate(users):
            rows.setdefault(user, []).append(row)
        return list(rows.values())

    def _columns(self) -> Coded | None:
        """The ratings as columns; None if their list was handed out, or a subclass constructs sets itself."""
        own = [
            getattr(type(self), name) is getattr(Dataset, name)
            for name in ("construct_trainset", "construct_testset")
        ]
        return self._coded if all(own) else None


class DatasetUserFolds(Dataset):
    """Ratings that are split already, for `PredefinedKFold`.

    Parameters
    ----------
    folds_files : iterable of (str, str)
        Pairs of a file for training and a file for testing.
    reader : Reader
    """

    def __init__(
        self, folds_files: Iterable[tuple[str, str]] | None = None, reader: Reader | None = None
    ) -> None:
        super().__init__(reader)  # type: ignore[arg-type]
        if folds_files is None:
            raise TypeError("folds_files: pairs of files for training and testing are wanted, not None")
        self.folds_files = list(folds_files)
        for files in self.folds_files:
            for path in files:
                if not os.path.isfile(os.path.expanduser(path)):
                    raise ValueError(f"File {path} does not exist.")
