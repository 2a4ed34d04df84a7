"""`BayesianSVD`: RMSE with its defaults, with times and without; and the time of a sweep.

    python benchmarks/bayesian.py accuracy --data u1 --seeds 3
    python benchmarks/bayesian.py speed
    python benchmarks/bayesian.py choose    # the search for the defaults, on training rows of u1

`speed` is on MovieLens 1M with 32 factors; with myFM installed, its sweeps are timed in the same run.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from measure import arguments, describe, machine, write

import cfcore as cf

#: Hyper-parameters of a smoke test.
FEW: dict[str, Any] = {"n_factors": 4, "n_samples": 4, "burn_in": 2}

Row = dict[str, Any]


def accuracy(data: str, n_seeds: int, quick: bool) -> list[Row]:
    """RMSE of each seed, with times and without."""
    split: Any = ("ml-100k", data) if data.startswith("u") else (data, 0.1)
    train, test = cf.datasets.load(split[0], split=split[1])
    params: dict[str, Any] = {"n_factors": 32} if data == "ml-1m" else {}
    if quick:
        params = FEW
    rows: list[Row] = []
    for sessions in ("auto", None):
        errors = []
        for seed in range(n_seeds):
            model = cf.BayesianSVD(sessions=sessions, random_state=seed, **(FEW if quick else params)).fit(
                train
            )
            predicted = model.predict(test) if sessions else model.predict(test, timestamps=False)
            errors.append(float(cf.metrics.rmse(test.values, predicted)))
        named = ", ".join(f"{error:.4f}" for error in errors)
        print(f"{data}, sessions={sessions!r}: {np.mean(errors):.4f} ({named})", flush=True)
        rows.append({"data": data, "sessions": sessions, "rmse": errors})
    return rows


def choose(quick: bool) -> list[Row]:
    """RMSE of settings around the defaults on a part of the training rows of u1."""
    train, _ = cf.datasets.load("ml-100k", split="u1")
    order = np.random.default_rng(5).permutation(len(train))
    cut = len(train) // 5
    part, held = train.subset(np.sort(order[cut:])), train.subset(np.sort(order[:cut]))
    settings: list[dict[str, Any]] = [{"n_factors": k} for k in (8, 16, 32)]
    settings += [{"n_kept": 200}, {"n_samples": 200, "burn_in": 60}, {"n_samples": 600, "burn_in": 200}]
    rows: list[Row] = []
    for params in [FEW] if quick else settings:
        model = cf.BayesianSVD(random_state=1, **params).fit(part)
        rows.append({**params, "rmse": float(cf.metrics.rmse(held.values, model.predict(held)))})
        print(params, f"{rows[-1]['rmse']:.5f}", flush=True)
    return rows


def speed(quick: bool, n_sweeps: int = 8) -> list[Row]:
    """Seconds of a sweep, the median of differences of the times of callbacks."""
    train, _ = cf.datasets.load("ml-100k" if quick else "ml-1m", split=0.1)
    rows: list[Row] = []
    for sets in (None, "both"):
        for n_threads in (1, 2):
            times = [time.perf_counter()]
            model = cf.BayesianSVD(
                n_factors=32, n_samples=n_sweeps // 2, burn_in=n_sweeps - n_sweeps // 2, sets=sets,
                sessions=None, user_noise=False, n_kept=1, random_state=0, n_threads=n_threads,
            )  # fmt: skip
            model.fit(train, callback=lambda epochs, history, times=times: times.append(time.perf_counter()))
            rows.append({"sets": sets, "threads": n_threads, "seconds": float(np.median(np.diff(times)[1:]))})
            print(f"sets={sets!r}, {n_threads} threads: {rows[-1]['seconds']:.3f} s", flush=True)
    if importlib.util.find_spec("myfm"):
        speed_of_myfm(train)
    else:
        print("myFM is not installed")
    return rows


def speed_of_myfm(train: cf.Ratings, n_sweeps: int = 6) -> None:
    """Seconds of a sweep of myFM, plain and with both sets as blocks of relations."""
    import myfm
    import scipy.sparse as sp

    n, n_users, n_items = len(train), train.n_users, train.n_items
    ones = np.ones(n)
    users = sp.csr_matrix((ones, (np.arange(n), train.user_codes)), shape=(n, n_users))
    items = sp.csr_matrix((ones, (np.arange(n), train.item_codes)), shape=(n, n_items))
    rated = sp.csr_matrix((ones, (train.user_codes, train.item_codes)), shape=(n_users, n_items))
    of_users = sp.hstack([sp.eye(n_users), sp.diags(train.user_counts**-0.5) @ rated]).tocsr()
    of_items = sp.hstack([sp.eye(n_items), sp.diags(train.item_counts**-0.5) @ rated.T]).tocsr()
    blocks = [
        myfm.RelationBlock(train.user_codes.tolist(), of_users),
        myfm.RelationBlock(train.item_codes.tolist(), of_items),
    ]
    none = sp.csr_matrix((n, 0))
    for name, table, relations in (("plain", sp.hstack([users, items]).tocsr(), []), ("both", none, blocks)):
        times = [time.perf_counter()]
        myfm.MyFMRegressor(rank=32, random_seed=0).fit(
            table, train.values, X_rel=relations, n_iter=n_sweeps, n_kept_samples=1,
            callback=lambda *given, times=times: (times.append(time.perf_counter()), (False, ""))[1],
        )  # fmt: skip
        print(f"myFM, {name}: {np.median(np.diff(times)[1:]):.3f} s", flush=True)


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("what", choices=("accuracy", "speed", "choose"))
    parser.add_argument("--data", default="u1", help="u1 to u5, ml-1m, ml-latest-small or movietweetings")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    if options.what == "accuracy":
        rows = accuracy(options.data, 1 if options.quick else options.seeds, options.quick)
    else:
        rows = (choose if options.what == "choose" else speed)(options.quick)
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
