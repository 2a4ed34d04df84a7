"""Learning rates of the factor models: how they fall over the epochs, and what their rules follow from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings

Array = np.ndarray[Any, Any]

#: Ratings looked at together: temporaries of 32 MB.
PIECE = 1 << 22


class DecayingRates:
    """Rates of a fit: learning rates of the first epoch, which fall by the same factor after each.

    Base of frozen dataclasses with a field for each rate. Learning rates have names that begin with "lr",
    regularisation has names that begin with "reg".

    Attributes
    ----------
    n_epochs : int
    lr_decay : float
        Factor on all learning rates after each epoch.
    """

    n_epochs: int
    lr_decay: float

    def in_epoch(self, k: int) -> Self:
        """The same with the learning rates of epoch `k` (from 0)."""
        factor = self.lr_decay**k
        given = {
            name: value * factor if is_learning_rate(name) else value for name, value in vars(self).items()
        }
        return type(self)(**given)

    def after(self, n_epochs: int) -> dict[str, float]:
        """``rates_``: learning rates of the last epoch, regularisation, and `init_bias` if it is not 0."""
        last = vars(self.in_epoch(max(n_epochs - 1, 0)))
        return {
            name: float(value)
            for name, value in last.items()
            if is_learning_rate(name) or name.startswith("reg") or (name == "init_bias" and value)
        }

    @classmethod
    def going_on(cls, rates: Mapping[str, float]) -> Self:
        """The rates of `partial_fit`: those of the last epoch, for all epochs."""
        names = cls.__dataclass_fields__  # type: ignore[attr-defined]
        own = {name: rates[name] for name in names if name in rates}
        own |= {"n_epochs": 1, "lr_decay": 1.0, "init_scale": 0.0, "init_bias": 0.0}
        return cls(**own)


def is_learning_rate(name: str) -> bool:
    """Whether a rate of that name falls over the epochs."""
    return name.startswith("lr") and name != "lr_decay"


def decay_and_total(n_epochs: int, lr_decay: float | None, last: float) -> tuple[float, float]:
    """Factor on learning rates after each epoch, and the sum of those of all epochs in units of the first.

    Without `lr_decay`, a learning rate falls to the part `last` of the first.
    """
    decay = last ** (1 / n_epochs) if lr_decay is None else float(lr_decay)
    return decay, float(np.sum(decay ** np.arange(n_epochs)))


def density_and_spread(train: Ratings) -> tuple[float, float]:
    """Ratings per user and item that has any, and their standard deviation (1 if all are equal).

    The rules for learning rates and regularisation follow from both.
    """
    n_rows = np.count_nonzero(train.user_counts) + np.count_nonzero(train.item_counts)
    return len(train) / n_rows, standard_deviation(train.values) or 1.0


def standard_deviation(values: Array, piece_size: int = PIECE) -> float:
    """``np.std`` in double, in pieces: its temporaries would be as large as the ratings."""
    if len(values) <= piece_size:
        return float(np.std(values, dtype=np.float64))
    pieces = [slice(start, start + piece_size) for start in range(0, len(values), piece_size)]
    mean = sum(float(np.sum(values[piece], dtype=np.float64)) for piece in pieces) / len(values)
    squares = sum(float(np.sum(np.square(values[piece].astype(np.float64) - mean))) for piece in pieces)
    return (squares / len(values)) ** 0.5
