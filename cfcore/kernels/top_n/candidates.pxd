# A group of users while panels pass: their rows, what their lists leave out, and the pools of sums that may
# belong on them. See products.pyx.

from cython cimport floating
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer
from cfcore.kernels.common.lanes cimport cf_prefetch_read, dot, prefetch_row_to_read
from cfcore.kernels.top_n.requests cimport mark
from cfcore.kernels.top_n.item_panels cimport (
    COLUMNS, HUGE, ROWS, TINY, UNIT, count_checks, four_tails, insert, lowest_bit, measure, products
)

cdef enum:
    GROUP = 24    # users whose rows wait in the cache while the panels pass; a multiple of ROWS, 6 or 8
    SPARE = 64    # sums that a pool has room for beside the n best
    ASKED = 1024  # items left out of a list that are asked for a user ahead
    PADDING = 3   # entries after the last that `four_tails` may write to


cdef struct Arrays:
    # What `best_products` was given.
    const int32_t *users
    const int32_t *columns
    const int32_t *column_of
    const int32_t *standing
    const int64_t *starts
    const int64_t *stops
    const int32_t *excluded
    const float *turn    # panels of turn_lines
    const float *panels
    const float *tails
    double mean
    double length        # of the longest item
    double bias          # the largest
    Py_ssize_t n_items, m, width, kept, head, n_tail, n_checks, turn_lines, n, n_best, words


cdef struct Scratch:
    float *raw           # [GROUP / ROWS][width][ROWS]
    float *rows          # [GROUP / ROWS][head][ROWS], turned,
    float *tails         # [GROUP][n_tail], and what is left of them
    float *rests         # [GROUP / ROWS][n_checks][ROWS]
    float *best          # [GROUP][n_best]: from 16 on the n best sums, falling, and infinity before them
    float *sums          # [GROUP][n + SPARE], the pools: sums,
    int32_t *found       # [GROUP][n + SPARE], and of which column
    uint64_t *marks      # [GROUP][words], columns that a list leaves out


cdef struct Lists:
    # Of the users in a group.
    int32_t *places
    double *scores
    double[GROUP] bases
    float[GROUP] errors  # what a sum may be off
    float[GROUP] limits  # what a sum must reach to be looked at
    int32_t[GROUP] pooled


cdef inline Py_ssize_t room_of_best(Py_ssize_t n) noexcept nogil:
    """Whole groups of 16, and as much before them, of which the last is infinite."""
    return (n + 15) // 16 * 16 + 16


cdef inline Py_ssize_t floats_of(Py_ssize_t width, Py_ssize_t head, Py_ssize_t n_tail,
                                 Py_ssize_t n) noexcept nogil:
    return GROUP * (width + head + n_tail + count_checks(head) + room_of_best(n) + n + SPARE)


cdef inline Py_ssize_t codes_of(Py_ssize_t n) noexcept nogil:
    return GROUP * (n + SPARE)


cdef inline Scratch scratch(const Arrays *given, float *rows, int32_t *found, uint64_t *marks) noexcept nogil:
    cdef Scratch own
    own.raw = rows
    own.rows = own.raw + GROUP * given.width
    own.tails = own.rows + GROUP * given.head
    own.rests = own.tails + GROUP * given.n_tail
    own.best = own.rests + GROUP * given.n_checks
    own.sums = own.best + GROUP * given.n_best
    own.found = found
    own.marks = marks
    return own


cdef inline Lists room(int32_t *places, double *scores) noexcept nogil:
    cdef Lists lists
    lists.places, lists.scores = places, scores
    return lists


cdef inline void turn_rows(const Arrays *given, const Scratch *own, Py_ssize_t batch) noexcept nogil:
    """Rows of a batch in the turned coordinates, and their lengths from each check on."""
    cdef Py_ssize_t head = given.head, panel, f, r
    cdef const float *raw = own.raw + batch * given.width * ROWS
    cdef float *rows = own.rows + batch * head * ROWS
    cdef float *tails = own.tails + batch * ROWS * given.n_tail
    cdef float[ROWS][32] tile
    if given.n_tail:
        memset(tails, 0, ROWS * given.n_tail * sizeof(float))
    for panel in range((given.kept + COLUMNS - 1) // COLUMNS):
        products(given.turn + panel * COLUMNS * given.turn_lines, raw, given.width, tile)
        for f in range(panel * COLUMNS, min(given.kept, (panel + 1) * COLUMNS)):
            for r in range(ROWS):
                if f < head:
                    rows[f * ROWS + r] = tile[r][f - panel * COLUMNS]
                else:
                    tails[r * given.n_tail + f - head] = tile[r][f - panel * COLUMNS]
    measure(rows, ROWS, head, tails, given.n_tail, ROWS, own.rests + batch * given.n_checks * ROWS)


cdef inline void begin_lists(const Arrays *given, const Scratch *own, Lists *lists, const int32_t *users,
                             Py_ssize_t n_users, const floating[:, ::1] user_factors,
                             const floating[::1] user_bias) noexcept nogil:
    """Rows side by side, empty lists, and what rounding can do to a sum."""
    cdef Py_ssize_t width = given.width, k, f
    cdef float *row
    cdef double square, size, error
    if width:
        for k in range(n_users):
            prefetch_row_to_read(&user_factors[users[k], 0], width)
    for k in range(GROUP):
        row = own.raw + (k // ROWS) * width * ROWS + k % ROWS
        lists.limits[k] = <float>INFINITY
        if k >= n_users:
            for f in range(width):
                row[f * ROWS] = 0
            continue
        for f in range(width):
            row[f * ROWS] = <float>user_factors[users[k], f]
        square = TINY
        if width:
            square += dot(&user_factors[users[k], 0], &user_factors[users[k], 0], width)
        lists.bases[k] = given.mean + user_bias[users[k]]
        # Turning a row, of a user or of an item, moves it by no more than width sqrt(width) roundings of its
        # length, and the turn itself is as good as its roundings; sums, this one and that of `dot`, err by
        # width of them, the limit and the way to the score by a few. UNIT is two.
        size = sqrt(square) * given.length
        error = UNIT * ((width + 16) * ((2 * sqrt(<double>width) + 2) * size + given.bias)
                        + fabs(lists.bases[k])) + TINY
        lists.errors[k] = <float>error if size + sqrt(square) + given.bias < HUGE else <float>INFINITY
        lists.limits[k] = <float>-INFINITY
        lists.pooled[k] = 0
        for f in range(given.n_best):
            own.best[k * given.n_best + f] = <float>-INFINITY
        own.best[k * given.n_best + 15] = <float>INFINITY
        heap_clear(lists.scores + k * given.n, lists.places + k * given.n, given.n)


cdef inline void ask_for_pooled(const Arrays *given, const Scratch *own, const Lists *lists, Py_ssize_t k,
                                const floating[:, ::1] item_factors) noexcept nogil:
    """Ask for the rows that `settle` will read."""
    cdef Py_ssize_t e, begin = k * (given.n + SPARE)
    if given.width:
        for e in range(begin, begin + lists.pooled[k]):
            if not own.sums[e] < lists.limits[k]:
                prefetch_row_to_read(&item_factors[given.columns[own.found[e]], 0], given.width)


cdef inline void settle(const Arrays *given, const Scratch *own, Lists *lists, Py_ssize_t k, int32_t user,
                        const floating[:, ::1] user_factors, const floating[:, ::1] item_factors,
                        const floating[::1] item_bias) noexcept nogil:
    """Empty the pool of a user: put on the list what belongs there, by the score that svd.predict gives."""
    cdef Py_ssize_t e, begin = k * (given.n + SPARE)
    cdef int32_t column, item
    cdef double score
    for e in range(begin, begin + lists.pooled[k]):
        if own.sums[e] < lists.limits[k]:
            continue
        column = own.found[e]
        item = given.columns[column]
        score = lists.bases[k] + item_bias[item]
        if given.width > 0:
            score += dot(&user_factors[user, 0], &item_factors[item, 0], given.width)
        if score > -INFINITY:
            heap_offer(lists.scores + k * given.n, lists.places + k * given.n, given.n, score,
                       given.standing[column])
    lists.pooled[k] = 0


cdef inline void drop_beaten(const Arrays *given, const Scratch *own, Lists *lists,
                             Py_ssize_t k) noexcept nogil:
    """Take out of the pool of a user what has fallen below the limit."""
    cdef Py_ssize_t e, begin = k * (given.n + SPARE), to = begin
    for e in range(begin, begin + lists.pooled[k]):
        own.sums[to], own.found[to] = own.sums[e], own.found[e]
        to += not own.sums[e] < lists.limits[k]
    lists.pooled[k] = <int32_t>(to - begin)


cdef inline void pool(const Arrays *given, const Scratch *own, Lists *lists, Py_ssize_t k,
                      const float *values, uint32_t bits, int32_t begin) noexcept nogil:
    """Keep what may belong on the list of user k, of the columns `begin` and on whose bit is set.

    There must be room in the pool for all of them and PADDING.
    """
    cdef float *best = own.best + k * given.n_best + 16
    cdef float *sums = own.sums + k * (given.n + SPARE)
    cdef int32_t *found = own.found + k * (given.n + SPARE)
    cdef Py_ssize_t first = lists.pooled[k], end = first, kept = first, e
    cdef int column
    while bits:
        column = lowest_bit(bits)
        bits &= bits - 1
        sums[end], found[end] = values[column], begin + column
        end += 1
    if given.n_tail:
        for e in range(end, end + PADDING):
            found[e] = begin
        for e in range(first, end, 4):
            four_tails(own.tails + k * given.n_tail, given.tails, found + e, given.n_tail, sums + e)
    for e in range(first, end):
        # No branch: nobody could foretell it.
        sums[kept], found[kept] = sums[e], found[e]
        kept += not sums[e] < lists.limits[k]
    for e in range(first, kept):
        insert(best, given.n_best - 16, sums[e])
    lists.pooled[k] = <int32_t>kept
    # The n-th best so far, less what both may be off.
    lists.limits[k] = best[given.n - 1] - 2 * lists.errors[k]


cdef inline bint mark_excluded(const Arrays *given, const Scratch *own, Py_ssize_t first,
                               Py_ssize_t n_users, bint on) noexcept nogil:
    """Mark what lists leave out, or take the marks off; false if there is an item that does not exist."""
    cdef Py_ssize_t k, start, n
    cdef bint sound = True
    for k in range(n_users):
        if on and k + 1 < n_users and given.excluded != NULL:
            start, n = given.starts[first + k + 1], given.stops[first + k + 1] - given.starts[first + k + 1]
            cf_prefetch_read(given.excluded + start, min(n, <Py_ssize_t>ASKED) * sizeof(int32_t))
        start, n = given.starts[first + k], given.stops[first + k] - given.starts[first + k]
        if not on and n > given.words:
            memset(own.marks + k * given.words, 0, given.words * sizeof(uint64_t))
        elif n > 0:
            sound &= mark(own.marks + k * given.words, given.excluded + start, n, given.column_of,
                          given.n_items, on)
    return sound
