"""Ratings that come after a fit of `BayesianSVD` or `ALS` with weights, or with features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf

FEW: dict[str, Any] = {"n_factors": 2, "n_samples": 60, "burn_in": 30, "random_state": 0, "n_threads": 1}
N_USERS, N_ITEMS = 90, 40


def rated(noise: float = 0.4, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Users, items and values of ratings, 20 of each user, whose items' biases follow from two genres."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(N_USERS), 20)
    items = np.concatenate([rng.choice(N_ITEMS, 20, replace=False) for _ in range(N_USERS)])
    bias = np.where(np.arange(N_ITEMS) % 2, 1.0, -1.0) + rng.normal(0, 0.1, N_ITEMS)
    group = np.where(np.arange(N_USERS) % 3 == 0, 0.8, -0.4)
    means = 3 + bias[items] + group[users] + rng.normal(0, 0.2, N_USERS)[users]
    return users, items, means, means + noise * rng.normal(0, 1, len(users))


def tables(users: Any, items: Any) -> dict[str, Any]:
    return {
        "user_features": {"user": users, "group": np.where(users % 3 == 0, "a", "b").tolist()},
        "item_features": {"item": items, "genre": np.where(items % 2, "War", "Comedy").tolist()},
    }


def part(rows: Any, columns: Any) -> Any:
    return tuple(column[rows] for column in columns)


# ---------------------------------------------------------------------- features


def test_partial_fit_with_features_is_as_good_as_a_fit_on_all_ratings() -> None:
    users, items, means, values = rated()
    early = (users < 70) & (items < 34)
    cells = users, items, values
    model = cf.BayesianSVD(**FEW)
    model.fit(part(early, cells), **tables(np.arange(70), np.arange(34)))
    late = tables(np.arange(70, N_USERS), np.arange(34, N_ITEMS))
    kept = np.random.default_rng(1).random(len(users)) < 0.5  # of what comes later, half is held out
    model.partial_fit(part(~early & kept, cells), 80, **late)
    whole = cf.BayesianSVD(**FEW).fit(
        part(early | kept, cells), **tables(np.arange(N_USERS), np.arange(N_ITEMS))
    )
    held = ~early & ~kept
    found, expected = (
        cf.metrics.rmse(means[held], one.predict(users[held], items[held])) for one in (model, whole)
    )
    assert found < 1.1 * expected
    # Effects are those of all ratings, and what is known of users without ratings is predicted from them.
    assert model.item_feature_names_ == whole.item_feature_names_
    apart = [float(np.diff(one.item_feature_effects_[:2])[0]) for one in (model, whole)]
    assert apart == pytest.approx([2, 2], abs=0.15)  # of the two genres; their level is that of the mean too
    further = tables(np.array([990, 991]), np.array([995]))
    np.testing.assert_allclose(
        model.predict([990, 991], [3, 4], user_features=further["user_features"]),
        whole.predict([990, 991], [3, 4], user_features=further["user_features"]), atol=0.25,
    )  # fmt: skip


def test_tables_of_partial_fit_make_users_and_items_without_ratings_known() -> None:
    users, items, _, values = rated()
    model = cf.BayesianSVD(**FEW).fit(
        (users, items, values), **tables(np.arange(N_USERS), np.arange(N_ITEMS))
    )
    further = tables(np.array([500, 501]), np.array([600, 601]))
    model.partial_fit(([500], [600], [3.0]), 20, **further)
    assert model.knows([501], [601]).all()
    low, high = model.predict([3, 3], [600, 601])  # Comedy, War
    assert high > low + 1
    with pytest.warns(cf.errors.DataWarning, match=r"1 new users have no features, the first is 777"):
        model.partial_fit(([777], [600], [3.0]), 10)


def test_fold_in_of_a_model_with_features_has_the_answers_of_given() -> None:
    users, items, _, values = rated()
    model = cf.BayesianSVD(**FEW).fit(
        (users, items, values), **tables(np.arange(N_USERS), np.arange(N_ITEMS))
    )
    new = ([900] * 3 + [901] * 2, [1, 2, 3, 4, 5], [4.0, 2.0, 5.0, 1.0, 3.0])
    table = tables(np.array([900, 901]), np.arange(1))["user_features"]
    answers = [
        model.with_features(table).for_users(new).predict([900, 901], [7, 8]),
        model.for_users(new).predict([900, 901], [7, 8]),
    ]
    folded = [
        model.snapshot().fold_in(new, user_features=table).predict([900, 901], [7, 8]),
        model.snapshot().fold_in(new).predict([900, 901], [7, 8]),
    ]
    np.testing.assert_allclose(folded, answers, atol=1e-5)
    assert np.abs(answers[0] - answers[1]).max() > 0.02
    plain = cf.BayesianSVD(**FEW).fit((users, items, values))
    with pytest.raises(cf.DataError, match="user_features: this BayesianSVD was fitted without"):
        plain.fold_in(new, user_features=table)
    with pytest.raises(cf.DataError, match="item_features: this BayesianSVD was fitted without"):
        plain.partial_fit(new, item_features=tables(np.arange(1), np.arange(3))["item_features"])


def test_models_with_features_go_on_the_same_from_a_file(tmp_path: Path) -> None:
    users, items, _, values = rated()
    cells = users, items, values
    model = cf.BayesianSVD(**FEW, n_chains=2, n_kept=6)
    model.fit(
        part(users < 70, cells), weights=np.full(1400, 2.0), **tables(np.arange(70), np.arange(N_ITEMS))
    )
    model.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    late = tables(np.arange(70, N_USERS), np.arange(1))["user_features"]
    found = [
        one.partial_fit(part(users >= 70, cells), 12, user_features=late).predict(users, items)
        for one in (model, loaded)
    ]
    np.testing.assert_array_equal(*found)


# ---------------------------------------------------------------------- weights


@pytest.mark.parametrize("name", ["BayesianSVD", "ALS"])
def test_weights_of_later_ratings_lower_the_error(name: str) -> None:
    users, items, means, values = rated()
    rng = np.random.default_rng(4)
    noise = np.where(np.arange(len(users)) % 2, 0.1, 2.0)
    values = means + noise * rng.normal(0, 1, len(users))
    weights = np.where(noise < 1, 4.0, 0.01)
    first = users < 60
    params = FEW if name == "BayesianSVD" else {"n_factors": 2, "random_state": 0}
    errors = []
    for old, new in ((weights, weights), (weights, None), (None, weights), (None, None)):
        model = getattr(cf, name)(**params)
        model.fit(part(first, (users, items, values)), weights=None if old is None else old[first])
        model.partial_fit(
            part(~first, (users, items, values)), 60, weights=None if new is None else new[~first]
        )
        errors.append(cf.metrics.rmse(means, model.predict(users, items)))
    assert errors[0] < 0.75 * errors[3]
    assert errors[0] < errors[1]
    assert errors[0] < errors[2]


@pytest.mark.parametrize("name", ["BayesianSVD", "ALS"])
def test_weights_are_kept_with_the_ratings(name: str, tmp_path: Path) -> None:
    users, items, _, values = rated()
    params = (
        {**FEW, "n_samples": 4, "burn_in": 2} if name == "BayesianSVD" else {"n_factors": 2, "n_epochs": 2}
    )
    weights = np.random.default_rng(0).uniform(0.5, 2, len(users)).astype(np.float32)
    model = getattr(cf, name)(**params).fit((users, items, values), weights=weights)
    model.partial_fit(
        ([0, 900, 900], [int(items[0]), 1, 2], [values[0], 3.0, 4.0]), 2, weights=[9.0, 1.0, 3.0]
    )
    held = dict(zip(pairs(model), model.seen_weights_.tolist(), strict=True))
    assert held[0, int(items[0])] == 9
    assert held[900, 2] == 3
    assert held[int(users[-1]), int(items[-1])] == pytest.approx(weights[-1])
    # The same rating again keeps its weight; one of another value counts 1.
    again = ([0, 900], [int(items[0]), 2], [values[0], 1.0])
    model.partial_fit(again, 2)
    held = dict(zip(pairs(model), model.seen_weights_.tolist(), strict=True))
    assert (held[0, int(items[0])], held[900, 2]) == (9, 1)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(cf.load(tmp_path / "model").seen_weights_, model.seen_weights_)
    model.forget([900])
    assert len(model.seen_weights_) == len(model.seen_items_)
    with pytest.raises(cf.DataError, match=r"weights must be of shape \(2,\)"):
        model.partial_fit(again, 2, weights=[1.0])


def pairs(model: Any) -> list[tuple[int, int]]:
    owners = np.repeat(model.user_ids_, np.diff(model.seen_indptr_))
    return list(zip(owners.tolist(), model.item_ids_[model.seen_items_].tolist(), strict=True))


def test_fold_in_counts_ratings_by_their_weights() -> None:
    users, items, _, values = rated()
    own = np.flatnonzero(users == 5)
    weights = np.ones(len(users))
    values[own[:3]], weights[own[:3]] = 9.0, 1e-6  # as if they were not there
    model = cf.BayesianSVD(**FEW, user_noise=False).fit((users, items, values), weights=weights)
    item, new = int(items[own[5]]), next(item for item in range(N_ITEMS) if item not in items[own])
    before = float(model.predict(5, item))
    rating = ([5], [new], [float(model.predict(5, new))])
    lost = model.with_parameters(seen_weights=None).fold_in(rating)
    assert float(model.fold_in(rating).predict(5, item)) == pytest.approx(before, abs=0.15)
    assert float(lost.predict(5, item)) > before + 0.3


def test_models_that_take_no_weights_say_so() -> None:
    users, items, _, values = rated()
    model = cf.SVD(n_epochs=1).fit((users, items, values))
    with pytest.raises(TypeError, match=r"SVD\.partial_fit takes no weights; ALS and BayesianSVD do"):
        model.partial_fit(([900], [1], [3.0]), weights=[1.0])


def test_weights_that_are_lost_are_named() -> None:
    users, items, _, values = rated()
    model = cf.BayesianSVD(**{**FEW, "n_samples": 2}).fit(
        (users, items, values), weights=np.full(len(users), 2)
    )
    lost = model.with_parameters(seen_weights=None)
    with pytest.raises(ValueError, match=r"fitted with weights=, which it does not keep.*call fit with all"):
        lost.partial_fit(([900], [1], [3.0]))
