"""Twin of `cfcore.kernels.topk`: every score of a list at once, and a stable sort."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[Any]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def pack(
    item_factors: Floating, item_bias: Floating, order: Int32, panels: NDArray[np.float32], bounds: Float64
) -> None:
    """Lay items out in panels of 32; see the kernel."""
    m, width = len(order), item_factors.shape[1]
    n_panels = -(-m // 32)
    if panels.shape != (n_panels, width + 1, 32):
        raise ValueError("pack: panels must have shape (ceil(m / 32), width + 1, 32)")
    if bounds.shape != (n_panels, 2):
        raise ValueError("pack: bounds must have shape (ceil(m / 32), 2)")
    if len(item_bias) != len(item_factors):
        raise ValueError("pack: biases and factors must have the same number of rows")
    bad = (order < 0) | (order >= len(item_factors))
    if bad.any():
        raise ValueError(f"pack: item {order[bad.argmax()]} is out of range")
    lines = np.zeros((n_panels * 32, width + 1))
    lines[:m, :width] = item_factors[order]
    lines[:m, width] = item_bias[order]
    panels[:] = lines.reshape(n_panels, 32, width + 1).transpose(0, 2, 1)
    lengths = np.sqrt(np.sum(lines[:, :width] ** 2, axis=1))
    bounds[:, 0] = lengths.reshape(n_panels, 32).max(axis=1)
    bounds[:, 1] = np.abs(lines[:, width]).reshape(n_panels, 32).max(axis=1)


def best_products(
    users: Int32,
    user_factors: Floating,
    item_factors: Floating,
    user_bias: Floating,
    item_bias: Floating,
    order: Int32,
    places_of: Int32,
    starts: Int64,
    stops: Int64,
    excluded: Int32,
    panels: NDArray[np.float32],
    bounds: Float64,
    places: Int32,
    scores: Float64,
    marks: NDArray[np.uint64],
    rows: NDArray[np.float32],
    mean: float,
    n_threads: int,
) -> None:
    """For each user the n places of highest mean + b_u + b_i + p_u . q_i, best first; see the kernel."""
    what = "best_products"
    m, width = len(order), user_factors.shape[1]
    if item_factors.shape[1] != width or width * user_factors.itemsize % 64:
        raise ValueError(f"{what}: factor rows must be of one length, a multiple of 64 bytes")
    if len(user_bias) != len(user_factors) or len(item_bias) != len(item_factors):
        raise ValueError(f"{what}: biases and factors must have the same number of rows")
    if panels.shape != (-(-m // 32), width + 1, 32) or bounds.shape != (len(panels), 2):
        raise ValueError(f"{what}: panels and bounds must come from pack with the same order")
    if (
        min(len(marks), len(rows)) < n_threads
        or marks.shape[1] < 24 * -(-m // 64)
        or rows.shape[1] < 24 * width
    ):
        raise ValueError(f"{what}: marks or rows are too small")
    _check_lists(what, order, places_of, starts, stops, excluded, places, scores, len(users))
    if len(places_of) != len(item_factors):
        raise ValueError(f"{what}: places_of must be as long as item_factors")
    bad = (users < 0) | (users >= len(user_factors))
    if bad.any():
        raise ValueError(f"{what}: user {users[bad.argmax()]} is out of range")
    for k, user in enumerate(users):
        base = mean + np.float64(user_bias[user])
        given = base + item_bias[order] + np.einsum("nf,f->n", item_factors[order], user_factors[user])
        _best(given, places_of[excluded[starts[k] : stops[k]]], places[k], scores[k])


def best_scores(
    given: Float64,
    given_rows: Int32,
    order: Int32,
    places_of: Int32,
    starts: Int64,
    stops: Int64,
    excluded: Int32,
    places: Int32,
    scores: Float64,
    marks: NDArray[np.uint64],
    n_threads: int,
) -> None:
    """For each list the n places of the highest of its given scores, best first; see the kernel."""
    what = "best_scores"
    if given.shape[1] != len(order):
        raise ValueError(f"{what}: given must have a column for each item in order")
    if len(marks) < n_threads or marks.shape[1] < -(-len(order) // 64):
        raise ValueError(f"{what}: marks are too small")
    _check_lists(what, order, places_of, starts, stops, excluded, places, scores, len(given_rows))
    bad = (given_rows < 0) | (given_rows >= len(given))
    if bad.any():
        raise ValueError(f"{what}: row {given_rows[bad.argmax()]} is out of range")
    for k, row in enumerate(given_rows):
        _best(given[row], places_of[excluded[starts[k] : stops[k]]], places[k], scores[k])


def _best(given: Float64, left_out: Int32, places: Int32, scores: Float64) -> None:
    """The best of the `given` scores, without the places in `left_out`, into `places` and `scores`."""
    keys = -given
    keys[left_out[left_out >= 0]] = np.inf
    keys[np.isnan(keys)] = np.inf
    order = np.argsort(keys, kind="stable")[: len(places)]
    order = order[keys[order] < np.inf]
    places[:], scores[:] = -1, 0
    places[: len(order)] = order
    scores[: len(order)] = given[order]


def _check_lists(
    what: str,
    order: Int32,
    places_of: Int32,
    starts: Int64,
    stops: Int64,
    excluded: Int32,
    places: Int32,
    scores: Float64,
    n_lists: int,
) -> None:
    m = len(order)
    if len(places) != n_lists or scores.shape != places.shape:
        raise ValueError(f"{what}: places and scores must have a row for each list, of one length")
    if places.shape[1] < 1:
        raise ValueError(f"{what}: lists must have room for an item")
    if len(starts) != n_lists or len(stops) != n_lists:
        raise ValueError(f"{what}: starts and stops must have an entry for each list")
    bad = (places_of < -1) | (places_of >= m)
    if bad.any():
        raise ValueError(f"{what}: place {places_of[bad.argmax()]} is out of range")
    if ((order < 0) | (order >= len(places_of))).any() or (places_of[order] != np.arange(m)).any():
        raise ValueError(f"{what}: order and places_of do not belong together")
    bad = (starts < 0) | (stops < starts) | (stops > len(excluded))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"{what}: list {k}: excluded items {starts[k]} to {stops[k]} do not exist")
    for start, stop in zip(starts, stops, strict=True):
        bad = (excluded[start:stop] < 0) | (excluded[start:stop] >= len(places_of))
        if bad.any():
            raise ValueError(f"{what}: excluded item {excluded[start:stop][bad.argmax()]} is out of range")
