"""The best items of many users by whatever scores they are given; of equal ones, the first in place.

The twin is `cfcore.reference.top_n.scores`.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.top_n.requests cimport check_lists, mark, marked, name_bad_item
from cfcore.kernels.common.threads cimport team_size


def best_scores(const double[:, ::1] given, const int32_t[::1] given_rows, const int32_t[::1] order,
                const int32_t[::1] places_of, const int64_t[::1] starts, const int64_t[::1] stops,
                const int32_t[::1] excluded, int32_t[:, ::1] places, double[:, ::1] scores,
                uint64_t[:, ::1] marks, int n_threads):
    """For each list the n places of the highest of its given scores, best first.

    Parameters
    ----------
    given : float64[..., m]
        Scores of the items in `order`.
    given_rows : int32[n_lists]
        Row of `given` for each list; several may share one.
    order, places_of, starts, stops, excluded, places, scores, n_threads
        As in `products.best_products`.
    marks : uint64[n_threads, ceil(m / 64)] or more, scratch of zeros, and zeros again at the end

    Raises
    ------
    ValueError
        When shapes do not fit, or codes are out of range.

    Notes
    -----
    O(n_lists x m). The same bits for any number of threads. Scores that are NaN or -inf are never listed.
    """
    cdef Py_ssize_t n_lists = given_rows.shape[0], m = order.shape[0], n = places.shape[1], k, place
    cdef int thread, n_bad = 0
    if given.shape[1] != m:
        raise ValueError("best_scores: given must have a column for each item in order")
    if marks.shape[0] < max(1, n_threads) or marks.shape[1] < (m + 63) // 64:
        raise ValueError("best_scores: marks are too small")
    check_lists("best_scores", order, places_of, starts, stops, excluded, places, scores, n_lists)
    for k in range(n_lists):
        if not 0 <= given_rows[k] < given.shape[0]:
            raise ValueError(f"best_scores: row {given_rows[k]} is out of range")
    if m == 0:
        name_bad_item("best_scores", starts, stops, excluded, places_of.shape[0])
        places[:, :] = -1
        scores[:, :] = 0
        return
    with nogil:
        for k in prange(n_lists, schedule="dynamic", chunksize=16, num_threads=team_size(n_threads)):
            thread = threadid()
            if stops[k] > starts[k]:
                n_bad += not mark(&marks[thread, 0], &excluded[starts[k]], stops[k] - starts[k],
                                  &places_of[0], places_of.shape[0], True)
            heap_clear(&scores[k, 0], &places[k, 0], n)
            for place in range(m):
                if given[given_rows[k], place] > scores[k, 0] and not marked(&marks[thread, 0], place):
                    heap_offer(&scores[k, 0], &places[k, 0], n, given[given_rows[k], place], <int32_t>place)
            heap_sort(&scores[k, 0], &places[k, 0], n)
            if stops[k] > starts[k]:
                mark(&marks[thread, 0], &excluded[starts[k]], stops[k] - starts[k], &places_of[0],
                     places_of.shape[0], False)
    if n_bad:
        name_bad_item("best_scores", starts, stops, excluded, places_of.shape[0])
