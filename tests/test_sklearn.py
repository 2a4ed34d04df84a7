"""RatingRegressor in scikit-learn's searches and pipelines, and against its checks of estimators."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import cfcore as cf

RATINGS = cf.datasets.synthetic(60, 40, 900, random_state=0)
X = np.column_stack([RATINGS.users, RATINGS.items])
Y = RATINGS.values.astype(np.float64)
SVD = cf.SVD(n_factors=4, n_epochs=3, random_state=0)


def test_predicts_what_the_model_predicts() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = SVD.clone().fit((X[:, 0], X[:, 1], Y)).predict(X[:, 0], X[:, 1])
    named = {"who": X[:, 0], "what": X[:, 1]}
    for given in (X, X.astype(float), X.tolist(), pandas.DataFrame(named), polars.DataFrame(named)):
        regressor = cf.sklearn.RatingRegressor(SVD).fit(given, Y)
        np.testing.assert_array_equal(regressor.predict(given), expected)
    assert regressor.n_features_in_ == 2
    assert regressor.score(X, Y) > 0
    with pytest.raises(cf.NotFittedError):
        SVD.predict([1], [1])


def test_string_ids_and_times() -> None:
    pandas = pytest.importorskip("pandas")
    names = np.column_stack([[f"u{user:05d}" for user in X[:, 0]], [f"i{item:05d}" for item in X[:, 1]]])
    expected = cf.sklearn.RatingRegressor(SVD).fit(X, Y).predict(X)
    mixed = pandas.DataFrame({"user": names[:, 0], "item": X[:, 1], "time": np.arange(len(Y))})
    for given in (names, names.astype(object), mixed):
        np.testing.assert_array_equal(cf.sklearn.RatingRegressor(SVD).fit(given, Y).predict(given), expected)

    class Timed(cf.Baseline):
        """Predicts the time modulo five."""

        def _score(self, users: Any, items: Any, timestamps: Any) -> Any:
            return timestamps % 5.0

    timed = np.column_stack([X, np.arange(len(Y))])
    predicted = cf.sklearn.RatingRegressor(Timed(), scale=(0, 5)).fit(timed, Y).predict(timed)
    np.testing.assert_array_equal(predicted, np.arange(len(Y)) % 5)


def test_grid_search_is_cross_validation() -> None:
    folds = KFold(3, shuffle=True, random_state=0)
    model = cf.Baseline()
    search = GridSearchCV(
        cf.sklearn.RatingRegressor(model, scale=RATINGS.scale), {"model__reg_user": [0.5, 8.0]},
        cv=folds, scoring="neg_root_mean_squared_error",
    ).fit(X, Y)  # fmt: skip
    ratings = cf.Ratings(X[:, 0], X[:, 1], Y, scale=RATINGS.scale)
    own = [
        cf.selection.cross_validate(cf.Baseline(reg_user=reg), ratings, cv=folds.split(X)).mean("rmse")
        for reg in (0.5, 8.0)
    ]
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], own, rtol=1e-9)
    assert search.best_params_["model__reg_user"] == (0.5, 8.0)[int(np.argmin(own))]
    assert search.predict(X).shape == Y.shape


def test_halving_search_and_pipeline() -> None:
    halving = HalvingRandomSearchCV(
        cf.sklearn.RatingRegressor(SVD), {"model__lr": [0.005, 0.01, 0.02, 0.04]}, cv=3, random_state=0,
        n_candidates=4, min_resources=200,
    ).fit(X, Y)  # fmt: skip
    assert halving.n_iterations_ > 1
    assert halving.best_params_["model__lr"] in (0.005, 0.01, 0.02, 0.04)
    pipeline = Pipeline(
        [
            ("flip", FunctionTransformer(lambda pairs: pairs[:, ::-1])),
            ("rate", cf.sklearn.RatingRegressor(SVD)),
        ]
    )
    flipped = pipeline.fit(X[:, ::-1], Y).predict(X[:, ::-1])
    np.testing.assert_array_equal(flipped, cf.sklearn.RatingRegressor(SVD).fit(X, Y).predict(X))
    assert len(cross_val_score(pipeline, X[:, ::-1], Y, cv=3)) == 3
    blend = cf.sklearn.RatingRegressor(cf.Blend([cf.Baseline(), SVD], cv=2))
    assert clone(blend).set_params(model__svd__n_factors=2).fit(X, Y).model_.members_[1].n_factors == 2


def test_bad_input() -> None:
    regressor = cf.sklearn.RatingRegressor(SVD)
    with pytest.raises(ValueError, match="user ids"):
        regressor.fit(X + 0.5, Y)
    for wrong in (X[:, :1], np.column_stack([X, X])):
        with pytest.raises(ValueError, match="feature"):
            regressor.fit(wrong, Y)
    twice = np.vstack([X, X[:1]]), np.append(Y, 1.0)
    with pytest.raises(cf.DataError, match="repeats"):
        regressor.fit(*twice)
    cf.sklearn.RatingRegressor(SVD, duplicates="mean").fit(*twice)
    with pytest.raises(TypeError, match="model"):
        cf.sklearn.RatingRegressor("SVD").fit(X, Y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not fitted"):
        cf.sklearn.RatingRegressor(SVD).predict(X)


ALS = cf.ALS(n_factors=4, n_epochs=2, random_state=0)
CHECKED = [
    cf.sklearn.RatingRegressor(cf.Baseline(random_state=0)),
    cf.sklearn.RatingRegressor(SVD, duplicates="last"),
    cf.sklearn.RatingRegressor(ALS, user=0, item=1, duplicates="mean"),
]


@parametrize_with_checks(CHECKED[-1:], expected_failed_checks=cf.sklearn.expected_failed_checks)
@pytest.mark.filterwarnings("ignore::cfcore.DataWarning", "ignore:.*n_epochs")
def test_checks_of_estimators(estimator: Any, check: Any) -> None:
    """All checks of scikit-learn but those that are not for ids: see the next test."""
    with contextlib.suppress(SkipTest):  # of those for estimators of other kinds
        check(estimator)


@pytest.mark.filterwarnings("ignore::cfcore.DataWarning", "ignore::sklearn.exceptions.SkipTestWarning")
def test_checks_that_are_left_out_fail() -> None:
    """The list has no check that passes, and says of each what would make it pass."""
    left_out = []
    for regressor in CHECKED:
        reasons = cf.sklearn.expected_failed_checks(regressor)
        results = check_estimator(regressor, expected_failed_checks=reasons, on_fail=None, on_skip=None)
        failed = {one["check_name"] for one in results if one["status"] in ("failed", "xfail")}
        assert failed == set(reasons)
        left_out.append(failed)
    # With columns that are named, repeated pairs and weights allowed, one is left: ids of fractions.
    assert left_out[-1] == {"check_sample_weight_equivalence_on_dense_data"}


def test_a_frame_whose_columns_have_numbers_for_names() -> None:
    pandas = pytest.importorskip("pandas")
    expected = cf.sklearn.RatingRegressor(SVD).fit(X, Y).predict(X)
    frame = pandas.DataFrame(X)
    np.testing.assert_array_equal(cf.sklearn.RatingRegressor(SVD).fit(frame, Y).predict(frame), expected)
