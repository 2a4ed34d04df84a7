"""`BayesianSVD` beside myFM on the same rows: time to its accuracy, and where the models coincide.

Called by ``benchmarks/bayesian.py race`` and ``agree``.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from measure import show, table

import cfcore as cf

Row = dict[str, Any]


#: Sweeps before the samples, and samples, of fits; the last are the defaults.
BUDGETS = ((10, 20), (20, 40), (30, 90), (100, 600))


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
    cells = []
    for burn_in, n_samples in ((2, 4),) if quick else BUDGETS:
        for n_threads in (1, 2):
            model = cf.BayesianSVD(
                burn_in=burn_in, n_samples=n_samples, random_state=0, n_threads=n_threads
            )  # fmt: skip
            start = time.perf_counter()
            model.fit(train)
            spent = time.perf_counter() - start
            error = float(cf.metrics.rmse(test.values, model.predict(test)))
            rows.append(
                {"sweeps": burn_in + n_samples, "n_threads": n_threads, "seconds": spent, "rmse": error}
            )
            ratio = taken / spent if taken is not None and error <= goal else None
            name, reached = f"burn_in={burn_in}, n_samples={n_samples}", "yes" if error <= goal else "no"
            figures = f"{spent:.2f}", f"{error:.4f}", reached, show(ratio, "{:.1f}x")
            cells.append([name, n_threads, *figures])
    print(table(["BayesianSVD", "threads", "seconds", "rmse", "goal reached", "faster"], cells))
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
