"""Valid calls of every kernel function: what cfcore passes to them while small models are fitted and used."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import itertools
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import cfcore as cf
from cfcore import backends, kernels
from cfcore.kernels import records
from cfcore.models.recommend import top_n
from cfcore.registry import ENTRIES

#: Calls kept of each function.
KEPT = 24
#: Compiled modules whose functions set up the process (files in memory, allocators) and take no records.
OF_PROCESS = {"common.mapped"}

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Call:
    """A call of a kernel function: its arguments by name, records as (class, fields)."""

    kernel: str
    function: str
    arguments: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        return self.kernel, self.function


def kernel_names() -> list[str]:
    """Every module with a stub is a kernel: "factorization.svd", ..."""
    root = Path(kernels.__file__).parent
    names = {".".join(path.relative_to(root).with_suffix("").parts) for path in root.rglob("*.pyi")}
    return sorted(names - OF_PROCESS)


def functions_of(kernel: str) -> dict[str, Callable[..., Any]]:
    module = importlib.import_module(f"cfcore.kernels.{kernel}")
    return {
        name: function
        for name, function in vars(module).items()
        if not name.startswith("_")
        and inspect.isroutine(function)
        and getattr(function, "__module__", module.__name__) == module.__name__
        and inspect.signature(function).parameters
    }


def fields_of(record: records.Record) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.init}


def _kept(value: Any) -> Any:
    """A copy that later calls do not change."""
    if isinstance(value, records.Record):
        return type(value), {name: _kept(held) for name, held in fields_of(value).items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def _shape(value: Any) -> Any:
    """What makes a call worth keeping beside others: kinds, dtypes, and whether arrays are empty."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict):
        return value[0].__name__, *((name, _shape(held)) for name, held in value[1].items())
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.size > 0
    return type(value).__name__


class _Capture:
    """Modules that pass calls on to the compiled kernels, and keep their arguments."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], dict[Any, Call]] = {}
        # A name of its own: modules of backends are looked up once in a process.
        self.package = f"cfcore_capture_{next(_NUMBERS)}"
        for name in kernel_names():
            module = ModuleType(f"{self.package}.{name}")
            compiled = importlib.import_module(f"cfcore.kernels.{name}")
            vars(module).update({key: value for key, value in vars(compiled).items() if key[0] != "_"})
            for function, wrapped in functions_of(name).items():
                setattr(module, function, self._wrap(name, function, wrapped))
            sys.modules[f"{self.package}.{name}"] = module
        # Rooms that are kernels by name have the functions of all their modules.
        for room in {name.rpartition(".")[0] for name in kernel_names()}:
            merged = ModuleType(f"{self.package}.{room}")
            for name in kernel_names():
                if name.rpartition(".")[0] == room:
                    vars(merged).update(
                        {k: v for k, v in vars(sys.modules[f"{self.package}.{name}"]).items() if k[0] != "_"}
                    )
            sys.modules.setdefault(f"{self.package}.{room}", merged)

    def _wrap(self, kernel: str, function: str, wrapped: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(wrapped).parameters)
        held = self.calls.setdefault((kernel, function), {})

        def called(*args: Any, **kwargs: Any) -> Any:
            if len(held) < KEPT:
                given = {**dict(zip(parameters, args, strict=False)), **kwargs}
                arguments = {name: _kept(given[name]) for name in parameters if name in given}
                held.setdefault(tuple(map(_shape, arguments.values())), Call(kernel, function, arguments))
            return wrapped(*args, **kwargs)

        return called


def ratings_of(
    n_users: int = 9, n_items: int = 7, n: int = 40, step: float = 1.0, seed: int = 3
) -> cf.Ratings:
    """A small set; a step of .37 has more than 16 levels."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    values = np.clip(np.round(rng.uniform(1, 5, n) / step) * step, 1, 5)
    times = rng.integers(0, 40, n) * 86_400 + 900_000_000
    return cf.Ratings(cells // n_items, cells % n_items + 100, values.astype(np.float32), times, scale=(1, 5))


VARIATIONS: dict[str, list[dict[str, Any]]] = {
    "ALS": [{}, {"solver": "cg"}],
    "BayesianSVD": [{}, {"likelihood": "ordinal"}],
    "Baseline": [{}, {"method": "sgd"}],
    "ItemKNN": [{}, {"storage": 3}, {"similarity": "pearson", "power": 1.3}, {"similarity": "jaccard"}],
    "UserKNN": [{}, {"storage": 3}, {"similarity": "msd"}],
    "SVD": [{}, {"dtype": "float64"}, {"biased": False, "clip_error": True}],
    "SVDpp": [{}, {"dtype": "float64"}],
    "TimeSVDpp": [{}, {"dtype": "float64"}, {"user_slope": True, "item_weeks": True, "day_bias": False}],
    "RBM": [
        {},
        {"visible": "softmax", "momentum": 0.5, "cd_steps": 2},
        {"conditional": False},
        {"sampler": "pcd"},
    ],
}


def _use_models() -> None:
    """Fit, predict and list with all models, at several settings, on two small sets."""
    for entry in ENTRIES:
        for settings in VARIATIONS.get(entry.name, [{}]):
            for ratings in (ratings_of(), ratings_of(5, 40, 90, 0.37)):
                _use(entry.load(), {**entry.small, **settings}, ratings)


def _use(kind: Any, settings: dict[str, Any], ratings: cf.Ratings) -> None:
    # What one model cannot do is no matter here: `missing` tells of functions without a call.
    with contextlib.suppress(TypeError, ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = kind(**settings).fit(ratings)
        model.predict(ratings)
        user, item = ratings.user_ids[0].item(), ratings.item_ids[0].item()
        model.recommend(user, n=3)  # before items are laid out for many users
        model.recommend(ratings.user_ids, n=3)
        model.predict(user, item)
        model.predict([item], given={item: 3})
        for given in ({item: 3}, dict.fromkeys(ratings.item_ids.tolist(), 3)):
            model.recommend(given=given, n=3)
        for update in ("fold_in", "partial_fit"):
            if hasattr(model, update):
                getattr(model, update)(ratings_of(4, 4, 9, seed=5))
        model.predict_interval(ratings)


def _by_hand(capture: _Capture) -> None:
    """Calls of functions that models reach only with larger data, or never."""
    f8, i4, i8, f4 = np.float64, np.int32, np.int64, np.float32
    made = {name: sys.modules[f"{capture.package}.{name}"] for name in kernel_names()}
    rows = records.RatingRows(np.array([0, 2, 3], i8), np.array([0, 1, 1], i4), np.array([1, 2, 3], f4), 2)
    biases = records.Biases(np.zeros(2), np.zeros(2), 2.0)
    made["factorization.baseline"].squared_error(rows, biases, np.zeros(2), 1)
    made["factorization.baseline"].solve(rows, biases, 1.0, 1)
    made["common.rng"].philox(np.zeros((3, 4), np.uint32), np.zeros((3, 4), np.uint32), 5)
    csr, sets, text = made["tables.csr"], made["tables.sets"], made["tables.text"]
    codes, order, other = np.array([1, 0, 1, 2], i4), np.empty(4, i4), np.empty(4, i8)
    for found in (order, other):
        indptr = np.empty(4, i8)
        csr.counting_sort(codes, indptr, found)
        csr.counting_sort_after(codes, found, np.empty(4, i8), np.empty_like(found))
        csr.first_repeat(codes, indptr, found, np.empty(3, found.dtype))
        csr.invert(found, np.empty_like(found))
        for dtype in (i4, i8, f4, f8):
            csr.take(np.arange(4, dtype=dtype), found, np.empty(4, dtype))
    starts = np.array([0, 1, 3, 4], i8)
    sets.scatter(codes, np.arange(4, dtype=i4), starts, np.empty(4, i4), (0, 4))
    sets.transpose(np.array([0, 2, 4], i8), np.array([0, 1, 1, 2], i4), starts, np.empty(4, i4), (0, 2))
    content = b"1,2,3.5,7\n 3 , 4,5e-1,9.0\r\n\n5,6,1,2\n"
    layout = np.array([1, 2, 3, 4], i4)
    for given in (content, np.frombuffer(content, np.uint8)):
        columns = [np.empty(4, i8), np.empty(4, i8), np.empty(4, f4), np.empty(4, i8)]
        text.parse_ratings(given, layout, *columns, ",", 0)
        starts, lengths = np.empty((2, 4), i8), np.empty((2, 4), i4)
        made["tables.tokens"].locate_fields(given, np.array([0, -1, 1], i4), starts, lengths, ",", 0)
        begins, sizes = starts[0, :3].copy(), lengths[0, :3].copy()
        made["tables.tokens"].group_tokens(
            given, begins, sizes, np.empty(3, i4), np.empty(3, i4), np.empty(8, i4)
        )
    made["top_n.products"].scratch_sizes(40, 16, 8, 16, 3)


def calls() -> dict[tuple[str, str], list[Call]]:
    """Kernel and function -> valid calls; none for one that neither models nor `_by_hand` reach."""
    capture = _Capture()
    backends.BACKENDS[capture.package] = capture.package
    many, top_n.MANY = top_n.MANY, 1
    empty, np.empty = np.empty, np.zeros  # so that an input is the same in every run
    try:
        with backends.backend(capture.package):
            _use_models()
        _by_hand(capture)
    finally:
        top_n.MANY, np.empty = many, empty
        del backends.BACKENDS[capture.package]
    return {key: list(held.values()) for key, held in capture.calls.items()}


def missing() -> list[str]:
    """Functions without a call, which the target `kernels` does not test; there must be none."""
    found = calls()
    return [f"{kernel}.{function}" for (kernel, function), held in found.items() if not held]
