"""Loops of `cfcore.kernels.neighbors.predict_all`."""
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.neighbors.predict_all_loops cimport Entries, PredictAllLoops

cdef extern from "neighbors/target_tile.h" nogil:
    void means_of "cfcore_target_means"(const Entries *entries, Py_ssize_t first, Py_ssize_t width,
                                        float *tiles, double *out) noexcept


cdef void target_means(const Entries *entries, Py_ssize_t first, Py_ssize_t width, float *tiles,
                       double *out) noexcept nogil:
    """`TargetMeans`"""
    means_of(entries, first, width, tiles, out)


cdef PredictAllLoops loops = PredictAllLoops(target_means=target_means)
table = capsule_of(&loops)
