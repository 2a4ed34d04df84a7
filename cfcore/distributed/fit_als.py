"""`ALS` on workers of this host: a half of an epoch is a step or two, on all rows of a side."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import as_padded
from cfcore.distributed.fit_cluster import Cluster
from cfcore.distributed.fit_common import Common
from cfcore.distributed.fit_epochs import EpochsOnTeam
from cfcore.distributed.fit_sampler import draw_columns
from cfcore.distributed.fit_tasks import scratch
from cfcore.distributed.fit_team import Team
from cfcore.kernels.records import DrawKey, ImplicitRows, ImplicitSets, RatingRows, RowSolves
from cfcore.models.factorization.als_rows import Side
from cfcore.models.factorization.als_trainer import ALSTrainer
from cfcore.models.factorization.sets import COLUMNS
from cfcore.threads import threads_worth

__all__ = ["solve_on_team"]

Array = np.ndarray[Any, Any]
Span = tuple[int, int]

#: Rows that a step takes at a time.
PIECE = 256


def solve_on_team(trainer: ALSTrainer, cluster: Cluster) -> None:
    """Have the steps of the trainer run on all workers, as long as these are on this host."""
    steps: dict[str, _Solving] = {}

    def move(common: Common) -> None:
        for live in (trainer.rows, trainer.biases, trainer.members):
            live.update({kind: common.move(array) for kind, array in live.items()})
        for kind, side in trainer.sides.items():
            values = {
                name: common.move(getattr(side.ratings, name)) for name in ("indptr", "indices", "values")
            }
            ratings = RatingRows(**values, n_columns=side.ratings.n_columns)
            trainer.sides[kind] = Side(ratings, common.move(side.weights), side.penalties, side.n_threads)
        for kind, other in (("user", "item"), ("item", "user")):
            steps[kind].move(trainer, (kind, other), common)

    team = Team(cluster, move)
    for kind, elsewhere in trainer.solving.items():
        trainer.solving[kind] = steps[kind] = _Solving(team, elsewhere)  # type: ignore[assignment]
    trainer.improving = _Improving(team, steps, trainer.improving)
    trainer.epoch = EpochsOnTeam(team, trainer.epoch, trainer.arrays)  # type: ignore[method-assign]


class _Solving:
    """Solves for all rows of a side: by the tasks of a team, or elsewhere while there is none.

    Parameters
    ----------
    team : Team
    elsewhere : SolvingOnCluster
    """

    def __init__(self, team: Team, elsewhere: Any) -> None:
        self.team, self.elsewhere, self.solves = team, elsewhere, elsewhere.solves

    def move(self, trainer: ALSTrainer, kinds: tuple[str, str], common: Common) -> None:
        """Take rows, biases and ratings from where all processes have them."""
        own, other = kinds
        self.kind, held = own, self.solves
        self.solves = self.elsewhere.solves = dataclasses.replace(
            held, rows=trainer.rows[own], biases=trainer.biases[own], columns=trainer.rows[other],
            column_biases=trainer.biases[other], weights=trainer.sides[own].weights,
            **{name: common.move(getattr(held, name)) for name in ("penalty", "bias_penalty", "squares")},
        )  # fmt: skip
        self.ratings, self.common = trainer.sides[own].ratings, common
        self.most = int(np.diff(self.ratings.indptr).max(initial=0))
        self.sets: dict[Span, ImplicitSets] = {}

    def centres(self, side: Side, members: Array) -> Array | None:
        """What this is called with: padded rows of the members, which workers sum."""
        return as_padded(members) if members.shape[1] else None

    def __call__(self, members: Array | None) -> Array:
        """Overwrite rows and biases; the sum of weighted squared errors of each row."""
        if not self.team.is_open:
            found: Array = self.elsewhere(members)
            return found
        ratings, sums = self.ratings, []
        spans = self.team.spans_of(ratings.n_rows, ratings.indptr)
        if members is not None:
            sums = [self.sums(members.shape[1]), self.sums(members.shape[1], np.float64)]
        given = ratings, self.most, self.solves, members, sums, self.sets_of(spans) if sums else {}
        gathered = [self.solves.columns, *([] if members is None else [members])]
        self.team.call(solve_rows, spans, *given, gathered=gathered)
        return self.solves.squares

    def sums(self, width: int, dtype: Any = np.float32) -> Array:
        """Memory for sums over the sets of the rows."""
        name = f"sums of {self.kind}s in {np.dtype(dtype)}"
        return self.common.empty(name, (self.ratings.n_rows, width), dtype)

    def sets_of(self, spans: list[Span]) -> dict[Span, ImplicitSets]:
        """The sets of the rows of each span; they are checked once."""
        ratings = self.ratings
        if self.sets.keys() != set(spans):
            self.sets = {}
            for begin, end in spans:
                bounds = ratings.indptr[begin : end + 1]
                indptr = self.common.keep(bounds - bounds[0])
                self.sets[begin, end] = ImplicitSets(
                    indptr, ratings.indices[bounds[0] : bounds[-1]], ratings.n_columns
                )
        return self.sets


class _Improving:
    """Improves the members of the sets of a side, in place of `improved_members`.

    Parameters
    ----------
    team : Team
    steps : dict of str to _Solving
    elsewhere : ImprovingOnCluster
    """

    def __init__(self, team: Team, steps: dict[str, _Solving], elsewhere: Any) -> None:
        self.team, self.steps, self.elsewhere = team, steps, elsewhere

    def __call__(self, side: Side, owners: tuple[Array, Array], rows: Array, members: Array) -> Array:
        """The factors of the members, which are changed in place by the tasks of a team."""
        team = self.team
        if not team.is_open:
            found: Array = self.elsewhere(side, owners, rows, members)
            return found
        [step] = [one for one in self.steps.values() if one.ratings is side.ratings]
        n_blocks, table = -(-members.shape[1] // COLUMNS), as_padded(members)
        blocks, errors = (
            team.common.empty(f"{name} of {step.kind}s", (n_blocks, len(held), COLUMNS), np.float64)
            for name, held in (("members", members), ("errors", rows))
        )
        spans = team.spans_of(len(rows), side.ratings.indptr)
        given = step.sets_of(spans), table, rows, side.roots, step.sums(table.shape[1]), errors
        team.call(member_errors, spans, *given, gathered=[table])
        team.run(into_blocks, len(members), members, blocks)
        draws = side.member_draws(owners).changed(members=blocks, errors=errors)
        n = min(len(team.workers), n_blocks)
        cuts = [n_blocks * at // n for at in range(n + 1)]
        team.call(draw_columns, list(pairwise(cuts)), draws, DrawKey(0, 0, 0))
        team.run(out_of_blocks, len(members), blocks, members)
        return members


def solve_rows(
    span: Span, n_threads: int | None, ratings: RatingRows, most: int, solves: RowSolves,
    members: Array | None, sums: list[Array], sets: dict[Span, ImplicitSets],
) -> None:  # fmt: skip
    """Solve for some of the rows and biases of a side.

    Parameters
    ----------
    most : int
        Ratings of the row that has most.
    members : float32[n_columns, width] or None
        What the sets of the rows are sums of.
    sums : list of (float32[n_rows, width], float64[n_rows, width])
        Scratch.
    sets : dict of (begin, end) to ImplicitSets
        Of the rows of each span.
    """
    begin, end = span
    if members is not None:
        own = sets[span]
        threads = threads_worth(n_threads, own.n_members * members.shape[1])
        kernel = backends.kernel("factorization.svdpp")
        kernel.implicit_sums(own, ImplicitRows(members, sums[0][begin:end]), threads)
        sums[1][begin:end] = sums[0][begin:end]
        solves = solves.changed(centres=sums[1])
    width = solves.width
    work = (end - begin) * width**3 / 3 + int(ratings.indptr[end] - ratings.indptr[begin]) * width**2
    n_threads, solver = threads_worth(n_threads, work), backends.kernel("factorization.als")
    solver.solve_rows(
        ratings, solves, scratch.of(solver.scratch_shape(n_threads, width, most)), span, n_threads
    )


def member_errors(
    span: Span, n_threads: int | None, sets: dict[Span, ImplicitSets], table: Array, rows: Array,
    roots: Array, sums: Array, blocks: Array,
) -> None:  # fmt: skip
    """What is left of some rows less the sums of their sets, each times a root, in blocks of columns.

    Parameters
    ----------
    sets : dict of (begin, end) to ImplicitSets
        Of the rows of each span.
    table : float32[n_members, width]
    rows : float32[n_rows, n_factors]
    roots : float64[n_rows]
    sums : float32[n_rows, width]
        Scratch.
    blocks : float64[n_blocks, n_rows, 8]
        Overwritten.
    """
    begin, end = span
    own = sets[span]
    threads = threads_worth(n_threads, own.n_members * table.shape[1])
    kernel = backends.kernel("factorization.svdpp")
    kernel.implicit_sums(own, ImplicitRows(table, sums[begin:end]), threads)
    for first in range(begin, end, PIECE):
        piece = slice(first, min(first + PIECE, end))
        apart = rows[piece].astype(np.float64)
        apart -= sums[piece, : rows.shape[1]]
        apart *= roots[piece, np.newaxis]
        _into(apart, blocks, piece)


def into_blocks(span: Span, n_threads: int | None, rows: Array, blocks: Array) -> None:
    """Put some rows into blocks of columns; see `in_blocks`."""
    _into(rows[slice(*span)], blocks, slice(*span))


def _into(rows: Array, blocks: Array, own: slice) -> None:
    for at in range(len(blocks)):
        part = rows[:, COLUMNS * at : COLUMNS * (at + 1)]
        blocks[at, own, : part.shape[1]] = part
        blocks[at, own, part.shape[1] :] = 0


def out_of_blocks(span: Span, n_threads: int | None, blocks: Array, rows: Array) -> None:
    """Take some rows from blocks of columns."""
    own = slice(*span)
    for at in range(len(blocks)):
        part = rows[own, COLUMNS * at : COLUMNS * (at + 1)]
        part[:] = blocks[at, own, : part.shape[1]]
