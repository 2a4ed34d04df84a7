"""Metrics that are functions, in evaluate, bootstrap, cross_validate and search."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import metrics
from cfcore.metrics.measuring import larger_is_better, parse


def off_by(ratings: Any, predictions: Any, most: float = 1.0) -> Any:
    return np.mean(np.abs(ratings - predictions) > most)


def share_close(ratings: Any, predictions: Any) -> Any:
    return np.mean(np.abs(ratings - predictions) <= 0.5)


def first_is_hit(hits: Any, n_relevant: Any) -> Any:
    return np.where(n_relevant > 0, hits[:, 0], np.nan)


def test_a_function_is_called_with_ratings_and_predictions(model: Any, split: Any) -> None:
    test = split[1]
    values, predictions = test.values.astype(np.float64), model.predict(test)
    found = metrics.evaluate(model, test, off_by)
    assert found == {"off_by": float(np.mean(np.abs(values - predictions) > 1))}
    assert type(found["off_by"]) is float
    found = metrics.evaluate(model, test, ["rmse", off_by, functools.partial(off_by, most=2.0), "ndcg@5"][:2])
    assert list(found) == ["rmse", "off_by"]
    found = metrics.evaluate(model, test, {"near": share_close, "far": functools.partial(off_by, most=0.5)})
    assert found["near"] + found["far"] == pytest.approx(1)
    sklearn = pytest.importorskip("sklearn.metrics")
    found = metrics.evaluate(model, test, [sklearn.mean_absolute_error, "mae"])
    assert found["mean_absolute_error"] == pytest.approx(found["mae"], rel=1e-12)


def test_functions_of_lists(model: Any, split: Any) -> None:
    found = metrics.evaluate(model, split[1], [first_is_hit, "precision@1", metrics.ndcg, "ndcg"], k=5)
    assert found["first_is_hit"] == found["precision@1"]
    assert list(found) == ["first_is_hit", "precision@1", "ndcg"]
    drawn = metrics.bootstrap(model, split[1], [first_is_hit, "precision@1"], k=5, n_boot=50)
    assert drawn["first_is_hit"] == drawn["precision@1"]


def test_intervals_of_functions(model: Any, split: Any) -> None:
    def mean_error(ratings: Any, predictions: Any) -> Any:
        return np.abs(ratings - predictions).mean()

    found = metrics.bootstrap(model, split[1], ["mae", mean_error, "rmse"], n_boot=40)
    np.testing.assert_allclose(found["mean_error"], found["mae"], rtol=1e-9)
    other = cf.Baseline().fit(split[0])
    found = metrics.bootstrap(model, split[1], ["mae", mean_error], against=other, n_boot=40)
    np.testing.assert_allclose(found["mean_error"], found["mae"], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("value", ["0.5", None, [1.0, 2.0], np.zeros(3), {}])
def test_a_function_must_return_a_number(model: Any, split: Any, value: Any) -> None:
    def odd(ratings: Any, predictions: Any) -> Any:
        return value

    with pytest.raises(TypeError, match="metric odd: a function must return a number"):
        metrics.evaluate(model, split[1], odd)


def test_wrong_metrics(model: Any, split: Any) -> None:
    with pytest.raises(ValueError, match=r"two metrics are called '<lambda>'; name them"):
        metrics.evaluate(model, split[1], [lambda r, p: 0.0, lambda r, p: 1.0])
    for wrong in (3, [3], None):
        with pytest.raises(TypeError, match="metrics must be names or functions"):
            metrics.evaluate(model, split[1], wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"unknown metric 'auc'.* or a function"):
        metrics.evaluate(model, split[1], "auc")


def test_which_values_are_better() -> None:
    ratings = np.arange(1.0, 6.0)
    for function, larger in (
        (off_by, False),
        (share_close, True),
        (first_is_hit, True),
        (metrics.mae, False),
    ):
        assert larger_is_better(parse(function)[0], ratings) is larger

    def constant(ratings: Any, predictions: Any) -> float:
        return 1.0

    with pytest.raises(ValueError, match=r"metric constant: .* pass maximize=True"):
        larger_is_better(parse(constant)[0], ratings)


def test_cross_validation_and_search_by_functions() -> None:
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=3)
    table = cf.selection.cross_validate(cf.Baseline(), ratings, 3, share_close)
    pairs = list(cf.split.kfold(ratings, 3, 0))
    by_hand = [share_close(test.values, cf.Baseline().fit(train).predict(test)) for train, test in pairs]
    np.testing.assert_allclose(table["share_close"], by_hand)
    space = {"reg_user": [0.5, 8.0, 100.0]}
    for function, best in ((share_close, max), (off_by, min)):
        found = cf.selection.search(cf.Baseline(), ratings, space, cv=3, metric=function, budget=3)
        values = found.table[function.__name__]
        assert found.value == best(values)
        assert len(set(values)) > 1
    found = cf.selection.search(
        cf.Baseline(), ratings, space, cv=3, metric=share_close, maximize=False, budget=3
    )
    assert found.value == min(found.table["share_close"])
    with pytest.raises(TypeError, match="metric must be one name"):
        cf.selection.search(cf.Baseline(), ratings, space, metric=["rmse", "mae"])  # type: ignore[arg-type]


def test_a_function_may_change_its_arguments(model: Any, split: Any) -> None:
    def in_place(ratings: np.ndarray, predictions: np.ndarray) -> float:
        predictions -= ratings
        ratings[:] = 0
        return float(np.abs(predictions, out=predictions).mean())

    def all_hits(hits: np.ndarray, n_relevant: np.ndarray) -> float:
        hits[:] = True
        n_relevant[:] = 1
        return 1.0

    test = split[1]
    values = test.values.copy()
    expected = metrics.evaluate(model, test, ["rmse", "mae", "ndcg@5"])
    found = metrics.evaluate(model, test, [in_place, all_hits, "rmse", "mae", "ndcg@5"])
    assert found["in_place"] == pytest.approx(expected["mae"])
    assert {name: found[name] for name in expected} == dict(expected)
    np.testing.assert_array_equal(test.values, values)


def test_errors_of_metrics_are_one_line(model: Any, split: Any) -> None:
    with pytest.raises(TypeError, match=r"^metric <lambda>: a function must return a number, not array.*$"):
        metrics.evaluate(model, split[1], lambda ratings, predictions: ratings)
    with pytest.raises(ValueError, match="threshold must be a finite number or None, not 'high'"):
        metrics.evaluate(model, split[1], "ndcg@5", threshold="high")  # type: ignore[arg-type]
