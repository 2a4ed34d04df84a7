"""`AsymmetricSVD`: its equations, users that come after training, accuracy, state and parts of an epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.core.fit_context import FitContext
from cfcore.models.core.state import known_of
from cfcore.threads import policy
from tests.contracts.structures import choices

Array = np.ndarray[Any, Any]


def some_ratings(seed: int = 0, n_users: int = 80, n_items: int = 60, n: int = 1500) -> cf.Ratings:
    """Ratings of low rank with noise, in half stars."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    p, q = rng.normal(0, 0.7, (n_users, 2)), rng.normal(0, 0.7, (n_items, 2))
    values = 3 + rng.normal(0, 0.4, n_users)[users] + (p[users] * q[items]).sum(axis=1)
    values = np.clip(np.round(2 * (values + rng.normal(0, 0.3, n))) / 2, 0.5, 5)
    return cf.Ratings(users, items, values, scale=(0.5, 5))


RATINGS = some_ratings()
LATE = RATINGS.users % 5 == 0
EARLY, LATER = RATINGS.subset(~LATE), RATINGS.subset(LATE)


def fitted(ratings: cf.Ratings = RATINGS, implicit: Any = None, **params: Any) -> cf.AsymmetricSVD:
    model = cf.AsymmetricSVD(**({"n_factors": 5, "n_epochs": 8, "random_state": 0} | params))
    return model.fit(
        cf.Ratings(ratings.users, ratings.items, ratings.values, scale=(0.5, 5)), implicit=implicit
    )


def items_of(model: cf.AsymmetricSVD, user: int) -> Array:
    """Codes of the items that a user rated."""
    code = int(np.flatnonzero(model.user_ids_ == user)[0])
    items: Array = model.seen_items_[slice(*model.seen_indptr_[code : code + 2])]
    return items


def formed(model: cf.AsymmetricSVD, user: int, ratings: cf.Ratings) -> Array:
    """z_u by the equation, from all ratings of a user."""
    own = items_of(model, user)
    mine = ratings.users == user
    order = np.argsort(ratings.items[mine])
    values = ratings.values[mine][order].astype(float)
    assert model.item_ids_[own].tolist() == ratings.items[mine][order].tolist()
    offset = (values - model.mean_ - model.item_offsets_[own]).sum() / (len(own) + 10)
    errors = values - model.mean_ - model.item_offsets_[own] - offset
    z: Array = (errors / model.spread_) @ model.rating_factors_[own] / len(own) ** 0.5
    members = own
    if model.implicit_indptr_ is not None:
        code = int(np.flatnonzero(model.user_ids_ == user)[0])
        members = model.implicit_items_[slice(*model.implicit_indptr_[code : code + 2])]
    return z + model.implicit_factors_[members].sum(axis=0) / len(members) ** 0.5


def expected(model: cf.AsymmetricSVD, user: int, z: Array) -> Array:
    """Predictions for all items by the equation."""
    code = int(np.flatnonzero(model.user_ids_ == user)[0])
    found = model.mean_ + model.user_bias_[code] + model.item_bias_ + model.item_factors_ @ z
    clipped: Array = np.clip(found, *model.scale_)
    return clipped


# ---------------------------------------------------------------------- equations


@pytest.mark.parametrize("implicit", [None, ([3, 3, 7], [59, 1000, 1001])], ids=["rated", "implicit"])
def test_predictions_are_those_of_the_equation(implicit: Any) -> None:
    model = fitted(implicit=implicit, dtype="float64")
    assert model.rating_factors_.any(axis=1).all()
    for user in (3, 7, 8):
        z = formed(model, user, RATINGS)
        np.testing.assert_allclose(model.predict(user, model.item_ids_), expected(model, user, z), atol=1e-5)
    assert model.predict(999, 999) == pytest.approx(model.mean_)


def test_constants_are_damped_mean_errors() -> None:
    model = fitted()
    left = RATINGS.values.astype(float) - model.mean_
    sums, counts = np.bincount(RATINGS.item_codes, left), RATINGS.item_counts
    np.testing.assert_allclose(model.item_offsets_, sums / (counts + 25), atol=1e-6)
    left -= model.item_offsets_[RATINGS.item_codes]
    sums, counts = np.bincount(RATINGS.user_codes, left), RATINGS.user_counts
    np.testing.assert_allclose(model.user_offsets_, sums / (counts + 10), atol=1e-6)
    assert model.spread_ == pytest.approx(np.std(RATINGS.values.astype(float)))


# ---------------------------------------------------------------------- users that come later


def test_a_new_user_has_sums_and_what_they_lack() -> None:
    model = fitted(EARLY, dtype="float64")
    assert model.user_factors_.shape[1] == 0
    before = model.snapshot()
    model.fold_in(LATER)
    for name in ("item_factors_", "rating_factors_", "implicit_factors_", "item_bias_", "item_offsets_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(before, name))
    new = np.isin(model.user_ids_, LATER.users)
    assert not model.user_factors_[~new].any()
    for user in np.unique(LATER.users).tolist():
        code = int(np.flatnonzero(model.user_ids_ == user)[0])
        z = formed(model, user, RATINGS) + model.user_factors_[code]
        np.testing.assert_allclose(model.predict(user, model.item_ids_), expected(model, user, z), atol=1e-5)
    factors = model.user_factors_.copy()
    model.partial_fit(LATER, n_epochs=2)
    np.testing.assert_array_equal(model.user_factors_, factors)


def test_a_new_user_is_predicted_almost_as_after_a_full_fit() -> None:
    data = cf.datasets.load("ml-100k")
    rng = np.random.default_rng(0)
    late = (rng.random(data.n_users) < 0.2)[data.user_codes]
    half = rng.random(len(data)) < 0.5
    train, given, test = (data.subset(rows) for rows in (~late, late & half, late & ~half))
    model = cf.AsymmetricSVD(n_factors=50, random_state=0).fit(train)

    def rmse(one: cf.AsymmetricSVD) -> float:
        return float(cf.metrics.rmse(test.values, one.predict(test)))

    without = rmse(model)
    full = rmse(cf.AsymmetricSVD(n_factors=50, random_state=0).fit(data.subset(~late | half)))
    folded = rmse(model.fold_in(given, unknown_items="ignore"))
    assert folded < full + 0.02
    assert folded < without - 0.1


def test_ratings_folded_in_one_after_the_other_count_together() -> None:
    whole, steps = fitted(EARLY), fitted(EARLY)
    whole.fold_in(LATER)
    for part in range(3):
        steps.fold_in(LATER.subset(np.arange(len(LATER)) % 3 == part))
    np.testing.assert_allclose(steps.predict(RATINGS), whole.predict(RATINGS), atol=1e-5)


def test_a_rating_of_the_same_item_replaces_the_earlier_one() -> None:
    model, other = fitted(), fitted()
    user, item = int(RATINGS.users[0]), int(RATINGS.items[0])
    for value in (0.5, 5.0):
        model.fold_in(([user], [item], [value]))
    other.fold_in(([user], [item], [5.0]))
    np.testing.assert_allclose(model.predict(RATINGS), other.predict(RATINGS), atol=1e-5)
    assert model.user_counts_.tolist() == other.user_counts_.tolist()


def test_fold_in_leaves_other_users_as_they_were() -> None:
    model = fitted()
    before = model.predict(RATINGS)
    model.fold_in(([3, 200], [5, 6], [4, 2]))
    others = RATINGS.users != 3
    np.testing.assert_array_equal(model.predict(RATINGS)[others], before[others])
    fresh = model.with_parameters(user_bias=model.user_bias_.copy())  # has no sums yet
    np.testing.assert_array_equal(model.predict(RATINGS), fresh.predict(RATINGS))


def test_partial_fit_trains_new_users_and_items() -> None:
    model = fitted(EARLY.subset(EARLY.items > 5))
    known = model.item_ids_
    before = cf.metrics.rmse(RATINGS.values, model.predict(RATINGS))
    factors = model.rating_factors_.copy()
    model.partial_fit(RATINGS)
    assert model.item_ids_.tolist() == sorted({*known.tolist(), *range(6)})
    assert model.rating_factors_[:6].any(axis=1).all()
    assert not np.array_equal(model.rating_factors_[6:], factors)
    assert cf.metrics.rmse(RATINGS.values, model.predict(RATINGS)) < before - 0.05
    np.testing.assert_allclose(
        model.predict(3, 7), expected(model, 3, formed(model, 3, RATINGS))[7], atol=1e-4
    )


# ---------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("seed", [1, 2])
def test_it_beats_the_baseline_on_data_with_structure(seed: int) -> None:
    for train, test in (
        cf.split.holdout(some_ratings(seed, 200, 100, 8000), 0.2, random_state=0),
        choices(seed),
    ):
        error, plain = (
            cf.metrics.rmse(test.values, model.fit(train).predict(test))
            for model in (cf.AsymmetricSVD(random_state=0), cf.Baseline())
        )
        assert error < 0.95 * plain


def test_defaults_within_the_training_rows_of_u1() -> None:
    rows, _ = cf.datasets.load("ml-100k", split="u1")
    train, test = cf.split.holdout(rows, 0.2, random_state=0)
    error, svd = (
        cf.metrics.rmse(test.values, model.fit(train).predict(test))
        for model in (cf.AsymmetricSVD(n_factors=50, random_state=0), cf.SVD(n_factors=50, random_state=0))
    )
    assert error < svd - 0.004


def test_ratings_on_another_scale_are_fitted_as_well() -> None:
    # Ten times the ratings: the rule must give ten times the predictions.
    tenfold = cf.Ratings(RATINGS.users, RATINGS.items, RATINGS.values * 10)
    small, large = (cf.AsymmetricSVD(random_state=0, dtype="float64").fit(one) for one in (RATINGS, tenfold))
    np.testing.assert_allclose(large.predict(RATINGS), 10 * small.predict(RATINGS), rtol=1e-5)


@pytest.mark.parametrize("n_epochs", [1, 2, 5, 60])
@pytest.mark.parametrize("n", [300, 4000])
def test_defaults_do_not_diverge(n: int, n_epochs: int) -> None:
    train = some_ratings(n=n)
    model = fitted(train, n_epochs=n_epochs, n_factors=20)  # warnings are errors
    assert cf.metrics.rmse(train.values, model.predict(train)) < np.std(train.values)


# ---------------------------------------------------------------------- bits, files, parts


def test_number_of_threads_does_not_change_a_bit() -> None:
    train = some_ratings(n_users=500, n_items=400, n=100_000)
    with policy(minimum_work=0):
        one, *more = (fitted(train, n_epochs=2, n_threads=n).predict(train) for n in (1, 2, 3, 4))
    for other in more:
        np.testing.assert_array_equal(other, one)


def test_reference_agrees() -> None:
    compiled = fitted(dtype="float64", n_epochs=3)
    with cf.backend("reference"):
        reference = fitted(dtype="float64", n_epochs=3)
    for name in ("item_factors_", "rating_factors_", "implicit_factors_", "user_bias_"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(reference, name), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("implicit", [None, ([0, 1, 2], [59, 1000, 1001])], ids=["rated", "implicit"])
def test_files_keep_what_later_ratings_need(implicit: Any, tmp_path: Path) -> None:
    model = fitted(EARLY, implicit=implicit)
    model.save(tmp_path / "model")
    loaded = cf.load(tmp_path / "model")
    for one in (model, loaded):
        one.fold_in(LATER).partial_fit(RATINGS, n_epochs=2)
    np.testing.assert_array_equal(loaded.predict(RATINGS), model.predict(RATINGS))


def test_an_epoch_is_its_parts() -> None:
    one, two = (
        cf.AsymmetricSVD(n_factors=5).trainer(
            RATINGS, FitContext(known_of(RATINGS), "model", np.random.default_rng(3), n_threads=1)
        )
        for _ in range(2)
    )
    for k in range(2):
        one.epoch(k)
        for part in two.parts(k):
            two.run_part(part)
        for key, array in one.arrays().items():
            np.testing.assert_array_equal(two.arrays()[key], array, err_msg=key)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rating_factors": np.zeros((59, 5), dtype="f4")}, "rating_factors_ has shape"),
        ({"rating_factors": np.full((60, 5), np.nan, dtype="f4")}, "rating_factors_ must be finite"),
        ({"rating_errors": np.zeros(7, dtype="f4")}, "rating_errors_ has shape"),
        ({"user_offsets": np.full(80, np.inf, dtype="f4")}, "user_offsets_ must be finite"),
        ({"spread": 0.0}, "spread_ must be a positive number"),
    ],
)
def test_parameters_that_do_not_fit_are_named(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(n_epochs=1).with_parameters(**fields)


def test_other_factors_make_other_sums() -> None:
    model = fitted()
    before, users = model.predict(RATINGS), model.similar_users(3)[1]
    none = model.with_parameters(
        rating_factors=np.zeros_like(model.rating_factors_),
        implicit_factors=np.zeros_like(model.implicit_factors_),
    )
    biases = model.mean_ + model.user_bias_[RATINGS.user_codes] + model.item_bias_[RATINGS.item_codes]
    np.testing.assert_allclose(none.predict(RATINGS), np.clip(biases, *model.scale_), atol=1e-6)
    turned = model.with_parameters(rating_factors=-model.rating_factors_)
    assert not np.array_equal(turned.similar_users(3)[1], users)
    np.testing.assert_array_equal(model.predict(RATINGS), before)
