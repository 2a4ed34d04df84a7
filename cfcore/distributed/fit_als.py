"""`ALS` on workers of this host: a half of an epoch is a step or two, on all rows of a side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import as_padded
from cfcore.distributed.fit_cluster import Cluster
from cfcore.distributed.fit_common import Common
from cfcore.distributed.fit_epochs import EpochsOnTeam
from cfcore.distributed.fit_tasks import scratch
from cfcore.distributed.fit_team import Team
from cfcore.kernels.records import ImplicitRows, ImplicitSets, RatingRows, RowSolves
from cfcore.models.factorization.als_rows import Side, improved_members
from cfcore.models.factorization.als_trainer import ALSTrainer
from cfcore.models.factorization.sets import COLUMNS
from cfcore.threads import threads_worth

__all__ = ["solve_on_team"]

Array = np.ndarray[Any, Any]
Span = tuple[int, int]


def solve_on_team(trainer: ALSTrainer, cluster: Cluster) -> None:
    """Have the steps of the trainer run on all workers, as long as these are on this host."""
    steps: dict[str, _Solving] = {}

    def move(common: Common) -> None:
        for held in (trainer.rows, trainer.biases, trainer.members):
            held.update({kind: common.move(array) for kind, array in held.items()})
        for kind, side in trainer.sides.items():
            values = {name: common.move(getattr(side.ratings, name)) for name in ("indptr", "indices", "values")}
            ratings = RatingRows(**values, n_columns=side.ratings.n_columns)
            trainer.sides[kind] = Side(ratings, common.move(side.weights), side.penalties, side.n_threads)
        for kind, other in (("user", "item"), ("item", "user")):
            steps[kind].move(trainer, (kind, other), common)

    team = Team(cluster, move)
    for kind, elsewhere in trainer.solving.items():
        trainer.solving[kind] = steps[kind] = _Solving(team, elsewhere)  # type: ignore[assignment]
    trainer.improving = _improving(team, trainer, trainer.improving)
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
        held = self.solves
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
        ratings, sums = self.ratings, None
        spans = self.team.spans_of(ratings.n_rows, ratings.indptr)
        if members is not None:
            shape = self.solves.rows.shape
            sums = [self.team.common.empty(f"sums {at}", shape, at) for at in (np.float32, np.float64)]
        given = ratings, self.most, self.solves, members, sums, self._sets(spans) if sums else {}
        gathered = [self.solves.columns, *([] if members is None else [members])]
        self.team.call(solve_rows, spans, *given, gathered=gathered)
        return self.solves.squares

    def _sets(self, spans: list[Span]) -> dict[Span, ImplicitSets]:
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


def _improving(team: Team, trainer: ALSTrainer, elsewhere: Any) -> Any:
    """What improves the members of sets of a side, in place of `improved_members`."""

    def improving(side: Side, owners: tuple[Array, Array], rows: Array, members: Array) -> Array:
        if not team.is_open:
            found: Array = elsewhere(side, owners, rows, members)
            return found
        side.member_draws(owners), side.sets  # noqa: B018  # checked here, once
        n_blocks = -(-members.shape[1] // COLUMNS)
        n = min(len(team.workers), n_blocks)
        cuts = [n_blocks * at // n for at in range(n + 1)]
        team.call(improve_columns, list(zip(cuts, cuts[1:], strict=False)), side, owners, rows, members)
        return members

    return improving


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
        solves = solves.renewed(centres=sums[1])
    width = solves.width
    work = (end - begin) * width**3 / 3 + int(ratings.indptr[end] - ratings.indptr[begin]) * width**2
    n_threads, solver = threads_worth(n_threads, work), backends.kernel("factorization.als")
    solver.solve_rows(
        ratings, solves, scratch.of(solver.scratch_shape(n_threads, width, most)), span, n_threads
    )


def improve_columns(
    span: Span, n_threads: int | None, side: Side, owners: tuple[Array, Array], rows: Array, members: Array
) -> None:
    """`improved_members` of some blocks of columns, in place."""
    own = slice(COLUMNS * span[0], min(COLUMNS * span[1], members.shape[1]))
    columns = (np.ascontiguousarray(one[:, own]) for one in (rows, members))
    members[:, own] = improved_members(side.with_threads(n_threads), owners, *columns)
