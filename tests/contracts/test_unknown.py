"""Unknown users and items: `knows` tells which they are, and `predict(unknown=)` marks or refuses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

USERS, ITEMS = [1, 999_999, 1, 999_999], [1, 1, 999_999, 999_999]
KNOWN = np.array([True, False, False, False])


def test_knows(fitted: Any, train: cf.Ratings) -> None:
    user, item = train.users[0], train.items[0]
    assert fitted.knows(user) is True
    assert fitted.knows(items=item) is True
    assert fitted.knows(user, item) is True
    assert fitted.knows(999_999) is False
    assert fitted.knows(999_999, item) is False
    assert fitted.knows([user, 999_999]).tolist() == [True, False]
    assert fitted.knows(user, [item, 999_999]).tolist() == [True, False]
    assert fitted.knows(train).all()
    with pytest.raises(TypeError, match="knows takes users, items or both"):
        fitted.knows()
    with pytest.raises(cf.DataError, match="strings"):
        fitted.knows("x")
    with pytest.raises(cf.DataError, match="length"):
        fitted.knows([1, 2], [1, 2, 3])


def test_knows_frames(fitted: Any, train: cf.Ratings) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"userId": [int(train.users[0]), 999_999], "movieId": int(train.items[0])})
    assert fitted.knows(frame).tolist() == [True, False]
    assert fitted.knows(frame["userId"]).tolist() == [True, False]
    rows = [(user, item) for user, item in zip(frame["userId"], frame["movieId"], strict=True)]
    for given in (frame.to_dict("list"), rows, np.array(rows)):
        assert fitted.knows(given).tolist() == [True, False]


def test_knows_only_what_has_training_ratings(train: cf.Ratings) -> None:
    part = train.subset(train.user_codes != train.user_codes[0])
    model = cf.Baseline().fit(part)
    assert train.users[0] in model.user_ids_
    assert not model.knows(train.users[0])
    assert model.knows(train).sum() <= len(part)


def test_unknown_predictions(fitted: Any, train: cf.Ratings) -> None:
    users, items = np.array(USERS), np.array(ITEMS)
    users[users == 1], items[items == 1] = train.users[0], train.items[0]
    times = None if train.timestamps is None else np.repeat(train.timestamps[:1], 4)
    usual = fitted.predict(users, items, times)
    assert np.isfinite(usual).all()
    np.testing.assert_array_equal(fitted.predict(users, items, times, unknown="fallback"), usual)
    marked = fitted.predict(users, items, times, unknown="nan")
    np.testing.assert_array_equal(np.isnan(marked), ~KNOWN)
    assert marked[0] == usual[0]
    assert np.isnan(fitted.predict(999_999, int(train.items[0]), unknown="nan"))
    with pytest.raises(cf.DataError, match=r"user 999999 in row 1 .*2 more rows; unknown='nan'"):
        fitted.predict(users, items, times, unknown="error")
    with pytest.raises(cf.DataError, match=r"item 999999 in row 0"):
        fitted.predict((users[2:], items[2:]), unknown="error")
    np.testing.assert_array_equal(fitted.predict(train, unknown="error"), fitted.predict(train))
    with pytest.raises(ValueError, match="unknown must be one of 'fallback', 'nan', 'error'"):
        fitted.predict(1, 1, unknown="raise")


def test_unknown_in_frames(fitted: Any, train: cf.Ratings) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"user": [999_999, int(train.users[0])], "item": int(train.items[0])}, index=[7, 3]
    )
    predicted = fitted.predict(frame, unknown="nan")
    assert predicted.index.tolist() == [7, 3]
    assert predicted.isna().tolist() == [True, False]
    with pytest.raises(cf.DataError, match="user 999999 in row 0"):
        fitted.predict(frame, unknown="error")


@pytest.mark.parametrize("ids", [[1, "a"], [2**70, 1]])
def test_ids_that_cannot_be_of_the_model_are_told_its_kind(ids: list[Any]) -> None:
    model = cf.GlobalMean().fit(([1, 2], [10, 20], [4.0, 5.0]))
    for call in (lambda: model.predict(ids, 10), lambda: model.recommend(ids)):
        with pytest.raises(cf.DataError, match=r"the user ids of this model are integers$"):
            call()


def test_known_ids_are_those_with_training_ratings(fitted: Any, train: cf.Ratings) -> None:
    np.testing.assert_array_equal(fitted.known_users_, train.user_ids[train.user_counts > 0])
    np.testing.assert_array_equal(fitted.known_items_, train.item_ids[train.item_counts > 0])
    assert {"known_users_", "known_items_"} <= set(dir(fitted))
    assert not fitted.known_users_.flags.writeable
    with pytest.raises(AttributeError, match="it follows from the ids"):
        fitted.known_users_ = fitted.user_ids_
    with pytest.raises(cf.NotFittedError, match="fit"):
        fitted.clone().known_items_  # noqa: B018


def test_ids_of_a_subset_without_ratings_are_not_known(train: cf.Ratings) -> None:
    part = train.subset((train.user_codes != 3) & (train.item_codes != 5))
    model = cf.Baseline().fit(part)
    assert len(model.user_ids_) == train.n_users
    np.testing.assert_array_equal(model.known_users_, np.delete(train.user_ids, 3))
    np.testing.assert_array_equal(model.known_items_, np.delete(train.item_ids, 5))
    assert model.knows(model.known_users_).all()


def test_predictions_with_whether_they_are_known(fitted: Any, train: cf.Ratings) -> None:
    user, item = int(train.users[0]), int(train.items[0])
    pairs = [user, 999_999, user, 999_999], [item, item, 999_999, 999_999]
    predictions, known = fitted.predict(*pairs, return_known=True)
    np.testing.assert_array_equal(predictions, fitted.predict(*pairs))
    assert known.dtype == bool
    np.testing.assert_array_equal(known, KNOWN)
    assert fitted.predict(user, item, return_known=True) == (fitted.predict(user, item), True)
    assert fitted.predict(999_999, item, return_known=True) == (fitted.predict(999_999, item), False)
    marked, known = fitted.predict(*pairs, unknown="nan", return_known=True)
    np.testing.assert_array_equal(np.isnan(marked), ~known)
    _, known = fitted.predict(train, return_known=True)
    assert known.all()
    with pytest.raises(TypeError, match="return_known"):
        fitted.predict(user, item, return_known="yes")


def test_known_with_given_ratings(fitted: Any, train: cf.Ratings) -> None:
    """Users are those of the ratings given."""
    given = cf.Ratings([999_999] * 3, train.item_ids[:3], [5.0, 3.0, 4.0])
    _, known = fitted.predict([999_999, 999_998], train.item_ids[4], given=given, return_known=True)
    assert known.tolist() == [True, False]
    session = {int(train.item_ids[0]): 5.0}
    _, known = fitted.predict([int(train.item_ids[4]), 999_999], given=session, return_known=True)
    assert known.tolist() == [True, False]
    assert fitted.predict(int(train.item_ids[4]), given={}, return_known=True)[1] is False


def test_known_of_frames_is_a_column(fitted: Any, train: cf.Ratings) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"user": [999_999, int(train.users[0])], "item": [int(train.items[0])] * 2}
    predictions, known = fitted.predict(pandas.DataFrame(columns, index=[7, 3]), return_known=True)
    assert (predictions.name, known.name, known.index.tolist()) == ("prediction", "known", [7, 3])
    assert known.tolist() == [False, True]
    _, known = fitted.predict(polars.DataFrame(columns), return_known=True)
    assert isinstance(known, polars.Series)
    assert (known.dtype, known.to_list()) == (polars.Boolean, [False, True])
