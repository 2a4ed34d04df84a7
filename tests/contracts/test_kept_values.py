"""A fitted model keeps the training ratings, beside the items seen: after fits, updates, in files, copies."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make
from tests.contracts.updating import known_users, new_items, new_users, takes

UPDATED = [name for name in MODELS if takes(make(name), "fold_in")]


def kept(model: Any) -> dict[tuple[Any, Any], float]:
    """The ratings that a model keeps, by user and item."""
    assert model.seen_values_.dtype == np.float32
    users = np.repeat(model.user_ids_, np.diff(model.seen_indptr_)).tolist()
    items, values = model.item_ids_[model.seen_items_].tolist(), model.seen_values_.tolist()
    return dict(zip(zip(users, items, strict=True), values, strict=True))


def of(users: Any, items: Any, values: Any, *_: Any) -> dict[tuple[Any, Any], float]:
    """Ratings, by user and item."""
    columns = (np.asarray(column).tolist() for column in (users, items, values))
    users, items, values = columns
    return dict(zip(zip(users, items, strict=True), values, strict=True))


def test_a_fit_keeps_the_training_ratings(fitted: Any, train: cf.Ratings, tmp_path: Path) -> None:
    expected = of(train.users, train.items, train.values)
    assert kept(fitted) == expected
    fitted.save(tmp_path / "model")
    for other in (cf.load(tmp_path / "model"), pickle.loads(pickle.dumps(fitted)), fitted.snapshot()):
        assert kept(other) == expected


def test_they_are_in_memory_once(fitted: Any, train: cf.Ratings) -> None:
    """Models that are fitted to the same ratings share them."""
    assert np.shares_memory(fitted.seen_values_, train.rows_by_user[2])


def test_those_given_with_a_question_take_their_place(fitted: Any, train: cf.Ratings) -> None:
    given = train.subset(np.isin(train.users, train.user_ids[:4]))
    given = cf.Ratings(given.users, given.items, 6 - given.values, given.timestamps, scale=train.scale)
    found = kept(fitted.for_users(given))
    expected = of(given.users, given.items, given.values)
    assert {pair: found[pair] for pair in expected} == expected
    if "UserKNN" not in repr(fitted):
        assert found == expected


@pytest.mark.parametrize("name", UPDATED)
def test_later_ratings_join_them(name: str, train: cf.Ratings) -> None:
    model, expected = make(name).fit(train), of(train.users, train.items, train.values)
    for later in (new_users(train), known_users(train)):
        model.fold_in(later)
        expected |= of(*later)
    model.partial_fit(new_items(train), n_epochs=1)
    assert kept(model) == expected | of(*new_items(train))


@pytest.mark.parametrize("name", UPDATED)
def test_what_is_not_known_stays_unknown(name: str, train: cf.Ratings) -> None:
    model = make(name).fit(train).with_parameters(seen_values=None)
    assert model.seen_values_ is None
    np.testing.assert_array_equal(model.predict(train), make(name).fit(train).predict(train))
    assert model.fold_in(new_users(train)).seen_values_ is None
    assert kept(model.for_users(new_users(train))) == of(*new_users(train))


def test_other_items_seen_have_no_ratings(fitted: Any) -> None:
    items = fitted.seen_items_.copy()
    assert fitted.with_parameters(seen_items=items).seen_values_ is None
    with pytest.raises(ValueError, match="seen_values_ has shape"):
        fitted.with_parameters(seen_values=fitted.seen_values_[1:])
    with pytest.raises(ValueError, match="seen_values_ must be finite"):
        fitted.with_parameters(seen_values=np.full(len(items), np.nan, dtype=np.float32))


def test_parameters_trained_elsewhere_have_none() -> None:
    model = cf.SVD(n_factors=2).with_parameters(
        user_ids=np.arange(3), item_ids=np.arange(4), scale=(1, 5), mean=3.0,
        user_factors=np.ones((3, 2), dtype=np.float32), item_factors=np.ones((4, 2), dtype=np.float32),
    )  # fmt: skip
    assert model.seen_values_ is None
    assert kept(model.fold_in(([1, 1], [0, 2], [4.0, 5.0]))) == {(1, 0): 4.0, (1, 2): 5.0}
