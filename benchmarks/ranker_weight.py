"""The weight of the worth in `Ranker`, and its rater, by cross-validation within training rows only.

    python benchmarks/ranker_weight.py                     # both data sets: some minutes
    python benchmarks/ranker_weight.py --data ml-100k --raters svd
    python benchmarks/ranker_weight.py --quick             # smoke test

The rows are u1.base of MovieLens 100K and the training part of a random 90/10 split of MovieLens 1M, as in
`defaults.py`. Of each fold, lists are measured by ndcg@10 (relevant from three quarters up the scale) on the
held-out rows; on MovieLens 1M those of 1,500 users. For each rater the table has the mean over the folds for
each weight, 0 being the lists of EASE alone, and with "popularity" for a chooser, which is what models of
ratings rank by, the same. "+-" is the standard error over the folds of the difference from the best weight.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
from measure import arguments, describe, machine, table, write

import cfcore as cf

WEIGHTS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0)
SPLITS: dict[str, Any] = {"ml-100k": "u1", "ml-1m": 0.1}
FOLDS = {"ml-100k": 5, "ml-1m": 3}
#: Users whose lists are measured in each fold.
USERS = 1_500


def parts(name: str, folds: int) -> Iterator[tuple[int, cf.Ratings, cf.Ratings]]:
    """Number, training rows and held-out rows of each fold, a fifth or a tenth of all."""
    options = {} if name == "ml-100k" else {"random_state": 0}
    train, _ = cf.datasets.load(name, split=SPLITS[name], **options)
    fold = np.random.default_rng(0).permutation(len(train)) % (5 if name == "ml-100k" else 10)
    for k in range(folds):
        rest, held = train.subset(fold != k), train.subset(fold == k)
        users = np.unique(held.users)
        some = np.random.default_rng(k).permutation(users)[:USERS]
        yield k, rest, held.subset(np.isin(held.users, some))


def measured(name: str, raters: list[str], folds: int, n_factors: int) -> dict[tuple[str, str], Any]:
    """ndcg@10 by chooser and rater: [fold, weight]."""
    found: dict[tuple[str, str], list[list[float]]] = {}
    for k, rest, held in parts(name, folds):
        choosers = {"EASE": cf.EASE().fit(rest), "popularity": cf.Popularity().fit(rest)}
        for rater in raters:
            kind = {"svd": cf.SVD, "svdpp": cf.SVDpp, "rbm": cf.RBM, "baseline": cf.Baseline}[rater]
            model: Any = kind()
            model.set_params(**{"random_state": k} if rater != "baseline" else {})
            if n_factors and "n_factors" in model.get_params():
                model.set_params(n_factors=n_factors, n_epochs=2)
            model.fit(rest)
            for chooser, chosen in choosers.items():
                row = []
                for weight in WEIGHTS:
                    lists = cf.Ranker.of(chosen, model, weight=weight)
                    row.append(float(cf.metrics.evaluate(lists, held, ["ndcg@10"])["ndcg@10"]))
                found.setdefault((chooser, rater), []).append(row)
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", default="ml-100k,ml-1m")
    parser.add_argument("--raters", default="svd,svdpp,rbm,baseline")
    given = parser.parse_args()
    raters = given.raters.split(",")
    report: dict[str, Any] = {"machine": machine(), "rows": []}
    print(describe(report["machine"]))
    for name in ["ml-100k"] if given.quick else given.data.split(","):
        folds = 1 if given.quick else FOLDS[name]
        rows = []
        asked = raters[:1] if given.quick else raters
        for (chooser, rater), values in measured(name, asked, folds, 4 * given.quick).items():
            each = np.array(values)
            means = each.mean(axis=0)
            apart = each - each[:, [int(means.argmax())]]
            errors = [statistics.stdev(column) / math.sqrt(folds) if folds > 1 else 0.0 for column in apart.T]
            cells = [
                f"{mean:.4f}{'*' if mean == means.max() else f' +-{error:.4f}'}"
                for mean, error in zip(means, errors, strict=True)
            ]
            rows.append([chooser, rater, *cells])
            report["rows"].append({"data": name, "chooser": chooser, "rater": rater, "ndcg@10": values})
        print(f"\n{name}: ndcg@10 by weight")
        print(table(["chooser", "rater", *map(str, WEIGHTS)], rows))
    write(given.json, report)


if __name__ == "__main__":
    main()
