"""`Recommender`: lists of items for users."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore.data import frames
from cfcore.data.checks import as_timestamps
from cfcore.data.ids import as_column, is_single
from cfcore.errors import DataError
from cfcore.kernels.records import Factors, ItemOrder, ListQueries
from cfcore.metrics.options import CRITERIA, EXPLORING
from cfcore.models.core.distributions import Exploration, check_unused, exploration_of
from cfcore.models.core.given import is_session, user_of
from cfcore.models.core.ids import column_of
from cfcore.models.core.params import check_flag, check_number
from cfcore.models.core.preference import Preferring
from cfcore.models.core.similar import Similar
from cfcore.models.core.single import PLAIN
from cfcore.models.recommend import top_n
from cfcore.models.recommend.exclusion import exclusion_of
from cfcore.random import RandomState

Array = np.ndarray[Any, Any]


class Recommender(Preferring, Similar):
    """Lists of items by predictions or preferences."""

    # ------------------------------------------------------------------ for models to write

    def uses_timestamps(self) -> bool:
        """Whether fits and predictions depend on time."""
        return False

    def _products(self) -> Factors | None:
        """The factors, where the score of a known user and item is mean + b_u + b_i + p_u . q_i."""
        return None

    def _scores_for_lists(
        self, users: Array, times: Array | None, order: ItemOrder, queries: ListQueries, n: int
    ) -> Array:
        """Scores of users for the items in `order`: float64[n_users, order.m].

        Scores of items that are not among the n best of any list need not have all digits. List k of
        `queries` is for the user at queries.rows[k].
        """
        items = order.items if len(users) == 1 else np.tile(order.items, len(users))
        moments = () if times is None else (np.repeat(times, order.m),)
        scores = self.score_codes(np.repeat(users, order.m), items, *moments)
        return np.ascontiguousarray(scores).reshape(len(users), order.m)

    # ------------------------------------------------------------------ recommending

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        by: str | None = None,
        given: Any = None,
        exclude_seen: bool = True,
        min_support: int = 0,
        items: Any = None,
        exclude: Any = None,
        timestamps: Any = None,
        as_frame: bool | str = False,
        n_std: float | None = None,
        random_state: RandomState = None,
    ) -> Any:
        """Recommend items to one user, or to each of many users.

        Parameters
        ----------
        users : int or str, or array_like of them, shape (n_users,)
            Raw user ids. Lists for unknown users follow from the model's predictions for them. With `given`
            they may be left out: all users of it, in ascending order.
        n : int, default 10
        by : {"rating", "preference", "upper", "sample"}, optional
            What the items are ranked by: their predicted ratings; or preferences, the chance that the user
            will choose the item, weighed by the chance that they will be content with it (see `preference`).
            By default ``ranks_by`` of the model: "preference" for models that are for lists, or else
            "rating". To explore, for models that have a distribution of their predictions (`BayesianSVD`):
            "upper", the predicted rating and `n_std` standard deviations of it (not of the noise of ratings);
            "sample", the predictions of one sample of the parameters, for all users of the call
            (Thompson sampling).
        given : dict of item to rating, or Ratings, DataFrame, (users, items, values), ..., optional
            Ratings of users in place of those of training, as in `predict`: those of one user, or of many.
        exclude_seen : bool, default True
            Leave out the items that the user rated in training.
        min_support : int, default 0
            Leave out items with fewer training ratings, whose scores are uncertain. Unknown items are never
            listed.
        items : array_like, optional
            Raw ids of the items that may be listed; by default all known items. Unknown ids are ignored.
        exclude : ids of items; or (users, items), rows, DataFrame, Ratings or scipy sparse matrix, optional
            Items excluded for all users, as out of stock: an id, or a flat list, set, array or column
            (also a frame of one column) of them. Or pairs that must not be listed, such as items that the
            user bought or dismissed: a tuple of two columns, rows of a user and an item, a frame, ...
            Unknown ids, and pairs of other users, are ignored.
        timestamps : scalar, or array_like of shape (n_users,), optional
            The time that the lists are for, such as now, or one for each user, as `predict` takes them; for
            models whose predictions depend on time. By default the lists are those without times.
        as_frame : bool or {"pandas", "polars", "pyarrow"}, default False
            Return a data frame with a row for each listed item and the columns user, item, score and rank
            (from 1); those of users and items have the names that they had in training (``column_names_``).
            The ratings of one user, given as a dict, have no id of a user, and their frame no such column.
            True: of the library that `users` is a column of, or else of the first one installed.
        n_std : float, optional
            For ``by="upper"``; at least 0, by default 1.
        random_state : int, SeedSequence, Generator, BitGenerator, RandomState or None
            For ``by="sample"``, chooses the sample; None: another one in each call.

        Returns
        -------
        ids : ndarray, shape (at most n,); (n_users, n) for many users, or (n_users, n_items) if that is less
            Raw item ids, best first: sorted by preferences, or by predictions before they are clipped to the
            scale, then by the number of training ratings, most first, then by id. For many users, a list of
            fewer than n items is filled up with ids -1 (integers) or "" (strings) and scores NaN; test the
            scores.
        scores : ndarray of float64, of the same shape
            Predictions of the items, as from `predict`; with ``by="preference"`` preferences, as from
            `preference`; with ``by="upper"`` bounds, which may be above the scale.

        Notes
        -----
        **Rating or preference.** Predicted ratings tell what a user would think of items that they have
        decided to try: with them, rank candidates that were chosen otherwise. They are not good for lists
        out of all items, as what few people rate, and those like, comes first. nDCG@10 on split u1 of
        ml-100k, relevant from 4 on, defaults: of all items, the 10 best by the ratings of `SVD` .152, by
        number of ratings .245 (`Popularity`), by preference `SVD` .287, `EASE` .483, `Ranker` .491
        (``python benchmarks/ranking.py --data u1``). Of the test items of each user alone,
        ``evaluate(..., candidates="test")``: .858, .742, .810, .802 and .815, and .863 by the ratings of
        `Ranker`.

        The matrix of all scores is never held in memory; beside the result and the model, memory does not
        grow with the number of users. A model whose scores are products of factors keeps an item layout,
        twice the size of the item factors, for later calls. `recommend_batches` does not hold the whole
        result either.
        """
        plain = items is None and exclude is None and timestamps is None and as_frame is False
        plain = plain and n_std is None and random_state is None
        if plain and (type(users) in PLAIN if given is None else users is None):
            answer = self._quick_list(users, n, by, given, exclude_seen, min_support)
            if answer is not None:
                return answer
        by, here = exploring(by, n_std, random_state), self.snapshot()
        is_unnamed = users is None and is_session(given)
        if given is not None:
            here, known = self._for_users(given)
            if users is None:
                users = user_of(given, known)
        elif users is None:
            raise TypeError("recommend takes users, or ratings: recommend(given={item: rating, ...})")
        if is_single(users):
            ids, scores = next(
                here._lists(
                    np.atleast_1d(users), n, exclude_seen, min_support, items, exclude, timestamps, by
                )
            )
            kept = ~np.isnan(scores[0])
            ids, scores = ids[:, kept], scores[:, kept]
            users = np.atleast_1d(users)
            single = True
        else:
            single = False
            users = list(users) if isinstance(users, Iterator) else users  # it is read once
            parts = list(here._lists(users, n, exclude_seen, min_support, items, exclude, timestamps, by))
            ids, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        if as_frame is not False:
            library = None if as_frame is True else as_frame
            named = None if is_unnamed else users
            return frames.lists(named, ids, scores, library, here._state.column_names)
        return (ids[0], scores[0]) if single else (ids, scores)

    def recommend_batches(
        self,
        users: Any,
        n: int = 10,
        *,
        by: str | None = None,
        exclude_seen: bool = True,
        min_support: int = 0,
        items: Any = None,
        exclude: Any = None,
        timestamps: Any = None,
        as_frame: bool | str = False,
        n_std: float | None = None,
        random_state: RandomState = None,
    ) -> Iterator[Any]:
        """Recommend to many users in batches, for results that do not fit in memory as a whole.

        Parameters
        ----------
        users, n, by, exclude_seen, min_support, items, exclude, timestamps, as_frame, n_std, random_state
            As in `recommend`.

        Yields
        ------
        users : ndarray, shape (n_batch,)
            The next of `users`; their number depends on the work of a list.
        ids, scores : ndarray, shape (n_batch, n)
            As `recommend` returns them. With `as_frame` a frame in place of the three arrays.
        """
        by, here, begin = exploring(by, n_std, random_state), self.snapshot(), 0
        column = as_column(users)
        lists = here._lists(users, n, exclude_seen, min_support, items, exclude, timestamps, by)
        for ids, scores in lists:
            part = column[begin : begin + len(ids)]
            begin += len(ids)
            if as_frame is False:
                yield part, ids, scores
            else:
                library = frames.library_of(users) if as_frame is True else as_frame
                yield frames.lists(part, ids, scores, library, here._state.column_names)

    def _lists(
        self,
        users: Any,
        n: int,
        exclude_seen: bool,
        min_support: int,
        items: Any,
        exclude: Any,
        timestamps: Any = None,
        by: str | Exploration | None = None,
    ) -> Iterator[tuple[Array, Array]]:
        here = self.snapshot()
        here._check_fitted()
        check_number("n", n, 0, math.inf, integer=True)
        check_number("min_support", min_support, 0, math.inf, integer=True)
        check_flag("exclude_seen", exclude_seen)
        is_clipped = isinstance(by, Exploration) and by.by == "sample"
        if isinstance(by, Exploration):
            here, criterion = here._explorer(by), "rating"
        else:
            criterion = here._criterion(by, CRITERIA if here._has_distributions() else CRITERIA[:2])
            is_clipped = criterion == "rating"
        layouts = here._state.item_layouts
        order, pairs = here._order_and_pairs(min_support, items, exclude)
        codes = here.encode_users(users)
        excluded = top_n.excluded_pairs(here, users, pairs)
        # No list has more entries than there are items that may be listed; up to all items, it is padded.
        n, width = int(n), min(int(n), len(here.item_ids_))
        times = here._times_of_lists(timestamps, len(codes))
        request = top_n.ListRequest(codes, min(n, order.m), order, exclude_seen, excluded, times, criterion)
        for _, found, scores in top_n.blocks(here, layouts, request):
            if width > request.n:
                room = ((0, 0), (0, width - request.n))
                found = np.pad(found, room, constant_values=-1)
                scores = np.pad(scores, room, constant_values=np.nan)
            if is_clipped:
                np.clip(scores, *here.scale_, out=scores)
            yield top_n.raw_ids(here.item_ids_, found), scores

    def rules_of_lists(
        self,
        users: Any,
        *,
        exclude_seen: bool = True,
        min_support: int = 0,
        items: Any = None,
        exclude: Any = None,
    ) -> tuple[Array, Array, Array]:
        """Which items `recommend` may list with these options, in codes.

        Parameters
        ----------
        users : array_like, shape (n_users,)
            Raw ids.
        exclude_seen, min_support, items, exclude
            As in `recommend`.

        Returns
        -------
        items : ndarray of int32, shape (n_listed,)
            Codes of the items that may be listed: most training ratings first, then by code.
        rows, left_out : ndarray of int64, shape (n_pairs,)
            Pairs that are not listed all the same: row of the user in `users`, code of the item. Pairs may be
            repeated.
        """
        here = self.snapshot()
        here._check_fitted()
        check_number("min_support", min_support, 0, math.inf, integer=True)
        check_flag("exclude_seen", exclude_seen)
        order, pairs = here._order_and_pairs(min_support, items, exclude)
        excluded = top_n.excluded_pairs(here, users, pairs)
        rows, left_out = top_n.left_out(here, here.encode_users(users), exclude_seen, excluded)
        return order.items, rows, left_out

    def _order_and_pairs(self, min_support: int, items: Any, exclude: Any) -> tuple[ItemOrder, Any]:
        """Items that may be listed to anybody, and pairs of raw ids that are left out of single lists."""
        exclusion, layouts = exclusion_of(exclude), self._state.item_layouts
        if items is None and exclusion.items is None:
            return layouts.supported(min_support), exclusion.pairs
        allowed = top_n.allowed_items(self, items, min_support, exclusion.items)
        return layouts.order(allowed), exclusion.pairs

    def _times_of_lists(self, timestamps: Any, n_lists: int) -> Array | None:
        """A time for each list; None without times, and for models that have no use for them."""
        if timestamps is None or timestamps is False or not self.uses_timestamps():
            return None
        times = as_timestamps(column_of(timestamps), "timestamps")
        if len(times) not in (1, n_lists):
            raise DataError(
                f"timestamps: one for each of {n_lists} users is wanted, or one, not {len(times)}"
            )
        return np.broadcast_to(times, n_lists)


def exploring(by: Any, n_std: float | None, random_state: RandomState) -> Any:
    """The argument `by` with the options of lists that explore, if these do."""
    if type(by) is str and by in EXPLORING:
        return exploration_of(by, n_std, random_state)
    check_unused(by, n_std, random_state)
    return by
