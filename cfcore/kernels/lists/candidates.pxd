# The candidates of the lists of a group of users: loops of `top_lists_loops.pyx`.

from libc.stdint cimport INT32_MIN, int32_t, int64_t, uint64_t

from cfcore.kernels.lists.panels cimport COLUMNS
from cfcore.kernels.lists.top_lists_loops cimport ListArrays
from cfcore.kernels.top_n.excluded cimport mark
from cfcore.kernels.top_n.heap cimport heap_offer

cdef extern from "lists/rounded_rows.h" nogil:
    void insert "cf_insert"(double *best, Py_ssize_t n, double value) noexcept

cdef enum:
    BLOCK = 8  # pairs whose groups have bounds in one row
    FEW = 32  # items of a list


cdef struct Group:
    # The scratch of a group of lists in parts.
    uint64_t *bitmaps    # [n_panels][n_lists], columns that a list excludes
    uint64_t *row        # [n_panels], those of one list
    int32_t *bounds      # [n_fine][n_lists], no rounded sum of a panel is above
    int32_t *rests       # [BLOCK][n_lists][PAIR_GROUPS], coarse sums of later ratings; -1 first: none passes
    int32_t *limits      # a rounded sum below cannot belong to the list
    int32_t *counts      # of candidates; -1 if all columns are
    int32_t *sums        # [n_lists][n + SPARE], rounded, of the candidates; then lists, sorted by column
    int32_t *columns     # [n_lists][n + SPARE], the candidates
    int32_t *ends        # [64 n_panels + 1], where the lists of a column end
    Py_ssize_t start, stop, room
    int64_t n_rated      # ratings of a list, on average
    int64_t[BLOCK] open  # lists of which a pair of the block may hold an item


cdef inline bint exclude(const ListArrays *given, const Group *g, Py_ssize_t k) noexcept nogil:
    """Mark the columns that list k excludes, in a row that stays in the cache; false if an item is wrong."""
    cdef Py_ssize_t panel
    cdef bint valid = mark(g.row, given.excluded + given.starts[k], given.stops[k] - given.starts[k],
                           given.places, given.n_items, True)
    for panel in range(given.n_panels):
        g.bitmaps[panel * given.together + k - g.start] = g.row[panel]
        g.row[panel] = 0
    return valid


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


cdef inline void make_room(const Group *g, Py_ssize_t at) noexcept nogil:
    """Room for a panel of candidates, or all columns are."""
    if g.counts[at] > g.room - COLUMNS:
        drop(g, at)
        if g.counts[at] > g.room - COLUMNS:
            g.counts[at] = -1
