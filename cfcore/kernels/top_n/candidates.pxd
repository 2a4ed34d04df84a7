# A group of users while panels are read: their rows, bitmaps of excluded items, and the candidates for their
# lists. See products.pyx.

from cython cimport floating
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch_read, dot, prefetch_row_to_read
from cfcore.kernels.top_n.excluded cimport mark
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer
from cfcore.kernels.top_n.item_panels cimport (
    COLUMNS, HUGE, ROWS, TINY, UNIT, add_four_tails, insert, lowest_bit, measure, products
)
from cfcore.kernels.top_n.products_loops cimport GROUP, SPARE, GroupScratch, ListArrays

cdef enum:
    PREFETCHED = 1024  # excluded items that are prefetched for the next user
    PADDING = 3        # entries after the last that `add_four_tails` may write


cdef struct Group:
    # Lists of a group of users, and the scratch of the thread in parts.
    const int32_t *users
    int32_t *listed
    double *scores
    float *raw               # [GROUP / ROWS][width][ROWS]
    float *rows              # [GROUP / ROWS][head][ROWS], rotated,
    float *tails             # [GROUP][n_tail], and the factors after the head
    float *lengths           # [GROUP / ROWS][n_checks][ROWS], of the factors from each check on
    float *best              # [GROUP][n_best]: from 16 on the n best sums, falling, and infinity before them
    float *sums              # [GROUP][n + SPARE], candidates: approximate scores,
    int32_t *columns         # [GROUP][n + SPARE], and columns
    uint64_t *bitmaps        # [GROUP][n_words], columns that a list excludes
    double[GROUP] bases      # mean and bias of the user
    float[GROUP] errors      # bounds of the rounding errors of sums
    float[GROUP] limits      # a sum below cannot belong to the list
    int32_t[GROUP] n_candidates


cdef inline Group group_of(const ListArrays *given, const GroupScratch *scratch,
                           Py_ssize_t first) noexcept nogil:
    cdef Group g
    g.users = given.users + first
    g.listed, g.scores = given.listed + first * given.n, given.scores + first * given.n
    g.raw = scratch.floats
    g.rows = g.raw + GROUP * given.width
    g.tails = g.rows + GROUP * given.head
    g.lengths = g.tails + GROUP * given.n_tail
    g.best = g.lengths + GROUP * given.n_checks
    g.sums = g.best + GROUP * given.n_best
    g.columns = scratch.columns
    g.bitmaps = scratch.bitmaps
    return g


cdef inline void rotate_rows(const ListArrays *given, const Group *g, Py_ssize_t batch) noexcept nogil:
    """Rows of a batch of ROWS users on the principal axes, and their lengths from each check on."""
    cdef Py_ssize_t head = given.head, panel, f, r
    cdef const float *raw = g.raw + batch * given.width * ROWS
    cdef float *rows = g.rows + batch * head * ROWS
    cdef float *tails = g.tails + batch * ROWS * given.n_tail
    cdef float[ROWS][32] tile
    if given.n_tail:
        memset(tails, 0, ROWS * given.n_tail * sizeof(float))
    for panel in range((given.rank + COLUMNS - 1) // COLUMNS):
        products(given.rotation + panel * COLUMNS * given.rotation_lines, raw, given.width, tile)
        for f in range(panel * COLUMNS, min(given.rank, (panel + 1) * COLUMNS)):
            for r in range(ROWS):
                if f < head:
                    rows[f * ROWS + r] = tile[r][f - panel * COLUMNS]
                else:
                    tails[r * given.n_tail + f - head] = tile[r][f - panel * COLUMNS]
    measure(rows, ROWS, head, tails, given.n_tail, ROWS, g.lengths + batch * given.n_checks * ROWS)


cdef inline void begin_lists(const ListArrays *given, Group *g, Py_ssize_t n_users,
                             floating kind) noexcept nogil:
    """Rows side by side, empty lists, and bounds of rounding errors; `kind` is of the type of the factors."""
    cdef Py_ssize_t width = given.width, k, f
    cdef const floating *factors = <const floating *>given.user_factors
    cdef const floating *biases = <const floating *>given.user_bias
    cdef const floating *source
    cdef float *row
    cdef double square, size, error
    for k in range(n_users):
        prefetch_row_to_read(factors + g.users[k] * width, width)
    for k in range(GROUP):
        row = g.raw + (k // ROWS) * width * ROWS + k % ROWS
        g.limits[k] = <float>INFINITY
        if k >= n_users:
            for f in range(width):
                row[f * ROWS] = 0
            continue
        source = factors + g.users[k] * width
        for f in range(width):
            row[f * ROWS] = <float>source[f]
        square = TINY
        if width:
            square += dot(source, source, width)
        g.bases[k] = given.mean + biases[g.users[k]]
        # Rotating a row, of a user or of an item, changes it by no more than width sqrt(width) roundings of
        # its length, and the rotation is orthogonal to within its roundings; sums, this one and that of
        # `dot`, err by width of them, the limit and the conversion to a score by a few. UNIT is two of them.
        size = sqrt(square) * given.longest
        error = UNIT * ((width + 16) * ((2 * sqrt(<double>width) + 2) * size + given.largest_bias)
                        + fabs(g.bases[k])) + TINY
        g.errors[k] = <float>error if size + sqrt(square) + given.largest_bias < HUGE else <float>INFINITY
        g.limits[k] = <float>-INFINITY
        g.n_candidates[k] = 0
        for f in range(given.n_best):
            g.best[k * given.n_best + f] = <float>-INFINITY
        g.best[k * given.n_best + 15] = <float>INFINITY
        heap_clear(g.scores + k * given.n, g.listed + k * given.n, given.n)


cdef inline void prefetch_candidates(const ListArrays *given, const Group *g, Py_ssize_t k,
                                     floating kind) noexcept nogil:
    """Prefetch the item rows that `score_candidates` will read."""
    cdef const floating *factors = <const floating *>given.item_factors
    cdef Py_ssize_t e, begin = k * (given.n + SPARE)
    for e in range(begin, begin + g.n_candidates[k]):
        if not g.sums[e] < g.limits[k]:
            prefetch_row_to_read(factors + given.items[g.columns[e]] * given.width, given.width)


cdef inline void score_candidates(const ListArrays *given, Group *g, Py_ssize_t k,
                                  floating kind) noexcept nogil:
    """Offer the candidates of user k to the list, by the scores that svd.predict gives; none are left."""
    cdef const floating *user = <const floating *>given.user_factors + g.users[k] * given.width
    cdef const floating *factors = <const floating *>given.item_factors
    cdef const floating *biases = <const floating *>given.item_bias
    cdef Py_ssize_t e, begin = k * (given.n + SPARE)
    cdef int32_t column, item
    cdef double score
    for e in range(begin, begin + g.n_candidates[k]):
        if g.sums[e] < g.limits[k]:
            continue
        column = g.columns[e]
        item = given.items[column]
        score = g.bases[k] + biases[item]
        if given.width > 0:
            score += dot(user, factors + item * given.width, given.width)
        if score > -INFINITY:
            heap_offer(g.scores + k * given.n, g.listed + k * given.n, given.n, score,
                       given.tie_positions[column])
    g.n_candidates[k] = 0


cdef inline void drop_candidates(const ListArrays *given, Group *g, Py_ssize_t k) noexcept nogil:
    """Drop the candidates of user k that are below the limit."""
    cdef Py_ssize_t e, begin = k * (given.n + SPARE), to = begin
    for e in range(begin, begin + g.n_candidates[k]):
        g.sums[to], g.columns[to] = g.sums[e], g.columns[e]
        to += not g.sums[e] < g.limits[k]
    g.n_candidates[k] = <int32_t>(to - begin)


cdef inline void add_candidates(const ListArrays *given, Group *g, Py_ssize_t k, const float *values,
                                uint32_t bits, int32_t begin) noexcept nogil:
    """Keep the columns `begin` and on whose bit is set if they may belong to the list of user k.

    There must be room for all of them and PADDING.
    """
    cdef float *best = g.best + k * given.n_best + 16
    cdef float *sums = g.sums + k * (given.n + SPARE)
    cdef int32_t *columns = g.columns + k * (given.n + SPARE)
    cdef Py_ssize_t first = g.n_candidates[k], end = first, kept = first, e
    cdef int column
    while bits:
        column = lowest_bit(bits)
        bits &= bits - 1
        sums[end], columns[end] = values[column], begin + column
        end += 1
    if given.n_tail:
        for e in range(end, end + PADDING):
            columns[e] = begin
        for e in range(first, end, 4):
            add_four_tails(g.tails + k * given.n_tail, given.tails, columns + e, given.n_tail, sums + e)
    for e in range(first, end):
        # Without a branch, which would be unpredictable.
        sums[kept], columns[kept] = sums[e], columns[e]
        kept += not sums[e] < g.limits[k]
    for e in range(first, kept):
        insert(best, given.n_best - 16, sums[e])
    g.n_candidates[k] = <int32_t>kept
    # The n-th best so far, less the error bounds of both.
    g.limits[k] = best[given.n - 1] - 2 * g.errors[k]


cdef inline bint mark_excluded(const ListArrays *given, const Group *g, Py_ssize_t first, Py_ssize_t n_users,
                               bint on) noexcept nogil:
    """Mark the items that lists exclude, or clear the marks; false if an item is out of range."""
    cdef Py_ssize_t k, start, n
    cdef bint valid = True
    for k in range(n_users):
        if on and k + 1 < n_users:
            start, n = given.starts[first + k + 1], given.stops[first + k + 1] - given.starts[first + k + 1]
            cf_prefetch_read(given.excluded + start, min(n, <Py_ssize_t>PREFETCHED) * sizeof(int32_t))
        start, n = given.starts[first + k], given.stops[first + k] - given.starts[first + k]
        if not on and n > given.n_words:
            memset(g.bitmaps + k * given.n_words, 0, given.n_words * sizeof(uint64_t))
        elif n > 0:
            valid &= mark(g.bitmaps + k * given.n_words, given.excluded + start, n, given.columns,
                          given.n_items, on)
    return valid
