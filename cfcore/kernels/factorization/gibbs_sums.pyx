"""Sums over all rows of factors of a Gibbs sampler, in one order for any number of threads.

The twin is `cfcore.reference.factorization.gibbs_sums`.
"""
cimport numpy as cnp
from cython.parallel cimport prange

from cfcore.kernels.common.arrays cimport check_array, pointer
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size

from cfcore.kernels.records import check_apart

cnp.import_array()

cdef enum:
    BLOCK = 256  # rows that a thread takes at a time
    GROUP = 8    # columns that a thread takes at a time
    LEAF = 128   # products of `sum_pairs` that are summed in 8 lanes
    DEPTH = 6    # halvings of the products of `sum_pairs`, whose parts are divided among threads
    PARTS = 64   # 2^DEPTH


def centre_rows(rows, mean, out, n_threads):
    """Subtract the mean of all rows from each.

    Parameters
    ----------
    rows : float64[n, k]
    mean : float64[k], overwritten
    out : float64[n, k], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, there are no rows, or what is written is read-only or shares memory with another
        argument.

    Notes
    -----
    O(n k). The mean is summed in the order of the rows.
    """
    check_array(rows, cnp.NPY_FLOAT64, 2, False, "centre_rows: rows")
    check_array(mean, cnp.NPY_FLOAT64, 1, True, "centre_rows: mean")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "centre_rows: out")
    cdef Py_ssize_t at, n = rows.shape[0], k = rows.shape[1]
    if n < 1 or mean.shape != (k,) or out.shape != rows.shape:
        raise ValueError(
            f"centre_rows: mean and out must be of the shapes of rows {rows.shape}, at least one, not "
            f"{mean.shape} and {out.shape}"
        )
    check_apart("centre_rows", {"mean": mean, "out": out}, {"rows": rows})
    cdef int workers = 0, team = team_size(n_threads)
    cdef const double *x = <const double *>pointer(rows)
    cdef double *m = <double *>pointer(mean)
    cdef double *to = <double *>pointer(out)
    for at in prange((k + GROUP - 1) // GROUP, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        sum_columns(x, NULL, m, n, k, at * GROUP, min((at + 1) * GROUP, k))
    for at in range(k):
        m[at] /= n
    for at in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=team):
        centre(x, m, to, at * BLOCK, min((at + 1) * BLOCK, n), k)
    report_workers(workers)


cdef inline void sum_columns(const double *x, const double *weights, double *sums, Py_ssize_t n,
                             Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    """Sums of up to 8 columns, in the order of the rows, each times its weight where there are weights."""
    cdef double[8] held  # GROUP
    cdef double weight = 1
    cdef Py_ssize_t row, f
    for f in range(8):
        held[f] = 0
    for row in range(n):
        if weights != NULL:
            weight = weights[row]
        if end - begin == GROUP:
            for f in range(8):  # GROUP, as a literal: the compiler unrolls the loop
                held[f] += x[row * k + begin + f] * weight
        else:
            for f in range(end - begin):
                held[f] += x[row * k + begin + f] * weight
    for f in range(end - begin):
        sums[begin + f] = held[f]


cdef inline void centre(const double *x, const double *m, double *to, Py_ssize_t begin, Py_ssize_t end,
                        Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t row, f
    for row in range(begin, end):
        for f in range(k):
            to[row * k + f] = x[row * k + f] - m[f]


def weigh_rows(rows, weights, sums, n_threads):
    """Sum the rows, each times its weight.

    Parameters
    ----------
    rows : float64[n, k]
    weights : float64[n]
    sums : float64[k], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ, or `sums` are read-only or share memory with another argument.

    Notes
    -----
    O(n k). In the order of the rows.
    """
    check_array(rows, cnp.NPY_FLOAT64, 2, False, "weigh_rows: rows")
    check_array(weights, cnp.NPY_FLOAT64, 1, False, "weigh_rows: weights")
    check_array(sums, cnp.NPY_FLOAT64, 1, True, "weigh_rows: sums")
    cdef Py_ssize_t at, n = rows.shape[0], k = rows.shape[1]
    if weights.shape != (n,) or sums.shape != (k,):
        raise ValueError(
            f"weigh_rows: weights must be of shape {(n,)} and sums of {(k,)}, not {weights.shape} and "
            f"{sums.shape}"
        )
    check_apart("weigh_rows", {"sums": sums}, {"rows": rows, "weights": weights})
    cdef int workers = 0, team = team_size(n_threads)
    cdef const double *x = <const double *>pointer(rows)
    cdef const double *w = <const double *>pointer(weights)
    cdef double *to = <double *>pointer(sums)
    for at in prange((k + GROUP - 1) // GROUP, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        sum_columns(x, w, to, n, k, at * GROUP, min((at + 1) * GROUP, k))
    report_workers(workers)


def sum_pairs(left, right, n_threads):
    """The sum of all products of numbers of two arrays at the same place.

    Parameters
    ----------
    left, right : float64[n, k]
        May be one array.
    n_threads : int in [1, 1024]

    Returns
    -------
    float

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When shapes differ.

    Notes
    -----
    O(n k). Pairwise: the sum of both halves, down to 128 products, which are summed in 8 lanes; an error of
    O(log n k) roundings (Higham, "The accuracy of floating point summation", SIAM Journal on Scientific
    Computing 1993). ``np.sum(left * right)`` has the same bits.
    """
    check_array(left, cnp.NPY_FLOAT64, 2, False, "sum_pairs: left")
    check_array(right, cnp.NPY_FLOAT64, 2, False, "sum_pairs: right")
    if left.shape != right.shape:
        raise ValueError(
            f"sum_pairs: left and right must be of one shape, not {left.shape} and {right.shape}"
        )
    cdef int workers = 0, team = team_size(n_threads)
    cdef const double *x = <const double *>pointer(left)
    cdef const double *y = <const double *>pointer(right)
    cdef Py_ssize_t[65] begins  # PARTS + 1
    cdef double[64] sums
    cdef Py_ssize_t part, n_parts = 0, n = left.shape[0] * left.shape[1]
    begins[0] = 0
    divide(begins, &n_parts, n, DEPTH)
    for part in prange(n_parts, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        sums[part] = sum_half(x + begins[part], y + begins[part], begins[part + 1] - begins[part])
    report_workers(workers)
    part = 0
    return join(sums, &part, n, DEPTH)


cdef inline Py_ssize_t half_of(Py_ssize_t n) noexcept nogil:
    return n // 2 - n // 2 % 8


cdef void divide(Py_ssize_t *begins, Py_ssize_t *n_parts, Py_ssize_t n, int depth) noexcept nogil:
    """Append the bounds of the parts of n products that are halved `depth` times, or down to 128."""
    if n <= LEAF or depth == 0:
        begins[n_parts[0] + 1] = begins[n_parts[0]] + n
        n_parts[0] += 1
    else:
        divide(begins, n_parts, half_of(n), depth - 1)
        divide(begins, n_parts, n - half_of(n), depth - 1)


cdef double join(const double *sums, Py_ssize_t *part, Py_ssize_t n, int depth) noexcept nogil:
    """The sum of these parts, from `part` on, which is moved to the next."""
    cdef double left
    if n <= LEAF or depth == 0:
        part[0] += 1
        return sums[part[0] - 1]
    left = join(sums, part, half_of(n), depth - 1)
    return left + join(sums, part, n - half_of(n), depth - 1)


cdef double sum_half(const double *x, const double *y, Py_ssize_t n) noexcept nogil:
    cdef double[8] lanes
    cdef double total = 0
    cdef Py_ssize_t k, lane
    if n > LEAF:
        return sum_half(x, y, half_of(n)) + sum_half(x + half_of(n), y + half_of(n), n - half_of(n))
    if n < 8:
        for k in range(n):
            total += x[k] * y[k]
        return total
    for lane in range(8):
        lanes[lane] = x[lane] * y[lane]
    for k in range(1, n // 8):
        for lane in range(8):
            lanes[lane] += x[8 * k + lane] * y[8 * k + lane]
    total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for k in range(n // 8 * 8, n):
        total += x[k] * y[k]
    return total
