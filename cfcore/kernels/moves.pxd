# The end of a mini-batch of `rbm.pyx`: W, b and D move by their gradients.

from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.boltzmann cimport (
    MAX_LEVELS,
    cf_add_less,
    cf_move,
    cf_move_few,
    cf_rows_less,
    cf_share,
)
from cfcore.kernels.lanes cimport cf_prefetch
from cfcore.kernels.places cimport FIRST, LAST, Place, Task, row_of, weights_of


cdef inline void move_part(const Task *t, Py_ssize_t width, Py_ssize_t part, Py_ssize_t n_cases,
                           const Place *places, int member) noexcept nogil:
    """Move W, b and D of a part of the units."""
    cdef Py_ssize_t k = t.ranges[2 * part], end = t.ranges[2 * part + 1], next_unit
    cdef Py_ssize_t size = t.m.n_levels * width * sizeof(float)
    cdef float *gradient = t.gradients + member * t.gradient_length
    cdef int32_t *slots = t.slots + member * t.slots_length
    while k < end:
        next_unit = k + 1
        while next_unit < end and places[next_unit].unit == places[k].unit:
            next_unit += 1
        if next_unit < end:
            cf_prefetch(weights_of(t, width, places + next_unit, 0), size)
            if t.v.weights != NULL:
                cf_prefetch(t.v.weights + places[next_unit].unit * t.m.n_levels * width, size)
        move_unit(t, width, places[k].unit, n_cases, places + k, next_unit - k, gradient, slots)
        if t.m.conditional != NULL:
            move_conditional(t, width, places[k].unit, n_cases, places + k, next_unit - k, gradient, slots)
        k = next_unit


cdef inline void move_unit(const Task *t, Py_ssize_t width, Py_ssize_t unit, Py_ssize_t n_cases,
                           const Place *places, Py_ssize_t n, float *gradient,
                           int32_t *slots) noexcept nogil:
    """Move W and b of one unit by their gradients over its n places in the batch.

    The cases are sorted by the level they gave and by the level drawn, so that a level's gradient is summed
    in registers.
    """
    cdef Py_ssize_t k, size = t.m.n_levels * width, rated = 0
    cdef int32_t *up = slots
    cdef int32_t *down = slots + t.m.n_levels * t.batch
    cdef int32_t[MAX_LEVELS] n_up
    cdef int32_t[MAX_LEVELS] n_down
    cdef float[MAX_LEVELS] bias
    cdef float over
    memset(n_up, 0, t.m.n_levels * sizeof(int32_t))
    memset(n_down, 0, t.m.n_levels * sizeof(int32_t))
    for k in range(n):
        if places[k].position >= 0:
            rated += 1
            up[places[k].level * t.batch + n_up[places[k].level]] = places[k].slot
            n_up[places[k].level] += 1
            down[places[k].drawn * t.batch + n_down[places[k].drawn]] = places[k].slot
            n_down[places[k].drawn] += 1
    if rated == 0:
        return
    for k in range(t.m.n_levels):
        cf_rows_less(row_of(t, width, FIRST, 0), up + k * t.batch, n_up[k], row_of(t, width, LAST, 0),
                     down + k * t.batch, n_down[k], width, gradient + k * width)
        bias[k] = <float>(n_up[k] - n_down[k])
    if t.sharing != NULL:
        cf_share(gradient, t.sharing, t.m.n_levels, width)
    over = <float>(1.0 / (rated if t.by_count else n_cases))
    cf_move(t.m.weights + unit * size, from_row(t.v.weights, unit * size), gradient, size, over, t.decay,
            t.rates[0], t.momentum)
    cf_move_few(t.m.visible_bias + unit * t.m.n_levels, from_row(t.v.visible_bias, unit * t.m.n_levels),
                bias, t.m.n_levels, over, t.rates[1], t.momentum)


cdef inline void move_conditional(const Task *t, Py_ssize_t width, Py_ssize_t unit, Py_ssize_t n_cases,
                                  const Place *places, Py_ssize_t n, float *toward,
                                  int32_t *slots) noexcept nogil:
    """Move D of one unit by p - p' of the cases that have it in their r."""
    cdef Py_ssize_t k
    for k in range(n):
        slots[k] = places[k].slot
    cf_rows_less(row_of(t, width, FIRST, 0), slots, n, row_of(t, width, LAST, 0), slots, n, width, toward)
    cf_move(t.m.conditional + unit * width, from_row(t.v.conditional, unit * width), toward, width,
            <float>(1.0 / (n if t.by_count else n_cases)), 0, t.rates[3], t.momentum)


cdef inline float *from_row(float *first, Py_ssize_t at) noexcept nogil:
    """A place in an array, unless there is none."""
    return first + at if first != NULL else NULL


cdef inline void move_hidden(const Task *t, Py_ssize_t width, Py_ssize_t n_cases) noexcept nogil:
    """Move b_j by the mean of p - p' over the cases."""
    cdef Py_ssize_t slot
    cdef float *toward = t.gradients
    memset(toward, 0, width * sizeof(float))
    for slot in range(n_cases):
        cf_add_less(toward, row_of(t, width, FIRST, slot), row_of(t, width, LAST, slot), width)
    cf_move(t.m.hidden_bias, t.v.hidden_bias, toward, width, <float>(1.0 / n_cases), 0, t.rates[2],
            t.momentum)
