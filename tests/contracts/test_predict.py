"""Predicting: every kind of input, unknown ids, the scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf


def test_every_kind_of_input_gives_the_same(fitted: Any, test: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    dated = fitted.predict(test)
    assert dated.dtype == np.float64
    assert dated.shape == (len(test),)
    users, items = np.asarray(test.users), np.asarray(test.items)
    named = {"user": users, "item": items, "rating": test.values}
    expected = fitted.predict(users, items)
    own = cf.Ratings(users, items, test.values)  # a vocabulary of its own, smaller than the model's
    for given in (
        own,
        (users, items),
        (users.tolist(), items.tolist()),
        (users.astype(np.int16), items.astype(np.uint64)),
        pandas.DataFrame(named),
        pandas.DataFrame(named).drop(columns="rating"),
        pandas.DataFrame(named | {"rating": np.nan}),  # ratings to predict
        polars.DataFrame(named),
        pytest.importorskip("pyarrow").table(named),
    ):
        np.testing.assert_array_equal(fitted.predict(given), expected)
    times = test.timestamps
    for given in (
        cf.Ratings(users, items, test.values, times),
        (users, items, test.values, times),
        pandas.DataFrame(named | {"timestamp": times}),
        polars.DataFrame(named | {"timestamp": times}).drop("rating"),
    ):
        np.testing.assert_array_equal(fitted.predict(given), dated)
    np.testing.assert_array_equal(fitted.predict(list(users), list(items), times), dated)
    assert fitted.needs_timestamps or np.array_equal(dated, expected)


def test_a_frame_gets_a_column(fitted: Any, test: Any) -> None:
    """Predictions for a frame, or for its columns, are a column of its library."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    named = {"item": test.items, "user": test.users, "timestamp": test.timestamps}
    expected = fitted.predict(test)

    index = np.arange(len(test)) * 7 % (8 * len(test))  # neither sorted nor from 0
    frame = pandas.DataFrame(named, index=index)
    for given in ((frame,), (frame["user"], frame["item"], frame["timestamp"])):
        found = fitted.predict(*given)
        assert isinstance(found, pandas.Series)
        assert found.name == "prediction"
        np.testing.assert_array_equal(found.index, index)
        np.testing.assert_array_equal(found.to_numpy(), expected)
    added = frame.assign(prediction=fitted.predict(frame))  # pandas goes by the index
    np.testing.assert_array_equal(added["prediction"], expected)

    frame = polars.DataFrame(named)
    for given in ((frame,), (frame["user"], frame["item"], frame["timestamp"])):
        found = fitted.predict(*given)
        assert isinstance(found, polars.Series)
        np.testing.assert_array_equal(found.to_numpy(), expected)
    assert frame.with_columns(fitted.predict(frame)).columns[-1] == "prediction"

    frame = pyarrow.table(named)
    for given in ((frame,), (frame["user"], frame["item"], frame["timestamp"])):
        found = fitted.predict(*given)
        assert isinstance(found, pyarrow.ChunkedArray)
        np.testing.assert_array_equal(found.to_numpy(), expected)
    assert frame.append_column("prediction", fitted.predict(frame)).column_names[-1] == "prediction"

    one_user = fitted.predict(test.users[0], polars.Series(test.items[:3]))
    assert isinstance(one_user, polars.Series)
    assert isinstance(fitted.predict(test.users[0], test.items[0]), float)
    assert isinstance(fitted.predict(frame.slice(0, 0)), pyarrow.ChunkedArray)
    for pairs in ((test.users, test.items), (test.users.tolist(), test.items.tolist())):
        assert type(fitted.predict(*pairs)) is np.ndarray
    np.testing.assert_array_equal(fitted.predict(polars.DataFrame(named).lazy()), expected)


def test_sparse_matrix(fitted: Any, test: cf.Ratings) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    users, items = np.asarray(test.users), np.asarray(test.items)
    matrix = sparse.csr_matrix((test.values, (users, items)))
    order = np.lexsort((items, users))
    np.testing.assert_array_equal(fitted.predict(matrix), fitted.predict(users[order], items[order]))


def test_scores_of_codes_are_predictions_before_clipping(fitted: Any, test: Any) -> None:
    users, items = np.append(test.users, -99), np.append(test.items, -99)
    codes = fitted.encode_users(users), fitted.encode_items(items)
    assert codes[0].dtype == codes[1].dtype == np.int32
    assert codes[0][-1] == codes[1][-1] == -1
    scores = fitted.score_codes(*codes)
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(np.clip(scores, *fitted.scale_), fitted.predict(users, items))
    known = fitted.is_known(users, items)
    assert known.dtype == np.bool_
    np.testing.assert_array_equal(known, (codes[0] >= 0) & (codes[1] >= 0))
    times = np.append(test.timestamps, test.timestamps[0])
    np.testing.assert_array_equal(
        np.clip(fitted.score_codes(*codes, times), *fitted.scale_), fitted.predict(users, items, times)
    )


def test_scalars(fitted: Any, test: cf.Ratings) -> None:
    users, items = test.users[:5], test.items[:5]
    expected = fitted.predict(users, items)
    one = fitted.predict(users[0], items[0])
    assert isinstance(one, float)
    assert one == expected[0]
    np.testing.assert_array_equal(
        fitted.predict(users[0], items), fitted.predict(np.repeat(users[0], 5), items)
    )
    np.testing.assert_array_equal(
        fitted.predict(users, items[0]), fitted.predict(users, np.repeat(items[0], 5))
    )


def test_empty(fitted: Any) -> None:
    pairs: list[Any] = [([], []), (np.empty(0, dtype=np.int64),) * 2]
    for given in pairs:
        predictions = fitted.predict(*given)
        assert predictions.shape == (0,)
        assert predictions.dtype == np.float64


def test_a_prediction_does_not_depend_on_the_others(fitted: Any, ratings: cf.Ratings) -> None:
    users, items = np.asarray(ratings.users), np.asarray(ratings.items)
    expected = fitted.predict(users, items)
    shuffled = np.random.default_rng(1).permutation(len(users))
    np.testing.assert_array_equal(fitted.predict(users[shuffled], items[shuffled]), expected[shuffled])
    singly = [fitted.predict(u, i) for u, i in zip(users[:20], items[:20], strict=True)]
    np.testing.assert_array_equal(singly, expected[:20])


def test_unknown_ids_never_raise(fitted: Any, train: cf.Ratings) -> None:
    known_user, known_item = train.users[0], train.items[0]
    users = np.array([known_user, -99, -99, 10**12])
    items = np.array([10**12, known_item, 10**12, -99])
    predictions = fitted.predict(users, items)
    assert np.isfinite(predictions).all()
    assert predictions.min() >= fitted.scale_[0]
    assert predictions.max() <= fitted.scale_[1]
    # All unknown users and items are alike.
    assert predictions[2] == fitted.predict(-7, -8)


def test_codes_without_ratings_are_unknown(model: Any, ratings: cf.Ratings) -> None:
    """A subset keeps the vocabulary of the whole; users and items without ratings in it are unknown."""
    user_code, item_code = ratings.user_codes[0], ratings.item_codes[0]
    keep = (ratings.user_codes != user_code) & (ratings.item_codes != item_code)
    part = ratings.subset(keep)
    model.fit(part)
    user, item = ratings.user_ids[user_code], ratings.item_ids[item_code]
    others = np.asarray(part.users[:30]), np.asarray(part.items[:30])
    np.testing.assert_array_equal(model.predict(others[0], item), model.predict(others[0], -99))
    np.testing.assert_array_equal(model.predict(user, others[1]), model.predict(-99, others[1]))
    assert not model.is_known(user)
    assert not model.is_known(items=item)
    # The same model comes from ratings whose vocabulary does not have them.
    bare = model.clone().fit((part.users, part.items, part.values, part.timestamps))
    if "random_state" not in model.get_params():
        np.testing.assert_allclose(bare.predict(*others), model.predict(*others), rtol=0, atol=1e-9)
    assert item not in model.recommend(others[0][0], n=1000, exclude_seen=False)[0]


def test_within_the_scale(fitted: Any, ratings: cf.Ratings) -> None:
    users, items = np.meshgrid(ratings.user_ids, ratings.item_ids)
    predictions = fitted.predict(users.ravel(), items.ravel())
    assert fitted.scale_ == (1.0, 5.0)
    assert predictions.min() >= 1
    assert predictions.max() <= 5


def test_a_given_scale_is_kept(model: Any, train: cf.Ratings) -> None:
    model.fit(cf.Ratings(train.users, train.items, train.values, train.timestamps, scale=(0, 10)))
    assert model.scale_ == (0.0, 10.0)


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([1, 2], [1, 2, 3], "length"),
        (["a", "b"], [1, 2], "user"),
        ([1, 2], ["a", "b"], "item"),
        ([1, None], [1, 2], "user"),
        (np.ones((2, 2), dtype=int), [1, 2], "dimension"),
    ],
)
def test_bad_pairs_are_refused(fitted: Any, users: Any, items: Any, message: str) -> None:
    with pytest.raises(cf.DataError, match=message):
        fitted.predict(users, items)
