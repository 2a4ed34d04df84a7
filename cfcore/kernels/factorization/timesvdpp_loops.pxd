# What `timesvdpp.pyx` calls of `timesvdpp_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t

from cfcore.kernels.factorization.svdpp_loops cimport Sweep
from cfcore.kernels.factorization.time_parameters cimport Day, TimeModel

# Predictions for rows [first, last) of items, user-days and entries of days, in which all codes are in range.
ctypedef void (*PredictDays)(const int32_t *items, const int32_t *days, const Day *when,
                             const TimeModel *model, double *out, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil

cdef struct TimeSVDppLoops:
    Sweep sweep_f32
    Sweep sweep_f64
    PredictDays predict_f32
    PredictDays predict_f64
