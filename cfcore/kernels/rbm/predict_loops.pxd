# The functions of `predict_loops.pyx`, which is compiled once per SIMD level, that `predict.pyx` calls.

from cfcore.kernels.rbm.model cimport CasePointers, ParameterPointers

# b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j] of a case; `offset` is scratch.
ctypedef void (*HiddenInputs)(const ParameterPointers *p, const CasePointers *cases, Py_ssize_t case,
                              float *offset, float *out) noexcept nogil
# P(v_unit = k), given the inputs of the hidden units: at their means (which are scratch), or summed out.
ctypedef void (*Probabilities)(const ParameterPointers *p, const float *inputs, Py_ssize_t unit, bint exact,
                               float *means, double *out) noexcept nogil

cdef struct PredictLoops:
    HiddenInputs hidden_inputs
    Probabilities probabilities
