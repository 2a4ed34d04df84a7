"""Blend: a lower error than its members on held-out ratings, and the weights of least squares."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.ensemble.weights import Weights, fit_weights


@pytest.fixture(scope="module")
def parts() -> tuple[cf.Ratings, cf.Ratings]:
    return cf.split.holdout(cf.datasets.synthetic(300, 200, 12_000, random_state=1), 0.2, random_state=0)


def members() -> list[Any]:
    return [cf.ItemKNN(n_neighbors=20), cf.SVD(n_factors=8), cf.Baseline()]


@pytest.fixture(scope="module")
def blend(parts: tuple[cf.Ratings, cf.Ratings]) -> Any:
    return cf.Blend(members(), random_state=0).fit(parts[0])


def rmse(model: Any, test: cf.Ratings) -> float:
    return cf.metrics.evaluate(model, test, "rmse")["rmse"]


def test_errs_less_than_its_members(blend: Any, parts: tuple[cf.Ratings, cf.Ratings]) -> None:
    best = min(rmse(member, parts[1]) for member in blend.members_)
    assert rmse(blend, parts[1]) < best
    out_of_fold = blend.oof_["rmse"]
    assert list(out_of_fold) == ["itemknn", "svd", "baseline", "blend"]
    assert out_of_fold["blend"] == min(out_of_fold.values())
    # The error out of fold is an estimate of the error on test ratings.
    assert out_of_fold["blend"] == pytest.approx(rmse(blend, parts[1]), rel=0.05)


def test_predictions_are_the_weighted_sum(blend: Any, parts: tuple[cf.Ratings, cf.Ratings]) -> None:
    test = parts[1]
    # Members clip on their own; pairs for which none does are compared.
    each = np.array([member.predict(test) for member in blend.members_])
    inside = ((each > test.scale[0]) & (each < test.scale[1])).all(axis=0)
    wanted = blend.intercepts_[0] + blend.weights_[0] @ each
    np.testing.assert_allclose(
        blend.predict(test)[inside], np.clip(wanted, *test.scale)[inside], rtol=0, atol=1e-9
    )
    assert inside.sum() > 1000


def test_members_are_those_fitted_alone(parts: tuple[cf.Ratings, cf.Ratings]) -> None:
    given = [cf.SVD(n_factors=4, random_state=3), cf.Baseline()]
    blend = cf.Blend(given, cv=2, random_state=0).fit(parts[0])
    for member, model in zip(blend.members_, given, strict=True):
        np.testing.assert_array_equal(member.predict(parts[1]), model.clone().fit(parts[0]).predict(parts[1]))
        with pytest.raises(cf.NotFittedError):
            model.predict([1], [1])


class Memory(cf.Model):
    """Right on its training ratings, and far off elsewhere."""

    def _fit(self, train: cf.Ratings, context: Any) -> Any:
        table = np.full((train.n_users, train.n_items), np.nan)
        table[train.user_codes, train.item_codes] = train.values
        return context.state(table=table)

    def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
        known = self.table_[users, items]
        return np.where(np.isnan(known), np.random.default_rng(0).uniform(1, 5, len(users)), known)


def test_weights_come_from_ratings_that_members_were_not_fitted_to() -> None:
    """A member that stores its training ratings gets no weight for that."""
    train = cf.datasets.synthetic(100, 80, 3_000, random_state=1)
    blend = cf.Blend([Memory(), cf.Baseline()], random_state=0).fit(train)
    assert abs(blend.weights_[0, 0]) < 0.1 < blend.weights_[0, 1]
    assert blend.oof_["rmse"]["memory"] > blend.oof_["rmse"]["baseline"]


def test_seeds_and_threads_go_to_members_without_their_own(parts: tuple[cf.Ratings, cf.Ratings]) -> None:
    models = [cf.SVD(n_factors=2, n_epochs=2), cf.SVD(n_factors=2, n_epochs=2, random_state=5, n_threads=1)]
    blends = [cf.Blend(models, cv=2, random_state=0, n_threads=2).fit(parts[0]) for _ in range(2)]
    np.testing.assert_array_equal(blends[0].predict(parts[1]), blends[1].predict(parts[1]))
    first, second = blends[0].members_
    assert (first.n_threads, second.n_threads, second.random_state) == (2, 1, 5)
    assert first.random_state is not None
    assert models[0].random_state is None


# ---------------------------------------------------------------------- parameters


def test_parameters_of_members_by_name() -> None:
    blend = cf.Blend([cf.SVD(), cf.SVD(n_factors=3), cf.ItemKNN()])
    params = blend.get_params()
    assert (params["svd-1__n_factors"], params["svd-2__n_factors"]) == (100, 3)
    assert params["itemknn"] is blend.models[2]
    blend.set_params(**{"svd-2__n_factors": 7, "method": "mean"})
    assert (blend.models[1].n_factors, blend.method) == (7, "mean")
    copied = blend.clone()
    blend.set_params(itemknn=cf.UserKNN(), cv=3)
    assert "userknn__n_neighbors" in blend.get_params()
    assert isinstance(copied.models[2], cf.ItemKNN)
    assert copied.models[1] is not blend.models[1]
    for bad in ("svd-3__n_factors", "svd__n_factors", "models__x"):
        with pytest.raises(ValueError, match=bad):
            blend.set_params(**{bad: 1})
    with pytest.raises(ValueError, match="ItemKNN has no parameter 'n_factors'"):
        copied.set_params(itemknn__n_factors=1)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"models": []}, ValueError, "models"),
        ({"models": ["SVD"]}, ValueError, "models"),
        ({"models": cf.SVD()}, ValueError, "models"),
        ({"models": [cf.SVD(n_factors=-1), cf.Baseline()]}, ValueError, "svd__n_factors"),
        ({"models": [cf.SVD(n_threads=0)]}, ValueError, "svd__n_threads"),
        ({"cv": 1}, ValueError, "cv"),
        ({"cv": "fitted"}, ValueError, "cv"),
        ({"cv": "prefit"}, cf.NotFittedError, "baseline is not fitted"),
        ({"method": "median"}, ValueError, "method"),
        ({"reg": -1.0}, ValueError, "reg"),
    ],
)
def test_bad_parameters(
    parts: tuple[cf.Ratings, cf.Ratings], params: dict[str, Any], error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        cf.Blend(**{"models": [cf.Baseline()], **params}).fit(parts[0])


# ---------------------------------------------------------------------- fitted members


def test_wrong_names_of_parameters_set_nothing() -> None:
    blend = cf.Blend([cf.ItemKNN(), cf.SVD()])
    for wrong in (
        {"cv": 7, "svd__levels": 3},
        {"itemknn__n_neighbors": 3, "svd__levels": 3},
        {"cv": 7, "x": 1},
    ):
        with pytest.raises(ValueError, match="has no parameter"):
            blend.set_params(**wrong)
        assert repr(blend) == repr(cf.Blend([cf.ItemKNN(), cf.SVD()]))
    with pytest.raises(ValueError, match=r"those of its models begin with itemknn__, svd__$"):
        blend.set_params(n_neighbors=3)
    blend.set_params(models=[cf.SVD(), cf.EASE()], ease__reg=5.0)
    assert blend.models[1].reg == 5.0


def test_fitted_models_from_files(parts: tuple[cf.Ratings, cf.Ratings], tmp_path: Path) -> None:
    train, rest = parts
    held_out, test = cf.split.holdout(rest, 0.5, random_state=0)
    for model in (cf.ItemKNN(n_neighbors=20), cf.SVD(n_factors=8, random_state=0)):
        model.fit(train).save(tmp_path / type(model).__name__)
    loaded = [cf.load(tmp_path / name) for name in ("ItemKNN", "SVD")]
    blend = cf.Blend(loaded, cv="prefit", random_state=0).fit(held_out)
    np.testing.assert_array_equal(blend.members_[0].predict(test), loaded[0].predict(test))
    assert rmse(blend, test) < min(rmse(model, test) for model in loaded) + 1e-3
    equal = cf.Blend(loaded, cv="prefit", method="mean").fit()
    inside = np.array([model.predict(test) for model in loaded])
    np.testing.assert_allclose(equal.predict(test), inside.mean(axis=0), rtol=0, atol=0.1)
    for fitted in (blend, equal):
        fitted.save(tmp_path / "blend")
        again = cf.load(tmp_path / "blend")
        np.testing.assert_array_equal(again.predict(test), fitted.predict(test))
        assert again.get_params(deep=False)["cv"] == "prefit"
        ids, _ = again.recommend(train.users[0], n=1000)
        assert not set(ids) & set(train.items[train.users == train.users[0]])
    np.testing.assert_array_equal(blend.clone().fit(held_out).predict(test), blend.predict(test))
    with pytest.raises(cf.DataError):
        cf.Blend(loaded, cv="prefit").fit()


def test_later_updates_of_a_fitted_model_do_not_reach_the_blend(
    parts: tuple[cf.Ratings, cf.Ratings],
) -> None:
    train, test = parts
    given = cf.Baseline().fit(train)
    blend = cf.Blend([given, cf.GlobalMean().fit(train)], cv="prefit", method="mean").fit()
    before = blend.predict(test)
    given.fit(test)
    np.testing.assert_array_equal(blend.predict(test), before)


def test_updates_of_a_member_do_not_reach_the_blend(parts: tuple[cf.Ratings, cf.Ratings]) -> None:
    """What `members_` gives are models of their own, that share the arrays."""
    train, test = parts
    blend = cf.Blend([cf.Baseline(), cf.GlobalMean()], cv=2, random_state=0).fit(train)
    before = blend.predict(test)
    blend.members_[0].fit(test)
    blend.members_.clear()
    np.testing.assert_array_equal(blend.predict(test), before)
    assert len(blend.members_) == 2


def test_fitted_models_need_not_know_the_same_users_and_items() -> None:
    old = cf.Ratings([1, 1, 2, 2, 3], [10, 11, 10, 12, 11], [1, 2, 3, 4, 5])
    new = cf.Ratings([2, 2, 4, 4], [12, 13, 12, 10], [2, 5, 3, 1], scale=(0, 6))
    models = [cf.Baseline().fit(old), cf.ItemKNN().fit(new)]
    blend = cf.Blend(models, cv="prefit", method="mean").fit()
    assert blend.scale_ == (0, 6)
    np.testing.assert_array_equal(blend.user_ids_, [1, 2, 3, 4])
    np.testing.assert_array_equal(blend.user_counts_, [2, 3, 1, 2])  # 2 rated 12 in both
    np.testing.assert_array_equal(blend.item_counts_, [3, 2, 2, 1])
    users, items = (column.ravel() for column in np.meshgrid([1, 2, 3, 4, 99], [10, 11, 12, 13, 99]))
    expected = np.mean([model.predict(users, items) for model in models], axis=0)
    np.testing.assert_allclose(blend.predict(users, items), expected, rtol=0, atol=1e-6)
    ids, _ = blend.recommend(2)
    assert set(ids) == {11}
    assert set(blend.similar_items(12, n=9)[0]) <= {10, 11, 13}
    other = cf.Baseline().fit((["a"], [10], [3.0]))
    with pytest.raises(cf.DataError, match="strings"):
        cf.Blend([models[0], other], cv="prefit", method="mean").fit()


def test_a_blend_of_blends_is_saved_and_loaded(parts: tuple[cf.Ratings, cf.Ratings], tmp_path: Path) -> None:
    inner = cf.Blend([cf.Baseline(), cf.GlobalMean()], cv=2)
    outer = cf.Blend([inner, cf.SVD(n_factors=2, n_epochs=2)], cv=2, random_state=0).fit(parts[0])
    outer.save(tmp_path / "blend")
    loaded = cf.load(tmp_path / "blend")
    np.testing.assert_array_equal(loaded.predict(parts[1]), outer.predict(parts[1]))
    assert repr(loaded) == repr(outer)
    assert "Baseline" in repr(loaded.models[0])
    for copied in (loaded, pickle.loads(pickle.dumps(outer))):
        assert copied.members_[0].members_[0].user_ids_ is copied.user_ids_


def test_a_file_keeps_what_members_share_once(blend: Any, tmp_path: Path) -> None:
    from cfcore import codec

    blend.save(tmp_path / "blend")
    _, arrays = codec.read(tmp_path / "blend")
    for kept in ("seen_items_", "seen_values_"):
        assert [name for name in arrays if name.endswith(kept)] == [kept]
    assert {"0/similarity_", "1/user_factors_", "2/user_bias_"} <= set(arrays)


# ---------------------------------------------------------------------- weights


def made_up(n: int = 4_000) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 5, n)
    noise = rng.normal(0, 1, (2, n)) * np.array([[0.5], [1.0]])
    return values + noise, values, np.arange(n) % 5, rng


def test_weights_of_least_squares() -> None:
    predictions, values, fold, _ = made_up()
    found, held_out = fit_weights(predictions, np.empty((0, len(values))), values, fold, 1e-9)
    wanted = np.linalg.lstsq(np.vstack([np.ones_like(values), predictions]).T, values, rcond=None)[0]
    np.testing.assert_allclose([*found.intercepts, *found.weights[0]], wanted, rtol=1e-4)
    assert found.weights[0, 0] > 2 * found.weights[0, 1] > 0
    blended = found.combine(predictions, np.empty((0, len(values))))
    assert np.abs(blended - held_out).max() < 0.1
    assert not np.array_equal(blended, held_out)


def test_much_regularisation_gives_the_mean() -> None:
    predictions, values, fold, _ = made_up()
    found, _ = fit_weights(predictions, np.empty((0, len(values))), values, fold, 1e9)
    np.testing.assert_allclose(found.weights, 0.5, atol=1e-6)
    chosen, _ = fit_weights(predictions, np.empty((0, len(values))), values, fold, None)
    assert chosen.reg < 1


def test_weights_follow_the_features() -> None:
    """One member errs little where a feature is high, the other where it is low."""
    predictions, values, fold, rng = made_up()
    feature = rng.normal(3, 2, (1, len(values)))
    noise = rng.normal(0, 0.6, (2, len(values)))
    predictions = values + noise * np.vstack([np.exp(-feature[0] + 3), np.exp(feature[0] - 3)]).clip(0, 3)
    plain = fit_weights(predictions, feature[:0], values, fold, None)[1]
    found, held_out = fit_weights(predictions, feature, values, fold, None)
    assert found.weights[1, 0] > 0 > found.weights[1, 1]
    assert cf.metrics.rmse(values, held_out) < 0.9 * cf.metrics.rmse(values, plain)
    np.testing.assert_array_equal(
        found.combine(predictions, feature)[:3], found.combine(predictions[:, :3], feature[:, :3])
    )


def test_members_that_are_equal_share_the_weight() -> None:
    predictions, values, fold, _ = made_up()
    found, _ = fit_weights(predictions[[0, 0]], np.empty((0, len(values))), values, fold, None)
    assert found.weights[0, 0] == pytest.approx(found.weights[0, 1])
    assert Weights.equal(4).weights.tolist() == [[0.25] * 4]


@pytest.mark.parametrize("method", ["ridge", "feature-weighted"])
@pytest.mark.parametrize("reg", [None, 0.01])
def test_weights_do_not_depend_on_the_unit_of_the_ratings(method: str, reg: float | None) -> None:
    ratings = cf.datasets.synthetic(60, 50, 1500, random_state=1)
    members = [cf.Baseline(), cf.ItemKNN()]
    found = []
    for unit in (1.0, 0.25, 1e-4, 1024.0):
        in_unit = cf.Ratings(ratings.users, ratings.items, ratings.values * np.float32(unit))
        blend = cf.Blend(members, method=method, reg=reg, random_state=0).fit(in_unit)
        found.append((blend.weights_, blend.predict(in_unit) / unit))
    for weights, predictions in found[1:]:
        np.testing.assert_allclose(weights, found[0][0], atol=1e-4)
        np.testing.assert_allclose(predictions, found[0][1], atol=1e-3)


def test_ratings_given_to_a_blend_are_mentioned_only_where_no_member_knows_the_item() -> None:
    ratings = cf.datasets.synthetic(60, 50, 1500, random_state=1)
    halves = [ratings.subset(ratings.items <= 30), ratings.subset(ratings.items >= 20)]
    members = [cf.Baseline().fit((half.users, half.items, half.values)) for half in halves]
    blend = cf.Blend(members, cv="prefit", method="mean").fit()
    given = {10: 5.0, 25: 3.0, 45: 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = np.mean([[one.predict(25, given={k: v for k, v in given.items() if one.knows(items=k)})
                             for one in members]])  # fmt: skip
        assert blend.predict(25, given=given) == pytest.approx(expected)
    with pytest.warns(cf.DataWarning, match="1 of the items have no training ratings .* 777"):
        blend.predict(25, given={**given, 777: 5.0})
