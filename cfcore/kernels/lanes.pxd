# Factor rows in a fixed lane order: see lanes.h. Row lengths are multiples of 16 floats or 8 doubles.

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


cdef inline void prefetch_row(const floating *row, Py_ssize_t n) noexcept nogil:
    """Ask for every cache line of a row that will soon be written."""
    cf_prefetch(row, n * <Py_ssize_t>sizeof(row[0]))


cdef inline bint is_row_length(Py_ssize_t n, floating example) noexcept nogil:
    """True if n numbers of this type are a whole number of 64-byte groups."""
    return n * <Py_ssize_t>sizeof(example) % 64 == 0
