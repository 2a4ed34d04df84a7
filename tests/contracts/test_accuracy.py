"""Every model has a lower held-out error than the baseline on data with the structure that it models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cfcore as cf
from cfcore.registry import ENTRIES
from tests.contracts import structures

#: Data for each model, and the greatest part of the baseline's error that it may have there. A model that is
#: not named is tried on data that has a little of everything.
TRIED_ON: dict[str, tuple[Callable[[int], structures.Parts], float]] = {
    "SVD": (structures.factors, 0.65),
    # Its regularisation is that of ratings of films, which have more noise: `test_als_finds_factors` sets it.
    "ALS": (structures.factors, 0.75),
    "SVDpp": (structures.choices, 0.95),
    "AsymmetricSVD": (structures.choices, 0.95),
    "TimeSVDpp": (structures.drift, 0.95),
    "ItemKNN": (structures.groups, 0.9),
    "UserKNN": (structures.groups, 0.9),
    "RBM": (structures.opposites, 0.6),
    "Blend": (structures.factors, 0.65),
}
OTHERWISE = (structures.everything, 0.99)

#: Models that are no better than the baseline, and why.
NO_BETTER = {
    "GlobalMean": "it knows neither users nor items, and the baseline does",
    "Baseline": "it is the baseline",
    "EASE": "its predictions are those of Baseline(method='mean'); it is for lists",
    "Popularity": "it knows no users",
}


def made(name: str) -> Any:
    """The model with its defaults, and a seed if it has one."""
    kind = {entry.name: entry for entry in ENTRIES}[name].load()
    model = kind([cf.ItemKNN(), cf.SVD(n_factors=8)]) if name == "Blend" else kind()
    return model.set_params(random_state=0) if "random_state" in model.get_params(deep=False) else model


def error(model: Any, parts: structures.Parts) -> float:
    """RMSE on the test part."""
    return float(cf.metrics.rmse(parts[1].values, model.fit(parts[0]).predict(parts[1])))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.name not in NO_BETTER])
def test_beats_the_baseline(name: str, seed: int) -> None:
    data, part = TRIED_ON.get(name, OTHERWISE)
    parts = data(seed)
    assert error(made(name), parts) < part * error(cf.Baseline(), parts)


@pytest.mark.parametrize("seed", [1, 2])
def test_als_finds_factors(seed: int) -> None:
    """With the regularisation of such data in place of the rule's it is as good as `SVD`."""
    parts = structures.factors(seed)
    found = error(cf.ALS(n_factors=2, reg=1, random_state=0), parts)
    assert found < 0.6 * error(cf.Baseline(), parts)
    assert found < error(cf.SVD(random_state=0), parts)


@pytest.mark.parametrize("name", NO_BETTER)
def test_no_better_than_the_baseline(name: str) -> None:
    """The reason holds: on each of the data these models have the baseline's error, or a greater one."""
    for data in (structures.factors, structures.choices, structures.drift):
        parts = data(1)
        assert error(made(name), parts) >= error(cf.Baseline(), parts)


def test_the_baseline_beats_the_mean() -> None:
    for data, _ in [*TRIED_ON.values(), OTHERWISE]:
        parts = data(1)
        assert error(cf.Baseline(), parts) < 0.97 * error(cf.GlobalMean(), parts)


@pytest.mark.parametrize(("data", "plain"), [(structures.choices, "SVD"), (structures.drift, "SVDpp")])
def test_data_have_one_structure(data: Callable[[int], structures.Parts], plain: str) -> None:
    """A model without the term in question does not find the structure: the test above is of that term."""
    parts = data(1)
    assert error(made(plain), parts) > 0.97 * error(cf.Baseline(), parts)
