"""`Model`: what every model does the same way, so that a new model writes its equations and little else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import codec
from cfcore.data import Ratings, as_pairs, as_ratings, frames
from cfcore.data.ids import is_single
from cfcore.errors import DataError, FileFormatError, NotFittedError
from cfcore.models.core.checkpoint import Checkpoint, identity_of
from cfcore.models.core.fit_context import Callback, FitContext
from cfcore.models.core.ids import codes_of_pairs
from cfcore.models.core.params import Params, check_number
from cfcore.models.core.recommender import Recommender
from cfcore.models.core.state import ParameterState, State, known_of
from cfcore.random import RandomState, generator
from cfcore.threads import resolve_threads

__all__ = ["Callback", "Model"]

Array = np.ndarray[Any, Any]


class Model(Params, Recommender):
    """Base of all models: fit, predict, recommend, similar items and users, parameters, files.

    A model of your own is a subclass that stores its hyper-parameters in ``__init__`` (keyword arguments, nothing
    else) and writes two methods:

    - ``_fit(train, context)`` returns the state that `FitContext.state` makes of its parameters;
    - ``_score(users, items, timestamps)`` returns float64 predictions for int32 codes, -1 being unknown; it reads
      parameters as fitted attributes, whose names end in an underscore.

    It may write

    - ``_check_params()``: raise an error that names the hyper-parameter which is out of range;
    - ``_similarity(kind, code)``: similarity of one item or user to all, if they can be compared;
    - ``_products()``: the factors, if a score is a product of factors; lists for many users are then faster.

    Attributes
    ----------
    user_ids_, item_ids_ : ndarray
        Raw ids, ascending; a code is a position in them.
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

    Notes
    -----
    **Threads.** Fitted attributes are read-only. A fit, and `fold_in` and `partial_fit` where a model has them,
    make a new state and exchange one reference; every call that reads the model (`predict`, `recommend`,
    `similar_items`, `save`, ...) reads one state from beginning to end. So any number of threads may read a model
    while one thread updates it; each call sees the model as it was before the update or as it is after it. Two
    threads must not update, or set hyper-parameters of, the same model at the same time: one of the updates would
    be lost. `snapshot` gives several calls the same state.

    Examples
    --------
    >>> import numpy as np
    >>> import cfcore as cf
    >>> class ItemMean(cf.Model):
    ...     def __init__(self, *, damping: float = 5.0) -> None:
    ...         self.damping = damping
    ...
    ...     def _fit(self, train, context):
    ...         sums = np.bincount(train.item_codes, train.values - train.mean, train.n_items)
    ...         return context.state(item_bias=sums / (train.item_counts + self.damping))
    ...
    ...     def _score(self, users, items, timestamps):
    ...         return self.mean_ + np.append(self.item_bias_, 0.0)[items]  # code -1 picks the 0
    >>> model = ItemMean().fit((["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3]))
    >>> float(model.predict("bob", "y"))
    4.0
    """

    random_state: RandomState

    #: Whether ratings to fit must have timestamps.
    needs_timestamps: ClassVar[bool] = False

    #: What a file holds of the model.
    _state_class: ClassVar[type[State]] = ParameterState

    #: What the last fit, `fold_in` or `partial_fit` made; None before the first.
    _state: Any = None

    #: Classes by the name that files give them.
    _registry: ClassVar[dict[str, type[Model]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Model._registry[cls._file_name()] = cls

    # ------------------------------------------------------------------ for subclasses to write

    def _check_params(self) -> None:
        """Raise ValueError or TypeError naming the hyper-parameter that cannot be used."""

    def _fit(self, train: Ratings, context: FitContext) -> State:
        """The state that fits the training ratings; the model itself is not changed."""
        raise NotImplementedError

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for int32 codes (-1: unknown), not clipped: float64[n]."""
        raise NotImplementedError

    def _index(self, train: Ratings) -> None:
        """Make what the fit reads of the index of the ratings: `State` keeps a part of ``by_user`` in any case."""
        train.by_user  # noqa: B018

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """The values that hyper-parameters take for some ratings where they are not given, by the rule of the class.

        Parameters
        ----------
        ratings : Ratings

        Returns
        -------
        dict of str to float
            Empty for models whose defaults are the same for all ratings.
        """
        return {}

    # ------------------------------------------------------------------ the fitted state

    def __getattr__(self, name: str) -> Any:
        # Only names that are found nowhere else arrive here.
        if name.endswith("_") and not name.startswith("_"):
            state = vars(self).get("_state")
            if state is None:
                raise NotFittedError(
                    f"this {type(self).__name__} is not fitted yet, and has no {name}; call fit(ratings) first"
                )
            try:
                return state.public(name[:-1])
            except KeyError:
                pass
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.endswith("_") and not name.startswith("_"):
            raise AttributeError(
                f"{name} is a fitted attribute, which cannot be assigned; model.with_parameters({name[:-1]}=...) "
                "returns a model with other parameters"
            )
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        shown = () if self._state is None else (f"{name}_" for name in type(self._state).__dataclass_fields__)
        return sorted({*super().__dir__(), *shown})

    def snapshot(self) -> Self:
        """Return a model that is this one as it is now, and stays so when this one is updated.

        It shares all arrays, and costs no more than a small object. Calls on it read the same state.
        """
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def with_parameters(self, **parameters: Any) -> Self:
        """Return a model with other parameters; this one stays as it is.

        Parameters
        ----------
        **parameters
            Fitted attributes without the trailing underscore, such as ``item_factors=array``: arrays of the shapes
            that the class documents. On a model that is not fitted all of its parameters, and ``user_ids``,
            ``item_ids`` (ascending) and ``scale``, are needed, so that factors trained elsewhere can be served;
            ``mean`` is then 0 unless given, all ids count as known, and nothing counts as seen.

        Raises
        ------
        TypeError, ValueError
            A name that is no parameter, or arrays that do not fit; the message names them.

        Examples
        --------
        >>> import numpy as np
        >>> import cfcore as cf
        >>> model = cf.Baseline().with_parameters(
        ...     user_ids=np.array(["ann", "bob"]), item_ids=np.array([1, 2]), scale=(1, 5), mean=3.0,
        ...     user_bias=np.array([0.5, -0.5]), item_bias=np.array([1.0, 0.0]),
        ... )
        >>> float(model.predict("ann", 1))
        4.5
        """
        copied = self.snapshot()
        if copied._state is None:
            copied._state = self._state_of(parameters)
        else:
            copied._state = copied._state.replaced(**parameters)
        return copied

    def _state_of(self, parameters: dict[str, Any]) -> State:
        missing = [name for name in ("user_ids", "item_ids", "scale") if name not in parameters]
        if missing:
            raise TypeError(
                f"{type(self).__name__} is not fitted: with_parameters needs all parameters, and {missing[0]}= is "
                "missing"
            )
        n_users, n_items = (len(parameters[name]) for name in ("user_ids", "item_ids"))
        known: dict[str, Any] = {
            "user_counts": np.ones(n_users, dtype=np.int64),
            "item_counts": np.ones(n_items, dtype=np.int64),
            "seen_indptr": np.zeros(n_users + 1, dtype=np.int64),
            "seen_items": np.zeros(0, dtype=np.int32),
            "mean": 0.0,
        }
        scale = tuple(float(end) for end in parameters["scale"])
        context = FitContext(known, type(self).__name__, np.random.default_rng(0))
        state: State = context.state(self._state_class, **{**parameters, "scale": scale})
        return state.verified()

    def is_fitted(self) -> bool:
        """Whether there is a fitted state."""
        return self._state is not None

    def _check_fitted(self) -> None:
        if self._state is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit(ratings) first")

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        vars(self).update(attributes)

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
            there already, the fit goes on from it, and ends with the same bits as an uninterrupted one. It stays when the fit is done: the same fit once more then gives the model at once.

            Data, parameters and versions must be those of the fit that wrote it; `n_threads` and `verbose`
            may differ, `n_epochs` may not (learning rates follow it), and of a Generator as `random_state`
            the state in the file counts. The file replaces the one before it as a whole, so that there is a complete one
            at any moment; delete it to start anew.

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
        **side: Any,
    ) -> Self:
        """The course of every fit; a subclass with more arguments to `fit` hands them on as side information."""
        train = as_ratings(ratings)
        held_out = None if validation is None else as_ratings(validation)
        check_number("early_stopping", early_stopping, 1, integer=True, none=True)
        if early_stopping is not None and held_out is None:
            raise ValueError("early_stopping needs ratings to judge by: fit(..., validation=ratings)")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable or None, not {callback!r}")
        self.check_params()
        self._check_timestamps(train)
        written = None
        if checkpoint is not None:
            params = self.get_params(deep=False)
            identity = identity_of(self._file_name(), params, train, held_out, early_stopping, side)
            written = Checkpoint(checkpoint, identity)
        try:
            context = self._context(
                train,
                validation=held_out,
                patience=early_stopping,
                callback=callback,
                checkpoint=written,
                side=side,
            )
            self._state = self._fit(train, context)
        except (
            BaseException
        ):  # Ctrl-C included: the state of a callback must not pass for that of a whole fit
            self._state = None
            raise
        return self

    def _context(self, train: Ratings, **given: Any) -> FitContext:
        """What `_fit` is given, by the training ratings and hyper-parameters."""
        rng = generator(getattr(self, "random_state", None))
        if given.get("checkpoint") is not None:
            given["checkpoint"].watch(rng)
        self._index(train)
        return FitContext(
            known_of(train), type(self).__name__, rng, getattr(self, "n_threads", None),
            bool(getattr(self, "verbose", False)), publish=self._publish, **given,
        )  # fmt: skip

    def _publish(self, state: State) -> None:
        self._state = state

    def check_params(self) -> None:
        """Raise ValueError or TypeError, naming the hyper-parameter, if one cannot be used; `fit` does so first."""
        # Those that are spelled alike everywhere, where the model has them.
        if hasattr(self, "n_threads"):
            resolve_threads(self.n_threads)
        if hasattr(self, "random_state"):
            generator(self.random_state)
        if hasattr(self, "verbose") and not isinstance(self.verbose, bool):
            check_number("verbose", self.verbose, 0, integer=True)
        self._check_params()

    def _check_timestamps(self, ratings: Ratings) -> None:
        if self.needs_timestamps and ratings.timestamps is None:
            raise DataError(f"{type(self).__name__} needs ratings with timestamps, and these have none")

    # ------------------------------------------------------------------ the interface on codes

    def encode_users(self, users: Any) -> Array:
        """Codes of raw user ids, one or a column: int32[n], -1 for users without training ratings.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Ids of another kind than in training (strings for integers).
        """
        self._check_fitted()
        codes: Array = self._state.users.encode(users)
        return codes

    def encode_items(self, items: Any) -> Array:
        """Codes of raw item ids; as `encode_users`."""
        self._check_fitted()
        codes: Array = self._state.items.encode(items)
        return codes

    def is_known(self, users: Any = None, items: Any = None) -> Array:
        """Which users, which items, or which pairs have training ratings: bool[n].

        Parameters
        ----------
        users, items : array_like or scalar, optional
            Raw ids. With both, a pair is known if its user and its item are.
        """
        here = self.snapshot()
        if users is None and items is None:
            raise TypeError("is_known takes users, items or both")
        known = [here.encode_users(users) >= 0] if users is not None else []
        known += [here.encode_items(items) >= 0] if items is not None else []
        return known[0] if len(known) == 1 else known[0] & known[1]

    def score_codes(self, users: Array, items: Array, timestamps: Array | None = None) -> Array:
        """Predictions for codes, not clipped to the scale.

        Parameters
        ----------
        users, items : ndarray of int32, shape (n,)
            As `encode_users` and `encode_items` give them.
        timestamps : ndarray of int64, shape (n,), optional

        Returns
        -------
        ndarray of float64, shape (n,)

        Notes
        -----
        Codes are valid for one state: encode and score on the same `snapshot` where another thread may update the
        model.
        """
        self._check_fitted()
        return np.asarray(self.snapshot()._score(users, items, timestamps), dtype=np.float64)

    def similarity_row(self, kind: str, code: int) -> Array:
        """Similarity of one item, or user, to all others: float64[n], NaN where they cannot be compared.

        Parameters
        ----------
        kind : {"item", "user"}
        code : int

        Raises
        ------
        TypeError
            The model does not compare items, or users.
        """
        self._check_fitted()
        return np.asarray(self.snapshot()._similarity(kind, code), dtype=np.float64)

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
        here = self.snapshot()
        user_codes, item_codes, times, scalar = here._codes_of_request(users, items, timestamps)
        predictions = here._clipped(user_codes, item_codes, times)
        if scalar and len(predictions) == 1:
            return float(predictions[0])
        given = users if items is None or not is_single(users) else items
        return frames.column_like(given, predictions, "prediction")

    def _codes_of_request(
        self, users: Any, items: Any, timestamps: Any = None
    ) -> tuple[Array, Array, Array | None, bool]:
        """Codes and timestamps of what `predict` was given, and whether that was one user and one item."""
        self._check_fitted()
        known = self._state.users, self._state.items
        if items is not None:
            codes = codes_of_pairs(*known, users, items, timestamps)
            return *codes, is_single(users) and is_single(items)
        if timestamps is not None:
            raise TypeError("predict takes timestamps together with users and items")
        if isinstance(users, Ratings):
            user_codes = known[0].encode(users.user_ids)[users.user_codes]
            return user_codes, known[1].encode(users.item_ids)[users.item_codes], users.timestamps, False
        return *codes_of_pairs(*known, *as_pairs(users)), False

    def _clipped(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes, within the scale (a fresh array, clipped in place)."""
        low, high = self._state.scale
        predictions = np.array(self._score(users, items, timestamps), dtype=np.float64, copy=None)
        if not predictions.flags.writeable:
            predictions = predictions.copy()
        return np.clip(predictions, low, high, out=predictions)

    # ------------------------------------------------------------------ files

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
        here = self.snapshot()
        here._check_fitted()
        codec.write(path, *here._to_file())

    def _to_file(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The header and the arrays that `save` writes."""
        scalars, arrays = self._state.to_file()
        header = {
            "class": self._file_name(),
            "params": codec.to_json(self._file_params()),
            "scalars": codec.to_json(scalars),
            "absent": [name for name, array in arrays.items() if array is None],
        }
        return header, {name: array for name, array in arrays.items() if array is not None}

    def _file_params(self) -> dict[str, Any]:
        """The hyper-parameters that a file holds as JSON."""
        return self.get_params(deep=False)

    @classmethod
    def _from_file(
        cls, header: dict[str, Any], arrays: dict[str, Array], find_class: Callable[[Any], type[Model]]
    ) -> Self:
        """The model that `save` wrote as `header` and `arrays`; `find_class` knows the classes of nested models."""
        model = cls(**codec.from_json(header["params"]))
        held: dict[str, Array | None] = {**arrays, **dict.fromkeys(header["absent"])}
        try:
            model._state = cls._state_class.from_file(codec.from_json(header["scalars"]), held)
        except KeyError as error:
            raise FileFormatError(f"{error.args[0]} is missing") from error
        return model

    def describe(self) -> dict[str, Any]:
        """Class and hyper-parameters, JSON-able; `from_description` makes the unfitted model again."""
        return {"class": self._file_name(), "params": codec.to_json(self._file_params())}

    @classmethod
    def from_description(cls, described: dict[str, Any], find_class: Callable[[Any], type[Model]]) -> Model:
        """The unfitted model that `describe` described; `find_class` finds a class by its name in files."""
        return find_class(described["class"])._of_params(described, find_class)

    @classmethod
    def _of_params(cls, described: dict[str, Any], find_class: Callable[[Any], type[Model]]) -> Model:
        return cls(**codec.from_json(described["params"]))

    @classmethod
    def _file_name(cls) -> str:
        """Name of the class in files: short for cfcore's own, with its module for any other."""
        own = cls.__module__.partition(".")[0] == "cfcore"
        return cls.__name__ if own else f"{cls.__module__}.{cls.__qualname__}"
