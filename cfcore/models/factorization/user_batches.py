"""The user batches in which SVD++ and its kin are trained, each with its grid of users × items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.data.index import counts
from cfcore.kernels.records import (
    RATING,
    BatchLayout,
    BatchScratch,
    BatchVisits,
    BlockGrid,
    BlockLayout,
    ImplicitSets,
    RatingColumns,
    SVDppFactors,
    SVDppRates,
    TimeLayout,
    TimeParameters,
    TimeRates,
)
from cfcore.models.factorization.block_grid import SLICE, lay_out, rounds, stripes
from cfcore.random import seed64
from cfcore.threads import SMALL_CALL, resolve_threads

Array = np.ndarray[Any, Any]

#: Users of a batch do not see what the implicit factors learn from each other. If there are many, and their
#: sets overlap, their joint step is too long and training diverges. The limit is on users times mean overlap
#: (the cosine of two sets); on MovieLens 1M it gives 190 users. There RMSE is some .0002 above that of
#: batches of 24 users, and the learning rate of the implicit factors has room for twice as much.
MIN_BATCHES, MAX_USERS, MAX_CROWD = 16, 1024, 24.0
#: Where there are more ratings per user and item than this (MovieLens 1M has as many), the limit rises as the
#: rule of `SVDpp` lowers the rate of the implicit factors, whatever rates are given. On 100 million ratings
#: (density 200) chunks are twice as long, and y moves to and from memory half as often; the RMSE of held-out
#: ratings is that of short chunks within .0001.
DENSE = 103.0
#: Users by whom the overlap is judged, at most.
SAMPLE = 10_000
#: A chunk's grid has at most so many stripes a side, and in the mean so many ratings a block.
MAX_STRIPES, MIN_BLOCK = 16, 512
#: The implicit factors are summed and written in parts, each by one thread, that hold so many of a mean
#: user's set: more would be all bookkeeping.
PART_OF_SET, MAX_PARTS = 16, 32


class UserBatches:
    """Training ratings laid out for the kernels of the SVD++ family, and a random order for each epoch.

    Depends on the ratings alone, never on the number of threads; that is why the number of threads does not
    change a bit of the result.

    Parameters
    ----------
    train : Ratings
    sets : ImplicitSets
        The set N(u) of each user.
    table : ndarray, shape (sets.n_rows, width)
        The y, for their row length and dtype.
    rng : Generator
        For the layout here, and for the order of each epoch.
    n_threads : int or None
    days, codes : DAY[n_days], int32[n_ratings], optional
        The user-days of timeSVD++, and that of each rating.
    """

    def __init__(
        self,
        train: Ratings,
        sets: ImplicitSets,
        table: Array,
        rng: np.random.Generator,
        n_threads: int | None,
        *,
        days: Array | None = None,
        codes: Array | None = None,
    ) -> None:
        self._rng, self.sets = rng, sets
        width, dtype = table.shape[1], table.dtype
        self.kernel = backends.kernel("factorization.svdpp" if days is None else "factorization.timesvdpp")
        threads = resolve_threads(n_threads)
        limit = MAX_CROWD * max(1.0, len(train) / (train.n_users + train.n_items) / DENSE)
        crowd = max(1, int(min(MAX_USERS, limit / max(overlap(sets.indptr, sets.members), 1e-9))))
        n_batches = min(train.n_users, max(MIN_BATCHES, -(-train.n_users // crowd)))
        side = int((len(train) / n_batches / MIN_BLOCK) ** 0.5)
        per_batch = max(1, min(MAX_STRIPES, side, train.n_users // n_batches))
        n_item_stripes = max(1, min(MAX_STRIPES, side, train.n_items))
        n_stripes = n_batches * per_batch
        user_stripes = stripes(train.user_counts, n_stripes)
        n_parts = max(1, min(MAX_PARTS, len(sets.members) // (train.n_users * PART_OF_SET)))
        blocks = BlockLayout(
            np.empty(len(train), dtype=RATING),
            np.empty(n_stripes * n_item_stripes + 1, np.int64),
            n_item_stripes,
        )
        owner_stripes = user_stripes if days is None else user_stripes[days["user"]]
        owners = train.user_codes if codes is None else codes
        columns = RatingColumns(owners, train.item_codes, train.values, len(owner_stripes), train.n_items)
        item_stripes = stripes(train.item_counts, n_item_stripes)
        grid = BlockGrid(owner_stripes, item_stripes, n_stripes, n_item_stripes)
        lay_out(columns, grid, blocks, seed64(rng), threads)
        arrays = (
            blocks.ratings, blocks.block_ptr, bounds(user_stripes, n_stripes), train.user_counts,
            bounds(stripes(counts(sets.members, sets.n_rows), n_parts), n_parts),
            np.empty((train.n_users, n_parts + 1), dtype=np.int64), n_item_stripes, n_batches,
        )  # fmt: skip
        self.layout = BatchLayout(*arrays) if days is None else TimeLayout(*arrays, days)
        backends.kernel("factorization.svdpp").cut_sets(sets, self.layout, threads)
        self._work = (len(train) + len(sets.members)) * max(width, 16)
        self.n_threads = threads if self._work >= SMALL_CALL else 1
        self._rounds = rounds(per_batch, n_item_stripes)
        most = self.layout.batch_users
        self._scratch = BatchScratch(
            *(aligned_zeros(train.n_users, width, dtype) for _ in range(2)),
            aligned_zeros(most * n_parts, width, dtype).reshape(most, n_parts, width),
            *(np.empty(train.n_users, dtype) for _ in range(2)),
            np.zeros(self.layout.n_blocks),
            np.empty((self.layout.n_blocks, 3), dtype=np.int32),
            np.empty((n_batches, per_batch + n_item_stripes), dtype=np.int32),
            np.empty((n_batches + 1, n_parts), dtype=np.int32),
        )

    def descend(self, parameters: SVDppFactors | TimeParameters, rates: SVDppRates | TimeRates) -> float:
        """One epoch over all ratings; the root mean square of the errors met on the way.

        Parameters
        ----------
        parameters : SVDppFactors or TimeParameters
            Changed in place.
        rates : SVDppRates or TimeRates
        """
        n_batches = self.layout.n_batches
        batches = self._rng.permutation(n_batches).astype(np.int32)
        # Around the grid from a random start: blocks of a user stripe then lie side by side more often than
        # not, and a thread, which keeps to its items, keeps its users too for a while.
        first = self._rng.integers(0, len(self._rounds), (n_batches, 1))
        places = (first + np.arange(len(self._rounds))) % len(self._rounds)
        order = self._rounds[places].reshape(n_batches, -1)
        visits = BatchVisits(batches, order, self._rng.integers(0, 2**40, self.layout.n_blocks))
        for span in self._slices():
            self.kernel.train(
                self.layout, self.sets, parameters, rates, visits, self._scratch, span, self.n_threads
            )
        return float(np.sqrt(self._scratch.squares.sum() / self.layout.n))

    def _slices(self) -> Iterator[tuple[int, int]]:
        """Ranges of batches for one call each."""
        n_batches = self.layout.n_batches
        step = max(1, int(n_batches * SLICE / self._work))
        for begin in range(0, n_batches, step):
            yield begin, min(begin + step, n_batches)


def overlap(indptr: Array, members: Array) -> float:
    """Mean cosine of two users' sets: members in common, over the root of the product of their sizes."""
    users = np.arange(0, len(indptr) - 1, -(-len(indptr) // SAMPLE))
    sizes = indptr[users + 1] - indptr[users]
    ends = np.cumsum(sizes)
    places = np.repeat(indptr[users] - ends + sizes, sizes) + np.arange(ends[-1])
    shares = np.bincount(members[places], weights=np.repeat(np.maximum(sizes, 1) ** -0.5, sizes))
    return float(shares @ shares) / len(users) ** 2


def bounds(stripe_of: Array, n: int) -> Array:
    """First code of each of `n` stripes, and the number of codes (int32[n + 1])."""
    return np.searchsorted(stripe_of, np.arange(n + 1)).astype(np.int32)
