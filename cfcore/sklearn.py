"""Models as scikit-learn regressors, for its searches and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings
from cfcore.data.checks import readable
from cfcore.data.columns import find_columns, listed
from cfcore.data.frames import is_frame
from cfcore.errors import DataWarning, DuplicateError, warn
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
    duplicates : {"error", "last", "first", "mean"}, default "error"
        Treatment of several ratings of one item by one user, as for `cfcore.Ratings`.
    user, item : str, optional
        Names of the columns of a data frame; by default those with usual names.
    timestamp : str or False, optional
        The same for the times; False: there are none.

    Attributes
    ----------
    model_ : Model
        The fitted model.
    columns_ : tuple of str, or None
        Names of the columns of users, of items and, if there are any, of times; None if X had no names.
    n_features_in_ : int
        Number of columns of X: 2 or 3, or more in a data frame.
    feature_names_in_ : ndarray of object
        Names of the columns of X, if it had names.

    Notes
    -----
    X is an array, of integers, whole floats or strings, with the columns user, item and, if the model uses
    it, time, in this order; or a data frame whose columns are found by name, in any order. Other columns of a
    frame are not used, which is said by a warning. `predict` takes frames with the same names; an array has
    the columns that X had in `fit`. The columns are ids, not features: they must not be scaled or imputed.

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
        user: str | None = None,
        item: str | None = None,
        timestamp: str | bool | None = None,
    ) -> None:
        self.model = model
        self.scale = scale
        self.duplicates = duplicates
        self.user = user
        self.item = item
        self.timestamp = timestamp

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a clone of the model.

        Parameters
        ----------
        X : array_like, shape (n, 2) or (n, 3), or data frame
        y : array_like, shape (n,)

        Raises
        ------
        ValueError
            Columns that are no ids or cannot be found, fewer than 2 or more than 3 columns without names, or
            repeated pairs.

        Warns
        -----
        DataWarning
            Columns of a frame that are not used, or that are taken by position because their names are not
            usual ones.
        """
        if self.model is None:
            from cfcore.models.factorization.svd import SVD

            model: Model = SVD()
        elif isinstance(self.model, Model):
            model = self.model
        else:
            raise TypeError(f"model must be a model of cfcore or None, not {self.model!r}")
        frame = frame_of(X)
        names = names_of(frame)
        if names is None and (self.user, self.item, self.timestamp or None) != (None, None, None):
            raise ValueError("user=, item= and timestamp= name columns of a data frame, and X has no names")
        columns = None if names is None else self._roles(names)
        chosen = X if columns is None else frame.select(list(columns)).to_native()
        checked, y = validate_data(self, chosen, y, dtype=None, y_numeric=True)
        if columns is not None and names is not None:  # all of X, of which `checked` is the part that is used
            self.n_features_in_, self.feature_names_in_ = len(names), np.array(names, dtype=object)
        self.columns_ = columns
        users, items, times = as_columns(checked if frame is None else arrays_of(frame, columns))
        if times is not None and not model.uses_timestamps():
            times = readable(times)
        try:
            ratings = Ratings(users, items, y, times, scale=self.scale, duplicates=self.duplicates)  # type: ignore[arg-type]
        except DuplicateError as error:  # the argument belongs to the constructor
            remedy = 'set_params(duplicates="last"), "first" or "mean" keeps one rating'
            raise DuplicateError(error.problem, remedy) from None
        self.model_ = model.clone().fit(ratings)
        return self

    def predict(self, X: Any) -> Array:
        """Predicted ratings, float64; users and items that were not in `fit` are no error.

        Parameters
        ----------
        X : array_like or data frame
            With the columns, or the names of columns, that it had in `fit`; a frame may have them in another
            order, and others beside them.

        Raises
        ------
        ValueError
            A column of `fit` is missing, or columns are no ids.
        """
        check_is_fitted(self)
        frame = frame_of(X)
        names = names_of(frame)
        if frame is not None and names is not None and self.columns_ is not None:
            missing = [name for name in self.columns_ if name not in names]
            if missing:
                raise ValueError(f"X has no column {missing[0]!r}, which `fit` used; it has {listed(names)}")
            return np.asarray(self.model_.predict(*as_columns(arrays_of(frame, self.columns_))))
        checked = validate_data(self, X, dtype=None, reset=False)
        if self.columns_ is not None:
            places = [list(self.feature_names_in_).index(name) for name in self.columns_]
            checked = np.asarray(checked)[:, places]
        elif names is not None:  # `fit` had no names
            return np.asarray(self.model_.predict(*as_columns(arrays_of(frame, self._roles(names)))))
        return np.asarray(
            self.model_.predict(*as_columns(checked if frame is None else arrays_of(frame, None)))
        )

    def _roles(self, names: list[str]) -> tuple[str, ...]:
        """Names of the columns of users, items and, if there are any, times."""
        given: dict[str, Any] = {"user": self.user, "item": self.item, "timestamp": self.timestamp or None}
        found = find_columns(names, given, "X", needed=())
        if self.timestamp is False:
            found.pop("timestamp", None)
        rest = [name for name in names if name not in found.values()]
        if ("user" in found) != ("item" in found) and len(rest) == 1:
            found["item" if "user" in found else "user"] = rest.pop()
        if "user" in found and "item" in found:
            roles = tuple(found[role] for role in ("user", "item", "timestamp") if role in found)
            unused = [name for name in names if name not in roles]
            if unused:
                warn(
                    f"RatingRegressor does not use the columns {listed(unused)} of X; ids are {roles[0]!r} "
                    f"and {roles[1]!r}" + ("" if len(roles) > 2 else ", and timestamp= names the times"),
                    DataWarning,
                )
            return roles
        if found or len(names) not in (2, 3):
            raise ValueError(
                "X must have the columns user, item and perhaps time, and no names say which they are; it "
                f"has {len(names)} feature(s), {listed(names)}: RatingRegressor(user=..., item=...)"
            )
        warn(
            f"RatingRegressor takes the columns {listed(names)} of X for user, item"
            + (" and time" if len(names) == 3 else "")
            + ", in this order, because no names say which they are; name them: "
            f"RatingRegressor(user={names[0]!r}, item={names[1]!r})",
            DataWarning,
        )
        return tuple(names)


def frame_of(X: Any) -> Any:
    """A data frame of narwhals, lazy ones collected; None for anything else."""
    if not is_frame(X):
        return None
    import narwhals as nw

    frame = nw.from_native(X)
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def names_of(frame: Any) -> list[str] | None:
    """Names of the columns; None without a frame, or if they are numbers."""
    if frame is None or not all(isinstance(name, str) for name in frame.columns):
        return None
    return list(frame.columns)


def arrays_of(frame: Any, names: Sequence[str] | None) -> list[Array]:
    """Columns of a frame, each with its own dtype: those named, or all."""
    return [frame.get_column(name).to_numpy() for name in names or frame.columns]


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
