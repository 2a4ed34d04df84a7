"""Scores of items by their weights in each other, and lists of the best: sums of the rows of a matrix.

Terms are added in float32, in the order of the ratings: the same bits for any number of threads, any SIMD
level, and for a user alone or among many. The twin is `cfcore.reference.lists.weighted_sums`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.lists.ease_loops cimport USERS_TOGETHER, EaseLoops, ListArrays, ScoreArrays
from cfcore.kernels.top_n.excluded cimport check_excluded

from cfcore.kernels import simd
from cfcore.kernels.records import (
    BitmapScratch,
    ItemOrder,
    ItemWeights,
    ListQueries,
    RatingRows,
    TopLists,
    UserScores,
    WeightPanels,
    check_written,
)

cnp.import_array()

cdef enum:
    PANEL = 64  # items whose weights, of all items, stay in the cache while users follow each other
    MANY = 16  # users from which on items are scored in panels

cdef const EaseLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const EaseLoops *>table_in(capsule)


simd.register("lists.ease_loops", _use)


def score_rows(rated, weights, out, n_threads):
    """Scores of all items for users: sums of the weights of the items that they rated.

    Parameters
    ----------
    rated : RatingRows
        What the ratings of each user weigh.
    weights : ItemWeights
    out : UserScores, changed in place
        scores[k, j] = sum_i x_i B_ij over the items i that users[k] rated.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory; or a user who has no
        row of `rated`.

    Notes
    -----
    O(n_items) for each rating. Terms are added in float32, in the order of the ratings: the same bits for any
    number of threads, SIMD level, and other users. Items are taken in panels if there are many users, so that
    weights are read from the cache.
    """
    cdef int workers = 0, team = team_size(n_threads)
    check_record(rated, RatingRows, "score_rows: rated")
    check_record(weights, ItemWeights, "score_rows: weights")
    check_record(out, UserScores, "score_rows: out")
    check_written((out,), (rated, weights))
    if rated.n_columns != weights.n_items or out.n_items != weights.n_items:
        raise ValueError("score_rows: rated, weights and out must be of the same items")
    if out.n_lists and out.users.max() >= rated.n_rows:
        raise ValueError(f"score_rows: user {out.users.max()} is out of range")
    cdef Py_ssize_t k, n_items = weights.n_items, n_lists = out.n_lists
    cdef Py_ssize_t width = PANEL if n_lists >= MANY else max(n_items, 1)
    cdef Py_ssize_t n_panels = (n_items + width - 1) // width
    cdef Py_ssize_t n_groups = (n_lists + USERS_TOGETHER - 1) // USERS_TOGETHER
    cdef ScoreArrays given = ScoreArrays(
        indptr=<const int64_t *>pointer(rated.indptr), items=<const int32_t *>pointer(rated.indices),
        values=<const float *>pointer(rated.values), weights=<const float *>pointer(weights.values),
        users=<const int32_t *>pointer(out.users), scores=<float *>pointer(out.scores),
        n_items=n_items, n_lists=n_lists, width=width,
    )
    # All groups of users for one panel of items, then the next panel.
    for k in prange(n_panels * n_groups, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        loops.scores(&given, k % n_groups, k // n_groups)
    report_workers(workers)


def best_lists(rated, panels, queries, order, lists, scratch, n_threads):
    """For each list the n items of highest score, best first; of equal ones, the first in the order of items.

    Parameters
    ----------
    rated : RatingRows
        What the ratings of each user weigh.
    panels : WeightPanels
        Rows are the columns of `rated`, and columns are items. Those that are in no panel are not listed.
    queries : ListQueries
        Rows are those of `rated`.
    order : ItemOrder
        Items that may be listed.
    lists : TopLists, overwritten
    scratch : BitmapScratch
        ceil(m / 64) words for each list that a thread makes beside others: the more, the less often are
        weights read from memory.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError, ValueError
        When records are not what they should be, do not fit together or share memory; or a user or an
        excluded item is out of range.

    Notes
    -----
    Scores are those of `score_rows`, the same bits; no matrix of them is made. O(n_items) for each rating.
    NaN is never listed. The same bits for any number of threads and SIMD level.
    """
    check_record(rated, RatingRows, "best_lists: rated")
    check_record(panels, WeightPanels, "best_lists: panels")
    check_record(queries, ListQueries, "best_lists: queries")
    check_record(order, ItemOrder, "best_lists: order")
    check_record(lists, TopLists, "best_lists: lists")
    check_record(scratch, BitmapScratch, "best_lists: scratch")
    check_written((lists, scratch), (rated, panels, queries, order))
    cdef int workers = 0, team = team_size(n_threads), n_bad = 0
    cdef Py_ssize_t k, n_lists = queries.n_lists, row_words = scratch.n_words
    cdef uint64_t *bitmaps = <uint64_t *>pointer(scratch.bitmaps)
    cdef ListArrays given = ListArrays(
        indptr=<const int64_t *>pointer(rated.indptr), items=<const int32_t *>pointer(rated.indices),
        values=<const float *>pointer(rated.values), panels=<const float *>pointer(panels.values),
        columns=<const int32_t *>pointer(panels.columns),
        users=<const int32_t *>pointer(queries.rows),
        starts=<const int64_t *>pointer(queries.starts),
        stops=<const int64_t *>pointer(queries.stops), excluded=<const int32_t *>pointer(queries.excluded),
        positions=<const int32_t *>pointer(order.positions), listed=<int32_t *>pointer(lists.positions),
        scores=<double *>pointer(lists.scores), n_rows=panels.n_rows, n_items=panels.n_items,
        n_panels=panels.n_panels, n_lists=n_lists, n=lists.n,
        n_words=max((order.m + 63) // 64, 1), together=0,
    )
    given.together = row_words // given.n_words
    if rated.n_columns != panels.n_rows or order.n_items != panels.n_items:
        raise ValueError("best_lists: panels must have a row for each column of rated, and items of order")
    if lists.n_lists != n_lists:
        raise ValueError("best_lists: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or not given.together:
        raise ValueError("best_lists: scratch is too small")
    if n_lists and queries.rows.max() >= rated.n_rows:
        raise ValueError(f"best_lists: user {queries.rows.max()} is out of range")
    cdef Py_ssize_t n_groups = (n_lists + given.together - 1) // given.together
    for k in prange(n_groups, nogil=True, schedule="dynamic", num_threads=team):
        workers |= team_present()
        n_bad += not loops.lists(&given, k, bitmaps + threadid() * row_words)
    report_workers(workers)
    if n_bad:
        check_excluded("best_lists", queries, order.n_items)
