# Cholesky factors of symmetric matrices whose upper triangle is held in rows of some stride.

from libc.math cimport INFINITY, sqrt

cdef extern from "factorization/ridge.h" nogil:
    void add_times "cf_add_times"(double *to, const double *row, double times, Py_ssize_t n) noexcept


cdef inline bint factorise(double *gram, Py_ssize_t n, Py_ssize_t stride) noexcept nogil:
    """The upper factor U of U'U in place of the upper triangle; False if it is not positive definite."""
    cdef Py_ssize_t j, i
    cdef double pivot
    for j in range(n):
        pivot = gram[j * stride + j]
        if not 0 < pivot < INFINITY:
            return False
        pivot = sqrt(pivot)
        for i in range(j, n):
            gram[j * stride + i] /= pivot
        for i in range(j + 1, n):
            add_times(gram + i * stride + i, gram + j * stride + i, -gram[j * stride + i], n - i)
    return True


cdef inline void solve_lower(const double *factor, double *rest, Py_ssize_t n,
                             Py_ssize_t stride) noexcept nogil:
    """The solution of U'x = rest in place of `rest`."""
    cdef Py_ssize_t j
    for j in range(n):
        rest[j] /= factor[j * stride + j]
        add_times(rest + j + 1, factor + j * stride + j + 1, -rest[j], n - j - 1)


cdef inline void solve_upper(const double *factor, double *rest, Py_ssize_t n,
                             Py_ssize_t stride) noexcept nogil:
    """The solution of U x = rest in place of `rest`."""
    cdef Py_ssize_t j, i
    for j in range(n - 1, -1, -1):
        for i in range(j + 1, n):
            rest[j] -= factor[j * stride + i] * rest[i]
        rest[j] /= factor[j * stride + j]
