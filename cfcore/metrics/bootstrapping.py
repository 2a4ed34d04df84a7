"""`bootstrap`: confidence intervals of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cfcore.data import Duplicates, as_ratings, needs_times
from cfcore.errors import shown
from cfcore.metrics.digits import decimals
from cfcore.metrics.measured import Measured
from cfcore.metrics.names import Metric, MetricLike, parse
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Metrics, warn_of_differences
from cfcore.random import RandomState, generator

__all__ = ["Interval", "bootstrap"]

Array = np.ndarray[Any, Any]

#: Resampled users that are in memory at once.
AT_A_TIME = 1 << 22
#: More draws than this are refused.
MOST_DRAWS = 10**6
#: The value of `against` that stands for lists by popularity.
POPULARITY = "popularity"


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
    by: str | None = None,
    min_support: int = 0,
    exclude_seen: bool = True,
    items: Any = None,
    exclude: Any = None,
    timestamps: Any = None,
    candidates: str = "all",
) -> Metrics:
    """Confidence intervals of metrics, by drawing test users with replacement.

    Parameters
    ----------
    model, test, metrics, k, threshold
        As for `evaluate`.
    against : Model or "popularity", optional
        Another fitted model, or lists by popularity (metrics of lists only). The intervals are then those of
        the differences, `model` minus `against`, on the same users. An interval without 0 shows a
        difference, even if those of the two models overlap.
    n_boot : int, default 1000
        Draws.
    level : float, default 0.95
    random_state : None, int, SeedSequence or Generator, default 0
        The same state gives the same intervals, to rounding.
    duplicates : {"error", "last", "first", "mean"}, default "error"
        What to do when a user rated an item of `test` more than once, as in `Ratings`.
    by, min_support, exclude_seen, items, exclude, timestamps, candidates
        How lists are made, by `against` too, as for `evaluate`.

    Returns
    -------
    Metrics
        A dict of str to `Interval` (``value, low, high, error``), by the names in `metrics`. The interval is
        NaN for coverage, which is a value of all lists together and decreases when users are drawn twice, and
        with fewer than two users. ``popularity`` holds the intervals of lists by popularity, from the same
        draws; with `against` it is empty.

    Raises
    ------
    ValueError
        As `evaluate`, or `level` not between 0 and 1, or ``against="popularity"`` with a metric that is not
        of lists.

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
    options = ListOptions(by, min_support, exclude_seen, items, exclude, timestamps, candidates)
    part = Measured(model, test, wanted, threshold, options)
    jobs = [Job(part, metric) for metric in wanted]
    if isinstance(against, str):
        jobs += [Job(part, metric, popular=True) for metric in of_lists_only(wanted, against)]
    elif against is not None:
        other = Measured(against, test, wanted, threshold, options)
        jobs += [Job(other, metric) for metric in wanted]
    else:
        jobs += [Job(part, metric, popular=True) for metric in wanted if metric.of_lists]
    sums = np.array([job.part.sums(job.metric, job.popular) for job in jobs])
    # Functions of predictions are called for each draw, from a generator in the same state.
    state = rng.bit_generator.state
    drawn = replicates(sums[:, 0], sums[:, 1], n_boot, rng)
    for at, job in enumerate(jobs):
        if job.metric.function is not None and not job.metric.of_lists:
            again = np.random.Generator(type(rng.bit_generator)())
            again.bit_generator.state = state
            drawn[at] = job.part.replicates(job.metric, n_boot, again)
        elif job.metric.name == "rmse":
            drawn[at] = np.sqrt(drawn[at])
    values = [job.part.value(job.metric, job.popular) for job in jobs]
    n = len(wanted)
    if against is not None:
        drawn = drawn[:n] - drawn[n:]
        values = [one - other for one, other in zip(values, values[n:], strict=False)]
        jobs = jobs[:n]
    enough = sums.shape[2] > 1
    if part.facts is not None:
        warn_of_differences("bootstrap", [part.facts])
    found = [
        (job.metric.label, interval(value, row if enough else row[:0], level))
        for job, value, row in zip(jobs, values, drawn, strict=False)
    ]
    return Metrics(found[:n], part.facts, dict(found[n:]))


class Job(NamedTuple):
    """A metric of a model, or of lists by popularity."""

    part: Measured
    metric: Metric
    popular: bool = False


def of_lists_only(wanted: list[Metric], against: str) -> list[Metric]:
    """The metrics, which popularity has all of.

    Raises
    ------
    ValueError
        `against` is another string, or a metric is not of lists.
    """
    if against != POPULARITY:
        raise ValueError(f'against must be a fitted model or "popularity", not {shown(against)}')
    for metric in wanted:
        if not metric.of_lists:
            raise ValueError(
                f'{metric.label}: against="popularity" is for metrics of lists, such as "ndcg@10": '
                "popularity predicts no ratings"
            )
    return wanted


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
