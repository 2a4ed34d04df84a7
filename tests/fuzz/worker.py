"""The process that feeds inputs to one target; `run.py` starts it, watches it, and goes on after its death.

What it is doing stands in a file that both have mapped: the number of the input, its bytes, when it began,
and the counts so far. Thus nothing is lost when an input ends the process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import os
import re
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

LABELS, LABEL_BYTES = 64, 48
_COUNTS = 64
_NAMES = _COUNTS + 8 * LABELS
_INPUT = _NAMES + LABELS * LABEL_BYTES
MOST_BYTES = 1 << 22
SIZE = _INPUT + MOST_BYTES
#: Saved inputs of each distinct fault.
KEPT = 3
#: Bytes of address space of a worker: an input that makes cfcore ask for more gets a MemoryError.
ADDRESS_SPACE = 6 << 30


class Shared:
    """The mapped file: index, start time, busy seconds and length of the input; counts; names; the input."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self._numbers = memoryview(self._map).cast("q")
        self._labels: dict[str, int] = {}

    def begin(self, index: int, data: bytes) -> None:
        size = min(len(data), MOST_BYTES)
        self._map[_INPUT : _INPUT + size] = data[:size]
        struct.pack_into("<q", self._map, 24, size)
        struct.pack_into("<qd", self._map, 0, index, time.monotonic())

    def end(self, label: str, busy: float) -> None:
        struct.pack_into("<dd", self._map, 8, 0.0, busy)
        slot = self._labels.get(label)
        if slot is None:
            slot = self._labels[label] = len(self.counts())
            name = label.encode()[: LABEL_BYTES - 1]
            at = _NAMES + min(slot, LABELS - 1) * LABEL_BYTES
            self._map[at : at + LABEL_BYTES] = name.ljust(LABEL_BYTES, b"\0")
        self._numbers[_COUNTS // 8 + min(slot, LABELS - 1)] += 1

    def state(self) -> tuple[int, float, float, bytes]:
        """Index, start (0 between inputs), busy seconds, and the input."""
        index, began, busy, size = struct.unpack_from("<qddq", self._map, 0)
        return index, began, busy, self._map[_INPUT : _INPUT + size]

    def counts(self) -> dict[str, int]:
        found = {}
        for slot in range(LABELS):
            at = _NAMES + slot * LABEL_BYTES
            name = self._map[at : at + LABEL_BYTES].rstrip(b"\0").decode(errors="replace")
            if not name:
                break
            found[name] = self._numbers[_COUNTS // 8 + slot]
        return found


class Recorder:
    """Feeds inputs, counts outcomes, and saves the first inputs of each fault."""

    def __init__(self, target: Any, folder: Path, saved: Path) -> None:
        self.target, self.saved = target, saved
        self.shared = Shared(folder / "shared")
        self._faults = folder / "faults.jsonl"
        self._seen: dict[tuple[str, ...], int] = {}
        self._busy = 0.0
        self._parent = os.getppid()

    def feed(self, index: int, data: bytes) -> None:
        from tests.fuzz.engine import outcome_of

        if os.getppid() != self._parent:
            raise SystemExit("the run has ended")
        self.shared.begin(index, data)
        began = time.perf_counter()
        kind, name, error = outcome_of(self.target, data)
        self._busy += time.perf_counter() - began
        self.shared.end(kind if kind == "accepted" else f"{kind} {name}", self._busy)
        if kind in ("unclear", "wrong") and error is not None:
            self._save(kind, name, error, index, data)

    def _save(self, kind: str, name: str, error: BaseException, index: int, data: bytes) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "cfcore" in Path(frame.filename).parts] or frames[-1:]
        where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
        message = str(error)
        key = (kind, name, where, message.split("(/")[0][:25] if kind == "wrong" or not frames else "")
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] > KEPT:
            return
        path = self.saved / f"{self.target.name}-{kind}-{index}.bin"
        path.write_bytes(data)
        text = "".join(traceback.format_exception(error))
        fault = {"key": list(key), "message": message[:300], "trace": text[-2500:], "input": str(path)}
        with open(self._faults, "a", encoding="utf-8") as file:
            file.write(json.dumps(fault) + "\n")


def limit_memory() -> None:
    """Refuse allocations that no small input is worth; sanitizers reserve much more than they use."""
    if re.search(r"[atu]san[-.]", os.environ.get("LD_PRELOAD", "")) or sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_seeded(recorder: Recorder, seed: int, first: int, count: int, until: float) -> None:
    """Inputs `first` to ``first + count`` of a seed."""
    from tests.fuzz.engine import Seeded

    inputs = Seeded(recorder.target, seed)
    for index in range(first, first + count):
        recorder.feed(index, inputs.input(index))
        if time.monotonic() > until:
            break


def run_atheris(recorder: Recorder, seed: int, first: int, count: int, until: float, folder: Path) -> None:
    """As many inputs, chosen by the lines of cfcore that the inputs before them reached; does not return."""
    import atheris

    from tests.fuzz.engine import Seeded

    corpus = folder / "corpus"
    if not corpus.exists():
        corpus.mkdir()
        inputs = Seeded(recorder.target, seed)
        starts = recorder.target.seeds() or [inputs.input(index) for index in range(50)]
        for number, data in enumerate(starts):
            (corpus / f"seed-{number}").write_bytes(data)
    index = first

    def one(data: bytes) -> None:
        nonlocal index
        recorder.feed(index, data)
        index += 1

    quiet = [
        f"-{name}=0"
        for name in ("handle_segv", "handle_abrt", "handle_bus", "handle_fpe", "handle_ill", "rss_limit_mb")
    ]
    longest = max(recorder.target.length, 4 * max(map(len, recorder.target.seeds()), default=0))
    bounds = [f"-runs={count}", f"-max_total_time={max(1, min(10**8, int(until - time.monotonic())))}"]
    options = [
        *quiet,
        *bounds,
        f"-seed={seed + first + 1}",
        f"-max_len={longest}",
        "-timeout=100000",
        "-verbosity=0",
    ]
    if recorder.target.tokens:
        dictionary = folder / "dictionary"
        quoted = ("".join(f"\\x{byte:02x}" for byte in token) for token in recorder.target.tokens if token)
        dictionary.write_text("".join(f'"{token}"\n' for token in quoted), encoding="ascii")
        options.append(f"-dict={dictionary}")
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def main(argv: list[str]) -> None:
    name, engine, seed, first, count, seconds, folder, saved = argv
    faulthandler.enable()
    os.chdir(folder)
    limit_memory()
    with contextlib.ExitStack() as stack:
        if engine == "atheris":
            import atheris

            # As long as the process lives: models import their parts when they are first used.
            stack.enter_context(atheris.instrument_imports(include=["cfcore"], enable_loader_override=False))
        from tests.fuzz.targets import TARGETS

        recorder = Recorder(TARGETS[name](), Path(folder), Path(saved))
        until = time.monotonic() + float(seconds)
        if engine == "atheris":
            run_atheris(recorder, int(seed), int(first), int(count), until, Path(folder))
        else:
            run_seeded(recorder, int(seed), int(first), int(count), until)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path.remove(str(Path(__file__).resolve().parent))
    main(sys.argv[1:])
