"""Confidence intervals by drawing users."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore import metrics
from cfcore.metrics import bootstrapping, measuring

NAMES = ("rmse", "mae", "fcp", "precision", "recall", "ndcg", "map", "mrr", "hit_rate", "novelty")


def test_each_draw_is_the_metric_of_the_users_drawn(split: Any, model: Any) -> None:
    """Draws by weights against draws by copies of the ratings of each user drawn."""
    _, test = split
    wanted = measuring.parse(NAMES, 5)
    measured = measuring.Measured(model, test, wanted, None)
    sums = np.array([measured.sums(metric) for metric in wanted])
    drawn = bootstrapping.replicates(sums[:, 0], sums[:, 1], 3, np.random.default_rng(7))
    drawn[0] = np.sqrt(drawn[0])
    rng = np.random.default_rng(7)
    distinct = np.unique(test.user_codes)
    chosen = rng.integers(len(distinct), size=(3, len(distinct)))
    predictions, judged = model.predict(test), metrics.judge(model, test, 5)
    for draw, users in zip(drawn.T, chosen, strict=True):
        rows = [np.flatnonzero(test.user_codes == distinct[user]) for user in users]
        # A user who is drawn twice counts as two users.
        owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        row = np.concatenate(rows)
        expected = [
            metrics.rmse(test.values[row], predictions[row]),
            metrics.mae(test.values[row], predictions[row]),
            metrics.fcp(test.values[row], predictions[row], owner),
        ]
        hits, n_relevant = judged.hits[users], judged.n_relevant[users]
        expected += [
            np.nanmean(function(hits, n_relevant))
            for function in (metrics.precision, metrics.recall, metrics.ndcg, metrics.average_precision,
                             metrics.reciprocal_rank, metrics.hit_rate)
        ]  # fmt: skip
        expected.append(np.nanmean(metrics.novelty(judged.items[users], judged.shares)))
        np.testing.assert_allclose(draw, expected, rtol=1e-9)


def test_intervals_contain_the_value(split: Any, model: Any) -> None:
    found = metrics.bootstrap(model, split[1], (*NAMES, "coverage"), k=5, n_boot=300)
    values = metrics.evaluate(model, split[1], (*NAMES, "coverage"), k=5)
    for name in NAMES:
        assert found[name].value == values[name]
        assert found[name].low < found[name].value < found[name].high
        assert 0 < found[name].error < found[name].high - found[name].low
        assert f"{found[name].low:.4f}" in str(found[name])
    assert found["coverage"].value == values["coverage"]
    assert math.isnan(found["coverage"].low)
    again = metrics.evaluate(model, split[1], NAMES, k=5, n_boot=300)
    np.testing.assert_allclose([again[name] for name in NAMES], [found[name] for name in NAMES], rtol=1e-12)
    narrow = metrics.bootstrap(model, split[1], "rmse", n_boot=300, level=0.5)["rmse"]
    assert found["rmse"].low < narrow.low < narrow.high < found["rmse"].high
    other = metrics.bootstrap(model, split[1], "rmse", n_boot=300, random_state=1)["rmse"]
    assert other.low != pytest.approx(found["rmse"].low, rel=1e-6)


def test_the_standard_error_is_that_of_users() -> None:
    """If all ratings of a user are equal, the error depends on the number of users, not of ratings."""
    rng = np.random.default_rng(0)
    n_users, n_each = 400, 25
    users = np.repeat(np.arange(n_users), n_each)
    items = np.tile(np.arange(n_each), n_users)
    values = np.repeat(rng.uniform(1, 5, n_users), n_each)
    model = cf.GlobalMean().fit(([0, 1], [0, 0], [1.0, 5.0]))  # predicts 3
    test = cf.Ratings(users, items, values)
    found = metrics.bootstrap(model, test, "mae", n_boot=2_000)["mae"]
    by_user = np.abs(test.values.reshape(n_users, n_each)[:, 0] - 3.0)
    assert found.error == pytest.approx(by_user.std() / math.sqrt(n_users), rel=0.1)
    assert (found.high - found.low) / found.error == pytest.approx(2 * 1.96, rel=0.1)


def test_differences_are_between_values_of_the_same_users(split: Any, model: Any) -> None:
    other = cf.GlobalMean().fit(split[0])
    found = metrics.bootstrap(model, split[1], ("rmse", "ndcg"), against=other, n_boot=300)
    for name in ("rmse", "ndcg"):
        one, two = (metrics.evaluate(each, split[1], name)[name] for each in (model, other))
        assert found[name].value == pytest.approx(one - two)
    assert found["rmse"].high < 0  # significantly better
    alone = metrics.bootstrap(model, split[1], "rmse", n_boot=300)["rmse"]
    assert found["rmse"].error < alone.error  # errors of the two models are correlated
    same = metrics.bootstrap(model, split[1], "rmse", against=model, n_boot=20)["rmse"]
    assert same == pytest.approx((0, 0, 0, 0), abs=1e-12)


def test_parts_make_no_difference(split: Any, model: Any, monkeypatch: Any) -> None:
    whole = metrics.bootstrap(model, split[1], NAMES, n_boot=50)
    monkeypatch.setattr(bootstrapping, "AT_A_TIME", 200)
    parts = metrics.bootstrap(model, split[1], NAMES, n_boot=50)
    np.testing.assert_allclose(list(parts.values()), list(whole.values()), rtol=1e-12)


def test_values_without_an_interval(model: Any) -> None:
    one_user = ([1, 1], [3, 4], [5.0, 1.0])
    found = metrics.bootstrap(model, one_user, ("rmse", "novelty"), n_boot=10)
    assert found["rmse"].value == metrics.evaluate(model, one_user)["rmse"]
    assert math.isnan(found["rmse"].low)
    nothing_liked = cf.Ratings([1, 2], [3, 4], [1.0, 2.0])
    assert math.isfinite(metrics.bootstrap(model, nothing_liked, "mae", n_boot=10)["mae"].low)
    with pytest.raises(cf.DataError, match=r"map: no item is relevant: the threshold is 3.875"):
        metrics.bootstrap(model, nothing_liked, ("mae", "map"), n_boot=10)


def test_bad_arguments(split: Any, model: Any) -> None:
    for arguments, message in (
        ({"n_boot": 0}, "n_boot"),
        ({"n_boot": 2.5}, "n_boot"),
        ({"level": 1.0}, "level"),
        ({"level": 0}, "level"),
        ({"metrics": "auc"}, "auc"),
        ({"random_state": -1}, "random_state"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.bootstrap(model, split[1], **arguments)
