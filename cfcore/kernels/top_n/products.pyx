"""The best items of many users by mean + b_u + b_i + p_u . q_i, without the matrix of their scores.

Items stand in an order of the caller's; a place is a position in it, and of two equal scores the one whose
place comes first is the better.

Most pairs are dismissed by a bound (as in Teflioudi, Gemulla and Mykytiuk 2015; Li, Chan, Yiu and Mamoulis
2017). Factors are turned, by one rotation for users and items, so that the first few carry most of what a
product is. The first of them, the head, lie in panels of 32 items, factor by factor (`pack`), and items that
may score highest come first. Six or eight users at a time are multiplied with a panel in registers, in
whatever way is fastest. After 0, 16, 32, 64 ... factors what is left of a product is at most what two
parallel rows would give (Cauchy and Schwarz): if with that no item reaches the n-th best sum of a user so
far, they go on to the next. After the head the rest, the tail, is added for single pairs that still may. Sums
that do reach it wait in a pool. At the end those that are not beaten by more than rounding can do, hardly
more than n, are computed from the rows as they were, in the fixed order of lanes that `svd.predict` uses, and
put on the list or not by that. So the lists are those of predicting every pair, to the bit, whatever the
rotation.
The twin is `cfcore.reference.top_n.products`.
"""
from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.top_n.heap cimport heap_sort
from cfcore.kernels.common.lanes cimport is_row_length
from cfcore.kernels.top_n.requests cimport check_lists, name_bad_item
from cfcore.kernels.top_n.item_panels cimport (
    COLUMNS, ROWS, count_checks, head_of, lowest_bit, measure, products_above
)
from cfcore.kernels.top_n.candidates cimport (
    GROUP, PADDING, SPARE, Arrays, Lists, Scratch, ask_for_pooled, begin_lists, codes_of, drop_beaten,
    floats_of, mark_excluded, pool, room, room_of_best, scratch, settle, turn_rows
)
from cfcore.kernels.common.threads cimport team_size


def n_lines(Py_ssize_t head):
    """Lines of a panel: factors, biases, and the length of what is left at each check."""
    return head + 1 + count_checks(head)


def pack(const floating[:, ::1] rows, const floating[::1] biases, float[:, :, ::1] panels,
         float[:, ::1] tails, double[::1] bounds):
    """Lay rows out in panels of 32 for `best_products`.

    Parameters
    ----------
    rows : float32 or float64 [m, width]
    biases : same dtype [m]
    panels : float32[ceil(m / 32), n_lines(head), 32], overwritten
        panels[b, f, j] is factor f < head of row 32 b + j, the next line its bias, the others the length of
        its factors from 0, 16, 32, 64 ... and head on, rounded up; zeros beyond m.
    tails : float32[m, n_tail], overwritten
        The factors from head on, and zeros; n_tail is a multiple of 16, and 0 if head is width.
    bounds : float64[2], overwritten
        Largest length of a row, and largest size of a bias.

    Raises
    ------
    ValueError
        When shapes do not fit.

    Notes
    -----
    O(m x width); one thread.
    """
    cdef Py_ssize_t m = rows.shape[0], width = rows.shape[1], n_tail = tails.shape[1]
    cdef Py_ssize_t head = head_of(panels, width), k, f, panel, column
    if head < 0 or panels.shape[0] != (m + COLUMNS - 1) // COLUMNS:
        raise ValueError("pack: panels must have shape (ceil(m / 32), n_lines(head), 32)")
    if tails.shape[0] != m or n_tail != (width - head + 15) // 16 * 16:
        raise ValueError("pack: tails must have shape (m, the factors after the head in whole groups of 16)")
    if bounds.shape[0] != 2:
        raise ValueError("pack: bounds must have two entries")
    if biases.shape[0] != m:
        raise ValueError("pack: biases and factors must have the same number of rows")
    panels[:, :, :] = 0
    tails[:, :] = 0
    bounds[:] = 0
    with nogil:
        for k in range(m):
            panel, column = k // COLUMNS, k % COLUMNS
            for f in range(head):
                panels[panel, f, column] = <float>rows[k, f]
            for f in range(head, width):
                tails[k, f - head] = <float>rows[k, f]
            panels[panel, head, column] = <float>biases[k]
            bounds[1] = max(bounds[1], fabs(biases[k]))
        for panel in range(panels.shape[0]):
            k = min(<Py_ssize_t>COLUMNS, m - panel * COLUMNS)
            measure(&panels[panel, 0, 0], COLUMNS, head,
                    &tails[panel * COLUMNS, 0] if n_tail else NULL, n_tail, k, &panels[panel, head + 1, 0])
            for column in range(k):
                bounds[0] = max(bounds[0], panels[panel, head + 1, column])


cdef inline uint32_t first_bits(Py_ssize_t n) noexcept nogil:
    return <uint32_t>0xFFFFFFFF if n >= 32 else (<uint32_t>1 << n) - 1


cdef bint rank_group(const Arrays *given, Scratch own, Lists lists, Py_ssize_t first_list,
                     Py_ssize_t n_users, const floating[:, ::1] user_factors,
                     const floating[:, ::1] item_factors, const floating[::1] user_bias,
                     const floating[::1] item_bias) noexcept nogil:
    """Lists of at most GROUP users: each panel is met by all of them while it is in the cache.

    False if there is an item to be left out that does not exist.
    """
    cdef Py_ssize_t lines = given.head + 1 + given.n_checks, full = given.n + SPARE - COLUMNS - PADDING
    cdef Py_ssize_t n_batches = (n_users + ROWS - 1) // ROWS
    cdef Py_ssize_t panel, batch, begin, first, r, k
    cdef float[ROWS][32] sums
    cdef uint32_t[ROWS] passed
    cdef uint32_t rows, bits
    cdef const int32_t *users = given.users + first_list
    cdef bint sound = mark_excluded(given, &own, first_list, n_users, True)
    begin_lists(given, &own, &lists, users, n_users, user_factors, user_bias)
    for batch in range(n_batches):
        turn_rows(given, &own, batch)
    for panel in range((given.m + COLUMNS - 1) // COLUMNS):
        begin = panel * COLUMNS
        for batch in range(n_batches):
            first = batch * ROWS
            rows = products_above(given.panels + begin * lines, own.rows + first * given.head,
                                  own.rests + first * given.n_checks, given.head, &lists.limits[first],
                                  passed, sums)
            rows &= first_bits(n_users - first)
            while rows:
                r = lowest_bit(rows)
                rows &= rows - 1
                k = first + r
                bits = passed[r] & first_bits(given.m - begin)
                bits &= ~<uint32_t>(own.marks[k * given.words + (begin >> 6)] >> (begin & 63))
                if lists.pooled[k] > full:
                    drop_beaten(given, &own, &lists, k)
                    if lists.pooled[k] > given.n + SPARE // 4:  # or it would be full again at once
                        ask_for_pooled(given, &own, &lists, k, item_factors)
                        settle(given, &own, &lists, k, users[k], user_factors, item_factors, item_bias)
                pool(given, &own, &lists, k, sums[r], bits, <int32_t>begin)
    ask_for_pooled(given, &own, &lists, 0, item_factors)
    for k in range(n_users):
        if k + 1 < n_users:
            ask_for_pooled(given, &own, &lists, k + 1, item_factors)
        settle(given, &own, &lists, k, users[k], user_factors, item_factors, item_bias)
        heap_sort(lists.scores + k * given.n, lists.places + k * given.n, given.n)
    mark_excluded(given, &own, first_list, n_users, False)
    return sound


def scratch_sizes(Py_ssize_t m, Py_ssize_t width, Py_ssize_t head, Py_ssize_t n_tail, Py_ssize_t n):
    """Entries of a row of `marks`, `rows` and `found` that lists of n of m items need."""
    return GROUP * ((m + 63) // 64), floats_of(width, head, n_tail, n), codes_of(n)


def best_products(const int32_t[::1] users, const floating[:, ::1] user_factors,
                  const floating[:, ::1] item_factors, const floating[::1] user_bias,
                  const floating[::1] item_bias, const int32_t[::1] columns, const int32_t[::1] column_of,
                  const int32_t[::1] standing, const int64_t[::1] starts, const int64_t[::1] stops,
                  const int32_t[::1] excluded, const float[:, :, ::1] turn, const float[:, :, ::1] panels,
                  const float[:, ::1] tails, const double[::1] bounds, int32_t[:, ::1] places,
                  double[:, ::1] scores, uint64_t[:, ::1] marks, float[:, ::1] rows, int32_t[:, ::1] found,
                  double mean, int n_threads):
    """For each user the n places of highest mean + b_u + b_i + p_u . q_i, best first.

    Parameters
    ----------
    users : int32[n_lists], known ones
        It is quickest if neighbours have rows of like length and direction.
    user_factors, item_factors : float32 or float64 [n_users, width], [n_items, width]
        Rows are whole groups of 64 bytes.
    user_bias, item_bias : same dtype [n_users], [n_items]
    columns : int32[m]
        Items that may be listed, in the order in which they lie in panels.
    column_of : int32[n_items]
        Column of each item, or -1.
    standing : int32[m]
        Place of each column, a permutation: equal scores are listed in the order of places.
    starts, stops : int64[n_lists]
        excluded[starts[k]:stops[k]] are the items that the k-th list leaves out; any order, repeats allowed.
    excluded : int32[...]
    turn : float32[ceil(kept / 32), n_lines(width), 32]
        From `pack`, all head, with the rows of the transpose of T [width, kept], whose columns are
        orthonormal and span all rows of items.
    panels, tails, bounds
        From `pack` with the rows item_factors[columns] T, at most width roundings of a row's length off in
        each factor, and their biases.
    places : int32[n_lists, n], overwritten; -1 where fewer than n items are left
    scores : float64[n_lists, n], overwritten; 0 where places are -1
    marks, rows, found : uint64, float32, int32 [n_threads, scratch_sizes(...) of the same or more]
        Scratch; marks are zeros, and zeros again at the end.
    mean : float
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or codes are out of range.

    Notes
    -----
    O(n_lists x m x (width + n)) at worst, no memory but the lists. The same bits as `svd.predict` followed by
    a stable sort, for any T, any number of threads and any SIMD level. Scores that are NaN or -inf are never
    listed.
    """
    cdef Py_ssize_t n_lists = users.shape[0], m = columns.shape[0], n = places.shape[1]
    cdef Py_ssize_t width = user_factors.shape[1], words = (m + 63) // 64
    cdef Py_ssize_t n_groups = (n_lists + GROUP - 1) // GROUP
    cdef Py_ssize_t group, k, head, n_tail = tails.shape[1]
    cdef int thread, n_bad = 0
    cdef Arrays given
    if item_factors.shape[1] != width or not is_row_length(width, <floating>0):
        raise ValueError("best_products: factor rows must be of one length, a multiple of 64 bytes")
    if user_bias.shape[0] != user_factors.shape[0] or item_bias.shape[0] != item_factors.shape[0]:
        raise ValueError("best_products: biases and factors must have the same number of rows")
    head = head_of(panels, width)
    if head < 0 or panels.shape[0] != (m + COLUMNS - 1) // COLUMNS or tails.shape[0] != m or n_tail % 16:
        raise ValueError("best_products: panels and tails must come from pack with the rows of all columns")
    if turn.shape[1] != width + 1 + count_checks(width) or turn.shape[2] != COLUMNS or bounds.shape[0] != 2 \
            or not head <= turn.shape[0] * COLUMNS < width + COLUMNS:
        raise ValueError("best_products: turn and bounds must be those of the panels")
    if min(marks.shape[0], rows.shape[0], found.shape[0]) < max(1, n_threads) or \
            marks.shape[1] < GROUP * words or found.shape[1] < codes_of(n) or \
            rows.shape[1] < floats_of(width, head, n_tail, n):
        raise ValueError("best_products: marks, rows or found are too small")
    check_lists("best_products", columns, column_of, starts, stops, excluded, places, scores, n_lists)
    if column_of.shape[0] != item_factors.shape[0]:
        raise ValueError("best_products: column_of must be as long as item_factors")
    check_standing(standing, m)
    for k in range(n_lists):
        if not 0 <= users[k] < user_factors.shape[0]:
            raise ValueError(f"best_products: user {users[k]} is out of range")
    if m == 0 or n_lists == 0:
        name_bad_item("best_products", starts, stops, excluded, column_of.shape[0])
        places[:, :] = -1
        scores[:, :] = 0
        return
    given = Arrays(users=&users[0], columns=&columns[0], column_of=&column_of[0], standing=&standing[0],
                   starts=&starts[0], stops=&stops[0], excluded=NULL, turn=NULL, panels=&panels[0, 0, 0],
                   tails=NULL, mean=mean, length=bounds[0], bias=bounds[1],
                   n_items=column_of.shape[0], m=m, width=width,
                   kept=min(turn.shape[0] * COLUMNS, head + n_tail), head=head, n_tail=n_tail,
                   n_checks=count_checks(head), turn_lines=turn.shape[1], n=n, n_best=room_of_best(n),
                   words=words)
    if excluded.shape[0]:
        given.excluded = &excluded[0]
    if turn.shape[0]:
        given.turn = &turn[0, 0, 0]
    if n_tail:
        given.tails = &tails[0, 0]
    with nogil:
        for group in prange(n_groups, schedule="dynamic", num_threads=team_size(n_threads)):
            thread = threadid()
            n_bad += not rank_group(
                &given, scratch(&given, &rows[thread, 0], &found[thread, 0], &marks[thread, 0]),
                room(&places[group * GROUP, 0], &scores[group * GROUP, 0]), group * GROUP,
                min(<Py_ssize_t>GROUP, n_lists - group * GROUP), user_factors, item_factors, user_bias,
                item_bias)
    if n_bad:
        name_bad_item("best_products", starts, stops, excluded, column_of.shape[0])


cdef int check_standing(const int32_t[::1] standing, Py_ssize_t m) except -1:
    """Raise ValueError unless it is a permutation of 0 ... m - 1."""
    cdef bytearray met = bytearray(m)
    cdef Py_ssize_t k
    if standing.shape[0] != m:
        raise ValueError("best_products: standing must have an entry for each column")
    for k in range(m):
        if not 0 <= standing[k] < m or met[standing[k]]:
            raise ValueError(f"best_products: standing is no permutation: place {standing[k]}")
        met[standing[k]] = 1
    return 0
