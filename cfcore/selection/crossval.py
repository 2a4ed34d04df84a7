"""`cross_validate`: the errors of a model on ratings held out, fold by fold."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cfcore.data import Duplicates, as_ratings, needs_times
from cfcore.errors import DataError
from cfcore.metrics.judging import check_threshold
from cfcore.metrics.measuring import measured, parse
from cfcore.metrics.names import MetricLike
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Facts, warn_of_differences
from cfcore.models.core.model import Model
from cfcore.models.core.side_tables import given_features
from cfcore.random import RandomState
from cfcore.selection.fold_weights import FoldWeights
from cfcore.selection.folds import Folds, Pair, folds
from cfcore.selection.table import Table
from cfcore.selection.workers import Stop, prepared, run, share, side_by_side

__all__ = ["cross_validate"]


def cross_validate(
    model: Model,
    ratings: Any = None,
    cv: Folds = 5,
    metrics: MetricLike | Iterable[MetricLike] | Mapping[str, MetricLike] = ("rmse", "mae"),
    *,
    n_jobs: int | None = 1,
    random_state: RandomState = 0,
    duplicates: Duplicates = "error",
    threshold: float | None = None,
    by: str | None = None,
    min_support: int = 0,
    exclude_seen: bool = True,
    items: Any = None,
    exclude: Any = None,
    timestamps: Any = None,
    candidates: str = "all",
    user_features: Any = None,
    item_features: Any = None,
    weights: Any = None,
) -> Table:
    """Fit a model on the training part of each fold, and measure its predictions of the test part.

    Parameters
    ----------
    model : Model
        Its hyper-parameters; it is not changed.
    ratings : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
        Left out where `cv` brings its own.
    cv : int, str, callable, iterable or splitter, default 5
        - an int: so many random folds of equal size (`cf.split.kfold`);
        - "u1" to "u5", "ua", "ub", or a list of them: the splits that come with MovieLens 100K;
        - a function of the ratings that returns one pair of parts or several: any of `cf.split`, such as
          ``cf.split.user_holdout`` or ``lambda r: cf.split.repeated_kfold(r, 5, 3)``;
        - pairs (train, test) of ratings, or of rows (indices or masks) of `ratings`;
        - a splitter of scikit-learn, such as ``KFold(5, shuffle=True)``; for those that divide groups, users
          are the groups.
    metrics : str or function, iterable of them, or dict of names and them
        Those of `cf.metrics.evaluate`: of lists, such as "ndcg@10", and functions of test ratings and
        predictions among them.
    n_jobs : int or None, default 1
        Folds at a time; None or -1 for as many as there are cores. Each gets its part of the cores, so that
        together they use no more than there are, and the errors do not depend on it.
    random_state : None, int, SeedSequence or Generator, default 0
        For random folds; by default they are the same every time, so that models can be compared.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item more than once, as in `Ratings`.
    threshold, by, min_support, exclude_seen, items, exclude, timestamps, candidates
        Which ratings are relevant, and how lists are made, as for `cf.metrics.evaluate`; `timestamps` is
        "test" or a single time here.
    user_features, item_features : DataFrame, dict, (sparse matrix, ids) or Features, optional
        Tables for the fits of models that take features, as `BayesianSVD.fit`.
    weights : array_like of float, shape (n_ratings,), optional
        Weights of `ratings`, for models that take them, as `ALS` and `BayesianSVD`: each fit has those of its
        training part. Test ratings count alike.

    Returns
    -------
    Table
        A row for each fold: ``fold``, the metrics, ``fit_seconds``, ``predict_seconds`` (lists included),
        ``n_train``, ``n_test``, ``n_unknown`` (test ratings whose user or item has no training ratings). It
        prints with mean and standard deviation; ``.mean("rmse")``, ``.to_frame()``. Below them is a line of
        the means of lists by popularity, for metrics of lists; ``.popularity["ndcg@10"]`` has those of each
        fold.

    Raises
    ------
    ValueError, TypeError, DataError
        A `cv`, a metric or ratings that cannot be used; and the errors of `fit`. DataError where a metric of
        lists has no relevant item in a fold.

    Warns
    -----
    DataWarning
        As `cf.metrics.evaluate`, over all folds.

    Notes
    -----
    Folds share the vocabularies. A fold's columns are copied from the ratings when a worker is free, and
    freed afterwards: beside the ratings there are never more copies than workers.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(50, 40, 600, random_state=0)
    >>> found = cf.selection.cross_validate(cf.Baseline(), ratings, cv=3)
    >>> found["rmse"].shape
    (3,)
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a model of cfcore, not {type(model).__name__}")
    if ratings is not None:
        ratings = as_ratings(ratings, duplicates=duplicates, timed=needs_times(model))
    names = None if ratings is None else ratings.column_names
    side = given_features(model, user_features, item_features, names)
    weighted = FoldWeights(model, ratings, weights, duplicates)
    wanted, all_facts = parse(metrics), list[Facts]()
    check_threshold(threshold)
    options = ListOptions(by, min_support, exclude_seen, items, exclude, timestamps, candidates)
    popular: dict[int, dict[str, float]] = {}
    workers, threads = share(n_jobs)

    def one(task: tuple[int, Pair], stop: Stop) -> dict[str, float]:
        fold, pair = task
        own, asked = prepared(model, threads), (wanted, threshold, options)
        more = {**side, **weighted.of(pair[0])}
        row, popular[fold], facts = run(of_fold, own, fold, pair, asked, more, stop=stop)
        if facts is not None:
            all_facts.append(facts)
        return row

    found = list(side_by_side(one, numbered(folds(ratings, cv, random_state)), workers))
    warn_of_differences("cross_validate", all_facts)
    columns = {name: [row[name] for row in found] for name in found[0]}
    lines = {name: [popular[fold][name] for fold in range(len(found))] for name in popular[0]}
    return Table({"fold": range(len(found)), **columns}, summary=True, popularity=lines)


def of_fold(
    model: Model, fold: int, pair: Pair, asked: tuple[Any, float | None, ListOptions],
    side: Mapping[str, Any], stop: Stop | None,
) -> tuple[dict[str, float], dict[str, float], Facts | None]:  # fmt: skip
    """Fit and measure one fold: a row of the table, metrics of lists by popularity, facts of the metrics."""
    (train, test), timed = pair, Timed(model)
    start = time.perf_counter()
    timed.model.fit(train, callback=stop, **side)
    fit_seconds = time.perf_counter() - start
    try:
        values, facts = measured(timed, test, *asked)
    except DataError as error:
        raise DataError(f"fold {fold}: {error}") from error
    row = {
        **values,
        "fit_seconds": fit_seconds,
        "predict_seconds": timed.seconds,
        "n_train": len(train),
        "n_test": len(test),
        "n_unknown": values.unknown,
    }
    return row, values.popularity, facts


def numbered(pairs: Iterable[Pair]) -> Iterator[tuple[int, Pair]]:
    """Folds with their numbers; no fold is kept beyond the next (`enumerate` keeps one)."""
    pairs = iter(pairs)
    for number in itertools.count():
        try:
            yield number, next(pairs)
        except StopIteration:
            return


class Timed:
    """A model whose predictions and lists are timed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def snapshot(self) -> Timed:
        """Itself: the model is not updated while it is timed."""
        return self

    def predict(self, *pairs: Any) -> Any:
        """`Model.predict`."""
        return self._timed(self.model.predict, *pairs)

    def score_codes(self, *pairs: Any) -> Any:
        """`Model.score_codes`."""
        return self._timed(self.model.score_codes, *pairs)

    def preference_codes(self, *pairs: Any) -> Any:
        """`Model.preference_codes`."""
        return self._timed(self.model.preference_codes, *pairs)

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        found = call(*arguments)
        self.seconds += time.perf_counter() - start
        return found

    def recommend_batches(self, *users: Any, **options: Any) -> Iterator[Any]:
        """`Model.recommend_batches`."""
        batches = self.model.recommend_batches(*users, **options)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch
