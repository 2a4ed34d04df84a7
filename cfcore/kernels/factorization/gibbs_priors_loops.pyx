"""Loops of `cfcore.kernels.factorization.gibbs_priors`: each number is a sum in the order of the rows."""
from libc.math cimport sqrt
from libc.stdint cimport uint32_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.common.normals cimport normal_pair
from cfcore.kernels.factorization.gibbs_priors_loops cimport MemberArrays, PriorLoops

cdef extern from "factorization/gibbs.h" nogil:
    void multiply_rows "cf_multiply_rows"(double *sums, const double *rows, Py_ssize_t n,
                                          Py_ssize_t k) noexcept
    void multiply_all "cf_multiply_matrix"(double *out, const double *rows, const double *matrix,
                                           Py_ssize_t n, Py_ssize_t k) noexcept
    void add_eight "cf_add_eight"(double *sum, const double *row, double weight) noexcept


cdef void sum_products(const double *rows, Py_ssize_t n, Py_ssize_t k, double *sums) noexcept nogil:
    """`cf_multiply_rows`, compiled for 32 factors separately."""
    if k == 32:
        multiply_rows(sums, rows, n, 32)
    else:
        multiply_rows(sums, rows, n, k)


cdef void multiply_matrix(const double *rows, Py_ssize_t n, Py_ssize_t k, const double *matrix,
                          double *out) noexcept nogil:
    """`cf_multiply_matrix`, compiled for 32 factors separately."""
    if k == 32:
        multiply_all(out, rows, matrix, n, 32)
    else:
        multiply_all(out, rows, matrix, n, k)


cdef inline double member_weight(const MemberArrays *given, Py_ssize_t k) noexcept nogil:
    cdef double weight = given.weights[given.owners[k]]
    return weight if given.values == NULL else weight * given.values[k]


cdef void draw_block(const MemberArrays *given, Py_ssize_t block, Py_ssize_t begin,
                     Py_ssize_t end) noexcept nogil:
    cdef double *errors = given.errors + block * given.n_owners * 8
    cdef double *members = given.members + block * given.n_members * 8
    cdef double *member
    cdef double[8] sums
    cdef double[8] step
    cdef double[2] two
    cdef double squares, weight, precision
    cdef Py_ssize_t j, k, lane
    for j in range(begin, end):
        member = members + j * 8
        memset(sums, 0, sizeof(sums))
        squares = 0
        for k in range(given.indptr[j], given.indptr[j + 1]):
            weight = member_weight(given, k)
            squares += weight * weight
            add_eight(sums, errors + <Py_ssize_t>given.owners[k] * 8, weight)
        precision = squares + given.penalty
        for lane in range(0, 8, 2):
            normal_pair(given.seed, given.kind, given.sweep, <uint32_t>j,
                        <uint32_t>((given.first_block + block) * 4 + lane // 2), two)
            step[lane] = given.noise * two[0] / sqrt(precision)
            step[lane + 1] = given.noise * two[1] / sqrt(precision)
        for lane in range(8):
            step[lane] += (sums[lane] + squares * member[lane]) / precision - member[lane]
            member[lane] += step[lane]
        for k in range(given.indptr[j], given.indptr[j + 1]):
            add_eight(errors + <Py_ssize_t>given.owners[k] * 8, step, -member_weight(given, k))


cdef PriorLoops loops = PriorLoops(
    sum_products=sum_products, multiply_matrix=multiply_matrix, draw_block=draw_block
)
table = capsule_of(&loops)
