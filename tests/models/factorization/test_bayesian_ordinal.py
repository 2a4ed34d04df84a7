"""BayesianSVD with ordinal ratings: chances of levels, recovery, and what must not change a draw."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization import bayesian_cut_points
from cfcore.models.factorization.bayesian_side import FIXED
from tests.checkpoints import broken_off, content, same
from tests.models.factorization.geweke import N_USERS, scores, trainer_of

Array = np.ndarray[Any, Any]
SMALL: dict[str, Any] = {
    "likelihood": "ordinal", "n_factors": 3, "n_samples": 60, "burn_in": 40, "random_state": 0,
}  # fmt: skip
CUTS = np.array([-1.6, -0.9, 0.1, 1.4])


class World:
    """Latent ratings b_u + b_i + x_u . z_i + noise, cut into levels."""

    def __init__(self, seed: int = 0, levels: Any = (1, 2, 3, 4, 5), cuts: Array = CUTS, n: int = 12_000):
        rng = np.random.default_rng(seed)
        self.levels, self.cuts = np.array(levels, dtype=float), cuts
        pairs = rng.choice(200 * 150, n, replace=False)
        self.users, self.items = pairs // 150, pairs % 150
        x, z = rng.normal(0, 0.6, (200, 2)), rng.normal(0, 0.7, (150, 2))
        self.mean = rng.normal(0, 0.4, 200)[self.users] + rng.normal(0, 0.5, 150)[self.items]
        self.mean += np.sum(x[self.users] * z[self.items], axis=1)
        self.values = self.levels[np.searchsorted(cuts, self.mean + rng.normal(size=n))]
        self.held = rng.random(n) < 0.25

    def ratings(self, part: Any) -> cf.Ratings:
        return cf.Ratings(self.users[part], self.items[part], self.values[part])

    @property
    def asked(self) -> tuple[Array, Array]:
        return self.users[self.held], self.items[self.held]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def model(world: World) -> Any:
    return cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))


def test_chances_sum_to_1_and_predictions_are_their_mean(world: World, model: Any) -> None:
    chances = model.predict_proba(*world.asked)
    assert chances.shape == (world.held.sum(), 5)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    assert chances.min() >= 0
    np.testing.assert_allclose(model.predict(*world.asked), chances @ model.levels_, atol=1e-12)
    assert model.levels_.tolist() == [1, 2, 3, 4, 5]
    assert model.predict_proba(3, 4).shape == (1, 5)


def test_chances_match_frequencies(world: World, model: Any) -> None:
    """Of held-out pairs whose chance of a level is alike, that part has it."""
    chances = model.predict_proba(*world.asked)
    truth = world.values[world.held]
    for level in range(5):
        order = np.argsort(chances[:, level])
        for part in np.array_split(order, 5):
            expected = chances[part, level].mean()
            error = np.sqrt(expected * (1 - expected) / len(part))
            assert abs(np.mean(truth[part] == level + 1) - expected) < 4 * error + 0.015


def test_cut_points_and_latent_ratings_are_recovered(world: World, model: Any) -> None:
    """In the unit of the noise, up to a shift of all latent ratings."""
    found = model.cut_points_.mean(axis=0)
    np.testing.assert_allclose(np.diff(found), np.diff(world.cuts), atol=0.12)
    latent = model.predictive_codes(world.users[world.held], world.items[world.held]).centre
    apart = latent - found.mean() - (world.mean[world.held] - world.cuts.mean())
    assert np.std(apart) < 0.45
    assert abs(apart.mean()) < 0.08


def test_skewed_levels_are_predicted_better_than_by_normal_noise() -> None:
    world = World(1, cuts=np.array([-0.2, 0.1, 0.4, 0.7]))
    train, truth = world.ratings(~world.held), world.values[world.held]
    long = {**SMALL, "burn_in": 250, "n_samples": 150}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cf.errors.ConvergenceWarning)
        fits = [cf.BayesianSVD(**{**long, "likelihood": one}).fit(train) for one in ("ordinal", "gaussian")]
    chances = [one.predict_proba(*world.asked)[np.arange(len(truth)), truth.astype(int) - 1] for one in fits]
    assert np.log(chances[0]).mean() > np.log(chances[1]).mean() + 0.05
    errors = [cf.metrics.rmse(truth, one.predict(*world.asked)) for one in fits]
    assert errors[0] < errors[1] + 0.02


def test_medians_and_modes_are_levels(world: World, model: Any) -> None:
    chances = model.predict_proba(*world.asked)
    mode, median = (model.predict(*world.asked, statistic=one) for one in ("mode", "median"))
    assert (mode == model.levels_[chances.argmax(axis=1)]).all()
    assert (median == [model.levels_[np.searchsorted(np.cumsum(one), 0.5)] for one in chances]).all()
    truth = world.values[world.held]
    assert (mode == truth).mean() >= (np.rint(model.predict(*world.asked)) == truth).mean()
    assert np.abs(median - truth).mean() < np.abs(model.predict(*world.asked) - truth).mean()
    assert model.predict(3, 4, statistic="mode") in model.levels_
    with pytest.raises(ValueError, match="statistic"):
        model.predict(3, 4, statistic="best")


def test_levels_need_not_be_evenly_spaced_nor_whole() -> None:
    world = World(2, levels=(-3, 0.5, 1, 1.25, 40))
    model = cf.BayesianSVD(**SMALL).fit(world.ratings(~world.held))
    assert model.levels_.tolist() == [-3, 0.5, 1, 1.25, 40]
    # The same latent ratings, whatever the levels are called: the chances are those of stars.
    stars = cf.BayesianSVD(**SMALL).fit(World(2).ratings(~world.held))
    assert (model.predict_proba(*world.asked) == stars.predict_proba(*world.asked)).all()
    np.testing.assert_allclose(
        model.predict(*world.asked), model.predict_proba(*world.asked) @ model.levels_, atol=1e-9
    )


@pytest.mark.parametrize("n_levels", [1, 2, 101])
def test_numbers_of_levels(n_levels: int) -> None:
    rng = np.random.default_rng(3)
    values = np.arange(600) % n_levels
    train = cf.Ratings(rng.permutation(900)[:600] // 30, np.arange(600) % 20, values, duplicates="last")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = cf.BayesianSVD(**{**SMALL, "n_samples": 5, "burn_in": 25}).fit(train)
    n = len(model.levels_)
    chances = model.predict_proba(train)
    assert chances.shape == (len(train), n)
    assert model.cut_points_.shape == (5, n - 1)
    assert np.isfinite(model.predict(train)).all()
    low, high = model.predict_interval(train)
    assert (low <= high).all()


def test_continuous_ratings_are_refused_with_a_remedy() -> None:
    values = np.random.default_rng(0).random(300)
    train = cf.Ratings(np.arange(300) % 20, np.arange(300), values)
    with pytest.raises(cf.errors.DataError, match=r"300 different values.*likelihood='gaussian'"):
        cf.BayesianSVD(likelihood="ordinal").fit(train)
    few: dict[str, Any] = {"n_factors": 2, "n_samples": 3, "burn_in": 1}
    model = cf.BayesianSVD(**few, random_state=0).fit(train)
    assert model.levels_ is None
    with pytest.raises(TypeError, match=r"more than 256 different values.*predict_interval"):
        model.predict_proba(train)
    with pytest.raises(ValueError, match="likelihood"):
        cf.BayesianSVD(likelihood="probit").fit(train)


def test_chances_of_numbers_are_cut_half_way_between_levels(world: World) -> None:
    model = cf.BayesianSVD(**{**SMALL, "likelihood": "gaussian"}).fit(world.ratings(~world.held))
    users, items = world.asked[0][:50], world.asked[1][:50]
    chances = model.predict_proba(users, items)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    one = model.predictive_codes(model.encode_users(users), model.encode_items(items))
    np.testing.assert_allclose(np.cumsum(chances, axis=1)[:, :4], one.cdf(np.array([1.5, 2.5, 3.5, 4.5])))
    assert set(model.predict(users, items, statistic="mode")) <= set(model.levels_)


def test_models_without_distributions_say_which_have_them(world: World) -> None:
    model = cf.SVD(n_epochs=2).fit(world.ratings(~world.held))
    with pytest.raises(TypeError, match="BayesianSVD, RBM"):
        model.predict_proba(*world.asked)
    with pytest.raises(TypeError, match="BayesianSVD, RBM"):
        model.predict(*world.asked, statistic="mode")


def test_standard_deviations_and_intervals(world: World, model: Any) -> None:
    mean, std = model.predict(*world.asked, return_std=True)
    chances, truth = model.predict_proba(*world.asked), world.values[world.held]
    spread = np.sqrt(np.sum(chances * (model.levels_ - mean[:, np.newaxis]) ** 2, axis=1))
    np.testing.assert_allclose(std, spread, rtol=1e-9)
    _, of_mean = model.predict(*world.asked, return_std="mean")
    assert (of_mean < std).all()
    low, high = model.predict_interval(*world.asked)
    assert 0.87 < np.mean((low <= truth) & (truth <= high)) < 0.95


def test_unknown_users_and_items_have_wider_distributions(world: World, model: Any) -> None:
    ids = [3, -1, 3, -1], [4, 4, -1, -1]
    chances = model.predict_proba(*ids)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    usual = np.bincount(world.values[~world.held].astype(int) - 1, minlength=5) / (~world.held).sum()
    np.testing.assert_allclose(chances[3], usual, atol=0.08)
    _, std = model.predict(*ids, return_std="mean")
    assert std[3] > std[0]


def test_preferences_weigh_by_the_chance_of_relevant_levels(world: World, model: Any) -> None:
    users, items = np.arange(20, dtype=np.int32), np.arange(20, dtype=np.int32)
    chances = model.predict_proba(model.user_ids_[users], model.item_ids_[items])
    worth = model.preference_codes(users, items)
    popular = model.item_counts_[items] / model.item_counts_.max()
    np.testing.assert_allclose(worth, popular * chances[:, 3:].sum(axis=1), rtol=1e-9)


def test_lists_are_of_the_highest_expected_ratings(model: Any) -> None:
    ids, found = model.recommend(3, n=5)
    rated = set(model.seen_items_[model.seen_indptr_[3] : model.seen_indptr_[4]].tolist())
    others = np.setdiff1d(np.arange(150), list(rated))
    best = np.sort(model.predict(np.full(len(others), 3), model.item_ids_[others]))[::-1][:5]
    np.testing.assert_allclose(found, best)
    np.testing.assert_allclose(model.predict([3] * 5, ids), found)


class TestSameBits:
    few: ClassVar[dict[str, Any]] = {**SMALL, "n_samples": 8, "burn_in": 4, "n_kept": 4}

    def test_threads(self, world: World) -> None:
        train = world.ratings(~world.held)
        one, three = (cf.BayesianSVD(**self.few, n_threads=n).fit(train) for n in (1, 3))
        assert (one.predict(*world.asked) == three.predict(*world.asked)).all()
        assert (one.cut_points_ == three.cut_points_).all()

    def test_files(self, world: World, tmp_path: Any) -> None:
        model = cf.BayesianSVD(**self.few).fit(world.ratings(~world.held))
        model.save(tmp_path / "model")
        again = cf.load(tmp_path / "model")
        assert (again.predict_proba(*world.asked) == model.predict_proba(*world.asked)).all()
        assert again.likelihood == "ordinal"

    def test_resumed(self, world: World, tmp_path: Any) -> None:
        train = world.ratings(~world.held)
        whole = cf.BayesianSVD(**self.few).fit(train)
        for epoch in (2, 7):
            path = tmp_path / f"{epoch}.checkpoint"
            broken_off(path, cf.BayesianSVD(**self.few), train, epoch)
            same(cf.BayesianSVD(**self.few).fit(train, checkpoint=path), whole)
        assert len(content(whole)[1]["cut_points_"]) == 4

    def test_chains(self, world: World) -> None:
        train = world.ratings(~world.held)
        model = cf.BayesianSVD(**self.few, n_chains=2, n_threads=2).fit(train)
        assert model.cut_points_.shape == (4, 4)
        single = cf.BayesianSVD(**{**self.few, "n_kept": 2}).fit(train)
        assert (single.cut_points_ == model.cut_points_[:2]).all()


def test_validation_errors_are_those_of_expected_ratings(world: World) -> None:
    train, held = world.ratings(~world.held), world.ratings(world.held)
    model = cf.BayesianSVD(**SMALL).fit(train, validation=held)
    error = cf.metrics.rmse(held.values, model.predict(held))
    assert model.history_["validation_rmse"][-1] == pytest.approx(error, rel=1e-6)
    assert 0.3 < model.history_["train_rmse"][-1] < model.history_["train_rmse"][0]
    assert np.all(np.diff(model.history_["log_likelihood"][: FIXED // 2]) > -np.inf)


class Ordinal:
    """The ordered probit for Geweke's test; as data only the levels are drawn anew."""

    params: ClassVar[dict[str, Any]] = {"likelihood": "ordinal", "user_noise": True}

    def prior(self, trainer: Any, rng: np.random.Generator) -> dict[str, Array]:
        shape = rng.exponential(100)
        cuts = np.sort(rng.normal(size=len(trainer.noise.cut_points)))
        weights = rng.gamma(shape / 2, size=N_USERS) / (shape / 2)
        return {"shape": shape / 30, "weights": weights, **self.of_cuts(cuts)}

    @staticmethod
    def of_cuts(cuts: Array) -> dict[str, Array]:
        gaps = np.diff(cuts)
        return {"first": np.exp(cuts[0]), "last": np.exp(cuts[-1]), "gap": gaps[0], "other gap": gaps[-1]}

    def drawn(self, trainer: Any) -> dict[str, Array]:
        noise = trainer.noise
        own = {"shape": noise.scalars[1] / 30, "weights": noise.user_weights.copy()}
        return own | self.of_cuts(noise.cut_points.copy())

    def simulate(self, trainer: Any, rng: np.random.Generator) -> None:
        noise = trainer.noise
        predictions = noise.latents - trainer.residuals.errors(slice(None))
        precisions = noise.user_weights[trainer.codes[0]]
        latents = predictions + rng.normal(size=len(precisions)) / np.sqrt(precisions)
        noise.set_levels(np.searchsorted(noise.cut_points, latents))


def test_joint_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayesian_cut_points, "PRIOR", 1.0)
    likelihood = Ordinal()
    trainer = trainer_of(monkeypatch, sets="both", sessions="auto", **likelihood.params)
    found = scores(trainer, likelihood, 3_000, 3_000, 2)
    far = {name: score for name, score in found.items() if abs(score) > 5}
    assert not far


def test_ratings_given_with_a_question(world: World, model: Any) -> None:
    """A user of training, whose ratings are given instead, has the predictions of the fit."""
    apart = []
    for user in range(0, 60, 3):
        own = world.held & (world.users == user)
        rated = ~world.held & (world.users == user)
        given = dict(zip(world.items[rated].tolist(), world.values[rated].tolist(), strict=True))
        found = model.predict(world.items[own], given=given)
        apart.append(found - model.predict(np.full(own.sum(), user), world.items[own]))
        chances = model.predict_proba(world.items[own], given=given)
        np.testing.assert_allclose(chances @ model.levels_, found, atol=1e-9)
    assert np.sqrt(np.mean(np.concatenate(apart) ** 2)) < 0.12
    assert model.predict(4, given={}) == pytest.approx(model.predict(-1, 4), abs=0.05)


def test_more_ratings_of_a_kind_move_predictions_to_them(model: Any) -> None:
    items = model.item_ids_[:12].tolist()
    low, high = (model.predict(100, given=dict.fromkeys(items, star)) for star in (1, 5))
    few = model.predict(100, given={items[0]: 1})
    assert low < few < high


def test_users_are_folded_in_and_sampled_on(world: World, model: Any) -> None:
    rated = ~world.held & (world.users < 10)
    new = world.users[rated] + 1000, world.items[rated], world.values[rated]
    folded = model.snapshot().fold_in(*[new])
    own = world.held & (world.users < 10)
    found = folded.predict(world.users[own] + 1000, world.items[own])
    expected = model.predict(world.users[own], world.items[own])
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.15
    further = model.snapshot().partial_fit(new, 40)
    assert further.cut_points_.shape[1] == 4
    found = further.predict(world.users[own] + 1000, world.items[own])
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.25
