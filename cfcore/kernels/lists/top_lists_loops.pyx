"""Loops of `cfcore.kernels.lists.top_lists`."""
from libc.math cimport INFINITY, ceil, fabs, floor
from libc.stdint cimport INT32_MAX, INT32_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.lists.panels cimport COLUMNS, PAIR_COLUMNS, peaks, rows
from cfcore.kernels.lists.top_lists_loops cimport SPARE, ListArrays, TopListLoops
from cfcore.kernels.top_n.excluded cimport mark
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort

cdef extern from "lists/rounded_rows.h" nogil:
    void rounded_sums "cf_rounded_sums"(const int16_t *panel, const int32_t *items, const int16_t *x,
                                        Py_ssize_t n, int32_t *out) noexcept
    uint64_t not_below "cf_not_below"(const int32_t *sums, int32_t limit) noexcept
    int32_t reached "cf_reached"(const int32_t *sums, uint64_t open, int64_t n) noexcept
    int place "cf_place"(int column) noexcept
    void insert "cf_insert"(double *best, Py_ssize_t n, double value) noexcept
    int lowest "cf_lowest"(uint64_t bits) noexcept

cdef extern from "lists/coarse_rows.h" nogil:
    void coarse_sums "cf_coarse_sums"(const int8_t *pair, const int32_t *items, const uint8_t *x,
                                      Py_ssize_t n, Py_ssize_t run, int32_t *out) noexcept
    uint64_t coarse_not_below "cf_coarse_not_below"(const int32_t *sums, int32_t margin, const float *scales,
                                                    float limit) noexcept

cdef extern from "lists/side_by_side.h" nogil:
    void column_scores "cf_column_scores"(const float *weights, const int64_t *indptr, const int32_t *items,
                                          const float *values, const int32_t *rows, const int32_t *lists,
                                          Py_ssize_t n, float *scores) noexcept

cdef enum:
    LINE = 64  # bytes
    FEW = 32   # items of a list
cdef double SLACK = 1e-6  # more than float32 rounds off, of what is computed from few numbers


cdef struct Group:
    # The scratch of a group of lists in parts.
    uint64_t *bitmaps    # [n_panels][n_lists], columns that a list excludes
    uint64_t *row        # [n_panels], those of one list
    int32_t *bounds      # [n_panels][n_lists], no rounded sum of a panel is above
    int32_t *limits      # a rounded sum below cannot belong to the list
    int32_t *counts      # of candidates; -1 if all columns are
    int32_t *sums        # [n_lists][n + SPARE], rounded, of the candidates; then lists, sorted by column
    int32_t *columns     # [n_lists][n + SPARE], the candidates
    int32_t *ends        # [64 n_panels + 1], where the lists of a column end
    Py_ssize_t start, stop, room


cdef inline bint exclude(const ListArrays *given, const Group *g, Py_ssize_t k) noexcept nogil:
    """Mark the columns that list k excludes, in a row that stays in the cache; false if an item is wrong."""
    cdef Py_ssize_t panel
    cdef bint valid = mark(g.row, given.excluded + given.starts[k], given.stops[k] - given.starts[k],
                           given.places, given.n_items, True)
    for panel in range(given.n_panels):
        g.bitmaps[panel * given.together + k - g.start] = g.row[panel]
        g.row[panel] = 0
    return valid


cdef inline void bound(const ListArrays *given, const Group *g, Py_ssize_t k,
                       Py_ssize_t block) noexcept nogil:
    """Bounds of the rounded sums of list k in 64 panels: sums of the largest weights of rows."""
    cdef int32_t[COLUMNS] sums
    cdef int64_t e = given.indptr[given.users[k]], n_rated = given.indptr[given.users[k] + 1] - e
    cdef Py_ssize_t j, panel
    rounded_sums(given.most + block * given.n_rows * COLUMNS, given.items + e, given.multiples + e, n_rated,
                 sums)
    for j in range(min(<Py_ssize_t>COLUMNS, given.n_panels - block * COLUMNS)):
        panel = block * COLUMNS + j
        g.bounds[panel * given.together + k - g.start] = sums[place(<int>j)]


cdef inline void drop(const Group *g, Py_ssize_t at) noexcept nogil:
    """Drop the candidates of a list that are below its limit."""
    cdef int32_t *sums = g.sums + at * g.room
    cdef int32_t *columns = g.columns + at * g.room
    cdef int32_t e, kept = 0
    for e in range(g.counts[at]):
        sums[kept], columns[kept] = sums[e], columns[e]
        kept += sums[e] >= g.limits[at]
    g.counts[at] = kept


cdef inline int32_t limit_by(const ListArrays *given, Py_ssize_t k, double worst) noexcept nogil:
    """What sums of list k are at least, if n columns are sure to have at least `worst`."""
    cdef double limit = worst - 2.0 * given.margins[given.users[k]]
    return <int32_t>limit if limit > INT32_MIN else INT32_MIN


cdef inline void add(const ListArrays *given, const Group *g, Py_ssize_t k, Py_ssize_t column,
                     int32_t sum, double sure) noexcept nogil:
    """Add a column to the candidates of list k: its score is from sure - margin to sum + margin.

    The best n sure scores so far are where the list will be: few are sorted, and many in a heap.
    """
    cdef Py_ssize_t at = k - g.start, worst = 0
    cdef double *best = given.scores + k * given.n
    g.sums[at * g.room + g.counts[at]] = sum
    g.columns[at * g.room + g.counts[at]] = <int32_t>column
    g.counts[at] += 1
    if given.n <= FEW:
        insert(best, given.n, sure)
        worst = given.n - 1
    else:
        heap_offer(best, given.listed + k * given.n, given.n, sure, <int32_t>column)
    g.limits[at] = max(g.limits[at], limit_by(given, k, best[worst]))


cdef inline void ask_for(const ListArrays *given, const Group *g, Py_ssize_t k) noexcept nogil:
    """Fetch what `add` changes, far from that of the list before, while sums are made."""
    cdef Py_ssize_t at = k - g.start, next = at * g.room + g.counts[at]
    cf_prefetch_read(given.scores + k * given.n, LINE)
    cf_prefetch_read(given.scores + (k + 1) * given.n - 1, LINE)
    cf_prefetch_read(g.sums + next, LINE)
    cf_prefetch_read(g.columns + next, LINE)


cdef inline void make_room(const Group *g, Py_ssize_t at) noexcept nogil:
    """Room for a panel of candidates, or all columns are."""
    if g.counts[at] > g.room - COLUMNS:
        drop(g, at)
        if g.counts[at] > g.room - COLUMNS:
            g.counts[at] = -1


cdef inline void find(const ListArrays *given, const Group *g, Py_ssize_t k, Py_ssize_t panel,
                      uint64_t closed) noexcept nogil:
    """Add the columns of a panel to the candidates of list k if they may belong to it."""
    cdef int32_t[COLUMNS] sums
    cdef Py_ssize_t at = k - g.start, user = given.users[k], column
    cdef int64_t e = given.indptr[user], n_rated = given.indptr[user + 1] - e
    cdef int32_t sum
    cdef uint64_t bits, open = ~(closed | g.bitmaps[panel * given.together + at])
    ask_for(given, g, k)
    rounded_sums(given.rounded + panel * given.n_rows * COLUMNS, given.items + e, given.multiples + e,
                 n_rated, sums)
    if g.limits[at] == INT32_MIN:
        g.limits[at] = limit_by(given, k, <double>reached(sums, open, given.n))
    bits = not_below(sums, g.limits[at]) & open
    while bits:
        column = lowest(bits)
        bits &= bits - 1
        sum = sums[place(<int>column)]
        if sum >= g.limits[at]:
            add(given, g, k, panel * COLUMNS + column, sum, <double>sum)
    make_room(g, at)


cdef inline void find_in_pair(const ListArrays *given, const Group *g, Py_ssize_t k, Py_ssize_t pair,
                              const uint64_t *closed) noexcept nogil:
    """As `find` for two panels of coarse weights, whose sums and margins get the unit of `find`."""
    cdef int32_t[PAIR_COLUMNS] sums
    cdef Py_ssize_t at = k - g.start, user = given.users[k], half, panel, column
    cdef int64_t e = given.indptr[user], n_rated = given.indptr[user + 1] - e
    cdef int32_t margin = given.level_margins[user]
    cdef double own = given.margins[user], factor = given.steps[user] / given.level_steps[user]
    cdef double limit, scale, most, least
    cdef float single
    cdef const float *scales
    cdef uint64_t bits
    coarse_sums(given.coarse + pair * given.n_rows * PAIR_COLUMNS, given.items + e, given.levels + e,
                n_rated, given.runs[user], sums)
    for half in range(2):
        if g.counts[at] < 0:
            return
        panel = given.n_fine + 2 * pair + half
        scales = given.scales + (2 * pair + half) * COLUMNS
        limit = (g.limits[at] + own) / factor
        single = <float>(limit - SLACK * fabs(limit)) if g.limits[at] > INT32_MIN else -INFINITY
        bits = coarse_not_below(sums + half * COLUMNS, margin, scales, single)
        bits &= ~(closed[panel] | g.bitmaps[panel * given.together + at])
        while bits:
            column = lowest(bits)
            bits &= bits - 1
            scale = scales[column] * factor
            most = (<double>sums[half * COLUMNS + column] + margin) * scale
            least = (<double>sums[half * COLUMNS + column] - margin) * scale
            most = min(ceil(most + SLACK * fabs(most) - own), <double>INT32_MAX)
            least = floor(least - SLACK * fabs(least) + own)
            if most >= g.limits[at]:
                add(given, g, k, panel * COLUMNS + column, <int32_t>max(most, <double>INT32_MIN), least)
        make_room(g, at)


cdef inline void offer_to(const ListArrays *given, const int32_t *lists, Py_ssize_t n, Py_ssize_t column,
                          float *scores) noexcept nogil:
    """Offer an item to some lists; `scores`, overwritten, has room for n."""
    cdef Py_ssize_t e, k
    column_scores(given.exact + column * given.n_rows, given.indptr, given.items, given.values, given.users,
                  lists, n, scores)
    for e in range(n):
        k = lists[e]
        heap_offer(given.scores + k * given.n, given.listed + k * given.n, given.n, <double>scores[e],
                   given.positions[given.columns[column]])


cdef void choose(const ListArrays *given, Group *g, const uint64_t *closed) noexcept nogil:
    """Make the lists of the candidates: lists of one column together, whose weights are in the cache then."""
    cdef Py_ssize_t n_columns = given.n_panels * COLUMNS, at, column, e, begin = 0
    cdef uint64_t bits
    cdef int32_t k
    cdef float *scores = <float *>g.columns  # when candidates are sorted
    memset(g.ends, 0, (n_columns + 1) * sizeof(int32_t))
    for at in range(g.stop - g.start):
        heap_clear(given.scores + (g.start + at) * given.n, given.listed + (g.start + at) * given.n, given.n)
        if g.counts[at] >= 0:
            drop(g, at)
        for e in range(g.counts[at]):
            g.ends[g.columns[at * g.room + e] + 1] += 1
    for column in range(n_columns):
        g.ends[column + 1] += g.ends[column]
    for at in range(g.stop - g.start):
        for e in range(g.counts[at]):
            column = g.columns[at * g.room + e]
            g.sums[g.ends[column]] = <int32_t>(g.start + at)
            g.ends[column] += 1
    for column in range(n_columns):
        if column + 1 < n_columns and g.ends[column + 1] - g.ends[column] > 1:
            cf_prefetch_read(given.exact + (column + 1) * given.n_rows,
                             given.n_rows * <Py_ssize_t>sizeof(float))
        offer_to(given, g.sums + begin, g.ends[column] - begin, column, scores)
        begin = g.ends[column]
    for at in range(g.stop - g.start):
        if g.counts[at] >= 0:
            continue
        k = <int32_t>(g.start + at)
        for e in range(given.n_panels):
            bits = ~(closed[e] | g.bitmaps[e * given.together + at])
            while bits:
                offer_to(given, &k, 1, e * COLUMNS + lowest(bits), scores)
                bits &= bits - 1


cdef bint lists(const ListArrays *given, Py_ssize_t group, uint64_t *bitmaps, int32_t *codes) noexcept nogil:
    """`Lists`: all users of the group for one panel of items, then the next panel."""
    cdef Group g
    cdef Py_ssize_t k, at, panel, n_panels = given.n_panels
    cdef int32_t item
    cdef const int32_t *bounds
    cdef bint valid = True
    cdef uint64_t *closed = bitmaps + given.together * n_panels  # columns that no list may have
    g.start, g.room = group * given.together, given.n + SPARE
    g.stop = min(g.start + given.together, given.n_lists)
    g.bitmaps, g.row = bitmaps, closed + n_panels
    g.limits, g.counts = codes, codes + given.together
    g.sums = g.counts + given.together
    g.columns = g.sums + given.together * g.room
    g.bounds = g.columns + given.together * g.room
    g.ends = g.bounds + given.together * n_panels
    for k in range(n_panels * COLUMNS):
        item = given.columns[k]
        if item < 0 or given.positions[item] < 0:
            closed[k // COLUMNS] |= <uint64_t>1 << (k % COLUMNS)
    for k in range(g.start, g.stop):
        heap_clear(given.scores + k * given.n, given.listed + k * given.n, given.n)
        g.limits[k - g.start] = INT32_MIN
        g.counts[k - g.start] = -1 if given.margins[given.users[k]] < 0 else 0
        valid &= exclude(given, &g, k)
    for panel in range((n_panels + COLUMNS - 1) // COLUMNS):
        for k in range(g.start, g.stop):
            if g.counts[k - g.start] >= 0:
                bound(given, &g, k, panel)
    for panel in range(given.n_fine):
        for k in range(g.start, g.stop):
            at = k - g.start
            if g.counts[at] >= 0 and g.bounds[panel * given.together + at] >= g.limits[at]:
                find(given, &g, k, panel, closed[panel])
    for panel in range(given.n_fine, n_panels, 2):
        bounds = g.bounds + panel * given.together
        for k in range(g.start, g.stop):
            at = k - g.start
            if g.counts[at] >= 0 and max(bounds[at], bounds[at + given.together]) >= g.limits[at]:
                find_in_pair(given, &g, k, (panel - given.n_fine) // 2, closed)
    choose(given, &g, closed)
    for k in range(g.start, g.stop):
        heap_sort(given.scores + k * given.n, given.listed + k * given.n, given.n)
    memset(bitmaps, 0, (given.together + 2) * n_panels * sizeof(uint64_t))
    return valid


cdef TopListLoops loops = TopListLoops(peaks=peaks, rows=rows, lists=lists)
table = capsule_of(&loops)
