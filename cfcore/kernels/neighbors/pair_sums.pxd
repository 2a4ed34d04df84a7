# Sums over the co-raters of one row x and every partner row y: n, Sx, Sy, Sxx, Syy, Sxy.
#
# An entry is a code and a rating in one word: uint32 holds a code and one of 16 levels (the rating is a whole
# number of steps from the middle of the scale), uint64 a code and a float32. The first kind is summed in
# eight 16-bit integers that are spilled into 32-bit ones before they can overflow, the second in doubles.
# The records are `LevelRatings` and `ValueRatings`.

from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

cdef extern from "neighbors/pair_sums.h" nogil:
    void cf_add_eight(int16_t *sums, const int16_t *terms) noexcept
    void cf_regroup_eight(const int16_t *sums, int16_t *columns, int stride) noexcept
    void cf_prefetch_lines(const void *start) noexcept
    float cf_value_of(uint64_t entry) noexcept
    ctypedef struct cf_terms:
        pass
    cf_terms cf_terms_of(double x) noexcept
    void cf_add_doubles(double *sums, cf_terms terms, double y, bint six) noexcept

ctypedef fused entry_t:
    uint32_t
    uint64_t

cdef enum:
    AHEAD = 2  # co-raters between prefetching a row and reading it
    LEVELS = 16
    LANES = 8  # 16-bit sums a partner: n, Sx, Sy, Sxx, Syy, Sxy and two of padding

cdef struct Sides:
    # Entries of the rows that are compared, and of the co-raters.
    const void *entries
    const int64_t *indptr
    const int64_t *ends  # NULL if not `halves`
    const void *co_entries
    const int64_t *co_indptr
    const int16_t *products  # [16][16][8]
    int64_t n_rows
    int64_t spill_every  # co-raters that fit the 16-bit sums
    int n_doubles  # 4 (n, Sxx, Syy, Sxy), or 6 with Sx, Sy behind them
    int64_t wide_at  # `wide_sums_at`
    int halves  # only partners before the row


cdef inline int64_t code_of(entry_t entry) noexcept nogil:
    if entry_t is uint32_t:
        return entry >> 4
    else:
        return entry >> 32


cdef inline void add_level(char *sums, const char *terms, uint32_t entry) noexcept nogil:
    """Eight sums are 16 bytes: the entry without its level is the offset of the partner's."""
    cf_add_eight(<int16_t *>(sums + (entry & 0xFFFFFFF0u)), <const int16_t *>(terms + ((entry & 15) << 4)))


cdef inline void add_levels(char *sums, const char *terms, const uint32_t *entry,
                            const uint32_t *last) noexcept nogil:
    """Add one co-rater: `terms` is the table row of its level for x."""
    cdef uint32_t a, b, c, d
    while last - entry >= 4:
        a, b, c, d = entry[0], entry[1], entry[2], entry[3]
        add_level(sums, terms, a)
        add_level(sums, terms, b)
        add_level(sums, terms, c)
        add_level(sums, terms, d)
        entry += 4
    while entry < last:
        add_level(sums, terms, entry[0])
        entry += 1


cdef inline void add_value(double *sums, cf_terms terms, uint64_t entry, bint six) noexcept nogil:
    cf_add_doubles(sums + (8 if six else 4) * <int64_t>(entry >> 32), terms, cf_value_of(entry), six)


cdef inline void add_values(double *sums, double x, const uint64_t *entry, const uint64_t *last,
                            bint six) noexcept nogil:
    """Add one co-rater, who gave x, to the four sums a partner, or to six; `six` is a constant."""
    cdef cf_terms terms = cf_terms_of(x)
    # Two at a time: one load for all would be predicted to wait for earlier stores far too often.
    while last - entry >= 2:
        add_value(sums, terms, entry[0], six)
        add_value(sums, terms, entry[1], six)
        entry += 2
    if entry < last:
        add_value(sums, terms, entry[0], six)


cdef inline void spill(int16_t *sums, int32_t *wide, int64_t n_rows) noexcept nogil:
    cdef int64_t k
    for k in range(LANES * n_rows):
        wide[k] += sums[k]
        sums[k] = 0


cdef inline int64_t wide_sums_at(int64_t n_rows) noexcept nogil:
    """Where the 32-bit sums begin, counted in 16-bit ones: behind whole groups of eight partners."""
    return LANES * ((n_rows + 7) & ~7)


cdef inline int64_t scratch_bytes(int64_t n_rows, bint packed, bint spills, int n_doubles) noexcept nogil:
    """Bytes of one thread's sums, a multiple of 64. Packed sums are read eight partners at a time."""
    cdef int64_t whole = (n_rows + 7) & ~7
    if packed:
        return whole * (48 if spills else 16)
    return whole * (32 if n_doubles == 4 else 64)


cdef inline bint is_long(const Sides *sides, int64_t row) noexcept nogil:
    """Whether the row has more co-raters than 16-bit sums hold."""
    return sides.indptr[row + 1] - sides.indptr[row] > sides.spill_every


cdef inline void clear(const entry_t *kind, const Sides *sides, void *sums, bint is_wide, int64_t first,
                       int64_t last) noexcept nogil:
    """Zero the sums of the partners [first, last)."""
    cdef int n_doubles = 4 if sides.n_doubles == 4 else 8
    if entry_t is uint32_t:
        memset(<int16_t *>sums + LANES * first, 0, (last - first) * LANES * sizeof(int16_t))
        if is_wide:
            memset(<int32_t *>(<int16_t *>sums + sides.wide_at) + LANES * first, 0,
                   (last - first) * LANES * sizeof(int32_t))
    else:
        memset(<double *>sums + n_doubles * first, 0, (last - first) * n_doubles * sizeof(double))


cdef inline void sum_row(const entry_t *entries, const Sides *sides, int64_t row, void *sums) noexcept nogil:
    """Add all co-raters of `row`, in ascending order, to sums that were zero."""
    cdef const entry_t *co_entries = <const entry_t *>sides.co_entries
    cdef const entry_t *first
    cdef const entry_t *last
    cdef const char *terms
    cdef int64_t e, end = sides.indptr[row + 1], co, since = 0
    cdef int64_t reach = row if sides.halves else sides.n_rows
    for e in range(sides.indptr[row], end):
        if e + AHEAD < end:
            cf_prefetch_lines(co_entries + sides.co_indptr[code_of(entries[e + AHEAD])])
        co = code_of(entries[e])
        first = co_entries + sides.co_indptr[co]
        last = co_entries + (sides.ends[e] if sides.halves else sides.co_indptr[co + 1])
        if entry_t is uint32_t:
            if since == sides.spill_every:
                spill(<int16_t *>sums, <int32_t *>(<int16_t *>sums + sides.wide_at), reach)
                since = 0
            since += 1
            terms = <const char *>(sides.products + LANES * LEVELS * (entries[e] & 15))
            add_levels(<char *>sums, terms, first, last)
        elif sides.n_doubles == 4:
            add_values(<double *>sums, cf_value_of(entries[e]), first, last, False)
        else:
            add_values(<double *>sums, cf_value_of(entries[e]), first, last, True)
