"""Lists of the best items for many users, block by block, so that no matrix of scores is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import thread_rows
from cfcore.data import as_pairs
from cfcore.data.ids import encode
from cfcore.kernels.records import (
    BitmapScratch,
    Factors,
    ItemOrder,
    ListQueries,
    ListScratch,
    ScoreRows,
    TopLists,
)
from cfcore.models.core.ids import is_single
from cfcore.models.recommend.item_layout import ItemLayout
from cfcore.threads import worthwhile_threads

Array = np.ndarray[Any, Any]

#: Scores that models without a kernel of their own compute at a time, and multiplications in one call of
#: `best_products`: about a third of a second on one core if no pair can be dismissed.
SCORES_AT_A_TIME = 1 << 21
PRODUCTS_AT_A_TIME = 1 << 34
#: Lists for which items are not laid out in panels.
FEW = 128
#: Users in one call of `best_products`: what bounds the memory of requests and lists.
USERS_AT_A_TIME = 1 << 16


@dataclass(frozen=True)
class Wanted:
    """Which lists are asked for, in codes.

    `left_out` holds codes of items for each of the lists (compressed rows: indptr and indices), or None.
    """

    users: Array
    n: int
    candidates: Array
    exclude_seen: bool
    left_out: tuple[Array, Array] | None = None


def candidates(model: Any, items: Any, min_support: int) -> Array:
    """Mask of the items that may be listed."""
    chosen: Array = model.item_counts_ >= max(min_support, 1)
    if items is not None:
        codes = model._codes(np.atleast_1d(items) if is_single(items) else items, "item")
        allowed = np.zeros(len(chosen), dtype=bool)
        allowed[codes[codes >= 0]] = True
        chosen &= allowed
    return chosen


def left_out(model: Any, users: Any, exclude: Any) -> tuple[Array, Array] | None:
    """Codes of the items that `exclude`, pairs of raw ids, keeps from the list of each of `users`."""
    if exclude is None:
        return None
    raw_users, raw_items, _ = as_pairs(exclude)
    distinct, position = np.unique(np.asarray(users), return_inverse=True)
    # Strangers are told apart by their ids: to the model they are all one.
    who, what = encode(distinct, raw_users, "exclude"), model._codes(raw_items, "item")
    if len(who) != len(what):
        raise ValueError(f"exclude: {len(who)} users, but {len(what)} items")
    kept = (who >= 0) & (what >= 0)
    who, what = who[kept], what[kept]
    what = what[np.argsort(who, kind="stable")]
    counts = np.bincount(who, minlength=len(distinct))
    starts, counts = (np.cumsum(counts) - counts)[position], counts[position]
    indptr = np.append(0, np.cumsum(counts))
    within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], counts)
    return indptr, what[np.repeat(starts, counts) + within]


def blocks(model: Any, wanted: Wanted) -> Iterator[tuple[slice, Array, Array]]:
    """Lists of consecutive users: which, codes of items (-1: no more), scores (NaN there), not clipped."""
    ranking = Ranking(model, wanted)
    for begin in range(0, max(len(wanted.users), 1), ranking.step):
        part = slice(begin, min(begin + ranking.step, len(wanted.users)))
        yield part, *ranking.lists(part)


class Ranking:
    """The order of a model's items, and its factors if its scores are products, for all blocks of users.

    Equal scores are listed by the number of training ratings, most first, then by code.
    """

    def __init__(self, model: Any, wanted: Wanted) -> None:
        self.model, self.wanted = model, wanted
        codes = np.flatnonzero(wanted.candidates)
        items = codes[np.argsort(-model.item_counts_[codes], kind="stable")].astype(np.int32)
        positions = np.full(len(wanted.candidates), -1, dtype=np.int32)
        positions[items] = np.arange(len(items), dtype=np.int32)
        self.order = ItemOrder(items, positions)
        # A layout costs more than a few lists; the scores are the same bits either way.
        products = model._products() if len(wanted.users) >= FEW else None
        self.factors: Factors | None = None if products is None else products.factors()
        m = max(len(items), 1)
        self.step = max(1, SCORES_AT_A_TIME // m)
        if self.factors is not None:
            self.step = min(USERS_AT_A_TIME, max(32, PRODUCTS_AT_A_TIME // (m * (self.factors.width + 1))))

    def lists(self, part: slice) -> tuple[Array, Array]:
        """Codes and scores of the lists of `wanted.users[part]`."""
        users = np.ascontiguousarray(self.wanted.users[part], dtype=np.int32)
        excluded = self._excluded(users, part)
        positions = np.full((len(users), self.wanted.n), -1, dtype=np.int32)
        scores = np.zeros(positions.shape)
        if self.wanted.n > 0 and len(users) > 0:
            by_product = users >= 0 if self.factors is not None else np.zeros(len(users), dtype=bool)
            for chosen, rank in ((by_product, self._by_products), (~by_product, self._by_scores)):
                if chosen.all():
                    rank(users, excluded, TopLists(positions, scores))
                elif chosen.any():
                    some = TopLists(positions[chosen], scores[chosen])
                    rank(users[chosen], excluded.of(chosen), some)
                    positions[chosen], scores[chosen] = some.positions, some.scores
        scores[positions < 0] = np.nan
        codes = np.append(self.order.items, np.int32(-1))[positions]
        return codes, scores

    def _excluded(self, users: Array, part: slice) -> Excluded:
        """What the kernels exclude from each list."""
        model, wanted = self.model, self.wanted
        starts = np.zeros(len(users), dtype=np.int64)
        stops, items = starts, np.zeros(0, dtype=np.int32)
        if wanted.exclude_seen:
            known = users >= 0
            items = model.seen_items_
            starts = np.where(known, model.seen_indptr_[users], 0)
            stops = np.where(known, model.seen_indptr_[users + 1], 0)
        if wanted.left_out is None:
            return Excluded(starts, stops, items)
        indptr = wanted.left_out[0][part.start : part.stop + 1]
        lists = [
            (items[starts[k] : stops[k]], wanted.left_out[1][indptr[k] : indptr[k + 1]])
            for k in range(len(users))
        ]
        stops = np.cumsum([len(seen) + len(more) for seen, more in lists], dtype=np.int64)
        items = np.concatenate([one for pair in lists for one in pair] or [items]).astype(np.int32)
        return Excluded(np.append(0, stops[:-1]), stops, items)

    def _by_products(self, users: Array, excluded: Excluded, lists: TopLists) -> None:
        factors = self.factors
        assert factors is not None
        layout = ItemLayout.of(self.model, factors, self.order.items)
        kernel = backends.kernel("top_n.products")
        m, width = layout.order.m, factors.width
        n_threads = worthwhile_threads(self.model.n_threads, len(users) * m * (width + 1))
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

    def _by_scores(self, users: Array, excluded: Excluded, lists: TopLists) -> None:
        distinct, rows = np.unique(users, return_inverse=True)
        m = self.order.m
        predicted = self.model._predict_codes(
            np.repeat(distinct, m).astype(np.int32), np.tile(self.order.items, len(distinct)), None
        )
        scores = ScoreRows(np.ascontiguousarray(predicted, dtype=np.float64).reshape(len(distinct), m))
        n_threads = worthwhile_threads(getattr(self.model, "n_threads", None), len(users) * m)
        scratch = BitmapScratch(thread_rows(n_threads, -(-m // 64), np.uint64))
        queries = excluded.queries(rows.astype(np.int32).reshape(-1))
        backends.kernel("top_n.scores").best_scores(scores, queries, self.order, lists, scratch, n_threads)


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


def named(ids: Array, codes: Array) -> Array:
    """Raw ids of `codes`; for -1, where a list has ended, what says so in their kind: -1, "" or None."""
    end: Any = {"i": -1, "u": 0, "U": "", "S": b""}.get(ids.dtype.kind)
    out = np.empty(codes.shape, dtype=ids.dtype) if len(ids) == 0 else ids[codes]
    out[codes < 0] = end
    return out
