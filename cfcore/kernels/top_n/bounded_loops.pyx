"""Loops of `cfcore.kernels.top_n.bounded`."""
from cython cimport floating
from libc.math cimport INFINITY, fabs, sqrt
from libc.stdint cimport int32_t, uint32_t

from cfcore.kernels.common.lanes cimport dot
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.common.search cimport lower_bound
from cfcore.kernels.top_n.bounded_loops cimport BoundedArrays, BoundedLoops
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.top_n.item_panels cimport (
    COLUMNS, HUGE, MAX_CHECKS, TINY, UNIT, lowest_bit, measure, row_above, row_products
)


cdef inline double rotate(const BoundedArrays *given, float *rests, floating kind) noexcept nogil:
    """The row on the axes of the panels, its length from each check on, and its whole length."""
    cdef const floating *row = <const floating *>given.row
    cdef Py_ssize_t width = given.width, panel, f
    cdef float[32] tile
    cdef double square = TINY
    if width:
        square += dot(row, row, width)
    for f in range(width):
        given.raw[f] = <float>row[f]
    for panel in range((given.rank + COLUMNS - 1) // COLUMNS):
        row_products(given.rotation + panel * COLUMNS * given.rotation_lines, given.raw, width, tile)
        for f in range(panel * COLUMNS, min(given.rank, (panel + 1) * COLUMNS)):
            given.rotated[f] = tile[f - panel * COLUMNS]
    for f in range(given.rank, given.head + given.n_tail):
        given.rotated[f] = 0
    measure(given.rotated, 1, given.head, given.rotated + given.head, given.n_tail, 1, rests)
    return sqrt(square)


cdef inline double error_of(const BoundedArrays *given, double length) noexcept nogil:
    """A bound of the rounding errors of sums, as in `candidates.begin_lists`."""
    cdef double size = length * given.longest, width = <double>given.width
    if not size + length + given.largest_bias < HUGE:
        return INFINITY
    return UNIT * ((width + 16) * ((2 * sqrt(width) + 2) * size + given.largest_bias)
                   + fabs(given.base)) + TINY


cdef inline bint is_excluded(const BoundedArrays *given, int32_t item) noexcept nogil:
    cdef Py_ssize_t at = <Py_ssize_t>lower_bound(given.excluded, 0, given.n_excluded, item)
    return at < given.n_excluded and given.excluded[at] == item


cdef inline void best(const BoundedArrays *given, floating kind) noexcept nogil:
    """`BoundedLoops.best`; `kind` is of the type of the factors."""
    cdef const floating *row = <const floating *>given.row
    cdef const floating *factors = <const floating *>given.item_factors
    cdef const floating *bias = <const floating *>given.item_bias
    cdef Py_ssize_t panel, begin, column, n = given.n, width = given.width
    cdef float[MAX_CHECKS] rests
    cdef float limit = <float>-INFINITY
    cdef double error = error_of(given, rotate(given, rests, kind)), score
    cdef uint32_t bits
    cdef int32_t item
    heap_clear(given.scores, given.listed, n)
    for panel in range((given.m + COLUMNS - 1) // COLUMNS):
        begin = panel * COLUMNS
        bits = row_above(given.panels + begin * given.n_lines, given.rotated, rests, given.head, limit)
        if given.m - begin < COLUMNS:
            bits &= (<uint32_t>1 << (given.m - begin)) - 1
        while bits:
            column = begin + lowest_bit(bits)
            bits &= bits - 1
            item = given.items[column]
            score = given.base + bias[item]
            if width > 0:
                score += dot(row, factors + item * width, width)
            if not (score >= given.scores[0] and score > -INFINITY) or is_excluded(given, item):
                continue
            heap_offer(given.scores, given.listed, n, score, given.tie_positions[column])
            # The n-th best so far, less the error bounds of it and of a sum.
            limit = <float>(given.scores[0] - given.base - 2 * error)
    heap_sort(given.scores, given.listed, n)


cdef void best_f32(const BoundedArrays *given) noexcept nogil:
    best(given, <float>0)


cdef void best_f64(const BoundedArrays *given) noexcept nogil:
    best(given, <double>0)


cdef BoundedLoops loops = BoundedLoops(best_f32=best_f32, best_f64=best_f64)
table = capsule_of(&loops)
