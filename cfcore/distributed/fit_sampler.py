"""`BayesianSVD` on workers of this host: a sweep is a row of steps, each on all of its rows or ratings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.distributed.fit_cluster import Cluster
from cfcore.distributed.fit_common import Common
from cfcore.distributed.fit_epochs import EpochsOnTeam
from cfcore.distributed.fit_tasks import scratch
from cfcore.distributed.fit_team import Team
from cfcore.kernels.records import DrawKey, MemberDraws, RatingRows, RowDraws
from cfcore.models.factorization.bayesian_chains import Chains
from cfcore.models.factorization.bayesian_passes import Scratch, products_of
from cfcore.models.factorization.bayesian_side import draw_members
from cfcore.models.factorization.bayesian_steps import BLOCK, sum_parts
from cfcore.models.factorization.bayesian_trainer import GibbsTrainer
from cfcore.threads import threads_worth

__all__ = ["sample_on_team"]

Array = np.ndarray[Any, Any]

#: What of a chain its steps read and write.
SIDE = ("indptr", "indices", "weights", "rows", "row_means", "drawn", "members", "sums")
RESIDUALS = ("targets", "products", "by_item", "cross", "squares")
#: Live arrays that need not be kept to repeat sweeps: these write the same once more.
REPEATED = ("sample_", "trace_", "kept_sweeps")


def sample_on_team(trainer: Chains, cluster: Cluster) -> None:
    """Have the chains' steps run on all workers, as long as these are on this host."""

    def move(common: Common) -> None:
        for chain in trainer.chains:
            _move(chain, common)

    team = Team(cluster, move)
    trainer.n_workers = 1  # chains run one after the other, each on all workers
    for chain in trainer.chains:
        for side in (chain.users, chain.items):
            side.work, side.scratch = _Work(team), _CommonScratch(team)
            side.drawing = _drawing(team, side.drawing)
            side.drawing_members = _drawing_members(team, side.drawing_members)
        chain.residuals.work = chain.biases.work = chain.noise.work = _Work(team)
        chain.epoch = _sweeps(chain, team)  # type: ignore[method-assign]


def _sweeps(chain: GibbsTrainer, team: Team) -> EpochsOnTeam:
    def live() -> dict[str, Array]:
        arrays = chain.arrays() | chain.carried()
        return {name: one for name, one in arrays.items() if not name.startswith(REPEATED)}

    return EpochsOnTeam(team, chain.epoch, live, lambda: chain.samples.sweeps)


def _move(chain: GibbsTrainer, common: Common) -> None:
    """Move the arrays of a chain to where all processes have them."""
    residuals, biases, noise = chain.residuals, chain.biases, chain.noise
    held = residuals.ratings
    for owner, names in (
        (chain.users, SIDE), (chain.items, SIDE), (residuals, RESIDUALS), (biases, ("groups", "biases")),
        (noise, ("user_weights", "bounds", "rating_weights")), (chain, ("codes",)),
        (chain.samples, ("row_means",)),
    ):  # fmt: skip
        for name in names:
            setattr(owner, name, common.move(getattr(owner, name)))
    for side in (chain.users, chain.items):
        side.ratings = side.member_draws = None
    biases.drawn.clear()
    codes = common.move(held.indptr), common.move(held.indices)
    residuals.ratings = RatingRows(*codes, residuals.targets, held.n_columns)


class _Work:
    """What runs steps: the tasks of a team, or this process while there is none; see `InProcess`."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """An array to be written by steps."""
        if not self.team.is_open:
            return np.empty(shape, dtype)
        return self.team.common.empty(f"{name} {shape}", shape, dtype)

    def products_of(self, rows: Array, n_threads: int | None) -> Array:
        """The sum of the products of rows; of their parts in the order of these."""
        if not self.team.is_open:
            return products_of(rows, n_threads)
        n, k = rows.shape
        parts = self.empty("parts", (-(-n // BLOCK), k, k))
        self.team.run(sum_parts, n, rows, parts)
        upper = np.triu(np.add.reduce(parts, axis=0, initial=0.0))
        found: Array = upper + np.triu(upper, 1).T
        return found

    def run(
        self, step: Callable[..., None], n: int, *given: Any, n_threads: int | None,
        indptr: Array | None = None,
    ) -> None:  # fmt: skip
        """Call a step with spans of `n` things."""
        if self.team.is_open:
            self.team.run(step, n, *given, indptr=indptr)
        else:
            step((0, n), n_threads, *given)


class _CommonScratch(Scratch):
    """Arrays that all processes have, while there is a team."""

    def __init__(self, team: Team) -> None:
        super().__init__()
        self.team = team

    def take(self, name: str, *shape: int) -> Array:
        """The array of a name and a shape."""
        if not self.team.is_open:
            return super().take(name, *shape)
        return self.team.common.empty(f"{name} {shape}", shape, np.float64)


def _drawing(team: Team, elsewhere: Any) -> Any:
    """What draws the rows of a side, in place of `Drawing`."""

    def drawing(ratings: RatingRows, draws: RowDraws, most: int, n_threads: int | None) -> Any:
        if not team.is_open:
            return elsewhere(ratings, draws, most, n_threads)

        def draw(key: DrawKey) -> None:
            given, columns = (ratings, draws, most, key), [draws.columns]
            team.run(draw_rows, ratings.n_rows, *given, indptr=ratings.indptr, gathered=columns)

        return draw

    return drawing


def _drawing_members(team: Team, elsewhere: Any) -> Any:
    """What draws the members of the sets of a side, in place of `draw_members`."""

    def drawing(draws: MemberDraws, key: DrawKey, n_threads: int | None) -> Any:
        if not team.is_open:
            return elsewhere(draws, key, n_threads)
        n = min(len(team.workers), draws.n_blocks)
        spans = list(pairwise(draws.n_blocks * at // n for at in range(n + 1)))
        team.call(draw_columns, spans, draws, key)
        return draws.members, draws.errors

    return drawing


def draw_rows(
    span: tuple[int, int], n_threads: int | None, ratings: RatingRows, draws: RowDraws, most: int,
    key: DrawKey,
) -> None:  # fmt: skip
    """Draw some of the rows of a side."""
    (begin, end), width = span, draws.width
    work = (end - begin) * width**3 / 3 + int(ratings.indptr[end] - ratings.indptr[begin]) * width**2
    n_threads, kernel = threads_worth(n_threads, work), backends.kernel("factorization.gibbs")
    own = scratch.of(kernel.scratch_shape(n_threads, width, most))
    kernel.draw_rows(ratings, draws, key, own, span, n_threads)


def draw_columns(span: tuple[int, int], n_threads: int | None, draws: MemberDraws, key: DrawKey) -> None:
    """Draw some blocks of columns of the members of sets."""
    own = slice(*span)
    members, errors = draws.members[own], draws.errors[own]
    draw_members(draws.changed(members=members, errors=errors, first_block=span[0]), key, n_threads)
