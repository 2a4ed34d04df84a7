"""The article's RBM in `benchmarks/`: corrected it ascends the likelihood, as published it has its faults."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf

Array = np.ndarray[Any, Any]


@pytest.fixture
def article(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `article_rbm`; scripts in `benchmarks/` import each other by bare names."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("article_rbm")


def tiny(article: Any, **changes: Any) -> Any:
    """A model of 3 items and 2 hidden units; 30,000 users of one mini-batch, who gave 1, 3 and 2."""
    n = 30_000
    ratings = article.Ones(3 * np.arange(n + 1), np.tile([0, 1, 2], n), np.tile([0, 2, 1], n), 3, 3)
    settings = article.Settings(
        lr_weights=1.0, lr_visible=1.0, lr_hidden=1.0, lr_conditional=1.0, momentum=0.0, weight_decay=0.0,
        n_hidden=2, batch_size=n, cd_steps=(30,), sign=1, conditional="own", normalize="batch",
        start="smoothed", init_scale=0.6,
    )  # fmt: skip
    model = article.ArticleRBM(ratings, replace(settings, **changes), 0)
    rng = np.random.default_rng(1)
    for array in model.latest.arrays():
        array[:] = rng.normal(0, 0.6, array.shape)
    return model


def log_likelihood(model: Any) -> float:
    """Of ratings 1, 3, 2, by enumeration of all ratings."""
    weights, visible, hidden, conditional = (a.astype(np.float64) for a in model.latest.arrays())
    x = hidden + model.settings.sign * conditional.sum(axis=0)

    def log_sum(levels: tuple[int, ...]) -> float:
        units = np.arange(3)
        inputs = x + weights[units, levels].sum(axis=0)
        return float(visible[units, levels].sum() + np.logaddexp(0, inputs).sum())

    total = np.logaddexp.reduce([log_sum(levels) for levels in itertools.product(range(3), repeat=3)])
    return log_sum((0, 2, 1)) - float(total)


def slopes(model: Any) -> list[Array]:
    """Derivatives of the log likelihood by all parameters, by finite differences."""
    found = []
    for array in model.latest.arrays():
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            ends = []
            for step in (0.01, -0.01):
                array[index] += np.float32(step)
                ends.append(log_likelihood(model))
                array[index] -= np.float32(step)
            slope[index] = (ends[0] - ends[1]) / 0.02
        found.append(slope)
    return found


def updates(model: Any, users: int = 30_000) -> list[Array]:
    """The updates of all parameters by one mini-batch."""
    before = model.latest.copy().arrays()
    settings = model.settings
    model.step(np.arange(users), settings.cd_steps[0], settings.rates(0))
    return [now - then for now, then in zip(model.latest.arrays(), before, strict=True)]


@pytest.mark.parametrize("normalize", ["batch", "count"])
def test_corrected_it_steps_along_the_gradient_of_the_log_likelihood(article: Any, normalize: str) -> None:
    model = tiny(article, normalize=normalize)
    expected = slopes(model)
    for step, slope in zip(updates(model), expected, strict=True):
        np.testing.assert_allclose(step, slope, atol=0.015)
    assert max(abs(slope).max() for slope in expected) > 0.1


def test_with_the_sign_of_the_article_d_steps_against_the_gradient(article: Any) -> None:
    model = tiny(article, sign=-1, conditional="sum")
    expected = slopes(model)
    steps = updates(model)
    np.testing.assert_allclose(steps[3], -expected[3], atol=0.015)
    for step, slope in zip(steps[:3], expected[:3], strict=True):
        np.testing.assert_allclose(step, slope, atol=0.015)


def few(article: Any, **changes: Any) -> Any:
    """Two users: one rated items 0 and 1, the other item 1; item 2 has no ratings."""
    ratings = article.Ones(np.array([0, 2, 3]), np.array([0, 1, 1]), np.array([0, 1, 1]), 3, 2)
    settings = article.Settings(n_hidden=4, momentum=0.0, start="smoothed", init_scale=1.0)
    return article.ArticleRBM(ratings, replace(settings, **changes), 0)


def test_gradient_of_d(article: Any) -> None:
    common = updates(few(article, weight_decay=0.0), 2)
    np.testing.assert_array_equal(common[3][0], common[3][1])  # one sum for all items seen
    # The update of b_j, times the ratio of the rates of D and b_j; both are divided by batch_size.
    np.testing.assert_allclose(common[3][0], common[2] * (0.001 / 0.05), rtol=1e-3, atol=1e-8)
    assert not common[3][2].any()
    model = few(article, conditional="own")
    assert any((step[0] != step[1]).any() for step in (updates(model, 2)[3] for _ in range(20)))
    assert not updates(few(article, conditional=None), 2)[3].any()


def test_gradients_are_divided_as_each_way_says(article: Any) -> None:
    steps = {way: updates(few(article, normalize=way, weight_decay=0.0), 2) for way in
             ("article", "count", "batch")}  # fmt: skip
    for kind in (0, 1):  # item 0 was rated by one of two users
        np.testing.assert_array_equal(steps["article"][kind], steps["count"][kind])
        np.testing.assert_allclose(steps["batch"][kind][0] * 2, steps["count"][kind][0], atol=1e-6)
        np.testing.assert_allclose(steps["batch"][kind][1], steps["count"][kind][1], atol=1e-6)
    np.testing.assert_allclose(steps["article"][2] * 15, steps["batch"][2], rtol=1e-4, atol=1e-6)


def test_items_never_seen_are_predicted_as_average_or_by_the_user_s_mean(article: Any) -> None:
    model = few(article, init_scale=0.0, start="article")
    users, items = np.array([0, 1]), np.array([2, 2])
    np.testing.assert_allclose(model.predict(users, items), 1.5)
    shrunk = model.predict(users, items, fallback=True)
    np.testing.assert_allclose(shrunk, [(3 + 25 / 3) / 7, (2 + 25 / 3) / 6])


def test_exact_predictions_are_the_enumerated_ones(article: Any) -> None:
    model = tiny(article)
    weights, visible, hidden, conditional = (a.astype(np.float64) for a in model.latest.arrays())
    units, levels = np.arange(3), np.array([0, 2, 1])
    x = hidden + conditional.sum(axis=0) + weights[units, levels].sum(axis=0)
    joint = np.zeros(3)
    for state in itertools.product((0, 1), repeat=2):
        joint += np.exp(visible[1] + weights[1] @ np.array(state) + x @ np.array(state))
    found = model.predict(np.array([0]), np.array([1]), exact=True)
    np.testing.assert_allclose(found, joint @ np.arange(1, 4) / joint.sum(), rtol=1e-5)


def test_corrected_it_learns_as_well_as_the_library(article: Any) -> None:
    rng = np.random.default_rng(3)
    users, items = np.nonzero(rng.random((150, 30)) < 0.6)
    liked = rng.normal(size=150)[users] * rng.normal(size=30)[items]
    values = np.digitize(liked + 0.5 * rng.normal(size=len(users)), [-1.0, -0.3, 0.3, 1.0]) + 1.0
    train, test = cf.split.holdout(cf.Ratings(users, items, values), 0.2, random_state=0)
    settings = article.Settings(
        lr_weights=0.05, lr_visible=0.02, lr_hidden=0.02, lr_conditional=0.005, momentum=0.5, n_hidden=10,
        n_epochs=80, cd_steps=(1,), sign=1, conditional="own", normalize="count", start="smoothed",
        init_scale=0.03,
    )  # fmt: skip
    mine, theirs = [], []
    for seed in range(4):
        model = article.ArticleRBM(article.Ones.of(train), settings, seed).fit()
        predicted = model.predict(test.user_codes, test.item_codes, averaged=True)
        mine.append(cf.metrics.rmse(test.values, predicted))
        model = cf.RBM(
            by="user", n_hidden=10, n_epochs=80, cd_steps=1, lr_decay=1.0, momentum=0.5, weight_decay=0.001,
            lr={"weights": 0.1, "visible_bias": 0.04, "hidden_bias": 0.04, "conditional": 0.01},
            normalize="count", visible="softmax", average=True, random_state=seed,
        )  # fmt: skip
        theirs.append(cf.metrics.rmse(test.values, model.fit(train).predict(test)))
    trivial = cf.metrics.rmse(test.values, cf.Baseline().fit(train).predict(test))
    assert np.mean(mine) == pytest.approx(np.mean(theirs), abs=0.02)
    assert max(*mine, *theirs) < trivial - 0.1  # both learn more than user and item biases
