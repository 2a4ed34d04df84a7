"""Algorithms and data whose numbers by scikit-surprise 1.1.5 are recorded in ``expected.json``.

``python tests/adapters/surprise/cases.py`` records them anew, with scikit-surprise and pandas installed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

EXPECTED = Path(__file__).with_name("expected.json")
ATTRIBUTES = [
    "pu",
    "qi",
    "yj",
    "bu",
    "bi",
    "bx",
    "by",
    "sim",
    "means",
    "sigmas",
    "dev",
    "freq",
    "user_mean",
    "item_mean",
    "cltr_u",
    "cltr_i",
    "avg_cltr_u",
    "avg_cltr_i",
    "avg_cocltr",
    "sigma",
    "overall_sigma",
]

Rows = list[tuple[str, str, float]]


def half_stars() -> tuple[Rows, Rows, tuple[float, float]]:
    """Ratings in half stars, a few popular items, and a test set with unknown users and items."""
    return _drawn(7, lambda rng, n: rng.randint(1, 11, n) / 2), _test_set(8, 60, 40), (0.5, 5)


def decimals() -> tuple[Rows, Rows, tuple[float, float]]:
    """Ratings with decimals, of which sums are rounded, and pairs that were rated more than once."""
    rows = _drawn(9, lambda rng, n: np.round(rng.uniform(-5, 5, n), 2))
    return rows + [(u, i, -r / 2) for u, i, r in rows[::9]], _test_set(10, 60, 40), (-5, 5)


def _drawn(seed: int, ratings: Any) -> Rows:
    rng = np.random.RandomState(seed)
    users, items = rng.randint(0, 60, 1500), (rng.uniform(size=1500) ** 2 * 40).astype(int)
    pairs = list(dict.fromkeys(zip(users.tolist(), items.tolist())))  # noqa: B905
    values = ratings(rng, len(pairs)).tolist()
    return [(f"u{u}", f"i{i}", r) for (u, i), r in zip(pairs, values)]  # noqa: B905


def _test_set(seed: int, n_users: int, n_items: int) -> Rows:
    rng = np.random.RandomState(seed)
    users, items = rng.randint(0, n_users + 5, 150).tolist(), rng.randint(0, n_items + 5, 150).tolist()
    return [(f"u{u}", f"i{i}", 3.0) for u, i in zip(users, items)]  # noqa: B905


DATA = {"half stars": half_stars, "decimals": decimals}
SGD = {"method": "sgd", "n_epochs": 5, "learning_rate": 0.01, "reg": 0.05}
ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "normal": ("NormalPredictor", {}),
    "als": ("BaselineOnly", {"verbose": False}),
    "als with options": (
        "BaselineOnly",
        {"bsl_options": {"method": "als", "n_epochs": 3, "reg_u": 4, "reg_i": 2}, "verbose": False},
    ),
    "sgd": ("BaselineOnly", {"bsl_options": SGD, "verbose": False}),
    "svd": ("SVD", {"n_factors": 13, "n_epochs": 5, "random_state": 0}),
    "svd with rates": (
        "SVD",
        {"n_factors": 4, "lr_all": 0.01, "lr_bi": 0.02, "reg_pu": 0.1, "init_mean": 0.1, "random_state": 1},
    ),
    "pmf": ("SVD", {"n_factors": 20, "biased": False, "random_state": 2}),
    "svd that diverges": ("SVD", {"lr_all": 3, "random_state": 0}),
    "svdpp": ("SVDpp", {"n_epochs": 5, "random_state": 0}),
    "svdpp with rates": (
        "SVDpp",
        {"n_factors": 9, "n_epochs": 3, "lr_yj": 0.02, "reg_all": 0.1, "random_state": 3},
    ),
    "svdpp that diverges": ("SVDpp", {"n_factors": 3, "lr_all": 3, "random_state": 0}),
    "nmf": ("NMF", {"n_epochs": 10, "random_state": 0}),
    "nmf with biases": ("NMF", {"n_factors": 5, "n_epochs": 10, "biased": True, "random_state": 1}),
    "slope one": ("SlopeOne", {}),
    "co-clustering": ("CoClustering", {"random_state": 0}),
    "co-clustering of many": (
        "CoClustering",
        {"n_cltr_u": 7, "n_cltr_i": 5, "n_epochs": 3, "random_state": 1},
    ),
    **{
        f"{kind} {name} of {'users' if by_user else 'items'}": (
            kind,
            {
                "k": 5 if by_user else 40,
                "min_k": 2 if by_user else 1,
                "sim_options": {"name": name, "user_based": by_user, "min_support": 3 if by_user else 1},
                "verbose": False,
            },
        )
        for kind in ("KNNBasic", "KNNWithMeans", "KNNWithZScore", "KNNBaseline")
        for name in ("msd", "cosine", "pearson", "pearson_baseline")
        for by_user in (True, False)
    },
    "knn with sgd": (
        "KNNBaseline",
        {"bsl_options": SGD, "sim_options": {"name": "pearson_baseline", "shrinkage": 7}, "verbose": False},
    ),
}


def summary(kind: Any, arguments: dict[str, Any], trainset: Any, test_set: Rows) -> dict[str, Any]:
    """What is compared of an algorithm: digests of its arrays and details, and its estimates."""
    np.random.seed(5)  # noqa: NPY002
    with np.errstate(all="ignore"):
        algo = kind(**arguments).fit(trainset)
        predictions = algo.test(test_set)
    arrays = {}
    for name in ATTRIBUTES:
        value = getattr(algo, name, None)
        if value is not None:
            array = np.asarray(value)
            # All NaN, and both zeros, are alike.
            array = np.where(np.isnan(array), np.nan, array + 0.0)
            arrays[name] = hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()[:16]
    details = json.dumps([one.details for one in predictions])
    estimates = [float(one.est) for one in predictions]
    return {
        "arrays": arrays,
        "details": hashlib.sha256(details.encode()).hexdigest()[:16],
        "all": hashlib.sha256(repr(estimates).encode()).hexdigest()[:16],
        "first": estimates[:12],
    }


def record() -> None:
    """Write ``expected.json``."""
    import pandas as pd
    import surprise

    found: dict[str, Any] = {}
    for data, make in DATA.items():
        rows, test_set, scale = make()
        frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
        read = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=scale))
        trainset = read.build_full_trainset()
        for name, (kind, arguments) in ALGORITHMS.items():
            print(data, name)
            found[f"{data}: {name}"] = summary(getattr(surprise, kind), arguments, trainset, test_set)
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items()]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record()
