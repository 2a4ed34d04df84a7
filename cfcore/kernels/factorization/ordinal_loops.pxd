# What `ordinal.pyx` calls of `ordinal_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef enum:
    SUMS = 6  # CF_ORDINAL_SUMS

cdef struct OrdinalArrays:
    const int64_t *indptr
    const int32_t *ratings
    const int32_t *levels
    const double *predictions
    const float *weights     # or NULL
    const double *cut_points
    double *latents          # or NULL: no draws
    double *sums
    Py_ssize_t n_levels
    uint64_t seed
    uint32_t kind, sweep

# The sums of a piece, and draws of its latents.
ctypedef void (*OrdinalPiece)(const OrdinalArrays *given, Py_ssize_t piece) noexcept nogil

cdef struct OrdinalLoops:
    OrdinalPiece sum_piece
    OrdinalPiece draw_piece
