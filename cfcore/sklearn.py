"""Models as scikit-learn regressors, for its searches and pipelines."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from cfcore.data import Ratings
from cfcore.data.frames import is_frame
from cfcore.models.core.model import Model

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("cfcore.sklearn needs scikit-learn 1.6: pip install 'scikit-learn>=1.6'") from error

__all__ = ["RatingRegressor"]

Array = np.ndarray[Any, Any]


class RatingRegressor(RegressorMixin, BaseEstimator):
    """A model of cfcore with scikit-learn's ``fit(X, y)``.

    Parameters
    ----------
    model : Model, optional
        `cfcore.SVD` by default. Its hyper-parameters are ``model__n_factors`` and so on.
    scale : (min, max), optional
        The least and the greatest possible rating; by default those in y.
    duplicates : {"error", "last", "mean"}, default "error"
        Treatment of several ratings of one item by one user, as for `cfcore.Ratings`.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    n_features_in_ : int
        2 or 3.

    Notes
    -----
    X has the columns user, item and, if the model uses it, time, in this order: an array, of integers, whole
    floats or strings, or a data frame. The columns are ids, not features: they must not be scaled or imputed.

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
    ) -> None:
        self.model = model
        self.scale = scale
        self.duplicates = duplicates

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a clone of the model.

        Parameters
        ----------
        X : array_like or data frame, shape (n, 2) or (n, 3)
        y : array_like, shape (n,)

        Raises
        ------
        ValueError
            Columns that are no ids, fewer than 2 or more than 3 columns, or repeated pairs.
        """
        if self.model is None:
            from cfcore.models.factorization.svd import SVD

            model: Model = SVD()
        elif isinstance(self.model, Model):
            model = self.model
        else:
            raise TypeError(f"model must be a model of cfcore or None, not {self.model!r}")
        raw = columns_of(X)
        X, y = validate_data(self, X, y, dtype=None, y_numeric=True)
        users, items, times = as_columns(X if raw is None else raw)
        ratings = Ratings(
            users,
            items,
            y,
            times,
            scale=self.scale,
            duplicates=self.duplicates,  # type: ignore[arg-type]
        )
        self.model_ = model.clone().fit(ratings)
        return self

    def predict(self, X: Any) -> Array:
        """Predicted ratings, float64; users and items that were not in `fit` are no error."""
        check_is_fitted(self)
        raw = columns_of(X)
        X = validate_data(self, X, dtype=None, reset=False)
        return np.asarray(self.model_.predict(*as_columns(X if raw is None else raw)))


def columns_of(X: Any) -> list[Array] | None:
    """Columns of a data frame each with its own dtype; None for anything else."""
    if not is_frame(X):
        return None
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    return [frame.get_column(name).to_numpy() for name in frame.columns]  # names may be numbers


def as_columns(X: Any) -> tuple[Any, Any, Any]:
    """User ids, item ids and times or None, of columns or of an array."""
    given = X if isinstance(X, list) else list(X.T)
    if len(given) not in (2, 3):
        raise ValueError(
            f"X must have the columns user, item and perhaps time; it has {len(given)} feature(s)"
        )
    names = ("user", "item", "time")
    columns = [whole(name, column) for name, column in zip(names, given, strict=False)]
    return columns[0], columns[1], columns[2] if len(columns) == 3 else None


def whole(name: str, column: Array) -> Array:
    """A column of ids, floats that are whole numbers as integers: arrays of mixed columns are floats."""
    column = np.asarray(column)
    if column.dtype == object:
        column = np.array(column.tolist())
    if column.dtype.kind != "f":
        return column
    if not np.isfinite(column).all() or (column != np.rint(column)).any() or (abs(column) > 2**53).any():
        raise ValueError(f"X: the column of {name} ids holds numbers that are not whole; ids are wanted")
    return column.astype(np.int64)
