# What `given.pyx` calls of `given_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t

cdef enum:
    TILE = 64      # CF_TILE
    TOGETHER = 8  # samples that a thread solves at a time, at most

cdef struct GivenArrays:
    const int64_t *indptr
    const int32_t *items
    const float *targets
    const float *weights     # or NULL
    const int32_t *sessions
    const float *item_factors
    const float *members     # or NULL
    const double *precisions
    const double *bias_precisions
    const double *noise
    const double *session_precisions
    const double *base
    float *means
    float *draws
    float *session_means
    float *session_slopes
    float *session_variances
    Py_ssize_t n_kept, n_factors, n_lengths, n_sessions, width, one_base, first

# The rows of a user in samples [first, last), at most TOGETHER: how many of their precisions are not positive
# definite.
ctypedef Py_ssize_t (*SolveUser)(const GivenArrays *given, Py_ssize_t user, Py_ssize_t first,
                                 Py_ssize_t last, double *room) noexcept nogil

cdef struct GivenLoops:
    SolveUser solve_user
