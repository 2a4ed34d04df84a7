"""A small problem for the kernel `svd` and its twin, and the same steps in Python's doubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cfcore.kernels import svd as compiled
from cfcore.kernels.records import (
    RATING,
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
)

RATES = {"lr": 0.05, "reg": 0.1, "lr_bias": 0.03, "reg_bias": 0.04}
MEAN = 3.0


def diagonals(n_users: int, n_items: int) -> Any:
    """All blocks of a grid; no two blocks of a row share a stripe."""
    blocks = np.arange(n_users * n_items, dtype=np.int32).reshape(n_users, n_items)
    most, least = max(n_users, n_items), min(n_users, n_items)
    along, shift = np.arange(least), np.arange(most)[:, None]
    if n_users >= n_items:
        return blocks[(along + shift) % most, along]
    return blocks[along, (along + shift) % most]


def even_stripes(n: int, n_stripes: int) -> Any:
    """Stripes of about as many codes each."""
    return (np.arange(n) * n_stripes // n).astype(np.int32)


@dataclass
class Case:
    """Ratings on a grid (some users and items have none), and factors to start from."""

    n_users: int = 9
    n_items: int = 7
    n: int = 40
    grid: tuple[int, int] = (3, 2)
    width: int = 16
    dtype: str = "float32"
    seed: int = 0
    step: float = 0.5
    sequential: bool = False
    clip: bool = False
    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.n = min(self.n, self.n_users * self.n_items)
        self.grid = min(self.grid[0], self.n_users), min(self.grid[1], self.n_items)
        cells = rng.choice(self.n_users * self.n_items, self.n, replace=False)
        self.users = (cells // self.n_items).astype(np.int32)
        self.items = (cells % self.n_items).astype(np.int32)
        self.values = (np.round(rng.uniform(1, 5, self.n) / self.step) * self.step).astype(np.float32)
        self.user_stripes = even_stripes(self.n_users, self.grid[0])
        self.item_stripes = even_stripes(self.n_items, self.grid[1])
        blocks = diagonals(*self.grid)
        self.order = blocks[rng.permutation(len(blocks))].ravel()
        self.starts = rng.integers(0, 100, len(self.order))
        self.start = [rng.normal(0, 0.3, (n, self.width)) for n in (self.n_users, self.n_items)]
        self.start += [rng.normal(0, 0.3, n) for n in (self.n_users, self.n_items)]
        for array in (self.users, self.items, self.values, self.order, self.starts):
            array.flags.writeable = False

    @property
    def n_blocks(self) -> int:
        return self.grid[0] * self.grid[1]

    def columns(self) -> RatingColumns:
        return RatingColumns(self.users, self.items, self.values, self.n_users, self.n_items)

    def block_grid(self) -> BlockGrid:
        return BlockGrid(self.user_stripes, self.item_stripes, *self.grid)

    def empty_layout(self) -> BlockLayout:
        return BlockLayout(np.empty(self.n, RATING), np.empty(self.n_blocks + 1, np.int64), self.grid[1])

    def layout(self, module: Any = compiled, n_threads: int = 1, cuts: tuple[int, ...] = ()) -> BlockLayout:
        """The ratings in blocks, laid out in as many calls as there are cuts, and one."""
        layout = self.empty_layout()
        for span in pairwise([0, *cuts, self.n]):
            module.lay_out(self.columns(), self.block_grid(), layout, 12345 + self.seed, span, n_threads)
        return layout

    def factors(self, mean: float = MEAN) -> Factors:
        return Factors(*(array.astype(self.dtype) for array in self.start), mean)

    def steps(self) -> SGDRates:
        bounds = (1.0, 5.0) if self.clip else (-np.inf, np.inf)
        return SGDRates(*self.rates.values(), *bounds, self.sequential)

    def visits(self) -> BlockVisits:
        return BlockVisits(self.order, self.starts)

    def scratch(self) -> BlockScratch:
        schedule = np.full((len(self.order), 3), -7, dtype=np.int32)
        return BlockScratch(np.zeros(self.n_blocks), schedule, np.full(sum(self.grid), -7, dtype=np.int32))

    def records(self) -> dict[str, Any]:
        """The records of a call of `train`."""
        return {
            "layout": self.layout(),
            "factors": self.factors(),
            "rates": self.steps(),
            "visits": self.visits(),
            "scratch": self.scratch(),
        }

    def train(
        self, module: Any = compiled, *, n_threads: int = 1, cuts: tuple[int, ...] = (), **changes: Any
    ) -> list[Any]:
        """Factors, biases and squared errors after a pass, in as many calls as there are cuts, and one."""
        given = {**self.records(), **changes}
        for span in pairwise([0, *cuts, len(self.order)]):
            module.train(**given, span=span, n_threads=n_threads)
        return [held for _, held, _ in given["factors"].arrays()] + [given["scratch"].squares]

    def oracle(self) -> list[Any]:
        """The equations, one rating after the other, in Python's doubles."""
        layout = self.layout()
        p, q, b_user, b_item = (array.copy() for array in self.start)
        low, high = (1.0, 5.0) if self.clip else (-np.inf, np.inf)
        lr, reg, lr_bias, reg_bias = self.rates.values()
        squares = np.zeros(self.n_blocks)
        for block in self.order:
            first, last = layout.block_ptr[block : block + 2]
            own = np.roll(layout.ratings[first:last], -self.starts[block])
            for u, i, value in own.tolist():
                error = value - min(max(MEAN + b_user[u] + b_item[i] + p[u] @ q[i], low), high)
                b_user[u] += lr_bias * (error - reg_bias * b_user[u])
                b_item[i] += lr_bias * (error - reg_bias * b_item[i])
                before = q[i].copy()
                q[i] += lr * (error * p[u] - reg * q[i])
                p[u] += lr * (error * (q[i] if self.sequential else before) - reg * p[u])
                squares[block] += error**2
        return [p, q, b_user, b_item, squares]

    def loss(self) -> float:
        """Half the loss of which a pass of small steps descends the gradient."""
        p, q, b_user, b_item = self.start
        total = 0.0
        for u, i, value in zip(self.users.tolist(), self.items.tolist(), self.values.tolist(), strict=True):
            total += (value - (MEAN + b_user[u] + b_item[i] + p[u] @ q[i])) ** 2
            total += self.rates["reg"] * (p[u] @ p[u] + q[i] @ q[i])
            total += self.rates["reg_bias"] * (b_user[u] ** 2 + b_item[i] ** 2)
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    width=st.sampled_from([0, 16, 48, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 10**6),
    step=st.sampled_from([0.5, 1.0, 5.0]),
    sequential=st.booleans(),
    clip=st.booleans(),
)


def same_bits(first: Any, second: Any) -> bool:
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
