"""RatingRegressor in scikit-learn's searches and pipelines, and against its checks of estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

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


#: Why checks of scikit-learn fail on ids: the error with which their features are refused. Their subjects are
#: tested by `test_estimator_checks_of_features_read_as_ids`.
REAL, MANY = "holds numbers that are not whole", "must have the columns user, item"
NOT_FOR_IDS = {
    # X is drawn from a normal distribution, and an id is no real number.
    "check_dict_unchanged": REAL,
    "check_dont_overwrite_parameters": REAL,
    "check_estimators_fit_returns_self": REAL,
    "check_estimators_nan_inf": REAL,
    "check_estimators_overwrite_params": REAL,
    "check_estimators_pickle": REAL,
    "check_f_contiguous_array_estimator": REAL,
    "check_fit2d_predict1d": REAL,
    "check_fit_check_is_fitted": REAL,
    "check_fit_idempotent": REAL,
    "check_fit_score_takes_y": REAL,
    "check_methods_sample_order_invariance": REAL,
    "check_methods_subset_invariance": REAL,
    "check_n_features_in": REAL,
    "check_pipeline_consistency": REAL,
    "check_readonly_memmap_input": REAL,
    "check_supervised_y_2d": REAL,
    # X has 4, 5 or 10 columns, and a rating has a user, an item and perhaps a time.
    "check_dtype_object": MANY,
    "check_estimators_dtypes": MANY,
    "check_fit2d_1sample": MANY,
    "check_n_features_in_after_fitting": MANY,
    "check_positive_only_tag_during_fit": MANY,
    "check_regressor_data_not_an_array": MANY,
    "check_regressors_int": MANY,
    "check_regressors_no_decision_function": MANY,
    "check_regressors_train": MANY,
}


def failures(regressor: Any) -> tuple[dict[str, str], set[str]]:
    """Messages of the checks that fail, by name, and the names of those that pass."""
    results = check_estimator(regressor, on_fail=None)
    failed = {
        result["check_name"]: f"{result['exception']} {result['exception'].__cause__}"
        for result in results
        if result["status"] == "failed"
    }
    return failed, {result["check_name"] for result in results if result["status"] == "passed"}


def test_estimator_checks() -> None:
    """All checks of scikit-learn but those that are about features, which are refused with a reason."""
    failed, passed = failures(cf.sklearn.RatingRegressor(cf.Baseline()))
    assert set(failed) <= set(NOT_FOR_IDS), set(failed) - set(NOT_FOR_IDS)
    for check, message in failed.items():
        assert NOT_FOR_IDS[check] in message, (check, message)
    assert {
        "check_estimator_cloneable",
        "check_estimators_unfitted",
        "check_estimator_sparse_matrix",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_no_attributes_set_in_init",
    } <= passed, sorted(passed)


def test_estimator_checks_of_features_read_as_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same checks with the first and the last feature, in eighths, read as ids of users and items."""
    from cfcore import sklearn

    def as_ids(X: Any) -> tuple[Any, Any, None]:
        X = np.column_stack(X) if isinstance(X, list) else np.asarray(X)
        first, last = np.rint(X[:, [0, -1]].astype(float).T * 8).astype(np.int64)
        return first, last, None

    monkeypatch.setattr(sklearn, "as_columns", as_ids)
    failed, passed = failures(cf.sklearn.RatingRegressor(cf.Baseline(), duplicates="mean"))
    # The one that fails requires R² > .5 where y is linear in ten features, of which ids keep two, as names.
    assert set(failed) <= {"check_regressors_train"}, failed
    assert set(NOT_FOR_IDS) - passed <= {"check_regressors_train"}


def test_a_frame_whose_columns_have_numbers_for_names() -> None:
    pandas = pytest.importorskip("pandas")
    expected = cf.sklearn.RatingRegressor(SVD).fit(X, Y).predict(X)
    frame = pandas.DataFrame(X)
    np.testing.assert_array_equal(cf.sklearn.RatingRegressor(SVD).fit(frame, Y).predict(frame), expected)
