"""`Trainer`: one epoch of a model's training, or a part of one for a part of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from cfcore.models.core.state import State

__all__ = ["Trainer"]

Array = np.ndarray[Any, Any]


class Trainer(Protocol):
    """Training data and live parameters, on which `run_epochs` runs epochs. It never refers to the model.

    The division of an epoch into parts depends on the data alone, never on the number of threads or
    processes. A part reads and writes live arrays only. So any process that has made the same trainer (from
    the same ratings, seed and hyper-parameters) and holds the same arrays may run it, to the same bits.
    """

    def epoch(self, k: int) -> float:
        """Run all parts of epoch `k` (from 0), and return the RMSE on the training ratings."""

    def parts(self, k: int) -> Sequence[Any]:
        """Draw the random numbers of epoch `k`, and return its parts in an order in which they may run."""

    def run_part(self, part: Any) -> Any:
        """Run a part; may return the contribution of the part to the error of the epoch."""

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters, not clipped: float64[n]."""

    def arrays(self) -> dict[str, Array]:
        """Live arrays that an epoch changes, under the names of the fields of the state."""

    def carried(self) -> dict[str, Array]:
        """Further live arrays that the next epoch reads, such as velocities."""

    # Two further methods are called where a trainer has them: ``figures()`` returns more entries of the
    # history, lists of numbers so far; ``finished()``, after an epoch, whether training is at its end.
    # A trainer whose live arrays have padding, which `arrays` leaves out, also has a method ``clear()`` that
    # sets all of them to 0: an error that is not finite makes padding NaN.

    def state(self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int) -> State:
        """The state with these arrays, which training no longer writes."""
