"""RMSE against seconds to fit, of every model for ratings and of other libraries, on MovieLens 100K (u1).

    python benchmarks/how_low.py --plot how_low.png     # some five minutes, with peers installed
    python benchmarks/how_low.py --only BayesianSVD     # rows whose name contains a text
    python benchmarks/how_low.py --quick                # smoke test

All models have their defaults, and one thread. Rows of `BayesianSVD` without times, with the ordered probit
and with features of users and items show what each of these adds; the blend finds its weights on the training
rows. Of scikit-surprise the models of ``cfcore compare`` are measured, and of myFM the model of its authors'
examples (flipped SVD++ with a variable for each day, rank 10, 512 sweeps, as a regression and as an ordered
probit). myFM 0.4.0 needs ``setuptools<80`` beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import myfm_models
import numpy as np
from measure import arguments, describe, is_importable, machine, table, write

import cfcore as cf
from cfcore.compare import MODELS, peers

#: Members of the blend beside `BayesianSVD`.
MEMBERS: tuple[Callable[[], Any], ...] = (cf.ItemKNN, cf.UserKNN, cf.SVDpp, cf.TimeSVDpp, cf.RBM)
#: Sweeps of myFM, of which the first tenth are its burn-in.
SWEEPS = 512

Row = dict[str, Any]


def jobs(quick: bool) -> dict[str, Callable[[], Any]]:
    """What makes the model of each row."""
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

    found = {name: model(name) for name in MODELS.values()}
    found["BayesianSVD, no times"] = bayesian(sessions=None)
    found["BayesianSVD, ordinal"] = bayesian(likelihood="ordinal")
    found["BayesianSVD, features"] = bayesian()
    found["Blend of six"] = blend
    return found


def ours(only: str, quick: bool) -> Iterator[Row]:
    """Fit each row's model, and measure it on the test rows."""
    train, test, users, items = cf.datasets.load("ml-100k", split="u1", progress=False, features=True)
    tables = {"user_features": users, "item_features": items}
    if quick:
        train = train.subset(slice(None, None, 10))
    for name, make in jobs(quick).items():
        if only not in name:
            continue
        side = tables if name.endswith("features") else {}
        train = train.subset(slice(None))  # without an index, whose time is part of the fit
        start = time.perf_counter()
        model = make().fit(train, **side)
        took = time.perf_counter() - start
        timed = {} if getattr(model, "sessions", "auto") else {"timestamps": False}
        rmse = cf.metrics.rmse(test.values, model.predict(test, **timed))
        yield {"model": name, "fit_seconds": took, "rmse": rmse}


def myfm_rows(quick: bool) -> Iterator[Row]:
    """The model of myFM's examples on the same rows."""
    import myfm

    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    tables = myfm_models.Tables(train, sets=True, days=True)
    table, blocks = tables.of(test)
    n = 8 if quick else SWEEPS
    for name in ("regression", "ordered probit"):
        ordinal = name != "regression"
        start = time.perf_counter()
        model, _ = myfm_models.fitted(tables, 10, n, 0, n - n // 10, ordinal)
        took = time.perf_counter() - start
        if ordinal:
            predicted = model.predict_proba(table, blocks) @ np.unique(train.values)
        else:
            predicted = model.predict(table, blocks)
        rmse = cf.metrics.rmse(test.values, np.clip(predicted, *train.scale))
        yield {"library": f"myFM {myfm.__version__}", "algorithm": name, "fit_seconds": took, "rmse": rmse}


def others(quick: bool) -> Iterator[Row]:
    """Rows of the libraries that are installed; a line that says so for each that is not."""
    train, test = cf.datasets.load("ml-100k", split="u1", progress=False)
    commands = ["baseline", "item-knn", "user-knn", "svd"] + ([] if quick else ["svdpp"])
    for peer in peers(commands, train, test):
        yield {name: getattr(peer, name) for name in ("library", "algorithm", "fit_seconds", "rmse")}
    for name in ("surprise", "myfm"):
        if not is_importable(name):
            print(f"{name} is not installed")
    if is_importable("myfm"):
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
