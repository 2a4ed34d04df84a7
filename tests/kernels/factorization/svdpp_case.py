"""A small problem for the kernel `svdpp` and its twin, and the paper's equations in Python's doubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cfcore.kernels import svdpp as compiled
from cfcore.kernels.records import SVDppFactors, SVDppRates, UserBatchLayout
from tests.kernels.factorization.batch_case import BatchCase

RATES = {"lr": 0.05, "reg": 0.1, "lr_bias": 0.03, "reg_bias": 0.04, "lr_implicit": 0.02, "reg_implicit": 0.3}
PARAMETERS = ("user_factors", "item_factors", "implicit_factors", "user_bias", "item_bias")
MEAN = 3.0


@dataclass
class Case(BatchCase):
    """Ratings in batches, and parameters to start from."""

    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = (self.n_users, self.n_items, self.n_rows)
        shapes: list[Any] = [(n, self.width) for n in rows] + [self.n_users, self.n_items]
        draws = (self.rng.normal(0, 0.3, shape) for shape in shapes)
        self.start = dict(zip(PARAMETERS, draws, strict=True))

    def factors(self) -> SVDppFactors:
        return SVDppFactors(mean=MEAN, **{name: x.astype(self.dtype) for name, x in self.start.items()})

    def records(self) -> dict[str, Any]:
        """The records of a call of `train`."""
        return {
            "layout": UserBatchLayout(*self.arrays()),
            "sets": self.sets,
            "factors": self.factors(),
            "rates": SVDppRates(**self.rates),
            "visits": self.visits,
            "scratch": self.scratch(),
        }

    def train(
        self, module: Any = compiled, *, n_threads: int = 1, stops: tuple[int, ...] = (), **changes: Any
    ) -> list[Any]:
        """Parameters, as in PARAMETERS, and squared errors after a pass."""
        given = {**self.records(), **changes}
        self.run(module, given, n_threads, stops)
        return [getattr(given["factors"], name) for name in PARAMETERS] + [given["scratch"].squares]

    def oracle(self) -> list[Any]:
        """The paper's equations, y by y, on a copy for each user of the y of the batch's start."""
        p, q, y, b_user, b_item = (array.copy() for array in self.start.values())
        lr, reg, lr_bias, reg_bias, lr_y, reg_y = (self.rates[name] for name in RATES)
        lr_user = self.rates.get("lr_user", lr)
        layout, visits = UserBatchLayout(*self.arrays()), self.visits
        squares = np.zeros(self.n_blocks)
        for batch, blocks in zip(visits.batches, visits.order, strict=True):
            copies = [y.copy() for _ in range(self.n_users)]
            for block in blocks + batch * layout.batch_blocks:
                own = layout.ratings[slice(*layout.block_ptr[block : block + 2])]
                for u, i, value in np.roll(own, -visits.starts[block]).tolist():
                    z = p[u] + self.sum_of(u, copies[u])
                    error = value - (MEAN + b_user[u] + b_item[i] + z @ q[i])
                    before = q[i].copy()
                    b_user[u] += lr_bias * (error - reg_bias * b_user[u])
                    b_item[i] += lr_bias * (error - reg_bias * b_item[i])
                    q[i] += lr * (error * z - reg * q[i])
                    p[u] += lr_user * (error * before - reg * p[u])
                    step = error * self.weights_of(u) * before - reg_y * copies[u][self.set_of(u)]
                    copies[u][self.set_of(u)] += lr_y * step
                    squares[block] += error**2
            start = y.copy()
            first, last = layout.stripe_ptr[[batch * self.grid[0], (batch + 1) * self.grid[0]]]
            for u in range(first, last):
                kept, own = (1 - lr_y * reg_y) ** self.counts[u], self.set_of(u)
                y[own] = kept * y[own] + (copies[u][own] - kept * start[own])
        return [p, q, y, b_user, b_item, squares]

    def loss(self, parameters: list[Any]) -> float:
        """Half the loss of which a pass of small steps descends the gradient."""
        p, q, y, b_user, b_item = parameters
        rates, total = self.rates, 0.0
        for u, i, value in zip(self.users.tolist(), self.items.tolist(), self.values.tolist(), strict=True):
            guess = MEAN + b_user[u] + b_item[i] + q[i] @ (p[u] + self.sum_of(u, y))
            total += (value - guess) ** 2
            total += rates["reg"] * (p[u] @ p[u] + q[i] @ q[i])
            total += rates["reg_bias"] * (b_user[u] ** 2 + b_item[i] ** 2)
            total += rates["reg_implicit"] * (y[self.set_of(u)] ** 2).sum()
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    n_batches=st.integers(1, 5),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    n_parts=st.integers(1, 4),
    n_extra=st.integers(0, 3),
    width=st.sampled_from([0, 16, 48, 80, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    weighted=st.booleans(),
    rates=st.sampled_from([RATES, {**RATES, "lr_user": 0.08}, {**RATES, "lr_user": 0.0}]),
    seed=st.integers(0, 10**6),
)
