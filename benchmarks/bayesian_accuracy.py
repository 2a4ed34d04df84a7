"""RMSE of `BayesianSVD` with its defaults on splits of several data sets, for `bayesian.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import cfcore as cf

Row = dict[str, Any]

#: A split by time: the ten latest ratings of each user of MovieLens 100K are held out.
LATEST = "latest"


def split_of(data: str, number: int) -> tuple[cf.Ratings, cf.Ratings]:
    """Training rows and test rows of a split: u1 to u5 by name, `LATEST`, or a random 90/10 by its seed."""
    if data == LATEST:
        train, test = cf.split.leave_k_out(cf.datasets.load("ml-100k"), 10, latest=True)
    elif data.startswith("u"):
        train, test = cf.datasets.load("ml-100k", split=data)
    else:
        train, test = cf.datasets.load(data, split=0.1, random_state=number)
    return train, test


def side_of(data: str) -> dict[str, Any]:
    """Features of users and items, as arguments of `fit`."""
    name = "ml-100k" if data == LATEST or data.startswith("u") else data
    _, users, items = cf.datasets.load(name, features=True)
    return {"user_features": users, "item_features": items}


def others(data: str, n_splits: int) -> list[Row]:
    """RMSE of other models with their defaults and seed 0 on the same splits."""
    rows = []
    for name in ("SVDpp", "TimeSVDpp"):
        errors = []
        for split in range(n_splits):
            train, test = split_of(data, split)
            model = getattr(cf, name)(random_state=0).fit(train)
            errors.append(float(cf.metrics.rmse(test.values, model.predict(test))))
        named = ", ".join(f"{error:.4f}" for error in errors)
        print(f"{data}, {name}: {np.mean(errors):.4f} ({named})", flush=True)
        rows.append({"data": data, "model": name, "rmse": errors})
    return rows


def accuracy(
    data: str, n_splits: int, n_seeds: int, with_features: bool, params: Mapping[str, Any]
) -> list[Row]:
    """RMSE and R-hat with times and, on u1 to u5, without; of each seed, or of several splits by seed 0."""
    side = side_of(data) if with_features else {}
    said = "".join(f", {name}={value!r}" for name, value in params.items()) + ", features" * with_features
    rows: list[Row] = []
    for sessions in ("auto", None) if data.startswith("u") else ("auto",):
        errors, converged, taken = [], [], []
        for split in range(n_splits):
            train, test = split_of(data, split)
            for seed in range(n_seeds):
                model = cf.BayesianSVD(sessions=sessions, random_state=seed, **params).fit(train, **side)
                predicted = model.predict(test) if sessions else model.predict(test, timestamps=False)
                errors.append(float(cf.metrics.rmse(test.values, predicted)))
                held = model.diagnostics_
                converged.append((held.r_hat_median, held.r_hat_max, held.r_hat_log_likelihood))
                taken.append(model.n_samples_)
        named = ", ".join(f"{error:.4f}" for error in errors)
        print(f"{data}, sessions={sessions!r}{said}: {np.mean(errors):.4f} ({named})")
        most = [f"{each:.3f}" for each in np.max(converged, axis=0)]
        print(
            f"  R-hat, largest of the runs: median of 200 predictions {most[0]}, the worst of these "
            f"{most[1]}, log-likelihood {most[2]}; {', '.join(map(str, taken))} samples",
            flush=True,
        )
        row = {"data": data, "sessions": sessions, "features": with_features, "rmse": errors}
        rows.append({**row, "r_hat": converged, "n_samples": taken})
    return rows
