"""Items laid out for the kernel `products`: rotated to their principal axes, high estimated scores first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfcore import backends
from cfcore.arrays import aligned_zeros
from cfcore.backends import current_backend
from cfcore.kernels.records import BiasedRows, Factors, PanelOrder, Panels, panel_checks

Array = np.ndarray[Any, Any]

#: Share of the squares of rotated rows that may be in tails, which are read only for candidates.
TAIL_SHARE = 0.1
TINY = np.finfo(np.float64).tiny
#: Cosine of the angle between a user and an item on their list, about.
LISTED_COSINE = 0.6
#: Users whose lengths differ by less, in powers of two, are sorted by direction.
LENGTH_STEP = 0.25


@dataclass(frozen=True)
class Products:
    """A model whose score is mean + b_u + b_i + p_u . q_i for users and items that it knows."""

    user_rows: Array
    item_rows: Array
    user_bias: Array
    item_bias: Array
    mean: float

    def factors(self) -> Factors:
        return Factors(self.user_rows, self.item_rows, self.user_bias, self.item_bias, self.mean)


class ItemLayout:
    """Items as `best_products` reads them; see there.

    Parameters
    ----------
    factors : Factors
    order : int32[m]
        Items that may be listed, in the order in which equal scores are listed.

    Attributes
    ----------
    order : PanelOrder
    panels, rotation : Panels
    """

    @np.errstate(over="ignore", invalid="ignore")  # of a model that diverges
    def __init__(self, factors: Factors, order: Array) -> None:
        # Sort items by estimated score, that of a user of usual length at a usual angle: then the n-th best
        # score of a list rises early, and most panels are dismissed. (NaN: anywhere, it is never listed.)
        usual = np.sqrt(np.mean(squares(sample(factors.user_factors))))
        estimates = factors.item_bias + LISTED_COSINE * usual * np.sqrt(squares(factors.item_factors))
        tie_positions = np.argsort(-estimates[order], kind="stable").astype(np.int32)
        items = order[tie_positions]
        positions = np.full(factors.n_items, -1, dtype=np.int32)
        positions[items] = np.arange(len(items), dtype=np.int32)
        self.order = PanelOrder(items, positions, tie_positions=tie_positions)
        rows = factors.item_factors[items]
        axes, head = principal_axes(rows)
        self._axis = axes[:, 0].copy() if axes.shape[1] else np.zeros(len(axes), dtype=axes.dtype)
        transposed = np.ascontiguousarray(axes.T)
        self.rotation = packed(transposed, np.zeros(len(transposed), dtype=axes.dtype), rows.shape[1])
        self.panels = packed(rows @ axes, factors.item_bias[items], head)

    @classmethod
    def of(cls, model: Any, factors: Factors, order: Array) -> ItemLayout:
        """Make it, or take the one that the model keeps if it is of the same items with the same numbers.

        Training changes parameters in place, and so may anybody: only the numbers themselves can tell.
        """
        made_of, made_by = (order, factors.item_factors, factors.item_bias), current_backend()
        last, last_of, last_by = model._cache.get("panels", (None, (), ""))
        pairs = zip(last_of, made_of, strict=False)
        same = last_by == made_by and all(np.array_equal(one, other) for one, other in pairs)
        if last is None or not same:
            last = cls(factors, order)
            # Orders are made for each call; parameters are the model's own and may change under its hands.
            kept = order, factors.item_factors.copy(), factors.item_bias.copy()
            model._cache["panels"] = last, kept, made_by
        return last

    @np.errstate(over="ignore", invalid="ignore")
    def similar_together(self, users: Array, factors: Array) -> Array:
        """Order of users in which neighbours have rows of similar length and direction.

        The kernel dismisses a panel for a group of neighbours at once.
        """
        if 4 * len(users) < len(factors):
            factors, users = factors[users], np.arange(len(users))
        lengths = np.sqrt(squares(factors)) + TINY
        # Not by BLAS, whose threads spin after a call, on the cores that the kernel is about to use.
        cosines = np.einsum("nf,f->n", factors, self._axis) / lengths
        level = np.floor(np.log2(lengths) / LENGTH_STEP)
        order: Array = np.argsort((level + cosines / 2.01)[users])
        return order


def sample(rows: Array) -> Array:
    """About 1,024 of the rows, or all: enough to estimate their lengths and principal axes."""
    return rows[:: max(1, len(rows) // 1024)]


def squares(rows: Array) -> Array:
    """Square of the length of each row."""
    lengths: Array = np.einsum("nf,nf->n", rows, rows)
    return lengths


def principal_axes(rows: Array) -> tuple[Array, int]:
    """Principal axes of the rows, as columns, that of the largest variance first; and the size of the head.

    The tail, the factors after the head, has at most TAIL_SHARE of the squares of the rows.
    """
    used = np.flatnonzero(np.abs(rows).max(axis=0, initial=0))
    axes = np.zeros((rows.shape[1], len(used)), dtype=rows.dtype)
    some = sample(rows)[:, used].astype(np.float64)
    moments = some.T @ some
    if len(used) == 0 or not np.isfinite(moments).all():
        axes[used] = np.eye(len(used))
        return axes, len(used)
    variances, vectors = np.linalg.eigh(moments)
    axes[used] = vectors[:, ::-1]
    # A head of 16 or 32 factors ... or all.
    rest = 1 - np.cumsum(variances[::-1]) / max(variances.sum(), TINY)
    head = 16 * (int(np.count_nonzero(rest > TAIL_SHARE)) // 16 + 1)
    return axes, head if head + 16 <= len(used) else len(used)


def packed(rows: Array, biases: Array, head: int) -> Panels:
    """Rows and biases in panels."""
    n_panels, n_lines = -(-len(rows) // 32), head + 1 + len(panel_checks(head))
    panels = Panels(
        aligned_zeros(n_panels * n_lines, 32, np.float32).reshape(n_panels, n_lines, 32),
        aligned_zeros(len(rows), -(-(rows.shape[1] - head) // 16) * 16, np.float32),
        np.empty(2),
        head,
    )
    backends.kernel("top_n.products").pack(BiasedRows(rows, biases), panels)
    return panels
