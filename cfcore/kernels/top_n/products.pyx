"""The best items of many users by mean + b_u + b_i + p_u . q_i, without the matrix of their scores.

Most pairs are dismissed by a bound (as in Teflioudi, Gemulla and Mykytiuk 2015; Li, Chan, Yiu and Mamoulis
2017). Factors of users and items are rotated to the principal axes of the items, so that the first few carry
most of a product. The first of them, the head, are stored in panels of 32 items, factor by factor (`pack`),
and items with high estimated scores come first. Six or eight users at a time are multiplied with a panel in
registers, with sums in whatever order is fastest. After 0, 16, 32, 64 ... factors the rest of a product is at
most that of two parallel rows (Cauchy and Schwarz): if with it no item reaches the n-th best sum of a user so
far, the panel is left. After the head the rest, the tail, is added for single pairs that may still reach it.
Pairs whose sum does reach it are candidates. At the end those that are not below the n-th best by more than
rounding can explain, hardly more than n, are computed from the original rows, in the fixed order of lanes
that `svd.predict` uses, and these scores decide. So the lists are those of predicting every pair, to the bit,
whatever the rotation.
The twin is `cfcore.reference.top_n.products`, the inner loops are in `products_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_record, is_float32, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.top_n.excluded cimport check_excluded
from cfcore.kernels.top_n.products_loops cimport (
    GROUP, SPARE, GroupScratch, ListArrays, PackArrays, ProductsLoops, RankGroup, room_of_best
)

from cfcore.kernels import simd
from cfcore.kernels.records import (
    BiasedRows,
    Factors,
    ListQueries,
    ListScratch,
    PanelOrder,
    Panels,
    TopLists,
    check_sizes,
    check_written,
    panel_checks,
)

cnp.import_array()

cdef const ProductsLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const ProductsLoops *>table_in(capsule)


simd.register("top_n.products_loops", _use)


def pack(rows, panels):
    """Lay rows out in panels of 32 for `best_products`.

    Parameters
    ----------
    rows : BiasedRows
    panels : Panels, overwritten

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together.

    Notes
    -----
    O(m x width); one thread.
    """
    check_record(rows, BiasedRows, "pack: rows")
    check_record(panels, Panels, "pack: panels")
    check_written((panels,), (rows,))
    cdef PackArrays given = PackArrays(
        factors=pointer(rows.factors), biases=pointer(rows.biases), panels=<float *>pointer(panels.panels),
        tails=<float *>pointer(panels.tails), bounds=<double *>pointer(panels.bounds), m=rows.m,
        width=rows.width, head=panels.head, n_tail=panels.n_tail, n_lines=panels.n_lines,
    )
    cdef bint single = is_float32(rows.factors)
    if panels.m != given.m:
        raise ValueError("pack: panels and rows must be of the same number")
    if given.head > given.width or given.n_tail != (given.width - given.head + 15) // 16 * 16:
        raise ValueError("pack: panels.tails must hold the factors after the head in whole groups of 16")
    with nogil:
        if single:
            loops.pack_f32(&given)
        else:
            loops.pack_f64(&given)


def scratch_sizes(m, width, head, n_tail, n):
    """Entries of a row of bitmaps, floats and columns in the `ListScratch` for lists of n of m items.

    Raises ValueError unless all are in [0, 2^31).
    """
    m, width, head, n_tail, n = check_sizes(
        "scratch_sizes", m=m, width=width, head=head, n_tail=n_tail, n=n
    )
    n_floats = width + head + n_tail + len(panel_checks(head)) + room_of_best(n) + n + SPARE
    return GROUP * ((m + 63) // 64), GROUP * n_floats, GROUP * (n + SPARE)


def best_products(queries, factors, order, panels, rotation, lists, scratch, n_threads):
    """For each list the n items of highest mean + b_u + b_i + p_u . q_i, best first.

    Parameters
    ----------
    queries : ListQueries
        Rows are users. It is fastest if neighbours have factors of similar length and direction.
    factors : Factors
    order : PanelOrder
    panels : Panels
        From `pack` with the rows of ``order.items`` times T [width, rank], at most width roundings of a row's
        length off in each factor, and their biases.
    rotation : Panels
        From `pack`, all head, with the rows of the transpose of T, whose columns are orthonormal and span all
        rows of items. Biases are not used.
    lists : TopLists, overwritten
    scratch : ListScratch
        For `n_threads` threads, of `scratch_sizes`.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or a user or an excluded item is out of range.

    Notes
    -----
    O(n_lists x m x (width + n)) at worst, no memory but the lists. The same bits as `svd.predict` followed by
    a stable sort, for any T, any number of threads and any SIMD level. Scores that are NaN or -inf are never
    listed.
    """
    check_record(queries, ListQueries, "best_products: queries")
    check_record(factors, Factors, "best_products: factors")
    check_record(order, PanelOrder, "best_products: order")
    check_record(panels, Panels, "best_products: panels")
    check_record(rotation, Panels, "best_products: rotation")
    check_record(lists, TopLists, "best_products: lists")
    check_record(scratch, ListScratch, "best_products: scratch")
    check_written((lists, scratch), (queries, factors, order, panels, rotation))
    cdef int team = team_size(n_threads), workers = 0, n_bad = 0
    cdef Py_ssize_t n_lists = queries.n_lists, group
    cdef ListArrays given = ListArrays(
        users=<const int32_t *>pointer(queries.rows), starts=<const int64_t *>pointer(queries.starts),
        stops=<const int64_t *>pointer(queries.stops), excluded=<const int32_t *>pointer(queries.excluded),
        user_factors=pointer(factors.user_factors), item_factors=pointer(factors.item_factors),
        user_bias=pointer(factors.user_bias), item_bias=pointer(factors.item_bias),
        items=<const int32_t *>pointer(order.items), columns=<const int32_t *>pointer(order.positions),
        tie_positions=<const int32_t *>pointer(order.tie_positions),
        rotation=<const float *>pointer(rotation.panels), panels=<const float *>pointer(panels.panels),
        tails=<const float *>pointer(panels.tails), mean=factors.mean, longest=panels.bounds[0],
        largest_bias=panels.bounds[1], n_items=order.n_items, m=order.m, width=factors.width,
        rank=rotation.m, head=panels.head, n_tail=panels.n_tail, n_lines=panels.n_lines,
        n_checks=panels.n_lines - panels.head - 1, rotation_lines=rotation.n_lines, n=lists.n,
        n_best=room_of_best(lists.n), n_words=(order.m + 63) // 64,
        listed=<int32_t *>pointer(lists.positions), scores=<double *>pointer(lists.scores),
    )
    if order.n_items != factors.n_items or panels.m != given.m:
        raise ValueError("best_products: order must be of the items of factors and of the rows of panels")
    if rotation.head != given.width or not given.head <= given.rank <= given.width or \
            given.n_tail != (given.rank - given.head + 15) // 16 * 16:
        raise ValueError("best_products: rotation must be of the factors and of the panels")
    if lists.n_lists != n_lists:
        raise ValueError("best_products: lists and queries must be of the same number")
    sizes = scratch_sizes(given.m, given.width, given.head, given.n_tail, given.n)
    if scratch.n_threads < n_threads or scratch.n_words < sizes[0] or scratch.n_floats < sizes[1] \
            or scratch.n_columns < sizes[2]:
        raise ValueError("best_products: scratch is too small")
    if n_lists and queries.rows.max() >= factors.n_users:
        raise ValueError(f"best_products: user {queries.rows.max()} is out of range")
    cdef float *floats = <float *>pointer(scratch.floats)
    cdef int32_t *columns = <int32_t *>pointer(scratch.columns)
    cdef uint64_t *bitmaps = <uint64_t *>pointer(scratch.bitmaps)
    cdef Py_ssize_t n_floats = scratch.n_floats, n_columns = scratch.n_columns, n_words = scratch.n_words
    cdef bint single = is_float32(factors.user_factors)
    cdef RankGroup rank_group = loops.rank_group_f32 if single else loops.rank_group_f64
    for group in prange((n_lists + GROUP - 1) // GROUP, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        n_bad += not rank(&given, rank_group, group * GROUP, n_lists, floats + threadid() * n_floats,
                          columns + threadid() * n_columns, bitmaps + threadid() * n_words)
    report_workers(workers)
    if n_bad:
        check_excluded("best_products", queries, order.n_items)


cdef inline bint rank(const ListArrays *given, RankGroup rank_group, Py_ssize_t first, Py_ssize_t n_lists,
                      float *floats, int32_t *columns, uint64_t *bitmaps) noexcept nogil:
    cdef GroupScratch scratch = GroupScratch(floats=floats, columns=columns, bitmaps=bitmaps)
    return rank_group(given, &scratch, first, min(<Py_ssize_t>GROUP, n_lists - first))
