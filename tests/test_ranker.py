"""`Ranker`: the choice of one model times the worth by another, any two models, fitted or joined."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

import cfcore as cf

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)
FEW = {"n_factors": 4, "n_epochs": 5}


@pytest.fixture(scope="module")
def model() -> Any:
    return cf.Ranker(cf.Popularity(), cf.SVD(**FEW), random_state=0).fit(RATINGS)


def reloaded(model: Any) -> Any:
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    return cf.load(file)


def pairs() -> tuple[Any, Any]:
    return np.repeat(RATINGS.user_ids[:8], RATINGS.n_items), np.tile(RATINGS.item_ids, 8)


def test_preference_is_the_choice_times_a_power_of_the_worth(model: Any) -> None:
    chooser, rater = model.members_
    users, items = pairs()
    low, high = rater.scale_
    level = min(RATINGS.values[RATINGS.values >= low + 0.75 * (high - low)])
    sigma = np.sqrt(1.3) * rater.history_["train_rmse"][-1]
    scores = rater.score_codes(rater.encode_users(users), rater.encode_items(items))
    half = rater.rating_step_ / 2  # from half a step below the level on, the nearest level is it, or above
    expected = chooser.preference(users, items) * ndtr((scores - (level - half)) / sigma) ** 0.25
    np.testing.assert_allclose(model.preference(users, items), expected)


def test_ratings_are_those_of_the_rater(model: Any) -> None:
    users, items = pairs()
    np.testing.assert_array_equal(model.predict(users, items), model.members_[1].predict(users, items))
    rated = model.recommend(RATINGS.user_ids, 5, by="rating")
    for found, expected in zip(rated, model.members_[1].recommend(RATINGS.user_ids, 5), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert cf.metrics.evaluate(model, RATINGS, "rmse") == cf.metrics.evaluate(
        model.members_[1], RATINGS, "rmse"
    )


def test_weight_is_the_power_of_the_worth(model: Any) -> None:
    users, items = pairs()
    half, none, whole, double = (
        cf.Ranker.of(*model.members_, weight=weight).preference(users, items) for weight in (0.5, 0, 1, 2.0)
    )
    np.testing.assert_array_equal(none, model.members_[0].preference(users, items))
    np.testing.assert_allclose(whole * none, half**2)
    np.testing.assert_allclose(double * none, whole**2)
    lists = [cf.Ranker.of(*model.members_, weight=w).recommend(RATINGS.user_ids[0])[0] for w in (0, 50.0)]
    assert lists[0].tolist() == model.members_[0].recommend(RATINGS.user_ids[0])[0].tolist()
    assert lists[0].tolist() != lists[1].tolist()


def test_worth_of_an_rbm_is_the_sum_of_its_levels() -> None:
    model = cf.Ranker(cf.Popularity(), cf.RBM(n_hidden=4, n_epochs=3), random_state=0).fit(RATINGS)
    users, items = pairs()
    rater = model.members_[1]
    low, high = rater.scale_
    liked = rater.predict_proba(users, items)[:, rater.levels_ >= low + 0.75 * (high - low)].sum(axis=1)
    expected = model.members_[0].preference(users, items) * liked**0.25
    np.testing.assert_allclose(model.preference(users, items), expected)


def test_models_that_are_given_stay_as_they_are() -> None:
    chooser, rater = cf.Popularity(reg_item=3.0), cf.SVD(**FEW)
    model = cf.Ranker(chooser, rater, random_state=5, n_threads=1).fit(RATINGS)
    assert not chooser.is_fitted()
    assert not rater.is_fitted()
    assert rater.random_state is None
    assert model.members_[1].n_threads == 1
    assert model.names_ == ["chooser", "rater"]
    again = cf.Ranker(chooser, rater, random_state=5).fit(RATINGS)
    np.testing.assert_array_equal(model.preference(*pairs()), again.preference(*pairs()))


def test_parameters_are_those_of_both_models() -> None:
    model = cf.Ranker(cf.Popularity(), cf.SVD(**FEW))
    assert model.get_params()["rater__n_factors"] == 4
    model.set_params(rater__n_factors=7, chooser__reg_item=1.0, weight=0.25)
    assert (model.rater.n_factors, model.chooser.reg_item, model.weight) == (7, 1.0, 0.25)
    copied = model.clone()
    assert copied.rater is not model.rater
    assert repr(copied) == repr(model)
    with pytest.raises(ValueError, match="rater__n_epochs must be"):
        model.set_params(rater__n_epochs=0).fit(RATINGS)
    with pytest.raises(ValueError, match="weight must be"):
        cf.Ranker(weight=-1).fit(RATINGS)
    with pytest.raises(TypeError, match="chooser must be a model or None, not 'svd'"):
        cf.Ranker("svd").fit(RATINGS)  # type: ignore[arg-type]


def test_wrong_names_of_parameters_set_nothing() -> None:
    model = cf.Ranker(cf.EASE(), cf.SVD())
    with pytest.raises(ValueError, match="SVD has no parameter 'levels'"):
        model.set_params(weight=0.5, chooser__reg=3.0, rater__levels=5)
    assert repr(model) == repr(cf.Ranker(cf.EASE(), cf.SVD()))
    assert model.set_params(rater=cf.ItemKNN(), rater__n_neighbors=3).rater.n_neighbors == 3
    with pytest.raises(ValueError, match=r"those of its models begin with chooser__, rater__$"):
        model.set_params(n_epochs=3)
    with pytest.raises(ValueError, match="no parameter 'rater__n_epochs': its rater is left to the default"):
        cf.Ranker().set_params(rater__n_epochs=3)
    ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    with pytest.raises(ValueError, match="'chooser__reg': its chooser is left to the default"):
        cf.selection.search(cf.Ranker(), ratings, {"chooser__reg": [1.0, 2.0]})


@pytest.mark.parametrize("fitted", [True, False])
def test_files_hold_both_models_and_the_unfitted_ones(fitted: bool, model: Any) -> None:
    whole = model if fitted else cf.Ranker.of(*model.members_, weight=0.7)
    loaded = reloaded(whole)
    assert repr(loaded) == repr(whole)
    assert [type(one).__name__ for one in loaded.members_] == ["Popularity", "SVD"]
    np.testing.assert_array_equal(loaded.preference(*pairs()), whole.preference(*pairs()))
    np.testing.assert_array_equal(loaded.fit(RATINGS).preference(*pairs()).shape, (8 * RATINGS.n_items,))


def test_defaults_stay_defaults_in_files() -> None:
    model = cf.Ranker(random_state=0).fit(cf.datasets.synthetic(20, 15, 120, random_state=0))
    loaded = reloaded(model)
    assert loaded.chooser is loaded.rater is None
    assert repr(loaded) == "Ranker(random_state=0)"


def test_fitted_models_of_different_ratings_are_joined() -> None:
    half = RATINGS.subset(RATINGS.item_codes < 30)
    other = RATINGS.subset((RATINGS.user_codes > 10) & (RATINGS.item_codes > 5))
    chooser, rater = cf.Popularity().fit(half), cf.SVD(random_state=0, **FEW).fit(other)
    model = cf.Ranker.of(chooser, rater)
    users = RATINGS.user_ids[[3, 40]]
    ids, scores = model.recommend(users, 40)
    assert set(ids.ravel()) - {-1} <= set(half.item_ids) | set(other.item_ids)
    np.testing.assert_array_equal(scores[1], np.r_[model.preference(users[1], ids[1][ids[1] >= 0]),
                                                   np.full((ids[1] < 0).sum(), np.nan)])  # fmt: skip
    only = np.setdiff1d(half.items, other.items)
    np.testing.assert_array_equal(model.predict(users[0], only), rater.predict(users[0], only))
    seen = set(half.items[half.users == users[1]]) | set(other.items[other.users == users[1]])
    assert not seen & set(ids[1])
    with pytest.raises(cf.NotFittedError):
        cf.Ranker.of(cf.Popularity(), rater)
    named = cf.Popularity().fit(([1, 2], ["a", "b"], [3, 4]))
    with pytest.raises(cf.DataError, match="item: ids are integers in some members and strings in others"):
        cf.Ranker.of(named, rater)


def test_ids_of_joined_models_may_be_of_different_integer_types() -> None:
    users, items, values = [1, 1, 2, 2, 3], [1, 2, 1, 3, 3], [5.0, 4, 3, 2, 4]
    far = np.array(users, dtype=np.uint64) + np.uint64(2**63)
    ranker = cf.Ranker.of(
        cf.EASE(reg=1.0).fit((far, items, values)), cf.Baseline().fit((users, items, values))
    )
    assert ranker.known_users_.tolist() == [1, 2, 3, *far[[0, 2, 4]].tolist()]
    assert ranker.recommend(int(far[0]), n=2)[0].tolist() == [3]
    assert len(ranker.forget(far[:1]).known_users_) == 5


def test_a_rater_with_times_has_lists_for_times() -> None:
    model = cf.Ranker(cf.Popularity(), cf.TimeSVDpp(**FEW), random_state=0).fit(RATINGS)
    assert model.uses_timestamps()
    start, end = int(RATINGS.timestamps.min()), int(RATINGS.timestamps.max())  # type: ignore[union-attr]
    user = RATINGS.user_ids[0]
    lists = [model.recommend(user, 40, timestamps=time) for time in (start, end)]
    for time, (ids, scores) in zip((start, end), lists, strict=True):
        np.testing.assert_array_equal(scores, model.preference(user, ids, time))
    assert lists[0][0].tolist() != lists[1][0].tolist() or (lists[0][1] != lists[1][1]).any()


def test_similar_items_are_the_choosers_and_similar_users_the_raters() -> None:
    model = cf.Ranker(cf.ItemKNN(), cf.SVD(**FEW), random_state=0).fit(RATINGS)
    item, user = RATINGS.items[0], RATINGS.users[0]
    assert model.similar_items(item)[0].tolist() == model.members_[0].similar_items(item)[0].tolist()
    assert model.similar_users(user)[0].tolist() == model.members_[1].similar_users(user)[0].tolist()
    other = cf.Ranker(cf.Popularity(), cf.SVD(**FEW), random_state=0).fit(RATINGS)
    assert other.similar_items(item)[0].tolist() == other.members_[1].similar_items(item)[0].tolist()
    with pytest.raises(TypeError, match="Ranker does not compare users"):
        cf.Ranker(cf.Popularity(), cf.Baseline()).fit(RATINGS).similar_users(user)
