"""Metrics by name or by function: their names, arguments and directions (greater or less is better)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cfcore.errors import shown
from cfcore.metrics import accuracy, lists
from cfcore.metrics.of_test_items import BY_TEST_ITEMS, surprise_precision, surprise_recall

__all__ = ["METRICS", "OF_RATINGS", "Metric", "MetricLike", "larger_is_better", "parse"]

Array = np.ndarray[Any, Any]

#: A metric as callers give it.
MetricLike = str | Callable[..., Any]

#: Metrics of predicted ratings.
OF_RATINGS: dict[str, Callable[[Array, Array, Array], float]] = {
    "rmse": lambda ratings, predictions, users: accuracy.rmse(ratings, predictions),
    "mae": lambda ratings, predictions, users: accuracy.mae(ratings, predictions),
    "fcp": accuracy.fcp,
}
#: All metrics of `evaluate`.
METRICS = (*OF_RATINGS, *lists.BY_USER, "coverage", *BY_TEST_ITEMS)
#: Functions of `cfcore.metrics` that are metrics with a name.
OWN: dict[Any, str] = {
    accuracy.rmse: "rmse", accuracy.mae: "mae", accuracy.fcp: "fcp", lists.precision: "precision",
    lists.recall: "recall", lists.ndcg: "ndcg", lists.average_precision: "map",
    lists.reciprocal_rank: "mrr", lists.hit_rate: "hit_rate", lists.novelty: "novelty",
    lists.coverage: "coverage", surprise_precision: "surprise_precision", surprise_recall: "surprise_recall",
}  # fmt: skip


class Metric(NamedTuple):
    """A metric to compute.

    Attributes
    ----------
    label : str
        As given; of a function its name.
    name : str
        One of `METRICS`; of a function "".
    k : int
        Length of lists, or number of test items.
    function : callable or None
    """

    label: str
    name: str
    k: int
    function: Callable[..., Any] | None = None

    @property
    def of_lists(self) -> bool:
        """Whether it needs lists, and not predictions of the test ratings."""
        if self.function is not None:
            return takes_hits(self.function)
        return self.name not in OF_RATINGS and self.name not in BY_TEST_ITEMS


def parse(metrics: MetricLike | Iterable[MetricLike] | Mapping[str, MetricLike], k: int = 10) -> list[Metric]:
    """Metrics by name or function; "ndcg@5" is that of lists of five, "ndcg" that of lists of k.

    Raises
    ------
    ValueError
        An unknown metric, a length that is not a positive integer, a length for a metric of predictions, or
        two functions of one name.
    TypeError
        Anything but names and functions.
    """
    k = lists.check_k(k)
    if isinstance(metrics, str) or callable(metrics):
        given: list[tuple[str | None, Any]] = [(None, metrics)]
    elif isinstance(metrics, Mapping):
        given = list(metrics.items())
    elif isinstance(metrics, Iterable):
        given = [(None, one) for one in metrics]
    else:
        raise TypeError(f"metrics must be names or functions, not {shown(metrics)}")
    found = [_named(label, one, k) for label, one in given]
    for at, metric in enumerate(found):
        twin = next((one for one in found[:at] if one.label == metric.label), None)
        if twin is not None and twin != metric:
            raise ValueError(
                f"two metrics are called {metric.label!r}; name them: metrics={{'name': function, ...}}"
            )
    return found


def _named(label: str | None, given: Any, k: int) -> Metric:
    if isinstance(given, str):
        name, at, length = given.partition("@")
        if name not in METRICS:
            raise ValueError(f"unknown metric {given!r}; known: {', '.join(METRICS)}, or a function")
        if at and name in OF_RATINGS:
            raise ValueError(f"{given!r}: {name} is not a metric of lists and has no length")
        if at and not (length.isdecimal() and int(length) > 0):
            raise ValueError(f"{given!r}: the length must be a positive integer, as in {name}@10")
        return Metric(label or given, name, int(length) if at else k)
    if not callable(given):
        raise TypeError(f"metrics must be names or functions, not {shown(given)}")
    own = OWN.get(given)
    if own is not None:
        return Metric(label or own, own, k)
    called_as = getattr(given, "__name__", None) or getattr(getattr(given, "func", None), "__name__", None)
    return Metric(label or called_as or type(given).__name__, "", k, given)


def takes_hits(function: Callable[..., Any]) -> bool:
    """Whether a function is one of lists: its first argument is called "hits"."""
    return next(iter(_arguments(function)), "") == "hits"


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # functions in C
        return ()


def called(metric: Metric, *arguments: Any) -> float:
    """The number that the function of a metric returns; with lists the mean over users with a value.

    Raises
    ------
    TypeError
        It returns something else; the message names the function.
    """
    assert metric.function is not None
    value = metric.function(*arguments)
    if metric.of_lists and np.ndim(value) == 1:
        value = np.asarray(value, dtype=np.float64)
        value = value[~np.isnan(value)]
        return float(value.mean()) if len(value) else float("nan")
    if np.ndim(value) != 0 or isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"metric {metric.label}: a function must return a number, not {shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"metric {metric.label}: a function must return a number, not {shown(value)}"
        ) from error


def larger_is_better(metric: str | Metric, ratings: Any = None) -> bool:
    """Whether larger values of a metric are better; "ndcg@5" as "ndcg".

    A function of predictions is asked: it is better if perfect predictions have the larger value than
    predictions in the reverse order.

    Parameters
    ----------
    metric : str or Metric
    ratings : ndarray, optional
        Test ratings that a function is tried on.

    Raises
    ------
    ValueError
        Both have one value, or none.
    """
    if isinstance(metric, str) or metric.function is None:
        return (metric if isinstance(metric, str) else metric.name) not in ("rmse", "mae")
    if metric.of_lists:
        return True
    values = np.sort(np.asarray(ratings, dtype=np.float64))
    perfect, wrong = called(metric, values, values), called(metric, values, values[::-1].copy())
    if np.isnan(perfect) or np.isnan(wrong) or perfect == wrong:
        raise ValueError(
            f"metric {metric.label}: larger or smaller values may be better, for {perfect} is its value for "
            f"perfect predictions and {wrong} for wrong ones; pass maximize=True or maximize=False"
        )
    return perfect > wrong
