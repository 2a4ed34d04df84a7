"""Two small models of a user's own, which the tests of the core fit, save and train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.params import check_number
from cfcore.models.core.state import ParameterState, State
from cfcore.models.core.training import run_epochs

Array = np.ndarray[Any, Any]

#: Seven ratings of three users and four items.
DATA = ([1, 1, 2, 2, 3, 3, 3], [10, 20, 10, 30, 20, 30, 40], [5.0, 1.0, 5.0, 3.0, 2.0, 4.0, 5.0])


class ItemMean(cf.Model):
    """The mean and an offset of the item, which may lie outside of the scale."""

    #: The timestamps that `_score` was given last.
    asked: ClassVar[list[Any]] = []

    def __init__(
        self, *, stretch: float = 1.0, inner: Any = None, random_state: Any = None, fail: Any = None
    ) -> None:
        self.stretch = stretch
        self.inner = inner
        self.random_state = random_state
        self.fail = fail

    def _check_params(self) -> None:
        check_number("stretch", self.stretch, 0)

    def _fit(self, train: cf.Ratings, context: FitContext) -> State:
        if self.fail is not None:
            raise self.fail
        sums = np.bincount(train.item_codes, train.values, train.n_items)
        offsets = self.stretch * (sums / np.maximum(train.item_counts, 1) - train.mean)
        state: State = context.state(offsets=offsets, unused=None, note=("fitted", 1, None))
        return state

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        self.asked[:] = [timestamps]
        scores: Array = self.mean_ + np.where(items >= 0, self.offsets_[items], 0)
        return scores

    def _similarity(self, kind: str, code: int) -> Array:
        if kind == "user":
            return super()._similarity(kind, code)
        similarity: Array = -np.abs(self.offsets_ - self.offsets_[code])
        similarity[0] = np.nan
        return similarity


class ScriptedTrainer:
    """Errors and predictions written down beforehand.

    The live array `steps` counts the epochs and `momentum`, which is handed from epoch to epoch, sums their
    numbers; `total` sums the momentum.
    """

    def __init__(self, context: FitContext, errors: Any, predictions: Any = None) -> None:
        self.context, self.errors, self.predictions = context, errors, predictions
        self.steps, self.total, self.momentum = np.zeros(1, dtype=np.int64), np.zeros(1), np.zeros(1)

    def epoch(self, k: int) -> float:
        """Count the epoch."""
        for part in self.parts(k):
            self.run_part(part)
        return float(self.errors[k])

    def parts(self, k: int) -> list[int]:
        """One part."""
        return [k]

    def run_part(self, part: int) -> None:
        """Count."""
        self.steps[0] = part + 1
        self.momentum += part
        self.total += self.momentum

    def predict(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        """The prediction written down for this epoch; 3 for unknown users and items."""
        value = 3.0 if self.predictions is None else self.predictions[self.steps[0] - 1]
        return np.where((users >= 0) & (items >= 0), value, 3.0)

    def arrays(self) -> dict[str, Array]:
        """What the state holds."""
        return {"steps": self.steps, "total": self.total}

    def carried(self) -> dict[str, Array]:
        """What the next epoch needs besides."""
        return {"momentum": self.momentum}

    def state(
        self, arrays: Mapping[str, Array], history: Mapping[str, list[float]], n_epochs: int
    ) -> ParameterState:
        """The state with these arrays."""
        fields: dict[str, Any] = {**arrays, "history": history, "n_epochs": n_epochs}
        state: ParameterState = self.context.state(**fields)
        return state


class Scripted(cf.Model):
    """A model that a `ScriptedTrainer` trains."""

    def __init__(self, errors: Any = (), predictions: Any = None, *, verbose: int = 0) -> None:
        self.errors = errors
        self.predictions = predictions
        self.verbose = verbose

    def _fit(self, train: cf.Ratings, context: FitContext) -> State:
        trainer = ScriptedTrainer(context, self.errors, self.predictions)
        return run_epochs(trainer, context, len(self.errors), lr=0.4)

    def _score(self, users: Array, items: Array, timestamps: Array | None) -> Array:
        return np.full(len(users), float(self.steps_[0]))
