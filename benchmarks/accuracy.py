"""Errors of all models with their defaults, over several splits.

    python benchmarks/accuracy.py               # MovieLens 100K, u1-u5, and 1M, five random 90/10 splits
    python benchmarks/accuracy.py --data ml-100k

Defaults were chosen by cross-validation within the training rows of u1 and of seed 0: the test rows of these
two had no part in it, those of the other splits are for the greater part among the rows that had.
What depends on a seed is fitted with seed 0; `benchmarks/article.py` has u1 over seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from measure import arguments, describe, machine, table, write

import cfcore as cf

MODELS: dict[str, Any] = {
    "GlobalMean": cf.GlobalMean,
    "Baseline": cf.Baseline,
    "ItemKNN": cf.ItemKNN,
    "UserKNN": cf.UserKNN,
    "SVD": cf.SVD,
    "SVDpp": cf.SVDpp,
    "TimeSVDpp": cf.TimeSVDpp,
    "RBM": cf.RBM,
}
SPLITS = {"ml-100k": ("u1", "u2", "u3", "u4", "u5"), "ml-1m": (0, 1, 2, 3, 4)}


def splits(name: str, quick: bool) -> Iterator[tuple[str, cf.Ratings, cf.Ratings]]:
    """What each split is called, its training and its test rows."""
    for split in SPLITS[name][: 1 if quick else None]:
        if isinstance(split, str):
            yield split, *cf.datasets.load(name, split=split)
        else:
            yield f"seed {split}", *cf.datasets.load(name, split=0.1, random_state=split)


def errors(name: str, quick: bool) -> Iterator[dict[str, Any]]:
    """RMSE of each model on each split."""
    for split, train, test in splits(name, quick):
        for model, kind in MODELS.items():
            fitted = kind()
            if "random_state" in fitted.get_params():
                fitted.set_params(random_state=0)
            rmse = cf.metrics.rmse(test.values, fitted.fit(train).predict(test))
            yield {"data": name, "split": split, "model": model, "rmse": rmse}


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k,ml-1m", help="comma-separated")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    found: list[dict[str, Any]] = []
    for name in ["ml-100k"] if options.quick else options.data.split(","):
        rows = list(errors(name, options.quick))
        headings = [f"RMSE, {name}", *dict.fromkeys(row["split"] for row in rows), "mean"]
        lines = []
        for model in MODELS:
            each = [row["rmse"] for row in rows if row["model"] == model]
            lines.append([model, *[f"{rmse:.4f}" for rmse in [*each, statistics.fmean(each)]]])
        print(table(headings, lines), "\n")
        found += rows
    write(options.json, {"machine": facts, "rows": found})


if __name__ == "__main__":
    main()
