"""An epoch of NMF in float64, in the order of `all_ratings`; see `matrix_factorization.py`."""
from libc.stdint cimport int32_t, int64_t

import numpy as np

cdef extern from "nmf.h" nogil:
    void accumulate "cf_nmf_accumulate"(const double *const *rows, Py_ssize_t k, double rating, double est,
                                        double *const *sums, int avx2)
    void dots_of "cf_nmf_dots"(const double *pu, const double *qi, const int32_t *users, const int32_t *items,
                               Py_ssize_t n, Py_ssize_t k, double *out)

cdef enum:
    BLOCK = 256


def epoch(columns, parameters, constants, bint avx2):
    """An epoch of multiplicative updates, and of SGD of the biases if the model has them.

    Parameters
    ----------
    columns : Columns
    parameters : Parameters, changed in place
    constants : Constants
    avx2 : bool
        Whether the processor has AVX2.
    """
    cdef double[:, ::1] pu = parameters.pu, qi = parameters.qi
    cdef double[::1] bu = parameters.bu, bi = parameters.bi
    cdef const int32_t[::1] users = columns.users, items = columns.items
    cdef const double[::1] ratings = columns.ratings
    cdef const int64_t[::1] starts_u = columns.user_indptr, starts_i = columns.item_indptr
    cdef Py_ssize_t n = users.shape[0], k = pu.shape[1], first, r, m, u, i
    cdef bint biased = constants.biased
    cdef double mean = constants.mean if biased else 0.0, est, error
    cdef double rate_u = constants.rates[0], rate_i = constants.rates[1]
    cdef double reg_bu = constants.regs[0], reg_bi = constants.regs[1]
    cdef double reg_pu = constants.regs[2], reg_qi = constants.regs[3]
    cdef double[BLOCK] dots
    cdef const double *rows[2]
    cdef double *sums[4]
    if pu.shape[0] != columns.n_users or bu.shape[0] != columns.n_users:
        raise ValueError("pu and bu need one row for each user of the training set")
    if qi.shape[0] != columns.n_items or bi.shape[0] != columns.n_items or qi.shape[1] != k:
        raise ValueError("qi and bi need one row for each item of the training set")
    if n == 0 or k == 0:
        return
    cdef double[:, ::1] num_u = np.zeros((pu.shape[0], k)), den_u = np.zeros((pu.shape[0], k))
    cdef double[:, ::1] num_i = np.zeros((qi.shape[0], k)), den_i = np.zeros((qi.shape[0], k))
    with nogil:
        first = 0
        while first < n:
            m = min(<Py_ssize_t>BLOCK, n - first)
            dots_of(&pu[0, 0], &qi[0, 0], &users[first], &items[first], m, k, dots)
            for r in range(m):
                u, i = users[first + r], items[first + r]
                if biased:
                    est = mean + bu[u] + bi[i] + dots[r]
                    error = ratings[first + r] - est
                    bu[u] += rate_u * (error - reg_bu * bu[u])
                    bi[i] += rate_i * (error - reg_bi * bi[i])
                else:
                    est = dots[r]
                rows[0], rows[1] = &pu[u, 0], &qi[i, 0]
                sums[0], sums[1], sums[2], sums[3] = &num_u[u, 0], &den_u[u, 0], &num_i[i, 0], &den_i[i, 0]
                accumulate(rows, k, ratings[first + r], est, sums, avx2)
            first += m
        multiply(pu, num_u, den_u, starts_u, reg_pu)
        multiply(qi, num_i, den_i, starts_i, reg_qi)


cdef void multiply(double[:, ::1] rows, double[:, ::1] numerators, double[:, ::1] denominators,
                   const int64_t[::1] starts, double reg) noexcept nogil:
    """The update of all factors of one side; a factor of 0 stays."""
    cdef Py_ssize_t row, f
    cdef double damping
    for row in range(rows.shape[0]):
        damping = <double>(starts[row + 1] - starts[row]) * reg
        for f in range(rows.shape[1]):
            if rows[row, f] != 0:
                denominators[row, f] += damping * rows[row, f]
                rows[row, f] *= numerators[row, f] / denominators[row, f]
