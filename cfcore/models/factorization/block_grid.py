"""The grid of users × items on which models are trained by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.data import Ratings
from cfcore.data.index import slices
from cfcore.kernels.records import (
    RATING,
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
)
from cfcore.models.core.stripes import stripes
from cfcore.random import seed64
from cfcore.threads import resolve_threads

Array = np.ndarray[Any, Any]

#: Factor rows of a stripe of users, or of items, that leave room for each other in half a level-2 cache.
STRIPE_BYTES = 2**19
#: Fewest stripes of users and of items. Threads need a few, not to wait for each other; the more there are,
#: the more often rows move between their caches. On small data, which one thread trains, it is for the order
#: of ratings to be random enough: with 16 the article's SVD loses .0005 of RMSE on 80,000 ratings.
MIN_STRIPES_SMALL, MIN_STRIPES, SMALL = 32, 16, 2**18
#: Blocks of fewer ratings are all bookkeeping.
MIN_BLOCK = 16
#: Numbers in factor rows that a call may update: about .3 s, after which Ctrl-C is heard.
SLICE = 1_500_000_000


class Blocks:
    """Training ratings in blocks of a stripe of users × a stripe of items, and a random order of them.

    The grid depends on the ratings and on the length of factor rows, never on the number of threads; that is
    why the number of threads does not change a bit of the result.

    Parameters
    ----------
    train : Ratings
    row_bytes : int
        Size of a factor row.
    rng : Generator
        For the layout here, and for the order of each epoch.
    n_threads : int or None
    """

    def __init__(
        self, train: Ratings, row_bytes: int, rng: np.random.Generator, n_threads: int | None
    ) -> None:
        self._rng = rng
        self._width = max(row_bytes // 4, 16)
        self.kernel = backends.kernel("factorization.svd")
        # Small data has small blocks: threads would do little but wait for each other.
        self.n_threads = resolve_threads(n_threads) if len(train) >= SMALL else 1
        n_users, n_items = grid(len(train), train.n_users, train.n_items, row_bytes)
        self.n_item_stripes = n_items
        self.layout = BlockLayout(
            np.empty(len(train), dtype=RATING), np.empty(n_users * n_items + 1, dtype=np.int64), n_items
        )
        columns = RatingColumns(
            train.user_codes, train.item_codes, train.values, train.n_users, train.n_items
        )
        stripe_of = BlockGrid(
            stripes(train.user_counts, n_users), stripes(train.item_counts, n_items), n_users, n_items
        )
        lay_out(columns, stripe_of, self.layout, seed64(rng), self.n_threads)
        self._rounds = rounds(n_users, n_items)
        n_blocks = n_users * n_items
        self._scratch = BlockScratch(
            np.zeros(n_blocks), np.empty((n_blocks, 3), np.int32), np.empty(n_users + n_items, np.int32)
        )

    def descend(self, factors: Factors, rates: SGDRates) -> float:
        """One epoch over all ratings; the root mean square of the errors met on the way.

        Parameters
        ----------
        factors : Factors
            Changed in place.
        rates : SGDRates
        """
        order = self._order()
        visits = BlockVisits(order, self._rng.integers(0, 2**40, len(order)))
        for span in self._slices(len(order)):
            self.kernel.train(self.layout, factors, rates, visits, self._scratch, span, self.n_threads)
        return float(np.sqrt(self._scratch.squares.sum() / self.layout.n))

    def _order(self) -> Array:
        """All blocks, in an order drawn anew: `rounds` from any one on, the item stripes shuffled."""
        shift = int(self._rng.integers(len(self._rounds)))
        users, items = np.divmod(np.roll(self._rounds, shift, axis=0).ravel(), self.n_item_stripes)
        shuffled = self._rng.permutation(self.n_item_stripes).astype(np.int32)
        return (users * self.n_item_stripes + shuffled[items]).astype(np.int32)

    def in_order(self) -> Array:
        """The ratings in the order of an epoch whose rounds and starting points are not drawn at random."""
        layout = self.layout
        parts = [layout.ratings[slice(*layout.block_ptr[b : b + 2])] for b in self._rounds.ravel()]
        return np.concatenate(parts)

    def _slices(self, n_blocks: int) -> Iterator[tuple[int, int]]:
        """Ranges of blocks for one call each."""
        step = max(1, int(n_blocks * SLICE / (self.layout.n * self._width)))
        for begin in range(0, n_blocks, step):
            yield begin, min(begin + step, n_blocks)


def lay_out(columns: RatingColumns, grid: BlockGrid, layout: BlockLayout, seed: int, n_threads: int) -> None:
    """The kernel's ``svd.lay_out``, in calls after each of which Ctrl-C is heard."""
    kernel = backends.kernel("factorization.svd")
    for span in slices(columns.n):
        kernel.lay_out(columns, grid, layout, seed, span, n_threads)


def grid(n_ratings: int, n_users: int, n_items: int, row_bytes: int) -> tuple[int, int]:
    """Numbers of user stripes and of item stripes."""
    usual = MIN_STRIPES_SMALL if n_ratings < SMALL else MIN_STRIPES
    fewest = min(usual, max(1, int((n_ratings / MIN_BLOCK) ** 0.5)))
    user_stripes = max(fewest, -(-n_users * row_bytes // STRIPE_BYTES))
    item_stripes = max(fewest, -(-n_items * row_bytes // STRIPE_BYTES))
    # Very sparse data: rather rows from beyond the cache than a block for every few ratings.
    crowd = max(1.0, (user_stripes * item_stripes * MIN_BLOCK / n_ratings) ** 0.5)
    user_stripes, item_stripes = (max(fewest, int(n / crowd)) for n in (user_stripes, item_stripes))
    return min(user_stripes, n_users), min(item_stripes, n_items)


def rounds(n_users: int, n_items: int) -> Array:
    """All blocks, in rows of blocks that share no stripe: the diagonals of the grid (int32).

    From one row to the next, the user stripe before takes over each item stripe. So a thread that has a range
    of user stripes for its own gets one item stripe from another thread in each row, and keeps the others in
    its cache; and the stripe it gets is one that the other thread was done with early in the row before.
    """
    most, least = max(n_users, n_items), min(n_users, n_items)
    along, turn = np.arange(least), np.arange(most)[:, None]
    if n_users >= n_items:
        blocks = (along - turn) % most * n_items + along
    else:
        blocks = along * n_items + (along + turn) % most
    return blocks.astype(np.int32)
