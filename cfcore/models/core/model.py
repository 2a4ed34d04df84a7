"""`Model`: the base class of all models; a subclass adds the equations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from cfcore.data import Duplicates, Ratings, as_ratings
from cfcore.errors import DataError
from cfcore.models.core.checkpoint import Checkpoint, identity_of
from cfcore.models.core.explaining import Explaining
from cfcore.models.core.files import Saved
from cfcore.models.core.fit_context import Callback, FitContext
from cfcore.models.core.forgetting import Forgetting
from cfcore.models.core.hooks import follow
from cfcore.models.core.notebook import model_html
from cfcore.models.core.params import check_number
from cfcore.models.core.recommender import Recommender
from cfcore.models.core.state import State, known_of
from cfcore.models.core.weights import as_weights, weighted_mean
from cfcore.random import RandomState, generator
from cfcore.threads import resolve_threads

__all__ = ["Callback", "Model"]

Array = np.ndarray[Any, Any]


class Model(Saved, Recommender, Explaining, Forgetting):
    """Base of all models: fit, predict, recommend, similar items and users, parameters, files.

    A model of your own is a subclass that stores its hyper-parameters in ``__init__`` (keyword arguments,
    nothing else) and writes two methods:

    - ``_fit(train, context)`` returns the state that `FitContext.state` makes of its parameters;
    - ``_score(users, items, timestamps)`` returns float64 predictions for int32 codes (-1: unknown); it reads
      parameters as fitted attributes, whose names end in an underscore.

    All else has a default. Optional methods for what a model can do beyond are

    - ``_check_params()``: raise an error that names the hyper-parameter which is out of range;
    - ``_similarity(kind, code)``: similarities of one item or user to all, or
      ``_similarity_rows(kind, codes)`` of several, for `similar_items` and `similar_users`;
    - ``_state_of_users(given)``: the state for users whose ratings come with a question, for ``given=``,
      `for_users`, and `explain`, which then leaves one rating out;
    - ``_remaining(kept)``: the state without some users, for `forget` of a model that holds arrays;
    - ``_choice_rows(users)``: how likely each user is to choose each item, for lists by preference (default:
      popularity), and ``_worth(users, items, timestamps)``: the chance that they will be content with it
      (default: from ``_score``). A model that is for lists says ``ranks_by = "preference"``, and
      ``_worth_weight = 0.0`` if its choices are its preferences;
    - ``_predictive(users, items, timestamps)``: distributions (`predictive_codes` lists their methods) for
      standard deviations and intervals; ``_probabilities(users, items, timestamps)``: chances of
      ``levels_``; ``_explorer(exploration)``: a copy that lists by "upper" or "sample" rank by.

    A model that says ``takes_weights = True`` finds the weights of the ratings in ``context.weights``.

    Others have the same answers as these, in less time or term by term: ``_products()``, the factors, if a
    score is a product of factors, for lists for many users; ``_score_pair(user, item)`` and
    ``_session_scores(session)`` for one answer; ``_contributions(user, item, origin)``, the terms of a sum,
    for `explain`. A subclass that writes ``_score`` or ``_choice_rows`` anew has the defaults of those again
    (the table is ``FOLLOWS`` in ``cfcore/models/core/hooks.py``).

    Attributes
    ----------
    user_ids_, item_ids_ : ndarray
        Raw ids, ascending; a code is a position in them.
    user_counts_, item_counts_ : ndarray of int64
        Number of training ratings of each. A code without training ratings is unknown.
    known_users_, known_items_ : ndarray
        Raw ids with training ratings, ascending.
    scale_ : tuple of float
        The lowest and the highest rating; predictions are clipped to them.
    mean_ : float
        Mean of the training ratings.
    rating_step_ : float
        The distance between neighbouring levels of the training ratings, such as 1 or .5; 0 for more than 101
        levels, and for files of version 0.1.0.
    column_names_ : dict of str to str
        Names of the columns of user, item, rating and timestamp in the training ratings; frames of lists have
        the same. A column that had no name has that of its role.
    seen_indptr_, seen_items_ : ndarray of int64, ndarray of int32
        Items of each user in training (compressed rows), for ``exclude_seen``.
    seen_values_ : ndarray of float32, or None
        The ratings of these, for `explain`. None where they are not known: models in files of version 0.1.0,
        and those of parameters that were trained elsewhere (`with_parameters`).
    history_ : dict of str to list of float
        Errors per epoch; empty for models without epochs.
    n_epochs_ : int
        Number of epochs that the parameters were trained for; only models with epochs have it.

    Notes
    -----
    **Threads.** Fitted attributes are read-only. A fit, `forget`, and `fold_in` and `partial_fit` where a
    model has them, make a new state and exchange one reference; every call that reads the model (`predict`,
    `recommend`, `similar_items`, `save`, ...) reads one state from beginning to end. So any number of
    threads may read a model while one thread updates it; each call sees the model as it was before the
    update or as it is after it. Two threads must not update, or set hyper-parameters of, the same model at
    the same time: one of the updates would be lost. `snapshot` gives several calls the same state.

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
    #: Whether ratings to fit may have weights.
    takes_weights: ClassVar[bool] = False

    #: Classes by their names in files.
    _registry: ClassVar[dict[str, type[Model]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Model._registry[cls._file_name()] = cls
        follow(cls)

    def _repr_html_(self) -> str:
        """Hyper-parameters and facts about the fit, for notebooks."""
        return model_html(self)

    # ------------------------------------------------------------------ for subclasses to write

    def _check_params(self) -> None:
        """Raise ValueError or TypeError for an invalid hyper-parameter; the message names it."""

    def _fit(self, train: Ratings, context: FitContext) -> State:
        """Return the state of a fit to the training ratings; the model itself is not changed."""
        raise NotImplementedError

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for int32 codes (-1: unknown), not clipped: float64[n]."""
        raise NotImplementedError

    def _index(self, train: Ratings) -> None:
        """Make the compressed rows that the fit reads; the state keeps arrays of ``by_user``."""
        train.by_user  # noqa: B018

    def defaults_for(self, ratings: Ratings) -> dict[str, float]:
        """Default values of hyper-parameters for some ratings, by the rule of the class.

        Parameters
        ----------
        ratings : Ratings

        Returns
        -------
        dict of str to float
            Empty for models whose defaults are the same for all ratings.
        """
        return {}

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any,
        *columns: Any,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        duplicates: Duplicates = "error",
        weights: Any = None,
        memory_limit: int | str | None = None,
        **others: Any,
    ) -> Self:
        """Fit the model; an earlier fit is discarded.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Training ratings; also a dict of columns, or rows: a list of tuples, an array n x 3, ... Models
            that do not need timestamps leave those out that cannot be read.
        validation : like `ratings`, optional
            Held-out ratings. Models with epochs record the error on them after each epoch in ``history_``;
            others ignore them.
        early_stopping : int, optional
            Epochs without a lower validation error after which training stops; the state of the best epoch is
            kept.
        callback : callable (epochs, history) -> bool or None, optional
            Called by models with epochs after each epoch, with the number of epochs and the errors so far, as
            in ``history_``. Training stops if it returns True. If it raises, the fit ends, and the model is
            unfitted.
        checkpoint : path-like, optional
            File to which models with epochs write their progress after each epoch; others ignore it. If it
            exists, the fit resumes from it, to the same bits as without interruption. It is not removed at
            the end: the same fit, repeated, then returns without training.

            Data, hyper-parameters and versions must be those of the fit that wrote it, except `n_threads`
            and `verbose`; `n_epochs` must be the same because learning rates depend on it. The state of a
            Generator given as `random_state` is taken from the file. Each write replaces the file atomically;
            delete it to start anew.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            What to do when a user rated an item more than once in `ratings` or `validation`: raise an error;
            keep the latest rating (without timestamps the last), the earliest (first), or the mean. `Ratings`
            have each pair once already.
        weights : array_like of float, shape (n_ratings,), optional
            Weight of each rating's squared error, in the order of `ratings`; positive, by default 1. A weight
            of 2 is that of the same rating given twice. `ALS` and `BayesianSVD`, where it multiplies
            the precision of the rating's noise, take weights.
        memory_limit : int or str, optional
            Bytes, or text such as "2GB", that the process may have in memory: large arrays, those of the
            fitted model included, are in files without names; more time, the same bits. By default that of
            ``Ratings.open(folder, memory_limit=...)``, or none. Linux and macOS only.

        Returns
        -------
        self

        Raises
        ------
        DataError
            Invalid ratings; the message names the column and the row. Or a checkpoint of another fit; the
            message names the differences.
        FileFormatError
            The checkpoint is damaged, or the file is not a checkpoint.
        ValueError, TypeError
            A hyper-parameter is out of range; the message names it. After this and `DataError` the model
            keeps its earlier fit. A fit that is interrupted later (Ctrl-C) leaves the model unfitted.
        """
        self._refuse_others(others)
        train, held_out = self._taken(ratings, columns, validation, duplicates)
        own = self._weights_of(train, weights, duplicates)
        return self._run(
            train, held_out, early_stopping, callback=callback, checkpoint=checkpoint, weights=own,
            memory_limit=memory_limit,
        )  # fmt: skip

    def _weights_of(
        self, train: Ratings, weights: Any, duplicates: Duplicates, method: str = "fit"
    ) -> Array | None:
        """The argument `weights` of `fit` or `partial_fit`; TypeError if the model takes none."""
        if weights is None:
            return None
        if not self.takes_weights:
            raise TypeError(
                f"{type(self).__name__}.{method} takes no weights; ALS and BayesianSVD do. Leave out weights="
            )
        return as_weights(weights, len(train), duplicates != "error")

    def _refuse_others(self, others: Mapping[str, Any]) -> None:
        """Raise TypeError for arguments that `fit` of this model does not have, such as features."""
        if not others:
            return
        name = next(iter(others))
        told = f"{type(self).__name__}.fit takes no {name}="
        if name in ("user_features", "item_features"):
            told += "; BayesianSVD takes features, and a Blend for its members that do. Leave it out"
        raise TypeError(told)

    def _refuse_columns(self, method: str, columns: tuple[Any, ...]) -> None:
        """Raise TypeError for users, items and ratings that are given one by one."""
        if columns:
            advice = "; cfcore.sklearn.RatingRegressor takes X and y" if len(columns) == 1 else ""
            raise TypeError(
                f"{type(self).__name__}.{method} takes all ratings as one argument, and got more: "
                f"{method}((users, items, values[, timestamps])){advice}"
            )

    def _taken(
        self, ratings: Any, columns: tuple[Any, ...], validation: Any, duplicates: Duplicates
    ) -> tuple[Ratings, Ratings | None]:
        """Training and held-out ratings of the arguments of `fit`; TypeError for columns one by one."""
        self._refuse_columns("fit", columns)
        train = as_ratings(ratings, duplicates=duplicates, timed=self.uses_timestamps())
        if validation is None:
            return train, None
        return train, as_ratings(validation, duplicates=duplicates, timed=self.uses_timestamps())

    def _run(
        self,
        train: Ratings,
        held_out: Ratings | None,
        early_stopping: int | None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        weights: Array | None = None,
        memory_limit: int | str | None = None,
        **side: Any,
    ) -> Self:
        """Check the arguments and fit; further arguments of a subclass's `fit` are side information."""
        check_number("early_stopping", early_stopping, 1, integer=True, none=True)
        if early_stopping is not None and held_out is None:
            raise ValueError("early_stopping needs held-out ratings: fit(..., validation=ratings)")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable or None, not {callback!r}")
        self.check_params()
        self._check_timestamps(train)
        within = train.within(memory_limit)
        written = None
        if checkpoint is not None:
            params = self.get_params(deep=False)
            extra = side if weights is None else {**side, "weights": weights}
            identity = identity_of(self._file_name(), params, train, held_out, early_stopping, extra)
            written = Checkpoint(checkpoint, identity)
        try:
            with within:
                context = self._context(
                    train,
                    validation=held_out,
                    patience=early_stopping,
                    callback=callback,
                    checkpoint=written,
                    side=side,
                    weights=weights,
                )
                self._state = self._fit(train, context)
        except BaseException:  # also Ctrl-C: a state published for a callback is not that of a whole fit
            self._state = None
            raise
        finally:
            if written is not None:
                written.close()
        return self

    def _context(self, train: Ratings, **given: Any) -> FitContext:
        """The context of a fit to the training ratings with the hyper-parameters of the model."""
        rng = generator(getattr(self, "random_state", None))
        if given.get("checkpoint") is not None:
            given["checkpoint"].watch(rng)
        self._index(train)
        known = known_of(train)
        if given.get("weights") is not None:
            known["mean"] = weighted_mean(train.values, given["weights"])
        return FitContext(
            known, type(self).__name__, rng, getattr(self, "n_threads", None),
            bool(getattr(self, "verbose", False)), publish=self._publish, train=train, **given,
        )  # fmt: skip

    def _publish(self, state: State) -> None:
        self._state = state

    def check_params(self) -> None:
        """Raise ValueError or TypeError, naming the hyper-parameter, for an invalid one, as `fit` does."""
        # Hyper-parameters with the same name and meaning in all models that have them.
        if hasattr(self, "n_threads"):
            resolve_threads(self.n_threads)
        if hasattr(self, "random_state"):
            generator(self.random_state)
        if hasattr(self, "verbose") and not isinstance(self.verbose, bool):
            check_number("verbose", self.verbose, 0, integer=True)
        self._check_params()

    def _n_epochs_planned(self) -> int:
        """Epochs of a fit, for reports of its progress; 30 where they are not known."""
        return int(getattr(self, "n_epochs", None) or 30)

    def uses_timestamps(self) -> bool:
        """Whether fits and predictions depend on time; other models leave out times that cannot be read."""
        return self.needs_timestamps

    def _check_timestamps(self, ratings: Ratings) -> None:
        if self.needs_timestamps and ratings.timestamps is None:
            raise DataError(
                f"{type(self).__name__} needs ratings with timestamps, and these have none: name "
                "their column in Ratings.from_frame(frame, timestamp=...), or pass (users, "
                "items, values, timestamps)"
            )
