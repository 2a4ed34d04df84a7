"""A small problem for the kernel `timesvdpp` and its twin, and the paper's prediction in Python's doubles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cfcore.kernels import timesvdpp as compiled
from cfcore.kernels.records import DAY, TIME_TERMS, TimeLayout, TimeParameters, TimeRates
from tests.kernels.factorization.batch_case import BatchCase, frozen

#: Fields of a user-day that name a column of an item's table, and how many there are here.
TABLES = {
    "bin": ("item_bins", 4), "frequency": ("item_frequencies", 3), "weekday": ("item_weekdays", 7),
    "week": ("item_weeks", 5),
}  # fmt: skip
#: Terms that may be left out.
SWITCHES = (
    "user_slope", "user_scale", "day_bias", "day_scale", "user_drift", "day_factors",
    *(term for term, _ in TABLES.values()),
)  # fmt: skip
MEAN = 3.0


@dataclass
class Case(BatchCase):
    """Ratings on some days of some users, and parameters to start from. There are days without ratings."""

    most_days: int = 3
    off: frozenset[str] = frozenset()
    pace: float = 1.0
    levels: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        n_days = self.rng.integers(1, self.most_days, self.n_users, endpoint=True)
        ends = np.cumsum(n_days)
        self.days = np.zeros(ends[-1], dtype=DAY)
        self.days["user"] = np.repeat(np.arange(self.n_users), n_days)
        self.days["dev"] = self.rng.normal(0, 1.5, len(self.days))
        for field, (_, n_columns) in TABLES.items():
            self.days[field] = self.rng.integers(0, n_columns, len(self.days))
        first = (ends - n_days)[self.users]
        self.codes = (first + self.rng.integers(0, n_days[self.users])).astype(np.int32)
        self.rates = TimeRates(
            frozen(self.pace * np.linspace(0.01, 0.04, len(TIME_TERMS))),
            frozen(np.linspace(0.5, 0.01, len(TIME_TERMS))),
        )
        self.start = {term: self._first(term) for term in TIME_TERMS}
        self.owners, self.moments = self.codes, None
        if self.levels:
            self._with_sessions(n_days)

    def _with_sessions(self, n_days: Any) -> None:
        """Each user-day has two sessions of the first level, each of these two of the next, and so on.

        Sessions are numbered user by user, level by level.
        """
        counts = [n_days * 2 ** (level + 1) for level in range(self.levels)]
        firsts = np.cumsum(np.append(0, np.sum(counts, axis=0)))[:-1]
        before = np.cumsum(n_days) - n_days
        user = self.days["user"]
        number = np.arange(len(self.days)) - before[user]  # of the day, among those of its user
        rows = [[day] for day in range(len(self.days))]
        self.moments = np.empty((len(self.days) * 2**self.levels, self.levels + 1), dtype=np.int32)
        for moment in range(len(self.moments)):
            day, part = divmod(moment, 2**self.levels)
            self.moments[moment, 0] = rows[day][0]
            begin = firsts[user[day]]
            for level in range(self.levels):
                inside = part >> (self.levels - level - 1)
                self.moments[moment, level + 1] = begin + number[day] * 2 ** (level + 1) + inside
                begin += counts[level][user[day]]
        self.owners = (self.codes * 2**self.levels).astype(np.int32)
        self.owners += self.rng.integers(0, 2**self.levels, self.n, dtype=np.int32)
        self.start["session_bias"] = self.rng.normal(0, 0.3, int(np.sum(counts)))
        self.rates = replace(
            self.rates,
            session_lr=frozen(self.pace * np.linspace(0.02, 0.05, self.levels)),
            session_reg=frozen(np.linspace(0.3, 0.1, self.levels)),
        )

    def _first(self, term: str) -> Any:
        owners = {"user": self.n_users, "day": len(self.days), "item": self.n_items}
        rows = owners.get(term.split("_")[0], self.n_rows)
        columns = {name: (n,) for name, n in TABLES.values()}.get(term, ())
        if term.endswith(("factors", "drift")):
            columns = (self.width,)
        if term in self.off:
            rows, columns = (rows, (0,)) if term.startswith("item") else (0, columns)
        return self.rng.normal(1 if term == "user_scale" else 0, 0.3, (rows, *columns))

    def layout(self) -> TimeLayout:
        user = self.days["user"] if self.moments is None else self.days["user"][self.moments[:, 0]]
        return TimeLayout(*self.arrays(self.owners, self.user_stripes[user]), self.days, self.moments)

    def parameters(self, **changes: Any) -> TimeParameters:
        x = {term: array.astype(self.dtype) for term, array in self.start.items()}
        return TimeParameters(**{**x, **changes}, mean=MEAN)

    def records(self) -> dict[str, Any]:
        """The records of a call of `train`."""
        return {
            "layout": self.layout(),
            "sets": self.sets,
            "parameters": self.parameters(),
            "rates": self.rates,
            "visits": self.visits,
            "scratch": self.scratch(),
        }

    def train(
        self, module: Any = compiled, *, n_threads: int = 1, stops: tuple[int, ...] = (), **changes: Any
    ) -> list[Any]:
        """Parameters, as in `start`, and squared errors after a pass."""
        given = {**self.records(), **changes}
        self.run(module, given, n_threads, stops)
        return [getattr(given["parameters"], term) for term in self.start] + [given["scratch"].squares]

    def guess(self, x: dict[str, Any], day: int, i: int) -> float:
        """The prediction for a rating as the paper has it, without the terms that are left out."""
        u, dev, *columns = self.days[day].tolist()
        on = {term: term not in self.off for term in TIME_TERMS}
        found = MEAN + x["user_bias"][u]
        found += x["user_slope"][u] * dev if on["user_slope"] else 0
        found += x["day_bias"][day] if on["day_bias"] else 0
        c = x["user_scale"][u] if on["user_scale"] else 1
        c += x["day_scale"][day] if on["day_scale"] else 0
        at = {
            term: x[term][i, column] for term, column in zip(SWITCHES[6:], columns, strict=True) if on[term]
        }
        found += (x["item_bias"][i] + at.pop("item_bins", 0)) * c + sum(at.values())
        z = x["user_factors"][u] + self.sum_of(u, x["implicit_factors"])
        z = z + (x["user_drift"][u] * dev if on["user_drift"] else 0)
        z = z + (x["day_factors"][day] if on["day_factors"] else 0)
        return float(found + x["item_factors"][i] @ z)

    def loss(self, x: dict[str, Any], term: str) -> float:
        """Half the loss of which a pass of small steps descends the gradient along `term`."""
        total, regs = 0.0, dict(zip(TIME_TERMS, self.rates.reg, strict=True))
        columns_of = (self.codes.tolist(), self.owners.tolist(), self.items.tolist(), self.values.tolist())
        for day, owner, i, value in zip(*columns_of, strict=True):
            u, _, *columns = self.days[day].tolist()
            own = [] if self.moments is None else self.moments[owner, 1:]
            total += (value - self.guess(x, day, i) - sum(x["session_bias"][s] for s in own)) ** 2
            if term == "session_bias":
                total += sum(self.rates.session_reg * x[term][own] ** 2)
                continue
            row: Any = {"user": u, "day": day, "item": i}.get(term.split("_")[0], self.set_of(u))
            if term in SWITCHES[6:]:
                row = row, columns[SWITCHES[6:].index(term)]
            total += regs[term] * np.sum((x[term][row] - (term == "user_scale")) ** 2)
        return total / 2


cases = st.builds(
    Case,
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    n=st.integers(1, 60),
    most_days=st.integers(1, 4),
    n_batches=st.integers(1, 5),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    n_parts=st.integers(1, 4),
    n_extra=st.integers(0, 3),
    width=st.sampled_from([0, 16, 32, 64, 112, 144]),
    dtype=st.sampled_from(["float32", "float64"]),
    weighted=st.booleans(),
    levels=st.integers(0, 3),
    off=st.frozensets(st.sampled_from(SWITCHES)),
    seed=st.integers(0, 10**6),
)
