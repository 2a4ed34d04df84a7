"""Twin of `cfcore.kernels.lists.ease` in NumPy: the same functions, arguments and results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    GramMatrix,
    ItemWeights,
    SweepPanel,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_record, check_threads

Array = NDArray[Any]

#: As in the kernel.
DEPTH, TILE, GROUP = 128, 64, 16


def sweep_panel(gram: GramMatrix, panel: SweepPanel, begin: int, n_threads: int) -> bool:
    """Prepare the sweep of the rows [begin, begin + 128) of a matrix; see the kernel."""
    check_threads(n_threads)
    swept = _swept("sweep_panel", gram, panel, begin)
    full = _symmetric(gram.values)
    block = full[swept, swept]
    if not np.isfinite(block).all() or (np.linalg.eigvalsh(block) <= 0).any():
        return False
    inverse = np.linalg.inv(block)
    columns = full[:, swept]
    panel.rows[:, : len(block)] = columns @ inverse
    panel.columns[:, : len(block)] = columns.reshape(-1, GROUP, len(block)).transpose(0, 2, 1)
    n_groups = len(block) // GROUP
    panel.pivot[:n_groups, : len(block)] = -inverse.reshape(len(block), n_groups, GROUP).transpose(1, 0, 2)
    return True


def sweep_tiles(
    gram: GramMatrix, panel: SweepPanel, begin: int, span: tuple[int, int], n_threads: int
) -> None:
    """Sweep the rows [begin, begin + 128) of a matrix: some tiles of 64 rows; see the kernel."""
    check_threads(n_threads)
    swept = _swept("sweep_tiles", gram, panel, begin)
    first, last = check_span("sweep_tiles", span, -(-gram.n // TILE), "tiles")
    depth = swept.stop - swept.start
    rows, columns = panel.rows[:, :depth], panel.columns[:, :depth].transpose(0, 2, 1).reshape(-1, depth)
    after = gram.values[TILE * first : TILE * last]
    here = np.arange(gram.n)[TILE * first : TILE * last]
    inside = (here >= swept.start) & (here < swept.stop)
    outside = np.ones(gram.n, dtype=bool)
    outside[swept] = False
    after[np.ix_(~inside, outside)] -= rows[here[~inside]] @ columns[outside].T
    after[~inside, swept] = rows[here[~inside]]
    after[inside] = rows.T[here[inside] - swept.start]
    negative = panel.pivot[:, :depth].transpose(1, 0, 2).reshape(depth, -1)[:, :depth]
    after[inside, swept] = negative[here[inside] - swept.start]


def item_weights(gram: GramMatrix, weights: ItemWeights, span: tuple[int, int], n_threads: int) -> None:
    """Weights of items, B = I - P diagMat(1 / diag P), from a matrix that was swept; see the kernel."""
    check_record(gram, GramMatrix, "item_weights: gram")
    check_record(weights, ItemWeights, "item_weights: weights")
    check_written((weights,), (gram,))
    check_threads(n_threads)
    n = weights.n_items
    if n > gram.n:
        raise ValueError("item_weights: gram must have a row for each item")
    first, last = check_span("item_weights", span, -(-n // TILE), "tiles")
    inverse = -_symmetric(gram.values)[:n, :n]
    found = np.eye(n) - inverse / np.diag(inverse)
    for tile in range(first, last):
        own, end = slice(TILE * tile, TILE * (tile + 1)), min(TILE * (tile + 1), n)
        weights.values[own, :end] = found[own, :end]
        weights.values[:end, own] = found[:end, own]


def _swept(who: str, gram: GramMatrix, panel: SweepPanel, begin: int) -> slice:
    """The rows that are swept; raise unless the records fit together."""
    check_record(gram, GramMatrix, f"{who}: gram")
    check_record(panel, SweepPanel, f"{who}: panel")
    check_written((gram, panel))
    if panel.n != gram.n:
        raise ValueError(f"{who}: panel must have a row for each row of gram")
    first, last = check_span(who, (begin, gram.n), gram.n, "rows")  # begin may be any integer of NumPy
    last = min(first + DEPTH, last)
    if first % DEPTH:
        raise ValueError(f"{who}: begin must be a multiple of {DEPTH}, not {begin}")
    return slice(first, last)


def _symmetric(values: Array) -> Array:
    """A matrix from its half up to the diagonal."""
    full: Array = np.tril(values) + np.tril(values, -1).T
    return full
