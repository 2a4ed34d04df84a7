"""Passes of a Gibbs sampler over all rows of factors, between their draws.

Each number is computed by the same operations in the same order for any number of threads. The twin is
`cfcore.reference.factorization.gibbs_rows`.
"""
cimport numpy as cnp
from cython.parallel cimport prange

from cfcore.kernels.common.arrays cimport check_array, pointer
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size

from cfcore.kernels.records import check_apart

cnp.import_array()

cdef enum:
    BLOCK = 256  # rows that a thread takes at a time


def overrelax_rows(rows, drawn, means, factors, n_threads):
    """Move each row to the other side of its mean: m + a (x - m) + c (d - m), with d a draw around the mean.

    Parameters
    ----------
    rows : float32[n, width], changed in place
        The rows x.
    drawn, means : float32[n, width]
    factors : (float, float)
        a and c, rounded to float32, as each operation is.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, or rows are read-only or share memory with another argument.

    Notes
    -----
    O(n width).
    """
    check_array(rows, cnp.NPY_FLOAT32, 2, True, "overrelax_rows: rows")
    check_array(drawn, cnp.NPY_FLOAT32, 2, False, "overrelax_rows: drawn")
    check_array(means, cnp.NPY_FLOAT32, 2, False, "overrelax_rows: means")
    if drawn.shape != rows.shape or means.shape != rows.shape:
        raise ValueError(
            f"overrelax_rows: drawn and means must be of shape {rows.shape}, not {drawn.shape} and "
            f"{means.shape}"
        )
    check_apart("overrelax_rows", {"rows": rows}, {"drawn": drawn, "means": means})
    cdef int workers = 0, team = team_size(n_threads)
    cdef float of_row, of_draw
    of_row, of_draw = factors
    cdef Py_ssize_t block, n = rows.shape[0], width = rows.shape[1]
    cdef float *x = <float *>pointer(rows)
    cdef const float *d = <const float *>pointer(drawn)
    cdef const float *m = <const float *>pointer(means)
    for block in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        overrelax(x, d, m, of_row, of_draw, block * BLOCK * width, min((block + 1) * BLOCK, n) * width)
    report_workers(workers)


cdef inline void overrelax(float *x, const float *d, const float *m, float of_row, float of_draw,
                           Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(begin, end):
        x[k] = ((d[k] - m[k]) * of_draw + (x[k] - m[k]) * of_row) + m[k]


def subtract_sums(rows, mean, sums, out, n_threads):
    """Subtract a mean from all rows, and a sum from each, in double.

    Parameters
    ----------
    rows : float32[n, width]
        Of k numbers, and padding.
    mean : float64[k] or None
    sums : float64[n, k]
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
    O(n k).
    """
    check_array(rows, cnp.NPY_FLOAT32, 2, False, "subtract_sums: rows")
    check_array(sums, cnp.NPY_FLOAT64, 2, False, "subtract_sums: sums")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "subtract_sums: out")
    read = {"rows": rows, "sums": sums}
    if mean is not None:
        check_array(mean, cnp.NPY_FLOAT64, 1, False, "subtract_sums: mean")
        read["mean"] = mean
    cdef Py_ssize_t block, n = rows.shape[0], width = rows.shape[1], k = sums.shape[1]
    if sums.shape[0] != n or k > width or out.shape != sums.shape:
        raise ValueError(
            f"subtract_sums: sums and out must be of one shape, for {n} rows of at most {width} numbers, not "
            f"{sums.shape} and {out.shape}"
        )
    if mean is not None and len(mean) != k:
        raise ValueError(f"subtract_sums: mean must be of {k} numbers, not {len(mean)}")
    check_apart("subtract_sums", {"out": out}, read)
    cdef int workers = 0, team = team_size(n_threads)
    cdef const float *x = <const float *>pointer(rows)
    cdef const double *s = <const double *>pointer(sums)
    cdef const double *m = NULL
    cdef double *to = <double *>pointer(out)
    if mean is not None:
        m = <const double *>pointer(mean)
    for block in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        subtract(x, m, s, to, block * BLOCK, min((block + 1) * BLOCK, n), width, k)
    report_workers(workers)


cdef inline void subtract(const float *x, const double *mean, const double *s, double *to, Py_ssize_t begin,
                          Py_ssize_t end, Py_ssize_t width, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t row, f
    for row in range(begin, end):
        if mean == NULL:
            for f in range(k):
                to[row * k + f] = x[row * width + f] - s[row * k + f]
        else:
            for f in range(k):
                to[row * k + f] = (x[row * width + f] - mean[f]) - s[row * k + f]


def extend_rows(rows, ends, out, n_threads):
    """Append the same numbers to each row, in double.

    Parameters
    ----------
    rows : float32[n, width]
        Of k numbers, and padding.
    ends : float64[m]
    out : float64[n, k + m], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, or `out` is read-only or shares memory with another argument.

    Notes
    -----
    O(n (k + m)).
    """
    check_array(rows, cnp.NPY_FLOAT32, 2, False, "extend_rows: rows")
    check_array(ends, cnp.NPY_FLOAT64, 1, False, "extend_rows: ends")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "extend_rows: out")
    cdef Py_ssize_t block, n = rows.shape[0], width = rows.shape[1], m = ends.shape[0]
    cdef Py_ssize_t k = out.shape[1] - m
    if out.shape[0] != n or not 0 <= k <= width:
        raise ValueError(
            f"extend_rows: out must have {n} rows of {m} to {width + m} numbers, and is of shape {out.shape}"
        )
    check_apart("extend_rows", {"out": out}, {"rows": rows, "ends": ends})
    cdef int workers = 0, team = team_size(n_threads)
    cdef const float *x = <const float *>pointer(rows)
    cdef const double *more = <const double *>pointer(ends)
    cdef double *to = <double *>pointer(out)
    for block in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        extend(x, more, to, block * BLOCK, min((block + 1) * BLOCK, n), width, k, m)
    report_workers(workers)


cdef inline void extend(const float *x, const double *ends, double *to, Py_ssize_t begin, Py_ssize_t end,
                        Py_ssize_t width, Py_ssize_t k, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t row, f
    for row in range(begin, end):
        for f in range(k):
            to[row * (k + m) + f] = x[row * width + f]
        for f in range(m):
            to[row * (k + m) + k + f] = ends[f]
