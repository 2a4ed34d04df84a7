# What `gibbs.pyx` calls of `gibbs_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef enum:
    TILE = 64     # CF_TILE
    BATCH = 8     # CF_BATCH
    WIDEST = 64   # rows of at most so many numbers are factorised 8 at a time
    PIECE = 2048  # ratings whose sums are one part of those of a row
    LONG = 32768  # ratings of a row from which on its pieces are divided among threads

cdef struct RowArrays:
    const int64_t *indptr
    const int32_t *indices
    const float *targets
    float *rows
    float *means             # or NULL
    const float *columns
    const double *prior_mean
    const double *precision
    const double *padded     # the precision in whole rows, with a diagonal of 1 behind the factors
    const double *row_precision
    const float *column_weight  # or NULL: all are 1, as the weights are
    const float *weights     # or NULL
    Py_ssize_t width, n_factors
    uint64_t seed
    uint32_t kind, sweep, own_numbers

cdef struct ProductArrays:
    const int64_t *indptr
    const int32_t *indices
    const float *targets
    const float *weights     # or NULL
    const float *rows
    const float *columns
    float *products
    double *squares          # [n_rows][3]
    Py_ssize_t width

# Numbers of the scratch of a thread: sums of a batch of rows (a matrix and a vector each) and of one more
# piece, tiles of float32, the batch side by side with its right-hand sides, inverse pivots and solutions.
cdef inline Py_ssize_t sums_size(Py_ssize_t width) noexcept nogil:
    return width * (width + 1)


cdef inline Py_ssize_t scratch_size(Py_ssize_t width) noexcept nogil:
    if width > WIDEST:
        return 2 * sums_size(width) + TILE * width + 10 * width
    return (BATCH + 1) * sums_size(width) + TILE * width + BATCH * width * (width + 3)

# The sums of ratings [begin, end) in place of those in `sums`; `tiles` has 2 TILE rows of float32.
ctypedef void (*SumPiece)(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end, double *sums,
                          float *tiles) noexcept nogil
# The draws of up to BATCH rows from `begin` on, but those of more than LONG ratings; how many have a
# precision that is not positive definite.
ctypedef Py_ssize_t (*DrawBatch)(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end,
                                 double *room) noexcept nogil
# The draw of a row from its sums, which are overwritten; likewise. `room` is as of `draw_batch`.
ctypedef Py_ssize_t (*FinishRow)(const RowArrays *given, Py_ssize_t row, double *sums,
                                 double *room) noexcept nogil
# The products of a row and the columns of its ratings, and the sums of squares.
ctypedef void (*MultiplyRow)(const ProductArrays *given, Py_ssize_t row) noexcept nogil

cdef struct GibbsLoops:
    SumPiece sum_piece
    DrawBatch draw_batch
    FinishRow finish_row
    MultiplyRow multiply_row
