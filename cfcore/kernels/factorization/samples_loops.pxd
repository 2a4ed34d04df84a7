# What `samples.pyx` calls of `samples_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

cdef struct SampleArrays:
    const int32_t *users
    const int32_t *items
    const float *user_means
    const float *user_draws
    const float *item_factors
    const float *user_biases
    const float *item_biases
    float *means
    float *draws
    Py_ssize_t n_kept, n_factors
    float scale

# The scores of a pair in all samples.
ctypedef void (*ScorePair)(const SampleArrays *given, Py_ssize_t pair) noexcept nogil

cdef struct SamplesLoops:
    ScorePair score_pair
