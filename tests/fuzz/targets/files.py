"""Model files and checkpoints: bytes changed, and content changed under a right checksum."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import cfcore as cf
from cfcore import codec
from cfcore.registry import ENTRIES
from tests.fuzz.arrays import changed_array
from tests.fuzz.captured import VARIATIONS, ratings_of
from tests.fuzz.engine import Stream, Target, Wrong

PAIRS = ([0, 1, 3, 99, 5, 5], [100, 101, 102, 100, 9, 106])
TOKENS = (
    b"null", b"true", b"-1", b"NaN", b"1e999", b'"F32"', b'"I64"', b'"U8"', b'"F64"', b"[]", b"{}", b'""',
    b"0",
    b"9223372036854775807", b"18446744073709551615", b'"data_offsets":[0,0]', b'"shape":[', b"\\u0000",
    b"__metadata__",
)  # fmt: skip
OLD = Path(__file__).resolve().parents[2] / "data_files" / "0.1.0"


OTHERS: tuple[Any, ...] = (
    None, True, "", "x", [], {}, [[]], {"$tuple": []}, {"$dtype": "<f8"}, {"$dtype": "O"}, float("nan"),
    {"$seed_sequence": {"entropy": 1, "spawn_key": [], "pool_size": 4}},
)  # fmt: skip


def _quiet(function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function()


@cache
def _models() -> tuple[bytes, ...]:
    """Small files of every class, at several settings, with integer and string ids; and files of 0.1.0."""
    found = []
    plain = ratings_of(4, 4, 9)
    named = cf.Ratings(
        [f"u{u}" for u in plain.users], [f"i{i}" for i in plain.items], plain.values, plain.timestamps
    )
    for entry in ENTRIES:
        for number, settings in enumerate(VARIATIONS.get(entry.name, [{}])):
            given = {**entry.small, **settings}
            for name in ("n_factors", "n_hidden"):
                given.update({name: 2} if name in given else {})
            if entry.name == "Blend":
                given = {"models": [cf.Baseline(), cf.SVD(n_factors=2, n_epochs=1)], "n_folds": 2}
            try:
                model = _quiet(
                    lambda given=given, entry=entry, data=named if number == 1 else plain: entry.load()(
                        **given
                    ).fit(data)
                )
            except (TypeError, ValueError):
                continue  # a setting of another version
            model.save("seed.cf")
            found.append(Path("seed.cf").read_bytes())
    found += [path.read_bytes() for path in sorted(OLD.glob("*.cf")) if path.stat().st_size < 9000]
    return tuple(found)


def use(model: Any) -> None:
    """Predict and list with a model from a file; Wrong for errors, and numbers not finite or not in scale."""
    try:
        _use(model)
    except Wrong:
        raise
    except Exception as error:
        raise Wrong(f"{type(model).__name__} was read from the file, and then raises {error!r}") from error


def _use(model: Any) -> None:
    low, high = model.scale_
    ids = model.user_ids_
    users, items = PAIRS
    if len(ids) and isinstance(ids.tolist()[0], str):
        users = [f"u{user}" for user in users]
    if len(model.item_ids_) and isinstance(model.item_ids_.tolist()[0], str):
        items = [f"i{item}" for item in items]
    found = np.asarray(model.predict(users, items))
    if found.shape != (6,) or not np.isfinite(found).all() or found.min() < low or found.max() > high:
        raise Wrong(f"{type(model).__name__} predicts {found}, the scale is {low} to {high}")
    if len(ids):
        model.recommend(ids[:2], n=3)
    repr(model)


def _load(data: bytes) -> None:
    path = Path("model.cf")
    path.unlink(missing_ok=True)  # a file that is mapped must not change
    path.write_bytes(data)
    use(_quiet(lambda: cf.load(path)))


def parts_of(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON text of a file of ours, and its tensors as they are stored."""
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    text = table.pop("__metadata__")["cfcore"].partition(" ")[2]
    dtypes = {"BOOL": "?", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
    tensors = {}
    for name, entry in table.items():
        begin, end = entry["data_offsets"]
        dtype = dtypes.get(entry["dtype"]) or f"<{entry['dtype'][0].lower()}{int(entry['dtype'][1:]) // 8}"
        tensors[name] = np.frombuffer(data[8 + size + begin : 8 + size + end], dtype).reshape(entry["shape"])
    return json.loads(text), tensors


def sealed(content: Any, tensors: dict[str, Any]) -> bytes:
    """A file with that content, and the checksum that belongs to it."""
    text = json.dumps(content)
    names = {"b": "BOOL", "f": "F", "i": "I", "u": "U"}
    table: dict[str, Any] = {}
    blocks, at = [], 0
    kept = {name: np.ascontiguousarray(held) for name, held in tensors.items() if held.dtype.kind in names}
    kept = {name: held for name, held in kept.items() if held.dtype.itemsize <= 8 and held.dtype.isnative}
    for name, held in sorted(kept.items()):
        block = held.tobytes()
        kind = "BOOL" if held.dtype.kind == "b" else f"{names[held.dtype.kind]}{8 * held.dtype.itemsize}"
        table[name] = {"dtype": kind, "shape": list(held.shape), "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    table["__metadata__"] = {"cfcore": f"{codec.checksum(text, kept)} {text}"}
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + b"".join(blocks)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values are in JSON content."""
    found = [path] if path else []
    if isinstance(value, dict):
        entries: Any = value.items()
    else:
        entries = enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        found += _places(entry, (*path, key))
    return found


def _change_json(stream: Stream, content: Any) -> None:
    path = stream.pick(_places(content))
    held = content
    for key in path[:-1]:
        held = held[key]
    key, value = path[-1], held[path[-1]]
    kind = stream.below(10)
    if kind == 0 and isinstance(held, dict):
        del held[key]
    elif kind == 1 and isinstance(held, dict):
        held[stream.pick(["x", "", "$tuple", "$dtype", "$seed_sequence", "class", "absent"])] = value
    elif kind == 2:
        held[key] = stream.pick(OTHERS)
    elif isinstance(value, bool):
        held[key] = not value
    elif isinstance(value, int):
        held[key] = stream.integer()
    elif isinstance(value, float):
        held[key] = stream.real()
    elif isinstance(value, str):
        held[key] = stream.pick(
            [
                "",
                value + "x",
                value[:-1],
                "<i4",
                "<f4",
                "<f8",
                "<U1",
                "<U9",
                "|O",
                "SVD",
                "RBM",
                "Blend",
                "ItemKNN",
                "\ud800",
            ]
        )
    elif isinstance(value, list) and value:
        held[key] = stream.pick([value[:-1], value + value[-1:], value[::-1], value * 3])
    else:
        held[key] = stream.pick([0, 1, -1, 2.5, "a", [1], {"a": 1}])


def _dtypes(content: Any) -> dict[str, Any]:
    held = content.get("dtypes")
    return held if isinstance(held, dict) else {}


def changed_content(stream: Stream, content: Any, tensors: dict[str, Any]) -> bytes:
    """One to three changes of a file's content, sealed."""
    content, tensors = json.loads(json.dumps(content)), dict(tensors)
    for _ in range(stream.pick((1, 1, 1, 2, 3))):
        if stream.below(100) < 35 or not tensors:
            _change_json(stream, content)
            continue
        name = stream.pick(sorted(tensors))
        if stream.chance(25):
            del tensors[name]
        elif stream.chance(25):
            tensors[name] = tensors[stream.pick(sorted(tensors))]
        else:
            changed = changed_array(stream, tensors[name], ())
            tensors[name] = changed if isinstance(changed, np.ndarray) else tensors[name]
            key = name.removesuffix(".utf8").removesuffix(".offsets")
            if key == name and key in _dtypes(content) and not stream.chance(3):
                content["dtypes"][key] = tensors[name].dtype.str
    return sealed(content, tensors)


@cache
def _parts() -> tuple[tuple[Any, dict[str, Any]], ...]:
    return tuple(map(parts_of, _models()))


def run_sealed(data: bytes) -> None:
    stream = Stream(data)
    _load(changed_content(stream, *stream.pick(_parts())))


#: Models whose fits write checkpoints, with parameters that make a fit short.
TRAINED = ("SVD", "SVDpp", "TimeSVDpp", "AsymmetricSVD", "RBM")


@cache
def _fits() -> tuple[tuple[Callable[[], Any], Any, bytes, bytes], ...]:
    """What makes a model, ratings, a checkpoint of the fit, and the predictions after all epochs."""
    found = []
    data = ratings_of(4, 4, 9)
    for name in TRAINED:
        size = {"n_hidden": 2} if name == "RBM" else {"n_factors": 2}

        def make(name: str = name, size: Any = size) -> Any:
            return getattr(cf, name)(**size, n_epochs=2, random_state=0, n_threads=1)

        path = Path("seed.state")
        kept: list[bytes] = []
        path.unlink(missing_ok=True)

        def stop(*_: Any, path: Path = path, kept: list[bytes] = kept) -> None:
            if path.exists():
                kept.append(path.read_bytes())

        model = _quiet(
            lambda make=make, stop=stop, path=path: make().fit(data, checkpoint=path, callback=stop)
        )
        kept += [path.read_bytes()] if path.exists() else []
        predictions = np.asarray(model.predict(data)).tobytes()
        found += [(make, data, content, predictions) for content in kept[:2]]
    return tuple(found)


def _resume(make: Callable[[], Any], data: Any, content: bytes) -> Any:
    path = Path("fit.state")
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    model = _quiet(lambda: make().fit(data, checkpoint=path))
    use(model)
    return model


def run_checkpoint(data: bytes) -> None:
    stream = Stream(data)
    make, ratings, content, expected = stream.pick(_fits())
    kind = stream.below(16)
    if kind == 0:
        model = _resume(make, ratings, content)
        if np.asarray(model.predict(ratings)).tobytes() != expected:
            raise Wrong("a resumed fit gives another result")
    elif kind < 5:
        changed = bytearray(content)
        for _ in range(1 + stream.below(3)):
            changed[stream.below(len(changed))] = stream.byte()
        _resume(make, ratings, bytes(changed[: len(changed) - stream.pick((0, 0, 0, 1, 50))]))
    else:
        _resume(make, ratings, changed_content(stream, *parts_of(content)))


TARGETS = {
    "model-files": lambda: Target("model-files", _load, lambda: list(_models()), TOKENS, weight=8),
    "sealed-models": lambda: Target("sealed-models", run_sealed, weight=10, length=64, smoke=500),
    "checkpoints": lambda: Target("checkpoints", run_checkpoint, weight=2, length=64, smoke=150),
}
