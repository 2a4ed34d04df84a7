# The parameters of timeSVD++, as the loops of `timesvdpp_loops.pyx` read and update them.

from cython cimport floating
from libc.stdint cimport int32_t, uint8_t

from cfcore.kernels.factorization.sgd cimport bias_step

# The terms, in the order of TIME_TERMS in records/time_parameters.py.
cdef enum:
    USER_BIAS, USER_SLOPE, USER_SCALE, DAY_BIAS, DAY_SCALE, USER_FACTORS, USER_DRIFT
    DAY_FACTORS, ITEM_BIAS, ITEM_BINS, ITEM_FREQUENCIES, ITEM_WEEKDAYS, ITEM_WEEKS, ITEM_FACTORS
    IMPLICIT_FACTORS, N_TERMS

cdef enum:
    MOST_SESSION_LEVELS = 16  # of sessions, as in records/time_parameters.py

cdef enum:
    CODES = 256      # of bins, frequencies, weekdays and weeks
    LEFT_OUT = 255   # in predictions: a bin, frequency, weekday or week that is not known

# An entry of an array of dtype DAY in records/time_parameters.py.
cdef struct Day:
    int32_t user
    float dev
    uint8_t bin
    uint8_t frequency
    uint8_t weekday
    uint8_t week

# Parameters by term: pointer to the first (NULL: the term is left out), and numbers in a row.
cdef struct TimeModel:
    void *first[N_TERMS]
    Py_ssize_t length[N_TERMS]
    double lr[N_TERMS]
    double keep[N_TERMS]   # 1 - lr reg
    void *sums             # s_u
    void *gains            # c_u of implicit_terms.pxd
    const Day *days
    const int32_t *moments           # rows of a user-day and n_levels sessions; NULL: there are no sessions
    void *sessions                   # their biases
    double session_lr[MOST_SESSION_LEVELS]
    double session_keep[MOST_SESSION_LEVELS]
    Py_ssize_t n_moments, n_levels
    Py_ssize_t n_users, n_days, n_items, width
    bint plain             # all gains are 1
    double mean


cdef inline floating *entry(const TimeModel *m, int term, Py_ssize_t row, Py_ssize_t column,
                            floating kind) noexcept nogil:
    return <floating *>m.first[term] + row * m.length[term] + column


cdef inline floating value(const TimeModel *m, int term, Py_ssize_t row, Py_ssize_t column,
                           floating kind) noexcept nogil:
    """A parameter; 0 if the term is left out."""
    return entry(m, term, row, column, kind)[0] if m.first[term] != NULL else 0


cdef inline void step(const TimeModel *m, int term, Py_ssize_t row, Py_ssize_t column,
                      floating gradient) noexcept nogil:
    """x += lr (gradient - reg x), unless the term is left out."""
    if m.first[term] != NULL:
        bias_step(entry(m, term, row, column, gradient), <floating>m.keep[term],
                  <floating>m.lr[term] * gradient)


cdef inline bint is_column(const TimeModel *m, int term, Py_ssize_t column) noexcept nogil:
    """True if a column of an item's table, of which there are any, is there or is to be left out."""
    return column == LEFT_OUT or column < m.length[term]
