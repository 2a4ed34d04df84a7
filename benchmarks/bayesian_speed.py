"""Times of a sweep of `BayesianSVD`: against myFM, bare C loops, and two independent processes.

Called by ``benchmarks/bayesian.py speed``.
"""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import limits
import numpy as np
from measure import alternate, seconds, show, table

import cfcore as cf
from cfcore import kernels
from cfcore.arrays import padded
from cfcore.kernels.factorization import gibbs
from cfcore.kernels.records import DrawKey, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_chains import Chains
from cfcore.models.factorization.bayesian_ordinal import EACH, EVERY

Row = dict[str, Any]
K = 32
#: Rows that are timed: settings of both libraries.
SETTINGS: dict[str, Row] = {
    "plain": {"sets": None},
    "plain, ordinal": {"sets": None, "likelihood": "ordinal"},
    "flipped": {"sets": "both"},
    "flipped, ordinal": {"sets": "both", "likelihood": "ordinal"},
}


def ratings(quick: bool) -> cf.Ratings:
    """The ratings that are sampled from."""
    return cf.datasets.load("ml-100k" if quick else "ml-1m", split=0.1)[0]


def model(n_sweeps: int, n_threads: int, **params: Any) -> cf.BayesianSVD:
    """Sampler of as many sweeps, without sessions and users' noise, which myFM does not have."""
    return cf.BayesianSVD(
        n_factors=K, n_samples=n_sweeps // 2, burn_in=n_sweeps - n_sweeps // 2, sessions=None,
        user_noise=False, n_kept=1, random_state=0, n_threads=n_threads, **params,
    )  # fmt: skip


def sweep(train: cf.Ratings, n_threads: int, n_sweeps: int, **params: Any) -> float:
    """Seconds of a sweep: the sum, over `EVERY`, of the medians of those that are the same steps.

    Cut points are drawn in each of the first `EACH` sweeps, which are not timed, then in every `EVERY`-th.
    The times are those at which sweeps begin: a callback would have the fit make a state after each.
    """
    times: list[float] = []
    epoch = Chains.epoch

    def timed(chains: Chains, k: int) -> float:
        times.append(time.perf_counter())
        return epoch(chains, k)

    with patch.object(Chains, "epoch", timed):
        model(EACH + n_sweeps + 1, n_threads, **params).fit(train)
    own = np.diff(times)[EACH:].reshape(-1, EVERY)
    return float(np.mean(np.median(own, axis=0)))


def worker(quick: bool, n_sweeps: int, setting: str) -> None:
    """One of two processes that run at the same time: seconds of its sweep; both wait for a common start."""
    train = ratings(quick)
    train.by_user, train.by_item  # noqa: B018
    print("ready", flush=True)
    sys.stdin.readline()
    print(sweep(train, 1, n_sweeps, **SETTINGS[setting]))


def two_processes(quick: bool, n_sweeps: int, setting: str) -> float:
    """Seconds of a sweep of two processes at the same time, the mean of both."""
    call = f"import bayesian_speed; bayesian_speed.worker({quick}, {n_sweeps}, {setting!r})"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", call], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=limits.SOURCES.parent,
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in both:
        assert one.stdout is not None
        if one.stdout.readline() != "ready\n":
            raise RuntimeError("a process of the benchmark ended before its sweeps")
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    return float(np.mean([float(one.communicate()[0]) for one in both]))


class Rows:
    """The rows of one side given those of the other: the kernel, and the same in bare C."""

    def __init__(self, train: cf.Ratings, kind: str) -> None:
        rng = np.random.default_rng(0)
        side, n_others = (train.by_user, train.n_items) if kind == "users" else (train.by_item, train.n_users)
        self.n = len(side.indptr) - 1
        self.given = RatingRows(
            side.indptr, side.indices, side.values.astype(np.float32) - np.float32(train.mean), n_others
        )
        columns = padded(rng.normal(0, 0.3, (n_others, K)).astype(np.float32))
        rows = padded(np.zeros((self.n, K), dtype=np.float32))
        self.draws = RowDraws(
            rows, columns, np.zeros((self.n, K)), 5 * np.eye(K), np.ones(self.n),
            np.ones(n_others, dtype=np.float32), None,
        )  # fmt: skip
        self.noise = rng.normal(size=(self.n, K))
        most = int(np.diff(side.indptr).max())
        self.scratch = np.empty(gibbs.scratch_shape(1, K, most))

    def kernel(self, level: str) -> Callable[[], float]:
        """The kernel, one thread."""

        def run() -> float:
            with kernels.use_level(level):
                key = DrawKey(1, 0, 0)
                return seconds(
                    lambda: gibbs.draw_rows(self.given, self.draws, key, self.scratch, (0, self.n), 1)
                )

        return run

    def bare(self, level: str) -> Callable[[], float]:
        """The bare loop, which is given its normal numbers."""
        function = limits.library("gibbs", level).gibbs
        held = (
            self.given.indptr, self.given.indices, self.given.values, self.draws.columns,
            self.draws.precision, self.noise,
        )  # fmt: skip
        rows = np.zeros((self.n, K), dtype=np.float32)
        call = [ctypes.c_void_p(array.ctypes.data) for array in held]
        more = [ctypes.c_double(1.0), ctypes.c_int64(self.n), ctypes.c_void_p(rows.ctypes.data)]
        return lambda: seconds(lambda: (function(*call, *more), held, rows))  # which it keeps


def against_bare(train: cf.Ratings, repeats: int) -> list[Row]:
    """Milliseconds of the rows of both sides, kernel and bare loop in turn, at each SIMD level."""
    found = []
    for kind in ("users", "items"):
        rows = Rows(train, kind)
        for level in kernels.available_levels():
            times = alternate({"kernel": rows.kernel(level), "bare": rows.bare(level)}, repeats)
            ratio = times["kernel"] / times["bare"]
            found.append({"rows": kind, "level": level, "seconds": times, "kernel_over_bare": ratio})
    return found


def speed(quick: bool) -> list[Row]:
    """Times of sweeps and of the kernel, with myFM's in the same run where it is installed."""
    train, n_sweeps, repeats = ratings(quick), EVERY if quick else 3 * EVERY, 1 if quick else 3
    has_likelihood = "likelihood" in cf.BayesianSVD().get_params()
    settings = {
        name: params for name, params in SETTINGS.items() if has_likelihood or "likelihood" not in params
    }
    has_myfm = importlib.util.find_spec("myfm") is not None
    rows: list[Row] = []
    for name, params in settings.items():
        contenders: dict[str, Callable[[], float]] = {
            "1 thread": lambda params=params: sweep(train, 1, n_sweeps, **params),
            "2 threads": lambda params=params: sweep(train, 2, n_sweeps, **params),
            "2 processes": lambda name=name: two_processes(quick, n_sweeps, name),
        }
        if has_myfm:
            import myfm_models

            tables = myfm_models.Tables(train, sets=params["sets"] is not None)
            contenders["myFM"] = lambda tables=tables, ordinal="likelihood" in params: float(
                np.median(myfm_models.fitted(tables, K, 4, 0, 1, ordinal)[1])
            )
        rows.append({"setting": name, "seconds": alternate(contenders, repeats, budget=60)})
    report(rows)
    if not has_myfm:
        print("myFM is not installed: pip install myfm 'setuptools<80'")
    print()
    bare = against_bare(train, 3 if quick else 9)
    cells = [
        [row["rows"], row["level"], *[f"{1e3 * row['seconds'][name]:.1f}" for name in ("kernel", "bare")],
         f"{row['kernel_over_bare']:.2f}x"]
        for row in bare
    ]  # fmt: skip
    print(table([f"rows of {K} factors", "level", "kernel ms", "bare C ms", "over bare"], cells))
    return rows + bare


def report(rows: list[Row]) -> None:
    """Print the times of sweeps."""
    cells = []
    for row in rows:
        times = row["seconds"]
        one, myfm = times["1 thread"], times.get("myFM")
        gaussian = next(each for each in rows if each["setting"] == row["setting"].split(",")[0])
        row["over_gaussian"] = one / gaussian["seconds"]["1 thread"]
        row["threads"], row["processes"] = one / times["2 threads"], 2 * one / times["2 processes"]
        row["over_myfm"] = None if myfm is None else myfm / one
        cells.append(
            [row["setting"], *[f"{1e3 * times[name]:.1f}" for name in ("1 thread", "2 threads")],
             f"{row['threads']:.2f}x", f"{row['processes']:.2f}x", show(myfm and 1e3 * myfm, "{:.0f}"),
             show(row["over_myfm"], "{:.1f}x"), f"{row['over_gaussian']:.2f}"]
        )  # fmt: skip
    headings = ["a sweep", "1 thread ms", "2 threads ms", "2 threads gain", "2 processes gain"]
    print(table([*headings, "myFM ms", "myFM over us", "over Gaussian"], cells))
