"""Results do not depend on the unit of the ratings, and textbook formulas have settings of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cfcore as cf
from cfcore.kernels.records import LevelRatings, ValueRatings
from cfcore.models.neighbors.measures import MEASURES
from cfcore.models.neighbors.similarities import grid, pack

BOTH = pytest.mark.parametrize("kind", [cf.ItemKNN, cf.UserKNN])
UNITS = (1e-6, 0.01, 0.25, 1 / 3, 1e6)
SIMILARITIES = [name for name in MEASURES if name != "raw_msd"]
SYNTHETIC = cf.datasets.synthetic(150, 90, 4_000, random_state=2)
TRAIN = cf.Ratings(SYNTHETIC.users, SYNTHETIC.items, SYNTHETIC.values)


def in_unit(ratings: cf.Ratings, unit: float, shift: float = 0.0) -> cf.Ratings:
    """The same ratings in another unit, around another zero."""
    values = ratings.values.astype(np.float64) * unit + shift
    return cf.Ratings(ratings.users, ratings.items, values)


def predictions(model: Any, ratings: cf.Ratings) -> Any:
    """Predictions for all pairs of the first users and items."""
    pairs = np.repeat(TRAIN.user_ids[:60], 60), np.tile(TRAIN.item_ids[:60], 60)
    return model.fit(ratings).predict(*pairs)


def apart(found: Any, plain: Any) -> float:
    """The difference that all but one in a hundred do not exceed: equal similarities may round apart."""
    return float(np.quantile(np.abs(found - plain), 0.99))


@BOTH
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("center", [None, "mean", "zscore", "baseline"])
def test_predictions_are_those_in_another_unit(kind: Any, similarity: str, center: str | None) -> None:
    model = kind(similarity=similarity, center=center)
    plain = predictions(model, TRAIN)
    for unit in UNITS:
        assert apart(predictions(model, in_unit(TRAIN, unit)) / unit, plain) < 1e-4
    if similarity != "cosine":
        for shift in (-3.0, 100.0):
            assert apart(predictions(model, in_unit(TRAIN, 1.0, shift)) - shift, plain) < 1e-3


@BOTH
@pytest.mark.parametrize("shrinkage", [0, 1.5, 300])
def test_so_are_those_with_a_shrinkage_that_is_given(kind: Any, shrinkage: float) -> None:
    for similarity in SIMILARITIES:
        model = kind(similarity=similarity, shrinkage=shrinkage)
        plain = predictions(model, TRAIN)
        assert apart(predictions(model, in_unit(TRAIN, 0.01)) / 0.01, plain) < 1e-4


def test_the_rounding_of_ratings_is_no_deviation_from_their_mean() -> None:
    # Both items have one rater with different ratings, whose deviations are not 0, and equal ones of others.
    users, items = [0, 0, 1, 1, 1, 2, 2, 3], [0, 1, 0, 1, 2, 0, 2, 2]
    stars = np.array([3, 3, 4, 4, 4, 2, 5, 1], dtype=np.float32)
    model = cf.ItemKNN(similarity="adjusted_cosine", shrinkage=0, center="mean")
    plain = model.fit((users, items, stars)).similarity_
    for unit in (0.1, 1e-5, 1 / 3):
        found = model.fit((users, items, stars * np.float32(unit))).similarity_
        np.testing.assert_allclose(found, plain, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        cf.GlobalMean(), cf.Baseline(), cf.Baseline(method="sgd", random_state=0), cf.Baseline(method="mean"),
        *(kind(n_factors=5, n_epochs=4, random_state=0) for kind in (cf.SVD, cf.SVDpp, cf.AsymmetricSVD)),
        cf.SVD(n_factors=5, n_epochs=4, init="uniform", random_state=0),
        cf.SVD(n_factors=5, n_epochs=4, biased=False, random_state=0),
        cf.RBM(n_hidden=5, n_epochs=2, random_state=0),
    ],
    ids=repr,
)  # fmt: skip
def test_no_other_model_depends_on_the_unit(model: Any) -> None:
    plain = predictions(model, TRAIN)
    for unit in UNITS:
        assert np.abs(predictions(model, in_unit(TRAIN, unit)) / unit - plain).max() < 1e-3


def test_times_and_units() -> None:
    times = np.random.default_rng(0).integers(880_000_000, 890_000_000, len(TRAIN))
    model = cf.TimeSVDpp(n_factors=5, n_epochs=4, random_state=0)

    def predicted(unit: float) -> Any:
        values = TRAIN.values.astype(np.float64) * unit
        train = cf.Ratings(TRAIN.users, TRAIN.items, values, times)
        return model.fit(train).predict(TRAIN.users, TRAIN.items, times) / unit

    for unit in UNITS:
        assert np.abs(predicted(unit) - predicted(1.0)).max() < 1e-3


@pytest.mark.parametrize("reg", [None, 0.0])
def test_a_folded_in_user_does_not_depend_on_the_unit(reg: float | None) -> None:
    new = cf.Ratings([9_999] * 8, TRAIN.item_ids[:8], [1, 5, 3, 4, 2, 5, 1, 3], scale=(1, 5))
    found = []
    for unit in (1.0, *UNITS):
        model = cf.SVD(n_factors=20, n_epochs=4, reg=reg, random_state=0).fit(in_unit(TRAIN, unit))
        model.fold_in(in_unit(new, unit))
        n = len(TRAIN.item_ids)
        found.append(model.score_codes(model.encode_users([9_999] * n), np.arange(n, dtype=np.int32)) / unit)
    for other in found[1:]:
        assert np.abs(other - found[0]).max() < 2e-2 * np.abs(found[0]).max()


@BOTH
def test_a_model_without_shrinkage_given_has_that_of_its_similarity(kind: Any) -> None:
    for similarity, measure in MEASURES.items():
        by_default = kind(similarity=similarity)
        given = kind(similarity=similarity, shrinkage=measure.shrinkage)
        assert by_default.defaults_for(TRAIN)["shrinkage"] == measure.shrinkage
        assert np.array_equal(predictions(by_default, TRAIN), predictions(given, TRAIN))
        assert by_default.set_params(similarity="pearson").defaults_for(TRAIN)["shrinkage"] == 100


def test_neighbours_by_pearson_baseline_rest_on_many_users() -> None:
    """With little shrinkage the nearest items are those that two or three users rated alike."""
    counts = TRAIN.item_counts
    popular = TRAIN.item_ids[np.argsort(-counts)[:10]]
    for model in (cf.ItemKNN(similarity="pearson_baseline"), cf.ItemKNN(similarity="cosine_baseline")):
        model.fit(TRAIN)
        near = [int(counts[TRAIN.item_ids.searchsorted(row)]) for item in popular
                for row in np.asarray(model.similar_items(item, n=5)[0])]  # fmt: skip
        assert np.mean(near) > np.median(counts)


# ---------------------------------------------------------------------- formulas of the literature


def by_the_book(name: str, full: Any, center: str | None, k: int) -> Any:
    """Predictions of KNNBasic, KNNWithMeans or KNNWithZScore, item-based; NaN where they are impossible."""
    n = full.shape[1]
    there = ~np.isnan(full)
    similarity = np.zeros((n, n))
    for i, j in np.ndindex(n, n):
        both = there[:, i] & there[:, j]
        x, y = full[both, i], full[both, j]
        if name == "pearson":
            x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
        if name in ("msd", "raw_msd"):
            similarity[i, j] = 1 / (1 + np.mean((x - y) ** 2)) if len(x) else 0
        else:
            norm = np.sqrt((x @ x) * (y @ y))
            similarity[i, j] = x @ y / norm if norm > 1e-9 else 0
    means = np.nanmean(full, axis=0) if center else np.zeros(n)
    spreads = np.nanstd(full, axis=0) if center == "zscore" else np.ones(n)
    out = np.full(full.shape, np.nan)
    for user, item in np.ndindex(*full.shape):
        rated = [j for j in np.flatnonzero(there[user]) if j != item and similarity[item, j] > 1e-9]
        near = sorted(rated, key=lambda j: (-similarity[item, j], j))[:k]
        if near:
            weights = similarity[item, near]
            deviations = (full[user, near] - means[near]) / spreads[near]
            out[user, item] = means[item] + spreads[item] * (weights @ deviations) / weights.sum()
    return out


@pytest.mark.parametrize("name", ["cosine", "pearson", "msd", "raw_msd"])
@pytest.mark.parametrize("center", [None, "mean", "zscore"])
@BOTH
def test_settings_of_the_textbook(kind: Any, name: str, center: str | None) -> None:
    """With no shrinkage, damping and power the models are those of scikit-surprise, ties apart."""
    rng = np.random.default_rng(3)
    full = np.where(rng.random((40, 14)) < 0.6, rng.integers(1, 6, (40, 14)).astype(float), np.nan)
    full[0], full[1] = 1.0, 5.0  # both ends of the scale
    users, items = np.nonzero(~np.isnan(full))
    ratings = cf.Ratings(users, items, full[users, items])
    if kind is cf.UserKNN:
        ratings = cf.Ratings(items, users, full[users, items])
    model = kind(
        similarity=name, center=center, n_neighbors=None, shrinkage=0, damping=0, power=1, positive_only=True
    ).fit(ratings)
    expected = by_the_book(name, full, center, 10_000)
    pairs = np.repeat(np.arange(40), 14), np.tile(np.arange(14), 40)
    found = model.predict(*(pairs if kind is cf.ItemKNN else pairs[::-1])).reshape(40, 14)
    possible = ~np.isnan(expected)
    assert possible.mean() > 0.9
    assert np.abs(found - expected.clip(1, 5))[possible].max() < 1e-5


def test_msd_in_quarters_of_the_scale_and_in_the_unit() -> None:
    data = ([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2], np.array([0.5, 1.5, 5.0, 4.0, 2.0, 2.5]))
    squares = np.mean([1.0, 1.0, 0.25])
    raw = cf.ItemKNN(similarity="raw_msd", shrinkage=0).fit(data)
    assert raw.similarity_[0, 1] == pytest.approx(1 / (1 + squares))
    scaled = cf.ItemKNN(similarity="msd", shrinkage=0).fit(data)
    assert scaled.similarity_[0, 1] == pytest.approx(1 / (1 + squares / (4.5 / 4) ** 2))


# ---------------------------------------------------------------------- ratings in equal steps


@pytest.mark.parametrize("step", [0.1, 0.2, 0.25, 1e-6, 1e5, 1 / 3])
@pytest.mark.parametrize("low", [1, 0, -4, 10])
def test_steps_of_any_size_are_levels(step: float, low: int) -> None:
    levels = np.random.default_rng(0).integers(0, 11, 500)
    values = ((low + levels) * step).astype(np.float32)
    values[:2] = np.float32(low * step), np.float32((low + 10) * step)
    found = grid(values)
    assert found is not None
    lowest, n_levels, size = found
    assert (lowest, n_levels) == (low, 11)
    assert size == pytest.approx(step, rel=1e-5)


def test_unequal_steps_and_many_values_are_no_levels() -> None:
    assert grid(np.array([1.0, 1.1, 1.25, 3.0], dtype=np.float32)) is None
    assert grid(np.linspace(0, 1, 17, dtype=np.float32)) is None
    assert grid(np.float32(1e8) + np.array([0, 8, 16, 24.5], dtype=np.float32)) is None
    late = np.append(np.zeros(20_000), np.linspace(0, 0.3, 50)).astype(np.float32)
    assert grid(late) is None


def test_levels_give_the_similarities_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = in_unit(TRAIN, 0.2, 0.07)
    assert isinstance(pack(scaled.by_item, scaled.by_user, "cosine"), LevelRatings)
    models = [cf.ItemKNN(similarity=name) for name in ("cosine", "pearson", "msd", "jaccard")]
    found = [model.clone().fit(scaled).similarity_ for model in models]
    monkeypatch.setattr("cfcore.models.neighbors.similarities.grid", lambda values: None)
    assert isinstance(pack(scaled.by_item, scaled.by_user, "cosine"), ValueRatings)
    for model, similarity in zip(models, found, strict=True):
        np.testing.assert_allclose(model.clone().fit(scaled).similarity_, similarity, atol=2e-5)
