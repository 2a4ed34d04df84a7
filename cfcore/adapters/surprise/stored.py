"""Algorithms, training sets and predictions as JSON and arrays: what `dump` writes in place of pickles."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

import cfcore
from cfcore.adapters.surprise.columns import Columns
from cfcore.adapters.surprise.engine import ENGINES, on_engine
from cfcore.adapters.surprise.predictions import Prediction
from cfcore.adapters.surprise.stored_shapes import check_arrays
from cfcore.adapters.surprise.trainset import Trainset
from cfcore.codec import from_json, to_json
from cfcore.models.core.model import Model
from cfcore.tensor_file import NAMES

__all__ = ["ALGORITHMS", "Restoring", "Storing", "is_built_in"]

Arrays = dict[str, "np.ndarray[Any, Any]"]

#: Where the algorithms are that a file may name; nothing else is ever made.
ALGORITHMS = {
    "BaselineOnly": "baseline_only",
    "CoClustering": "co_clustering",
    "KNNBaseline": "knns",
    "KNNBasic": "knns",
    "KNNWithMeans": "knns",
    "KNNWithZScore": "knns",
    "NMF": "matrix_factorization",
    "NormalPredictor": "random_pred",
    "SVD": "matrix_factorization",
    "SVDpp": "matrix_factorization",
    "SlopeOne": "slope_one",
}
#: Types of numbers that a column may hold side by side.
_NUMBERS: tuple[Any, ...] = (np.float64, float, int)
#: Attributes that algorithms make again.
_DERIVED = ("_kept",)
_ROOM = __name__.rpartition(".")[0]


def _class(name: str, engine: str) -> type[Any]:
    kind: type[Any] = getattr(import_module(f"{_ROOM}.{ALGORITHMS[name]}"), name)
    return kind if engine == "surprise" else on_engine(kind, engine)


def _engine(algo: Any) -> str:
    return str(getattr(algo, "engine", "surprise"))


def is_built_in(algo: Any) -> bool:
    """Whether this is an algorithm of `ALGORITHMS`, and not of a subclass."""
    name = type(algo).__name__
    return name in ALGORITHMS and type(algo) is _class(name, _engine(algo))


# ---------------------------------------------------------------------- to JSON and arrays


class Storing:
    """Values as JSON, and the arrays beside; an object that is met twice is written once.

    Attributes
    ----------
    arrays : dict of str to ndarray
        To be given to `codec.write`.
    """

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self._known: dict[
            int, tuple[Any, Any]
        ] = {}  # by address: the object, which is kept alive, and its entry

    def algorithm(self, algo: Any) -> dict[str, Any]:
        """An algorithm of `ALGORITHMS`; TypeError for a value of another type than those of built-in ones."""
        own = {name: self.value(value, name) for name, value in vars(algo).items() if name not in _DERIVED}
        return {"class": type(algo).__name__, "engine": _engine(algo), "attributes": own}

    def value(self, value: Any, name: str) -> Any:
        """Any attribute of a built-in algorithm."""
        if value is None or (
            isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)
        ):
            return value
        if isinstance(value, list) and set(map(type, value)) == {np.float64}:
            return {"$float64s": self._array(np.array(value), name)}
        if isinstance(value, (list, tuple)):
            kind = "$list" if isinstance(value, list) else "$tuple"
            return {kind: [self.value(entry, name) for entry in value]}
        if isinstance(value, dict):
            return {"$dict": [[self.value(part, name) for part in pair] for pair in value.items()]}
        if isinstance(value, np.generic):
            return {"$scalar": self._array(np.asarray(value), name)}
        kept = self._known.get(id(value))
        if kept is None:
            kept = self._known[id(value)] = (value, self._object(value, name))
        return kept[1]

    def _object(self, value: Any, name: str) -> Any:
        if isinstance(value, np.ndarray):
            return {"$array": self._array(value, name)}
        if type(value) is Trainset:
            return {"$trainset": self.trainset(value)}
        if isinstance(value, Model):
            file = io.BytesIO()
            value.save(file)
            return {"$model": self._array(np.frombuffer(file.getvalue(), dtype=np.uint8), name)}
        if isinstance(value, np.random.RandomState):
            _, key, position, has_gauss, gauss = value.get_state()
            return {"$random_state": [self._array(key, name), int(position), int(has_gauss), float(gauss)]}
        raise TypeError(f"{name}: {type(value).__name__} objects are stored by a pickle only")

    def _array(self, array: Any, name: str) -> str:
        if array.dtype.newbyteorder("<").str not in NAMES:
            raise TypeError(f"{name}: arrays of {array.dtype} are stored by a pickle only")
        entry = f"{len(self.arrays)}:{name}"
        self.arrays[entry] = array
        return entry

    def trainset(self, trainset: Trainset) -> dict[str, Any]:
        """A training set: its columns, and raw ids by inner ids."""
        columns = trainset.columns()
        return {
            "sizes": [trainset.n_users, trainset.n_items, int(trainset.n_ratings)],
            "rating_scale": [self.value(limit, "rating_scale") for limit in trainset.rating_scale],
            "ids": {kind: self._numbered(ids, kind) for kind, ids in trainset.inner_ids().items()},
            "columns": {
                name: self._array(array, name)
                for name, array in vars(columns).items()
                if isinstance(array, np.ndarray)
            },
        }

    def _numbered(self, inner: dict[Any, int], kind: str) -> Any:
        numbers = np.fromiter(inner.values(), np.int64, len(inner))
        return [self.column(list(inner), f"{kind} ids"), self._array(numbers, kind)]

    def column(self, values: list[Any], name: str) -> Any:
        """Ids or numbers: as an array if all have one type, else as JSON."""
        kinds = set(map(type, values))
        entry = f"{len(self.arrays)}:{name}"
        if kinds == {str}:
            array = np.empty(len(values), dtype=object)
            array[:] = values
        elif kinds == {int} and min(values) >= -(2**63) and max(values) < 2**63:
            array = np.array(values, dtype=np.int64)
        elif kinds == {float}:
            array = np.array(values, dtype=np.float64)
        elif (
            kinds
            and kinds <= set(_NUMBERS)
            and all(-(2**53) <= value <= 2**53 for value in values if type(value) is int)
        ):
            # Estimates: NumPy's, or a limit of the rating scale, which may be an int.
            codes = np.array([_NUMBERS.index(type(value)) for value in values], dtype=np.uint8)
            return {
                "$numbers": [self._array(np.array(values, dtype=np.float64), name), self._array(codes, name)]
            }
        else:
            return {"$json": to_json(values, name)}
        self.arrays[entry] = array
        return {"$array": entry}

    def predictions(self, predictions: list[Any]) -> dict[str, Any]:
        """A list of predictions; details that many share are written once."""
        columns = [[row[place] for row in predictions] for place in range(5)]
        table: dict[str, int] = {}
        texts = [json.dumps(to_json(details, "details")) for details in columns[4]]
        codes = np.array([table.setdefault(text, len(table)) for text in texts], dtype=np.int64)
        names = ("uid", "iid", "r_ui", "est")
        found = {name: self.column(columns[place], name) for place, name in enumerate(names)}
        return {
            **found,
            "details": [json.loads(text) for text in table],
            "rows": self._array(codes, "details"),
        }


# ---------------------------------------------------------------------- and back


class Restoring:
    """Values of JSON and arrays that `Storing` made.

    Every method raises ValueError, TypeError or LookupError for what `Storing` does not write; classes other
    than those of `ALGORITHMS` are not made, and nothing of a file is run.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._trainsets: dict[int, Trainset] = {}

    def algorithm(self, kept: dict[str, Any]) -> Any:
        """An algorithm of `ALGORITHMS`."""
        if kept["class"] not in ALGORITHMS:
            raise ValueError(f"algorithm {kept['class']!r}"[:100])
        if kept["engine"] not in ENGINES:
            raise ValueError(f"engine {kept['engine']!r}"[:100])
        kind = _class(kept["class"], kept["engine"])
        algo = object.__new__(kind)
        own = {str(name): self.value(entry) for name, entry in kept["attributes"].items()}
        vars(algo).update(own)
        check_arrays(algo, kept["class"] if kept["engine"] == ENGINES[0] else "")
        return algo

    def value(self, kept: Any) -> Any:
        """An attribute of an algorithm."""
        if not isinstance(kept, dict):
            if isinstance(kept, list):
                raise ValueError(f"{kept!r}"[:100])
            return kept
        ((form, content),) = kept.items()
        makers: dict[str, Callable[[Any], Any]] = {
            "$list": lambda entries: [self.value(entry) for entry in entries],
            "$float64s": lambda name: list(self._arrays[name].astype(np.float64)),
            "$tuple": lambda entries: tuple(self.value(entry) for entry in entries),
            "$dict": lambda pairs: {self.value(key): self.value(value) for key, value in pairs},
            "$scalar": self._scalar,
            "$array": lambda name: self._arrays[name],
            "$trainset": self.trainset,
            "$random_state": self._random_state,
            "$model": lambda name: cfcore.load(io.BytesIO(self._arrays[name].tobytes())),
        }
        return makers[form](content)

    def _scalar(self, name: str) -> Any:
        if self._arrays[name].size != 1:  # files have it as an array of one number
            raise ValueError(f"{name}: shape {self._arrays[name].shape} in place of a number")
        return self._arrays[name].reshape(-1)[0]

    def _random_state(self, kept: Any) -> np.random.RandomState:
        name, position, has_gauss, gauss = kept
        rng = np.random.RandomState()
        rng.set_state(("MT19937", self._arrays[name], int(position), int(has_gauss), float(gauss)))
        return rng

    def trainset(self, kept: dict[str, Any]) -> Trainset:
        """A training set; one that several attributes are is made once."""
        key = id(self._arrays[kept["columns"]["users"]])
        if key not in self._trainsets:
            n_users, n_items, n_ratings = map(int, kept["sizes"])
            arrays = {name: self._arrays[entry] for name, entry in kept["columns"].items()}
            columns = Columns(n_users=n_users, n_items=n_items, **arrays)
            columns.check()
            ids = {kind: self._numbered(*entry) for kind, entry in kept["ids"].items()}
            for kind, n in (("users", n_users), ("items", n_items)):
                if sorted(ids[kind].values()) != list(range(n)):
                    raise ValueError(f"ids of {kind}: not one for each of {n} inner ids")
            least, greatest = map(self.value, kept["rating_scale"])
            self._trainsets[key] = Trainset.from_columns(
                columns, ids["users"], ids["items"], (least, greatest), n_ratings
            )
        return self._trainsets[key]

    def _numbered(self, raw: Any, numbers: str) -> dict[Any, int]:
        if self._arrays[numbers].dtype != np.int64:
            raise ValueError(f"{numbers}: inner ids of {self._arrays[numbers].dtype}")
        return dict(zip(self.column(raw), self._arrays[numbers].tolist(), strict=True))

    def column(self, kept: dict[str, Any]) -> list[Any]:
        """Ids or numbers."""
        if "$json" in kept:
            return list(from_json(kept["$json"]))
        if "$numbers" in kept:
            numbers, codes = (self._arrays[entry] for entry in kept["$numbers"])
            kinds = [_NUMBERS[code] for code in codes.tolist()]
            return [kind(number) for kind, number in zip(kinds, numbers.tolist(), strict=True)]
        return list(self._arrays[kept["$array"]].tolist())

    def predictions(self, kept: dict[str, Any]) -> list[Prediction]:
        """A list of predictions, each with a dict of details of its own."""
        columns = [self.column(kept[name]) for name in ("uid", "iid", "r_ui", "est")]
        table = kept["details"]
        details = [from_json(table[code]) for code in self._arrays[kept["rows"]].tolist()]
        return [Prediction(*row) for row in zip(*columns, details, strict=True)]
