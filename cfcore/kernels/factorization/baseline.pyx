"""Biases by least squares, those of one side given those of the other.

The twin is `cfcore.reference.factorization.baseline`. Each row is summed in the order of its ratings, which
no SIMD instruction makes faster: so there is one version for all levels.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, length, overlaps, pointer
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size

from cfcore.kernels.records import Biases, RatingRows, check_written

cnp.import_array()

# A `RatingRows` record and a `Biases` record.
cdef struct Rows:
    const int64_t *indptr
    const int32_t *columns
    const float *values
    const double *row_bias
    const double *column_bias
    double mean


def solve(rows, biases, reg, n_threads):
    """Biases of all rows that minimise the regularised squared error, the biases of the columns held:

        b_r = sum over the ratings of row r of (value - mean - b_column) / (reg + their number)

    A damped mean of residuals. Repeated for users and items, it is alternating least squares (Koren, "Factor
    in the neighbors", 2010, section 2.1).

    Parameters
    ----------
    rows : RatingRows
    biases : Biases, changed in place
        ``row_bias`` is overwritten, with 0 for a row without ratings.
    reg : float, at least 0
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When `rows` and `biases` differ in their numbers of rows or columns, ``row_bias`` is read-only or
        shares memory with another array, or `reg` is negative or not finite.

    Notes
    -----
    O(n + n_rows). Each row is summed in order in double: the same bits for any number of threads.
    """
    check_fit("solve", rows, biases)
    check_written((biases,), (rows,))
    cdef double damping = reg
    cdef Py_ssize_t row, n_rows = rows.n_rows
    cdef int workers = 0, team = team_size(n_threads)
    cdef Rows data = rows_of(rows, biases)
    cdef double *out = <double *>pointer(biases.row_bias)
    if not 0 <= damping < float("inf"):
        raise ValueError(f"solve: reg must be finite and at least 0, not {reg!r}")
    for row in prange(n_rows, nogil=True, schedule="dynamic", chunksize=64, num_threads=team):
        workers |= team_present()
        out[row] = damped_mean(&data, row, damping)
    report_workers(workers)


cdef inline double damped_mean(const Rows *data, Py_ssize_t row, double reg) noexcept nogil:
    cdef Py_ssize_t k, begin = data.indptr[row], end = data.indptr[row + 1]
    cdef double total = 0
    for k in range(begin, end):
        total += data.values[k] - data.mean - data.column_bias[data.columns[k]]
    return total / (reg + <double>(end - begin)) if end > begin else 0


def squared_error(rows, biases, squares, n_threads):
    """Sum of (value - mean - b_row - b_column)^2 over each row.

    Parameters
    ----------
    rows : RatingRows
    biases : Biases
    squares : float64[n_rows], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When numbers of rows or columns differ, or `squares` is read-only or shares memory with another array.

    Notes
    -----
    O(n + n_rows). The same bits for any number of threads.
    """
    check_fit("squared_error", rows, biases)
    check_array(squares, cnp.NPY_FLOAT64, 1, True, "squared_error: squares")
    cdef Py_ssize_t row, n_rows = rows.n_rows
    cdef int workers = 0, team = team_size(n_threads)
    cdef Rows data = rows_of(rows, biases)
    cdef double *out = <double *>pointer(squares)
    if length(squares) != n_rows:
        raise ValueError("squared_error: squares must have one entry a row")
    if overlaps(squares, (rows.indptr, rows.indices, rows.values, biases.row_bias, biases.column_bias)):
        raise ValueError("squared_error: squares shares memory with rows or biases")
    for row in prange(n_rows, nogil=True, schedule="dynamic", chunksize=64, num_threads=team):
        workers |= team_present()
        out[row] = row_error(&data, row)
    report_workers(workers)


cdef inline double row_error(const Rows *data, Py_ssize_t row) noexcept nogil:
    cdef double total = 0, base = data.mean + data.row_bias[row], error
    cdef Py_ssize_t k
    for k in range(data.indptr[row], data.indptr[row + 1]):
        error = data.values[k] - base - data.column_bias[data.columns[k]]
        total += error * error
    return total


def predict(users, items, biases, out, n_threads):
    """mu + b_u + b_i for pairs of codes; the bias of an unknown user or item (-1) is left out.

    Parameters
    ----------
    users, items : int32[n], each a code or -1
    biases : Biases
        Rows are users, columns items.
    out : float64[n], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When lengths differ, a code is below -1 or too large, or `out` is read-only or shares memory with
        another array.

    Notes
    -----
    O(n).
    """
    check_array(users, cnp.NPY_INT32, 1, False, "predict: users")
    check_array(items, cnp.NPY_INT32, 1, False, "predict: items")
    check_record(biases, Biases, "predict: biases")
    check_array(out, cnp.NPY_FLOAT64, 1, True, "predict: out")
    cdef Py_ssize_t k, n = length(users), n_users = biases.n_rows, n_items = biases.n_columns
    cdef int workers = 0, team = team_size(n_threads)
    cdef const int32_t *user_codes = <const int32_t *>pointer(users)
    cdef const int32_t *item_codes = <const int32_t *>pointer(items)
    cdef const double *user_bias = <const double *>pointer(biases.row_bias)
    cdef const double *item_bias = <const double *>pointer(biases.column_bias)
    cdef double *found = <double *>pointer(out)
    cdef double mean = biases.mean
    if length(items) != n or length(out) != n:
        raise ValueError("predict: users, items and out must be of one length")
    if overlaps(out, (users, items, biases.row_bias, biases.column_bias)):
        raise ValueError("predict: out shares memory with another argument")
    for k in range(n):
        if not (-1 <= user_codes[k] < n_users and -1 <= item_codes[k] < n_items):
            raise ValueError(f"predict: pair {k} ({user_codes[k]}, {item_codes[k]}) is out of range")
    for k in prange(n, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        found[k] = mean
        if user_codes[k] >= 0:
            found[k] += user_bias[user_codes[k]]
        if item_codes[k] >= 0:
            found[k] += item_bias[item_codes[k]]
    report_workers(workers)


cdef Rows rows_of(rows, biases):
    return Rows(
        indptr=<const int64_t *>pointer(rows.indptr), columns=<const int32_t *>pointer(rows.indices),
        values=<const float *>pointer(rows.values), row_bias=<const double *>pointer(biases.row_bias),
        column_bias=<const double *>pointer(biases.column_bias), mean=biases.mean,
    )


cdef int check_fit(str function, rows, biases) except -1:
    """Raise unless `rows` and `biases` are records of as many rows and columns."""
    check_record(rows, RatingRows, f"{function}: rows")
    check_record(biases, Biases, f"{function}: biases")
    if rows.n_rows != biases.n_rows or rows.n_columns != biases.n_columns:
        raise ValueError(
            f"{function}: rows has {rows.n_rows} rows and {rows.n_columns} columns, "
            f"biases has {biases.n_rows} and {biases.n_columns}"
        )
    return 0
