"""`ShardedModel`, `shard` and `load`; lists for all users as a Dask DataFrame."""

from __future__ import annotations

import math
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.data import frames, pair_columns
from cfcore.data.id_columns import as_column, is_single
from cfcore.data.sharded import check_size
from cfcore.distributed.sharding import assigned, divide, joined, part_of, read_header
from cfcore.models.core.lazily import is_lazy, lazy_predictions
from cfcore.models.core.model import Model
from cfcore.threads import policy

__all__ = ["ShardedModel", "load", "recommend", "shard"]

Array = np.ndarray[Any, Any]

#: Users of a partition of lists, of a model that is not sharded.
USERS = 50_000


def shard(
    model: Any, folder: str | os.PathLike[str], *, shard_size: int | None = None, overwrite: bool = False
) -> ShardedModel:
    """Write a fitted model to a folder: rows of users in files of a range of users each, items in one.

    Parameters
    ----------
    model : Model
        Fitted.
    folder : path-like
        One that all workers share, by the same path.
    shard_size : int, optional
        Training ratings of the users of a file, at least; by default as of ``Ratings.save_shards``.
    overwrite : bool, default False
        Whether a sharded model there is replaced.

    Returns
    -------
    ShardedModel

    Raises
    ------
    TypeError
        The model cannot be divided by users (`UserKNN`, whose neighbours are users); the message names what
        is of all of them.
    NotFittedError, FileExistsError
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a model of cfcore, not {type(model).__name__}")
    check_size(shard_size)
    path = Path(os.path.expanduser(folder)).absolute()
    divide(model, path, shard_size, overwrite)
    return ShardedModel(path)


def load(folder: str | os.PathLike[str]) -> ShardedModel:
    """The sharded model of a folder; nothing but its header is read.

    Parameters
    ----------
    folder : path
        Where `ShardedModel.save` wrote it.

    Raises
    ------
    FileFormatError
        The header is damaged, or has a later version.
    FileNotFoundError
        There is no such folder, or it has no sharded model.
    """
    return ShardedModel(folder)


class ShardedModel:
    """A fitted model in a folder, of which a process holds the items, and the users of two shards at a time.

    Parameters
    ----------
    folder : path-like
        Written by `shard`.

    Attributes
    ----------
    folder : Path
    shards : list of dict
        ``begin`` and ``end``, codes of the users; ``first``, the raw id of the first; ``file``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._set(Path(os.path.expanduser(folder)).absolute(), None)

    def _set(self, folder: Path, header: dict[str, Any] | None) -> None:
        self.folder = folder
        self._header = read_header(folder) if header is None else header
        self.shards: list[dict[str, Any]] = self._header["shards"]

    def __reduce__(self) -> Any:
        # With its header: a worker that lacks the folder says so when it needs it.
        return _received, (self.folder, self._header)

    def __repr__(self) -> str:
        kind, n = self._header["model"].get("class"), self.n_users
        return f"ShardedModel({kind} of {n:,} users in {len(self.shards)} shards, {self.folder})"

    @property
    def n_users(self) -> int:
        """Number of users."""
        return int(self.shards[-1]["end"])

    def part(self, number: int) -> Model:
        """The model of the users of a shard and of all items: its answers for them are those of the whole."""
        if not 0 <= number < len(self.shards):
            raise IndexError(f"there are {len(self.shards)} shards; there is no {number}")
        try:
            return part_of(self.folder, number)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{error.filename or self.folder}: not on {socket.gethostname()}; all workers must share the "
                "folder of a sharded model, by the same path"
            ) from error

    def predict(self, users: Any, items: Any = None, timestamps: Any = None, **options: Any) -> Any:
        """Predict ratings, as `Model.predict`.

        Parameters
        ----------
        users, items, timestamps, **options
            As of `Model.predict`, ``given=`` excepted. A Dask DataFrame of pairs gives a Dask Series, which
            is computed partition by partition where it is needed.

        Returns
        -------
        As `Model.predict`; the same numbers.
        """
        if options.get("given") is not None:
            raise TypeError("a sharded model takes no given=; use part(0), which has all items")
        if is_lazy(users):
            return lazy_predictions(self, users, items, timestamps, options)
        if items is None:
            columns = pair_columns(users, timed=timestamps is not False)
            pairs = columns.users, columns.items, timestamps if timestamps is False else columns.timestamps
        else:
            pairs = users, items, timestamps
        if is_single(pairs[0]):
            of_user = self.part(int(assigned(self._header, [pairs[0]])[0]))
            return of_user.predict(users, items, timestamps, **options)
        column = as_column(pairs[0])
        numbers = assigned(self._header, column)
        found: tuple[Array, ...] = ()
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            own = [one if _is_constant(one) else as_column(one)[rows] for one in pairs[1:]]
            answer = self.part(int(number)).predict(column[rows], *own, **options)
            answers = answer if isinstance(answer, tuple) else (answer,)
            found = found or tuple(np.empty(len(column), dtype=one.dtype) for one in answers)
            for whole, part in zip(found, answers, strict=True):
                whole[rows] = part
        found = found or (np.empty(0),)
        names = ["prediction", *(["std"] if options.get("return_std") else []), "known"]
        shown = [
            frames.column_like(users, numbers, name) for numbers, name in zip(found, names, strict=False)
        ]
        return tuple(shown) if len(shown) > 1 else shown[0]

    def recommend(self, users: Any, n: int = 10, **options: Any) -> Any:
        """Recommend items to one user or to many, as `Model.recommend`."""
        if is_single(users):
            return self.part(int(assigned(self._header, [users])[0])).recommend(users, n, **options)
        as_frame, column = options.pop("as_frame", False), as_column(users)
        numbers = assigned(self._header, column)
        ids: Any = None
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            own, values = self.part(int(number)).recommend(column[rows], n, **options)
            if ids is None:
                shape = len(column), own.shape[1]
                ids, scores = np.empty(shape, own.dtype), np.empty(shape)
            ids[rows], scores[rows] = own, values
        if ids is None:
            return self.part(0).recommend(column, n, as_frame=as_frame, **options)
        if as_frame is False:
            return ids, scores
        library = frames.library_of(users) if as_frame is True else as_frame
        return frames.lists(column, ids, scores, library, self.part(0).column_names_)

    def to_local(self) -> Model:
        """The model itself, with the rows of all users in memory; all numbers are the same."""
        return joined(self.folder)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Copy the files to another folder, of which `load` makes the same model."""
        place = Path(os.path.expanduser(folder)).absolute()
        if place.exists() and any(place.iterdir()) and not overwrite:
            raise FileExistsError(f"{place} has files already; overwrite=True replaces them")
        shutil.copytree(self.folder, place, dirs_exist_ok=True)
        return place


def _received(folder: Path, header: dict[str, Any]) -> ShardedModel:
    found = ShardedModel.__new__(ShardedModel)
    found._set(folder, header)
    return found


def recommend(
    model: Any, n: int = 10, *, users: Any = None, npartitions: int | None = None, **options: Any
) -> Any:
    """Lists for all users, or some, as a Dask DataFrame: each partition is made where it is needed.

    Parameters
    ----------
    model : Model or ShardedModel
        Fitted. The workers get a model of which each partition needs the users of one shard, or the whole.
    n : int, default 10
    users : array_like or dask.dataframe.Series, optional
        Raw ids; by default all users with training ratings.
    npartitions : int, optional
        Of models that are not sharded; by default one for 50,000 users.
    **options
        As of `Model.recommend`: ``by``, ``exclude_seen``, ``min_support``, ``items``, ...

    Returns
    -------
    dask.dataframe.DataFrame
        A row for each listed item: user, item, score and rank; those of users and items have the names that
        they had in training. ``to_parquet`` writes it without collecting it.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.Popularity().fit(cf.datasets.synthetic(30, 20, 200))
    >>> lists = cf.distributed.recommend(model, n=3)
    >>> list(lists.columns)
    ['user', 'item', 'score', 'rank']
    """
    import dask
    import dask.dataframe

    if not isinstance(model, (Model, ShardedModel)):
        raise TypeError(f"model must be a model of cfcore, fitted, not {type(model).__name__}")
    if npartitions is not None and (isinstance(model, ShardedModel) or npartitions < 1):
        sharded = isinstance(model, ShardedModel)
        told = (
            "a sharded model has a partition a shard"
            if sharded
            else f"it must be at least 1, not {npartitions}"
        )
        raise ValueError(f"npartitions: {told}")
    if users is not None and hasattr(users, "compute"):  # a Series of Dask
        users = users.compute()
    lists = dask.delayed(_lists)
    if isinstance(model, ShardedModel):
        first = model.part(0)
        wanted: list[Any] = [None] * len(model.shards)
        if users is not None:
            column = as_column(users)
            numbers = assigned(model._header, column)
            wanted = [column[numbers == number] for number in range(len(model.shards))]
        parts = [lists(model, number, own, n, options) for number, own in enumerate(wanted)]
    else:
        first = model.snapshot()
        column = first.known_users_ if users is None else as_column(users)
        n_parts = max(1, npartitions or -(-len(column) // USERS))
        held = dask.delayed(first, pure=True)
        parts = [lists(held, None, own, n, options) for own in np.array_split(column, n_parts)]
    meta = _lists(first, None, first.known_users_[:1], n, options).iloc[:0]
    return dask.dataframe.from_delayed(parts, meta=meta)


def _lists(model: Any, number: int | None, users: Any, n: int, options: dict[str, Any]) -> Any:
    # A task for each thread of a worker runs at the same time.
    with policy(minimum_work=math.inf):
        own = model if number is None else model.part(number)
        users = own.known_users_ if users is None else users
        return own.recommend(users, n, as_frame="pandas", **options)


def _is_constant(one: Any) -> bool:
    return one is None or one is False or is_single(one)
