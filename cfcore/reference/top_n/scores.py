"""Twin of `cfcore.kernels.top_n.scores`: a stable sort of the scores of each list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floating = NDArray[Any]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


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
    check_lists(what, order, places_of, starts, stops, excluded, places, scores, len(given_rows))
    bad = (given_rows < 0) | (given_rows >= len(given))
    if bad.any():
        raise ValueError(f"{what}: row {given_rows[bad.argmax()]} is out of range")
    for k, row in enumerate(given_rows):
        best(given[row], places_of[excluded[starts[k] : stops[k]]], places[k], scores[k])


def best(given: Float64, left_out: Int32, places: Int32, scores: Float64) -> None:
    """The best of the `given` scores, without the places in `left_out`, into `places` and `scores`."""
    keys = -given
    keys[left_out[left_out >= 0]] = np.inf
    keys[np.isnan(keys)] = np.inf
    order = np.argsort(keys, kind="stable")[: len(places)]
    order = order[keys[order] < np.inf]
    places[:], scores[:] = -1, 0
    places[: len(order)] = order
    scores[: len(order)] = given[order]


def check_lists(
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
        raise ValueError(f"{what}: items and their places do not belong together")
    bad = (starts < 0) | (stops < starts) | (stops > len(excluded))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"{what}: list {k}: excluded items {starts[k]} to {stops[k]} do not exist")
    for start, stop in zip(starts, stops, strict=True):
        bad = (excluded[start:stop] < 0) | (excluded[start:stop] >= len(places_of))
        if bad.any():
            raise ValueError(f"{what}: excluded item {excluded[start:stop][bad.argmax()]} is out of range")
