"""Twin of `cfcore.kernels.lists.top_lists`: a sort of all scores, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    CandidateScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingMultiples,
    RatingRows,
    TopLists,
    WeightPanels,
    check_written,
)
from cfcore.kernels.records.lists import UNBOUNDED_PANELS, WEIGHT_GROUP
from cfcore.reference.common.checks import check_record, check_threads
from cfcore.reference.lists.weighted_sums import weighted_sum
from cfcore.reference.top_n.scores import best, check_excluded

Array = NDArray[Any]

HIGHEST, HIGHEST_LEVEL, MOST, WIDEST, SMALLEST, FINEST = 32767, 127, 2147000000, 2**30, 1e-30, 2.0**-20
ROUNDED_UP = 127 / 126


def fill_panels(weights: ItemWeights, panels: WeightPanels, n_threads: int) -> None:
    """Fill the arrays of `panels` that are derived of the weights; see the kernel."""
    check_record(weights, ItemWeights, "fill_panels: weights")
    check_record(panels, WeightPanels, "fill_panels: panels")
    check_written((panels,), (weights,))
    check_threads(n_threads)
    if panels.n_rows != weights.n_items:
        raise ValueError("fill_panels: panels must have a row for each item of weights")
    panels.peaks[:] = np.abs(weights.values).max(axis=1, initial=0)
    largest, inverse = float(panels.peaks.max(initial=0)), np.float32(0)
    if SMALLEST <= largest < np.inf:
        inverse = np.float32(HIGHEST) / np.float32(largest)
    columns = np.where(panels.sources < 0, np.float32(0), weights.values[:, panels.sources])
    panels.exact[:] = columns.reshape(panels.n_rows, panels.n_columns).T
    later = columns[:, panels.n_fine :]
    inverses = np.zeros_like(panels.scales)
    if inverse:
        of_columns = np.abs(later).max(axis=0, initial=0)
        inverses = np.float32(HIGHEST_LEVEL) / np.maximum(
            of_columns, np.float32(np.float32(largest) * FINEST)
        )
    panels.scales[:] = inverse / inverses if inverse else 0
    with np.errstate(invalid="ignore"):
        rounded = np.rint(columns * inverse) if inverse else np.zeros_like(columns)
        coarse = np.rint(later * inverses) if inverse else np.zeros_like(later)
    panels.rounded[:] = rounded[:, : panels.n_fine].transpose(1, 0, 2)
    panels.coarse[:] = coarse.reshape(panels.n_rows, panels.n_pairs, 128).transpose(1, 0, 2)
    most = np.zeros((panels.n_rows, 64 * panels.n_blocks), dtype=np.int16)
    bounded = rounded[:, : panels.n_fine if panels.n_fine > UNBOUNDED_PANELS else 0]
    most[:, : bounded.shape[1]] = bounded.max(axis=2, initial=0)
    panels.most[:] = most.reshape(panels.n_rows, panels.n_blocks, 64).transpose(1, 0, 2)
    _fill_groups(panels, later, inverses, inverse)


def _fill_groups(panels: WeightPanels, later: Array, inverses: Array, inverse: Any) -> None:
    """The largest weights of groups, from the weights of 8-bit columns and one over their units."""
    panels.groups[:], panels.group_scales[:] = 0, 0
    if not inverse:
        return
    of_groups = inverses.reshape(-1, WEIGHT_GROUP).min(axis=1) / np.float32(ROUNDED_UP)
    panels.group_scales.reshape(-1)[: len(of_groups)] = inverse / of_groups
    largest = later.reshape(panels.n_rows, -1, WEIGHT_GROUP).max(axis=2, initial=0)
    groups = np.zeros((panels.n_rows, 64 * panels.n_group_blocks), dtype=np.int8)
    groups[:, : len(of_groups)] = np.ceil(largest * of_groups)
    panels.groups[:] = groups.reshape(panels.n_rows, panels.n_group_blocks, 64).transpose(1, 0, 2)


def fill_multiples(
    rated: RatingRows, panels: WeightPanels, multiples: RatingMultiples, n_threads: int
) -> None:
    """Fill the arrays of `multiples`; see the kernel."""
    check_record(rated, RatingRows, "fill_multiples: rated")
    check_record(panels, WeightPanels, "fill_multiples: panels")
    check_record(multiples, RatingMultiples, "fill_multiples: multiples")
    check_written((multiples,), (rated, panels))
    check_threads(n_threads)
    if rated.n_columns != panels.n_rows:
        raise ValueError("fill_multiples: panels must have a row for each column of rated")
    if multiples.n != rated.n or multiples.n_rows != rated.n_rows:
        raise ValueError("fill_multiples: multiples must be of the ratings in rated")
    largest = float(panels.peaks.max(initial=0))
    usable = SMALLEST <= largest < np.inf
    for k in range(rated.n_rows):
        row = slice(rated.indptr[k], rated.indptr[k + 1])
        x, peaks = rated.values[row].astype(np.float64), panels.peaks[rated.indices[row]].astype(np.float64)
        step = 0.0
        if usable and ((x >= 0) & (x < np.inf)).all():
            units = HIGHEST / largest
            load, more = _total(x * (peaks * units + 1)), _total(peaks * units + 1)
            step = np.floor(min((MOST - more) / max(load, 1.0), HIGHEST / max(x.max(initial=0), 1.0)))
            if step >= multiples.per_one:
                step -= step % multiples.per_one
        multiples.steps[k], multiples.margins[k], multiples.values[row] = max(step, 0), -1, 0
        if step >= 1:
            multiples.values[row] = q = np.rint(x * step)
            off, size = np.abs(x * step - q) @ peaks, (x * step) @ peaks
            margin = 0.505 * q.sum() + (off + (len(x) + 2) * 1.2e-7 * size) * units + 2
            multiples.margins[k] = int(margin) + 1 if margin < WIDEST else -1
        _fill_levels(x, row, multiples, k)


def _fill_levels(x: Array, row: slice, multiples: RatingMultiples, k: int) -> None:
    """Levels of row k, whose ratings are x, if it has a margin."""
    multiples.levels[row], multiples.level_steps[k] = 0, 0
    multiples.level_margins[k], multiples.runs[k] = -1, 0
    if multiples.margins[k] < 0:
        return
    highest, step = float(x.max(initial=0)), float(multiples.per_one)
    if _total(np.abs(x * step - np.rint(x * step))) > 1e-3 * len(x) or highest * step > HIGHEST_LEVEL:
        step = HIGHEST_LEVEL / max(highest, 1e-4)
    multiples.levels[row] = q = np.rint(x * step)
    multiples.level_steps[k] = step
    multiples.runs[k] = 2 * (HIGHEST // int(2 * HIGHEST_LEVEL * q.max(initial=1)))
    off, size = _total(np.abs(x * step - q)), _total(x * step)
    margin = 0.505 * q.sum() + HIGHEST_LEVEL * (1.01 * off + (len(x) + 2) * 1.3e-7 * size) + 2
    if margin + HIGHEST_LEVEL * q.sum() < WIDEST:
        multiples.level_margins[k] = int(margin) + 1
    else:
        multiples.margins[k] = -1


def _total(terms: Array) -> float:
    """The sum, one term after the other."""
    return float(np.cumsum(terms)[-1]) if len(terms) else 0.0


def best_lists(
    rated: RatingRows,
    multiples: RatingMultiples,
    panels: WeightPanels,
    queries: ListQueries,
    order: ItemOrder,
    lists: TopLists,
    scratch: CandidateScratch,
    n_threads: int,
) -> None:
    """For each list the n items of highest score, best first; see the kernel."""
    for name, record, kind in (
        ("rated", rated, RatingRows),
        ("multiples", multiples, RatingMultiples),
        ("panels", panels, WeightPanels),
        ("queries", queries, ListQueries),
        ("order", order, ItemOrder),
        ("lists", lists, TopLists),
        ("scratch", scratch, CandidateScratch),
    ):
        check_record(record, kind, f"best_lists: {name}")
    check_written((lists, scratch), (rated, multiples, panels, queries, order))
    check_threads(n_threads)
    if rated.n_columns != panels.n_rows or order.n_items != panels.n_items:
        raise ValueError("best_lists: panels must have a row for each column of rated, and items of order")
    if multiples.n != rated.n or multiples.n_rows != rated.n_rows:
        raise ValueError("best_lists: multiples must be of the ratings in rated")
    if lists.n_lists != queries.n_lists:
        raise ValueError("best_lists: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or scratch.lists(panels.n_panels, lists.n) < 1:
        raise ValueError("best_lists: scratch is too small")
    if queries.n_lists and queries.rows.max() >= rated.n_rows:
        raise ValueError(f"best_lists: user {queries.rows.max()} is out of range")
    check_excluded("best_lists", queries, order.n_items)
    columns = panels.columns.reshape(-1)
    weights = panels.exact[columns >= 0].T
    for k, user in enumerate(queries.rows):
        scores = np.full(order.n_items, -np.inf)
        scores[columns[columns >= 0]] = weighted_sum(rated, int(user), weights)
        excluded = order.positions[queries.excluded[queries.starts[k] : queries.stops[k]]]
        best(scores[order.items], excluded, lists, k)
