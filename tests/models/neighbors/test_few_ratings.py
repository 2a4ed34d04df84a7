"""Few ratings given are never worse than none, also where a setting does not damp the sums of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf

SETTINGS: list[tuple[Any, dict[str, Any]]] = [
    (cf.ItemKNN, {}),
    (cf.ItemKNN, {"center": "mean"}),
    (cf.ItemKNN, {"center": "zscore"}),
    (cf.ItemKNN, {"damping": 0}),
    (cf.UserKNN, {}),
    (cf.UserKNN, {"center": "mean"}),
    (cf.UserKNN, {"center": None}),
    (cf.RBM, {"n_hidden": 8, "n_epochs": 15, "random_state": 0, "by": "user"}),
    (cf.RBM, {"random_state": 0}),
]


def world(n_users: int = 260, n_items: int = 120, n_rated: int = 45) -> cf.Ratings:
    """Ratings by biases, two factors and noise, as large as the effects that a model can learn."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), n_rated)
    items = np.concatenate([rng.permutation(n_items)[:n_rated] for _ in range(n_users)])
    of_users, of_items = rng.normal(size=(n_users, 2)), rng.normal(size=(n_items, 2))
    scores = 3.4 + rng.normal(0, 0.4, n_users)[users] + rng.normal(0, 0.5, n_items)[items]
    scores += 0.35 * (of_users[users] * of_items[items]).sum(axis=1) + rng.normal(0, 0.8, len(users))
    return cf.Ratings(users, items, np.clip(np.rint(scores), 1, 5))


@pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)
def test_errors_of_new_users_are_never_above_those_of_unknown_ones(kind: Any, settings: Any) -> None:
    ratings = world()
    model = kind(**settings).fit(ratings.subset(ratings.users < 200))
    rest = ratings.subset(ratings.users >= 200)  # in random order for each user
    place = np.arange(len(rest)) % 45
    test = rest.subset(place >= 25)

    def error(n_given: int) -> float:
        columns = None
        if n_given:
            given = rest.subset(place < n_given)
            columns = (given.users, given.items, given.values)
        found = model.predict(test.users, test.items, given=columns)
        return float(np.sqrt(np.mean((found - test.values) ** 2)))

    nothing = error(0)
    for n_given in (1, 2, 3, 5, 10, 20):
        assert error(n_given) <= nothing + 0.004
    assert error(20) < nothing


@pytest.mark.parametrize("center", ["mean", "zscore", None])
def test_undamped_settings_answer_between_the_unknown_user_and_a_fit(center: str | None) -> None:
    ratings = world()
    model = cf.ItemKNN(center=center).fit(ratings)
    own = ratings.subset(ratings.users == 3)
    others = model.item_ids_
    users = np.full(len(others), 3)
    found = model.predict(users, others, given=(own.users, own.items, own.values))
    unknown, known = model.predict(np.full(len(others), 10**6), others), model.predict(users, others)
    part = len(own) / (len(own) + 10)
    inside = (known > 1) & (known < 5)
    np.testing.assert_allclose(found[inside], ((1 - part) * unknown + part * known)[inside], atol=1e-5)


def test_of_a_model_that_compares_users_those_given_are_known_alone() -> None:
    ratings = world()
    model = cf.UserKNN().fit(ratings)
    copy = model.for_users(([7, 7, 9_999], [1, 2, 3], [5, 4, 1]))
    assert copy.known_users_.tolist() == [7, 9_999]
    assert np.isfinite(copy.predict([7, 9_999, 8], [5, 5, 5])).all()
    assert copy.predict(7, 5) != model.predict(7, 5)
    joined = cf.Ratings(
        np.append(ratings.users[ratings.users != 7], [7, 7, 9_999]),
        np.append(ratings.items[ratings.users != 7], [1, 2, 3]),
        np.append(ratings.values[ratings.users != 7], [5, 4, 1]),
        scale=(1, 5),
    )
    fitted = cf.UserKNN().fit(joined)
    items = model.item_ids_
    for user in (7, 9_999):
        users = np.full(len(items), user)
        np.testing.assert_allclose(copy.predict(users, items), fitted.predict(users, items), atol=1e-5)
