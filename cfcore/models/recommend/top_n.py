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
from cfcore.models.recommend.item_layout import Panels, Products
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


def candidates(state: Any, items: Any, min_support: int) -> Array:
    """Mask of the items that may be listed."""
    chosen: Array = state.item_counts >= max(min_support, 1)
    if items is not None:
        codes = state.items.encode(items)
        allowed = np.zeros(len(chosen), dtype=bool)
        allowed[codes[codes >= 0]] = True
        chosen &= allowed
    return chosen


def left_out(state: Any, users: Any, exclude: Any) -> tuple[Array, Array] | None:
    """Codes of the items that `exclude`, pairs of raw ids, keeps from the list of each of `users`."""
    if exclude is None:
        return None
    raw_users, raw_items, _ = as_pairs(exclude)
    distinct, position = np.unique(np.asarray(users), return_inverse=True)
    # By raw id: unknown users share code -1.
    who, what = encode(distinct, raw_users, "exclude"), state.items.encode(raw_items)
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
    """Scores of a model and the order of its items, made once for all blocks of users.

    Equal scores are listed by the number of training ratings, most first, then by code: the items stand in
    that order.
    """

    def __init__(self, model: Any, wanted: Wanted) -> None:
        self.model, self.wanted = model, wanted
        codes = np.flatnonzero(wanted.candidates)
        self.order = codes[np.argsort(-model._state.item_counts[codes], kind="stable")].astype(np.int32)
        self.places_of = np.full(len(wanted.candidates), -1, dtype=np.int32)
        self.places_of[self.order] = np.arange(len(self.order), dtype=np.int32)
        # Panels are worth making for more than a handful; the scores are the same bits either way.
        many = len(wanted.users) >= FEW
        self.products: Products | None = model._products() if many else None
        m = max(len(self.order), 1)
        self.step = max(1, SCORES_AT_A_TIME // m)
        if self.products is not None:
            width = self.products.item_rows.shape[1]
            self.step = min(USERS_AT_A_TIME, max(32, PRODUCTS_AT_A_TIME // (m * (width + 1))))

    def lists(self, part: slice) -> tuple[Array, Array]:
        """Codes and scores of the lists of `wanted.users[part]`."""
        users = np.ascontiguousarray(self.wanted.users[part], dtype=np.int32)
        starts, stops, excluded = self._excluded(users, part)
        places = np.full((len(users), self.wanted.n), -1, dtype=np.int32)
        scores = np.zeros(places.shape)
        if self.wanted.n > 0 and len(users) > 0:
            by_product = users >= 0 if self.products is not None else np.zeros(len(users), dtype=bool)
            for chosen, rank in ((by_product, self._by_products), (~by_product, self._by_scores)):
                if chosen.all():
                    rank(users, starts, stops, excluded, places, scores)
                elif chosen.any():
                    some = places[chosen], scores[chosen]
                    rank(users[chosen], starts[chosen], stops[chosen], excluded, *some)
                    places[chosen], scores[chosen] = some
        scores[places < 0] = np.nan
        codes = np.append(self.order, np.int32(-1))[places]
        return codes, scores

    def _excluded(self, users: Array, part: slice) -> tuple[Array, Array, Array]:
        """starts, stops, items: what the kernels leave out of each list."""
        model, wanted = self.model, self.wanted
        starts = np.zeros(len(users), dtype=np.int64)
        stops, items = starts, np.zeros(0, dtype=np.int32)
        if wanted.exclude_seen:
            known = users >= 0
            items = model._state.seen_items
            starts = np.where(known, model._state.seen_indptr[users], 0)
            stops = np.where(known, model._state.seen_indptr[users + 1], 0)
        if wanted.left_out is None:
            return starts, stops, items
        indptr = wanted.left_out[0][part.start : part.stop + 1]
        lists = [
            (items[starts[k] : stops[k]], wanted.left_out[1][indptr[k] : indptr[k + 1]])
            for k in range(len(users))
        ]
        stops = np.cumsum([len(seen) + len(more) for seen, more in lists], dtype=np.int64)
        items = np.concatenate([one for pair in lists for one in pair] or [items]).astype(np.int32)
        return np.append(0, stops[:-1]), stops, items

    def _by_products(
        self, users: Array, starts: Array, stops: Array, excluded: Array, places: Array, scores: Array
    ) -> None:
        given = self.products
        assert given is not None
        panels = Panels(given, self.order)
        kernel = backends.kernel("top_n.products")
        m, width = len(self.order), given.item_rows.shape[1]
        n_threads = worthwhile_threads(self.model.n_threads, len(users) * m * (width + 1))
        alike = panels.alike(users, given.user_rows)
        listed = np.empty_like(places), np.empty_like(scores)
        n_marks, n_floats, n_codes = kernel.scratch_sizes(
            m, width, panels.head, panels.tails.shape[1], places.shape[1]
        )
        kernel.best_products(
            users[alike], given.user_rows, given.item_rows, given.user_bias, given.item_bias, panels.columns,
            panels.column_of, panels.standing, starts[alike], stops[alike], excluded, panels.turn,
            panels.panels, panels.tails, panels.bounds, *listed,
            thread_rows(n_threads, n_marks, np.uint64), thread_rows(n_threads, n_floats, np.float32),
            thread_rows(n_threads, n_codes, np.int32), given.mean, n_threads,
        )  # fmt: skip
        places[alike], scores[alike] = listed

    def _by_scores(
        self, users: Array, starts: Array, stops: Array, excluded: Array, places: Array, scores: Array
    ) -> None:
        distinct, rows = np.unique(users, return_inverse=True)
        m = len(self.order)
        predicted = self.model._score(
            np.repeat(distinct, m).astype(np.int32), np.tile(self.order, len(distinct)), None
        )
        n_threads = worthwhile_threads(getattr(self.model, "n_threads", None), len(users) * m)
        backends.kernel("top_n.scores").best_scores(
            np.ascontiguousarray(predicted, dtype=np.float64).reshape(len(distinct), m),
            rows.astype(np.int32).reshape(-1), self.order, self.places_of, starts, stops, excluded, places,
            scores, thread_rows(n_threads, -(-m // 64), np.uint64), n_threads,
        )  # fmt: skip


def named(ids: Array, codes: Array) -> Array:
    """Raw ids of `codes`; for -1, where a list has ended, what says so in their kind: -1, "" or None."""
    end: Any = {"i": -1, "u": 0, "U": "", "S": b""}.get(ids.dtype.kind)
    out = np.empty(codes.shape, dtype=ids.dtype) if len(ids) == 0 else ids[codes]
    out[codes < 0] = end
    return out
