"""timeSVD++ by stochastic gradient descent: SVD++ whose biases, and whose users' tastes, move in time.

The unit is the user-day, one user's ratings of one day: days are coded by user, then by day, and the `user`
of a rating is the code of its user-day; the table `days` has what else there is to know of it. So all that
moves with a user belongs to a stripe of users, and all that moves with an item to a stripe of items, as in
SVD++:
`chunked.pxd` says how a chunk is worked on, and here is what one rating does. The twin is
`cfcore.reference.factorization.timesvdpp`.
"""
from cython cimport floating
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint32_t

from cfcore.kernels.factorization.checks cimport check_outcome, check_sums, layout_of, rows_of
from cfcore.kernels.factorization.user_batches cimport Sweep, visit_chunks
from cfcore.kernels.factorization.implicit_terms cimport Layout
from cfcore.kernels.common.lanes cimport cf_prefetch, dot, dot_of_days, prefetch_row, step_of_days
from cfcore.kernels.factorization.sgd cimport Rating
from cfcore.kernels.common.threads cimport unchecked_team_size as team_size
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
    N_TERMS,
    USER_BIAS,
    USER_DRIFT,
    USER_FACTORS,
    USER_SCALE,
    USER_SLOPE,
    Day,
    Model,
    entry,
    model_of,
    move,
    value,
)

#: What is learnt: the order of parameters in `train` and `predict`, and of `rates` and `regs`.
TERMS = (
    "user_bias", "user_slope", "user_scale", "day_bias", "day_scale", "user_factors", "user_drift",
    "day_factors", "item_bias", "item_bins", "item_frequencies", "item_weekdays", "item_weeks",
    "item_factors", "implicit_factors",
)

cdef enum:
    AHEAD = 4        # ratings between asking for rows and using them
    DAYS_AHEAD = 8   # and for the record of a user-day, which says which rows
    LEFT_OUT = 255   # in `predict`: a bin, frequency, weekday or week that there is not

cdef inline floating time_step(const Rating rating, const Model *m, Py_ssize_t width, bint drifts, bint daily,
                               floating kind) noexcept nogil:
    """Move all that a rating has a part in, from the old values. Returns the error before.

    `drifts` and `daily` say whether there are alpha_uk and p_ut.
    """
    cdef Py_ssize_t day = rating.user, i = rating.item
    cdef Day t = m.days[day]
    cdef Py_ssize_t u = t.user
    cdef floating dev = <floating>t.dev
    cdef floating *p = <floating *>m.first[USER_FACTORS] + u * width
    cdef floating *s = <floating *>m.sums + u * width
    cdef floating *q = <floating *>m.first[ITEM_FACTORS] + i * width
    cdef floating *a = <floating *>m.first[USER_DRIFT] + u * width if drifts else NULL
    cdef floating *d = <floating *>m.first[DAY_FACTORS] + day * width if daily else NULL
    cdef floating c_u = value(m, USER_SCALE, u, 0, kind) if m.first[USER_SCALE] != NULL else 1
    cdef floating scale = c_u + value(m, DAY_SCALE, day, 0, kind)
    cdef floating item = value(m, ITEM_BIAS, i, 0, kind) + value(m, ITEM_BINS, i, t.bin, kind)
    cdef floating base = <floating>m.mean + value(m, USER_BIAS, u, 0, kind), error
    base += value(m, USER_SLOPE, u, 0, kind) * dev + value(m, DAY_BIAS, day, 0, kind)
    base += item * scale + value(m, ITEM_FREQUENCIES, i, t.frequency, kind)
    base += value(m, ITEM_WEEKDAYS, i, t.weekday, kind) + value(m, ITEM_WEEKS, i, t.week, kind)
    error = (<floating>rating.value - base) - dot_of_days(p, s, a, d, q, width, dev, drifts, daily)
    move(m, USER_BIAS, u, 0, error)
    move(m, USER_SLOPE, u, 0, error * dev)
    if m.first[USER_SCALE] != NULL:  # it is drawn towards 1, not 0
        entry(m, USER_SCALE, u, 0, kind)[0] -= 1
        move(m, USER_SCALE, u, 0, error * item)
        entry(m, USER_SCALE, u, 0, kind)[0] += 1
    move(m, DAY_BIAS, day, 0, error)
    move(m, DAY_SCALE, day, 0, error * item)
    move(m, ITEM_BIAS, i, 0, error * scale)
    move(m, ITEM_BINS, i, t.bin, error * scale)
    move(m, ITEM_FREQUENCIES, i, t.frequency, error)
    move(m, ITEM_WEEKDAYS, i, t.weekday, error)
    move(m, ITEM_WEEKS, i, t.week, error)
    step_of_days(
        p, s, a, d, q, width, dev, drifts, daily,
        <floating>m.keep[USER_FACTORS], <floating>m.lr[USER_FACTORS] * error,
        <floating>m.keep[IMPLICIT_FACTORS], <floating>m.lr[IMPLICIT_FACTORS] * error,
        <floating>m.keep[USER_DRIFT], <floating>m.lr[USER_DRIFT] * error * dev,
        <floating>m.keep[DAY_FACTORS], <floating>m.lr[DAY_FACTORS] * error,
        <floating>m.keep[ITEM_FACTORS], <floating>m.lr[ITEM_FACTORS] * error,
    )
    return error


cdef inline bint is_known(const Rating rating, const Model *m) noexcept nogil:
    """True if the user-day, the item, and all that the record of the day points to are in range."""
    cdef const Day *t
    if not (<uint32_t>rating.user < <size_t>m.n_days and <uint32_t>rating.item < <size_t>m.n_items):
        return False
    t = m.days + rating.user
    return (<uint32_t>t.user < <size_t>m.n_users
            and t.bin < m.length[ITEM_BINS] and t.frequency < m.length[ITEM_FREQUENCIES]
            and t.weekday < m.length[ITEM_WEEKDAYS] and t.week < m.length[ITEM_WEEKS])


cdef inline void ask_for(const Rating rating, const Model *m, Py_ssize_t width, bint drifts, bint daily,
                         floating kind) noexcept nogil:
    """Prefetch the rows of a rating, and the entries of its item that are far from each other."""
    cdef const Day *t = m.days + rating.user
    prefetch_row(<floating *>m.first[USER_FACTORS] + t.user * width, width)
    prefetch_row(<floating *>m.sums + t.user * width, width)
    prefetch_row(<floating *>m.first[ITEM_FACTORS] + rating.item * width, width)
    if drifts:
        prefetch_row(<floating *>m.first[USER_DRIFT] + t.user * width, width)
    if daily:
        prefetch_row(<floating *>m.first[DAY_FACTORS] + rating.user * width, width)
    if m.first[ITEM_BINS] != NULL:
        prefetch_row(entry(m, ITEM_BINS, rating.item, t.bin, kind), 1)
    if m.first[ITEM_WEEKS] != NULL:
        prefetch_row(entry(m, ITEM_WEEKS, rating.item, t.week, kind), 1)


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const Model *model,
                         Py_ssize_t width, bint drifts, bint daily, floating kind) noexcept nogil:
    """A step for each rating of a block, as `chunked.Sweep` has it; `kind` is of the type of the factors."""
    cdef Model m = model[0]  # its own: nothing that is written can be part of it
    cdef floating error
    cdef double squares = 0
    cdef Py_ssize_t begin = start, end = n, k
    cdef int _part
    for _part in range(2):
        for k in range(begin, min(begin + AHEAD, end)):
            if not is_known(ratings[k], &m):
                return -1
        for k in range(begin, end):
            if k + DAYS_AHEAD < end:
                cf_prefetch(m.days + ratings[k + DAYS_AHEAD].user, 1)
            if k + AHEAD < end:
                if not is_known(ratings[k + AHEAD], &m):
                    return -1
                ask_for(ratings[k + AHEAD], &m, width, drifts, daily, kind)
            error = time_step(ratings[k], &m, width, drifts, daily, kind)
            squares += <double>error * error
        begin, end = 0, start
    return squares


cdef inline double sweep_kind(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const Model *m,
                              Py_ssize_t width, floating kind) noexcept nogil:
    """`sweep`, compiled with and without each of the further rows by itself."""
    if m.first[USER_DRIFT] != NULL:
        if m.first[DAY_FACTORS] != NULL:
            return sweep(ratings, n, start, m, width, True, True, kind)
        return sweep(ratings, n, start, m, width, True, False, kind)
    if m.first[DAY_FACTORS] != NULL:
        return sweep(ratings, n, start, m, width, False, True, kind)
    return sweep(ratings, n, start, m, width, False, False, kind)


cdef inline double sweep_usual(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const Model *m,
                               floating kind) noexcept nogil:
    """And for each usual width by itself: a row then stays in registers for its whole step."""
    cdef Py_ssize_t group = 64 // sizeof(kind)
    if m.width == 2 * group:
        return sweep_kind(ratings, n, start, m, 2 * group, kind)
    if m.width == 4 * group:
        return sweep_kind(ratings, n, start, m, 4 * group, kind)
    if m.width == 7 * group:
        return sweep_kind(ratings, n, start, m, 7 * group, kind)
    return sweep_kind(ratings, n, start, m, m.width, kind)


cdef double sweep_f32(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const Model *>model, <float>0)


cdef double sweep_f64(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const Model *>model, <double>0)


def train(const Rating[::1] ratings, const int64_t[::1] block_ptr, const int32_t[::1] chunks,
          const int32_t[:, ::1] order, const int64_t[::1] starts, const int32_t[::1] stripe_ptr,
          const int64_t[::1] user_counts, const int64_t[::1] indptr, const int32_t[::1] members,
          const int32_t[::1] parts, const int64_t[:, ::1] cuts, const Day[::1] days, const double[::1] rates,
          const double[::1] regs, floating[::1] user_bias, floating[::1] user_slope, floating[::1] user_scale,
          floating[::1] day_bias, floating[::1] day_scale, floating[:, ::1] user_factors,
          floating[:, ::1] user_drift, floating[:, ::1] day_factors, floating[::1] item_bias,
          floating[:, ::1] item_bins, floating[:, ::1] item_frequencies, floating[:, ::1] item_weekdays,
          floating[:, ::1] item_weeks, floating[:, ::1] item_factors, floating[:, ::1] implicit_factors,
          floating[:, ::1] sums, floating[:, ::1] first_sums, floating[:, :, ::1] partial_sums,
          floating[::1] kept, double[::1] squares, int32_t[:, ::1] turns, int32_t[:, ::1] latest,
          int n_item_stripes, double mean, Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """Work through chunks `chunks[begin:end]` of a pass of timeSVD++.

    A rating of item i by user u on day t is predicted as

        mean + b_u + alpha_u dev + b_ut + (b_i + b_i,bin) (c_u + c_ut)
             + b_i,frequency + b_i,weekday + b_i,week
             + q_i . (p_u + alpha_uk dev + p_ut + |N(u)|^-1/2 sum of y_j over j in N(u))

    with dev = dev_u(t), how far the day is from the mean of the user's days. With e for the rating less its
    prediction, and g for the derivative of the prediction, each parameter x of a rating moves by

        x += rate (e g - reg x)        but for c_u, drawn towards 1: c_u += rate (e g - reg (c_u - 1))

    all from the old values, with the rate and reg of its term. Koren, "Collaborative filtering with temporal
    dynamics" (KDD 2009); b_i,frequency is from his "The BellKor solution to the Netflix Grand Prize" (2009).
    Sums, y and chunks are as in `svdpp.train`.

    Parameters
    ----------
    ratings, block_ptr, chunks, order, starts, stripe_ptr, user_counts, indptr, members, parts, cuts
        As in `svdpp.train`, but that the `user` of a rating is the code of its user-day: in `svd.lay_out` the
        stripe of a user-day is that of its user.
    days : DAY[n_days]
        Of each user-day the user, dev, and the places in the items' tables, none of 256 or more:
        ``DAY = np.dtype([("user", "i4"), ("dev", "f4"), ("bin", "u1"), ("frequency", "u1"),
        ("weekday", "u1"), ("week", "u1")])``.
    rates, regs : float64[15]
        Learning rate and regularisation of each of `TERMS`, which are the parameters from `user_bias` to
        `implicit_factors` in their order.
    user_bias, user_slope, user_scale : float32 or float64 [n_users], changed in place
        b_u, alpha_u, c_u.
    day_bias, day_scale : same dtype [n_days], changed in place
        b_ut, c_ut.
    user_factors, user_drift, day_factors : same dtype [n_users, width], the last [n_days, width], changed
        p_u, alpha_uk, p_ut; rows padded with zeros to a multiple of 64 bytes; the padding stays zero.
    item_bias : same dtype [n_items], changed in place
    item_bins, item_frequencies, item_weekdays, item_weeks : same dtype [n_items, any], changed in place
        b_i,bin and so on.
    item_factors, implicit_factors : same dtype [n, width], changed in place
        q and y.
    sums, first_sums, partial_sums, kept, squares, turns, latest : scratch, and squared errors, as in `svdpp`
    n_item_stripes : int
    mean : float
    begin, end : int
    n_threads : int

    A term is switched off by an array without rows (`user_slope`, `user_scale`, `day_bias`, `day_scale`,
    `user_drift`, `day_factors`) or without columns (the items' tables).

    Raises
    ------
    ValueError
        When shapes do not fit, or something is out of range. Ratings before a bad one may have been used.

    Notes
    -----
    O((ratings + members) x width). The same bits for any number of threads and any SIMD level.
    """
    cdef Py_ssize_t n_y = implicit_factors.shape[0], width = user_factors.shape[1]
    cdef int team = team_size(n_threads), term
    cdef bint sound
    cdef Layout data
    cdef Sweep sweep_block = sweep_f32 if floating is float else sweep_f64
    cdef Model model = model_of[floating](
        "train", days.shape[0], user_bias, user_slope, user_scale, day_bias, day_scale, user_factors,
        user_drift, day_factors, item_bias, item_bins, item_frequencies, item_weekdays, item_weeks,
        item_factors, mean,
    )
    if rates.shape[0] != N_TERMS or regs.shape[0] != N_TERMS:
        raise ValueError(f"train: rates and regs must have {N_TERMS} entries")
    if implicit_factors.shape[1] != width:
        raise ValueError("train: factor rows must be of one length, a multiple of 64 bytes")
    if ratings.shape[0] > 0 and (model.n_users == 0 or model.n_days == 0 or model.n_items == 0):
        raise ValueError("train: there are ratings, but no users, no days or no items")
    data = layout_of(ratings, block_ptr, chunks, order, starts, stripe_ptr, user_counts, indptr, members,
                     parts, cuts, squares, turns, latest, n_item_stripes, model.n_users, n_y, begin, end)
    check_sums(sums, first_sums, partial_sums, kept, stripe_ptr, order.shape[1] // n_item_stripes,
               parts.shape[0] - 1, model.n_users, width)
    if data.n_visits == 0:
        return
    for term in range(N_TERMS):
        model.lr[term] = rates[term]
        model.keep[term] = 1 - rates[term] * regs[term]
    model.days = &days[0]
    model.sums = rows_of(sums)
    cdef floating *y = rows_of(implicit_factors)
    cdef floating *s = rows_of(sums)
    cdef floating *s_first = rows_of(first_sums)
    cdef floating *partial = &partial_sums[0, 0, 0] if width and partial_sums.shape[0] else NULL
    with nogil:
        sound = visit_chunks(&data, y, s, s_first, partial, &kept[0], width, model.keep[IMPLICIT_FACTORS],
                             sweep_block, &model, team)
    check_outcome(&data, sound, "a user-day, its record in days, or an item", indptr, members, n_y)


def predict(const int32_t[::1] items, const int32_t[::1] days, const Day[::1] when,
            const floating[::1] user_bias, const floating[::1] user_slope, const floating[::1] user_scale,
            const floating[::1] day_bias, const floating[::1] day_scale, const floating[:, ::1] user_factors,
            const floating[:, ::1] user_drift, const floating[:, ::1] day_factors,
            const floating[::1] item_bias, const floating[:, ::1] item_bins,
            const floating[:, ::1] item_frequencies, const floating[:, ::1] item_weekdays,
            const floating[:, ::1] item_weeks, const floating[:, ::1] item_factors, double[::1] out,
            double mean, int n_threads):
    """The prediction of `train` for items, users and days; the terms of what is not known are left out.

    Parameters
    ----------
    items : int32[n], each a code or -1
    days : int32[n]
        Code of the user-day in training, or -1: then b_ut, c_ut and p_ut are left out.
    when : DAY[n]
        The user (a code or -1) and what there is to know of the time, as in `train`; a bin, frequency,
        weekday or week of 255 leaves its term out.
    user_bias, ..., item_factors
        As in `train`, but that `user_factors` has p_u + |N(u)|^-1/2 sum y_j.
    out : float64[n], overwritten
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is below -1 or too large.

    Notes
    -----
    O(n x width). Terms are summed in double. The same bits for any number of threads and any SIMD level.
    """
    cdef Py_ssize_t k, n = items.shape[0], n_days
    n_days = max(day_bias.shape[0], day_scale.shape[0], day_factors.shape[0])
    cdef Model model = model_of[floating](
        "predict", n_days, user_bias, user_slope, user_scale, day_bias, day_scale, user_factors,
        user_drift, day_factors, item_bias, item_bins, item_frequencies, item_weekdays, item_weeks,
        item_factors, mean,
    )
    if days.shape[0] != n or when.shape[0] != n or out.shape[0] != n:
        raise ValueError("predict: items, days, when and out must be of one length")
    for k in range(n):
        if not (-1 <= items[k] < model.n_items and -1 <= when[k].user < model.n_users and days[k] >= -1
                and (n_days == 0 or days[k] < n_days)):
            raise ValueError(f"predict: row {k} (user {when[k].user}, user-day {days[k]}, item {items[k]}) "
                             "is out of range")
        if not (is_place(&model, ITEM_BINS, when[k].bin)
                and is_place(&model, ITEM_FREQUENCIES, when[k].frequency)
                and is_place(&model, ITEM_WEEKDAYS, when[k].weekday)
                and is_place(&model, ITEM_WEEKS, when[k].week)):
            raise ValueError(f"predict: the bin, frequency, weekday or week of row {k} is out of range")
    for k in prange(n, nogil=True, schedule="static", num_threads=team_size(n_threads)):
        out[k] = prediction(&model, when[k], days[k], items[k], <floating>0)


cdef inline bint is_place(const Model *m, int term, Py_ssize_t column) noexcept nogil:
    return column == LEFT_OUT or column < m.length[term]


cdef inline double prediction(const Model *m, const Day t, Py_ssize_t day, Py_ssize_t i,
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
