"""Twin of `cfcore.kernels.factorization.gibbs_blocks` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import check_apart
from cfcore.reference.common.checks import check_array, check_threads

Float64 = NDArray[np.float64]

TILE = 64


def multiply_into_blocks(
    rows: Float64, mean: Float64 | None, matrix: Float64, blocks: Float64, scratch: Float64, n_threads: int
) -> None:
    """Rows less a mean, times a matrix, in blocks of columns; see the kernel."""
    name = "multiply_into_blocks"
    check_array(rows, np.float64, 2, False, f"{name}: rows")
    check_array(matrix, np.float64, 2, False, f"{name}: matrix")
    check_array(blocks, np.float64, 3, True, f"{name}: blocks")
    check_array(scratch, np.float64, 2, True, f"{name}: scratch")
    read = {"rows": rows, "matrix": matrix}
    if mean is not None:
        check_array(mean, np.float64, 1, False, f"{name}: mean")
        read["mean"] = mean
    check_threads(n_threads)
    n, k = rows.shape
    n_blocks = -(-k // 8)
    wrong_mean = mean is not None and len(mean) != k
    if matrix.shape != (k, k) or blocks.shape != (n_blocks, n, 8) or wrong_mean:
        raise ValueError(
            f"{name}: matrix and blocks must be of shapes {(k, k)} and {(n_blocks, n, 8)}, not "
            f"{matrix.shape} and {blocks.shape}, and a mean of {k} numbers"
        )
    if scratch.shape[0] < n_threads or scratch.shape[1] < 2 * TILE * k:
        raise ValueError(f"{name}: scratch must be of shape {(n_threads, 2 * TILE * k)}, not {scratch.shape}")
    check_apart(name, {"blocks": blocks, "scratch": scratch}, read)
    wide = np.zeros((n, 8 * n_blocks))
    wide[:, :k] = np.einsum("nf,fg->ng", rows if mean is None else rows - mean, matrix)
    blocks[:] = wide.reshape(n, n_blocks, 8).transpose(1, 0, 2)


def multiply_blocks(blocks: Float64, matrix: Float64, rows: Float64, out: Float64, n_threads: int) -> None:
    """Rows that are in blocks of columns, times a matrix; see the kernel."""
    name = "multiply_blocks"
    check_array(blocks, np.float64, 3, False, f"{name}: blocks")
    check_array(matrix, np.float64, 2, False, f"{name}: matrix")
    check_array(rows, np.float64, 2, True, f"{name}: rows")
    check_array(out, np.float64, 2, True, f"{name}: out")
    check_threads(n_threads)
    n, k = rows.shape
    n_blocks = -(-k // 8)
    if matrix.shape != (k, k) or blocks.shape != (n_blocks, n, 8) or out.shape != (n, k):
        raise ValueError(
            f"{name}: matrix, blocks and out must be of shapes {(k, k)}, {(n_blocks, n, 8)} and "
            f"{(n, k)}, not {matrix.shape}, {blocks.shape} and {out.shape}"
        )
    check_apart(name, {"rows": rows, "out": out}, {"blocks": blocks, "matrix": matrix})
    rows[:] = blocks.transpose(1, 0, 2).reshape(n, 8 * n_blocks)[:, :k]
    out[:] = np.einsum("nf,fg->ng", rows, matrix)
