# From records of an RBM, which have checked themselves, to structs of pointers.

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
