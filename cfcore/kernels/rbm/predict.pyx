"""Predictions of the conditional restricted Boltzmann machine: inputs of the hidden units, and distributions.

The twin is `cfcore.reference.rbm.predict`, the inner loops are in `predict_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cfcore.kernels.common.arrays cimport check_array, check_record, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.rbm.model cimport CasePointers, ParameterPointers
from cfcore.kernels.rbm.pointers cimport are_sound, cases_of, parameters_of
from cfcore.kernels.rbm.predict_loops cimport HiddenInputs, PredictLoops, Probabilities

from cfcore.kernels import simd
from cfcore.kernels.records import Cases, RBMParameters, check_cases, check_entries

cnp.import_array()

cdef const PredictLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const PredictLoops *>table_in(capsule)


simd.register("rbm.predict_loops", _use)


def hidden_inputs(cases, parameters, scratch, out, n_threads):
    """Inputs of the hidden units of each case: b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j].

    Salakhutdinov, Mnih and Hinton, "Restricted Boltzmann machines for collaborative filtering" (2007).

    Parameters
    ----------
    cases : Cases
    parameters : RBMParameters
    scratch : float32[n_threads or more, width or more], overwritten
    out : float32[n_cases, width], overwritten
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When shapes do not fit together, or arrays that are written share memory with others.

    Notes
    -----
    O(width) for each entry of units and of rated_units. The same bits for any number of threads and any SIMD
    level.
    """
    check_record(cases, Cases, "hidden_inputs: cases")
    check_record(parameters, RBMParameters, "hidden_inputs: parameters")
    check_array(scratch, cnp.NPY_FLOAT32, 2, True, "hidden_inputs: scratch")
    check_array(out, cnp.NPY_FLOAT32, 2, True, "hidden_inputs: out")
    check_cases(cases, parameters, "hidden_inputs")
    cdef ParameterPointers p = parameters_of(parameters)
    cdef CasePointers of = cases_of(cases)
    cdef Py_ssize_t case, n_cases = cases.n_cases, scratch_length = columns(scratch)
    cdef int workers = 0, team = min(team_size(n_threads), <int>length(scratch))
    cdef float *offsets = <float *>pointer(scratch)
    cdef float *inputs = <float *>pointer(out)
    if length(out) != n_cases or columns(out) != p.width:
        raise ValueError("hidden_inputs: out must have a row of width for each case")
    if length(scratch) < 1 or scratch_length < p.width:
        raise ValueError("hidden_inputs: scratch must have a row of width for each thread")
    read = tuple([array for record in (cases, parameters) for _, array, _ in record.arrays()])
    if overlaps(out, (scratch, *read)) or overlaps(scratch, read):
        raise ValueError("hidden_inputs: out or scratch shares memory with another array")
    if not are_sound(cases, &of):
        check_entries(cases)
    cdef HiddenInputs inputs_of_case = loops.hidden_inputs
    for case in prange(n_cases, nogil=True, schedule="dynamic", chunksize=16, num_threads=team):
        workers |= team_present()
        inputs_of_case(&p, &of, case, offsets + threadid() * scratch_length, inputs + case * p.width)
    report_workers(workers)


def probabilities(case_codes, unit_codes, inputs, parameters, exact, scratch, out, n_threads):
    """Distributions over the levels of visible units, each given the ratings of a case.

    By mean field, softmax_k(b_ik + sum_j W_ikj sigma(x_j)), or exactly,
    P(v_i = k) ~ exp(b_ik + sum_j log(1 + exp(x_j + W_ikj))), x being the inputs of the case.

    Parameters
    ----------
    case_codes, unit_codes : int32[n]
    inputs : float32[n_cases, width]
        From `hidden_inputs`.
    parameters : RBMParameters
    exact : bool
    scratch : float32[n_threads or more, width or more], overwritten
    out : float64[n, n_levels], overwritten
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When shapes do not fit together, a code is out of range, or arrays that are written share memory with
        others.

    Notes
    -----
    O(n x n_levels x width); exactly, each of these is a logarithm and an exponential. The same bits for any
    number of threads and any SIMD level.
    """
    check_array(case_codes, cnp.NPY_INT32, 1, False, "probabilities: case_codes")
    check_array(unit_codes, cnp.NPY_INT32, 1, False, "probabilities: unit_codes")
    check_array(inputs, cnp.NPY_FLOAT32, 2, False, "probabilities: inputs")
    check_record(parameters, RBMParameters, "probabilities: parameters")
    check_array(scratch, cnp.NPY_FLOAT32, 2, True, "probabilities: scratch")
    check_array(out, cnp.NPY_FLOAT64, 2, True, "probabilities: out")
    cdef ParameterPointers p = parameters_of(parameters)
    cdef Py_ssize_t k, n = length(case_codes), n_cases = length(inputs), scratch_length = columns(scratch)
    cdef int workers = 0, team = min(team_size(n_threads), <int>length(scratch))
    cdef bint sums_out = exact
    cdef const int32_t *cases = <const int32_t *>pointer(case_codes)
    cdef const int32_t *units = <const int32_t *>pointer(unit_codes)
    cdef const float *x = <const float *>pointer(inputs)
    cdef float *means = <float *>pointer(scratch)
    cdef double *found = <double *>pointer(out)
    if length(unit_codes) != n or length(out) != n or columns(out) != p.n_levels:
        raise ValueError("probabilities: unit_codes and out must have a row for each case code")
    if columns(inputs) != p.width or length(scratch) < 1 or scratch_length < p.width:
        raise ValueError("probabilities: rows of inputs and scratch must be as long as those of weights")
    read = case_codes, unit_codes, inputs, parameters.weights, parameters.visible_bias
    if overlaps(out, (scratch, *read)) or overlaps(scratch, read):
        raise ValueError("probabilities: out or scratch shares memory with another array")
    for k in range(n):
        if not (0 <= cases[k] < n_cases and 0 <= units[k] < p.n_units):
            raise ValueError(f"probabilities: pair {k}, case {cases[k]} and unit {units[k]}, is out of range")
    cdef Probabilities probabilities_of = loops.probabilities
    for k in prange(n, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        probabilities_of(&p, x + cases[k] * p.width, units[k], sums_out, means + threadid() * scratch_length,
                         found + k * p.n_levels)
    report_workers(workers)


cdef inline Py_ssize_t columns(object array) noexcept:
    """Length of the second axis of an array that is known to be one."""
    return cnp.PyArray_DIM(<cnp.ndarray>array, 1)
