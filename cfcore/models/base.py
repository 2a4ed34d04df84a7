"""`Model`: what every model does the same way, so that a new model writes its equations and little else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import codec
from cfcore.data import Ratings, as_pairs, as_ratings, frames
from cfcore.errors import DataError, FileFormatError, NotFittedError
from cfcore.models import lists
from cfcore.models.checkpoint import Checkpoint, identity_of
from cfcore.models.coding import Coded, is_single
from cfcore.models.params import Params, check_flag, check_number
from cfcore.models.ranking import best
from cfcore.random import RandomState, generator
from cfcore.threads import resolve_threads

Array = np.ndarray[Any, Any]

#: Called after each epoch with the number of epochs and ``history_``; True stops the training.
Callback = Callable[[int, dict[str, list[float]]], bool | None]


class Model(Params, Coded):
    """Base of all models: fit, predict, recommend, similar items and users, parameters, files.

    A subclass stores its hyper-parameters in ``__init__`` (keyword arguments, nothing else), and writes

    - ``_check_params()``: raise an error that names the hyper-parameter which is out of range;
    - ``_fit(train, validation, early_stopping)``: set fitted attributes, whose names end in ``_``;
    - ``_predict_codes(users, items, timestamps)``: float64 predictions for int32 codes, -1 being unknown;
    - ``_similarity_to(kind, code)``, if users or items can be compared;
    - ``_array_names`` and ``_scalar_names``: the fitted attributes that a saved file holds.

    What can be derived from those at little cost goes into ``self._cache``, which neither files nor pickles
    hold and which every fit empties.

    Attributes
    ----------
    user_ids_, item_ids_ : ndarray
        Raw ids, sorted; a code is a position in them.
    user_counts_, item_counts_ : ndarray of int64
        Training ratings of each. A code with none is unknown to the model.
    scale_ : tuple of float
        The lowest and the highest rating; predictions stay within.
    mean_ : float
        Mean of the training ratings.
    seen_indptr_, seen_items_ : ndarray of int64, ndarray of int32
        Items of each user in training (compressed rows), for ``exclude_seen``.
    history_ : dict of str to list of float
        Errors per epoch; empty for models without epochs.
    n_epochs_ : int
        Epochs that the final state has seen; only models with epochs have it.
    """

    n_epochs_: int
    random_state: RandomState

    #: Whether ratings to fit must have timestamps.
    _needs_timestamps: ClassVar[bool] = False

    #: While a fit that was given one runs.
    _checkpoint: Checkpoint | None = None

    #: Fitted ndarray attributes (or None) and JSON-able attributes of the subclass that `save` keeps.
    _array_names: ClassVar[tuple[str, ...]] = ()
    _scalar_names: ClassVar[tuple[str, ...]] = ()

    #: Whether `_fit` reads ``train.by_user``, of which the base keeps a part in any case.
    _reads_by_user: ClassVar[bool] = True

    _BASE_ARRAYS: ClassVar[tuple[str, ...]] = (
        "user_ids_", "item_ids_", "user_counts_", "item_counts_", "seen_indptr_", "seen_items_",
    )  # fmt: skip
    _BASE_SCALARS: ClassVar[tuple[str, ...]] = ("scale_", "mean_", "history_", "n_epochs_")

    #: Classes by the name that files give them.
    _registry: ClassVar[dict[str, type[Model]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Model._registry[cls._file_name()] = cls

    # ------------------------------------------------------------------ for subclasses to write

    def _check_params(self) -> None:
        """Raise ValueError or TypeError naming the hyper-parameter that cannot be used."""

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        raise NotImplementedError

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        raise NotImplementedError

    def _similarity_to(self, kind: str, code: int) -> Array:
        """Similarity of one known item or user to all (float64, NaN: cannot be compared)."""
        raise TypeError(f"{type(self).__name__} does not compare {kind}s")

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any,
        *,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit the model, forgetting any earlier fit.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Training ratings.
        validation : like `ratings`, optional
            Held-out ratings. Models with epochs put their error after each into ``history_``; others
            ignore them.
        early_stopping : int, optional
            Stop after so many epochs without a lower validation error, and keep the best epoch's state.
        callback : callable (epochs, history) -> bool or None, optional
            Called after each epoch, by models with epochs: how many there were, and the errors so far, as in
            ``history_``. True stops the training there. An exception ends the fit, and the model is unfitted.
        checkpoint : path-like, optional
            File in which models with epochs write, after each, where they stand; others ignore it. If it is
            there already, the fit goes on from it, and ends with the same bits as one that was never broken
            off. It stays when the fit is done: the same fit once more then gives the model at once.

            Data, parameters and versions must be those of the fit that wrote it; `n_threads` and `verbose`
            may differ, `n_epochs` may not (learning rates follow it), and of a Generator as `random_state`
            the state in the file counts. The file replaces the one before it whole, so that there is never a
            moment without one; whoever deletes it starts anew.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Ratings that cannot be used; the message names the column and the row. Or a checkpoint of another
            fit; the message says what differs.
        FileFormatError
            A file given as checkpoint that is damaged or is none.
        ValueError, TypeError
            A hyper-parameter out of range; the message names it. As with `DataError`, an earlier fit is
            kept then. A fit that is broken off later (Ctrl-C) leaves the model unfitted.
        """
        return self._run(ratings, validation, early_stopping, callback=callback, checkpoint=checkpoint)

    def _run(
        self,
        ratings: Any,
        validation: Any,
        early_stopping: int | None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        **extra: Any,
    ) -> Self:
        """The course of every fit; a subclass with more arguments to `fit` hands them to its `_fit`."""
        train = as_ratings(ratings)
        held_out = None if validation is None else as_ratings(validation)
        check_number("early_stopping", early_stopping, 1, integer=True, none=True)
        if early_stopping is not None and held_out is None:
            raise ValueError("early_stopping needs ratings to judge by: fit(..., validation=ratings)")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable or None, not {callback!r}")
        self._check_common()
        self._check_params()
        self._check_timestamps(train)
        if checkpoint is not None:
            params = self.get_params(deep=False)
            identity = identity_of(self._file_name(), params, train, held_out, early_stopping, extra)
            self._checkpoint = Checkpoint(checkpoint, identity)
        self._forget()
        try:
            self._remember(train)
            self._cache["callback"] = callback
            self._fit(train, held_out, early_stopping, **extra)
            self._cache.pop("callback", None)
        except BaseException:  # Ctrl-C included: half a fit must not pass for a whole one
            self._forget()
            raise
        finally:
            vars(self).pop("_checkpoint", None)
        return self

    def _generator(self) -> np.random.Generator:
        """The generator for all draws of a fit; one that goes on from a checkpoint starts as that one did."""
        rng = generator(self.random_state)
        if self._checkpoint is not None:
            self._checkpoint.watch(rng)
        return rng

    def _check_common(self) -> None:
        """Check the parameters that are spelled alike everywhere, where the model has them."""
        if hasattr(self, "n_threads"):
            resolve_threads(self.n_threads)
        if hasattr(self, "random_state"):
            generator(self.random_state)
        if hasattr(self, "verbose") and not isinstance(self.verbose, bool):
            check_number("verbose", self.verbose, 0, integer=True)

    def _check_timestamps(self, ratings: Ratings) -> None:
        if self._needs_timestamps and ratings.timestamps is None:
            raise DataError(f"{type(self).__name__} needs ratings with timestamps, and these have none")

    def _forget(self) -> None:
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        self._cache: dict[str, Any] = {}

    def _remember(self, train: Ratings) -> None:
        self.user_ids_ = train.user_ids
        self.item_ids_ = train.item_ids
        if self._reads_by_user:
            train.by_user  # noqa: B018
        self.seen_indptr_, self.seen_items_ = train.items_by_user
        self.user_counts_ = train.user_counts
        self.item_counts_ = train.item_counts
        self.scale_ = (float(train.scale[0]), float(train.scale[1]))
        self.mean_ = float(train.mean)
        self.history_: dict[str, list[float]] = {}

    def _check_fitted(self) -> None:
        if "user_ids_" not in vars(self):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(ratings) first")

    # ------------------------------------------------------------------ predicting

    def predict(self, users: Any, items: Any = None, timestamps: Any = None) -> Any:
        """Predict ratings.

        Parameters
        ----------
        users : array_like or scalar
            Raw user ids. Or, as the only argument, pairs: Ratings, DataFrame, scipy sparse matrix (values
            are not looked at) or (users, items[, values[, timestamps]]).
        items : array_like or scalar, optional
            Raw item ids. A single user or item is paired with all of the others.
        timestamps : array_like or scalar, optional
            For models that look at time.

        Returns
        -------
        ndarray of float64, shape (n,); a float for a scalar user and item
            Within ``scale_``. Ids unknown to the model never raise: each model says how it falls back.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Unequal lengths, or ids of another kind than in training (strings for integers).
        """
        user_codes, item_codes, times, scalar = self._asked(users, items, timestamps)
        predictions = self._predict_known(user_codes, item_codes, times)
        return float(predictions[0]) if scalar and len(predictions) == 1 else predictions

    def _asked(
        self, users: Any, items: Any, timestamps: Any = None
    ) -> tuple[Array, Array, Array | None, bool]:
        """Codes and timestamps of what `predict` was given, and whether that was one user and one item."""
        self._check_fitted()
        scalar = False
        times: Array | None = None
        if items is None:
            if timestamps is not None:
                raise TypeError("predict takes timestamps together with users and items")
            if isinstance(users, Ratings):
                user_codes = self._codes_of(users.user_ids, users.user_codes, "user")
                item_codes = self._codes_of(users.item_ids, users.item_codes, "item")
                times = users.timestamps
            else:
                user_codes, item_codes, times = self._pairs(*as_pairs(users))
        else:
            scalar = is_single(users) and is_single(items)
            user_codes, item_codes, times = self._pairs(users, items, timestamps)
        return user_codes, item_codes, times, scalar

    def _predict_known(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes, within the scale (a fresh array, clipped in place)."""
        low, high = self.scale_
        predictions = np.asarray(self._predict_codes(users, items, timestamps), dtype=np.float64)
        return np.clip(predictions, low, high, out=predictions)

    # ------------------------------------------------------------------ lists

    def recommend(
        self,
        users: Any,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        min_support: int = 0,
        items: Any = None,
        exclude: Any = None,
        as_frame: bool | str = False,
    ) -> Any:
        """Recommend items to a user, or to each of many.

        Parameters
        ----------
        users : int or str, or array_like of them, shape (n_users,)
            Raw user ids. For one without training ratings the list holds what the model predicts for
            anybody: the best items by its fallback.
        n : int, default 10
        exclude_seen : bool, default True
            Leave out the items that the user rated in training.
        min_support : int, default 0
            Leave out items with fewer training ratings, so that one-rater fives do not lead the list.
            Items without any are unknown to the model and never listed.
        items : array_like, optional
            Raw ids of the only items that may be listed. Unknown ones are passed over.
        exclude : (users, items), DataFrame, Ratings or scipy sparse matrix, optional
            Pairs that may not be listed: bought, dismissed, out of stock for this user. Pairs of other
            users or items are passed over.
        as_frame : bool or {"pandas", "polars", "pyarrow"}, default False
            Give a data frame with a row for each item listed and the columns user, item, score and rank
            (from 1). True means the library that `users` is a column of, or else the first installed.

        Returns
        -------
        ids : ndarray, shape (at most n,); (n_users, n) for many users
            Raw item ids, best first. Equal predictions are put in order before they are clipped to the scale,
            then by the number of training ratings, most first, then by id. Where a list of many ends early,
            ids are -1 (integers) or "" (strings), and scores are NaN, which is what to test.
        scores : ndarray of float64, of the same shape
            Their predictions, as `predict` gives them.

        Notes
        -----
        No matrix of scores is held; beside the result and the model, memory does not grow with the number of
        users. `recommend_batches` does not hold the result either.
        """
        if is_single(users):
            ids, scores = next(
                self._lists(np.atleast_1d(users), n, exclude_seen, min_support, items, exclude)
            )
            kept = ~np.isnan(scores[0])
            ids, scores = ids[:, kept], scores[:, kept]
            users = np.atleast_1d(users)
            single = True
        else:
            single = False
            parts = list(self._lists(users, n, exclude_seen, min_support, items, exclude))
            ids, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        if as_frame is not False:
            return frames.lists(users, ids, scores, None if as_frame is True else as_frame)
        return (ids[0], scores[0]) if single else (ids, scores)

    def recommend_batches(
        self,
        users: Any,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        min_support: int = 0,
        items: Any = None,
        exclude: Any = None,
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Recommend to many users, a batch at a time: lists that would not fit in memory all at once.

        Parameters
        ----------
        users, n, exclude_seen, min_support, items, exclude
            As in `recommend`.

        Yields
        ------
        users : ndarray, shape (n_batch,)
            Consecutive ones of `users`; how many follows from the work that a list is.
        ids, scores : ndarray, shape (n_batch, n)
            As `recommend` returns them.
        """
        begin = 0
        column = np.asarray(users)
        for ids, scores in self._lists(users, n, exclude_seen, min_support, items, exclude):
            yield column[begin : begin + len(ids)], ids, scores
            begin += len(ids)

    def _lists(
        self, users: Any, n: int, exclude_seen: bool, min_support: int, items: Any, exclude: Any
    ) -> Iterator[tuple[Array, Array]]:
        self._check_fitted()
        check_number("n", n, 0, integer=True)
        check_number("min_support", min_support, 0, integer=True)
        check_flag("exclude_seen", exclude_seen)
        chosen = lists.candidates(self, items, min_support)
        codes = self._codes(users, "user")
        left_out = lists.left_out(self, users, exclude)
        # No list is longer than there are items: room for more would only be padding to fill.
        wanted = lists.Wanted(codes, min(n, len(chosen)), chosen, exclude_seen, left_out)
        for _, found, scores in lists.blocks(self, wanted):
            if n > wanted.n:
                room = ((0, 0), (0, n - wanted.n))
                found = np.pad(found, room, constant_values=-1)
                scores = np.pad(scores, room, constant_values=np.nan)
            yield lists.named(self.item_ids_, found), np.clip(scores, *self.scale_, out=scores)

    def _products(self) -> lists.Products | None:
        """What scores are products of, where they are; see `lists.Products`."""
        return None

    def similar_items(self, item: Any, n: int = 10, *, min_support: int = 0) -> tuple[Array, Array]:
        """Return the items most similar to an item.

        Parameters
        ----------
        item : int or str
            Raw id of an item with training ratings.
        n : int, default 10
        min_support : int, default 0
            Leave out items with fewer training ratings.

        Returns
        -------
        ids : ndarray
            Raw ids, at most `n`, most similar first, the item itself left out.
        similarities : ndarray of float64

        Raises
        ------
        DataError
            The item has no training ratings.
        TypeError
            The model does not compare items.
        """
        return self._similar("item", item, n, min_support)

    def similar_users(self, user: Any, n: int = 10, *, min_support: int = 0) -> tuple[Array, Array]:
        """Return the users most similar to a user; as `similar_items`, roles exchanged."""
        return self._similar("user", user, n, min_support)

    def _similar(self, kind: str, raw: Any, n: int, min_support: int) -> tuple[Array, Array]:
        self._check_fitted()
        check_number("n", n, 0, integer=True)
        check_number("min_support", min_support, 0, integer=True)
        code = self._code(raw, kind)
        if code < 0:
            raise DataError(f"{kind}: {raw!r} has no training ratings")
        counts = getattr(self, f"{kind}_counts_")
        similarities = np.asarray(self._similarity_to(kind, code), dtype=np.float64)
        candidates = ~np.isnan(similarities) & (counts >= max(min_support, 1))
        candidates[code] = False
        codes = np.flatnonzero(candidates)
        codes = codes[best(similarities[codes], n, counts[codes])]
        return getattr(self, f"{kind}_ids_")[codes], similarities[codes]

    # ------------------------------------------------------------------ files and pickles

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that `cfcore.load` reads.

        The file is in the safetensors format and holds arrays and JSON, no pickle and no code. It appears
        whole or not at all. A Generator given as `random_state` is not kept (None takes its place); integers
        and SeedSequences are.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        codec.write(path, *self._to_file())

    def _to_file(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The header and the arrays that `save` writes."""
        arrays = {name: getattr(self, name) for name in self._BASE_ARRAYS + self._array_names}
        names = self._BASE_SCALARS + self._scalar_names
        header = {
            "class": self._file_name(),
            "params": codec.to_json(self._file_params()),
            "scalars": codec.to_json({name: getattr(self, name) for name in names if name in vars(self)}),
            "absent": [name for name, array in arrays.items() if array is None],
        }
        return header, {name: array for name, array in arrays.items() if array is not None}

    def _file_params(self) -> dict[str, Any]:
        """The hyper-parameters that a file holds as JSON."""
        return self.get_params(deep=False)

    @classmethod
    def _from_file(cls, header: dict[str, Any], arrays: dict[str, Array]) -> Self:
        """The model that `save` wrote as `header` and `arrays`."""
        model = cls(**codec.from_json(header["params"]))
        model._forget()
        scalars = codec.from_json(header["scalars"])
        absent = set(header["absent"])
        for name in cls._BASE_SCALARS + cls._scalar_names:
            if name in scalars or name != "n_epochs_":
                setattr(model, name, scalars[name])
        for name in cls._BASE_ARRAYS + cls._array_names:
            setattr(model, name, None if name in absent else arrays[name])
        for kind in ("user", "item"):
            if len(getattr(model, f"{kind}_ids_")) != len(getattr(model, f"{kind}_counts_")):
                raise FileFormatError(f"{kind}_ids_ and {kind}_counts_ differ in length")
        if len(model.seen_indptr_) != len(model.user_ids_) + 1:
            raise FileFormatError("seen_indptr_ and user_ids_ do not belong together")
        return model

    @classmethod
    def _file_name(cls) -> str:
        """Name of the class in files: short for cfcore's own, with its module for anybody else's."""
        own = cls.__module__.partition(".")[0] == "cfcore"
        return cls.__name__ if own else f"{cls.__module__}.{cls.__qualname__}"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_cache"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._cache = {}
