"""Inputs of the kernels that make lists, and the lists that come from sorting all predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from cfcore.kernels import available_levels, use_level
from cfcore.kernels.factorization import svd
from cfcore.kernels.records import (
    BiasedRows,
    BitmapScratch,
    Factors,
    ItemOrder,
    ListQueries,
    ListScratch,
    PanelOrder,
    Panels,
    ScoreRows,
    TopLists,
    panel_checks,
)
from cfcore.kernels.top_n import products, scores
from cfcore.reference.top_n import products as reference_products
from cfcore.reference.top_n import scores as reference_scores

LEVELS = available_levels()
EVERYTHING = (*LEVELS, "reference")
#: Enough where nothing depends on the level.
BOTH = (LEVELS[0], "reference")


@contextmanager
def implementation(name: str) -> Iterator[Any]:
    """The two kernels at a SIMD level, or their twins, as `products` and `scores`."""
    if name == "reference":
        yield SimpleNamespace(products=reference_products, scores=reference_scores)
    else:
        with use_level(name):
            yield SimpleNamespace(products=products, scores=scores)


def rotation_of(seed: int, width: int) -> Any:
    """An orthogonal matrix: which one may not matter."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def empty_panels(m: int, width: int, head: int) -> Panels:
    """Panels to be packed with m rows, filled with something else."""
    n_lines, n_tail = head + 1 + len(panel_checks(head)), -(-(width - head) // 16) * 16
    shape = -(-m // 32), n_lines, 32
    return Panels(
        np.full(shape, 5, dtype=np.float32),
        np.full((m, n_tail), 5, dtype=np.float32),
        np.full(2, 5.0),
        head,
    )


def packed(kernel: Any, rows: Any, biases: Any, head: int) -> Panels:
    panels = empty_panels(*rows.shape, head)
    kernel.pack(BiasedRows(np.ascontiguousarray(rows), np.ascontiguousarray(biases)), panels)
    return panels


class Case:
    """Factors, a choice of items in some order, and what each list excludes."""

    mean = 3.1

    def __init__(
        self, seed: int, n_users: int = 40, n_items: int = 150, width: int = 16, dtype: str = "float32",
        *, whole: bool = False, scale: float = 1.0, density: float = 0.2, allowed: float = 0.8,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)

        def draw(*shape: int) -> Any:
            numbers = rng.normal(0, scale, shape)
            return (np.round(numbers) if whole else numbers).astype(dtype)  # whole numbers: many ties

        self.user_factors, self.item_factors = draw(n_users, width), draw(n_items, width)
        self.user_bias, self.item_bias = draw(n_users), draw(n_items)
        self.users = rng.integers(0, n_users, n_users + 3).astype(np.int32)
        self.items = rng.permutation(np.flatnonzero(rng.random(n_items) < allowed)).astype(np.int32)
        lists = [np.flatnonzero(rng.random(n_items) < density) for _ in self.users]
        self.stops = np.cumsum([len(one) for one in lists], dtype=np.int64)
        self.starts = self.stops - [len(one) for one in lists]
        self.excluded = np.concatenate(lists).astype(np.int32)
        for array in vars(self).values():
            array.flags.writeable = False

    def factors(self) -> Factors:
        return Factors(self.user_factors, self.item_factors, self.user_bias, self.item_bias, self.mean)

    def order(self) -> ItemOrder:
        return ItemOrder(self.items, self._positions(self.items))

    def _positions(self, items: Any) -> Any:
        positions = np.full(len(self.item_factors), -1, dtype=np.int32)
        positions[items] = np.arange(len(items))
        return positions

    def queries(self, rows: Any = None) -> ListQueries:
        return ListQueries(self.users if rows is None else rows, self.starts, self.stops, self.excluded)

    def room(self, n: int) -> TopLists:
        shape = len(self.users), n
        return TopLists(np.full(shape, 99, dtype=np.int32), np.full(shape, 9.0))

    def product_records(self, kernel: Any, n: int = 7, n_threads: int = 1, head: int = 999) -> dict[str, Any]:
        """Arguments of `best_products` by name: items in panels in another order than ties."""
        m, width = len(self.items), self.user_factors.shape[1]
        tie_positions = np.random.default_rng(m).permutation(m).astype(np.int32)
        items = self.items[tie_positions]
        dtype = self.item_factors.dtype
        # Factors that are 0 in all items need no axis.
        used = np.flatnonzero(self.item_factors[items].any(axis=0))
        axes = np.zeros((width, len(used)), dtype=dtype)
        axes[used] = rotation_of(m, len(used))
        head = min(head, len(used))
        panels = packed(kernel, self.item_factors[items] @ axes, self.item_bias[items], head)
        n_words, n_floats, n_columns = kernel.scratch_sizes(m, width, head, panels.n_tail, n)
        return {
            "queries": self.queries(), "factors": self.factors(),
            "order": PanelOrder(items, self._positions(items), tie_positions), "panels": panels,
            "rotation": packed(kernel, axes.T, np.zeros(len(used), dtype=dtype), width),
            "lists": self.room(n),
            "scratch": ListScratch(
                np.zeros((n_threads, n_words), dtype=np.uint64),
                np.full((n_threads, n_floats), np.nan, dtype=np.float32),
                np.full((n_threads, n_columns), -9, dtype=np.int32),
            ),
            "n_threads": n_threads,
        }  # fmt: skip

    def by_products(self, kernel: Any, n: int = 7, n_threads: int = 1, head: int = 999) -> TopLists:
        given = self.product_records(kernel, n, n_threads, head)
        kernel.best_products(**given)
        assert not given["scratch"].bitmaps.any()  # zeros, for the next call
        return given["lists"]

    def score_records(self, scores: Any, n: int = 7, n_threads: int = 1) -> dict[str, Any]:
        """Arguments of `best_scores` by name."""
        words = -(-len(self.items) // 64)
        return {
            "score_rows": ScoreRows(scores), "order": self.order(), "lists": self.room(n),
            "queries": self.queries(np.arange(len(self.users), dtype=np.int32)),
            "scratch": BitmapScratch(np.zeros((n_threads, words), dtype=np.uint64)), "n_threads": n_threads,
        }  # fmt: skip

    def by_scores(self, kernel: Any, scores: Any, n: int = 7, n_threads: int = 1) -> TopLists:
        given = self.score_records(scores, n, n_threads)
        kernel.best_scores(**given)
        assert not given["scratch"].bitmaps.any()
        return given["lists"]

    def predictions(self) -> Any:
        """Scores of all lists and all positions, by the kernel that predicts."""
        m = len(self.items)
        out = np.empty(len(self.users) * m)
        svd.predict(np.repeat(self.users, m), np.tile(self.items, len(self.users)), self.factors(), out, 1)
        return out.reshape(len(self.users), m)

    def sorted(self, scores: Any, n: int) -> TopLists:
        """The lists by sorting everything."""
        found = self.room(n)
        found.positions[:], found.scores[:] = -1, 0
        for k, row in enumerate(scores):
            out = set(self.excluded[self.starts[k] : self.stops[k]].tolist())
            rest = [
                (-score, position) for position, score in enumerate(row) if self.items[position] not in out
            ]
            for j, (score, position) in enumerate(sorted(rest)[:n]):
                found.positions[k, j], found.scores[k, j] = position, -score
        return found


def same(ours: TopLists, theirs: TopLists) -> None:
    np.testing.assert_array_equal(ours.positions, theirs.positions)
    np.testing.assert_array_equal(ours.scores, theirs.scores)
