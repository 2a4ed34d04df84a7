"""`FitContext`: the inputs of a fit beside the training ratings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.checkpoint import Checkpoint
from cfcore.models.core.ids import Ids
from cfcore.models.core.state import ParameterState, State

__all__ = ["Callback", "FitContext"]

Array = np.ndarray[Any, Any]

#: Called after each epoch with the number of epochs and the errors so far; True stops the training.
Callback = Callable[[int, dict[str, list[float]]], bool | None]


@dataclass(frozen=True, eq=False)
class FitContext:
    """The inputs of `Model._fit` beside the training ratings. The model does not keep them.

    Attributes
    ----------
    known : dict of str to object
        The fields of `State` that follow from the training ratings.
    name : str
        Name of the model, for progress bars and messages.
    rng : Generator
        For all draws of the fit. A fit that resumes from a checkpoint gets it in its initial state.
    n_threads : int or None
        The model's hyper-parameter.
    verbose : bool
        Whether to show a progress bar.
    validation : Ratings or None
        Held-out ratings.
    patience : int or None
        Epochs without a lower validation error after which training stops.
    callback : callable or None
        Called after each epoch.
    checkpoint : Checkpoint or None
        File to which the training writes its progress after each epoch.
    side : dict of str to object
        Side information: further arguments of `fit`, such as implicit pairs.
    publish : callable (state) -> None, or None
        Makes the state of an epoch visible to readers of the model; called before the callback.
    train : Ratings or None
        The training ratings, on which the parameters of a fit that may have diverged are checked.
    weights : ndarray of float32 or None
        Of the squared error of each training rating, positive; all 1 where None.
    """

    known: Mapping[str, Any]
    name: str
    rng: np.random.Generator
    n_threads: int | None = None
    verbose: bool = False
    validation: Ratings | None = None
    patience: int | None = None
    callback: Callback | None = None
    checkpoint: Checkpoint | None = None
    side: Mapping[str, Any] = field(default_factory=dict)
    publish: Callable[[State], None] | None = None
    train: Ratings | None = None
    weights: Array | None = None

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        scale: tuple[float, float] = self.known["scale"]
        return scale

    @cached_property
    def held_out(self) -> tuple[Array, Array, Array | None, Array] | None:
        """Codes of users and items, timestamps, and float64 values of the validation ratings."""
        if self.validation is None:
            return None
        given = self.validation
        users, items = (
            Ids(kind, self.known[f"{kind}_ids"], self.known[f"{kind}_counts"], self._featured(kind))
            for kind in ("user", "item")
        )
        return (
            users.recode(given.user_ids, given.user_codes),
            items.recode(given.item_ids, given.item_codes),
            given.timestamps,
            given.values.astype(np.float64),
        )

    def _featured(self, kind: str) -> Array | None:
        """Which of the users, or items, are known by features."""
        given = self.side.get(f"{kind}_features")
        return None if given is None else given[1] >= 0

    def state(self, kind: type[State] = ParameterState, /, **fields: Any) -> Any:
        """Make the fitted state.

        Parameters
        ----------
        kind : type
            A subclass of `State`. By default the fields may have any names, and are parameters: arrays,
            numbers, strings, and dicts and tuples of them.
        **fields
            Fields that do not follow from the training ratings, or replace those that do.
        """
        if kind is ParameterState:
            base = {name: fields.pop(name) for name in list(fields) if name in State.__dataclass_fields__}
            return ParameterState(**{**self.known, **base}, parameters=fields)
        return kind(**{**self.known, **fields})
