"""The search for the default hyper-parameters, by cross-validation within training rows only.

    python benchmarks/defaults.py                           # all models, both data sets: some minutes
    python benchmarks/defaults.py --models svd --data ml-100k
    python benchmarks/defaults.py --data synthetic-1m,synthetic-20m     # the rules on 20 million
    python benchmarks/defaults.py --thin                    # the rules on sparse data: 20 minutes
    python benchmarks/defaults.py --similarities            # shrinkage of each similarity: 10 minutes
    python benchmarks/defaults.py --sessions, --lists       # sessions of TimeSVDpp, penalty of EASE
    python benchmarks/defaults.py --quick                   # smoke test

The rows are u1.base of MovieLens 100K and the training part of a random 90/10 split of MovieLens 1M; the
test parts are dropped before anything is fitted. The search begins at the defaults in the code; it varies one
parameter at a time and keeps the best value, until a round changes nothing. A difference below its standard
error over the folds is no reason to change a default; the table marks the best setting, and every setting
whose difference from it is below its standard error.

Synthetic ratings have another distribution than real ones, so that no constant is taken from them. They show
whether a rule extrapolates with the size of the data: the best factors on the rule should be the same for 20
million ratings as for one million from the same generator. On them only factors on the rules of SVD and SVD++
are tried, on one fold. The probability that a rating is given depends on its value, so that the sets of rated
items depend on the preferences of the users.

With ``--thin`` the rows are random parts of these training rows and of those of MovieTweetings. A row of the
table has the errors by cross-validation of `Baseline`, of the defaults and of the best setting near them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from defaults_lists import lists_table
from defaults_sessions import sessions_table
from measure import arguments, describe, machine, table, write

import cfcore as cf
from cfcore.models.neighbors.measures import MEASURES
from cfcore.models.rbm.model import USUAL

#: Values to try of each parameter; the default in the code is tried as well. None is the rule of the class by
#: which a parameter depends on the data.
NEIGHBORS: dict[str, list[Any]] = {
    "similarity": ["cosine_baseline", "pearson_baseline", "pearson", "adjusted_cosine"],
    "shrinkage": [5.0, 15.0, 40.0, 100.0, 200.0],
    "n_neighbors": [20, 30, 40, 60, 100],
    "power": [1.0, 1.5, 2.0, 2.5],
    "damping": [0.0, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, None],
    "positive_only": [True, False],
    "reg_user": [3.0, 5.0, 8.0, 15.0],
    "reg_item": [1.0, 2.0, 3.0, 5.0],
}
#: Parameters that depend on the data by a rule. For SVD, and for SVD++ on synthetic ratings, the search
#: varies a factor on the rule, by default 1.
RATES = ("lr", "reg", "lr_bias", "reg_bias", "lr_implicit", "reg_implicit", "init_scale")
FACTORS: dict[str, list[Any]] = {
    "lr": [0.6, 0.8, 1.25, 1.6],
    "reg": [0.6, 0.8, 1.25, 1.6],
    "lr_bias": [0.5, 2.0],
    "reg_bias": [0.5, 2.0],
    "init_scale": [0.3, 3.0],
    "n_epochs": [10, 15, 30, 40],
    "n_factors": [32, 64, 200],
}
IMPLICIT: dict[str, list[Any]] = {
    **FACTORS,
    "reg": [0.035, 0.04, 0.045, 0.05, 0.06, 0.07, 0.08, None],
    "lr": [0.03, 0.035, 0.04, 0.045, 0.05, None],
    "lr_bias": [0.004, 0.007, 0.012, None],
    "reg_bias": [0.005, 0.02, 0.05, None],
    "lr_implicit": [0.002, 0.004, 0.008, 0.016, None],
    "reg_implicit": [0.0, 0.0005, 0.002, 0.004, 0.01, None],
    "init_scale": [0.005, 0.01, 0.02, None],
}
#: Terms of time: off or on, and (lr, reg) of half and twice those that the rule gives on MovieLens.
TIME: dict[str, list[Any]] = {
    "day_bias": [False, (0.003, 0.2), (0.012, 0.2), (0.006, 0.1), (0.006, 0.4), True],
    "day_factors": [False, (0.0028, 0.3), (0.011, 0.3), (0.0056, 0.15), (0.0056, 0.6), True],
    "user_scale": [False, (0.0025, 0.01), (0.01, 0.01), True],
    "day_scale": [False, (0.001, 0.1), (0.004, 0.1), True],
    "user_drift": [False, (0.00005, 0.05), (0.0002, 0.05), True],
    "item_bins": [False, (0.00015, 0.02), (0.0006, 0.02), True],
    "n_bins": [15, 30, 60],
    "user_slope": [True, False],
    "item_frequencies": [True, False],
    "item_weekdays": [True, False],
    "item_weeks": [True, False],
    "sessions": ["auto", None],
}
BOLTZMANN: dict[str, list[Any]] = {
    "visible": ["softmax", "ordinal"],
    "weight_decay": [0.005, 0.01, 0.02, 0.05, None],
    "lr": [
        {kind: factor * rate for kind, rate in USUAL.items()} for factor in (0.5, 0.7, 1.4, 2.0)
    ],
    "n_hidden": [100, 200, 400],
    "cd_steps": [(1, 2, 3)],
    "n_epochs": [20, 30, 60],
    "batch_size": [10, 100],
    "normalize": ["batch"],
    "conditional": [False],
    "average": [False],
    "inference": ["exact"],
}  # fmt: skip
#: Users without factors: x and y have the learning rate and the regularisation of implicit factors.
ASYMMETRIC: dict[str, list[Any]] = {
    **IMPLICIT,
    "lr": [0.006, 0.01, 0.018, 0.025, None],
    "lr_implicit": [0.008, 0.015, 0.03, 0.06, None],
    "reg_implicit": [0.0005, 0.001, 0.004, 0.01, None],
    "init_scale": [0.01, 0.02, 0.05, 0.1, None],
}
#: Model -> (name of its class, values to try of each parameter).
SPACE: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "baseline": ("Baseline", {"reg_user": [3.0, 5.0, 8.0, 15.0], "reg_item": [1.0, 2.0, 3.0, 5.0]}),
    "item-knn": ("ItemKNN", NEIGHBORS),
    "user-knn": ("UserKNN", NEIGHBORS),
    "svd": ("SVD", FACTORS),
    "svdpp": ("SVDpp", IMPLICIT),
    "timesvdpp": ("TimeSVDpp", TIME),
    "asymmetric-svd": ("AsymmetricSVD", ASYMMETRIC),
    "rbm": ("RBM", BOLTZMANN),
    "rbm-user": ("RBM", BOLTZMANN),
}
#: Parameters that are not varied.
FIXED: dict[str, dict[str, Any]] = {"rbm-user": {"by": "user"}}
FOLDS = 5
#: Models, parts of the training rows, and values that are tried on them, most of them factors on the rule.
SPARSE_MODELS = ("svd", "svdpp", "timesvdpp", "asymmetric-svd")
PARTS = "0.05,0.1,0.2,0.5"
THIN: dict[str, list[Any]] = {
    "init_bias": [0.0, 1.0],
    "lr_bias": [0.3, 3.0],
    "reg": [0.7, 1.4],
    "lr": [0.7, 1.4],
}
#: Factors enough for sparse data, and folds by other seeds up to so many held-out ratings.
THIN_FACTORS, THIN_RATINGS = 20, 40_000
#: Data that `--thin` takes by default.
THIN_DATA = "ml-100k,ml-1m,movietweetings"
#: Values of shrinkage to try with each similarity.
SHRINKAGE: list[Any] = [0.0, 5.0, 10.0, 18.0, 30.0, 50.0, 100.0, 200.0, 400.0]
#: Synthetic ratings -> numbers of users, items and ratings, as in MovieLens of that size; and values to try.
SYNTHETIC = {"synthetic-1m": (6_040, 3_706, 1_000_000), "synthetic-20m": (138_493, 26_744, 20_000_000)}
HALF_AND_TWICE: dict[str, list[Any]] = {name: [0.5, 2.0] for name in RATES if name != "init_scale"}
ON_SYNTHETIC: dict[str, dict[str, list[Any]]] = {
    "svd": {name: values for name, values in HALF_AND_TWICE.items() if "implicit" not in name}
    | {"n_epochs": [10, 30]},
    "svdpp": HALF_AND_TWICE | {"n_epochs": [20, 45]},
}


@dataclass
class Trial:
    """One setting and its error on each fold."""

    params: dict[str, Any]
    errors: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Cross-validated RMSE."""
        return statistics.fmean(self.errors)

    def worse_by(self, other: Trial) -> tuple[float, float]:
        """Difference of the error from that of `other`, and its standard error over the folds."""
        gaps = [mine - theirs for mine, theirs in zip(self.errors, other.errors, strict=True)]
        spread = statistics.stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else 0.0
        return statistics.fmean(gaps), spread


class Search:
    """Coordinate search of one model on one set of training rows."""

    def __init__(
        self,
        kind: Any,
        space: dict[str, list[Any]],
        rows: cf.Ratings,
        folds: int,
        by_factor: bool,
        repeats: int = 1,
    ) -> None:
        self.kind, self.space, self.by_factor = kind, space, by_factor
        self.folds = [
            fold
            for seed in range(1, repeats + 1)
            for fold in list(cf.split.kfold(rows, k=5, random_state=seed))[:folds]
        ]
        self.trials: dict[str, Trial] = {}

    def trial(self, params: dict[str, Any]) -> Trial:
        """Cross-validate a setting, or return an earlier result. Default values are left out of it."""
        default = {**self.kind().get_params(), **(dict.fromkeys(RATES, 1.0) if self.by_factor else {})}
        params = {name: value for name, value in params.items() if value != default[name]}
        key = repr(sorted(params.items()))
        if key not in self.trials:
            found = Trial(dict(params))
            start = time.perf_counter()
            for train, held_out in self.folds:
                model = by_rule(self.kind, params, train) if self.by_factor else self.kind(**params)
                if "random_state" in model.get_params():
                    model.set_params(random_state=0)
                found.errors.append(cf.metrics.rmse(held_out.values, model.fit(train).predict(held_out)))
            found.seconds = time.perf_counter() - start
            self.trials[key] = found
        return self.trials[key]

    def run(self, rounds: int) -> Trial:
        """Vary one parameter after the other, keeping the best, until nothing changes."""
        best = self.trial({})
        for _ in range(rounds):
            before = best
            for name, values in self.space.items():
                found = [self.trial({**best.params, name: value}) for value in values]
                best = min([best, *found], key=lambda trial: trial.mean)
            if best is before:
                break
        return best

    def report(self) -> Iterator[dict[str, Any]]:
        """Every setting, the best first; `marked` if it is worse by at most the standard error."""
        ordered = sorted(self.trials.values(), key=lambda trial: trial.mean)
        for trial in ordered:
            gap, spread = trial.worse_by(ordered[0])
            yield {
                "params": trial.params,
                "factors": self.by_factor,
                "rmse": trial.mean,
                "worse_by": gap,
                "standard_error": spread,
                "marked": gap <= spread,
                "default": not trial.params,
                "seconds": trial.seconds,
            }


def by_rule(kind: Any, params: dict[str, Any], train: cf.Ratings) -> Any:
    """A model with rates that are multiples of those that its rule gives for `train`."""
    model = kind(**{name: value for name, value in params.items() if name not in RATES})
    usual = model.defaults_for(train)
    rates = {name: params.get(name, 1.0) * usual[name] for name in RATES if name in usual}
    return model.set_params(init_bias=usual["init_bias"], **rates)


def training_rows(name: str) -> cf.Ratings:
    """Training rows of the split on which the library's figures are reported; its test rows are dropped."""
    if name in SYNTHETIC:
        return synthetic(*SYNTHETIC[name])
    train, _ = cf.datasets.load(name, split="u1" if name == "ml-100k" else 0.1)
    return train


def synthetic(n_users: int, n_items: int, n_ratings: int) -> cf.Ratings:
    """Ratings that are given with a probability in proportion to their square, so that high ones prevail."""
    rng = np.random.default_rng(0)
    every = cf.datasets.synthetic(n_users, n_items, int(2.3 * n_ratings), timestamps=False)
    given = np.flatnonzero(rng.random(len(every), dtype=np.float32) < (every.values / every.scale[1]) ** 2)
    left_out = rng.choice(len(given), len(given) - n_ratings, replace=False)
    return every.subset(np.delete(given, left_out))


def thinned(rows: cf.Ratings, part: float) -> cf.Ratings:
    """A random part of the ratings."""
    chosen = np.random.default_rng(0).choice(len(rows), round(part * len(rows)), replace=False)
    return rows.subset(np.sort(chosen))


def sparse_table(options: Any) -> list[dict[str, Any]]:
    """Errors of `Baseline`, of the defaults and of the best setting near them, on parts of training rows."""
    found = []
    for name in options.data.split(","):
        for part in map(float, options.thin.split(",")):
            rows = thinned(training_rows(name), part)
            folds, repeats = (2, 1) if options.quick else (FOLDS, max(1, THIN_RATINGS // len(rows)))
            baseline = Search(cf.Baseline, {}, rows, folds, False, repeats).trial({})
            space = {key: values[:1] for key, values in THIN.items()} if options.quick else THIN
            for model in options.models.split(","):
                kind = partial(getattr(cf, SPACE[model][0]), n_factors=THIN_FACTORS, n_threads=1)
                search = Search(kind, space, rows, folds, True, repeats)
                best, default = search.run(1), search.trial({})
                gap, error = default.worse_by(baseline)
                found.append({
                    "data": name, "part": part, "model": model, "n_ratings": len(rows),
                    "baseline": baseline.mean, "default": default.mean, "worse_by": gap,
                    "standard_error": error, "from_zero": search.trial({"init_bias": 0.0}).mean,
                    "best": best.mean, "setting": best.params,
                })  # fmt: skip
                print(".", end="", flush=True)
    return found


def similarity_table(options: Any) -> list[dict[str, Any]]:
    """The error of each similarity by its shrinkage."""
    found = []
    for name in options.data.split(","):
        rows = training_rows(name)
        rows = rows.subset(slice(None, None, 10)) if options.quick else rows
        for model in options.models.split(","):
            class_name, _ = SPACE[model]
            for similarity in (name for name in MEASURES if name != "raw_msd"):
                kind = partial(getattr(cf, class_name), similarity=similarity)
                folds = 2 if options.quick or name != "ml-100k" else FOLDS
                search = Search(kind, {}, rows, folds, False)
                tried = SHRINKAGE[:2] if options.quick else SHRINKAGE
                errors = {str(value): search.trial({"shrinkage": value}).mean for value in tried}
                default = search.trial({}).mean
                row = {"data": name, "model": model, "similarity": similarity}
                found.append({**row, "default": default, **errors})
                print(".", end="", flush=True)
    return found


def report_rows(rows: list[dict[str, Any]]) -> str:
    """Rows of figures as a table."""
    shown = [[f"{x:.5f}" if isinstance(x, float) else str(x) for x in row.values()] for row in rows]
    return table(list(rows[0]), shown)


def main() -> None:
    """Search, print, write."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", help="comma-separated; by default ml-100k,ml-1m")
    parser.add_argument("--models", help="comma-separated")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over the parameters, at most")
    parser.add_argument("--thin", nargs="?", const=PARTS, help="parts of the training rows, comma-separated")
    parser.add_argument("--similarities", action="store_true", help="shrinkage of each similarity")
    parser.add_argument("--sessions", action="store_true", help="rates of session biases of TimeSVDpp")
    parser.add_argument("--lists", action="store_true", help="penalty of EASE, by ndcg@10")
    options = parser.parse_args()
    special: Any = sparse_table if options.thin else similarity_table if options.similarities else None
    if options.sessions:
        special = partial(sessions_table, rows_of=training_rows)
    elif options.lists:
        special = partial(lists_table, rows_of=training_rows, part_of=thinned)
    options.data = options.data or (THIN_DATA if options.thin or options.lists else "ml-100k,ml-1m")
    every = SPARSE_MODELS if options.thin else ("item-knn", "user-knn") if options.similarities else SPACE
    options.models = options.models or ",".join(every)
    if special is not None:
        facts = machine()
        print(describe(facts), "\n")
        rows = special(options)
        print("\n" + report_rows(rows))
        write(options.json, {"machine": facts, "rows": rows})
        return
    names = ["ml-100k"] if options.quick else options.data.split(",")
    facts = machine()
    print(describe(facts), "\n")
    report: dict[str, Any] = {"machine": facts, "searches": []}
    for name in names:
        rows = training_rows(name)
        if options.quick:
            rows = rows.subset(slice(None, None, 10))
        for model in options.models.split(","):
            class_name, space = SPACE[model]
            made_up = name in SYNTHETIC
            if made_up:
                space = ON_SYNTHETIC.get(model, {})
            if options.quick:
                space = {parameter: values[:1] for parameter, values in space.items()}
            folds = 2 if options.quick else 1 if made_up else FOLDS
            kind = getattr(cf, class_name)
            if model in FIXED:
                kind = partial(kind, **FIXED[model])
            search = Search(kind, space, rows, folds, made_up or model == "svd")
            search.run(1 if options.quick or made_up else options.rounds)
            found = list(search.report())
            report["searches"].append({"data": name, "n_ratings": len(rows), "model": model, "trials": found})
            print(f"{class_name} on {len(rows):,} training rows of {name}, {len(search.folds)} folds")
            print(
                table(["", "CV RMSE", "worse by", "+-", "s", "setting"], [cells(row) for row in found]), "\n"
            )
    write(options.json, report)


def cells(row: dict[str, Any]) -> list[str]:
    """A setting as it is printed."""
    setting = ", ".join(
        f"{name} x {value}" if row["factors"] and name in RATES else f"{name}={value!r}"
        for name, value in row["params"].items()
    )
    return [
        "*" if row["marked"] else "",
        f"{row['rmse']:.5f}",
        f"{row['worse_by']:.5f}",
        f"{row['standard_error']:.5f}",
        f"{row['seconds']:.1f}",
        setting or "the defaults in the code",
    ]


if __name__ == "__main__":
    main()
