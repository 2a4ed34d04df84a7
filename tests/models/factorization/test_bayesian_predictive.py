"""Distributions from the samples of `BayesianSVD`: as wide as the errors, the same however asked for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

import cfcore as cf
from cfcore.threads import policy
from tests.models.factorization.test_bayesian import World

SMALL: dict[str, Any] = {"n_factors": 3, "n_samples": 120, "burn_in": 60, "random_state": 0, "n_threads": 1}


@pytest.fixture(scope="module")
def world() -> World:
    return World(session=0.6, noise=lambda rng, n: rng.uniform(0.3, 0.9, n))


@pytest.fixture(scope="module")
def model(world: World) -> cf.BayesianSVD:
    return cf.BayesianSVD(**SMALL, sets=None).fit(world.ratings(~world.held))


def predictive(model: Any, users: Any, items: Any, times: Any = None) -> Any:
    return model.predictive_codes(model.encode_users(users), model.encode_items(items), times)


def held_out(world: World) -> tuple[Any, Any, Any]:
    return world.users[world.held], world.items[world.held], world.times[world.held]


def test_the_mean_is_the_prediction(model: cf.BayesianSVD, world: World) -> None:
    found = predictive(model, *held_out(world))
    np.testing.assert_array_equal(found.mean(), model.predict(*held_out(world)))
    np.testing.assert_allclose(found.means.mean(axis=1), found.mean(), rtol=1e-12)


@pytest.mark.parametrize("timed", [True, False])
def test_a_share_of_the_ratings_is_below_a_quantile(model: Any, world: World, timed: bool) -> None:
    """With times some sessions are known; without, the mood of the day is noise."""
    users, items, times = held_out(world)
    found = predictive(model, users, items, times if timed else None)
    values = world.values[world.held]
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert abs(float(np.mean(values < found.quantiles(level))) - level) < 0.03
    z = (values - found.mean()) / np.sqrt(found.variance())
    assert abs(float(np.std(z)) - 1) < 0.08


def test_the_variance_of_the_mean_is_that_of_its_error(model: Any, world: World) -> None:
    found = predictive(model, *held_out(world))
    z = (world.truth[world.held] - found.mean()) / np.sqrt(found.variance("mean"))
    assert abs(float(np.std(z)) - 1) < 0.15


def test_quantiles_invert_the_distribution_function(model: Any, world: World) -> None:
    found = predictive(model, *(one[:50] for one in held_out(world)))
    for level in (0.001, 0.1, 0.5, 0.99):
        quantiles = found.quantiles(level)
        assert np.abs(np.diag(found.cdf(quantiles)) - level).max() < 1e-8
    levels = np.linspace(-5, 12, 30)
    table = found.cdf(levels)
    assert (np.diff(table, axis=1) >= 0).all()
    assert table.min() >= 0
    assert table.max() <= 1
    middle = found.cdf(found.mean() + np.sqrt(found.variance()))
    np.testing.assert_allclose(np.diag(middle), ndtr(1), atol=0.02)


def test_an_unknown_user_or_item_has_the_variance_of_the_prior(model: Any, world: World) -> None:
    users, items, _ = (one[:400] for one in held_out(world))
    nobody = np.full(400, 10_000)
    both, user, item = (
        float(np.mean(predictive(model, *pair).variance("mean")))
        for pair in ((users, items), (nobody, items), (users, nobody))
    )
    assert min(user, item) > 3 * both
    truth = np.var(world.truth[world.held] - predictive(model, nobody[:1], nobody[:1]).mean()[0])
    prior = float(predictive(model, nobody[:1], nobody[:1]).variance("mean")[0])
    assert truth / 2 < prior < 2 * truth


def test_given_ratings_narrow_the_distribution(model: Any, world: World) -> None:
    rng = np.random.default_rng(1)
    items = model.item_ids_[rng.permutation(len(model.item_ids_))[:70]]
    others = items[60:]
    before = np.inf
    for n in (0, 3, 15, 60):
        ratings = {
            int(item): float(value) for item, value in zip(items[:n], rng.uniform(2, 5, n), strict=True)
        }
        copy = model.for_users(ratings)
        found = predictive(copy, np.repeat(copy.user_ids_, 10), others)
        width = float(np.mean(found.variance("mean")))
        assert width < before
        before = width


def test_one_pair_is_answered_as_many_and_by_any_number_of_threads(model: Any, world: World) -> None:
    pairs = [one[:200] for one in held_out(world)]

    def answers(*pairs: Any) -> Any:
        found = predictive(model, *pairs)
        return np.stack([found.mean(), found.variance(), found.variance("mean"), found.quantiles(0.05)])

    expected = answers(*pairs)
    alone = [answers(*(one[at : at + 1] for one in pairs)) for at in range(200)]
    assert np.concatenate(alone, axis=1).tobytes() == expected.tobytes()
    for n_threads in (2, 3):
        with policy(minimum_work=0):
            model.set_params(n_threads=n_threads)
            assert answers(*pairs).tobytes() == expected.tobytes()
    model.set_params(n_threads=1)


def test_a_loaded_model_has_the_same_distributions(model: Any, world: World, tmp_path: Any) -> None:
    model.save(tmp_path / "model.cfc")
    loaded = cf.load(tmp_path / "model.cfc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found, expected in zip(
            (predictive(loaded, *held_out(world)), predictive(loaded, [9_999], [3])),
            (predictive(model, *held_out(world)), predictive(model, [9_999], [3])),
            strict=True,
        ):
            assert found.variance().tobytes() == expected.variance().tobytes()
