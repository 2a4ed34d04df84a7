"""BayesianSVD: recovery of what data were made of, sessions, new users, and what must not change a draw."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import sets
from cfcore.threads import policy

Array = np.ndarray[Any, Any]
SMALL: dict[str, Any] = {"n_factors": 4, "n_samples": 80, "burn_in": 40, "random_state": 0}


class World:
    """Ratings 3.5 + b_u + b_i + b_(u,day) + x_u . z_i + noise, where x_u is in part a sum over a set."""

    def __init__(
        self, seed: int = 0, n_users: int = 200, n_items: int = 120, n: int = 9_000, session: float = 0.0,
        noise: Any = 0.5, sets: bool = False,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        pairs = rng.choice(n_users * n_items, n, replace=False)
        self.users, self.items = pairs // n_items, pairs % n_items
        self.user_bias, self.item_bias = rng.normal(0, 0.3, n_users), rng.normal(0, 0.5, n_items)
        x, z = rng.normal(0, 0.6, (n_users, 3)), rng.normal(0, 0.8, (n_items, 3))
        if sets:
            rated = np.zeros((n_users, n_items))
            rated[self.users, self.items] = 1
            x = 0.2 * x + rated @ rng.normal(0, 0.8, (n_items, 3)) / np.sqrt(rated.sum(axis=1))[:, np.newaxis]
        days = rng.integers(0, 4, n)
        self.times = 880_000_000 // 86_400 * 86_400 + 86_400 * days + rng.integers(0, 86_400, n)
        moods = rng.normal(0, session, (n_users, 4)) if session else np.zeros((n_users, 4))
        self.truth = 3.5 + self.user_bias[self.users] + self.item_bias[self.items]
        self.truth += np.sum(x[self.users] * z[self.items], axis=1) + moods[self.users, days]
        spread = noise(rng, n_users)[self.users] if callable(noise) else noise
        self.values = self.truth + rng.normal(size=n) * spread
        self.held = rng.random(n) < 0.2

    def ratings(self, part: Any, timed: bool = True, values: Any = None) -> cf.Ratings:
        values = self.values if values is None else values
        times = self.times[part] if timed else None
        return cf.Ratings(self.users[part], self.items[part], values[part], times, scale=(-200, 300))

    def error(self, model: Any, **fit: Any) -> float:
        """RMSE to the truth of the held-out pairs."""
        model.fit(self.ratings(~self.held), **fit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = model.predict(self.users[self.held], self.items[self.held], self.times[self.held])
        return float(np.sqrt(np.mean((found - self.truth[self.held]) ** 2)))


def test_what_ratings_were_made_of_is_recovered() -> None:
    world = World()
    model = cf.BayesianSVD(**{**SMALL, "n_factors": 3}, sets=None, sessions=None)
    assert world.error(model) < 0.35  # the spread of the products is .84, that of the noise .5
    assert model.noise_precision_**-0.5 == pytest.approx(0.5, abs=0.04)
    assert np.corrcoef(model.user_bias_[:-1], world.user_bias)[0, 1] > 0.75
    assert np.corrcoef(model.item_bias_[:-1], world.item_bias)[0, 1] > 0.75


def test_it_is_better_than_svd_without_any_tuning() -> None:
    for seed in (1, 2):
        world = World(seed)
        bayes = world.error(cf.BayesianSVD(**SMALL))
        assert bayes < 0.9 * world.error(cf.SVD(n_factors=4, random_state=0))


def test_sets_pay_where_tastes_follow_from_what_was_rated() -> None:
    world = World(3, n_users=400, n=8_000, sets=True)
    by_sets = {sets: world.error(cf.BayesianSVD(**SMALL, sets=sets)) for sets in (None, "user", "both")}
    assert by_sets["user"] < 0.94 * by_sets[None]
    assert by_sets["both"] < 0.94 * by_sets[None]


def test_sessions_pay_where_users_have_moods() -> None:
    world = World(4, session=0.6)
    timed = cf.BayesianSVD(**SMALL)
    assert world.error(timed) < 0.85 * world.error(cf.BayesianSVD(**SMALL, sessions=None))
    assert timed.session_lengths_.tolist() == [86_400, 1_800]  # in shorter ones next to none share one


def test_times_are_left_out_where_they_are_not_given() -> None:
    world = World(5, session=0.6)
    model = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))
    users, items = world.users[:50], world.items[:50]
    with pytest.warns(cf.DataWarning, match="predictions leave out the biases of sessions"):
        untimed = model.predict(users, items)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.predict(users, items, timestamps=False), untimed)
        # A day on which nobody rated.
        np.testing.assert_array_equal(model.predict(users, items, world.times[:50] + 10**8), untimed)
        plain = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held, timed=False))
        plain.predict(users, items)
    assert len(plain.session_lengths_) == 0
    assert (model.predict(users, items, world.times[:50]) != untimed).mean() > 0.9


def test_milliseconds_are_read_as_such() -> None:
    world = World(6, session=0.6, n=3_000)
    seconds = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))
    expected = seconds.predict(world.users, world.items, world.times)
    world.times = 1000 * world.times
    with pytest.warns(cf.DataWarning, match="milliseconds"):
        model = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))
    np.testing.assert_array_equal(model.predict(world.users, world.items, world.times), expected)
    with pytest.raises(cf.DataError, match="milliseconds"):
        model.predict(world.users, world.items, world.times // 1000)


def test_nothing_depends_on_the_unit_of_the_ratings() -> None:
    world = World(7, n=4_000)
    model = cf.BayesianSVD(**SMALL)
    found = model.fit(world.ratings(~world.held)).predict(world.users, world.items, world.times)
    other = model.fit(world.ratings(~world.held, values=10 * world.values - 7))
    scaled = (other.predict(world.users, world.items, world.times) + 7) / 10
    np.testing.assert_allclose(scaled, found, atol=2e-3)


def test_noise_of_its_own_for_each_user_pays_where_users_differ() -> None:
    world = World(8, noise=lambda rng, n: np.where(rng.random(n) < 0.5, 0.2, 1.2))
    assert world.error(cf.BayesianSVD(**SMALL)) < 0.92 * world.error(
        cf.BayesianSVD(**SMALL, user_noise=False)
    )


def test_a_new_user_is_answered_as_one_of_training() -> None:
    world = World(9)
    new = world.users >= 180
    model = cf.BayesianSVD(**SMALL).fit(world.ratings(~new & ~world.held))
    part = new & world.held
    given = world.ratings(new & ~world.held)
    found = model.predict(world.users[part], world.items[part], given=given, timestamps=False)
    whole = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))
    trained = whole.predict(world.users[part], world.items[part], timestamps=False)
    unknown = model.predict(world.users[part], world.items[part], timestamps=False)
    truth = world.truth[part]
    errors = [float(np.sqrt(np.mean((one - truth) ** 2))) for one in (found, trained, unknown)]
    assert errors[0] < 1.1 * errors[1]
    assert errors[0] < 0.6 * errors[2]


def test_threads_and_slices_of_calls_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(10, n=4_000, session=0.3)
    params = {**SMALL, "n_samples": 6, "burn_in": 3}
    expected = cf.BayesianSVD(**params, n_threads=1).fit(world.ratings(~world.held))
    monkeypatch.setattr(sets, "WORK", 10_000)
    for n_threads in (1, 3):
        with policy(minimum_work=0):
            found = cf.BayesianSVD(**params, n_threads=n_threads).fit(world.ratings(~world.held))
        for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_", "session_bias_"):
            assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name


def test_at_most_so_many_samples_are_kept() -> None:
    world = World(11, n=2_000)
    params = {**SMALL, "n_factors": 3, "n_samples": 10, "burn_in": 2}
    for n_kept, expected in ((64, 10), (4, 4), (1, 1)):
        model = cf.BayesianSVD(**params, n_kept=n_kept).fit(world.ratings(~world.held))
        assert model.user_factors_.shape == (model.user_ids_.size + 1, 3 * expected)
        assert model.n_epochs_ == 12
        assert len(model.history_["train_rmse"]) == 12


def test_without_burn_in_and_with_one_sample() -> None:
    world = World(12, n=2_000)
    model = cf.BayesianSVD(n_factors=2, n_samples=1, burn_in=0, random_state=0)
    assert np.isfinite(model.fit(world.ratings(~world.held)).predict(world.users, world.items, False)).all()


def test_an_early_end_keeps_the_samples_until_then() -> None:
    world = World(13, n=3_000)
    train, held = world.ratings(~world.held), world.ratings(world.held)
    params = {**SMALL, "n_samples": 20, "burn_in": 5}
    seen: list[Array] = []
    model = cf.BayesianSVD(**params)

    def stop(epochs: int, history: Any) -> bool:
        seen.append(model.predict(held))
        return epochs == 15

    model.fit(train, validation=held, callback=stop)
    assert model.n_epochs_ == 15
    np.testing.assert_array_equal(model.predict(held), seen[-1])
    assert model.user_factors_.shape[1] == 4 * 10
    # The mean over more samples is better than the first of them.
    errors = model.history_["validation_rmse"]
    assert errors[-1] < errors[5]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_samples": 0}, "n_samples"), ({"burn_in": -1}, "burn_in"),
        ({"sets": "items"}, "sets must be one of"),
        ({"sessions": "day"}, "sessions must be one of"), ({"n_kept": 0}, "n_kept"),
        ({"user_noise": 3}, "user_noise"),
    ],
)  # fmt: skip
def test_hyper_parameters_out_of_range(params: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        cf.BayesianSVD(**params).fit(([1, 2], [1, 2], [3.0, 4.0]))
