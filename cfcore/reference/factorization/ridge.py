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
    check_array(rows, np.float64, 2, False, "solve_few: rows")
    check_array(targets, np.float64, 1, False, "solve_few: targets")
    check_array(mean, np.float64, 1, False, "solve_few: mean")
    check_array(covariance, np.float64, 2, False, "solve_few: covariance")
    check_array(scratch, np.float64, 1, True, "solve_few: scratch")
    check_array(out, np.float64, 1, True, "solve_few: out")
    n, width = len(rows), len(mean)
    if width % 8:
        raise ValueError(f"solve_few: width must be a multiple of 8, not {width}")
    shapes = rows.shape, targets.shape, out.shape, covariance.shape
    if shapes != ((n, width), (n,), (width,), (width, width)):
        raise ValueError("solve_few: rows, targets, mean, covariance and out must be of one n and one width")
    if len(scratch) < n * (width + n + 1):
        raise ValueError(f"solve_few: scratch must have {n * (width + n + 1)} numbers, not {len(scratch)}")
    read = rows, targets, mean, covariance
    if overlaps(scratch, (*read, out)) or overlaps(out, read):
        raise ValueError("solve_few: scratch or out shares memory with another argument")
    products = np.einsum("nf,fg->ng", rows, covariance)
    gram = np.einsum("nf,mf->nm", products, rows) + float(noise) * np.eye(n)
    if not np.isfinite(gram).all():
        return False
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return False
    rest = targets - np.einsum("nf,f->n", rows, mean)
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, rest))
    out[:] = np.einsum("nf,n->f", products, weights) + mean
    return True
