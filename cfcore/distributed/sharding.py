"""Models whose rows of users are in one file a shard: how they are divided, written, and joined again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cfcore import atomic, codec
from cfcore.data.id_columns import as_id_column
from cfcore.data.ids import are_strings
from cfcore.data.shards import cuts
from cfcore.errors import FileFormatError
from cfcore.models.core.model import Model
from cfcore.persist import find_class

__all__ = ["FORMAT", "assigned", "check_new", "divide", "joined", "part_of", "read_header"]

Array = np.ndarray[Any, Any]

#: Version of the layout. A folder with a higher one is refused.
FORMAT = 1
HEADER, SHARED, KIND = "model.json", "shared.safetensors", "cfcore sharded model"
#: Arrays of the model that stay as they are, though those of some users would give others.
KEPT = ("item_counts_", "item_shift_")


def divide(model: Model, path: Path, shard_size: int | None, overwrite: bool) -> None:
    """Write a fitted model to a folder; see `cfcore.distributed.shard`."""
    here = model.snapshot()
    here._check_fitted()
    state: Any = _closed(here)
    here._state = state
    header, arrays = here.to_content()
    bounds = cuts(state.user_counts, shard_size)
    contents = [_content(here, begin, end) for begin, end in pairwise(bounds.tolist())]
    places: dict[str, Any] = {}
    for name, whole in arrays.items():
        found = _place(whole, [content[name] for content in contents])
        if found is None:
            raise TypeError(
                f"{type(model).__name__} cannot be divided by users: {name} is of all of them. Use the model "
                "itself, which cfcore.distributed.recommend and predict of Dask frames take too"
            )
        places[name] = found
    _clear(path, overwrite)
    shared = {name: arrays[name] for name, place in places.items() if place == "shared"}
    codec.write(path / SHARED, {"kind": KIND}, shared)
    entries = []
    for number, (content, (begin, end)) in enumerate(zip(contents, pairwise(bounds.tolist()), strict=True)):
        name = f"users-{number:05d}.safetensors"
        own = {key: array for key, array in content.items() if places[key] != "shared"}
        codec.write(path / name, {"kind": KIND, "begin": begin, "end": end}, own)
        first = state.user_ids[begin].item()
        entries.append({"file": name, "begin": begin, "end": end, "first": first})
    import cfcore

    text = {"kind": KIND, "format": FORMAT, "cfcore": cfcore.__version__, "model": header,
            "places": places, "shards": entries}  # fmt: skip
    with atomic.replacing(path / HEADER, text=True) as file:
        json.dump(text, file, indent=1)


def _closed(model: Model) -> Any:
    """The state, with what predictions for unknown users and items take from all users."""
    state: Any = model._state
    if hasattr(state, "item_shift") and hasattr(state, "shift"):
        threads = getattr(model, "n_threads", None)
        return state.changed(item_shift=state.shift("item", threads), user_level=state.level("user", threads))
    return state


def _content(model: Model, begin: int, end: int) -> dict[str, Array]:
    """Arrays of the model of a range of users; those that the others are needed for are of all."""
    whole: Any = model._state
    kept = np.zeros(len(whole.user_ids), dtype=bool)
    kept[begin:end] = True
    part = model.snapshot()
    part._state = model._remaining(kept)
    found = part.to_content()[1]
    of_all = model.to_content()[1]
    return {**found, **{name: of_all[name] for name in KEPT if name in of_all}}


def _place(whole: Array, parts: Sequence[Array]) -> Any:
    """How an array follows from those of the shards: "shared", "bounds", ["rows", axis], ["last", axis]."""
    if all(_equal(part, whole) for part in parts):
        return "shared"
    choices: list[Any] = [["rows", axis] for axis in range(whole.ndim)]
    choices += [["last", axis] for axis in range(whole.ndim)]
    if whole.ndim == 1 and whole.dtype.kind in "iu":
        choices.append("bounds")
    return next((place for place in choices if _equal(_join(place, parts), whole)), None)


def _equal(one: Array | None, other: Array) -> bool:
    if one is None or one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    return one is other or bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _join(place: Any, parts: Sequence[Array]) -> Array | None:
    try:
        if place == "shared":
            return parts[0]
        if place == "bounds":
            ends = np.cumsum([part[-1] for part in parts])
            moved = [part[1:] + end for part, end in zip(parts, np.append(0, ends[:-1]), strict=True)]
            return np.concatenate([parts[0][:1], *moved]).astype(parts[0].dtype)
        how, axis = place
        if how == "rows":
            return np.concatenate(parts, axis=axis)
        # The last entry is that of the unknown.
        short = [np.delete(part, -1, axis=axis) for part in parts[:-1]]
        return np.concatenate([*short, parts[-1]], axis=axis)
    except (LookupError, TypeError, ValueError):
        return None


def check_new(folder: str | os.PathLike[str]) -> None:
    """Raise FileExistsError if a folder for a sharded model has files."""
    path = Path(os.path.expanduser(folder))
    held = [one.name for one in path.iterdir()] if path.is_dir() else []
    if held or path.is_file():
        raise FileExistsError(
            f"{path} has files already, such as {(held or [path.name])[0]}; give a new folder"
        )


def _clear(path: Path, overwrite: bool) -> None:
    path.mkdir(parents=True, exist_ok=True)
    held = [one for one in path.iterdir() if not one.name.startswith(".")]
    own = [one for one in held if one.name in (HEADER, SHARED) or one.name.startswith("users-")]
    if held and (len(own) < len(held) or not overwrite):
        advice = "overwrite=True replaces it" if len(own) == len(held) else "give a new folder"
        raise FileExistsError(f"{path} has files already, such as {held[0].name}; {advice}")
    for one in sorted(own, key=lambda one: one.name != HEADER):  # the header first
        one.unlink()


def read_header(path: Path) -> dict[str, Any]:
    """The header of a folder.

    Raises
    ------
    FileFormatError
        It is damaged, or has a later version.
    FileNotFoundError
        There is none.
    """
    place = path / HEADER
    if not place.is_file():
        raise FileNotFoundError(f"{path}: there is no {HEADER}, so that it is no folder of a sharded model")
    try:
        header = json.loads(place.read_text(encoding="utf-8"))
        if header["kind"] != KIND:
            raise ValueError(f"kind {header['kind']!r}")
        if header["format"] > FORMAT:
            raise FileFormatError(
                f"{place}: written by cfcore {header['cfcore']} in format {header['format']}; this cfcore "
                f"reads formats up to {FORMAT}"
            )
        at = 0
        for entry in header["shards"]:
            name = entry["file"]
            if name != os.path.basename(name) or entry["begin"] != at or not entry["end"] > at:
                raise ValueError(f"shard {entry!r}")
            if type(entry["first"]) is not type(header["shards"][0]["first"]):
                raise ValueError(f"first {entry['first']!r}")
            at = entry["end"]
        if not (
            header["shards"] and isinstance(header["places"], dict) and isinstance(header["model"], dict)
        ):
            raise ValueError("it lacks shards, places or the model")
    except FileFormatError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{place}: damaged, or no header of a sharded model ({error})") from error
    found: dict[str, Any] = header
    return found


def _read(path: Path, name: str) -> dict[str, Array]:
    header, arrays = codec.read(path / name)
    if header.get("kind") != KIND:
        raise FileFormatError(f"{path / name}: not of a sharded model")
    return arrays


@lru_cache(maxsize=1)
def _shared(path: Path, changed: int) -> dict[str, Array]:
    return _read(path, SHARED)


@lru_cache(maxsize=2)
def _part(path: Path, number: int, changed: int) -> Model:
    header = read_header(path)
    own = _read(path, header["shards"][number]["file"])
    return _model_of(path, header["model"], {**_shared(path, changed), **own})


def part_of(path: Path, number: int) -> Model:
    """The model of the users of a shard, and of all items; a process keeps the last two."""
    return _part(path, number, (path / HEADER).stat().st_mtime_ns)


def joined(path: Path) -> Model:
    """The model of all users."""
    header = read_header(path)
    parts = [_read(path, entry["file"]) for entry in header["shards"]]
    arrays = dict(_read(path, SHARED))
    for name, place in header["places"].items():
        if place != "shared":
            found = _join(place, [part[name] for part in parts if name in part])
            if found is None:
                raise FileFormatError(f"{path}: the arrays {name} of the shards do not fit together")
            arrays[name] = found
    return _model_of(path, header["model"], arrays)


def _model_of(path: Path, header: Mapping[str, Any], arrays: dict[str, Array]) -> Model:
    try:
        found: Model = find_class(header["class"]).from_content(dict(header), arrays, find_class)
        return found
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: damaged ({error})") from error


def assigned(header: Mapping[str, Any], users: Any, column: str = "users") -> Array:
    """The number of the shard that each raw user id belongs to, if it is known."""
    firsts = np.array([entry["first"] for entry in header["shards"]])
    ids = as_id_column(users, column)
    if are_strings(ids) != are_strings(firsts):
        return np.zeros(len(ids), dtype=np.intp)  # the model has an error for that
    found: Array = np.searchsorted(firsts, ids, side="right") - 1
    return np.maximum(found, 0)
