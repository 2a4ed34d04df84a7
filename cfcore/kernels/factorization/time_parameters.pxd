# The parameters of `timesvdpp.pyx`: where they are, how one of them moves, and the checks of their shapes.

from cython cimport floating
from libc.stdint cimport int32_t, uint8_t

from cfcore.kernels.common.lanes cimport is_row_length
from cfcore.kernels.factorization.sgd cimport bias_step

cdef enum:
    USER_BIAS, USER_SLOPE, USER_SCALE, DAY_BIAS, DAY_SCALE, USER_FACTORS, USER_DRIFT
    DAY_FACTORS, ITEM_BIAS, ITEM_BINS, ITEM_FREQUENCIES, ITEM_WEEKDAYS, ITEM_WEEKS, ITEM_FACTORS
    IMPLICIT_FACTORS, N_TERMS

cdef enum:
    CODES = 256  # of bins and the like

# A user-day; in Python np.dtype([("user", "i4"), ("dev", "f4"), ("bin", "u1"), ("frequency", "u1"),
# ("weekday", "u1"), ("week", "u1")]).
cdef struct Day:
    int32_t user
    float dev
    uint8_t bin
    uint8_t frequency
    uint8_t weekday
    uint8_t week

# Parameters by term: where the first of them is (NULL: the term is switched off), and entries of a row.
cdef struct Model:
    void *first[N_TERMS]
    Py_ssize_t length[N_TERMS]
    double lr[N_TERMS]
    double keep[N_TERMS]   # 1 - lr reg
    void *sums
    const Day *days
    Py_ssize_t n_users, n_days, n_items, width
    double mean


cdef inline floating *entry(const Model *m, int term, Py_ssize_t row, Py_ssize_t column,
                            floating kind) noexcept nogil:
    return <floating *>m.first[term] + row * m.length[term] + column


cdef inline floating value(const Model *m, int term, Py_ssize_t row, Py_ssize_t column,
                           floating kind) noexcept nogil:
    """The parameter in a place; 0 if the term is switched off."""
    return entry(m, term, row, column, kind)[0] if m.first[term] != NULL else 0


cdef inline void move(const Model *m, int term, Py_ssize_t row, Py_ssize_t column,
                      floating gradient) noexcept nogil:
    """x += lr (gradient - reg x), if the term is switched on."""
    if m.first[term] != NULL:
        bias_step(entry(m, term, row, column, gradient), <floating>m.keep[term],
                  <floating>m.lr[term] * gradient)


cdef inline const floating *table_of(const floating[:, ::1] x) noexcept:
    return &x[0, 0] if x.shape[0] and x.shape[1] else NULL


cdef inline int put(Model *m, str who, str name, int term, const floating *first, Py_ssize_t rows,
                    Py_ssize_t columns, Py_ssize_t needed, bint optional) except -1:
    """Note the parameters of a term: `needed` rows, or none if the term may be switched off."""
    if rows != needed and not (optional and rows == 0):
        raise ValueError(f"{who}: {name} must have {needed} rows" + (", or none" if optional else ""))
    m.first[term] = <void *>first if rows > 0 and columns > 0 else NULL
    m.length[term] = columns
    return 0


cdef inline int put_vector(Model *m, str who, str name, int term, const floating[::1] x, Py_ssize_t needed,
                           bint optional) except -1:
    return put(m, who, name, term, &x[0] if x.shape[0] else <const floating *>NULL, x.shape[0], 1, needed,
               optional)


cdef inline int put_table(Model *m, str who, str name, int term, const floating[:, ::1] x) except -1:
    """A table with a row for each item; one without columns is switched off, and has any code."""
    put(m, who, name, term, table_of(x), x.shape[0], x.shape[1], m.n_items, False)
    if x.shape[1] == 0:
        m.length[term] = CODES
    return 0


cdef inline int put_rows(Model *m, str who, str name, int term, const floating[:, ::1] x, Py_ssize_t needed,
                         bint optional) except -1:
    if x.shape[1] != m.width or not is_row_length(m.width, <floating>0):
        raise ValueError(f"{who}: factor rows must be of one length, a multiple of 64 bytes")
    return put(m, who, name, term, table_of(x), x.shape[0], x.shape[1], needed, optional)


cdef inline Model model_of(
    str who, Py_ssize_t n_days, const floating[::1] user_bias, const floating[::1] user_slope,
    const floating[::1] user_scale, const floating[::1] day_bias, const floating[::1] day_scale,
    const floating[:, ::1] user_factors, const floating[:, ::1] user_drift,
    const floating[:, ::1] day_factors, const floating[::1] item_bias, const floating[:, ::1] item_bins,
    const floating[:, ::1] item_frequencies,
    const floating[:, ::1] item_weekdays, const floating[:, ::1] item_weeks,
    const floating[:, ::1] item_factors, double mean
) except *:
    """All parameters but y, their shapes checked."""
    cdef Model m
    m.n_users = user_factors.shape[0]
    m.n_days = n_days
    m.n_items = item_factors.shape[0]
    m.width = user_factors.shape[1]
    m.mean = mean
    put_vector(&m, who, "user_bias", USER_BIAS, user_bias, m.n_users, False)
    put_vector(&m, who, "user_slope", USER_SLOPE, user_slope, m.n_users, True)
    put_vector(&m, who, "user_scale", USER_SCALE, user_scale, m.n_users, True)
    put_vector(&m, who, "day_bias", DAY_BIAS, day_bias, n_days, True)
    put_vector(&m, who, "day_scale", DAY_SCALE, day_scale, n_days, True)
    put_rows(&m, who, "user_factors", USER_FACTORS, user_factors, m.n_users, False)
    put_rows(&m, who, "user_drift", USER_DRIFT, user_drift, m.n_users, True)
    put_rows(&m, who, "day_factors", DAY_FACTORS, day_factors, n_days, True)
    put_vector(&m, who, "item_bias", ITEM_BIAS, item_bias, m.n_items, False)
    put_table(&m, who, "item_bins", ITEM_BINS, item_bins)
    put_table(&m, who, "item_frequencies", ITEM_FREQUENCIES, item_frequencies)
    put_table(&m, who, "item_weekdays", ITEM_WEEKDAYS, item_weekdays)
    put_table(&m, who, "item_weeks", ITEM_WEEKS, item_weeks)
    put_rows(&m, who, "item_factors", ITEM_FACTORS, item_factors, m.n_items, False)
    return m
