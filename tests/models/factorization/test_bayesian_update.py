"""`fold_in`, `partial_fit` and `forget` of BayesianSVD."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.checkpoints import same

Array = np.ndarray[Any, Any]
DAY = 86_400
PARAMS: dict[str, Any] = {"n_factors": 3, "n_samples": 60, "burn_in": 40, "random_state": 0}


class World:
    """Ratings with factors and moods of users' days; a tenth held out."""

    def __init__(self, seed: int = 0, n_users: int = 160, n_items: int = 70) -> None:
        rng = np.random.default_rng(seed)
        n = 5_000
        pairs = rng.choice(n_users * n_items, n, replace=False)
        self.users, self.items = pairs // n_items, pairs % n_items
        self.days = rng.integers(0, 3, n)
        self.times = 880_000_000 // DAY * DAY + DAY * self.days + rng.integers(0, DAY, n)
        x, z = rng.normal(0, 0.7, (n_users, 2)), rng.normal(0, 0.8, (n_items, 2))
        self.truth = 3.5 + rng.normal(0, 0.4, n_users)[self.users] + rng.normal(0, 0.5, n_items)[self.items]
        self.truth += np.sum(x[self.users] * z[self.items], axis=1)
        self.truth += rng.normal(0, 0.5, (n_users, 3))[self.users, self.days]
        self.values = self.truth + rng.normal(0, 0.4, n)
        self.held = rng.random(n) < 0.1

    def ratings(self, part: Array, timed: bool = True) -> cf.Ratings:
        times = self.times[part] if timed else None
        return cf.Ratings(self.users[part], self.items[part], self.values[part], times, scale=(-9, 16))

    def error(self, model: Any, part: Array) -> float:
        found = model.predict(self.users[part], self.items[part], self.times[part])
        return float(np.sqrt(np.mean((found - self.truth[part]) ** 2)))


def test_partial_fit_is_as_good_as_a_fit_on_all_ratings() -> None:
    world = World()
    early = (world.users < 130) & (world.items < 60)
    model = cf.BayesianSVD(**PARAMS).fit(world.ratings(early & ~world.held))
    before = world.error(model, world.held & early)
    model.partial_fit(world.ratings(~early & ~world.held), n_epochs=60)
    whole = cf.BayesianSVD(**PARAMS).fit(world.ratings(~world.held))
    assert model.n_epochs_ == 160
    assert len(model.history_["train_rmse"]) == 60
    np.testing.assert_array_equal(model.user_ids_, whole.user_ids_)
    np.testing.assert_array_equal(model.item_ids_, whole.item_ids_)
    np.testing.assert_array_equal(model.seen_values_, whole.seen_values_)
    np.testing.assert_array_equal(model.seen_times_, whole.seen_times_)
    np.testing.assert_array_equal(model.item_counts_, whole.item_counts_)
    assert world.error(model, world.held) < 1.07 * world.error(whole, world.held)
    assert world.error(model, world.held & early) < 1.05 * before


def test_partial_fit_goes_on_where_the_fit_ended() -> None:
    """The first sweep is as good as the last of the fit, and not as one from random factors."""
    world = World(1)
    train = world.ratings(np.ones(len(world.users), dtype=bool))
    model = cf.BayesianSVD(**PARAMS, n_chains=2).fit(train)
    known = world.ratings(np.arange(len(world.users)) < 10)
    ended, random = model.history_["train_rmse"][-1], model.history_["train_rmse"][0]
    model.partial_fit(known, n_epochs=4)
    assert model.history_["train_rmse"][0] < 1.1 * ended < 0.8 * random
    noise = model.noise_precision_
    assert noise == pytest.approx(cf.BayesianSVD(**PARAMS).fit(train).noise_precision_, rel=0.15)


def test_partial_fit_is_the_same_for_any_number_of_threads_and_from_a_file(tmp_path: Path) -> None:
    world = World(2)
    some = np.arange(len(world.users)) < 4_000
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 10, "burn_in": 5}, n_chains=2, n_threads=1)
    model.fit(world.ratings(some)).save(tmp_path / "model")
    other = cf.load(tmp_path / "model").set_params(n_threads=2)
    same(
        model.partial_fit(world.ratings(~some), n_epochs=8),
        other.partial_fit(world.ratings(~some), n_epochs=8),
    )


def test_a_later_rating_of_a_pair_replaces_the_earlier_one() -> None:
    world = World(3)
    train = world.ratings(~world.held)
    for method in ("fold_in", "partial_fit"):
        model = cf.BayesianSVD(**{**PARAMS, "n_samples": 4, "burn_in": 2}).fit(train)
        user, item = int(train.users[0]), int(train.items[0])
        getattr(model, method)(([user], [item], [-5.0], [int(world.times[0]) + 7]))
        code, at = int(model.encode_users(user)[0]), int(model.encode_items(item)[0])
        own = slice(*model.seen_indptr_[code : code + 2])
        place = own.start + int(np.searchsorted(model.seen_items_[own], at))
        assert model.seen_values_[place] == -5
        assert model.seen_times_[place] == world.times[0] + 7
        assert len(model.seen_values_) == len(train)


def test_fold_in_has_the_answers_of_given() -> None:
    world = World(4)
    new = world.users >= 140
    model = cf.BayesianSVD(**PARAMS).fit(world.ratings(~new & ~world.held))
    given = world.ratings(new & ~world.held)
    asked = new & world.held
    pairs = world.users[asked], world.items[asked], world.times[asked]
    expected = model.predict(*pairs, given=given)
    untouched = ~new & world.held
    before = model.predict(world.users[untouched], world.items[untouched], world.times[untouched])
    folded = model.snapshot().fold_in(given)
    np.testing.assert_array_equal(folded.predict(*pairs), expected)
    np.testing.assert_array_equal(
        folded.predict(world.users[untouched], world.items[untouched], world.times[untouched]), before
    )
    assert set(range(140, 160)) <= set(folded.user_ids_.tolist())
    # The first half of the ratings, and then the others, whose sum is all of them.
    half = np.arange(len(world.users)) % 2 == 0
    twice = model.snapshot()
    for part in (half, ~half):
        twice.fold_in(world.ratings(new & ~world.held & part))
    np.testing.assert_array_equal(twice.predict(*pairs), expected)
    # They are better than knowing nothing of these users, and partial_fit goes on from them.
    unknown = world.error(model, asked)
    assert world.error(folded, asked) < 0.6 * unknown
    folded.partial_fit(world.ratings(world.held & new), n_epochs=8)
    assert world.error(folded, asked) < 0.6 * unknown


def test_who_is_folded_in_can_be_forgotten() -> None:
    world = World(5)
    new = world.users >= 150
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 6, "burn_in": 3}).fit(world.ratings(~new))
    before = model.predict(world.users[:200], world.items[:200], world.times[:200])
    model.fold_in(world.ratings(new)).forget(np.arange(150, 160))
    np.testing.assert_array_equal(
        model.predict(world.users[:200], world.items[:200], world.times[:200]), before
    )
    assert len(model.seen_times_) == len(model.seen_items_)
    model.partial_fit(world.ratings(new), n_epochs=2)
    assert np.isfinite(model.predict(world.users, world.items, world.times)).all()


def test_ratings_without_times_are_refused_where_sweeps_need_them() -> None:
    world = World(6)
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 4, "burn_in": 2}).fit(world.ratings(~world.held))
    with pytest.raises(cf.DataError, match=r"sessions=None"):
        model.partial_fit(world.ratings(world.held, timed=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fold_in(world.ratings(world.users == 3, timed=False))
    plain = cf.BayesianSVD(**{**PARAMS, "n_samples": 4, "burn_in": 2}, sessions=None)
    plain.fit(world.ratings(~world.held)).partial_fit(world.ratings(world.held), n_epochs=2)
    assert plain.seen_times_ is None


@pytest.mark.parametrize(
    "params",
    [{"n_factors": 5}, {"n_chains": 2}, {"sets": "user"}, {"likelihood": "ordinal"}, {"sessions": None}],
)
def test_chains_go_on_as_they_are(params: dict[str, Any]) -> None:
    world = World(7)
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 4, "burn_in": 2}).fit(world.ratings(~world.held))
    name, value = next(iter(params.items()))
    with pytest.raises(ValueError, match=rf"{name} was .* in fit and is {value!r} now.*set_params\({name}="):
        model.set_params(**params).partial_fit(world.ratings(world.held))


@pytest.mark.parametrize("sets", ["user", "item", None])
def test_other_sets_go_on_too(sets: str | None) -> None:
    world = World(8)
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 20, "burn_in": 20}, sets=sets, user_noise=False)
    model.fit(world.ratings(~world.held & (world.users < 150)))
    ended = model.history_["train_rmse"][-1]
    model.partial_fit(world.ratings(~world.held & (world.users >= 150)), n_epochs=5)
    assert model.history_["train_rmse"][-1] < 1.15 * ended


def test_ratings_folded_in_without_times_do_not_share_a_session() -> None:
    world = World()
    few = {**PARAMS, "n_samples": 8, "burn_in": 4}
    model = cf.BayesianSVD(**few).fit(world.ratings(world.users < 150))
    later = np.isin(world.users, [150, 151])
    model.fold_in(world.ratings(later, timed=False))
    model.fold_in((np.full(3, 151), [69, 68, 67], [3.0, 3.0, 3.0]), duplicates="last")
    model.partial_fit((np.array([5]), np.array([69]), np.array([3.0]), np.array([880_000_000])), n_epochs=4)
    sessions = np.diff(model.session_indptr_)[model.encode_users([150, 151])]
    counts = model.user_counts_[model.encode_users([150, 151])]
    np.testing.assert_array_equal(sessions, len(model.session_lengths_) * counts)


def test_a_state_from_which_chains_cannot_go_on_is_refused(tmp_path: Path) -> None:
    world = World(3)
    model = cf.BayesianSVD(**{**PARAMS, "n_samples": 4, "burn_in": 2}).fit(world.ratings(~world.held))
    held = vars(model)
    state = held["_state"]
    for changes, message in (
        ({"item_precisions": None}, "belong together"),
        ({"chain_scalars": 0 * state.chain_scalars}, "chain_scalars_ must be positive"),
        ({"item_members": state.item_members[:, :2]}, "item_members_ must have 3 columns"),
        ({"prior_precisions": -state.prior_precisions}, "prior_precisions_ must be positive definite"),
        ({"item_precisions": -state.item_precisions}, "item_precisions_ must be positive definite"),
    ):
        held["_state"] = dataclasses.replace(state, **changes)
        with pytest.raises(ValueError, match=message):
            model.save(tmp_path / "model")
    held["_state"] = dataclasses.replace(state, seen_times=None)
    with pytest.raises(cf.DataError, match="does not keep the times"):
        model.partial_fit(world.ratings(world.held))
