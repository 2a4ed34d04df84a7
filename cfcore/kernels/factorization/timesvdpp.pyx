"""timeSVD++ by stochastic gradient descent: SVD++ whose biases and user factors depend on time.

The unit is the user-day, one user's ratings of one day: days are coded by user, then by day, and the `user`
of a rating is the code of its user-day; a table of days holds the rest. With biases of shorter sessions the
unit is the moment, one user's ratings of the same sessions, and a table of moments has the user-day and the
session of each level. So parameters of a user's days belong
to a stripe of users, and those of items to a stripe of items, as in SVD++: `user_batches.pxd` works through
the user batches, and the inner loops are in `timesvdpp_loops.pyx`. The twin is
`cfcore.reference.factorization.timesvdpp`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_array, check_record, is_float32, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.svdpp_loops cimport SVDppLoops
from cfcore.kernels.factorization.time_parameters cimport (
    CODES,
    IMPLICIT_FACTORS,
    ITEM_BINS,
    ITEM_FREQUENCIES,
    ITEM_WEEKDAYS,
    ITEM_WEEKS,
    N_TERMS,
    Day,
    TimeModel,
    is_column,
)
from cfcore.kernels.factorization.timesvdpp_loops cimport PredictDays, TimeSVDppLoops
from cfcore.kernels.factorization.user_batches cimport (
    N_PROGRESS,
    WORKERS,
    Batches,
    batch_terms,
    batches_of,
    check_outcome,
    train_batches,
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    DAY,
    TIME_TERMS,
    UserBatchScratch,
    UserBatchVisits,
    ImplicitSets,
    TimeLayout,
    TimeParameters,
    TimeRates,
    check_user_batches,
    check_aligned,
    check_days,
)

cnp.import_array()

cdef const TimeSVDppLoops *loops = NULL
cdef const SVDppLoops *svdpp_loops = NULL


def _use(capsule):
    global loops
    loops = <const TimeSVDppLoops *>table_in(capsule)


def _use_svdpp(capsule):
    global svdpp_loops
    svdpp_loops = <const SVDppLoops *>table_in(capsule)


simd.register("factorization.timesvdpp_loops", _use)
simd.register("factorization.svdpp_loops", _use_svdpp)


cdef TimeModel model_of(parameters):
    """Pointers to the arrays of a `TimeParameters` record."""
    cdef TimeModel m
    cdef int term
    memset(&m, 0, sizeof(m))
    for term, name in enumerate(TIME_TERMS):
        array = getattr(parameters, name)
        m.first[term] = pointer(array) if array.size else NULL
        m.length[term] = array.shape[1] if array.ndim == 2 else 1
    for term in (ITEM_BINS, ITEM_FREQUENCIES, ITEM_WEEKDAYS, ITEM_WEEKS):
        if m.length[term] == 0:  # left out: any code will do
            m.length[term] = CODES
    m.n_users, m.n_items, m.width = parameters.n_users, parameters.n_items, parameters.width
    m.n_days, m.mean = parameters.n_days, parameters.mean
    if parameters.session_bias is not None:
        m.sessions = pointer(parameters.session_bias)
    return m


def train(layout, sets, parameters, rates, visits, scratch, span, n_threads):
    """Work through user batches ``visits.batches[begin:end]`` of an epoch of timeSVD++.

    A rating of item i by user u on day t is predicted as

        mean + b_u + alpha_u dev + b_ut + (b_i + b_i,bin) (c_u + c_ut)
             + b_i,frequency + b_i,weekday + b_i,week + sum over levels l of b_u,session_l(t)
             + q_i . (p_u + alpha_uk dev + p_ut + sum of w_uj y_j over j in N(u))

    with dev = dev_u(t), how far the day is from the mean of the user's days. With e for the rating less its
    prediction, and g for the derivative of the prediction, each parameter x of a rating is updated by

        x += lr (e g - reg x)        but for c_u, regularised towards 1: c_u += lr (e g - reg (c_u - 1))

    all from the old values, with the lr and reg of its term. Koren, "Collaborative filtering with temporal
    dynamics" (KDD 2009); b_i,frequency is from his "The BellKor solution to the Netflix Grand Prize" (2009).
    Sums, y and user batches are as in `svdpp.train`.

    Parameters
    ----------
    layout : TimeLayout
        In `svd.lay_out` the stripe of a user-day, or moment, is that of its user.
    sets : ImplicitSets
    parameters : TimeParameters, changed in place
        Padding stays zero.
    rates : TimeRates
    visits : UserBatchVisits
    scratch : UserBatchScratch, overwritten
    span : (int, int)
        The range [begin, end) of `visits.batches`.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or sets, cuts or codes of ratings and days are wrong. Ratings before
        a bad one may have been used.

    Notes
    -----
    O((ratings + members) x width). The same bits for any number of threads and any SIMD level.
    """
    check_record(layout, TimeLayout, "train: layout")
    check_record(sets, ImplicitSets, "train: sets")
    check_record(parameters, TimeParameters, "train: parameters")
    check_record(rates, TimeRates, "train: rates")
    check_record(visits, UserBatchVisits, "train: visits")
    check_record(scratch, UserBatchScratch, "train: scratch")
    check_user_batches(layout, sets, parameters, visits, scratch, span)
    check_days(layout, parameters, rates)
    cdef int term, team = team_size(n_threads)
    cdef bint single = is_float32(parameters.user_factors)
    cdef const double *lr = <const double *>pointer(rates.lr)
    cdef const double *reg = <const double *>pointer(rates.reg)
    cdef TimeModel model = model_of(parameters)
    for term in range(N_TERMS):
        model.lr[term] = lr[term]
        model.keep[term] = 1 - lr[term] * reg[term]
    model.sums, model.gains = pointer(scratch.sums), pointer(scratch.gains)
    model.plain = sets.weights is None
    model.days, model.n_days = <const Day *>pointer(layout.days), layout.n_days
    model.n_levels = layout.n_levels
    if model.n_levels:
        model.moments, model.n_moments = <const int32_t *>pointer(layout.moments), len(layout.moments)
        lr, reg = <const double *>pointer(rates.session_lr), <const double *>pointer(rates.session_reg)
        for term in range(<int>model.n_levels):
            model.session_lr[term] = lr[term]
            model.session_keep[term] = 1 - lr[term] * reg[term]
    cdef Batches work = batches_of(layout, visits, scratch, span)
    work.terms = batch_terms(layout, sets, parameters.implicit_factors, scratch)
    work.terms.keep = model.keep[IMPLICIT_FACTORS]
    work.loops = svdpp_loops.terms_f32 if single else svdpp_loops.terms_f64
    work.sweep = loops.sweep_f32 if single else loops.sweep_f64
    work.model = &model
    if layout.n == 0:
        return
    cdef int32_t[N_PROGRESS] progress
    with nogil:
        train_batches(&work, team, progress)
    report_workers(progress[WORKERS])
    check_outcome(&work, progress, "a user-day, its entry in days, or an item")


def predict(items, days, when, parameters, out, n_threads):
    """The prediction of `train` for items, users and days; terms that are not known are left out.

    Session biases are not in it.

    Parameters
    ----------
    items : int32[n], each a code or -1
    days : int32[n]
        Code of the user-day in training, or -1: then b_ut, c_ut and p_ut are left out.
    when : DAY[n]
        The user (a code or -1), dev_u(t), and the columns of the items' tables; a bin, frequency, weekday or
        week of 255 leaves its term out.
    parameters : TimeParameters
        Its `user_factors` are p_u + sum of w_uj y_j; `implicit_factors` are not looked at.
    out : float64[n], overwritten
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When lengths differ, a code is below -1 or too large, or `out` shares memory with another argument.

    Notes
    -----
    O(n x width). Terms are summed in double. The same bits for any number of threads and any SIMD level.
    """
    check_array(items, cnp.NPY_INT32, 1, False, "predict: items")
    check_array(days, cnp.NPY_INT32, 1, False, "predict: days")
    check_array(when, cnp.NPY_VOID, 1, False, "predict: when")
    check_record(parameters, TimeParameters, "predict: parameters")
    check_array(out, cnp.NPY_FLOAT64, 1, True, "predict: out")
    cdef Py_ssize_t k, n = length(items)
    cdef int worker, workers = 0, team = team_size(n_threads)
    cdef const int32_t *item_codes = <const int32_t *>pointer(items)
    cdef const int32_t *day_codes = <const int32_t *>pointer(days)
    cdef const Day *known = <const Day *>pointer(when)
    cdef double *found = <double *>pointer(out)
    cdef TimeModel m = model_of(parameters)
    cdef bint single = is_float32(parameters.user_factors)
    if when.dtype != DAY:
        raise ValueError(f"predict: when must be of dtype {DAY}, not {when.dtype}")
    check_aligned("predict: when", when)
    if length(days) != n or length(when) != n or length(out) != n:
        raise ValueError("predict: items, days, when and out must be of one length")
    if overlaps(out, (items, days, when, *(held for _, held, _ in parameters.arrays()))):
        raise ValueError("predict: out shares memory with another argument")
    for k in range(n):
        if not (-1 <= item_codes[k] < m.n_items and -1 <= known[k].user < m.n_users and day_codes[k] >= -1
                and (m.n_days == 0 or day_codes[k] < m.n_days)):
            raise ValueError(f"predict: row {k} (user {known[k].user}, user-day {day_codes[k]}, item "
                             f"{item_codes[k]}) is out of range")
        if not (is_column(&m, ITEM_BINS, known[k].bin)
                and is_column(&m, ITEM_FREQUENCIES, known[k].frequency)
                and is_column(&m, ITEM_WEEKDAYS, known[k].weekday)
                and is_column(&m, ITEM_WEEKS, known[k].week)):
            raise ValueError(f"predict: the bin, frequency, weekday or week of row {k} is out of range")
    cdef PredictDays predict_range = loops.predict_f32 if single else loops.predict_f64
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        workers |= team_present()
        predict_range(item_codes, day_codes, known, &m, found, n * worker // team, n * (worker + 1) // team)
    report_workers(workers)
