"""The centre that neighbourhood models average around: the overall mean, means, z-scores or the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.data import Ratings
from cfcore.data.index import Compressed
from cfcore.kernels.records import Biases, RatingRows
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Passes over all biases; more of them change no RMSE on MovieLens by 1e-4.
SWEEPS = 12


@dataclass(frozen=True)
class Center:
    """The centre of each user and item, with one entry more for the unknown, which code -1 picks."""

    users: Array
    items: Array
    #: Added to the sum of both (baseline); None if the centre is that of the targets alone.
    mean: float | None
    #: Standard deviation of each target, for z-scores.
    spreads: Array | None = None

    def deviations(self, by_holder: Any, kind: str) -> Array:
        """Ratings minus centres (over spreads), float32, in the order of `by_holder`; targets are `kind`s."""
        targets, holders = (self.items, self.users) if kind == "item" else (self.users, self.items)
        centers = targets[by_holder.indices]
        if self.mean is not None:
            centers += np.repeat(holders[:-1] + self.mean, np.diff(by_holder.indptr))
        deviations = np.subtract(by_holder.values, centers, out=centers)
        if self.spreads is not None:
            deviations /= self.spreads[by_holder.indices]
        return deviations.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Centering:
    """Training ratings by target and by holder, and what is computed of them once for centre and measure.

    Attributes
    ----------
    train : Ratings
    kind : {"item", "user"}
        Of the targets.
    reg_user, reg_item : float
        Regularisation of the baseline.
    n_threads : int or None
    """

    train: Ratings
    kind: str
    reg_user: float
    reg_item: float
    n_threads: int | None = None

    @property
    def by_target(self) -> Compressed:
        """The rows of the targets."""
        return self.train.by_item if self.kind == "item" else self.train.by_user

    @property
    def by_holder(self) -> Compressed:
        """The rows of the holders."""
        return self.train.by_user if self.kind == "item" else self.train.by_item

    @cached_property
    def baseline(self) -> Center:
        """The baseline as a centre; the unknown have the mean biases of all ratings.

        These add up to 0 but for the regularisation, and here exactly: both unknown have the mean rating.
        """
        train = self.train
        users, items = estimate_biases(train, self.reg_user, self.reg_item, self.n_threads)
        of_users, of_items = (train.user_counts * users).sum(), (train.item_counts * items).sum()
        mean = float(of_users - of_items) / (2 * max(len(train), 1))
        return Center(np.append(users, mean), np.append(items, -mean), train.mean)

    @cached_property
    def residuals(self) -> Array:
        """Ratings less the baseline, float32, in the order of the holders' rows."""
        return self.baseline.deviations(self.by_holder, self.kind)

    def center(self, name: str | None) -> Center:
        """The centre "mean", "zscore", "baseline" or None (the overall mean)."""
        if name == "baseline":
            return self.baseline
        train, mean = self.train, self.train.mean
        users, items = (means(rows, mean) for rows in (train.by_user, train.by_item))
        targets = items if self.kind == "item" else users
        spreads = None
        if name is None:
            targets[:] = mean
        elif name == "zscore":
            spreads = standard_deviations(self.by_target, targets, train)
        return Center(users, items, None, spreads)


def means(rows: Any, mean: float) -> Array:
    """Mean rating of each row, and `mean` for empty ones and at the end."""
    counts = np.diff(rows.indptr)
    out = np.full(len(counts) + 1, mean)
    np.divide(_sums(rows, rows.values), counts, out=out[:-1], where=counts > 0)
    return out


def without_means(rows: Any, mean: float) -> Array:
    """Ratings less the mean of their own row, float32; 0 where the difference is the rounding of ratings."""
    found = rows.values - np.repeat(means(rows, mean)[:-1], np.diff(rows.indptr))
    found[np.abs(found) <= 2 * np.finfo(np.float32).eps * np.abs(rows.values)] = 0.0
    return found.astype(np.float32)


def normalized(values: Array, targets: Array, n_targets: int, damping: float) -> Array:
    """Values over the damped norm of all values of their target, float32.

    The squared norm is the sum of the target's squares, and `damping` times the mean square of all values:
    so the result does not depend on the unit of the values.
    """
    squares = np.bincount(targets, values.astype(np.float64) ** 2, minlength=n_targets)
    squares += damping * (squares.sum() / max(len(values), 1))
    scale = np.divide(1.0, np.sqrt(squares), out=np.zeros(n_targets), where=squares > 0)
    return (values * scale[targets]).astype(np.float32)


def standard_deviations(rows: Any, centers: Array, train: Ratings) -> Array:
    """Standard deviation of each row; of all ratings (or 1) for rows without any spread, and at the end."""
    counts = np.diff(rows.indptr)
    squares = _sums(rows, (rows.values - np.repeat(centers[:-1], counts)) ** 2)
    overall = float(np.std(train.values, dtype=np.float64)) or 1.0
    out = np.full(len(counts) + 1, overall)
    spread = np.sqrt(squares / np.maximum(counts, 1))
    some = spread > 1e-6 * overall  # below, it is the rounding of equal ratings
    out[:-1][some] = spread[some]
    return out


def _sums(rows: Any, values: Array) -> Array:
    """Sum of the values of each row, in double precision."""
    sums = np.zeros(len(rows.indptr) - 1)
    filled = rows.indptr[1:] > rows.indptr[:-1]  # to reduceat an empty run is one of a single value
    sums[filled] = np.add.reduceat(values, rows.indptr[:-1][filled], dtype=np.float64)
    return sums


def estimate_biases(
    train: Ratings, reg_user: float, reg_item: float, n_threads: int | None
) -> tuple[Array, Array]:
    """User and item biases of the baseline by alternating least squares; codes without ratings have 0."""
    solve = backends.kernel("factorization.baseline").solve
    users, items, mean = np.zeros(train.n_users), np.zeros(train.n_items), train.mean
    by_user, by_item = train.by_user, train.by_item
    rows = RatingRows(by_user.indptr, by_user.indices, by_user.values, train.n_items)
    columns = RatingRows(by_item.indptr, by_item.indices, by_item.values, train.n_users)
    of_users, of_items = Biases(users, items, mean), Biases(items, users, mean)
    n_threads = threads_worth(n_threads, len(train), "ratings")
    for _ in range(SWEEPS):
        solve(columns, of_items, reg_item, n_threads)
        solve(rows, of_users, reg_user, n_threads)
    return users, items
