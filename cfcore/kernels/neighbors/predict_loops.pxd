# What `predict.pyx` calls of `predict_loops.pyx`, which is compiled once per SIMD level.

from libc.stdint cimport int32_t, uint64_t

# A `PredictionRule`, and the length of a row of keys.
cdef struct Rule:
    Py_ssize_t n_neighbors
    Py_ssize_t room
    int twice_power  # if that is a whole number up to 16; else 0
    double power
    double damping
    bint positive_only

# The weighted mean of the n entries (codes, values) of a holder for a target; `row` has the similarities of
# the target, `keys` is scratch. NaN where weights and damping sum to 0.
ctypedef double (*Predict)(const float *row, const int32_t *codes, const float *values, Py_ssize_t n,
                           int32_t target, const Rule *rule, uint64_t *keys) noexcept nogil

cdef struct PredictLoops:
    Predict predict
