"""Lists of the best items by their weights in each other: candidates by rounded weights, then exact scores.

Rounded weights are 16-bit integers for the items of the first panels, of which most lists are, and 8-bit
integers for the others: a half or a quarter of the memory. Their sums differ from scores by at most a margin,
so that they tell which few items can be on a list. Scores of these are added up from the weights as they are,
in float32, in the order of the ratings: those of `weighted_sums.score_rows`, the same bits. The twin is
`cfcore.reference.lists.top_lists`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.lists.multiples cimport HIGHEST, HIGHEST_LEVEL, levels_of, multiples_of, smallest
from cfcore.kernels.lists.top_lists_loops cimport GROUP, ROWS, ListArrays, PanelArrays, TopListLoops
from cfcore.kernels.top_n.excluded cimport check_excluded

import numpy as np

from cfcore.kernels import simd
from cfcore.kernels.records import (
    CandidateScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingMultiples,
    RatingRows,
    TopLists,
    WeightPanels,
    check_written,
)

cnp.import_array()

cdef float ROUNDED_UP = 127.0 / 126  # the unit of a group over the largest of its columns
cdef float FINEST = 2.0**-20  # the least largest weight that the unit of a column is for, over that of all

cdef const TopListLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const TopListLoops *>table_in(capsule)


simd.register("lists.top_lists_loops", _use)


def fill_panels(weights, panels, n_threads):
    """Fill the arrays of `panels` that are derived of the weights.

    Parameters
    ----------
    weights : ItemWeights
    panels : WeightPanels, overwritten
        `sources` are columns of `weights`.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory.

    Notes
    -----
    The unit of 16-bit weights is the largest weight over 32767, and that of a column of 8-bit weights is the
    largest of the column over 127. They are 0 if the largest weight is not in [1e-30, inf). Of 16 columns the
    largest weight of a row is rounded up to multiples of 127/126 of the largest unit among them.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(weights, ItemWeights, "fill_panels: weights")
    check_record(panels, WeightPanels, "fill_panels: panels")
    check_written((panels,), (weights,))
    if panels.n_rows != weights.n_items:
        raise ValueError("fill_panels: panels must have a row for each item of weights")
    cdef Py_ssize_t k, n_rows = panels.n_rows, n_blocks = (n_rows + ROWS - 1) // ROWS
    inverses, by_block = np.zeros(panels.scales.shape, np.float32), np.zeros((n_blocks, n_rows), np.float32)
    group_inverses = np.zeros(panels.group_scales.size, np.float32)
    cdef PanelArrays given = PanelArrays(
        weights=<const float *>pointer(weights.values), sources=<const int32_t *>pointer(panels.sources),
        rounded=<int16_t *>pointer(panels.rounded), coarse=<int8_t *>pointer(panels.coarse),
        most=<int16_t *>pointer(panels.most), exact=<float *>pointer(panels.exact),
        peaks=<float *>pointer(panels.peaks), inverses=<const float *>pointer(inverses),
        groups=<int8_t *>pointer(panels.groups), group_inverses=<const float *>pointer(group_inverses),
        n_rows=n_rows, n_panels=panels.n_panels, n_fine=panels.n_fine,
    )
    cdef float *columns = <float *>pointer(by_block)
    for k in prange(n_blocks, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        loops.peaks(&given, k, columns + k * n_rows)
    cdef float largest = _largest(panels), inverse = 0
    panels.scales[:], panels.groups[:], panels.group_scales[:] = 0, 0, 0
    if largest >= smallest() and largest < INFINITY:
        inverse = HIGHEST / largest
        of_columns = np.append(by_block.max(axis=0), np.float32(0))[panels.sources[panels.n_fine :]]
        np.divide(
            np.float32(HIGHEST_LEVEL), np.maximum(of_columns, np.float32(largest * FINEST)), out=inverses
        )
        np.divide(np.float32(inverse), inverses, out=panels.scales)
        of_groups = inverses.reshape(-1, GROUP).min(axis=1) / np.float32(ROUNDED_UP)
        group_inverses[: of_groups.size] = of_groups
        panels.group_scales.reshape(-1)[: of_groups.size] = np.float32(inverse) / of_groups
    for k in prange(n_blocks, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.rows(&given, k, inverse)
    report_workers(workers)


cdef float _largest(panels):
    """The largest weight, NaN if one is."""
    return panels.peaks.max(initial=0)


def fill_multiples(rated, panels, multiples, n_threads):
    """Fill the arrays of `multiples`.

    Parameters
    ----------
    rated : RatingRows
        What the ratings of each user weigh.
    panels : WeightPanels
    multiples : RatingMultiples, overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory.

    Notes
    -----
    Multiples are as fine as sums of 32-bit integers permit, and levels are at most 127. A margin covers half
    a unit for each rounded weight, what multiples or levels differ from ratings, and the rounding of float32
    scores: (n + 2) roundings of a sum of n terms.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(rated, RatingRows, "fill_multiples: rated")
    check_record(panels, WeightPanels, "fill_multiples: panels")
    check_record(multiples, RatingMultiples, "fill_multiples: multiples")
    check_written((multiples,), (rated, panels))
    if rated.n_columns != panels.n_rows:
        raise ValueError("fill_multiples: panels must have a row for each column of rated")
    if multiples.n != rated.n or multiples.n_rows != rated.n_rows:
        raise ValueError("fill_multiples: multiples must be of the ratings in rated")
    cdef const int64_t *indptr = <const int64_t *>pointer(rated.indptr)
    cdef const int32_t *items = <const int32_t *>pointer(rated.indices)
    cdef const float *values = <const float *>pointer(rated.values)
    cdef const float *peaks = <const float *>pointer(panels.peaks)
    cdef int16_t *out = <int16_t *>pointer(multiples.values)
    cdef int32_t *margins = <int32_t *>pointer(multiples.margins)
    cdef int32_t *steps = <int32_t *>pointer(multiples.steps)
    cdef uint8_t *levels = <uint8_t *>pointer(multiples.levels)
    cdef double *level_steps = <double *>pointer(multiples.level_steps)
    cdef int32_t *level_margins = <int32_t *>pointer(multiples.level_margins)
    cdef int32_t *runs = <int32_t *>pointer(multiples.runs)
    cdef double largest = _largest(panels), per_one = multiples.per_one
    cdef Py_ssize_t k, n_rows = rated.n_rows
    for k in prange(n_rows, nogil=True, schedule="guided", num_threads=team):
        workers |= team_present()
        margins[k] = multiples_of(items + indptr[k], values + indptr[k], indptr[k + 1] - indptr[k], peaks,
                                  largest, per_one, out + indptr[k], steps + k)
        level_margins[k] = levels_of(values + indptr[k], indptr[k + 1] - indptr[k], per_one, margins[k] >= 0,
                                     levels + indptr[k], level_steps + k, runs + k)
        if level_margins[k] < 0:
            margins[k] = -1
    report_workers(workers)


def best_lists(rated, multiples, panels, queries, order, lists, scratch, n_threads):
    """For each list the n items of highest score, best first; of equal ones, the first in the order of items.

    Parameters
    ----------
    rated : RatingRows
        What the ratings of each user weigh.
    multiples : RatingMultiples
        Those of `rated`, as `fill_multiples` fills them.
    panels : WeightPanels
        As `fill_panels` fills them. Rows are the columns of `rated`. Items in no panel are not listed.
    queries : ListQueries
        Rows are those of `rated`.
    order : ItemOrder
        Items that may be listed.
    lists : TopLists, overwritten
    scratch : CandidateScratch
        For at least one list: the more, the less often are weights read from memory.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory; or a user or an
        excluded item is out of range.

    Notes
    -----
    Scores are those of `weighted_sums.score_rows`, the same bits; no matrix of them is made. O(n_items) for
    each rating, of rounded weights in panels that may hold an item of the list. Panels of 8-bit weights are
    left out, or after half of the ratings, where the largest weights of 16 items tell that none can be. Users
    whose margin is -1, and those of whom too many items have scores within the margin, have all scores added
    up, one after the other. NaN is never listed. The same bits for any number of threads and SIMD level.
    """
    check_record(rated, RatingRows, "best_lists: rated")
    check_record(multiples, RatingMultiples, "best_lists: multiples")
    check_record(panels, WeightPanels, "best_lists: panels")
    check_record(queries, ListQueries, "best_lists: queries")
    check_record(order, ItemOrder, "best_lists: order")
    check_record(lists, TopLists, "best_lists: lists")
    check_record(scratch, CandidateScratch, "best_lists: scratch")
    check_written((lists, scratch), (rated, multiples, panels, queries, order))
    cdef int workers = 0, team = team_size(n_threads), n_bad = 0
    cdef Py_ssize_t k, n_lists = queries.n_lists, n_words = scratch.n_words, n_codes = scratch.n_codes
    cdef uint64_t *bitmaps = <uint64_t *>pointer(scratch.bitmaps)
    cdef int32_t *codes = <int32_t *>pointer(scratch.codes)
    cdef ListArrays given = ListArrays(
        indptr=<const int64_t *>pointer(rated.indptr), items=<const int32_t *>pointer(rated.indices),
        values=<const float *>pointer(rated.values),
        multiples=<const int16_t *>pointer(multiples.values),
        steps=<const int32_t *>pointer(multiples.steps),
        margins=<const int32_t *>pointer(multiples.margins),
        levels=<const uint8_t *>pointer(multiples.levels),
        level_steps=<const double *>pointer(multiples.level_steps),
        level_margins=<const int32_t *>pointer(multiples.level_margins),
        runs=<const int32_t *>pointer(multiples.runs),
        rounded=<const int16_t *>pointer(panels.rounded),
        coarse=<const int8_t *>pointer(panels.coarse), scales=<const float *>pointer(panels.scales),
        most=<const int16_t *>pointer(panels.most), exact=<const float *>pointer(panels.exact),
        groups=<const int8_t *>pointer(panels.groups),
        group_scales=<const float *>pointer(panels.group_scales),
        columns=<const int32_t *>pointer(panels.columns), places=<const int32_t *>pointer(panels.places),
        users=<const int32_t *>pointer(queries.rows),
        starts=<const int64_t *>pointer(queries.starts),
        stops=<const int64_t *>pointer(queries.stops), excluded=<const int32_t *>pointer(queries.excluded),
        positions=<const int32_t *>pointer(order.positions), listed=<int32_t *>pointer(lists.positions),
        scores=<double *>pointer(lists.scores), n_rows=panels.n_rows, n_items=panels.n_items,
        n_panels=panels.n_panels, n_fine=panels.n_fine, n_lists=n_lists, n=lists.n, together=0,
    )
    given.together = scratch.lists(panels.n_panels, lists.n)
    if rated.n_columns != panels.n_rows or order.n_items != panels.n_items:
        raise ValueError("best_lists: panels must have a row for each column of rated, and items of order")
    if multiples.n != rated.n or multiples.n_rows != rated.n_rows:
        raise ValueError("best_lists: multiples must be of the ratings in rated")
    if lists.n_lists != n_lists:
        raise ValueError("best_lists: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or given.together < 1:
        raise ValueError("best_lists: scratch is too small")
    if n_lists and queries.rows.max() >= rated.n_rows:
        raise ValueError(f"best_lists: user {queries.rows.max()} is out of range")
    cdef Py_ssize_t n_groups = (n_lists + given.together - 1) // given.together
    for k in prange(n_groups, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        n_bad += not loops.lists(&given, k, bitmaps + threadid() * n_words, codes + threadid() * n_codes)
    report_workers(workers)
    if n_bad:
        check_excluded("best_lists", queries, order.n_items)
