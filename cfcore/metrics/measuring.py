"""`evaluate` and `bootstrap`: the metrics of a model on test ratings, and their confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from cfcore.data import Duplicates, as_ratings
from cfcore.metrics import accuracy, lists
from cfcore.random import RandomState, generator

__all__ = ["METRICS", "Interval", "Metric", "bootstrap", "evaluate", "larger_is_better", "parse"]

Array = np.ndarray[Any, Any]

#: Metrics of predicted ratings.
OF_RATINGS: dict[str, Callable[[Array, Array, Array], float]] = {
    "rmse": lambda ratings, predictions, users: accuracy.rmse(ratings, predictions),
    "mae": lambda ratings, predictions, users: accuracy.mae(ratings, predictions),
    "fcp": accuracy.fcp,
}
#: All metrics of `evaluate`.
METRICS = (*OF_RATINGS, *lists.BY_USER, "coverage")

#: Resampled users that are in memory at once.
AT_A_TIME = 1 << 22


class Metric(NamedTuple):
    """A metric to compute: its label as given, its name, and the length of lists."""

    label: str
    name: str
    k: int


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
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def parse(metrics: str | Iterable[str], k: int = 10) -> list[Metric]:
    """Metrics by name; "ndcg@5" is that of lists of five, "ndcg" that of lists of k.

    Raises
    ------
    ValueError
        An unknown metric, a length that is not a positive integer, or a length for a metric of predictions.
    """
    k, found = lists.check_k(k), []
    for label in [metrics] if isinstance(metrics, str) else metrics:
        name, at, length = label.partition("@")
        if name not in METRICS:
            raise ValueError(f"unknown metric {label!r}; known: {', '.join(METRICS)}")
        if at and name in OF_RATINGS:
            raise ValueError(f"{label!r}: {name} is not a metric of lists and has no length")
        if at and not (length.isdecimal() and int(length) > 0):
            raise ValueError(f"{label!r}: the length must be a positive integer, as in {name}@10")
        found.append(Metric(label, name, int(length) if at else k))
    return found


def larger_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better; "ndcg@5" as "ndcg"."""
    return metric not in ("rmse", "mae")


class Measured:
    """Predictions and lists of a model for test ratings, computed once for all metrics."""

    def __init__(self, model: Any, test: Any, wanted: list[Metric], threshold: float | None) -> None:
        self.test = as_ratings(test)
        self.predictions: Array | None = None
        self.judged: lists.Judged | None = None
        if any(metric.name in OF_RATINGS for metric in wanted):
            self.predictions = model.predict(self.test)
        lengths = [metric.k for metric in wanted if metric.name not in OF_RATINGS]
        if lengths:
            self.judged = lists.judge(model, self.test, max(lengths), threshold=threshold)

    def value(self, metric: Metric) -> float:
        """Value of a metric for all users together."""
        if metric.name in OF_RATINGS:
            return OF_RATINGS[metric.name](self.test.values, self.predictions, self.test.user_codes)  # type: ignore[arg-type]
        assert self.judged is not None
        judged = self.judged.at(metric.k)
        if metric.name == "coverage":
            return lists.coverage(judged.items, judged.shares)
        values = lists.BY_USER[metric.name](judged)
        kept = values[~np.isnan(values)]
        return float(kept.mean()) if len(kept) else float("nan")

    def sums(self, metric: Metric) -> tuple[Array, Array]:
        """Numerator and denominator of each user; a metric (rmse: its square) is the ratio of their sums."""
        if metric.name not in OF_RATINGS:
            assert self.judged is not None
            values = np.full(len(self.judged.users), np.nan)
            if metric.name != "coverage":
                values = lists.BY_USER[metric.name](self.judged.at(metric.k))
            return np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
        users = np.unique(self.test.user_codes, return_inverse=True)[1]
        assert self.predictions is not None
        if metric.name == "fcp":
            in_order, different = accuracy.pairs_by_user(self.test.values, self.predictions, users)
            return in_order.astype(np.float64), different.astype(np.float64)
        errors = self.test.values - self.predictions
        errors = errors * errors if metric.name == "rmse" else np.abs(errors)
        return np.bincount(users, weights=errors), np.bincount(users).astype(np.float64)


def evaluate(
    model: Any,
    test: Any,
    metrics: str | Iterable[str] = ("rmse", "mae"),
    *,
    k: int = 10,
    threshold: float | None = None,
    n_boot: int = 0,
    duplicates: Duplicates = "error",
) -> dict[str, Any]:
    """Metrics of a model's predictions of test ratings, and of its lists for the users of these.

    Parameters
    ----------
    model : Model
        Fitted.
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    metrics : iterable of str
        Of predictions "rmse", "mae", "fcp". Of lists "precision", "recall", "ndcg", "map", "mrr",
        "hit_rate", "novelty" and "coverage"; "ndcg@5" is that of lists of five. All lists come from one pass.
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
    dict of str to float
        In the order of `metrics`, by the names as given. Metrics of lists are means over the users with
        relevant items, NaN if there are none; novelty is the mean over all users with a list.

    Raises
    ------
    ValueError
        An unknown metric, or k, threshold or n_boot out of range.
    DataError
        Ratings that cannot be used.

    Examples
    --------
    >>> import cfcore as cf
    >>> ratings = cf.datasets.synthetic(60, 40, 900, random_state=0)
    >>> train, test = cf.split.holdout(ratings, 0.2, random_state=0)
    >>> list(cf.metrics.evaluate(cf.Baseline().fit(train), test, ["rmse", "ndcg@5"]))
    ['rmse', 'ndcg@5']
    """
    test = as_ratings(test, duplicates=duplicates)
    if n_boot:
        found: dict[str, Any] = bootstrap(model, test, metrics, k=k, threshold=threshold, n_boot=n_boot)
        return found
    wanted = parse(metrics, k)
    measured = Measured(model, test, wanted, threshold)
    return {metric.label: measured.value(metric) for metric in wanted}


def bootstrap(
    model: Any,
    test: Any,
    metrics: str | Iterable[str] = ("rmse", "mae"),
    *,
    against: Any = None,
    k: int = 10,
    threshold: float | None = None,
    n_boot: int = 1_000,
    level: float = 0.95,
    random_state: RandomState = 0,
    duplicates: Duplicates = "error",
) -> dict[str, Interval]:
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
    dict of str to Interval
        ``value, low, high, error``, by the names in `metrics`. The interval is NaN for coverage, which is a
        value of all lists together and decreases when users are drawn twice, and with fewer than two users.

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
    if isinstance(n_boot, bool) or not isinstance(n_boot, (int, np.integer)) or n_boot < 1:
        raise ValueError(f"n_boot must be an integer of at least 1, not {n_boot!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level!r}")
    rng = generator(random_state)
    test = as_ratings(test, duplicates=duplicates)
    parts = [Measured(one, test, wanted, threshold) for one in (model, against) if one is not None]
    sums = np.array([measured.sums(metric) for measured in parts for metric in wanted])
    drawn = replicates(sums[:, 0], sums[:, 1], n_boot, rng)
    for row, metric in enumerate(wanted * len(parts)):
        if metric.name == "rmse":
            drawn[row] = np.sqrt(drawn[row])
    values = [measured.value(metric) for measured in parts for metric in wanted]
    if against is not None:
        drawn = drawn[: len(wanted)] - drawn[len(wanted) :]
        values = [one - other for one, other in zip(values, values[len(wanted) :], strict=False)]
    enough = sums.shape[2] > 1
    return {
        metric.label: interval(value, row if enough else row[:0], level)
        for metric, value, row in zip(wanted, values, drawn, strict=False)
    }


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
