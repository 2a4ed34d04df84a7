"""Rows of a Gibbs sampler, times a matrix, into and out of the blocks of columns that members are drawn in.

The twin is `cfcore.reference.factorization.gibbs_blocks`, the products are those of `gibbs_priors_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid

from cfcore.kernels.common.arrays cimport check_array, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.gibbs_priors_loops cimport PriorLoops

from cfcore.kernels import simd
from cfcore.kernels.records import check_apart

cnp.import_array()

cdef enum:
    TILE = 64  # rows that are multiplied at a time

cdef const PriorLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const PriorLoops *>table_in(capsule)


simd.register("factorization.gibbs_priors_loops", _use)


def multiply_into_blocks(rows, mean, matrix, blocks, scratch, n_threads):
    """Multiply each row less a mean by a matrix, into blocks of 8 columns.

    Parameters
    ----------
    rows : float64[n, k]
    mean : float64[k] or None
    matrix : float64[k, k]
    blocks : float64[n_blocks, n, 8], overwritten
        Enough for k columns; those after them become 0.
    scratch : float64[a, b], overwritten
        At least a row of 128 k numbers for each thread.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        As of `multiply_matrix`.

    Notes
    -----
    O(n k^2). The bits of `multiply_matrix`.
    """
    cdef str name = "multiply_into_blocks"
    check_array(rows, cnp.NPY_FLOAT64, 2, False, f"{name}: rows")
    check_array(matrix, cnp.NPY_FLOAT64, 2, False, f"{name}: matrix")
    check_array(blocks, cnp.NPY_FLOAT64, 3, True, f"{name}: blocks")
    check_array(scratch, cnp.NPY_FLOAT64, 2, True, f"{name}: scratch")
    read = {"rows": rows, "matrix": matrix}
    if mean is not None:
        check_array(mean, cnp.NPY_FLOAT64, 1, False, f"{name}: mean")
        read["mean"] = mean
    cdef Py_ssize_t n = rows.shape[0], k = rows.shape[1], n_blocks = (k + 7) // 8, tile
    cdef int workers = 0, team = team_size(n_threads)
    if matrix.shape != (k, k) or blocks.shape != (n_blocks, n, 8) or mean is not None and len(mean) != k:
        raise ValueError(f"{name}: matrix and blocks must be of shapes {(k, k)} and {(n_blocks, n, 8)}, not "
                         f"{matrix.shape} and {blocks.shape}, and a mean of {k} numbers")
    if scratch.shape[0] < n_threads or scratch.shape[1] < 2 * TILE * k:
        raise ValueError(f"{name}: scratch must be of shape {(n_threads, 2 * TILE * k)}, not {scratch.shape}")
    check_apart(name, {"blocks": blocks, "scratch": scratch}, read)
    cdef const double *x = <const double *>pointer(rows)
    cdef const double *m = <const double *>pointer(mean) if mean is not None else NULL
    cdef const double *a = <const double *>pointer(matrix)
    cdef double *to = <double *>pointer(blocks)
    cdef double *room = <double *>pointer(scratch)
    cdef Py_ssize_t apart = scratch.shape[1]
    for tile in prange((n + TILE - 1) // TILE, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        multiply_tile(x + tile * TILE * k, min(<Py_ssize_t>TILE, n - tile * TILE), m, a, to + tile * TILE * 8,
                      n, k, room + threadid() * apart)
    report_workers(workers)


cdef inline void multiply_tile(const double *x, Py_ssize_t n_rows, const double *mean, const double *matrix,
                               double *blocks, Py_ssize_t n, Py_ssize_t k, double *room) noexcept nogil:
    cdef const double *rows = x
    cdef double *found = room + TILE * k
    cdef double *to
    cdef Py_ssize_t row, f, block, lane
    if mean != NULL:
        for row in range(n_rows):
            for f in range(k):
                room[row * k + f] = x[row * k + f] - mean[f]
        rows = room
    loops.multiply_matrix(rows, n_rows, k, matrix, found)
    for block in range((k + 7) // 8):
        to = blocks + block * n * 8
        if k - block * 8 >= 8:
            for row in range(n_rows):
                for lane in range(8):
                    to[row * 8 + lane] = found[row * k + block * 8 + lane]
        else:
            for row in range(n_rows):
                for lane in range(8):
                    to[row * 8 + lane] = found[row * k + block * 8 + lane] if block * 8 + lane < k else 0


def multiply_blocks(blocks, matrix, rows, out, n_threads):
    """Multiply rows that are in blocks of 8 columns by a matrix.

    Parameters
    ----------
    blocks : float64[n_blocks, n, 8]
    matrix : float64[k, k]
    rows : float64[n, k], overwritten
        The rows in the blocks.
    out : float64[n, k], overwritten
        Their products.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        As of `multiply_matrix`.

    Notes
    -----
    O(n k^2). The bits of `multiply_matrix`.
    """
    cdef str name = "multiply_blocks"
    check_array(blocks, cnp.NPY_FLOAT64, 3, False, f"{name}: blocks")
    check_array(matrix, cnp.NPY_FLOAT64, 2, False, f"{name}: matrix")
    check_array(rows, cnp.NPY_FLOAT64, 2, True, f"{name}: rows")
    check_array(out, cnp.NPY_FLOAT64, 2, True, f"{name}: out")
    cdef Py_ssize_t n = rows.shape[0], k = rows.shape[1], n_blocks = (k + 7) // 8, tile
    cdef int workers = 0, team = team_size(n_threads)
    if matrix.shape != (k, k) or blocks.shape != (n_blocks, n, 8) or out.shape != (n, k):
        raise ValueError(f"{name}: matrix, blocks and out must be of shapes {(k, k)}, {(n_blocks, n, 8)} and "
                         f"{(n, k)}, not {matrix.shape}, {blocks.shape} and {out.shape}")
    check_apart(name, {"rows": rows, "out": out}, {"blocks": blocks, "matrix": matrix})
    cdef const double *held = <const double *>pointer(blocks)
    cdef const double *a = <const double *>pointer(matrix)
    cdef double *x = <double *>pointer(rows)
    cdef double *to = <double *>pointer(out)
    for tile in prange((n + TILE - 1) // TILE, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        gather_tile(held, x, tile * TILE, min((tile + 1) * TILE, n), n, k)
        loops.multiply_matrix(x + tile * TILE * k, min(<Py_ssize_t>TILE, n - tile * TILE), k, a,
                              to + tile * TILE * k)
    report_workers(workers)


cdef inline void gather_tile(const double *blocks, double *rows, Py_ssize_t begin, Py_ssize_t end,
                             Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    cdef const double *held
    cdef Py_ssize_t row, block, lane
    for block in range((k + 7) // 8):
        held = blocks + block * n * 8
        if k - block * 8 >= 8:
            for row in range(begin, end):
                for lane in range(8):
                    rows[row * k + block * 8 + lane] = held[row * 8 + lane]
        else:
            for row in range(begin, end):
                for lane in range(k - block * 8):
                    rows[row * k + block * 8 + lane] = held[row * 8 + lane]
