"""`DaskEngine`: the trainers of fits on a Dask cluster."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from cfcore.arrays import in_files
from cfcore.distributed.fit_als import solve_on_team
from cfcore.distributed.fit_blocks import BlocksOnCluster
from cfcore.distributed.fit_cluster import Cluster, Held, Tasks
from cfcore.distributed.fit_files import shared_folder
from cfcore.distributed.fit_pair_tasks import Pairs, compare
from cfcore.distributed.fit_rows import (
    BiasesOnCluster,
    DrawingOnCluster,
    ImprovingOnCluster,
    MembersOnCluster,
    SolvingOnCluster,
)
from cfcore.distributed.fit_sampler import sample_on_team
from cfcore.distributed.fit_sequence_tasks import InSequence, run_parts
from cfcore.distributed.fit_tasks import Static
from cfcore.errors import DataWarning, warn
from cfcore.kernels.records import SimilarityMatrix
from cfcore.models.basic.baseline import LeastSquares
from cfcore.models.core.fit_context import FitContext
from cfcore.models.factorization.als_trainer import ALSTrainer
from cfcore.models.factorization.bayesian_chains import Chains
from cfcore.models.factorization.block_grid import BlockTrainer
from cfcore.models.factorization.user_batches import UserBatchTrainer
from cfcore.models.neighbors.similarities import Comparison
from cfcore.models.rbm.trainer import RBMTrainer

__all__ = ["DaskEngine", "SequenceOnCluster"]

Array = np.ndarray[Any, Any]

#: Numbers that a task of parts in sequence reads and writes, at least: some seconds.
NUMBERS = 5_000_000_000


class DaskEngine:
    """Has the work of fits done by the workers of a cluster; an `Engine`.

    Parameters
    ----------
    cluster : Cluster
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def trainer(self, trainer: Any, context: FitContext, n_epochs: int) -> Any:
        """A trainer whose epochs run on the cluster, or the one given, with steps that do."""
        cluster = self.cluster
        if isinstance(trainer, BlockTrainer):
            looking = context.validation, context.callback, context.checkpoint
            unseen = all(one is None for one in looking)
            folder = shared_folder(context.train, cluster)
            return BlocksOnCluster(trainer, cluster, n_epochs, unseen, folder)
        if isinstance(trainer, (UserBatchTrainer, RBMTrainer)):
            return SequenceOnCluster(trainer, cluster)
        if isinstance(trainer, ALSTrainer):
            steps: Any = trainer.solving
            if any(each.steps for each in steps.values()):
                warn(
                    "ALS(solver='cg'): its epochs run in this process, not on the cluster; pass "
                    "solver='cholesky' to run them there",
                    DataWarning,
                )
                return trainer
            for kind in steps:
                steps[kind] = SolvingOnCluster(trainer, kind, cluster)
            trainer.improving = ImprovingOnCluster(trainer, cluster)
            if self._has_team():
                solve_on_team(trainer, cluster)
        elif isinstance(trainer, Chains):
            members = None
            for chain in trainer.chains:
                sides = {"user": chain.users, "item": chain.items}
                if chain.users.has_sets or chain.items.has_sets:  # the sets of all chains are the same
                    members = members or MembersOnCluster(sides, cluster)
                for kind, side in sides.items():
                    side.drawing = DrawingOnCluster(side, cluster)
                    if members is not None:
                        side.drawing_members = members.of(kind)
            if self._has_team():
                sample_on_team(trainer, cluster)
        elif isinstance(trainer, LeastSquares):
            trainer.solve = BiasesOnCluster(trainer, cluster)  # type: ignore[method-assign]
        else:
            warn(
                f"{type(trainer).__name__} is not a trainer of cfcore: its epochs run in this process, not "
                "on the cluster",
                DataWarning,
            )
        return trainer

    def _has_team(self) -> bool:
        """Whether arrays can be in memory that all workers map: on this host, without a limit of memory."""
        return not in_files.get() and self.cluster.run(Tasks.are_near)

    def compare(self, comparison: Comparison, progress: Callable[[int], object] | None) -> None:
        """Write the similarities; of a matrix, the half below the diagonal."""
        found = comparison.found
        whole = isinstance(found, SimilarityMatrix)
        own = copy.copy(comparison)
        del own.found
        n_kept = None if isinstance(found, SimilarityMatrix) else found.n_kept
        pairs = Held(Pairs(own, found.values.dtype, n_kept))
        parts = [part for part in comparison.parts() if part.stage == 0 and part.begin < part.end]
        # The rows of a half matrix are the longer the later they are: those first.
        parts = parts[::-1] if whole else parts
        left = dict(enumerate(parts))

        def work(tasks: Tasks) -> None:
            [held] = tasks.held([pairs])
            numbers = list(left)
            futures = [tasks.submit(compare, held, left[at].begin, left[at].end) for at in numbers]
            for at, result in tasks.as_completed(futures):
                part = left.pop(numbers[at])
                span = slice(part.begin, part.end)
                if isinstance(found, SimilarityMatrix):
                    found.values[span, : part.end] = result[0]
                else:
                    found.codes[span], found.values[span] = result
                if progress is not None:
                    progress(part.end - part.begin)

        self.cluster.run(work)


class SequenceOnCluster:
    """A trainer whose parts follow each other: a task runs some of them. It has all else of the trainer.

    Each batch of `SVDpp` and its kin starts from what the batch before has left, and holds too few ratings
    to be divided between workers: so do the mini-batches of RBMs. The fit takes the time of one worker.

    Parameters
    ----------
    trainer : UserBatchTrainer or RBMTrainer
        Whose live parameters have the result of each epoch.
    cluster : Cluster
    """

    def __init__(self, trainer: Any, cluster: Cluster) -> None:
        self.trainer, self.cluster = trainer, cluster
        self.sequence = InSequence.of(trainer)
        away = copy.copy(trainer)
        away.context = dataclasses.replace(
            trainer.context, known={}, validation=None, callback=None, checkpoint=None, side={}, publish=None,
            train=None,
        )  # fmt: skip
        away.constant = {}
        self.held = Held(InSequence.of(away))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    def epoch(self, k: int) -> float:
        """Run epoch `k` (from 0); its error."""
        parts = self.trainer.parts(k)
        n = min(len(parts), 1 + int(self.sequence.numbers() / NUMBERS))
        chunks = [parts[len(parts) * i // n : len(parts) * (i + 1) // n] for i in range(n)]

        def work(tasks: Tasks) -> dict[str, Any]:
            [held], state = tasks.held([self.held]), tasks.put(self.sequence.arrays())
            for chunk in chunks:
                state = tasks.submit(run_parts, held, state, Static(chunk), at=0)
            [found] = tasks.gather([state])
            return found

        found = self.cluster.run(work)
        for name, array in self.sequence.arrays().items():
            np.copyto(array, found[name])
        return self.sequence.error(parts, found["results"])
