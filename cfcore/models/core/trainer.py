"""`Trainer`: one epoch of a model's training, or a part of one for a part of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from cfcore.models.core.state import State

__all__ = ["Trainer"]

Array = np.ndarray[Any, Any]


class Trainer(Protocol):
    """What the loop over epochs drives. It knows the training data and the live parameters, never the model.

    An epoch is cut into parts by the data alone, never by the number of threads or processes. A part reads
    and writes live arrays only; so any process that has made the same trainer (from the same ratings, seed
    and hyper-parameters) and holds the same arrays may run it, to the same bits.
    """

    def epoch(self, k: int) -> float:
        """Run all parts of epoch `k` (from 0). Returns the root mean square training error."""

    def parts(self, k: int) -> Sequence[Any]:
        """The parts of epoch `k`, in an order in which they may run; draws the random numbers of it."""

    def run_part(self, part: Any) -> Any:
        """Run a part. A trainer may return what the error of the epoch is made of."""

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """Predictions for codes by the live parameters, not clipped: float64[n]."""

    def arrays(self) -> dict[str, Array]:
        """Live arrays that an epoch changes, under the names of the fields of the state."""

    def carried(self) -> dict[str, Array]:
        """Further live arrays that an epoch hands on to the next, such as velocities."""

    def state(self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int) -> State:
        """The state with these arrays, which are no longer written."""
