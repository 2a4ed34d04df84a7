"""Processes that are killed and interrupted at random moments, and what must be left of their files."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfcore as cf
from cfcore import codec
from tests.checkpoints import same
from tests.contents import names
from tests.crash import jobs

ROOT = Path(__file__).parents[2]


def started(job: str, folder: Path, name: str) -> subprocess.Popen[str]:
    """A process that does a job; it has begun when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.jobs", job, folder, name], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return process


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a process says; its error if it has ended."""
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if not said:
        assert process.stderr is not None
        raise AssertionError(f"the process ended: {process.stderr.read()[-2000:]}")
    return said


def done(job: str, folder: Path, name: str) -> None:
    """Do a job to its end."""
    with started(job, folder, name) as process:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err[-2000:]
        assert out.splitlines()[-1] == "end", out


def killed(job: str, folder: Path, name: str, chance: random.Random, longest: float) -> bool:
    """Do a job, and kill it; False if it ended before."""
    with started(job, folder, name) as process:
        assert line(process) == "begin"
        time.sleep(chance.random() * longest)
        process.kill()
        return process.wait(30) == -signal.SIGKILL


class Kills:
    """Kills of all kinds of jobs, in turn.

    Attributes
    ----------
    counts : Counter
        Kills by kind; kills that left a temporary file; files that the next run removed.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance, self.counts = folder, random.Random(seed), Counter[str]()
        self.whole = {name: jobs.model(name).fit(jobs.ratings()) for name in jobs.MODELS}
        self.two = [jobs.saved(0), jobs.saved(1)]
        self.tables = self._tables()

    def run(self, n: int) -> Counter[str]:
        """Kill about `n` processes."""
        turn = 0
        while sum(self.counts[kind] for kind in ("fit", "save", "predict")) < n:
            (self._fit, self._save, self._predict)[turn % 3](turn)
            turn += 1
        return self.counts

    @contextlib.contextmanager
    def _empty(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)

    def _note(self, kind: str, was_killed: bool, folder: Path, wanted: set[str]) -> None:
        if not was_killed:
            self.counts[f"{kind} ended before"] += 1
            return
        self.counts[kind] += 1
        self.counts["left a temporary file"] += bool(set(names(folder)) - wanted)

    def _fit(self, turn: int) -> None:
        """A fit is killed three times, loses no epoch, and goes on to the bits of the fit that was not."""
        name = list(jobs.MODELS)[turn // 3 % len(jobs.MODELS)]
        with self._empty() as folder:
            epochs = 0
            for _ in range(3):
                was_killed = killed("fit", folder, name, self.chance, 0.6)
                self._note("fit", was_killed, folder, {"run", "model"})
                if (folder / "run").exists():
                    found = len(codec.read(folder / "run")[0]["state"]["train"])
                    assert found >= epochs, "an epoch was lost"
                    epochs = found
                if (folder / "model").exists():
                    same(cf.load(folder / "model"), self.whole[name])
            done("fit", folder, name)
            same(cf.load(folder / "model"), self.whole[name])
            assert names(folder) == ["model", "run"]

    def _save(self, turn: int) -> None:
        """The file is one of the two models; the next save removes what the killed one left."""
        with self._empty() as folder:
            self.two[0].save(folder / "model")
            for _ in range(3):
                was_killed = killed("save", folder, "forever", self.chance, 0.3)
                self._note("save", was_killed, folder, {"model"})
                found = cf.load(folder / "model")
                same(found, self.two[found.get_params()["random_state"]])
            self.two[0].save(folder / "model")
            assert names(folder) == ["model"]

    def _tables(self) -> list[bytes]:
        """The tables of predictions of both files of pairs."""
        tables = []
        with self._empty() as folder:
            self._pairs(folder)
            for k in (0, 1):
                (folder / "pairs0.csv").write_bytes((folder / f"pairs{k}.csv").read_bytes())
                done("predict", folder, "once")
                tables.append((folder / "out.csv").read_bytes())
        assert tables[0] != tables[1]
        return tables

    def _pairs(self, folder: Path) -> None:
        self.two[0].save(folder / "model")
        users, items = jobs.ratings().users, jobs.ratings().items
        for k, part in enumerate((slice(0, 5000), slice(5000, 12_000))):
            rows = "".join(f"{u},{i}\n" for u, i in zip(users[part], items[part], strict=True))
            (folder / f"pairs{k}.csv").write_text(f"user,item\n{rows}")

    def _predict(self, turn: int) -> None:
        """The table is whole, of one of the two runs."""
        inputs = {"model", "pairs0.csv", "pairs1.csv"}
        with self._empty() as folder:
            self._pairs(folder)
            for _ in range(3):
                was_killed = killed("predict", folder, "forever", self.chance, 0.8)
                self._note("predict", was_killed, folder, {*inputs, "out.csv"})
                if (folder / "out.csv").exists():
                    assert (folder / "out.csv").read_bytes() in self.tables
            done("predict", folder, "once")
            assert set(names(folder)) == {*inputs, "out.csv"}


def interrupts(folder: Path, n: int, seed: int, most: int = 10) -> list[float]:
    """Send Ctrl-C to fits at random moments; the seconds that each took to end.

    After each the model is unfitted, no file but the checkpoint is left, and the process computes as before.
    A process takes at most `most`.
    """
    chance, waits = random.Random(seed), []
    while len(waits) < n:
        name = list(jobs.MODELS)[len(waits) // most % len(jobs.MODELS)]
        with tempfile.TemporaryDirectory(dir=folder) as own, started("wait", Path(own), name) as process:
            assert process.stdin is not None
            for k in range(min(most, n - len(waits))):
                process.stdin.write("checkpoint\n" if k % 2 else "plain\n")
                process.stdin.flush()
                assert line(process) == "begin"
                time.sleep(0.05 + chance.random() * 0.6)
                process.send_signal(signal.SIGINT)
                sent = time.monotonic()
                assert line(process) == "interrupted"
                waits.append(time.monotonic() - sent)
                assert line(process) == "sound"
            process.stdin.close()
            assert process.wait(60) == 0
    return waits


def full_disk(folder: Path) -> str:
    """Write more than fits; how the disk was made small: a file system of 100 kB for root, or a limit."""
    with contextlib.ExitStack() as stack:
        name = "disk" if _mounted(folder, stack) else "limit"
        with started("fill", folder, name) as process:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, err[-2000:]
            assert out == "end\n", out
    return name


def _mounted(folder: Path, stack: contextlib.ExitStack) -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    given: list[Any] = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder]
    if subprocess.run(given, capture_output=True, check=False).returncode:
        return False
    stack.callback(subprocess.run, ["umount", folder], check=True)
    return True
