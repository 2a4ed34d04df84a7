"""One answer is the same, to the bit, as the one among many: plain ids have a way of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import MODELS, make

UNKNOWN = -99


@pytest.fixture(scope="module", params=list(MODELS))
def named(request: pytest.FixtureRequest, train: cf.Ratings) -> Any:
    """Each kind of model, fitted on ratings whose ids are strings."""
    users, items = (np.char.add("né", ids.astype(str)) for ids in (train.users, train.items))
    return make(request.param).fit(cf.Ratings(users, items, train.values, train.timestamps))


def pairs(ids: Any, unknown: Any) -> list[Any]:
    """Some ids as Python's own, and one that is unknown."""
    return [*ids[::7].tolist(), unknown]


def same_as_among_many(model: Any, unknown: Any) -> None:
    users, items = pairs(model.user_ids_, unknown), pairs(model.item_ids_, unknown)
    column = np.repeat(users, len(items)), np.tile(items, len(users))
    together = model.predict(*column, timestamps=False)
    alone = [model.predict(user, item) for user in users for item in items]
    assert all(type(one) is float for one in alone)
    assert np.array(alone).tobytes() == together.tobytes()


def test_a_pair_of_integers(fitted: Any) -> None:
    same_as_among_many(fitted, UNKNOWN)
    same_as_among_many(fitted, 2**40)


def test_a_pair_of_strings(named: Any) -> None:
    same_as_among_many(named, "nobody, and longer than all others")
    same_as_among_many(named, "né1")


def test_lists_of_unknown_users(fitted: Any, named: Any) -> None:
    for model, user in ((fitted, UNKNOWN), (fitted, 2**62), (named, "nobody, and longer than others")):
        for options in ({}, {"by": "preference"}, {"n": 99}, {"min_support": 15}):
            ids, scores = model.recommend([user], **options)
            found = model.recommend(user, **options)
            np.testing.assert_array_equal(found[0], ids[0][: len(found[0])])
            assert found[1].tobytes() == scores[0][: len(found[1])].tobytes()


def test_a_list_of_strings(named: Any) -> None:
    ids, scores = named.recommend(named.user_ids_, n=9)
    for user, row, own in zip(named.user_ids_.tolist(), ids, scores, strict=True):
        found = named.recommend(user, n=9)
        assert found[0].dtype == named.item_ids_.dtype
        np.testing.assert_array_equal(found[0], row[: len(found[0])])
        assert found[1].tobytes() == own[: len(found[1])].tobytes()


def test_a_list_by_each_criterion(fitted: Any, train: cf.Ratings) -> None:
    for by in (None, "rating", "preference"):
        for options in ({}, {"exclude_seen": False}, {"min_support": 15}, {"n": 99}):
            ids, scores = fitted.recommend(train.user_ids, by=by, **options)
            for user, row, own in zip(train.user_ids.tolist(), ids, scores, strict=True):
                found = fitted.recommend(user, by=by, **options)
                np.testing.assert_array_equal(found[0], row[: len(found[0])])
                assert found[1].tobytes() == own[: len(found[1])].tobytes()
    with pytest.raises(ValueError, match="by must be"):
        fitted.recommend(train.users[0].item(), by="choice")


@pytest.mark.parametrize("name", list(MODELS))
def test_lists_stay_the_same_once_items_are_laid_out(name: str, train: cf.Ratings) -> None:
    model, users = make(name).fit(train), train.user_ids.tolist()
    items = train.item_ids.tolist()
    given = {items[k]: 1 + k % 5 for k in (3, 4, 8)}
    before = [model.recommend(user, n=12) for user in users] + [model.recommend(given=given)]
    model.recommend(np.resize(train.user_ids, 500), n=12)
    after = [model.recommend(user, n=12) for user in users] + [model.recommend(given=given)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1].tobytes() == other[1].tobytes()


def test_many_lists_of_single_users_lay_items_out(train: cf.Ratings) -> None:
    model, user = cf.SVD(n_factors=20, random_state=0).fit(train), train.users[5].item()
    first = model.recommend(user, n=30)
    for _ in range(600):
        ids, scores = model.recommend(user, n=30)
        assert ids.tolist() == first[0].tolist()
        assert scores.tobytes() == first[1].tobytes()


def test_ids_of_other_types_have_the_same_answer_or_their_error(fitted: Any, train: cf.Ratings) -> None:
    user, item = int(train.users[0]), int(train.items[1])
    expected = fitted.predict(user, item)
    assert fitted.predict(np.int64(user), np.uint8(item)) == expected
    assert fitted.predict(float(user), item) == expected
    for wrong in ("7", True, None, 2**70):
        with pytest.raises((cf.DataError, TypeError)):
            fitted.predict(wrong, item)
        with pytest.raises((cf.DataError, TypeError)):
            fitted.recommend(wrong)
    with pytest.raises(cf.DataError, match="no string equals an integer"):
        fitted.predict(user, "7")


def sessions(train: cf.Ratings) -> list[dict[Any, float]]:
    """Ratings of one user: a few, and more than any small model has factors."""
    items, values = train.item_ids.tolist(), [1.0, 5, 4, 2]
    return [{items[7]: 5}, {items[k]: values[k % 4] for k in (9, 2, 30, 4)},
            {items[k]: values[k % 4] for k in range(0, 38)}]  # fmt: skip


def test_a_session_is_answered_as_columns_are(fitted: Any, train: cf.Ratings) -> None:
    for given in sessions(train):
        columns = [0] * len(given), list(given), list(given.values())
        asked = train.item_ids[::3]
        expected = fitted.predict([0] * len(asked), asked, given=columns, timestamps=False)
        assert fitted.predict(asked, given=given).tobytes() == expected.tobytes()
        assert fitted.predict(asked.tolist(), given=given).tobytes() == expected.tobytes()
        assert fitted.predict(int(asked[1]), given=given) == expected[1]
        for options in ({}, {"exclude_seen": False, "by": "rating"}, {"by": "preference"}, {"n": 99}):
            ids, scores = fitted.recommend(0, given=columns, **options)
            found = fitted.recommend(given=given, **options)
            np.testing.assert_array_equal(found[0], ids)
            assert found[1].tobytes() == scores.tobytes()


def test_a_session_of_strings_is_answered_as_columns_are(named: Any) -> None:
    given = dict.fromkeys(named.item_ids_[[3, 1, 8]].tolist(), 4)
    columns = [""] * len(given), list(given), list(given.values())
    ids, scores = named.recommend(given=columns)
    found = named.recommend(given=given)
    np.testing.assert_array_equal(found[0], ids[0])
    assert found[1].tobytes() == scores[0].tobytes()


def test_sessions_that_are_not_usable_have_their_errors_and_warnings(fitted: Any, train: cf.Ratings) -> None:
    item = train.item_ids[0].item()
    with pytest.raises(cf.DataError, match="is 99; the model's scale is 1 to 5"):
        fitted.recommend(given={item: 99})
    with pytest.raises(cf.DataError, match="must be a finite number, not True"):
        fitted.recommend(given={item: True})
    with pytest.raises(cf.DataError, match="is a string"):
        fitted.predict(item, given={str(item): 3})
    with pytest.warns(cf.DataWarning, match="1 of the items have no training ratings"):
        fitted.recommend(given={item: 3, UNKNOWN: 3})


def test_what_a_subclass_changes_counts_for_one_answer(train: cf.Ratings) -> None:
    class Lower(cf.SVD):
        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return super()._score(users, items, timestamps) - 0.5

    model = Lower(n_factors=4, random_state=0).fit(train)
    user, item = train.users[0].item(), train.items[3].item()
    assert model.predict(user, item) == model.predict([user], [item])[0]
    given = {train.item_ids[k].item(): 3 for k in range(4)}
    columns = [0] * len(given), list(given), list(given.values())
    for found, expected in (
        (model.recommend(user), model.recommend([user])),
        (model.recommend(given=given), model.recommend(given=columns)),
    ):
        np.testing.assert_array_equal(found[0], expected[0][0])
        np.testing.assert_array_equal(found[1], expected[1][0])


def test_items_whose_factors_are_not_finite_are_never_listed(train: cf.Ratings) -> None:
    model = cf.SVD(n_factors=4, random_state=0).fit(train)
    user = train.users[0].item()
    factors = model.item_factors_.copy()
    factors[::2] = 1e15
    shifted = model.with_parameters(item_factors=factors, user_bias=np.full_like(model.user_bias_, 1e15))
    one, many = shifted.recommend(user, n=30), shifted.recommend([user], n=30)
    np.testing.assert_array_equal(one[0], many[0][0][: len(one[0])])
    np.testing.assert_array_equal(one[1], many[1][0][: len(one[1])])
