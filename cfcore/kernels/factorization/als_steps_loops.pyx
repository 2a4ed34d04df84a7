"""Loops of `cfcore.kernels.factorization.als_steps`."""
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.als_loops cimport SolveArrays
from cfcore.kernels.factorization.als_steps_loops cimport StepLoops
from cfcore.kernels.factorization.gibbs_loops cimport TILE

cdef extern from "factorization/als_steps.h" nogil:
    ctypedef struct StepSums "cf_step_sums":
        double *of_columns
        double *of_squares
        double of_ones, of_errors, weights
    void add_step "cf_add_step"(StepSums *sums, const float *p, float bias, const float *columns,
                                const int32_t *indices, const float *targets, const float *weights,
                                Py_ssize_t n, int groups) noexcept
    void add_wide_step "cf_add_wide_step"(StepSums *sums, const float *p, float bias, const float *columns,
                                          const int32_t *indices, const float *targets, const float *weights,
                                          Py_ssize_t n, Py_ssize_t width, float *room) noexcept


cdef inline void add_tile(StepSums *sums, const SolveArrays *given, const float *p, float bias,
                          const float *targets, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """`cf_add_step`, compiled for rows of 16, 32, 48 and 64 numbers; behind `p` is memory for wider ones."""
    cdef const float *weights = given.weights + first if given.weights != NULL else NULL
    cdef const int32_t *indices = given.indices + first
    if given.width == 16:
        add_step(sums, p, bias, given.columns, indices, targets, weights, n, 1)
    elif given.width == 32:
        add_step(sums, p, bias, given.columns, indices, targets, weights, n, 2)
    elif given.width == 48:
        add_step(sums, p, bias, given.columns, indices, targets, weights, n, 3)
    elif given.width == 64:
        add_step(sums, p, bias, given.columns, indices, targets, weights, n, 4)
    else:
        add_wide_step(sums, p, bias, given.columns, indices, targets, weights, n, given.width,
                      <float *>p + given.width)


cdef inline void take_pass(StepSums *sums, const SolveArrays *given, Py_ssize_t row, const double *vector,
                           double bias, bint is_first, float *p) noexcept nogil:
    """The sums over all ratings of a row: of its errors in the first pass, and then of products."""
    cdef Py_ssize_t first, k, n, f, end = given.indptr[row + 1]
    cdef float[64] targets  # TILE
    memset(sums.of_columns, 0, given.width * sizeof(double))
    sums.of_ones = sums.of_errors = sums.weights = 0
    for f in range(given.width):
        p[f] = <float>vector[f]
    for first in range(given.indptr[row], end, 64):  # TILE, as a literal
        n = min(<Py_ssize_t>TILE, end - first)
        if is_first:
            for k in range(n):
                targets[k] = <float>(given.values[first + k] - given.mean
                                     - given.column_biases[given.indices[first + k]])
            add_tile(sums, given, p, <float>bias, targets, first, n)
        else:
            add_tile(sums, given, p, <float>bias, NULL, first, n)


cdef bint improve_row(const SolveArrays *given, Py_ssize_t row, Py_ssize_t steps,
                      double *room) noexcept nogil:
    cdef Py_ssize_t width = given.width, f, _step
    cdef double *x = room
    cdef double *start = x + width
    cdef double *rest = start + width  # right-hand side less matrix times solution
    cdef double *first_rest = rest + width
    cdef double *direction = first_rest + width
    cdef double *product = direction + width
    cdef double *scale = product + width  # inverses of the diagonal
    cdef float *p = <float *>(scale + 2 * width)
    cdef double penalty = given.penalty[row], centre = 0, of_bias = 0
    cdef bint biased = given.bias_penalty != NULL, is_good = True
    cdef double bias = 0, bias_start, bias_rest, bias_first, bias_direction = 0, bias_scale = 0, bias_product
    cdef double size, new, length, squares
    cdef StepSums sums
    memset(scale, 0, width * sizeof(double))
    sums.of_columns, sums.of_squares = rest, scale
    if biased:
        bias, of_bias = given.biases[row], given.bias_penalty[row]
    bias_start = bias
    for f in range(width):
        x[f] = start[f] = given.rows[row * width + f]
    take_pass(&sums, given, row, x, bias, True, p)
    squares = sums.of_errors + of_bias * bias * bias
    bias_rest = sums.of_ones - of_bias * bias if biased else 0
    if biased:
        bias_scale = 1 / (sums.weights + of_bias)
        is_good = bias_scale > 0
    size = bias_scale * bias_rest * bias_rest
    for f in range(width):
        if given.centres != NULL:
            centre = given.centres[row * width + f]
        squares += penalty * (x[f] - centre) * (x[f] - centre)
        rest[f] -= penalty * (x[f] - centre)
        first_rest[f] = rest[f]
        scale[f] = 1 / (scale[f] + penalty)
        is_good &= scale[f] > 0
        direction[f] = scale[f] * rest[f]
        size += rest[f] * direction[f]
    if not is_good:
        return False
    bias_first, bias_direction = bias_rest, bias_scale * bias_rest
    sums.of_columns = product
    for _step in range(steps):
        if not size > 0:
            break
        take_pass(&sums, given, row, direction, bias_direction, False, p)
        bias_product = sums.of_ones + of_bias * bias_direction if biased else 0
        length = bias_direction * bias_product
        for f in range(width):
            product[f] += penalty * direction[f]
            length += direction[f] * product[f]
        if not 0 < length < INFINITY:
            return False
        length = size / length
        bias += length * bias_direction
        bias_rest -= length * bias_product
        new = bias_scale * bias_rest * bias_rest
        for f in range(width):
            x[f] += length * direction[f]
            rest[f] -= length * product[f]
            new += scale[f] * rest[f] * rest[f]
        for f in range(width):
            direction[f] = scale[f] * rest[f] + new / size * direction[f]
        bias_direction = bias_scale * bias_rest + new / size * bias_direction
        size = new
    # The function that the steps lessen is a quadratic one, of which both ends' gradients are known.
    squares -= (bias - bias_start) * (bias_first + bias_rest) + of_bias * bias * bias
    for f in range(width):
        if given.centres != NULL:
            centre = given.centres[row * width + f]
        squares -= (x[f] - start[f]) * (first_rest[f] + rest[f]) + penalty * (x[f] - centre) * (x[f] - centre)
        given.rows[row * width + f] = <float>x[f]
    if biased:
        given.biases[row] = <float>bias
    given.squares[row] = max(squares, 0.0)
    return size < INFINITY


cdef StepLoops loops = StepLoops(improve_row=improve_row)
table = capsule_of(&loops)
