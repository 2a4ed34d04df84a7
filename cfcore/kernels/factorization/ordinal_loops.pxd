# What `ordinal.pyx` calls of `ordinal_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    SUMS = 6  # CF_ORDINAL_SUMS
    DRAWN = 4096  # ratings of a block of draws
    MOST_LEVELS = 256

cdef struct OrdinalArrays:
    const int64_t *indptr
    const int32_t *ratings
    const int32_t *levels
    const double *predictions
    const float *weights     # or NULL
    const double *cut_points
    double *sums
    Py_ssize_t n_levels

cdef struct LatentArrays:
    const uint8_t *levels
    double *latents
    float *targets
    const float *products
    const float *weights     # or NULL
    double[257] ends  # MOST_LEVELS + 1: of level l from ends[l] to ends[l + 1]
    uint64_t seed
    uint32_t kind, sweep

# The sums of a piece.
ctypedef void (*OrdinalPiece)(const OrdinalArrays *given, Py_ssize_t piece) noexcept nogil

# Draws of the latents from `begin`, a multiple of 64, to `end`; their log-likelihood.
ctypedef double (*LatentBlock)(const LatentArrays *given, Py_ssize_t begin, Py_ssize_t end) noexcept nogil

# The mean chance of less than each cut point, over the n components of a pair.
ctypedef void (*OrdinalChances)(const double *means, const double *scales, const double *cut_points,
                                Py_ssize_t n, Py_ssize_t n_cuts, double *chances) noexcept nogil

cdef struct OrdinalLoops:
    OrdinalPiece sum_piece
    LatentBlock draw_block
    OrdinalChances mean_chances
