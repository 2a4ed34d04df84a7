"""Weighted sums over nearest neighbours in float64; see `knns.py`."""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t

import numpy as np

cdef extern from "neighbors.h" nogil:
    enum:
        RANKED "CF_RANKED"
        BLOCK "CF_BLOCK"

    ctypedef struct Sums "cf_sums":
        double numerator
        double denominator
        Py_ssize_t n_neighbors

    ctypedef struct List "cf_list":
        const int32_t *xs
        const double *values
        const double *divisors
        Py_ssize_t n

    ctypedef struct Room "cf_room":
        double *sims
        int32_t *at
        int32_t *bins
        int32_t *order

    ctypedef struct Ranking "cf_ranking":
        double *sims
        int32_t *groups
        int32_t *heads
        int32_t *next
        uint64_t *filled
        double *spare
        int32_t *ids
        int32_t *spare_ids

    bint sort_row "cf_sort_row"(Ranking *ranking, const double *row, Py_ssize_t n_x)
    Sums nearest_sorted "cf_nearest_sorted"(const Ranking *ranking, const List *entries, Py_ssize_t k)
    Sums nearest "cf_nearest"(const double *sims, const List *entries, Py_ssize_t k, const Room *room,
                              int avx2)


cdef enum:
    WORTH_SORTING = 8  # entries of the lists of an x, for each entry of its row


def weighted_sums(const double[:, ::1] sim, entries, pairs, Py_ssize_t k, sums, int32_t[::1] counts,
                  bint avx2):
    """Sums over the k nearest neighbours of x who rated y: of similarity times value, and of similarity.

    Neighbours with a similarity of 0 or less do not count. Among equals the earlier in y's list is nearer.
    The sums go from the nearest to the farthest.

    Parameters
    ----------
    sim : float64[n_x, n_x]
    entries : (int64[n_y + 1], int32[n], float64[n], float64[n] or None)
        Of y: where its list starts, xs, values, and divisors of the products.
    pairs : (int32[m], int32[m], int64[m])
        x and y, where a pair with a negative id gets sums of 0; and the order in which the pairs are done,
        which is best by x, so that its row is in the cache.
    k : int
    sums : (float64[m], float64[m]), overwritten
        Of products, and of similarities.
    counts : int32[m], overwritten
        Number of neighbours; -1 where a similarity is NaN.
    avx2 : bool
        Whether the processor has AVX2.
    """
    cdef const int64_t[::1] starts = entries[0]
    cdef const int32_t[::1] xs = entries[1], of_x = pairs[0], of_y = pairs[1]
    cdef const int64_t[::1] order_of = pairs[2]
    cdef const double[::1] values = entries[2], divisors = entries[2] if entries[3] is None else entries[3]
    cdef bint divided = entries[3] is not None
    cdef double[::1] products = sums[0], weights = sums[1]
    cdef Py_ssize_t m = of_x.shape[0], n = xs.shape[0], n_x = sim.shape[0], n_y = starts.shape[0] - 1
    cdef Py_ssize_t r, step, start, longest = 0
    cdef Sums found
    cdef List of
    cdef Room room
    cdef Ranking ranking
    if values.shape[0] != n or divisors.shape[0] != n or sim.shape[1] != n_x:
        raise ValueError("entries or sim do not fit to each other")
    if not m == of_y.shape[0] == products.shape[0] == weights.shape[0] == counts.shape[0]:
        raise ValueError("pairs, sums and counts have different lengths")
    if order_of.shape[0] != m:
        raise ValueError("pairs, sums and counts have different lengths")
    for r in range(n):
        if not 0 <= xs[r] < n_x:
            raise ValueError("sim needs a row for each user, or each item, of the training set")
    for r in range(m):
        if of_x[r] >= n_x or of_y[r] >= n_y or not 0 <= order_of[r] < m:
            raise ValueError("sim needs a row for each user, or each item, of the training set")
    for r in range(n_y):
        if not 0 <= starts[r] <= starts[r + 1] <= n:
            raise ValueError("entries: starts are not ascending")
        longest = max(longest, starts[r + 1] - starts[r])
    k = max(<Py_ssize_t>0, min(k, longest))
    cdef Py_ssize_t room_for = max(longest, <Py_ssize_t>RANKED) + BLOCK
    cdef double[::1] sims = np.empty(room_for)
    cdef int32_t[:, ::1] others = np.empty((3, room_for), dtype=np.int32)
    room.sims, room.at, room.bins, room.order = &sims[0], &others[0, 0], &others[1, 0], &others[2, 0]
    cdef double[:, ::1] row = np.empty((2, n_x + 1))
    cdef int32_t[:, ::1] ranks = np.zeros((4, n_x + 1), dtype=np.int32)
    cdef int32_t[::1] following = np.empty(longest + 1, dtype=np.int32)
    cdef uint64_t[::1] filled = np.zeros(n_x // 64 + 1, dtype=np.uint64)
    cdef Py_ssize_t ahead, total
    cdef int32_t last = -1
    cdef bint is_sorted = False
    ranking.sims, ranking.spare, ranking.filled = &row[0, 0], &row[1, 0], &filled[0]
    ranking.groups, ranking.heads, ranking.next = &ranks[0, 0], &ranks[1, 0], &following[0]
    ranking.ids, ranking.spare_ids = &ranks[2, 0], &ranks[3, 0]
    with nogil:
        for step in range(m):
            if step % 4096 == 0:
                with gil:
                    PyErr_CheckSignals()
            r = order_of[step]
            found.numerator = found.denominator = 0
            found.n_neighbors = 0
            if of_x[r] >= 0 and of_y[r] >= 0 and k > 0:
                start = starts[of_y[r]]
                of.n = starts[of_y[r] + 1] - start
                if of_x[r] != last:
                    last, total, ahead = of_x[r], 0, step
                    while ahead < m and of_x[order_of[ahead]] == last and total <= WORTH_SORTING * n_x:
                        if of_y[order_of[ahead]] >= 0:
                            total += starts[of_y[order_of[ahead]] + 1] - starts[of_y[order_of[ahead]]]
                        ahead += 1
                    is_sorted = total > WORTH_SORTING * n_x and sort_row(&ranking, &sim[last, 0], n_x)
                if of.n:
                    of.xs, of.values = &xs[start], &values[start]
                    of.divisors = &divisors[start] if divided else NULL
                    if is_sorted:
                        found = nearest_sorted(&ranking, &of, k)
                    else:
                        found = nearest(&sim[of_x[r], 0], &of, k, &room, avx2)
            products[r], weights[r] = found.numerator, found.denominator
            counts[r] = <int32_t>found.n_neighbors
