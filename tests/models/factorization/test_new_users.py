"""`fold_in` and `partial_fit` of users and items with few ratings: better than knowing nothing of them."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf

FAMILY = [cf.SVD, cf.SVDpp, cf.TimeSVDpp, cf.AsymmetricSVD]
FEW = {"n_factors": 20, "random_state": 0}


def without_some(kind: str) -> tuple[cf.Ratings, cf.Ratings, np.ndarray[Any, Any]]:
    """Ratings without 150 users (or items), theirs, and a random rank of each among those of its user."""
    data, rng = cf.datasets.load("ml-100k"), np.random.default_rng(0)
    codes, counts = getattr(data, f"{kind}_codes"), getattr(data, f"{kind}_counts")
    late = np.isin(codes, rng.permutation(np.flatnonzero(counts >= 40))[:150])
    new = data.subset(late)
    order = rng.permutation(len(new))
    rank, owners = np.empty(len(new), dtype=int), getattr(new, f"{kind}_codes")
    for code in np.unique(owners):
        own = order[owners[order] == code]
        rank[own] = np.arange(len(own))
    return data.subset(~late), new, rank


def rmse(model: cf.Model, test: cf.Ratings) -> float:
    return float(cf.metrics.rmse(test.values, model.predict(test)))


@pytest.mark.parametrize("model_class", FAMILY)
def test_few_ratings_of_new_users_are_better_than_none(model_class: Any) -> None:
    old, new, rank = without_some("user")
    test = new.subset(rank >= 20)
    model = model_class(**FEW).fit(old)
    errors = [rmse(model, test)]
    for n in (1, 3, 20):
        given = new.subset(rank < n)
        errors.append(rmse(copy.deepcopy(model).fold_in(given, unknown_items="ignore"), test))
        assert rmse(copy.deepcopy(model).partial_fit(given), test) < errors[0]
    assert max(errors[1:]) < errors[0] - 0.005
    assert errors[3] < errors[0] - 0.06


@pytest.mark.parametrize("model_class", [cf.SVD, cf.SVDpp])
def test_a_user_with_few_ratings_is_predicted_as_well_as_after_a_full_fit(model_class: Any) -> None:
    old, new, rank = without_some("user")
    given, test = new.subset(rank < 3), new.subset(rank >= 20)
    folded = rmse(model_class(**FEW).fit(old).fold_in(given, unknown_items="ignore"), test)
    assert folded < rmse(model_class(**FEW).fit(old.concat(given)), test) + 0.004


@pytest.mark.parametrize("model_class", FAMILY)
def test_few_ratings_of_new_items_are_better_than_none(model_class: Any) -> None:
    old, new, rank = without_some("item")
    test = new.subset(rank >= 20)
    model = model_class(**FEW).fit(old)
    without = rmse(model, test)
    assert rmse(copy.deepcopy(model).partial_fit(new.subset(rank < 1)), test) < without
    assert rmse(copy.deepcopy(model).partial_fit(new.subset(rank < 5)), test) < without - 0.03


@pytest.mark.parametrize("model_class", [cf.SVD, cf.SVDpp])
def test_users_folded_in_do_not_change_what_is_expected_of_the_next(model_class: Any, tmp_path: Path) -> None:
    old, new, rank = without_some("user")
    given = new.subset(rank < 2)
    first, next_ = (given.subset(given.user_codes % 2 == half) for half in (0, 1))
    whole = model_class(**FEW).fit(old).fold_in(given, unknown_items="ignore")
    steps = model_class(**FEW).fit(old).fold_in(first, unknown_items="ignore")
    steps.save(tmp_path / "steps.cf")
    again = cf.load(tmp_path / "steps.cf")
    assert isinstance(again, model_class)
    for model in (steps, again):
        model.fold_in(next_, unknown_items="ignore")
        np.testing.assert_array_equal(model.predict(given), whole.predict(given))


@pytest.mark.parametrize("model_class", [cf.SVD, cf.SVDpp, cf.AsymmetricSVD])
def test_ratings_of_a_known_user_join_those_that_are_kept(model_class: Any) -> None:
    old, _, _ = without_some("user")
    user, item = int(old.users[0]), int(np.setdiff1d(old.item_ids, old.items[old.users == old.users[0]])[0])
    own = old.subset(old.users == user)
    model = model_class(**FEW).fit(old)
    whole, joined = copy.deepcopy(model), copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined.fold_in(([user], [item], [5]))
        whole.fold_in((np.append(own.users, user), np.append(own.items, item), np.append(own.values, 5.0)))
    np.testing.assert_array_equal(joined.predict(old), whole.predict(old))
    changed = joined.snapshot().fold_in(([user, user], [item, own.items[0]], [1, own.values[0]]))
    assert changed.predict(user, item) < joined.predict(user, item)
    at = np.flatnonzero(changed.user_ids_ == user)[0]
    assert changed.user_counts_[at] == len(own) + 1


def test_fewer_ratings_of_a_known_user_than_before_are_mentioned() -> None:
    """Where the model does not keep them."""
    old, new, _ = without_some("user")
    user, item = int(old.users[0]), int(old.items[1])
    model = cf.SVD(**FEW).fit(old).with_parameters(seen_values=None)
    seen = int(model.user_counts_[model.user_ids_ == user][0])
    with pytest.warns(
        cf.DataWarning, match=rf"user {user} has {seen} ratings .* and 1 in this call.*partial_fit"
    ):
        copy.deepcopy(model).fold_in(([user], [item], [1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fold_in(old.subset(old.users == user))
        model.fold_in(new, unknown_items="ignore")


def test_a_model_without_errors_of_training_takes_new_users() -> None:
    model = cf.SVD(n_factors=2).with_parameters(
        user_factors=np.float32([[1, 0], [0, 1], [1, 1]]), item_factors=np.float32([[0.5, 0], [0, 0.5]]),
        user_ids=np.array([1, 2, 3]), item_ids=np.array([10, 20]), mean=3.0, scale=(1.0, 5.0),
    )  # fmt: skip
    model.fold_in(([7, 7], [10, 20], [5, 1]))
    assert model.predict(7, 10) > model.predict(7, 20)
    assert model.noise_variance_ == pytest.approx(0.64)


def test_factors_trained_elsewhere_stay_known_after_an_update() -> None:
    rng = np.random.default_rng(0)
    factors = {f"{kind}_factors": rng.normal(0, 0.3, (n, 2)) for kind, n in (("user", 5), ("item", 4))}
    biases = {f"{kind}_bias": rng.normal(0, 0.3, n) for kind, n in (("user", 5), ("item", 4))}
    served = cf.SVD(n_factors=2).with_parameters(
        user_ids=np.arange(5), item_ids=np.arange(4), scale=(1, 5), mean=3.0, **factors, **biases
    )
    rates = {"lr": 0.001, "reg": 0.1, "lr_bias": 0.001, "reg_bias": 0.1}
    users, items = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5)
    before = served.predict(users, items)
    new = ([9, 9], [0, 1], [5.0, 1.0])
    folded = served.snapshot().fold_in(new)
    np.testing.assert_array_equal(folded.predict(users, items), before)
    trained = served.with_parameters(rates=rates).partial_fit(new, n_epochs=1)
    np.testing.assert_allclose(trained.predict(users, items), before, atol=0.05)
    for model in (folded, trained):
        assert model.knows(users, items).all()
        assert list(model.item_counts_) == [2, 2, 1, 1]
        assert list(model.user_counts_) == [1, 1, 1, 1, 1, 2]


def test_updates_that_cannot_be_made_say_what_can() -> None:
    ratings = cf.datasets.synthetic(30, 20, 200, random_state=0)
    model = cf.SVD(n_factors=2, n_epochs=1, random_state=0).fit(ratings)
    given = {int(ratings.item_ids[0]): 4.0}
    for update in (model.fold_in, model.partial_fit):
        with pytest.raises(cf.DataError, match=r"has no user: .* predict\(items, given=ratings\)"):
            update(given)
    knn = cf.ItemKNN().fit(ratings)
    assert not hasattr(knn, "fold_in")
    with pytest.raises(AttributeError, match=r"no attribute 'fold_in': .* predict\(\.\.\., given=ratings\)"):
        knn.fold_in(ratings)  # type: ignore[operator]
    for one in (model, knn):
        assert np.isfinite(one.predict(ratings.item_ids, given=given)).all()
