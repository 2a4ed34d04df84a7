"""Cross-validation, as of scikit-surprise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cfcore.adapters.surprise import accuracy
from cfcore.adapters.surprise.model_selection.split import get_cv
from cfcore.adapters.surprise.trainset import Trainset

__all__ = ["cross_validate", "fit_and_score", "print_summary", "run_all"]

Scores = dict[str, float]
#: Errors of the test set, of the training set, and the seconds of fit and test.
Outcome = tuple[Scores, Scores, float, float]


def cross_validate(
    algo: Any,
    data: Any,
    measures: Sequence[str] = ["rmse", "mae"],
    cv: Any = None,
    return_train_measures: bool = False,
    n_jobs: int = 1,
    pre_dispatch: int | str = "2*n_jobs",
    verbose: bool = False,
) -> dict[str, Any]:
    """Fit and test an algorithm on all splits of a data set.

    Parameters
    ----------
    algo : AlgoBase
        With ``n_jobs=1`` this very object is fitted, on one split after the other.
    data : Dataset
    measures : list of str
        Names of functions of `accuracy`, in upper or lower case.
    cv : iterator over splits, int or None
        As `KFold`; an int is its number of splits; None is 5.
    return_train_measures : bool
        Whether to measure the training sets too.
    n_jobs : int
        Folds at the same time, in processes of joblib; -1: as many as there are processors.
    pre_dispatch : int or str
        As of `joblib.Parallel`.
    verbose : bool
        Whether to print a table.

    Returns
    -------
    dict
        ``test_rmse`` (and likewise of other measures), ``train_rmse`` if wanted: arrays with a value per
        split; ``fit_time``, ``test_time``: tuples of seconds.
    """
    names = [name.lower() for name in measures]
    splits = get_cv(cv)
    tasks = (
        (algo, trainset, testset, names, return_train_measures) for trainset, testset in splits.split(data)
    )
    outcomes = run_all(tasks, n_jobs, pre_dispatch, 0)
    of_test, of_train, fit_times, test_times = zip(*outcomes, strict=True)
    results: dict[str, Any] = {}
    tables: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in names:
        tables[0][name] = results[f"test_{name}"] = np.asarray([scores[name] for scores in of_test])
        if return_train_measures:
            tables[1][name] = results[f"train_{name}"] = np.asarray([scores[name] for scores in of_train])
    results["fit_time"], results["test_time"] = fit_times, test_times
    if verbose:
        print_summary(algo, names, *tables, fit_times, test_times, len(fit_times))
    return results


def run_all(
    tasks: Iterable[tuple[Any, ...]], n_jobs: int, pre_dispatch: int | str, verbose: int
) -> list[Outcome]:
    """`fit_and_score` of all tasks, each a tuple of its arguments; in processes if ``n_jobs != 1``.

    Raises
    ------
    ImportError
        joblib is needed for more than one job, and is not installed.
    """
    if n_jobs == 1 and not verbose:
        return [fit_and_score(*task) for task in tasks]
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        raise ImportError(
            f"n_jobs={n_jobs} needs joblib: pip install 'cfcore[surprise]', or use n_jobs=1"
        ) from error
    parallel: Callable[[Any], list[Outcome]] = Parallel(
        n_jobs=n_jobs, pre_dispatch=pre_dispatch, verbose=verbose
    )
    return parallel(delayed(fit_and_score)(*task) for task in tasks)


def fit_and_score(
    algo: Any,
    trainset: Trainset,
    testset: list[tuple[Any, Any, float]],
    measures: Sequence[str],
    return_train_measures: bool = False,
) -> Outcome:
    """Fit an algorithm on a training set and measure its errors on a test set.

    Returns
    -------
    test_measures, train_measures : dict of str to float
        The latter is empty unless it is wanted.
    fit_time, test_time : float
        Seconds.
    """
    start = time.time()
    algo.fit(trainset)
    fitted = time.time()
    predictions = algo.test(testset)
    tested = time.time()
    of_train: Scores = {}
    if return_train_measures:
        of_train = _scores(algo.test(trainset.build_testset()), measures)
    return _scores(predictions, measures), of_train, fitted - start, tested - fitted


def _scores(predictions: list[Any], measures: Sequence[str]) -> Scores:
    return {name: getattr(accuracy, name.lower())(predictions, verbose=False) for name in measures}


def print_summary(
    algo: Any,
    measures: Sequence[str],
    test_measures: dict[str, Any],
    train_measures: dict[str, Any],
    fit_times: Sequence[float],
    test_times: Sequence[float],
    n_splits: int,
) -> None:
    """Print a table of errors and times, a column per split."""
    names = ", ".join(name.upper() for name in measures)
    print(f"Evaluating {names} of algorithm {type(algo).__name__} on {n_splits} split(s).")
    print()
    rows = [("", [f"Fold {fold + 1}" for fold in range(n_splits)] + ["Mean", "Std"])]
    for part, found in (("testset", test_measures), ("trainset", train_measures)):
        rows += [
            (f"{name.upper()} ({part})", _with_mean(found[name], 4)) for name in measures if name in found
        ]
    rows += [("Fit time", _with_mean(fit_times, 2)), ("Test time", _with_mean(test_times, 2))]
    for label, cells in rows:
        print(f"{label:<18}" + "".join(f"{cell:<8}" for cell in cells))


def _with_mean(values: Sequence[float], digits: int) -> list[str]:
    return [f"{value:1.{digits}f}" for value in (*values, np.mean(values), np.std(values))]
