"""Common parts of the benchmarks: description of the machine, alternating measurements, tables, JSON."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PEERS = ("numpy", "scipy", "scikit-surprise", "implicit", "rectools", "lenskit", "torch", "myfm", "cmfrec")


def machine() -> dict[str, Any]:
    """Processor, load, versions and SIMD level, which all figures depend on."""
    import cfcore
    from cfcore import kernels
    from cfcore.config import config

    facts = config()
    return {
        "processor": processor(),
        "cores": facts["cores"],
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "cfcore": cfcore.__version__,
        "simd_level": kernels.current_level(),
        "compiler": facts["compiler"],
        "debug_build": facts["debug_build"],
        "openmp": facts["openmp"],
        "packages": {name: installed for name in PEERS if (installed := installed_version(name))},
    }


def processor() -> str:
    """Name of the processor, if the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def installed_version(package: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def is_importable(module: str) -> bool:
    """Whether a module can be imported; `surprise` is the library, not the benchmark of that name."""
    if module == "surprise":
        return installed_version("scikit-surprise") is not None
    return importlib.util.find_spec(module) is not None


def describe(facts: Mapping[str, Any]) -> str:
    """The machine in three lines, and a warning if it is busy or the build is slow."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, load {facts['load']}",
        f"cfcore {facts['cfcore']}, {facts['simd_level']}, {facts['compiler']}",
        f"Python {facts['python']}, {packages}",
    ]
    if facts["load"] and facts["load"][0] > 0.5:
        lines.append("warning: the machine is busy; times are too long, and ratios may be wrong")
    if facts["debug_build"]:
        lines.append("warning: this is a debug build; its times are not those of a release")
    return "\n".join(lines)


def seconds(call: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(
    contenders: Mapping[str, Callable[[], float]], repeats: int = 5, budget: float = 30.0, pause: float = 0.0
) -> dict[str, float]:
    """Median of the seconds that each contender returns, in alternating calls (A B A B ...).

    Calls alternate because the speed of a machine drifts; the median is robust to other processes. A
    contender whose calls have taken `budget` seconds is not called again. `pause` is the time before each
    call, in seconds, in which threads of the previous contender stop spinning (BLAS: after some 100 ms).
    """
    found: dict[str, list[float]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    for _ in range(repeats):
        for name, call in contenders.items():
            if not found[name] or spent[name] < budget:
                time.sleep(pause)
                start = time.perf_counter()
                found[name].append(call())
                spent[name] += time.perf_counter() - start
    return {name: statistics.median(values) for name, values in found.items()}


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as aligned text: the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = []
    for row in cells:
        padded = [row[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def show(value: float | None, form: str = "{:.3f}") -> str:
    """A number as text; a dash for None, which stands for "not measured"."""
    return "-" if value is None else form.format(value)


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smoke test on small data")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to this file")
    return parser


def command() -> str:
    """The command that runs, without `--json FILE`, which says where and not what."""
    given = [Path(sys.argv[0]).name, *sys.argv[1:]]
    if "--json" in given:
        place = given.index("--json")
        del given[place : place + 2]
    return shlex.join(["python", f"benchmarks/{given[0]}", *given[1:]])


def heading(said: str) -> dict[str, str]:
    """The first fields of every file of figures: the command, and when it ended (UTC)."""
    return {"command": said, "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")}


def write(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write the report as JSON if a path was given, with the command and the date."""
    if path is not None:
        whole = {**heading(command()), **report}
        path.write_text(json.dumps(whole, indent=1, default=str) + "\n", encoding="utf-8")
        print(f"written to {path}", file=sys.stderr)
