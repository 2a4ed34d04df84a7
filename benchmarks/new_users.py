"""Users and items that come after the fit: the error on their other ratings, after a few ratings of each.

    python benchmarks/new_users.py                          # MovieLens 100K
    python benchmarks/new_users.py --data ml-1m
    python benchmarks/new_users.py --kind item
    python benchmarks/new_users.py --quick                  # few factors, one size: does it run

150 users with at least 40 ratings are left out of the fit. k ratings of each, drawn at random, are then
given by `fold_in`, by `partial_fit`, and to a fit of all; the RMSE is that of all but 20 of their ratings,
the same for every k. "none" is the prediction for unknown users. The split is at random within each user, so
that ratings of a day may be on both sides, which flatters models of time.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from measure import arguments, describe, machine, show, table, write

import cfcore as cf

MODELS: dict[str, Any] = {
    "SVD": cf.SVD, "SVDpp": cf.SVDpp, "TimeSVDpp": cf.TimeSVDpp, "AsymmetricSVD": cf.AsymmetricSVD,
}  # fmt: skip
SIZES = (1, 2, 3, 5, 10, 20)
LEFT_OUT, LEAST = 150, 40


def parts(ratings: cf.Ratings, kind: str, seed: int) -> tuple[cf.Ratings, cf.Ratings, np.ndarray[Any, Any]]:
    """Ratings to fit, those of the users (or items) left out, and a random rank of each among its user's."""
    rng = np.random.default_rng(seed)
    codes, counts = getattr(ratings, f"{kind}_codes"), getattr(ratings, f"{kind}_counts")
    late = np.isin(codes, rng.permutation(np.flatnonzero(counts >= LEAST))[:LEFT_OUT])
    new = ratings.subset(late)
    shuffled = rng.permutation(len(new))
    owners = getattr(new, f"{kind}_codes")[shuffled]
    grouped = np.argsort(owners, kind="stable")
    rank = np.empty(len(new), dtype=np.int64)
    ends = np.cumsum(np.bincount(owners))
    rank[shuffled[grouped]] = np.arange(len(new)) - np.append(0, ends)[owners[grouped]]
    return ratings.subset(~late), new, rank


def errors(
    name: str, kind: str, given: tuple[Any, ...], sizes: tuple[int, ...], n_factors: int
) -> dict[str, Any]:
    """RMSE on the other ratings, by way of giving some and by their number."""
    old, new, rank = given
    test = new.subset(rank >= max(SIZES))

    def rmse(model: Any) -> float:
        return float(cf.metrics.rmse(test.values, model.predict(test)))

    def fit(ratings: cf.Ratings) -> Any:
        return MODELS[name](n_factors=n_factors, random_state=0).fit(ratings)

    model = fit(old)
    found: dict[str, Any] = {"none": rmse(model), "fold_in": {}, "partial_fit": {}, "fit": {}}
    for size in sizes:
        some = new.subset(rank < size)
        if kind == "user":
            found["fold_in"][size] = rmse(copy.deepcopy(model).fold_in(some, unknown_items="ignore"))
        found["partial_fit"][size] = rmse(copy.deepcopy(model).partial_fit(some))
        found["fit"][size] = rmse(fit(old.concat(some)))
    return found


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--kind", choices=("user", "item"), default="user")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--factors", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes, n_factors = ((3,), 8) if options.quick else (SIZES, options.factors)
    facts = machine()
    print(describe(facts))
    given = parts(cf.datasets.load(options.data), options.kind, options.seed)
    print(f"{options.data}: {LEFT_OUT} {options.kind}s left out, {len(given[0]):,} ratings to fit\n")
    found, rows = {}, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        for name in options.models.split(","):
            found[name] = errors(name, options.kind, given, sizes, n_factors)
            for way in ("fold_in", "partial_fit", "fit"):
                cells = [show(found[name][way].get(size), "{:.4f}") for size in sizes]
                rows.append([f"{name} {way}", show(found[name]["none"], "{:.4f}"), *cells])
    print(table(["RMSE", "none", *map(str, sizes)], rows))
    write(options.json, {"machine": facts, "data": options.data, "kind": options.kind, "rows": found})


if __name__ == "__main__":
    main()
