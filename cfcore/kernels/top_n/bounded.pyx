"""The best items of one user by base + b_i + row . q_i, from panels of items that bounds dismiss.

As in `products`, for one row: see there for panels, rotation and bounds. The list is that of
`single.best_of_row`, to the bit, for less than half of the time where most panels are dismissed.
The twin is `cfcore.reference.top_n.bounded`, the inner loops are in `bounded_loops.pyx`.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t

from cfcore.kernels.common.arrays cimport check_array, check_record, is_float32, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.top_n.bounded_loops cimport BoundedArrays, BoundedLoops

from cfcore.kernels import simd
from cfcore.kernels.records import Factors, ItemPanels

cnp.import_array()

cdef const BoundedLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const BoundedLoops *>table_in(capsule)


simd.register("top_n.bounded_loops", _use)


def best_of_panels(row, base, factors, items, excluded, listed, scores, scratch):
    """The n items of highest base + b_i + row . q_i, best first.

    Parameters
    ----------
    row : ndarray of the dtype of the factors [width]
        Of a user, padded as theirs.
    base : float
        Mean and bias of the user.
    factors : Factors
        Whose users are not looked at.
    items : ItemPanels
        Of rows of `factors`, as `products.best_products` takes them.
    excluded : int32[...]
        Codes of items that are not listed, ascending.
    listed, scores : int32[n], float64[n], overwritten
        Positions in the order in which equal scores are listed, and scores; after the last item -1 and 0.
    scratch : float32[2 width + n_tail], overwritten

    Raises
    ------
    TypeError
        When an argument is not the array, number or record that it should be.
    ValueError
        When lengths do not fit together, `excluded` is not ascending or has codes out of range, or an array
        that is written is read-only, empty, or shares memory with another argument.

    Notes
    -----
    O(n_items x width) at worst; one thread. The same bits for any rotation and any SIMD level. Scores that
    are NaN or -inf are never listed.
    """
    check_record(factors, Factors, "best_of_panels: factors")
    check_record(items, ItemPanels, "best_of_panels: items")
    cdef bint single = is_float32(factors.item_factors)
    check_array(row, cnp.NPY_FLOAT32 if single else cnp.NPY_FLOAT64, 1, False, "best_of_panels: row")
    check_array(excluded, cnp.NPY_INT32, 1, False, "best_of_panels: excluded")
    check_array(listed, cnp.NPY_INT32, 1, True, "best_of_panels: listed")
    check_array(scores, cnp.NPY_FLOAT64, 1, True, "best_of_panels: scores")
    check_array(scratch, cnp.NPY_FLOAT32, 1, True, "best_of_panels: scratch")
    cdef const double *bounds = <const double *>pointer(items.bounds)
    cdef BoundedArrays given = BoundedArrays(
        row=pointer(row), item_factors=pointer(factors.item_factors), item_bias=pointer(factors.item_bias),
        base=base, items=<const int32_t *>pointer(items.items),
        tie_positions=<const int32_t *>pointer(items.tie_positions),
        panels=<const float *>pointer(items.panels), rotation=<const float *>pointer(items.rotation),
        longest=bounds[0], largest_bias=bounds[1], m=items.m, width=factors.width, rank=items.rank,
        head=items.head, n_tail=items.n_tail, n_lines=items.n_lines, rotation_lines=items.n_rotation_lines,
        excluded=<const int32_t *>pointer(excluded), n_excluded=length(excluded), n=length(listed),
        listed=<int32_t *>pointer(listed), scores=<double *>pointer(scores),
        raw=<float *>pointer(scratch), rotated=<float *>pointer(scratch) + <Py_ssize_t>factors.width,
    )
    cdef Py_ssize_t k
    cdef int32_t before = -1
    if length(row) != given.width:
        raise ValueError(f"best_of_panels: row must have {given.width} numbers, not {length(row)}")
    if items.n_items != factors.n_items or given.rank > given.width or \
            (given.rank and given.rotation_lines <= given.width):
        raise ValueError("best_of_panels: items must be panels of the rows of factors")
    if given.n < 1 or length(scores) != given.n:
        raise ValueError("best_of_panels: listed and scores must be of one length, at least 1")
    if length(scratch) < 2 * given.width + given.n_tail:
        raise ValueError(f"best_of_panels: scratch must have {2 * given.width + given.n_tail} numbers")
    read = (row, excluded, factors.item_factors, factors.item_bias, items.items, items.tie_positions,
            items.panels, items.rotation, items.bounds)
    if overlaps(listed, (scores, scratch, *read)) or overlaps(scores, (scratch, *read)) or \
            overlaps(scratch, read):
        raise ValueError("best_of_panels: listed, scores or scratch shares memory with another argument")
    for k in range(given.n_excluded):
        if given.excluded[k] <= before or given.excluded[k] >= items.n_items:
            raise ValueError(
                f"best_of_panels: excluded must be ascending codes of items, and {given.excluded[k]} is not"
            )
        before = given.excluded[k]
    with nogil:
        if single:
            loops.best_f32(&given)
        else:
            loops.best_f64(&given)
