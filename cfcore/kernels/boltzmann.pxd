# The machine of `rbm.pyx` and what one case does with it: probabilities up and down, and the Gibbs chain.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.lanes cimport dot
from cfcore.kernels.philox cimport philox

cdef extern from "boltzmann.h" nogil:
    float cf_expf(float x) noexcept
    float cf_hold(float x) noexcept
    void cf_sigmoids(const float *x, float *out, Py_ssize_t n) noexcept
    void cf_add(float *sum, const float *x, Py_ssize_t n) noexcept
    void cf_subtract(float *sum, const float *x, Py_ssize_t n) noexcept
    void cf_move(float *x, float *v, const float *g, Py_ssize_t n, float over, float decay, float rate,
                 float momentum) noexcept
    void cf_share(float *rows, const float *sharing, Py_ssize_t levels, Py_ssize_t n) noexcept

cdef enum:
    HIDDEN = 0
    VISIBLE = 1
    MAX_LEVELS = 64


cdef struct Machine:
    float *weights
    float *visible_bias
    float *hidden_bias
    float *conditional  # NULL without D
    Py_ssize_t n_units, n_levels, width, n_hidden


cdef struct Rows:
    const int64_t *indptr
    const int32_t *units
    const uint8_t *levels
    const int64_t *rated_indptr
    const int32_t *rated_units


cdef inline float uniform(const uint32_t *words, Py_ssize_t j) noexcept nogil:
    return <float>(words[j & 3] >> 8) * <float>(1.0 / 16777216)


cdef inline void words_of(uint32_t *words, uint64_t seed, int64_t epoch, int64_t case, Py_ssize_t step,
                          int kind, Py_ssize_t group) noexcept nogil:
    words[0] = <uint32_t>case
    words[1] = <uint32_t>epoch
    words[2] = <uint32_t>(2 * step + kind)
    words[3] = <uint32_t>group
    philox(words, seed)


cdef inline void hidden_means(const Machine *m, const float *inputs, float *out) noexcept nogil:
    """P(h_j = 1), and 0 in the padding."""
    cf_sigmoids(inputs, out, m.width)
    memset(out + m.n_hidden, 0, (m.width - m.n_hidden) * sizeof(float))


cdef inline void draw_hidden(const float *on, float *state, Py_ssize_t n, uint64_t seed, int64_t epoch,
                             int64_t case, Py_ssize_t step) noexcept nogil:
    """h_j = 1 with probability on[j]."""
    cdef uint32_t words[4]
    cdef Py_ssize_t j
    for j in range(n):
        if j & 3 == 0:
            words_of(words, seed, epoch, case, step, HIDDEN, j >> 2)
        state[j] = <float>(uniform(words, j) < on[j])


cdef inline void shares_of(const Machine *m, Py_ssize_t unit, const float *state,
                           float *shares) noexcept nogil:
    """P(v_unit = k | h), the maximum subtracted before exp."""
    cdef Py_ssize_t k
    cdef float top = 0, total = 0
    for k in range(m.n_levels):
        shares[k] = m.visible_bias[unit * m.n_levels + k] + dot(
            <const float*>(m.weights + (unit * m.n_levels + k) * m.width), state, m.width)
        if k == 0 or shares[k] > top:
            top = shares[k]
    for k in range(m.n_levels):
        shares[k] = cf_expf(cf_hold(shares[k] - top))
        total += shares[k]
    for k in range(m.n_levels):
        shares[k] /= total


cdef inline void inputs_of(const Machine *m, const float *offset, const int32_t *units, const uint8_t *levels,
                           Py_ssize_t n, float *out) noexcept nogil:
    """offset + sum_i W[i, v_i]"""
    cdef Py_ssize_t k
    for k in range(m.width):
        out[k] = 0
    for k in range(n):
        cf_add(out, m.weights + (units[k] * m.n_levels + levels[k]) * m.width, m.width)
    cf_add(out, offset, m.width)


cdef inline void offset_of(const Machine *m, const Rows *rows, int64_t case, float *out) noexcept nogil:
    """b + sum_{i in r} D_i"""
    cdef Py_ssize_t k
    for k in range(m.width):
        out[k] = 0
    if m.conditional != NULL:
        for k in range(rows.rated_indptr[case], rows.rated_indptr[case + 1]):
            cf_add(out, m.conditional + rows.rated_units[k] * m.width, m.width)
    cf_add(out, m.hidden_bias, m.width)


cdef inline double chain(const Machine *m, const Rows *rows, int64_t case, const double *values, float *first,
                         float *last, uint8_t *drawn, float *scratch, Py_ssize_t cd_steps, uint64_t seed,
                         int64_t epoch) noexcept nogil:
    """Up, and `cd_steps` times down and up: hidden probabilities of data and reconstruction, and the latter.

    Returns the sum of squared errors of the first reconstruction's expectations.
    """
    cdef float *offset = scratch
    cdef float *state = scratch + m.width
    cdef float shares[MAX_LEVELS]
    cdef uint32_t words[4]
    cdef int64_t begin = rows.indptr[case]
    cdef Py_ssize_t n = rows.indptr[case + 1] - begin, step, i, k
    cdef const int32_t *units = rows.units + begin
    cdef const uint8_t *levels = rows.levels + begin
    cdef double squares = 0, error
    cdef float u, end
    offset_of(m, rows, case, offset)
    inputs_of(m, offset, units, levels, n, state)
    hidden_means(m, state, first)
    for step in range(cd_steps):
        memset(state, 0, m.width * sizeof(float))
        draw_hidden(first if step == 0 else last, state, m.n_hidden, seed, epoch, case, step)
        for i in range(n):
            shares_of(m, units[i], state, shares)
            if step == 0:
                error = -values[levels[i]]
                for k in range(m.n_levels):
                    error += shares[k] * values[k]
                squares += error * error
            if i & 3 == 0:
                words_of(words, seed, epoch, case, step, VISIBLE, i >> 2)
            u = uniform(words, i)
            end = shares[0]
            k = 0
            while k < m.n_levels - 1 and u >= end:
                k += 1
                end += shares[k]
            drawn[begin + i] = <uint8_t>k
        inputs_of(m, offset, units, drawn + begin, n, state)
        hidden_means(m, state, last)
    return squares
