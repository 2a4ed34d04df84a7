"""`Baseline`: three ways to the biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.config import config
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.threads import policy, workers_of_last_call

COLUMNS = (["ann", "ann", "bob", "bob", "cid"], ["x", "y", "x", "z", "y"], [5.0, 4.0, 3.0, 1.0, 2.0])
METHODS = ("als", "mean", "sgd")


@pytest.mark.parametrize("method", METHODS)
def test_accuracy_on_u1(u1: tuple[cf.Ratings, cf.Ratings], method: str) -> None:
    train, test = u1
    model = cf.Baseline(method=method, random_state=0).fit(train)
    assert cf.metrics.rmse(test.values, model.predict(test)) <= 0.956


def test_means_by_hand() -> None:
    model = cf.Baseline(method="mean", reg_item=1, reg_user=2).fit(COLUMNS)
    assert model.mean_ == 3.0
    item = np.array([(2 + 0) / 3, (1 - 1) / 3, -2 / 2])  # x, y, z
    user = np.array([(2 - item[0] + 1 - item[1]) / 4, (0 - item[0] - 2 - item[2]) / 4, (-1 - item[1]) / 3])
    np.testing.assert_allclose(model.item_bias_, item)
    np.testing.assert_allclose(model.user_bias_, user)
    assert model.history_ == {}


def test_least_squares_solve_their_equations() -> None:
    model = cf.Baseline(reg_user=1.5, reg_item=0.5, n_epochs=200).fit(COLUMNS)
    ratings = cf.Ratings(*COLUMNS)
    u, i = ratings.user_codes, ratings.item_codes
    errors = ratings.values - model.mean_ - model.user_bias_[u] - model.item_bias_[i]
    # At the minimum the gradient of the regularised squared error is zero.
    np.testing.assert_allclose(np.bincount(u, errors), 1.5 * model.user_bias_, atol=1e-10)
    np.testing.assert_allclose(np.bincount(i, errors), 0.5 * model.item_bias_, atol=1e-10)
    assert model.history_["train_rmse"][-1] == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_gradient_descent_comes_to_the_same_as_least_squares() -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(50 * 40, 1000, replace=False)
    values = np.clip(np.round(rng.normal(3, 1, 50)[cells // 40] + rng.normal(0, 1, 1000)), 1, 5)
    ratings = cf.Ratings(cells // 40, cells % 40, values)
    als = cf.Baseline(reg_user=0, reg_item=0, n_epochs=100).fit(ratings)
    sgd = cf.Baseline(method="sgd", reg=0.0, lr=0.05, lr_decay=0.97, n_epochs=300, random_state=0).fit(
        ratings
    )
    np.testing.assert_allclose(sgd.predict(ratings), als.predict(ratings), atol=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_users_and_items_leave_their_bias_out(method: str) -> None:
    model = cf.Baseline(method=method, random_state=0).fit(COLUMNS)
    found = model.predict(["ann", "eve", "eve"], ["?", "x", "?"])
    assert found == pytest.approx(model.mean_ + np.array([model.user_bias_[0], model.item_bias_[0], 0]))


@pytest.mark.parametrize("method", METHODS)
def test_number_of_threads_does_not_change_a_bit(u1: tuple[cf.Ratings, cf.Ratings], method: str) -> None:
    models, workers = [], []
    with policy(minimum_work=0):
        for n in (1, 2, 3, 4):
            models.append(cf.Baseline(method=method, random_state=0, n_threads=n).fit(u1[0]))
            workers.append(workers_of_last_call())
    for model in models[1:]:
        assert model.user_bias_.tobytes() == models[0].user_bias_.tobytes()
        assert model.item_bias_.tobytes() == models[0].item_bias_.tobytes()
    if config()["openmp"]:
        assert workers == [1, 2, 3, 4]


def test_ranges_of_rows_are_solved_for_as_all_rows_are() -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(700 * 400, 230_000, replace=False)
    train = cf.Ratings(cells // 400, cells % 400, rng.integers(1, 6, 230_000).astype(np.float32))
    context = FitContext(known_of(train), "Baseline", rng)
    whole, trainer = (cf.Baseline().trainer(train, context) for _ in range(2))
    whole.epoch(0)
    parts = trainer.parts(0)
    for stage, kind, n in ((0, "item", train.n_items), (1, "user", train.n_users)):
        own = [part for part in parts if part.stage == stage]
        assert [part.kind for part in own] == [kind] * 2
        assert [part.begin for part in own] == [0, own[0].end]
        assert own[1].end == n
        for part in own[::-1]:  # parts of a stage do not depend on each other
            trainer.run_part(part)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(trainer.arrays()[name], array)


@pytest.mark.parametrize("method", METHODS)
def test_reference_agrees(method: str) -> None:
    model = cf.Baseline(method=method, random_state=0)
    compiled = model.clone().fit(COLUMNS)
    with cf.backend("reference"):
        reference = model.clone().fit(COLUMNS)
    np.testing.assert_allclose(compiled.user_bias_, reference.user_bias_, atol=1e-12)
    np.testing.assert_allclose(compiled.item_bias_, reference.item_bias_, atol=1e-12)


def test_early_stopping(u1: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = u1
    model = cf.Baseline(method="sgd", n_epochs=300, lr_decay=1.0, random_state=0)
    model.fit(train, validation=test, early_stopping=2)
    errors = model.history_["validation_rmse"]
    assert len(errors) < 300
    assert cf.metrics.rmse(test.values, model.predict(test)) == pytest.approx(min(errors))


@pytest.mark.parametrize(
    "params", [{"method": "svd"}, {"reg_user": -1}, {"reg_item": -1}, {"n_epochs": 0}, {"lr": 0}, {"reg": -1}]
)
def test_bad_parameters_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        cf.Baseline(**params).fit(COLUMNS)
