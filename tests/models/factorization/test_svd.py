"""`SVD`: accuracy, reproducibility, fallbacks, early stopping, divergence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.arrays import row_length
from cfcore.config import config
from cfcore.models.factorization.svd import Rates
from cfcore.threads import policy, workers_of_last_call

ARTICLE = {
    "n_factors": 30, "n_epochs": 20, "lr": 0.04, "lr_decay": 0.93, "reg": 0.15, "init": "uniform",
    "clip_error": True, "update": "sequential",
}  # fmt: skip
FITTED = ("user_factors_", "item_factors_", "user_bias_", "item_bias_")


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


@pytest.mark.parametrize("seed", range(5))
def test_article_settings_on_u1(u1: tuple[cf.Ratings, cf.Ratings], seed: int) -> None:
    train, test = u1
    model = cf.SVD(**ARTICLE, random_state=seed).fit(train)
    assert cf.metrics.rmse(test.values, model.predict(test)) <= 0.931


def test_defaults_on_u1(u1: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = u1
    model = cf.SVD(random_state=0).fit(train)
    assert cf.metrics.rmse(test.values, model.predict(test)) <= 0.918


def test_without_biases_on_u1(u1: tuple[cf.Ratings, cf.Ratings]) -> None:
    train, test = u1
    model = cf.SVD(biased=False, random_state=0).fit(train)
    assert not model.user_bias_.any()
    assert not model.item_bias_.any()
    assert cf.metrics.rmse(test.values, model.predict(test)) <= 0.94


def test_ratings_on_another_scale_are_fitted_as_well(ratings: cf.Ratings) -> None:
    # Ten times the ratings: the rule must give ten times the predictions.
    tenfold = cf.Ratings(ratings.users, ratings.items, ratings.values * 10)
    small = cf.SVD(random_state=0, dtype="float64").fit(ratings).predict(ratings)
    large = cf.SVD(random_state=0, dtype="float64").fit(tenfold).predict(ratings)
    np.testing.assert_allclose(large, 10 * small, rtol=1e-9)


def test_factors_predict_better_than_biases_alone(ratings: cf.Ratings) -> None:
    train, test = cf.split.holdout(ratings, 0.2, random_state=0)
    error = {
        n: cf.metrics.rmse(
            test.values, cf.SVD(n_factors=n, random_state=0, n_epochs=40).fit(train).predict(test)
        )
        for n in (0, 4)
    }
    assert error[4] < 0.95 * error[0]


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_number_of_threads_does_not_change_a_bit(dtype: str) -> None:
    train = some_ratings(n_users=400, n_items=300, n=30_000)
    models, workers = [], []

    def count(epochs: int, history: dict[str, list[float]]) -> None:
        workers.append(workers_of_last_call())

    with policy(minimum_work=0):
        for n in (1, 2, 3, 4):
            model = cf.SVD(n_factors=20, n_epochs=3, random_state=7, n_threads=n, dtype=dtype)
            models.append(model.fit(train, callback=count))
    assert all(same_bits(models[0], other) for other in models[1:])
    assert models[0].user_factors_.dtype == dtype
    if config()["openmp"]:
        assert workers == np.repeat([1, 2, 3, 4], 3).tolist()


@pytest.mark.parametrize("update", ["simultaneous", "sequential"])
def test_reference_agrees(ratings: cf.Ratings, update: str) -> None:
    model = cf.SVD(n_factors=5, n_epochs=4, random_state=0, update=update, clip_error=True, dtype="float64")
    compiled = model.clone().fit(ratings)
    with cf.backend("reference"):
        reference = model.clone().fit(ratings)
    for name in FITTED:
        np.testing.assert_allclose(getattr(compiled, name), getattr(reference, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(compiled.history_["train_rmse"], reference.history_["train_rmse"])
    np.testing.assert_allclose(compiled.predict(ratings), reference.predict(ratings), atol=1e-6)


def test_seeds_matter_and_repeat(ratings: cf.Ratings) -> None:
    first, again, other = (cf.SVD(n_factors=5, random_state=s).fit(ratings) for s in (1, 1, 2))
    assert same_bits(first, again)
    assert not same_bits(first, other)


def test_copies_and_files_predict_the_same_bits(ratings: cf.Ratings, tmp_path: Path) -> None:
    model = cf.SVD(n_factors=5, random_state=0).fit(ratings)  # 5 factors in rows of 16
    expected = model.predict(ratings)
    model.save(tmp_path / "model.safetensors")
    for twin in (copy.deepcopy(model), cf.load(tmp_path / "model.safetensors")):
        assert same_bits(model, twin)
        assert np.array_equal(twin.predict(ratings), expected)


# ---------------------------------------------------------------------- predictions


def test_users_without_ratings_have_no_factors(ratings: cf.Ratings) -> None:
    part = ratings.subset(ratings.user_codes >= 3)
    model = cf.SVD(n_factors=5, random_state=0).fit(part)
    assert not model.user_factors_[:3].any()
    assert model.user_factors_[3:].any(axis=1).all()
    assert model.predict(0, 999) == pytest.approx(model.mean_)


def test_predictions_are_the_equation(ratings: cf.Ratings) -> None:
    model = cf.SVD(n_factors=5, random_state=0).fit(ratings)
    u, i = ratings.user_codes, ratings.item_codes
    inner = (model.user_factors_[u] * model.item_factors_[i]).sum(axis=1)
    expected = np.clip(model.mean_ + model.user_bias_[u] + model.item_bias_[i] + inner, *model.scale_)
    np.testing.assert_allclose(model.predict(ratings), expected, rtol=1e-5)


def test_similar_items_by_cosine(ratings: cf.Ratings) -> None:
    model = cf.SVD(n_factors=5, random_state=0).fit(ratings)
    ids, similarities = model.similar_items(7, n=3)
    unit = model.item_factors_ / np.linalg.norm(model.item_factors_, axis=1, keepdims=True)
    cosines = unit @ unit[np.searchsorted(model.item_ids_, 7)]
    best = np.argsort(-cosines)[1:4]
    assert ids.tolist() == model.item_ids_[best].tolist()
    np.testing.assert_allclose(similarities, cosines[best], rtol=1e-5)
    assert model.similar_users(7, n=3)[0].shape == (3,)


@pytest.mark.parametrize("values", [[3.0], [4.0, 4.0, 4.0]])
def test_few_ratings(values: list[float]) -> None:
    n = len(values)
    model = cf.SVD(random_state=0).fit((list(range(n)), [0] * n, values))
    assert model.predict(0, 0) == pytest.approx(values[0], abs=0.01)


# ---------------------------------------------------------------------- training


def test_history_and_early_stopping(ratings: cf.Ratings) -> None:
    train, held_out = cf.split.holdout(ratings, 0.2, random_state=0)
    model = cf.SVD(n_factors=20, n_epochs=200, lr=0.05, reg=0.0, random_state=0)
    model.fit(train, validation=held_out, early_stopping=3)
    errors = model.history_["validation_rmse"]
    assert len(errors) == len(model.history_["train_rmse"]) < 200
    assert len(errors) - 1 - int(np.argmin(errors)) == 3
    kept = cf.metrics.rmse(held_out.values, model.predict(held_out))
    assert kept == pytest.approx(min(errors), abs=1e-6)


def test_divergence_keeps_the_last_good_epoch_and_names_a_smaller_rate(ratings: cf.Ratings) -> None:
    model = cf.SVD(n_factors=20, lr=0.02, lr_decay=1.6, reg=0.0, random_state=0)
    with pytest.warns(cf.ConvergenceWarning, match=r"are kept\. Try lr_decay=None"):
        model.fit(ratings)
    assert 0 < model.n_epochs_ < 20
    with pytest.raises(cf.DivergenceError, match=r"in epoch 1: .*Try lr=0\.75"):
        model.clone().set_params(lr=3.0, lr_decay=1.0, init_scale=1.0).fit(ratings)
    assert all(np.isfinite(getattr(model, name)).all() for name in FITTED)
    assert np.isfinite(model.predict(ratings)).all()


def test_given_rates_are_used_and_the_others_follow_the_ratings(ratings: cf.Ratings) -> None:
    usual = Rates.of(cf.SVD(), ratings)
    assert usual.n_epochs == 20
    assert usual.lr_decay**usual.n_epochs == pytest.approx(0.05)
    shared = Rates.of(cf.SVD(lr=0.2, reg=0.3), ratings)
    assert (shared.lr, shared.lr_bias, shared.reg, shared.reg_bias) == (0.2, 0.2, 0.3, 0.3)
    own = Rates.of(cf.SVD(lr=0.2, reg=0.3, lr_bias=0.01, reg_bias=0.0, init_scale=0.0), ratings)
    assert (own.lr, own.lr_bias, own.reg, own.reg_bias, own.init_scale) == (0.2, 0.01, 0.3, 0.0, 0.0)
    dense = Rates.of(cf.SVD(), some_ratings(n=4800))
    assert dense.reg < usual.reg


def test_the_sum_of_learning_rates_does_not_depend_on_the_number_of_epochs() -> None:
    train = some_ratings(n=4800)
    sums = []
    for n_epochs in (30, 40, 60):
        rates = Rates.of(cf.SVD(n_epochs=n_epochs), train)
        sums.append(sum(rates.in_epoch(k).lr for k in range(n_epochs)))
    assert sums == pytest.approx([sums[0]] * 3)


def test_learning_rates_fall_and_regularisation_does_not(ratings: cf.Ratings) -> None:
    rates = Rates.of(cf.SVD(lr=0.2, lr_decay=0.5, reg=0.3, lr_bias=0.1, reg_bias=0.4), ratings)
    assert (rates.in_epoch(0).lr, rates.in_epoch(2).lr, rates.in_epoch(2).lr_bias) == (0.2, 0.05, 0.025)
    assert (rates.in_epoch(2).reg, rates.in_epoch(2).reg_bias, rates.in_epoch(2).lr_decay) == (0.3, 0.4, 0.5)
    assert rates.after(3) == {"lr": 0.05, "reg": 0.3, "lr_bias": 0.025, "reg_bias": 0.4}
    model = cf.SVD(n_factors=2, n_epochs=3, lr=0.02, lr_decay=0.5, reg=0.3, random_state=0).fit(ratings)
    assert model.rates_ == {"lr": 0.005, "reg": 0.3, "lr_bias": 0.005, "reg_bias": 0.3}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_factors": -1}, "n_factors"),
        ({"n_epochs": 0}, "n_epochs"),
        ({"lr": 0.0}, "lr"),
        ({"lr_decay": -1}, "lr_decay"),
        ({"reg": -0.1}, "reg"),
        ({"lr_bias": float("nan")}, "lr_bias"),
        ({"init": "ones"}, "init"),
        ({"init_scale": -1}, "init_scale"),
        ({"update": "jacobi"}, "update"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_bad_parameters_are_named(ratings: cf.Ratings, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cf.SVD(**params).fit(ratings)


def test_rows_are_whole_groups() -> None:
    assert [row_length(n, "float32") for n in (0, 1, 16, 17, 100)] == [0, 16, 16, 32, 112]
    assert [row_length(n, "float64") for n in (8, 9)] == [8, 16]
