# What `gibbs.pyx` calls of `gibbs_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef enum:
    TILE = 64  # CF_TILE

cdef struct RowArrays:
    const int64_t *indptr
    const int32_t *indices
    const float *targets
    float *rows
    float *means             # or NULL
    const float *columns
    const double *prior_mean
    const double *precision
    const double *row_precision
    const float *column_weight
    const float *weights     # or NULL
    Py_ssize_t width, n_factors
    uint64_t seed
    uint32_t kind, sweep, own_numbers

cdef struct MemberArrays:
    const int64_t *indptr
    const int32_t *owners
    const double *weights
    const float *values  # NULL: all are 1
    double *members
    double *errors
    double penalty, noise
    Py_ssize_t n_members, n_owners
    uint64_t seed
    uint32_t kind, sweep

# Scratch of a piece: gram [width][width], rest [width], inverse diagonal and noise [width], tiles of float32.
# The sums of ratings [begin, end) in place of gram and rest.
ctypedef void (*SumPiece)(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end,
                          double *room) noexcept nogil
# The draw of a row from its sums; False if its precision is not positive definite.
ctypedef bint (*FinishRow)(const RowArrays *given, Py_ssize_t row, double *room) noexcept nogil
# The draws of members [begin, end) in a block of columns.
ctypedef void (*DrawBlock)(const MemberArrays *given, Py_ssize_t block, Py_ssize_t begin,
                           Py_ssize_t end) noexcept nogil

cdef struct GibbsLoops:
    SumPiece sum_piece
    FinishRow finish_row
    DrawBlock draw_block
