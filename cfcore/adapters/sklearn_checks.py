"""scikit-learn's checks of estimators that are not for ids, with reasons."""

from __future__ import annotations

from typing import Any

__all__ = ["expected_failed_checks"]

REAL = "X is drawn from a normal distribution, and an id is no real number: fit refuses it"
MANY = (
    "X has more columns than user, item and time, and nothing says which they are: fit refuses it; with "
    "user=0 and item=1 the check passes"
)
REPEATED = 'X repeats pairs, which fit refuses; with duplicates="mean", "last" or "first" the check passes'
WEIGHTS = "the model takes no weights (ALS and BayesianSVD do): fit refuses them"

#: Checks whose X has 4 columns or more.
OF_MANY_COLUMNS = (
    "check_all_zero_sample_weights_error",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_fit2d_1sample",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
)
#: Checks with few columns whose X repeats pairs of users and items.
OF_REPEATED_PAIRS = (
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_pipeline_consistency",
    "check_readonly_memmap_input",
    "check_sample_weights_list",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_shape",
    "check_supervised_y_2d",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
)
#: Checks with many columns, one row or one message of which comes before repeated pairs.
WITHOUT_REPEATED_PAIRS = ("check_all_zero_sample_weights_error", "check_fit2d_1sample")
#: Checks with weights.
OF_WEIGHTS = (
    "check_all_zero_sample_weights_error",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
)


def expected_failed_checks(estimator: Any) -> dict[str, str]:
    """scikit-learn's checks of estimators that are not for columns of ids, with the reason for each.

    Parameters
    ----------
    estimator : RatingRegressor

    Returns
    -------
    dict of str to str
        Name of the check -> reason, as `sklearn.utils.estimator_checks.parametrize_with_checks` takes it
        (``expected_failed_checks=cfcore.sklearn.expected_failed_checks``), and, called, `check_estimator`.
        All others pass, and some of these may, as with data that happens to repeat no pair.

    Examples
    --------
    >>> import cfcore as cf
    >>> from sklearn.utils.estimator_checks import check_estimator
    >>> regressor = cf.sklearn.RatingRegressor(cf.Baseline())
    >>> reasons = cf.sklearn.expected_failed_checks(regressor)
    >>> results = check_estimator(regressor, expected_failed_checks=reasons, on_skip=None)
    """
    found = {"check_sample_weight_equivalence_on_dense_data": REAL}
    if estimator.duplicates == "error":
        repeated = {*OF_MANY_COLUMNS, *OF_REPEATED_PAIRS} - set(WITHOUT_REPEATED_PAIRS)
        found |= dict.fromkeys(sorted(repeated), REPEATED)
    if estimator.user is None or estimator.item is None:
        found |= dict.fromkeys(OF_MANY_COLUMNS, MANY)
    if not getattr(estimator.model, "takes_weights", False):
        found |= dict.fromkeys(OF_WEIGHTS, WEIGHTS)
    return found
