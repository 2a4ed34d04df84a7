"""Ranges that `search` varies hyper-parameters in: given by the caller, or those of the registry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cfcore.data import Ratings
from cfcore.models.core.model import Model
from cfcore.models.core.params import as_python
from cfcore.registry import BY_NAME

__all__ = ["Grid", "Space", "check_space", "default_space", "is_grid", "suggest"]

#: (low, high), (low, high, "log") or a list of values, for each hyper-parameter.
Space = Mapping[str, Any]

#: How far around the rule of a class its rates are searched, as a factor.
AROUND = 5.0
#: A grid of more combinations is refused.
MOST_POINTS = 100_000


def default_space(model: Model, ratings: Ratings) -> tuple[dict[str, Any], dict[str, Any]]:
    """The built-in ranges for a model, and the class's defaults as a point in them.

    Where a class has a rule for these ratings (of learning rates, for example), the ranges are around its
    values.

    Raises
    ------
    ValueError
        There are none for its class.
    """
    name = next((kind.__name__ for kind in type(model).__mro__ if kind.__name__ in BY_NAME), None)
    if name is None or not BY_NAME[name].space:
        raise ValueError(
            f"there are no ranges built in for {type(model).__name__}; name those to vary with space="
            + (" (of members: itemknn__n_neighbors and such)" if name == "Blend" else "")
        )
    space = dict(BY_NAME[name].space)
    if name == "Baseline" and getattr(model, "method", "als") == "sgd":
        space = {"n_epochs": (5, 60), "lr": (5e-4, 0.1, "log"), "reg": (1e-3, 0.3, "log")}
    defaults = {key: model.default_params()[key] for key in space}
    for key, value in type(model)().defaults_for(ratings).items():
        defaults[key] = value
        if key == "damping":
            space[key] = (0.0, max(0.1, 2 * value))  # more for less data
        elif key == "init_bias":
            space[key] = (0.0, 1.0)
        elif key == "lr_decay":
            space[key] = (0.7, 1.0)
        elif key not in ("n_epochs", "power", "shrinkage") and value > 0:
            space[key] = (value / AROUND, value * AROUND, "log")
    for key, given in space.items():
        if isinstance(given, list) and defaults[key] not in given:
            space[key] = [defaults[key], *given]
    # None stands for a rule, and is a point only where it is among the values to try.
    points = {key for key, given in space.items() if defaults[key] is not None or isinstance(given, list)}
    return space, {key: value for key, value in defaults.items() if key in points}


def check_space(space: Space, model: Model) -> dict[str, Any]:
    """The ranges as a dict, if all are ranges of hyper-parameters of the model.

    Raises
    ------
    ValueError, TypeError
        Naming the hyper-parameter.
    """
    if not isinstance(space, Mapping) or not space:
        raise TypeError(f"space must map names of hyper-parameters to ranges, not {space!r}")
    known, checked = model.get_params(), {}
    for name, given in space.items():
        given = as_python(given)
        if isinstance(given, (np.ndarray, range)):  # np.linspace, range
            given = as_python(list(given))
        checked[name] = given
        if name not in known:
            unset = [each for each in known if known[each] is None and str(name).startswith(f"{each}__")]
            why = f": its {unset[0]} is left to the default; give it a model" if unset else ""
            raise ValueError(f"space: {type(model).__name__} has no hyper-parameter {name!r}{why}")
        if isinstance(given, list):
            if not given:
                raise ValueError(f"space: {name} has no values to try")
            checked[name] = _distinct(given)
            continue
        numbers = given[:2] if isinstance(given, tuple) else ()
        if len(numbers) < 2 or len(given) > 3 or given[2:] not in ((), ("log",)):
            raise TypeError(
                f'space: {name} must be (low, high), (low, high, "log") or a list of values, not {given!r}'
            )
        if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
            raise TypeError(f"space: {name} must lie between numbers, not {given!r}")
        if numbers[0] > numbers[1] or ("log" in given and numbers[0] <= 0):
            raise ValueError(f"space: {name} has the range {given!r}, which is empty or has no logarithms")
    return checked


def _distinct(values: list[Any]) -> list[Any]:
    """The values without repeats, in their order; True is not 1."""
    found: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and _equal(value, other) for other in found):
            found.append(value)
    return found


def _equal(value: Any, other: Any) -> bool:
    try:
        return bool(value == other)
    except (TypeError, ValueError):  # arrays
        return value is other


def is_grid(space: Space) -> bool:
    """Whether all hyper-parameters have lists of values."""
    return all(isinstance(given, list) for given in space.values())


class Grid:
    """The combinations of lists of values."""

    def __init__(self, space: Space, model: Model) -> None:
        self._space = space
        given = model.get_params()
        inside = all(any(type(given[name]) is type(one) and _equal(given[name], one) for one in values)
                     for name, values in space.items())  # fmt: skip
        self._first = coordinates(space, given) if inside else None

    def __len__(self) -> int:
        return math.prod(len(values) for values in self._space.values())

    def order(self, seed: int | None) -> list[dict[str, Any]]:
        """All points as Optuna stores them, that of the model first if it is one: in order, or at random.

        Raises
        ------
        ValueError
            More than `MOST_POINTS`.
        """
        if len(self) > MOST_POINTS:
            raise ValueError(
                f"space: the lists have {len(self):,} combinations, more than {MOST_POINTS:,}; give ranges "
                "(low, high), or fewer values"
            )
        names = list(self._space)
        places = itertools.product(*(range(len(values)) for values in self._space.values()))
        points = [dict(zip(names, place, strict=True)) for place in places]
        if seed is not None:
            points = [points[at] for at in np.random.default_rng(seed).permutation(len(points))]
        if self._first is not None:
            points.remove(self._first)
            points.insert(0, self._first)
        return points


def inside(space: Space, point: Mapping[str, Any]) -> bool:
    """Whether a point has a value in the range of every hyper-parameter."""
    for name, given in space.items():
        if name not in point:
            return False
        value = point[name]
        if isinstance(given, list):
            if value not in given:
                return False
        elif (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or value < given[0]
            or value > given[1]
        ):
            return False
    return True


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """A point of the space, drawn by an Optuna trial."""
    point = {}
    for name, given in space.items():
        log = "log" in given[2:]
        if isinstance(given, list):
            # By position: values need not be what a database can hold.
            point[name] = given[trial.suggest_categorical(name, list(range(len(given))))]
        elif all(isinstance(n, int) for n in given[:2]):
            point[name] = trial.suggest_int(name, given[0], given[1], log=log)
        else:
            point[name] = trial.suggest_float(name, given[0], given[1], log=log)
    return point


def coordinates(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as Optuna stores it."""
    return {
        name: given.index(point[name]) if isinstance(given, list) else point[name]
        for name, given in space.items()
    }
