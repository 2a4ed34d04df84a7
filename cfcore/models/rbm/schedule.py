"""The course of an RBM's training over its epochs: rates, momentum, Gibbs steps, averaging."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfcore.models.core.params import check_number

#: Kinds of parameters, each with a learning rate of its own: the fields of `records.RBMParameters`.
KINDS = ("weights", "visible_bias", "hidden_bias", "conditional")

#: Last learning rate over the first.
COOLED = 0.1
#: Epochs over which momentum rises from its first value to its last.
RAMP = 5
#: The part of all epochs whose parameters are averaged.
AVERAGED = 0.375

PerKind = float | Mapping[str, float] | None
Steps = int | Sequence[int]


@dataclass(frozen=True)
class Epoch:
    """Rates and steps of one epoch.

    Attributes
    ----------
    lr : tuple of float
        Rates of `KINDS`, not multiplied by 1 - momentum.
    momentum : float
    cd_steps : int
    averaged : int
        Epochs in the average once this one is over, itself included; 0: no averaging yet.
    """

    lr: tuple[float, ...]
    momentum: float
    cd_steps: int
    averaged: int


@dataclass(frozen=True)
class Schedule:
    """Rates and steps of all epochs.

    Attributes
    ----------
    n_epochs : int
    lr : tuple of float
        Rates of `KINDS` in the first epoch.
    lr_decay : float
        Factor on the rates after each epoch.
    momentum : (float, float)
        Of the first epoch, and from epoch `RAMP` on.
    cd_steps : tuple of int
        Gibbs steps of each part of the epochs, the parts being equal.
    average : bool
        Whether the parameters of the last epochs are averaged.
    """

    n_epochs: int
    lr: tuple[float, ...]
    lr_decay: float
    momentum: tuple[float, float]
    cd_steps: tuple[int, ...]
    average: bool

    def of_epoch(self, epoch: int) -> Epoch:
        """Rates and steps of an epoch, counted from 0."""
        slower = self.lr_decay**epoch
        first, last = self.momentum
        part = epoch * len(self.cd_steps) // self.n_epochs
        first_averaged = self.n_epochs - max(1, math.floor(AVERAGED * self.n_epochs))
        return Epoch(
            tuple(rate * slower for rate in self.lr),
            first + (last - first) * min(1.0, epoch / RAMP),
            self.cd_steps[part],
            max(0, epoch + 1 - first_averaged) if self.average else 0,
        )


def schedule_of(
    n_epochs: int,
    lr: PerKind,
    usual: Mapping[str, float],
    lr_decay: float | None,
    momentum: float | Sequence[float],
    cd_steps: Steps,
    average: bool,
) -> Schedule:
    """The schedule of a model's hyper-parameters; `usual` has the rates of kinds that `lr` does not give."""
    decay = COOLED ** (1 / n_epochs) if lr_decay is None else float(lr_decay)
    rates = per_kind(lr, usual)
    return Schedule(n_epochs, rates, decay, pair(momentum), steps(cd_steps), average)


def check_per_kind(name: str, value: Any, *, open_low: bool = False) -> None:
    """Raise unless `value` is None, a number of at least 0, or a dict of such by kind."""
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in KINDS]
        if unknown:
            raise ValueError(f"{name}: unknown kind {unknown[0]!r}; kinds are {', '.join(KINDS)}")
        for kind, rate in value.items():
            check_number(f"{name}[{kind!r}]", rate, 0)
    else:
        check_number(name, value, 0, none=True, open_low=open_low)


def check_steps(name: str, value: Any) -> None:
    """Raise unless `value` is a positive integer or a sequence of such."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if not value:
            raise ValueError(f"{name} must not be empty")
        for steps in value:
            check_number(f"{name}: each", steps, 1, 1000, integer=True)
    else:
        check_number(name, value, 1, 1000, integer=True)


def check_momentum(name: str, value: Any) -> None:
    """Raise unless `value` is a number in [0, 0.99] or a pair of such."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or a pair (first, last), not {value!r}")
        for number in value:
            check_number(f"{name}: each", number, 0, 0.99)
    else:
        check_number(name, value, 0, 0.99)


def per_kind(value: PerKind, usual: Mapping[str, float]) -> tuple[float, ...]:
    """A number for each of `KINDS`: the same for all, or those given, and the usual ones for the rest."""
    if value is None:
        value = {}
    if isinstance(value, Mapping):
        return tuple(float(value.get(kind, usual[kind])) for kind in KINDS)
    return (float(value),) * len(KINDS)


def pair(value: float | Sequence[float]) -> tuple[float, float]:
    """First and last of a ramp."""
    if isinstance(value, numbers.Real):
        return float(value), float(value)
    first, last = value  # type: ignore[misc]
    return float(first), float(last)


def steps(value: Steps) -> tuple[int, ...]:
    """Gibbs steps of each part of the epochs."""
    if isinstance(value, numbers.Integral):
        return (int(value),)
    return tuple(int(step) for step in value)  # type: ignore[union-attr]
