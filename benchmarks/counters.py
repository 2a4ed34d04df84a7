"""Instructions and cache misses of an epoch, per rating, by function and by line.

    python benchmarks/counters.py                       # MovieLens 100K: SVD, SVD++, timeSVD++
    python benchmarks/counters.py --data 1m,10m --models SVD --cache 512k
    python benchmarks/counters.py --quick

This needs valgrind, whose tool cachegrind runs the program on a simulated processor: counts do not depend on
the load of the machine. Counts of an epoch are half the difference between fits of three epochs and of one.
Sizes (1m, 10m) are synthetic ratings in the shapes of `scale.py`.

The simulated caches are the first and the last level of the machine; ``--cache`` sets another size of the
last level, for example that of a level-2 cache. Prefetching by software or hardware is not simulated: a row
that the kernel prefetched in time counts as a miss, too.

Lines of the sources are shown if the kernels were built with ``CFCORE_LINES=1``. Valgrind supports AVX2, but
not AVX-512, so the kernels run at ``--level``, by default AVX2 if available.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import arguments, describe, machine, table, write
from scale import RATES, number_of, shape_of

import cfcore as cf
from cfcore import kernels

COLUMNS = ("user", "item", "value", "time")
MODELS = {"SVD": cf.SVD, "SVDpp": cf.SVDpp, "TimeSVDpp": cf.TimeSVDpp}
#: Printed quantities, each a sum of these events of cachegrind.
EVENTS = {
    "instructions": ("Ir",),
    "loads and stores": ("Dr", "Dw"),
    "L1 misses": ("D1mr", "D1mw"),
    "last-level misses": ("DLmr", "DLmw"),
}
#: Most functions or lines printed, and the least share of any event for a row.
TOP, LEAST_SHARE = 8, 0.01

Counts = dict[tuple[str, str, int], Counter[str]]


# ---------------------------------------------------------------------- in the simulated process


def fit(folder: str, model: str, n_factors: int, n_epochs: int) -> None:
    """Fit a model to the ratings in a folder."""
    columns = [np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in COLUMNS]
    kind = MODELS[model]
    kind(n_factors=n_factors, n_epochs=n_epochs, random_state=0, n_threads=1, **RATES).fit(tuple(columns))


# ---------------------------------------------------------------------- in this process


def count(level: str, cache: int, **given: Any) -> Counts:
    """Events of one process by file, function and line."""
    with tempfile.NamedTemporaryFile(prefix="cachegrind-") as out:
        tool = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={out.name}"]
        if cache:
            tool.append(f"--LL={cache},16,64")
        # With random hashes, the instructions of Python beside the epochs would differ from run to run.
        fixed = {"CFCORE_SIMD": level, "CFCORE_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        fixed |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [*tool, sys.executable, __file__, "fit", json.dumps(given)],
            env={**os.environ, **fixed}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"the program failed under valgrind:\n{done.stderr[-4000:]}")
        return parsed(Path(out.name).read_text(errors="replace"))


def parsed(text: str) -> Counts:
    """Events in a file written by cachegrind."""
    found: Counts = {}
    names: list[str] = []
    file = function = ""
    for line in text.splitlines():
        if line.startswith("events:"):
            names = line.split()[1:]
        elif line.startswith("fl="):
            file = line[3:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line[:1].isdigit():
            number, *values = map(int, line.split())
            events = dict(zip(names, values, strict=False))
            own = found.setdefault((file, function, number), Counter())
            for name, parts in EVENTS.items():
                own[name] += sum(events.get(part, 0) for part in parts)
    return found


def an_epoch(longer: Counts, shorter: Counts, epochs: int) -> Counts:
    """Events of one epoch: the difference between two fits, over the epochs between them."""
    found: Counts = {}
    for place, events in longer.items():
        less = shorter.get(place, Counter())
        found[place] = Counter({name: (n - less[name]) / epochs for name, n in events.items()})  # type: ignore[misc]
    return found


def summed(counts: Counts, key: Any) -> dict[Any, Counter[str]]:
    """Sums of events by ``key(file, function, line)``."""
    found: dict[Any, Counter[str]] = {}
    for place, events in counts.items():
        found.setdefault(key(*place), Counter()).update(events)
    return found


def plain(function: str) -> str:
    """A function's name without the prefix that Cython adds."""
    match = re.match(r"(?:__pyx_fuse_(\d+))?__pyx_\w*?_6cfcore_7kernels_\d+_?(.+)", function)
    if match is None:
        return function
    kind = {None: "", "0": ", float32", "1": ", float64"}.get(match[1], "")
    return match[2] + kind


def is_ours(file: str) -> bool:
    """Whether a source belongs to the kernels, and not to the C library."""
    return file.endswith(".pyx") or (Path(kernels.__file__).parent / Path(file).name).exists()


def top(by_place: dict[Any, Counter[str]], total: Counter[str]) -> Iterator[list[str]]:
    """Rows of the functions or lines with most instructions, with their shares."""
    for place, events in sorted(by_place.items(), key=lambda pair: -pair[1]["instructions"])[:TOP]:
        shares = [events[name] / total[name] if total[name] else 0.0 for name in EVENTS]
        if max(shares) >= LEAST_SHARE:
            yield [str(place), *[f"{100 * share:.1f}%" for share in shares]]


def measure(name: str, folder: str, n: int, options: Any) -> Iterator[dict[str, Any]]:
    """Counts of an epoch of each model."""
    for model in options.models.split(","):
        for width in map(int, options.factors.split(",")):
            given = {"folder": folder, "model": model, "n_factors": width}
            runs = [count(options.level, options.cache, n_epochs=epochs, **given) for epochs in (3, 1)]
            epoch = an_epoch(runs[0], runs[1], 2)
            total = summed(epoch, lambda *_: "")[""]
            functions = list(top(summed(epoch, lambda _, function, __: plain(function)), total))
            named = {place: events for place, events in epoch.items() if place[2] > 0 and is_ours(place[0])}
            lines = list(top(summed(named, lambda file, _, line: f"{Path(file).name}:{line}"), total))
            print(f"{model} k={width}, {name}: done", file=sys.stderr, flush=True)
            yield {
                "data": name, "n": n, "model": model, "n_factors": width,
                "each": {event: total[event] / n for event in EVENTS}, "functions": functions, "lines": lines,
            }  # fmt: skip


def bytes_of(text: str) -> int:
    """ "512k" -> 524,288: caches are counted in powers of two, ratings are not."""
    units = {"k": 2**10, "m": 2**20}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def put(name: str, folder: str) -> int:
    """Write ratings to files that the simulated process maps; return their number."""
    if name in cf.datasets.NAMES:
        ratings = cf.datasets.load(name)
    else:
        n = number_of(name)
        ratings = cf.datasets.synthetic(*shape_of(n), n)
    arrays = (ratings.user_codes, ratings.item_codes, ratings.values, ratings.timestamps)
    for column, array in zip(COLUMNS, arrays, strict=True):
        np.save(Path(folder) / f"{column}.npy", array)
    return len(ratings)


def main() -> None:
    """Count, print, write."""
    levels = [level for level in kernels.available_levels() if level != "avx512"]
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="comma-separated: data sets, or sizes such as 1m")
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--factors", default="64", help="comma-separated")
    parser.add_argument("--level", default=levels[-1], choices=levels, help="SIMD level of the kernels")
    parser.add_argument("--cache", default=0, type=bytes_of, help="size of the last level, such as 512k")
    options = parser.parse_args()
    if options.quick:
        options.data, options.factors, options.models = "20k", "16", "SVD"
    if shutil.which("valgrind") is None:
        print("valgrind is not installed; this benchmark needs it (apt-get install valgrind)")
        sys.exit(0 if options.quick else 1)
    facts = machine()
    print(describe(facts), "\n", flush=True)
    found: list[dict[str, Any]] = []
    for name in options.data.split(","):
        with tempfile.TemporaryDirectory(prefix="cfcore-counters-") as folder:
            n = put(name, folder)
            for row in measure(name, folder, n, options):
                found.append(row)
                show(row, options.level)
    write(options.json, {"machine": facts, "level": options.level, "cache": options.cache, "rows": found})


def show(row: dict[str, Any], level: str) -> None:
    """Print the counts of an epoch of a model."""
    each = ", ".join(f"{value:,.2f} {name}" for name, value in row["each"].items())
    print(f"{row['model']} k={row['n_factors']}, {row['n']:,} ratings ({row['data']}), {level}")
    print(f"a rating: {each}\n")
    print(table(["function", *EVENTS], row["functions"]), "\n")
    if row["lines"]:
        print(table(["line", *EVENTS], row["lines"]), "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "fit":
        fit(**json.loads(sys.argv[2]))
    else:
        main()
