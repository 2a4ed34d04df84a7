"""The algorithms with ``engine="cfcore"``: the same classes, fitted and estimated by cfcore's models."""

from __future__ import annotations

import numbers
import warnings
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

import cfcore as cf
from cfcore.adapters.surprise import baseline_only, knns, matrix_factorization
from cfcore.adapters.surprise.algo_base import AlgoBase
from cfcore.adapters.surprise.batch import Estimates
from cfcore.adapters.surprise.conversion import baseline_of, neighbors_of, svd_of, svdpp_of
from cfcore.adapters.surprise.translation import to_baseline, to_neighbors, to_svd, to_svdpp
from cfcore.data.id_columns import as_id_column
from cfcore.data.ids import factorize
from cfcore.errors import DataError, DataWarning, DuplicateError, NotFittedError

if TYPE_CHECKING:
    from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["ON_CFCORE", "fitted_model", "ratings_of"]

Codes = NDArray[np.int32]


def ratings_of(trainset: Trainset) -> cf.Ratings:
    """The ratings of a training set, with raw ids, as cfcore's models take them.

    Raises
    ------
    DataError
        Raw ids are neither all integers nor all strings.

    Warns
    -----
    DataWarning
        Users rated an item more than once; as cfcore's models take one rating of a pair, it is the last one.
    """
    columns, inner = trainset.columns(), trainset.inner_ids()
    made_of = _made_of(trainset)
    if trainset._for_cfcore.get("made_of") == made_of:
        known: cf.Ratings = trainset._for_cfcore["ratings"]
        return known
    if not len(columns.ratings):
        raise DataError("the training set has no ratings; engine='cfcore' needs at least one")
    least, greatest = map(float, trainset.rating_scale)
    # The scale clips predictions; ratings beyond it are kept, as scikit-surprise does.
    scale = (min(least, columns.ratings.min()), max(greatest, columns.ratings.max()))
    user_ids, users = _vocabulary(inner["users"], columns.n_users, "users")
    item_ids, items = _vocabulary(inner["items"], columns.n_items, "items")
    parts = (users[columns.users], items[columns.items], columns.ratings)
    unique = True
    try:
        found = cf.Ratings(*parts, scale=scale)
    except DuplicateError as error:
        unique = False
        warnings.warn(
            f"engine='cfcore' keeps the last rating of each pair: {error}", DataWarning, stacklevel=5
        )
        found = cf.Ratings(*parts, scale=scale, duplicates="last")
    # Raw ids in place of the numbers, without encoding the columns again.
    ratings = cf.Ratings._new(
        found.user_codes, found.item_codes, found.values, None,
        user_ids[found.user_ids], item_ids[found.item_ids], found.scale, found.column_names,
    )  # fmt: skip
    trainset._for_cfcore = {"made_of": made_of, "ratings": ratings} if unique else {}  # else warn again
    return ratings


def _made_of(trainset: Trainset) -> tuple[Any, ...]:
    """What is compared to see whether a training set has changed; `columns` does that for its ratings."""
    ids = trainset.inner_ids().values()
    return (trainset.columns(), *trainset.rating_scale, trainset.n_users, trainset.n_items, *map(len, ids))


def _vocabulary(inner: dict[Any, int], n: int, kind: str) -> tuple[Any, Codes]:
    """Raw ids in ascending order, and the place there of each inner id."""
    return factorize(_raw(inner, n, kind), kind)


def _raw(inner: dict[Any, int], n: int, kind: str) -> Any:
    """Raw ids by inner id."""
    raw: list[Any] = [None] * n
    for one, number in inner.items():
        raw[number] = one
    kinds = set(map(type, raw))
    if all(issubclass(one, str) for one in kinds):
        return as_id_column(raw, kind)
    if all(issubclass(one, numbers.Integral) for one in kinds):
        return np.array(raw, dtype=np.int64)
    other = next((one for one in raw if not isinstance(one, (str, numbers.Integral))), None)
    found = "are both integers and strings" if other is None else f"are neither, such as {other!r}"
    raise DataError(
        f"engine='cfcore' takes {kind} with raw ids that are all integers or all strings; these {found}. "
        f"Convert the column of the frame by astype(str)"
    )


class OnCfcore:
    """Fitted and estimated by a model of cfcore, which `to_cfcore` returns.

    Attributes
    ----------
    engine : "cfcore"
    model_ : cfcore.Model
    """

    engine = "cfcore"
    trainset: Trainset
    model_: Any
    _user_codes: Codes
    _item_codes: Codes

    def fit(self, trainset: Trainset) -> Self:
        """Fit the model on a training set."""
        AlgoBase.fit(self, trainset)  # type: ignore[arg-type]
        self._keep(_fitted(self, trainset))
        return self

    def _keep(self, model: Any) -> None:
        self.model_ = model
        trainset = self.trainset
        ids, kept = trainset.inner_ids(), trainset._for_cfcore
        if "codes" not in kept:
            codes = (
                model.encode_users(_raw(ids["users"], trainset.n_users, "users")),
                model.encode_items(_raw(ids["items"], trainset.n_items, "items")),
            )
            if kept:  # of the ratings that the model was just fitted on
                kept["codes"] = codes
        else:
            codes = kept["codes"]
        self._user_codes, self._item_codes = codes

    def estimate(self, u: Any, i: Any) -> Any:
        """The model's prediction for a pair of inner ids, not clipped."""
        pair = [
            inner if known(inner) else -1
            for inner, known in ((u, self.trainset.knows_user), (i, self.trainset.knows_item))
        ]
        return np.float64(self._estimates(*np.array(pair, dtype=np.int32)[:, None]).values[0])

    def _estimates(self, users: Codes, items: Codes) -> Estimates:
        scores = self.model_.score_codes(_at(self._user_codes, users), _at(self._item_codes, items))
        return Estimates(np.asarray(scores, dtype=np.float64))

    def to_cfcore(self) -> Any:
        """The fitted model of cfcore; NotFittedError before `fit`."""
        if not hasattr(self, "model_"):
            raise NotFittedError(f"call fit of this {type(self).__name__} before to_cfcore")
        return self.model_


def _at(codes: Codes, inner: Codes) -> Codes:
    """The model's codes of inner ids, -1 for -1."""
    return np.where(inner < 0, np.int32(-1), codes[inner]).astype(np.int32)


class SVD(OnCfcore, matrix_factorization.SVD):
    """`SVD` with ``engine="cfcore"``."""


class SVDpp(OnCfcore, matrix_factorization.SVDpp):
    """`SVDpp` with ``engine="cfcore"``."""


class KNNBasic(OnCfcore, knns.KNNBasic):
    """`KNNBasic` with ``engine="cfcore"``."""


class KNNWithMeans(OnCfcore, knns.KNNWithMeans):
    """`KNNWithMeans` with ``engine="cfcore"``."""


class KNNWithZScore(OnCfcore, knns.KNNWithZScore):
    """`KNNWithZScore` with ``engine="cfcore"``."""


class KNNBaseline(OnCfcore, knns.KNNBaseline):
    """`KNNBaseline` with ``engine="cfcore"``."""


class BaselineOnly(OnCfcore, baseline_only.BaselineOnly):
    """`BaselineOnly` with ``engine="cfcore"``."""


#: The class with this engine of each that has one.
ON_CFCORE: dict[type[Any], type[Any]] = {
    kind.__mro__[2]: kind
    for kind in (SVD, SVDpp, KNNBasic, KNNWithMeans, KNNWithZScore, KNNBaseline, BaselineOnly)
}
_NEIGHBORS = (KNNBasic, KNNWithMeans, KNNWithZScore, KNNBaseline)
_TRANSLATIONS = {
    SVD: to_svd,
    SVDpp: to_svdpp,
    BaselineOnly: to_baseline,
    **dict.fromkeys(_NEIGHBORS, to_neighbors),
}
_CONVERSIONS = {
    SVD: svd_of,
    SVDpp: svdpp_of,
    BaselineOnly: baseline_of,
    **dict.fromkeys(_NEIGHBORS, neighbors_of),
}


def _kind(algo: Any) -> tuple[type[Any], dict[str, Any]]:
    """The class of an algorithm on cfcore, and the defaults of its constructor."""
    original = next(one for one in ON_CFCORE if isinstance(algo, one))
    return ON_CFCORE[original], {name: one.default for name, one in signature(original).parameters.items()}


def _fitted(algo: Any, trainset: Trainset) -> Any:
    """The model of cfcore that an algorithm translates to, fitted."""
    kind, defaults = _kind(algo)
    return _TRANSLATIONS[kind](algo, defaults).fit(ratings_of(trainset))


def fitted_model(algo: Any) -> Any:
    """cfcore's model with the parameters of a fitted algorithm of the engine "surprise".

    Raises
    ------
    NotFittedError
        The algorithm is not fitted.
    TypeError
        cfcore has no model of that name.
    """
    if not any(isinstance(algo, kind) for kind in ON_CFCORE):
        names = ", ".join(kind.__name__ for kind in ON_CFCORE)
        raise TypeError(f"cfcore has no model for {type(algo).__name__}; it has for {names}")
    if not hasattr(algo, "trainset"):
        raise NotFittedError(f"call fit of this {type(algo).__name__} before to_cfcore")
    kind, defaults = _kind(algo)
    trainset, inner = algo.trainset, algo.trainset.inner_ids()
    codes = (
        _vocabulary(inner["users"], trainset.n_users, "users")[1],
        _vocabulary(inner["items"], trainset.n_items, "items")[1],
    )
    return _CONVERSIONS[kind](algo, defaults, ratings_of(trainset), codes)
