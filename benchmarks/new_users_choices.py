"""Constants of predictions for new users and items, by others than are reported: ``new_users.py --choose``.

Users (items) that the seeds 0, 1 and 2 of `new_users.py` leave out, by which errors are reported, are
removed from the data. Of the rest, 100 with at least 40 ratings are left out of the fit of each draw. The
tables have means of RMSE over the draws:

- "unknown": predictions without ratings, by the ratings that the mean row counts for
  (`cfcore.models.factorization.fallback.DAMPING`; "mean" is the mean row alone), and without the constant a;
- "prior": predictions from few ratings, by how often the row of a training user counts in the prior (for each
  rating, or once), and by the noise over that of training (`cfcore.models.core.noise.OVER_TRAINING`);
- "shrinkage": predictions of neighbours and of `RBM` from n ratings given, which are weighted with
  n / b or m n / (n + b) beside those for unknown users, by m and b (`cfcore.models.core.given`), and without;
  "best" is the error with "weight", the best one for each n, which is known only afterwards. Errors for up to
  20 ratings are those on all but 20, for more those on all but 80.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from measure import table

import cfcore as cf
from cfcore.models.core import noise
from cfcore.models.factorization import fallback, state

Array = np.ndarray[Any, Any]

#: Seeds of the draws that are reported, and of those that choices are made by.
REPORTED, OTHERS = (0, 1, 2), (100, 101, 102)
#: Users (items) that are left out of a fit, and their least number of ratings.
LEFT_OUT, LEAST = 100, 40
#: Numbers of ratings given, to models with factors and to the others.
SIZES, MORE_SIZES = (1, 3, 10), (1, 2, 3, 5, 10, 20, 40, 80)
DAMPINGS = (0.5, 2.0, 5.0, 10.0, 20.0, 50.0)
NOISES = (1.0, 1.3, 1.6, 2.0)
#: Damping by which nothing but the mean row counts.
MEAN_ALONE = 1e12
#: Values of b for weights min(n / b, 1); and pairs m and b.
RISES = (20, 35)
SHRINKAGES = (
    (1.0, 1.0), (1.0, 2.0), (1.0, 5.0), (1.0, 10.0), (1.0, 20.0), (1.0, 40.0), (0.5, 2.0), (0.5, 5.0),
    (0.5, 10.0),
    (0.2, 1.0), (0.2, 2.0), (0.2, 5.0),
)  # fmt: skip
FACTOR_MODELS: dict[str, Any] = {"SVD": cf.SVD, "SVDpp": cf.SVDpp, "TimeSVDpp": cf.TimeSVDpp}
SHRUNK: dict[str, Any] = {
    "RBM": cf.RBM,
    "RBM by user": partial(cf.RBM, by="user"),
    "UserKNN": cf.UserKNN,
    "UserKNN mean": partial(cf.UserKNN, center="mean"),
    "UserKNN zscore": partial(cf.UserKNN, center="zscore"),
    "UserKNN None": partial(cf.UserKNN, center=None),
    "ItemKNN": cf.ItemKNN,
    "ItemKNN mean": partial(cf.ItemKNN, center="mean"),
    "ItemKNN None": partial(cf.ItemKNN, center=None),
}


def rest(ratings: cf.Ratings, kind: str, parts: Any) -> cf.Ratings:
    """The ratings of all but the users (items) that are left out where errors are reported."""
    reported = np.concatenate(
        [np.unique(getattr(parts(ratings, kind, seed)[1], f"{kind}s")) for seed in REPORTED]
    )
    return ratings.subset(~np.isin(getattr(ratings, f"{kind}s"), reported))


def rmse(test: cf.Ratings, predictions: Array) -> float:
    """Error of predictions."""
    return float(cf.metrics.rmse(test.values, predictions))


def fitted(kind: Any, train: cf.Ratings, seed: int, quick: bool) -> Any:
    """A model with its defaults, few epochs if it should only run."""
    model = kind()
    known = model.get_params()
    if "random_state" in known:
        model.set_params(random_state=seed)
    if quick and "n_epochs" in known:
        model.set_params(n_epochs=2)
    return model.fit(train)


def fresh(model: Any) -> Any:
    """A copy whose priors and fallback are formed anew."""
    copied = copy.copy(model)
    copied._state = model._state.changed()
    return copied


@contextmanager
def counted_once() -> Iterator[None]:
    """Rows count once in means and priors, whatever the number of their ratings is."""
    mean_row, row_prior = fallback.mean_row, state.row_prior

    def once(counts: Array) -> Array:
        return (counts > 0).astype(np.int64)

    with (
        mock.patch.object(state, "mean_row", lambda rows, bias, counts: mean_row(rows, bias, once(counts))),
        mock.patch.object(state, "row_prior", lambda f, b, v, counts, m: row_prior(f, b, v, once(counts), m)),
    ):
        yield


def unknown(model: Any, test: cf.Ratings) -> dict[str, float]:
    """Errors without ratings."""
    found = {}
    for damping in (*DAMPINGS, MEAN_ALONE):
        with mock.patch.object(fallback, "DAMPING", damping):
            label = "mean" if damping == MEAN_ALONE else f"{damping:g}"
            found[label] = rmse(test, fresh(model).predict(test))
    with mock.patch.object(state.FactorState, "level", return_value=0.0):
        found["no a"] = rmse(test, fresh(model).predict(test))
    with counted_once():
        found["rows once"] = rmse(test, fresh(model).predict(test))
    return found


def prior(model: Any, test: cf.Ratings, some: cf.Ratings, kind: str) -> dict[str, float]:
    """Errors from few ratings given."""

    def error() -> float:
        changed = fresh(model)
        if kind == "user":
            return rmse(test, changed.predict(test, given=some))
        return rmse(test, changed.partial_fit(some).predict(test))

    found = {}
    with counted_once():
        found["rows once"] = error()
    for factor in NOISES:
        with mock.patch.object(noise, "OVER_TRAINING", factor):
            found[f"noise x {factor:g}"] = error()
    return found


def shrinkage(model: Any, test: cf.Ratings, some: cf.Ratings, n: int) -> dict[str, float]:
    """Errors from n ratings given, by the weight of the predictions from them."""
    model._shrinks_few = False
    for_users = model.for_users(some)
    items = for_users.encode_items(test.items)
    nobody = np.full(len(items), -1, dtype=np.int32)
    none = for_users.score_codes(nobody, items)
    apart = for_users.score_codes(for_users.encode_users(test.users), items) - none
    low, high = model.scale_

    def error(weight: float) -> float:
        return rmse(test, np.clip(none + weight * apart, low, high))

    errors = test.values - none
    best = float(np.clip((errors * apart).sum() / max((apart * apart).sum(), 1e-9), 0, 1))
    return {
        "none": error(0.0), "without": error(1.0), "best": error(best), "weight": best,
        **{f"n / {b}": error(min(n / b, 1.0)) for b in RISES},
        **{f"{m:g}, {b:g}": error(m * n / (n + b)) for m, b in SHRINKAGES},
    }  # fmt: skip


def draws(data: cf.Ratings, kind: str, parts: Any, quick: bool) -> Iterator[tuple[int, Any]]:
    """Seeds with ratings to fit, those left out, and their ranks; of users who are not reported."""
    left = rest(data, kind, parts)
    for seed in OTHERS[: 1 if quick else None]:
        yield seed, parts(left, kind, seed, LEFT_OUT, LEAST)


def tables(data: cf.Ratings, kind: str, parts: Any, names: list[str], quick: bool) -> list[dict[str, Any]]:
    """Rows of all tables, with means over the draws.

    Parameters
    ----------
    data : Ratings
    kind : {"user", "item"}
    parts : callable
        That of `new_users.py`.
    names : list of str
        Models; others than those here are left out.
    quick : bool
        One draw, few epochs and sizes.
    """
    found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    for seed, (old, new, rank) in draws(data, kind, parts, quick):
        for name in names:
            if name in FACTOR_MODELS:
                test = new.subset(rank >= max(SIZES))
                model = fitted(FACTOR_MODELS[name], old, seed, quick)
                found.setdefault(("unknown", name, 0), []).append(unknown(model, test))
                for n in SIZES[: 1 if quick else None]:
                    row = prior(model, test, new.subset(rank < n), kind)
                    found.setdefault(("prior", name, n), []).append(row)
            elif name in SHRUNK and kind == "user":
                model = fitted(SHRUNK[name], old, seed, quick)
                for n in MORE_SIZES[: 1 if quick else None]:
                    test = new.subset(rank >= (20 if n <= 20 else max(MORE_SIZES)))
                    row = shrinkage(model, test, new.subset(rank < n), n)
                    found.setdefault(("shrinkage", name, n), []).append(row)
    return [
        {"table": what, "model": name, "ratings": n, **{key: mean_of(rows, key) for key in rows[0]}}
        for (what, name, n), rows in found.items()
    ]


def mean_of(rows: list[dict[str, float]], key: str) -> float:
    """The mean over draws."""
    return float(np.mean([row[key] for row in rows]))


def show_tables(rows: list[dict[str, Any]]) -> None:
    """Print them."""
    for what in ("unknown", "prior", "shrinkage"):
        own = [row for row in rows if row["table"] == what]
        if own:
            keys = list(own[0])[1:]
            cells = [
                [f"{row[key]:.4f}" if isinstance(row[key], float) else str(row[key]) for key in keys]
                for row in own
            ]
            print(f"\n{what}\n{table(keys, cells)}")
