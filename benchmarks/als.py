"""`ALS`: time of an iteration and errors, beside cmfrec and LensKit; and the search for its defaults.

    python benchmarks/als.py speed --threads 2      # MovieLens 1M, 64 factors: seconds of an iteration
    python benchmarks/als.py accuracy               # RMSE on five random 90/10 splits of MovieLens 1M
    python benchmarks/als.py choose                 # the search for the defaults, on training rows only

An iteration solves for all items and all users once: the time of four less that of one, over three. cfcore is
timed with the sets of `ALS` and without, which is the model of the others, the latter by Cholesky factors and
by two steps of conjugate gradients, which end at the same error; cmfrec by Cholesky in double and float32, as
LensKit solves, and by three steps of conjugate gradients, its approximate default.
Settings of the others are those of their documentation. Peers that are not installed are left out.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

from measure import alternate, arguments, describe, machine, seconds, show, table, write

FACTORS = 64
#: Settings of cmfrec's examples for MovieLens, with up to 64 factors.
CMFREC: dict[str, dict[str, Any]] = {
    "lambda 10": {"lambda_": 10.0},
    "lambda 35": {"lambda_": 35.0},
    "lambda .05, scaled": {"lambda_": 0.05, "scale_lam": True},
    "lambda 35, implicit features": {"lambda_": 35.0, "add_implicit_features": True},
}


def of_cfcore(train: Any, n_epochs: int, n_threads: int, **params: Any) -> Any:
    import cfcore as cf

    return cf.ALS(random_state=0, n_epochs=n_epochs, n_threads=n_threads, **params).fit(train)


def of_cmfrec(train: Any, n_epochs: int, n_threads: int, **params: Any) -> Any:
    import scipy.sparse
    from cmfrec import CMF

    cells = train.values, (train.user_codes, train.item_codes)
    matrix = scipy.sparse.coo_matrix(cells, (train.n_users, train.n_items))
    usual = {"use_cg": False, "use_float": True, "produce_dicts": False, "verbose": False}
    model = CMF(method="als", niter=n_epochs, nthreads=n_threads, **{**usual, **params})
    return model.fit(matrix)


def dataset_of_lenskit(train: Any) -> Any:
    import pandas as pd
    from lenskit.data import from_interactions_df

    columns = {"user_id": train.user_codes, "item_id": train.item_codes, "rating": train.values}
    return from_interactions_df(pd.DataFrame(columns))


def of_lenskit(data: Any, n_epochs: int, n_factors: int) -> Any:
    from lenskit.als import BiasedMFScorer

    model = BiasedMFScorer(embedding_size=n_factors, epochs=n_epochs, regularization=0.1, damping=5.0)
    model.train(data)
    return model


def installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def iteration(fit: Callable[[int], Any]) -> Callable[[], float]:
    """Seconds of an iteration."""
    return lambda: (seconds(lambda: fit(4)) - seconds(lambda: fit(1))) / 3


def speed(train: Any, n_threads: int, quick: bool) -> list[dict[str, Any]]:
    n_factors = 8 if quick else FACTORS
    contenders: dict[str, Callable[[int], Any]] = {
        "cfcore ALS, no sets": lambda n: of_cfcore(train, n, n_threads, n_factors=n_factors, sets=None),
        "cfcore ALS, no sets, conjugate gradients": lambda n: of_cfcore(
            train, n, n_threads, n_factors=n_factors, sets=None, solver="cg"
        ),
        "cfcore ALS": lambda n: of_cfcore(train, n, n_threads, n_factors=n_factors),
    }
    if not quick and installed("cmfrec"):
        for name, params in {
            "cmfrec, float64": {"use_float": False}, "cmfrec, float32": {},
            "cmfrec, conjugate gradients": {"use_cg": True, "finalize_chol": False},
        }.items():  # fmt: skip
            contenders[name] = lambda n, params=params: of_cmfrec(
                train, n, n_threads, k=n_factors, precompute_for_predictions=False, **params
            )
    if not quick and installed("lenskit"):
        data = dataset_of_lenskit(train)
        contenders["LensKit"] = lambda n: of_lenskit(data, n, n_factors)
    found = alternate({name: iteration(fit) for name, fit in contenders.items()}, 1 if quick else 3)
    ours = found["cfcore ALS, no sets"]
    return [{"model": name, "seconds": each, "over_cfcore": each / ours} for name, each in found.items()]


def predictions(train: Any, test: Any, quick: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name of each model, and a call that fits it and predicts."""
    import numpy as np

    epochs = {"n_epochs": 3} if quick else {}
    yield "cfcore ALS", lambda: of_cfcore(train, epochs.get("n_epochs", 20), 1).predict(test)
    yield (
        "cfcore ALS, no sets",
        lambda: of_cfcore(train, epochs.get("n_epochs", 20), 1, sets=None).predict(test),
    )
    yield (
        "cfcore ALS, conjugate gradients",
        lambda: of_cfcore(train, epochs.get("n_epochs", 20), 1, solver="cg").predict(test),
    )
    codes = np.searchsorted(train.user_ids, test.users), np.searchsorted(train.item_ids, test.items)
    if not quick and installed("cmfrec"):
        for name, params in CMFREC.items():
            yield (
                f"cmfrec, {name}",
                lambda params=params: of_cmfrec(train, 15, 1, k=FACTORS, **params).predict(*codes),
            )
    if not quick and installed("lenskit"):
        for n_factors in (50, FACTORS):
            yield f"LensKit, {n_factors} factors", lambda k=n_factors: by_lenskit(train, codes, k)


def by_lenskit(train: Any, codes: Any, n_factors: int) -> Any:
    import numpy as np
    from lenskit.data import ItemList

    model = of_lenskit(dataset_of_lenskit(train), 10, n_factors)
    found = np.empty(len(codes[0]))
    for user in np.unique(codes[0]):
        mine = np.flatnonzero(codes[0] == user)
        found[mine] = model(query=int(user), items=ItemList(item_ids=codes[1][mine])).scores()
    return np.where(np.isnan(found), train.mean, found)


def accuracy(n_splits: int, quick: bool) -> list[dict[str, Any]]:
    import numpy as np

    import cfcore as cf

    rows: dict[str, list[float]] = {}
    for seed in range(1 if quick else n_splits):
        where: dict[str, Any] = {"split": "u1"} if quick else {"split": 0.1, "random_state": seed}
        train, test = cf.datasets.load("ml-100k" if quick else "ml-1m", **where)
        for name, predict in predictions(train, test, quick):
            clipped = np.clip(np.nan_to_num(predict(), nan=train.mean), *train.scale)
            rows.setdefault(name, []).append(cf.metrics.rmse(test.values, clipped))
            print(seed, name, f"{rows[name][-1]:.4f}", file=sys.stderr, flush=True)
    return [{"model": name, "rmse": statistics.fmean(each), "by_split": each} for name, each in rows.items()]


def choose(quick: bool) -> list[dict[str, Any]]:
    """Validation errors within the training rows of u1, and of split 0 of MovieLens 1M, around the rule."""
    import cfcore as cf

    rows = []
    for name, where in (("ml-100k", {"split": "u1"}), ("ml-1m", {"split": 0.1, "random_state": 0})):
        if quick and name == "ml-1m":
            continue
        whole: Any = cf.datasets.load(name, **where)[0]
        train, held = cf.split.holdout(whole, 0.1, random_state=5)
        for scale_reg in (False, True):
            rule = cf.ALS(scale_reg=scale_reg).defaults_for(train)
            changes = [{}, *({key: rule[key] * by} for key in rule for by in (0.5, 0.7, 1.4, 2.0))]
            changes += [{"n_factors": 32}, {"sets": None}, {"sets": "user"}, {"sets": "item"}]
            for change in changes[: 2 if quick else None]:
                params: dict[str, Any] = {"scale_reg": scale_reg, "n_epochs": 2 if quick else 20, **change}
                model = cf.ALS(random_state=0, **params).fit(train)
                rows.append(
                    {"data": name, **params, "rmse": cf.metrics.rmse(held.values, model.predict(held))}
                )
                print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "accuracy", "choose"])
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of all contenders in `speed`")
    parser.add_argument(
        "--splits", type=int, default=5, metavar="N", help="the first N splits, in `accuracy`"
    )
    options = parser.parse_args()
    # Read when NumPy and LensKit are imported.
    for name in ("OMP", "OPENBLAS", "MKL", "RAYON", "LK"):
        os.environ[f"{name}_NUM_THREADS"] = str(options.threads)
    import cfcore as cf

    facts = machine()
    print(describe(facts), "\n")
    if options.what == "speed":
        train = cf.datasets.load("ml-100k" if options.quick else "ml-1m")
        rows = speed(train, options.threads, options.quick)
        lines = [[row["model"], show(row["seconds"], "{:.4f}"), f"{row['over_cfcore']:.1f}"] for row in rows]
        print(table([f"iteration, {options.threads} thread(s)", "seconds", "over cfcore"], lines))
    elif options.what == "accuracy":
        rows = accuracy(options.splits, options.quick)
        print(table(["model", "RMSE"], [[row["model"], f"{row['rmse']:.4f}"] for row in rows]))
    else:
        rows = choose(options.quick)
        lines = [
            [", ".join(f"{key}={value}" for key, value in row.items() if key != "rmse"), f"{row['rmse']:.4f}"]
            for row in rows
        ]
        print(table(["parameters", "RMSE"], lines))
    write(options.json, {"machine": facts, "rows": rows})


if __name__ == "__main__":
    main()
