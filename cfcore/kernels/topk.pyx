"""The best items of many users, without the matrix of their scores.

Items stand in an order of the caller's; a place is a position in it, and of two equal scores the one whose
place comes first is the better. `best_products` ranks by mean + b_u + b_i + p_u . q_i, `best_scores`
whatever it is given.

How `best_products` goes: items lie in panels of 32, factor by factor (`pack`). Six or eight users at a time
are multiplied with a panel in registers, in whatever way is fastest, and compared with the worst score on
each user's list, lowered by a bound on the rounding of both sums. The few that pass are computed again in the
fixed order of lanes that `svd.predict` uses, and put on the list or not by that. So the lists are those of
predicting every pair, to the bit. The twin is `cfcore.reference.topk`.
"""
from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.lanes cimport dot, is_row_length
from cfcore.kernels.team cimport team_size

cdef extern from "panels.h" nogil:
    int COLUMNS "CF_COLUMNS"
    int ROWS "CF_ROWS"
    void products_above "cf_products_above"(const float *panel, const float *rows, Py_ssize_t n,
                                            const float *limits, uint32_t *passed) noexcept
    int lowest_bit "cf_lowest_bit"(uint32_t bits) noexcept

cdef enum:
    GROUP = 24  # users whose rows wait in the cache while the panels pass; a multiple of ROWS, 6 or 8

# Twice the largest relative error of one float32 operation, which leaves room for second-order terms.
cdef double UNIT = 2.0 ** -23


def pack(const floating[:, ::1] item_factors, const floating[::1] item_bias, const int32_t[::1] order,
         float[:, :, ::1] panels, double[:, ::1] bounds):
    """Lay items out in panels of 32 for `best_products`.

    Parameters
    ----------
    item_factors : float32 or float64 [n_items, width]
    item_bias : same dtype [n_items]
    order : int32[m], codes of items
    panels : float32[ceil(m / 32), width + 1, 32], overwritten
        panels[b, f, j] is factor f of item order[32 b + j], the last line its bias; zeros beyond m.
    bounds : float64[ceil(m / 32), 2], overwritten
        Largest length of a row and largest size of a bias in each panel.

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is out of range.

    Notes
    -----
    O(m x width); one thread.
    """
    cdef Py_ssize_t m = order.shape[0], width = item_factors.shape[1], n_panels = (m + COLUMNS - 1) // COLUMNS
    cdef Py_ssize_t k, f, panel, column
    cdef double square
    if panels.shape[0] != n_panels or panels.shape[1] != width + 1 or panels.shape[2] != COLUMNS:
        raise ValueError("pack: panels must have shape (ceil(m / 32), width + 1, 32)")
    if bounds.shape[0] != n_panels or bounds.shape[1] != 2:
        raise ValueError("pack: bounds must have shape (ceil(m / 32), 2)")
    if item_bias.shape[0] != item_factors.shape[0]:
        raise ValueError("pack: biases and factors must have the same number of rows")
    for k in range(m):
        if not 0 <= order[k] < item_factors.shape[0]:
            raise ValueError(f"pack: item {order[k]} is out of range")
    panels[:, :, :] = 0
    bounds[:, :] = 0
    with nogil:
        for k in range(m):
            panel, column, square = k // COLUMNS, k % COLUMNS, 0
            for f in range(width):
                panels[panel, f, column] = <float>item_factors[order[k], f]
                square += <double>item_factors[order[k], f] * item_factors[order[k], f]
            panels[panel, width, column] = <float>item_bias[order[k]]
            bounds[panel, 0] = max(bounds[panel, 0], sqrt(square))
            bounds[panel, 1] = max(bounds[panel, 1], fabs(item_bias[order[k]]))


cdef inline void mark(uint64_t *marks, const int32_t *items, Py_ssize_t n, const int32_t *places,
                      bint on) noexcept nogil:
    """Set or clear the bit of each item's place."""
    cdef Py_ssize_t k
    cdef int32_t place
    for k in range(n):
        place = places[items[k]]
        if place < 0:
            continue
        if on:
            marks[place >> 6] |= <uint64_t>1 << (place & 63)
        else:
            marks[place >> 6] &= ~(<uint64_t>1 << (place & 63))


cdef inline bint marked(const uint64_t *marks, int64_t place) noexcept nogil:
    return marks[place >> 6] >> (place & 63) & 1


cdef void rank_group(const int32_t *users, Py_ssize_t n_users, const floating[:, ::1] user_factors,
                     const floating[:, ::1] item_factors, const floating[::1] user_bias,
                     const floating[::1] item_bias, const int32_t[::1] order, const float[:, :, ::1] panels,
                     const double[:, ::1] bounds, double mean, const uint64_t *marks, Py_ssize_t words,
                     float *rows, int32_t *places, double *scores, Py_ssize_t n) noexcept nogil:
    """Lists of at most GROUP users: each panel is met by all of them while it is in the cache."""
    cdef Py_ssize_t width = user_factors.shape[1], m = order.shape[0]
    cdef Py_ssize_t panel, batch, first, f, r, k, place
    cdef double[GROUP] lengths, bases
    cdef float[8] limits
    cdef uint32_t[8] passed
    cdef uint32_t bits
    cdef double score, below
    for k in range(GROUP):
        score = 0
        for f in range(width):
            rows[((k // ROWS) * width + f) * ROWS + k % ROWS] = (
                <float>user_factors[users[k], f] if k < n_users else 0
            )
            if k < n_users:
                score += <double>user_factors[users[k], f] * user_factors[users[k], f]
        lengths[k] = sqrt(score)
        if k < n_users:
            bases[k] = mean + user_bias[users[k]]
            heap_clear(scores + k * n, places + k * n, n)
    for panel in range(panels.shape[0]):
        for batch in range((n_users + ROWS - 1) // ROWS):
            first = batch * ROWS
            for r in range(ROWS):
                limits[r] = <float>INFINITY
                k = first + r
                if k < n_users:
                    below = scores[k * n] - bases[k]
                    limits[r] = <float>(
                        below - UNIT * ((width + 16) * lengths[k] * bounds[panel, 0]
                                        + 4 * (bounds[panel, 1] + fabs(bases[k]) + fabs(below)))
                    ) if below > -INFINITY else <float>-INFINITY
            products_above(&panels[panel, 0, 0], rows + first * width, width, limits, passed)
            for r in range(min(ROWS, n_users - first)):
                bits, k = passed[r], first + r
                while bits:
                    place = panel * COLUMNS + lowest_bit(bits)
                    bits &= bits - 1
                    if place >= m or marked(marks + k * words, place):
                        continue
                    # As svd.predict adds them up.
                    score = bases[k] + item_bias[order[place]]
                    if width > 0:
                        score += dot(&user_factors[users[k], 0], &item_factors[order[place], 0], width)
                    heap_offer(scores + k * n, places + k * n, n, score, <int32_t>place)
    for k in range(n_users):
        heap_sort(scores + k * n, places + k * n, n)


def best_products(const int32_t[::1] users, const floating[:, ::1] user_factors,
                  const floating[:, ::1] item_factors, const floating[::1] user_bias,
                  const floating[::1] item_bias, const int32_t[::1] order, const int32_t[::1] places_of,
                  const int64_t[::1] starts, const int64_t[::1] stops, const int32_t[::1] excluded,
                  const float[:, :, ::1] panels, const double[:, ::1] bounds, int32_t[:, ::1] places,
                  double[:, ::1] scores, uint64_t[:, ::1] marks, float[:, ::1] rows, double mean,
                  int n_threads):
    """For each user the n places of highest mean + b_u + b_i + p_u . q_i, best first.

    Parameters
    ----------
    users : int32[n_lists], known ones
    user_factors, item_factors : float32 or float64 [n_users, width], [n_items, width]
        Rows are whole groups of 64 bytes.
    user_bias, item_bias : same dtype [n_users], [n_items]
    order : int32[m]
        Items that may be listed; equal scores are listed in this order.
    places_of : int32[n_items]
        Place of each item in `order`, or -1.
    starts, stops : int64[n_lists]
        excluded[starts[k]:stops[k]] are the items that the k-th list leaves out; any order, repeats allowed.
    excluded : int32[...]
    panels, bounds
        From `pack` with the same factors, biases and order.
    places : int32[n_lists, n], overwritten; -1 where fewer than n items are left
    scores : float64[n_lists, n], overwritten; 0 where places are -1
    marks : uint64[n_threads, 24 ceil(m / 64)], scratch of zeros, and zeros again at the end
    rows : float32[n_threads, 24 width], scratch
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or codes are out of range.

    Notes
    -----
    O(n_lists x m x width), no memory but the lists. The same bits as `svd.predict` followed by a stable
    sort, for any number of threads and any SIMD level. Scores that are NaN are never listed.
    """
    cdef Py_ssize_t n_lists = users.shape[0], m = order.shape[0], n = places.shape[1]
    cdef Py_ssize_t width = user_factors.shape[1], words = (m + 63) // 64
    cdef Py_ssize_t n_groups = (n_lists + GROUP - 1) // GROUP
    cdef Py_ssize_t group, first, count, k
    cdef int thread
    if item_factors.shape[1] != width or not is_row_length(width, <floating>0):
        raise ValueError("best_products: factor rows must be of one length, a multiple of 64 bytes")
    if user_bias.shape[0] != user_factors.shape[0] or item_bias.shape[0] != item_factors.shape[0]:
        raise ValueError("best_products: biases and factors must have the same number of rows")
    if panels.shape[0] != (m + COLUMNS - 1) // COLUMNS or panels.shape[1] != width + 1 \
            or panels.shape[2] != COLUMNS or bounds.shape[0] != panels.shape[0] or bounds.shape[1] != 2:
        raise ValueError("best_products: panels and bounds must come from pack with the same order")
    if marks.shape[0] < n_threads or marks.shape[1] < GROUP * words or rows.shape[0] < n_threads \
            or rows.shape[1] < GROUP * width:
        raise ValueError("best_products: marks or rows are too small")
    check_lists("best_products", order, places_of, starts, stops, excluded, places, scores, n_lists, m)
    if places_of.shape[0] != item_factors.shape[0]:
        raise ValueError("best_products: places_of must be as long as item_factors")
    for k in range(n_lists):
        if not 0 <= users[k] < user_factors.shape[0]:
            raise ValueError(f"best_products: user {users[k]} is out of range")
    if m == 0:
        places[:, :] = -1
        scores[:, :] = 0
        return
    with nogil:
        for group in prange(n_groups, schedule="dynamic", num_threads=team_size(n_threads)):
            first, thread = group * GROUP, threadid()
            count = min(<Py_ssize_t>GROUP, n_lists - first)
            for k in range(count):
                if stops[first + k] > starts[first + k]:
                    mark(&marks[thread, k * words], &excluded[starts[first + k]],
                         stops[first + k] - starts[first + k], &places_of[0], True)
            rank_group(&users[first], count, user_factors, item_factors, user_bias, item_bias, order, panels,
                       bounds, mean, &marks[thread, 0], words, &rows[thread, 0] if width else NULL,
                       &places[first, 0], &scores[first, 0], n)
            for k in range(count):
                if stops[first + k] > starts[first + k]:
                    mark(&marks[thread, k * words], &excluded[starts[first + k]],
                         stops[first + k] - starts[first + k], &places_of[0], False)


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
        As in `best_products`.
    marks : uint64[n_threads, ceil(m / 64)], scratch of zeros, and zeros again at the end

    Raises
    ------
    ValueError
        When shapes do not fit, or codes are out of range.

    Notes
    -----
    O(n_lists x m). The same bits for any number of threads. Scores that are NaN are never listed.
    """
    cdef Py_ssize_t n_lists = given_rows.shape[0], m = order.shape[0], n = places.shape[1], k, place
    cdef int thread
    if given.shape[1] != m:
        raise ValueError("best_scores: given must have a column for each item in order")
    if marks.shape[0] < n_threads or marks.shape[1] < (m + 63) // 64:
        raise ValueError("best_scores: marks are too small")
    check_lists("best_scores", order, places_of, starts, stops, excluded, places, scores, n_lists, m)
    for k in range(n_lists):
        if not 0 <= given_rows[k] < given.shape[0]:
            raise ValueError(f"best_scores: row {given_rows[k]} is out of range")
    if m == 0:
        places[:, :] = -1
        scores[:, :] = 0
        return
    with nogil:
        for k in prange(n_lists, schedule="dynamic", chunksize=16, num_threads=team_size(n_threads)):
            thread = threadid()
            if stops[k] > starts[k]:
                mark(&marks[thread, 0], &excluded[starts[k]], stops[k] - starts[k], &places_of[0], True)
            heap_clear(&scores[k, 0], &places[k, 0], n)
            for place in range(m):
                if given[given_rows[k], place] > scores[k, 0] and not marked(&marks[thread, 0], place):
                    heap_offer(&scores[k, 0], &places[k, 0], n, given[given_rows[k], place], <int32_t>place)
            heap_sort(&scores[k, 0], &places[k, 0], n)
            if stops[k] > starts[k]:
                mark(&marks[thread, 0], &excluded[starts[k]], stops[k] - starts[k], &places_of[0], False)


cdef check_lists(str what, const int32_t[::1] order, const int32_t[::1] places_of, const int64_t[::1] starts,
                 const int64_t[::1] stops, const int32_t[::1] excluded, int32_t[:, ::1] places,
                 double[:, ::1] scores, Py_ssize_t n_lists, Py_ssize_t m):
    """Raise ValueError unless the arguments that both rankings have fit together."""
    cdef Py_ssize_t k, e
    if places.shape[0] != n_lists or scores.shape[0] != n_lists or scores.shape[1] != places.shape[1]:
        raise ValueError(f"{what}: places and scores must have a row for each list, of one length")
    if places.shape[1] < 1:
        raise ValueError(f"{what}: lists must have room for an item")
    if starts.shape[0] != n_lists or stops.shape[0] != n_lists:
        raise ValueError(f"{what}: starts and stops must have an entry for each list")
    for k in range(places_of.shape[0]):
        if not -1 <= places_of[k] < m:
            raise ValueError(f"{what}: place {places_of[k]} is out of range")
    for k in range(m):
        if not (0 <= order[k] < places_of.shape[0] and places_of[order[k]] == k):
            raise ValueError(f"{what}: order and places_of do not belong together")
    for k in range(n_lists):
        if not 0 <= starts[k] <= stops[k] <= excluded.shape[0]:
            raise ValueError(f"{what}: list {k}: excluded items {starts[k]} to {stops[k]} do not exist")
        for e in range(starts[k], stops[k]):
            if not 0 <= excluded[e] < places_of.shape[0]:
                raise ValueError(f"{what}: excluded item {excluded[e]} is out of range")
