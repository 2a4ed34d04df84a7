"""Errors of all models with their defaults, over several splits.

    python benchmarks/accuracy.py               # MovieLens 100K, u1-u5, and 1M, five random 90/10 splits
    python benchmarks/accuracy.py --data ml-100k
    python benchmarks/accuracy.py --data ml-100k --models RBM --splits 1 --seeds 3    # u1, three seeds

Defaults were chosen by cross-validation within the training rows of u1 and of seed 0. The test rows of these
two splits were not used for it; most test rows of the other splits are among the rows that were.
Models with a seed are fitted with seed 0, or with the first ``--seeds`` seeds, and the mean is shown.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from measure import arguments, describe, machine, table, write

import cfcore as cf
from cfcore.registry import BY_COMMAND

MODELS: dict[str, Any] = {
    **{entry.name: entry.load() for entry in BY_COMMAND.values() if not entry.lists},
    "RBM by user": partial(cf.RBM, by="user"),
}
SPLITS = {"ml-100k": ("u1", "u2", "u3", "u4", "u5"), "ml-1m": (0, 1, 2, 3, 4)}


def splits(name: str, n: int) -> Iterator[tuple[str, cf.Ratings, cf.Ratings]]:
    """Name, training rows and test rows of each of the first n splits."""
    for split in SPLITS[name][:n]:
        if isinstance(split, str):
            yield split, *cf.datasets.load(name, split=split)
        else:
            yield f"seed {split}", *cf.datasets.load(name, split=0.1, random_state=split)


def errors(name: str, models: Sequence[str], n_splits: int, n_seeds: int) -> Iterator[dict[str, Any]]:
    """RMSE of each model on each split, for each seed."""
    for split, train, test in splits(name, n_splits):
        for model in models:
            fitted = MODELS[model]()
            seeded = "random_state" in fitted.get_params()
            found = []
            for seed in range(n_seeds if seeded else 1):
                if seeded:
                    fitted.set_params(random_state=seed)
                found.append(cf.metrics.rmse(test.values, fitted.fit(train).predict(test)))
            rmse = statistics.fmean(found)
            yield {"data": name, "split": split, "model": model, "rmse": rmse, "by_seed": found}


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k,ml-1m", help="comma-separated")
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--splits", type=int, default=5, metavar="N", help="the first N of each data set")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds of each model that has one")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    found: list[dict[str, Any]] = []
    models = options.models.split(",")
    for name in ["ml-100k"] if options.quick else options.data.split(","):
        rows = list(errors(name, models, 1 if options.quick else options.splits, options.seeds))
        headings = [f"RMSE, {name}", *dict.fromkeys(row["split"] for row in rows), "mean"]
        lines = []
        for model in models:
            each = [row["rmse"] for row in rows if row["model"] == model]
            lines.append([model, *[f"{rmse:.4f}" for rmse in [*each, statistics.fmean(each)]]])
        print(table(headings, lines), "\n")
        found += rows
    write(options.json, {"machine": facts, "rows": found})


if __name__ == "__main__":
    main()
