# The end of a mini-batch of `rbm.pyx`: W, b and D move by their gradients.

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from cfcore.kernels.rbm.model cimport (
    MAX_LEVELS,
    cf_add,
    cf_add_less,
    cf_less,
    cf_move,
    cf_move_few,
    cf_rows_less,
    cf_share,
)
from cfcore.kernels.common.lanes cimport cf_prefetch
from cfcore.kernels.rbm.batch_ratings cimport FIRST, LAST, Place, Task, row_of, weights_of


cdef enum:
    PIECES_OF_PART = 4  # units move one by one: so pieces can be as small as taking them allows
    FEW = 8             # places of a unit up to which sorting them by level costs more than it saves


cdef inline void move_piece(const Task *t, Py_ssize_t width, Py_ssize_t piece, Py_ssize_t n_cases,
                            int member) noexcept nogil:
    """Move W, b and D of some units of a part."""
    cdef Py_ssize_t k = begin_of(t, piece), end = end_of(t, piece), next_unit
    cdef Py_ssize_t size = t.m.n_levels * width * sizeof(float)
    cdef const Place *places = t.places
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


cdef inline Py_ssize_t begin_of(const Task *t, Py_ssize_t piece) noexcept nogil:
    """The first place of a piece: pieces are about equally long, and a unit is in one of them."""
    cdef Py_ssize_t part = piece // PIECES_OF_PART
    cdef int64_t first = t.ranges[2 * part], end = t.ranges[2 * part + 1]
    cdef int64_t at = first + (end - first) * (piece % PIECES_OF_PART) // PIECES_OF_PART
    while first < at < end and t.places[at].unit == t.places[at - 1].unit:
        at += 1
    return at


cdef inline Py_ssize_t end_of(const Task *t, Py_ssize_t piece) noexcept nogil:
    """Where the next piece of the part begins, or the part ends."""
    if (piece + 1) % PIECES_OF_PART == 0:
        return t.ranges[2 * (piece // PIECES_OF_PART) + 1]
    return begin_of(t, piece + 1)


cdef inline void move_unit(const Task *t, Py_ssize_t width, Py_ssize_t unit, Py_ssize_t n_cases,
                           const Place *places, Py_ssize_t n, float *gradient,
                           int32_t *slots) noexcept nogil:
    """Move W and b of one unit by their gradients over its n places in the batch."""
    cdef Py_ssize_t size = t.m.n_levels * width, rated
    cdef float[MAX_LEVELS] bias
    cdef float over
    if n <= FEW:
        rated = sum_few(t, width, places, n, gradient, bias)
    else:
        rated = sum_many(t, width, places, n, gradient, bias, slots)
    if rated == 0:
        return
    if t.sharing != NULL:
        cf_share(gradient, t.sharing, t.m.n_levels, width)
    over = <float>(1.0 / (rated if t.by_count else n_cases))
    cf_move(t.m.weights + unit * size, from_row(t.v.weights, unit * size), gradient, size, over, t.decay,
            t.rates[0], t.momentum)
    cf_move_few(t.m.visible_bias + unit * t.m.n_levels, from_row(t.v.visible_bias, unit * t.m.n_levels),
                bias, t.m.n_levels, over, t.rates[1], t.momentum)


cdef inline Py_ssize_t sum_few(const Task *t, Py_ssize_t width, const Place *places, Py_ssize_t n,
                               float *gradient, float *bias) noexcept nogil:
    """Gradients of a unit, rating by rating; how many cases rated it.

    The same bits as `sum_many`: what was given is summed before what was drawn.
    """
    cdef Py_ssize_t k, rated = 0
    memset(gradient, 0, t.m.n_levels * width * sizeof(float))
    memset(bias, 0, t.m.n_levels * sizeof(float))
    for k in range(n):
        if places[k].position >= 0:
            cf_add(gradient + places[k].level * width, row_of(t, width, FIRST, places[k].slot), width)
            bias[places[k].level] += 1
            rated += 1
    for k in range(n):
        if places[k].position >= 0:
            cf_less(gradient + places[k].drawn * width, row_of(t, width, LAST, places[k].slot), width)
            bias[places[k].drawn] -= 1
    return rated


cdef inline Py_ssize_t sum_many(const Task *t, Py_ssize_t width, const Place *places, Py_ssize_t n,
                                float *gradient, float *bias, int32_t *slots) noexcept nogil:
    """Gradients of a unit, level by level; how many cases rated it.

    The cases are sorted by the level they gave and by the level drawn, so that a level's gradient is summed
    in registers. With few of them that is more branches than sums.
    """
    cdef Py_ssize_t k, rated = 0
    cdef int32_t *up = slots
    cdef int32_t *down = slots + t.m.n_levels * t.batch
    cdef int32_t[MAX_LEVELS] n_up
    cdef int32_t[MAX_LEVELS] n_down
    memset(n_up, 0, t.m.n_levels * sizeof(int32_t))
    memset(n_down, 0, t.m.n_levels * sizeof(int32_t))
    for k in range(n):
        if places[k].position >= 0:
            rated += 1
            up[places[k].level * t.batch + n_up[places[k].level]] = places[k].slot
            n_up[places[k].level] += 1
            down[places[k].drawn * t.batch + n_down[places[k].drawn]] = places[k].slot
            n_down[places[k].drawn] += 1
    for k in range(t.m.n_levels):
        cf_rows_less(row_of(t, width, FIRST, 0), up + k * t.batch, n_up[k], row_of(t, width, LAST, 0),
                     down + k * t.batch, n_down[k], width, gradient + k * width)
        bias[k] = <float>(n_up[k] - n_down[k])
    return rated


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
