"""Ratings given with a question, to every model: answers for users who are new to it; it stays as it is."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
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
    # Without damping, predictions from few ratings given are shrunk, and those of a fit are not.
    undamped = isinstance(fitted, cf.UserKNN) and fitted.rule_["damping"] == 0
    assert np.sqrt(np.mean((found - expected) ** 2)) < (0.6 if undamped else 0.4)
    if np.ptp(expected) > 0.5:
        assert np.corrcoef(found, expected)[0, 1] > (0.6 if undamped else 0.7)


def test_a_user_is_answered_alone_as_among_others(fitted: Any, train: Any) -> None:
    given, items = own(train), train.item_ids[::3]
    user = given.users[0]
    together = fitted.predict(user, items, given=given)
    alone = fitted.predict(user, items, given=given.subset(given.users == user))
    members = fitted.members_ if isinstance(fitted, cf.Blend | cf.Ranker) else [fitted]
    if not any(isinstance(one, cf.UserKNN) for one in members):  # which compares users given, too
        np.testing.assert_array_equal(alone, together)
    assert np.sqrt(np.mean((alone - together) ** 2)) < 0.3


def test_a_session_is_a_dict_of_item_to_rating(fitted: Any, train: Any) -> None:
    given = session(train)
    items, values = list(given), list(given.values())
    found = fitted.predict(train.item_ids, given=given)
    columns = ([0] * len(items), items, values)
    np.testing.assert_array_equal(found, fitted.predict(0, train.item_ids, given=columns))
    assert isinstance(fitted.predict(items[0], given=given), float)
    ids, scores = fitted.recommend(n=5, given=given, by="rating")
    assert ids.shape == scores.shape == (5,)
    assert not set(ids.tolist()) & set(items)
    known = dict(zip(train.item_ids.tolist(), found.tolist(), strict=True))
    low, high = fitted.scale_
    np.testing.assert_allclose(np.clip(scores, low, high), [known[item] for item in ids.tolist()], atol=1e-5)


def test_a_session_is_of_nobody_in_training(model: Any, columns: Any) -> None:
    users, items, values, times = columns
    given = dict(zip(items[:3].tolist(), values[:3].tolist(), strict=True))
    first = cf.Ratings(users - users.min(), items, values, times)  # with a user 0
    expected = model.fit(cf.Ratings(users, items, values, times)).predict(first.item_ids, given=given)
    fitted = model.clone().fit(first)
    np.testing.assert_array_equal(fitted.predict(first.item_ids, given=given), expected)
    assert len(fitted.for_users(given).known_users_) == 1


@pytest.mark.parametrize("user", [np.uint64(7), np.uint64(2**63 + 7)])
def test_users_given_may_be_of_another_integer_type(fitted: Any, train: Any, user: np.uint64) -> None:
    items, values = train.item_ids[:2], np.array([4.0, 2.0])
    users = np.array([user, user])
    expected = fitted.predict(train.item_ids, given=dict(zip(items.tolist(), values.tolist(), strict=True)))
    given = (users, items, values)
    found = fitted.predict(np.repeat(user, len(train.item_ids)), train.item_ids, given=given)
    np.testing.assert_array_equal(found, expected)
    ids, _ = fitted.recommend(users[:1], n=3, given=given)
    np.testing.assert_array_equal(fitted.recommend(n=3, given=given)[0], ids)
    assert fitted.explain(user, train.item_ids[-1], given=given).user == int(user)


def test_a_session_is_answered_without_warnings(model: Any, columns: Any) -> None:
    users, items, values, times = columns
    named = model.fit((users.astype(str), items.astype(str), values, times))
    given = {str(items[0]): 4.0, str(items[1]): 2.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named.recommend(given=given)
        named.predict(str(items[0]), given=given)
        named.explain(None, str(items[0]), given=given)


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
    with pytest.raises(cf.DataError, match=r"given: the rating of item .* is .*; the model.s scale is"):
        fitted.predict(item, given={item: high + 1})
    with pytest.raises(cf.DataError, match="string"):
        fitted.predict("ann", item, given=(["ann"], [item], [high]))
    for pairs in ([(item, high)], ([item], [high]), [], pd.DataFrame({"item": [item], "rating": [high]})):
        with pytest.raises(cf.DataError, match=r"^given: .*one user are a dict \{item: rating\}"):
            fitted.recommend(given=pairs)
    with pytest.raises(TypeError, match=r"predict\(items, given="):
        fitted.predict(1, item, given={item: high})
    with pytest.raises(TypeError, match=r"recommend\(given="):
        fitted.recommend()
    with pytest.raises(cf.NotFittedError):
        fitted.clone().predict(item, given={item: high})


@pytest.mark.parametrize("kind", [str, Decimal, Fraction, np.float32, np.array])
def test_ratings_of_a_session_are_numbers_of_any_kind(fitted: Any, train: Any, kind: Any) -> None:
    given = session(train)
    expected = fitted.predict(train.item_ids, given=given)
    found = fitted.predict(train.item_ids, given={np.int16(item): kind(one) for item, one in given.items()})
    np.testing.assert_array_equal(found, expected)


def test_a_session_is_also_a_series(fitted: Any, train: Any) -> None:
    given = session(train)
    np.testing.assert_array_equal(
        fitted.predict(train.item_ids, given=pd.Series(given)), fitted.predict(train.item_ids, given=given)
    )


@pytest.mark.parametrize("given", [{}, pd.Series([], dtype=float), {99_999: 4.0}])
@pytest.mark.filterwarnings("ignore:given")
def test_a_session_without_known_ratings_is_that_of_an_unknown_user(
    fitted: Any, train: Any, given: Any
) -> None:
    found = fitted.predict(train.item_ids, given=given)
    np.testing.assert_allclose(found, fitted.predict(-12_345, train.item_ids), atol=0.4)
    beside = fitted.predict(np.full(train.n_items, -12_345), train.item_ids, given=own(train))
    np.testing.assert_allclose(beside, fitted.predict(-12_345, train.item_ids), atol=0.4)
    low, high = fitted.scale_
    assert np.isfinite(found).all()
    assert low <= found.min() <= found.max() <= high
    assert fitted.recommend(n=3, given=given)[0].shape == (3,)


def test_what_is_wrong_in_a_session_is_named(fitted: Any, train: Any) -> None:
    item, high = train.item_ids[0].item(), train.scale[1]
    for wrong in (None, True, "good", float("nan"), Decimal("Infinity")):
        with pytest.raises(cf.DataError, match=rf"given: the rating of item {item} must be a finite number"):
            fitted.predict(item, given={item: wrong})
    given = json.loads(json.dumps({item: high}))
    with pytest.raises(cf.DataError, match=r"pass \{int\(item\): rating for item"):
        fitted.predict(item, given=given)
    given = {int(item): rating for item, rating in given.items()}  # as it says
    assert isinstance(fitted.predict(item, given=given), float)


def test_sessions_of_string_ids_are_answered_without_a_warning() -> None:
    ratings = cf.datasets.synthetic(20, 15, 120, random_state=0)
    named = cf.Ratings(ratings.users.astype(str), ratings.items.astype(str), ratings.values)
    model = cf.Baseline().fit(named)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.recommend(given={named.items[0]: 4.0})
    with pytest.raises(cf.DataError, match=r"pass \{str\(item\): rating for item"):
        model.recommend(given={1: 4.0})


@pytest.mark.parametrize("copied", ["pickle", "file"])
def test_a_model_for_users_can_be_kept(fitted: Any, train: Any, copied: str) -> None:
    given = own(train)
    model = fitted.for_users(given)
    if copied == "pickle":
        same = pickle.loads(pickle.dumps(model))
    else:
        file = io.BytesIO()
        model.save(file)
        file.seek(0)
        same = cf.load(file)
    users = np.append(given.user_ids[given.user_counts > 0], 77_777)
    pairs = np.repeat(users, train.n_items), np.tile(train.item_ids, len(users))
    np.testing.assert_array_equal(same.predict(*pairs), model.predict(*pairs))
    user = users[0]
    for one in (model, same):
        try:
            _, similarities = one.similar_users(user)
        except TypeError:  # not compared
            continue
        assert (np.abs(similarities) <= 1 + 1e-6).all()


def test_frames_name_users_and_a_session_has_no_name(fitted: Any, train: Any) -> None:
    alone = fitted.recommend(n=3, given=session(train), as_frame="pandas")
    assert list(alone.columns) == ["item", "score", "rank"]
    items, scores = fitted.recommend(n=3, given=session(train))
    assert alone["item"].tolist() == items.tolist()
    np.testing.assert_array_equal(alone["score"], scores)
    users = list(train.user_ids[:2])
    named = fitted.recommend(users, n=3, given=own(train), as_frame="pandas")
    assert list(named.columns) == ["user", "item", "score", "rank"]
    assert set(named["user"]) <= set(users)
