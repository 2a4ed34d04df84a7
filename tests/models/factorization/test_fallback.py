"""Predictions for unknown users and items: those of the item's users, never far above the baseline."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import fallback
from tests.contracts.conftest import numbers
from tests.models.factorization.test_new_users import FAMILY, FEW, without_some

RATINGS = cf.Ratings(*numbers())
WAYS: list[tuple[Any, dict[str, Any]]] = [
    (cf.SVD, {}), (cf.SVD, {"biased": False}), (cf.SVDpp, {}), (cf.AsymmetricSVD, {}),
]  # fmt: skip


def fitted(model_class: Any, params: dict[str, Any], ratings: cf.Ratings = RATINGS) -> Any:
    return model_class(n_factors=5, n_epochs=8, random_state=0, **params).fit(ratings)


def expected(model: Any, kind: str) -> Any:
    """Predictions of all items (users) for an unknown user (item), by their definition."""
    n_users, n_items = len(model.user_ids_), len(model.item_ids_)
    users, items = np.divmod(np.arange(n_users * n_items, dtype=np.int32), np.int32(n_items))
    products = model.score_codes(users, items) - model.user_bias_[users] - model.item_bias_[items]
    products = products.reshape(n_users, n_items) - (model.mean_ if getattr(model, "biased", True) else 0)
    rated = np.zeros((n_users, n_items))
    rated[np.repeat(np.arange(n_users), np.diff(model.seen_indptr_)), model.seen_items_] = 1
    if kind == "user":
        products, rated = products.T, rated.T
    of_mean = np.average(products, axis=0, weights=rated.sum(axis=1))
    counts, bias = rated.sum(axis=0), getattr(model, f"{kind}_bias_")
    found = bias + ((rated * products).sum(axis=0) + 10 * of_mean) / (counts + 10)
    return model.mean_ + found - np.average(found, weights=counts)


@pytest.mark.parametrize(("model_class", "params"), WAYS)
def test_unknown_users_and_items_have_the_mean_of_those_who_rated(model_class: Any, params: Any) -> None:
    model = fitted(model_class, params)
    items, users = expected(model, "item"), expected(model, "user")
    np.testing.assert_allclose(model.predict(-7, model.item_ids_), np.clip(items, 1, 5), rtol=1e-5)
    np.testing.assert_allclose(model.predict(model.user_ids_, -7), np.clip(users, 1, 5), rtol=1e-5)
    assert model.predict(-7, -7) == pytest.approx(model.mean_)
    assert np.average(items, weights=model.item_counts_) == pytest.approx(model.mean_)
    listed, scores = model.recommend(-7, 5)
    np.testing.assert_array_equal(scores, model.predict(-7, listed))
    assert scores[0] == model.predict(-7, model.item_ids_).max()


@pytest.mark.parametrize(("model_class", "params"), WAYS)
def test_bits_do_not_depend_on_pieces_threads_and_other_pairs(
    model_class: Any, params: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(model_class, params)
    whole = model.predict(-7, model.item_ids_)
    assert [model.predict(-7, item) for item in model.item_ids_.tolist()] == whole.tolist()
    other = pickle.loads(pickle.dumps(model)).set_params(n_threads=3)
    np.testing.assert_array_equal(other.predict(-7, model.item_ids_), whole)
    monkeypatch.setattr(fallback, "PIECE", 50)
    monkeypatch.setattr(fallback, "ROWS", 7)
    pieces = pickle.loads(pickle.dumps(model)).predict(-7, model.item_ids_)
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)


@pytest.mark.parametrize(("model_class", "params"), WAYS)
def test_unknown_users_beside_given_ones_are_those_of_the_model(model_class: Any, params: Any) -> None:
    model = fitted(model_class, params)
    whole = model.predict(-7, model.item_ids_)
    given = model.for_users(([-1, -1, -2], RATINGS.item_ids[[0, 3, 3]], [5.0, 1.0, 4.0]))
    np.testing.assert_array_equal(given.predict(-7, model.item_ids_), whole)
    np.testing.assert_array_equal(model.predict(model.item_ids_, given={}), whole)
    # The mean over the given users is not forced to be the mean rating.
    happy = model.for_users((np.full(9, -1), RATINGS.item_ids[:9], np.full(9, 5.0)))
    assert happy.predict(-1, -7) > model.mean_ + 0.05


def test_times_of_items_count_for_unknown_users() -> None:
    model = cf.TimeSVDpp(n_factors=4, n_epochs=8, item_bins=True, random_state=0).fit(RATINGS)
    early, late = (
        model.predict([-7] * 40, model.item_ids_, [time] * 40) for time in (88 * 10**7, 89 * 10**7)
    )
    assert not np.array_equal(early, late)
    assert np.abs(early - late).max() < 1


@pytest.mark.parametrize("kind", ["user", "item"])
@pytest.mark.parametrize("model_class", FAMILY)
def test_unknown_ids_are_predicted_as_well_as_by_the_baseline(model_class: Any, kind: str) -> None:
    old, new, rank = without_some(kind)
    test = new.subset(rank >= 20)
    plain, model = cf.Baseline().fit(old), model_class(**FEW).fit(old)
    errors = [cf.metrics.rmse(test.values, one.predict(test)) for one in (model, plain)]
    assert errors[0] < errors[1] + 0.002
    kept = copy.deepcopy(model).with_parameters(seen_values=None)  # as in files of version 0.1.0
    np.testing.assert_array_equal(kept.predict(test), model.predict(test))


@pytest.mark.parametrize("kind", ["user", "item"])
@pytest.mark.parametrize(
    "model", [cf.ItemKNN(), cf.UserKNN(), cf.EASE(), cf.Blend([cf.ItemKNN(), cf.SVD(**FEW)], cv=2)]
)
def test_so_do_other_models(model: Any, kind: str) -> None:
    old, new, rank = without_some(kind)
    test = new.subset(rank >= 20)
    errors = [cf.metrics.rmse(test.values, one.fit(old).predict(test)) for one in (model, cf.Baseline())]
    assert errors[0] < errors[1] + 0.002
