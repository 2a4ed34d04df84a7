"""Scores of all items for one user, and the best of them: a list for one user, without records of a request.

`products` and `scores` make lists for many users; these make the same list, to the bit, from arguments that a
fitted state holds already. The twin is `cfcore.reference.top_n.single`, the inner loops are in
`single_loops.pyx`.
"""
cimport numpy as cnp
from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t

from cfcore.kernels.common.arrays cimport check_array, check_record, is_float32, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.top_n.single_loops cimport RowArrays, SingleLoops

from cfcore.kernels import simd
from cfcore.kernels.records import Factors, ItemOrder

cnp.import_array()

cdef const SingleLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const SingleLoops *>table_in(capsule)


simd.register("top_n.single_loops", _use)


cdef RowArrays arrays_of(str function, row, base, factors) except *:
    """The first arguments of `score_row` and `best_of_row`, checked."""
    check_record(factors, Factors, f"{function}: factors")
    cdef bint single = is_float32(factors.item_factors)
    check_array(row, cnp.NPY_FLOAT32 if single else cnp.NPY_FLOAT64, 1, False, f"{function}: row")
    cdef RowArrays given = RowArrays(
        row=pointer(row), item_factors=pointer(factors.item_factors), item_bias=pointer(factors.item_bias),
        base=base, n_items=factors.n_items, width=factors.width, items=NULL, positions=NULL, excluded=NULL,
        n_excluded=0, n=0, listed=NULL, scores=NULL,
    )
    if length(row) != given.width:
        raise ValueError(f"{function}: row must have {given.width} numbers, not {length(row)}")
    return given


def score_pair(factors, user, item):
    """mean + b_u + b_i + p_u . q_i for a pair of codes, neither of them unknown.

    Parameters
    ----------
    factors : Factors
    user, item : int

    Returns
    -------
    float

    Raises
    ------
    TypeError
        When an argument is not the record or number that it should be.
    ValueError
        When a code is out of range.

    Notes
    -----
    O(width), no memory. The bits of `svd.predict`, which takes arrays: they take longer to make than this.
    """
    check_record(factors, Factors, "score_pair: factors")
    cdef Py_ssize_t user_code, item_code, width = factors.width
    cdef double found = 0
    if not (0 <= user < factors.n_users and 0 <= item < factors.n_items):
        raise ValueError(f"score_pair: pair ({user}, {item}) is out of range")
    user_code, item_code = user, item
    if is_float32(factors.item_factors):
        found = one_score(factors, <float *>pointer(factors.user_bias) + user_code,
                          <float *>pointer(factors.user_factors) + user_code * width,
                          <float *>pointer(factors.item_factors) + item_code * width,
                          <float *>pointer(factors.item_bias) + item_code)
    else:
        found = one_score(factors, <double *>pointer(factors.user_bias) + user_code,
                          <double *>pointer(factors.user_factors) + user_code * width,
                          <double *>pointer(factors.item_factors) + item_code * width,
                          <double *>pointer(factors.item_bias) + item_code)
    return found


cdef double one_score(factors, const floating *user_bias, const floating *row, const floating *item_row,
                      const floating *item_bias) except? -1:
    cdef double found = 0, mean = factors.mean
    cdef RowArrays given = RowArrays(
        row=row, item_factors=item_row, item_bias=item_bias, base=mean + user_bias[0], n_items=1,
        width=factors.width, items=NULL, positions=NULL, excluded=NULL, n_excluded=0, n=0, listed=NULL,
        scores=&found,
    )
    if floating is float:
        loops.scores_f32(&given)
    else:
        loops.scores_f64(&given)
    return found


def score_row(row, base, factors, out):
    """base + b_i + row . q_i for all items.

    Parameters
    ----------
    row : ndarray of the dtype of the factors [width]
        Of a user, padded as theirs.
    base : float
        Mean and bias of the user.
    factors : Factors
        Whose users are not looked at.
    out : float64[n_items], overwritten

    Raises
    ------
    TypeError
        When an argument is not the array, number or record that it should be.
    ValueError
        When lengths do not fit together, or `out` is read-only or shares memory with another argument.

    Notes
    -----
    O(n_items x width); one thread. The bits of `svd.predict` at any SIMD level.
    """
    cdef RowArrays given = arrays_of("score_row", row, base, factors)
    cdef bint single = is_float32(factors.item_factors)
    check_array(out, cnp.NPY_FLOAT64, 1, True, "score_row: out")
    if length(out) != given.n_items:
        raise ValueError(f"score_row: out must have {given.n_items} numbers, not {length(out)}")
    if overlaps(out, (row, factors.item_factors, factors.item_bias)):
        raise ValueError("score_row: out shares memory with another argument")
    given.scores = <double *>pointer(out)
    with nogil:
        if single:
            loops.scores_f32(&given)
        else:
            loops.scores_f64(&given)


def best_of_row(row, base, factors, order, excluded, listed, scores):
    """The n items of highest base + b_i + row . q_i, best first.

    Parameters
    ----------
    row, base, factors
        As of `score_row`.
    order : ItemOrder
        Items that may be listed; equal scores are listed in its order.
    excluded : int32[...]
        Codes of items that are not listed, ascending.
    listed, scores : int32[n], float64[n], overwritten
        Codes and scores; after the last item -1 and 0.

    Raises
    ------
    TypeError
        When an argument is not the array, number or record that it should be.
    ValueError
        When lengths do not fit together, `excluded` is not ascending or has codes out of range, or an array
        that is written is read-only, empty, or shares memory with another argument.

    Notes
    -----
    O(n_items x width); one thread. The same list as of `products.best_products`, to the bit. Scores that are
    NaN or -inf are never listed.
    """
    cdef RowArrays given = arrays_of("best_of_row", row, base, factors)
    cdef bint single = is_float32(factors.item_factors)
    fill("best_of_row", &given, order, excluded, listed, scores)
    for written in (listed, scores):
        if overlaps(written, (row, factors.item_factors, factors.item_bias)):
            raise ValueError("best_of_row: listed or scores shares memory with another argument")
    with nogil:
        if single:
            loops.best_f32(&given)
        else:
            loops.best_f64(&given)


def best_of_scores(item_scores, order, excluded, listed, scores):
    """The n items of highest score, best first.

    Parameters
    ----------
    item_scores : float64[n_items]
    order, excluded, listed, scores
        As of `best_of_row`.

    Raises
    ------
    TypeError, ValueError
        As from `best_of_row`.

    Notes
    -----
    O(n_items). The same list as of `scores.best_scores`. Scores that are NaN or -inf are never listed.
    """
    check_array(item_scores, cnp.NPY_FLOAT64, 1, False, "best_of_scores: item_scores")
    cdef RowArrays given = RowArrays(
        row=NULL, item_factors=NULL, item_bias=NULL, base=0, n_items=length(item_scores), width=0, items=NULL,
        positions=NULL, excluded=NULL, n_excluded=0, n=0, listed=NULL, scores=NULL,
    )
    cdef const double *own = <const double *>pointer(item_scores)
    fill("best_of_scores", &given, order, excluded, listed, scores)
    for written in (listed, scores):
        if overlaps(written, (item_scores,)):
            raise ValueError("best_of_scores: listed or scores shares memory with another argument")
    with nogil:
        best_of(&given, own)


cdef int fill(str function, RowArrays *given, order, excluded, listed, scores) except -1:
    """Check the further arguments of `best_of_row` and `best_of_scores`."""
    check_record(order, ItemOrder, f"{function}: order")
    check_array(excluded, cnp.NPY_INT32, 1, False, f"{function}: excluded")
    check_array(listed, cnp.NPY_INT32, 1, True, f"{function}: listed")
    check_array(scores, cnp.NPY_FLOAT64, 1, True, f"{function}: scores")
    cdef const int32_t *codes = <const int32_t *>pointer(excluded)
    cdef Py_ssize_t k
    cdef int32_t before = -1
    given.n, given.n_excluded = length(listed), length(excluded)
    if order.n_items != given.n_items:
        raise ValueError(f"{function}: order must be of the {given.n_items} items")
    if given.n < 1 or length(scores) != given.n:
        raise ValueError(f"{function}: listed and scores must be of one length, at least 1")
    if overlaps(listed, (scores, excluded, order.items, order.positions)) or \
            overlaps(scores, (excluded, order.items, order.positions)):
        raise ValueError(f"{function}: listed or scores shares memory with another argument")
    for k in range(given.n_excluded):
        if codes[k] <= before or codes[k] >= given.n_items:
            raise ValueError(f"{function}: excluded must be ascending codes of items, and {codes[k]} is not")
        before = codes[k]
    given.items = <const int32_t *>pointer(order.items)
    given.positions = <const int32_t *>pointer(order.positions)
    given.excluded = codes
    given.listed, given.scores = <int32_t *>pointer(listed), <double *>pointer(scores)
    return 0


cdef void best_of(const RowArrays *given, const double *own) noexcept nogil:
    cdef Py_ssize_t item, next_excluded = 0, n = given.n, k
    heap_clear(given.scores, given.listed, n)
    for item in range(given.n_items):
        if next_excluded < given.n_excluded and given.excluded[next_excluded] == item:
            next_excluded += 1
        elif own[item] >= given.scores[0] and own[item] > -INFINITY and given.positions[item] >= 0:
            heap_offer(given.scores, given.listed, n, own[item], given.positions[item])
    heap_sort(given.scores, given.listed, n)
    for k in range(n):
        if given.listed[k] >= 0:
            given.listed[k] = given.items[given.listed[k]]
