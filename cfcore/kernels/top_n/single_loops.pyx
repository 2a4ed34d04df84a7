"""Loops of `cfcore.kernels.top_n.single`."""
from cython cimport floating
from libc.math cimport INFINITY

from cfcore.kernels.common.lanes cimport dot
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.top_n.single_loops cimport RowArrays, SingleLoops


cdef inline double score_of(const RowArrays *given, const floating *row, const floating *factors,
                            const floating *bias, Py_ssize_t item, Py_ssize_t width) noexcept nogil:
    """The terms in the order of `svd.predict`."""
    cdef double found = given.base + bias[item]
    if width > 0:
        found += dot(row, factors + item * width, width)
    return found


cdef inline void scores(const RowArrays *given, floating kind) noexcept nogil:
    """`SingleLoops.scores`; `kind` is of the type of the factors."""
    cdef const floating *row = <const floating *>given.row
    cdef const floating *factors = <const floating *>given.item_factors
    cdef const floating *bias = <const floating *>given.item_bias
    cdef Py_ssize_t item
    for item in range(given.n_items):
        given.scores[item] = score_of(given, row, factors, bias, item, given.width)


cdef inline void best(const RowArrays *given, floating kind) noexcept nogil:
    """`SingleLoops.best`: items in the order of their codes, in which factors lie in memory."""
    cdef const floating *row = <const floating *>given.row
    cdef const floating *factors = <const floating *>given.item_factors
    cdef const floating *bias = <const floating *>given.item_bias
    cdef Py_ssize_t item, next_excluded = 0, n = given.n, k
    cdef double score
    heap_clear(given.scores, given.listed, n)
    for item in range(given.n_items):
        if next_excluded < given.n_excluded and given.excluded[next_excluded] == item:
            next_excluded += 1
            continue
        if given.positions[item] < 0:
            continue
        score = score_of(given, row, factors, bias, item, given.width)
        if score >= given.scores[0] and score > -INFINITY:
            heap_offer(given.scores, given.listed, n, score, given.positions[item])
    heap_sort(given.scores, given.listed, n)
    for k in range(n):
        if given.listed[k] >= 0:
            given.listed[k] = given.items[given.listed[k]]


cdef void scores_f32(const RowArrays *given) noexcept nogil:
    scores(given, <float>0)


cdef void scores_f64(const RowArrays *given) noexcept nogil:
    scores(given, <double>0)


cdef void best_f32(const RowArrays *given) noexcept nogil:
    best(given, <float>0)


cdef void best_f64(const RowArrays *given) noexcept nogil:
    best(given, <double>0)


cdef SingleLoops loops = SingleLoops(scores_f32=scores_f32, scores_f64=scores_f64, best_f32=best_f32,
                                     best_f64=best_f64)
table = capsule_of(&loops)
