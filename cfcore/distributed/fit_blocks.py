"""Stochastic gradient descent over blocks on a cluster: item stripes travel between shards of users."""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore.distributed.fit_cluster import Cluster, Held, Tasks
from cfcore.distributed.fit_tasks import BlockJob, BlockPart, Static, train_blocks
from cfcore.models.core.stripes import stripes
from cfcore.models.factorization.block_grid import BlockTrainer

__all__ = ["BlocksOnCluster", "Plan", "plan"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Plan:
    """How the blocks of an epoch are divided into tasks.

    Each shard of users has at most one task in a stage. An item stripe leaves a shard in a stage after its
    last one there; so the tasks of a stage share no stripe, and have all that they need from stages before.

    Attributes
    ----------
    n_stages : int
    visits : dict of (stage, shard) to int array
        Positions in the order of the epoch, ascending.
    packets : list of int arrays
        Item stripes that travel together.
    routes : list of list of (stage, shard)
        Tasks that each packet goes through.
    """

    n_stages: int
    visits: dict[tuple[int, int], Array]
    packets: list[Array]
    routes: list[list[tuple[int, int]]]


def plan(order: Array, n_rounds: int, n_item_stripes: int, shard_of: Array) -> Plan:
    """Divide an epoch into tasks, by shards of user stripes.

    Whatever the shards, each user stripe and each item stripe has its blocks in the order of the epoch, and
    so the result has the same bits.

    Parameters
    ----------
    order : int32[n_blocks]
        Blocks, in rounds of blocks that share no stripe.
    n_rounds : int
    n_item_stripes : int
    shard_of : int[n_user_stripes]
    """
    users, items = np.divmod(order.reshape(n_rounds, -1), n_item_stripes)
    shards = shard_of[users]
    stages = np.empty_like(shards)
    of_user = np.zeros(len(shard_of), dtype=np.int64)
    of_item, last = np.zeros(n_item_stripes, dtype=np.int64), np.full(n_item_stripes, -1)
    for at, (user, item, shard) in enumerate(zip(users, items, shards, strict=True)):
        moves = (last[item] >= 0) & (last[item] != shard)
        stages[at] = np.maximum(of_user[user], of_item[item] + moves)
        of_user[user] = of_item[item] = stages[at]
        last[item] = shard
    tasks = stages.ravel() * len(shard_of) + shards.ravel()
    numbers, where = np.unique(tasks, return_inverse=True)
    parts = np.split(np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
    names = [divmod(int(number), len(shard_of)) for number in numbers]
    routes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    by_item = np.argsort(items.ravel(), kind="stable").reshape(n_item_stripes, -1)
    for stripe, visits in enumerate(tasks[by_item]):
        changes = np.append(True, visits[1:] != visits[:-1])
        routes[tuple(visits[changes].tolist())].append(stripe)
    return Plan(
        1 + int(stages.max()),
        dict(zip(names, parts, strict=True)),
        [np.array(own) for own in routes.values()],
        [[divmod(task, len(shard_of)) for task in route] for route in routes],
    )


class BlocksOnCluster:
    """A `BlockTrainer` whose epochs run on a cluster: it has all else of the trainer.

    Parameters
    ----------
    trainer : BlockTrainer
        Whose live parameters have the result of each epoch.
    cluster : Cluster
    """

    def __init__(self, trainer: BlockTrainer, cluster: Cluster) -> None:
        self.trainer, self.cluster = trainer, cluster
        blocks = trainer.blocks
        layout, n_items = blocks.layout, blocks.n_item_stripes
        counts = np.diff(layout.block_ptr[::n_items])  # ratings of each user stripe
        _, self.shard_of = np.unique(stripes(counts, len(cluster.workers())), return_inverse=True)
        first_stripes = np.searchsorted(self.shard_of, np.arange(self.shard_of[-1] + 2))
        self.first_blocks = first_stripes * n_items
        self.first_users = blocks.user_ptr[first_stripes]
        self.parts: list[Held] = []
        for at, (first, end) in enumerate(pairwise(self.first_blocks)):
            begin, user = layout.block_ptr[first], self.first_users[at]
            ratings = layout.ratings[begin : layout.block_ptr[end]].copy()
            ratings["user"] -= user
            n_users = int(self.first_users[at + 1] - user)
            block_ptr = layout.block_ptr[first : end + 1] - begin
            self.parts.append(Held(BlockPart(ratings, block_ptr, blocks.item_ptr, n_users)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    def epoch(self, k: int) -> float:
        """Run epoch `k` (from 0); its error."""
        trainer = self.trainer
        blocks, factors = trainer.blocks, trainer.factors
        visits = blocks.visits()
        made = plan(visits.order, len(blocks.rounds), blocks.n_item_stripes, self.shard_of)
        jobs = self._jobs(made, visits.order, visits.starts, trainer.steps(k))
        users, packets = self.cluster.run(lambda tasks: self._run(tasks, made, jobs))
        squares = np.zeros(blocks.layout.n_blocks)
        for shard, found in users.items():
            span = slice(*self.first_users[shard : shard + 2])
            factors.user_factors[span], factors.user_bias[span] = found["users"]
            for stage, own in found["squares"].items():
                squares[visits.order[made.visits[stage, shard]]] = own
        for stripes_of, (rows, bias) in zip(made.packets, packets, strict=True):
            at = self._items(stripes_of)
            factors.item_factors[at], factors.item_bias[at] = rows, bias
        return blocks.error(squares)

    def _items(self, stripes_of: Array) -> Array:
        """Codes of the items of some stripes."""
        ptr = self.trainer.blocks.item_ptr
        return np.concatenate([np.arange(ptr[s], ptr[s + 1]) for s in stripes_of])

    def _jobs(self, made: Plan, order: Array, starts: Array, rates: Any) -> dict[tuple[int, int], Static]:
        """The job of each task."""
        taken: dict[tuple[int, int], list[Array]] = defaultdict(list)
        for stripes_of, route in zip(made.packets, made.routes, strict=True):
            for task in route:
                taken[task].append(stripes_of)
        found = {}
        for (stage, shard), at in made.visits.items():
            own = order[at]
            job = BlockJob(
                own - np.int32(self.first_blocks[shard]), starts[own], stage, rates, self.trainer.factors.mean,
                taken[stage, shard],
            )  # fmt: skip
            found[stage, shard] = Static(job)
        return found

    def _run(self, tasks: Tasks, made: Plan, jobs: dict[tuple[int, int], Static]) -> Any:
        """Submit all tasks of an epoch; what they leave of users, and of each packet."""
        factors = self.trainer.factors
        held = tasks.held(self.parts)
        given: list[tuple[Any, int]] = []
        for shard in range(len(self.parts)):
            span = slice(*self.first_users[shard : shard + 2])
            own = factors.user_factors[span], factors.user_bias[span]
            given.append(({"users": own, "squares": {}}, shard))
        for stripes_of, route in zip(made.packets, made.routes, strict=True):
            at = self._items(stripes_of)
            given.append(((factors.item_factors[at], factors.item_bias[at]), route[0][1]))
        sent = tasks.put_all(given)
        users: dict[int, Any] = dict(enumerate(sent[: len(self.parts)]))
        packets = sent[len(self.parts) :]
        incoming: dict[tuple[int, int], list[int]] = defaultdict(list)
        for packet, route in enumerate(made.routes):
            for task in route:
                incoming[task].append(packet)
        for task in sorted(jobs):  # stage by stage
            shard, own = task[1], incoming[task]
            users[shard] = tasks.submit(
                train_blocks, held[shard], users[shard], [packets[p] for p in own], jobs[task],
                at=shard,
            )
            for number, packet in enumerate(own):
                packets[packet] = tasks.submit(operator.getitem, users[shard], number, at=shard)
        found = tasks.gather([*users.values(), *packets])
        return dict(zip(users, found, strict=False)), found[len(users) :]
