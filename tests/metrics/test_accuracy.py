from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore import metrics


def test_rmse_and_mae() -> None:
    ratings, predictions = [1, 2, 3, 4], [1.0, 2.0, 3.0, 6.0]
    assert metrics.rmse(ratings, predictions) == 1.0
    assert metrics.mae(ratings, predictions) == 0.5


def test_float32_input_is_summed_in_double() -> None:
    n = 1_000_000
    ratings, predictions = np.full(n, 5, dtype=np.float32), np.full(n, 4.9, dtype=np.float32)
    error = 5 - float(np.float32(4.9))
    assert metrics.rmse(ratings, predictions) == pytest.approx(error, rel=1e-12)
    assert metrics.mae(ratings, predictions) == pytest.approx(error, rel=1e-12)


def slow_fcp(ratings: Any, predictions: Any, users: Any) -> float:
    pairs = [
        (predictions[i], predictions[j])
        for i in range(len(users))
        for j in range(len(users))
        if users[i] == users[j] and ratings[i] > ratings[j]
    ]
    return sum(high > low for high, low in pairs) / len(pairs) if pairs else math.nan


rows = st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(0, 6))


@given(st.lists(rows, min_size=1, max_size=40))
def test_fcp_against_its_definition(data: list[tuple[int, int, int]]) -> None:
    users, ratings, predictions = zip(*data, strict=True)
    expected = slow_fcp(ratings, predictions, users)
    assert metrics.fcp(ratings, predictions, users) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_fcp_of_users_by_name_and_its_extremes() -> None:
    users, ratings = ["a", "a", "b", "b"], [1, 2, 5, 3]
    assert metrics.fcp(ratings, ratings, users) == 1.0
    assert metrics.fcp(ratings, [-r for r in ratings], users) == 0.0
    assert metrics.fcp(ratings, [3, 3, 3, 3], users) == 0.0
    assert math.isnan(metrics.fcp([3, 3], [1, 2], ["a", "a"]))


@pytest.mark.parametrize(
    ("ratings", "predictions", "message"),
    [
        ([1, 2], [1], "different lengths, 2 and 1"),
        ([], [], "ratings are empty"),
        ([1, math.nan], [1, 2], "ratings: nan in row 1"),
        ([1, 2], [math.inf, 2], "predictions: inf in row 0"),
        ([[1, 2]], [[1, 2]], "dimension"),
        (["x"], [1], "numbers"),
        (np.ma.masked_equal([1, 9, 2], 9), [1, 2, 3], "ratings: missing value in row 1"),
    ],
)
def test_bad_input(ratings: Any, predictions: Any, message: str) -> None:
    for metric in (metrics.rmse, metrics.mae, lambda r, p: metrics.fcp(r, p, np.zeros(np.shape(r)))):
        with pytest.raises(cf.DataError, match=message):
            metric(ratings, predictions)


def test_fcp_needs_a_user_for_every_rating() -> None:
    with pytest.raises(cf.DataError, match="users"):
        metrics.fcp([1, 2], [1, 2], [0])


def test_evaluate() -> None:
    model = cf.GlobalMean().fit(([1, 1, 2], [1, 2, 1], [1.0, 3.0, 5.0]))
    test = ([1, 1, 9], [1, 9, 2], [3.0, 4.0, 5.0])
    assert metrics.evaluate(model, test) == {"rmse": pytest.approx(math.sqrt(5 / 3)), "mae": 1.0}
    assert list(metrics.evaluate(model, cf.Ratings(*test), ("fcp", "mae"))) == ["fcp", "mae"]
    assert metrics.evaluate(model, test, "mae") == {"mae": 1.0}
    with pytest.raises(ValueError, match=r"'auc'.*rmse, mae, fcp"):
        metrics.evaluate(model, test, ("auc",))
