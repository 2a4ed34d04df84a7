"""Ratings given with a question, to every model: answers for users who are new to it; it stays as it is."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf


def own(train: cf.Ratings, n_users: int = 6) -> cf.Ratings:
    """All training ratings of a few users."""
    return train.subset(np.isin(train.users, train.user_ids[:n_users]))


def session(train: cf.Ratings) -> dict[Any, float]:
    """The ratings of one user, by item."""
    mine = train.users == train.users[0]
    return dict(zip(train.items[mine].tolist(), train.values[mine].tolist(), strict=True))


def test_the_model_stays_as_it_is(fitted: Any, train: Any, test: Any) -> None:
    users, before = fitted.user_ids_, fitted.predict(test)
    fitted.predict(test, given=own(train))
    fitted.recommend(given=own(train))
    np.testing.assert_array_equal(fitted.user_ids_, users)
    np.testing.assert_array_equal(fitted.predict(test), before)


def test_ratings_of_training_give_about_the_answers_of_training(fitted: Any, train: Any, test: Any) -> None:
    given = own(train)
    pairs = test.subset(np.isin(test.users, given.users))
    found, expected = fitted.predict(pairs, given=given), fitted.predict(pairs)
    low, high = fitted.scale_
    assert np.isfinite(found).all()
    assert low <= found.min() <= found.max() <= high
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.4
    if np.ptp(expected) > 0.5:
        assert np.corrcoef(found, expected)[0, 1] > 0.7


def test_a_user_is_answered_alone_as_among_others(fitted: Any, train: Any) -> None:
    given, items = own(train), train.item_ids[::3]
    user = given.users[0]
    together = fitted.predict(user, items, given=given)
    alone = fitted.predict(user, items, given=given.subset(given.users == user))
    if "KNN" not in type(fitted).__name__ and not isinstance(fitted, cf.Blend):
        np.testing.assert_allclose(alone, together, atol=1e-5)
    assert np.sqrt(np.mean((alone - together) ** 2)) < 0.3


def test_a_session_is_a_dict_of_item_to_rating(fitted: Any, train: Any) -> None:
    given = session(train)
    items, values = list(given), list(given.values())
    found = fitted.predict(train.item_ids, given=given)
    columns = ([0] * len(items), items, values)
    np.testing.assert_array_equal(found, fitted.predict(0, train.item_ids, given=columns))
    assert isinstance(fitted.predict(items[0], given=given), float)
    ids, scores = fitted.recommend(n=5, given=given)
    assert ids.shape == scores.shape == (5,)
    assert not set(ids.tolist()) & set(items)
    known = dict(zip(train.item_ids.tolist(), found.tolist(), strict=True))
    low, high = fitted.scale_
    np.testing.assert_allclose(np.clip(scores, low, high), [known[item] for item in ids.tolist()], atol=1e-5)


def test_lists_are_of_all_users_given(fitted: Any, train: Any) -> None:
    given = own(train)
    ids, scores = fitted.recommend(n=4, given=given)
    expected = given.user_ids[given.user_counts > 0]
    assert ids.shape == scores.shape == (len(expected), 4)
    some = fitted.recommend(expected[:2], n=4, given=given)
    assert some[0].shape == (2, 4)


def test_items_that_are_not_known_are_left_out_with_a_warning(fitted: Any, train: Any) -> None:
    given = session(train)
    with pytest.warns(cf.DataWarning, match="given: 1 of the items have no training ratings .* 99999"):
        found = fitted.predict(train.item_ids, given={**given, 99_999: train.scale[1]})
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "given")
        np.testing.assert_array_equal(found, fitted.predict(train.item_ids, given=given))


def test_what_cannot_be_used_is_refused(fitted: Any, train: Any) -> None:
    item, high = train.item_ids[0], train.scale[1]
    with pytest.raises(cf.DataError, match="the model's scale is"):
        fitted.predict(item, given={item: high + 1})
    with pytest.raises(cf.DataError, match="string"):
        fitted.predict("ann", item, given=(["ann"], [item], [high]))
    with pytest.raises(TypeError, match=r"predict\(items, given="):
        fitted.predict(1, item, given={item: high})
    with pytest.raises(TypeError, match=r"recommend\(given="):
        fitted.recommend()
    with pytest.raises(cf.NotFittedError):
        fitted.clone().predict(item, given={item: high})
