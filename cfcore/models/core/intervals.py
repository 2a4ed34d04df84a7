"""`Intervals`: `predict_interval`."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import frames
from cfcore.data.ids import is_single
from cfcore.models.core.distributions import OF
from cfcore.models.core.ids import check_known
from cfcore.models.core.params import check_choice, check_number
from cfcore.models.core.predicting import Predicting

__all__ = ["Intervals"]


class Intervals(Predicting):
    """Intervals of predictions, of models that have distributions."""

    def predict_interval(
        self,
        users: Any,
        items: Any = None,
        coverage: float = 0.9,
        timestamps: Any = None,
        *,
        given: Any = None,
        of: str = "rating",
        unknown: str = "fallback",
    ) -> Any:
        """Predict intervals that ratings are in.

        Parameters
        ----------
        users, items, timestamps, given, unknown
            As in `predict`.
        coverage : float, default 0.9
            The part of the ratings that are to be in their intervals, between 0 and 1; as many are below as
            are above.
        of : {"rating", "mean"}
            "rating": the interval of a new rating, with the noise of ratings. "mean": that of the mean of the
            ratings that the user may give to the item, which is narrower, and narrower still the more ratings
            of both there are.

        Returns
        -------
        low, high : ndarray of float64, shape (n,); two floats for a scalar user and item
            Within ``scale_``. For frames, or columns of them, columns "low" and "high" of the same library.

        Raises
        ------
        NotFittedError, DataError
            As `predict`.
        ValueError
            A coverage that is not between 0 and 1.
        TypeError
            The model has no distribution of its predictions.

        Notes
        -----
        Ratings are taken as numbers on the continuous scale, and the ends of an interval need not be levels
        of it: a rating r is in its interval if ``low <= r <= high``. Between two levels there is the one more
        or less, but over many pairs the part of the ratings that are covered is `coverage`:
        ``python benchmarks/bayesian.py coverage`` prints it for held-out ratings.

        Examples
        --------
        >>> import cfcore as cf
        >>> ratings = cf.Ratings(["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3])
        >>> model = cf.BayesianSVD(n_factors=2, n_samples=5, burn_in=2, random_state=0).fit(ratings)
        >>> low, high = model.predict_interval(["ann", "eve"], ["x", "x"])
        >>> bool((low <= model.predict(["ann", "eve"], ["x", "x"])).all())
        True
        """
        check_number("coverage", coverage, 0, 1)
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, not {coverage!r}")
        check_choice("of", of, OF)
        check_choice("unknown", unknown, ("fallback", "nan", "error"))
        here, users, items = self._asked_of("predict_interval", users, items, given)
        user_codes, item_codes, times, scalar = here._codes_of_request(users, items, timestamps)
        if unknown == "error":
            check_known(user_codes, item_codes, users, items)
        tail = (1 - coverage) / 2
        low, high = here._quantiles(user_codes, item_codes, times, (tail, 1 - tail), of)
        if unknown == "nan":
            low[(user_codes < 0) | (item_codes < 0)] = high[(user_codes < 0) | (item_codes < 0)] = np.nan
        if scalar and len(low) == 1:
            return float(low[0]), float(high[0])
        column = users if items is None or not is_single(users) else items
        return frames.column_like(column, low, "low"), frames.column_like(column, high, "high")
