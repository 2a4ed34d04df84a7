# The end of a mini-batch of `rbm.pyx`: updates of W, b and D by their gradients.

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch
from cfcore.kernels.rbm.batch_ratings cimport NEGATIVE, POSITIVE, BatchRating, Pass, row_of, weights_of
from cfcore.kernels.rbm.model cimport (
    MAX_LEVELS,
    cf_add,
    cf_add_difference,
    cf_difference_of_sums,
    cf_rows,
    cf_share_levels,
    cf_subtract,
    cf_update,
    cf_update_unpadded,
)


cdef enum:
    UPDATES_OF_PART = 4  # tasks of a part: units are updated one by one, so tasks can be small
    FEW = 8              # ratings of a unit up to which sorting them by level costs more than it saves


cdef inline void update_units(const Pass *work, Py_ssize_t width, Py_ssize_t task, Py_ssize_t n_cases,
                              int worker) noexcept nogil:
    """Update W, b and D of some units of a part."""
    cdef Py_ssize_t k = begin_of(work, task), end = end_of(work, task), next_unit
    cdef Py_ssize_t size = work.p.n_levels * width * sizeof(float)
    cdef const BatchRating *ratings = work.ratings
    cdef float *gradient = work.gradients + worker * work.gradient_length
    cdef int32_t *rows = work.rows + worker * work.rows_length
    while k < end:
        next_unit = k + 1
        while next_unit < end and ratings[next_unit].unit == ratings[k].unit:
            next_unit += 1
        if next_unit < end:
            cf_prefetch(weights_of(work, width, ratings + next_unit, 0), size)
            if work.v.weights != NULL:
                cf_prefetch(work.v.weights + ratings[next_unit].unit * work.p.n_levels * width, size)
        update_weights(work, width, n_cases, ratings + k, next_unit - k, gradient, rows)
        if work.p.conditional != NULL:
            update_conditional(work, width, n_cases, ratings + k, next_unit - k, gradient, rows)
        k = next_unit


cdef inline Py_ssize_t begin_of(const Pass *work, Py_ssize_t task) noexcept nogil:
    """The first rating of a task: tasks of a part are about equally long, and a unit is in one of them."""
    cdef Py_ssize_t part = task // UPDATES_OF_PART
    cdef int64_t first = work.ranges[2 * part], end = work.ranges[2 * part + 1]
    cdef int64_t at = first + (end - first) * (task % UPDATES_OF_PART) // UPDATES_OF_PART
    while first < at < end and work.ratings[at].unit == work.ratings[at - 1].unit:
        at += 1
    return at


cdef inline Py_ssize_t end_of(const Pass *work, Py_ssize_t task) noexcept nogil:
    """Where the next task of the part begins, or the part ends."""
    if (task + 1) % UPDATES_OF_PART == 0:
        return work.ranges[2 * (task // UPDATES_OF_PART) + 1]
    return begin_of(work, task + 1)


cdef inline void update_weights(const Pass *work, Py_ssize_t width, Py_ssize_t n_cases,
                                const BatchRating *ratings, Py_ssize_t n, float *gradient,
                                int32_t *rows) noexcept nogil:
    """Update W and b of a unit by their gradients over its n ratings in the mini-batch."""
    cdef Py_ssize_t size = work.p.n_levels * width, rated, unit = ratings[0].unit
    cdef float[MAX_LEVELS] bias
    cdef float over
    if n <= FEW:
        rated = sum_few(work, width, ratings, n, gradient, bias)
    else:
        rated = sum_many(work, width, ratings, n, gradient, bias, rows)
    if rated == 0:
        return
    if work.sharing != NULL:
        cf_share_levels(gradient, work.sharing, work.p.n_levels, width)
    over = <float>(1.0 / (rated if work.by_count else n_cases))
    cf_update(work.p.weights + unit * size, from_row(work.v.weights, unit * size), gradient, size, over,
              work.decay, work.rates[0], work.momentum)
    cf_update_unpadded(work.p.visible_bias + unit * work.p.n_levels,
                       from_row(work.v.visible_bias, unit * work.p.n_levels), bias, work.p.n_levels, over,
                       work.rates[1], work.momentum)


cdef inline Py_ssize_t sum_few(const Pass *work, Py_ssize_t width, const BatchRating *ratings, Py_ssize_t n,
                               float *gradient, float *bias) noexcept nogil:
    """Gradients of a unit, rating by rating; how many cases rated it.

    The same bits as `sum_many`: levels given are summed before levels drawn.
    """
    cdef Py_ssize_t k, rated = 0
    memset(gradient, 0, work.p.n_levels * width * sizeof(float))
    memset(bias, 0, work.p.n_levels * sizeof(float))
    for k in range(n):
        if ratings[k].position >= 0:
            cf_add(gradient + ratings[k].level * width, row_of(work, width, POSITIVE, ratings[k].row), width)
            bias[ratings[k].level] += 1
            rated += 1
    for k in range(n):
        if ratings[k].position >= 0:
            cf_subtract(gradient + ratings[k].drawn * width, row_of(work, width, NEGATIVE, ratings[k].row),
                        width)
            bias[ratings[k].drawn] -= 1
    return rated


cdef inline Py_ssize_t sum_many(const Pass *work, Py_ssize_t width, const BatchRating *ratings, Py_ssize_t n,
                                float *gradient, float *bias, int32_t *rows) noexcept nogil:
    """Gradients of a unit, level by level; how many cases rated it.

    The cases are sorted by the level given and by the level drawn, so that a level's gradient is summed in
    registers. For few of them the branches would cost more than the sums.
    """
    cdef Py_ssize_t k, rated = 0
    cdef int32_t *given = rows
    cdef int32_t *drawn = rows + work.p.n_levels * work.batch_size
    cdef int32_t[MAX_LEVELS] n_given
    cdef int32_t[MAX_LEVELS] n_drawn
    memset(n_given, 0, work.p.n_levels * sizeof(int32_t))
    memset(n_drawn, 0, work.p.n_levels * sizeof(int32_t))
    for k in range(n):
        if ratings[k].position >= 0:
            rated += 1
            given[ratings[k].level * work.batch_size + n_given[ratings[k].level]] = ratings[k].row
            n_given[ratings[k].level] += 1
            drawn[ratings[k].drawn * work.batch_size + n_drawn[ratings[k].drawn]] = ratings[k].row
            n_drawn[ratings[k].drawn] += 1
    for k in range(work.p.n_levels):
        cf_difference_of_sums(
            cf_rows(row_of(work, width, POSITIVE, 0), given + k * work.batch_size, n_given[k]),
            cf_rows(row_of(work, width, NEGATIVE, 0), drawn + k * work.batch_size, n_drawn[k]),
            width, gradient + k * width,
        )
        bias[k] = <float>(n_given[k] - n_drawn[k])
    return rated


cdef inline void update_conditional(const Pass *work, Py_ssize_t width, Py_ssize_t n_cases,
                                    const BatchRating *ratings, Py_ssize_t n, float *gradient,
                                    int32_t *rows) noexcept nogil:
    """Update D of a unit by p - p' of the cases that have it in their r."""
    cdef Py_ssize_t k, unit = ratings[0].unit
    for k in range(n):
        rows[k] = ratings[k].row
    cf_difference_of_sums(cf_rows(row_of(work, width, POSITIVE, 0), rows, n),
                          cf_rows(row_of(work, width, NEGATIVE, 0), rows, n), width, gradient)
    cf_update(work.p.conditional + unit * width, from_row(work.v.conditional, unit * width), gradient, width,
              <float>(1.0 / (n if work.by_count else n_cases)), 0, work.rates[3], work.momentum)


cdef inline float *from_row(float *first, Py_ssize_t at) noexcept nogil:
    """Entry `at` of an array, or NULL if there is no array."""
    return first + at if first != NULL else NULL


cdef inline void update_hidden_bias(const Pass *work, Py_ssize_t width, Py_ssize_t n_cases,
                                    int worker) noexcept nogil:
    """Update b_j by the mean of p - p' over the cases."""
    cdef Py_ssize_t row
    cdef float *gradient = work.gradients + worker * work.gradient_length
    memset(gradient, 0, width * sizeof(float))
    for row in range(n_cases):
        cf_add_difference(gradient, row_of(work, width, POSITIVE, row), row_of(work, width, NEGATIVE, row),
                          width)
    cf_update(work.p.hidden_bias, work.v.hidden_bias, gradient, width, <float>(1.0 / n_cases), 0,
              work.rates[2], work.momentum)
