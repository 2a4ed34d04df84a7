"""ItemKNN and UserKNN against what their docstrings promise."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.threads import policy

ARTICLE: dict[str, Any] = {
    "similarity": "pearson",
    "n_neighbors": None,
    "center": None,
    "shrinkage": 0,
    "no_overlap": 1.0,
    "positive_only": True,
}
BOTH = pytest.mark.parametrize("model_class", [cf.ItemKNN, cf.UserKNN])


def some_ratings(n_users: int = 25, n_items: int = 18, density: float = 0.45, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((n_users, n_items)) < density)
    taste = rng.normal(0, 1, n_users)[users] * rng.normal(0, 1, n_items)[items]
    return users, items, np.clip(np.round(3 + taste), 1, 5)


@pytest.fixture(scope="module")
def ratings() -> cf.Ratings:
    return cf.Ratings(*some_ratings(), scale=(1, 5))


def matrix(ratings: cf.Ratings) -> Any:
    """Dense ratings, NaN where there is none; users x items."""
    full = np.full((ratings.n_users, ratings.n_items), np.nan)
    full[ratings.user_codes, ratings.item_codes] = ratings.values
    return full


def everybody(ratings: cf.Ratings) -> Any:
    """All pairs of a known user and a known item."""
    return np.repeat(ratings.user_ids, ratings.n_items), np.tile(ratings.item_ids, ratings.n_users)


def by_hand(deviations: Any, similarity: Any, n: int, damping: float, power: float, positive: bool) -> Any:
    """Weighted mean deviation of each holder (row) and target (column), 0 without neighbours."""
    out = np.zeros(deviations.shape)
    for holder, target in np.ndindex(*out.shape):
        near = [(-abs(similarity[target, j]), j) for j in np.flatnonzero(~np.isnan(deviations[holder]))]
        near = [(s, j) for s, j in near if j != target and (similarity[target, j] > 0 or not positive)]
        chosen = [j for _, j in sorted(near)[:n]]
        weights = np.abs(similarity[target, chosen]) ** power
        signs = np.sign(similarity[target, chosen])
        if damping + weights.sum() > 0:
            out[holder, target] = (weights * signs) @ deviations[holder, chosen] / (damping + weights.sum())
    return out


class TestArticle:
    """The published algorithm is a setting."""

    @pytest.mark.parametrize(("model_class", "rmse"), [(cf.ItemKNN, 1.0416), (cf.UserKNN, 1.0219)])
    def test_rmse_on_u1(self, u1: Any, model_class: Any, rmse: float) -> None:
        train, test = u1
        compiled = model_class(**ARTICLE).fit(train).predict(test)
        assert int(cf.metrics.rmse(test.values, compiled) * 1e4) / 1e4 == rmse
        with cf.backend("reference"):
            reference = model_class(**ARTICLE).fit(train).predict(test)
        np.testing.assert_allclose(compiled, reference, atol=1e-6)

    def test_by_its_definition(self, u1: Any) -> None:
        """The sums over co-raters as matrix products in double precision."""
        train, test = u1
        full = np.nan_to_num(matrix(train))
        there = (full > 0).astype(float)
        n, x, xx, xy = there.T @ there, full.T @ there, (full**2).T @ there, full.T @ full
        spreads = (n * xx - x**2) * (n * xx - x**2).T
        similarity = np.divide(n * xy - x * x.T, np.sqrt(spreads), out=np.zeros_like(n), where=spreads > 0)
        similarity = np.maximum(np.where(n == 0, 1, similarity), 0)
        users, items = (
            np.searchsorted(train.user_ids, test.users),
            np.searchsorted(train.item_ids, test.items),
        )
        unknown = train.item_ids[np.minimum(items, train.n_items - 1)] != test.items
        items[unknown] = 0
        weighted, weights = (full @ similarity)[users, items], (there @ similarity)[users, items]
        expected = np.divide(weighted, weights, out=np.full(len(test), train.mean), where=weights > 0)
        means = full.sum(axis=1) / there.sum(axis=1)
        expected[unknown] = means[users[unknown]]
        predicted = cf.ItemKNN(**ARTICLE).fit(train).predict(test)
        np.testing.assert_allclose(predicted, expected, atol=1e-6)


@pytest.mark.parametrize(("model_class", "goal"), [(cf.ItemKNN, 0.921), (cf.UserKNN, 0.928)])
def test_defaults_on_u1(u1: Any, model_class: Any, goal: float) -> None:
    train, test = u1
    assert cf.metrics.rmse(test.values, model_class().fit(train).predict(test)) <= goal


@pytest.mark.parametrize("params", [ARTICLE, {}, {"center": "zscore"}, {"storage": 4, "center": "mean"}])
def test_users_and_items_exchange_roles(params: dict[str, Any]) -> None:
    users, items, values = some_ratings()
    by_items = cf.ItemKNN(**{"positive_only": True, "damping": 0.1, "power": 1.5, "n_neighbors": 5} | params)
    by_users = cf.UserKNN(**by_items.get_params()).set_params(
        reg_user=by_items.reg_item, reg_item=by_items.reg_user
    )
    by_items.fit((users, items, values))
    by_users.fit((items, users, values))
    pairs = np.repeat(np.arange(27), 20), np.tile(np.arange(20), 27)  # some of them unknown
    np.testing.assert_allclose(by_items.predict(*pairs), by_users.predict(*pairs[::-1]), atol=1e-5)


@pytest.mark.parametrize("positive_only", [True, False])
@pytest.mark.parametrize("center", [None, "mean", "zscore", "baseline"])
def test_prediction_by_hand(ratings: cf.Ratings, center: str | None, positive_only: bool) -> None:
    model = cf.ItemKNN(
        similarity="cosine" if center is None else "pearson_baseline", n_neighbors=4, center=center,
        shrinkage=3, damping=0.2, power=1.5, positive_only=positive_only,
    ).fit(ratings)  # fmt: skip
    full = matrix(ratings)
    spread = np.ones(full.shape[1])
    if center == "baseline":
        around = ratings.mean + model.user_centers_[:-1, None] + model.item_centers_[:-1]
    else:
        around = np.full(full.shape, ratings.mean)
        if center is not None:
            around[:] = np.nanmean(full, axis=0)
        if center == "zscore":
            spread = np.nanstd(full, axis=0)
            spread[spread == 0] = ratings.values.std()
    similarity = model.similarity_.astype(np.float64)
    expected = by_hand((full - around) / spread, similarity, 4, 0.2, 1.5, positive_only) * spread + around
    predicted = model.predict(*everybody(ratings)).reshape(full.shape)
    np.testing.assert_allclose(predicted, np.clip(expected, 1, 5), atol=1e-5)


@BOTH
def test_pearson_baseline_is_the_shrunk_cosine_of_residuals(ratings: cf.Ratings, model_class: Any) -> None:
    model = model_class(similarity="pearson_baseline", shrinkage=10).fit(ratings)
    residuals = matrix(ratings) - ratings.mean - model.user_centers_[:-1, None] - model.item_centers_[:-1]
    residuals = residuals if model_class is cf.ItemKNN else residuals.T
    there = ~np.isnan(residuals)
    for a, b in [(0, 1), (3, 7), (12, 5)]:
        both = there[:, a] & there[:, b]
        x, y = residuals[both, a], residuals[both, b]
        expected = x @ y / np.sqrt((x @ x) * (y @ y)) * (both.sum() - 1) / (both.sum() - 1 + 10)
        assert model.similarity_[a, b] == pytest.approx(expected, abs=1e-5)


@BOTH
def test_cosine_baseline_has_norms_over_all_ratings(ratings: cf.Ratings, model_class: Any) -> None:
    model = model_class(similarity="cosine_baseline", shrinkage=4).fit(ratings)
    residuals = matrix(ratings) - ratings.mean - model.user_centers_[:-1, None] - model.item_centers_[:-1]
    residuals = np.nan_to_num(residuals if model_class is cf.ItemKNN else residuals.T)
    norms = np.sqrt((residuals**2).sum(axis=0) + 4 * (residuals**2).sum() / len(ratings))
    expected = residuals.T @ residuals / norms / norms[:, None]
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(model.similarity_, expected, atol=1e-5)


def test_adjusted_cosine_takes_each_users_mean_away(ratings: cf.Ratings) -> None:
    model = cf.ItemKNN(similarity="adjusted_cosine", center="mean", shrinkage=0).fit(ratings)
    full = matrix(ratings)
    full -= np.nanmean(full, axis=1, keepdims=True)
    both = ~np.isnan(full[:, 2]) & ~np.isnan(full[:, 6])
    x, y = full[both, 2], full[both, 6]
    assert model.similarity_[2, 6] == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)), abs=1e-5)


class TestUnknown:
    """The fall-back, step by step."""

    @pytest.mark.parametrize("center", [None, "mean", "zscore"])
    def test_item_based(self, ratings: cf.Ratings, center: str | None) -> None:
        model = cf.ItemKNN(similarity="pearson", center=center).fit(ratings)
        full = matrix(ratings)
        assert model.predict(3, 999) == pytest.approx(np.nanmean(full[3]))
        assert model.predict(999, 3) == pytest.approx(np.nanmean(full[:, 3]) if center else ratings.mean)
        assert model.predict(999, 999) == pytest.approx(ratings.mean)

    @BOTH
    def test_around_the_baseline(self, ratings: cf.Ratings, model_class: Any) -> None:
        model = model_class().fit(ratings)
        users, items = model.user_centers_, model.item_centers_
        assert model.predict(3, 999) == pytest.approx(ratings.mean + users[3] + items[-1])
        assert model.predict(999, 3) == pytest.approx(ratings.mean + users[-1] + items[3])
        assert users[-1] == pytest.approx(np.average(users[:-1], weights=ratings.user_counts), abs=0.02)
        assert items[-1] == -users[-1]
        assert model.predict(999, 999) == pytest.approx(ratings.mean)

    def test_no_neighbour_at_all(self) -> None:
        """No user rated both x and y."""
        model = cf.ItemKNN(similarity="pearson", center=None)
        model.fit((["a", "a", "b"], ["x", "z", "y"], [5.0, 4.0, 1.0]))
        assert model.predict("a", "y") == pytest.approx(10 / 3)
        assert model.set_params(no_overlap=1.0).fit(
            (["a", "a", "b"], ["x", "z", "y"], [5.0, 4.0, 1.0])
        ).predict("a", "y") == pytest.approx(4.5)


class TestStorage:
    @BOTH
    def test_all_rows_kept_are_as_good_as_the_matrix(self, ratings: cf.Ratings, model_class: Any) -> None:
        params = {"similarity": "cosine", "center": "mean", "positive_only": True}
        dense = model_class(**params).fit(ratings)
        rows = model_class(**params, storage=500).fit(ratings)
        assert rows.neighbors_ is not None
        pairs = everybody(ratings)
        np.testing.assert_array_equal(rows.predict(*pairs), dense.predict(*pairs))

    def test_few_rows(self, ratings: cf.Ratings, tmp_path: Any) -> None:
        model = cf.ItemKNN(storage=3).fit(ratings)
        assert model.similarity_.shape == (ratings.n_items, 3)
        ids, similarities = model.similar_items(4, 10)
        dense_ids, dense = cf.ItemKNN(storage="dense").fit(ratings).similar_items(4, 3)
        np.testing.assert_array_equal(ids, dense_ids)
        np.testing.assert_allclose(similarities, dense)
        model.save(tmp_path / "model")
        pairs = everybody(ratings)
        for copy in (cf.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
            np.testing.assert_array_equal(copy.predict(*pairs), model.predict(*pairs))

    def test_an_int_of_numpy(self, ratings: cf.Ratings) -> None:
        assert cf.ItemKNN(storage=np.int64(3)).fit(ratings).similarity_.shape == (ratings.n_items, 3)
        assert cf.ItemKNN(storage="dense").fit(ratings).neighbors_ is None
        assert cf.ItemKNN().fit(ratings).neighbors_ is None

    def test_auto_keeps_rows_where_the_matrix_would_be_large(self) -> None:
        n = 16_385  # the docstring's limit, and one more
        users, items = np.repeat(np.arange(n), 2) % 500, np.arange(2 * n) // 2
        values = np.random.default_rng(0).integers(1, 6, 2 * n)
        users[1::2] = (users[1::2] + 7 * items[1::2] + 1) % 500
        train = cf.Ratings(users, items, values, duplicates="last")
        assert cf.ItemKNN().fit(train).similarity_.shape == (n, 1_000)
        with pytest.raises(ValueError, match="storage must be 'dense' for no_overlap=1"):
            cf.ItemKNN(no_overlap=1.0).fit(train)
        assert cf.UserKNN().fit(train).neighbors_ is None


class TestSimilar:
    def test_similar_items(self, ratings: cf.Ratings) -> None:
        model = cf.ItemKNN().fit(ratings)
        ids, similarities = model.similar_items(4, 5)
        row = model.similarity_[4].copy()
        row[4] = -2
        np.testing.assert_array_equal(ids, np.argsort(-row, kind="stable")[:5])
        np.testing.assert_allclose(similarities, np.sort(row)[::-1][:5])

    def test_users_cannot_be_compared_by_items(self, ratings: cf.Ratings) -> None:
        with pytest.raises(TypeError, match="ItemKNN does not compare users"):
            cf.ItemKNN().fit(ratings).similar_users(3)
        with pytest.raises(TypeError, match="UserKNN does not compare items"):
            cf.UserKNN().fit(ratings).similar_items(3)


class TestSameBits:
    @BOTH
    @pytest.mark.parametrize("params", [{}, ARTICLE, {"storage": 7}])
    def test_any_number_of_threads(self, u1: Any, model_class: Any, params: dict[str, Any]) -> None:
        train, test = u1
        few = train.subset(np.arange(0, len(train), 7))
        with policy(minimum_work=0):
            models = [model_class(**params, n_threads=n).fit(few) for n in (1, 2, 3, 4)]
            for model in models[1:]:
                np.testing.assert_array_equal(model.similarity_, models[0].similarity_)
                np.testing.assert_array_equal(model.predict(test), models[0].predict(test))

    def test_slices(self, ratings: cf.Ratings) -> None:
        model = cf.UserKNN(n_threads=1).fit(ratings)
        users, items = everybody(ratings)
        at_once = model.predict(users, items)
        for size in (1, 7, 100):
            sliced = [
                model.predict(users[start : start + size], items[start : start + size])
                for start in range(0, len(users), size)
            ]
            np.testing.assert_array_equal(np.concatenate(sliced), at_once)


@pytest.mark.parametrize(
    ("model_class", "damping", "power"), [(cf.ItemKNN, 8 / 179**0.5, 2.0), (cf.UserKNN, 0.06, 1.5)]
)
def test_damping_and_power_by_default(
    ratings: cf.Ratings, model_class: Any, damping: float, power: float
) -> None:
    assert len(ratings) == 179
    rule = model_class().defaults_for(ratings)
    shrinkage = 18.0 if model_class is cf.ItemKNN else 100.0
    assert rule == {"shrinkage": shrinkage, "damping": pytest.approx(damping), "power": power}
    given = model_class(**rule).fit(ratings)
    np.testing.assert_array_equal(
        given.predict(*everybody(ratings)), model_class().fit(ratings).predict(*everybody(ratings))
    )
    rule = {"shrinkage": shrinkage, "damping": 0.0, "power": 1.0}
    assert model_class(center="mean").defaults_for(ratings) == rule
    rule = {"shrinkage": 3.0, "damping": 0.5, "power": power}
    assert model_class(damping=0.5, shrinkage=3).defaults_for(ratings) == rule


def test_parameters_set_after_fit_apply_to_the_next(ratings: cf.Ratings) -> None:
    model = cf.ItemKNN().fit(ratings)
    before = model.predict(*everybody(ratings))
    model.set_params(n_neighbors=1, damping=3.0, power=1.0, positive_only=False, center="mean")
    np.testing.assert_array_equal(model.predict(*everybody(ratings)), before)
    assert (model.fit(ratings).predict(*everybody(ratings)) != before).any()


@BOTH
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"similarity": "euclid"}, ValueError),
        ({"center": "median"}, ValueError),
        ({"n_neighbors": 0}, ValueError),
        ({"n_neighbors": 2.5}, TypeError),
        ({"shrinkage": -1}, ValueError),
        ({"min_support": -1}, ValueError),
        ({"no_overlap": 2}, ValueError),
        ({"positive_only": "yes"}, TypeError),
        ({"damping": -0.1}, ValueError),
        ({"power": 0}, ValueError),
        ({"reg_user": -1}, ValueError),
        ({"storage": "sparse"}, ValueError),
        ({"storage": 0}, ValueError),
        ({"storage": 5, "no_overlap": 1.0}, ValueError),
    ],
)
def test_bad_parameters_are_named(ratings: cf.Ratings, model_class: Any, params: Any, error: Any) -> None:
    with pytest.raises(error, match=next(iter(params))):
        model_class(**params).fit(ratings)


@BOTH
def test_constant_ratings_and_single_ones(model_class: Any) -> None:
    for center in (None, "mean", "zscore", "baseline"):
        constant = model_class(center=center).fit(([1, 1, 2, 2, 3], [1, 2, 1, 2, 1], [4.0] * 5))
        np.testing.assert_allclose(constant.predict([1, 2, 3, 9], [1, 2, 2, 1]), 4.0)
        single = model_class(center=center).fit(([7], [8], [2.5]))
        np.testing.assert_allclose(single.predict([7, 7, 1], [8, 1, 8]), 2.5)


def test_verbose_shows_progress(ratings: cf.Ratings, capsys: pytest.CaptureFixture[str]) -> None:
    cf.ItemKNN(verbose=1).fit(ratings)
    assert "item similarities" in capsys.readouterr().err


def test_similarities_that_do_not_fit_are_refused_by_the_name_of_the_parameter() -> None:
    many = np.arange(400_000)
    ratings = cf.Ratings(many, many % 50, 1.0 + many % 5)
    with pytest.raises(MemoryError, match=r"^storage='dense': the similarities of 400,000 users \(an int "):
        cf.UserKNN(storage="dense").fit(ratings)
    with pytest.raises(MemoryError, match=r"^storage=300000: .* 300,000 of each, need .* GiB"):
        cf.UserKNN(storage=300_000).fit(ratings)
