# From records of an RBM, which have checked themselves, to structs of pointers.

cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t

from cfcore.kernels.common.arrays cimport pointer
from cfcore.kernels.rbm.model cimport CasePointers, ParameterPointers


cdef inline ParameterPointers parameters_of(object parameters):
    """Pointers to the arrays of an `RBMParameters` record."""
    cdef ParameterPointers p = ParameterPointers(
        weights=<float *>pointer(parameters.weights), visible_bias=<float *>pointer(parameters.visible_bias),
        hidden_bias=<float *>pointer(parameters.hidden_bias), conditional=NULL, n_units=parameters.n_units,
        n_levels=parameters.n_levels, width=parameters.width, n_hidden=parameters.n_hidden,
    )
    if parameters.n_conditional:
        p.conditional = <float *>pointer(parameters.conditional)
    return p


cdef inline CasePointers cases_of(object cases):
    """Pointers to the arrays of a `Cases` record."""
    return CasePointers(
        indptr=<const int64_t *>pointer(cases.indptr), units=<const int32_t *>pointer(cases.units),
        levels=<const uint8_t *>pointer(cases.levels),
        rated_indptr=<const int64_t *>pointer(cases.rated_indptr),
        rated_units=<const int32_t *>pointer(cases.rated_units),
    )


cdef inline int check_cases(object cases, object parameters, str name) except -1:
    """Raise unless the units and levels of cases have parameters."""
    if cases.n_units != parameters.n_units or cases.n_levels != parameters.n_levels:
        raise ValueError(
            f"{name}: cases are of {cases.n_units} units and {cases.n_levels} levels, "
            f"parameters of {parameters.n_units} and {parameters.n_levels}"
        )
    return 0


cdef inline int check_apart(object written, str name, object other, str other_name) except -1:
    """Raise if an array that is written shares memory with another."""
    cdef const char *first = <const char *>pointer(written)
    cdef const char *second = <const char *>pointer(other)
    cdef Py_ssize_t size = cnp.PyArray_NBYTES(<cnp.ndarray>written)
    cdef Py_ssize_t other_size = cnp.PyArray_NBYTES(<cnp.ndarray>other)
    if size and other_size and first < second + other_size and second < first + size:
        raise ValueError(f"{name} and {other_name} share memory, and one of them would be written")
    return 0
