"""Loops of `cfcore.kernels.rbm.predict`."""
from libc.math cimport exp, fabs, log1p

from cfcore.kernels.common.lanes cimport dot
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.rbm.model cimport CasePointers, ParameterPointers, hidden_means, inputs_of, offset_of
from cfcore.kernels.rbm.predict_loops cimport PredictLoops


cdef void hidden_inputs(const ParameterPointers *p, const CasePointers *cases, Py_ssize_t case, float *offset,
                        float *out) noexcept nogil:
    offset_of(p, cases, case, offset)
    inputs_of(p, offset, cases.units + cases.indptr[case], cases.levels + cases.indptr[case],
              cases.indptr[case + 1] - cases.indptr[case], out)


cdef inline double softplus(double x) noexcept nogil:
    """log(1 + exp(x))"""
    return (x if x > 0 else 0) + log1p(exp(-fabs(x)))


cdef void probabilities(const ParameterPointers *p, const float *inputs, Py_ssize_t unit, bint exact,
                        float *means, double *out) noexcept nogil:
    cdef Py_ssize_t k, j
    cdef double top = 0, total = 0
    cdef const float *row
    if not exact:
        hidden_means(p, inputs, means)
    for k in range(p.n_levels):
        row = p.weights + (unit * p.n_levels + k) * p.width
        out[k] = p.visible_bias[unit * p.n_levels + k]
        if exact:
            for j in range(p.n_hidden):
                out[k] += softplus(<double>inputs[j] + row[j])
        else:
            out[k] += dot(row, means, p.width)
        if k == 0 or out[k] > top:
            top = out[k]
    for k in range(p.n_levels):
        out[k] = exp(out[k] - top)
        total += out[k]
    for k in range(p.n_levels):
        out[k] /= total


cdef PredictLoops loops = PredictLoops(hidden_inputs=hidden_inputs, probabilities=probabilities)
table = capsule_of(&loops)
