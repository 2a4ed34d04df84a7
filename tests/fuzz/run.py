"""Feed hostile inputs to every surface of cfcore: ``python tests/fuzz/run.py --inputs 1000000``.

Each target runs in processes of its own. One that dies, or that works on an input for too long, is reported
with the input, which is saved, and the run goes on after it. Exit code 1: a crash, a hang, an unclear error,
or a wrong result. Coverage of cfcore's Python code guides the inputs where atheris is installed
(``pip install 'cfcore[fuzz]'``); else, or with ``--engine seeded``, inputs are mutations and choices that
depend on the seed alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.fuzz.targets import TARGETS  # noqa: E402
from tests.fuzz.worker import Shared  # noqa: E402

#: Inputs that a process is given; a new one begins with a clean heap.
CHUNK = 50_000
#: Deaths of one target after which it is given up.
MOST_DEATHS = 300
#: Deaths of one target that are printed.
MOST_SHOWN = 5
#: Characters that are printed of what a process said before it died.
MOST_TEXT = 4000


@dataclass
class Result:
    """What happened to the inputs of a target."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    deaths: list[str] = field(default_factory=list)
    faults: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    given_up: bool = False

    def total(self, *kinds: str) -> int:
        return sum(n for label, n in self.counts.items() if not kinds or label.split()[0] in kinds)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, where /proc tells it; else -1."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Supervisor:
    """Runs the workers of one target, one after the other."""

    def __init__(self, name: str, options: argparse.Namespace, saved: Path, folder: Path) -> None:
        self.name, self.options, self.saved, self.folder = name, options, saved, folder
        self.result = Result()

    def run(self, first: int, count: int, seconds: float) -> None:
        """Inputs `first` to ``first + count``, in at most so many seconds."""
        end, until = first + count, time.monotonic() + seconds
        while first < end and time.monotonic() < until and not self.result.given_up:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "shared").unlink(missing_ok=True)
            shared = Shared(self.folder / "shared")
            died = self._worker(shared, first, end - first, until - time.monotonic())
            counts = shared.counts()
            self.result.counts.update(counts)
            self.result.seconds += shared.state()[2]
            self._collect()
            if died is None:
                break
            first = max(shared.state()[0], first) + 1
            self.result.given_up = len(self.result.deaths) >= MOST_DEATHS or not (
                sum(counts.values()) or first
            )

    def _worker(self, shared: Shared, first: int, count: int, seconds: float) -> str | None:
        log = self.folder / "log"
        arguments = [self.name, self.options.engine, self.options.seed, first, count, max(seconds, 0.1)]
        environment = {**os.environ, "OMP_STACKSIZE": "256k", "PYTHONWARNINGS": "ignore"}
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "worker.py", *map(str, arguments), str(self.folder), str(self.saved)],
                cwd=HERE, stdout=file, stderr=file, env=environment, start_new_session=True,
            )  # fmt: skip
        hung = not self._wait(process, shared)
        if hung:
            process.send_signal(signal.SIGABRT)  # faulthandler prints where it is
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        code = process.wait()
        if code == 0 and not hung:
            return None
        index, began, _, data = shared.state()
        kind = "hang" if hung else "crash"
        if began == 0 and not hung:
            kind = "crash outside of an input"
        path = self.saved / f"{self.name}-{kind.split()[0]}-{index}.bin"
        path.write_bytes(data)
        self.result.counts[kind.split()[0]] += 1
        text = log.read_text(errors="replace")
        text = text.partition("Extension modules:")[0]
        text = text if len(text) < MOST_TEXT else f"{text[: MOST_TEXT // 2]}\n...\n{text[-MOST_TEXT // 2 :]}"
        self.result.deaths.append(f"{self.name}: {kind}, exit code {code}, input {path}\n{text}")
        if len(self.result.deaths) <= MOST_SHOWN:
            print(self.result.deaths[-1], flush=True)
        return kind

    def _wait(self, process: subprocess.Popen[bytes], shared: Shared) -> bool:
        """Wait for the end; False if it works on one input for too long."""
        latest, used = -1.0, 0.0
        while process.poll() is None:
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                began = shared.state()[1]
            if began != latest:
                latest, used = began, cpu_seconds(process.pid)
                continue
            limit, elapsed = self.options.timeout, time.monotonic() - began
            # Processor time is what counts on a machine that others use; a process that sleeps uses none.
            spent = cpu_seconds(process.pid) - used if used >= 0 else elapsed
            if began and elapsed > limit and (spent > limit or elapsed > 6 * limit):
                return False
        return True

    def _collect(self) -> None:
        path = self.folder / "faults.jsonl"
        if not path.exists():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            fault = json.loads(line)
            known = self.result.faults.setdefault(tuple(fault["key"]), fault)
            if known is fault:
                print(
                    f"{self.name}: {' '.join(fault['key'][:3])}\n{fault['trace']}  {fault['input']}",
                    flush=True,
                )
        path.unlink()


def report(results: dict[str, Result]) -> bool:
    """Print the table; whether all is well."""
    rows = []
    for name, result in results.items():
        refused = [
            f"{label.split()[1]} {n}" for label, n in result.counts.most_common() if label[:4] == "refu"
        ]
        speed = result.total() / result.seconds if result.seconds else 0
        faults = [result.total(kind) for kind in ("crash", "hang", "unclear", "wrong")]
        rows.append(
            (name, result.total(), result.total("accepted"), result.total("refused"), *faults, round(speed),
             ", ".join(refused))
        )  # fmt: skip
    sums = [sum(row[k] for row in rows) for k in range(1, 8)]
    rows.append(("total", *sums, "", ""))
    head = (
        "target",
        "inputs",
        "accepted",
        "refused",
        "crashes",
        "hangs",
        "unclear",
        "wrong",
        "inputs/s",
        "refused by",
    )
    widths = [
        max(len(f"{row[k]:,}" if isinstance(row[k], int) else row[k]) for row in [head, *rows])
        for k in range(9)
    ]
    for row in [head, *rows]:
        cells = [f"{cell:,}" if isinstance(cell, int) else cell for cell in row]
        print(
            "  ".join(
                [
                    cells[0].ljust(widths[0]),
                    *(c.rjust(w) for c, w in zip(cells[1:9], widths[1:], strict=True)),
                    cells[9],
                ]
            )
        )
    given_up = [name for name, result in results.items() if result.given_up]
    if given_up:
        print(f"given up: {', '.join(given_up)}")
    return not any(sums[3:]) and not given_up


def shares(names: list[str], total: int) -> dict[str, int]:
    """Inputs of each target, by weight."""
    weights = {name: TARGETS[name]().weight for name in names}
    whole = sum(weights.values()) or 1
    return {name: -(-total * (weight or 1) // whole) for name, weight in weights.items()}


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="over all targets, by their weights")
    parser.add_argument(
        "--target", action="append", choices=sorted(TARGETS), help="may be repeated; default: all"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input of each target")
    parser.add_argument("--seconds", type=float, default=0, help="over all targets; default: no limit")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--timeout", type=float, default=20, help="seconds an input may take")
    parser.add_argument("--engine", choices=("auto", "atheris", "seeded"), default="auto")
    parser.add_argument("--save", type=Path, help="folder for inputs at fault; default: a temporary one")
    parser.add_argument(
        "--input", type=Path, help="feed this one saved input to --target, and show what happens"
    )
    options = parser.parse_args(argv)
    if options.engine == "auto":
        options.engine = "atheris" if importlib.util.find_spec("atheris") else "seeded"
    return options


def main(argv: list[str] | None = None) -> int:
    options = parsed(argv)
    names: list[str] = options.target or [name for name in TARGETS if TARGETS[name]().weight]
    if options.input:
        data = options.input.read_bytes()
        with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
            TARGETS[names[0]]().run(data)
        print("accepted")
        return 0
    saved = options.save or Path(tempfile.mkdtemp(prefix="cfcore-fuzz-"))
    saved.mkdir(parents=True, exist_ok=True)
    print(f"engine {options.engine}, seed {options.seed}; inputs at fault are saved in {saved}", flush=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # files there are not written to a disk
    with tempfile.TemporaryDirectory(prefix="cfcore-fuzz-work-", dir=memory) as work:
        runs = {name: Supervisor(name, options, saved, Path(work) / name) for name in names}
        chunks: queue.Queue[str] = queue.Queue()
        for name in names:
            chunks.put(name)
        inputs = shares(names, options.inputs)
        seconds = {
            name: options.seconds * n * options.jobs / sum(inputs.values()) or 1e9
            for name, n in inputs.items()
        }

        def work_on() -> None:
            while True:
                try:
                    name = chunks.get_nowait()
                except queue.Empty:
                    return
                until = time.monotonic() + seconds[name]
                for first in range(0, inputs[name], CHUNK):
                    count = min(CHUNK, inputs[name] - first)
                    runs[name].run(options.first + first, count, until - time.monotonic())

        threads = [threading.Thread(target=work_on) for _ in range(options.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    fine = report({name: run.result for name, run in runs.items()})
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
