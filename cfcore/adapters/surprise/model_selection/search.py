"""Search for parameters by cross-validation, as of scikit-surprise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from cfcore.adapters.surprise.dataset import DatasetUserFolds
from cfcore.adapters.surprise.model_selection.split import get_cv
from cfcore.adapters.surprise.model_selection.validation import run_all
from cfcore.adapters.surprise.utils import get_rng

__all__ = ["BaseSearchCV", "GridSearchCV", "RandomizedSearchCV"]

#: Measures of which the greatest is the best.
_GREATER_IS_BETTER = ("fcp",)


class BaseSearchCV(ABC):
    """What both searches share; see `GridSearchCV`."""

    param_combinations: Sequence[dict[str, Any]]
    best_estimator: dict[str, Any]
    best_params: dict[str, dict[str, Any]]
    best_score: dict[str, float]
    best_index: dict[str, int]
    cv_results: dict[str, Any]

    @abstractmethod
    def __init__(
        self,
        algo_class: Any,
        measures: Sequence[str] = ["rmse", "mae"],
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int = 1,
        pre_dispatch: int | str = "2*n_jobs",
        joblib_verbose: int = 0,
    ) -> None:
        self.algo_class = algo_class
        self.measures = [name.lower() for name in measures]
        self.cv = cv
        if isinstance(refit, str):
            if refit.lower() not in self.measures:
                raise ValueError(
                    f"It looks like the measure you want to use with refit ({refit}) is not in the measures "
                    f"parameter"
                )
            self.refit: bool | str = refit.lower()
        else:
            self.refit = self.measures[0] if refit is True else False
        self.return_train_measures, self.n_jobs = return_train_measures, n_jobs
        self.pre_dispatch, self.joblib_verbose = pre_dispatch, joblib_verbose

    def _parse_options(self, params: dict[str, Any]) -> dict[str, Any]:
        """Replace dicts of lists, as ``sim_options``, by lists of dicts."""
        for name in ("sim_options", "bsl_options"):
            if name in params:
                params[name] = _combinations(params[name])
        return params

    def fit(self, data: Any) -> None:
        """Cross-validate the algorithm with each combination of parameters.

        Raises
        ------
        ValueError
            `refit` is set, and the data is from `Dataset.load_from_folds`.
        """
        if self.refit and isinstance(data, DatasetUserFolds):
            raise ValueError("refit cannot be used when data has been loaded with load_from_folds().")
        splits = get_cv(self.cv)
        tasks = (
            (self.algo_class(**params), trainset, testset, self.measures, self.return_train_measures)
            for params, (trainset, testset) in product(self.param_combinations, splits.split(data))
        )
        outcomes = run_all(tasks, self.n_jobs, self.pre_dispatch, self.joblib_verbose)
        of_test, of_train, fit_times, test_times = zip(*outcomes, strict=True)
        n_splits = splits.get_n_folds()
        self.best_index, self.best_params, self.best_score, self.best_estimator = {}, {}, {}, {}
        results: dict[str, Any] = {}

        def by_combination(values: Any) -> np.ndarray[Any, Any]:
            return np.array(list(values)).reshape(len(self.param_combinations), n_splits)

        for name in self.measures:
            self._summarise(
                name,
                by_combination(scores[name] for scores in of_test),
                by_combination(scores[name] for scores in of_train) if self.return_train_measures else None,
                results,
            )
        for label, times in (("fit", by_combination(fit_times)), ("test", by_combination(test_times))):
            results[f"mean_{label}_time"], results[f"std_{label}_time"] = (
                times.mean(axis=1),
                times.std(axis=1),
            )
        results["params"] = self.param_combinations
        for name in self.param_combinations[0]:
            results[f"param_{name}"] = [params[name] for params in self.param_combinations]
        self.cv_results = results
        if self.refit:
            self.best_estimator[str(self.refit)].fit(data.build_full_trainset())

    def _summarise(self, name: str, test: Any, train: Any | None, results: dict[str, Any]) -> None:
        """Add the columns of a measure to the results, and what is best by it."""
        for split in range(test.shape[1]):
            results[f"split{split}_test_{name}"] = test[:, split]
            if train is not None:
                results[f"split{split}_train_{name}"] = train[:, split]
        means = test.mean(axis=1)
        results[f"mean_test_{name}"], results[f"std_test_{name}"] = means, test.std(axis=1)
        if train is not None:
            results[f"mean_train_{name}"] = train.mean(axis=1)
            results[f"std_train_{name}"] = train.std(axis=1)
        order = np.argsort(means)
        if name in _GREATER_IS_BETTER:
            best, order = means.argmax(), order[::-1]
        else:
            best = means.argmin()
        ranks = np.empty_like(order)
        ranks[order] = np.arange(1, len(order) + 1)
        results[f"rank_test_{name}"] = ranks
        self.best_index[name], self.best_score[name] = best, means[best]
        self.best_params[name] = self.param_combinations[best]
        self.best_estimator[name] = self.algo_class(**self.best_params[name])

    def test(self, testset: Any, verbose: bool = False) -> list[Any]:
        """`AlgoBase.test` of the best algorithm; ValueError if `refit` is False."""
        if not self.refit:
            raise ValueError("refit is False, cannot use test()")
        predictions: list[Any] = self.best_estimator[str(self.refit)].test(testset, verbose)
        return predictions

    def predict(self, *args: Any) -> Any:
        """`AlgoBase.predict` of the best algorithm; ValueError if `refit` is False."""
        if not self.refit:
            raise ValueError("refit is False, cannot use predict()")
        return self.best_estimator[str(self.refit)].predict(*args)


class GridSearchCV(BaseSearchCV):
    """Cross-validate an algorithm with all combinations of parameters.

    Parameters
    ----------
    algo_class : class
        A subclass of `AlgoBase`.
    param_grid : dict of str to list
        Values of each parameter; of ``sim_options`` and ``bsl_options``, a dict of such lists.
    measures : list of str
        Names of functions of `accuracy`.
    cv : iterator over splits, int or None
        As of `cross_validate`.
    refit : bool or str
        Whether to fit the best algorithm by the first measure, or by the named one, on all data.
    return_train_measures : bool
        Whether to measure the training sets too.
    n_jobs, pre_dispatch
        As of `cross_validate`.
    joblib_verbose : int
        As `verbose` of `joblib.Parallel`.

    Attributes
    ----------
    best_estimator, best_score, best_params, best_index : dict
        For each measure: the algorithm (not fitted, unless `refit`), the mean error over splits, the
        parameters, and their place in the results.
    cv_results : dict
        ``split0_test_rmse``, ``mean_test_rmse``, ``std_test_rmse``, ``rank_test_rmse``, the same of other
        measures and of training sets; ``mean_fit_time``, ...; ``params``, ``param_n_epochs``, ...: a value
        per combination, for ``pandas.DataFrame(cv_results)``.
    """

    def __init__(
        self,
        algo_class: Any,
        param_grid: Mapping[str, Any],
        measures: Sequence[str] = ["rmse", "mae"],
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int = 1,
        pre_dispatch: int | str = "2*n_jobs",
        joblib_verbose: int = 0,
    ) -> None:
        super().__init__(
            algo_class, measures, cv, refit, return_train_measures, n_jobs, pre_dispatch, joblib_verbose
        )
        self.param_grid = self._parse_options(dict(param_grid))
        self.param_combinations = _combinations(self.param_grid)


class RandomizedSearchCV(BaseSearchCV):
    """Cross-validate an algorithm with random combinations of parameters.

    Parameters
    ----------
    algo_class : class
    param_distributions : dict of str to list or distribution
        Values, or a distribution with a method ``rvs``, as those of `scipy.stats`. With lists alone,
        combinations are drawn without replacement.
    n_iter : int
        Number of combinations.
    measures, cv, refit, return_train_measures, n_jobs, pre_dispatch
        As of `GridSearchCV`, as are the attributes.
    random_state : int, RandomState or None
        For draws from distributions. As in scikit-surprise, it has no effect with lists alone: call
        ``np.random.seed`` for the same combinations.
    joblib_verbose : int
    """

    def __init__(
        self,
        algo_class: Any,
        param_distributions: Mapping[str, Any],
        n_iter: int = 10,
        measures: Sequence[str] = ["rmse", "mae"],
        cv: Any = None,
        refit: bool | str = False,
        return_train_measures: bool = False,
        n_jobs: int = 1,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | np.random.RandomState | None = None,
        joblib_verbose: int = 0,
    ) -> None:
        super().__init__(
            algo_class, measures, cv, refit, return_train_measures, n_jobs, pre_dispatch, joblib_verbose
        )
        self.n_iter, self.random_state = n_iter, random_state
        self.param_distributions = self._parse_options(dict(param_distributions))
        self.param_combinations = self._sample_parameters(self.param_distributions, n_iter, random_state)

    @staticmethod
    def _sample_parameters(
        param_distributions: dict[str, Any],
        n_iter: int,
        random_state: int | np.random.RandomState | None = None,
    ) -> Sequence[dict[str, Any]]:
        if not any(hasattr(values, "rvs") for values in param_distributions.values()):
            # As in scikit-surprise, from NumPy's global generator whatever `random_state` is.
            combinations: Any = _combinations(param_distributions)
            chosen: Any = get_rng(None).choice(combinations, n_iter, replace=False)
            return chosen
        rng = get_rng(random_state)
        in_order = sorted(param_distributions.items())
        return [
            {
                name: (
                    values.rvs(random_state=rng)
                    if hasattr(values, "rvs")
                    else values[rng.randint(len(values))]
                )
                for name, values in in_order
            }
            for _ in range(n_iter)
        ]


def _combinations(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All combinations of the values of each key; the last key changes first."""
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]
