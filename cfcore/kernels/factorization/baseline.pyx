"""Biases by least squares, one side given the other. Twin: `cfcore.reference.factorization.baseline`."""
from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.factorization.sgd cimport are_codes
from cfcore.kernels.common.threads cimport unchecked_team_size as team_size


def solve(const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] values,
          const double[::1] other, double[::1] bias, double mean, double reg, int n_threads):
    """Biases of all rows that minimise the regularised squared error, the biases of the columns held:

        b_r = sum over the ratings of row r of (value - mean - other[column]) / (reg + their number)

    A damped mean of residuals. Users and items in turn: alternating least squares (Koren, "Factor in the
    neighbors", 2010, section 2.1).

    Parameters
    ----------
    indptr, indices, values : int64[n_rows + 1], int32[n], float32[n]
        Ratings in compressed rows.
    other : float64[n_columns]
        Biases of the columns.
    bias : float64[n_rows], overwritten
        0 for a row without ratings.
    mean, reg : float
        `reg` >= 0.
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a column or a row bound is out of range.

    Notes
    -----
    O(n + n_rows). Each row is summed in order in double: the same bits for any number of threads.
    """
    cdef Py_ssize_t row, n_rows = bias.shape[0], n = indices.shape[0], n_columns = other.shape[0]
    cdef bint sound
    _check("solve", indptr, n_rows, n, values.shape[0])
    if n == 0:
        bias[:] = 0
        return
    with nogil:
        sound = are_codes(&indices[0], n, n_columns)
        if sound:
            for row in prange(n_rows, schedule="dynamic", chunksize=64, num_threads=team_size(n_threads)):
                bias[row] = damped_mean(&indices[0], &values[0], indptr[row], indptr[row + 1],
                                        &other[0], mean, reg)
    if not sound:
        raise ValueError("solve: a column is out of range")


cdef inline double damped_mean(const int32_t *indices, const float *values, Py_ssize_t begin, Py_ssize_t end,
                               const double *other, double mean, double reg) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t k
    for k in range(begin, end):
        total += values[k] - mean - other[indices[k]]
    return total / (reg + <double>(end - begin)) if end > begin else 0


def squared_error(const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] values,
                  const double[::1] row_bias, const double[::1] column_bias, double[::1] squares,
                  double mean, int n_threads):
    """Sum of (value - mean - b_row - b_column)^2 over each row.

    Parameters
    ----------
    indptr, indices, values : int64[n_rows + 1], int32[n], float32[n]
    row_bias, column_bias : float64[n_rows], float64[n_columns]
    squares : float64[n_rows], overwritten
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a column or a row bound is out of range.

    Notes
    -----
    O(n + n_rows). The same bits for any number of threads.
    """
    cdef Py_ssize_t row, n_rows = squares.shape[0], n = indices.shape[0], n_columns = column_bias.shape[0]
    cdef bint sound
    _check("squared_error", indptr, n_rows, n, values.shape[0])
    if row_bias.shape[0] != n_rows:
        raise ValueError("squared_error: row_bias and squares must be of one length")
    if n == 0:
        squares[:] = 0
        return
    with nogil:
        sound = are_codes(&indices[0], n, n_columns)
        if sound:
            for row in prange(n_rows, schedule="dynamic", chunksize=64, num_threads=team_size(n_threads)):
                squares[row] = row_error(&indices[0], &values[0], indptr[row], indptr[row + 1],
                                         mean + row_bias[row], &column_bias[0])
    if not sound:
        raise ValueError("squared_error: a column is out of range")


cdef inline double row_error(const int32_t *indices, const float *values, Py_ssize_t begin, Py_ssize_t end,
                             double base, const double *column_bias) noexcept nogil:
    cdef double total = 0, error
    cdef Py_ssize_t k
    for k in range(begin, end):
        error = values[k] - base - column_bias[indices[k]]
        total += error * error
    return total


def predict(const int32_t[::1] users, const int32_t[::1] items, const floating[::1] user_bias,
            const floating[::1] item_bias, double[::1] out, double mean, int n_threads):
    """mu + b_u + b_i for pairs of codes; the bias of an unknown user or item (-1) is left out.

    Parameters
    ----------
    users, items : int32[n], each a code or -1
    user_bias, item_bias : float32 or float64 [n_users], [n_items]
    out : float64[n], overwritten
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When lengths differ, or a code is below -1 or too large.
    """
    cdef Py_ssize_t k, n = users.shape[0], n_users = user_bias.shape[0], n_items = item_bias.shape[0]
    if items.shape[0] != n or out.shape[0] != n:
        raise ValueError("predict: users, items and out must be of one length")
    for k in range(n):
        if not (-1 <= users[k] < n_users and -1 <= items[k] < n_items):
            raise ValueError(f"predict: pair {k} ({users[k]}, {items[k]}) is out of range")
    with nogil:
        for k in prange(n, schedule="static", num_threads=team_size(n_threads)):
            out[k] = mean
            if users[k] >= 0:
                out[k] += user_bias[users[k]]
            if items[k] >= 0:
                out[k] += item_bias[items[k]]


cdef _check(str who, const int64_t[::1] indptr, Py_ssize_t n_rows, Py_ssize_t n, Py_ssize_t n_values):
    cdef Py_ssize_t row
    if n_values != n or indptr.shape[0] != n_rows + 1:
        raise ValueError(f"{who}: indices and values must be of one length, indptr one longer than the rows")
    if indptr[0] != 0 or indptr[n_rows] != n:
        raise ValueError(f"{who}: indptr must run from 0 to the number of ratings")
    for row in range(n_rows):
        if indptr[row] > indptr[row + 1]:
            raise ValueError(f"{who}: indptr falls at row {row}")
