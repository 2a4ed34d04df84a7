"""Loops of `cfcore.kernels.factorization.timesvdpp`."""
from cython cimport floating
from libc.stdint cimport int32_t, uint32_t

from cfcore.kernels.common.lanes cimport (
    UserRows,
    UserSteps,
    cf_prefetch,
    cf_prefetch_read,
    dot,
    dot_of_sum,
    prefetch_row,
    step_of_sum,
)
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.sgd cimport Rating, bias_step
from cfcore.kernels.factorization.time_parameters cimport (
    DAY_BIAS,
    DAY_FACTORS,
    DAY_SCALE,
    IMPLICIT_FACTORS,
    ITEM_BIAS,
    ITEM_BINS,
    ITEM_FACTORS,
    ITEM_FREQUENCIES,
    ITEM_WEEKDAYS,
    ITEM_WEEKS,
    LEFT_OUT,
    USER_BIAS,
    USER_DRIFT,
    USER_FACTORS,
    USER_SCALE,
    USER_SLOPE,
    Day,
    TimeModel,
    entry,
    step,
    value,
)
from cfcore.kernels.factorization.timesvdpp_loops cimport TimeSVDppLoops

cdef enum:
    AHEAD = 4        # ratings between prefetching rows and using them
    DAYS_AHEAD = 8   # and for the entry of a user-day, which says which rows
    MOMENTS_AHEAD = 12  # and for that of a moment, which says which user-day


cdef inline Py_ssize_t day_of(const Rating rating, const TimeModel *m) noexcept nogil:
    """Code of the user-day of a rating."""
    return rating.user if m.moments == NULL else m.moments[rating.user * (m.n_levels + 1)]


cdef inline floating session_biases(const int32_t *own, const TimeModel *m, floating kind) noexcept nogil:
    """Sum of the biases of the sessions of a moment."""
    cdef const floating *biases = <const floating *>m.sessions
    cdef floating total = 0
    cdef Py_ssize_t at
    for at in range(m.n_levels):
        total += biases[own[at + 1]]
    return total


cdef inline void session_steps(const int32_t *own, const TimeModel *m, floating error) noexcept nogil:
    """A step of the biases of the sessions of a moment."""
    cdef floating *biases = <floating *>m.sessions
    cdef Py_ssize_t at
    for at in range(m.n_levels):
        bias_step(biases + own[at + 1], <floating>m.session_keep[at], <floating>m.session_lr[at] * error)


cdef inline floating time_step(const Rating rating, const TimeModel *m, Py_ssize_t width, bint drifts,
                               bint daily, bint plain, floating kind) noexcept nogil:
    """Update all parameters of a rating, from their old values. Returns the error before.

    `drifts` and `daily` say whether there are alpha_uk and p_ut, `plain` that all gains are 1.
    """
    cdef Py_ssize_t day = day_of(rating, m), i = rating.item
    cdef const int32_t *own = NULL  # the row of the moment, where there are sessions
    cdef Day t = m.days[day]
    cdef Py_ssize_t u = t.user
    cdef floating dev = <floating>t.dev
    cdef UserRows rows = UserRows(
        p=<floating *>m.first[USER_FACTORS] + u * width, s=<floating *>m.sums + u * width,
        a=NULL, d=NULL, q=<floating *>m.first[ITEM_FACTORS] + i * width, n=width, dev=t.dev, has_a=drifts,
        has_d=daily,
    )
    cdef UserSteps by
    cdef floating c_u = value(m, USER_SCALE, u, 0, kind) if m.first[USER_SCALE] != NULL else 1
    cdef floating scale = c_u + value(m, DAY_SCALE, day, 0, kind)
    cdef floating item = value(m, ITEM_BIAS, i, 0, kind) + value(m, ITEM_BINS, i, t.bin, kind)
    cdef floating base = <floating>m.mean + value(m, USER_BIAS, u, 0, kind), error
    if drifts:
        rows.a = <floating *>m.first[USER_DRIFT] + u * width
    if daily:
        rows.d = <floating *>m.first[DAY_FACTORS] + day * width
    base += value(m, USER_SLOPE, u, 0, kind) * dev + value(m, DAY_BIAS, day, 0, kind)
    base += item * scale + value(m, ITEM_FREQUENCIES, i, t.frequency, kind)
    base += value(m, ITEM_WEEKDAYS, i, t.weekday, kind) + value(m, ITEM_WEEKS, i, t.week, kind)
    if m.moments != NULL:
        own = m.moments + rating.user * (m.n_levels + 1)
        base += session_biases(own, m, kind)
    error = (<floating>rating.value - base) - dot_of_sum(&rows, kind)
    step(m, USER_BIAS, u, 0, error)
    step(m, USER_SLOPE, u, 0, error * dev)
    if m.first[USER_SCALE] != NULL:  # it is regularised towards 1, not 0
        entry(m, USER_SCALE, u, 0, kind)[0] -= 1
        step(m, USER_SCALE, u, 0, error * item)
        entry(m, USER_SCALE, u, 0, kind)[0] += 1
    step(m, DAY_BIAS, day, 0, error)
    step(m, DAY_SCALE, day, 0, error * item)
    step(m, ITEM_BIAS, i, 0, error * scale)
    step(m, ITEM_BINS, i, t.bin, error * scale)
    step(m, ITEM_FREQUENCIES, i, t.frequency, error)
    step(m, ITEM_WEEKDAYS, i, t.weekday, error)
    step(m, ITEM_WEEKS, i, t.week, error)
    if m.moments != NULL:
        session_steps(own, m, error)
    by.keep_p, by.step_p = <floating>m.keep[USER_FACTORS], <floating>m.lr[USER_FACTORS] * error
    by.keep_s = <floating>m.keep[IMPLICIT_FACTORS]
    by.step_s = <floating>m.lr[IMPLICIT_FACTORS] * error
    if not plain:
        by.step_s = <floating>by.step_s * (<const floating *>m.gains)[u]
    by.keep_a, by.step_a = <floating>m.keep[USER_DRIFT], <floating>m.lr[USER_DRIFT] * error * dev
    by.keep_d, by.step_d = <floating>m.keep[DAY_FACTORS], <floating>m.lr[DAY_FACTORS] * error
    by.keep_q, by.step_q = <floating>m.keep[ITEM_FACTORS], <floating>m.lr[ITEM_FACTORS] * error
    step_of_sum(&rows, &by, kind)
    return error


cdef inline bint is_known(const Rating rating, const TimeModel *m) noexcept nogil:
    """True if the moment or user-day, the item, and all codes in the entry of the day are in range."""
    cdef const Day *t
    cdef Py_ssize_t day = rating.user
    if <uint32_t>rating.item >= <size_t>m.n_items:
        return False
    if m.moments != NULL:
        if <uint32_t>rating.user >= <size_t>m.n_moments:
            return False
        day = day_of(rating, m)
    if <uint32_t>day >= <size_t>m.n_days:
        return False
    t = m.days + day
    return (<uint32_t>t.user < <size_t>m.n_users
            and t.bin < m.length[ITEM_BINS] and t.frequency < m.length[ITEM_FREQUENCIES]
            and t.weekday < m.length[ITEM_WEEKDAYS] and t.week < m.length[ITEM_WEEKS])


cdef inline void prefetch_rows(const Rating rating, const TimeModel *m, Py_ssize_t width, bint drifts,
                               bint daily, floating kind) noexcept nogil:
    """Prefetch the rows of a rating, and the entries of its item that are far from each other."""
    cdef Py_ssize_t day = day_of(rating, m), at
    cdef const Day *t = m.days + day
    prefetch_row(<floating *>m.first[USER_FACTORS] + t.user * width, width)
    prefetch_row(<floating *>m.sums + t.user * width, width)
    prefetch_row(<floating *>m.first[ITEM_FACTORS] + rating.item * width, width)
    if drifts:
        prefetch_row(<floating *>m.first[USER_DRIFT] + t.user * width, width)
    if daily:
        prefetch_row(<floating *>m.first[DAY_FACTORS] + day * width, width)
    if m.moments != NULL:
        for at in range(m.n_levels):
            cf_prefetch(<floating *>m.sessions + m.moments[rating.user * (m.n_levels + 1) + at + 1], 1)
    if m.first[ITEM_BINS] != NULL:
        prefetch_row(entry(m, ITEM_BINS, rating.item, t.bin, kind), 1)
    if m.first[ITEM_WEEKS] != NULL:
        prefetch_row(entry(m, ITEM_WEEKS, rating.item, t.week, kind), 1)


# What of a sweep is compiled separately for each value.
cdef struct Kind:
    Py_ssize_t width
    bint plain, drifts, daily


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const TimeModel *model,
                         Kind of, floating kind) noexcept nogil:
    """A step for each rating of a block, as `Sweep` has it; `kind` is of the type of the factors."""
    cdef Py_ssize_t width = of.width
    cdef bint drifts = of.drifts, daily = of.daily
    cdef TimeModel m = model[0]  # a copy of its own: nothing that is written can be part of it
    cdef floating error
    cdef double squares = 0
    cdef Py_ssize_t begin = start, end = n, k
    cdef int _part
    for _part in range(2):
        for k in range(begin, min(begin + AHEAD, end)):
            if not is_known(ratings[k], &m):
                return -1
        for k in range(begin, end):
            if m.moments == NULL:
                if k + DAYS_AHEAD < end:
                    cf_prefetch(m.days + ratings[k + DAYS_AHEAD].user, 1)
            elif k + MOMENTS_AHEAD < end:
                cf_prefetch_read(m.moments + ratings[k + MOMENTS_AHEAD].user * (m.n_levels + 1), 1)
                if <uint32_t>ratings[k + DAYS_AHEAD].user < <size_t>m.n_moments:
                    cf_prefetch(m.days + day_of(ratings[k + DAYS_AHEAD], &m), 1)
            if k + AHEAD < end:
                if not is_known(ratings[k + AHEAD], &m):
                    return -1
                prefetch_rows(ratings[k + AHEAD], &m, width, drifts, daily, kind)
            error = time_step(ratings[k], &m, width, drifts, daily, of.plain, kind)
            squares += <double>error * error
        begin, end = 0, start
    return squares


cdef inline double sweep_kind(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const TimeModel *m,
                              Py_ssize_t width, bint plain, floating kind) noexcept nogil:
    """`sweep`, compiled with and without each of the further rows separately."""
    if m.first[USER_DRIFT] != NULL:
        if m.first[DAY_FACTORS] != NULL:
            return sweep(ratings, n, start, m, Kind(width, plain, True, True), kind)
        return sweep(ratings, n, start, m, Kind(width, plain, True, False), kind)
    if m.first[DAY_FACTORS] != NULL:
        return sweep(ratings, n, start, m, Kind(width, plain, False, True), kind)
    return sweep(ratings, n, start, m, Kind(width, plain, False, False), kind)


cdef inline double sweep_usual(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const TimeModel *m,
                               floating kind) noexcept nogil:
    """And for each usual width separately: a row then stays in registers for its whole step."""
    cdef Py_ssize_t group = 64 // sizeof(kind)
    if not m.plain:
        return sweep_kind(ratings, n, start, m, m.width, False, kind)
    if m.width == 2 * group:
        return sweep_kind(ratings, n, start, m, 2 * group, True, kind)
    if m.width == 4 * group:
        return sweep_kind(ratings, n, start, m, 4 * group, True, kind)
    if m.width == 7 * group:
        return sweep_kind(ratings, n, start, m, 7 * group, True, kind)
    return sweep_kind(ratings, n, start, m, m.width, True, kind)


cdef double sweep_f32(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const TimeModel *>model, <float>0)


cdef double sweep_f64(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const TimeModel *>model, <double>0)


cdef inline double prediction(const TimeModel *m, const Day t, Py_ssize_t day, Py_ssize_t i,
                              floating kind) noexcept nogil:
    """Prediction for a user and an item of which each, and the user-day, may be unknown (-1)."""
    cdef Py_ssize_t u = t.user
    cdef double found = m.mean, scale = 1, item = 0
    cdef floating *q = entry(m, ITEM_FACTORS, max(i, 0), 0, kind)
    if u < 0:
        day = -1
    if u >= 0:
        found += value(m, USER_BIAS, u, 0, kind) + <double>value(m, USER_SLOPE, u, 0, kind) * t.dev
        if m.first[USER_SCALE] != NULL:
            scale = value(m, USER_SCALE, u, 0, kind)
    if day >= 0:
        found += value(m, DAY_BIAS, day, 0, kind)
        scale += value(m, DAY_SCALE, day, 0, kind)
    if i >= 0:
        item = value(m, ITEM_BIAS, i, 0, kind)
        if t.bin != LEFT_OUT:
            item += value(m, ITEM_BINS, i, t.bin, kind)
        found += item * scale
        if t.frequency != LEFT_OUT:
            found += value(m, ITEM_FREQUENCIES, i, t.frequency, kind)
        if t.weekday != LEFT_OUT:
            found += value(m, ITEM_WEEKDAYS, i, t.weekday, kind)
        if t.week != LEFT_OUT:
            found += value(m, ITEM_WEEKS, i, t.week, kind)
    if i >= 0 and u >= 0 and m.width > 0:
        found += dot(entry(m, USER_FACTORS, u, 0, kind), q, m.width)
        if m.first[USER_DRIFT] != NULL:
            found += <double>dot(entry(m, USER_DRIFT, u, 0, kind), q, m.width) * t.dev
        if day >= 0 and m.first[DAY_FACTORS] != NULL:
            found += dot(entry(m, DAY_FACTORS, day, 0, kind), q, m.width)
    return found


cdef void predict_f32(const int32_t *items, const int32_t *days, const Day *when, const TimeModel *model,
                      double *out, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(first, last):
        out[k] = prediction(model, when[k], days[k], items[k], <float>0)


cdef void predict_f64(const int32_t *items, const int32_t *days, const Day *when, const TimeModel *model,
                      double *out, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(first, last):
        out[k] = prediction(model, when[k], days[k], items[k], <double>0)


cdef TimeSVDppLoops loops = TimeSVDppLoops(sweep_f32=sweep_f32, sweep_f64=sweep_f64, predict_f32=predict_f32,
                                           predict_f64=predict_f64)
table = capsule_of(&loops)
