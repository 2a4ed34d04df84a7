"""`Popularity`: the same list for everybody, most rated items first."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.explaining import Contributions, rated_by
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import user_fields
from cfcore.models.core.means import damped_means
from cfcore.models.core.model import Array, Model
from cfcore.models.core.params import check_number
from cfcore.models.core.single import Session
from cfcore.models.core.state import State, array


@dataclass(frozen=True, eq=False, kw_only=True)
class PopularityState(State):
    """Damped mean errors of items; 0 for those without ratings."""

    item_bias: Array = array("float64", "n_items")


class Popularity(Model):
    """Rank items by the number of their training ratings, for lists to compare others with.

    Its lists (`recommend`) are ranked by preference, which is the number of ratings of the item over that of
    the most rated item. Its predictions are damped means of items,

    ::

        r̂_ui = μ + (Σ_v (r_vi - μ)) / (λ + n_i)

    by which its lists are not sorted.

    Parameters
    ----------
    reg_item : float, default 2.0
        Damping λ of the means, in ratings.

    Attributes
    ----------
    item_bias_ : ndarray of float64, shape (n_items,)
        0 for items without ratings.
    mean_ : float

    Notes
    -----
    The prediction for an unknown item is the mean of all ratings. Users make no difference, unknown ones
    included, except that lists leave out what they rated.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.Popularity().fit((["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3]))
    >>> ids, scores = model.recommend("eve")
    >>> ids.tolist(), scores.tolist()
    (['x', 'y'], [1.0, 0.5])
    """

    _state_class: ClassVar[type[State]] = PopularityState

    ranks_by: ClassVar[str] = "preference"
    _worth_weight = 0.0

    def __init__(self, *, reg_item: float = 2.0) -> None:
        self.reg_item = reg_item

    def _check_params(self) -> None:
        check_number("reg_item", self.reg_item, 0)

    def _fit(self, train: Ratings, context: FitContext) -> PopularityState:
        errors = train.values - float(context.known["mean"])
        bias = damped_means(errors, train.item_codes, train.n_items, self.reg_item)
        state: PopularityState = context.state(PopularityState, item_bias=bias)
        return state

    def _state_of_users(self, given: Ratings) -> PopularityState:
        state: PopularityState = dataclasses.replace(self._state, **user_fields(given))
        return state

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions:
        codes, values = rated_by(self._state, user)
        return Contributions(self._state.item_ids[codes], values, np.zeros(len(codes)))

    def _preference_contributions(self, user: int, item: int, origin: Any) -> Contributions:
        return self._contributions(user, item, origin)

    def _session_scores(self, session: Session) -> Array:
        return self._scores_of_user(-1)  # the same for all users

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        state: PopularityState = self._state
        scores: Array = state.mean + np.append(state.item_bias, 0.0)[items]  # code -1 picks the 0
        return scores
