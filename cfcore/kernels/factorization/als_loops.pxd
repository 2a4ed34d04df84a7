# What `als.pyx` calls of `als_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t

cdef enum:
    # The scratch of a row has scalars (the sums of squared targets, targets and weights), a matrix, vectors
    # of `width` numbers (sums of targets and of columns, two solutions, the inverses of pivots), and then two
    # tiles of float32.
    VECTORS = 5
    SCALARS = 8

cdef struct SolveArrays:
    const int64_t *indptr
    const int32_t *indices
    const float *values
    const float *weights     # or NULL
    float *rows
    float *biases
    const float *columns
    const float *column_biases
    const double *penalty
    const double *centres       # or NULL
    const double *bias_penalty  # or NULL
    double *squares
    double mean
    Py_ssize_t width

# The sums of ratings [begin, end) in place of those in `room`.
ctypedef void (*SumPiece)(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end,
                          double *room) noexcept nogil
# A row from its sums; False if its matrix is not positive definite.
ctypedef bint (*FinishRow)(const SolveArrays *given, Py_ssize_t row, double *room) noexcept nogil

cdef struct ALSLoops:
    SumPiece sum_piece
    FinishRow finish_row
