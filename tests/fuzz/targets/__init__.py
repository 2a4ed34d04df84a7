"""The surfaces that take hostile input: name of the target -> what makes it, imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial

from tests.fuzz.engine import Target

_MODULES = {
    "kernels": "kernels",
    "text": "text",
    "lines": "text",
    "parquet": "tables",
    "arrow": "tables",
    "model-files": "files",
    "sealed-models": "files",
    "checkpoints": "files",
    "surprise-files": "surprise_files",
    "ratings": "ratings",
    "shards": "shards",
    "arguments": "arguments",
    "commands": "commands",
    "faulty": "faulty",
}


def _make(name: str) -> Target:
    module = importlib.import_module(f"tests.fuzz.targets.{_MODULES[name]}")
    made: dict[str, Callable[[], Target]] = module.TARGETS
    return made[name]()


TARGETS: dict[str, Callable[[], Target]] = {name: partial(_make, name) for name in _MODULES}
