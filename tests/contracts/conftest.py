"""The models that must keep the promises of this folder, and the data they are tried on.

All models of the registry are tried, with the hyper-parameters that their entry gives for tests. A model with
more than one way to be fitted has the others in VARIATIONS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.registry import BY_NAME, ENTRIES

#: Hyper-parameters of further ways to fit a model, beside those of its entry in the registry: class -> name
#: of the way -> what differs from the entry.
VARIATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "Baseline": {
        "sgd": {"method": "sgd", "n_epochs": 4, "random_state": 0},
        "mean": {"method": "mean"},
    },
    "ItemKNN": {"pearson": {"similarity": "pearson", "n_neighbors": None, "center": None}},
    "UserKNN": {"cosine": {"similarity": "cosine", "n_neighbors": 5, "center": "mean"}},
    "SVD": {"unbiased": {"biased": False, "n_factors": 5, "n_epochs": 30}},
    "RBM": {
        "user": {
            "by": "user",
            "n_hidden": 5,
            "normalize": "batch",
            "conditional": False,
            "lr": 0.1,
            "cd_steps": 1,
            "inference": "exact",
        }
    },
    "ALS": {
        "plain": {"sets": None, "scale_reg": True, "n_factors": 3},
        "item": {"sets": "item"},
    },
    "BayesianSVD": {
        "plain": {"sets": None, "sessions": None, "user_noise": False, "n_factors": 3, "burn_in": 0},
        "item": {"sets": "item", "n_kept": 1},
    },
    "Ranker": {
        "given": {"weight": 1.0},
    },
    "EASE": {"few": {"max_items": 25, "values": "ones", "reg": 3.0}},
    "Blend": {
        "features": {"method": "feature-weighted", "cv": 3},
        "mean": {"method": "mean"},
        "biases": {},
    },
}

#: Of which a blend is made.
MEMBERS: dict[str, list[str]] = {
    "Blend": ["ItemKNN", "SVD", "SVDpp"],
    "Blend-features": ["UserKNN-cosine", "SVD", "SVD-unbiased", "Baseline"],
    "Blend-mean": ["GlobalMean", "SVD"],
    "Blend-biases": ["Baseline", "Baseline-sgd", "GlobalMean"],
}
BLEND: dict[str, Any] = {"cv": 2, "random_state": 0}
#: Chooser and rater of each ranker; those that are not named have the defaults.
PAIRS: dict[str, tuple[str, str]] = {"Ranker-given": ("ItemKNN", "SVDpp")}

#: Name shown by pytest -> class and hyper-parameters, small enough for tests.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {}
for _entry in ENTRIES:
    _small = {**(BLEND if _entry.name == "Blend" else {}), **_entry.small}
    MODELS[_entry.name] = (_entry.name, _small)
    for _way, _params in VARIATIONS.get(_entry.name, {}).items():
        MODELS[f"{_entry.name}-{_way}"] = (_entry.name, {**_small, **_params})


def make(name: str) -> Any:
    """A new model, by its name in MODELS."""
    class_name, params = MODELS[name]
    if name in MEMBERS:
        params = {**params, "models": [make(member) for member in MEMBERS[name]]}
    if name in PAIRS:
        params = {**params, **dict(zip(("chooser", "rater"), map(make, PAIRS[name]), strict=True))}
    return BY_NAME[class_name].load()(**params)


def has_epochs(name: str) -> bool:
    """Whether fits of a model have epochs, and so callbacks and checkpoints."""
    params = make(name).get_params(deep=False)
    return ("n_epochs" in params and params.get("method") != "mean") or "n_samples" in params


def with_epochs(model: Any, n_epochs: int) -> Any:
    """The model with so many epochs; of a sampler these are sweeps, the first of them its burn-in."""
    if "n_samples" in model.get_params(deep=False):
        return model.set_params(n_samples=n_epochs - 1, burn_in=1)
    return model.set_params(n_epochs=n_epochs)


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """Hyper-parameters in which models are represented by their repr, to be compared by ==."""
    return {
        name: repr(value) if isinstance(value, cf.Model) or "models" in params else value
        for name, value in params.items()
    }


def fitted_names(model: Any) -> list[str]:
    """Names of the fitted attributes of a model, without those that follow from others."""
    derived = ("known_users_", "known_items_", "user_feature_names_", "item_feature_names_", "n_factors_")
    named = [name for name in dir(model) if name.endswith("_") and not name.startswith("_")]
    return [name for name in named if name not in derived]


def compares(model: Any, kind: str) -> bool:
    """Whether a fitted model compares items, or users."""
    try:
        model.similarity_row(kind, 0)
    except TypeError:
        return False
    return True


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
    """All ratings."""
    return cf.Ratings(*columns)


@pytest.fixture(scope="session")
def train(ratings: cf.Ratings) -> cf.Ratings:
    """Four of five ratings."""
    return ratings.subset(np.arange(len(ratings)) % 5 != 0)


@pytest.fixture(scope="session")
def test(ratings: cf.Ratings) -> cf.Ratings:
    """The fifth."""
    return ratings.subset(np.arange(len(ratings)) % 5 == 0)


_fitted: dict[str, Any] = {}


@pytest.fixture(params=list(MODELS))
def fitted(request: pytest.FixtureRequest, train: cf.Ratings) -> Any:
    """Each kind of model fitted on `train`; shared, so tests must not change it."""
    if request.param not in _fitted:
        _fitted[request.param] = make(request.param).fit(train)
    return _fitted[request.param]
