# Parameters and cases of an RBM as pointers, and the inputs, means and states of the hidden units of a case.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.philox cimport philox

cdef extern from "rbm/model.h" nogil:
    ctypedef struct cf_rows:
        const float *matrix
        const int32_t *codes
        Py_ssize_t n

    void cf_sigmoids(const float *x, float *out, Py_ssize_t n) noexcept
    void cf_add(float *sum, const float *x, Py_ssize_t n) noexcept
    void cf_subtract(float *sum, const float *x, Py_ssize_t n) noexcept
    void cf_add_difference(float *sum, const float *x, const float *y, Py_ssize_t n) noexcept
    void cf_difference_of_sums(cf_rows added, cf_rows subtracted, Py_ssize_t n, float *out) noexcept
    void cf_update(float *x, float *v, const float *g, Py_ssize_t n, float over, float decay, float rate,
                   float momentum) noexcept
    void cf_share_levels(float *rows, const float *sharing, Py_ssize_t levels, Py_ssize_t n) noexcept
    void cf_update_unpadded(float *x, float *v, const float *g, Py_ssize_t n, float over, float rate,
                            float momentum) noexcept
    void cf_logits(const float *rows, const float *bias, const float *h, Py_ssize_t n, Py_ssize_t levels,
                   float *out) noexcept
    void cf_uniforms(const int64_t *cases, const int64_t *units, uint32_t epoch, uint32_t kind,
                     uint64_t key, float *out) noexcept
    void cf_softmax(float *x, Py_ssize_t levels, float *total) noexcept
    void cf_draw(const float *shares, const float *total, const float *u, Py_ssize_t levels,
                 int32_t *drawn) noexcept
    void cf_expect(const float *shares, const float *total, const float *values, Py_ssize_t levels,
                   float *out) noexcept
    void cf_states(const uint32_t *words, const float *on, float *state, Py_ssize_t n) noexcept

cdef enum:
    HIDDEN = 0
    VISIBLE = 1
    MAX_LEVELS = 64
    LANES = 16      # hidden units, or ratings, drawn together


# Arrays of an `RBMParameters` record; pointers are to the first entry.
cdef struct ParameterPointers:
    float *weights
    float *visible_bias
    float *hidden_bias
    float *conditional  # NULL without D
    Py_ssize_t n_units, n_levels, width, n_hidden


# Arrays of a `Cases` record.
cdef struct CasePointers:
    const int64_t *indptr
    const int32_t *units
    const uint8_t *levels
    const int64_t *rated_indptr
    const int32_t *rated_units


cdef inline void hidden_means(const ParameterPointers *p, const float *inputs, float *out) noexcept nogil:
    """P(h_j = 1), and 0 in the padding."""
    cf_sigmoids(inputs, out, p.width)
    memset(out + p.n_hidden, 0, (p.width - p.n_hidden) * sizeof(float))


cdef inline void draw_hidden(const float *on, float *state, Py_ssize_t n, Py_ssize_t width, uint64_t seed,
                             int64_t epoch, int64_t case, Py_ssize_t step) noexcept nogil:
    """h_j = 1 with probability on[j]; on[j] is 0 in the padding, and so is the state."""
    cdef uint32_t words[LANES]
    cdef Py_ssize_t group, k
    cdef uint32_t last
    for group in range(width // LANES):
        for k in range(LANES // 4):
            last = <uint32_t>(group * (LANES // 4) + k)
            words[4 * k], words[4 * k + 1] = <uint32_t>case, <uint32_t>epoch
            words[4 * k + 2], words[4 * k + 3] = <uint32_t>(2 * step + HIDDEN), last
            if 4 * last < n:
                philox(words + 4 * k, seed)
        cf_states(words, on + group * LANES, state + group * LANES, LANES)


cdef inline void inputs_of(const ParameterPointers *p, const float *offset, const int32_t *units,
                           const uint8_t *levels, Py_ssize_t n, float *out) noexcept nogil:
    """offset + sum_i W[i, v_i]"""
    cdef Py_ssize_t k
    for k in range(p.width):
        out[k] = 0
    for k in range(n):
        cf_add(out, p.weights + (units[k] * p.n_levels + levels[k]) * p.width, p.width)
    cf_add(out, offset, p.width)


cdef inline void offset_of(const ParameterPointers *p, const CasePointers *cases, int64_t case,
                           float *out) noexcept nogil:
    """b + sum_{i in r} D_i"""
    cdef Py_ssize_t k
    for k in range(p.width):
        out[k] = 0
    if p.conditional != NULL:
        for k in range(cases.rated_indptr[case], cases.rated_indptr[case + 1]):
            cf_add(out, p.conditional + cases.rated_units[k] * p.width, p.width)
    cf_add(out, p.hidden_bias, p.width)
