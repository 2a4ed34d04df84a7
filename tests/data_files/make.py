"""How the files in 0.1.0 were made: ``python make.py FOLDER``, with cfcore 0.1.0.

They hold models fitted to synthetic ratings; expected.json holds what 0.1.0 answered. A version that changes
the format adds a folder of its own, and keeps this one.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import cfcore as cf

FEW: dict[str, Any] = {"n_factors": 4, "n_epochs": 4, "random_state": 0}
RBM: dict[str, Any] = {"n_hidden": 5, "n_epochs": 4, "random_state": 0}


def ratings(strings: bool = False, n: int = 260, seed: int = 0) -> cf.Ratings:
    """Ratings of 30 users and 25 items, of which the last two users and items have none."""
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.choice(30 * 25, n, replace=False))
    users, items = cells // 25, cells % 25
    values = np.clip(np.rint(3.3 + rng.normal(0, 1.1, n)), 1, 5).astype(np.float32)
    times = rng.integers(880_000_000, 882_000_000, n)
    names: tuple[Any, Any] = (users * 3 + 10, items * 2 + 100)
    if strings:
        names = np.array([f"u{code:02d}é" for code in users]), np.array([f"i{code:02d}é" for code in items])
    whole = cf.Ratings(*names, values, times)
    return whole.subset((whole.user_codes < 28) & (whole.item_codes < 23))


def models() -> dict[str, Any]:
    """Name of the file -> fitted model."""
    train, named = ratings(), ratings(strings=True)
    pairs = train.users[::3], train.items[::-3][: len(train.users[::3])]
    unfitted = {
        "GlobalMean": cf.GlobalMean(),
        "Baseline": cf.Baseline(),
        "Baseline-sgd": cf.Baseline(method="sgd", n_epochs=4, random_state=0),
        "Baseline-mean": cf.Baseline(method="mean"),
        "ItemKNN": cf.ItemKNN(),
        "ItemKNN-pearson": cf.ItemKNN(similarity="pearson", n_neighbors=None, center=None),
        "ItemKNN-few": cf.ItemKNN(storage=6),
        "UserKNN": cf.UserKNN(),
        "UserKNN-zscore": cf.UserKNN(similarity="cosine", n_neighbors=5, center="zscore"),
        "SVD": cf.SVD(**FEW),
        "SVD-unbiased": cf.SVD(biased=False, **FEW),
        "SVD-double": cf.SVD(
            dtype="float64", random_state=np.random.SeedSequence(7), n_factors=4, n_epochs=4
        ),
        "SVDpp": cf.SVDpp(**FEW),
        "TimeSVDpp": cf.TimeSVDpp(**FEW),
        "TimeSVDpp-days": cf.TimeSVDpp(day_factors=True, item_bins=True, **FEW),
        "RBM": cf.RBM(**RBM),
        "RBM-user": cf.RBM(by="user", normalize="batch", conditional=False, inference="exact", **RBM),
        "RBM-softmax": cf.RBM(visible="softmax", **RBM),
        "Blend": cf.Blend([cf.ItemKNN(), cf.SVD(**FEW), cf.SVDpp(**FEW)], cv=2, random_state=0),
        "Blend-features": cf.Blend(
            [cf.UserKNN(), cf.Baseline()], method="feature-weighted", cv=2, random_state=0
        ),
        "Blend-nested": cf.Blend(
            [cf.Blend([cf.Baseline(), cf.GlobalMean()], cv=2), cf.SVD(**FEW)], cv=2, random_state=0
        ),
    }
    fitted = {name: model.fit(train) for name, model in unfitted.items()}
    for name in ("Baseline", "ItemKNN", "SVD", "TimeSVDpp", "RBM"):
        fitted[f"{name}-strings"] = unfitted[name].clone().fit(named)
    for name in ("SVDpp", "TimeSVDpp", "RBM"):
        implicit: Any = unfitted[name].clone()
        fitted[f"{name}-implicit"] = implicit.fit(train, implicit=pairs)
    fitted["SVD-validation"] = cf.SVD(**FEW).fit(train, validation=ratings(seed=1), early_stopping=2)
    prefit = [unfitted["SVD"].clone().fit(train), cf.Baseline().fit(ratings(seed=2))]
    fitted["Blend-prefit"] = cf.Blend(prefit, cv="prefit", method="mean").fit()
    for name in ("SVD", "SVDpp", "TimeSVDpp"):
        model: Any = unfitted[name].clone().fit(train)
        fitted[f"{name}-updated"] = model.fold_in(later()).partial_fit(later(), n_epochs=2)
    return fitted


def later() -> Any:
    """Ratings that come after the fit, by new users and known ones."""
    return (
        [1, 1, 1, 2, 2, 10, 10],
        [100, 110, 120, 104, 110, 100, 144],
        [5.0, 4, 1, 2, 2, 3, 5],
        [881_000_000] * 7,
    )


def pairs(model: Any) -> tuple[Any, Any, Any]:
    """The id of unknown users and items, users with an unknown one, and items likewise."""
    unknown: Any = "?" if model.user_ids_.dtype.kind == "U" else -5
    return unknown, np.append(model.user_ids_, unknown), np.append(model.item_ids_, unknown)


def grid_of(model: Any) -> tuple[Any, Any]:
    """Users and items that are predicted."""
    _, users, items = pairs(model)
    return np.repeat(users, len(items))[::7], np.tile(items, len(users))[::7]


def known_pairs(model: Any) -> Any:
    """Which of `grid_of` are of a user and an item with ratings: bool[n]."""
    return model.is_known(*grid_of(model))


def answers(model: Any) -> dict[str, Any]:
    """What a model answers, as JSON holds it to the bit."""
    (unknown, users, items), grid = pairs(model), grid_of(model)
    listed = model.recommend(users[:3], 4, exclude_seen=False)
    found = {
        "predict": model.predict(*grid).tolist(),
        "dated": model.predict(*grid, np.full(len(grid[0]), 881_500_000)).tolist(),
        "recommend": [column.tolist() for column in listed],
        "history": model.history_,
    }
    with contextlib.suppress(TypeError):  # it does not compare items
        found["similar"] = [column.tolist() for column in model.similar_items(items[1], 5)]
    if unknown != "?":
        try:
            model.fold_in(later()).partial_fit(later(), n_epochs=2)
            found["updated"] = model.predict(*grid).tolist()
        except (AttributeError, TypeError):
            pass  # it takes no later ratings
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    expected = {}
    for name, model in models().items():
        model.save(folder / f"{name}.cf")
        expected[name] = answers(cf.load(folder / f"{name}.cf"))
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
