"""A target with a fault of each kind, by which the harness itself is tested."""

from __future__ import annotations

import ctypes
import time

from cfcore.errors import DataError
from tests.fuzz.engine import Target, Wrong


def run(data: bytes) -> None:
    kind = data[0] % 64
    if kind == 0:
        ctypes.string_at(0)
    elif kind == 1:
        while True:
            time.sleep(0.01)
    elif kind == 2:
        raise KeyError("x")
    elif kind == 3:
        raise Wrong("a wrong number")
    elif kind < 20:
        raise DataError("refused")


TARGETS = {"faulty": lambda: Target("faulty", run, weight=0, length=4)}
