"""Twin of `cfcore.kernels.factorization.ridge`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.reference.common.checks import check_array, overlaps

Float64 = NDArray[np.float64]


def solve_few(
    rows: Float64,
    targets: Float64,
    mean: Float64,
    covariance: Float64,
    noise: float,
    scratch: Float64,
    out: Float64,
) -> bool:
    """w = m + C Z' (Z C Z' + noise I)^-1 (y - Z m); see the kernel."""
    n, width = _check_shapes("solve_few", rows, targets, mean, covariance, out)
    check_array(scratch, np.float64, 1, True, "solve_few: scratch")
    if len(scratch) < n * (width + n + 1):
        raise ValueError(f"solve_few: scratch must have {n * (width + n + 1)} numbers, not {len(scratch)}")
    read = rows, targets, mean, covariance
    if overlaps(scratch, (*read, out)) or overlaps(out, read):
        raise ValueError("solve_few: scratch or out shares memory with another argument")
    products = np.einsum("nf,fg->ng", rows, covariance)
    gram = np.einsum("nf,mf->nm", products, rows) + float(noise) * np.eye(n)
    weights = _solution(gram, targets - np.einsum("nf,f->n", rows, mean))
    if weights is None:
        return False
    out[:] = np.einsum("nf,n->f", products, weights) + mean
    return True


def solve_many(
    rows: Float64, targets: Float64, mean: Float64, penalty: Float64, scratch: Float64, out: Float64
) -> bool:
    """w = m + (Z'Z + noise C^-1)^-1 Z' (y - Z m); see the kernel."""
    _, width = _check_shapes("solve_many", rows, targets, mean, penalty, out)
    check_array(scratch, np.float64, 1, True, "solve_many: scratch")
    if len(scratch) < width * width:
        raise ValueError(f"solve_many: scratch must have {width * width} numbers, not {len(scratch)}")
    read = rows, targets, mean, penalty
    if overlaps(scratch, (*read, out)) or overlaps(out, read):
        raise ValueError("solve_many: scratch or out shares memory with another argument")
    errors = targets - np.einsum("nf,f->n", rows, mean)
    gram = np.einsum("nf,ng->fg", rows, rows) + penalty
    apart = _solution(gram, np.einsum("nf,n->f", rows, errors))
    if apart is None:
        return False
    out[:] = mean + apart
    return True


def _solution(matrix: Float64, right: Float64) -> Float64 | None:
    """Solution of the equations of a positive definite matrix; None if it is not that."""
    if not np.isfinite(matrix).all():
        return None
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None
    found: Float64 = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
    return found


def _check_shapes(
    function: str, rows: Float64, targets: Float64, mean: Float64, matrix: Float64, out: Float64
) -> tuple[int, int]:
    check_array(rows, np.float64, 2, False, f"{function}: rows")
    check_array(targets, np.float64, 1, False, f"{function}: targets")
    check_array(mean, np.float64, 1, False, f"{function}: mean")
    check_array(matrix, np.float64, 2, False, f"{function}: matrix")
    check_array(out, np.float64, 1, True, f"{function}: out")
    n, width = len(rows), len(mean)
    if width % 8:
        raise ValueError(f"{function}: width must be a multiple of 8, not {width}")
    shapes = rows.shape, targets.shape, out.shape, matrix.shape
    if shapes != ((n, width), (n,), (width,), (width, width)):
        raise ValueError(
            f"{function}: rows, targets, mean, the matrix and out must be of one n and one width"
        )
    return n, width
