"""The best items of many users by given scores; of equal ones, the first in the order of items.

The twin is `cfcore.reference.top_n.scores`.
"""
cimport numpy as cnp
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.top_n.excluded cimport check_excluded, mark, marked
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort

from cfcore.kernels.records import BitmapScratch, ItemOrder, ListQueries, ScoreRows, TopLists, check_written

cnp.import_array()


# What the threads of a call share.
cdef struct Inputs:
    const double *scores
    const int32_t *rows
    const int64_t *starts
    const int64_t *stops
    const int32_t *excluded
    const int32_t *positions
    Py_ssize_t n_items, m, n
    int32_t *listed
    double *listed_scores


def best_scores(score_rows, queries, order, lists, scratch, n_threads):
    """For each list the n items of highest score, best first.

    Parameters
    ----------
    score_rows : ScoreRows
        A column for each item of `order`.
    queries : ListQueries
        Rows are those of `score_rows`.
    order : ItemOrder
        Equal scores are listed in it.
    lists : TopLists, overwritten
    scratch : BitmapScratch
        ceil(m / 64) words for each of `n_threads` threads.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or a row or an excluded item is out of range.

    Notes
    -----
    O(n_lists x m). The same bits for any number of threads. Scores that are NaN or -inf are never listed.
    """
    check_record(score_rows, ScoreRows, "best_scores: score_rows")
    check_record(queries, ListQueries, "best_scores: queries")
    check_record(order, ItemOrder, "best_scores: order")
    check_record(lists, TopLists, "best_scores: lists")
    check_record(scratch, BitmapScratch, "best_scores: scratch")
    check_written((lists, scratch), (score_rows, queries, order))
    cdef int team = team_size(n_threads), workers = 0, n_bad = 0
    cdef Py_ssize_t k, n_lists = queries.n_lists, n_words = scratch.n_words
    cdef uint64_t *bitmaps = <uint64_t *>pointer(scratch.bitmaps)
    cdef Inputs inputs = Inputs(
        scores=<const double *>pointer(score_rows.scores), rows=<const int32_t *>pointer(queries.rows),
        starts=<const int64_t *>pointer(queries.starts), stops=<const int64_t *>pointer(queries.stops),
        excluded=<const int32_t *>pointer(queries.excluded),
        positions=<const int32_t *>pointer(order.positions), n_items=order.n_items, m=order.m, n=lists.n,
        listed=<int32_t *>pointer(lists.positions), listed_scores=<double *>pointer(lists.scores),
    )
    if score_rows.m != order.m:
        raise ValueError("best_scores: score_rows must have a column for each item of order")
    if lists.n_lists != n_lists:
        raise ValueError("best_scores: lists and queries must be of the same number")
    if scratch.n_threads < n_threads or n_words < (inputs.m + 63) // 64:
        raise ValueError("best_scores: scratch is too small")
    if n_lists and queries.rows.max() >= score_rows.n_rows:
        raise ValueError(f"best_scores: row {queries.rows.max()} is out of range")
    for k in prange(n_lists, nogil=True, schedule="dynamic", chunksize=16, num_threads=team):
        workers |= team_present()
        n_bad += not best_of_row(&inputs, k, bitmaps + threadid() * n_words)
    report_workers(workers)
    if n_bad:
        check_excluded("best_scores", queries, order.n_items)


cdef bint best_of_row(const Inputs *given, Py_ssize_t k, uint64_t *bitmap) noexcept nogil:
    """List k; false if an item that it excludes is out of range."""
    cdef Py_ssize_t m = given.m, n = given.n, position, n_excluded = given.stops[k] - given.starts[k]
    cdef const double *scores = given.scores + given.rows[k] * m
    cdef const int32_t *excluded = given.excluded + given.starts[k]
    cdef double *best = given.listed_scores + k * n
    cdef int32_t *listed = given.listed + k * n
    cdef bint valid = mark(bitmap, excluded, n_excluded, given.positions, given.n_items, True)
    heap_clear(best, listed, n)
    for position in range(m):
        if scores[position] > best[0] and not marked(bitmap, position):
            heap_offer(best, listed, n, scores[position], <int32_t>position)
    heap_sort(best, listed, n)
    mark(bitmap, excluded, n_excluded, given.positions, given.n_items, False)
    return valid
