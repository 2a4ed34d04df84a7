# The reconstructions of a mini-batch of `rbm.pyx`: ratings drawn given the hidden units, sums of their rows.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch, cf_prefetch_read
from cfcore.kernels.rbm.batch_ratings cimport (
    AHEAD,
    DATA,
    NEAR,
    SOON,
    STATE,
    BatchRating,
    Pass,
    row_of,
    sum_of,
    weights_of,
)
from cfcore.kernels.rbm.model cimport (
    LANES,
    MAX_LEVELS,
    VISIBLE,
    cf_add,
    cf_draw,
    cf_expect,
    cf_logits,
    cf_softmax,
    cf_uniforms,
)


cdef inline double draw_ratings(const Pass *work, Py_ssize_t width, Py_ssize_t part, const int32_t *cases,
                                Py_ssize_t n_cases, Py_ssize_t step) noexcept nogil:
    """Draw v' given h, `LANES` ratings at a time, and sum W[i, v'_i] for each case.

    Returns the sum of squared errors of the expected ratings.
    """
    cdef float *sums = sum_of(work, width, part, DATA)
    cdef Py_ssize_t k, n_levels = work.p.n_levels, end = work.ranges[2 * part + 1]
    cdef float shares[MAX_LEVELS * LANES]
    cdef float totals[LANES]
    cdef float noise[LANES]
    cdef float expected[LANES]
    cdef int64_t some_cases[LANES]
    cdef int64_t some_units[LANES]
    cdef int32_t drawn[LANES]
    cdef BatchRating *some[LANES]
    cdef BatchRating *rating
    cdef int lane, n = 0
    cdef double squares = 0, error
    cdef bint far = 2 * n_cases * width * sizeof(float) > NEAR  # states and sums
    memset(sums, 0, n_cases * width * sizeof(float))
    memset(shares, 0, n_levels * LANES * sizeof(float))
    memset(some_cases, 0, sizeof(some_cases))
    memset(some_units, 0, sizeof(some_units))
    for k in range(work.ranges[2 * part], end):
        rating = work.ratings + k
        if k + AHEAD < end and rating[AHEAD].unit != rating[AHEAD - 1].unit:
            cf_prefetch(weights_of(work, width, rating + AHEAD, 0), n_levels * width * sizeof(float))
        if far and k + SOON < end:
            cf_prefetch_read(row_of(work, width, STATE, rating[SOON].row), width * sizeof(float))
        if rating.position >= 0:
            cf_logits(work.p.weights + rating.unit * n_levels * width,
                      work.p.visible_bias + rating.unit * n_levels, row_of(work, width, STATE, rating.row),
                      width, n_levels, shares + n)
            if far:
                cf_prefetch(sums + rating.row * width, width * sizeof(float))
            some[n] = rating
            some_cases[n] = cases[rating.row]
            some_units[n] = rating.unit
            n += 1
        if n < LANES and k + 1 < end:
            continue
        cf_softmax(shares, n_levels, totals)
        cf_uniforms(some_cases, some_units, <uint32_t>work.epoch, <uint32_t>(2 * step + VISIBLE), work.seed,
                    noise)
        cf_draw(shares, totals, noise, n_levels, drawn)
        if step == 0:
            cf_expect(shares, totals, work.values, n_levels, expected)
            for lane in range(n):
                error = expected[lane] - work.values[some[lane].level]
                squares += error * error
        for lane in range(n):
            rating = some[lane]
            rating.drawn = drawn[lane]
            cf_add(sums + rating.row * width, weights_of(work, width, rating, drawn[lane]), width)
            if step + 1 == work.cd_steps:
                work.drawn[rating.position] = <uint8_t>drawn[lane]
        n = 0
    return squares
