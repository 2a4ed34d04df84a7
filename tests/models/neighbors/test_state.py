"""The fitted state of ItemKNN and UserKNN: what it refuses, and models made of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

BOTH = pytest.mark.parametrize("model_class", [cf.ItemKNN, cf.UserKNN])


def some_ratings() -> cf.Ratings:
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((12, 9)) < 0.6)
    return cf.Ratings(users, items, rng.integers(1, 6, len(users)))


@pytest.fixture
def ratings() -> cf.Ratings:
    return some_ratings()


@BOTH
def test_similarities_computed_elsewhere_are_served(model_class: Any, ratings: cf.Ratings) -> None:
    """Of equal similarities, the prediction is the mean of the deviations of all others."""
    model = model_class(center=None, n_neighbors=None, similarity="cosine").fit(ratings)
    served = model.with_parameters(similarity=np.ones_like(model.similarity_))
    full = np.full((12, 9), np.nan)
    full[ratings.user_codes, ratings.item_codes] = ratings.values
    for user, item in [(0, 3), (5, 5), (11, 0)]:
        rated = full[user].copy() if model_class is cf.ItemKNN else full[:, item].copy()
        rated[item if model_class is cf.ItemKNN else user] = np.nan
        assert served.predict(user, item) == pytest.approx(np.nanmean(rated), abs=1e-6)
    assert (served.similarity_ == 1).all()
    assert (model.similarity_ != 1).any()


@BOTH
def test_a_nan_is_no_neighbour(model_class: Any, ratings: cf.Ratings) -> None:
    model = model_class(center="baseline").fit(ratings)
    served = model.with_parameters(similarity=np.full_like(model.similarity_, np.nan))
    expected = ratings.mean + model.user_centers_[3] + model.item_centers_[3]
    assert served.predict(3, 3) == pytest.approx(np.clip(expected, 1, 5))


@BOTH
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("similarity", lambda s: s[:, :-1], "similarity_ has shape"),
        ("similarity", lambda s: s[:-1, :-1], "one row for each"),
        ("similarity", lambda s: s.astype(np.float64), r"pass similarity\.astype\(np\.float32\)"),
        ("deviations", lambda d: d.astype(np.float64), "deviations_ must be of float32"),
        ("deviations", lambda d: d[:-1].copy(), "deviations_"),
        ("deviations", lambda d: np.full_like(d, np.inf), "deviations_ must be finite numbers"),
        ("user_centers", lambda c: c[:-1], "user_centers_ has shape"),
        ("item_centers", lambda c: np.full_like(c, np.nan), "item_centers_ must be finite numbers"),
        ("rule", lambda r: {**r, "power": 0.0}, "power must be above 0"),
        ("rule", lambda r: {**r, "damping": -1.0}, "damping"),
        ("rule", lambda r: {**r, "n_neighbors": -1}, "n_neighbors"),
        ("rule", lambda r: {"power": 1.0}, "rule_ must have the keys additive, damping"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    model_class: Any, ratings: cf.Ratings, name: str, change: Any, message: str
) -> None:
    model = model_class().fit(ratings)
    with pytest.raises(ValueError, match=message):
        model.with_parameters(**{name: change(getattr(model, f"{name}_"))})


@BOTH
def test_neighbors_out_of_range_are_refused(model_class: Any, ratings: cf.Ratings) -> None:
    model = model_class(storage=3).fit(ratings)
    for code in (-2, len(model.similarity_)):
        codes = model.neighbors_.copy()
        codes[2, 1] = code
        with pytest.raises(ValueError, match=r"neighbors_ must be in \[-1, "):
            model.with_parameters(neighbors=codes)
    with pytest.raises(ValueError, match="similarity_"):
        model.with_parameters(neighbors=None)


def test_rows_of_holders_are_those_of_users_or_given(ratings: cf.Ratings) -> None:
    items, users = cf.ItemKNN().fit(ratings), cf.UserKNN().fit(ratings)
    assert items.holder_indptr_ is None
    assert items.holder_targets_ is None
    np.testing.assert_array_equal(users.holder_indptr_, ratings.by_item.indptr)
    np.testing.assert_array_equal(users.holder_targets_, ratings.by_item.indices)
    with pytest.raises(ValueError, match="holder_indptr_ must be None where items are compared"):
        items.with_parameters(
            holder_indptr=items.seen_indptr_.copy(), holder_targets=items.seen_items_.copy()
        )
    with pytest.raises(ValueError, match="holder_indptr_"):
        users.with_parameters(holder_indptr=users.holder_indptr_[::-1].copy())
    targets = users.holder_targets_.copy()
    targets[0] = ratings.n_users
    with pytest.raises(ValueError, match="holder_targets_ must be in"):
        users.with_parameters(holder_targets=targets)
