"""`Blend`: a weighted mean of several models, with weights found on out-of-fold predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import metrics
from cfcore.data import Duplicates, Ratings
from cfcore.ensemble import members as parts
from cfcore.ensemble.base import check_members
from cfcore.ensemble.explaining import ExplainedSum
from cfcore.ensemble.state import BlendState
from cfcore.ensemble.weights import Weights, fit_weights
from cfcore.errors import NotFittedError
from cfcore.models.core.fit_context import Callback, FitContext
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.core.side_tables import given_features, side_for, takes_features
from cfcore.models.core.state import State
from cfcore.progress import progress_bar
from cfcore.random import RandomState, generator

METHODS = ("ridge", "feature-weighted", "mean")


class Blend(ExplainedSum):
    """A weighted mean of the predictions of several models.

    ::

        r̂_ui = a + Σ_m w_m r̂^(m)_ui

    The weights are found by regularised least squares on out-of-fold predictions: each model is fitted k
    times, each time without one of k folds, and predicts that fold. Then it is fitted to all ratings.

    Parameters
    ----------
    models : sequence of Model
        They are cloned, and not changed; with ``cv="prefit"`` snapshots of the fitted models are used.
    method : {"ridge", "feature-weighted", "mean"}, default "ridge"
        "feature-weighted": a and the w depend linearly on the logarithms of the numbers of ratings that user
        and item have (Sill, Takács, Mackey and Lin, "Feature-weighted linear stacking", 2009). "mean": equal
        weights; no ratings are held out.
    cv : int or "prefit", default 5
        Number of folds. "prefit": the models are already fitted, or loaded from files, and `fit` finds the
        weights on ratings that they were not fitted to; with "mean" it needs no ratings.
    reg : float, optional
        Regularisation of the weights toward equal weights; by default chosen by cross-validation.
    random_state : int, SeedSequence, Generator or None
        For the folds. Unless None, models whose own `random_state` is None are given seeds drawn from it.
    n_threads : int, optional
        Number of threads of models whose own `n_threads` is None.
    verbose : int, default 0
        1 shows a progress bar over the fits.

    Attributes
    ----------
    members_ : list of Model
        The fitted models.
    names_ : list of str
        Their names: the class in lower case, numbered if it repeats. Parameters of a member are
        ``name__parameter`` in `get_params` and `set_params`.
    weights_ : ndarray of float64, shape (n_features, n_members)
        One row; with "feature-weighted" three rows, for the constant 1 and the two scaled logarithms.
    intercepts_ : ndarray of float64, shape (n_features,)
    feature_center_, feature_spread_ : ndarray of float64, shape (n_features - 1,)
        Means and standard deviations of the logarithms over the training ratings, by which they are scaled.
    reg_ : float
    oof_ : dict
        For the keys "rmse" and "mae" a dict with the error of each member's out-of-fold predictions, by name,
        and as "blend" that of the blend, with weights from the other folds. Empty for "mean".
    mean_ : float

    Notes
    -----
    The members' predictions are blended before they are clipped to the scale, and the blend is clipped. For
    users and items unknown to a member, its predictions for unknown ones are used.

    The penalty is on the distance from equal weights, so that a large `reg` gives the plain mean.
    `validation`, `early_stopping`, `callback` and `checkpoint` of `fit` have no effect.

    `similar_items` and `similar_users` use mean similarities over the members that have similarities.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    >>> blend = cf.Blend([cf.ItemKNN(), cf.SVD(n_factors=8)], random_state=0).fit(ratings)
    >>> blend.weights_.shape
    (1, 2)
    """

    _state_class: ClassVar[type[State]] = BlendState
    _model_params: ClassVar[tuple[str, ...]] = ("models",)

    def __init__(
        self,
        models: Sequence[Model] = (),
        *,
        method: str = "ridge",
        cv: int | str = 5,
        reg: float | None = None,
        random_state: RandomState = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.models = models
        self.method = method
        self.cv = cv
        self.reg = reg
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    # ------------------------------------------------------------------ hyper-parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the hyper-parameters; with `deep`, also members, and theirs as ``name__parameter``."""
        params = super().get_params(deep=False)
        if deep:
            for name, model in parts.named(self.models).items():
                params[name] = model
                params.update({f"{name}__{key}": value for key, value in model.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters of the blend, hyper-parameters of members, or whole members, by name.

        Parameters
        ----------
        **params
            Values by the names of `get_params`.

        Raises
        ------
        ValueError
            For a name that is no hyper-parameter; nothing is set then.
        TypeError
            For a member that is not a model.
        """
        members = parts.named(params.get("models", self.models))
        whole = {name: value for name, value in params.items() if name in members}
        inner = {key: value for key, value in params.items() if key.partition("__")[0] in members}
        own = {key: value for key, value in params.items() if key not in inner}
        for name, value in whole.items():
            if not isinstance(value, Model):
                raise TypeError(f"{name} must be a model, not {value!r}")
        for key in params:
            self._check_name(key, params)
        super().set_params(**own)
        if whole:
            members.update(whole)
            self.models = list(members.values())
        for key, value in inner.items():
            name, nested, parameter = key.partition("__")
            if nested:
                members[name].set_params(**{parameter: value})
        return self

    def _check_name(self, key: str, given: Mapping[str, Any] = MappingProxyType({})) -> None:
        name, nested, inner = key.partition("__")
        members = parts.named(given.get("models", self.models))
        if name not in members:
            super()._check_name(key, given)
        elif nested:
            given.get(name, members[name])._check_name(inner)

    def _names_of_models(self) -> list[str]:
        return list(parts.named(self.models))

    def clone(self) -> Self:
        """Return an unfitted blend of clones of the models, or of the same models with ``cv="prefit"``."""
        copied = super().clone() if self.cv != "prefit" else type(self)(**self.get_params(deep=False))
        if self.cv != "prefit" and parts.named(self.models):
            copied.models = type(self.models)(model.clone() for model in self.models)  # type: ignore[call-arg]
        return copied

    def _check_params(self) -> None:
        check_choice("method", self.method, METHODS)
        if isinstance(self.cv, str):
            check_choice("cv", self.cv, ("prefit",))
        else:
            check_number("cv", self.cv, 2, integer=True)
        check_number("reg", self.reg, 0, none=True)
        members = parts.named(self.models)
        if not members:
            raise ValueError(f"models must be a list of one model or more, not {self.models!r}")
        if self.cv != "prefit":
            check_members(members)
            return
        for name, model in members.items():
            if not model.is_fitted():
                raise NotFittedError(f"{name} is not fitted; cv='prefit' takes fitted models")

    def _models(self) -> list[Model | None]:
        return list(self.models)

    def _set_models(self, models: list[Model | None]) -> None:
        self.models = [model for model in models if model is not None]

    def _kept_models(self) -> list[Model | None] | None:
        return None if self.cv == "prefit" else self._models()

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any = None,
        *columns: Any,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        user_features: Any = None,
        item_features: Any = None,
        duplicates: Duplicates = "error",
        weights: Any = None,
        memory_limit: int | str | None = None,
        **others: Any,
    ) -> Self:
        """Fit the models and find their weights; see `Model.fit`.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Training ratings. With ``cv="prefit"``, ratings that the models were not fitted to, which may be
            omitted with ``method="mean"``.
        validation, early_stopping, callback, checkpoint
            Accepted as by every model, without effect.
        user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
            Tables for the members that take features, as `BayesianSVD.fit`; TypeError where none does.
        duplicates : {"error", "last", "first", "mean"}, default "error"
            As in `Model.fit`.
        weights : None
            A blend takes no weights of ratings.
        memory_limit : int or str, optional
            As in `Model.fit`.
        """
        self._refuse_others(others)
        if ratings is not None or self.cv != "prefit" or self.method != "mean":
            train, held_out = self._taken(ratings, columns, validation, duplicates)
            self._weights_of(train, weights, duplicates)
            side = self._features(user_features, item_features, train)
            return self._run(
                train, held_out, early_stopping, callback=callback, memory_limit=memory_limit, **side
            )
        self.check_params()
        members = self._prefit_members()
        known = parts.union(members)
        context = FitContext(known, type(self).__name__, generator(self.random_state))
        self._state = self._state_with(context, known, members, Weights.equal(len(members)))
        return self

    def _features(self, users: Any, items: Any, train: Ratings) -> dict[str, Any]:
        """Tables of features, encoded once for all fits."""
        if users is None and items is None:
            return {}
        self.check_params()
        members = list(parts.named(self.models).values())
        takers = [model for model in members if self.cv != "prefit" and takes_features(model)]
        return given_features((takers or members)[0], users, items, train.column_names)

    def _index(self, train: Ratings) -> None:
        if self.cv != "prefit":
            super()._index(train)

    def _prefit_members(self) -> list[Model]:
        """Snapshots of the fitted models."""
        return [model.snapshot() for model in self.models]

    def _fit(self, train: Ratings, context: FitContext) -> BlendState:
        known: dict[str, Any] = {}
        if self.cv == "prefit":
            members = self._prefit_members()
            known = parts.union(members)
            first = self._state_with(context, known, members, Weights.equal(len(members)))
            users = first.users.recode(train.user_ids, train.user_codes)
            items = first.items.recode(train.item_ids, train.item_codes)
            fold = context.rng.permutation(len(train)) % min(5, len(train))
            predictions = first.member_scores(users, items, train.timestamps)
        else:
            users, items = train.user_codes, train.item_codes
            members, fold, predictions = self._fit_members(train, context)
            first = self._state_with(context, known, members, Weights.equal(len(members)))
        if self.method == "mean" or len(train) < 2:
            return first
        values = train.values.astype(np.float64)
        extra = first.features(users, items, self.method == "feature-weighted")
        low, high = first.scale
        unit = (high - low) / 4 or 1.0  # 1 for stars from 1 to 5
        weights, blended = fit_weights(predictions, extra, values, fold, self.reg, unit)
        named = dict(zip(first.names, predictions, strict=True)) | {"blend": blended}
        clipped = {name: np.clip(column, *first.scale) for name, column in named.items()}
        oof = {
            measure.__name__: {name: measure(values, found) for name, found in clipped.items()}
            for measure in (metrics.rmse, metrics.mae)
        }
        return self._state_with(context, known, members, weights, oof)

    def _state_with(
        self,
        context: FitContext,
        known: dict[str, Any],
        members: list[Model],
        weights: Weights,
        oof: dict[str, dict[str, float]] | None = None,
    ) -> BlendState:
        state: BlendState = context.state(
            BlendState, **known, members=tuple(members), names=list(parts.named(self.models)),
            weights=weights.weights, intercepts=weights.intercepts, feature_center=weights.center,
            feature_spread=weights.spread, reg=weights.reg, oof=oof or {},
        )  # fmt: skip
        return state

    def _fit_members(self, train: Ratings, context: FitContext) -> tuple[list[Model], Array, Array]:
        """The members fitted to all ratings, the fold of each rating, and predictions out of fold."""
        models = [self._prepared(model, context.rng) for model in self.models]
        folds = min(int(self.cv), len(train)) if self.method != "mean" else 1
        with progress_bar(len(models) * (folds + (folds > 1)), "Blend", self.verbose) as bar:
            fold, predictions = self._out_of_fold(models, train, folds, context, bar)
            members = []
            for model in models:
                members.append(model.clone().fit(train, **side_for(model, context.side)))
                bar.update(1)
        return members, fold, predictions

    def _out_of_fold(
        self, models: list[Model], train: Ratings, folds: int, context: FitContext, bar: Any
    ) -> tuple[Array, Array]:
        """Fold of each rating, and predictions of each model fitted without that fold."""
        fold = np.zeros(len(train), dtype=np.int64)
        predictions = np.empty((len(models), len(train)))
        if folds < 2:
            return fold, predictions
        fold[context.rng.permutation(len(train))] = np.arange(len(train)) % folds
        for k in range(folds):
            rest, held = train.subset(fold != k), train.subset(fold == k)
            for column, model in zip(predictions, models, strict=True):
                fitted = model.clone().fit(rest, **side_for(model, context.side))
                users = fitted.encode_users(held.user_ids)[held.user_codes]
                items = fitted.encode_items(held.item_ids)[held.item_codes]
                column[fold == k] = fitted.score_codes(users, items, held.timestamps)
                bar.update(1)
        return fold, predictions

    # ------------------------------------------------------------------ predicting

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: BlendState = self._state
        return state.scores(users, items, timestamps)

    def _error_variance(self) -> float:
        """Squared error of the predictions out of fold, which is that of new ratings."""
        error = self._state.oof.get("rmse", {}).get("blend", 0.0)
        return float(error) ** 2 if error > 0 else super()._error_variance()

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        found: Array | None = self._state.similarity_rows(kind, codes)
        return super()._similarity(kind, 0) if found is None else found
