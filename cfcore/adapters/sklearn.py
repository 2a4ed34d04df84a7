"""`RatingRegressor`: a model of cfcore as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from cfcore.adapters.sklearn_checks import expected_failed_checks
from cfcore.adapters.sklearn_columns import Layout, frame_of, layout_of, names_of, present
from cfcore.adapters.sklearn_rows import Pairs, factors_of, pairs_of, weighted_rows, weights_of
from cfcore.data import Ratings
from cfcore.errors import DuplicateError
from cfcore.models.core.model import Model
from cfcore.models.core.side_tables import takes_features

try:
    from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
    from sklearn.metrics import r2_score
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("cfcore.sklearn needs scikit-learn 1.6: pip install 'scikit-learn>=1.6'") from error

__all__ = ["RatingRegressor", "expected_failed_checks"]

Array = np.ndarray[Any, Any]


class RatingRegressor(RegressorMixin, TransformerMixin, BaseEstimator):
    """A model of cfcore with scikit-learn's ``fit(X, y)``, `predict` and `transform`.

    Parameters
    ----------
    model : Model, optional
        `cfcore.SVD` by default. Its hyper-parameters are ``model__n_factors`` and so on.
    scale : (min, max), optional
        The least and the greatest possible rating; by default those in y.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        Treatment of several ratings of one item by one user, as for `cfcore.Ratings`.
    user, item : str or int, optional
        Names of the columns of a data frame, or positions; by default those with usual names, or else the
        first two.
    timestamp : str, int or False, optional
        The same for the times; False: there are none.
    user_columns, item_columns : str, int, list of them, slice or callable, optional
        Columns of X that describe the user, or the item, of each row, for models that take features
        (`BayesianSVD`): numbers, categories, lists of categories, or what a column transformer made of them.
        A callable gets X, as `sklearn.compose.make_column_selector`. All rows of a user must have the same.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    columns_ : tuple of str, or None
        Names of the columns of users, of items and, if there are any, of times; None if X had no names.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of object
        Names of the columns of X, if it had names.

    Notes
    -----
    X is an array, of integers, whole floats or strings, with the columns user, item and, if the model uses
    it, time, in this order; or a data frame whose columns are found by name, in any order, also behind the
    prefix of a column transformer (``remainder__userId``). Other columns of a frame are not used, which is
    said by a warning. `predict` takes frames with the same names; an array has the columns that X had in
    `fit`. The columns are ids, not numbers: they must not be scaled or imputed. X is dense: a column
    transformer needs ``sparse_threshold=0``.

    **Metadata.** `sample_weight`, `timestamps`, `user_features` and `item_features` are arguments of the
    methods, which scikit-learn routes where asked to
    (``RatingRegressor(...).set_fit_request(timestamps=True)``). Scorers other than `score` call `predict`
    with X alone; times and features that they need are columns of X.

    **Checks.** `expected_failed_checks` lists scikit-learn's checks of estimators that are not for ids, with
    reasons.

    Examples
    --------
    >>> import cfcore as cf
    >>> X, y = [[1, 10], [1, 11], [2, 10]], [5, 4, 3]
    >>> cf.sklearn.RatingRegressor(cf.Baseline()).fit(X, y).predict([[2, 11]]).shape
    (1,)
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        scale: tuple[float, float] | None = None,
        duplicates: str = "error",
        user: str | int | None = None,
        item: str | int | None = None,
        timestamp: str | int | bool | None = None,
        user_columns: Any = None,
        item_columns: Any = None,
    ) -> None:
        self.model = model
        self.scale = scale
        self.duplicates = duplicates
        self.user = user
        self.item = item
        self.timestamp = timestamp
        self.user_columns = user_columns
        self.item_columns = item_columns

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        timestamps: Any = None,
        user_features: Any = None,
        item_features: Any = None,
    ) -> Self:
        """Fit a clone of the model.

        Parameters
        ----------
        X : array_like, shape (n, 2), (n, 3) or with columns of features, or data frame
        y : array_like, shape (n,)
        sample_weight : array_like of float, shape (n,), optional
            Weights of the ratings, as ``weights`` of `Model.fit`, for models that take them (`ALS`,
            `BayesianSVD`). Rows of weight 0 are left out.
        timestamps : array_like, shape (n,), optional
            Times of the ratings, in place of a column of X.
        user_features, item_features : optional
            Features of users and of items, in place of columns of X: a table with a column of ids, in all
            forms that ``fit(..., user_features=)`` of `BayesianSVD` takes; or an array, a sparse matrix or a
            frame without ids, with a row for each row of X.

        Raises
        ------
        ValueError
            Columns that are no ids or cannot be found, fewer than 2 or more than 3 columns without names, or
            repeated pairs.
        TypeError
            Weights or features, and a model that takes none.

        Warns
        -----
        DataWarning
            Columns of a frame that are not used, or that are taken by position because their names are not
            usual ones.
        """
        model = self._given_model()
        frame = frame_of(X)
        names = names_of(frame)
        features = self.user_columns is not None or self.item_columns is not None
        finite = {"dtype": None, "ensure_all_finite": not features}
        if frame is None:
            checked, y = validate_data(self, X, y, y_numeric=True, **finite)
            source, layout = checked, layout_of(self, checked, None, checked.shape[1])
        else:
            source, layout = frame, layout_of(self, X, names, len(frame.columns))
            chosen = X if names is None else frame.select(list(layout.ids)).to_native()
            _, y = validate_data(self, chosen, y, y_numeric=True, **finite)
            if names is not None:  # all of X, of which only a part is checked
                self.n_features_in_, self.feature_names_in_ = len(names), np.array(names, dtype=object)
        self.columns_ = None if names is None else layout.ids
        self._layout = layout
        given = {"user": user_features, "item": item_features}
        weights = weights_of(sample_weight, len(y), model)
        pairs = pairs_of(source, layout, timestamps, given, model.uses_timestamps())
        if pairs.tables and not takes_features(model):
            asked = " and ".join(
                f"{name}= or {name.replace('features', 'columns')}=" for name in pairs.tables
            )
            raise TypeError(
                f"{type(model).__name__} takes no features, leave out {asked}; BayesianSVD takes them, and a "
                "Blend for its members that do"
            )
        columns = [pairs.users, pairs.items, y, pairs.times]
        options = pairs.tables
        if weights is not None:
            *columns, weights = weighted_rows(columns, weights, self.duplicates)
            options = {**options, "weights": weights}
        try:
            ratings = Ratings(*columns, scale=self.scale, duplicates=self.duplicates)  # type: ignore[arg-type]
        except DuplicateError as error:  # the argument belongs to the constructor
            remedy = 'set_params(duplicates="last"), "first" or "mean" keeps one rating'
            raise DuplicateError(error.problem, remedy) from None
        self.model_ = model.clone().fit(ratings, **options)
        return self

    def predict(
        self, X: Any, timestamps: Any = None, user_features: Any = None, item_features: Any = None
    ) -> Array:
        """Predicted ratings, float64; users and items that were not in `fit` are no error.

        Parameters
        ----------
        X : array_like or data frame
            With the columns, or the names of columns, that it had in `fit`; a frame may have them in another
            order, and others beside them.
        timestamps, user_features, item_features
            As in `fit`; features count for users and items without ratings in `fit`.

        Raises
        ------
        ValueError
            A column of `fit` is missing, or columns are no ids.
        """
        model, pairs = self._asked(X, timestamps, user_features, item_features)
        return np.asarray(model.predict(pairs.users, pairs.items, pairs.times))

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        timestamps: Any = None,
        user_features: Any = None,
        item_features: Any = None,
    ) -> float:
        """The coefficient of determination R² of the predictions.

        Parameters
        ----------
        X, timestamps, user_features, item_features
            As of `predict`.
        y : array_like, shape (n,)
        sample_weight : array_like of float, shape (n,), optional
        """
        predicted = self.predict(X, timestamps, user_features, item_features)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def transform(
        self, X: Any, timestamps: Any = None, user_features: Any = None, item_features: Any = None
    ) -> Any:
        """What the model knows of each pair, as columns for another estimator.

        Parameters
        ----------
        X, timestamps, user_features, item_features
            As of `predict`.

        Returns
        -------
        ndarray of float64, shape (n, n_columns), or a frame after ``set_output(transform="pandas")``
            The prediction, the numbers of training ratings of user and item, and, of models whose predictions
            are products of factors, these; zeros for unknown users and items. `get_feature_names_out` has the
            names.

        Notes
        -----
        Predictions of the rows of the fit are better than those of others. An estimator that learns from
        them trusts them too much: fit it on other rows.
        """
        model, pairs = self._asked(X, timestamps, user_features, item_features)
        users, items = model.encode_users(pairs.users), model.encode_items(pairs.items)
        columns = [np.asarray(model.predict(pairs.users, pairs.items, pairs.times))]
        columns += [np.append(model.user_counts_, 0)[users], np.append(model.item_counts_, 0)[items]]
        parts = [np.column_stack(columns).astype(np.float64)]
        for rows, codes in zip(factors_of(model), (users, items), strict=False):
            parts.append(np.where(codes[:, None] >= 0, rows[codes], 0.0))
        return np.hstack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns of `transform`.

        Parameters
        ----------
        input_features : ignored
        """
        check_is_fitted(self)
        names = ["prediction", "user_count", "item_count"]
        for kind, rows in zip(("user", "item"), factors_of(self.model_), strict=False):
            names += [f"{kind}_factor{at}" for at in range(rows.shape[1])]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        tags.regressor_tags.poor_score = True  # of linear functions of the ids
        tags.non_deterministic = getattr(self.model, "random_state", 0) is None or self.model is None
        return tags

    def _given_model(self) -> Model:
        if self.model is None:
            from cfcore.models.factorization.svd import SVD

            return SVD()
        if isinstance(self.model, Model):
            return self.model
        raise TypeError(f"model must be a model of cfcore or None, not {self.model!r}")

    def _asked(self, X: Any, timestamps: Any, users: Any, items: Any) -> tuple[Any, Pairs]:
        """The model and the pairs that `predict` and `transform` are asked for."""
        check_is_fitted(self)
        frame = frame_of(X)
        names, layout = names_of(frame), self._layout
        if names is not None and self.columns_ is not None:
            source, layout = frame, present(layout, names)
        else:
            finite = not layout.user_features and not layout.item_features
            checked = validate_data(self, X, dtype=None, reset=False, ensure_all_finite=finite)
            source = checked if frame is None else frame
            if self.columns_ is not None:
                source, every = np.asarray(checked), list(self.feature_names_in_)
                layout = Layout(*(tuple(every.index(name) for name in group) for group in layout))
            elif names is not None:  # `fit` had no names
                layout = layout_of(self, X, names, len(names))
        given = {"user": users, "item": items}
        pairs = pairs_of(source, layout, timestamps, given, self.model_.uses_timestamps())
        model = self.model_
        if pairs.tables:
            if not hasattr(model, "with_features"):
                model = model.snapshot()  # a blend knows the features of its fit only
            else:
                model = model.with_features(**pairs.tables)
        return model, pairs
