"""RBM beside the contract of all models: accuracy, distributions, energies, settings, bad input."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts.conftest import numbers

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.Ratings(*numbers(n_users=80, n_items=60, n=2400))


@pytest.fixture(scope="module", params=["item", "user"])
def model(request: pytest.FixtureRequest, ratings: cf.Ratings) -> cf.RBM:
    return cf.RBM(n_hidden=12, by=request.param, n_epochs=30, random_state=0).fit(ratings)


def two_tastes() -> tuple[cf.Ratings, cf.Ratings]:
    """Two kinds of users and two of items: each kind of user rates one kind 5 and the other 1."""
    rng = np.random.default_rng(0)
    cells = rng.permutation(60 * 40)[:1400]
    users, items = cells // 40, cells % 40
    values = np.where((users % 2) == (items % 2), 5.0, 1.0)
    ratings = cf.Ratings(users, items, values)
    held_out = np.arange(len(ratings)) % 5 == 0
    return ratings.subset(~held_out), ratings.subset(held_out)


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize(
    "options",
    [{}, {"conditional": False, "average": False, "cd_steps": 1}, {"sampler": "pcd", "momentum": 0}],
)
def test_learns_more_than_biases(by: str, options: dict[str, Any]) -> None:
    train, test = two_tastes()
    model = cf.RBM(by=by, n_hidden=8, n_epochs=120, lr=0.1, random_state=0, **options).fit(train)
    assert cf.metrics.rmse(test.values, model.predict(test)) < 0.5
    assert cf.metrics.rmse(test.values, cf.Baseline().fit(train).predict(test)) > 1.8


def test_distributions(model: cf.RBM, ratings: cf.Ratings) -> None:
    users, items = np.append(ratings.users[:50], -7), np.append(ratings.items[:50], -7)
    found = model.predict_proba(users, items)
    assert found.shape == (51, 5)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found @ model.levels_, model.predict(users, items), atol=1e-9)
    estimates = {name: model.clone().set_params(estimate=name) for name in ("median", "mode")}
    for name, other in estimates.items():
        other.fit(ratings)
        values = other.predict(users, items)
        if name == "mode":
            np.testing.assert_array_equal(values, model.levels_[found.argmax(axis=1)])
        else:
            below = (found * (model.levels_ < values[:, None])).sum(axis=1)
            above = (found * (model.levels_ > values[:, None])).sum(axis=1)
            assert (below <= 0.5).all()
            assert (above <= 0.5).all()


def test_unknown_ids_are_given_the_distribution_of_the_known_side(model: cf.RBM, ratings: cf.Ratings) -> None:
    user, item = ratings.users[0], ratings.items[0]
    counts = [np.bincount(ratings.values.astype(int), minlength=6)[1:] + 1.0]
    counts += [np.bincount(ratings.values[mine].astype(int), minlength=6)[1:].astype(float)
               for mine in (ratings.users == user, ratings.items == item)]  # fmt: skip
    overall = counts[0] / counts[0].sum()
    found = model.predict_proba([-1, user, -1], [-1, -1, item])
    np.testing.assert_allclose(found[0], overall, atol=1e-3)
    for row, mine in zip(found[1:], counts[1:], strict=True):
        np.testing.assert_allclose(row, (mine + 5 * overall) / (mine.sum() + 5), atol=1e-3)


def test_exact_and_mean_field_nearly_agree(model: cf.RBM, ratings: cf.Ratings) -> None:
    exact = model.clone().set_params(inference="exact").fit(ratings)
    np.testing.assert_allclose(exact.predict(ratings), model.predict(ratings), atol=0.1)
    assert not np.array_equal(exact.predict(ratings), model.predict(ratings))


def test_reconstruct(model: cf.RBM, ratings: cf.Ratings) -> None:
    user = ratings.users[0]
    ids, values = model.reconstruct(user)
    assert set(ids) == set(ratings.items[ratings.users == user])
    np.testing.assert_allclose(values, model.predict(np.full(len(ids), user), ids), atol=1e-9)


def test_samples_have_the_predicted_mean(model: cf.RBM, ratings: cf.Ratings) -> None:
    user = ratings.users[0]
    drawn = model.sample(user, 4000, random_state=1)
    assert drawn.shape == (4000, ratings.n_items)
    assert set(np.unique(drawn)) <= set(model.levels_)
    exact = model.predict(np.full(ratings.n_items, user), ratings.item_ids)
    np.testing.assert_allclose(drawn.mean(axis=0), exact, atol=0.12)
    again = [model.sample(user, 3, random_state=2) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_log_likelihood_by_energy_and_annealing(ratings: cf.Ratings) -> None:
    model = cf.RBM(n_hidden=4, by="user", n_epochs=20, random_state=0).fit(ratings)
    items = model.item_ids_[:4]
    energies = []
    for values in itertools.product(model.levels_, repeat=4):
        _, energy = model.free_energy((np.zeros(4, dtype=int), items, np.array(values)))
        energies.append(energy[0])
    exact = np.logaddexp.reduce(-np.array(energies))
    assert model.log_partition(items, random_state=0) == pytest.approx(exact, abs=0.02)


def test_training_ratings_have_less_energy_than_shuffled_ones(model: cf.RBM, ratings: cf.Ratings) -> None:
    shuffled = np.random.default_rng(0).permutation(ratings.values)
    _, real = model.free_energy(ratings)
    _, random = model.free_energy((ratings.users, ratings.items, shuffled))
    assert real.sum() < random.sum() - 0.05 * len(ratings)
    with pytest.raises(cf.DataError, match=r"4\.5"):
        model.free_energy(([10], [100], [4.5]))


def test_similar_items_and_users_are_of_one_kind() -> None:
    train, _ = two_tastes()
    model = cf.RBM(n_hidden=8, n_epochs=120, lr=0.05, random_state=0).fit(train)
    for similar in (model.similar_items, model.similar_users):
        ids, similarities = similar(4, 10)
        assert sum(i % 2 == 0 for i in ids) >= 9
        assert similarities[0] > 0.5


def test_implicit_pairs(ratings: cf.Ratings) -> None:
    train, test = ratings.subset(slice(0, 2000)), ratings.subset(slice(2000, None))
    options: dict[str, Any] = {"n_hidden": 6, "n_epochs": 10, "random_state": 0}
    for by in ("item", "user"):
        plain = cf.RBM(by=by, **options).fit(train)
        same = cf.RBM(by=by, **options).fit(train, implicit=train)
        np.testing.assert_array_equal(plain.predict(test), same.predict(test))
        more = cf.RBM(by=by, **options).fit(train, implicit=test)
        assert not np.array_equal(plain.predict(test), more.predict(test))
        unknown = cf.RBM(by=by, **options).fit(train, implicit=([-3, 10], [100, -3]))
        assert np.isfinite(unknown.predict(test)).all()
    with pytest.raises(ValueError, match="conditional"):
        cf.RBM(conditional=False).fit(train, implicit=test)


def test_estimate_and_inference_are_read_when_predicting(model: cf.RBM, ratings: cf.Ratings) -> None:
    for name, value in (("estimate", "mode"), ("inference", "exact")):
        fitted_so = model.clone().set_params(**{name: value}).fit(ratings)
        set_later = model.snapshot().set_params(**{name: value})
        np.testing.assert_array_equal(set_later.predict(ratings), fitted_so.predict(ratings))
        assert not np.array_equal(set_later.predict(ratings), model.predict(ratings))


def test_hyper_parameters_of_training_are_fixed_by_the_fit(model: cf.RBM, ratings: cf.Ratings) -> None:
    later = model.snapshot().set_params(
        n_hidden=3, cd_steps=5, sampler="pcd", visible="softmax", conditional=False, average=False, lr=1.0
    )
    np.testing.assert_array_equal(later.predict(ratings), model.predict(ratings))
    assert later.weights_.shape == model.weights_.shape


@pytest.mark.parametrize("by", ["item", "user"])
def test_a_callback_leaves_nothing_stale(by: str, ratings: cf.Ratings) -> None:
    """Inputs, features and norms of an epoch's parameters must not be used with those of the next."""
    item, user = ratings.items[0], ratings.users[0]

    def answers(model: cf.RBM) -> list[Array]:
        return [
            *model.similar_items(item), *model.similar_users(user), model.predict_proba(ratings),
            model.reconstruct(user)[1], model.sample(user, 2, random_state=0), model.free_energy(ratings)[1],
        ]  # fmt: skip

    options: dict[str, Any] = {"n_hidden": 6, "by": by, "n_epochs": 5, "random_state": 0}
    expected = answers(cf.RBM(**options).fit(ratings))
    seen: list[list[Array]] = []
    model = cf.RBM(**options)
    model.fit(ratings, callback=lambda epochs, history: seen.append(answers(model)))
    for found in (seen[-1], answers(model)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(seen[0][4], seen[-1][4])


def test_parameters_cannot_be_assigned_and_can_be_replaced(model: cf.RBM, ratings: cf.Ratings) -> None:
    expected = model.predict(ratings)
    with pytest.raises(AttributeError, match=r"with_parameters\(weights="):
        model.weights_ = model.weights_
    with pytest.raises(ValueError, match="read-only"):
        model.weights_[0, 0, 0] = 1.0
    biases = model.visible_bias_.copy()
    biases[:, -1] += 20
    other = model.with_parameters(visible_bias=biases)
    np.testing.assert_allclose(other.predict(ratings), 5.0, atol=1e-3)
    np.testing.assert_array_equal(model.predict(ratings), expected)


def test_too_many_levels_keep_the_earlier_fit(ratings: cf.Ratings) -> None:
    model = cf.RBM(n_hidden=4, n_epochs=2, random_state=0).fit(ratings)
    expected = model.predict(ratings)
    values = np.linspace(1, 5, len(ratings))
    with pytest.raises(cf.DataError, match="rating: 2,400 different values"):
        model.fit((ratings.users, ratings.items, values))
    np.testing.assert_array_equal(model.predict(ratings), expected)


def test_divergence_keeps_the_last_good_state(ratings: cf.Ratings) -> None:
    model = cf.RBM(n_hidden=20, n_epochs=40, lr=0.5, lr_decay=2.0, momentum=0.9, random_state=0)
    with pytest.warns(cf.ConvergenceWarning, match=r"diverged.*are kept\. Try lr=0\.12"):
        model.fit(ratings)
    assert 0 < model.n_epochs_ < 40
    with pytest.raises(cf.DivergenceError, match=r"in epoch 1: .*Try lr=None, the default"):
        model.clone().set_params(lr=1e18, lr_decay=1.0).fit(ratings)
    assert np.isfinite(model.weights_).all()
    assert np.isfinite(model.predict(ratings)).all()


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("n_hidden", 0, "n_hidden"), ("by", "items", "'item', 'user'"), ("lr", -1, "lr"),
        ("lr", {"weight": 0.1}, "unknown kind 'weight'"), ("lr", {"weights": -0.1}, "weights"),
        ("momentum", 1.0, "momentum"), ("momentum", (0.5, 0.9, 0.9), "pair"), ("cd_steps", 0, "cd_steps"),
        ("cd_steps", (), "cd_steps"), ("cd_steps", (1, 0), "cd_steps"), ("batch_size", 0, "batch_size"),
        ("normalize", "sum", "normalize"), ("weight_decay", -1, "weight_decay"),
        ("estimate", "max", "estimate"),
        ("inference", "gibbs", "inference"), ("lr_decay", 0, "lr_decay"),
    ],
)  # fmt: skip
def test_bad_parameters(name: str, value: Any, match: str, ratings: cf.Ratings) -> None:
    with pytest.raises(ValueError, match=match):
        cf.RBM(**{name: value}).fit(ratings)


def test_schedules(ratings: cf.Ratings) -> None:
    plain = cf.RBM(n_hidden=4, n_epochs=6, cd_steps=2, momentum=0.5, random_state=0)
    same = plain.clone().set_params(cd_steps=(2, 2, 2), momentum=(0.5, 0.5))
    np.testing.assert_array_equal(plain.fit(ratings).predict(ratings), same.fit(ratings).predict(ratings))
    rates = dict.fromkeys(("weights", "visible_bias", "hidden_bias", "conditional"), 0.01)
    one, each = plain.clone().set_params(lr=0.01), plain.clone().set_params(lr=rates)
    np.testing.assert_array_equal(one.fit(ratings).predict(ratings), each.fit(ratings).predict(ratings))
    for change in ({"cd_steps": (2, 2, 3)}, {"momentum": (0.5, 0.8)}):
        other = plain.clone().set_params(**change)
        assert not np.array_equal(other.fit(ratings).predict(ratings), plain.predict(ratings))
