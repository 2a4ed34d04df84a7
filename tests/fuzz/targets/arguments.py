"""Hyper-parameters of models, and arguments of their methods."""

from __future__ import annotations

import inspect
import warnings
from functools import cache
from typing import Any

import numpy as np

from cfcore.registry import ENTRIES
from tests.fuzz.captured import ratings_of
from tests.fuzz.engine import Stream, Target, Wrong
from tests.fuzz.targets.ratings import ODD, column_of

NUMBERS: tuple[Any, ...] = (
    np.int8(2), np.uint8(2), np.int64(3), np.float32(0.1), np.float64("nan"), np.bool_(True), np.array(2),
    np.array([1, 2]),
    2.0, "2", "auto", "mean", "float64", "float16", 10**400, 0, -1, 1, 2, 3, 0.0, 0.02, 1e-300, 1e30, -0.5,
    (0.1, 0.2), (1,),
)  # fmt: skip
#: Hyper-parameters whose value is the size of the work: no huge ones, which are slow and right.
SIZES = (
    "n_epochs", "n_samples", "burn_in", "n_factors", "n_hidden", "cd_steps", "n_bins", "batch_size",
    "n_folds", "n", "n_chains",
)  # fmt: skip
METHODS = (
    "predict", "preference", "recommend", "similar_items", "similar_users", "fold_in", "partial_fit", "knows",
    "predict_for",
    "recommend_for", "explain",
)  # fmt: skip


@cache
def _models() -> tuple[Any, ...]:
    data, found = ratings_of(6, 6, 20), []
    for entry in ENTRIES:
        if entry.name != "Blend":
            kind = entry.load()
            settings = {**entry.small, **({"n_threads": 1} if "n_threads" in kind.default_params() else {})}
            found += [kind(**settings).fit(data)]
    return tuple(found)


def _value(stream: Stream, name: str) -> Any:
    kind = stream.below(6)
    if kind == 0:
        return stream.pick(ODD)
    if kind == 1:
        return stream.integer() if name not in SIZES else stream.pick((0, 1, -1, 2, 3, -(2**63), np.int8(2)))
    if kind == 2:
        return stream.real()
    if kind == 3:
        return column_of(stream, 3)
    return stream.pick(NUMBERS)


def _bounded(name: str, value: Any) -> Any:
    """Sizes are at most 50, and samples are given: more is right, and slow."""
    if name == "n_samples" and value is None:
        return 50
    try:
        return min(value, 50) if name in SIZES and value > 50 else value
    except Exception:  # of what cannot be compared
        return value


def _fit(stream: Stream) -> None:
    entry = stream.pick(ENTRIES)
    kind = entry.load()
    names = [name for name in inspect.signature(kind).parameters if name != "verbose"]
    given = dict(entry.small)
    if "n_epochs" in names:
        given["n_epochs"] = 2
    for _ in range(stream.pick((1, 1, 2))):
        if names:
            name = stream.pick(names)
            given[name] = _bounded(name, _value(stream, name))
    model = kind(**given).fit(ratings_of(6, 6, 20))
    found = model.predict([0, 1, 99], [100, 101, 7])
    if not np.isfinite(found).all():
        raise Wrong(f"{model!r} predicts {found}")


def _call(stream: Stream) -> None:
    model = stream.pick(_models())
    name = stream.pick([method for method in METHODS if hasattr(model, method)])
    method = getattr(model, name)
    if name in ("fold_in", "partial_fit"):
        model = type(model)(**model.get_params()).fit(ratings_of(6, 6, 20))
        method = getattr(model, name)
    parameters = inspect.signature(method).parameters
    args: list[Any] = [1, 101] if "items" in parameters and name in ("predict", "preference") else [1]
    if name in ("fold_in", "partial_fit", "predict_for", "recommend_for"):
        args = [([1, 77], [101, 102], [4.0, 5.0])]
    if stream.chance(2):
        args = [column_of(stream, 3) for _ in args]
    keywords = [
        key for key, parameter in parameters.items() if parameter.kind == parameter.KEYWORD_ONLY or key == "n"
    ]
    given = {}
    if keywords and stream.chance(2):
        key = stream.pick(keywords)
        given[key] = 10**9 if key == "n" and stream.chance(4) else _value(stream, key)
    found = method(*args, **given)
    if name == "predict" and isinstance(found, np.ndarray) and not np.isfinite(found).all():
        raise Wrong(f"{model!r} predicts {found} for {args!r}")


def run(data: bytes) -> None:
    stream = Stream(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if stream.chance(3):
            _fit(stream)
        else:
            _call(stream)


TARGETS = {"arguments": lambda: Target("arguments", run, weight=4, length=96)}
