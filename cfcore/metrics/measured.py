"""`Measured`: predictions and lists of a model for test ratings, and the values of metrics of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from cfcore.data import as_ratings, needs_times
from cfcore.errors import DataError, DataWarning, warn
from cfcore.metrics import accuracy, lists
from cfcore.metrics.judging import Cases, check_threshold, nothing_relevant
from cfcore.metrics.names import OF_RATINGS, Metric, called
from cfcore.metrics.of_test_items import BY_TEST_ITEMS, surprise_level
from cfcore.metrics.options import ListOptions
from cfcore.metrics.result import Facts, Metrics, facts_of

__all__ = ["Measured", "measured"]

Array = np.ndarray[Any, Any]


class Measured:
    """Predictions and lists of a model for test ratings, computed once for all metrics.

    Parameters
    ----------
    model : Model
        Fitted.
    test : Ratings, or another input of `evaluate`
    wanted : list of Metric
    threshold : float, optional
        As in `evaluate`.
    options : ListOptions, optional
        How lists are made.
    """

    def __init__(
        self,
        model: Any,
        test: Any,
        wanted: list[Metric],
        threshold: float | None = None,
        options: ListOptions | None = None,
    ) -> None:
        self.test = as_ratings(test, timed=needs_times(model))
        self.facts: Facts | None = facts_of(model, self.test) if hasattr(model, "encode_users") else None
        self.predictions: Array | None = None
        self.judged: lists.Judged | None = None
        self.threshold = check_threshold(threshold)
        if self.threshold is None and any(metric.name in BY_TEST_ITEMS for metric in wanted):
            self.threshold = surprise_level(model.scale_)
        if not all(metric.of_lists for metric in wanted):
            self.predictions = model.predict(self.test)
        lengths = [metric.k for metric in wanted if metric.of_lists]
        if lengths:
            self.longest = max(lengths)
            self.cases = Cases(model, self.test, threshold, options or ListOptions())
            self.judged = self.cases.by_model(self.longest)
            needing = [
                one.label for one in wanted if one.of_lists and one.name not in ("novelty", "coverage")
            ]
            if needing and not self.judged.n_relevant.any():
                raise DataError(f"{needing[0]}: {nothing_relevant(self.judged.threshold, self.test)}")

    @cached_property
    def popular(self) -> lists.Judged:
        """Lists by popularity under the same options."""
        return self.cases.by_popularity(self.longest)

    def value(self, metric: Metric, popular: bool = False) -> float:
        """Value of a metric for all users together, of the model's lists or of those by popularity."""
        if not metric.of_lists:
            assert self.predictions is not None
            if metric.function is not None:
                # Copies: the function may change them.
                return called(metric, self.test.values.astype(np.float64), self.predictions.copy())
            if metric.name in BY_TEST_ITEMS:
                return float(np.mean(self._of_test_items(metric)))
            return OF_RATINGS[metric.name](self.test.values, self.predictions, self.test.user_codes)
        judged = self._judged(metric.k, popular)
        if metric.function is not None:
            return called(metric, judged.hits.copy(), judged.n_relevant.copy())
        if metric.name == "coverage":
            return lists.coverage(judged.items, judged.shares)
        values = lists.BY_USER[metric.name](judged)
        kept = values[~np.isnan(values)]
        return float(kept.mean()) if len(kept) else float("nan")

    def _judged(self, k: int, popular: bool) -> lists.Judged:
        assert self.judged is not None
        return (self.popular if popular else self.judged).at(k)

    def _of_test_items(self, metric: Metric) -> Array:
        """Values of each user."""
        assert self.predictions is not None
        assert self.threshold is not None
        return BY_TEST_ITEMS[metric.name](
            self.test.values, self.predictions, self.test.user_codes, metric.k, self.threshold
        )

    def sums(self, metric: Metric, popular: bool = False) -> tuple[Array, Array]:
        """Numerator and denominator of each user; a metric (rmse: its square) is the ratio of their sums."""
        if metric.of_lists:
            judged = self._judged(metric.k, popular)
            values = np.full(len(judged.users), np.nan)
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
        if metric.name in BY_TEST_ITEMS:
            values = self._of_test_items(metric)
            return values, np.ones(len(values))
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


def measured(
    model: Any,
    test: Any,
    wanted: list[Metric],
    threshold: float | None = None,
    options: ListOptions | None = None,
    popularity: bool = True,
) -> tuple[Metrics, Facts | None]:
    """Values of metrics, and facts about the test ratings, of which nothing is said yet.

    `popularity` tells whether to judge lists by popularity too.
    """
    one = Measured(model, test, wanted, threshold, options)
    of_lists = [metric for metric in wanted if popularity and metric.of_lists]
    found = Metrics(
        {metric.label: one.value(metric) for metric in wanted},
        one.facts,
        {metric.label: one.value(metric, popular=True) for metric in of_lists},
    )
    for metric in wanted:
        if metric.name == "fcp" and np.isnan(found[metric.label]):
            warn("fcp has no value: no user of the test ratings gave two different ones", DataWarning)
    return found, one.facts
