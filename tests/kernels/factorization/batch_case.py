"""Ratings in user batches, and sets that hold them and more, for the kernels `svdpp` and `timesvdpp`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cfcore.kernels import svd, svdpp
from cfcore.kernels.records import (
    RATING,
    BlockGrid,
    BlockLayout,
    ImplicitSets,
    RatingColumns,
    UserBatchLayout,
    UserBatchScratch,
    UserBatchVisits,
)
from tests.kernels.factorization.svd_case import diagonals


def bounds_of(owners: Any, n: int) -> Any:
    """First of each of n ranges of ascending owners, and their number."""
    return np.searchsorted(owners, np.arange(n + 1)).astype(np.int32)


def stripes_of(counts: Any, n: int) -> Any:
    """Stripes of about as many ratings each; a stripe may be empty."""
    before = np.cumsum(counts) - (counts + 1) // 2
    return np.minimum(before * n // max(int(counts.sum()), 1), n - 1).astype(np.int32)


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def same_bits(first: Any, second: Any) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


@dataclass
class BatchCase:
    """Ratings of some cells, in batches of grids of blocks.

    There are users and items without ratings, empty sets, and rows of the table that no item has.
    """

    n_users: int = 9
    n_items: int = 7
    n: int = 40
    n_batches: int = 2
    grid: tuple[int, int] = (2, 2)
    n_parts: int = 3
    n_extra: int = 2
    width: int = 16
    dtype: str = "float32"
    weighted: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.n = min(self.n, self.n_users * self.n_items)
        cells = self.rng.choice(self.n_users * self.n_items, self.n, replace=False)
        self.users = (cells // self.n_items).astype(np.int32)
        self.items = (cells % self.n_items).astype(np.int32)
        self.values = np.round(self.rng.uniform(1, 5, self.n)).astype(np.float32)
        self.counts = np.bincount(self.users, minlength=self.n_users)
        self.user_stripes = stripes_of(self.counts, self.n_batches * self.grid[0])
        self.n_rows = self.n_items + self.n_extra
        has = np.zeros((self.n_users, self.n_rows), dtype=bool)
        has[self.users, self.items] = True
        has |= (self.rng.random(has.shape) < 0.1) & (self.counts > 0)[:, None]
        members = np.nonzero(has)[1].astype(np.int32)
        weights = self.rng.normal(0, 0.7, len(members)).astype(np.float32) if self.weighted else None
        indptr = np.append(0, np.cumsum(has.sum(axis=1)))
        self.sets = ImplicitSets(indptr, members, self.n_rows, weights)
        self.parts = bounds_of(stripes_of(has.sum(axis=0), self.n_parts), self.n_parts)
        blocks = diagonals(*self.grid)
        rows = self.rng.permuted(np.tile(np.arange(len(blocks)), (self.n_batches, 1)), axis=1)
        self.visits = UserBatchVisits(
            frozen(self.rng.permutation(self.n_batches).astype(np.int32)),
            frozen(blocks[rows].reshape(self.n_batches, -1)),
            frozen(self.rng.integers(0, 100, self.n_batches * blocks.size)),
        )

    @property
    def n_blocks(self) -> int:
        return self.n_batches * self.grid[0] * self.grid[1]

    def blocks(self, owners: Any, stripes: Any) -> BlockLayout:
        """The ratings in blocks; `owners` are the codes beside the items, `stripes` those of the codes."""
        columns = RatingColumns(owners, self.items, self.values, len(stripes), self.n_items)
        item_stripes = stripes_of(np.bincount(self.items, minlength=self.n_items), self.grid[1])
        n_stripes = self.n_batches * self.grid[0]
        layout = BlockLayout(np.empty(self.n, RATING), np.empty(self.n_blocks + 1, np.int64), self.grid[1])
        svd.lay_out(
            columns, BlockGrid(stripes, item_stripes, n_stripes, self.grid[1]), layout, 1, (0, self.n), 1
        )
        return layout

    def arrays(self, owners: Any = None, stripes: Any = None) -> tuple[Any, ...]:
        """The fields of a UserBatchLayout."""
        if owners is None:
            owners, stripes = self.users, self.user_stripes
        blocks = self.blocks(owners, stripes)
        n_stripes = self.n_batches * self.grid[0]
        fields = (
            frozen(blocks.ratings), frozen(blocks.block_ptr), bounds_of(self.user_stripes, n_stripes),
            self.counts, self.parts, np.empty((self.n_users, self.n_parts + 1), dtype=np.int64), self.grid[1],
            self.n_batches,
        )  # fmt: skip
        svdpp.cut_sets(self.sets, UserBatchLayout(*fields), 1)
        return fields

    def scratch(self) -> UserBatchScratch:
        """Scratch that holds anything."""
        rows = np.full((self.n_users, self.width), 7, dtype=self.dtype)
        n_stripes = sum(self.grid)
        return UserBatchScratch(
            rows, rows.copy(), np.full((self.n_users, self.n_parts, self.width), 7, dtype=self.dtype),
            np.full(self.n_users, 7, dtype=self.dtype), np.full(self.n_users, 7, dtype=self.dtype),
            np.zeros(self.n_blocks), np.full((self.n_blocks, 3), -7, dtype=np.int32),
            np.full((self.n_batches, n_stripes), -7, dtype=np.int32),
            np.full((self.n_batches + 1, self.n_parts), -7, dtype=np.int32),
        )  # fmt: skip

    def set_of(self, u: int) -> Any:
        """N(u)."""
        return self.sets.members[slice(*self.sets.indptr[u : u + 2])]

    def weights_of(self, u: int) -> Any:
        """w_uj for j in N(u), in a column."""
        if self.sets.weights is None:
            return np.full((len(self.set_of(u)), 1), max(len(self.set_of(u)), 1) ** -0.5)
        return self.sets.weights[slice(*self.sets.indptr[u : u + 2])].astype(float)[:, None]

    def sum_of(self, u: int, table: Any) -> Any:
        """s_u"""
        return (self.weights_of(u) * table[self.set_of(u)]).sum(axis=0)

    def run(self, module: Any, given: dict[str, Any], n_threads: int, stops: tuple[int, ...]) -> None:
        """A pass, in as many calls of `train` as there are stops, and one."""
        for span in pairwise([0, *stops, self.visits.n_visits]):
            module.train(**given, span=span, n_threads=n_threads)
