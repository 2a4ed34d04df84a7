"""Twin of `cfcore.kernels.neighbors.predict` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import (
    NearestRows,
    PredictionRequests,
    PredictionRule,
    PredictionScratch,
    RatingRows,
    SimilarityMatrix,
    check_span,
    check_written,
)
from cfcore.reference.common.checks import check_record, check_threads

__all__ = ["predict_dense", "predict_rows"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float32]
#: From codes of targets and of others to their similarities.
Lookup = Callable[[Codes, Codes], Floats]

#: Entries gathered at a time, which bounds the memory whatever the number of requests.
BATCH = 1 << 20


def predict_dense(
    matrix: SimilarityMatrix,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    scratch: PredictionScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """Weighted means over the nearest neighbours, from the similarities of all pairs; see the kernel."""
    check_threads(n_threads)
    _check_call("predict_dense", rated, requests, rule, scratch, span)
    check_record(matrix, SimilarityMatrix, "predict_dense: matrix")
    _check_compared("predict_dense", rated, matrix, rule, scratch, n_threads)
    check_written((requests, scratch), (matrix, rated))
    _predict(lambda targets, codes: matrix.values[targets, codes], rated, requests, rule, span)


def predict_rows(
    nearest: NearestRows,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    scratch: PredictionScratch,
    span: tuple[int, int],
    n_threads: int,
) -> None:
    """As `predict_dense`, from the most similar ones of each target alone; see the kernel."""
    check_threads(n_threads)
    _check_call("predict_rows", rated, requests, rule, scratch, span)
    check_record(nearest, NearestRows, "predict_rows: nearest")
    _check_compared("predict_rows", rated, nearest, rule, scratch, n_threads)
    check_written((requests, scratch), (nearest, rated))
    if scratch.rows is None or scratch.rows.shape[1] != nearest.n_rows:
        raise ValueError(f"predict_rows: scratch.rows needs {nearest.n_rows} columns")
    begin, end = span
    requested = requests.targets[requests.order[begin:end]]
    to_read = nearest.codes[np.unique(requested[requested >= 0])]
    if ((to_read < -1) | (to_read >= nearest.n_rows)).any():
        raise ValueError(f"predict_rows: codes must lie in [-1, {nearest.n_rows})")
    _predict(_lookup(nearest), rated, requests, rule, span)


def _check_call(
    who: str,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    scratch: PredictionScratch,
    span: tuple[int, int],
) -> None:
    check_record(rated, RatingRows, f"{who}: rated")
    check_record(requests, PredictionRequests, f"{who}: requests")
    check_record(rule, PredictionRule, f"{who}: rule")
    check_record(scratch, PredictionScratch, f"{who}: scratch")
    if requests.n_targets != rated.n_columns or requests.n_holders != rated.n_rows:
        raise ValueError(f"{who}: requests must be for the rows and columns of rated")
    check_span(who, span, requests.n, "requests")


def _check_compared(
    who: str,
    rated: RatingRows,
    compared: SimilarityMatrix | NearestRows,
    rule: PredictionRule,
    scratch: PredictionScratch,
    n_threads: int,
) -> None:
    if compared.n_rows != rated.n_columns:
        raise ValueError(
            f"{who}: similarities must have {rated.n_columns} rows, as rated has columns; "
            f"they have {compared.n_rows}"
        )
    if compared.dtype != np.float32:
        raise ValueError(f"{who}: similarities must be of float32, not {compared.dtype}")
    if scratch.n_threads < n_threads or (rule.n_neighbors > 0 and scratch.room <= rule.n_neighbors):
        raise ValueError(f"{who}: scratch.keys needs a row for each thread, longer than n_neighbors")


def _lookup(nearest: NearestRows) -> Lookup:
    """Similarities of pairs, 0 for those that were not kept."""
    n = nearest.n_rows
    target, column = np.nonzero(nearest.codes >= 0)
    pair = target * n + nearest.codes[target, column]
    by_pair = np.argsort(pair)
    pair, kept = pair[by_pair], nearest.values[target, column][by_pair]

    def similarity_of(targets: Codes, codes: Codes) -> Floats:
        wanted = targets.astype(np.int64) * n + codes
        at = np.minimum(np.searchsorted(pair, wanted), max(len(pair) - 1, 0))
        if not len(pair):
            return np.zeros(len(codes), dtype=np.float32)
        return np.where(pair[at] == wanted, kept[at], np.float32(0))

    return similarity_of


def _predict(
    similarity_of: Lookup,
    rated: RatingRows,
    requests: PredictionRequests,
    rule: PredictionRule,
    span: tuple[int, int],
) -> None:
    """Fill ``out[order[begin:end]]``; NaN where the holder or the target is unknown."""
    at = requests.order[slice(*span)]
    unknown = (requests.holders[at] < 0) | (requests.targets[at] < 0)
    requests.out[at[unknown]] = np.nan
    known = at[~unknown]
    holders = requests.holders[known]
    entries = np.cumsum(rated.indptr[holders + 1] - rated.indptr[holders])
    first = 0
    while first < len(known):
        done = entries[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(entries, done + BATCH, side="right")))
        batch = known[first:last]
        requests.out[batch] = _weighted_means(
            similarity_of, rated, requests.holders[batch], requests.targets[batch], rule
        )
        first = last


def _weighted_means(
    similarity_of: Lookup, rated: RatingRows, holders: Codes, targets: Codes, rule: PredictionRule
) -> NDArray[np.float64]:
    """Weighted means for known holders and targets, all requests at once."""
    lengths = rated.indptr[holders + 1] - rated.indptr[holders]
    request = np.repeat(np.arange(len(holders)), lengths)
    starts = np.cumsum(lengths) - lengths
    entry = np.arange(len(request)) - np.repeat(starts - rated.indptr[holders], lengths)
    code = rated.indices[entry]
    similarity = similarity_of(targets[request], code)
    near = similarity if rule.positive_only else np.abs(similarity)
    neighbor = (near > 0) & (code != targets[request])
    request, code, entry = request[neighbor], code[neighbor], entry[neighbor]
    similarity, near = similarity[neighbor], near[neighbor]
    if rule.n_neighbors:
        by_nearness = np.lexsort((code, -near, request))
        counts = np.bincount(request, minlength=len(holders))
        rank = np.empty(len(request), dtype=np.int64)
        rank[by_nearness] = np.arange(len(request)) - np.repeat(np.cumsum(counts) - counts, counts)
        nearest = rank < rule.n_neighbors
        request, entry, similarity = request[nearest], entry[nearest], similarity[nearest]
    weight = np.abs(similarity.astype(np.float64)) ** rule.power
    weighted = np.copysign(weight, similarity) * rated.values[entry]
    above = np.bincount(request, weighted, minlength=len(holders))
    below = rule.damping + np.bincount(request, weight, minlength=len(holders))
    return np.divide(above, below, out=np.full(len(holders), np.nan), where=below > 0)
