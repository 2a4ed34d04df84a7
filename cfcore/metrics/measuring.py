"""`evaluate`: the metrics of a model on test ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cfcore.data import Duplicates, as_ratings, needs_times
from cfcore.metrics.bootstrapping import Interval, bootstrap
from cfcore.metrics.measured import Measured, measured
from cfcore.metrics.names import (
    METRICS,
    OF_RATINGS,
    Metric,
    MetricLike,
    larger_is_better,
    parse,
)
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Metrics, warn_of_differences

__all__ = [
    "METRICS", "OF_RATINGS", "Interval", "Measured", "Metric", "Metrics", "bootstrap", "evaluate",
    "larger_is_better", "measured", "parse",
]  # fmt: skip


def evaluate(
    model: Any,
    test: Any,
    metrics: MetricLike | Iterable[MetricLike] | Mapping[str, MetricLike] = ("rmse", "mae"),
    *,
    k: int = 10,
    threshold: float | None = None,
    n_boot: int = 0,
    duplicates: Duplicates = "error",
    by: str | None = None,
    min_support: int = 0,
    exclude_seen: bool = True,
    items: Any = None,
    exclude: Any = None,
    timestamps: Any = None,
    candidates: str = "all",
) -> Metrics:
    """Metrics of a model's predictions of test ratings, and of its lists for the users of these.

    Parameters
    ----------
    model : Model
        Fitted.
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    metrics : str or function, iterable of them, or dict of names and them
        Of predictions "rmse", "mae", "fcp". Of lists "precision", "recall", "ndcg", "map", "mrr",
        "hit_rate", "novelty" and "coverage"; "ndcg@5" is that of lists of five. All lists come from one pass.
        "surprise_precision" and "surprise_recall", such as "surprise_precision@10", are those of
        scikit-surprise's FAQ, of the k test items with the highest predictions (`surprise_precision`).
        A function is called with the test ratings and the predictions, two arrays of float64, and returns a
        number. One whose first argument is called ``hits`` is called with ``hits`` and ``n_relevant``, as
        `precision` is, and returns a number, or one for each user (NaN: left out of the mean).
    k : int, default 10
        Length of lists for metrics whose name does not give it.
    threshold : float, optional
        The least rating of a relevant item; by default three quarters up the scale, 4 of 1 to 5. For
        "surprise_precision" and "surprise_recall" also the least prediction that recommends an item; by
        default 3.5 where the scale ends at 5, as in the FAQ.
    n_boot : int, default 0
        If positive, each value is an `Interval`, from so many draws by `bootstrap`.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item of `test` more than once, as in `Ratings`.
    by, min_support, exclude_seen, items, exclude, timestamps, candidates
        How lists are made, as in `recommend` and `judge`: those that
        ``recommend(..., by="preference", min_support=5)`` returns are judged by
        ``evaluate(..., by="preference", min_support=5)``. ``candidates="test"`` ranks the items of each
        user's test ratings only, which flatters: see `judge`.

    Returns
    -------
    Metrics
        A dict of str to float in the order of `metrics`, by the names as given; a function has its
        ``__name__``. Metrics of lists are means over the users with relevant items; novelty is the mean over
        all users with a list. FCP is NaN where no user gave two different ratings. Its attributes
        ``unknown_users`` and ``unknown_items`` count the test ratings whose user or item has no training
        ratings; ``n`` counts all. ``popularity`` holds the same metrics of lists for the items with most
        training ratings, the same for all users but for the items that the options leave out: what
        lists of a model are to be compared with.

    Raises
    ------
    ValueError, TypeError
        An unknown metric, or k, threshold, n_boot or an option of lists out of range.
    DataError
        Ratings that cannot be used; or metrics of lists where no user has a relevant item.

    Warns
    -----
    DataWarning
        Most users or items are unknown to the model, most test ratings are of pairs that it was fitted on, or
        they are on another scale than those of training.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    >>> train, test = cf.split.holdout(ratings, 0.2, random_state=0)
    >>> list(cf.metrics.evaluate(cf.Baseline().fit(train), test, ["rmse", "ndcg@5"]))
    ['rmse', 'ndcg@5']
    >>> def within_half(ratings, predictions):
    ...     return (abs(ratings - predictions) <= 0.5).mean()
    >>> list(cf.metrics.evaluate(cf.Baseline().fit(train), test, within_half))
    ['within_half']
    """
    test = as_ratings(test, duplicates=duplicates, timed=needs_times(model))
    options = ListOptions(by, min_support, exclude_seen, items, exclude, timestamps, candidates)
    if n_boot:
        return bootstrap(model, test, metrics, k=k, threshold=threshold, n_boot=n_boot, **vars(options))
    found, facts = measured(model, test, parse(metrics, k), threshold, options)
    if facts is not None:
        warn_of_differences("evaluate", [facts])
    return found
