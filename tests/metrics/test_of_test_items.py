"""Precision and recall at k as scikit-surprise's FAQ defines them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfcore as cf
from cfcore import metrics

NAMES = ("surprise_precision", "surprise_recall")


def as_in_the_faq(rows: Any, k: int = 10, threshold: float = 3.5) -> tuple[list[float], list[float]]:
    """Both for each user, users ascending, by the FAQ's definitions; rows are (user, rating, prediction)."""
    of_user = defaultdict(list)
    for user, rating, prediction in rows:
        of_user[user].append((prediction, rating))
    precisions, recalls = [], []
    for user in sorted(of_user):
        ranked = sorted(of_user[user], key=lambda pair: pair[0], reverse=True)
        n_relevant = sum(rating >= threshold for _, rating in ranked)
        n_recommended = sum(prediction >= threshold for prediction, _ in ranked[:k])
        n_both = sum(prediction >= threshold and rating >= threshold for prediction, rating in ranked[:k])
        precisions.append(n_both / n_recommended if n_recommended else 0)
        recalls.append(n_both / n_relevant if n_relevant else 0)
    return precisions, recalls


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.sampled_from([1.0, 3.0, 3.5, 4.2, 5.0])),
             min_size=1, max_size=40),
    st.integers(1, 6),
    st.sampled_from([2.0, 3.5, 4.0]),
)  # fmt: skip
def test_functions_are_their_definitions(rows: Any, k: int, threshold: float) -> None:
    """Ties too: of equal predictions the first rows count."""
    users, ratings, predictions = zip(*rows, strict=True)
    precisions, recalls = as_in_the_faq(rows, k, threshold)
    given_ = (ratings, predictions, users, k, threshold)
    assert metrics.surprise_precision(*given_).tolist() == precisions
    assert metrics.surprise_recall(*given_).tolist() == recalls


def faq_of(model: Any, test: cf.Ratings, **options: Any) -> list[float]:
    rows = zip(test.users.tolist(), test.values.tolist(), model.predict(test).tolist(), strict=True)
    return [float(np.mean(values)) for values in as_in_the_faq(list(rows), **options)]


def test_evaluate_has_them_by_name(split: Any, model: Any) -> None:
    _, test = split
    assert model.scale_[1] == 5.0
    both = [f"{name}@4" for name in NAMES]
    found = metrics.evaluate(model, test, ["rmse", *both, "precision@4"])
    assert [found[name] for name in both] == pytest.approx(faq_of(model, test, k=4))
    assert found.popularity.keys() == {"precision@4"}  # popularity predicts nothing
    lower = metrics.evaluate(model, test, NAMES, threshold=3.0)
    assert list(lower.values()) == pytest.approx(faq_of(model, test, k=10, threshold=3.0))
    assert list(metrics.evaluate(model, test, NAMES, k=2).values()) == pytest.approx(faq_of(model, test, k=2))
    functions = metrics.evaluate(model, test, [metrics.surprise_precision, metrics.surprise_recall], k=4)
    assert list(functions.values()) == [found[name] for name in both]


def test_the_threshold_on_other_scales() -> None:
    ratings = cf.datasets.synthetic(30, 20, 300, random_state=0)
    doubled = cf.Ratings(ratings.users, ratings.items, 2 * ratings.values, scale=(1, 10))
    model = cf.Baseline().fit(doubled)
    found = metrics.evaluate(model, doubled, "surprise_recall")["surprise_recall"]
    assert found == pytest.approx(faq_of(model, doubled, threshold=7.75)[1])


def test_intervals_and_folds(split: Any, model: Any) -> None:
    found = metrics.bootstrap(model, split[1], NAMES, k=5, n_boot=100)
    values = metrics.evaluate(model, split[1], NAMES, k=5)
    for name in NAMES:
        assert found[name].value == values[name]
        assert found[name].low < values[name] < found[name].high
    table = cf.selection.cross_validate(cf.Baseline(), split[0], 3, "surprise_precision@5", threshold=4)
    pairs = list(cf.split.kfold(split[0], 3, 0))
    expected = [faq_of(cf.Baseline().fit(train), held, k=5, threshold=4)[0] for train, held in pairs]
    np.testing.assert_allclose(table["surprise_precision@5"], expected)


def test_what_is_refused() -> None:
    with pytest.raises(cf.DataError, match="users: shape"):
        metrics.surprise_precision([1.0, 2.0], [1.0, 2.0], [1])
    with pytest.raises(cf.DataError, match="empty"):
        metrics.surprise_recall([], [], [])
    with pytest.raises(ValueError, match="k must be"):
        metrics.surprise_recall([1.0], [1.0], [1], k=0)
