"""Stochastic gradient descent over blocks on a cluster: item stripes pass between shards of users."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cfcore.distributed.fit_block_tasks import BlockJob, BlockPart, EpochJob, Visit, same, train_blocks
from cfcore.distributed.fit_cluster import Cluster, Held, Tasks
from cfcore.distributed.fit_files import InFile, remove, write
from cfcore.distributed.fit_tasks import Late, Static
from cfcore.kernels.records import BlockVisits, SGDRates
from cfcore.models.core.stripes import stripes
from cfcore.models.core.training import GROWTH
from cfcore.models.factorization.block_grid import BlockTrainer

__all__ = ["BlocksOnCluster", "plan", "shards", "worthwhile"]

Array = np.ndarray[Any, Any]

#: Positions of the blocks of a shard in the order of an epoch, and its visits, which refer to them.
Shard = tuple[Array, list[Visit]]

#: Seconds of a rating in an epoch, and of each number of its rows, on one thread.
SECONDS, SECONDS_OF_NUMBER = 4e-9, 8e-11
#: Seconds of an epoch for which workers wait for each other; a part of them to pass on an item stripe.
LATENCY, EXCHANGE = 0.015, 0.03
#: Ratings that are copied to a file at a time.
PIECE = 1 << 20
#: Most epochs, and seconds of epochs, between two looks at parameters.
MOST_AHEAD, SECONDS_AHEAD = 32, 4.0


def plan(orders: Sequence[Array], n_rounds: int, n_item_stripes: int, shard_of: Array) -> list[list[Shard]]:
    """Divide epochs between shards of consecutive user stripes, such that item stripes rarely change theirs.

    A visit is the blocks of an item stripe in a shard, up to the one with which it goes on to another shard.
    From one round to the next, an item stripe goes to the user stripe before, and from the first one to the
    last. So the sum of round and user stripe is the same in a visit, differs between the visits of a shard,
    and is never lower in the next visit of the item stripe. In the order of these sums each user stripe, and
    each item stripe, has its blocks in the order of the epoch, and so the result has the same bits; and no
    shard waits for another one that waits for it.

    Parameters
    ----------
    orders : list of int32[n_blocks]
        Blocks of each epoch, in rounds of blocks that share no stripe.
    n_rounds, n_item_stripes : int
    shard_of : int[n_user_stripes]
        Ascending.

    Returns
    -------
    list of list of (int array, list of Visit)
        For each epoch and shard, positions in the order of the epoch, and visits, which refer to them.
    """
    every: list[tuple[int, Array]] = []  # shard and positions of the visits, which are named by numbers
    latest: dict[int, int] = {}  # the last visit of each item stripe
    arrive, leave = set(), {}
    epochs = []
    for order in orders:
        own = _visits(order, n_rounds, n_item_stripes, shard_of)
        numbers = range(len(every), len(every) + len(own))
        every += own
        for number in sorted(numbers, key=lambda number: int(every[number][1][0])):
            shard, positions = every[number]
            stripe = int(order[positions[0]]) % n_item_stripes
            before = latest.get(stripe)
            if before is not None and every[before][0] != shard:
                leave[before] = shard, number
                arrive.add(number)
            latest[stripe] = number
        epochs.append(numbers)
    return [
        [_in_shard(order, n_item_stripes, [
            (number, every[number][1], number in arrive, leave.get(number))
            for number in numbers if every[number][0] == shard
        ]) for shard in range(int(shard_of.max()) + 1)]
        for order, numbers in zip(orders, epochs, strict=True)
    ]  # fmt: skip


def _in_shard(order: Array, n_item_stripes: int, visits: Sequence[Any]) -> Shard:
    """The visits of a shard in an epoch, one after the other."""
    found, begin = [], 0
    for number, positions, arrives, leaves in visits:
        stripe, end = int(order[positions[0]]) % n_item_stripes, begin + len(positions)
        found.append(Visit(stripe, begin, end, number if arrives else None, leaves))
        begin = end
    return np.concatenate([positions for _, positions, _, _ in visits]), found


def _visits(order: Array, n_rounds: int, n_item_stripes: int, shard_of: Array) -> list[tuple[int, Array]]:
    """Shard and positions of all visits of an epoch; those of a shard in the order in which it has them."""
    if not shard_of.any():
        return [(0, np.arange(len(order)))]
    users, items = np.divmod(order, n_item_stripes)
    by_item = np.argsort(items, kind="stable")
    new = (np.diff(items[by_item]) != 0) | (np.diff(shard_of[users[by_item]]) != 0)
    found = np.split(by_item, np.flatnonzero(new) + 1)
    first = np.array([positions[0] for positions in found])
    sums = first // (len(order) // n_rounds) + users[first]
    return [(int(shard_of[users[first[at]]]), found[at]) for at in np.argsort(sums, kind="stable")]


def shards(counts: Array, n: int) -> Array:
    """Shard of each user stripe, of about as many ratings each.

    Parameters
    ----------
    counts : int[n_user_stripes]
        Ratings of each user stripe.
    n : int
    """
    found: Array = np.unique(stripes(counts, n), return_inverse=True)[1]
    return found


def worthwhile(n_workers: int, n_user_stripes: int, n_item_stripes: int, seconds: float) -> int:
    """The number of shards with which an epoch takes least, if one thread takes so many seconds for it."""
    tried = np.arange(1, max(1, min(n_workers, n_user_stripes, n_item_stripes)) + 1)
    # An item stripe visits each shard once, or twice where the epoch begins and ends.
    apart = LATENCY * (1 + EXCHANGE * n_item_stripes * (1 + 1 / tried))
    apart[0] = 0
    return int(tried[np.argmin(seconds / tried + apart)])


class BlocksOnCluster:
    """A `BlockTrainer` whose epochs run on a cluster: it has all else of the trainer.

    Parameters of several epochs stay with the workers where nothing reads them in between: without
    validation ratings, callback and checkpoint. If training may have diverged in one of these epochs, they
    are run again, one by one.

    Parameters
    ----------
    trainer : BlockTrainer
        Whose live parameters have the result.
    cluster : Cluster
    n_epochs : int
        Of the fit.
    unseen : bool
        Whether parameters are needed after the last epoch alone.
    folder : Path, optional
        One that all workers share: for the ratings, which are not sent then.
    """

    def __init__(
        self, trainer: BlockTrainer, cluster: Cluster, n_epochs: int, unseen: bool, folder: Path | None = None
    ) -> None:
        self.trainer, self.cluster = trainer, cluster
        self.n_epochs, self.unseen = n_epochs, unseen
        self.errors: dict[int, float] = {}  # of epochs that have been run
        self.lowest, self.n_ahead = np.inf, 1
        blocks = trainer.blocks
        # Ratings of each user stripe.
        self.counts = np.diff(blocks.layout.block_ptr[:: blocks.n_item_stripes])
        self.seconds = blocks.layout.n * (SECONDS + SECONDS_OF_NUMBER * trainer.factors.width)
        self.alone = False  # whether workers have waited for each other in vain
        self.shard_of: Array = np.empty(0, dtype=np.int64)
        self.folder = folder
        self.files: list[InFile] = []
        weakref.finalize(self, remove, self.files)
        # Results of the last epochs on these workers: rows of users need not be sent again.
        self.kept: tuple[list[str], list[Any]] | None = None

    def _divide(self, n: int) -> None:
        """Divide the ratings between `n` shards."""
        blocks = self.trainer.blocks
        layout, n_items = blocks.layout, blocks.n_item_stripes
        self.shard_of, self.n = shards(self.counts, n), n
        bounds = np.searchsorted(self.shard_of, np.arange(int(self.shard_of.max()) + 2))
        self.spans, self.first, self.parts = [], bounds, []
        remove(self.files)
        for begin, end in pairwise(bounds.tolist()):  # of user stripes
            users = slice(int(blocks.user_ptr[begin]), int(blocks.user_ptr[end]))
            own = layout.block_ptr[begin * n_items : end * n_items + 1]
            ratings = self._ratings(int(own[0]), int(own[-1]), users.start)
            self.spans.append(users)
            part = BlockPart(ratings, own - own[0], blocks.item_ptr, users.stop - users.start)
            self.parts.append(Held(part))

    def _ratings(self, begin: int, end: int, first: int) -> Any:
        """Ratings in the order of the blocks, users counted from the first one, in memory or in a file."""
        ratings = self.trainer.blocks.layout.ratings

        def pieces() -> Iterator[Array]:
            for at in range(begin, end, PIECE):
                piece = ratings[at : min(at + PIECE, end)].copy()
                piece["user"] -= first
                yield piece

        if self.folder is None:
            return np.concatenate([ratings[:0], *pieces()])
        found = write(self.folder, pieces(), ratings.dtype)
        self.files.append(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    def epoch(self, k: int) -> float:
        """Run epoch `k` (from 0), and perhaps more; its error."""
        if k not in self.errors:
            n, rng = min(self.n_ahead, self.n_epochs - k), self.trainer.blocks.rng
            before = rng.bit_generator.state
            started = time.perf_counter()
            if not self._run(k, n):
                rng.bit_generator.state = before
                self.unseen, self.n_ahead = False, 1
                self._run(k, 1)
            elif self.unseen and k:  # data are sent in the first epoch
                seconds = (time.perf_counter() - started) / n
                self.n_ahead = max(1, min(MOST_AHEAD, int(SECONDS_AHEAD / seconds), 16 * n))
        self.lowest = min(self.lowest, self.errors[k])
        return self.errors[k]

    def _run(self, k: int, n: int) -> bool:
        """Run `n` epochs; False, without any effect, if training may have diverged in one of several."""
        trainer = self.trainer
        blocks, factors = trainer.blocks, trainer.factors
        visits = [blocks.visits() for _ in range(n)]
        rates = [trainer.steps(k + at) for at in range(n)]
        planned, found = self.cluster.run(lambda tasks: self._submit(tasks, visits, rates))
        errors = []
        for at, one in enumerate(visits):
            squares = np.zeros(blocks.layout.n_blocks)
            for (positions, _), own in zip(planned[at], found, strict=True):
                squares[one.order[positions]] = own["squares"][at]
            errors.append(blocks.error(squares))
        sound = all(all(one["sound"]) for one in found)
        if n > 1 and not (sound and self._falls(errors)):
            self.kept = None
            return False
        self.errors |= dict(enumerate(errors, k))
        for own, one in zip(self.spans, found, strict=True):
            factors.user_factors[own], factors.user_bias[own] = one["users"]
            for stripe, rows in one["items"].items():
                span = slice(*blocks.item_ptr[stripe : stripe + 2])
                factors.item_factors[span], factors.item_bias[span] = rows
        return True

    def _falls(self, errors: list[float]) -> bool:
        """Whether `run_epochs` takes no error for a sign of divergence."""
        lowest = np.minimum.accumulate([self.lowest, *errors[:-1]])
        return bool((np.array(errors) <= GROWTH * lowest).all())

    def _submit(self, tasks: Tasks, visits: Sequence[BlockVisits], rates: Sequence[SGDRates]) -> Any:
        """Run epochs on the workers of a try; their plan, and the results of all shards."""
        blocks, factors = self.trainer.blocks, self.trainer.factors
        n_items = blocks.n_item_stripes
        n = worthwhile(len(tasks.workers), len(self.counts), n_items, self.seconds)
        n = 1 if self.alone else n
        if not len(self.shard_of) or n != self.n:  # a worker has been lost, or has come
            self._divide(n)
            self.kept = None
        planned = plan([one.order for one in visits], len(blocks.rounds), n_items, self.shard_of)
        addresses = tasks.together(len(self.parts))
        given: list[tuple[Any, int]] = []
        for shard, (_, visited) in enumerate(planned[0]):
            begun = {visit.stripe for visit in visited if visit.number is None}
            begun = begun if len(self.parts) > 1 else set(range(n_items))
            spans = {stripe: slice(*blocks.item_ptr[stripe : stripe + 2]) for stripe in sorted(begun)}
            items = {
                stripe: (factors.item_factors[span], factors.item_bias[span])
                for stripe, span in spans.items()
            }
            given.append((items, shard))
        kept, self.kept = self.kept, None
        if kept is not None and kept[0] == tasks.workers and all(one.done() for one in kept[1]):
            users = kept[1]
        else:
            rows = [(factors.user_factors[own], factors.user_bias[own]) for own in self.spans]
            users = tasks.share_all([(own, shard) for shard, own in enumerate(rows)])
        held, stripes_of = tasks.held(self.parts), tasks.share_all(given)
        futures = []
        for shard, part in enumerate(held):
            epochs = []
            for one, rate, epoch in zip(visits, rates, planned, strict=True):
                order, first = one.order[epoch[shard][0]], np.int32(self.first[shard] * n_items)
                epochs.append(EpochJob(order - first, one.starts[order], rate, epoch[shard][1]))
            job = BlockJob(tasks.token, addresses, factors.mean, epochs)
            own = part, users[shard], stripes_of[shard], Static(job)
            futures.append(tasks.submit(train_blocks, *own, at=shard, only=True))
        try:
            if tasks.are_near():  # results stay with the workers, for the next epochs
                copies = [tasks.call(same, one, at=shard) for shard, one in enumerate(futures)]
                found = tasks.results(copies)
            else:
                found = tasks.gather(futures)
        except Late:
            self.alone = True
            raise
        self.kept = list(tasks.workers), futures
        return planned, found
