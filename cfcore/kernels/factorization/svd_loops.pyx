"""Loops of `cfcore.kernels.factorization.svd`."""
from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from cfcore.kernels.common.lanes cimport dot, prefetch_row, step_sequential, step_together
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.sgd cimport Rating, Steps, are_ratings_of, bias_step, clip, is_rating_of
from cfcore.kernels.factorization.svd_loops cimport Block, FactorPointers, SvdLoops

cdef enum:
    AHEAD = 10  # ratings between prefetching factor rows and using them: they may have to come from memory


cdef inline double sweep(const Block *block, const FactorPointers *f, const Steps *steps, Py_ssize_t width,
                         bint clips, bint sequential, floating kind) noexcept nogil:
    """`SvdLoops.sweep`; `kind` is of the type of the factors."""
    cdef floating *user_factors = <floating *>f.user_factors
    cdef floating *item_factors = <floating *>f.item_factors
    cdef floating *user_bias = <floating *>f.user_bias
    cdef floating *item_bias = <floating *>f.item_bias
    cdef floating mean = <floating>f.mean, low = <floating>steps.low, high = <floating>steps.high
    cdef floating lr = <floating>steps.lr, keep = <floating>(1 - steps.lr * steps.reg)
    cdef floating lr_bias = <floating>steps.lr_bias
    cdef floating keep_bias = <floating>(1 - steps.lr_bias * steps.reg_bias)
    cdef Py_ssize_t n_users = f.n_users, n_items = f.n_items, begin = block.start, end = block.n, k
    cdef const Rating *ratings = block.ratings
    cdef Rating rating
    cdef floating *p
    cdef floating *q
    cdef floating base, inner, error
    cdef double squares = 0
    cdef int _part
    for _part in range(2):
        if not are_ratings_of(ratings + begin, min(AHEAD, end - begin), n_users, n_items):
            return -1
        for k in range(begin, end):
            if k + AHEAD < end:
                if not is_rating_of(ratings[k + AHEAD], n_users, n_items):
                    return -1
                prefetch_row(user_factors + ratings[k + AHEAD].user * width, width)
                prefetch_row(item_factors + ratings[k + AHEAD].item * width, width)
            rating = ratings[k]  # a copy: to the compiler, steps might change the ratings
            p = user_factors + rating.user * width
            q = item_factors + rating.item * width
            base = mean + user_bias[rating.user] + item_bias[rating.item]
            inner = dot(p, q, width)
            if clips:
                error = <floating>rating.value - clip(base + inner, low, high)
            else:  # in this order because the dot product comes last
                error = (<floating>rating.value - base) - inner
            bias_step(user_bias + rating.user, keep_bias, lr_bias * error)
            bias_step(item_bias + rating.item, keep_bias, lr_bias * error)
            if sequential:
                step_sequential(p, q, width, keep, lr * error)
            else:
                step_together(p, q, width, keep, lr * error)
            squares += <double>error * error
        begin, end = 0, block.start
    return squares


cdef inline double sweep_usual(const Block *block, const FactorPointers *f, const Steps *steps,
                               floating kind) noexcept nogil:
    """`sweep`, its usual variant compiled for each usual width separately: rows then stay in registers."""
    cdef Py_ssize_t group = 64 // sizeof(kind), width = f.width
    cdef bint clips = steps.low > -INFINITY or steps.high < INFINITY
    if clips or steps.sequential:
        return sweep(block, f, steps, width, clips, steps.sequential, kind)
    if width == group:
        return sweep(block, f, steps, group, False, False, kind)
    if width == 2 * group:
        return sweep(block, f, steps, 2 * group, False, False, kind)
    if width == 3 * group:
        return sweep(block, f, steps, 3 * group, False, False, kind)
    if width == 4 * group:
        return sweep(block, f, steps, 4 * group, False, False, kind)
    if width == 5 * group:
        return sweep(block, f, steps, 5 * group, False, False, kind)
    if width == 6 * group:
        return sweep(block, f, steps, 6 * group, False, False, kind)
    if width == 7 * group:
        return sweep(block, f, steps, 7 * group, False, False, kind)
    if width == 8 * group:
        return sweep(block, f, steps, 8 * group, False, False, kind)
    return sweep(block, f, steps, width, False, False, kind)


cdef double sweep_f32(const Block *block, const FactorPointers *f, const Steps *steps) noexcept nogil:
    return sweep_usual(block, f, steps, <float>0)


cdef double sweep_f64(const Block *block, const FactorPointers *f, const Steps *steps) noexcept nogil:
    return sweep_usual(block, f, steps, <double>0)


cdef inline void predict(const int32_t *users, const int32_t *items, const FactorPointers *f, double *out,
                         Py_ssize_t first, Py_ssize_t last, floating kind) noexcept nogil:
    """`SvdLoops.predict`: the terms of an unknown user or item are left out, and summed in double."""
    cdef const floating *p = <const floating *>f.user_factors
    cdef const floating *q = <const floating *>f.item_factors
    cdef const floating *user_bias = <const floating *>f.user_bias
    cdef const floating *item_bias = <const floating *>f.item_bias
    cdef Py_ssize_t k, width = f.width
    cdef double found
    for k in range(first, last):
        found = f.mean
        if users[k] >= 0:
            found += user_bias[users[k]]
        if items[k] >= 0:
            found += item_bias[items[k]]
        if width > 0 and users[k] >= 0 and items[k] >= 0:
            found += dot(p + users[k] * width, q + items[k] * width, width)
        out[k] = found


cdef void predict_f32(const int32_t *users, const int32_t *items, const FactorPointers *f, double *out,
                      Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    predict(users, items, f, out, first, last, <float>0)


cdef void predict_f64(const int32_t *users, const int32_t *items, const FactorPointers *f, double *out,
                      Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    predict(users, items, f, out, first, last, <double>0)


cdef SvdLoops loops = SvdLoops(sweep_f32=sweep_f32, sweep_f64=sweep_f64, predict_f32=predict_f32,
                               predict_f64=predict_f64)
table = capsule_of(&loops)
