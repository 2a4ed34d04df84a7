"""Loops of `cfcore.kernels.neighbors.similarity`."""
from cython cimport floating
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.neighbors.measures cimport (
    BLOCK,
    PEARSON,
    Rule,
    Sums,
    evaluate,
    is_plain,
    pearson_of_levels,
)
from cfcore.kernels.neighbors.pair_sums cimport (
    LANES,
    Sides,
    cf_regroup_eight,
    clear,
    code_of,
    entry_t,
    is_long,
    sum_row,
)
from cfcore.kernels.neighbors.similarity_loops cimport SimilarityLoops
from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort


cdef inline int64_t count_of(const entry_t *kind, const Sides *sides, const void *sums, bint is_wide,
                             int64_t y) noexcept nogil:
    """Co-raters of the row and its partner y."""
    cdef int64_t n
    if entry_t is uint32_t:
        n = (<const int16_t *>sums)[LANES * y]
        return n + (<const int32_t *>(<const int16_t *>sums + sides.wide_at))[LANES * y] if is_wide else n
    else:
        return <int64_t>(<const double *>sums)[(4 if sides.n_doubles == 4 else 8) * y]


cdef inline void take_one(const entry_t *kind, const Sides *sides, const void *sums, bint is_wide, int64_t y,
                          Sums *block, int t) noexcept nogil:
    """Copy the sums of partner y to entry t of the block."""
    cdef const int16_t *narrow
    cdef const int32_t *wide
    cdef const double *real
    block.size[t] = <double>(sides.indptr[y + 1] - sides.indptr[y])
    if entry_t is uint32_t:
        narrow = <const int16_t *>sums + LANES * y
        block.n[t] = narrow[0]
        block.x[t] = narrow[1]
        block.y[t] = narrow[2]
        block.xx[t] = narrow[3]
        block.yy[t] = narrow[4]
        block.xy[t] = narrow[5]
        if is_wide:
            wide = <const int32_t *>(<const int16_t *>sums + sides.wide_at) + LANES * y
            block.n[t] += wide[0]
            block.x[t] += wide[1]
            block.y[t] += wide[2]
            block.xx[t] += wide[3]
            block.yy[t] += wide[4]
            block.xy[t] += wide[5]
    else:
        real = <const double *>sums + (4 if sides.n_doubles == 4 else 8) * y
        block.n[t] = real[0]
        block.xx[t] = real[1]
        block.yy[t] = real[2]
        block.xy[t] = real[3]
        if sides.n_doubles == 6:
            block.x[t] = real[4]
            block.y[t] = real[5]


cdef inline void evaluate_levels(const Sides *sides, const int16_t *sums, int64_t y, int n, const Rule *rule,
                                 double own_size, Sums *block, floating *out) noexcept nogil:
    """Similarity of the n partners from y on, from 16-bit sums (of whole groups of eight)."""
    cdef int16_t[6][BLOCK] columns
    cdef int t
    if n < BLOCK:
        memset(columns, 0, sizeof(columns))
    for t in range(0, n, 8):
        cf_regroup_eight(sums + LANES * (y + t), &columns[0][t], BLOCK)
    if rule.measure == PEARSON and n == BLOCK and is_plain(rule):
        pearson_of_levels(&columns[0][0], out)
        return
    for t in range(BLOCK):
        block.n[t] = columns[0][t]
        block.x[t] = columns[1][t]
        block.y[t] = columns[2][t]
        block.xx[t] = columns[3][t]
        block.yy[t] = columns[4][t]
        block.xy[t] = columns[5][t]
    for t in range(n):
        block.size[t] = <double>(sides.indptr[y + t + 1] - sides.indptr[y + t])
    evaluate(block, rule, own_size)
    for t in range(n):
        out[t] = <floating>block.similarity[t]


cdef inline void half_row(const entry_t *entries, const Sides *sides, const Rule *rule, int64_t x, void *sums,
                          floating *out) noexcept nogil:
    """`HalfRow`"""
    cdef Sums block
    cdef int64_t y = 0
    cdef int t, n
    cdef bint is_wide = is_long(sides, x)
    cdef double own_size = <double>(sides.indptr[x + 1] - sides.indptr[x])
    memset(&block, 0, sizeof(Sums))
    clear(entries, sides, sums, is_wide, 0, x + 1)
    sum_row(entries, sides, x, sums)
    while y < x:
        n = <int>min(x - y, BLOCK)
        if sizeof(entry_t) == 4 and not is_wide:
            evaluate_levels(sides, <const int16_t *>sums, y, n, rule, own_size, &block, out + y)
        else:
            for t in range(n):
                take_one(entries, sides, sums, is_wide, y + t, &block, t)
            evaluate(&block, rule, own_size)
            for t in range(n):
                out[y + t] = <floating>block.similarity[t]
        y += n
    out[x] = 1


# The row whose nearest rows are searched.
cdef struct Search:
    const Sides *sides
    const Rule *rule
    const void *sums
    double size
    bint is_wide


# Partners whose similarities are evaluated together.
cdef struct Candidates:
    Sums block
    int32_t partners[BLOCK]
    int n


cdef inline void offer(Candidates *candidates, const Search *search, int64_t k, int32_t *codes,
                       floating *values) noexcept nogil:
    """Evaluate the candidates, keep the best in the heap and begin a new block."""
    cdef int t
    evaluate(&candidates.block, search.rule, search.size)
    for t in range(candidates.n):
        heap_offer(values, codes, k, <floating>candidates.block.similarity[t], candidates.partners[t])
    candidates.n = 0


cdef inline void add(const entry_t *kind, const Search *search, int64_t y, Candidates *candidates, int64_t k,
                     int32_t *codes, floating *values) noexcept nogil:
    """Make partner y a candidate; evaluate a full block."""
    take_one(kind, search.sides, search.sums, search.is_wide, y, &candidates.block, candidates.n)
    candidates.partners[candidates.n] = <int32_t>y
    candidates.n += 1
    if candidates.n == BLOCK:
        offer(candidates, search, k, codes, values)


cdef inline void top_row(const entry_t *entries, const Sides *sides, const Rule *rule, int64_t x, void *sums,
                         int64_t k, int32_t *codes, floating *values) noexcept nogil:
    """`TopRow`"""
    cdef const entry_t *co_entries = <const entry_t *>sides.co_entries
    cdef const int64_t *co_indptr = sides.co_indptr
    cdef bint is_wide = is_long(sides, x)
    cdef Search search = Search(sides=sides, rule=rule, sums=sums, is_wide=is_wide,
                                size=<double>(sides.indptr[x + 1] - sides.indptr[x]))
    cdef Candidates candidates
    cdef int64_t y, e, co_e, co, n_pairs = 0
    cdef double least = max(1.0, rule.min_support)
    memset(&candidates, 0, sizeof(Candidates))
    heap_clear(values, codes, k)
    sum_row(entries, sides, x, sums)
    for e in range(sides.indptr[x], sides.indptr[x + 1]):
        co = code_of(entries[e])
        n_pairs += co_indptr[co + 1] - co_indptr[co]
    if n_pairs < sides.n_rows // 4 and not is_wide:
        # Few partners among many rows: read the co-raters' rows again rather than all sums.
        for e in range(sides.indptr[x], sides.indptr[x + 1]):
            co = code_of(entries[e])
            for co_e in range(co_indptr[co], co_indptr[co + 1]):
                y = code_of(co_entries[co_e])
                if count_of(entries, sides, sums, 0, y) >= least and y != x:
                    add(entries, &search, y, &candidates, k, codes, values)
                clear(entries, sides, sums, 0, y, y + 1)
    else:
        for y in range(sides.n_rows):
            if count_of(entries, sides, sums, is_wide, y) >= least and y != x:
                add(entries, &search, y, &candidates, k, codes, values)
        clear(entries, sides, sums, is_wide, 0, sides.n_rows)
    offer(&candidates, &search, k, codes, values)
    heap_sort(values, codes, k)


cdef void half_levels_f32(const Sides *sides, const Rule *rule, int64_t x, void *sums,
                          void *out) noexcept nogil:
    half_row(<const uint32_t *>sides.entries, sides, rule, x, sums, <float *>out)


cdef void half_levels_f64(const Sides *sides, const Rule *rule, int64_t x, void *sums,
                          void *out) noexcept nogil:
    half_row(<const uint32_t *>sides.entries, sides, rule, x, sums, <double *>out)


cdef void half_values_f32(const Sides *sides, const Rule *rule, int64_t x, void *sums,
                          void *out) noexcept nogil:
    half_row(<const uint64_t *>sides.entries, sides, rule, x, sums, <float *>out)


cdef void half_values_f64(const Sides *sides, const Rule *rule, int64_t x, void *sums,
                          void *out) noexcept nogil:
    half_row(<const uint64_t *>sides.entries, sides, rule, x, sums, <double *>out)


cdef void top_levels_f32(const Sides *sides, const Rule *rule, int64_t x, void *sums, int64_t k,
                         int32_t *codes, void *values) noexcept nogil:
    top_row(<const uint32_t *>sides.entries, sides, rule, x, sums, k, codes, <float *>values)


cdef void top_levels_f64(const Sides *sides, const Rule *rule, int64_t x, void *sums, int64_t k,
                         int32_t *codes, void *values) noexcept nogil:
    top_row(<const uint32_t *>sides.entries, sides, rule, x, sums, k, codes, <double *>values)


cdef void top_values_f32(const Sides *sides, const Rule *rule, int64_t x, void *sums, int64_t k,
                         int32_t *codes, void *values) noexcept nogil:
    top_row(<const uint64_t *>sides.entries, sides, rule, x, sums, k, codes, <float *>values)


cdef void top_values_f64(const Sides *sides, const Rule *rule, int64_t x, void *sums, int64_t k,
                         int32_t *codes, void *values) noexcept nogil:
    top_row(<const uint64_t *>sides.entries, sides, rule, x, sums, k, codes, <double *>values)


cdef SimilarityLoops loops = SimilarityLoops(
    half_levels_f32=half_levels_f32, half_levels_f64=half_levels_f64,
    half_values_f32=half_values_f32, half_values_f64=half_values_f64,
    top_levels_f32=top_levels_f32, top_levels_f64=top_levels_f64,
    top_values_f32=top_values_f32, top_values_f64=top_values_f64,
)
table = capsule_of(&loops)
