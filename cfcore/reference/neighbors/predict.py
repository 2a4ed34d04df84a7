"""Twin of `cfcore.kernels.neighbors.predict` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Floats = NDArray[np.float32]

# Entries gathered at a time, which bounds the memory whatever the number of requests.
_BATCH = 1 << 20


def _check(
    who: str,
    indptr: NDArray[np.int64],
    indices: Codes,
    values: Floats,
    holders: Codes,
    targets: Codes,
    order: NDArray[np.int64],
    out: NDArray[np.float64],
    keys: NDArray[np.uint64],
    n_targets: int,
    n_neighbors: int,
    damping: float,
    power: float,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    n, n_holders = len(holders), len(indptr) - 1
    if not len(targets) == len(order) == len(out) == n:
        raise ValueError(f"{who}: holders, targets, order and out must be of one length")
    if len(values) != len(indices):
        raise ValueError(f"{who}: indices and values must be of one length")
    if not 0 <= begin <= end <= n:
        raise ValueError(f"{who}: [{begin}, {end}) is not within [0, {n})")
    if n_neighbors < 0 or not damping >= 0 or not power > 0 or n_threads < 1:
        raise ValueError(
            f"{who}: n_neighbors and damping must be at least 0, power above 0, n_threads at least 1"
        )
    if len(keys) < n_threads or (n_neighbors > 0 and keys.shape[1] <= n_neighbors):
        raise ValueError(f"{who}: keys needs a row for each thread, longer than n_neighbors")
    rising = n_holders >= 0 and indptr[0] == 0 and indptr[-1] == len(indices) and (np.diff(indptr) >= 0).all()
    if not rising or ((indices < 0) | (indices >= n_targets)).any():
        raise ValueError(
            f"{who}: indptr must rise from 0 to the length of indices, "
            f"and indices must lie in [0, {n_targets})"
        )
    outside = (holders < -1) | (holders >= n_holders) | (targets < -1) | (targets >= n_targets)
    if (outside | (order < 0) | (order >= n)).any():
        raise ValueError(
            f"{who}: holders must lie in [-1, {n_holders}), targets in [-1, {n_targets}), order in [0, {n})"
        )


def _predict(
    similarity_of: Callable[[Codes, Codes], Floats],
    indptr: NDArray[np.int64],
    indices: Codes,
    values: Floats,
    holders: Codes,
    targets: Codes,
    n_neighbors: int,
    damping: float,
    power: float,
    positive_only: bool,
) -> NDArray[np.float64]:
    """Weighted means for known holders and targets, all requests at once."""
    lengths = indptr[holders + 1] - indptr[holders]
    request = np.repeat(np.arange(len(holders)), lengths)
    starts = np.cumsum(lengths) - lengths
    entry = np.arange(len(request)) - np.repeat(starts - indptr[holders], lengths)
    code = indices[entry]
    similarity = similarity_of(targets[request], code)
    near = similarity if positive_only else np.abs(similarity)
    neighbor = (near > 0) & (code != targets[request])
    request, code, entry = request[neighbor], code[neighbor], entry[neighbor]
    similarity, near = similarity[neighbor], near[neighbor]
    if n_neighbors:
        by_nearness = np.lexsort((code, -near, request))
        counts = np.bincount(request, minlength=len(holders))
        rank = np.empty(len(request), dtype=np.int64)
        rank[by_nearness] = np.arange(len(request)) - np.repeat(np.cumsum(counts) - counts, counts)
        nearest = rank < n_neighbors
        request, entry, similarity = request[nearest], entry[nearest], similarity[nearest]
    weight = np.abs(similarity.astype(np.float64)) ** power
    above = np.bincount(request, np.copysign(weight, similarity) * values[entry], minlength=len(holders))
    below = damping + np.bincount(request, weight, minlength=len(holders))
    return np.divide(above, below, out=np.full(len(holders), np.nan), where=below > 0)


def _in_batches(
    indptr: NDArray[np.int64],
    holders: Codes,
    targets: Codes,
    out: NDArray[np.float64],
    positions: NDArray[np.int64],
    predict: Callable[[Codes, Codes], NDArray[np.float64]],
) -> None:
    """Fill ``out[positions]``; NaN where the holder or the target is unknown."""
    unknown = (holders[positions] < 0) | (targets[positions] < 0)
    out[positions[unknown]] = np.nan
    known = positions[~unknown]
    entries = np.cumsum(indptr[holders[known] + 1] - indptr[holders[known]])
    first = 0
    while first < len(known):
        done = entries[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(entries, done + _BATCH, side="right")))
        batch = known[first:last]
        out[batch] = predict(holders[batch], targets[batch])
        first = last


def predict_dense(
    similarity: Floats,
    indptr: NDArray[np.int64],
    indices: Codes,
    values: Floats,
    holders: Codes,
    targets: Codes,
    order: NDArray[np.int64],
    out: NDArray[np.float64],
    keys: NDArray[np.uint64],
    n_neighbors: int,
    damping: float,
    power: float,
    positive_only: bool,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    """Weighted means over the nearest neighbours, from the whole matrix of similarities; see the kernel."""
    if similarity.shape[0] != similarity.shape[1]:
        raise ValueError("predict_dense: similarity must be square")
    _check(
        "predict_dense", indptr, indices, values, holders, targets, order, out, keys, len(similarity),
        n_neighbors, damping, power, begin, end, n_threads,
    )  # fmt: skip

    def predict(some_holders: Codes, some_targets: Codes) -> NDArray[np.float64]:
        return _predict(
            lambda target, code: similarity[target, code],
            indptr, indices, values, some_holders, some_targets, n_neighbors, damping, power, positive_only,
        )  # fmt: skip

    _in_batches(indptr, holders, targets, out, order[begin:end], predict)


def predict_rows(
    codes: Codes,
    weights: Floats,
    indptr: NDArray[np.int64],
    indices: Codes,
    values: Floats,
    holders: Codes,
    targets: Codes,
    order: NDArray[np.int64],
    out: NDArray[np.float64],
    rows: Floats,
    keys: NDArray[np.uint64],
    n_neighbors: int,
    damping: float,
    power: float,
    positive_only: bool,
    begin: int,
    end: int,
    n_threads: int,
) -> None:
    """As `predict_dense`, from the most similar ones of each target alone; see the kernel."""
    n_targets = len(codes)
    if weights.shape != codes.shape:
        raise ValueError("predict_rows: codes and weights must be of one shape")
    if len(rows) < n_threads or rows.shape[1] != n_targets:
        raise ValueError(f"predict_rows: rows needs {n_targets} columns and a row for each thread")
    _check(
        "predict_rows", indptr, indices, values, holders, targets, order, out, keys, n_targets,
        n_neighbors, damping, power, begin, end, n_threads,
    )  # fmt: skip
    if begin == end:
        return
    requested = targets[order[begin:end]]
    to_read = codes[np.unique(requested[requested >= 0])]
    if ((to_read < -1) | (to_read >= n_targets)).any():
        raise ValueError(f"predict_rows: codes must lie in [-1, {n_targets})")
    target, place = np.nonzero(codes >= 0)
    pair = target * n_targets + codes[target, place]
    by_pair = np.argsort(pair)
    pair, kept = pair[by_pair], weights[target, place][by_pair]

    def similarity_of(wanted: Codes, code: Codes) -> Floats:
        """0 for a pair that was not kept."""
        looked_up = wanted.astype(np.int64) * n_targets + code
        at = np.minimum(np.searchsorted(pair, looked_up), max(len(pair) - 1, 0))
        if not len(pair):
            return np.zeros(len(code), dtype=np.float32)
        return np.where(pair[at] == looked_up, kept[at], np.float32(0))

    def predict(some_holders: Codes, some_targets: Codes) -> NDArray[np.float64]:
        return _predict(
            similarity_of,
            indptr, indices, values, some_holders, some_targets, n_neighbors, damping, power, positive_only,
        )  # fmt: skip

    _in_batches(indptr, holders, targets, out, order[begin:end], predict)


__all__ = ["predict_dense", "predict_rows"]
