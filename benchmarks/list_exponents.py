"""The powers in the list score of `ItemKNN` and `UserKNN`, by validation within training rows only.

    python benchmarks/list_exponents.py                    # both data sets: some minutes
    python benchmarks/list_exponents.py --data ml-100k
    python benchmarks/list_exponents.py --quick            # smoke test

The rows are u1.base of MovieLens 100K and the training part of a random 90/10 split of MovieLens 1M, as in
`defaults.py`. A fifth of them, of MovieLens 1M a tenth, is held out in each fold, and lists are measured by
ndcg@10 (relevant from three quarters up the scale) on these, on MovieLens 1M of 1,500 users. The search
begins at the powers in `cfcore.models.neighbors.choices`; it varies one at a time and keeps the best value,
until a round changes nothing. g, the share of a rating by its position x between the ends of the scale, is x
to a power; with power 0, all ratings count alike. The tables have all settings, the best first, and
popularity.
"""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from measure import arguments, describe, machine, table, write
from ranker_weight import FOLDS, parts

import cfcore as cf
from cfcore.models.neighbors.choices import OF_SOURCE, OF_TARGET, OF_USER, CoRatings

Array = np.ndarray[Any, Any]

#: Values to try of the powers: of the numbers of ratings of the rated item, of the listed item, and of the
#: users who rated both; and of a rating's position.
SPACE: dict[str, tuple[float, ...]] = {
    "source": (-0.3, -0.5, -0.6, -0.7, -0.85, -1.0),
    "target": (-0.2, -0.3, -0.4, -0.5, -0.6, -0.7),
    "user": (0.0, -0.3, -0.5, -0.7, -1.0),
    "rating": (0.0, 1.0, 2.0, 3.0),
}
IN_USE = {"source": OF_SOURCE, "target": OF_TARGET, "user": OF_USER, "rating": 2.0}


class Fold:
    """Training rows of a fold, and the relevant items of its held-out rows."""

    def __init__(self, rest: cf.Ratings, held: cf.Ratings) -> None:
        model = cf.Popularity().fit(rest)
        self.state: Any = model._state
        high = cf.metrics.lists.relevant_from(model.scale_)
        users, items = model.encode_users(held.users), model.encode_items(held.items)
        known = (users >= 0) & (items >= 0) & (held.values >= high)
        self.users = np.unique(users[known])
        self.relevant = np.zeros((len(self.users), len(self.state.item_ids)), dtype=bool)
        self.relevant[np.searchsorted(self.users, users[known]), items[known]] = True

    def rated(self, user: int) -> tuple[Array, Array]:
        """Items that a user rated, and the positions of the ratings between the ends of the scale."""
        span = slice(*self.state.seen_indptr[user : user + 2])
        low, high = self.state.scale
        return self.state.seen_items[span], (self.state.seen_values[span].astype(np.float64) - low) / (
            high - low
        )

    def ndcg(self, setting: dict[str, float] | None) -> float:
        """ndcg@10 of the lists by a setting; of popularity without one."""
        rated = [self.rated(user) for user in self.users.tolist()]
        items = [codes for codes, _ in rated]
        if setting is None:
            scores = np.tile(self.state.item_counts.astype(np.float64), (len(items), 1))
        else:
            shares = [positions ** setting["rating"] for _, positions in rated]
            scores = co_ratings(self.state, setting).rows(items, shares)
        for row, codes in zip(scores, items, strict=True):
            row[codes] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        gains = 1 / np.log2(np.arange(2, 12))
        ideal = np.cumsum(gains)[np.minimum(self.relevant.sum(axis=1), 10) - 1]
        hits = np.take_along_axis(self.relevant, best, axis=1)
        return float(((hits * gains).sum(axis=1) / ideal).mean())


def co_ratings(state: Any, setting: dict[str, float]) -> CoRatings:
    """The library's score with other powers."""
    found = CoRatings(state)
    counts = np.maximum(np.bincount(state.seen_items, minlength=len(state.item_ids)), 1.0)
    by_user = np.diff(state.seen_indptr)
    found.rated.data = np.repeat(np.maximum(by_user, 1.0) ** setting["user"], by_user)
    found.by_source, found.by_target = counts ** setting["source"], counts ** setting["target"]
    return found


def search(folds: list[Fold], rounds: int) -> dict[tuple[float, ...], float]:
    """ndcg@10 by setting, whose values are in the order of `SPACE`."""
    found: dict[tuple[float, ...], float] = {}

    def value(setting: tuple[float, ...]) -> float:
        if setting not in found:
            named = dict(zip(SPACE, setting, strict=True))
            found[setting] = statistics.fmean(fold.ndcg(named) for fold in folds)
            print(".", end="", flush=True)
        return found[setting]

    best = tuple(IN_USE.values())
    value(best)
    for _ in range(rounds):
        before = best
        for at, values in enumerate(SPACE.values()):
            best = max((best, *((*best[:at], other, *best[at + 1 :]) for other in values)), key=value)
        if best == before:
            break
    return found


def main() -> None:
    """Search, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k,ml-1m")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over the powers, at most")
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "rows": []}
    print(describe(report["machine"]))
    for name in ["ml-100k"] if options.quick else options.data.split(","):
        some = list(parts(name, 1 if options.quick else min(FOLDS[name], 3)))
        folds = [Fold(rest, held) for _, rest, held in some]
        found = search(folds, 0 if options.quick else options.rounds)
        popularity = statistics.fmean(fold.ndcg(None) for fold in folds)
        rows = [
            [*map(str, setting), f"{value:.4f}", "in use" if setting == tuple(IN_USE.values()) else ""]
            for setting, value in sorted(found.items(), key=lambda pair: -pair[1])
        ]
        print(f"\n{name}, {len(folds)} folds, popularity {popularity:.4f}")
        print(table([*SPACE, "ndcg@10", ""], rows))
        report["rows"] += [
            {
                "data": name,
                **dict(zip(SPACE, setting, strict=True)),
                "ndcg@10": value,
                "popularity": popularity,
            }
            for setting, value in found.items()
        ]
    write(options.json, report)


if __name__ == "__main__":
    main()
