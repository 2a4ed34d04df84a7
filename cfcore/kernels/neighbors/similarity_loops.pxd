# What `similarity.pyx` calls of `similarity_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.neighbors.measures cimport Rule
from cfcore.kernels.neighbors.pair_sums cimport Sides

# Similarity of row x to each row before it, and 1 to itself. `sums` is scratch of one thread, `out` row x of
# the matrix, of float or of double.
ctypedef void (*HalfRow)(const Sides *sides, const Rule *rule, int64_t x, void *sums,
                         void *out) noexcept nogil
# The k rows most similar to row x among those with enough co-raters, the most similar first; see `top_rows`.
# `sums` is zero before and after.
ctypedef void (*TopRow)(const Sides *sides, const Rule *rule, int64_t x, void *sums, int64_t k,
                        int32_t *codes, void *values) noexcept nogil

# By the entries (levels: uint32, values: uint64) and by the type of the similarities.
cdef struct SimilarityLoops:
    HalfRow half_levels_f32
    HalfRow half_levels_f64
    HalfRow half_values_f32
    HalfRow half_values_f64
    TopRow top_levels_f32
    TopRow top_levels_f64
    TopRow top_values_f32
    TopRow top_values_f64
