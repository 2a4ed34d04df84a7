# What `gibbs_priors.pyx` calls of `gibbs_priors_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef struct MemberArrays:
    const int64_t *indptr
    const int32_t *owners
    const double *weights
    const float *values  # NULL: all are 1
    double *members
    double *errors
    double penalty, noise
    Py_ssize_t n_members, n_owners, first_block
    uint64_t seed
    uint32_t kind, sweep


# sums[f][g] = the sum of rows[r][f] rows[r][g] over n rows of k numbers, for g from the group of 8 of f on.
ctypedef void (*SumProducts)(const double *rows, Py_ssize_t n, Py_ssize_t k, double *sums) noexcept nogil
# out[r] = rows[r] times a matrix of k rows of k numbers, for n rows.
ctypedef void (*MultiplyRows)(const double *rows, Py_ssize_t n, Py_ssize_t k, const double *matrix,
                              double *out) noexcept nogil

# The draws of members [begin, end) in a block of columns.
ctypedef void (*DrawBlock)(const MemberArrays *given, Py_ssize_t block, Py_ssize_t begin,
                           Py_ssize_t end) noexcept nogil

cdef struct PriorLoops:
    SumProducts sum_products
    MultiplyRows multiply_matrix
    DrawBlock draw_block
