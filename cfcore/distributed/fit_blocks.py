"""Stochastic gradient descent over blocks on a cluster: item stripes travel between shards of users."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cfcore.distributed.fit_block_tasks import BlockJob, BlockPart, pick, train_blocks
from cfcore.distributed.fit_cluster import Cluster, Held, Tasks
from cfcore.distributed.fit_tasks import Static
from cfcore.models.core.stripes import stripes
from cfcore.models.core.training import GROWTH
from cfcore.models.factorization.block_grid import BlockTrainer

__all__ = ["BlocksOnCluster", "Graph", "plan"]

Array = np.ndarray[Any, Any]
#: Epoch, stage and shard.
Task = tuple[int, int, int]

#: Seconds of a rating in an epoch, and of each number of its rows, on one thread; seconds that pass from the
#: end of a task to the beginning of one on another worker, with a few megabytes of rows of items.
SECONDS, SECONDS_OF_NUMBER, LATENCY = 4e-9, 8e-11, 0.02
#: Most epochs, and seconds of epochs, between two looks at parameters.
MOST_AHEAD, SECONDS_AHEAD = 16, 4.0


def plan(order: Array, n_rounds: int, n_item_stripes: int, shard_of: Array) -> dict[tuple[int, int], Array]:
    """Divide an epoch into tasks, of a shard of user stripes each, in stages.

    An item stripe passes to another shard in the stage after its last one in the shard before. So the tasks
    of a stage share no stripe, and all that they need comes from stages before. With as many user stripes as
    item stripes, and s shards of as many, there are s + 1 stages. Whatever the shards, each user stripe and
    each item stripe has its blocks in the order of the epoch, and so the result has the same bits.

    Parameters
    ----------
    order : int32[n_blocks]
        Blocks, in rounds of blocks that share no stripe.
    n_rounds, n_item_stripes : int
    shard_of : int[n_user_stripes]

    Returns
    -------
    dict of (stage, shard) to int array
        Positions in `order`, ascending; by stages.
    """
    users, items = np.divmod(order.reshape(n_rounds, -1), n_item_stripes)
    shards = shard_of[users]
    stages = np.empty_like(shards)
    of_user, of_item = np.zeros(len(shard_of), np.int64), np.zeros(n_item_stripes, np.int64)
    last = np.full(n_item_stripes, -1)
    for at, (user, item, shard) in enumerate(zip(users, items, shards, strict=True)):
        moves = (last[item] >= 0) & (last[item] != shard)
        stages[at] = np.maximum(of_user[user], of_item[item] + moves)
        of_user[user] = of_item[item] = stages[at]
        last[item] = shard
    numbers, where = np.unique(stages.ravel() * len(shard_of) + shards.ravel(), return_inverse=True)
    parts = np.split(np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
    names = [divmod(int(number), len(shard_of)) for number in numbers]
    return dict(zip(names, parts, strict=True))


def shards(counts: Array, n_item_stripes: int, n: int) -> Array:
    """Shard of each user stripe, such that a round has about as many blocks of each of `n` shards.

    A round is of consecutive user stripes, as many as there are item stripes at most.

    Parameters
    ----------
    counts : int[n_user_stripes]
        Ratings of each user stripe.
    n_item_stripes, n : int
    """
    if len(counts) <= n_item_stripes:
        found: Array = np.unique(stripes(counts, n), return_inverse=True)[1]
        return found
    n = min(n, n_item_stripes)
    return np.arange(len(counts)) * n // n_item_stripes % n


def worthwhile(n_workers: int, n_user_stripes: int, n_item_stripes: int, seconds: float) -> int:
    """The number of shards with which an epoch takes least, if one thread takes so many seconds for it."""
    tried = np.arange(1, max(1, min(n_workers, n_user_stripes, n_item_stripes)) + 1)
    stages = (tried + 1) * max(1.0, n_user_stripes / n_item_stripes)
    stages[0] = 1
    return int(tried[np.argmin(seconds / tried + stages * LATENCY)])


class Graph:
    """Tasks of some epochs, and how item stripes pass from one to the next.

    Parameters
    ----------
    plans : list of dict
        Of `plan`, one for each epoch.
    items : list of int arrays
        Item stripes of the visits of each epoch, in their order.

    Attributes
    ----------
    tasks : list of (epoch, stage, shard)
        In an order in which they may run.
    first : list of list of int
        Item stripes that each shard has at the beginning.
    arriving : dict of task to dict of task to list of int
        Item stripes that a task takes from tasks of other shards.
    leaving : dict of task to tuple of int
        Item stripes that other shards have taken since the task before of the shard.
    owners : dict of int to int
        The shard that has each item stripe at the end.
    last : set of task
        The last task of each shard in each epoch.
    """

    def __init__(self, plans: Sequence[dict[tuple[int, int], Array]], items: Sequence[Array]) -> None:
        self.tasks = [(epoch, *name) for epoch, one in enumerate(plans) for name in one]
        n_shards = 1 + max(shard for _, _, shard in self.tasks)
        self.first: list[list[int]] = [[] for _ in range(n_shards)]
        self.arriving: dict[Task, dict[Task, list[int]]] = {task: {} for task in self.tasks}
        self.last = set({(task[0], task[2]): task for task in self.tasks}.values())
        self.owners: dict[int, int] = {}
        latest: dict[int, Task] = {}  # the last task on each stripe
        left: list[set[int]] = [set() for _ in range(n_shards)]
        self.leaving: dict[Task, tuple[int, ...]] = {}
        for task in self.tasks:
            epoch, stage, shard = task
            for stripe in np.unique(items[epoch][plans[epoch][stage, shard]]).tolist():
                owner = self.owners.get(stripe)
                if owner is None:
                    self.first[shard].append(stripe)
                elif owner != shard:
                    self.arriving[task].setdefault(latest[stripe], []).append(stripe)
                    left[owner].add(stripe)
                self.owners[stripe], latest[stripe] = shard, task
            self.leaving[task] = tuple(sorted(left[shard]))
            left[shard] = set()


class BlocksOnCluster:
    """A `BlockTrainer` whose epochs run on a cluster: it has all else of the trainer.

    Parameters of several epochs stay with the workers where nobody looks at them in between: without
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
    """

    def __init__(self, trainer: BlockTrainer, cluster: Cluster, n_epochs: int, unseen: bool) -> None:
        self.trainer, self.cluster = trainer, cluster
        self.n_epochs, self.unseen = n_epochs, unseen
        self.errors: dict[int, float] = {}  # of epochs that have been run
        self.lowest, self.n_ahead = np.inf, 1
        blocks = trainer.blocks
        layout, n_items = blocks.layout, blocks.n_item_stripes
        counts = np.diff(layout.block_ptr[::n_items])  # ratings of each user stripe
        n_workers, width = len(cluster.workers()), trainer.factors.width
        n = worthwhile(n_workers, len(counts), n_items, layout.n * (SECONDS + SECONDS_OF_NUMBER * width))
        self.shard_of = shards(counts, n_items, n)
        n_shards = int(self.shard_of.max()) + 1
        self.local = np.empty(len(counts), dtype=np.int64)  # number of each user stripe in its shard
        self.users: list[Array] = []  # codes of the users of each shard
        self.parts: list[Held] = []
        positions = np.empty(trainer.factors.n_users, dtype=np.int32)
        for shard in range(n_shards):
            own = np.flatnonzero(self.shard_of == shard)
            self.local[own] = np.arange(len(own))
            spans = [slice(*blocks.user_ptr[stripe : stripe + 2]) for stripe in own]
            users = np.concatenate([np.arange(span.start, span.stop) for span in spans])
            positions[users] = np.arange(len(users))
            begins, ends = layout.block_ptr[own * n_items], layout.block_ptr[(own + 1) * n_items]
            ratings = np.concatenate([layout.ratings[a:b] for a, b in zip(begins, ends, strict=True)])
            ratings["user"] = positions[ratings["user"]]
            sizes = np.diff(layout.block_ptr).reshape(-1, n_items)[own]
            block_ptr = np.append(0, np.cumsum(sizes)).astype(np.int64)
            self.users.append(users)
            self.parts.append(Held(BlockPart(ratings, block_ptr, blocks.item_ptr, len(users))))

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
                self.n_ahead = max(1, min(MOST_AHEAD, int(SECONDS_AHEAD / seconds), 4 * n))
        self.lowest = min(self.lowest, self.errors[k])
        return self.errors[k]

    def _run(self, k: int, n: int) -> bool:
        """Run `n` epochs; False, without any effect, if training may have diverged in one of several."""
        trainer = self.trainer
        blocks, factors, n_items = trainer.blocks, trainer.factors, trainer.blocks.n_item_stripes
        visits = [blocks.visits() for _ in range(n)]
        plans = [plan(one.order, len(blocks.rounds), n_items, self.shard_of) for one in visits]
        graph = Graph(plans, [one.order % n_items for one in visits])
        jobs = {}
        for task in graph.tasks:
            at, stage, shard = task
            own = visits[at].order[plans[at][stage, shard]]
            stripes_of, items = np.divmod(own, np.int32(n_items))
            order = (self.local[stripes_of] * n_items + items).astype(np.int32)
            jobs[task] = Static(
                BlockJob(
                    at, stage, order, visits[at].starts[own], trainer.steps(k + at), factors.mean,
                    graph.leaving[task], task in graph.last,
                )
            )  # fmt: skip
        found = self.cluster.run(lambda tasks: tasks.gather(self._submit(tasks, graph, jobs)))
        errors = []
        for at, one in enumerate(visits):
            squares = np.zeros(blocks.layout.n_blocks)
            for (stage, shard), where in plans[at].items():
                squares[one.order[where]] = found[shard]["squares"][at, stage]
            errors.append(blocks.error(squares))
        sound = all(all(one["sound"].values()) for one in found)
        if n > 1 and not (sound and self._falls(errors)):
            return False
        self.errors |= dict(enumerate(errors, k))
        for shard, one in enumerate(found):
            own = self.users[shard]
            factors.user_factors[own], factors.user_bias[own] = one["users"]
            for stripe, rows in one["items"].items():
                if graph.owners[stripe] == shard:
                    span = slice(*blocks.item_ptr[stripe : stripe + 2])
                    factors.item_factors[span], factors.item_bias[span] = rows
        return True

    def _falls(self, errors: list[float]) -> bool:
        """Whether `run_epochs` takes no error for a sign of divergence."""
        lowest = np.minimum.accumulate([self.lowest, *errors[:-1]])
        return bool((np.array(errors) <= GROWTH * lowest).all())

    def _submit(self, tasks: Tasks, graph: Graph, jobs: dict[Task, Static]) -> list[Any]:
        """Submit all tasks; the futures of the last of each shard."""
        factors, ptr = self.trainer.factors, self.trainer.blocks.item_ptr
        held = tasks.held(self.parts)
        given: list[tuple[Any, int]] = []
        for shard, own in enumerate(graph.first):
            users = self.users[shard]
            items = {
                stripe: (
                    factors.item_factors[ptr[stripe] : ptr[stripe + 1]],
                    factors.item_bias[ptr[stripe] : ptr[stripe + 1]],
                )
                for stripe in own
            }
            rows = factors.user_factors[users], factors.user_bias[users]
            given.append(({"users": rows, "items": items, "squares": {}, "sound": {}}, shard))
        latest = tasks.put_all(given)
        results: dict[Task, Any] = {}
        for task in graph.tasks:
            shard = task[2]
            arrived = [
                tasks.submit(pick, results[source], tuple(own), at=source[2])
                for source, own in graph.arriving[task].items()
            ]
            latest[shard] = results[task] = tasks.submit(
                train_blocks, held[shard], latest[shard], arrived, jobs[task], at=shard
            )
        return latest
