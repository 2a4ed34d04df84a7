"""Tasks of stochastic gradient descent over blocks: a shard of users, and the item stripes that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.distributed.fit_tasks import Static, own_threads
from cfcore.kernels.records import BlockLayout, BlockScratch, BlockVisits, Factors, SGDRates
from cfcore.models.core.fields import PRODUCT
from cfcore.threads import threads_worth

__all__ = ["BlockJob", "BlockPart", "pick", "train_blocks"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class BlockPart:
    """The ratings of consecutive user stripes, in blocks.

    Attributes
    ----------
    ratings : RATING[n]
        Codes of users count from the first of these stripes.
    block_ptr : int64[n_blocks + 1]
    item_ptr : int32[n_item_stripes + 1]
        First item of each item stripe.
    n_users : int
    """

    ratings: Array
    block_ptr: Array
    item_ptr: Array
    n_users: int


@dataclass(frozen=True, eq=False)
class BlockJob:
    """What a task does.

    Attributes
    ----------
    epoch, stage : int
    order : int32[n_visits]
        Blocks of the `BlockPart`.
    starts : int64[n_visits]
        Where the sweep of each of these blocks begins.
    rates : SGDRates
    mean : float
    leaving : tuple of int
        Item stripes that the shard had, and has no longer, when the task begins.
    is_last : bool
        Whether it is the last task of the shard in the epoch.
    """

    epoch: int
    stage: int
    order: Array
    starts: Array
    rates: SGDRates
    mean: float
    leaving: tuple[int, ...]
    is_last: bool


def train_blocks(part: Static, before: Any, arrived: Sequence[dict[int, Any]], given: Static) -> Any:
    """Train on blocks, in their order.

    Parameters
    ----------
    part : Static of BlockPart
    before : dict
        What the task before on the same users has returned.
    arrived : list of dict
        Results of `pick` from tasks of other shards.
    given : Static of BlockJob

    Returns
    -------
    dict
        "users": their factors and biases; "items": those of each item stripe that the shard has; "squares":
        sums of squared errors of the blocks, by epoch and stage; "sound": for each epoch, whether all these
        parameters are of a usual size at its end.
    """
    held: BlockPart = part.value
    job: BlockJob = given.value
    users, user_bias = before["users"]
    width, dtype = users.shape[1], users.dtype
    rows, bias = aligned_zeros(held.n_users, width, dtype), np.array(user_bias)
    rows[:] = users
    stripes = {stripe: own for stripe, own in before["items"].items() if stripe not in job.leaving}
    for found in arrived:
        stripes |= found
    ptr, n_item_stripes = held.item_ptr, len(held.item_ptr) - 1
    items, item_bias = aligned_zeros(int(ptr[-1]), width, dtype), np.zeros(int(ptr[-1]), dtype=dtype)
    visited = np.unique(job.order % n_item_stripes).tolist()
    for stripe in visited:
        span = slice(int(ptr[stripe]), int(ptr[stripe + 1]))
        items[span], item_bias[span] = stripes[stripe]
    factors = Factors(rows, items, bias, item_bias, job.mean)
    squares = _train(held, job, factors)
    for stripe in visited:
        span = slice(int(ptr[stripe]), int(ptr[stripe + 1]))
        # Copies: a view would keep the rows of all items.
        stripes[stripe] = items[span].copy(), item_bias[span].copy()
    sound = dict(before["sound"])
    if job.is_last:
        sound[job.epoch] = all(map(_is_usual, (rows, bias, *(a for own in stripes.values() for a in own))))
    return {
        "users": (rows, bias),
        "items": stripes,
        "squares": {**before["squares"], (job.epoch, job.stage): squares},
        "sound": sound,
    }


def _train(held: BlockPart, job: BlockJob, factors: Factors) -> Array:
    """Update the factors in place; the sum of squared errors of each block, in the order of the visits."""
    n_item_stripes, n_blocks = len(held.item_ptr) - 1, len(held.block_ptr) - 1
    layout = BlockLayout(held.ratings, held.block_ptr, n_item_stripes)
    starts = np.zeros(n_blocks, dtype=np.int64)
    starts[job.order] = job.starts
    scratch = BlockScratch(
        np.zeros(n_blocks),
        np.empty((n_blocks, 3), np.int32),
        np.empty(n_blocks // n_item_stripes + n_item_stripes, np.int32),
    )
    visits = BlockVisits(job.order, starts)
    with own_threads() as n_threads:
        n_threads = threads_worth(n_threads, len(held.ratings), "block_ratings")
        kernel = backends.kernel("factorization.svd")
        kernel.train(layout, factors, job.rates, visits, scratch, (0, len(job.order)), n_threads)
    found: Array = scratch.squares[job.order]
    return found


def _is_usual(array: Array) -> bool:
    """Whether all numbers are finite, and far from where they would overflow."""
    return not array.size or (float(array.min()) >= -PRODUCT and float(array.max()) <= PRODUCT)


def pick(found: dict[str, Any], stripes: Sequence[int]) -> dict[int, Any]:
    """Rows of some item stripes of what `train_blocks` has returned, for another shard."""
    return {stripe: found["items"][stripe] for stripe in stripes}
