"""`SVDpp`: accuracy, reproducibility, implicit pairs, fallbacks, early stopping, divergence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.models.factorization.svdpp import Rates
from cfcore.threads import policy

FITTED = ("user_factors_", "item_factors_", "implicit_factors_", "user_bias_", "item_bias_")


def some_ratings(seed: int = 0, n_users: int = 80, n_items: int = 60, n: int = 1500) -> cf.Ratings:
    """Ratings of low rank with noise, in half stars."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    p, q = rng.normal(0, 0.7, (n_users, 2)), rng.normal(0, 0.7, (n_items, 2))
    values = 3 + rng.normal(0, 0.4, n_users)[users] + (p[users] * q[items]).sum(axis=1)
    values = np.clip(np.round(2 * (values + rng.normal(0, 0.3, n))) / 2, 0.5, 5)
    return cf.Ratings(users, items, values)


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return some_ratings()


def same_bits(first: Any, second: Any) -> bool:
    return all(getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in FITTED)


# ---------------------------------------------------------------------- accuracy


def test_defaults_on_u1(u1: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = u1
    error = cf.metrics.rmse(test.values, cf.SVDpp(random_state=0).fit(train).predict(test))
    assert error <= 0.906
    assert error <= cf.metrics.rmse(test.values, cf.SVD(random_state=0).fit(train).predict(test)) - 0.008


def test_ratings_on_another_scale_are_fitted_as_well(ratings: cf.Ratings) -> None:
    # Ten times the ratings: the rule must give ten times the predictions.
    tenfold = cf.Ratings(ratings.users, ratings.items, ratings.values * 10)
    small = cf.SVDpp(random_state=0, dtype="float64").fit(ratings).predict(ratings)
    large = cf.SVDpp(random_state=0, dtype="float64").fit(tenfold).predict(ratings)
    np.testing.assert_allclose(large, 10 * small, rtol=1e-9)


@pytest.mark.parametrize("n_epochs", [1, 2, 5, 60])
@pytest.mark.parametrize("n", [300, 4000])
def test_defaults_do_not_diverge(n: int, n_epochs: int) -> None:
    train = some_ratings(n=n)
    model = cf.SVDpp(random_state=0, n_epochs=n_epochs, n_factors=20).fit(train)  # warnings are errors
    assert cf.metrics.rmse(train.values, model.predict(train)) < np.std(train.values)


def test_which_items_were_rated_predicts_ratings() -> None:
    # Two groups of users, each rating items of its own kind. The group of a user shows in nothing else: the
    # one rating of a disputed item, which one group loves and the other hates, is held out.
    rng = np.random.default_rng(0)
    group = np.arange(400) % 2
    users, items, values = [], [], []
    for user in range(400):
        own = rng.choice(30, 8, replace=False) + 30 * group[user]
        disputed = 60 + rng.integers(0, 10)
        users += [user] * 9
        items += [*own.tolist(), int(disputed)]
        values += [*rng.integers(2, 5, 8).tolist(), 5 if group[user] == (disputed % 2) else 1]
    data = cf.Ratings(users, items, np.array(values, dtype=np.float32))
    held_out = (data.items >= 60) & (data.users < 100)
    train, test = data.subset(~held_out), data.subset(held_out)
    error = {
        kind: cf.metrics.rmse(test.values, kind(n_factors=8, random_state=0).fit(train).predict(test))
        for kind in (cf.SVD, cf.SVDpp)
    }
    assert error[cf.SVDpp] < 0.7 * error[cf.SVD]


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_number_of_threads_does_not_change_a_bit(dtype: str) -> None:
    train = some_ratings(n_users=500, n_items=400, n=100_000)  # enough for blocks that share no stripe
    with policy(minimum_work=0):
        one, *more = (
            cf.SVDpp(n_factors=20, n_epochs=3, random_state=7, n_threads=n, dtype=dtype).fit(train)
            for n in (1, 2, 3, 4)
        )
    assert all(same_bits(one, other) for other in more)
    assert one.user_factors_.dtype == one.implicit_factors_.dtype == dtype


def test_reference_agrees(ratings: cf.Ratings) -> None:
    model = cf.SVDpp(n_factors=5, n_epochs=4, random_state=0, dtype="float64")
    compiled = model.clone().fit(ratings)
    with cf.backend("reference"):
        reference = model.clone().fit(ratings)
    for name in FITTED:
        np.testing.assert_allclose(getattr(compiled, name), getattr(reference, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(compiled.history_["train_rmse"], reference.history_["train_rmse"])
    np.testing.assert_allclose(compiled.predict(ratings), reference.predict(ratings), atol=1e-6)


def test_seeds_matter_and_repeat(ratings: cf.Ratings) -> None:
    first, again, other = (cf.SVDpp(n_factors=5, random_state=s).fit(ratings) for s in (1, 1, 2))
    assert same_bits(first, again)
    assert not same_bits(first, other)


@pytest.mark.parametrize("implicit", [None, ([0, 1, 2], [59, 1000, 1001])], ids=["rated", "implicit"])
def test_copies_and_files_predict_the_same_bits(ratings: cf.Ratings, implicit: Any, tmp_path: Path) -> None:
    model = cf.SVDpp(n_factors=5, random_state=0).fit(ratings, implicit=implicit)
    expected = model.predict(ratings)
    model.save(tmp_path / "model.safetensors")
    for twin in (copy.deepcopy(model), cf.load(tmp_path / "model.safetensors")):
        assert same_bits(model, twin)
        assert np.array_equal(twin.predict(ratings), expected)
        assert np.array_equal(twin.extra_item_ids_, model.extra_item_ids_)


# ---------------------------------------------------------------------- implicit pairs


def test_pairs_that_were_rated_change_nothing(ratings: cf.Ratings) -> None:
    plain = cf.SVDpp(n_factors=5, random_state=0).fit(ratings)
    repeated = np.tile(np.arange(40), 2)
    for pairs in ((ratings.users[repeated], ratings.items[repeated]), ratings.subset(repeated[:40])):
        again = plain.clone().fit(ratings, implicit=pairs)
        assert same_bits(plain, again)
        assert np.array_equal(plain.predict(ratings), again.predict(ratings))


def test_pairs_join_the_sets(ratings: cf.Ratings) -> None:
    user = int(ratings.users[0])
    rated = set(ratings.items[ratings.users == user].tolist())
    unrated = next(item for item in range(60) if item not in rated)
    model = cf.SVDpp(n_factors=5, random_state=0).fit(
        ratings, implicit=([user, user, user, 999], [unrated, 2000, 1000, 1000])
    )
    begin, end = model.implicit_indptr_[user : user + 2]
    own = model.implicit_items_[begin:end].tolist()
    assert own == sorted(own)
    assert set(own) == rated | {unrated, 60, 61}
    assert model.extra_item_ids_.tolist() == [1000, 2000]
    assert model.implicit_factors_.shape == (62, 5)
    assert model.implicit_factors_[60:].any(axis=1).all()
    z = model.user_factors_[user] + model.implicit_factors_[own].sum(axis=0) / len(own) ** 0.5
    expected = model.mean_ + model.user_bias_[user] + model.item_bias_ + model.item_factors_ @ z
    found = model.predict(user, ratings.item_ids)
    np.testing.assert_allclose(found, np.clip(expected, *model.scale_), atol=1e-5)


def test_pairs_come_in_every_form(ratings: cf.Ratings) -> None:
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    users, items = np.array([0, 1, 2, 3]), np.array([5, 6, 70, 8])
    expected = cf.SVDpp(n_factors=5, random_state=0).fit(ratings, implicit=(users, items))
    for pairs in (
        (users.tolist(), items.tolist()),
        (users, items, np.ones(4)),
        pandas.DataFrame({"user": users, "item": items}),
        sparse.coo_matrix((np.ones(4), (users, items)), shape=(80, 90)),
    ):
        assert same_bits(expected, expected.clone().fit(ratings, implicit=pairs))


def test_pairs_that_cannot_be_used(ratings: cf.Ratings) -> None:
    model = cf.SVDpp(n_factors=5, random_state=0).fit(ratings)
    expected = model.predict(ratings)
    for pairs, message in (
        (([1, 2, 3], [1, 2]), "differ in length"),
        ((["ann"], ["x"]), "user"),
        (7, "pairs must be"),
    ):
        with pytest.raises(cf.DataError, match=message):
            model.fit(ratings, implicit=pairs)
        assert np.array_equal(model.predict(ratings), expected)


# ---------------------------------------------------------------------- predictions


def test_similar_items_are_those_of_near_factors(ratings: cf.Ratings) -> None:
    model = cf.SVDpp(n_factors=5, random_state=0).fit(ratings)
    q = model.item_factors_.astype(float)
    cosines = q @ q[0] / np.linalg.norm(q, axis=1) / np.linalg.norm(q[0])
    ids, similarities = model.similar_items(model.item_ids_[0], n=5)
    best = np.argsort(-cosines)[1:6]
    assert ids.tolist() == model.item_ids_[best].tolist()
    np.testing.assert_allclose(similarities, cosines[best], atol=1e-5)


def test_no_factors_leave_the_biases(ratings: cf.Ratings) -> None:
    model = cf.SVDpp(n_factors=0, random_state=0).fit(ratings)
    expected = model.mean_ + model.user_bias_[ratings.user_codes] + model.item_bias_[ratings.item_codes]
    np.testing.assert_allclose(model.predict(ratings), np.clip(expected, *model.scale_), rtol=1e-6)


# ---------------------------------------------------------------------- training


def test_early_stopping_keeps_the_best_epoch(ratings: cf.Ratings) -> None:
    train, test = cf.split.holdout(ratings, 0.2, random_state=0)
    model = cf.SVDpp(n_factors=20, n_epochs=200, lr=0.05, lr_decay=1.0, reg=0.0, random_state=0)
    model.fit(train, validation=test, early_stopping=3)
    errors = model.history_["validation_rmse"]
    assert model.n_epochs_ == 1 + int(np.argmin(errors)) == len(errors) - 3
    assert cf.metrics.rmse(test.values, model.predict(test)) == pytest.approx(min(errors), 1e-6)


def test_divergence_is_noticed(ratings: cf.Ratings) -> None:
    with pytest.raises(cf.DivergenceError, match=r"Try lr=0\.75"):
        cf.SVDpp(n_factors=20, lr=3.0, random_state=0).fit(ratings)
    model = cf.SVDpp(n_factors=20, lr=0.02, lr_decay=1.6, random_state=0)
    with pytest.warns(cf.ConvergenceWarning, match="are kept. Try lr_decay=None"):
        model.fit(ratings)
    assert np.isfinite(model.predict(ratings)).all()


def test_rates_given_and_by_rule(ratings: cf.Ratings) -> None:
    rule = Rates.of(cf.SVDpp(), ratings)
    given = Rates.of(cf.SVDpp(lr=0.01, reg=0.02), ratings)
    assert (given.lr, given.lr_bias, given.reg, given.reg_bias, given.reg_implicit) == (
        0.01, 0.01, 0.02, 0.02, 0.02,
    )  # fmt: skip
    assert given.lr_implicit / given.lr == pytest.approx(rule.lr_implicit / rule.lr)
    own = Rates.of(cf.SVDpp(lr=0.01, lr_implicit=0.003, reg_implicit=0.0), ratings)
    assert (own.lr_implicit, own.reg_implicit, own.reg) == (0.003, 0.0, rule.reg)


# ---------------------------------------------------------------------- state


@pytest.fixture
def model(ratings: cf.Ratings) -> cf.SVDpp:
    return cf.SVDpp(n_factors=5, n_epochs=4, random_state=0).fit(ratings, implicit=([0, 1], [1000, 1001]))


def test_factors_trained_elsewhere_are_served() -> None:
    rng = np.random.default_rng(0)
    p, q, y = (rng.normal(0, 0.5, (n, 3)) for n in (2, 3, 4))
    model = cf.SVDpp(n_factors=3).with_parameters(
        user_ids=np.array(["ann", "bob"]), item_ids=np.array([10, 20, 30]), scale=(1, 5), mean=3.0,
        user_factors=p, item_factors=q, implicit_factors=y, extra_item_ids=np.array([40]),
        implicit_indptr=np.array([0, 2, 2]), implicit_items=np.array([0, 3], dtype=np.int32),
    )  # fmt: skip
    z = p[0] + (y[0] + y[3]) / 2**0.5
    assert model.predict("ann", 20) == pytest.approx(np.clip(3 + z @ q[1], 1, 5))
    assert model.predict("bob", 20) == pytest.approx(np.clip(3 + p[1] @ q[1], 1, 5))
    with pytest.raises(ValueError, match=r"partial_fit needs lr .*with_parameters\(rates="):
        model.partial_fit((["eve"], [10], [5]))
    rates = dict.fromkeys(("lr", "reg", "lr_bias", "reg_bias"), 0.01)
    with pytest.raises(ValueError, match=r"partial_fit needs lr_implicit .*\"lr_implicit\": "):
        model.with_parameters(rates=rates).partial_fit((["eve"], [10], [5]))
    rates |= {"lr_implicit": 0.01, "reg_implicit": 0.01}
    trained = model.with_parameters(rates=rates).partial_fit((["eve"], [10], [5]), n_epochs=2)
    assert trained.predict("eve", 10) > 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"implicit_factors": np.zeros((61, 5), dtype="f4")},
            r"implicit_items_ must be in \[0, 61\)",
        ),
        ({"implicit_factors": np.zeros((62, 4), dtype="f4")}, "implicit_factors_ has shape"),
        ({"implicit_factors": np.zeros((62, 5))}, "is of float64 and item_factors_ of float32"),
        (
            {"implicit_factors": np.full((62, 5), np.inf, dtype="f4")},
            "implicit_factors_ must be finite numbers",
        ),
        ({"implicit_items": None}, "bounds of rows that are missing"),
        ({"implicit_indptr": np.zeros(81, dtype=np.int64)}, "implicit_indptr_ must ascend from 0 to"),
        ({"extra_item_ids": None}, "implicit_factors_ has 62 rows"),
    ],
)
def test_parameters_that_do_not_fit_are_named(model: cf.SVDpp, fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.with_parameters(**fields)


def test_sets_that_are_not_ascending_or_out_of_range(model: cf.SVDpp) -> None:
    for at, code, message in ((0, 62, r"implicit_items_ must be in \[0, 62\)"), (1, 0, "must be ascending")):
        items = model.implicit_items_.copy()
        items[at] = code
        with pytest.raises(ValueError, match=message):
            model.with_parameters(implicit_items=items)


def test_other_implicit_factors_make_other_sums(model: cf.SVDpp, ratings: cf.Ratings) -> None:
    before, users = model.predict(ratings), model.similar_users(3)
    other = model.with_parameters(implicit_factors=model.implicit_factors_[::-1].copy())
    assert not np.array_equal(other.predict(ratings), before)
    assert not np.array_equal(other.similar_users(3)[1], users[1])
    none = model.with_parameters(implicit_factors=np.zeros_like(model.implicit_factors_))
    expected = model.mean_ + model.user_bias_[3] + model.item_bias_[7]
    expected += model.user_factors_[3] @ model.item_factors_[7]
    assert none.predict(3, 7) == pytest.approx(np.clip(expected, *model.scale_), rel=1e-5)
    np.testing.assert_array_equal(model.predict(ratings), before)


def test_sums_after_fold_in_are_those_of_all_sets(model: cf.SVDpp, ratings: cf.Ratings) -> None:
    model.predict(ratings)  # forms the sums
    model.fold_in(([7, 7, 500], [3, 9, 3], [4, 1, 5]))
    fresh = model.with_parameters(user_factors=model.user_factors_.copy())  # has no sums yet
    np.testing.assert_array_equal(model.predict(ratings), fresh.predict(ratings))
    np.testing.assert_array_equal(model.predict(500, ratings.item_ids), fresh.predict(500, ratings.item_ids))
    np.testing.assert_array_equal(model.similar_users(500)[1], fresh.similar_users(500)[1])
