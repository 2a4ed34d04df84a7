"""`FoldWeights`: weights of ratings on their way to the fits of folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Duplicates, Ratings
from cfcore.data.ids import encode
from cfcore.errors import DataError, shown
from cfcore.models.core.checkpoint import digest
from cfcore.models.core.model import Model

__all__ = ["FoldWeights"]

Array = np.ndarray[Any, Any]


class FoldWeights:
    """Weights of ratings, of which folds have some.

    Parameters
    ----------
    model : Model
        TypeError if it takes no weights.
    ratings : Ratings or None
        None where the folds bring their own.
    weights : array_like, shape (n_ratings,), or None
    duplicates : str
        What was done with repeated pairs.
    """

    def __init__(self, model: Model, ratings: Ratings | None, weights: Any, duplicates: Duplicates) -> None:
        self.own: Array | None = None
        if weights is None:
            return
        if ratings is None:
            raise ValueError(
                "weights are those of the argument ratings: pass these, and cv that divides them"
            )
        self.own = model._weights_of(ratings, weights, duplicates)
        self.ratings = ratings
        keys = ratings.user_codes * np.int64(ratings.n_items) + ratings.item_codes
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]

    def facts(self) -> dict[str, Any]:
        """A hash of the weights, to tell whether others were given before; nothing without."""
        return {} if self.own is None else {"weights": digest(self.own)}

    def of(self, train: Ratings) -> dict[str, Any]:
        """The weights of some of the ratings, as an argument of `fit`; nothing without weights.

        Raises
        ------
        DataError
            A rating is not among those that weights were given for.
        """
        if self.own is None:
            return {}
        whole = self.ratings
        users, items = (
            codes if own is ids else encode(ids, own, column)[codes]
            for codes, own, ids, column in (
                (train.user_codes, train.user_ids, whole.user_ids, "users"),
                (train.item_codes, train.item_ids, whole.item_ids, "items"),
            )
        )
        keys = users.astype(np.int64) * whole.n_items + items
        at = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        wrong = (self.keys[at] != keys) | (users < 0) | (items < 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"weights: there is none for the rating of item {shown(train.items[row].item())} by user "
                f"{shown(train.users[row].item())}, which a fold has; weights are those of `ratings`"
            )
        return {"weights": self.own[self.order[at]]}
