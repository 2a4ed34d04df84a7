"""Choices of neighbourhood models: lists by preference are of items that the raters of one's items rated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

BOTH = pytest.mark.parametrize("kind", [cf.ItemKNN, cf.UserKNN])


def two_tastes(seed: int = 0) -> cf.Ratings:
    """Users 0 to 59 rate items 0 to 29, users 60 to 119 items 30 to 59, and all some of items 60 to 65."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(120), 12)
    items = np.where(rng.random(len(users)) < 0.15, 60 + rng.integers(0, 6, len(users)),
                     30 * (users >= 60) + np.floor(30 * rng.random(len(users)) ** 2).astype(int))  # fmt: skip
    return cf.Ratings(users, items, rng.integers(1, 6, len(users)), duplicates="last")


@BOTH
def test_lists_by_preference_are_of_the_own_taste(kind: Any) -> None:
    ratings = two_tastes()
    model = kind().fit(ratings)
    ids, scores = model.recommend(np.arange(120), 5, by="preference", items=np.arange(60))
    assert ((ids >= 30) == (np.arange(120) >= 60)[:, None]).mean() > 0.95
    assert (scores > 0).all()
    assert (np.diff(scores, axis=1) <= 0).all()


@BOTH
def test_choices_are_the_formula(kind: Any) -> None:
    ratings = two_tastes()
    model = kind().fit(ratings)
    n_users, n_items = 120, len(model.item_ids_)
    rated = np.zeros((n_users, n_items))
    rated[ratings.users, model.encode_items(ratings.items)] = 1
    g = np.zeros((n_users, n_items))
    g[ratings.users, model.encode_items(ratings.items)] = ((ratings.values - 1) / 4.0) ** 2
    of_items, of_users = rated.sum(axis=0), rated.sum(axis=1)
    shared = rated.T @ (rated * of_users[:, None] ** -0.5)
    expected = (g * of_items**-0.7) @ shared * of_items**-0.6
    expected[rated > 0] = -1
    expected /= expected.max(axis=1, keepdims=True)
    items = np.arange(n_items, dtype=np.int32)
    for user in (0, 63, 119):
        users = np.full(n_items, user, dtype=np.int32)
        left = np.flatnonzero((rated[user] == 0) & (expected[user] > 1e-4))
        worth = model.preference_codes(users, items)[left] / expected[user, left]
        # What remains is the worth, the square root of a chance: it rises with the prediction.
        order = np.argsort(model.score_codes(users, items)[left], kind="stable")
        assert (np.diff(worth[order]) >= -1e-9).all()
        assert (worth <= 1 + 1e-9).all()


@BOTH
def test_users_without_liked_items_and_unknown_ones_choose_by_popularity(kind: Any) -> None:
    base = two_tastes()
    users, items = np.append(base.users, [500] * 3), np.append(base.items, [0, 1, 2])
    values = np.append(base.values, [1.0] * 3)
    model = kind().fit(cf.Ratings(users, items, values))
    every = np.arange(len(model.item_ids_), dtype=np.int32)
    popularity = model.item_counts_ / model.item_counts_.max()
    for user in model.encode_users([500, 999]):
        codes = np.full(len(every), user, dtype=np.int32)
        worth = model.preference_codes(codes, every) / popularity
        order = np.argsort(model.score_codes(codes, every), kind="stable")
        assert (np.diff(worth[order]) >= -1e-9).all()


@BOTH
def test_ratings_given_make_choices_too(kind: Any) -> None:
    model = kind().fit(two_tastes())
    taste = {35: 5, 31: 5, 40: 4}
    ids, _ = model.recommend(given=taste, n=8, by="preference", items=np.arange(60))
    assert (ids >= 30).all()
    together, _ = model.recommend(
        given=([7, 7, 7, 8], [35, 31, 40, 2], [5, 5, 4, 5]), n=8, by="preference", items=np.arange(60)
    )
    np.testing.assert_array_equal(together[0], ids)
    assert (together[1] < 30).all()


def test_a_model_without_training_ratings_lists_by_popularity(tmp_path: Any) -> None:
    fitted = cf.ItemKNN().fit(two_tastes())
    n_items = len(fitted.item_ids_)
    bare = cf.ItemKNN().with_parameters(
        user_ids=np.arange(2), item_ids=fitted.item_ids_, scale=(1, 5), mean=3.0,
        similarity=np.array(fitted.similarity_), deviations=np.zeros(0, np.float32), rule=fitted.rule_,
        user_centers=np.zeros(3), item_centers=np.zeros(n_items + 1),
    )  # fmt: skip
    ids, scores = bare.recommend(1, 5, by="preference")
    assert len(ids) == 5
    assert np.isfinite(scores).all()
