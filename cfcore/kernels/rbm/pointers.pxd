# From records of an RBM, which have checked themselves, to structs of pointers.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

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


cdef inline bint are_rows(const int64_t *indptr, const int32_t *units, Py_ssize_t n_rows, Py_ssize_t n,
                          Py_ssize_t n_units) noexcept nogil:
    """Whether bounds rise from 0 to n, and the entries of each row are units that ascend."""
    cdef Py_ssize_t row, k
    cdef uint32_t largest = 0
    cdef bint ascend = True
    if indptr[0] != 0 or indptr[n_rows] != n:
        return False
    for row in range(n_rows):
        if indptr[row + 1] < indptr[row]:
            return False
    for row in range(n_rows):
        for k in range(indptr[row] + 1, indptr[row + 1]):
            ascend &= units[k - 1] < units[k]
    for k in range(n):
        largest = max(largest, <uint32_t>units[k])  # a negative unit is a large one
    return ascend and (n == 0 or largest < <size_t>n_units)


cdef inline bint are_levels(const uint8_t *levels, Py_ssize_t n, Py_ssize_t n_levels) noexcept nogil:
    cdef Py_ssize_t k
    cdef uint8_t highest = 0
    for k in range(n):
        highest = max(highest, levels[k])
    return n == 0 or highest < n_levels


cdef inline bint are_sound(object cases, const CasePointers *of):
    """Whether bounds and codes are still in range: faster than `check_entries`, which says what is not."""
    cdef Py_ssize_t n_cases = cases.n_cases, n = cases.n, n_units = cases.n_units
    cdef bint same = of.rated_units == of.units and of.rated_indptr == of.indptr
    return (are_rows(of.indptr, of.units, n_cases, n, n_units) and are_levels(of.levels, n, cases.n_levels)
            and (same or are_rows(of.rated_indptr, of.rated_units, n_cases, cases.n_rated, n_units)))
