"""Twin of `cfcore.kernels.factorization.gibbs_sums` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart
from cfcore.reference.common.checks import check_array, check_threads

Float64 = NDArray[np.float64]


def centre_rows(rows: Float64, mean: Float64, out: Float64, n_threads: int) -> None:
    """Rows less their mean; see the kernel."""
    check_array(rows, np.float64, 2, False, "centre_rows: rows")
    check_array(mean, np.float64, 1, True, "centre_rows: mean")
    check_array(out, np.float64, 2, True, "centre_rows: out")
    n, k = rows.shape
    if n < 1 or mean.shape != (k,) or out.shape != rows.shape:
        raise ValueError(
            f"centre_rows: mean and out must be of the shapes of rows {rows.shape}, at least one, not "
            f"{mean.shape} and {out.shape}"
        )
    check_apart("centre_rows", {"mean": mean, "out": out}, {"rows": rows})
    check_threads(n_threads)
    mean[:] = np.cumsum(rows, axis=0)[-1] / n  # one after the other, as np.sum does not of one column
    out[:] = rows - mean


def weigh_rows(rows: Float64, weights: Float64, sums: Float64, n_threads: int) -> None:
    """Weighted sum of rows; see the kernel."""
    check_array(rows, np.float64, 2, False, "weigh_rows: rows")
    check_array(weights, np.float64, 1, False, "weigh_rows: weights")
    check_array(sums, np.float64, 1, True, "weigh_rows: sums")
    n, k = rows.shape
    if weights.shape != (n,) or sums.shape != (k,):
        raise ValueError(
            f"weigh_rows: weights must be of shape {(n,)} and sums of {(k,)}, not {weights.shape} and "
            f"{sums.shape}"
        )
    check_apart("weigh_rows", {"sums": sums}, {"rows": rows, "weights": weights})
    check_threads(n_threads)
    sums[:] = np.cumsum(rows * weights[:, np.newaxis], axis=0)[-1] if n else 0


def sum_pairs(left: Float64, right: Float64, n_threads: int) -> float:
    """Sum of all products; see the kernel."""
    check_array(left, np.float64, 2, False, "sum_pairs: left")
    check_array(right, np.float64, 2, False, "sum_pairs: right")
    if left.shape != right.shape:
        raise ValueError(
            f"sum_pairs: left and right must be of one shape, not {left.shape} and {right.shape}"
        )
    check_threads(n_threads)
    return float(np.sum(left * right))
