"""Loops of `cfcore.kernels.factorization.svdpp`."""
from cython cimport floating

from cfcore.kernels.common.lanes cimport UserRows, UserSteps, dot_of_sum, prefetch_row, step_of_sum
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.implicit_terms cimport (
    TermLoops,
    Terms,
    begin_users,
    end_users,
    sum_part,
    sum_users,
    write_back,
)
from cfcore.kernels.factorization.sgd cimport Rating, are_ratings_of, bias_step, is_rating_of
from cfcore.kernels.factorization.svdpp_loops cimport SVDppLoops, SVDppModel

cdef enum:
    AHEAD = 4  # ratings between prefetching factor rows and using them


cdef inline floating svdpp_step(const Rating rating, const SVDppModel *m, Py_ssize_t width, bint plain,
                                floating kind) noexcept nogil:
    """Update a user, the user's sum and an item by one rating. Returns the error before."""
    cdef UserRows rows = UserRows(
        p=<floating *>m.user_factors + rating.user * width, s=<floating *>m.sums + rating.user * width,
        a=NULL, d=NULL, q=<floating *>m.item_factors + rating.item * width, n=width, dev=0, has_a=False,
        has_d=False,
    )
    cdef UserSteps by
    cdef floating *user_bias = <floating *>m.user_bias + rating.user
    cdef floating *item_bias = <floating *>m.item_bias + rating.item
    cdef floating keep_bias = <floating>(1 - m.lr_bias * m.reg_bias)
    cdef floating base = <floating>m.mean + user_bias[0] + item_bias[0]
    cdef floating error = (<floating>rating.value - base) - dot_of_sum(&rows, kind)
    by.keep_a = by.step_a = by.keep_d = by.step_d = 0
    by.keep_q, by.step_q = <floating>(1 - m.lr * m.reg), <floating>m.lr * error
    by.keep_s = <floating>(1 - m.lr_implicit * m.reg_implicit)
    if plain:
        by.keep_p, by.step_p, by.step_s = by.keep_q, by.step_q, <floating>m.lr_implicit * error
    else:
        by.keep_p, by.step_p = <floating>(1 - m.lr_user * m.reg), <floating>m.lr_user * error
        by.step_s = <floating>m.lr_implicit * error * (<const floating *>m.gains)[rating.user]
    bias_step(user_bias, keep_bias, <floating>m.lr_bias * error)
    bias_step(item_bias, keep_bias, <floating>m.lr_bias * error)
    step_of_sum(&rows, &by, kind)
    return error


cdef inline double sweep(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const SVDppModel *model,
                         Py_ssize_t width, bint plain, floating kind) noexcept nogil:
    """A step for each rating of a block, as `Sweep` has it; `kind` is of the type of the factors.

    `plain` says that all gains are 1, and that the rates of p are those of q.
    """
    cdef SVDppModel m = model[0]  # a copy of its own: nothing that is written can be part of it
    cdef floating error
    cdef double squares = 0
    cdef Py_ssize_t begin = start, end = n, k
    cdef int _part
    for _part in range(2):
        if not are_ratings_of(ratings + begin, min(AHEAD, end - begin), m.n_users, m.n_items):
            return -1
        for k in range(begin, end):
            if k + AHEAD < end:
                if not is_rating_of(ratings[k + AHEAD], m.n_users, m.n_items):
                    return -1
                prefetch_row(<floating *>m.user_factors + ratings[k + AHEAD].user * width, width)
                prefetch_row(<floating *>m.sums + ratings[k + AHEAD].user * width, width)
                prefetch_row(<floating *>m.item_factors + ratings[k + AHEAD].item * width, width)
            error = svdpp_step(ratings[k], &m, width, plain, kind)
            squares += <double>error * error
        begin, end = 0, start
    return squares


cdef inline double sweep_usual(const Rating *ratings, Py_ssize_t n, Py_ssize_t start, const SVDppModel *model,
                               floating kind) noexcept nogil:
    """`sweep`, compiled for each usual width separately: a row then stays in registers for its whole step."""
    cdef Py_ssize_t group = 64 // sizeof(kind)
    if not model.plain:
        return sweep(ratings, n, start, model, model.width, False, kind)
    if model.width == group:
        return sweep(ratings, n, start, model, group, True, kind)
    if model.width == 2 * group:
        return sweep(ratings, n, start, model, 2 * group, True, kind)
    if model.width == 3 * group:
        return sweep(ratings, n, start, model, 3 * group, True, kind)
    if model.width == 4 * group:
        return sweep(ratings, n, start, model, 4 * group, True, kind)
    if model.width == 7 * group:
        return sweep(ratings, n, start, model, 7 * group, True, kind)
    if model.width == 8 * group:
        return sweep(ratings, n, start, model, 8 * group, True, kind)
    return sweep(ratings, n, start, model, model.width, True, kind)


cdef double sweep_f32(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const SVDppModel *>model, <float>0)


cdef double sweep_f64(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                      const void *model) noexcept nogil:
    return sweep_usual(ratings, n, start, <const SVDppModel *>model, <double>0)


cdef bint sum_users_f32(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    return sum_users(terms, first, last, <float>0)


cdef bint sum_users_f64(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    return sum_users(terms, first, last, <double>0)


cdef bint sum_part_f32(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    return sum_part(terms, part, first, last, <float>0)


cdef bint sum_part_f64(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    return sum_part(terms, part, first, last, <double>0)


cdef void begin_users_f32(const Terms *terms, Py_ssize_t batch_first, Py_ssize_t first,
                          Py_ssize_t last) noexcept nogil:
    begin_users(terms, batch_first, first, last, <float>0)


cdef void begin_users_f64(const Terms *terms, Py_ssize_t batch_first, Py_ssize_t first,
                          Py_ssize_t last) noexcept nogil:
    begin_users(terms, batch_first, first, last, <double>0)


cdef void end_users_f32(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    end_users(terms, first, last, <float>0)


cdef void end_users_f64(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    end_users(terms, first, last, <double>0)


cdef void write_back_f32(const Terms *terms, Py_ssize_t part, Py_ssize_t first,
                         Py_ssize_t last) noexcept nogil:
    write_back(terms, part, first, last, <float>0)


cdef void write_back_f64(const Terms *terms, Py_ssize_t part, Py_ssize_t first,
                         Py_ssize_t last) noexcept nogil:
    write_back(terms, part, first, last, <double>0)


cdef SVDppLoops loops = SVDppLoops(
    sweep_f32=sweep_f32, sweep_f64=sweep_f64,
    terms_f32=TermLoops(sum_users=sum_users_f32, sum_part=sum_part_f32, begin_users=begin_users_f32,
                        end_users=end_users_f32, write_back=write_back_f32),
    terms_f64=TermLoops(sum_users=sum_users_f64, sum_part=sum_part_f64, begin_users=begin_users_f64,
                        end_users=end_users_f64, write_back=write_back_f64),
)
table = capsule_of(&loops)
