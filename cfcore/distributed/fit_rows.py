"""Rows of users and of items on a cluster: least squares of `ALS` and `Baseline`, and draws of samplers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore.arrays import as_padded
from cfcore.distributed.fit_cluster import Cluster, Held, Tasks
from cfcore.distributed.fit_row_tasks import (
    DrawJob,
    RowsPart,
    Sets,
    draw_columns,
    draw_rows,
    improve_columns,
    solve_biases,
    solve_rows,
)
from cfcore.kernels.records import DrawKey, MemberDraws, RatingRows, RowDraws
from cfcore.models.basic.baseline import LeastSquares
from cfcore.models.factorization.als_rows import Side
from cfcore.models.factorization.als_trainer import ALSTrainer
from cfcore.models.factorization.bayesian_side import Side as SampledSide
from cfcore.models.factorization.bayesian_side import draw_members
from cfcore.models.factorization.sets import COLUMNS

__all__ = [
    "BiasesOnCluster", "DrawingOnCluster", "ImprovingOnCluster", "MembersOnCluster", "SolvingOnCluster",
    "ranges",
]  # fmt: skip

Array = np.ndarray[Any, Any]

#: Ranges of rows for each worker: while results of one travel, the worker has the next.
RANGES = 2


def n_ranges(cluster: Cluster) -> int:
    """How many ranges of rows there are to be: fewer where results do not travel."""
    return len(cluster.workers()) * (1 if cluster.run(Tasks.are_near) else RANGES)


def ranges(indptr: Array, n: int, cost: int, row_cost: int) -> list[tuple[int, int]]:
    """At most `n` ranges of rows of about the same cost: so much a rating, and so much a row.

    Parameters
    ----------
    indptr : int64[n_rows + 1]
    n, cost, row_cost : int
    """
    n_rows = len(indptr) - 1
    work = indptr.astype(np.float64) * cost + np.arange(n_rows + 1.0) * row_cost
    cuts = np.searchsorted(work, work[-1] * np.arange(1, n) / n)
    return [span for span in pairwise([0, *cuts.tolist(), n_rows]) if span[0] < span[1]]


def rows_part(
    ratings: RatingRows, span: tuple[int, int], weights: Array | None, fixed: dict[str, Any]
) -> RowsPart:
    """The ratings of a range of rows."""
    begin, end = span
    first, last = int(ratings.indptr[begin]), int(ratings.indptr[end])
    return RowsPart(
        begin, ratings.n_rows, ratings.indptr[begin : end + 1] - first, ratings.indices[first:last],
        ratings.values[first:last], None if weights is None else weights[first:last], ratings.n_columns,
        int(np.diff(ratings.indptr).max(initial=0)), fixed,
    )  # fmt: skip


class SolvingOnCluster:
    """Solves for all rows of a side of `ALS`, in place of `Solving`.

    Parameters
    ----------
    trainer : ALSTrainer
    kind : {"user", "item"}
    cluster : Cluster
    """

    def __init__(self, trainer: ALSTrainer, kind: str, cluster: Cluster) -> None:
        self.cluster, self.solves = cluster, trainer.solving[kind].solves
        ratings, solves = trainer.sides[kind].ratings, self.solves
        width = solves.width
        n = n_ranges(cluster)
        self.spans = ranges(ratings.indptr, n, width * (width + 16), width**3 // 3 + 1)
        self.parts = []
        for begin, end in self.spans:
            fixed = {"penalty": solves.penalty[begin:end], "bias_penalty": None, "mean": solves.mean}
            if solves.bias_penalty is not None:
                fixed["bias_penalty"] = solves.bias_penalty[begin:end]
            self.parts.append(Held(rows_part(ratings, (begin, end), solves.weights, fixed)))

    @staticmethod
    def centres(side: Any, members: Array) -> Array | None:
        """The members' padded rows: workers sum them."""
        return as_padded(members) if members.shape[1] else None

    def __call__(self, members: Array | None) -> Array:
        """Overwrite rows and biases; the sum of weighted squared errors of each row."""
        solves = self.solves
        columns = solves.columns, solves.column_biases

        def work(tasks: Tasks) -> list[Any]:
            [shared], held = tasks.share_all([((columns, members), 0)]), tasks.held(self.parts)
            return tasks.results(
                [tasks.call(solve_rows, part, shared, at=at) for at, part in enumerate(held)]
            )

        for span, found in zip(self.spans, self.cluster.run(work), strict=True):
            own = slice(*span)
            solves.rows[own], solves.biases[own], solves.squares[own] = found
        return solves.squares


class ImprovingOnCluster:
    """Improves the members of sets of `ALS`, in place of `improved_members`: each worker has some columns.

    Parameters
    ----------
    trainer : ALSTrainer
    cluster : Cluster
    """

    def __init__(self, trainer: ALSTrainer, cluster: Cluster) -> None:
        self.cluster = cluster
        self.of_trainer = trainer.sides
        sets, self.sides = {}, {}
        for kind, side in trainer.sides.items():
            sets[kind] = Sets(side.ratings.indptr, side.ratings.indices, side.ratings.n_columns)
            self.sides[kind] = Held((side.weights, side.penalties))
        self.sets = [Held(sets) for _ in cluster.workers()]

    def __call__(self, side: Side, owners: Any, rows: Array, members: Array) -> Array:
        """The factors of the members: float32[n_members, n_factors]."""
        k, [kind] = rows.shape[1], [kind for kind, one in self.of_trainer.items() if one is side]
        n_blocks = -(-k // COLUMNS)
        n = min(n_blocks, len(self.sets))
        cuts = [min(k, COLUMNS * (n_blocks * at // n)) for at in range(n)] + [k]

        def work(tasks: Tasks) -> list[Any]:
            columns = [
                tuple(np.ascontiguousarray(one[:, begin:end]) for one in (rows, members))
                for begin, end in pairwise(cuts)
            ]
            given = tasks.share_all(list(zip(columns, range(n), strict=True)))
            [weights], sets = tasks.held([self.sides[kind]]), tasks.held(self.sets[:n])
            return tasks.results(
                [tasks.call(improve_columns, sets[at], kind, weights, given[at], at=at) for at in range(n)]
            )

        return np.concatenate(self.cluster.run(work), axis=1)


class MembersOnCluster:
    """Draws the members of sets of a sampler, in place of `draw_members`: each worker has some columns.

    Only of workers on the host of this process: the numbers that would travel are as many as the ratings.

    Parameters
    ----------
    sides : dict of str to Side
        Of users, and of items.
    cluster : Cluster
    """

    def __init__(self, sides: Mapping[str, SampledSide], cluster: Cluster) -> None:
        self.cluster = cluster
        sets = {kind: Sets(side.indptr, side.indices, side.n_others) for kind, side in sides.items()}
        self.sets = [Held(sets) for _ in cluster.workers()] if cluster.run(Tasks.are_near) else []
        self.weights = {kind: Held(side.weights) for kind, side in sides.items()}

    def of(self, kind: str) -> Callable[..., tuple[Array, Array]]:
        """What draws the members of the sets of a side."""

        def draw(draws: MemberDraws, key: DrawKey, n_threads: int | None) -> tuple[Array, Array]:
            n = min(draws.n_blocks, len(self.sets))
            if n < 2:
                return draw_members(draws, key, n_threads)
            cuts = [draws.n_blocks * at // n for at in range(n + 1)]
            found = self.cluster.run(lambda tasks: self._run(tasks, kind, draws, key, cuts))
            for (begin, end), (members, errors) in zip(pairwise(cuts), found, strict=True):
                draws.members[begin:end], draws.errors[begin:end] = members, errors
            return draws.members, draws.errors

        return draw

    def _run(
        self, tasks: Tasks, kind: str, draws: MemberDraws, key: DrawKey, cuts: list[int]
    ) -> Sequence[Any]:
        n = len(cuts) - 1
        blocks = [(draws.members[begin:end], draws.errors[begin:end]) for begin, end in pairwise(cuts)]
        shared = tasks.share_all(list(zip(blocks, range(n), strict=True)))
        [weights], sets = tasks.held([self.weights[kind]]), tasks.held(self.sets[:n])
        given = [(draws.penalty, begin, (key.seed, key.kind, key.sweep)) for begin in cuts[:-1]]
        return tasks.results(
            [
                tasks.call(draw_columns, sets[at], kind, weights, shared[at], given[at], at=at)
                for at in range(n)
            ]
        )


class DrawingOnCluster:
    """Draws all rows of a side of a sampler, in place of `Drawing`, whose arguments it is called with.

    Parameters
    ----------
    side : Side
    cluster : Cluster
    """

    def __init__(self, side: SampledSide, cluster: Cluster) -> None:
        self.cluster = cluster
        width = side.rows.shape[1]
        n = n_ranges(cluster)
        self.spans = ranges(side.indptr, n, width * (width + 16), width**3 // 3)
        none = np.zeros(0, dtype=np.float32)  # values change with every sweep
        self.parts = []
        for begin, end in self.spans:
            first, last = side.indptr[begin], side.indptr[end]
            self.parts.append(
                Held(
                    RowsPart(
                        begin, side.n, side.indptr[begin : end + 1] - first, side.indices[first:last], none,
                        None, side.n_others, side.most, {},
                    )
                )
            )  # fmt: skip

    def __call__(self, ratings: RatingRows, draws: RowDraws, most: int, n_threads: int | None) -> Any:
        """What draws the rows of these records."""

        def draw(key: DrawKey) -> None:
            found = self.cluster.run(lambda tasks: self._run(tasks, ratings, draws, key))
            for span, (rows, means) in zip(self.spans, found, strict=True):
                draws.rows[slice(*span)] = rows
                if draws.means is not None:
                    draws.means[slice(*span)] = means

        return draw

    def _run(self, tasks: Tasks, ratings: RatingRows, draws: RowDraws, key: DrawKey) -> Sequence[Any]:
        shared = {
            "columns": draws.columns, "precision": draws.precision, "column_weight": draws.column_weight,
            "with_means": draws.means is not None, "key": (key.seed, key.kind, key.sweep),
        }  # fmt: skip
        given: list[tuple[Any, int]] = [(shared, 0)]
        for at, (begin, end) in enumerate(self.spans):
            own = slice(int(ratings.indptr[begin]), int(ratings.indptr[end]))
            job = DrawJob(
                ratings.values[own], draws.prior_mean[begin:end], draws.row_precision[begin:end],
                None if draws.weights is None else draws.weights[own],
            )  # fmt: skip
            given.append((job, at))
        held = tasks.held(self.parts)
        sent, *jobs = tasks.share_all(given)
        return tasks.results(
            [
                tasks.call(draw_rows, part, job, sent, at=at)
                for at, (part, job) in enumerate(zip(held, jobs, strict=True))
            ]
        )


class BiasesOnCluster:
    """Solves for all biases of a `LeastSquares`, in place of its method ``solve``.

    Parameters
    ----------
    trainer : LeastSquares
    cluster : Cluster
    """

    def __init__(self, trainer: LeastSquares, cluster: Cluster) -> None:
        self.cluster = cluster
        self.stages: list[list[tuple[Any, Held]]] = [[], []]
        for part, (rows, biases, reg) in trainer.problems.items():
            fixed = {"mean": biases.mean, "reg": reg}
            held = rows_part(rows, (0, rows.n_rows), None, fixed)
            self.stages[part.stage].append((biases, Held(held)))

    def __call__(self) -> None:
        """Solve for the biases of items, and then of users."""
        for stage in self.stages:
            found = self.cluster.run(lambda tasks, stage=stage: self._run(tasks, stage))  # type: ignore[misc]
            for (biases, _), own in zip(stage, found, strict=True):
                biases.row_bias[:] = own

    @staticmethod
    def _run(tasks: Tasks, stage: list[tuple[Any, Held]]) -> Sequence[Any]:
        columns, held = tasks.put(stage[0][0].column_bias), tasks.held([part for _, part in stage])
        return tasks.gather(
            [tasks.submit(solve_biases, part, columns, at=at) for at, part in enumerate(held)]
        )
