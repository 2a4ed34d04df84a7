"""Loops of `cfcore.kernels.lists.top_lists`."""
from libc.math cimport INFINITY, ceil, fabs, floor
from libc.stdint cimport INT32_MAX, INT32_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.lists.candidates cimport BLOCK, Group, add, drop, exclude, limit_by, make_room
from cfcore.kernels.lists.panels cimport COLUMNS, PAIR_COLUMNS, PAIR_GROUPS, PANEL_GROUPS, peaks, rows
from cfcore.kernels.lists.top_lists_loops cimport SPARE, UNBOUNDED, ListArrays, TopListLoops
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort

cdef extern from "lists/rounded_rows.h" nogil:
    void rounded_sums "cf_rounded_sums"(const int16_t *panel, const int32_t *items, const int16_t *x,
                                        Py_ssize_t n, int32_t *out) noexcept
    uint64_t not_below "cf_not_below"(const int32_t *sums, int32_t limit) noexcept
    int32_t reached "cf_reached"(const int32_t *sums, uint64_t open, int64_t n) noexcept
    int place "cf_place"(int column) noexcept
    int lowest "cf_lowest"(uint64_t bits) noexcept
    void read_ahead "cf_read_ahead"(const void *begin, Py_ssize_t bytes) noexcept

cdef extern from "lists/coarse_rows.h" nogil:
    void pair_sums "cf_pair_sums"(const int8_t *pair, const int32_t *items, const uint8_t *x, Py_ssize_t n,
                                  Py_ssize_t run, bint more, int32_t *out) noexcept
    void group_sums "cf_group_sums"(const int8_t *groups, const int32_t *items, const uint8_t *x,
                                    Py_ssize_t n, Py_ssize_t run, int32_t *out) noexcept
    uint64_t coarse_not_below "cf_coarse_not_below"(const int32_t *sums, int32_t margin, const float *scales,
                                                    const float *limits) noexcept

cdef extern from "lists/side_by_side.h" nogil:
    void column_scores "cf_column_scores"(const float *weights, const int64_t *indptr, const int32_t *items,
                                          const float *values, const int32_t *rows, const int32_t *lists,
                                          Py_ssize_t n, float *scores) noexcept

cdef double SLACK = 1e-6  # more than float32 rounds off, of what is computed from few numbers
cdef enum:
    SPLIT = 32  # ratings of a list whose coarse sums are made in two steps
    MANY = 4    # times that a row of a panel is read, from which on all of it is read in order first


cdef inline void bound(const ListArrays *given, const Group *g, Py_ssize_t k,
                       Py_ssize_t block) noexcept nogil:
    """Bounds of the rounded sums of list k in 64 fine panels: sums of the largest weights of rows."""
    cdef int32_t[COLUMNS] sums
    cdef int64_t e = given.indptr[given.users[k]], n_rated = given.indptr[given.users[k] + 1] - e
    cdef Py_ssize_t j, panel
    rounded_sums(given.most + block * given.n_rows * COLUMNS, given.items + e, given.multiples + e, n_rated,
                 sums)
    for j in range(min(<Py_ssize_t>COLUMNS, given.n_fine - block * COLUMNS)):
        panel = block * COLUMNS + j
        g.bounds[panel * given.together + k - g.start] = sums[place(<int>j)]


cdef inline void find(const ListArrays *given, const Group *g, Py_ssize_t k, Py_ssize_t panel,
                      uint64_t closed) noexcept nogil:
    """Add the columns of a panel to the candidates of list k if they may belong to it."""
    cdef int32_t[COLUMNS] sums
    cdef Py_ssize_t at = k - g.start, user = given.users[k], column
    cdef int64_t e = given.indptr[user], n_rated = given.indptr[user + 1] - e
    cdef int32_t sum
    cdef uint64_t bits, open = ~(closed | g.bitmaps[panel * given.together + at])
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


cdef inline int64_t first_part(int64_t n_rated) noexcept nogil:
    """How many ratings are added up before the others: an even number, or all."""
    return n_rated // 4 * 2 if n_rated >= SPLIT else n_rated


cdef inline float coarse_limit(const ListArrays *given, const Group *g, Py_ssize_t k,
                               double factor) noexcept nogil:
    """The limit of list k in the unit of coarse sums, less what is rounded off."""
    cdef double limit = (g.limits[k - g.start] + <double>given.margins[given.users[k]]) / factor
    return <float>(limit - SLACK * fabs(limit)) if g.limits[k - g.start] > INT32_MIN else -INFINITY


cdef inline void set_limits(float *limits, Py_ssize_t n, float limit) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        limits[j] = limit


cdef inline void bound_groups(const ListArrays *given, Group *g, Py_ssize_t k,
                              Py_ssize_t block) noexcept nogil:
    """Bounds of the coarse sums of list k in 64 groups: of all ratings, and of those after the first part."""
    cdef int32_t[COLUMNS] sums, rests
    cdef float[PANEL_GROUPS] limits
    cdef Py_ssize_t at = k - g.start, user = given.users[k], j
    cdef int64_t e = given.indptr[user], n_rated = given.indptr[user + 1] - e, part = first_part(n_rated)
    cdef const int8_t *groups = given.groups + block * given.n_rows * COLUMNS
    cdef int32_t *out
    cdef uint64_t passed
    group_sums(groups, given.items + e, given.levels + e, part, given.runs[user], sums)
    if part < n_rated:
        group_sums(groups, given.items + e + part, given.levels + e + part, n_rated - part, given.runs[user],
                   rests)
        for j in range(COLUMNS):
            sums[j] += rests[j]
    set_limits(limits, PANEL_GROUPS,
               coarse_limit(given, g, k, given.steps[user] / given.level_steps[user]))
    passed = coarse_not_below(sums, given.level_margins[user], given.group_scales + block * COLUMNS, limits)
    for j in range(min(<Py_ssize_t>BLOCK, (given.n_panels - given.n_fine) // 2 - block * BLOCK)):
        out = g.rests + (j * given.together + at) * PAIR_GROUPS
        out[0] = -1
        if passed >> (j * PAIR_GROUPS) & ((1 << PAIR_GROUPS) - 1):
            out[0] = 0
            g.open[j] += 1
            if part < n_rated:
                memcpy(out, rests + j * PAIR_GROUPS, PAIR_GROUPS * sizeof(int32_t))


cdef inline bint add_up(const ListArrays *given, Py_ssize_t user, Py_ssize_t pair, const int32_t *rests,
                        float limit, int32_t *sums) noexcept nogil:
    """Coarse sums of a pair; false if after the first part of the ratings none can come up to the limit."""
    cdef float[PAIR_GROUPS] limits
    cdef Py_ssize_t j
    cdef int64_t e = given.indptr[user], n_rated = given.indptr[user + 1] - e, part = first_part(n_rated)
    cdef const int8_t *weights = given.coarse + pair * given.n_rows * PAIR_COLUMNS
    cdef const float *scales = given.scales + pair * PAIR_COLUMNS
    cdef const float *units = given.group_scales + pair * PAIR_GROUPS
    cdef int32_t margin = given.level_margins[user]
    pair_sums(weights, given.items + e, given.levels + e, part, given.runs[user], False, sums)
    if part == n_rated:
        return True
    for j in range(PAIR_GROUPS):
        limits[j] = limit - <float>rests[j] * units[j] * <float>(1 + SLACK)
        limits[j] -= fabs(limits[j]) * <float>SLACK
    if not (coarse_not_below(sums, margin, scales, limits)
            | coarse_not_below(sums + COLUMNS, margin, scales + COLUMNS, limits + PANEL_GROUPS)):
        return False
    pair_sums(weights, given.items + e + part, given.levels + e + part, n_rated - part, given.runs[user],
              True, sums)
    return True


cdef inline void find_in_pair(const ListArrays *given, const Group *g, Py_ssize_t k, Py_ssize_t pair,
                              const uint64_t *closed) noexcept nogil:
    """As `find` for two panels of coarse weights, whose sums and margins get the unit of `find`."""
    cdef int32_t[PAIR_COLUMNS] sums
    cdef float[PANEL_GROUPS] limits
    cdef Py_ssize_t at = k - g.start, user = given.users[k], half, panel, column
    cdef int32_t margin = given.level_margins[user]
    cdef double own = given.margins[user], factor = given.steps[user] / given.level_steps[user]
    cdef double scale, most, least
    cdef const float *scales
    cdef uint64_t bits
    if not add_up(given, user, pair, g.rests + (pair % BLOCK * given.together + at) * PAIR_GROUPS,
                  coarse_limit(given, g, k, factor), sums):
        return
    for half in range(2):
        if g.counts[at] < 0:
            return
        panel = given.n_fine + 2 * pair + half
        scales = given.scales + (2 * pair + half) * COLUMNS
        set_limits(limits, PANEL_GROUPS, coarse_limit(given, g, k, factor))
        bits = coarse_not_below(sums + half * COLUMNS, margin, scales, limits)
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
    cdef Py_ssize_t k, at, panel, pair, n_panels = given.n_panels
    cdef int32_t item
    cdef bint valid = True
    cdef bint many, bounded = given.n_fine > UNBOUNDED
    cdef uint64_t *closed = bitmaps + given.together * n_panels  # columns that no list may have
    g.start, g.room, g.n_rated = group * given.together, given.n + SPARE, 0
    g.stop = min(g.start + given.together, given.n_lists)
    g.bitmaps, g.row = bitmaps, closed + n_panels
    g.rests = codes
    g.limits = g.rests + given.together * BLOCK * PAIR_GROUPS
    g.counts = g.limits + given.together
    g.sums = g.counts + given.together
    g.columns = g.sums + given.together * g.room
    g.bounds = g.columns + given.together * g.room
    g.ends = g.bounds + given.together * n_panels
    for k in range(n_panels * COLUMNS):
        item = given.columns[k]
        if item < 0 or given.positions[item] < 0:
            closed[k // COLUMNS] |= <uint64_t>1 << (k % COLUMNS)
    for k in range(g.start, g.stop):
        g.n_rated += given.indptr[given.users[k] + 1] - given.indptr[given.users[k]]
        heap_clear(given.scores + k * given.n, given.listed + k * given.n, given.n)
        g.limits[k - g.start] = INT32_MIN
        g.counts[k - g.start] = -1 if given.margins[given.users[k]] < 0 else 0
        valid &= exclude(given, &g, k)
    many = g.n_rated >= MANY * given.n_rows
    g.n_rated //= max(g.stop - g.start, <Py_ssize_t>1)
    for panel in range((given.n_fine + COLUMNS - 1) // COLUMNS if bounded else 0):
        for k in range(g.start, g.stop):
            if g.counts[k - g.start] >= 0:
                bound(given, &g, k, panel)
    for panel in range(given.n_fine):
        if many and not bounded:
            read_ahead(given.rounded + panel * given.n_rows * COLUMNS,
                       given.n_rows * COLUMNS * <Py_ssize_t>sizeof(int16_t))
        for k in range(g.start, g.stop):
            at = k - g.start
            if g.counts[at] >= 0 and (not bounded or
                                      g.bounds[panel * given.together + at] >= g.limits[at]):
                find(given, &g, k, panel, closed[panel])
    for pair in range((n_panels - given.n_fine) // 2):
        if pair % BLOCK == 0:
            memset(g.open, 0, sizeof(g.open))
            if many:
                read_ahead(given.groups + pair // BLOCK * given.n_rows * COLUMNS, given.n_rows * COLUMNS)
            for k in range(g.start, g.stop):
                if g.counts[k - g.start] >= 0:
                    bound_groups(given, &g, k, pair // BLOCK)
        if g.open[pair % BLOCK] * g.n_rated >= MANY * given.n_rows:
            read_ahead(given.coarse + pair * given.n_rows * PAIR_COLUMNS, given.n_rows * PAIR_COLUMNS)
        for k in range(g.start, g.stop):
            at = k - g.start
            if g.counts[at] >= 0 and g.rests[(pair % BLOCK * given.together + at) * PAIR_GROUPS] >= 0:
                find_in_pair(given, &g, k, pair, closed)
    choose(given, &g, closed)
    for k in range(g.start, g.stop):
        heap_sort(given.scores + k * given.n, given.listed + k * given.n, given.n)
    memset(bitmaps, 0, (given.together + 2) * n_panels * sizeof(uint64_t))
    return valid


cdef TopListLoops loops = TopListLoops(peaks=peaks, rows=rows, lists=lists)
table = capsule_of(&loops)
