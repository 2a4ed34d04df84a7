"""`judge`: lists of a model for the users of test ratings, and which of their entries are relevant."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfcore.arrays import check_memory
from cfcore.data import Ratings, as_ratings, needs_times
from cfcore.errors import DataWarning, shown, warn
from cfcore.metrics.lists import Judged, check_k, relevant_from
from cfcore.metrics.options import EXPLORING, SEED, ListOptions
from cfcore.metrics.overlap import in_training

__all__ = ["Cases", "judge"]

Array = np.ndarray[Any, Any]


def judge(
    model: Any,
    test: Any,
    k: int = 10,
    *,
    threshold: float | None = None,
    by: str | None = None,
    min_support: int = 0,
    exclude_seen: bool = True,
    items: Any = None,
    exclude: Any = None,
    timestamps: Any = None,
    candidates: str = "all",
) -> Judged:
    """Make lists of k items for each user of the test ratings, and find the relevant ones among them.

    Parameters
    ----------
    model : Model
        Fitted.
    test : Ratings, DataFrame, (users, items, values[, timestamps]) or scipy sparse matrix
    k : int, default 10
        May exceed the number of items: missing entries are not hits.
    threshold : float, optional
        The least relevant rating; by default that of `relevant_from` for the model's scale.
    by, min_support, exclude_seen, items, exclude
        As in `recommend`: the lists are those that it returns with these options; with ``by="sample"`` those
        of ``random_state=0``.
    timestamps : "test", scalar, or array_like of shape (n_users,), optional
        The time that the lists are for, for models whose predictions depend on time. "test": for each user
        that of the first of the user's test ratings. A time, or one for each user of the test ratings in
        ascending order of ids, is as in `recommend`. By default lists are without times, as there.
    candidates : {"all", "test"}, default "all"
        "all": the items that `recommend` lists. "test": of these only the items of the user's own test
        ratings, so that the list is an order of what the user is known to have rated. See Notes.

    Raises
    ------
    ValueError
        k below 1, a threshold that is not a finite number, or another option out of range.
    DataError
        Ratings that cannot be used.

    Warns
    -----
    DataWarning
        No item is relevant to any user, or all users are unknown to the model.

    Notes
    -----
    Candidates are all items of the model except those that the user rated in training. An entry without a
    test rating counts as a miss, though the user might have liked it: precision is a lower bound, and values
    can be compared between models on one data set, but not between data sets.

    Users unknown to the model get its list for unknown users. Relevant items unknown to it are never hits. A
    test rating of a pair that is in training too is ignored, unless `exclude_seen` is False. Other relevant
    items that the options keep from lists (`min_support`, `items`, `exclude`) count as missed, so that values
    with different options are of the same relevant items.

    With ``candidates="test"`` a model need not find the items that a user will choose among all items, for
    they are given: even lists at random have high values, and models that predict ratings well, but list
    what nobody chooses, are flattered most. Values are not comparable with those of ``candidates="all"``, and
    say how well a model orders what a user rates, not how good its lists are.

    The lists come from `recommend_batches`: one blocked pass on all threads that stores no matrix of scores.
    """
    options = ListOptions(by, min_support, exclude_seen, items, exclude, timestamps, candidates)
    test = as_ratings(test, timed=needs_times(model))
    cases = Cases(model, test, threshold, options)
    judged = cases.by_model(check_k(k))
    if not judged.n_relevant.any():
        warn(f"judge: {nothing_relevant(judged.threshold, test)}", DataWarning)
    elif not model.is_known(judged.users).any():
        warn(
            f"judge: none of the {len(judged.users):,} users of the test ratings has training ratings: all "
            "lists are those for unknown users; are the ids those of training?",
            DataWarning,
        )
    return judged


def nothing_relevant(level: float, test: Ratings) -> str:
    """Why no item is relevant to any user."""
    highest = float(test.values.max())
    if highest < np.float32(level):
        return (
            f"no item is relevant: the threshold is {level:g}, and the highest test rating {highest:g}; "
            "name the least relevant rating with threshold="
        )
    return (
        f"no item is relevant: all test ratings from {level:g} (threshold) on are of pairs that are in "
        "training too; exclude_seen=False counts them"
    )


def check_threshold(threshold: float | None) -> float | None:
    """The threshold as a float, or None.

    Raises
    ------
    ValueError
        No finite number.
    """
    if threshold is None:
        return None
    try:
        level = float(threshold)
    except (TypeError, ValueError):
        level = np.nan
    if not np.isfinite(level):
        raise ValueError(f"threshold must be a finite number or None, not {shown(threshold)}")
    return level


class Cases:
    """Users of test ratings and their relevant items, for lists by a model and by popularity.

    Parameters
    ----------
    model : Model
        Fitted.
    test : Ratings
    threshold : float or None
        As in `judge`.
    options : ListOptions
    """

    def __init__(self, model: Any, test: Ratings, threshold: float | None, options: ListOptions) -> None:
        self.model = model.snapshot()
        self.test, self.options = test, options
        level = check_threshold(threshold)
        self.level = relevant_from(self.model.scale_) if level is None else level
        codes, row_of = np.unique(test.user_codes, return_inverse=True)
        self.users: Array = test.user_ids[codes]
        #: Of each test rating: row of the user, code of the item (-1: unknown).
        self.row_of = row_of.reshape(-1).astype(np.int64)
        self.item_of = self.model.encode_items(test.item_ids)[test.item_codes].astype(np.int64)
        self.user_codes = self.model.encode_users(test.user_ids)[codes]
        self.n_items = len(self.model.item_ids_)
        self.times = options.times_of(self.model, test, self.row_of, len(self.users))
        relevant = test.values >= np.float32(self.level)  # both float32: 3.3 is 3.3
        if options.exclude_seen:
            relevant[relevant] = ~self._in_training(relevant)
        self.n_relevant = np.bincount(self.row_of[relevant], minlength=len(self.users))
        # Pairs as sorted numbers, so that entries are found by binary search.
        relevant &= self.item_of >= 0
        self.keys = np.sort(self.row_of[relevant] * self.n_items + self.item_of[relevant])
        self._rules: tuple[Array, Array, Array] | None = None

    def _in_training(self, chosen: Array) -> Array:
        """Which of some test ratings are of pairs that are in training."""
        return in_training(self.model, self.user_codes[self.row_of[chosen]], self.item_of[chosen])

    # ------------------------------------------------------------------ lists

    def by_model(self, k: int) -> Judged:
        """The model's lists of k items."""
        if self.options.candidates == "test":
            return self._of_test(k, self._scores())
        check_memory(5 * len(self.users) * k, f"k={k}: the lists of {len(self.users):,} users")
        items = np.full((len(self.users), k), -1, dtype=np.int32)
        begin = 0
        for some, ids, scores in self.model.recommend_batches(
            self.users, k, **self.options.of_recommend(self.times)
        ):
            part = slice(begin, begin + len(some)), slice(0, scores.shape[1])
            listed = ~np.isnan(scores)
            items[part][listed] = self.model.encode_items(ids[listed])
            begin += len(some)
        return self._judged(items)

    def by_popularity(self, k: int) -> Judged:
        """Lists of the items with most training ratings, under the same options."""
        if self.options.candidates == "test":
            return self._of_test(k, self.model.item_counts_[self.item_of].astype(np.float64))
        order, rows, left_out = self._rules_of_lists()
        m = len(order)
        rank = np.full(self.n_items, -1, dtype=np.int64)
        rank[order] = np.arange(m)
        ranks = rank[left_out]
        # One list for all: an entry moves up by the number of entries before it that are left out.
        pairs = np.sort(rows[ranks >= 0] * max(m, 1) + ranks[ranks >= 0])
        pairs = pairs[np.append(True, pairs[1:] > pairs[:-1])[: len(pairs)]]  # np.unique takes 100x as long
        owners, ranks = pairs // max(m, 1), pairs % max(m, 1)
        starts = np.searchsorted(owners, np.arange(len(self.users)))
        before = ranks - (np.arange(len(pairs)) - starts[owners])  # entries that stay, before each left out
        wanted = np.arange(len(self.users))[:, None] * (m + 1) + np.arange(min(k, m))
        moved = np.searchsorted(owners * (m + 1) + before, wanted, side="right") - starts[:, None]
        at = np.arange(min(k, m)) + moved
        items = np.full((len(self.users), k), -1, dtype=np.int32)
        items[:, : min(k, m)] = np.where(at < m, np.append(order, -1)[np.minimum(at, m)], -1)
        return self._judged(items)

    def _scores(self) -> Array:
        """Scores of the pairs of all test ratings, as `recommend` ranks by."""
        model, by = self.model, self.options.by
        score = model.score_codes
        if by in EXPLORING:
            score = model.explorer(by, random_state=SEED if by == "sample" else None).score_codes
        elif (by or getattr(model, "ranks_by", "rating")) == "preference":
            score = model.preference_codes
        times: tuple[Array, ...] = ()
        if self.times is not None:
            times = (self.times[self.row_of],)
        users, items = self.user_codes[self.row_of], self.item_of
        return np.asarray(score(users.astype(np.int32), items.astype(np.int32), *times), dtype=np.float64)

    def _of_test(self, k: int, scores: Array) -> Judged:
        """Lists of the items of each user's test ratings, by scores of these."""
        order, rows, left_out = self._rules_of_lists()
        place = np.full(self.n_items + 1, -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        listed = place[self.item_of] >= 0
        pairs = self.row_of * self.n_items + self.item_of
        listed &= ~among(pairs, np.sort(rows * self.n_items + left_out))
        # Equal scores: most training ratings first, as in `recommend`.
        rows, codes = self.row_of[listed], self.item_of[listed]
        best = np.lexsort((place[codes], -scores[listed], rows))
        rows, codes = rows[best], codes[best]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        check_memory(5 * len(self.users) * k, f"k={k}: the lists of {len(self.users):,} users")
        items = np.full((len(self.users), k), -1, dtype=np.int32)
        items[rows[rank < k], rank[rank < k]] = codes[rank < k]
        return self._judged(items)

    def _rules_of_lists(self) -> tuple[Array, Array, Array]:
        """Items that may be listed, most popular first; rows and items of the pairs that are left out."""
        if self._rules is None:
            order, rows, left_out = self.model.rules_of_lists(self.users, **self.options.rules())
            self._rules = order, rows.astype(np.int64), left_out.astype(np.int64)
        return self._rules

    def _judged(self, items: Array) -> Judged:
        pairs = np.arange(len(items))[:, None] * self.n_items + items
        hits = among(pairs, self.keys) & (items >= 0)
        shares = self.model.item_counts_ / np.count_nonzero(self.model.user_counts_)
        return Judged(self.users, items, hits, self.n_relevant, shares, self.level)


def among(pairs: Array, keys: Array) -> Array:
    """Which of `pairs` are among the sorted `keys`."""
    if len(keys) == 0:
        return np.zeros(pairs.shape, dtype=bool)
    found: Array = keys[np.minimum(np.searchsorted(keys, pairs), len(keys) - 1)] == pairs
    return found
