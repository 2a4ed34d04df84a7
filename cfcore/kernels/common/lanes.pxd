# Factor rows in a fixed lane order: see lanes.h. Row lengths are multiples of 16 floats or 8 doubles.

from libc.stdint cimport int32_t

from cython cimport floating

cdef extern from "common/lanes.h" nogil:
    void CF_KEEP_BRANCH() noexcept
    void cf_prefetch_read(const void *begin, Py_ssize_t bytes) noexcept
    void cf_prefetch(const void *begin, Py_ssize_t bytes) noexcept
    float cf_dot_f32(const float *p, const float *q, Py_ssize_t n) noexcept
    double cf_dot_f64(const double *p, const double *q, Py_ssize_t n) noexcept
    void cf_step_together_f32(float *p, float *q, Py_ssize_t n, float keep, float step) noexcept
    void cf_step_together_f64(double *p, double *q, Py_ssize_t n, double keep, double step) noexcept
    void cf_step_sequential_f32(float *p, float *q, Py_ssize_t n, float keep, float step) noexcept
    void cf_step_sequential_f64(double *p, double *q, Py_ssize_t n, double keep, double step) noexcept
    float cf_dot_of_sum_f32(const float *p, const float *s, const float *a, const float *d,
                            const float *q, Py_ssize_t n, float dev, bint has_a, bint has_d) noexcept
    double cf_dot_of_sum_f64(const double *p, const double *s, const double *a, const double *d,
                             const double *q, Py_ssize_t n, double dev, bint has_a, bint has_d) noexcept
    void cf_step_of_sum_f32(float *p, float *s, float *a, float *d, float *q, Py_ssize_t n, float dev,
                            bint has_a, bint has_d, float keep_p, float step_p, float keep_s,
                            float step_s, float keep_a, float step_a, float keep_d, float step_d,
                            float keep_q, float step_q) noexcept
    void cf_step_of_sum_f64(double *p, double *s, double *a, double *d, double *q, Py_ssize_t n, double dev,
                            bint has_a, bint has_d, double keep_p, double step_p, double keep_s,
                            double step_s, double keep_a, double step_a, double keep_d, double step_d,
                            double keep_q, double step_q) noexcept
    void cf_decay_f32(float *row, const float *step, Py_ssize_t n, float keep, float weight) noexcept
    void cf_decay_f64(double *row, const double *step, Py_ssize_t n, double keep, double weight) noexcept
    void cf_sum_rows_f32(const float *rows, const int32_t *codes, const float *weights, Py_ssize_t n_codes,
                         Py_ssize_t n, float *sum) noexcept
    void cf_sum_rows_f64(const double *rows, const int32_t *codes, const float *weights, Py_ssize_t n_codes,
                         Py_ssize_t n, double *sum) noexcept


cdef inline floating dot(const floating *p, const floating *q, Py_ssize_t n) noexcept nogil:
    """p . q"""
    if floating is float:
        return cf_dot_f32(p, q, n)
    else:
        return cf_dot_f64(p, q, n)


cdef inline void step_together(floating *p, floating *q, Py_ssize_t n, floating keep,
                               floating step) noexcept nogil:
    """p <- keep p + step q and q <- keep q + step p, both from the old values."""
    if floating is float:
        cf_step_together_f32(p, q, n, keep, step)
    else:
        cf_step_together_f64(p, q, n, keep, step)


cdef inline void step_sequential(floating *p, floating *q, Py_ssize_t n, floating keep,
                                 floating step) noexcept nogil:
    """q <- keep q + step p, then p <- keep p + step q with the new q."""
    if floating is float:
        cf_step_sequential_f32(p, q, n, keep, step)
    else:
        cf_step_sequential_f64(p, q, n, keep, step)


cdef inline floating dot_of_sum(const floating *p, const floating *s, const floating *q,
                                Py_ssize_t n) noexcept nogil:
    """(p + s) . q"""
    return dot_of_days(p, s, <const floating *>NULL, <const floating *>NULL, q, n, 0, False, False)


cdef inline void step_of_sum(floating *p, floating *s, floating *q, Py_ssize_t n, floating keep_p,
                             floating step_p, floating keep_s, floating step_s, floating keep_q,
                             floating step_q) noexcept nogil:
    """p, s: x <- keep_x x + step_x q; q <- keep_q q + step_q (p + s), all from the old values."""
    step_of_days(p, s, <floating *>NULL, <floating *>NULL, q, n, 0, False, False,
                 keep_p, step_p, keep_s, step_s, 0, 0, 0, 0, keep_q, step_q)


cdef inline floating dot_of_days(const floating *p, const floating *s, const floating *a, const floating *d,
                                 const floating *q, Py_ssize_t n, floating dev, bint has_a,
                                 bint has_d) noexcept nogil:
    """(p + s + dev a + d) . q; has_a and has_d, constants, say whether a and d are there at all."""
    if floating is float:
        return cf_dot_of_sum_f32(p, s, a, d, q, n, dev, has_a, has_d)
    else:
        return cf_dot_of_sum_f64(p, s, a, d, q, n, dev, has_a, has_d)


cdef inline void step_of_days(floating *p, floating *s, floating *a, floating *d, floating *q, Py_ssize_t n,
                              floating dev, bint has_a, bint has_d, floating keep_p, floating step_p,
                              floating keep_s, floating step_s, floating keep_a, floating step_a,
                              floating keep_d, floating step_d, floating keep_q,
                              floating step_q) noexcept nogil:
    """p, s, a, d: x <- keep_x x + step_x q; q <- keep_q q + step_q (p + s + dev a + d), from old values."""
    if floating is float:
        cf_step_of_sum_f32(p, s, a, d, q, n, dev, has_a, has_d, keep_p, step_p, keep_s, step_s, keep_a,
                           step_a, keep_d, step_d, keep_q, step_q)
    else:
        cf_step_of_sum_f64(p, s, a, d, q, n, dev, has_a, has_d, keep_p, step_p, keep_s, step_s, keep_a,
                           step_a, keep_d, step_d, keep_q, step_q)


cdef inline void decay(floating *row, const floating *step, Py_ssize_t n, floating keep,
                       floating weight) noexcept nogil:
    """row <- keep row + weight step"""
    if floating is float:
        cf_decay_f32(row, step, n, keep, weight)
    else:
        cf_decay_f64(row, step, n, keep, weight)


cdef inline void sum_rows(const floating *rows, const int32_t *codes, const float *weights,
                          Py_ssize_t n_codes, Py_ssize_t n, floating *sum) noexcept nogil:
    """Sum of the rows of a matrix that `codes` name, in their order; each times its weight unless NULL."""
    if weights == NULL:  # two calls, in each of which it is known whether there are weights
        if floating is float:
            cf_sum_rows_f32(rows, codes, NULL, n_codes, n, sum)
        else:
            cf_sum_rows_f64(rows, codes, NULL, n_codes, n, sum)
    elif floating is float:
        cf_sum_rows_f32(rows, codes, weights, n_codes, n, sum)
    else:
        cf_sum_rows_f64(rows, codes, weights, n_codes, n, sum)


cdef inline void prefetch_row(const floating *row, Py_ssize_t n) noexcept nogil:
    """Ask for every cache line of a row that will soon be written."""
    cf_prefetch(row, n * <Py_ssize_t>sizeof(row[0]))


cdef inline void prefetch_row_to_read(const floating *row, Py_ssize_t n) noexcept nogil:
    """Ask for every cache line of a row that other threads may read too."""
    cf_prefetch_read(row, n * <Py_ssize_t>sizeof(row[0]))


cdef inline bint is_row_length(Py_ssize_t n, floating example) noexcept nogil:
    """True if n numbers of this type are a whole number of 64-byte groups."""
    return n * <Py_ssize_t>sizeof(example) % 64 == 0
