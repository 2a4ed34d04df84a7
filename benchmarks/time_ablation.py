"""Effect of each term of timeSVD++ on the error of random test ratings and of later test ratings.

    python benchmarks/time_ablation.py                  # MovieLens 100K and 1M: some ten minutes
    python benchmarks/time_ablation.py --data ml-100k
    python benchmarks/time_ablation.py --quick          # smoke test

"random" holds out a tenth of the ratings, "last 10" the ten latest of each user, "future" the latest tenth of
all. In a random split most test ratings have training ratings of the same user-day. The terms of user-days
and sessions are learned from these, and left out where there are none, so that their gain in a random split
does not carry over to later days. Rows are differences of RMSE from SVD++ with the same seed, means over the
seeds, negative if the terms help; compare them with the spread over seeds. Nothing is chosen by them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from measure import arguments, describe, machine, table, write

import cfcore as cf
from cfcore.models.factorization.time_terms import TERMS

SPLITS: dict[str, Callable[[cf.Ratings], tuple[cf.Ratings, cf.Ratings]]] = {
    "random": lambda ratings: cf.split.holdout(ratings, 0.1, random_state=0),
    "last 10": lambda ratings: cf.split.leave_k_out(ratings, 10, latest=True),
    "future": lambda ratings: cf.split.by_time(ratings, 0.1),
}
OFF = {**dict.fromkeys(TERMS, False), "sessions": None}


def settings() -> dict[str, dict[str, Any]]:
    """Names and terms of the settings: no term, the defaults, all but one term, one term alone."""
    usual = cf.TimeSVDpp().get_params()
    used = [name for name in TERMS if usual[name]]
    found: dict[str, dict[str, Any]] = {"no term of time": OFF, "the defaults": {}}
    found |= {f"... without {name}": {name: False} for name in used}
    found["... without sessions"] = {"sessions": None}
    found |= {f"only {name}": OFF | {name: True} for name in TERMS}
    found["only sessions"] = OFF | {"sessions": "auto"}
    return found


def errors(train: cf.Ratings, test: cf.Ratings, seeds: int, quick: bool) -> dict[str, list[float]]:
    """RMSE of every setting and of SVD++, for each seed."""
    small = {"n_factors": 8, "n_epochs": 2} if quick else {}
    models: dict[str, Callable[[int], Any]] = {"SVDpp": lambda seed: cf.SVDpp(random_state=seed, **small)}
    for name, terms in settings().items():
        models[name] = lambda seed, terms=terms: cf.TimeSVDpp(random_state=seed, **small, **terms)
    return {
        name: [cf.metrics.rmse(test.values, make(seed).fit(train).predict(test)) for seed in range(seeds)]
        for name, make in models.items()
    }


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k,ml-1m", help="comma-separated")
    parser.add_argument("--seeds", type=int, default=0, help="seeds of each fit (3 of 100K, 1 of others)")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    report: dict[str, Any] = {"machine": facts, "rows": []}
    for data in ["ml-100k"] if options.quick else options.data.split(","):
        ratings = cf.datasets.load(data)
        if options.quick:
            ratings = ratings.subset(slice(None, None, 10))
        seeds = options.seeds or (3 if data == "ml-100k" and not options.quick else 1)
        columns: dict[str, dict[str, list[float]]] = {}
        for split, cut in SPLITS.items():
            train, test = cut(ratings)
            columns[split] = errors(train, test, seeds, options.quick)
            for name, found in columns[split].items():
                report["rows"].append({"data": data, "split": split, "setting": name, "rmse": found})
        plain = {split: statistics.fmean(found["SVDpp"]) for split, found in columns.items()}
        rows = [["SVDpp, RMSE", *[f"{error:.4f}" for error in plain.values()]]]
        for name in settings():
            gaps = [statistics.fmean(found[name]) - plain[split] for split, found in columns.items()]
            rows.append([name, *[f"{gap:+.4f}" for gap in gaps]])
        print(table([f"{data}, {seeds} seed{'s' * (seeds > 1)}", *SPLITS], rows), "\n")
    write(options.json, report)


if __name__ == "__main__":
    main()
