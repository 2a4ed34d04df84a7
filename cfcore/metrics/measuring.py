"""`evaluate` and `bootstrap`: the metrics of a model on test ratings, and their confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cfcore.data import Duplicates, as_ratings, needs_times
from cfcore.errors import DataError, DataWarning, shown, warn
from cfcore.metrics import accuracy, lists
from cfcore.metrics.digits import decimals
from cfcore.metrics.names import (
    METRICS,
    OF_RATINGS,
    Metric,
    MetricLike,
    called,
    larger_is_better,
    parse,
)
from cfcore.metrics.result import Facts, Metrics, facts_of, warn_of_differences
from cfcore.random import RandomState, generator

__all__ = [
    "METRICS", "OF_RATINGS", "Interval", "Metric", "Metrics", "bootstrap", "evaluate", "larger_is_better",
    "measured", "parse",
]  # fmt: skip

Array = np.ndarray[Any, Any]

#: Resampled users that are in memory at once.
AT_A_TIME = 1 << 22
#: More draws than this are refused.
MOST_DRAWS = 10**6


class Interval(NamedTuple):
    """A metric with its confidence interval.

    Attributes
    ----------
    value : float
        On the test ratings as they are.
    low, high : float
        Ends of the interval; NaN without one.
    error : float
        Standard error.
    """

    value: float
    low: float
    high: float
    error: float

    def __str__(self) -> str:
        form = f".{max(decimals(self.error), 4)}f"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"


class Measured:
    """Predictions and lists of a model for test ratings, computed once for all metrics."""

    def __init__(self, model: Any, test: Any, wanted: list[Metric], threshold: float | None) -> None:
        self.test = as_ratings(test, timed=needs_times(model))
        self.facts: Facts | None = facts_of(model, self.test) if hasattr(model, "encode_users") else None
        self.predictions: Array | None = None
        self.judged: lists.Judged | None = None
        if not all(metric.of_lists for metric in wanted):
            self.predictions = model.predict(self.test)
        lengths = [metric.k for metric in wanted if metric.of_lists]
        if lengths:
            self.judged = lists.lists_and_hits(model, self.test, max(lengths), threshold)
            needing = [
                one.label for one in wanted if one.of_lists and one.name not in ("novelty", "coverage")
            ]
            if needing and not self.judged.n_relevant.any():
                raise DataError(f"{needing[0]}: {lists.nothing_relevant(self.judged.threshold, self.test)}")

    def value(self, metric: Metric) -> float:
        """Value of a metric for all users together."""
        if not metric.of_lists:
            assert self.predictions is not None
            if metric.function is not None:
                # Copies: the function may change them.
                return called(metric, self.test.values.astype(np.float64), self.predictions.copy())
            return OF_RATINGS[metric.name](self.test.values, self.predictions, self.test.user_codes)
        assert self.judged is not None
        judged = self.judged.at(metric.k)
        if metric.function is not None:
            return called(metric, judged.hits.copy(), judged.n_relevant.copy())
        if metric.name == "coverage":
            return lists.coverage(judged.items, judged.shares)
        values = lists.BY_USER[metric.name](judged)
        kept = values[~np.isnan(values)]
        return float(kept.mean()) if len(kept) else float("nan")

    def sums(self, metric: Metric) -> tuple[Array, Array]:
        """Numerator and denominator of each user; a metric (rmse: its square) is the ratio of their sums."""
        if metric.of_lists:
            assert self.judged is not None
            values = np.full(len(self.judged.users), np.nan)
            judged = self.judged.at(metric.k)
            if metric.function is not None:  # without a value for each user there is no interval
                given = np.asarray(
                    metric.function(judged.hits.copy(), judged.n_relevant.copy()), dtype=np.float64
                )
                values = given if given.shape == values.shape else values
            elif metric.name in lists.BY_USER:
                values = lists.BY_USER[metric.name](judged)
            return np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
        users = np.unique(self.test.user_codes, return_inverse=True)[1]
        assert self.predictions is not None
        if metric.function is not None:
            return np.zeros(users.max() + 1), np.zeros(users.max() + 1)
        if metric.name == "fcp":
            in_order, different = accuracy.pairs_by_user(self.test.values, self.predictions, users)
            return in_order.astype(np.float64), different.astype(np.float64)
        errors: Array = self.test.values - self.predictions
        errors = errors * errors if metric.name == "rmse" else np.abs(errors)
        return np.bincount(users, weights=errors), np.bincount(users).astype(np.float64)

    def replicates(self, metric: Metric, n_boot: int, rng: np.random.Generator) -> Array:
        """Values of a function of predictions for users drawn with replacement: float64[n_boot]."""
        assert self.predictions is not None
        users = np.unique(self.test.user_codes, return_inverse=True)[1]
        order = np.argsort(users, kind="stable")
        counts = np.bincount(users)
        starts = np.cumsum(counts) - counts
        values, found = self.test.values.astype(np.float64), np.empty(n_boot)
        for at in range(n_boot):
            drawn = rng.integers(len(counts), size=len(counts))
            lengths = counts[drawn]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            rows = order[np.repeat(starts[drawn], lengths) + within]
            found[at] = called(metric, values[rows], self.predictions[rows])
        return found


def evaluate(
    model: Any,
    test: Any,
    metrics: MetricLike | Iterable[MetricLike] | Mapping[str, MetricLike] = ("rmse", "mae"),
    *,
    k: int = 10,
    threshold: float | None = None,
    n_boot: int = 0,
    duplicates: Duplicates = "error",
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
        A function is called with the test ratings and the predictions, two arrays of float64, and returns a
        number. One whose first argument is called ``hits`` is called with ``hits`` and ``n_relevant``, as
        `precision` is, and returns a number, or one for each user (NaN: left out of the mean).
    k : int, default 10
        Length of lists for metrics whose name does not give it.
    threshold : float, optional
        The least rating of a relevant item; by default three quarters up the scale, 4 of 1 to 5. Lists are
        made as by `judge`.
    n_boot : int, default 0
        If positive, each value is an `Interval`, from so many draws by `bootstrap`.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item of `test` more than once, as in `Ratings`.

    Returns
    -------
    Metrics
        A dict of str to float in the order of `metrics`, by the names as given; a function has its
        ``__name__``. Metrics of lists are means over the users with relevant items; novelty is the mean over
        all users with a list. FCP is NaN where no user gave two different ratings. Its attributes
        ``unknown_users`` and ``unknown_items`` count the test ratings whose user or item has no training
        ratings; ``n`` counts all.

    Raises
    ------
    ValueError, TypeError
        An unknown metric, or k, threshold or n_boot out of range.
    DataError
        Ratings that cannot be used; or metrics of lists where no user has a relevant item.

    Warns
    -----
    DataWarning
        Most users or items are unknown to the model, or the test ratings are on another scale than those of
        training.

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
    if n_boot:
        return bootstrap(model, test, metrics, k=k, threshold=threshold, n_boot=n_boot)
    found, facts = measured(model, test, parse(metrics, k), threshold)
    if facts is not None:
        warn_of_differences("evaluate", [facts])
    return found


def measured(
    model: Any, test: Any, wanted: list[Metric], threshold: float | None = None
) -> tuple[Metrics, Facts | None]:
    """Values of metrics, and facts about the test ratings, of which nothing is said yet."""
    one = Measured(model, test, wanted, threshold)
    found = Metrics({metric.label: one.value(metric) for metric in wanted}, one.facts)
    for metric in wanted:
        if metric.name == "fcp" and np.isnan(found[metric.label]):
            warn("fcp has no value: no user of the test ratings gave two different ones", DataWarning)
    return found, one.facts


def bootstrap(
    model: Any,
    test: Any,
    metrics: MetricLike | Iterable[MetricLike] | Mapping[str, MetricLike] = ("rmse", "mae"),
    *,
    against: Any = None,
    k: int = 10,
    threshold: float | None = None,
    n_boot: int = 1_000,
    level: float = 0.95,
    random_state: RandomState = 0,
    duplicates: Duplicates = "error",
) -> Metrics:
    """Confidence intervals of metrics, by drawing test users with replacement.

    Parameters
    ----------
    model, test, metrics, k, threshold
        As for `evaluate`.
    against : Model, optional
        Another fitted model. The intervals are then those of the differences, `model` minus `against`, on the
        same users. An interval without 0 shows a difference, even if those of the two models overlap.
    n_boot : int, default 1000
        Draws.
    level : float, default 0.95
    random_state : None, int, SeedSequence or Generator, default 0
        The same state gives the same intervals, to rounding.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item of `test` more than once, as in `Ratings`.

    Returns
    -------
    Metrics
        A dict of str to `Interval` (``value, low, high, error``), by the names in `metrics`. The interval is
        NaN for coverage, which is a value of all lists together and decreases when users are drawn twice, and
        with fewer than two users.

    Raises
    ------
    ValueError
        As `evaluate`, or `level` not between 0 and 1.

    Notes
    -----
    Users are drawn, not ratings: errors of one user are correlated, and intervals by drawing ratings would be
    too narrow. Each draw has as many users as the test part, each with all of their ratings, and gives a
    value of each metric; the ends are quantiles of these. Efron and Tibshirani, "An introduction to the
    bootstrap" (1993), 13.3; for clusters Field and Welsh, "Bootstrapping clustered data",
    JRSS B 69 (2007). The variance due to the training ratings is not included.

    Time is O(n_boot x users), whatever the number of ratings.
    """
    wanted = parse(metrics, k)
    is_int = isinstance(n_boot, (int, np.integer)) and not isinstance(n_boot, bool)
    if not is_int or not 1 <= n_boot <= MOST_DRAWS:
        raise ValueError(f"n_boot must be an integer from 1 to {MOST_DRAWS}, not {shown(n_boot)}")
    n_boot = int(n_boot)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")
    rng = generator(random_state)
    test = as_ratings(test, duplicates=duplicates, timed=needs_times(model))
    parts = [Measured(one, test, wanted, threshold) for one in (model, against) if one is not None]
    sums = np.array([part.sums(metric) for part in parts for metric in wanted])
    # Functions of predictions are called for each draw, from a generator in the same state.
    state = rng.bit_generator.state
    drawn = replicates(sums[:, 0], sums[:, 1], n_boot, rng)
    for at, (part, metric) in enumerate((part, metric) for part in parts for metric in wanted):
        if metric.function is not None and not metric.of_lists:
            again = np.random.Generator(type(rng.bit_generator)())
            again.bit_generator.state = state
            drawn[at] = part.replicates(metric, n_boot, again)
    for row, metric in enumerate(wanted * len(parts)):
        if metric.name == "rmse":
            drawn[row] = np.sqrt(drawn[row])
    values = [part.value(metric) for part in parts for metric in wanted]
    if against is not None:
        drawn = drawn[: len(wanted)] - drawn[len(wanted) :]
        values = [one - other for one, other in zip(values, values[len(wanted) :], strict=False)]
    enough = sums.shape[2] > 1
    if parts[0].facts is not None:
        warn_of_differences("bootstrap", [parts[0].facts])
    return Metrics(
        {
            metric.label: interval(value, row if enough else row[:0], level)
            for metric, value, row in zip(wanted, values, drawn, strict=False)
        },
        parts[0].facts,
    )


def replicates(above: Array, below: Array, n_boot: int, rng: np.random.Generator) -> Array:
    """Ratios of the sums over users drawn with replacement: float64[n_metrics, n_boot], NaN for 0 / 0.

    Parameters
    ----------
    above, below : float64[n_metrics, n_users]
    n_boot : int
    rng : Generator
    """
    n_users = above.shape[1]
    step = max(1, AT_A_TIME // n_users)
    found = np.empty((len(above), n_boot))
    for begin in range(0, n_boot, step):
        size = min(step, n_boot - begin)
        # Number of times that each user is drawn, for each draw.
        users = rng.integers(n_users, size=(size, n_users)) + n_users * np.arange(size)[:, None]
        counts = (
            np.bincount(users.ravel(), minlength=size * n_users).reshape(size, n_users).astype(np.float64)
        )
        with np.errstate(invalid="ignore"):
            found[:, begin : begin + size] = (above @ counts.T) / (below @ counts.T)
    return found


def interval(value: float, drawn: Array, level: float) -> Interval:
    """The interval between two quantiles of the draws."""
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) == 0:
        return Interval(value, *[float("nan")] * 3)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), float(np.std(drawn)))
