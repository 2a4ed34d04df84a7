"""Lists for many users follow the model, though its items are laid out once and kept."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.recommend import item_layout as panels
from cfcore.models.recommend import top_n as lists

SMALL = {"n_factors": 40, "n_epochs": 5, "random_state": 0, "verbose": 0}


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.datasets.load("ml-100k")


def lists_of(model: Any, n: int = 10, **options: Any) -> Any:
    assert lists.FEW <= 200
    return model.recommend(model.user_ids_[:200], n=n, **options)


def listed_one_by_one(model: Any, n: int = 10, **options: Any) -> Any:
    found = [model.recommend(user, n=n, **options) for user in model.user_ids_[:200]]
    return tuple(np.stack(column) for column in zip(*found, strict=True))


def same(model: Any, **options: Any) -> None:
    for many, single in zip(lists_of(model, **options), listed_one_by_one(model, **options), strict=True):
        np.testing.assert_array_equal(many, single)


@pytest.mark.parametrize("name", ["SVD", "SVDpp"])
def test_panels_are_never_of_parameters_that_were(name: str, ratings: cf.Ratings) -> None:
    model = getattr(cf, name)(**SMALL)
    model.fit(ratings, callback=lambda *_: same(model))  # while it is trained
    same(model)
    same(model, min_support=20)  # other items, other panels
    same(model)
    newcomer = (np.full(30, -1), ratings.item_ids[:30], np.full(30, 5.0))
    model.fold_in(newcomer)
    same(model)
    model.partial_fit((np.full(5, ratings.user_ids[0]), np.arange(-5, 0), np.full(5, 1.0)))
    same(model)
    model.fit(ratings)
    same(model)
    model.item_bias_[::2] = 0
    same(model)
    model._rows()[1][::3] *= -1
    same(model)
    with cf.backend("reference"):
        lists_of(model)
    same(model)


def test_panels_are_kept_for_the_same_items(ratings: cf.Ratings, monkeypatch: pytest.MonkeyPatch) -> None:
    model = cf.SVD(**SMALL).fit(ratings)
    before = lists_of(model)
    monkeypatch.setattr(panels.Panels, "__init__", None)  # none may be made
    for one, other in zip(lists_of(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_factors_of_one_axis_and_of_none(ratings: cf.Ratings) -> None:
    model = cf.SVD(**SMALL).fit(ratings)
    for n_axes in (1, 0):
        model.item_factors_ = np.ascontiguousarray(model.item_factors_)
        model.item_factors_[:, n_axes:] = 0
        model._cache.pop("rows")
        same(model)


def test_users_whose_factors_are_out_of_bounds(ratings: cf.Ratings) -> None:
    model = cf.SVD(**SMALL).fit(ratings)
    model._rows()[0][0] = np.nan
    model.user_bias_[1:3] = np.inf, -np.inf
    model._rows()[0][3, :40] = 1e37
    model._rows()[0][4] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids, scores = lists_of(model)
        for user in range(10):
            kept = ~np.isnan(scores[user])
            one = model.recommend(model.user_ids_[user], n=10)
            np.testing.assert_array_equal(ids[user][kept], one[0])
            np.testing.assert_array_equal(scores[user][kept], one[1])
    assert np.isnan(scores[[0, 2]]).all()
    assert not np.isnan(scores[[1, *range(3, 200)]]).any()
