"""`Explaining`: which ratings of a user change a prediction, and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.errors import DataError
from cfcore.models.core.given import NewUsers, is_session, session_user
from cfcore.models.core.params import check_number

__all__ = ["Explaining"]

Array = np.ndarray[Any, Any]


class Explaining(NewUsers):
    """Reasons of predictions."""

    def explain(self, user: Any, item: Any, n: int = 5, *, given: Any) -> tuple[Array, Array]:
        r"""Tell which ratings of a user change the prediction for an item, and by how much.

        The effect of a rating is the prediction given all ratings of the user less that without this one,

        .. math:: \hat r_{ui}(R_u) - \hat r_{ui}(R_u \setminus \{r_{uj}\}),

        neither clipped to the scale. Effects do not add up to the prediction where they depend on each other.

        Parameters
        ----------
        user : int or str, or None
            Raw id; None with the ratings of one user.
        item : int or str
            Raw id of an item with training ratings.
        n : int, default 5
            The number of ratings to return.
        given : dict of item to rating, or Ratings, DataFrame, (users, items, values[, timestamps]), ...
            The ratings of the user, as in `predict`; those of others are ignored. (Models do not keep the
            values of training ratings.)

        Returns
        -------
        ids : ndarray, shape (at most n,)
            Raw ids of rated items, by the size of their effects, greatest first.
        effects : ndarray of float64, of the same shape
            On the scale of the ratings: positive where the rating makes the prediction greater.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            No ratings of the user in `given`, or an item without training ratings.

        Notes
        -----
        Costs what `for_users` costs for each rating of the user; of `UserKNN` it is a fit for each.

        Examples
        --------
        >>> import cfcore as cf
        >>> ratings = (["ann", "ann", "bob", "bob", "eve"], ["x", "y", "x", "z", "z"], [5, 4, 3, 2, 4])
        >>> model = cf.Baseline().fit(ratings)
        >>> ids, effects = model.explain(None, "z", given={"x": 5, "y": 2})
        >>> ids.tolist(), (effects > 0).tolist()
        (['y', 'x'], [False, True])
        """
        check_number("n", n, 1, integer=True)
        here = self.snapshot()
        here._check_fitted()
        state = here._state
        code = state.items.encode_one(item)
        if code < 0:
            raise DataError(f"explain: item {item!r} has no training ratings")
        own = here._given_of(user, given)
        everything = here._score_given(own, code)
        effects = np.array([everything - here._score_without(own, row, code) for row in range(len(own))])
        order = np.argsort(-np.abs(effects), kind="stable")[: int(n)]
        return own.items[order], effects[order]

    def _given_of(self, user: Any, given: Any) -> Ratings:
        """The ratings of one user among those given."""
        ratings = self._given_ratings(given, mention=True)
        if is_session(given):
            if user is not None:
                raise TypeError("explain(None, item, given={item: rating, ...}) takes no user")
            user = session_user(self._state.user_ids)
        elif user is None:
            raise TypeError("explain needs the user, unless given= is a dict of item to rating")
        own = ratings.users == user
        if not own.any():
            raise DataError(f"explain: given= has no ratings of user {user!r} that are of known items")
        return ratings.subset(own)

    def _score_given(self, own: Ratings, item: int) -> float:
        """The prediction for the code of an item, not clipped, given the ratings of one user."""
        here, user = self.snapshot(), own.users[0]
        rows = np.zeros(len(own), dtype=np.int32)
        here._state = self._state_of_users(
            from_fields(
                rows, own.item_codes, own.values, own.timestamps, np.array([user]), own.item_ids, own.scale
            )
        )
        return float(here.score_codes(here.encode_users(user), np.array([item], dtype=np.int32))[0])

    def _score_without(self, own: Ratings, row: int, item: int) -> float:
        """The same without one of the ratings."""
        if len(own) > 1:
            return self._score_given(own.subset(np.arange(len(own)) != row), item)
        unknown, items = np.array([-1], dtype=np.int32), np.array([item], dtype=np.int32)
        return float(self.score_codes(unknown, items)[0])
