"""Lists of the best items for many users, block by block, so that no matrix of scores is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import thread_rows
from cfcore.data import as_pairs
from cfcore.data.ids import as_id_column, encode
from cfcore.data.ids import distinct as distinct_ids
from cfcore.kernels.records import (
    BitmapScratch,
    Factors,
    ItemOrder,
    ListQueries,
    ListScratch,
    ScoreRows,
    TopLists,
)
from cfcore.models.recommend.item_layout import ItemLayouts
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Scores that are computed in one block for models that are not products of factors.
SCORES_PER_BLOCK = 1 << 21
#: Multiplications in one call of `best_products`, after which Ctrl-C is handled: about a third of a second on
#: one core if no pair can be dismissed.
PRODUCTS_PER_BLOCK = 1 << 34
#: Users in one call of `best_products`: it bounds the memory of requests and lists.
USERS_PER_BLOCK = 1 << 16
#: Lists from which on items are laid out in panels.
MANY = 128


@dataclass(frozen=True)
class ListRequest:
    """The lists to be made, in codes of one fitted state.

    Attributes
    ----------
    users : int32[n_lists]
        -1 for unknown users.
    n : int
        Length of each list, at most the number of items in `order`.
    order : ItemOrder
        Items that may be listed, in the order in which equal scores are listed.
    exclude_seen : bool
        Whether to exclude the items that each user rated in training.
    excluded : (int64[n_lists + 1], int32[...]) or None
        Further items that each list excludes, in compressed rows.
    timestamps : int64[n_lists] or None
        The time that each list is for.
    by : {"rating", "preference"}
        What the items are ranked by.
    """

    users: Array
    n: int
    order: ItemOrder
    exclude_seen: bool
    excluded: tuple[Array, Array] | None = None
    timestamps: Array | None = None
    by: str = "rating"


def allowed_items(model: Any, items: Any, min_support: int, excluded: Any = None) -> Array:
    """Mask of the items that may be listed.

    They have enough training ratings, are of raw ids `items` if given, and not of raw ids `excluded`.
    """
    allowed: Array = model._state.items.has_code & (model.item_counts_ >= min_support)
    if excluded is not None:
        codes = model._state.items.encode(excluded, "exclude")
        allowed[codes[codes >= 0]] = False
    if items is not None:
        codes = model.encode_items(items)
        chosen = np.zeros(len(allowed), dtype=bool)
        chosen[codes[codes >= 0]] = True
        allowed = allowed & chosen
    return allowed


def excluded_pairs(model: Any, users: Any, exclude: Any) -> tuple[Array, Array] | None:
    """Codes of the items that `exclude`, pairs of raw ids, excludes from the list of each of `users`."""
    if exclude is None:
        return None
    raw_users, raw_items, _ = as_pairs(exclude)
    distinct, position = distinct_ids(as_id_column(users, "users"), "users")
    # Users by raw id: unknown users share code -1.
    rows, items = encode(distinct, raw_users, "exclude"), model.encode_items(raw_items)
    if len(rows) != len(items):
        raise ValueError(f"exclude: {len(rows)} users, but {len(items)} items")
    known = (rows >= 0) & (items >= 0)
    rows, items = rows[known], items[known]
    items = items[np.argsort(rows, kind="stable")]
    counts = np.bincount(rows, minlength=len(distinct))
    starts, counts = (np.cumsum(counts) - counts)[position], counts[position]
    indptr = np.append(0, np.cumsum(counts))
    within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
    return indptr, items[np.repeat(starts, counts) + within]


def left_out(
    model: Any, users: Array, exclude_seen: bool, excluded: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """Rows and codes of items of the pairs that the lists of `users` (codes) leave out, in no order."""
    parts = [] if excluded is None else [excluded]
    if exclude_seen:
        counts = np.where(users >= 0, np.diff(model.seen_indptr_)[users], 0)
        indptr = np.append(0, np.cumsum(counts))
        starts = np.where(users >= 0, model.seen_indptr_[users], 0) - indptr[:-1]
        parts.append((indptr, model.seen_items_[np.arange(indptr[-1]) + np.repeat(starts, counts)]))
    rows = [np.repeat(np.arange(len(users)), np.diff(indptr)) for indptr, _ in parts]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *rows]), np.concatenate([none, *(items for _, items in parts)])


def blocks(model: Any, layouts: ItemLayouts, request: ListRequest) -> Iterator[tuple[slice, Array, Array]]:
    """Lists of consecutive users: which, codes of items (-1 after the last), scores (NaN there), not clipped.

    Parameters
    ----------
    model : Model
        A snapshot: `score_codes`, `_products` and fitted attributes are of the state that `request` is of.
    layouts : ItemLayouts
        Of that state.
    request : ListRequest
    """
    ranking = Ranking(model, layouts, request)
    for begin in range(0, max(len(request.users), 1), ranking.step):
        part = slice(begin, min(begin + ranking.step, len(request.users)))
        yield part, *ranking.lists(part)


@dataclass(frozen=True)
class Excluded:
    """Items that lists exclude: items[starts[k]:stops[k]] of list k."""

    starts: Array
    stops: Array
    items: Array

    def of(self, lists: Array) -> Excluded:
        """Those of some of the lists, by mask or by number."""
        return Excluded(self.starts[lists], self.stops[lists], self.items)

    def queries(self, rows: Array) -> ListQueries:
        return ListQueries(rows, self.starts, self.stops, self.items)


class Ranking:
    """Ranks items for blocks of users: by products of factors if many lists are to be made, or by scores."""

    def __init__(self, model: Any, layouts: ItemLayouts, request: ListRequest) -> None:
        self.model, self.layouts, self.request = model, layouts, request
        self.n_threads: int | None = getattr(model, "n_threads", None)
        # A layout costs more than a few lists; the scores are the same bits either way.
        many = len(request.users) >= MANY
        self.factors: Factors | None = None
        # Preferences are of all items.
        m = max(request.order.m if request.by == "rating" else request.order.n_items, 1)
        self.rows = self.step = max(1, SCORES_PER_BLOCK // m)
        self.by_itself = 0
        if many and request.by == "rating":
            self.factors = model._products()
        elif many:
            self.by_itself = min(USERS_PER_BLOCK, model._lists_per_call())
            self.step = self.by_itself or self.step
        if self.factors is not None:
            products = m * (self.factors.width + 1)
            self.step = min(USERS_PER_BLOCK, max(32, PRODUCTS_PER_BLOCK // products))

    def lists(self, part: slice) -> tuple[Array, Array]:
        """Codes and scores of the lists of `request.users[part]`."""
        users = np.ascontiguousarray(self.request.users[part], dtype=np.int32)
        excluded = self._excluded(users, part)
        positions = np.full((len(users), self.request.n), -1, dtype=np.int32)
        scores = np.zeros(positions.shape)
        if self.request.n > 0 and len(users) > 0:
            times = None if self.request.timestamps is None else self.request.timestamps[part]
            ways: tuple[Any, ...] = ((np.ones(len(users), dtype=bool), self._by_scores),)
            if self.factors is not None:
                ways = ((users >= 0, self._by_products), (users < 0, self._by_scores))
            elif self.by_itself:
                rest = np.flatnonzero(~self._by_model(users, excluded, positions, scores))
                ways = tuple(
                    (mask_of(rest[begin : begin + self.rows], len(users)), self._by_scores)
                    for begin in range(0, len(rest), self.rows)
                )
            for chosen, rank in ways:
                if chosen.all():
                    rank(users, excluded, TopLists(positions, scores), times)
                elif chosen.any():
                    some = TopLists(positions[chosen], scores[chosen])
                    rank(users[chosen], excluded.of(chosen), some, None if times is None else times[chosen])
                    positions[chosen], scores[chosen] = some.positions, some.scores
        beyond = positions < 0
        codes = self.request.order.items[positions]
        codes[beyond], scores[beyond] = -1, np.nan
        return codes, scores

    def _excluded(self, users: Array, part: slice) -> Excluded:
        """The items that each list excludes."""
        starts = np.zeros(len(users), dtype=np.int64)
        stops, items = starts, np.zeros(0, dtype=np.int32)
        if self.request.exclude_seen:
            known, seen = users >= 0, self.model.seen_indptr_
            items = self.model.seen_items_
            starts = np.where(known, seen[users], 0)
            stops = np.where(known, seen[users + 1], 0)
        if self.request.excluded is None:
            return Excluded(starts, stops, items)
        indptr, more = self.request.excluded
        lists = [
            (items[starts[k] : stops[k]], more[indptr[part.start + k] : indptr[part.start + k + 1]])
            for k in range(len(users))
        ]
        stops = np.cumsum([len(seen) + len(others) for seen, others in lists], dtype=np.int64)
        items = np.concatenate([one for pair in lists for one in pair] or [items]).astype(np.int32)
        return Excluded(np.append(0, stops[:-1]), stops, items)

    def _by_model(self, users: Array, excluded: Excluded, positions: Array, scores: Array) -> Array:
        """Lists of known users that the model makes by itself; which they are."""
        made = users >= 0
        if not made.any():
            return made
        whole = made.all()
        lists = TopLists(positions, scores) if whole else TopLists(positions[made], scores[made])
        queries = (excluded if whole else excluded.of(made)).queries(users if whole else users[made])
        found = self.model._best_by_preference(queries, self.request.order, lists)
        if not whole:
            positions[made], scores[made] = lists.positions, lists.scores
        made[made] = found
        return made

    def _by_products(self, users: Array, excluded: Excluded, lists: TopLists, times: Array | None) -> None:
        factors = self.factors
        assert factors is not None
        layout = self.layouts.layout(factors, self.request.order)
        kernel = backends.kernel("top_n.products")
        m, width = layout.order.m, factors.width
        n_threads = threads_worth(self.n_threads, len(users) * m * (width + 1))
        n_words, n_floats, n_columns = kernel.scratch_sizes(
            m, width, layout.panels.head, layout.panels.n_tail, lists.n
        )
        scratch = ListScratch(
            thread_rows(n_threads, n_words, np.uint64),
            floats=thread_rows(n_threads, n_floats, np.float32),
            columns=thread_rows(n_threads, n_columns, np.int32),
        )
        order = layout.similar_together(users, factors.user_factors)
        sorted_lists = TopLists(np.empty_like(lists.positions), np.empty_like(lists.scores))
        kernel.best_products(
            excluded.of(order).queries(users[order]), factors, layout.order, layout.panels, layout.rotation,
            sorted_lists, scratch, n_threads,
        )  # fmt: skip
        lists.positions[order], lists.scores[order] = sorted_lists.positions, sorted_lists.scores

    def _by_scores(self, users: Array, excluded: Excluded, lists: TopLists, times: Array | None) -> None:
        order = self.request.order
        distinct: Array
        rows: Array
        if len(users) == 1:  # a list for one user takes a few microseconds, of which these calls are a part
            distinct, rows = users, np.zeros(1, dtype=np.int32)
        elif times is None:
            distinct, rows = np.unique(users, return_inverse=True)
        else:
            pairs, rows = np.unique(np.column_stack([users, times]), axis=0, return_inverse=True)
            distinct, times = pairs[:, 0].astype(np.int32), pairs[:, 1]
        queries = excluded.queries(rows.astype(np.int32, copy=False).reshape(-1))
        if self.request.by == "preference":
            scores = self.model._preference_rows(distinct, times)[:, order.items]
        else:
            scores = self.model._scores_for_lists(distinct, times, order, queries, lists.n)
        score_rows = ScoreRows(np.ascontiguousarray(scores).reshape(len(distinct), order.m))
        n_threads = threads_worth(self.n_threads, len(users) * order.m)
        scratch = BitmapScratch(thread_rows(n_threads, -(-order.m // 64), np.uint64))
        backends.kernel("top_n.scores").best_scores(score_rows, queries, order, lists, scratch, n_threads)


def mask_of(chosen: Array, n: int) -> Array:
    """Mask of `n` entries, true for those chosen."""
    mask = np.zeros(n, dtype=bool)
    mask[chosen] = True
    return mask


def raw_ids(ids: Array, codes: Array) -> Array:
    """Raw ids of `codes`; for -1, after the end of a list, -1, 0 (unsigned) or "", by the kind of the ids."""
    end: Any = {"i": -1, "u": 0}.get(ids.dtype.kind, "")
    out = np.empty(codes.shape, dtype=ids.dtype) if len(ids) == 0 else ids[codes]
    out[codes < 0] = end
    return out
