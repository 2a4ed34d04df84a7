"""Learning rates of the factor models: how they fall over the epochs, and what their rules follow from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from cfcore.data import Ratings

Array = np.ndarray[Any, Any]

#: Ratings looked at together: temporaries of 32 MB.
PIECE = 1 << 22
#: Larger first factors, and learning rates, may be the reason for which training diverges.
USUAL_SCALE, USUAL_LR, MOST_LR = 1.0, 0.1, 1.0


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


def remedy(model: Any, rates: Mapping[str, float]) -> str:
    """What to type where training diverged with these rates of the first epoch."""
    for name, reg in rates.items():
        if name.startswith("reg"):
            lr = rates.get(name.replace("reg", "lr", 1), 0.0)
            if lr * reg >= 1 and lr <= MOST_LR:  # a step that is longer than the parameter
                return f"Try {_argument(model, name, lr, 0.1 / lr)}"
    given = {
        name: rates[name] for name in rates if is_learning_rate(name) and _given(model, name) is not None
    }
    largest = max(given, key=lambda name: given[name], default="lr")
    scale = getattr(model, "init_scale", None)
    if scale is not None and scale > USUAL_SCALE and given.get(largest, 0.0) <= USUAL_LR:
        return "Try init_scale=None, the default"
    if (getattr(model, "lr_decay", None) or 0.0) > 1 and rates.get("lr", 0.0) <= MOST_LR:
        default = type(model).default_params()["lr_decay"]
        return f"Try lr_decay={default}, the default"
    lr = rates[largest]
    if lr > 4 * MOST_LR and largest in given:  # many steps by quarters away from one that trains
        name = largest if hasattr(model, largest) else largest.partition("_")[2]
        return f"Try {name}={type(model).default_params()[name]}, the default"
    return f"Try {_argument(model, largest, lr / 4, rates.get(largest.replace('lr', 'reg', 1), 0.0))}"


def _given(model: Any, name: str) -> Any:
    """The hyper-parameter of a rate if it is given: itself, or the pair of a term of time."""
    if hasattr(model, name):
        return getattr(model, name)
    pair = getattr(model, name.partition("_")[2], None)
    return pair if isinstance(pair, (tuple, list)) else None


def _argument(model: Any, name: str, lr: float, reg: float) -> str:
    """The argument that sets a learning rate or a regularisation: alone, or in the pair of its term."""
    term = name.partition("_")[2]
    if not hasattr(model, name) and term:
        return f"{term}=({lr:.2g}, {reg:.2g})"
    return f"{name}={(lr if is_learning_rate(name) else reg):.2g}"


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
