"""The global mean: the floor that every other model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.model import Model


class GlobalMean(Model):
    r"""Predict the mean of the training ratings for every user and item.

    .. math:: \hat r_{ui} = \mu

    It has no hyper-parameters and no seed; unknown users and items get :math:`\mu` too. All items score the
    same, so `recommend` lists the most rated ones first.

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

    def __init__(self) -> None:
        pass

    def _fit(self, train: Ratings, validation: Ratings | None, early_stopping: int | None) -> None:
        """Nothing to do: the mean is one of the fields that every model keeps."""

    def _predict_codes(
        self, users: np.ndarray[Any, Any], items: np.ndarray[Any, Any], timestamps: Any
    ) -> np.ndarray[Any, Any]:
        return np.full(len(users), self.mean_)
