"""Lists of ten items for all users: nDCG, recall and coverage of cfcore's models and of other libraries'.

    python benchmarks/ranking.py                       # split u1 of MovieLens 100K, and MovieLens 1M
    python benchmarks/ranking.py --data u1             # one of them
    python benchmarks/ranking.py --libraries rectools,implicit     # without LensKit, whose lists take minutes
    python benchmarks/ranking.py --quick               # u1, cfcore alone: does it run

MovieLens 1M is divided at random, 90% for training. Relevant are test ratings from 4 on; items that a user
rated in training are left out of lists. All lists, of all libraries, are judged by the same code, cfcore's
metrics of hits, and means are over the same users. All models have their defaults, and see training ratings
only; those of other libraries, and what each is given, are in `ranking_peers.py`. The best of a library is
the best row of the test ratings, which favours libraries with many rows; cfcore's models have one row each.
Times are of one call each, on all cores (LensKit's lists: in one process).

Other libraries come with ``pip install '.[bench]'``; one that is not installed is named and left out.
RecTools asks for NumPy 1 on Python below 3.13, and cfcore for NumPy 2, with which RecTools runs as well:
``pip install --no-deps rectools`` and ``pip install attrs typeguard`` add it there.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from measure import arguments, describe, machine, show, table, write
from ranking_peers import LIBRARIES, Array, Contender, MissingError, N

import cfcore as cf

THRESHOLD = 4.0
#: Models, and what their lists are ranked by.
OURS: tuple[tuple[str, str], ...] = (
    ("Popularity", "preference"),
    ("SVD", "rating"), ("SVD", "preference"),
    ("ItemKNN", "rating"), ("ItemKNN", "preference"),
    ("EASE", "preference"),
    ("Ranker", "preference"),
)  # fmt: skip


class Split:
    """Training ratings, and the relevant test items of each user, in codes of the training ratings."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        if name == "ml-1m":
            self.train, self.test = cf.split.holdout(cf.datasets.load(name), 0.1, random_state=seed)
        else:
            self.train, self.test = cf.datasets.load("ml-100k", split=name)
        train, test = self.train, self.test
        known = np.isin(test.users, train.user_ids)
        users = np.searchsorted(train.user_ids, test.users[known])
        items = np.searchsorted(train.item_ids, test.items[known])
        items[~np.isin(test.items[known], train.item_ids)] = -1
        self.users: Array = np.unique(users)
        relevant = test.values[known] >= THRESHOLD
        rows = np.searchsorted(self.users, users)
        self.n_relevant = np.bincount(rows[relevant], minlength=len(self.users))
        self.hits = (rows * train.n_items + items)[relevant & (items >= 0)]
        counts = np.bincount(train.item_codes, minlength=train.n_items)
        self.shares = counts / len(np.unique(train.user_codes))

    def judge(self, lists: Array) -> dict[str, float]:
        """Metrics of lists: codes of items, int[n_users, N], -1 beyond the end."""
        pairs = np.arange(len(lists))[:, None] * self.train.n_items + lists
        hits = np.isin(pairs, self.hits) & (lists >= 0)
        return {
            "ndcg": float(np.nanmean(cf.metrics.ndcg(hits, self.n_relevant))),
            "recall": float(np.nanmean(cf.metrics.recall(hits, self.n_relevant))),
            "coverage": cf.metrics.coverage(lists, self.shares),
        }

    def check(self, lists: Array) -> None:
        """Raise if a list has an item that the user rated in training."""
        seen = np.isin(
            (self.users[:, None] * self.train.n_items + lists)[lists >= 0],
            self.train.user_codes.astype(np.int64) * self.train.n_items + self.train.item_codes,
        )
        assert not seen.any(), "a list has items of the training ratings"


def ours(split: Split) -> Iterator[Contender]:
    """cfcore's models with their defaults."""
    for name, by in OURS:
        if not hasattr(cf, name):
            continue
        make = getattr(cf, name)

        def fit(make: Callable[[], Any] = make) -> Any:
            model = make()
            seeded = {one: 0 for one in model.get_params() if one.rpartition("__")[2] == "random_state"}
            return model.set_params(**seeded).fit(split.train)

        def lists(model: Any, users: Array, by: str = by) -> Array:
            ids, scores = model.recommend(split.train.user_ids[users], N, by=by)
            codes = np.searchsorted(split.train.item_ids, ids)
            codes[np.isnan(scores)] = -1
            return codes

        yield Contender("cfcore", name, f"by {by}", fit, lists)


def measured(contender: Contender, split: Split) -> dict[str, Any]:
    """Metrics of one model, and its times."""
    start = time.perf_counter()
    model = contender.fit()
    fitted = time.perf_counter()
    lists = np.asarray(contender.lists(model, split.users))
    end = time.perf_counter()
    split.check(lists)
    return {
        "library": contender.library, "model": contender.model, "data": contender.data,
        **split.judge(lists), "fit_seconds": fitted - start, "list_seconds": end - fitted,
    }  # fmt: skip


def rows_of(split: Split, libraries: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each model, and the libraries that are missing."""
    rows = [measured(contender, split) for contender in ours(split)]
    missing = []
    for library in libraries:
        try:
            rows += [measured(contender, split) for contender in LIBRARIES[library](split.train)]
        except MissingError as error:
            missing.append(str(error))
    return rows, missing


def report(split: Split, rows: list[dict[str, Any]], missing: list[str]) -> None:
    """Print the table of one split, and the best rows."""
    sizes = f"{len(split.train):,} training and {len(split.test):,} test ratings, {len(split.users):,} users"
    print(f"\n{split.name}: {sizes}\n")
    heads = ["library, model", "variant", f"ndcg@{N}", f"recall@{N}", f"coverage@{N}", "fit, s", "lists, s"]
    cells = [
        [
            f"{row['library']} {row['model']}", row["data"], show(row["ndcg"], "{:.4f}"),
            show(row["recall"], "{:.4f}"), show(row["coverage"]), show(row["fit_seconds"], "{:.2f}"),
            show(row["list_seconds"], "{:.2f}"),
        ]
        for row in rows
    ]  # fmt: skip
    print(table(heads, cells))
    best: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["ndcg"]):
        best[row["library"]] = row
    said = [f"{name} {row['ndcg']:.4f} ({row['model']}, {row['data']})" for name, row in best.items()]
    print(f"\nbest ndcg@{N}: {', '.join(said)}")
    for line in missing:
        print(f"left out: {line}; pip install '.[bench]'")


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="u1,ml-1m", help="u1 to u5, ml-1m; several with commas")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), help="those to compare with")
    parser.add_argument("--seed", type=int, default=0, help="of the split of ml-1m")
    options = parser.parse_args()
    libraries = [one for one in options.libraries.split(",") if one and not options.quick]
    unknown = set(libraries) - set(LIBRARIES)
    if unknown:
        parser.error(f"--libraries: {', '.join(sorted(unknown))}; known: {', '.join(LIBRARIES)}")
    facts = machine()
    print(describe(facts))
    found: dict[str, Any] = {}
    for name in ["u1"] if options.quick else options.data.split(","):
        split = Split(name, options.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows, missing = rows_of(split, libraries)
        report(split, rows, missing)
        found[name] = {"rows": rows, "left_out": missing, "n_users": len(split.users)}
    write(options.json, {"machine": facts, "threshold": THRESHOLD, "seed": options.seed, "data": found})


if __name__ == "__main__":
    main()
