"""Files that are altered and sealed again: complete, with a right checksum, but not what `write` wrote."""

from __future__ import annotations

import copy
import json
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import codec
from cfcore.tensor_file import write_tensors

Array = np.ndarray[Any, Any]
Content = tuple[dict[str, Any], dict[str, Array]]

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]

#: Values that stand in for any value of a header.
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 0.5, 2**31, 2**63, -(2**63), 10**40, 1e308, -1e308, math.nan, math.inf,
    -math.inf, "", "x", "user_ids_", [], {}, [1], ["x"], [None], [[]], {"x": 1}, {"x": None}, DEEP,
    {"$tuple": []}, {"$tuple": 3}, {"$tuple": [5.0, 1.0]}, {"$dtype": "V999999999"}, {"$dtype": 3},
    {"$dtype": "<f4"}, {"$seed_sequence": {}}, {"$seed_sequence": 1},
    {"$seed_sequence": {"entropy": 1, "spawn_key": [], "pool_size": 10**9}},
    {"$seed_sequence": {"entropy": -1, "spawn_key": [], "pool_size": 4}},
    {"$seed_sequence": {"entropy": 1, "spawn_key": ["x"], "pool_size": 4}},
)  # fmt: skip
DTYPES = ("|b1", "|u1", "|i1", "<i2", "<u4", "<i4", "<i8", "<u8", "<f2", "<f4", "<f8")


def sealed(path: Path, header: Any, arrays: dict[str, Array], **content: Any) -> None:
    """Write a file with any header, and other entries beside it, with a right checksum."""
    tensors: dict[str, Array] = {}
    dtypes = {}
    for name, array in arrays.items():
        dtypes[name] = array.dtype.str
        if array.dtype.kind in "UO":
            encoded = [text.encode() for text in array.tolist()]
            tensors[name + codec.BYTES] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
            tensors[name + codec.OFFSETS] = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        else:
            tensors[name] = np.ascontiguousarray(array)
    whole = {"format": 1, "cfcore": "0", "dtypes": dtypes, "header": header, **content}
    text = json.dumps(whole)
    with open(path, "wb") as file:
        write_tensors(file, {"cfcore": f"{codec.checksum(text, tensors)} {text}"}, tensors)


def alterations(content: Content, rng: np.random.Generator) -> Iterator[tuple[str, Content]]:
    """All alterations of one entry at a time: a label that begins with the entry, and the content."""
    header, arrays = content
    for name, array in arrays.items():
        for label, other in _altered(array, rng):
            yield f"{name}: {label}", (header, {**arrays, name: other})
        rest = {one: held for one, held in arrays.items() if one != name}
        yield f"{name}: missing", (header, rest)
        yield f"{name}: absent", ({**header, "absent": [*header.get("absent", []), name]}, rest)
        yield f"{name}: renamed", (header, {**rest, f"{name}x": array})
        for other_name, held in arrays.items():
            if other_name != name:
                swapped = {**arrays, name: held, other_name: array}
                yield f"{name}: swapped with {other_name}", (header, swapped)
    yield "extra_: an array", (header, {**arrays, "extra_": np.zeros(3)})
    yield "7/extra_: an array", (header, {**arrays, "7/extra_": np.zeros(3)})
    for place, altered in _altered_json(header, "header"):
        yield place, (altered, arrays)


def _altered(array: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    if array.dtype.kind in "UO":
        n = len(array)
        for label, texts in (
            ("equal", ["a"] * n), ("reversed", array.tolist()[::-1]), ("fewer", array.tolist()[1:]),
            ("long", [*array.tolist()[1:], "z" * 5000]), ("empty", []), ("NUL", ["\0"] * n),
        ):  # fmt: skip
            yield label, np.array(texts, dtype=object)
        yield "numbers", np.arange(n)
        return
    for dtype in DTYPES:
        if np.dtype(dtype) != array.dtype:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield f"dtype {dtype}", array.astype(dtype)
    yield "strings", np.array(["x"] * len(array), dtype=object)
    yield from _reshaped(array)
    if not array.size:
        return
    values: list[float] = [0, 1, -1, 255]
    if array.dtype.kind == "f":
        values += [math.nan, math.inf, -math.inf, np.finfo(array.dtype).max, 1e30, 1e14, 1e-40]
    else:
        info = np.iinfo(array.dtype)
        values += [info.max, info.min, array.size, int(array.max()) + 1, 2**40]
    for value in values:
        if array.dtype.kind != "f" and not info.min <= value <= info.max:
            continue
        for label, at in (("all", ...), ("first", 0), ("last", -1), ("one", int(rng.integers(array.size)))):
            other = array.copy()
            flat = other.reshape(-1)
            flat[at] = value
            yield f"{label} {value}", other
    yield "reversed", array.reshape(-1)[::-1].reshape(array.shape)
    yield "sorted", np.sort(array.reshape(-1)).reshape(array.shape)
    yield "shuffled", rng.permutation(array.reshape(-1)).reshape(array.shape)
    yield "negative", -array if array.dtype.kind != "u" else array[::-1]


def _reshaped(array: Array) -> Iterator[tuple[str, Array]]:
    yield "longer", np.concatenate([array, array[-1:], array[-1:]])
    yield "no rows", array[:0]
    yield "0-dimensional", np.zeros((), dtype=array.dtype)
    yield "a dimension more", array[..., None]
    yield "wide and empty", np.zeros((0, *[1000] * array.ndim), dtype=array.dtype)
    if len(array):
        yield "shorter", array[:-1]
        yield "half", array[: len(array) // 2]
    if array.ndim > 1:
        yield "turned", np.ascontiguousarray(np.moveaxis(array, 0, -1))
        yield "flat", array.reshape(-1)
        yield "narrower", np.ascontiguousarray(array[..., :-1])
        yield "no columns", np.ascontiguousarray(array[..., :0])


def _altered_json(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    for strange in STRANGE:
        yield f"{place}: {str(strange)[:40]}", copy.copy(strange)
    if isinstance(value, dict):
        for key, entry in value.items():
            yield f"{place}.{key}: missing", {one: held for one, held in value.items() if one != key}
            for label, altered in _altered_json(entry, f"{place}.{key}"):
                yield label, {**value, key: altered}
        yield f"{place}: extra", {**value, "extra_": 1}
    elif isinstance(value, list):
        for at, entry in enumerate(value[:2]):
            for label, altered in _altered_json(entry, f"{place}.{at}"):
                yield label, [*value[:at], altered, *value[at + 1 :]]
        if value:
            yield f"{place}: longer", [*value, value[-1]]
            yield f"{place}: shorter", value[:-1]
            yield f"{place}: reversed", value[::-1]


def use(model: Any, ratings: cf.Ratings) -> None:
    """Predict, recommend and compare; whatever a file held, no call raises, and all numbers are finite."""
    users, items = np.append(model.user_ids_, model.user_ids_[:1]), model.item_ids_
    low, high = model.scale_
    if (ratings.item_ids.dtype.kind in "UO") != (items.dtype.kind in "UO"):
        return  # ids of another kind, which are refused by name
    for times in (None, ratings.timestamps):
        predictions = model.predict(ratings.users, ratings.items, times)
        assert ((predictions >= low) & (predictions <= high)).all(), "a prediction is not in the scale"
    assert math.isfinite(model.predict(ratings.users[0], "new" if items.dtype.kind in "UO" else -(10**9)))
    try:
        for exclude in (True, False):
            for user in users[:2]:
                _, scores = model.recommend(user, n=5, exclude_seen=exclude)
                assert np.isfinite(scores).all(), "a score is not finite"
        model.recommend(users[:3], n=4)
    except cf.DataError as error:  # lists of a model without the ratings that they follow from
        if "seen_values_ is None" not in str(error):
            raise
    for compare, ids in ((model.similar_items, items), (model.similar_users, users)):
        try:
            _, scores = compare(ids[0], n=4)
        except (TypeError, cf.DataError) as error:  # the model compares nothing, or the counts are 0
            if not re.search("compare|similar|no training ratings", str(error)):
                raise
            continue
        assert np.isfinite(scores).all(), "a similarity is not finite"
    repr(model)


def survives(path: Path, ratings: cf.Ratings, names: set[str]) -> bool:
    """Whether a file is loaded, and so can be used; or else is refused with an error that names a field."""
    try:
        model = cf.load(path)
    except cf.FileFormatError as error:
        text = str(error)
        assert text.startswith(f"{path}: "), text
        said = set(re.findall(r"\w+", text[len(str(path)) :]))
        assert said & names, f"names no field: {text}"
        return False
    use(model, ratings)
    return True


def names_of(content: Content) -> set[str]:
    """Words of which an error should have one: names of arrays, scalars, hyper-parameters and entries."""
    found: set[str] = {"extra_", "members", "header", "models", "shared", "params", "7", "argument"}

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                found.update(re.findall(r"\w+", key))
                walk(entry)
        elif isinstance(value, str):
            found.add(value)
        elif isinstance(value, list):
            for entry in value:
                walk(entry)

    walk(content[0])
    for name in content[1]:
        found.update(re.findall(r"\w+", name))
    return found


def chosen(content: Content, n: int | None, seed: int) -> list[tuple[str, Content]]:
    """Some of the alterations, or all."""
    rng = np.random.default_rng(seed)
    found = list(alterations(content, rng))
    if n is None or n >= len(found):
        return found
    return [found[at] for at in np.sort(rng.choice(len(found), n, replace=False))]


def check_all(folder: Path, model: Any, ratings: cf.Ratings, n: int | None, seed: int = 0) -> tuple[int, int]:
    """Try alterations of the file of a model; numbers of those that were loaded and that were refused."""
    model.save(folder / "whole")
    content = codec.read(folder / "whole")
    names = names_of(content)
    path = folder / "altered"
    counts = [0, 0]
    for label, (header, arrays) in chosen(content, n, seed):
        try:
            sealed(path, header, arrays)
        except (AttributeError, TypeError):  # not for such arrays
            continue
        try:
            counts[survives(path, ratings, names)] += 1
        except Exception as error:
            pytest.fail(f"{type(model).__name__}, {label}: {type(error).__name__}: {error}")
    return counts[1], counts[0]
