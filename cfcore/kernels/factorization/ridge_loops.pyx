"""Loops of `cfcore.kernels.factorization.ridge`."""
from libc.string cimport memcpy, memset

from cfcore.kernels.common.lanes cimport dot
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.cholesky cimport add_times, factorise, solve_lower, solve_upper
from cfcore.kernels.factorization.ridge_loops cimport FewArrays, ManyArrays, RidgeLoops

cdef extern from "factorization/ridge.h" nogil:
    void add_four_times "cf_add_four_times"(double *to, const double *row, const double *times,
                                            Py_ssize_t n, Py_ssize_t stride) noexcept
    void add_of_four "cf_add_of_four"(double *to, const double *rows, const double *times, Py_ssize_t n,
                                      Py_ssize_t stride) noexcept


cdef inline void multiply(const FewArrays *given) noexcept nogil:
    """products = rows x covariance, four rows at a time; each sum in the order of the factors."""
    cdef Py_ssize_t n = given.n, width = given.width, row, f, k
    cdef double[4] times
    memset(given.products, 0, n * width * sizeof(double))
    for row in range(0, n - n % 4, 4):
        for f in range(width):
            for k in range(4):
                times[k] = given.rows[(row + k) * width + f]
            add_four_times(given.products + row * width, given.covariance + f * width, times, width, width)
    for row in range(n - n % 4, n):
        for f in range(width):
            add_times(given.products + row * width, given.covariance + f * width,
                      given.rows[row * width + f], width)


cdef bint solve_many(const ManyArrays *given) noexcept nogil:
    cdef Py_ssize_t n = given.n, width = given.width, row, f, k
    cdef const double *rows = given.rows
    cdef double[4] times
    cdef double error
    memcpy(given.gram, given.penalty, width * width * sizeof(double))
    memset(given.out, 0, width * sizeof(double))
    for row in range(0, n - n % 4, 4):
        for f in range(width):
            for k in range(4):
                times[k] = rows[(row + k) * width + f]
            add_of_four(given.gram + f * width + f, rows + row * width + f, times, width - f, width)
    for row in range(n - n % 4, n):
        for f in range(width):
            add_times(given.gram + f * width + f, rows + row * width + f, rows[row * width + f], width - f)
    for row in range(n):
        error = given.targets[row]
        if width:
            error -= dot(rows + row * width, given.mean, width)
        add_times(given.out, rows + row * width, error, width)
    if not factorise(given.gram, width, width):
        return False
    solve_lower(given.gram, given.out, width, width)
    solve_upper(given.gram, given.out, width, width)
    for f in range(width):
        given.out[f] += given.mean[f]
    return True


cdef bint solve_few(const FewArrays *given) noexcept nogil:
    cdef Py_ssize_t n = given.n, width = given.width, i, j
    cdef double *gram = given.gram
    cdef double *rest = given.rest
    multiply(given)
    for j in range(n):
        rest[j] = given.targets[j]
        if width:
            rest[j] -= dot(given.rows + j * width, given.mean, width)
        for i in range(j, n):
            gram[j * n + i] = dot(given.products + j * width, given.rows + i * width, width) if width else 0
        gram[j * n + j] += given.noise
    if not factorise(gram, n, n):
        return False
    solve_lower(gram, rest, n, n)
    solve_upper(gram, rest, n, n)
    memset(given.out, 0, width * sizeof(double))
    for j in range(n):
        add_times(given.out, given.products + j * width, rest[j], width)
    # The distance from m was solved for: it is exactly 0 without targets.
    for i in range(width):
        given.out[i] += given.mean[i]
    return True


cdef RidgeLoops loops = RidgeLoops(solve_few=solve_few, solve_many=solve_many)
table = capsule_of(&loops)
