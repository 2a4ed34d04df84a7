"""`Model`: what every model does the same way, so that a new model writes its equations and little else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import codec
from cfcore.data import Ratings, as_pairs, as_ratings, frames
from cfcore.errors import DataError, FileFormatError, NotFittedError
from cfcore.models.core.checkpoint import Checkpoint, identity_of
from cfcore.models.core.ids import is_single
from cfcore.models.recommend.recommender import Listing
from cfcore.models.core.params import Params, check_number
from cfcore.random import RandomState, generator
from cfcore.threads import resolve_threads

Array = np.ndarray[Any, Any]

#: Called after each epoch with the number of epochs and ``history_``; True stops the training.
Callback = Callable[[int, dict[str, list[float]]], bool | None]


class Model(Params, Listing):
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
            Within ``scale_``. Ids unknown to the model never raise: each model says how it falls back. For a
            frame, or columns of one, a column "prediction" of the same library: a Series with the index of
            the frame (pandas), a Series (polars), a ChunkedArray (pyarrow).

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Unequal lengths, or ids of another kind than in training (strings for integers).
        """
        user_codes, item_codes, times, scalar = self._asked(users, items, timestamps)
        predictions = self._predict_known(user_codes, item_codes, times)
        if scalar and len(predictions) == 1:
            return float(predictions[0])
        given = users if items is None or not is_single(users) else items
        return frames.column_like(given, predictions, "prediction")

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
