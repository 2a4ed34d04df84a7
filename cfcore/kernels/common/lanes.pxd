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
    # Rows of a user that add up to z = p + s + dev a + d, and the row q of an item; see lanes.h.
    ctypedef struct UserRows "cf_user_rows":
        void *p
        void *s
        void *a
        void *d
        void *q
        Py_ssize_t n
        double dev
        bint has_a
        bint has_d
    ctypedef struct UserSteps "cf_user_steps":
        double keep_p, step_p, keep_s, step_s, keep_a, step_a, keep_d, step_d, keep_q, step_q
    float cf_dot_of_sum_f32(const UserRows *rows) noexcept
    double cf_dot_of_sum_f64(const UserRows *rows) noexcept
    void cf_step_of_sum_f32(const UserRows *rows, const UserSteps *by) noexcept
    void cf_step_of_sum_f64(const UserRows *rows, const UserSteps *by) noexcept
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


cdef inline floating dot_of_sum(const UserRows *rows, floating kind) noexcept nogil:
    """z . q; `kind` is of the type of the rows."""
    if floating is float:
        return cf_dot_of_sum_f32(rows)
    else:
        return cf_dot_of_sum_f64(rows)


cdef inline void step_of_sum(const UserRows *rows, const UserSteps *by, floating kind) noexcept nogil:
    """p, s, a, d: x <- keep_x x + step_x q; q <- keep_q q + step_q z, from old values."""
    if floating is float:
        cf_step_of_sum_f32(rows, by)
    else:
        cf_step_of_sum_f64(rows, by)


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
