"""`Similar`: the items most similar to items, and the users most similar to users."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data import frames
from cfcore.data.id_columns import check_ordered, is_single, named
from cfcore.errors import DataError
from cfcore.models.core.given import NewUsers
from cfcore.models.core.ids import Ids
from cfcore.models.core.params import check_number
from cfcore.models.recommend import top_n
from cfcore.models.recommend.item_layout import ItemLayouts
from cfcore.models.recommend.ranking import best, best_of_rows

Array = np.ndarray[Any, Any]


class Similar(NewUsers):
    """Lists of items, or of users, by similarity."""

    # ------------------------------------------------------------------ for models to write

    def _similarity(self, kind: str, code: int) -> Array:
        """Similarity of one known item or user to all (float64, NaN: cannot be compared)."""
        raise TypeError(f"{type(self).__name__} does not compare {kind}s")

    def _similarity_rows(self, kind: str, codes: Array) -> Array:
        """Similarities of some known items or users to all: float64[n, n_all], the rows of `_similarity`.

        A model writes it where many rows at once take less time than one after the other. A row has the same
        bits whatever other rows are asked for.
        """
        rows = [np.asarray(self._similarity(kind, code), dtype=np.float64) for code in codes.tolist()]
        return np.array(rows).reshape(len(codes), len(self._state.ids(kind).ids))

    # ------------------------------------------------------------------ comparing

    def similar_items(
        self, item: Any, n: int = 10, *, min_support: int = 0, as_frame: bool | str = False
    ) -> Any:
        """Return the items most similar to an item, or to each of many items.

        Parameters
        ----------
        item : int or str, or array_like of them, shape (m,)
            Raw ids of items with training ratings.
        n : int, default 10
        min_support : int, default 0
            Leave out items with fewer training ratings.
        as_frame : bool or {"pandas", "polars", "pyarrow"}, default False
            Return a data frame with a row for each similar item and the columns item, similar_item,
            similarity and rank (from 1), where "item" is the name of the column in training. True: of the
            library that `item` is a column of, or else of the first one installed.

        Returns
        -------
        ids : ndarray, shape (at most n,); (m, n) for many items, or (m, n_items) if that is less
            Raw ids, most similar first, the item itself left out. Equal similarities: most training ratings
            first, then by id. For many items, a list of fewer than n is filled up with ids -1 (integers) or
            "" (strings) and similarities NaN, as the lists of `recommend` are; test the similarities.
        similarities : ndarray of float64, of the same shape

        Raises
        ------
        DataError
            Items without training ratings; the message names them.
        TypeError
            The model does not compare items.

        Notes
        -----
        Lists of many items are those of each. Similarities are computed for blocks of items, so that the
        matrix of all of them is never held.
        """
        return self._similar("item", item, n, min_support, as_frame)

    def similar_users(
        self, user: Any, n: int = 10, *, min_support: int = 0, as_frame: bool | str = False
    ) -> Any:
        """Return the users most similar to a user, or to each of many: `similar_items`, roles exchanged."""
        return self._similar("user", user, n, min_support, as_frame)

    def _similar(self, kind: str, raw: Any, n: int, min_support: int, as_frame: bool | str) -> Any:
        here = self.snapshot()
        here._check_fitted()
        check_number("n", n, 0, math.inf, integer=True)
        check_number("min_support", min_support, 0, math.inf, integer=True)
        known, single = here._state.ids(kind), is_single(raw)
        raw = list(raw) if isinstance(raw, Iterator) else raw
        check_ordered(raw, f"{kind}s")
        codes = known.encode(raw, kind if single else f"{kind}s")
        check_all_known(known, raw, codes)
        eligible = known.has_code & (known.counts >= min_support)
        if single:
            found = here._most_similar(kind, int(codes[0]), int(n), eligible)
        else:
            found = here._most_similar_each(kind, codes, min(int(n), len(known.ids)), eligible)
        ids, similarities = top_n.raw_ids(known.ids, found[0]), found[1]
        if as_frame is False:
            return ids, similarities
        library = frames.library_of(raw) if as_frame is True else as_frame
        name = here._state.column_names[kind]
        return frames.similar(
            known.ids[codes], np.atleast_2d(ids), np.atleast_2d(similarities), library, name
        )

    def _most_similar(self, kind: str, code: int, n: int, eligible: Array) -> tuple[Array, Array]:
        """Codes and similarities of at most n, for one."""
        similarities = self._similarity_rows(kind, np.array([code], dtype=np.int32))[0]
        eligible = eligible & ~np.isnan(similarities)
        eligible[code] = False
        codes = np.flatnonzero(eligible)
        codes = codes[best(similarities[codes], min(n, len(codes)), self._state.ids(kind).counts[codes])]
        return codes, similarities[codes]

    def _most_similar_each(self, kind: str, codes: Array, n: int, eligible: Array) -> tuple[Array, Array]:
        """Codes (-1 after the last) and similarities (NaN there) of n, for each."""
        state = self._state
        layouts = (
            state.item_layouts if kind == "item" else ItemLayouts(state.user_counts, state.users.featured)
        )
        order = layouts.order(eligible)
        found = np.full((len(codes), n), -1, dtype=np.int32)
        similarities = np.full(found.shape, np.nan)
        width = min(n, order.m)
        if width == 0:
            self._similarity_rows(kind, codes[:1])  # raises if the model does not compare them
            return found, similarities
        step = max(1, top_n.SCORES_PER_BLOCK // len(eligible))
        for begin in range(0, len(codes), step):
            part = codes[begin : begin + step]
            rows = self._similarity_rows(kind, part)
            lists = best_of_rows(rows, part, order, width, getattr(self, "n_threads", None))
            found[begin : begin + step, :width], similarities[begin : begin + step, :width] = lists
        return found, similarities


def check_all_known(known: Ids, raw: Any, codes: Array) -> None:
    """Raise DataError, naming the ids without training ratings, if there are any."""
    if (codes >= 0).all():
        return
    n_unknown, shown = named(raw, codes < 0)
    if is_single(raw):
        raise DataError(f"{known.kind}: {shown} has no training ratings")
    which = "users" if known.kind == "user" else "items=items"
    raise DataError(
        f"{known.kind}s: {n_unknown:,} of them have no training ratings: {shown}; "
        f"{known.kind}s[model.is_known({which})] leaves them out of an array"
    )
