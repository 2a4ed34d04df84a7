# What `als.pyx` calls of `als_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.factorization.gibbs_loops cimport BATCH, TILE, WIDEST

cdef enum:
    SCALARS = 8  # of the sums: those of squared targets, targets and weights, and 5 that are not used

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


# Numbers of the sums of a piece: scalars, a matrix, sums of targets and of columns.
cdef inline Py_ssize_t sums_size(Py_ssize_t width) noexcept nogil:
    return SCALARS + width * (width + 2)


# Numbers of the scratch of a thread: sums of a batch of rows and of one more piece, tiles of float32, and the
# batch side by side with two right-hand sides, inverse pivots and three vectors; or three vectors of one row.
cdef inline Py_ssize_t scratch_size(Py_ssize_t width) noexcept nogil:
    if width > WIDEST:
        return 2 * sums_size(width) + TILE * width + 3 * width
    return (BATCH + 1) * sums_size(width) + TILE * width + BATCH * width * (width + 6)

# The sums of ratings [begin, end) in place of those in `sums`; `tiles` has 2 TILE rows of float32.
ctypedef void (*SumPiece)(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end, double *sums,
                          float *tiles) noexcept nogil
# Up to BATCH rows from `begin` on, but those of more than LONG ratings; how many have a matrix that is not
# positive definite.
ctypedef Py_ssize_t (*SolveBatch)(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end,
                                  double *room) noexcept nogil
# A row from its sums, which are overwritten; likewise. `room` is as of `solve_batch`.
ctypedef Py_ssize_t (*FinishRow)(const SolveArrays *given, Py_ssize_t row, double *sums,
                                 double *room) noexcept nogil

cdef struct ALSLoops:
    SumPiece sum_piece
    SolveBatch solve_batch
    FinishRow finish_row
