"""Predictions, as `predict` and `test` return them."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Prediction", "PredictionImpossible"]


class PredictionImpossible(Exception):
    """Raised by `estimate` when there is no estimate; the prediction is then `default_prediction()`."""


class _Fields(NamedTuple):
    uid: Any
    iid: Any
    r_ui: Any
    est: Any
    details: Any


class Prediction(_Fields):
    """A rating as predicted.

    Parameters
    ----------
    uid, iid : object
        Raw ids of user and item.
    r_ui : float or None
        The true rating.
    est : float
        The estimated rating.
    details : dict
        ``was_impossible`` (bool), ``reason`` (str) if it was, and the details that `estimate` returned.
    """

    __slots__ = ()

    def __str__(self) -> str:
        true = "None" if self.r_ui is None else f"{self.r_ui:1.2f}"
        ids = f"user: {self.uid!s:<10} item: {self.iid!s:<10}"
        return f"{ids} r_ui = {true}   est = {self.est:1.2f}   {self.details}"


_Fields.__name__ = _Fields.__qualname__ = "Prediction"
