"""Users and items that come after the fit: the error on their other ratings, after a few ratings of each.

    python benchmarks/new_users.py                          # all models, MovieLens 100K
    python benchmarks/new_users.py --data ml-1m --seeds 0,1,2 --models SVD,ItemKNN
    python benchmarks/new_users.py --kind item
    python benchmarks/new_users.py --choose                 # the constants of the library, on other users
    python benchmarks/new_users.py --quick                  # few factors, one size: does it run

150 users with at least 40 ratings are left out of the fit. k ratings of each, drawn at random, then come with
the question (``predict(..., given=)``), or are given by `fold_in`, by `partial_fit`, and to a fit of all, of
the models that have these; the RMSE is that of all but 20 of their ratings, the same for every k. "none" is
the prediction for unknown users, to be compared with that of Baseline. With several seeds, each for a draw of
users and for the models, the table has the means over them: errors of one draw differ by several thousandths
from those of another. The last lines say by how much errors exceed those without ratings, and those of a fit,
and which excess over "none" is the largest of all. The split is at random within each user, so that ratings
of a day may be on both sides, which flatters models of time.

``--choose`` compares values of the constants of such predictions on users that none of the seeds 0, 1 and 2
leaves out; see `new_users_choices.py`.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import new_users_choices as choices
import numpy as np
from measure import arguments, describe, machine, show, table, write

import cfcore as cf

#: Models that ratings can be added to, with factors.
FACTOR_MODELS: dict[str, Any] = {
    "SVD": cf.SVD, "SVDpp": cf.SVDpp, "TimeSVDpp": cf.TimeSVDpp, "AsymmetricSVD": cf.AsymmetricSVD,
}  # fmt: skip
MODELS: dict[str, Any] = {
    **FACTOR_MODELS,
    "Baseline": cf.Baseline,
    "ItemKNN": cf.ItemKNN,
    "UserKNN": cf.UserKNN,
    "RBM": cf.RBM,
    "RBM by user": partial(cf.RBM, by="user"),
    "Blend": partial(cf.Blend, [cf.SVD(), cf.ItemKNN(), cf.RBM()]),
}
#: Neighbours without a baseline: those of the literature, undamped.
UNDAMPED: dict[str, Any] = {
    f"{kind.__name__} {center}": partial(kind, center=center)
    for kind in (cf.ItemKNN, cf.UserKNN)
    for center in (None, "mean", "zscore")
}
SIZES = (1, 2, 3, 5, 10, 20)
LEFT_OUT, LEAST = 150, 40
#: Ways of giving ratings to a fitted model.
WAYS = ("given", "fold_in", "partial_fit")


def parts(
    ratings: cf.Ratings, kind: str, seed: int, left_out: int = LEFT_OUT, least: int = LEAST
) -> tuple[cf.Ratings, cf.Ratings, np.ndarray[Any, Any]]:
    """Ratings to fit, those of the users (or items) left out, and a random rank of each among its user's."""
    rng = np.random.default_rng(seed)
    codes, counts = getattr(ratings, f"{kind}_codes"), getattr(ratings, f"{kind}_counts")
    late = np.isin(codes, rng.permutation(np.flatnonzero(counts >= least))[:left_out])
    new = ratings.subset(late)
    shuffled = rng.permutation(len(new))
    owners = getattr(new, f"{kind}_codes")[shuffled]
    grouped = np.argsort(owners, kind="stable")
    rank = np.empty(len(new), dtype=np.int64)
    ends = np.cumsum(np.bincount(owners))
    rank[shuffled[grouped]] = np.arange(len(new)) - np.append(0, ends)[owners[grouped]]
    return ratings.subset(~late), new, rank


def fitted(name: str, ratings: cf.Ratings, n_factors: int, seed: int) -> Any:
    """A model of the table, fitted."""
    model = {**MODELS, **UNDAMPED}[name]()
    known = model.get_params()
    if "random_state" in known:
        model.set_params(random_state=seed)
    if name in FACTOR_MODELS:
        model.set_params(n_factors=n_factors)
    return model.fit(ratings)


def errors(
    name: str, kind: str, given: tuple[Any, ...], sizes: tuple[int, ...], n_factors: int, seed: int
) -> dict[str, Any]:
    """RMSE on the other ratings, by way of giving some and by their number."""
    old, new, rank = given
    test = new.subset(rank >= max(SIZES))

    def rmse(model: Any, **given: Any) -> float:
        return float(cf.metrics.rmse(test.values, model.predict(test, **given)))

    model = fitted(name, old, n_factors, seed)
    found: dict[str, Any] = {"none": {0: rmse(model)}, **{way: {} for way in WAYS}, "fit": {}}
    found["Baseline"] = {0: rmse(cf.Baseline().fit(old))}
    for size in sizes:
        some = new.subset(rank < size)
        if kind == "user":
            found["given"][size] = rmse(model, given=some)
        if name not in FACTOR_MODELS:
            continue
        if kind == "user":
            found["fold_in"][size] = rmse(copy.deepcopy(model).fold_in(some, unknown_items="ignore"))
        found["partial_fit"][size] = rmse(copy.deepcopy(model).partial_fit(some))
        found["fit"][size] = rmse(fitted(name, old.concat(some), n_factors, seed))
    return found


def means(found: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """The means over seeds."""
    return {
        way: {size: float(np.mean([one[way][size] for one in found])) for size in found[0][way]}
        for way in found[0]
    }


def excesses(name: str, found: dict[str, dict[int, float]]) -> Iterator[tuple[str, str, float, int]]:
    """What is compared, with what, the largest excess, and for how many ratings it is."""
    none = found["none"][0]
    yield f"{name} none", "Baseline", none - found["Baseline"][0], 0
    for way in WAYS:
        for other, errors_of in (("none", dict.fromkeys(found[way], none)), ("fit", found["fit"])):
            over = {size: error - errors_of[size] for size, error in found[way].items() if size in errors_of}
            if over:
                most = max(over, key=lambda size: over[size])
                yield f"{name} {way}", other, over[most], most


def choose(options: Any, facts: dict[str, Any]) -> None:
    """Compare the constants on users who are not reported."""
    names = options.models.split(",") if options.models else [*choices.FACTOR_MODELS, *choices.SHRUNK]
    print(f"{options.data}: {options.kind}s that are not reported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        rows = choices.tables(cf.datasets.load(options.data), options.kind, parts, names, options.quick)
    choices.show_tables(rows)
    write(options.json, {"machine": facts, "data": options.data, "kind": options.kind, "rows": rows})


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--kind", choices=("user", "item"), default="user")
    parser.add_argument(
        "--models", help="separated by commas; by default all, for items those with factors; also of "
        + ", ".join(UNDAMPED),
    )  # fmt: skip
    parser.add_argument("--factors", type=int, default=100)
    parser.add_argument("--seeds", default="0", help="several, separated by commas")
    parser.add_argument("--choose", action="store_true", help="compare the constants, on other users")
    options = parser.parse_args()
    sizes, n_factors = ((3,), 8) if options.quick else (SIZES, options.factors)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    names = (
        options.models.split(",") if options.models else MODELS if options.kind == "user" else FACTOR_MODELS
    )
    facts = machine()
    print(describe(facts))
    if options.choose:
        choose(options, facts)
        return
    data = cf.datasets.load(options.data)
    draws = {seed: parts(data, options.kind, seed) for seed in seeds}
    print(f"{options.data}: {LEFT_OUT} {options.kind}s left out, seeds {options.seeds}\n")
    found: dict[str, Any] = {}
    rows: list[list[str]] = []
    over: list[tuple[str, str, float, int]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.DataWarning)
        for name in names:
            runs = [errors(name, options.kind, draws[seed], sizes, n_factors, seed) for seed in seeds]
            mean = found[name] = means(runs)
            if not rows:
                rows.append(["Baseline without", f"{mean['Baseline'][0]:.4f}", *["-"] * len(sizes)])
            for way in (*WAYS, "fit"):
                if mean[way]:
                    cells = [show(mean[way].get(size), "{:.4f}") for size in sizes]
                    rows.append([f"{name} {way}", f"{mean['none'][0]:.4f}", *cells])
            over += excesses(name, mean)
    print(table(["RMSE", "none", *map(str, sizes)], rows))
    cells_of = [[f"{what} over {other}", f"{excess:+.4f}", str(size)] for what, other, excess, size in over]
    print("\n" + table(["largest excess", "RMSE", "ratings"], cells_of))
    what, _, excess, size = max((row for row in over if row[1] == "none"), key=lambda row: row[2])
    print(f"\nlargest excess over none: {excess:+.4f}, {what}, {size} ratings")
    write(options.json, {"machine": facts, "data": options.data, "kind": options.kind, "rows": found})


if __name__ == "__main__":
    main()
