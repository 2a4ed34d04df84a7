"""Ranges that `search` varies hyper-parameters in: given by the caller, or those of the registry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cfcore.data import Ratings
from cfcore.models.core.model import Model
from cfcore.registry import BY_NAME

__all__ = ["Space", "check_space", "default_space", "suggest"]

#: (low, high), (low, high, "log") or a list of values, for each hyper-parameter.
Space = Mapping[str, Any]

#: How far around the rule of a class its rates are searched, as a factor.
AROUND = 5.0


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
            f"there are no ranges built in for {type(model).__name__}; give those to vary: "
            "space={'name': (low, high), ...}"
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
        elif key not in ("n_epochs", "power") and value > 0:
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
    known = model.get_params()
    for name, given in space.items():
        if name not in known:
            raise ValueError(f"space: {type(model).__name__} has no hyper-parameter {name!r}")
        if isinstance(given, list):
            if not given:
                raise ValueError(f"space: {name} has no values to try")
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
    return dict(space)


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
