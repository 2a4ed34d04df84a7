"""Tasks of trainers whose parts run one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfcore.distributed.fit_tasks import Static, own_threads
from cfcore.models.rbm.trainer import RBMTrainer

__all__ = ["InSequence", "run_parts"]

Array = np.ndarray[Any, Any]


def run_parts(trainer: Static, state: dict[str, Array], parts: Static) -> dict[str, Any]:
    """Run parts of an epoch one after the other.

    Parameters
    ----------
    trainer : Static of InSequence
    state : dict of str to ndarray
        All arrays that an epoch changes; those of the task before, with its "results".
    parts : Static of list

    Returns
    -------
    dict
        These arrays after the parts, and "results" of the parts so far.
    """
    held = trainer.value
    with own_threads() as n_threads:
        held.use_threads(n_threads)
        live = held.arrays()
        for name, array in live.items():
            np.copyto(array, state[name])
        results = [held.trainer.run_part(part) for part in parts.value]
        after = {name: array.copy() for name, array in live.items()}
    return {**after, "results": [*state.get("results", ()), *results]}


class InSequence:
    """A trainer whose parts run one after the other, and what its tasks need of it.

    Parameters
    ----------
    trainer : UserBatchTrainer
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    @classmethod
    def of(cls, trainer: Any) -> InSequence:
        """That of a trainer, by its kind."""
        return MiniBatchSequence(trainer) if isinstance(trainer, RBMTrainer) else cls(trainer)

    def arrays(self) -> dict[str, Array]:
        """All live arrays that an epoch changes."""
        return {**self.trainer.arrays(), **self.trainer.carried()}

    def use_threads(self, n_threads: int) -> None:
        """Have parts use so many threads."""
        self.trainer.batches.use_threads(n_threads)

    def numbers(self) -> float:
        """Numbers that an epoch reads and writes."""
        return float(self.trainer.batches.work)

    def error(self, parts: Sequence[Any], results: Sequence[Any]) -> float:
        """The error of an epoch, from the results of its parts."""
        return float(self.trainer.error(parts, results))


class MiniBatchSequence(InSequence):
    """That of an RBM: sums of squared errors are among the arrays.

    Parameters
    ----------
    trainer : RBMTrainer
    """

    def arrays(self) -> dict[str, Array]:
        """All live arrays that an epoch changes."""
        return {**super().arrays(), "squares": self.trainer.squares}

    def use_threads(self, n_threads: int) -> None:
        """Have parts use so many threads."""
        self.trainer.use_threads(n_threads)

    def numbers(self) -> float:
        """Numbers that an epoch reads and writes."""
        cases = self.trainer.cases
        return float(cases.n_rated * self.trainer.latest.width * cases.n_levels)

    def error(self, parts: Sequence[Any], results: Sequence[Any]) -> float:
        """The error of an epoch."""
        return float(self.trainer.error())
