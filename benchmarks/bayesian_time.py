"""Terms of time of `BayesianSVD`: what sessions gain, and what others gain beside them or in their place.

``benchmarks/bayesian.py time`` holds out a fifth of the ratings at random, and the ten latest of each user,
of the training rows of u1 (or of a part of other data). Tried are biases of further groups of ratings, each
kind with a sampled precision, and an Ornstein-Uhlenbeck process of each user: f(t) with variance s2 and
correlation exp(-|t - t'| / tau), drawn exactly by a Kalman filter forward and draws backward; s2 and tau by a
random walk on the likelihood in which f is integrated out. These terms exist in this file alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

import cfcore as cf
from cfcore import backends
from cfcore.kernels.records import BiasDraws, DrawKey
from cfcore.models.factorization import bayesian_trainer
from cfcore.models.factorization.bayesian_biases import Biases

Array = np.ndarray[Any, Any]
Codes = Callable[[Array, Array, Array], Array]

DAY, WIDE = 86_400, np.int64(2**24)
#: Name -> the group of each rating of a user, an item and a time in seconds; 1970 began on a Thursday.
GROUPS: dict[str, Codes] = {
    "days, common to all": lambda users, items, seconds: seconds // DAY,
    "weekdays": lambda users, items, seconds: (seconds // DAY + 3) % 7,
    "hours": lambda users, items, seconds: seconds // 3600 % 24,
    "weekdays of users": lambda users, items, seconds: users * WIDE + (seconds // DAY + 3) % 7,
    "hours of users": lambda users, items, seconds: users * WIDE + seconds // 3600 % 24,
    "weekdays of items": lambda users, items, seconds: items * WIDE + (seconds // DAY + 3) % 7,
    "months of items": lambda users, items, seconds: items * WIDE + seconds // (30 * DAY),
}
#: Processes of users in place of sessions: s2 and tau that they start from.
PROCESSES = {"one process": [(0.1, 3600.0)], "two processes": [(0.05, 60.0), (0.1, 86_400.0)]}


class Process:
    """An Ornstein-Uhlenbeck process of each user; users side by side, those of most ratings first."""

    def __init__(self, s2: float, tau: float, users: Array, seconds: Array, rng: np.random.Generator) -> None:
        self.s2, self.tau, self.rng, self.step = s2, tau, rng, 0.15
        counts = np.bincount(users)
        rank = np.empty(len(counts), dtype=np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        order = np.lexsort((seconds, users))
        nth = np.arange(len(users)) - (np.cumsum(counts) - counts)[users[order]]
        self.order = order[np.lexsort((rank[users[order]], nth))]  # first ratings, second ratings, ...
        self.bounds = np.append(0, np.cumsum(np.bincount(nth)))
        self.gaps = np.zeros(len(users))
        self.values = np.zeros(len(users))
        for k in range(1, len(self.bounds) - 1):
            now, before = self._span(k), self._before(k)
            self.gaps[now] = seconds[self.order[now]] - seconds[self.order[before]]

    def _span(self, k: int) -> slice:
        return slice(self.bounds[k], self.bounds[k + 1])

    def _before(self, k: int) -> slice:
        """The ratings before those of `_span`, of the same users."""
        return slice(self.bounds[k - 1], self.bounds[k - 1] + self.bounds[k + 1] - self.bounds[k])

    def filtered(self, errors: Array, precisions: Array, s2: float, tau: float) -> tuple[Array, Array, float]:
        """Mean and variance of f at each rating given those up to it, and the log-likelihood without f."""
        kept, total = np.exp(-self.gaps / tau), 0.0
        means, variances = np.zeros(len(errors)), np.full(len(errors), s2)
        for k in range(len(self.bounds) - 1):
            now = self._span(k)
            mean, variance = np.zeros(now.stop - now.start), np.full(now.stop - now.start, s2)
            if k:
                r, before = kept[now], self._before(k)
                mean, variance = r * means[before], s2 + r * r * (variances[before] - s2)
            spread, off = variance + 1 / precisions[now], errors[now] - mean
            total -= float(np.sum(np.log(spread) + off * off / spread)) / 2
            gain = variance / spread
            means[now], variances[now] = mean + gain * off, variance * (1 - gain)
        return means, variances, total

    def draw(self, errors: Array, precisions: Array) -> Array:
        """Draw s2, tau and then f; `errors` still hold f. Returns f at each rating."""
        errors, precisions = errors[self.order], precisions[self.order]
        means, variances, now = self.filtered(errors, precisions, self.s2, self.tau)
        for _ in range(2):
            s2, tau = np.exp(self.step * self.rng.normal(size=2) * (1, 2)) * (self.s2, self.tau)
            found = self.filtered(errors, precisions, s2, tau)
            accepted = np.log(self.rng.random()) < found[2] - now
            if accepted:
                (means, variances, now), self.s2, self.tau = found, s2, tau
            self.step = min(1.0, self.step * np.exp(0.02 * (accepted - 0.3)))
        kept = np.exp(-self.gaps / self.tau)
        for k in range(len(self.bounds) - 2, -1, -1):
            own = self._span(k)
            mean, variance = means[own].copy(), variances[own].copy()
            if k + 2 < len(self.bounds):
                later = self._span(k + 1)
                some = slice(0, later.stop - later.start)  # users who have a later rating
                r = kept[later]
                gain = variance[some] * r / (self.s2 + r * r * (variance[some] - self.s2))
                mean[some] += gain * (self.values[later] - r * mean[some])
                variance[some] *= 1 - gain * r
            noise = self.rng.normal(size=len(mean))
            self.values[own] = mean + np.sqrt(np.maximum(variance, 0)) * noise
        found = np.empty(len(errors))
        found[self.order] = self.values
        return found


class Trial(Biases):
    """`Biases` with further groups and processes; `added` is their part of predictions of test ratings."""

    groups_tried: tuple[Codes, ...] = ()
    processes: tuple[tuple[float, float], ...] = ()
    test: tuple[Array, Array, Array]
    last: Trial

    def __init__(self, users: Array, by_user: Array, by_item: Any, seconds: Any, rng: Any) -> None:
        super().__init__(users, by_user, by_item, None if self.processes else seconds, rng)
        type(self).last = self
        items = np.empty(len(users), dtype=np.int64)
        items[by_item[1]] = np.repeat(np.arange(len(by_item[0]) - 1), np.diff(by_item[0]))
        own = users.astype(np.int64), items, seconds
        self.more, self.own, self.trial_rng = [], own, np.random.default_rng(0)
        for codes in self.groups_tried:
            distinct, inverse = np.unique(codes(*own), return_inverse=True)
            wanted = codes(*self.test)
            at = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
            at[distinct[at] != wanted] = -1
            bounds = np.append(0, np.cumsum(np.bincount(inverse))).astype(np.int64)
            order = np.argsort(inverse, kind="stable").astype(np.int32)
            self.more.append([bounds, order, np.zeros(len(distinct)), 20.0, at])
        self.paths = [Process(*start, own[0], seconds, self.trial_rng) for start in self.processes]
        self.path_values = [np.zeros(len(users)) for _ in self.paths]
        if self.paths:
            self._find_neighbours()
        self.added = np.zeros(len(self.test[0]))

    def _find_neighbours(self) -> None:
        """The ratings of the user before and after each test rating, and how far they are."""
        users, _, seconds = self.own
        first = seconds.min()
        keys = users * 2**36 + seconds - first
        wanted = self.test[0] * 2**36 + np.clip(self.test[2] - first, 0, 2**35)
        self.by_time = np.argsort(keys, kind="stable")
        after = np.searchsorted(keys[self.by_time], wanted, side="right")
        self.sides = []
        for place in (after - 1, after):
            at = self.by_time[np.clip(place, 0, len(keys) - 1)]
            there = (place >= 0) & (place < len(keys)) & (users[at] == self.test[0])
            self.sides.append((at, np.where(there, np.abs(self.test[2] - seconds[at]), np.inf)))

    def draw(self, key: tuple[int, int], residuals: Any, noise: Any, n_threads: int | None) -> None:
        """Draw the further terms and then biases, of which those of items must be the last."""
        weights, kernel = noise.weights(), backends.kernel("factorization.gibbs_biases")
        targets, products = residuals.targets, residuals.products
        if key[1] % bayesian_trainer.RENEWED == 0:  # the targets have been computed without these terms
            for bounds, order, biases, _, _ in self.more:
                targets[order] -= np.repeat(biases, np.diff(bounds))
            for values in self.path_values:
                targets -= values
        for at, more in enumerate(self.more):
            bounds, order, biases, precision, _ = more
            record = BiasDraws(
                bounds, targets, products, biases, 0.0, precision, noise.precision, order, weights
            )
            kernel.draw_biases(record, DrawKey(key[0], 200 + at, key[1]), (0, len(biases)), 1)
            more[3] = float(self.trial_rng.gamma(1 + len(biases) / 2) / (0.1 + np.sum(biases**2) / 2))
        precisions = noise.precision * (np.ones(len(targets)) if weights is None else weights)
        for path, values in zip(self.paths, self.path_values, strict=True):
            errors = residuals.errors(slice(None)) + values
            drawn = path.draw(errors, precisions)
            targets -= drawn - values
            values[:] = drawn
        super().draw(key, residuals, noise, n_threads)

    def keep(self, n: int) -> None:
        """Add what the further terms predict to its mean."""
        super().keep(n)
        now = np.zeros(len(self.added))
        for _, _, biases, _, at in self.more:
            now += np.where(at >= 0, biases[at], 0)
        for path, values in zip(self.paths, self.path_values, strict=True):
            (one, r1), (two, r2) = ((values[at], np.exp(-far / path.tau)) for at, far in self.sides)
            rest = 1 - (r1 * r2) ** 2
            both = one * r1 * (1 - r2 * r2) + two * r2 * (1 - r1 * r1)
            now += np.where(rest > 1e-12, both / np.maximum(rest, 1e-12), one)
        self.added += (now - self.added) / n


def error(train: cf.Ratings, test: cf.Ratings, trial: dict[str, Any], **params: Any) -> float:
    """RMSE with the terms of a trial; `test` has the vocabularies of `train`."""
    own = test.user_codes.astype(np.int64), test.item_codes.astype(np.int64), np.asarray(test.timestamps)
    kind = type("OneTrial", (Trial,), {**trial, "test": own})
    with mock.patch.object(bayesian_trainer, "Biases", kind):
        model = cf.BayesianSVD(**params).fit(train)
    raw = model._score(test.user_codes, test.item_codes, own[2])
    raw = raw + model._state.spread * kind.last.added  # type: ignore[attr-defined]
    return float(cf.metrics.rmse(test.values, np.clip(raw, *model.scale_)))


def compare(rows: cf.Ratings, n_seeds: int, few: dict[str, Any], quick: bool) -> list[dict[str, Any]]:
    """RMSE of each setting for both splits, mean over seeds."""
    splits = {
        "random": cf.split.holdout(rows, 0.2, random_state=1),
        "ten latest": cf.split.leave_k_out(rows, 10, latest=True),
    }
    settings: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "sessions (the default)": ({}, {}),
        "no terms of time": ({}, {"sessions": None}),
    }
    for name, codes in GROUPS.items():
        settings[f"sessions and {name}"] = {"groups_tried": (codes,)}, {}
    for name, starts in PROCESSES.items():
        settings[f"{name} of users, no sessions"] = {"processes": tuple(starts)}, {}
    if quick:
        settings = dict([*settings.items()][:3] + [*settings.items()][-2:-1])
    found = []
    for name, (trial, params) in settings.items():
        row: dict[str, Any] = {"setting": name}
        for split, (train, test) in splits.items():
            row[split] = [
                error(train, test, trial, random_state=seed, **few, **params) for seed in range(n_seeds)
            ]
        found.append(row)
        means = ", ".join(f"{split} {np.mean(row[split]):.4f}" for split in splits)
        print(f"{name}: {means}", flush=True)
    return found
