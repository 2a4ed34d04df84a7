"""Fits on Dask clusters on this machine: bits, lost workers, time of an epoch.

    python benchmarks/cluster.py agree              # MovieLens 1M: bits of fits on 1, 2 and 4 workers
    python benchmarks/cluster.py kills              # MovieLens 100K: 20 fits each that lose a worker
    python benchmarks/cluster.py schedulers         # 5 fits each that lose the scheduler, and go on
    python benchmarks/cluster.py overhead           # MovieLens 1M: seconds of an epoch, and of local ones
    python benchmarks/cluster.py scale              # 20 million ratings on two workers
    python benchmarks/cluster.py hundred_million    # from parquet files to written lists; 10 GB of disk
    python benchmarks/cluster.py plan               # a billion ratings on 16 machines, from rates here
    python benchmarks/cluster.py plan --plan users=1e7,machines=4,memory=128

Workers are processes of one thread (`LocalCluster`). In `agree`, `kills` and `schedulers`, the work is
divided between all of them, even where that takes longer than to leave it to one. In `scale`, an epoch on two
workers is compared with one on a local thread over the speed-up that two independent processes reach, each of
which runs the local fit: they share memory and caches, too. Seconds of an epoch are those of a fit less those
of one of half as many epochs, which sends the same data, over the difference. In `hundred_million`, memory
is that of all processes (proportional set sizes, at the same time), and pages of files that they map are
counted apart.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cluster_large
from cluster_kills import differing, kills, schedulers
from cluster_plan import Plan, measured, report
from measure import arguments, describe, machine, show, table, write

#: Fits of `agree`: name and hyper-parameters.
AGREE: dict[str, tuple[str, dict[str, Any]]] = {
    "Baseline": ("Baseline", {}),
    "SVD": ("SVD", {"n_epochs": 5, "random_state": 0}),
    "SVDpp": ("SVDpp", {"n_epochs": 3, "random_state": 0}),
    "TimeSVDpp": ("TimeSVDpp", {"n_epochs": 2, "random_state": 0}),
    "ALS": ("ALS", {"n_epochs": 3, "random_state": 0}),
    "BayesianSVD": ("BayesianSVD", {"burn_in": 3, "n_samples": 4, "random_state": 0}),
    "ItemKNN": ("ItemKNN", {}),
    "UserKNN": ("UserKNN", {"storage": 60}),
    "EASE": ("EASE", {}),
    "RBM": ("RBM", {"n_epochs": 1, "n_hidden": 50, "random_state": 0}),
}
#: Fits of `overhead` and `scale`, by the number of factors.
TIMED: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "SVD": lambda k, n: {"n_factors": k, "n_epochs": n},
    "SVDpp": lambda k, n: {"n_factors": k, "n_epochs": n},
    "ALS": lambda k, n: {"n_factors": k, "n_epochs": n},
    "ALS without sets": lambda k, n: {"n_factors": k, "n_epochs": n, "sets": None},
    "BayesianSVD": lambda k, n: {"n_factors": k, "burn_in": 1, "n_samples": n - 1},
}


if sys.platform == "linux":  # workers that take little time to start; read by `distributed` as it is imported
    os.environ.setdefault("DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD", "forkserver")


@contextmanager
def cluster_of(n_workers: int) -> Iterator[tuple[Any, Any]]:
    """A cluster of processes of one thread, and its client."""
    from distributed import Client, LocalCluster

    options = {"processes": True, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, **options) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


#: Models of `kills` and `schedulers`, and of `scale`.
KILLED, SCALED = "SVD,ALS,BayesianSVD", "SVD,ALS without sets,ALS,BayesianSVD"


def models_of(given: str | None, usual: str) -> list[str]:
    return (given or usual).split(",")


def made(name: str, params: dict[str, Any]) -> Any:
    import cfcore as cf

    kind = getattr(cf, name.split()[0])
    threads = {} if name in ("Baseline", "Popularity") else {"n_threads": 1}
    return kind(**params, **threads)


def data(name: str, quick: bool) -> Any:
    import cfcore as cf

    if quick:
        return cf.datasets.synthetic(400, 100, 10_000)
    if name == "20m":
        return cf.datasets.synthetic(138_493, 26_744, 20_000_000, timestamps=False)
    return cf.datasets.load(name)


def agree(quick: bool) -> list[dict[str, Any]]:
    """Fits on 1, 2 and 4 workers beside local ones."""
    import cfcore as cf
    from cfcore.distributed import fit_blocks

    fit_blocks.LATENCY = 0.0  # divide the work between all workers, even where that takes longer
    train = data("ml-1m", quick)
    locals_ = {name: made(*given).fit(train) for name, given in AGREE.items()}
    rows = []
    for n_workers in (1, 2, 4):
        with cluster_of(n_workers):
            for name, given in AGREE.items():
                fields = differing(locals_[name], cf.distributed.fit(made(*given), train))
                rows.append({"model": name, "workers": n_workers, "differing": fields})
    return rows


def divided(quick: bool) -> Any:
    """Data of fits whose work is divided between all workers, even where that takes longer."""
    from cfcore.distributed import fit_blocks

    fit_blocks.LATENCY = 0.0
    return data("ml-100k", quick)


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def epoch_seconds(fit: Callable[..., Any], name: str, n_factors: int, n_epochs: int) -> float:
    """Seconds of an epoch: those of a fit less those of one of half as many epochs, over the difference.

    A fit before them is not counted: it imports modules, and has pages given to processes.
    """
    half = n_epochs // 2
    _, long, short = (
        timed(lambda n=n: fit(made(name, {**TIMED[name](n_factors, n), "random_state": 0})))
        for n in (half, n_epochs, half)
    )
    return (long - short) / (n_epochs - half)


def overhead(quick: bool) -> list[dict[str, Any]]:
    """Seconds of an epoch on two workers, and in this process on one thread."""
    import cfcore as cf

    train, rows = data("ml-1m", quick), []
    with cluster_of(2):
        for name in TIMED:
            n = 4 if quick else 24 if name == "SVD" else 6
            local = epoch_seconds(lambda model: model.fit(train), name, 64, n)
            here = epoch_seconds(lambda model: cf.distributed.fit(model, train), name, 64, n)
            rows.append({"model": name, "local": local, "cluster": here, "overhead": here - local})
    return rows


def alone(name: str, n_factors: int, n_epochs: int, quick: bool, barrier: Any, results: Any) -> None:
    """The local fit in a process of its own, beside others."""
    warnings.simplefilter("ignore")
    train = data("20m", quick)
    train.by_user, train.by_item  # noqa: B018
    barrier.wait()
    results.put(epoch_seconds(lambda model: model.fit(train), name, n_factors, n_epochs))


def side_by_side(n: int, *given: Any) -> float:
    """Mean seconds of an epoch in `n` independent processes at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(n), context.Queue()
    processes = [context.Process(target=alone, args=(*given, barrier, results)) for _ in range(n)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return statistics.mean(found)


def scale(quick: bool, models: list[str], n_factors: int) -> list[dict[str, Any]]:
    """20 million ratings on two workers."""
    import cfcore as cf

    rows = []
    for name in models:
        # The set-up of a fit varies by some tenths of a second.
        n = 4 if quick else 128 if name == "SVD" else 12
        one, two = (side_by_side(processes, name, n_factors, n, quick) for processes in (1, 2))
        train = data("20m", quick)
        with cluster_of(2):
            here = epoch_seconds(lambda model: cf.distributed.fit(model, train), name, n_factors, n)  # noqa: B023
        speed_up = 2 * one / two
        row = {
            "model": name,
            "factors": n_factors,
            "local": one,
            "speed-up of two": speed_up,
            "cluster": here,
        }
        rows.append({**row, "over reachable": here / (one / speed_up)})
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    names = ["agree", "kills", "schedulers", "overhead", "scale", "hundred_million", "plan"]
    parser.add_argument("what", choices=names)
    parser.add_argument("--models", help="of `kills`, `schedulers` and `scale`, by default some")
    parser.add_argument("--ratings", type=int, default=100_000_000, metavar="N", help="of `hundred_million`")
    parser.add_argument("--folder", metavar="PATH", help="of `hundred_million`; by default a temporary one")
    parser.add_argument("--number", type=int, metavar="N", help="kills of each model")
    parser.add_argument("--factors", type=int, default=32, metavar="K", help="of `scale`")
    parser.add_argument(
        "--plan", default="", help="of `plan`: numbers of ratings, users, items, factors, ..."
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    facts = machine()
    print(describe(facts), "\n")
    if options.what == "agree":
        rows = agree(options.quick)
        lines = [[row["model"], row["workers"], ", ".join(row["differing"]) or "none"] for row in rows]
        print(table(["model", "workers", "fields that differ"], lines))
    elif options.what == "kills":
        headings = ["model", "workers killed", "same bits", "s unbroken", "s with a kill", "at most"]
        n = options.number or (1 if options.quick else 20)
        rows = kills(cluster_of, divided(options.quick), models_of(options.models, KILLED), n)
        keys = ("kills", "same", "usual", "median", "most")
        forms = ("{}", "{}", *["{:.1f}"] * 3)
        lines = [
            [row["model"], *(show(row[key], form) for key, form in zip(keys, forms, strict=True))]
            for row in rows
        ]
        print(table(headings, lines))
    elif options.what == "schedulers":
        n = options.number or (1 if options.quick else 5)
        rows = schedulers(divided(options.quick), models_of(options.models, KILLED), n)
        lines = [[row["model"], row["kills"], row["same"], row["epochs left"]] for row in rows]
        print(table(["model", "schedulers killed", "same bits", "epochs left to another"], lines))
    elif options.what == "overhead":
        rows = overhead(options.quick)
        lines = [
            [row["model"], *(show(row[key]) for key in ("local", "cluster", "overhead"))] for row in rows
        ]
        print(table(["seconds of an epoch, 64 factors", "local", "two workers", "difference"], lines))
    elif options.what == "hundred_million":
        n = 20_000 if options.quick else options.ratings
        print(f"{n:,} ratings in parquet files", end="\n\n")
        rows = cluster_large.steps(n, options.folder, options.quick)
        print(table(cluster_large.HEADINGS, cluster_large.lines(rows)))
    elif options.what == "plan":
        plan = Plan.of(options.plan)
        told, rows = report(plan, measured(options.quick, plan.factors))
        print(told)
    else:
        rows = scale(options.quick, models_of(options.models, SCALED), options.factors)
        keys = ("local", "speed-up of two", "cluster", "over reachable")
        lines = [[row["model"], row["factors"], *(show(row[key]) for key in keys)] for row in rows]
        headings = [
            "model",
            "factors",
            "s an epoch, local",
            "speed-up of two processes",
            "s on two workers",
            "over reachable",
        ]
        print(table(headings, lines))
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
