"""RMSE against seconds to fit, of every model for ratings and of other libraries, on MovieLens 100K (u1).

    python benchmarks/how_low.py --plot how_low.png     # some five minutes, with peers installed
    python benchmarks/how_low.py --only BayesianSVD     # rows whose name contains a text
    python benchmarks/how_low.py --quick                # smoke test

All models have their defaults, and one thread. Rows of `BayesianSVD` without times, with the ordered probit
and with side features show what each of these adds; blends find their weights on the training rows. Of
scikit-surprise the models of ``cfcore compare`` are measured, and of myFM the model of its authors' examples
(flipped SVD++ with a variable for each day, rank 10, 512 sweeps, as a regression and as an ordered probit).
myFM 0.4.0 needs ``setuptools<80`` beside it.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import arguments, describe, machine, table, write

import cfcore as cf
from cfcore.compare import MODELS, peers

#: Members of the blends beside `BayesianSVD`.
MEMBERS: tuple[Callable[[], Any], ...] = (cf.ItemKNN, cf.UserKNN, cf.SVDpp, cf.TimeSVDpp, cf.RBM)
#: Sweeps of myFM, of which the first tenth are its burn-in.
SWEEPS = 512

Row = dict[str, Any]


def jobs(quick: bool) -> dict[str, tuple[Callable[[], Any], bool]]:
    """Of each row: what makes the model, and whether it has side features."""
    few = {"n_samples": 4, "burn_in": 2} if quick else {}

    def bayesian(**params: Any) -> Callable[[], Any]:
        return lambda: cf.BayesianSVD(random_state=0, n_threads=1, **few, **params)

    def model(name: str) -> Callable[[], Any]:
        def make() -> Any:
            made = getattr(cf, name)()
            given = made.get_params()
            fixed = {"random_state": 0, "n_threads": 1, **(few if "n_samples" in given else {})}
            return made.set_params(**{name: value for name, value in fixed.items() if name in given})

        return make

    def blend() -> Any:
        return cf.Blend([bayesian()(), *(make() for make in MEMBERS)], random_state=0)

    found: dict[str, tuple[Callable[[], Any], bool]] = {
        name: (model(name), False) for name in MODELS.values()
    }
    found["BayesianSVD, no times"] = bayesian(sessions=None), False
    found["Blend of six"] = blend, False
    return found


def ours(only: str, quick: bool) -> Iterator[Row]:
    """Fit each row's model, and measure it on the test rows."""
    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    if quick:
        train = train.subset(slice(None, None, 10))
    for name, (make, _) in jobs(quick).items():
        if only not in name:
            continue
        train = train.subset(slice(None))  # without an index, whose time is part of the fit
        start = time.perf_counter()
        model = make().fit(train)
        took = time.perf_counter() - start
        timed = {} if getattr(model, "sessions", "auto") else {"timestamps": False}
        rmse = cf.metrics.rmse(test.values, model.predict(test, **timed))
        yield {"model": name, "fit_seconds": took, "rmse": rmse}


def myfm_rows(quick: bool) -> Iterator[Row]:
    """The model of myFM's examples on the same rows."""
    import myfm
    import scipy.sparse as sp

    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    n_users, n_items = train.n_users, train.n_items
    rated = sp.csr_matrix((np.ones(len(train)), (train.user_codes, train.item_codes)), (n_users, n_items))
    day = 86_400
    days, train_days = np.unique(np.asarray(train.timestamps) // day, return_inverse=True)

    def codes(ids: Any, known: Any) -> np.ndarray[Any, Any]:
        at = {identity: code for code, identity in enumerate(known)}
        return np.array([at.get(identity, -1) for identity in ids])

    def one_hot(rows: Any, size: int) -> Any:
        kept = np.flatnonzero(rows >= 0)
        return sp.csr_matrix((np.ones(len(kept)), (kept, rows[kept])), (len(rows), size))

    def with_sets(own: Any, sets: Any) -> Any:
        counts = np.maximum(np.asarray(sets.sum(axis=1)).ravel(), 1)
        unknown = sp.csr_matrix((1, own.shape[1] + sets.shape[1]))
        return sp.vstack([sp.hstack([own, sp.diags(counts**-0.5) @ sets]), unknown]).tocsr()

    users, items = with_sets(sp.eye(n_users), rated), with_sets(sp.eye(n_items), rated.T)
    sides = (
        (train.user_codes, train.item_codes),
        (codes(test.users, train.user_ids), codes(test.items, train.item_ids)),
    )
    test_days = codes(np.asarray(test.timestamps) // day, days)
    blocks = [
        [
            myfm.RelationBlock(np.where(part < 0, size, part).tolist(), rows)
            for part, size, rows in zip(side, (n_users, n_items), (users, items), strict=True)
        ]
        for side in sides
    ]
    tables = one_hot(train_days, len(days)), one_hot(test_days, len(days))
    shapes = [0, *np.cumsum([len(days), n_users, n_items, n_items, n_users])]
    groups = [at for at, size in enumerate(np.diff(shapes)) for _ in range(size)]
    n = 8 if quick else SWEEPS
    settings = {"n_iter": n, "n_kept_samples": n - n // 10, "grouping": groups, "X_rel": blocks[0]}
    levels = np.unique(train.values)
    for name in ("regression", "ordered probit"):
        start = time.perf_counter()
        if name == "regression":
            model = myfm.MyFMRegressor(rank=10, random_seed=0).fit(tables[0], train.values, **settings)
            took = time.perf_counter() - start
            predicted = model.predict(tables[1], blocks[1])
        else:
            model = myfm.MyFMOrderedProbit(rank=10, random_seed=0)
            model.fit(tables[0], np.searchsorted(levels, train.values), **settings)
            took = time.perf_counter() - start
            predicted = model.predict_proba(tables[1], blocks[1]) @ levels
        rmse = cf.metrics.rmse(test.values, np.clip(predicted, *train.scale))
        yield {"library": f"myFM {myfm.__version__}", "algorithm": name, "fit_seconds": took, "rmse": rmse}


def others(quick: bool) -> Iterator[Row]:
    """Rows of the libraries that are installed; a line that says so for each that is not."""
    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    commands = ["baseline", "item-knn", "user-knn", "svd"] + ([] if quick else ["svdpp"])
    for peer in peers(commands, train, test):
        yield {name: getattr(peer, name) for name in ("library", "algorithm", "fit_seconds", "rmse")}
    for name in ("surprise", "myfm"):
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed")
    if importlib.util.find_spec("myfm"):
        yield from myfm_rows(quick)


def draw(rows: list[Row], path: Path) -> None:
    """The rows as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.2), layout="constrained")
    axes = cf.plots.time_against_rmse(rows, ax=figure.add_subplot())
    axes.set(title="MovieLens 100K, u1: RMSE against seconds to fit, one thread")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print, draw, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows of cfcore whose name contains this text")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the table (needs matplotlib)")
    options = parser.parse_args()
    facts = machine()
    print(describe(facts), "\n")
    rows = [*ours(options.only, options.quick), *([] if options.only else others(options.quick))]
    lines = [
        [row.get("model") or f"{row['library']}: {row['algorithm']}", f"{row['rmse']:.4f}",
         f"{row['fit_seconds']:.3f}"]
        for row in sorted(rows, key=lambda row: -row["rmse"])
    ]  # fmt: skip
    print(table(["u1", "RMSE", "fit s"], lines))
    if options.plot is not None:
        draw(rows, options.plot)
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
