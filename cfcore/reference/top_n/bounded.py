"""Twin of `cfcore.kernels.top_n.bounded`: every score, and a stable sort. No bounds are needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import Factors, ItemPanels
from cfcore.reference.common.checks import check_array, check_record, overlaps


def best_of_panels(
    row: NDArray[Any],
    base: float,
    factors: Factors,
    items: ItemPanels,
    excluded: NDArray[np.int32],
    listed: NDArray[np.int32],
    scores: NDArray[np.float64],
    scratch: NDArray[np.float32],
) -> None:
    """The n items of highest base + b_i + row . q_i, best first; see the kernel."""
    check_record(factors, Factors, "best_of_panels: factors")
    check_record(items, ItemPanels, "best_of_panels: items")
    check_array(row, factors.item_factors.dtype, 1, False, "best_of_panels: row")
    check_array(excluded, np.int32, 1, False, "best_of_panels: excluded")
    check_array(listed, np.int32, 1, True, "best_of_panels: listed")
    check_array(scores, np.float64, 1, True, "best_of_panels: scores")
    check_array(scratch, np.float32, 1, True, "best_of_panels: scratch")
    width, n = factors.width, len(listed)
    if len(row) != width:
        raise ValueError(f"best_of_panels: row must have {width} numbers, not {len(row)}")
    fits = items.rank <= width and not (items.rank and items.n_rotation_lines <= width)
    if items.n_items != factors.n_items or not fits:
        raise ValueError("best_of_panels: items must be panels of the rows of factors")
    if n < 1 or len(scores) != n:
        raise ValueError("best_of_panels: listed and scores must be of one length, at least 1")
    if len(scratch) < 2 * width + items.n_tail:
        raise ValueError(f"best_of_panels: scratch must have {2 * width + items.n_tail} numbers")
    read = [row, excluded, factors.item_factors, factors.item_bias]
    read += [held for _, held, _ in items.arrays()]
    if any(overlaps(one, rest) for one, rest in ((listed, [scores, scratch, *read]),
                                                 (scores, [scratch, *read]), (scratch, read))):  # fmt: skip
        raise ValueError("best_of_panels: listed, scores or scratch shares memory with another argument")
    bad = (np.diff(excluded, prepend=np.int64(-1)) <= 0) | (excluded >= items.n_items)
    if bad.any():
        raise ValueError(
            f"best_of_panels: excluded must be ascending codes of items, and {excluded[bad.argmax()]} is not"
        )
    found = base + factors.item_bias.astype(np.float64) + np.einsum("nf,f->n", factors.item_factors, row)
    keys = -found
    keys[excluded] = np.inf
    keys[np.isnan(keys)] = np.inf
    codes = np.empty_like(items.items)
    codes[items.tie_positions] = items.items
    best = np.argsort(keys[codes], kind="stable")[:n]
    best = best[keys[codes[best]] < np.inf]
    listed[:], scores[:] = -1, 0
    listed[: len(best)], scores[: len(best)] = best, found[codes[best]]
