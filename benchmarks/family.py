"""Times of SVD, SVD++ and timeSVD++, each over the next simpler model, and the speed-up by a second thread.

    python benchmarks/family.py                         # MovieLens 1M, a minute or two
    python benchmarks/family.py --factors 100
    python benchmarks/family.py --quick                 # smoke test: MovieLens 100K, one measurement each

The work for a rating increases from SVD to SVD++ (with the sets N(u)) to timeSVD++ (with time). The time of
an epoch is the difference between a longer and a shorter fit, over the epochs between them, which excludes
the set-up. Measurements alternate within one run; compare the ratios of their medians. A second thread saves
time only on a core that is otherwise idle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from measure import alternate, arguments, describe, machine, seconds, table, write

import cfcore as cf

FAMILY: dict[str, Any] = {"SVD": cf.SVD, "SVDpp": cf.SVDpp, "TimeSVDpp": cf.TimeSVDpp}
THREADS = (1, 2)
N_PAIRS = 100_000

Times = dict[str, dict[int, float]]


def in_turns(contenders: dict[tuple[str, int], Callable[[], float]], repeats: int) -> Times:
    """Medians of alternating measurements, by model and number of threads."""
    found = alternate({f"{name} {n}": call for (name, n), call in contenders.items()}, repeats)
    return {name: {n: found[f"{name} {n}"] for n in THREADS} for name in FAMILY}


def epochs(train: cf.Ratings, n_factors: int, between: tuple[int, int], repeats: int) -> Times:
    """Seconds per epoch."""
    short, long = between

    def fit(name: str, n_epochs: int, n_threads: int) -> float:
        model = FAMILY[name](n_factors=n_factors, n_epochs=n_epochs, random_state=0, n_threads=n_threads)
        return seconds(lambda: model.fit(train))

    def epoch(name: str, n_threads: int) -> float:
        return (fit(name, long, n_threads) - fit(name, short, n_threads)) / (long - short)

    return in_turns({(name, n): lambda x=name, n=n: epoch(x, n) for name in FAMILY for n in THREADS}, repeats)


def predictions(train: cf.Ratings, pairs: tuple[Any, ...], n_factors: int, repeats: int) -> Times:
    """Seconds to predict pairs with timestamps, raw ids in and ratings out."""
    fitted = {
        (name, n): FAMILY[name](n_factors=n_factors, n_epochs=2, random_state=0, n_threads=n).fit(train)
        for name in FAMILY
        for n in THREADS
    }
    for model in fitted.values():
        model.predict(*pairs)  # rows are padded at the first call
    calls = {who: lambda model=model: seconds(lambda: model.predict(*pairs)) for who, model in fitted.items()}
    return in_turns(calls, repeats)


def rows(epoch: Times, predict: Times) -> list[dict[str, Any]]:
    """A row for each model; ratios to the previous model, on one thread."""
    found: list[dict[str, Any]] = []
    for place, name in enumerate(FAMILY):
        before = list(FAMILY)[place - 1] if place else None
        found.append(
            {
                "model": name,
                "epoch": epoch[name],
                "epoch_against": before,
                "epoch_ratio": epoch[name][1] / epoch[before][1] if before else None,
                "epoch_two_threads_against_one": epoch[name][1] / epoch[name][2],
                "predict": predict[name],
                "predict_ratio": predict[name][1] / predict[before][1] if before else None,
                "predict_two_threads_against_one": predict[name][1] / predict[name][2],
            }
        )
    return found


def cells(row: dict[str, Any]) -> list[str]:
    """The row as it is printed."""
    line = [row["model"]]
    for job in ("epoch", "predict"):
        ratio = row[f"{job}_ratio"]
        line += [f"{row[job][n] * 1000:.1f}" for n in THREADS]
        line.append("-" if ratio is None else f"{ratio:.2f}x {row['epoch_against']}")
        line.append(f"{row[f'{job}_two_threads_against_one']:.2f}x")
    return line


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="", help="data set with timestamps (ml-1m; with --quick ml-100k)")
    parser.add_argument("--factors", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each")
    options = parser.parse_args()
    name = options.data or ("ml-100k" if options.quick else "ml-1m")
    train, test = cf.datasets.load(name, split=0.1)
    rng = np.random.default_rng(0)
    picked = rng.integers(0, len(test), 1000 if options.quick else N_PAIRS)
    pairs = (test.users[picked], test.items[picked], test.timestamps[picked])
    facts = machine()
    print(describe(facts))
    print(f"{name}: {len(train):,} ratings to train on, {options.factors} factors\n")
    repeats = 1 if options.quick else options.repeats
    epoch = epochs(train, options.factors, (1, 3) if options.quick else (2, 14), repeats)
    found = rows(epoch, predictions(train, pairs, options.factors, repeats))
    jobs = ("epoch ms", "2 thr.", "ratio", "2 over 1")
    pairs_jobs = (f"predict {len(picked):,} ms", *jobs[1:])
    print(table(["model", *jobs, *pairs_jobs], [cells(row) for row in found]))
    print("\nMilliseconds: medians of alternating measurements. ratio: on one thread, over the model named.")
    write(options.json, {"machine": facts, "data": name, "n_factors": options.factors, "rows": found})


if __name__ == "__main__":
    main()
