"""Fitting: the same bits every time, from every kind of input, and nothing left of an earlier fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same
from tests.contracts.conftest import fitted_names, with_epochs

Array = np.ndarray[Any, Any]


def test_returns_self_and_forgets_the_earlier_fit(model: Any, ratings: cf.Ratings, train: cf.Ratings) -> None:
    assert model.fit(ratings.subset(np.arange(100))) is model
    assert model.fit(train) is model
    anew = model.clone().fit(train)
    np.testing.assert_array_equal(model.predict(train), anew.predict(train))
    assert fitted_names(model) == fitted_names(anew)
    same(model, anew)


def test_not_fitted(model: Any, tmp_path: Any) -> None:
    assert not model.is_fitted()
    assert fitted_names(model) == []
    codes = np.zeros(1, dtype=np.int32)
    calls = [
        lambda: model.encode_users([1]),
        lambda: model.encode_items([1]),
        lambda: model.is_known([1], [1]),
        lambda: model.score_codes(codes, codes),
        lambda: model.similarity_row("item", 0),
        lambda: list(model.recommend_batches([1])),
        lambda: model.mean_,
        lambda: model.predict([1], [1]),
        lambda: model.recommend(1),
        lambda: model.similar_items(1),
        lambda: model.similar_users(1),
        lambda: model.save(tmp_path / "model"),
    ]
    for call in calls:
        with pytest.raises(cf.NotFittedError, match="fit"):
            call()


def test_same_bits_from_every_kind_of_input(model: Any, columns: tuple[Array, ...], test: cf.Ratings) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    users, items, values, timestamps = columns
    named = {"user": users, "item": items, "rating": values, "timestamp": timestamps}
    expected = model.fit(cf.Ratings(users, items, values, timestamps)).predict(test)
    for given in (
        (users, items, values, timestamps),
        (users.tolist(), items.tolist(), values.tolist(), timestamps.tolist()),
        (users.astype(np.int32), items.astype(np.int32), values.astype(np.float64), timestamps),
        pandas.DataFrame(named),
        polars.DataFrame(named),
        pytest.importorskip("pyarrow").table(named),
    ):
        np.testing.assert_array_equal(model.clone().fit(given).predict(test), expected)


def test_fits_a_sparse_matrix(model: Any, columns: tuple[Array, ...]) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    users, items, values, _ = columns
    users, items = (users - 10) // 3, (items - 100) // 2
    matrix = sparse.coo_matrix((values, (users, items))).tocsr()
    if model.needs_timestamps:
        with pytest.raises(cf.DataError, match="timestamps"):
            model.fit(matrix)
        return
    from_matrix = model.fit(matrix).predict(users, items)
    # By rows, as the matrix stores them: the order of the ratings is part of what a seed means.
    order = np.lexsort((items, users))
    from_columns = model.clone().fit((users[order], items[order], values[order])).predict(users, items)
    np.testing.assert_array_equal(from_matrix, from_columns)


def test_string_ids_and_integer_ids_agree(model: Any, columns: tuple[Array, ...]) -> None:
    users, items, values, timestamps = columns
    # Zero-padded, so that both kinds of ids sort alike and get the same codes.
    names = [np.array([f"{mark}{i:06d}é" for i in ids]) for mark, ids in (("u", users), ("i", items))]
    by_number = model.fit((users, items, values, timestamps)).predict(users, items)
    by_name = model.clone().fit((*names, values, timestamps)).predict(*names)
    np.testing.assert_array_equal(by_name, by_number)


def test_half_stars_and_other_scales(model: Any, columns: tuple[Array, ...]) -> None:
    users, items, values, timestamps = columns
    for scaled in (values / 2, values * 2 - 1, values * 1.37 - 4):
        predictions = model.fit((users, items, scaled, timestamps)).predict(users, items, timestamps)
        assert predictions.min() >= np.float32(scaled).min()
        assert predictions.max() <= np.float32(scaled).max()
        # Below the error of the mean, on whatever scale; for held-out ratings see test_accuracy.py.
        bound = 1 + 1e-6 if isinstance(model, cf.GlobalMean) else 0.95
        assert cf.metrics.rmse(scaled, predictions) < bound * np.std(np.float32(scaled))


def test_inputs_are_not_changed(model: Any, columns: tuple[Array, ...]) -> None:
    copies = [column.copy() for column in columns]
    for column in copies:
        column.flags.writeable = False
    ratings = cf.Ratings(*copies)
    model.fit(ratings).predict(ratings)
    model.predict(copies[0], copies[1], copies[3])
    for copied, column in zip(copies, columns, strict=True):
        np.testing.assert_array_equal(copied, column)
    np.testing.assert_array_equal(ratings.values, columns[2])


@pytest.mark.parametrize(
    ("users", "items", "values"),
    [
        ([7], [3], [4.0]),
        ([7] * 5, [1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([1, 2, 3, 4, 5], [9] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([1, 1, 2, 2, 3], [1, 2, 1, 2, 2], [3.0, 3.0, 3.0, 3.0, 3.0]),
    ],
    ids=["one rating", "one user", "one item", "all the same"],
)
def test_tiny_data(model: Any, users: list[int], items: list[int], values: list[float]) -> None:
    model.fit((users, items, values, [86_400 * day for day in range(len(values))]))
    grid_users, grid_items = np.meshgrid([*set(users), -5], [*set(items), -5])
    predictions = model.predict(grid_users.ravel(), grid_items.ravel())
    assert np.isfinite(predictions).all()
    assert predictions.min() >= min(values)
    assert predictions.max() <= max(values)
    ids, scores = model.recommend(users[0], exclude_seen=False)
    assert set(ids) == set(items)
    assert len(scores) == len(ids)


def test_bad_input_keeps_the_earlier_fit(model: Any, train: cf.Ratings, test: cf.Ratings) -> None:
    expected = model.fit(train).predict(test)
    with pytest.raises(cf.DataError):
        model.fit(([1, 2], [1, 2], [1.0, float("nan")]))
    with pytest.raises(cf.DataError, match="empty"):
        model.fit(([], [], []))
    with pytest.raises(ValueError, match="early_stopping"):
        model.fit(train, early_stopping=2)
    np.testing.assert_array_equal(model.predict(test), expected)


def test_validation_and_early_stopping(model: Any, train: cf.Ratings, test: cf.Ratings) -> None:
    plain = model.clone().fit(train).predict(test)
    watched = model.fit(train, validation=test)
    # Validation changes nothing.
    np.testing.assert_array_equal(watched.predict(test), plain)
    if not {"n_epochs", "n_samples"} & model.get_params().keys() or not model.history_:
        assert model.history_ == {}
        return
    assert len(model.history_["train_rmse"]) == len(model.history_["validation_rmse"]) == model.n_epochs_
    assert model.history_["validation_rmse"][-1] == pytest.approx(cf.metrics.rmse(test.values, plain), 1e-6)
    with_epochs(model, 60).fit(train, validation=test, early_stopping=2)
    errors = model.history_["validation_rmse"]
    assert model.n_epochs_ == 1 + int(np.argmin(errors))
    kept = cf.metrics.evaluate(model, test, ("rmse",))["rmse"]
    assert kept == pytest.approx(min(errors), 1e-6)
    assert len(errors) == 60 or len(errors) == model.n_epochs_ + 2


def test_compiled_and_reference_backends_agree(model: Any, train: cf.Ratings, test: cf.Ratings) -> None:
    compiled = model.fit(train).predict(test)
    with cf.backend("reference"):
        reference = model.clone().fit(train).predict(test)
    np.testing.assert_allclose(compiled, reference, rtol=0, atol=1e-6)


def test_callback_after_each_epoch(model: Any, train: cf.Ratings, test: cf.Ratings) -> None:
    seen: list[tuple[int, float]] = []

    def stop_after_two(epochs: int, history: dict[str, list[float]]) -> bool:
        seen.append((epochs, history["validation_rmse"][-1]))
        return epochs == 2

    with pytest.raises(TypeError, match="callback"):
        model.fit(train, callback=3)
    watched = model.clone().fit(train, validation=test, callback=lambda epochs, history: None)
    np.testing.assert_array_equal(model.fit(train).predict(test), watched.predict(test))
    if not watched.history_:
        return
    model.fit(train, validation=test, callback=stop_after_two)
    assert seen == list(enumerate(watched.history_["validation_rmse"][:2], start=1))
    assert model.n_epochs_ == 2
    assert model.history_["validation_rmse"] == watched.history_["validation_rmse"][:2]
    assert cf.metrics.evaluate(model, test, "rmse")["rmse"] == pytest.approx(seen[-1][1], 1e-6)

    def fail(epochs: int, history: dict[str, list[float]]) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.fit(train, callback=fail)
    assert not model.is_fitted()
    with pytest.raises(cf.NotFittedError):
        model.predict(test)
