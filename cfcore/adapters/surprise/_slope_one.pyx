"""Deviations of Slope One in float64; see `slope_one.py`."""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t

import numpy as np

from cfcore.adapters.surprise.means import whole_parts


def deviations(columns, int64_t[:, ::1] freq, double[:, ::1] dev):
    """Mean differences of the ratings, cut to whole numbers, of all pairs of items.

    Parameters
    ----------
    columns : Columns
    freq : int64[n_items, n_items], zeros, changed in place
    dev : float64[n_items, n_items], overwritten
        Antisymmetric; NaN where no user rated both.
    """
    cdef const int64_t[::1] starts = columns.user_indptr
    cdef const int32_t[::1] items = columns.user_items
    cdef Py_ssize_t n = columns.n_items, n_users = columns.n_users, u, a, b, i, j
    # Sums of whole numbers are exact: one pass of integers, in any order.
    whole = whole_parts(columns.user_ratings).astype(np.int64)
    cdef const int64_t[::1] ratings = whole
    sums = np.zeros((n, n), dtype=np.int64)
    cdef int64_t[:, ::1] total = sums
    cdef int64_t rating
    if freq.shape[0] != n or freq.shape[1] != n or dev.shape[0] != n or dev.shape[1] != n:
        raise ValueError("freq and dev need a row and a column for each item")
    with nogil:
        for u in range(n_users):
            if u % 256 == 0:
                with gil:
                    PyErr_CheckSignals()
            for a in range(starts[u], starts[u + 1]):
                i, rating = items[a], ratings[a]
                for b in range(starts[u], starts[u + 1]):
                    j = items[b]
                    freq[i, j] += 1
                    total[i, j] += rating - ratings[b]
        for i in range(n):
            dev[i, i] = 0
            for j in range(i + 1, n):
                dev[i, j] = <double>total[i, j] / freq[i, j] if freq[i, j] else NAN
                dev[j, i] = -dev[i, j]


def add_deviations(columns, const int64_t[:, ::1] freq, const double[:, ::1] dev, pairs, double[::1] values):
    """Add the mean deviation of an item from the items that a user rated.

    Parameters
    ----------
    columns : Columns
    freq, dev : int64[n_items, n_items], float64[n_items, n_items]
    pairs : (int32[m], int32[m])
        Users and items; nothing is added for a pair with a negative id.
    values : float64[m], changed in place
    """
    cdef const int64_t[::1] starts = columns.user_indptr
    cdef const int32_t[::1] rated = columns.user_items, users = pairs[0], items = pairs[1]
    cdef Py_ssize_t n = columns.n_items, n_users = columns.n_users, r, entry, i, count
    cdef double total
    if freq.shape[0] != n or freq.shape[1] != n or dev.shape[0] != n or dev.shape[1] != n:
        raise ValueError("freq and dev need a row and a column for each item")
    if items.shape[0] != users.shape[0] or values.shape[0] != users.shape[0]:
        raise ValueError("pairs and values have different lengths")
    for r in range(users.shape[0]):
        if users[r] >= n_users or items[r] >= n:
            raise ValueError("pairs: an id is not among those of the training set")
    with nogil:
        for r in range(users.shape[0]):
            if r % 65536 == 0:
                with gil:
                    PyErr_CheckSignals()
            if users[r] < 0 or items[r] < 0:
                continue
            i, total, count = items[r], 0, 0
            for entry in range(starts[users[r]], starts[users[r] + 1]):
                if freq[i, rated[entry]] > 0:
                    total += dev[i, rated[entry]]
                    count += 1
            if count:
                values[r] += total / count
