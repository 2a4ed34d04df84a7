"""Loops of `cfcore.kernels.top_n.products`."""
from cython cimport floating
from libc.math cimport fabs
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.top_n.candidates cimport (
    PADDING, Group, add_candidates, begin_lists, drop_candidates, group_of, mark_excluded,
    prefetch_candidates, rotate_rows, score_candidates
)
from cfcore.kernels.top_n.heap cimport heap_sort
from cfcore.kernels.top_n.item_panels cimport COLUMNS, ROWS, lowest_bit, measure, products_above
from cfcore.kernels.top_n.products_loops cimport SPARE, GroupScratch, ListArrays, PackArrays, ProductsLoops


cdef inline void pack(const PackArrays *given, floating kind) noexcept nogil:
    """`ProductsLoops.pack`; `kind` is of the type of the factors."""
    cdef const floating *row = <const floating *>given.factors
    cdef const floating *biases = <const floating *>given.biases
    cdef Py_ssize_t m = given.m, width = given.width, head = given.head, n_tail = given.n_tail
    cdef Py_ssize_t k, f, panel, column
    cdef Py_ssize_t size = given.n_lines * COLUMNS, n_panels = (m + COLUMNS - 1) // COLUMNS
    cdef float *lines
    memset(given.panels, 0, n_panels * size * sizeof(float))
    memset(given.tails, 0, m * n_tail * sizeof(float))
    given.bounds[0] = given.bounds[1] = 0
    for k in range(m):
        lines = given.panels + k // COLUMNS * size + k % COLUMNS
        for f in range(head):
            lines[f * COLUMNS] = <float>row[f]
        for f in range(head, width):
            given.tails[k * n_tail + f - head] = <float>row[f]
        lines[head * COLUMNS] = <float>biases[k]
        given.bounds[1] = max(given.bounds[1], <double>fabs(biases[k]))
        row += width
    for panel in range(n_panels):
        k = min(<Py_ssize_t>COLUMNS, m - panel * COLUMNS)
        lines = given.panels + panel * size
        measure(lines, COLUMNS, head, given.tails + panel * COLUMNS * n_tail, n_tail, k,
                lines + (head + 1) * COLUMNS)
        for column in range(k):
            given.bounds[0] = max(given.bounds[0], <double>lines[(head + 1) * COLUMNS + column])


cdef void pack_f32(const PackArrays *given) noexcept nogil:
    pack(given, <float>0)


cdef void pack_f64(const PackArrays *given) noexcept nogil:
    pack(given, <double>0)


cdef inline uint32_t first_bits(Py_ssize_t n) noexcept nogil:
    return <uint32_t>0xFFFFFFFF if n >= 32 else (<uint32_t>1 << n) - 1


cdef inline bint rank_group(const ListArrays *given, const GroupScratch *scratch, Py_ssize_t first_user,
                            Py_ssize_t n_users, floating kind) noexcept nogil:
    """`ProductsLoops.rank_group`: all users of the group use each panel while it is in the cache."""
    cdef Py_ssize_t full = given.n + SPARE - COLUMNS - PADDING, n_batches = (n_users + ROWS - 1) // ROWS
    cdef Py_ssize_t panel, batch, begin, first, r, k
    cdef float[ROWS][32] sums
    cdef uint32_t[ROWS] passed
    cdef uint32_t rows, bits
    cdef Group g = group_of(given, scratch, first_user)
    cdef bint valid = mark_excluded(given, &g, first_user, n_users, True)
    begin_lists(given, &g, n_users, kind)
    for batch in range(n_batches):
        rotate_rows(given, &g, batch)
    for panel in range((given.m + COLUMNS - 1) // COLUMNS):
        begin = panel * COLUMNS
        for batch in range(n_batches):
            first = batch * ROWS
            rows = products_above(given.panels + begin * given.n_lines, g.rows + first * given.head,
                                  g.lengths + first * given.n_checks, given.head, &g.limits[first],
                                  passed, sums)
            rows &= first_bits(n_users - first)
            while rows:
                r = lowest_bit(rows)
                rows &= rows - 1
                k = first + r
                bits = passed[r] & first_bits(given.m - begin)
                bits &= ~<uint32_t>(g.bitmaps[k * given.n_words + (begin >> 6)] >> (begin & 63))
                if g.n_candidates[k] > full:
                    drop_candidates(given, &g, k)
                    if g.n_candidates[k] > given.n + SPARE // 4:  # or it would be full again at once
                        prefetch_candidates(given, &g, k, kind)
                        score_candidates(given, &g, k, kind)
                add_candidates(given, &g, k, sums[r], bits, <int32_t>begin)
    prefetch_candidates(given, &g, 0, kind)
    for k in range(n_users):
        if k + 1 < n_users:
            prefetch_candidates(given, &g, k + 1, kind)
        score_candidates(given, &g, k, kind)
        heap_sort(g.scores + k * given.n, g.listed + k * given.n, given.n)
    mark_excluded(given, &g, first_user, n_users, False)
    return valid


cdef bint rank_group_f32(const ListArrays *given, const GroupScratch *scratch, Py_ssize_t first_user,
                         Py_ssize_t n_users) noexcept nogil:
    return rank_group(given, scratch, first_user, n_users, <float>0)


cdef bint rank_group_f64(const ListArrays *given, const GroupScratch *scratch, Py_ssize_t first_user,
                         Py_ssize_t n_users) noexcept nogil:
    return rank_group(given, scratch, first_user, n_users, <double>0)


cdef ProductsLoops loops = ProductsLoops(pack_f32=pack_f32, pack_f64=pack_f64, rank_group_f32=rank_group_f32,
                                         rank_group_f64=rank_group_f64)
table = capsule_of(&loops)
