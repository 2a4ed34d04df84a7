"""Priors of a Gibbs sampler of matrix factorisation: members of sets, and products of many rows.

Unlike those of a BLAS with threads, the products' bits do not depend on the number of threads, nor on the
processor. The twin is `cfcore.reference.factorization.gibbs_priors`, the loops are in
`gibbs_priors_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_array, check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.gibbs_priors_loops cimport MemberArrays, PriorLoops

from cfcore.kernels import simd
from cfcore.kernels.records import DrawKey, MemberDraws, check_apart, check_span, check_written

cnp.import_array()

cdef enum:
    BLOCK = 256  # rows whose products are one part of the sum

cdef const PriorLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const PriorLoops *>table_in(capsule)


simd.register("factorization.gibbs_priors_loops", _use)


def n_parts(n):
    """The number of parts that `sum_products` sums over n rows, in [0, 2^48); else ValueError."""
    if not 0 <= n < 2**48:
        raise ValueError(f"n_parts: n must be at least 0 and below 2^48, not {n}")
    return (int(n) + BLOCK - 1) // BLOCK


def sum_products(rows, parts, sums, n_threads):
    """Sum the products x_r x_r' of rows.

    Parameters
    ----------
    rows : float64[n, k]
    parts : float64[n_parts(n), k, k], overwritten
        Scratch.
    sums : float64[k, k], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, or what is written is read-only or shares memory with another argument.

    Notes
    -----
    O(n k^2). Parts of 256 rows, which are added in their order: the same bits for any number of threads and
    SIMD levels.
    """
    check_array(rows, cnp.NPY_FLOAT64, 2, False, "sum_products: rows")
    check_array(parts, cnp.NPY_FLOAT64, 3, True, "sum_products: parts")
    check_array(sums, cnp.NPY_FLOAT64, 2, True, "sum_products: sums")
    cdef Py_ssize_t n = rows.shape[0], k = rows.shape[1], part, f, g
    cdef Py_ssize_t n_blocks = (n + BLOCK - 1) // BLOCK
    cdef int workers = 0, team = team_size(n_threads)
    if parts.shape != (n_blocks, k, k) or sums.shape != (k, k):
        raise ValueError(
            f"sum_products: parts must be of shape {(n_blocks, k, k)} and sums of {(k, k)}, not "
            f"{parts.shape} and {sums.shape}"
        )
    check_apart("sum_products", {"parts": parts, "sums": sums}, {"rows": rows})
    cdef const double *x = <const double *>pointer(rows)
    cdef double *found = <double *>pointer(parts)
    cdef double *out = <double *>pointer(sums)
    for part in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.sum_products(x + part * BLOCK * k, min(<Py_ssize_t>BLOCK, n - part * BLOCK), k,
                           found + part * k * k)
    with nogil:
        memset(out, 0, k * k * sizeof(double))
        for part in range(n_blocks):
            for f in range(k):
                for g in range(f, k):
                    out[f * k + g] += found[part * k * k + f * k + g]
        for f in range(k):
            for g in range(f):
                out[f * k + g] = out[g * k + f]
    report_workers(workers)


def multiply_matrix(rows, matrix, out, n_threads):
    """Multiply each row by a matrix.

    Parameters
    ----------
    rows : float64[n, k]
    matrix : float64[k, k]
    out : float64[n, k], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, or `out` is read-only or shares memory with another argument.

    Notes
    -----
    O(n k^2). The same bits for any number of threads and SIMD levels.
    """
    check_array(rows, cnp.NPY_FLOAT64, 2, False, "multiply_matrix: rows")
    check_array(matrix, cnp.NPY_FLOAT64, 2, False, "multiply_matrix: matrix")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "multiply_matrix: out")
    cdef Py_ssize_t n = rows.shape[0], k = rows.shape[1], block
    cdef Py_ssize_t n_blocks = (n + BLOCK - 1) // BLOCK
    cdef int workers = 0, team = team_size(n_threads)
    if matrix.shape != (k, k) or out.shape != (n, k):
        raise ValueError(
            f"multiply_matrix: matrix must be of shape {(k, k)} and out of {(n, k)}, not "
            f"{matrix.shape} and {out.shape}"
        )
    check_apart("multiply_matrix", {"out": out}, {"rows": rows, "matrix": matrix})
    cdef const double *x = <const double *>pointer(rows)
    cdef const double *a = <const double *>pointer(matrix)
    cdef double *found = <double *>pointer(out)
    for block in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.multiply_matrix(x + block * BLOCK * k, min(<Py_ssize_t>BLOCK, n - block * BLOCK), k, a,
                              found + block * BLOCK * k)
    report_workers(workers)


def draw_members(draws, key, span, n_threads):
    """Draw the rows of members of sets, one after the other, each given all others; errors follow them.

    The row of an owner is w_u times the sum of its members' rows, each times its value, and normal noise of
    variance 1.

    Parameters
    ----------
    draws : MemberDraws
        `members` and `errors` are changed in place.
    key : DrawKey
    span : (begin, end)
        The members to draw; spans are drawn in their order.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When an array that is written is read-only or shares memory with another.

    Notes
    -----
    O(n k). A thread draws 8 columns at a time, which do not depend on the others: the same bits for any
    number of threads and spans, and for blocks apart from the others. Simm et al., "Macau: scalable Bayesian
    factorization with high-dimensional side information using MCMC" (2017), whose regression is drawn as a
    whole.
    """
    check_record(draws, MemberDraws, "draw_members: draws")
    check_record(key, DrawKey, "draw_members: key")
    check_written((draws,))
    cdef Py_ssize_t begin, end, block, n_blocks = draws.n_blocks
    begin, end = check_span("draw_members", span, draws.n_members, "members")
    cdef int workers = 0, team = team_size(n_threads)
    cdef MemberArrays given = MemberArrays(
        indptr=<const int64_t *>pointer(draws.indptr), owners=<const int32_t *>pointer(draws.owners),
        weights=<const double *>pointer(draws.weights), values=NULL,
        members=<double *>pointer(draws.members),
        errors=<double *>pointer(draws.errors), penalty=draws.penalty, noise=draws.noise,
        n_members=draws.n_members, n_owners=draws.n_owners, first_block=draws.first_block, seed=key.seed,
        kind=key.kind, sweep=key.sweep,
    )
    if draws.values is not None:
        given.values = <const float *>pointer(draws.values)
    for block in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        draw_own(&given, block, begin, end)
    report_workers(workers)


cdef void draw_own(const MemberArrays *given, Py_ssize_t block, Py_ssize_t begin,
                   Py_ssize_t end) noexcept nogil:
    cdef MemberArrays own = given[0]  # in cache lines that no other thread writes
    loops.draw_block(&own, block, begin, end)
