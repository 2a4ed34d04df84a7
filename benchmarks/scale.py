"""Time of an epoch per rating, and peak memory of a fit, with 1 to 100 million ratings.

    python benchmarks/scale.py                          # some 30 minutes, 2 GB of disk
    python benchmarks/scale.py --plot scale.png         # with a plot (pip install 'cfcore[plots]')
    python benchmarks/scale.py --sizes 1m,100m --factors 64 --threads 1
    python benchmarks/scale.py --models BayesianSVD --factors 32 --sizes 1m,20m
    python benchmarks/scale.py --quick

Ratings are synthetic, with the numbers of users and items of published data: MovieLens 1M, 10M and 20M, and
Netflix with 100 million ratings; for sizes between these the numbers are interpolated. Scaling down one shape
instead would give small data more items per rating than any real data has. The ratings are written to a
temporary folder once, as int32 codes and float32 values, and mapped read-only by each process that fits.

Each fit has its own process. The sizes for one model, number of factors and number of threads follow each
other, ``--repeats`` times, so that a drift in the speed of the machine affects their ratios less. The time of
an epoch is that between two calls of ``fit(..., callback=f)``; it includes the copy of the last good epoch,
but not checks, layout and first touches of memory. It is the median over the epochs without the first, and
then over the repeats. Growth is the median of the ratios of each repeat. Set-up is the time of `fit` outside
its epochs.

Peak memory is the largest resident memory of the process, as Linux reports it (VmHWM): Python and its
libraries, the model, its layout of the ratings, and the pages of the mapped ratings, 12 bytes a rating,
which the system could reclaim.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lists import status_bytes
from measure import arguments, describe, machine, show, table, write

import cfcore as cf

#: Ratings -> users, items: MovieLens 100K, 1M, 10M and 20M, and Netflix.
SHAPES = {
    100_000: (943, 1_682),
    1_000_000: (6_040, 3_706),
    10_000_000: (69_878, 10_677),
    20_000_000: (138_493, 26_744),
    100_000_000: (480_000, 17_770),
}
COLUMNS = ("user", "item", "value")
SCALE = (0.5, 5.0)
#: Goals: growth of the time per rating from the smallest size to the largest, and bytes at 100 million.
MOST_GROWTH, MOST_BYTES = 1.6, 6e9
#: Rates at which training does not diverge, for any number of epochs.
RATES = {"lr": 0.005, "reg": 0.05}
#: On small data more epochs are timed, so that together they process this many ratings; and most epochs.
RATINGS_SEEN, MOST_EPOCHS = 50_000_000, 30
ROW_GROUP = 1 << 20


def number_of(size: str) -> int:
    """ "20m" -> 20,000,000."""
    units = {"k": 1_000, "m": 1_000_000}
    size = size.strip().lower()
    return int(float(size[:-1]) * units[size[-1]]) if size[-1] in units else int(size)


def shape_of(n: int) -> tuple[int, int]:
    """Numbers of users and items for `n` ratings."""
    known = np.log(list(SHAPES))
    users, items = np.log(list(SHAPES.values())).T
    return round(np.exp(np.interp(np.log(n), known, users))), round(
        np.exp(np.interp(np.log(n), known, items))
    )


# ---------------------------------------------------------------------- jobs, each in its own process


def make(folder: str, n: int, parquet: bool) -> dict[str, Any]:
    """Write ratings, as arrays and, if asked for, as a parquet file."""
    start = time.perf_counter()
    n_users, n_items = shape_of(n)
    ratings = cf.datasets.synthetic(n_users, n_items, n, scale=SCALE, timestamps=False)
    for name, array in zip(COLUMNS, (ratings.user_codes, ratings.item_codes, ratings.values), strict=True):
        np.save(path_of(folder, n, name), array)
    if parquet:
        write_parquet(path_of(folder, n, "parquet"), ratings)
    return {"n": n, "n_users": n_users, "n_items": n_items, "seconds": time.perf_counter() - start}


def write_parquet(path: Path, ratings: cf.Ratings) -> None:
    """Write ratings in a common form: ids of 8 bytes, row groups, usual names of columns."""
    import pyarrow
    import pyarrow.parquet

    kinds = {"userId": pyarrow.int64(), "itemId": pyarrow.int64(), "rating": pyarrow.float32()}
    columns = (ratings.user_codes, ratings.item_codes, ratings.values)
    with pyarrow.parquet.ParquetWriter(path, pyarrow.schema(kinds)) as writer:
        for begin in range(0, len(ratings), ROW_GROUP):
            part = [column[begin : begin + ROW_GROUP] for column in columns]
            arrays = [
                pyarrow.array(column.astype(kind.to_pandas_dtype()), kind)
                for column, kind in zip(part, kinds.values(), strict=True)
            ]
            writer.write_table(pyarrow.table(arrays, names=list(kinds)))


def fit(folder: str, n: int, model: str, n_factors: int, n_threads: int, epochs: int) -> dict[str, Any]:
    """Fit a model to mapped ratings."""
    columns = [np.load(path_of(folder, n, name), mmap_mode="r") for name in COLUMNS]
    start = time.perf_counter()
    ratings = cf.Ratings(*columns, scale=SCALE)
    loaded = time.perf_counter()
    ends: list[float] = []
    given: dict[str, Any] = {"n_factors": n_factors, "n_threads": n_threads, "random_state": 0}
    if model == "BayesianSVD":  # an epoch is a sweep, with sets of both sides
        given |= {"burn_in": 1, "n_samples": epochs, "n_kept": min(epochs, 16)}
    else:
        given |= {"n_epochs": epochs + 1, **RATES}
    fitted = {"SVD": cf.SVD, "SVDpp": cf.SVDpp, "BayesianSVD": cf.BayesianSVD}[model](**given)
    fitted.fit(ratings, callback=lambda *_: ends.append(time.perf_counter()))
    each = statistics.median(np.diff(ends))
    return {
        "epoch": each,
        "epochs": np.diff(ends).tolist(),
        "nanoseconds": 1e9 * each / n,
        "check": loaded - start,
        "setup": ends[0] - loaded - each,
        "peak": status_bytes("VmHWM"),
    }


def read(folder: str, n: int) -> dict[str, Any]:
    """Read ratings from a parquet file."""
    start = time.perf_counter()
    ratings = cf.Ratings.read(path_of(folder, n, "parquet"), scale=SCALE)
    assert len(ratings) == n
    return {"seconds": time.perf_counter() - start, "peak": status_bytes("VmHWM")}


def path_of(folder: str, n: int, name: str) -> Path:
    """File of a column."""
    return Path(folder) / (f"{n}.parquet" if name == "parquet" else f"{n}-{name}.npy")


JOBS = {"make": make, "fit": fit, "read": read}


def in_process(job: str, **given: Any) -> dict[str, Any]:
    """Run a job in a new process, and return its result."""
    command = [sys.executable, __file__, job, json.dumps(given)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {name: value for name, value in given.items() if name != "folder"} | found


# ---------------------------------------------------------------------- the process that starts them


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def timed_epochs(n: int, given: int) -> int:
    """Number of epochs that are timed."""
    return given or min(max(3, round(RATINGS_SEEN / n)), MOST_EPOCHS)


def cells_of(options: Any, sizes: list[int], folder: str) -> Iterator[dict[str, Any]]:
    """All fits; for each setting, all sizes one after the other, and repeated."""
    for model in options.models.split(","):
        for width in options.factors.split(","):
            for threads in options.threads.split(","):
                turns: list[list[dict[str, Any]]] = [[] for _ in sizes]
                for _ in range(options.repeats):
                    for n, found in zip(sizes, turns, strict=True):
                        found.append(
                            in_process(
                                "fit", folder=folder, n=n, model=model, n_factors=int(width),
                                n_threads=int(threads), epochs=timed_epochs(n, options.epochs),
                            )
                        )  # fmt: skip
                for found in turns:
                    cell = joined(found)
                    say("  ".join(row_of(cell)))
                    yield cell


def joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The repeats of one fit as a cell: medians, and the largest peak."""
    medians = {
        name: statistics.median(fit[name] for fit in found) for name in ("epoch", "nanoseconds", "setup")
    }
    turns = [fit["nanoseconds"] for fit in found]
    return found[0] | medians | {"peak": max(fit["peak"] for fit in found), "turns": turns}


def name_of(cell: dict[str, Any]) -> str:
    """Name of a setting, for all sizes and numbers of threads."""
    return f"{cell['model']} k={cell['n_factors']}"


def row_of(cell: dict[str, Any]) -> list[str]:
    """A fit as it is printed."""
    return [
        name_of(cell),
        str(cell["n_threads"]),
        f"{cell['n']:,}",
        f"{cell['epoch']:.3f}",
        f"{cell['nanoseconds']:.1f}",
        f"{cell['setup']:.1f}",
        f"{cell['peak'] / 1e9:.2f}",
        "over the goal" if too_large(cell) else "",
    ]


HEADINGS = ["model", "threads", "ratings", "epoch s", "ns a rating", "set-up s", "peak GB", ""]


def too_large(cell: dict[str, Any]) -> bool:
    """Whether a peak is above its goal, if it has one."""
    counts = cell.get("n_factors", 0) <= 64 and cell["n"] <= max(SHAPES)
    return bool(counts and cell["peak"] > MOST_BYTES)


def growth(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Time per rating at the largest size over that at the smallest, for each setting."""
    settings = dict.fromkeys((name_of(cell), cell["n_threads"]) for cell in cells)
    for name, threads in settings:
        own = [cell for cell in cells if (name_of(cell), cell["n_threads"]) == (name, threads)]
        first, last = min(own, key=lambda cell: cell["n"]), max(own, key=lambda cell: cell["n"])
        if first is not last:
            pairs = zip(first["turns"], last["turns"], strict=True)
            ratio = statistics.median(large / small for small, large in pairs)
            yield {
                "setting": name, "n_threads": threads, "from": first["n"], "to": last["n"], "growth": ratio,
                "missed": ratio > MOST_GROWTH,
            }  # fmt: skip


def draw(path: Path, cells: list[dict[str, Any]]) -> None:
    """Plot time per rating, and peak memory, against the number of ratings."""
    from matplotlib.figure import Figure

    from cfcore.plots import COLORS

    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = dict(zip(dict.fromkeys(map(name_of, cells)), COLORS * len(cells), strict=False))
    least = min(cell["n_threads"] for cell in cells)
    for name, threads in dict.fromkeys((name_of(cell), cell["n_threads"]) for cell in cells):
        own = [cell for cell in cells if (name_of(cell), cell["n_threads"]) == (name, threads)]
        sizes = [cell["n"] for cell in own]
        style = {"color": colors[name], "marker": "o", "linestyle": "-" if threads == least else "--"}
        label = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
        left.plot(sizes, [cell["nanoseconds"] for cell in own], label=label, **style)
        if threads == least:
            right.plot(sizes, [cell["peak"] / 1e9 for cell in own], **style)
    right.axhline(MOST_BYTES / 1e9, color="grey", linewidth=1)
    right.annotate("goal at k = 64", (sizes[0], MOST_BYTES / 1e9), (0, -12), textcoords="offset points")
    for axes, what in ((left, "nanoseconds a rating"), (right, "peak memory, GB")):
        axes.set(xscale="log", xlabel="ratings", ylabel=what, ylim=(0, None))
    # Below, where it covers no line.
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(path)
    say(f"drawn to {path}")


def measure(options: Any, sizes: list[int], folder: str) -> dict[str, Any]:
    """Make the ratings and run all cells."""
    largest, found = max(sizes), {"made": [], "cells": [], "read": None}
    try:
        import pyarrow.parquet  # noqa: F401

        parquet = True
    except ImportError:
        parquet = False
        say("no pyarrow (pip install 'cfcore[frames]'): nothing is read from parquet")
    for n in sizes:
        found["made"].append(in_process("make", folder=folder, n=n, parquet=parquet and n == largest))
        say(f"{n:,} ratings made in {found['made'][-1]['seconds']:.0f} s")
    if parquet:
        found["read"] = in_process("read", folder=folder, n=largest)
        path_of(folder, largest, "parquet").unlink()
    found["cells"] = list(cells_of(options, sizes, folder))
    return found


def main() -> None:
    """Measure, print, draw, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1m,10m,20m,100m", help="comma-separated")
    parser.add_argument("--factors", default="32,64,128", help="comma-separated")
    parser.add_argument("--models", default="SVD,SVDpp", help="comma-separated")
    parser.add_argument("--threads", default="1,2", help="comma-separated")
    parser.add_argument("--epochs", type=int, default=0, help="epochs timed (3 of 20 million, more of fewer)")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of each fit")
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot to this file (png, svg, pdf)")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.factors, options.threads, options.epochs = "20k,50k", "16", "1", 2
        options.repeats = 1
    sizes = sorted(map(number_of, options.sizes.split(",")))
    facts = machine()
    print(describe(facts), "\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="cfcore-scale-", dir=options.folder) as folder:
        free, needed = shutil.disk_usage(folder).free, 12 * sum(sizes) + 12 * max(sizes)
        if free < needed:
            sys.exit(f"{needed / 1e9:.1f} GB of disk are needed, {free / 1e9:.1f} are free: see --folder")
        found = measure(options, sizes, folder)
    found["growth"] = list(growth(found["cells"]))
    report(found)
    if options.plot:
        draw(options.plot, found["cells"])
    write(options.json, {"machine": facts, **found})


def report(found: dict[str, Any]) -> None:
    """Print the results."""
    shapes = [f"{made['n']:,} by {made['n_users']:,} users of {made['n_items']:,}" for made in found["made"]]
    print(f"ratings: {'; '.join(shapes)} items\n")
    print(table(HEADINGS, [row_of(cell) for cell in found["cells"]]), "\n")
    rows = [
        [row["setting"], row["n_threads"], show(row["growth"], "{:.2f}x"), "missed" if row["missed"] else ""]
        for row in found["growth"]
    ]
    if rows:
        first, last = found["growth"][0]["from"], found["growth"][0]["to"]
        print(f"cost of a rating with {last:,} over that with {first:,}; goal: {MOST_GROWTH}x at most")
        print(table(["model", "threads", "growth", ""], rows), "\n")
    if found["read"]:
        row = found["read"]
        missed = ", over the goal" if too_large(row) else ""
        print(
            f"Ratings.read of a parquet file of {row['n']:,} rows: {row['seconds']:.1f} s, "
            f"peak {row['peak'] / 1e9:.2f} GB{missed}\n"
        )
    print("Peaks are of all resident memory: Python, model, layout, and the mapped ratings, 12 bytes each;")
    print(f"goal: {MOST_BYTES / 1e9:g} GB at most with 100 million ratings and 64 factors.")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in JOBS:
        print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
    else:
        main()
