"""`ALS`: its steps are exact minima, for the ratings of the fit and for those that come later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from tests.contracts import structures

SETS = pytest.mark.parametrize("sets", ["both", "user", "item", None])


def ratings(n_users: int = 40, n_items: int = 25, n: int = 400, seed: int = 0) -> cf.Ratings:
    rng = np.random.default_rng(seed)
    cells = rng.choice(n_users * n_items, n, replace=False)
    users, items = cells // n_items, cells % n_items
    taste = rng.normal(0, 0.7, (n_users, 2))[users] * rng.normal(0, 0.7, (n_items, 2))[items]
    values = np.clip(np.round(3.3 + taste.sum(axis=1) + rng.normal(0, 0.8, n)), 1, 5)
    return cf.Ratings(users + 100, items + 1000, values)


RATINGS = ratings()
WEIGHTS = np.random.default_rng(1).uniform(0.3, 3.0, len(RATINGS))


def make(**params: Any) -> cf.ALS:
    return cf.ALS(**{"n_factors": 3, "n_epochs": 5, "scale_reg": True, "random_state": 0, **params})


@SETS
def test_conjugate_gradients_end_at_the_same_factors(sets: str | None) -> None:
    """After many epochs; errors are those of the exact epochs on the way. Rows that come later are exact."""
    fits = [make(sets=sets, solver=solver, n_epochs=60).fit(RATINGS) for solver in ("cholesky", "cg")]
    errors = [np.array(one.history_["train_rmse"]) for one in fits]
    np.testing.assert_allclose(errors[1], errors[0], atol=0.02)
    np.testing.assert_allclose(errors[1][-1], errors[0][-1], atol=1e-3)
    predicted = [one.predict(RATINGS.users, RATINGS.items) for one in fits]
    np.testing.assert_allclose(predicted[1], predicted[0], atol=0.02)
    given = dict(zip(RATINGS.items[:9].tolist(), RATINGS.values[:9].tolist(), strict=True))
    asked = RATINGS.items[:4]
    apart = fits[1].predict(asked, given=given) - fits[0].predict(asked, given=given)
    assert np.abs(apart).max() < 0.02


def test_conjugate_gradients_take_weights_threads_and_checkpoints(tmp_path: Any) -> None:
    usual = make(solver="cg", n_threads=1).fit(RATINGS, weights=WEIGHTS)
    other = make(solver="cg", n_threads=3).fit(RATINGS, weights=WEIGHTS, checkpoint=tmp_path / "als")
    assert other.user_factors_.tobytes() == usual.user_factors_.tobytes()
    assert (
        usual.history_["train_rmse"][-1]
        < make(solver="cg", n_epochs=1).fit(RATINGS).history_["train_rmse"][0]
    )
    with pytest.raises(ValueError, match="solver must be"):
        make(solver="qr").fit(RATINGS)


def centres(model: Any, kind: str) -> Any:
    """Sums over the sets of users, or items."""
    members = model.implicit_factors_ if kind == "user" else model.implicit_user_factors_
    rows = np.zeros((len(model.user_ids_), len(model.item_ids_)))
    rows[np.repeat(np.arange(len(rows)), np.diff(model.seen_indptr_)), model.seen_items_] = 1
    rows = rows if kind == "user" else rows.T
    rows /= np.maximum(np.sqrt(rows.sum(axis=1, keepdims=True)), 1)
    return rows @ members if members.shape[1] else np.zeros((len(rows), model.n_factors))


def parts(model: Any, given: cf.Ratings = RATINGS, weights: Any = None) -> tuple[float, float]:
    """The sum that the model minimises: of errors, and of penalties; by the equations of its docstring."""
    weights = np.ones(len(given)) if weights is None else weights
    rates = model.rates_
    users, items = given.user_codes, given.item_codes
    x, z = (getattr(model, f"{kind}_factors_").astype(float) for kind in ("user", "item"))
    errors = given.values - model.mean_ - model.user_bias_[users] - model.item_bias_[items]
    errors = errors - np.sum(x[users] * z[items], axis=1)
    total = 0.0
    for kind, rows, codes in (("user", x, users), ("item", z, items)):
        scales = np.bincount(codes, weights, len(rows)) if rates["scale_reg"] else np.ones(len(rows))
        total += rates["reg"] * np.sum(scales[:, None] * (rows - centres(model, kind)) ** 2)
        total += rates["reg_bias"] * np.sum(getattr(model, f"{kind}_bias_").astype(float) ** 2)
    total += rates["reg_implicit"] * (
        np.sum(model.implicit_factors_.astype(float) ** 2)
        + np.sum(model.implicit_user_factors_.astype(float) ** 2)
    )
    return float(np.sum(weights * errors**2)), float(total)


@SETS
@pytest.mark.parametrize("scale_reg", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_loss_never_grows(sets: Any, scale_reg: bool, weighted: bool) -> None:
    weights = WEIGHTS if weighted else None
    losses = []
    for n_epochs in range(1, 9):
        model = make(n_epochs=n_epochs, sets=sets, scale_reg=scale_reg).fit(RATINGS, weights=weights)
        losses.append(sum(parts(model, weights=weights)))
    assert (np.diff(losses) < 1e-5 * losses[0]).all()
    assert losses[-1] < losses[0]


@SETS
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_of_users_are_those_of_numpy(sets: Any, weighted: bool) -> None:
    weights = WEIGHTS if weighted else np.ones(len(RATINGS))
    model = make(sets=sets).fit(RATINGS, weights=weights)
    wanted, rates = centres(model, "user"), model.rates_
    for user in (0, 7, 39):
        mine = user == RATINGS.user_codes
        items, own = RATINGS.item_codes[mine], weights[mine]
        z = np.column_stack([model.item_factors_[items], np.ones(len(items))]).astype(float)
        targets = RATINGS.values[mine] - model.mean_ - model.item_bias_[items]
        penalties = np.append(np.full(3, rates["reg"] * own.sum()), rates["reg_bias"])
        right = (z * own[:, None]).T @ targets + penalties * np.append(wanted[user], 0)
        found = np.linalg.solve((z * own[:, None]).T @ z + np.diag(penalties), right)
        np.testing.assert_allclose(model.user_factors_[user], found[:3], atol=1e-5)
        np.testing.assert_allclose(model.user_bias_[user], found[3], atol=1e-5)


def test_the_training_error_is_that_of_the_parameters() -> None:
    model = make().fit(RATINGS, weights=WEIGHTS)
    expected = np.sqrt(parts(model, weights=WEIGHTS)[0] / WEIGHTS.sum())
    assert model.history_["train_rmse"][-1] == pytest.approx(expected, rel=1e-5)


@SETS
def test_ratings_of_training_give_the_rows_of_training(sets: Any) -> None:
    """A user who comes with the ratings of a user of the fit is that user, by all ways, to the bit."""
    model = make(sets=sets).fit(RATINGS)
    user = RATINGS.user_ids[3]
    mine = RATINGS.users == user
    own = dict(zip(RATINGS.items[mine].tolist(), RATINGS.values[mine].tolist(), strict=True))
    expected = model.predict([user] * RATINGS.n_items, RATINGS.item_ids)
    np.testing.assert_array_equal(model.predict(RATINGS.item_ids, given=own), expected)
    again = model.snapshot().fold_in(RATINGS.subset(mine))
    np.testing.assert_array_equal(again.user_factors_, model.user_factors_)
    new = model.snapshot().fold_in(([7] * len(own), list(own), list(own.values())))
    np.testing.assert_array_equal(new.predict([7] * RATINGS.n_items, RATINGS.item_ids), expected)


def test_weights_are_kept_for_users_who_rate_again() -> None:
    model = make().fit(RATINGS, weights=WEIGHTS)
    before, mine = model.user_factors_.copy(), RATINGS.users == 104
    missing = np.setdiff1d(RATINGS.item_ids, RATINGS.items[mine])[:1]
    model.fold_in(([104], missing, [5.0]))
    changed = (model.user_factors_ != before).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [4]
    begin, end = model.seen_indptr_[4:6]
    found = dict(zip(model.seen_items_[begin:end], model.seen_weights_[begin:end], strict=True))
    expected = dict(zip(RATINGS.item_codes[mine], WEIGHTS[mine].astype(np.float32), strict=True))
    assert found == {**expected, np.searchsorted(model.item_ids_, missing[0]): 1.0}


@pytest.mark.parametrize("sets", ["both", None])
def test_partial_fit_of_the_same_ratings_goes_on_with_the_fit(sets: Any) -> None:
    more = make(n_epochs=5, sets=sets).fit(RATINGS, weights=WEIGHTS)
    part = RATINGS.subset([0])
    losses = [sum(parts(more, weights=WEIGHTS))]
    for _ in range(3):
        more.partial_fit(part, n_epochs=2)
        losses.append(sum(parts(more, weights=WEIGHTS)))
    assert (np.diff(losses) < 0).all()
    assert more.n_epochs_ == 11


def test_a_weight_of_two_is_two_of_the_same_rating() -> None:
    """Two users who rate alike act on the items as one whose ratings have twice the weight."""
    once = ratings(20, 15, 150, seed=3)
    twice = cf.Ratings(
        np.append(once.users, once.users + 1000), np.tile(once.items, 2), np.tile(once.values, 2)
    )
    heavy = make(sets=None, n_epochs=200, reg_bias=1e-3, reg=0.3).fit(once, weights=np.full(150, 2.0))
    both = make(sets=None, n_epochs=200, reg_bias=1e-3, reg=0.3).fit(twice)
    np.testing.assert_allclose(
        heavy.predict(once.users, once.items), both.predict(once.users, once.items), atol=0.02
    )
    alike = make().fit(once, weights=np.ones(150)).predict(once.users, once.items)
    np.testing.assert_array_equal(alike, make().fit(once).predict(once.users, once.items))


def test_nothing_depends_on_the_unit_of_the_ratings() -> None:
    tenfold = cf.Ratings(RATINGS.users, RATINGS.items, 10 * RATINGS.values)
    one, ten = make().fit(RATINGS), make().fit(tenfold)
    pairs = RATINGS.users, RATINGS.items
    np.testing.assert_allclose(10 * one.predict(*pairs), ten.predict(*pairs), rtol=1e-4)


def test_effects_of_ratings_add_up_to_the_prediction() -> None:
    model = make().fit(RATINGS, weights=WEIGHTS)
    found = model.explain(104, 1003, None)
    assert found.exact
    assert found.base == pytest.approx(model.mean_ + model.item_bias_[3], abs=1e-4)
    other = model.with_parameters(user_factors=model.user_factors_ + np.float32(0.5))
    assert not other.explain(104, 1003, None).exact


def test_sets_lower_the_error_where_choices_tell_tastes() -> None:
    train, test = structures.choices(1)
    errors = [
        cf.metrics.rmse(test.values, cf.ALS(sets=sets, random_state=0).fit(train).predict(test))
        for sets in ("both", None)
    ]
    assert errors[0] < 0.99 * errors[1]


def test_an_early_end_keeps_the_best_epoch() -> None:
    train, test = structures.factors(1)
    model = make(reg=1e-3, n_epochs=60).fit(train, validation=test, early_stopping=2)
    errors = model.history_["validation_rmse"]
    assert model.n_epochs_ == int(np.argmin(errors)) + 1 < len(errors) < 60


def test_a_checkpoint_knows_its_weights(tmp_path: Any) -> None:
    path = tmp_path / "fit"
    expected = make(n_epochs=6).fit(RATINGS, weights=WEIGHTS)

    def stop(n: int, history: Any) -> None:
        if n == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(n_epochs=6).fit(RATINGS, weights=WEIGHTS, checkpoint=path, callback=stop)
    with pytest.raises(cf.DataError, match="the weights given to fit"):
        make(n_epochs=6).fit(RATINGS, weights=WEIGHTS + 1, checkpoint=path)
    found = make(n_epochs=6).fit(RATINGS, weights=WEIGHTS, checkpoint=path)
    np.testing.assert_array_equal(found.user_factors_, expected.user_factors_)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"shape \(400,\)"),
        (np.ones((400, 1)), r"shape \(400,\)"),
        (["a"] * 400, "array of numbers"),
        (np.append(np.ones(399), 0.0), "row 399 is 0"),
        (np.append(-1.0, np.ones(399)), "row 0 is -1"),
        (np.append(np.nan, np.ones(399)), "row 0 is nan"),
        (np.append(np.inf, np.ones(399)), "row 0 is inf"),
    ],
)
def test_weights_that_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(cf.DataError, match=message):
        make().fit(RATINGS, weights=weights)


def test_weights_of_repeated_pairs() -> None:
    columns = [1, 1, 2], [5, 5, 6], [3.0, 4.0, 1.0]
    with pytest.raises(cf.DataError, match="leave out duplicates="):
        make().fit(columns, duplicates="mean", weights=[1, 2, 3])


def test_equations_that_cannot_be_solved() -> None:
    with pytest.raises(cf.DivergenceError, match="Try reg=None"):
        make(reg=1e-300, n_factors=12).fit(ratings(10, 8, 30))
