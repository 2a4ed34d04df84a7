"""`BayesianSVD` beside myFM on the same rows: time to its accuracy, and where the models coincide.

Called by ``benchmarks/bayesian.py race`` and ``agree``.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from measure import table

import cfcore as cf

Row = dict[str, Any]


class Clock:
    """Seconds of a fit until each sweep, evaluations left out, and RMSE on test ratings."""

    def __init__(self, fitting: cf.BayesianSVD, test: cf.Ratings, every: int) -> None:
        self.model, self.test, self.every, self.paused = fitting, test, every, 0.0
        self.path: list[tuple[int, float, float]] = []
        self.start = time.perf_counter()

    def __call__(self, epochs: int, history: Any) -> None:
        now = time.perf_counter()
        # The mean over samples is worse than its last part right after the burn-in: look from there on.
        if epochs > self.model.burn_in and epochs % self.every == 0:
            error = float(cf.metrics.rmse(self.test.values, self.model.predict(self.test)))
            self.path.append((epochs, now - self.start - self.paused, error))
        self.paused += time.perf_counter() - now


def race(quick: bool) -> list[Row]:
    """Time from the start of a fit to the final accuracy of myFM: both sets, days, rank 10, 512 sweeps."""
    train, test = cf.datasets.load("ml-100k", split="u1")
    goal, taken = 0.8856, None
    if importlib.util.find_spec("myfm"):
        import myfm_models

        n_sweeps = 4 if quick else 512
        start = time.perf_counter()
        tables = myfm_models.Tables(train, sets=True, days=True)
        fitted, _ = myfm_models.fitted(tables, 10, n_sweeps, 0, n_sweeps)
        taken = time.perf_counter() - start
        goal = myfm_models.rmse(fitted, tables, test)
        print(f"myFM, {n_sweeps} sweeps: {goal:.4f} after {taken:.1f} s", flush=True)
    else:
        print(f"myFM is not installed (pip install myfm 'setuptools<80'); it reaches {goal}")
    rows: list[Row] = [{"who": "myFM", "rmse": goal, "seconds": taken}]
    for n_threads in (1, 2):
        for params in ({"burn_in": 100, "n_samples": 300}, {"burn_in": 30, "n_samples": 90}):
            sweeps = {"burn_in": 2, "n_samples": 4} if quick else params
            model = cf.BayesianSVD(**sweeps, random_state=0, n_threads=n_threads)
            clock = Clock(model, test, 2 if quick else 5)
            model.fit(train, callback=clock)
            reached = next((at for at in clock.path if at[2] <= goal), None)
            rows.append(
                {"who": "cfcore", "n_threads": n_threads, **sweeps, "path": clock.path, "goal": reached}
            )
    cells = []
    for row in rows[1:]:
        reached, last = row["goal"], row["path"][-1]
        share = "-" if taken is None or reached is None else f"{taken / reached[1]:.1f}x"
        cells.append(
            [f"burn_in={row['burn_in']}, n_samples={row['n_samples']}", row["n_threads"],
             *(["-", "-"] if reached is None else [reached[0], f"{reached[1]:.2f}"]), share,
             f"{last[1]:.2f}", f"{last[2]:.4f}"]
        )  # fmt: skip
    headings = ["BayesianSVD", "threads", "sweeps to the goal", "seconds", "faster", "seconds in all", "rmse"]
    print(table(headings, cells))
    return rows


def agree(quick: bool, n_seeds: int) -> list[Row]:
    """RMSE on u1 without sets, times and users' noise: one model, but for the priors of precisions."""
    train, test = cf.datasets.load("ml-100k", split="u1")
    rank, burn_in, n_samples = (4, 2, 4) if quick else (8, 100, 900)
    ours, theirs = [], []
    for seed in range(n_seeds):
        model = cf.BayesianSVD(
            n_factors=rank, burn_in=burn_in, n_samples=n_samples, sets=None, sessions=None, user_noise=False,
            random_state=seed,
        )  # fmt: skip
        found = model.fit(train).predict(test, timestamps=False)
        ours.append(float(cf.metrics.rmse(test.values, found)))
    print(f"BayesianSVD: {np.mean(ours):.4f} ({', '.join(f'{error:.4f}' for error in ours)})", flush=True)
    if importlib.util.find_spec("myfm"):
        import myfm_models

        tables = myfm_models.Tables(train, sets=False)
        for seed in range(n_seeds):
            fitted, _ = myfm_models.fitted(tables, rank, burn_in + n_samples, seed, n_samples)
            theirs.append(myfm_models.rmse(fitted, tables, test))
        print(f"myFM: {np.mean(theirs):.4f} ({', '.join(f'{error:.4f}' for error in theirs)})")
        print(f"difference of the means: {np.mean(ours) - np.mean(theirs):+.5f}")
    else:
        print("myFM is not installed: pip install myfm 'setuptools<80'")
    return [{"who": "cfcore", "rmse": ours}, {"who": "myFM", "rmse": theirs}]
