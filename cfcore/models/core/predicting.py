"""`Predicting`: `predict`, on raw ids in all forms that pairs of users and items come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings, frames, pair_columns
from cfcore.data.ids import is_single
from cfcore.data.names import ARGUMENTS
from cfcore.data.shapes import Columns
from cfcore.errors import DataWarning, warn
from cfcore.models.core.distributions import OF, STATISTICS, Distributed
from cfcore.models.core.given import is_session, user_of
from cfcore.models.core.ids import check_known, codes_of_pairs
from cfcore.models.core.lazily import is_lazy, lazy_predictions
from cfcore.models.core.params import check_choice, check_flag
from cfcore.models.core.single import PLAIN

__all__ = ["Predicting"]

Array = np.ndarray[Any, Any]


class Predicting(Distributed):
    """Predictions of ratings."""

    def predict(
        self,
        users: Any,
        items: Any = None,
        timestamps: Any = None,
        *,
        given: Any = None,
        unknown: str = "fallback",
        return_known: bool = False,
        return_std: bool | str = False,
        statistic: str = "mean",
    ) -> Any:
        """Predict ratings.

        Parameters
        ----------
        users : array_like or scalar
            Raw user ids. Or, as the only argument, pairs: Ratings, DataFrame, scipy sparse matrix,
            (users, items[, values[, timestamps]]), a dict of columns, or rows (a list of tuples, an array
            n x 2, ...). Values are ignored. A Dask DataFrame gives a Dask Series of predictions, which are
            computed partition by partition where they are needed.
        items : array_like or scalar, optional
            Raw item ids. A single user or item is paired with all of the others.
        timestamps : array_like or scalar, optional
            For models whose predictions depend on time; others leave them alone. False: predictions without
            times, also of ratings or frames that have some.
        given : dict of item to rating, or Ratings, DataFrame, (users, items, values), ..., optional
            Ratings of users in place of those of training, for users who are new or in the middle of a
            session. The model stays as it is, items are held, and only these users are known. A dict, or a
            pandas Series with items in its index, has the ratings of one user, or none, and `users` are then
            items: ``predict([12, 15], given={50: 5, 172: 3})``. The last of repeated pairs counts; items
            without training ratings are left out with a warning.
        unknown : {"fallback", "nan", "error"}, default "fallback"
            Predictions of pairs whose user or item has no training ratings: those of the model's fallback,
            NaN, or a DataError that names the first of them. `knows` tells which they are.
        return_known : bool, default False
            Whether to return as well for which pairs both user and item have ratings, those of `given`
            counted: the predictions of the others are fallbacks.
        return_std : bool or {"rating", "mean"}, default False
            Whether to return standard deviations as well, of models that have a distribution of their
            predictions: of a new rating (True or "rating"), noise included; or of the mean of the ratings
            that the user may give ("mean"), which is the less certain the fewer ratings of both there are.
        statistic : {"mean", "median", "mode"}, default "mean"
            What is predicted of the distribution of ratings, of models that have one: its mean (of other
            models, and with "mean" of `RBM` by its `estimate`, their prediction); or the median or the most
            probable one of the levels of the scale, see `predict_proba`.

        Returns
        -------
        predictions : ndarray of float64, shape (n,); a float for a scalar user and item
            Predictions within ``scale_``. Each model documents its fallback for unknown ids. For a
            frame, or columns of one, a column "prediction" of the same library: a Series with the index of
            the frame (pandas), a Series (polars), a ChunkedArray (pyarrow).
        std : ndarray of float64, shape (n,); a float for a scalar user and item
            Only with `return_std`: of distributions that are not clipped to the scale. For a frame a column
            "std" of the same library.
        known : ndarray of bool, shape (n,); a bool for a scalar user and item
            Only with ``return_known=True``; for a frame a column "known" of the same library.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            Unequal lengths, ids of another kind than in training (strings for integers), or unknown ids with
            ``unknown="error"``.
        TypeError
            `return_std` or `statistic`, and the model has no distribution of its predictions.
        """
        plain = return_known is False and return_std is False and statistic == "mean"
        if plain and timestamps is None and type(unknown) is str and unknown == "fallback":
            answer = None
            if given is not None:
                answer = self._quick_predictions(users, given) if items is None else None
            elif type(users) in PLAIN and type(items) in PLAIN:
                answer = self._quick_prediction(users, items)
            if answer is not None:
                return answer
        check_choice("unknown", unknown, ("fallback", "nan", "error"))
        check_flag("return_known", return_known)
        if given is None and is_lazy(users):
            options = {
                "unknown": unknown, "return_known": return_known, "return_std": return_std,
                "statistic": statistic,
            }  # fmt: skip
            self._check_fitted()
            return lazy_predictions(self.snapshot(), users, items, timestamps, options)
        check_choice("statistic", statistic, STATISTICS)
        if not isinstance(return_std, (bool, np.bool_)):
            check_choice("return_std", return_std, (True, False, *OF))
        here, users, items = self._asked_of("predict", users, items, given)
        user_codes, item_codes, times, scalar = here._codes_of_request(users, items, timestamps)
        if unknown == "error":
            check_known(user_codes, item_codes, users, items)
        if statistic == "mean":
            predictions = here._clipped(user_codes, item_codes, times)
        else:
            predictions = here._statistic(user_codes, item_codes, times, statistic)
        known = (user_codes >= 0) & (item_codes >= 0)
        found = {"prediction": predictions}
        if return_std:
            of = return_std if isinstance(return_std, str) else "rating"
            found["std"] = here._deviations(user_codes, item_codes, times, of)
        if unknown == "nan":
            for numbers in found.values():
                numbers[~known] = np.nan
        if return_known:
            found["known"] = known
        if scalar and len(predictions) == 1:
            answers = [numbers[0].item() for numbers in found.values()]
        else:
            column = users if items is None or not is_single(users) else items
            answers = [frames.column_like(column, numbers, name) for name, numbers in found.items()]
        return tuple(answers) if len(answers) > 1 else answers[0]

    def _asked_of(self, method: str, users: Any, items: Any, given: Any) -> tuple[Self, Any, Any]:
        """The model that answers, and the users and items of the arguments of `predict`."""
        if items is None and isinstance(users, Iterator):  # it is read more than once
            users = list(users)
        if given is None:
            return self.snapshot(), users, items
        here, known_users = self._for_users(given)
        if is_session(given):
            if items is not None:
                raise TypeError(f"{method}(items, given={{item: rating, ...}}) takes items, and no users")
            users, items = user_of(given, known_users), users
        return here, users, items

    def _codes_of_request(
        self, users: Any, items: Any, timestamps: Any = None
    ) -> tuple[Array, Array, Array | None, bool]:
        """Codes and timestamps of the arguments of `predict`, and whether they are one user and one item."""
        self._check_fitted()
        known = self._state.users, self._state.items
        timed = timestamps is not False
        if items is not None:
            given = Columns(users, items, None, timestamps if timed else None, ARGUMENTS)
        elif timed and timestamps is not None:
            raise TypeError("predict takes timestamps together with users and items")
        elif isinstance(users, Ratings):
            user_codes = known[0].recode(users.user_ids, users.user_codes)
            item_codes = known[1].recode(users.item_ids, users.item_codes)
            times = users.timestamps if timed else None
            self._warn_untimed(timed and times is None, "give Ratings with timestamps")
            return user_codes, item_codes, times, False
        else:
            given = pair_columns(users, timed=timed)
        single = items is not None and is_single(users) and is_single(items)
        how = "name their column 'timestamp'" if items is None else "pass them as the third argument"
        self._warn_untimed(timed and given.timestamps is None and not single, how)
        return *codes_of_pairs(*known, given, timed=self.uses_timestamps()), single

    def _warn_untimed(self, untimed: bool, how: str) -> None:
        """Mention that a model of times predicts without them."""
        effect = self._untimed()
        if untimed and effect:
            warn(
                f"{type(self).__name__}: there are no timestamps, so that predictions {effect}; {how}, or "
                "timestamps=False in predict",
                DataWarning,
            )

    def _untimed(self) -> str | None:
        """What predictions without times do, to be mentioned; None where they are as with times."""
        return "are for the mean date of each user" if self.uses_timestamps() else None

    def _clipped(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes, within the scale (a fresh array, clipped in place)."""
        low, high = self._state.scale
        predictions = np.array(self._score(users, items, timestamps), dtype=np.float64, copy=None)
        if not predictions.flags.writeable:
            predictions = predictions.copy()
        return np.clip(predictions, low, high, out=predictions)
