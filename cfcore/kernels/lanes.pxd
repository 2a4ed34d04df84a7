# Factor rows in a fixed lane order: see lanes.h. Row lengths are multiples of 16 floats or 8 doubles.

from libc.stdint cimport int32_t

from cython cimport floating

cdef extern from "lanes.h" nogil:
    void CF_KEEP_BRANCH() noexcept
    void cf_prefetch(const void *begin, Py_ssize_t bytes) noexcept
    float cf_dot_f32(const float *p, const float *q, Py_ssize_t n) noexcept
    double cf_dot_f64(const double *p, const double *q, Py_ssize_t n) noexcept
    void cf_step_together_f32(float *p, float *q, Py_ssize_t n, float keep, float step) noexcept
    void cf_step_together_f64(double *p, double *q, Py_ssize_t n, double keep, double step) noexcept
    void cf_step_in_turn_f32(float *p, float *q, Py_ssize_t n, float keep, float step) noexcept
    void cf_step_in_turn_f64(double *p, double *q, Py_ssize_t n, double keep, double step) noexcept
    float cf_dot_of_sum_f32(const float *p, const float *s, const float *q, Py_ssize_t n) noexcept
    double cf_dot_of_sum_f64(const double *p, const double *s, const double *q, Py_ssize_t n) noexcept
    void cf_step_of_sum_f32(float *p, float *s, float *q, Py_ssize_t n, float keep, float step,
                            float keep_s, float step_s) noexcept
    void cf_step_of_sum_f64(double *p, double *s, double *q, Py_ssize_t n, double keep, double step,
                            double keep_s, double step_s) noexcept
    void cf_decay_f32(float *row, const float *step, Py_ssize_t n, float keep) noexcept
    void cf_decay_f64(double *row, const double *step, Py_ssize_t n, double keep) noexcept
    void cf_sum_rows_f32(const float *rows, const int32_t *codes, Py_ssize_t n_codes, Py_ssize_t n,
                         float *sum) noexcept
    void cf_sum_rows_f64(const double *rows, const int32_t *codes, Py_ssize_t n_codes, Py_ssize_t n,
                         double *sum) noexcept


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


cdef inline void step_in_turn(floating *p, floating *q, Py_ssize_t n, floating keep,
                              floating step) noexcept nogil:
    """q <- keep q + step p, then p <- keep p + step q with the new q."""
    if floating is float:
        cf_step_in_turn_f32(p, q, n, keep, step)
    else:
        cf_step_in_turn_f64(p, q, n, keep, step)


cdef inline floating dot_of_sum(const floating *p, const floating *s, const floating *q,
                                Py_ssize_t n) noexcept nogil:
    """(p + s) . q"""
    if floating is float:
        return cf_dot_of_sum_f32(p, s, q, n)
    else:
        return cf_dot_of_sum_f64(p, s, q, n)


cdef inline void step_of_sum(floating *p, floating *s, floating *q, Py_ssize_t n, floating keep,
                             floating step, floating keep_s, floating step_s) noexcept nogil:
    """p <- keep p + step q, s <- keep_s s + step_s q, q <- keep q + step (p + s), all from the old values."""
    if floating is float:
        cf_step_of_sum_f32(p, s, q, n, keep, step, keep_s, step_s)
    else:
        cf_step_of_sum_f64(p, s, q, n, keep, step, keep_s, step_s)


cdef inline void decay(floating *row, const floating *step, Py_ssize_t n, floating keep) noexcept nogil:
    """row <- keep row + step"""
    if floating is float:
        cf_decay_f32(row, step, n, keep)
    else:
        cf_decay_f64(row, step, n, keep)


cdef inline void sum_rows(const floating *rows, const int32_t *codes, Py_ssize_t n_codes, Py_ssize_t n,
                          floating *sum) noexcept nogil:
    """Sum of the rows of a matrix that `codes` names, in their order."""
    if floating is float:
        cf_sum_rows_f32(rows, codes, n_codes, n, sum)
    else:
        cf_sum_rows_f64(rows, codes, n_codes, n, sum)


cdef inline void prefetch_row(const floating *row, Py_ssize_t n) noexcept nogil:
    """Ask for every cache line of a row that will soon be written."""
    cf_prefetch(row, n * <Py_ssize_t>sizeof(row[0]))


cdef inline bint is_row_length(Py_ssize_t n, floating example) noexcept nogil:
    """True if n numbers of this type are a whole number of 64-byte groups."""
    return n * <Py_ssize_t>sizeof(example) % 64 == 0
