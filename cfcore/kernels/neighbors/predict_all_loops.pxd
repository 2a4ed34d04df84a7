# What `predict_all.pyx` calls of `predict_all_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

cdef extern from "neighbors/target_tile.h" nogil:
    enum:
        WIDTH "CF_WIDTH"
        ROOM "CF_ROOM"

    # The entries of a holder, and how they count.
    ctypedef struct Entries "cfcore_entries":
        const float *matrix
        Py_ssize_t n_targets
        const int32_t *codes
        const float *values
        Py_ssize_t n
        Py_ssize_t n_neighbors
        double power, damping
        int twice_power
        int positive_only

# The weighted means of entries for the targets [first, first + width), at most WIDTH; `tiles` is scratch, of
# ROOM numbers an entry.
ctypedef void (*TargetMeans)(const Entries *entries, Py_ssize_t first, Py_ssize_t width, float *tiles,
                             double *out) noexcept nogil

cdef struct PredictAllLoops:
    TargetMeans target_means
