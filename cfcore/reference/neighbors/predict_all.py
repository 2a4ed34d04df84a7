"""Twin of `cfcore.kernels.neighbors.predict_all` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import PredictionRule, RatingRows, SimilarityMatrix, check_apart
from cfcore.reference.common.checks import check_array, check_record, check_threads

__all__ = ["predict_all"]

#: Numbers of scratch for each entry of the longest row.
ROOM = 80


def predict_all(
    matrix: SimilarityMatrix,
    rated: RatingRows,
    holders: NDArray[np.int32],
    rule: PredictionRule,
    scratch: NDArray[np.float32],
    out: NDArray[np.float64],
    n_threads: int,
) -> None:
    """Weighted means over the nearest neighbours of some holders for all targets; see the kernel."""
    check_record(matrix, SimilarityMatrix, "predict_all: matrix")
    check_record(rated, RatingRows, "predict_all: rated")
    check_array(holders, np.int32, 1, False, "predict_all: holders")
    check_record(rule, PredictionRule, "predict_all: rule")
    check_array(scratch, np.float32, 2, True, "predict_all: scratch")
    check_array(out, np.float64, 2, True, "predict_all: out")
    check_threads(n_threads)
    n_targets, n_rows = rated.n_columns, rated.n_rows
    if matrix.n_rows != n_targets or matrix.dtype != np.float32:
        raise ValueError(
            f"predict_all: matrix must be of float32 and have {n_targets} rows, as rated has columns"
        )
    if out.shape != (len(holders), n_targets):
        raise ValueError(f"predict_all: out must be of shape ({len(holders)}, {n_targets})")
    wrong = (holders < 0) | (holders >= n_rows)
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(f"predict_all: holders holds {holders[k]} at {k}, which is not in [0, {n_rows})")
    longest = int((rated.indptr[holders + 1] - rated.indptr[holders]).max(initial=0))
    if len(scratch) < n_threads or scratch.shape[1] < ROOM * longest:
        raise ValueError(f"predict_all: scratch needs a row of {ROOM * longest} for each thread")
    read = {"matrix": matrix.values, "indptr": rated.indptr, "indices": rated.indices}
    check_apart(
        "predict_all",
        {"out": out, "scratch": scratch},
        {**read, "values": rated.values, "holders": holders},
    )
    for k, holder in enumerate(holders.tolist()):
        own = slice(rated.indptr[holder], rated.indptr[holder + 1])
        out[k] = _means(matrix.values, rated.indices[own], rated.values[own], rule)


def _means(
    matrix: NDArray[np.float32],
    codes: NDArray[np.int32],
    values: NDArray[np.float32],
    rule: PredictionRule,
) -> NDArray[np.float64]:
    """Weighted means of the entries (codes, values) of one holder for all targets."""
    similarity = matrix[codes].copy()  # a row for each entry
    similarity[np.arange(len(codes)), codes] = 0
    near = similarity if rule.positive_only else np.abs(similarity)
    counts = near > 0
    if rule.n_neighbors:
        order = np.argsort(-np.where(counts, near, 0), axis=0, kind="stable")
        rank = np.argsort(order, axis=0, kind="stable")
        counts &= rank < rule.n_neighbors
    similarity = np.where(counts, similarity, 0).astype(np.float64)
    weight = np.abs(similarity) ** rule.power
    # Sums in the order of the entries, each in double precision.
    above, below = np.zeros(len(matrix)), np.full(len(matrix), rule.damping)
    for weights, signs, value in zip(weight, similarity, values.tolist(), strict=True):
        above += np.copysign(weights, signs) * value
        below += weights
    return np.divide(above, below, out=np.full(len(matrix), np.nan), where=below > 0)
