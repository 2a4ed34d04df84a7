"""Baselines of users and items in float64, one rating after the other; see `baselines.py`."""
from libc.stdint cimport int32_t, int64_t


def als(columns, double mean, Py_ssize_t n_epochs, double reg_u, double reg_i, double[::1] bu,
        double[::1] bi):
    """Alternating least squares: items, then users, `n_epochs` times.

    Parameters
    ----------
    columns : Columns
    mean : float
        Of all ratings.
    n_epochs : int
    reg_u, reg_i : float
        Added to the number of ratings in the denominators.
    bu, bi : float64[n_users], float64[n_items], changed in place
    """
    cdef const int64_t[::1] starts_u = columns.user_indptr, starts_i = columns.item_indptr
    cdef const int32_t[::1] items = columns.user_items, users = columns.item_users
    cdef const double[::1] of_users = columns.user_ratings, of_items = columns.item_ratings
    cdef Py_ssize_t _epoch
    check(bu, bi, columns)
    with nogil:
        for _epoch in range(n_epochs):
            half(starts_i, users, of_items, mean, reg_i, bu, bi)
            half(starts_u, items, of_users, mean, reg_u, bi, bu)


cdef int half(const int64_t[::1] starts, const int32_t[::1] others, const double[::1] ratings, double mean,
              double reg, double[::1] fixed, double[::1] found) except -1 nogil:
    """Baselines of one side, those of the other side being given."""
    cdef Py_ssize_t one, entry
    cdef double total, divisor
    for one in range(starts.shape[0] - 1):
        total = 0
        for entry in range(starts[one], starts[one + 1]):
            total += ratings[entry] - mean - fixed[others[entry]]
        divisor = reg + <double>(starts[one + 1] - starts[one])
        if divisor == 0:
            with gil:
                raise ZeroDivisionError("float division")
        found[one] = total / divisor
    return 0


def sgd(columns, double mean, Py_ssize_t n_epochs, double rate, double reg, double[::1] bu, double[::1] bi):
    """Stochastic gradient descent in the order of `all_ratings`, `n_epochs` times.

    Parameters
    ----------
    columns : Columns
    mean : float
        Of all ratings.
    n_epochs : int
    rate, reg : float
        Learning rate and regularization of both sides.
    bu, bi : float64[n_users], float64[n_items], changed in place
    """
    cdef const int32_t[::1] users = columns.users, items = columns.items
    cdef const double[::1] ratings = columns.ratings
    cdef Py_ssize_t _epoch, entry, u, i
    cdef double error
    check(bu, bi, columns)
    with nogil:
        for _epoch in range(n_epochs):
            for entry in range(users.shape[0]):
                u, i = users[entry], items[entry]
                error = ratings[entry] - (mean + bu[u] + bi[i])
                bu[u] += rate * (error - reg * bu[u])
                bi[i] += rate * (error - reg * bi[i])


cdef check(double[::1] bu, double[::1] bi, columns):
    if bu.shape[0] != columns.n_users or bi.shape[0] != columns.n_items:
        raise ValueError("bu and bi need one number for each user and each item of the training set")
