"""`GlobalMean`: the mean of the training ratings."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.explaining import Contributions, rated_by
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.given import user_fields
from cfcore.models.core.model import Array, Model
from cfcore.models.core.state import State


class GlobalMean(Model):
    """Predict the mean of the training ratings for every user and item.

    ::

        r̂_ui = μ

    It has no hyper-parameters. Unknown users and items have the same prediction. All scores are equal, so
    `recommend` lists the items with most training ratings first.

    Attributes
    ----------
    mean_ : float
        Mean of the training ratings, summed in double precision.

    Examples
    --------
    >>> import cfcore as cf
    >>> model = cf.GlobalMean().fit((["ann", "ann", "bob"], ["x", "y", "x"], [5, 4, 3]))
    >>> float(model.predict("bob", "y"))
    4.0
    """

    _state_class = State

    def __init__(self) -> None:
        pass

    def _fit(self, train: Ratings, context: FitContext) -> State:
        state: State = context.state(State)  # the mean is one of the fields that every state has
        return state

    def _state_of_users(self, given: Ratings) -> State:
        state: State = dataclasses.replace(self._state, **user_fields(given))
        return state

    def _contributions(self, user: int, item: int, origin: Any) -> Contributions:
        codes, values = rated_by(self._state, user)
        return Contributions(self._state.item_ids[codes], values, np.zeros(len(codes)))

    def _preference_contributions(self, user: int, item: int, origin: Any) -> Contributions:
        return self._contributions(user, item, origin)

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return np.full(len(users), self._state.mean)
