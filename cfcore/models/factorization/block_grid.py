"""The grid of users × items on which models are trained by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from cfcore.models.core.stripes import bounds, stripes
from cfcore.random import seed64
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Bytes of the factor rows of a stripe: those of a stripe of users and a stripe of items fill half a level-2
#: cache.
STRIPE_BYTES = 2**19
#: Fewest stripes of users and of items. With fewer, threads would wait for each other; with more, factor rows
#: are copied between their caches more often. On small data, which one thread trains, more stripes make the
#: order of ratings more random: with 16 the article's SVD loses .0005 of RMSE on 80,000 ratings.
MIN_STRIPES_SMALL, MIN_STRIPES, SMALL = 32, 16, 2**18
#: Fewest ratings of a mean block: below, the work per block is more than that per rating.
MIN_BLOCK = 16
#: Numbers in factor rows that a call may update: about .3 s, after which Ctrl-C is handled.
SLICE = 1_500_000_000
#: Parts into which the blocks of a round are cut, for other processes.
PARTS_OF_STAGE = 8


class Blocks:
    """Training ratings in blocks of a stripe of users × a stripe of items, and random orders of the blocks.

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
        self.rng = rng
        self._width = max(row_bytes // 4, 16)
        self.kernel = backends.kernel("factorization.svd")
        self.n_threads = threads_worth(n_threads, len(train), "block_ratings")
        n_users, n_items = grid(len(train), train.n_users, train.n_items, row_bytes)
        n_blocks = n_users * n_items
        self.n_item_stripes = n_items
        self.layout = BlockLayout(
            np.empty(len(train), dtype=RATING), np.empty(n_blocks + 1, dtype=np.int64), n_items
        )
        columns = RatingColumns(
            train.user_codes, train.item_codes, train.values, train.n_users, train.n_items
        )
        stripe_of = BlockGrid(
            stripes(train.user_counts, n_users), stripes(train.item_counts, n_items), n_users, n_items
        )
        lay_out(columns, stripe_of, self.layout, seed64(rng), self.n_threads)
        # First user of each user stripe, and first item of each item stripe.
        self.user_ptr = bounds(stripe_of.user_stripes, n_users)
        self.item_ptr = bounds(stripe_of.item_stripes, n_items)
        self.rounds = rounds(n_users, n_items)
        # Twice, so that the rounds from any one on are a slice: numbers of blocks less their item stripe, and
        # item stripes.
        twice = np.concatenate([self.rounds, self.rounds])
        self._item_stripes = (twice % n_items).astype(np.intp)
        self._first_blocks = twice - (twice % n_items)
        self._scratch = BlockScratch(
            np.zeros(n_blocks), np.empty((n_blocks, 3), np.int32), np.empty(n_users + n_items, np.int32)
        )

    def visits(self) -> BlockVisits:
        """All blocks in an order for an epoch, and where the sweep of each begins, both drawn at random."""
        shift = int(self.rng.integers(len(self.rounds)))
        rows = slice(len(self.rounds) - shift, 2 * len(self.rounds) - shift)
        shuffled = self.rng.permutation(self.n_item_stripes).astype(np.int32)
        order = (self._first_blocks[rows] + shuffled[self._item_stripes[rows]]).ravel()
        return BlockVisits(order, self.rng.integers(0, 2**40, len(order)))

    def train(self, factors: Factors, rates: SGDRates, visits: BlockVisits) -> Array:
        """Update factors and biases, in place, by the ratings of some blocks.

        Returns
        -------
        ndarray of float64, shape (n_blocks,)
            Sum of squared errors of each block visited, each error taken before its rating's step. The next
            call overwrites it.
        """
        for span in self._slices(visits.n_visits):
            self.kernel.train(self.layout, factors, rates, visits, self._scratch, span, self.n_threads)
        return self._scratch.squares

    def descend(self, factors: Factors, rates: SGDRates) -> float:
        """One epoch over all ratings; the root mean square of the errors, each before its rating's step."""
        return self.error(self.train(factors, rates, self.visits()))

    def error(self, squares: Array) -> float:
        """Root mean square error, from the sum of squared errors of each block."""
        return float(np.sqrt(squares.sum() / self.layout.n))

    def in_order(self) -> Array:
        """The ratings in the order of an epoch whose rounds and starting points are not drawn at random."""
        layout = self.layout
        parts = [layout.ratings[slice(*layout.block_ptr[b : b + 2])] for b in self.rounds.ravel()]
        return np.concatenate(parts)

    def _slices(self, n_visits: int) -> Iterator[tuple[int, int]]:
        """Ranges of visits for one call each."""
        step = max(1, int(self.layout.n_blocks * SLICE / (self.layout.n * self._width)))
        for begin in range(0, n_visits, step):
            yield begin, min(begin + step, n_visits)


@dataclass(frozen=True, eq=False)
class Part:
    """A part of an epoch: blocks of a range of user stripes × item stripes that share no stripe.

    Attributes
    ----------
    epoch : int
    stage : int
        Parts of one stage are independent of each other; a stage begins when the one before is finished.
    blocks : ndarray of int32
    starts : ndarray of int64
        Where the sweep of each of these blocks begins.
    """

    epoch: int
    stage: int
    blocks: Array
    starts: Array


class BlockTrainer:
    """Epochs of stochastic gradient descent over blocks, as a whole or part by part.

    A subclass has the methods of `core.trainer.Trainer` that are not here, and `steps`.

    Parameters
    ----------
    train : Ratings
    factors : Factors
        The live parameters, changed in place.
    rng : Generator
        For the layout of the ratings and the order of each epoch.
    n_threads : int or None
    """

    def __init__(
        self, train: Ratings, factors: Factors, rng: np.random.Generator, n_threads: int | None
    ) -> None:
        self.factors = factors
        row_bytes = factors.width * np.dtype(factors.dtype).itemsize
        self.blocks = Blocks(train, row_bytes, rng, n_threads)

    def steps(self, k: int) -> SGDRates:
        """The steps of epoch `k` (from 0)."""
        raise NotImplementedError

    def clear(self) -> None:
        """Set all factors to 0, the padding included."""
        for rows in (self.factors.user_factors, self.factors.item_factors):
            rows[...] = 0

    def epoch(self, k: int) -> float:
        """All parts of epoch `k`, in few calls of the kernel; the root mean square error."""
        return self.blocks.descend(self.factors, self.steps(k))

    def parts(self, k: int) -> list[Part]:
        """The parts of epoch `k`: each row of `rounds` is a stage."""
        visits = self.blocks.visits()
        n_rounds, n = self.blocks.rounds.shape
        return [
            Part(k, stage, blocks, visits.starts[blocks])
            for stage, own in enumerate(visits.order.reshape(n_rounds, n))
            for blocks in np.array_split(own, min(PARTS_OF_STAGE, n))
        ]

    def run_part(self, part: Part) -> Array:
        """Run a part; the sum of squared errors of each of its blocks."""
        starts = np.zeros(self.blocks.layout.n_blocks, dtype=np.int64)
        starts[part.blocks] = part.starts
        visits = BlockVisits(part.blocks, starts)
        return self.blocks.train(self.factors, self.steps(part.epoch), visits)[part.blocks]

    def error(self, parts: Sequence[Part], squares: Sequence[Array]) -> float:
        """The error of an epoch, from all its parts and the results of `run_part`."""
        found = np.zeros(self.blocks.layout.n_blocks)
        for part, own in zip(parts, squares, strict=True):
            found[part.blocks] = own
        return self.blocks.error(found)


def lay_out(columns: RatingColumns, grid: BlockGrid, layout: BlockLayout, seed: int, n_threads: int) -> None:
    """The kernel's ``svd.lay_out``, in calls after each of which Ctrl-C is handled."""
    kernel = backends.kernel("factorization.svd")
    for span in slices(columns.n):
        kernel.lay_out(columns, grid, layout, seed, span, n_threads)


def grid(n_ratings: int, n_users: int, n_items: int, row_bytes: int) -> tuple[int, int]:
    """Numbers of user stripes and of item stripes."""
    usual = MIN_STRIPES_SMALL if n_ratings < SMALL else MIN_STRIPES
    fewest = min(usual, max(1, int((n_ratings / MIN_BLOCK) ** 0.5)))
    user_stripes = max(fewest, -(-n_users * row_bytes // STRIPE_BYTES))
    item_stripes = max(fewest, -(-n_items * row_bytes // STRIPE_BYTES))
    # Very sparse data: stripes larger than the cache cost less than blocks of a few ratings.
    excess = max(1.0, (user_stripes * item_stripes * MIN_BLOCK / n_ratings) ** 0.5)
    user_stripes, item_stripes = (max(fewest, int(n / excess)) for n in (user_stripes, item_stripes))
    return min(user_stripes, n_users), min(item_stripes, n_items)


def rounds(n_users: int, n_items: int) -> Array:
    """All blocks, in rows of blocks that share no stripe: the diagonals of the grid (int32).

    From one row to the next, each item stripe passes to the user stripe before. So a thread with a range of
    user stripes gets one item stripe from another thread in each row, and keeps the others in its cache; and
    the other thread finished that stripe early in the row before.
    """
    most, least = max(n_users, n_items), min(n_users, n_items)
    along, shift = np.arange(least), np.arange(most)[:, None]
    if n_users >= n_items:
        blocks = (along - shift) % most * n_items + along
    else:
        blocks = along * n_items + (along + shift) % most
    return blocks.astype(np.int32)
