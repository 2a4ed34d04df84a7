"""Effects of the ratings of a user on predictions of `UserKNN`, by comparisons without each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data import from_fields
from cfcore.models.core.explaining import rated_by
from cfcore.models.core.given import trust_in
from cfcore.models.neighbors.centering import Center, Centering
from cfcore.models.neighbors.given import OF_USERS
from cfcore.models.neighbors.measures import MEASURES, Prepared
from cfcore.models.neighbors.scoring import centers_at
from cfcore.models.neighbors.state import NeighborState

__all__ = ["LeftOut"]

Array = np.ndarray[Any, Any]

#: Similarities that are computed at once: temporaries of some MB.
AT_ONCE = 1 << 17
#: Part of n Sxx below which a variance is rounding, as in the kernel `similarity`.
TOLERANCE = 1e-12


class LeftOut:
    """Comparisons of a user, without one rating each, with the users who rated some items.

    The user's own mean, spread or bias is without the rating as well; those of items and of all other users
    stay. Similarities are made of sums over the items that two users both rated: without a rating they lack
    one term.

    Parameters
    ----------
    model : UserKNN
        For its hyper-parameters and its state, which keeps the ratings of all users.
    user : int
        Code.
    """

    def __init__(self, model: Any, user: int) -> None:
        state: NeighborState = model._state
        assert state.seen_values is not None
        self.state, self.user, self.min_support = state, user, model.min_support
        self.center = model.center
        self.centers = own_centers(state, user, model.center, model.reg_user)
        self.spreads = own_spreads(state, user)
        measure = MEASURES[model.similarity]
        prepared = measure.prepare(centering_of(model), model.shrinkage_or_default())
        self.kernel, self.shrinkage = measure.kernel, prepared.shrinkage
        self._find_co_rated(prepared)

    def _find_co_rated(self, prepared: Prepared) -> None:
        """All ratings of the items that the user rated: place of the item, user, and the two values."""
        state, rated = self.state, self.state.rated
        own = state.seen_items[slice(*state.seen_indptr[self.user : self.user + 2])]
        sizes = np.diff(rated.indptr)[own]
        begins = np.cumsum(sizes) - sizes
        at = np.repeat(rated.indptr[own] - begins, sizes) + np.arange(sizes.sum())
        users = rated.indices[at]
        values = (by_item(state) if prepared.values is None else prepared.values)[at].astype(np.float64)
        if self.kernel == "pearson" and len(values):  # does not change with a shift, and loses fewer digits
            values -= np.rint(values.mean())
        self.values = values[users == self.user]
        owners = np.repeat(np.arange(len(own)), sizes)
        self.co_rated = owners, users, values

    def effects(self, items: Array) -> Array:
        """For each rating and item, the prediction less that without this rating: float64[n, n_items].

        Parameters
        ----------
        items : int32[n_items]
            Codes; -1 for those that are unknown to a member of a blend.
        """
        state, known = self.state, np.flatnonzero(items >= 0)
        sums = np.repeat(self.centers[:, None], len(items), axis=1)
        raters = [state.rated.indices[slice(*state.rated.indptr[item : item + 2])] for item in items[known]]
        columns = np.unique(np.concatenate([state.rated.indices[:0], *raters]))
        for rows, similarities in self.similarities(columns) if len(columns) else ():
            for at, codes in zip(known, raters, strict=True):
                near = similarities[:, np.searchsorted(columns, codes)]
                sums[rows, at] += weighted_means(state, int(items[at]), near) * self.spreads[rows]
        if state.user_trust is not None:  # of the difference to the prediction for an unknown user
            own, unknown = (
                centers_at(state, state.user_centers, np.full(len(items), code, dtype=np.int32), items)
                for code in (self.user, -1)
            )
            n = len(sums) - 1
            counts = np.append(np.full(n, n - 1), n)[:, None]
            sums = trust_in(counts, *OF_USERS[self.center]) * (own - unknown + sums - self.centers[-1])
        return np.asarray(sums[-1] - sums[:-1])

    def similarities(self, columns: Array) -> Iterator[tuple[slice, Array]]:
        """Similarities to some users, rows at a time: without each rating, and at the end with all.

        0 for the user, and for those who cannot be compared.

        Parameters
        ----------
        columns : int32[n]
            Codes of users, ascending.
        """
        owners, users, theirs = self.co_rated
        place = np.full(len(self.state.user_ids), -1, dtype=np.int32)
        place[columns] = np.arange(len(columns))
        kept = np.flatnonzero(place[users] >= 0)
        owners, users, theirs = owners[kept], place[users[kept]], theirs[kept]
        mine, n = self.values[owners], len(self.values)
        products = products_of(mine, theirs)
        whole = [np.bincount(users, product, len(columns)) for product in products]
        step = max(1, AT_ONCE // max(len(columns), 1))
        for begin in range(0, n + 1, step):
            rows = slice(begin, min(begin + step, n + 1))
            n_rows = rows.stop - begin
            span = slice(*np.searchsorted(owners, [begin, rows.stop]))
            at = owners[span] - begin, users[span]
            sums = []
            for total, product in zip(whole, products, strict=True):
                left = np.repeat(total[None, :], n_rows, axis=0)
                left[at] -= product[span]
                sums.append(left)
            found = self._of_sums(sums, columns, rows)
            found[:, place[self.user] if place[self.user] >= 0 else slice(0)] = 0
            yield rows, found

    def _of_sums(self, sums: list[Array], columns: Array, rows: slice) -> Array:
        """From sums over co-rated items to similarities, as the kernel `similarity` does."""
        n, x, y, xx, yy, xy = sums
        size = len(self.values)
        if self.kernel == "dot":  # values are over their norm, which a rating less makes smaller
            left = np.append(1 - self.values**2, 1.0)[rows]
            found = xy / np.sqrt(np.maximum(left, 1e-12))[:, None]
        elif self.kernel == "cosine":
            found = quotient(xy, np.sqrt(np.maximum(xx, 0) * np.maximum(yy, 0))).clip(-1, 1)
        elif self.kernel == "pearson":
            vx, vy = n * xx - x * x, n * yy - y * y
            spread = np.sqrt(np.maximum(vx, 0) * np.maximum(vy, 0))
            spread[(vx <= TOLERANCE * n * xx) | (vy <= TOLERANCE * n * yy)] = 0
            found = quotient(n * xy - x * y, spread).clip(-1, 1)
        elif self.kernel == "jaccard":
            sizes = np.append(np.full(size, size - 1), size)[rows]
            found = quotient(n, sizes[:, None] + np.diff(self.state.seen_indptr)[columns] - n)
        else:
            found = quotient(n, n + np.maximum(xx + yy - 2 * xy, 0))
        if self.shrinkage > 0:
            found *= quotient(n - 1, n - 1 + self.shrinkage)
        return np.where(n >= max(1, self.min_support), found, 0.0)


def products_of(mine: Array, theirs: Array) -> tuple[Array, ...]:
    """What ratings of one item by two users add to n, Sx, Sy, Sxx, Syy, Sxy."""
    return np.ones_like(mine), mine, theirs, mine * mine, theirs * theirs, mine * theirs


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)


def centering_of(model: Any) -> Centering:
    """Training ratings and what measures need of them; the baseline is that of the fit, if it has one."""
    state: NeighborState = model._state
    users = np.repeat(np.arange(len(state.user_ids), dtype=np.int32), np.diff(state.seen_indptr))
    train = from_fields(
        users, state.seen_items, state.seen_values, None, state.user_ids, state.item_ids, state.scale
    )
    found = Centering(train, "user", model.reg_user, model.reg_item, model.n_threads)
    if state.rule["additive"]:
        baseline = Center(state.user_centers, state.item_centers, state.mean)
        vars(found).update(baseline=baseline, residuals=state.deviations)
    return found


def by_item(state: NeighborState) -> Array:
    """The ratings in the order of the rows of items, which are ascending by user: float32[n]."""
    order = np.argsort(state.seen_items, kind="stable")
    assert state.seen_values is not None
    found: Array = state.seen_values[order]
    return found


def weighted_means(state: NeighborState, item: int, near: Array) -> Array:
    """Weighted means of the deviations of an item, by rows of similarities to its raters: float64[n].

    Parameters
    ----------
    state : NeighborState
    item : int
        Code.
    near : float64[n, n_raters]
        0 for users who are no neighbours.
    """
    deviations = state.rated.values[slice(*state.rated.indptr[item : item + 2])].astype(np.float64)
    sizes = np.maximum(near, 0) if state.rule["positive_only"] else np.abs(near)
    k, n_raters = state.rule["n_neighbors"], near.shape[1]
    if 0 < k < n_raters:  # of equally near ones those that sort first by id
        least = np.partition(sizes, n_raters - k, axis=1)[:, n_raters - k, None]
        nearer, equal = sizes > least, sizes == least
        room = k - nearer.sum(axis=1, keepdims=True)
        sizes = np.where(nearer | (equal & (equal.cumsum(axis=1) <= room)), sizes, 0.0)
    weights = np.where(sizes > 0, sizes ** state.rule["power"], 0.0)
    totals = state.rule["damping"] + weights.sum(axis=1)
    return quotient((np.copysign(weights, near) * deviations).sum(axis=1), totals)


def own_centers(state: NeighborState, user: int, center: str | None, reg_user: float) -> Array:
    """The part of the centre that is the user's, without each rating, and at the end with all."""
    codes, values = rated_by(state, user)
    n = len(codes)
    if center is None:
        return np.zeros(n + 1)
    baseline = center == "baseline"
    if baseline:
        values = values - state.mean - state.item_centers[codes]
    sums = values.sum() - np.append(values, 0.0)
    counts = np.append(np.full(n, n - 1), n) + (reg_user if baseline else 0.0)
    usual = 0.0 if baseline else state.mean
    return np.divide(sums, counts, out=np.full(n + 1, usual), where=counts > 0)


def own_spreads(state: NeighborState, user: int) -> Array:
    """The user's standard deviation without each rating, and with all, for z-scores; else ones."""
    _, values = rated_by(state, user)
    n = len(values)
    if state.spreads is None:
        return np.ones(n + 1)
    fitted = float(state.spreads[user])
    if n < 2:
        return np.full(n + 1, fitted)
    left = values - values.mean()
    counts = np.append(np.full(n, n - 1), n)
    sums, squares = (total - np.append(one, 0.0) for one in (left, left**2) for total in (one.sum(),))
    spreads = np.sqrt(np.maximum(squares / counts - (sums / counts) ** 2, 0.0))
    return np.where(spreads > 1e-6 * fitted, spreads, fitted)
