"""`BayesianSVD`: RMSE with its defaults, with times and without; its speed, and myFM beside it.

    python benchmarks/bayesian.py accuracy --data u1 --seeds 3
    python benchmarks/bayesian.py accuracy --data ml-1m --splits 5 --seeds 1
    python benchmarks/bayesian.py coverage --data ml-1m --splits 5 --seeds 1
    python benchmarks/bayesian.py rhat --data u1    # convergence with the defaults, of one chain and of two
    python benchmarks/bayesian.py given --data ml-1m    # latency of lists for users who come with ratings
    python benchmarks/bayesian.py memory --data ml-1m    # of a process that loads a model, mapped and not
    python benchmarks/bayesian.py time      # terms of time that were tried, on training rows: an hour
    python benchmarks/bayesian.py speed
    python benchmarks/bayesian.py race      # time until the final accuracy of myFM, u1
    python benchmarks/bayesian.py agree     # myFM's RMSE where the models coincide, u1
    python benchmarks/bayesian.py accuracy --data u1 --features    # with features of users and films
    python benchmarks/bayesian.py choose --data ml-1m    # the search for the defaults, on training rows
    python benchmarks/bayesian.py choose --features    # encodings of numbers among features, likewise

`speed` is on MovieLens 1M with 32 factors: sweeps on one thread, on two, and of two independent processes;
the kernel beside a bare C loop; with myFM installed, its sweeps are timed in the same run.
"""

from __future__ import annotations

from typing import Any

import bayesian_race
import bayesian_speed
import bayesian_time
import numpy as np
from bayesian_accuracy import LATEST, accuracy, others
from bayesian_coverage import coverage
from bayesian_given import SWEEPS, latencies
from bayesian_memory import memory
from bayesian_rhat import rhat
from measure import arguments, describe, machine, write

import cfcore as cf

#: Hyper-parameters of a smoke test.
FEW: dict[str, Any] = {"n_factors": 4, "n_samples": 4, "burn_in": 2}

#: What `--data` may be; of `accuracy` several, with commas between.
HELP = f"u1 to u5, ml-1m, ml-latest-small, movietweetings or {LATEST}: the ten latest of each user of ml-100k"

Row = dict[str, Any]


def held_out(data: str) -> tuple[cf.Ratings, cf.Ratings]:
    """Two parts of the training rows of a split."""
    split: Any = ("ml-100k", data) if data.startswith("u") else (data, 0.1)
    train, _ = cf.datasets.load(split[0], split=split[1])
    order = np.random.default_rng(5).permutation(len(train))
    cut = len(train) // 5
    return train.subset(np.sort(order[cut:])), train.subset(np.sort(order[:cut]))


def choose_features(data: str, quick: bool, n_seeds: int = 2) -> list[Row]:
    """RMSE with encodings of the numbers among features, on a part of the training rows."""
    part, held = held_out(data)
    _, users, items = cf.datasets.load("ml-100k" if data.startswith("u") else data, features=True)
    settings: list[dict[str, Any]] = [{"numbers": "standard"}]
    settings += [{"numbers": "bins", "n_bins": n} for n in (6, 12, 24)]
    rows: list[Row] = []
    for encoding in settings[:2] if quick else settings:
        errors = []
        for seed in range(1 if quick else n_seeds):
            side = {
                "user_features": cf.Features(users, **encoding),
                "item_features": cf.Features(items, **encoding),
            }
            model = cf.BayesianSVD(random_state=seed, **(FEW if quick else {})).fit(part, **side)
            errors.append(float(cf.metrics.rmse(held.values, model.predict(held))))
        rows.append({**encoding, "rmse": errors})
        print(encoding, f"{np.mean(errors):.5f}", flush=True)
    return rows


def choose(data: str, quick: bool) -> list[Row]:
    """RMSE of settings around the defaults on a part of the training rows."""
    part, held = held_out(data)
    settings: list[dict[str, Any]] = [{"n_factors": k} for k in (8, 16, 32, 48, 64)]
    settings += [{"n_kept": 200}, {"n_samples": 300}, {"n_samples": 1200, "burn_in": 200}]
    rows: list[Row] = []
    for params in [FEW] if quick else settings:
        model = cf.BayesianSVD(random_state=1, **params).fit(part)
        rows.append({**params, "rmse": float(cf.metrics.rmse(held.values, model.predict(held)))})
        print(params, f"{rows[-1]['rmse']:.5f}", flush=True)
    return rows


def terms_of_time(data: str, n_seeds: int, quick: bool) -> list[Row]:
    """RMSE of terms of time, tried within training rows."""
    split: Any = ("ml-100k", data) if data.startswith("u") else (data, 0.1)
    train, _ = cf.datasets.load(split[0], split=split[1])
    if quick:
        train = train.subset(slice(None, None, 10))
    return bayesian_time.compare(train, n_seeds, FEW if quick else {}, quick)


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    kinds = (
        "accuracy", "coverage", "rhat", "given", "memory", "time", "speed", "race", "agree", "choose"
    )  # fmt: skip
    parser.add_argument("what", choices=kinds)
    parser.add_argument("--data", default="u1", help=HELP)
    parser.add_argument(
        "--splits", type=int, default=1, metavar="N", help="accuracy and coverage: N random splits"
    )
    parser.add_argument("--others", action="store_true", help="accuracy: SVDpp and TimeSVDpp alone")
    parser.add_argument("--likelihood", help="accuracy: gaussian or ordinal")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--features", action="store_true", help="with features of users and items")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    n_seeds = 1 if options.quick else options.seeds
    if options.what == "accuracy":
        params = FEW if options.quick else {}
        if options.likelihood:
            params = {**params, "likelihood": options.likelihood}
        rows = []
        for data in options.data.split(","):
            rows += others(data, options.splits)
            rows += (
                [] if options.others else accuracy(data, options.splits, n_seeds, options.features, params)
            )
    elif options.what == "coverage":
        rows = coverage(options.data, options.splits, n_seeds, FEW if options.quick else {})
    elif options.what == "rhat":
        rows = rhat(options.data, n_seeds, FEW if options.quick else {})
    elif options.what == "given":
        rows = latencies(options.data, options.quick)
    elif options.what == "memory":
        rows = memory(options.data, FEW if options.quick else SWEEPS)
    elif options.what == "time":
        rows = terms_of_time(options.data, n_seeds, options.quick)
    elif options.what == "choose":
        search = choose_features if options.features else choose
        rows = search(options.data, options.quick)
    elif options.what == "agree":
        rows = bayesian_race.agree(options.quick, n_seeds)
    elif options.what == "race":
        rows = bayesian_race.race(options.quick)
    else:
        rows = bayesian_speed.speed(options.quick)
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
