"""Twin of `cfcore.kernels.factorization.gibbs_priors` in NumPy: same names, arguments, results and errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cfcore.kernels.records import DrawKey, MemberDraws, check_apart, check_span, check_written
from cfcore.reference.common.checks import check_array, check_record, check_threads
from cfcore.reference.factorization.gibbs import normal_numbers

Float64 = NDArray[np.float64]

BLOCK = 256


def n_parts(n: int) -> int:
    """The number of parts of `sum_products`; see the kernel."""
    if not 0 <= n < 2**48:
        raise ValueError(f"n_parts: n must be at least 0 and below 2^48, not {n}")
    return -(-n // BLOCK)


def sum_products(rows: Float64, parts: Float64, sums: Float64, n_threads: int) -> None:
    """Sum of the products of rows; see the kernel."""
    check_array(rows, np.float64, 2, False, "sum_products: rows")
    check_array(parts, np.float64, 3, True, "sum_products: parts")
    check_array(sums, np.float64, 2, True, "sum_products: sums")
    check_threads(n_threads)
    n, k = rows.shape
    if parts.shape != (n_parts(n), k, k) or sums.shape != (k, k):
        raise ValueError(
            f"sum_products: parts must be of shape {(n_parts(n), k, k)} and sums of {(k, k)}, not "
            f"{parts.shape} and {sums.shape}"
        )
    check_apart("sum_products", {"parts": parts, "sums": sums}, {"rows": rows})
    for part in range(len(parts)):
        block = rows[part * BLOCK : (part + 1) * BLOCK]
        parts[part] = np.einsum("nf,ng->fg", block, block)
    sums[:] = parts.sum(axis=0)


def multiply_matrix(rows: Float64, matrix: Float64, out: Float64, n_threads: int) -> None:
    """Each row times a matrix; see the kernel."""
    check_array(rows, np.float64, 2, False, "multiply_matrix: rows")
    check_array(matrix, np.float64, 2, False, "multiply_matrix: matrix")
    check_array(out, np.float64, 2, True, "multiply_matrix: out")
    check_threads(n_threads)
    n, k = rows.shape
    if matrix.shape != (k, k) or out.shape != (n, k):
        raise ValueError(
            f"multiply_matrix: matrix must be of shape {(k, k)} and out of {(n, k)}, not "
            f"{matrix.shape} and {out.shape}"
        )
    check_apart("multiply_matrix", {"out": out}, {"rows": rows, "matrix": matrix})
    out[:] = np.einsum("nf,fg->ng", rows, matrix)


def draw_members(draws: MemberDraws, key: DrawKey, span: tuple[int, int], n_threads: int) -> None:
    """Rows of the members of sets, one after the other; see the kernel."""
    check_record(draws, MemberDraws, "draw_members: draws")
    check_record(key, DrawKey, "draw_members: key")
    check_written((draws,))
    begin, end = check_span("draw_members", span, draws.n_members, "members")
    check_threads(n_threads)
    n_blocks = draws.first_block + draws.n_blocks
    noise = normal_numbers(key, begin, end, 4 * n_blocks).reshape(end - begin, n_blocks, 8)
    noise = noise[:, draws.first_block :] * draws.noise
    for j in range(begin, end):
        owners = draws.owners[draws.indptr[j] : draws.indptr[j + 1]]
        weights = draws.weights[owners]
        if draws.values is not None:
            weights = weights * draws.values[draws.indptr[j] : draws.indptr[j + 1]]
        squares = float(np.sum(weights * weights))
        precision = squares + draws.penalty
        member = draws.members[:, j]
        sums = np.einsum("u,buf->bf", weights, draws.errors[:, owners])
        step = noise[j - begin] / np.sqrt(precision) + (sums + squares * member) / precision - member
        member += step
        # An owner may have a member once only, so that no index is repeated.
        draws.errors[:, owners] -= weights[:, np.newaxis] * step[:, np.newaxis]
