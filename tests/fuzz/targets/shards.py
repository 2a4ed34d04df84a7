"""Folders of shards: bytes changed, and content changed under a right checksum."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

import cfcore as cf
from tests.fuzz.arrays import changed_array
from tests.fuzz.captured import ratings_of
from tests.fuzz.engine import Stream, Target, Wrong
from tests.fuzz.targets.files import OTHERS, TOKENS, parts_of, sealed


@cache
def _seed() -> Path:
    """A folder of a few shards, in the working folder of the process."""
    path = Path("shards-seed").absolute()
    ratings_of(9, 7, 40).save_shards(path, shard_size=10, overwrite=True)
    return path


def _changed(stream: Stream, file: Path) -> bytes:
    data = file.read_bytes()
    kind = stream.below(3)
    if kind == 0 or (kind == 1 and file.suffix == ".json"):
        at = stream.below(len(data))
        return data[:at] + stream.pick(TOKENS) + data[at + stream.below(9) :]
    if file.suffix == ".json":
        content = json.loads(data)
        held = stream.pick([content, *content["shards"]])
        held[stream.pick(list(held))] = stream.pick([*OTHERS, stream.integer(), stream.real(), ".."])
        return json.dumps(content).encode()
    content, tensors = parts_of(data)
    name = stream.pick(sorted(tensors))
    array = changed_array(stream, tensors[name], [*tensors.values()])
    if isinstance(array, np.ndarray):
        tensors[name] = array
    return sealed(content, tensors)


def _run(data: bytes) -> None:
    stream = Stream(data)
    folder = Path("shards").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_seed(), folder)
    file = stream.pick(sorted(folder.iterdir()))
    content = _changed(stream, file)
    file.unlink()  # a file that is mapped must not change
    file.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        opened = cf.Ratings.open(folder)
        found = opened.to_memory()
    for codes, n in ((found.user_codes, found.n_users), (found.item_codes, found.n_items)):
        if len(codes) and not (codes.min() >= 0 and codes.max() < n):
            raise Wrong(f"codes {codes.min()} to {codes.max()} of {n} ids")
    if not np.isfinite(found.values).all():
        raise Wrong("ratings that are not finite")
    rows = opened.by_user
    if rows.indptr[-1] != len(found) or rows.order.max(initial=0) >= len(found):
        raise Wrong("compressed rows that are not those of the columns")


TARGETS: dict[str, Callable[[], Target]] = {
    "shards": lambda: Target("shards", _run, tokens=TOKENS, weight=1, length=48, smoke=150),
}
