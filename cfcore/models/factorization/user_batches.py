"""User batches, in which SVD++ and its kin are trained, each with its grid of users × items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.data import Ratings
from cfcore.data.index import counts
from cfcore.kernels.records import (
    RATING,
    BlockGrid,
    BlockLayout,
    ImplicitSets,
    RatingColumns,
    TimeLayout,
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
)
from cfcore.models.core.stripes import bounds, stripes
from cfcore.models.core.trainer import Trainer
from cfcore.models.factorization.block_grid import SLICE, lay_out, rounds
from cfcore.random import seed64
from cfcore.threads import threads_worth

Array = np.ndarray[Any, Any]

#: Users of a batch all start from the same implicit factors. If they are many, and their sets overlap, the
#: sum of their steps is too long and training diverges. The limit is on users times mean overlap (the cosine
#: of two sets); on MovieLens 1M it gives 190 users. There RMSE is some .0002 above that of batches of 24
#: users, and a learning rate of the implicit factors twice as high is still stable.
MIN_BATCHES, MAX_USERS, MAX_OVERLAP = 16, 1024, 24.0
#: With weights the implicit factors may be all that a user has, and have higher learning rates. On MovieLens
#: 1M the lower limit costs neither time nor accuracy; with the other one, training on dense data diverges.
MAX_WEIGHTED_OVERLAP = 6.0
#: Where there are more ratings per user and item than this (MovieLens 1M has as many), the limit rises as the
#: rule of `SVDpp` lowers the rate of the implicit factors, whatever rates are given. On 100 million ratings
#: (density 200) batches are twice as large, and implicit factors are read from memory half as often; the RMSE
#: of held-out ratings is that of small batches within .0001.
DENSE = 103.0
#: Users by whom the overlap is estimated, at most.
SAMPLE = 10_000
#: Most stripes of a batch's grid in each direction, and fewest ratings of a mean block.
MAX_STRIPES, MIN_BLOCK = 16, 512
#: The implicit factors are summed and written in parts, each by one thread. Members of a mean user's set in a
#: part, at least (below, the work per part is more than that per member), and most parts.
PART_OF_SET, MAX_PARTS = 16, 32


class UserBatches:
    """Training ratings laid out for the kernels of the SVD++ family, and random orders of batches and blocks.

    The layout depends on ratings and sets alone, never on the number of threads; that is why the number of
    threads does not change a bit of the result.

    Parameters
    ----------
    train : Ratings
    sets : ImplicitSets
        The set N(u) of each user.
    table : ndarray, shape (sets.n_rows, width)
        The implicit factors, for their row length and dtype.
    rng : Generator
        For the layout here, and for the order of each epoch.
    n_threads : int or None
    days, codes : DAY[n_days], int32[n_ratings], optional
        The user-days of timeSVD++, and that of each rating; with moments, the moment of each rating.
    moments : int32[n_moments, 1 + n_levels], optional
        The user-day, and sessions, of each moment.
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
        moments: Array | None = None,
    ) -> None:
        self._rng, self.sets = rng, sets
        self.kernel = backends.kernel("factorization.svdpp" if days is None else "factorization.timesvdpp")
        self.work = (len(train) + len(sets.members)) * max(table.shape[1], 16)
        self.use_threads(n_threads)
        limit = MAX_OVERLAP if sets.weights is None else MAX_WEIGHTED_OVERLAP
        limit *= max(1.0, len(train) / (train.n_users + train.n_items) / DENSE)
        most = max(1, int(min(MAX_USERS, limit / max(overlap(sets), 1e-9))))
        n_batches = min(train.n_users, max(MIN_BATCHES, -(-train.n_users // most)))
        side = int((len(train) / n_batches / MIN_BLOCK) ** 0.5)
        per_batch = max(1, min(MAX_STRIPES, side, train.n_users // n_batches))
        n_item_stripes = max(1, min(MAX_STRIPES, side, train.n_items))
        n_parts = max(1, min(MAX_PARTS, len(sets.members) // (train.n_users * PART_OF_SET)))
        user_stripes = stripes(train.user_counts, n_batches * per_batch)
        if days is None:
            blocks = self._blocks(
                train, train.user_codes, user_stripes, n_batches * per_batch, n_item_stripes
            )
        else:
            assert codes is not None
            day_stripes = user_stripes[days["user"] if moments is None else days["user"][moments[:, 0]]]
            blocks = self._blocks(train, codes, day_stripes, n_batches * per_batch, n_item_stripes)
        fields: dict[str, Any] = {
            "ratings": blocks.ratings,
            "block_ptr": blocks.block_ptr,
            "stripe_ptr": bounds(user_stripes, n_batches * per_batch),
            "user_counts": train.user_counts,
            "parts": bounds(stripes(counts(sets.members, sets.n_rows), n_parts), n_parts),
            "cuts": np.empty((train.n_users, n_parts + 1), dtype=np.int64),
            "n_item_stripes": n_item_stripes,
            "n_batches": n_batches,
        }
        if days is None:
            self.layout = UserBatchLayout(**fields)
        else:
            self.layout = TimeLayout(**fields, days=days, moments=moments)
        backends.kernel("factorization.svdpp").cut_sets(sets, self.layout, self.n_threads)
        self._rounds = rounds(per_batch, n_item_stripes)
        self._scratch = scratch_of(self.layout, table)

    def _blocks(
        self, train: Ratings, codes: Array, code_stripes: Array, n_stripes: int, n_item_stripes: int
    ) -> BlockLayout:
        """The ratings in blocks; `codes` are those of users, or of user-days, each in one of the stripes."""
        blocks = BlockLayout(
            np.empty(len(train), dtype=RATING),
            np.empty(n_stripes * n_item_stripes + 1, dtype=np.int64),
            n_item_stripes,
        )
        columns = RatingColumns(codes, train.item_codes, train.values, len(code_stripes), train.n_items)
        item_stripes = stripes(train.item_counts, n_item_stripes)
        grid = BlockGrid(code_stripes, item_stripes, n_stripes, n_item_stripes)
        lay_out(columns, grid, blocks, seed64(self._rng), self.n_threads)
        return blocks

    def use_threads(self, n_threads: int | None) -> None:
        """Have calls use so many threads, where their work is worth it."""
        self.n_threads = threads_worth(n_threads, self.work)

    def visits(self) -> UserBatchVisits:
        """All batches and blocks in an order for an epoch, and where sweeps begin, all drawn at random."""
        n_batches = self.layout.n_batches
        batches = self._rng.permutation(n_batches).astype(np.int32)
        # Along the rounds from a random start: blocks of a user stripe follow each other more often than not,
        # and a thread, which keeps its item stripes, then keeps the rows of its users for a while.
        first = self._rng.integers(0, len(self._rounds), (n_batches, 1))
        rows = (first + np.arange(len(self._rounds))) % len(self._rounds)
        order = self._rounds[rows].reshape(n_batches, -1)
        return UserBatchVisits(batches, order, self._rng.integers(0, 2**40, self.layout.n_blocks))

    def train(self, parameters: Any, rates: Any, visits: UserBatchVisits) -> Array:
        """Update parameters, in place, by the ratings of some batches.

        Parameters
        ----------
        parameters, rates : SVDppFactors and SVDppRates, or TimeParameters and TimeRates
        visits : UserBatchVisits

        Returns
        -------
        ndarray of float64, shape (n_blocks,)
            Sum of squared errors of each block visited, each error taken before its rating's step. The next
            call overwrites it.
        """
        for span in self._slices(visits.n_visits):
            self.kernel.train(
                self.layout, self.sets, parameters, rates, visits, self._scratch, span, self.n_threads
            )
        return self._scratch.squares

    def error(self, squares: Array) -> float:
        """Root mean square error, from the sum of squared errors of each block."""
        return float(np.sqrt(squares.sum() / self.layout.n))

    def _slices(self, n_visits: int) -> Iterator[tuple[int, int]]:
        """Ranges of visits for one call each."""
        step = max(1, int(self.layout.n_batches * SLICE / self.work))
        for begin in range(0, n_visits, step):
            yield begin, min(begin + step, n_visits)


@dataclass(frozen=True, eq=False)
class Part:
    """A part of an epoch: a user batch.

    Attributes
    ----------
    epoch : int
    stage : int
        A stage begins when the one before is finished: each batch starts from the implicit factors after the
        batch before.
    batch : int
    order : ndarray of int32
        Its blocks in the order of the work.
    starts : ndarray of int64
        Where the sweep of each of its blocks begins.
    """

    epoch: int
    stage: int
    batch: int
    order: Array
    starts: Array


class UserBatchTrainer(Trainer):
    """Epochs of stochastic gradient descent over user batches, as a whole or part by part.

    A subclass has the methods of `core.trainer.Trainer` that are not here, and `steps`.

    Parameters
    ----------
    batches : UserBatches
    parameters : SVDppFactors or TimeParameters
        The live parameters, changed in place.
    """

    #: Learning rates and regularisation.
    rates: Any

    def __init__(self, batches: UserBatches, parameters: Any) -> None:
        self.batches = batches
        self.parameters = parameters

    def steps(self, k: int) -> Any:
        """The kernel's rates of epoch `k` (from 0)."""
        raise NotImplementedError

    def clear(self) -> None:
        """Set all parameters to 0, the padding included."""
        for held in vars(self.parameters).values():
            if isinstance(held, np.ndarray) and held.dtype.kind == "f":
                held[...] = 0

    def epoch(self, k: int) -> float:
        """All parts of epoch `k`, in few calls of the kernel; the root mean square error."""
        return self.batches.error(self.batches.train(self.parameters, self.steps(k), self.batches.visits()))

    def parts(self, k: int) -> list[Part]:
        """The parts of epoch `k`: each batch is a stage."""
        visits, n_blocks = self.batches.visits(), self.batches.layout.batch_blocks
        starts = visits.starts.reshape(-1, n_blocks)
        return [
            Part(k, stage, batch, visits.order[stage], starts[batch])
            for stage, batch in enumerate(visits.batches.tolist())
        ]

    def run_part(self, part: Part) -> Array:
        """Run a part; the sum of squared errors of each of its blocks."""
        layout = self.batches.layout
        span = slice(part.batch * layout.batch_blocks, (part.batch + 1) * layout.batch_blocks)
        starts = np.zeros(layout.n_blocks, dtype=np.int64)
        starts[span] = part.starts
        visits = UserBatchVisits(np.array([part.batch], dtype=np.int32), part.order[None, :], starts)
        return self.batches.train(self.parameters, self.steps(part.epoch), visits)[span].copy()

    def error(self, parts: Sequence[Part], squares: Sequence[Array]) -> float:
        """The error of an epoch, from all its parts and the results of `run_part`."""
        found = np.empty((len(parts), self.batches.layout.batch_blocks))
        for part, own in zip(parts, squares, strict=True):
            found[part.batch] = own
        return self.batches.error(found.ravel())


def scratch_of(layout: UserBatchLayout, table: Array) -> UserBatchScratch:
    """Scratch for all batches, with rows as those of the table of implicit factors."""
    n_users, n_parts, most = layout.n_users, layout.n_parts, layout.batch_users
    width, dtype = table.shape[1], table.dtype
    n_stripes = layout.batch_stripes + layout.n_item_stripes
    return UserBatchScratch(
        sums=aligned_zeros(n_users, width, dtype),
        first_sums=aligned_zeros(n_users, width, dtype),
        partial_sums=aligned_zeros(most * n_parts, width, dtype).reshape(most, n_parts, width),
        kept=np.empty(n_users, dtype),
        gains=np.empty(n_users, dtype),
        squares=np.zeros(layout.n_blocks),
        schedule=np.empty((layout.n_blocks, 3), dtype=np.int32),
        latest=np.empty((layout.n_batches, n_stripes), dtype=np.int32),
        claims=np.empty((layout.n_batches + 1, n_parts), dtype=np.int32),
    )


def overlap(sets: ImplicitSets) -> float:
    """Mean over pairs of users of the inner product of their sets' weights, signs aside.

    Without weights it is the mean cosine of two sets: members in common, over the root of the product of
    their sizes.
    """
    indptr = sets.indptr
    users = np.arange(0, sets.n_users, -(-len(indptr) // SAMPLE))
    sizes = indptr[users + 1] - indptr[users]
    ends = np.cumsum(sizes)
    at = np.repeat(indptr[users] - ends + sizes, sizes) + np.arange(ends[-1])
    if sets.weights is None:
        weights = np.repeat(np.maximum(sizes, 1) ** -0.5, sizes)
    else:
        weights = np.abs(sets.weights[at])
    totals = np.bincount(sets.members[at], weights=weights)
    return float(totals @ totals) / len(users) ** 2
