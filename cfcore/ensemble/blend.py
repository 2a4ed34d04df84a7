"""`Blend`: several models, weighted by what they predict of ratings that they have not seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from cfcore import metrics
from cfcore.data import Ratings
from cfcore.ensemble import members as parts
from cfcore.ensemble.weights import Weights, fit_weights
from cfcore.errors import NotFittedError
from cfcore.models.core.model import Array, Callback, Model
from cfcore.models.core.params import check_choice, check_number
from cfcore.progress import progress_bar
from cfcore.random import RandomState, generator

METHODS = ("ridge", "feature-weighted", "mean")


class Blend(Model):
    r"""A weighted mean of the predictions of several models.

    .. math:: \hat r_{ui} = a + \sum_m w_m \hat r^{(m)}_{ui}

    The weights are found by regularised least squares on predictions that the models make of training ratings
    they were not fitted to: each model is fitted k times without one fold of k, and then to all ratings.

    Parameters
    ----------
    models : sequence of Model
        They are cloned, and not changed; with ``cv="prefit"`` they are taken as they are.
    method : {"ridge", "feature-weighted", "mean"}, default "ridge"
        "feature-weighted": a and the w depend linearly on the logarithms of the numbers of ratings that user
        and item have (Sill, Takács, Mackey and Lin, "Feature-weighted linear stacking", 2009). "mean": equal
        weights, for which nothing needs to be held out.
    cv : int or "prefit", default 5
        Folds. "prefit": the models are fitted already, perhaps loaded from files, and `fit` is given ratings
        that they have not seen to find the weights by; with "mean", no ratings at all.
    reg : float, optional
        How strongly the weights are drawn toward equal ones. By default it is chosen by cross-validation.
    random_state : int, SeedSequence, Generator or None
        For the folds. Unless None, models whose own `random_state` is None are given seeds drawn from it.
    n_threads : int, optional
        For models whose own `n_threads` is None.
    verbose : int, default 0
        1 shows a progress bar over the fits.

    Attributes
    ----------
    members_ : list of Model
        The fitted models.
    names_ : list of str
        Their names: of the class, in lower case, numbered where there are several. Parameters of a member are
        ``name__parameter`` in `get_params` and `set_params`.
    weights_ : ndarray of float64, shape (n_features, n_members)
        One row; with "feature-weighted" three, for 1 and the two logarithms, scaled.
    intercepts_ : ndarray of float64, shape (n_features,)
    feature_center_, feature_spread_ : ndarray of float64, shape (n_features - 1,)
        The logarithms are scaled to mean 0 and standard deviation 1 over the training ratings.
    reg_ : float
    oof_ : dict
        "rmse" and "mae", each a dict of names to errors of predictions out of fold, and "blend": that of the
        blend, with weights from the other folds. Empty for "mean".
    mean_ : float

    Notes
    -----
    The members' predictions are blended before they are clipped to the scale, and the blend is clipped. Users
    and items unknown to a member are predicted as it predicts unknown ones.

    The penalty is on the distance from equal weights, so that much of it gives the plain mean. `validation`,
    `early_stopping`, `callback` and `checkpoint` of `fit` have no effect.

    `similar_items` and `similar_users` take the mean over the members that compare them.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    >>> blend = cf.Blend([cf.ItemKNN(), cf.SVD(n_factors=8)], random_state=0).fit(ratings)
    >>> blend.weights_.shape
    (1, 2)
    """

    _array_names: ClassVar[tuple[str, ...]] = (
        "weights_", "intercepts_", "feature_center_", "feature_spread_"
    )  # fmt: skip
    _scalar_names: ClassVar[tuple[str, ...]] = ("names_", "reg_", "oof_")

    weights_: Array
    intercepts_: Array
    feature_center_: Array
    feature_spread_: Array
    members_: list[Model]
    names_: list[str]
    reg_: float
    oof_: dict[str, dict[str, float]]

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
        """Return the hyper-parameters; with `deep`, the members by name and theirs as ``name__parameter``."""
        params = super().get_params(deep=False)
        if deep:
            for name, model in parts.named(self.models).items():
                params[name] = model
                params.update({f"{name}__{key}": value for key, value in model.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name, those of members and members themselves too.

        Raises
        ------
        ValueError
            For a name that is no hyper-parameter.
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
        super().set_params(**own)
        if whole:
            members.update(whole)
            self.models = list(members.values())
        for key, value in inner.items():
            name, nested, parameter = key.partition("__")
            if nested:
                members[name].set_params(**{parameter: value})
        return self

    def clone(self) -> Self:
        """Return an unfitted blend of clones; of the same fitted models with ``cv="prefit"``."""
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
        for name, model in members.items():
            if self.cv == "prefit":
                if "user_ids_" not in vars(model):
                    raise NotFittedError(f"{name} is not fitted; cv='prefit' takes fitted models")
                continue
            try:
                model._check_common()
                model._check_params()
            except (TypeError, ValueError) as error:
                raise type(error)(f"{name}__{error}") from error

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        ratings: Any = None,
        *,
        validation: Any = None,
        early_stopping: int | None = None,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Fit the models, and weight them; see `Model.fit`.

        Parameters
        ----------
        ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
            Training ratings. With ``cv="prefit"`` ratings that the models were not fitted to; with
            ``method="mean"`` beside, they may be left out.
        validation, early_stopping, callback, checkpoint
            As for every model; they have no effect.
        """
        if ratings is not None or self.cv != "prefit" or self.method != "mean":
            return self._run(ratings, validation, early_stopping, callback=callback)
        self._check_common()
        self._check_params()
        self._forget()
        self._take_members()
        self._use(Weights.equal(len(self.members_)))
        return self

    def _remember(self, train: Ratings) -> None:
        if self.cv == "prefit":
            self._take_members()
        else:
            super()._remember(train)

    def _take_members(self) -> None:
        """Fitted models as they are, with the users and items that any of them knows."""
        vars(self).update(parts.union(list(self.models)))
        self.members_ = list(self.models)
        self.names_ = list(parts.named(self.models))

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        rng = generator(self.random_state)
        if self.cv == "prefit":
            columns = [self._codes_of(train.user_ids, train.user_codes, "user")]
            columns += [self._codes_of(train.item_ids, train.item_codes, "item")]
            fold = rng.permutation(len(train)) % min(5, len(train))
            predictions = self._of_members(columns[0], columns[1], train.timestamps)
        else:
            self.names_ = list(parts.named(self.models))
            models = [self._prepared(model, rng) for model in self.models]
            folds = min(int(self.cv), len(train)) if self.method != "mean" else 1
            with progress_bar(len(models) * (folds + (folds > 1)), "Blend", self.verbose) as bar:
                fold, predictions = self._out_of_fold(models, train, folds, rng, bar)
                self.members_ = []
                for model in models:
                    self.members_.append(model.clone().fit(train))
                    bar.update(1)
        if self.method == "mean" or len(train) < 2:
            self._use(Weights.equal(len(self.members_)))
            return
        values = train.values.astype(np.float64)
        extra = self._features(train.user_codes, train.item_codes)
        if self.cv == "prefit":
            extra = self._features(columns[0], columns[1])
        weights, blended = fit_weights(predictions, extra, values, fold, self.reg)
        self._use(weights)
        named = dict(zip(self.names_, predictions, strict=True)) | {"blend": blended}
        clipped = {name: np.clip(column, *self.scale_) for name, column in named.items()}
        for measure in (metrics.rmse, metrics.mae):
            self.oof_[measure.__name__] = {name: measure(values, found) for name, found in clipped.items()}

    def _prepared(self, model: Model, rng: np.random.Generator) -> Model:
        """A clone with a seed and a number of threads, where it has none of its own."""
        model = model.clone()
        params = model.get_params(deep=False)
        seed = int(rng.integers(2**32))
        if "random_state" in params and params["random_state"] is None and self.random_state is not None:
            model.set_params(random_state=seed)
        if "n_threads" in params and params["n_threads"] is None and self.n_threads is not None:
            model.set_params(n_threads=self.n_threads)
        return model

    def _out_of_fold(
        self, models: list[Model], train: Ratings, folds: int, rng: np.random.Generator, bar: Any
    ) -> tuple[Array, Array]:
        """Fold of each rating, and what each model predicts when it is fitted without that fold."""
        fold = np.zeros(len(train), dtype=np.int64)
        predictions = np.empty((len(models), len(train)))
        if folds < 2:
            return fold, predictions
        fold[rng.permutation(len(train))] = np.arange(len(train)) % folds
        for k in range(folds):
            rest, held = train.subset(fold != k), train.subset(fold == k)
            for column, model in zip(predictions, models, strict=True):
                fitted = model.clone().fit(rest)
                users = fitted._codes_of(held.user_ids, held.user_codes, "user")
                items = fitted._codes_of(held.item_ids, held.item_codes, "item")
                column[fold == k] = fitted._predict_codes(users, items, held.timestamps)
                bar.update(1)
        return fold, predictions

    def _use(self, weights: Weights) -> None:
        self.weights_, self.intercepts_ = weights.weights, weights.intercepts
        self.feature_center_, self.feature_spread_ = weights.center, weights.spread
        self.reg_ = weights.reg
        self.oof_ = {}

    # ------------------------------------------------------------------ predicting

    def _predict_codes(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        rule = Weights(self.weights_, self.intercepts_, self.feature_center_, self.feature_spread_)
        predictions = self._of_members(users, items, timestamps)
        n_extra = len(self.feature_center_)
        extra = self._features(users, items) if n_extra else np.empty((0, len(users)))
        return rule.combine(predictions, extra)

    def _of_members(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """What each member predicts: float64[n_members, n]."""
        predictions = np.empty((len(self.members_), len(users)))
        for at, member in enumerate(self.members_):
            codes = [
                given if table is None else table[given]
                for given, table in ((users, self._table(at, "user")), (items, self._table(at, "item")))
            ]
            predictions[at] = member._predict_codes(codes[0], codes[1], timestamps)
        return predictions

    def _table(self, at: int, kind: str) -> Array | None:
        """Code here -> code in a member, -1 last and for what is unknown there; None where all are equal."""
        key = f"table_{at}_{kind}"
        if key not in self._cache:
            member, name = self.members_[at], f"{kind}_ids_"
            if getattr(member, name) is getattr(self, name):
                self._cache[key] = member._known(kind)
            else:
                codes = member._codes(getattr(self, name), kind)
                self._cache[key] = np.append(codes, -1).astype(np.int32)
        return self._cache[key]

    def _features(self, users: Array, items: Array) -> Array:
        """Logarithms of 1 + the numbers of ratings; 0 for unknown users and items."""
        if self.method != "feature-weighted":
            return np.empty((0, len(users)))
        # One entry more, which -1 picks.
        known = (np.append(self.user_counts_, 0)[users], np.append(self.item_counts_, 0)[items])
        return np.log1p(np.maximum(np.vstack(known), 0).astype(np.float64))

    def _similarity_to(self, kind: str, code: int) -> Array:
        found = []
        for at, member in enumerate(self.members_):
            table = self._table(at, kind)
            inner = code if table is None else int(table[code])
            try:
                similarities = member._similarity_to(kind, inner) if inner >= 0 else None
            except TypeError:
                continue
            if similarities is None:
                continue
            padded = np.append(np.asarray(similarities, dtype=np.float64), np.nan)
            found.append(padded[:-1] if table is None else padded[table[:-1]])
        if not found:
            return super()._similarity_to(kind, code)
        counts = np.sum([~np.isnan(one) for one in found], axis=0)
        total = np.nansum(found, axis=0)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    # ------------------------------------------------------------------ files

    def _file_params(self) -> dict[str, Any]:
        return {name: value for name, value in self.get_params(deep=False).items() if name != "models"}

    def _to_file(self) -> tuple[dict[str, Any], dict[str, Array]]:
        header, arrays = super()._to_file()
        header["models"] = None if self.cv == "prefit" else [parts.describe(one) for one in self.models]
        header["members"] = []
        for at, member in enumerate(self.members_):
            inner, inner_arrays = member._to_file()
            # What is the blend's own array is not written again.
            inner["shared"] = [name for name, array in inner_arrays.items() if arrays.get(name) is array]
            header["members"].append(inner)
            for name, array in inner_arrays.items():
                if name not in inner["shared"]:
                    arrays[f"{at}/{name}"] = array
        return header, arrays

    @classmethod
    def _from_file(cls, header: dict[str, Any], arrays: dict[str, Array]) -> Self:
        blend = super()._from_file(header, arrays)
        blend.members_ = []
        for at, inner in enumerate(header["members"]):
            mark = f"{at}/"
            own = {name[len(mark) :]: array for name, array in arrays.items() if name.startswith(mark)}
            own |= {name: arrays[name] for name in inner["shared"]}
            blend.members_.append(parts.class_of(inner)._from_file(inner, own))
        described = header["models"]
        blend.models = (
            list(blend.members_) if described is None else [parts.rebuild(one) for one in described]
        )
        return blend
