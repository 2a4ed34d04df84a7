"""Effects of the ratings of a user on a prediction of `UserKNN`, by comparisons without each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data import Ratings, from_fields
from cfcore.kernels.records import SimilarityRule
from cfcore.models.core.explaining import rated_by
from cfcore.models.core.given import trust_in
from cfcore.models.neighbors.centering import Centering
from cfcore.models.neighbors.explaining import terms
from cfcore.models.neighbors.given import OF_USERS
from cfcore.models.neighbors.measures import MEASURES
from cfcore.models.neighbors.scoring import centers_at
from cfcore.models.neighbors.similarities import Comparison, Rows
from cfcore.models.neighbors.state import NeighborState

__all__ = ["LeftOut"]

Array = np.ndarray[Any, Any]

#: Copies of a user, each without one rating, that are compared at once.
COPIES = 128


class LeftOut:
    """Comparisons of a user, without one rating each, with the users who rated an item.

    The user's own mean, spread or bias is without the rating as well; those of items and of all other users
    stay.

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
        self.state, self.user, self.n_threads = state, user, model.n_threads
        self.centers = own_centers(state, user, model.center, model.reg_user)
        self.spreads = own_spreads(state, user)
        users = np.repeat(np.arange(len(state.user_ids), dtype=np.int32), np.diff(state.seen_indptr))
        self.train = from_fields(
            users, state.seen_items, state.seen_values, None, state.user_ids, state.item_ids, state.scale
        )
        self.center = model.center
        self.measure = MEASURES[model.similarity]
        given = Centering(self.train, "user", model.reg_user, model.reg_item, model.n_threads)
        prepared = self.measure.prepare(given, model.shrinkage_or_default())
        self.rule = SimilarityRule(self.measure.kernel, prepared.shrinkage, model.min_support, 0.0)
        self.values = state.seen_values.copy()
        if prepared.values is not None:
            self.values[self.train.by_item.order] = prepared.values

    def effects(self, item: int) -> Array:
        """For each rating, the prediction for an item less that without this rating: float64[n]."""
        sums = self.centers.copy()
        if item >= 0:  # otherwise unknown to a member of a blend
            deviations = [
                terms(self.state, item, self.user, row).sum()
                for rows in self.similarities(item)
                for row in rows
            ]
            sums += np.array(deviations) * self.spreads
        if self.state.user_trust is not None:  # of the difference to the prediction for an unknown user
            codes, items = np.array([self.user, -1]), np.full(2, item)
            own, unknown = centers_at(self.state, self.state.user_centers, codes, items)
            n = len(sums) - 1
            counts = np.append(np.full(n, n - 1), n)
            sums = trust_in(counts, *OF_USERS[self.center]) * (own - unknown + sums - self.centers[-1])
        return np.asarray(sums[-1] - sums[:-1])

    def similarities(self, item: int) -> Iterator[Array]:
        """Similarities to all users, rows at a time: without each rating, and at the end with all.

        NaN for those who did not rate the item, or cannot be compared.
        """
        train, span = self.train, slice(*self.state.seen_indptr[self.user : self.user + 2])
        by_item = train.by_item
        raters = by_item.indices[slice(*by_item.indptr[item : item + 2])]
        raters = raters[raters != self.user]
        place = np.full(train.n_users, -1, dtype=np.int32)
        place[raters] = np.arange(len(raters))
        own, values = train.item_codes[span], self.values[span]
        which = place[train.user_codes] >= 0
        if self.measure.kernel != "jaccard":  # which counts all ratings
            co_rated = np.zeros(train.n_items, dtype=bool)
            co_rated[own] = True
            which &= co_rated[train.item_codes]
        theirs = np.flatnonzero(which)
        n = len(own)
        # A few copies of the user at a time: they are compared with each other as well.
        for begin in range(0, n + 1, COPIES):
            left_out = np.arange(begin, min(begin + COPIES, n + 1))
            copies, kept = np.nonzero(np.arange(n) != left_out[:, None])
            of_copies = values[kept]
            if self.measure.kernel == "dot":  # values are over their norm, which a rating less makes smaller
                left = np.append(1 - values.astype(np.float64) ** 2, 1.0)[left_out]
                of_copies = (of_copies / np.sqrt(np.maximum(left, 1e-12))[copies]).astype(np.float32)
            compared = from_fields(
                np.append(place[train.user_codes[theirs]], copies + len(raters)).astype(np.int32),
                np.append(train.item_codes[theirs], own[kept]).astype(np.int32),
                np.append(self.values[theirs], of_copies), None,
                np.arange(len(raters) + len(left_out)), train.item_ids, train.scale,
            )  # fmt: skip
            yield self._compared(compared, raters, len(left_out))

    def _compared(self, compared: Ratings, raters: Array, n_copies: int) -> Array:
        """Similarities of the last users of some ratings to the first, whose codes are those of raters."""
        rows = np.full((n_copies, self.train.n_users), np.nan)
        if not len(raters):
            return rows
        comparison = Comparison(
            compared.by_user, compared.by_item, self.rule, top_k=compared.n_users, n_threads=self.n_threads
        )
        comparison.run_part(Rows(0, len(raters), compared.n_users))
        found: Any = comparison.found
        codes, similarities = found.codes[len(raters) :], found.values[len(raters) :]
        at, column = np.nonzero((codes >= 0) & (codes < len(raters)))
        rows[at, raters[codes[at, column]]] = similarities[at, column]
        return rows


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
    """The user's standard deviation without each rating, and with all, over that of the fit: for z-scores."""
    _, values = rated_by(state, user)
    n = len(values)
    if state.spreads is None or n < 2:
        return np.ones(n + 1)
    left = values - values.mean()
    counts = np.append(np.full(n, n - 1), n)
    sums, squares = (total - np.append(one, 0.0) for one in (left, left**2) for total in (one.sum(),))
    spreads = np.sqrt(np.maximum(squares / counts - (sums / counts) ** 2, 0.0))
    fitted = float(state.spreads[user])
    return np.where(spreads > 1e-6 * fitted, spreads / fitted, 1.0)
