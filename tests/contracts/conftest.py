"""The models that must keep the promises of this folder, and the data they are tried on.

A new model is one more line in MODELS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

# Name shown by pytest -> class and hyper-parameters, small enough for tests.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "GlobalMean": ("GlobalMean", {}),
    "Baseline-als": ("Baseline", {"method": "als"}),
    "Baseline-sgd": ("Baseline", {"method": "sgd", "n_epochs": 4, "random_state": 0}),
    "Baseline-mean": ("Baseline", {"method": "mean"}),
    "ItemKNN": ("ItemKNN", {}),
    "ItemKNN-pearson": ("ItemKNN", {"similarity": "pearson", "n_neighbors": None, "center": None}),
    "UserKNN": ("UserKNN", {}),
    "UserKNN-cosine": ("UserKNN", {"similarity": "cosine", "n_neighbors": 5, "center": "mean"}),
    "SVD": ("SVD", {"n_factors": 8, "n_epochs": 4, "random_state": 0}),
    "SVD-unbiased": ("SVD", {"biased": False, "n_factors": 5, "n_epochs": 30, "random_state": 0}),
    "SVDpp": ("SVDpp", {"n_factors": 8, "n_epochs": 4, "random_state": 0}),
    "TimeSVDpp": ("TimeSVDpp", {"n_factors": 8, "n_epochs": 4, "random_state": 0}),
    "RBM-item": ("RBM", {"n_hidden": 8, "n_epochs": 4, "random_state": 0}),
    "RBM-user": (
        "RBM",
        {
            "by": "user",
            "n_hidden": 5,
            "n_epochs": 4,
            "normalize": "batch",
            "conditional": False,
            "lr": 0.1,
            "cd_steps": 1,
            "inference": "exact",
            "random_state": 0,
        },
    ),
    "Blend": ("Blend", {"cv": 2, "random_state": 0}),
    "Blend-features": ("Blend", {"method": "feature-weighted", "cv": 3, "random_state": 0}),
    "Blend-mean": ("Blend", {"method": "mean", "random_state": 0}),
}

#: Of which a blend is made.
MEMBERS: dict[str, list[str]] = {
    "Blend": ["ItemKNN", "SVD", "SVDpp"],
    "Blend-features": ["UserKNN-cosine", "SVD", "SVD-unbiased", "Baseline-als"],
    "Blend-mean": ["GlobalMean", "SVD"],
}


def make(name: str) -> Any:
    class_name, params = MODELS[name]
    if name in MEMBERS:
        params = {"models": [make(member) for member in MEMBERS[name]], **params}
    return getattr(cf, class_name)(**params)


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters with what they say in the place of models, to be compared by ==."""
    return {name: repr(value) if "models" in params else value for name, value in params.items()}


def numbers(n_users: int = 60, n_items: int = 40, n: int = 700, seed: int = 0) -> tuple[Any, ...]:
    """Columns of ratings on a whole-star scale with structure to learn, without duplicates."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    taste = rng.normal(0, 0.6, n_users)[users] + rng.normal(0, 0.6, n_items)[items]
    values = np.clip(np.round(3.4 + taste + rng.normal(0, 0.7, n)), 1, 5).astype(np.float32)
    timestamps = rng.integers(880_000_000, 890_000_000, n)
    return users.astype(np.int64) * 3 + 10, items.astype(np.int64) * 2 + 100, values, timestamps


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Any:
    """A new model of each kind."""
    return make(request.param)


@pytest.fixture(scope="session")
def columns() -> tuple[Any, ...]:
    """users, items, values, timestamps."""
    return numbers()


@pytest.fixture(scope="session")
def ratings(columns: tuple[Any, ...]) -> cf.Ratings:
    return cf.Ratings(*columns)


@pytest.fixture(scope="session")
def train(ratings: cf.Ratings) -> cf.Ratings:
    return ratings.subset(np.arange(len(ratings)) % 5 != 0)


@pytest.fixture(scope="session")
def test(ratings: cf.Ratings) -> cf.Ratings:
    return ratings.subset(np.arange(len(ratings)) % 5 == 0)


_fitted: dict[str, Any] = {}


@pytest.fixture(params=list(MODELS))
def fitted(request: pytest.FixtureRequest, train: cf.Ratings) -> Any:
    """Each kind of model fitted on `train`; shared, so tests must not change it."""
    if request.param not in _fitted:
        _fitted[request.param] = make(request.param).fit(train)
    return _fitted[request.param]
