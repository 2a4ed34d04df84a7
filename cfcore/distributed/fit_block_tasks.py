"""Tasks of stochastic gradient descent over blocks: one a shard of users, between which item stripes pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.distributed.fit_exchange import IN_PLACE, Address, Mailbox
from cfcore.distributed.fit_files import mapped
from cfcore.distributed.fit_near import opened
from cfcore.distributed.fit_shared import SharedRows
from cfcore.distributed.fit_tasks import Static, own_threads
from cfcore.kernels.records import BlockLayout, BlockScratch, BlockVisits, Factors, SGDRates
from cfcore.models.core.fields import PRODUCT
from cfcore.threads import threads_worth

__all__ = ["BlockJob", "BlockPart", "EpochJob", "Visit", "same", "train_blocks"]

Array = np.ndarray[Any, Any]

#: Item stripes of a message to another host.
TOGETHER = 4


@dataclass(frozen=True, eq=False)
class BlockPart:
    """The ratings of consecutive user stripes, in blocks.

    Attributes
    ----------
    ratings : RATING[n] or InFile
        Codes of users count from the first of these stripes.
    block_ptr : int64[n_blocks + 1]
    item_ptr : int32[n_item_stripes + 1]
        First item of each item stripe.
    n_users : int
    """

    ratings: Any
    block_ptr: Array
    item_ptr: Array
    n_users: int


@dataclass(frozen=True)
class Visit:
    """Blocks of one item stripe that follow each other in a shard.

    Attributes
    ----------
    stripe : int
    begin, end : int
        Of these blocks in the order of the epoch.
    number : int or None
        Under which the stripe comes from another shard, one of its own in a set of tasks; None where it is
        there already.
    leaves : (shard, number) or None
        Where it goes next.
    """

    stripe: int
    begin: int
    end: int
    number: int | None
    leaves: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class EpochJob:
    """What a shard does in an epoch.

    Attributes
    ----------
    order : int32[n_visits]
        Blocks of the `BlockPart`, those of each `Visit` after the other.
    starts : int64[n_visits]
        Where the sweep of each of these blocks begins.
    rates : SGDRates
    visits : list of Visit
    """

    order: Array
    starts: Array
    rates: SGDRates
    visits: Sequence[Visit]


@dataclass(frozen=True, eq=False)
class BlockJob:
    """What a task does.

    Attributes
    ----------
    token : str
        The set of the tasks that run together.
    addresses : list of (str, str)
        Of the workers of the shards.
    mean : float
    epochs : list of EpochJob
    """

    token: str
    addresses: Sequence[Address]
    mean: float
    epochs: Sequence[EpochJob]


def train_blocks(part: Static, users: Any, stripes: Any, given: Static) -> dict[str, Any]:
    """Train a shard of users for some epochs, in which it exchanges item stripes with the tasks of others.

    Parameters
    ----------
    part : Static of BlockPart
    users : (rows, biases), or dict; may be `Near`
        Of the users; or what the task before on the same shard has returned.
    stripes : dict of int to (rows, biases); may be `Near`
        Of the item stripes that training begins with here.
    given : Static of BlockJob

    Returns
    -------
    dict
        "users": their rows and biases; "items": those of each item stripe that the shard has at the end;
        "squares": sums of squared errors of the blocks of each epoch, in its order; "sound": for each epoch,
        whether all these parameters are of a usual size at its end.
    """
    job: BlockJob = given.value
    mailbox = Mailbox.here()
    try:
        return _Training(part.value, job, _users(opened(users)), opened(stripes), mailbox).run()
    except BaseException:
        mailbox.give_up(job.token)
        raise
    finally:
        mailbox.close(job.token)


def same(found: dict[str, Any]) -> dict[str, Any]:
    """What `train_blocks` has returned."""
    return found


def _users(users: Any) -> Any:
    return users["users"] if isinstance(users, dict) else users


class _Training:
    """The variables of a task."""

    def __init__(self, part: BlockPart, job: BlockJob, own: Any, stripes: Any, mailbox: Mailbox) -> None:
        self.part, self.job, self.mailbox = part, job, mailbox
        users, user_bias = own
        width, dtype, n_items = users.shape[1], users.dtype, int(part.item_ptr[-1])
        self.users, self.user_bias = aligned_zeros(part.n_users, width, dtype), np.array(user_bias)
        self.users[:] = users
        self.shared = SharedRows(n_items, width, dtype)
        self.items, self.item_bias = self.shared.rows, self.shared.biases
        self.of_others: dict[int, SharedRows | None] = {}  # by the shard; None on other hosts
        self.owned: set[int] = set()
        self.leaving: dict[int, dict[int, int]] = {}  # stripes by number, for each shard
        for stripe, held in stripes.items():
            self._put(stripe, held)
        n_item_stripes = len(part.item_ptr) - 1
        self.layout = BlockLayout(mapped(part.ratings), part.block_ptr, n_item_stripes)
        self.factors = Factors(self.users, self.items, self.user_bias, self.item_bias, job.mean)
        n_blocks = len(part.block_ptr) - 1
        self.starts = np.zeros(n_blocks, dtype=np.int64)
        self.scratch = BlockScratch(
            np.zeros(n_blocks),
            np.empty((n_blocks, 3), np.int32),
            np.empty(n_blocks // n_item_stripes + n_item_stripes, np.int32),
        )
        self.kernel = backends.kernel("factorization.svd")

    def _span(self, stripe: int) -> slice:
        return slice(int(self.part.item_ptr[stripe]), int(self.part.item_ptr[stripe + 1]))

    def _rows(self, stripe: int) -> tuple[Array, Array]:
        span = self._span(stripe)
        return self.items[span], self.item_bias[span]

    def _put(self, stripe: int, held: Sequence[Array]) -> None:
        span = self._span(stripe)
        self.items[span], self.item_bias[span] = held
        self.owned.add(stripe)

    def _take(self, visit: Visit, wait: bool) -> bool:
        """Take in the stripe of a visit; False if it has not arrived, and is not to be waited for."""
        if visit.number is None:
            return True
        found = self.mailbox.take(self.job.token, visit.number, wait=False)
        if found is None and wait:
            self._send()  # or another shard would wait for it
            found = self.mailbox.take(self.job.token, visit.number)
        if found is IN_PLACE:
            self.owned.add(visit.stripe)
        elif found is not None:
            span = self._span(visit.stripe)
            n, width = span.stop - span.start, self.items.shape[1]
            self._put(visit.stripe, (found[: n * width].reshape(n, width), found[n * width :]))
        return found is not None

    def _send(self, least: int = 1) -> None:
        """Send on what is to go to shards on this host, and to others for which there are so many stripes."""
        for shard, numbers in self.leaving.items():
            address, token = self.job.addresses[shard], self.job.token
            if numbers and shard not in self.of_others:
                self.of_others[shard] = self.mailbox.rows_at(address, token, self.shared)
            others = self.of_others.get(shard)
            if others is not None:
                for number, stripe in numbers.items():
                    span = self._span(stripe)
                    # They are not used there until the stripe arrives: it has left that shard before.
                    others.rows[span], others.biases[span] = self._rows(stripe)
                    self.mailbox.tell(address, token, number)
            elif len(numbers) >= least:
                arrays = {number: self._rows(stripe) for number, stripe in numbers.items()}
                self.mailbox.send(address, token, arrays)
            else:
                continue
            self.owned -= set(numbers.values())
            numbers.clear()

    def run(self) -> dict[str, Any]:
        """All epochs."""
        self.mailbox.expect(self.job.token, self.shared)
        squares, sound = [], []
        for epoch in self.job.epochs:
            self._run_epoch(epoch)
            squares.append(self.scratch.squares[epoch.order])
            sound.append(self._is_sound())
        items = {stripe: tuple(one.copy() for one in self._rows(stripe)) for stripe in sorted(self.owned)}
        return {"users": (self.users, self.user_bias), "items": items, "squares": squares, "sound": sound}

    def _run_epoch(self, epoch: EpochJob) -> None:
        visits = epoch.visits
        self.starts[epoch.order] = epoch.starts
        order = BlockVisits(epoch.order, self.starts)
        done = 0
        while done < len(visits):
            ready = done
            with own_threads() as n_threads:
                n_threads = threads_worth(n_threads, self.layout.n, "block_ratings")
            # Blocks of one stripe follow each other: further threads take those of the next stripes.
            while ready < len(visits) and ready - done < 2 * n_threads - 1:
                if not self._take(visits[ready], wait=ready == done):
                    break
                ready += 1
            span = visits[done].begin, visits[ready - 1].end
            with own_threads():
                self.kernel.train(
                    self.layout, self.factors, epoch.rates, order, self.scratch, span, n_threads
                )
            for visit in visits[done:ready]:
                if visit.leaves is not None:
                    shard, number = visit.leaves
                    self.leaving.setdefault(shard, {})[number] = visit.stripe
            done = ready
            # Few messages take less time, but others may wait for the first and the last ones of an epoch.
            self._send(min(TOGETHER, 1 + done // 2, 1 + (len(visits) - done) // 2))
        self._send()

    def _is_sound(self) -> bool:
        return all(map(_is_usual, (self.users, self.user_bias, self.items, self.item_bias)))


def _is_usual(array: Array) -> bool:
    """Whether all numbers are finite, and far from where they would overflow."""
    flat = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if float(np.dot(flat, flat)) <= PRODUCT**2:  # one pass over memory, and no other if all is well
            return True
    return float(array.min()) >= -PRODUCT and float(array.max()) <= PRODUCT
