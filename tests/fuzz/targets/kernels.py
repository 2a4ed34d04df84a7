"""Every kernel function: valid calls with arrays, numbers, records and shared memory changed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from cfcore.kernels import records
from tests.fuzz import captured
from tests.fuzz.arrays import Arena, changed_array
from tests.fuzz.engine import Stream, Target, Wrong

#: Numbers that set how long a valid call takes.
MOST_WORK = {"cd_steps": 20}
THREADS = (1, 1, 2, 2, 3, 4, 0, -1, -5, 1025, 2**31 - 1, 2**31, 2**63, 8, "2", 1.0, None, True)
#: Arguments that are no numbers, records or arrays in any valid call.
OTHERS = (None, "", "x", (), [], {}, 1.5, float("nan"), b"", object(), np.float32(2), np.int8(3), True)

_calls: list[list[captured.Call]] = []


def calls() -> list[list[captured.Call]]:
    """The valid calls, of one function each."""
    if not _calls:
        _calls.extend(held for held in captured.calls().values() if held)
    return _calls


def _is_record(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict)


class Changed:
    """The arguments of a call after changes; arrays are copies with guards around them."""

    def __init__(self, stream: Stream, call: captured.Call) -> None:
        self.stream, self.call, self.arena = stream, call, Arena()
        self.arguments: dict[str, Any] = {}
        for name, value in call.arguments.items():
            is_record = _is_record(value)
            self.arguments[name] = (value[0], dict(value[1])) if is_record else value
        self.late: list[Callable[[], None]] = []

    def change(self) -> None:
        """One change of one argument."""
        stream = self.stream
        name = stream.pick(list(self.arguments))
        value = self.arguments[name]
        if _is_record(value):
            if stream.chance(20):
                self.arguments[name] = stream.pick(OTHERS)
            elif stream.chance(12):
                self._swap_record(name, value[0])
            else:
                self._change_field(value[1], stream.pick(list(value[1])))
        else:
            self._change_field(self.arguments, name)

    def _change_field(self, held: dict[str, Any], name: str) -> None:
        stream, value = self.stream, held[name]
        if name == "n_threads":
            held[name] = stream.pick(THREADS)
        elif stream.chance(30):
            held[name] = stream.pick(OTHERS)
        elif isinstance(value, np.ndarray):
            others = self._arrays()
            held[name] = stream.pick(others) if stream.chance(8) else changed_array(stream, value, others)
        elif name == "span" and isinstance(value, tuple):
            ends = [stream.integer() if stream.chance(2) else end for end in value]
            held[name] = (
                tuple(ends) if not stream.chance(12) else stream.pick([tuple(ends[:1]), ends, (*ends, 1)])
            )
        elif isinstance(value, bool):
            held[name] = not value
        elif isinstance(value, int):
            number = stream.integer()
            held[name] = min(number, MOST_WORK.get(name, number))
        elif isinstance(value, float):
            held[name] = stream.real()
        elif isinstance(value, str):
            held[name] = stream.pick(
                ["", "\0", "é", "::", ",,,,,", " ", "\ud800", "pearson", "jaccard", "dot", "a" * 9]
            )
        elif isinstance(value, bytes):
            held[name] = stream.rest()[: stream.below(200)]

    def _arrays(self) -> list[Any]:
        found = []
        for value in self.arguments.values():
            fields = value[1].values() if _is_record(value) else [value]
            found += [held for held in fields if isinstance(held, np.ndarray)]
        return found

    def _swap_record(self, name: str, kind: type) -> None:
        """Put in a record of the same kind from another call."""
        others = [
            value[1]
            for held in calls()
            for call in held
            for value in call.arguments.values()
            if _is_record(value) and value[0] is kind
        ]
        self.arguments[name] = (kind, dict(self.stream.pick(others)))

    def made(self) -> dict[str, Any]:
        """The arguments, with records made of their fields; raises what a record raises."""
        found = {}
        for name, value in self.arguments.items():
            if _is_record(value):
                fields = {key: self.arena.put(held) for key, held in value[1].items()}
                found[name] = value[0](**fields)
            else:
                found[name] = self.arena.put(value)
        return found


def _read_only(made: dict[str, Any]) -> list[tuple[str, Any, bytes]]:
    """Name, array and bytes of the arrays of records that no kernel may write."""
    return [
        (name, held, held.tobytes())
        for value in made.values()
        if isinstance(value, records.Record)
        for name, held, written in value.arrays()
        if not written
    ]


def _results(made: dict[str, Any]) -> list[bytes]:
    arrays = [
        held for value in made.values() if isinstance(value, records.Record) for _, held, _ in value.arrays()
    ]
    arrays += [value for value in made.values() if isinstance(value, np.ndarray)]
    return [held.tobytes() for held in arrays]


#: Scratch whose content after a call depends on which thread worked on what.
SCRATCH = ("Scratch",)


def run(data: bytes) -> None:
    stream = Stream(data)
    call = stream.pick(stream.pick(calls()))
    function = getattr(importlib.import_module(f"cfcore.kernels.{call.kernel}"), call.function)
    changed = Changed(stream, call)
    for _ in range(stream.pick((1, 1, 1, 1, 2, 2, 3, 0))):
        changed.change()
    made = changed.made()
    fixed = _read_only(made)
    try:
        function(**made)
    finally:
        broken = changed.arena.broken()
        if broken:
            raise Wrong(f"{call.kernel}.{call.function} wrote outside of its arrays")
    for name, held, before in fixed:
        if held.tobytes() != before:
            raise Wrong(f"{call.kernel}.{call.function} wrote {name}, which it only reads")
    threads = made.get("n_threads")
    if threads in (1, 2) and stream.chance(4):
        again = {**changed.made(), "n_threads": 3 - int(threads)}
        function(**again)
        for name in made:
            if not type(made[name]).__name__.endswith(SCRATCH) and _results({name: made[name]}) != _results(
                {name: again[name]}
            ):
                raise Wrong(f"{call.kernel}.{call.function}: {name} depends on the number of threads")


TARGETS = {"kernels": lambda: Target("kernels", run, weight=45, length=80, smoke=1500)}
