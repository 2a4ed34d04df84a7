"""`EaseState`: weights of items in the scores of items, and scores by them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros, available_memory, thread_rows
from cfcore.errors import DataWarning, warn
from cfcore.kernels.records import (
    CandidateScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingMultiples,
    RatingRows,
    TopLists,
    UserScores,
    WeightPanels,
)
from cfcore.kernels.records.lists import WEIGHT_COLUMNS
from cfcore.models.core.fields import PRODUCT
from cfcore.models.core.state import State, array
from cfcore.threads import threads_worth

__all__ = ["VALUES", "EaseState", "rating_weights"]

Array = np.ndarray[Any, Any]

#: What a rating weighs: itself over the highest, or 1.
VALUES = ("ratings", "ones")
#: Highest over lowest weight where a scale does not start above 0, as of one star and five.
OF_FIVE = 5
#: Candidates for lists that a thread makes side by side: they read the weights from memory once.
CODES_TOGETHER = 1 << 21
#: Share of the items, those with fewest ratings, whose weights are rounded to 8 bits: few of them are listed.
COARSE = 0.8
#: Ratings that are looked at to find what they are multiples of.
LOOKED_AT = 1000
#: Share of users whose best items rounded sums do not tell, from which on all scores are added up.
MOST_UNKNOWN = 0.05
#: Scores of items without weights are spread over half of the distance by which they are below all others.
UNWEIGHTED = 0.5


def rating_weights(ratings: Array, scale: tuple[float, float], values: str) -> Array:
    """What ratings weigh in X: float32, in [0, 1], 1 for the highest; see `EASE`.

    Parameters
    ----------
    ratings : ndarray of float
    scale : tuple of float
        The lowest and the highest rating.
    values : {"ratings", "ones"}
    """
    shift, unit = _unit(scale)
    if values == "ones" or unit <= 0:
        return np.ones(len(ratings), dtype=np.float32)
    return ((np.asarray(ratings, dtype=np.float64) + shift) / unit).astype(np.float32)


def _unit(scale: tuple[float, float]) -> tuple[float, float]:
    """What is added to ratings, and the highest after that; 0 if there is but one rating, not above 0."""
    low, high = scale
    shift = 0.0 if low > 0 else (high - low) / (OF_FIVE - 1) - low
    return shift, high + shift


@dataclass(frozen=True, eq=False, kw_only=True)
class EaseState(State):
    """What `EASE` fits.

    Attributes
    ----------
    item_weights : ndarray of float32, shape (n_weighted, n_weighted)
        [i, j] is the weight of item i in the score of item j.
    weighted_items : ndarray of int32, shape (n_weighted,), or None
        Codes of the items that have weights, ascending; None: all.
    user_bias, item_bias : ndarray of float64, shape (n_users,), (n_items,), or None
        Of predicted ratings; None: no biases.
    values : {"ratings", "ones"}
        What a rating weighs.
    reg : float or None
        The lambda of the fit; None if the weights were found elsewhere.
    """

    item_weights: Array = array("f", "n_weighted", "n_weighted", high=PRODUCT)
    weighted_items: Array | None = array(
        "int32", "n_weighted", optional=True, low=0, high="n_items", order="ascending"
    )
    user_bias: Array | None = array("f", "n_users", optional=True)
    item_bias: Array | None = array("f", "n_items", optional=True)
    values: str = "ratings"
    reg: float | None = None

    def _verify(self) -> None:
        n_items, n = len(self.item_ids), len(self.item_weights)
        if self.weighted_items is None and n != n_items:
            raise ValueError(
                f"item_weights_ has {n} rows, and there are {n_items} items: weighted_items_ must tell whose "
                "they are"
            )
        if self.values not in VALUES:
            raise ValueError(f"values_ must be one of {', '.join(VALUES)}, not {self.values!r}")
        if self.reg is not None and not (isinstance(self.reg, (int, float)) and 0 < self.reg < np.inf):
            raise ValueError(f"reg_ must be a number above 0 or None, not {self.reg!r}")

    def with_users(self, **fields: Any) -> EaseState:
        """The state with other users; what was derived of the items is kept."""
        state = dataclasses.replace(self, **fields)
        kept = ("weights", "positions", "unweighted", "relative_popularity", "weight_panels", "item_layouts")
        vars(state).update({name: vars(self)[name] for name in kept if name in vars(self)})
        return state

    # ------------------------------------------------------------------ derived

    @cached_property
    def weights(self) -> ItemWeights:
        """The weights, as the kernel takes them."""
        return ItemWeights(np.ascontiguousarray(self.item_weights, dtype=np.float32))

    @cached_property
    def positions(self) -> Array | None:
        """Row of the weights of each item, -1 for none; None where rows are codes."""
        if self.weighted_items is None:
            return None
        positions = np.full(len(self.item_ids), -1, dtype=np.int32)
        positions[self.weighted_items] = np.arange(len(self.weighted_items), dtype=np.int32)
        return positions

    @cached_property
    def unweighted(self) -> Array:
        """Codes of the items that have no weights."""
        return np.flatnonzero(self.positions < 0) if self.positions is not None else np.zeros(0, np.int64)

    @cached_property
    def rated(self) -> RatingRows:
        """What the ratings of each user weigh, those of items that have weights."""
        values = self.seen_values
        if values is None:
            if len(self.seen_items) and self.values == "ratings":
                warn(
                    "EASE: the model does not have the users' ratings (seen_values_ is None), so that for "
                    "lists each weighs 1; pass them by given=, or by with_parameters(seen_values=...)",
                    DataWarning,
                )
            values = np.full(len(self.seen_items), self.scale[1], dtype=np.float32)
        return self.rows(self.seen_indptr, self.seen_items, values)

    def rows(self, indptr: Array, items: Array, ratings: Array) -> RatingRows:
        """What ratings in compressed rows weigh, as the kernel takes them.

        Parameters
        ----------
        indptr : int64[n_rows + 1]
        items : int32[n]
            Codes, ascending in each row.
        ratings : float[n]
        """
        weights = rating_weights(ratings, self.scale, self.values)
        if self.positions is not None:
            items = self.positions[items]
            kept = items >= 0
            indptr = np.append(0, np.cumsum(kept))[indptr]
            items, weights = items[kept], weights[kept]
        return RatingRows(
            np.ascontiguousarray(indptr, dtype=np.int64),
            np.ascontiguousarray(items, dtype=np.int32),
            np.ascontiguousarray(weights),
            len(self.item_weights),
        )

    @property
    def products(self) -> float:
        """Multiplications for the scores of a user, on average."""
        return self.rated.n / max(self.rated.n_rows, 1) * self.rated.n_columns

    def panels(self, n_threads: int | None) -> WeightPanels | None:
        """The weights in panels, most rated items first, made once; None if there is no memory for them."""
        if "weight_panels" not in vars(self):
            vars(self)["weight_panels"] = self._panels(n_threads)
        panels: WeightPanels | None = vars(self)["weight_panels"]
        return panels

    def _panels(self, n_threads: int | None) -> WeightPanels | None:
        items = np.arange(len(self.item_ids)) if self.weighted_items is None else self.weighted_items
        n, n_panels = len(items), -(-len(items) // WEIGHT_COLUMNS)
        n_columns, free = n_panels * WEIGHT_COLUMNS, available_memory()
        if free is not None and 6 * n_columns * n > free // 2:
            return None
        order = np.argsort(-self.item_counts[items], kind="stable")
        sources = np.full((n_panels, WEIGHT_COLUMNS), -1, dtype=np.int32)
        sources.reshape(-1)[:n] = order
        columns = np.where(sources < 0, -1, items[sources]).astype(np.int32)
        places = np.full(len(self.item_ids), -1, dtype=np.int32)
        places[items[order]] = np.arange(n, dtype=np.int32)
        n_pairs = int(n_panels * COARSE) // 2
        n_fine = n_panels - 2 * n_pairs
        n_blocks, n_group_blocks = WeightPanels.blocks(n_fine, n_pairs)
        panels = WeightPanels(
            sources, columns, places,
            aligned_zeros(n_fine * n, WEIGHT_COLUMNS, np.int16).reshape(n_fine, n, WEIGHT_COLUMNS),
            aligned_zeros(n_pairs * n, 2 * WEIGHT_COLUMNS, np.int8).reshape(n_pairs, n, 2 * WEIGHT_COLUMNS),
            np.empty((2 * n_pairs, WEIGHT_COLUMNS), dtype=np.float32),
            np.zeros((n_blocks, n, WEIGHT_COLUMNS), dtype=np.int16),
            np.empty((n_group_blocks, n, WEIGHT_COLUMNS), dtype=np.int8),
            np.empty((n_group_blocks, WEIGHT_COLUMNS), dtype=np.float32),
            np.empty((n_columns, n), dtype=np.float32),
            np.empty(n, dtype=np.float32),
        )  # fmt: skip
        kernel = backends.kernel("lists.top_lists")
        kernel.fill_panels(self.weights, panels, threads_worth(n_threads, n_columns * n))
        return panels

    def multiples(self, n_threads: int | None) -> RatingMultiples:
        """The weights of ratings as integers, made once; `panels` must not be None."""
        if "rating_multiples" not in vars(self):
            panels, rated = self.panels(n_threads), self.rated
            assert panels is not None
            multiples = RatingMultiples(
                np.empty(rated.n, dtype=np.int16),
                np.empty(rated.n_rows, dtype=np.int32),
                np.empty(rated.n_rows, dtype=np.int32),
                np.empty(rated.n, dtype=np.uint8),
                np.empty(rated.n_rows, dtype=np.float64),
                np.empty(rated.n_rows, dtype=np.int32),
                np.empty(rated.n_rows, dtype=np.int32),
                steps_per_one(rated.values[:LOOKED_AT]),
            )
            kernel = backends.kernel("lists.top_lists")
            kernel.fill_multiples(rated, panels, multiples, threads_worth(n_threads, rated.n * 10))
            vars(self)["rating_multiples"] = multiples
        multiples = vars(self)["rating_multiples"]
        return multiples

    def lists_worth(self, n_threads: int | None) -> bool:
        """Whether `best_lists` is quick: there are panels, and rounded sums tell most users' best items."""
        if self.panels(n_threads) is None or not self.rated.n_rows:
            return False
        return bool((self.multiples(n_threads).margins < 0).mean() <= MOST_UNKNOWN)

    # ------------------------------------------------------------------ scores

    def scores(self, users: Array, n_threads: int | None) -> Array:
        """Scores of all items for users, -1 for the unknown: float64[n_users, n_items]."""
        known = users >= 0
        if known.all():
            return self.scores_of(self.rated, users, n_threads)
        rows = np.empty((len(users), len(self.item_ids)))
        rows[~known] = self.relative_popularity
        if known.any():
            rows[known] = self.scores_of(self.rated, users[known], n_threads)
        return rows

    def scores_of(self, rated: RatingRows, users: Array, n_threads: int | None) -> Array:
        """Scores of all items for some rows of ratings: float64[n_users, n_items]."""
        scores = np.empty((len(users), rated.n_columns), dtype=np.float32)
        out = UserScores(np.ascontiguousarray(users, dtype=np.int32), scores)
        work = len(users) * rated.n / max(rated.n_rows, 1) * rated.n_columns
        backends.kernel("lists.weighted_sums").score_rows(
            rated, self.weights, out, threads_worth(n_threads, work)
        )
        if self.weighted_items is None:
            return scores.astype(np.float64)
        rows = np.empty((len(users), len(self.item_ids)))
        rows[:, self.weighted_items] = scores
        lowest = scores.min(axis=1, initial=0, keepdims=True)
        rows[:, self.unweighted] = lowest - 1 + self.relative_popularity[self.unweighted] * UNWEIGHTED
        return rows

    def best_lists(
        self, queries: ListQueries, order: ItemOrder, lists: TopLists, n_threads: int | None
    ) -> None:
        """Lists of the items that have weights, for known users; `lists_worth` must be true."""
        panels, rated = self.panels(n_threads), self.rated
        assert panels is not None
        multiples = self.multiples(n_threads)
        n_threads = threads_worth(n_threads, queries.n_lists * self.products)
        together = min(-(-queries.n_lists // n_threads), max(64, CODES_TOGETHER // (lists.n + 256)))
        n_words, n_codes = CandidateScratch.sizes(max(together, 1), panels.n_panels, lists.n)
        scratch = CandidateScratch(
            thread_rows(n_threads, n_words, np.uint64), codes=np.empty((n_threads, n_codes), dtype=np.int32)
        )
        kernel = backends.kernel("lists.top_lists")
        kernel.best_lists(rated, multiples, panels, queries, order, lists, scratch, n_threads)

    def session_scores(self, items: Array, ratings: Array) -> Array:
        """Scores of all items given the ratings of one user: float64[n_items].

        Parameters
        ----------
        items : int32[n]
            Codes, ascending.
        ratings : float[n]
        """
        if not len(items):
            return self.relative_popularity
        rated = self.rows(np.array([0, len(items)]), items, ratings)
        scores: Array = self.scores_of(rated, np.zeros(1, dtype=np.int32), 1)[0]
        return scores

    def contributions(self, items: Array, ratings: Array, item: int) -> Array:
        """What ratings of one user add to the score of an item: float64[n], whose sum is the score.

        Parameters
        ----------
        items : int32[n]
            Codes.
        ratings : float[n]
        item : int
            A code.
        """
        weights = rating_weights(ratings, self.scale, self.values).astype(np.float64)
        column = item
        if self.positions is not None:
            items, column = self.positions[items], int(self.positions[item])
        if column < 0:
            return np.zeros(len(items))
        effects = weights * self.weights.values[np.maximum(items, 0), column]
        return np.where(items >= 0, effects, 0.0)


def steps_per_one(weights: Array) -> int:
    """The number of equal steps from 0 to 1 that weights are multiples of, at most 100; else 1."""
    distinct = np.unique(weights).astype(np.float64)
    for n in range(1, 101):
        steps = distinct * n
        if (np.abs(steps - np.rint(steps)) < 1e-4).all():
            return n
    return 1
