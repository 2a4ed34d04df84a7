"""Similarities of all pairs of items, or of users, from one pass over their co-raters.

"Rows" are what is compared (items, say) and "co-raters" the other side (users). For a row x every co-rater's
own row is walked once, and each entry y on it adds to the sums n, Sx, Sy, Sxx, Syy, Sxy of the pair (x, y).
Dense output walks only as far as x itself, so each pair is summed once, and `mirror` copies the half. The
order of summation is that of the co-raters' codes, whatever the threads: same bits. The twin is
`cfcore.reference.neighbors.similarity`.

Measures: Pearson, cosine (with centred values: adjusted cosine; with the residuals of a baseline: the Pearson
of Koren, "Factor in the neighbors", TKDD 2010), mean squared difference, Jaccard.
"""
from cython cimport floating
from cython.parallel cimport prange, threadid
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from cfcore.kernels.top_n.heap cimport heap_clear, heap_offer, heap_sort
from cfcore.kernels.neighbors.measures cimport BLOCK, DOT, PEARSON, Rule, Sums, evaluate, is_plain, pearson_of_levels
from cfcore.kernels.neighbors.pair_sums cimport (
    LANES,
    LEVELS,
    Sides,
    cf_regroup_eight,
    clear,
    code_of,
    entry_t,
    is_long,
    scratch_bytes,
    sum_row,
)
from cfcore.kernels.common.threads cimport unchecked_team_size as team_size

cdef enum:
    TILE = 64

MEASURES = {"pearson": 0, "cosine": 1, "msd": 2, "jaccard": 3, "dot": 4}


cdef inline int64_t count_of(const entry_t *kind, const Sides *sides, const void *sums, bint is_wide,
                             int64_t y) noexcept nogil:
    cdef int64_t n
    if entry_t is uint32_t:
        n = (<const int16_t *>sums)[LANES * y]
        return n + (<const int32_t *>(<const int16_t *>sums + sides.wide_at))[LANES * y] if is_wide else n
    else:
        return <int64_t>(<const double *>sums)[(4 if sides.n_doubles == 4 else 8) * y]


cdef inline void take_one(const entry_t *kind, const Sides *sides, const void *sums, bint is_wide, int64_t y,
                          Sums *block, int t) noexcept nogil:
    """Put the sums of partner y at place t of the block."""
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


cdef void half_row(const entry_t *entries, const Sides *sides, const Rule *rule, int64_t x, void *sums,
                   floating *out) noexcept nogil:
    """Similarity of row x to each row before it, and 1 to itself."""
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


cdef struct Candidates:
    # Partners that wait for being evaluated together.
    Sums block
    int32_t partners[BLOCK]
    int n


cdef inline void offer(Candidates *waiting, const Rule *rule, double own_size, int64_t k, floating *values,
                       int32_t *codes) noexcept nogil:
    """Evaluate those who wait and keep the best."""
    cdef int t
    evaluate(&waiting.block, rule, own_size)
    for t in range(waiting.n):
        heap_offer(values, codes, k, <floating>waiting.block.similarity[t], waiting.partners[t])
    waiting.n = 0


cdef inline void consider(const entry_t *kind, const Sides *sides, const Rule *rule, int64_t x, int64_t y,
                          const void *sums, bint is_wide, double own_size, Candidates *waiting, int64_t k,
                          floating *values, int32_t *codes) noexcept nogil:
    """Let partner y wait if it has co-raters enough."""
    cdef double n = <double>count_of(kind, sides, sums, is_wide, y)
    if n < 1 or n < rule.min_support or y == x:
        return
    take_one(kind, sides, sums, is_wide, y, &waiting.block, waiting.n)
    waiting.partners[waiting.n] = <int32_t>y
    waiting.n += 1
    if waiting.n == BLOCK:
        offer(waiting, rule, own_size, k, values, codes)


cdef void top_row(const entry_t *entries, const Sides *sides, const Rule *rule, int64_t x, void *sums,
                  int64_t k, floating *values, int32_t *codes) noexcept nogil:
    """The k rows most similar to row x among those with co-raters enough. Sums are zero before and after."""
    cdef const entry_t *co_entries = <const entry_t *>sides.co_entries
    cdef const int64_t *co_indptr = sides.co_indptr
    cdef Candidates waiting
    cdef int64_t y, e, place, co, n_pairs = 0
    cdef bint is_wide = is_long(sides, x)
    cdef double own_size = <double>(sides.indptr[x + 1] - sides.indptr[x])
    memset(&waiting, 0, sizeof(Candidates))
    heap_clear(values, codes, k)
    sum_row(entries, sides, x, sums)
    for e in range(sides.indptr[x], sides.indptr[x + 1]):
        co = code_of(entries[e])
        n_pairs += co_indptr[co + 1] - co_indptr[co]
    if n_pairs < sides.n_rows // 4 and not is_wide:
        # Few partners among many rows: walk the co-raters again rather than look at all.
        for e in range(sides.indptr[x], sides.indptr[x + 1]):
            co = code_of(entries[e])
            for place in range(co_indptr[co], co_indptr[co + 1]):
                y = code_of(co_entries[place])
                consider(entries, sides, rule, x, y, sums, 0, own_size, &waiting, k, values, codes)
                clear(entries, sides, sums, 0, y, y + 1)
    else:
        for y in range(sides.n_rows):
            consider(entries, sides, rule, x, y, sums, is_wide, own_size, &waiting, k, values, codes)
        clear(entries, sides, sums, is_wide, 0, sides.n_rows)
    offer(&waiting, rule, own_size, k, values, codes)
    heap_sort(values, codes, k)


cdef check(const entry_t[::1] entries, const int64_t[::1] indptr, const int64_t[::1] ends,
           const entry_t[::1] co_entries, const int64_t[::1] co_indptr, const int16_t[:, :, ::1] products,
           uint8_t[:, ::1] scratch, Sides *sides, const Rule *rule, int64_t begin, int64_t end,
           int n_threads):
    """Refuse what would be read or written outside an array; fill in `sides`."""
    cdef int64_t k, co, n_co = co_indptr.shape[0] - 1, top, longest = 0, needed
    cdef int q, worst = 0
    sides.n_rows = indptr.shape[0] - 1
    if sides.n_rows < 0 or n_co < 0 or sides.n_rows > (1 << 28 if sizeof(entry_t) == 4 else 2147483647):
        raise ValueError("similarity: indptr must have at least one entry and at most 2^28 rows")
    for k in range(sides.n_rows):
        if indptr[k] > indptr[k + 1]:
            raise ValueError(f"similarity: indptr falls after row {k}")
        longest = max(longest, indptr[k + 1] - indptr[k])
    for k in range(n_co):
        if co_indptr[k] > co_indptr[k + 1]:
            raise ValueError(f"similarity: co_indptr falls after row {k}")
    if (indptr[0] != 0 or indptr[sides.n_rows] != entries.shape[0]
            or co_indptr[0] != 0 or co_indptr[n_co] != co_entries.shape[0]):
        raise ValueError("similarity: indptr and co_indptr must start at 0 and end at the number of entries")
    if not 0 <= begin <= end <= sides.n_rows:
        raise ValueError(f"similarity: rows {begin} to {end} are not within 0 to {sides.n_rows}")
    if n_threads < 1:
        raise ValueError("similarity: n_threads must be at least 1")
    if not (0 <= rule.measure <= DOT and rule.shrinkage >= 0):
        raise ValueError("similarity: measure must be one of MEASURES, shrinkage at least 0")
    if sides.halves and ends.shape[0] != entries.shape[0]:
        raise ValueError("similarity: ends must be as long as entries")
    top = -1
    for k in range(co_entries.shape[0]):
        top = max(top, code_of(co_entries[k]))
    if top >= sides.n_rows:
        raise ValueError(f"similarity: co_entries holds code {top}, there are {sides.n_rows} rows")
    for k in range(indptr[begin], indptr[end]):
        co = code_of(entries[k])
        if co >= n_co:
            raise ValueError(f"similarity: entries holds code {co}, there are {n_co} co-raters")
        if sides.halves and not co_indptr[co] <= ends[k] <= co_indptr[co + 1]:
            raise ValueError(f"similarity: ends[{k}] is outside the row of co-rater {co}")
    sides.n_doubles = 6 if rule.measure == PEARSON else 4
    sides.spill_every = 9223372036854775807
    sides.wide_at = LANES * ((sides.n_rows + 7) & ~7)
    if entry_t is uint32_t:
        if products.shape[0] != LEVELS or products.shape[1] != LEVELS or products.shape[2] != LANES:
            raise ValueError("similarity: products must have shape (16, 16, 8)")
        worst = 1
        for k in range(LEVELS * LEVELS * LANES):
            q = (&products[0, 0, 0])[k]
            worst = max(worst, -q if q < 0 else q)
        if worst > 32767:
            raise ValueError("similarity: products must be within -32767 and 32767")
        sides.spill_every = 32767 // worst
        if longest > 2147483647 // worst:
            raise ValueError("similarity: a row has more co-raters than 32-bit sums can count")
        sides.products = &products[0, 0, 0]
    needed = scratch_bytes(sides.n_rows, sizeof(entry_t) == 4, longest > sides.spill_every, sides.n_doubles)
    if scratch.shape[0] < n_threads or scratch.shape[1] < needed:
        raise ValueError("similarity: scratch needs n_threads rows of row_bytes(...) bytes")
    if scratch.shape[1] % 16 or (scratch.shape[1] and <size_t>&scratch[0, 0] % 16):
        raise ValueError("similarity: rows of scratch must start at multiples of 16 bytes")
    sides.entries, sides.co_entries = NULL, NULL
    if entries.shape[0]:
        sides.entries, sides.co_entries = &entries[0], &co_entries[0] if co_entries.shape[0] else NULL
    if ends.shape[0]:
        sides.ends = &ends[0]
    sides.indptr, sides.co_indptr = &indptr[0], &co_indptr[0]


def row_bytes(Py_ssize_t n_rows, bint packed, Py_ssize_t longest, int largest, int measure):
    """Bytes of scratch a thread needs, a multiple of 64.

    Parameters
    ----------
    n_rows : int
        Rows that are compared.
    packed : bool
        True for uint32 entries, False for uint64 entries.
    longest : int
        Most co-raters of any row.
    largest : int
        Largest absolute number in `products` (at least 1); the 16-bit sums hold 32767 // largest co-raters.
    measure : int
        A value of ``MEASURES``.
    """
    return scratch_bytes(n_rows, packed, longest > 32767 // max(largest, 1), 6 if measure == PEARSON else 4)


cdef inline Rule rule_of(int measure, double offset, double step, double shrinkage, double min_support,
                         double no_overlap, double tolerance) noexcept nogil:
    cdef Rule rule
    rule.measure, rule.offset, rule.step = measure, offset, step
    rule.shrinkage, rule.min_support, rule.no_overlap = shrinkage, min_support, no_overlap
    rule.tolerance = tolerance
    return rule


def half_rows(const entry_t[::1] entries, const int64_t[::1] indptr, const int64_t[::1] ends,
              const entry_t[::1] co_entries, const int64_t[::1] co_indptr, const int16_t[:, :, ::1] products,
              floating[:, ::1] out, uint8_t[:, ::1] scratch, int measure, double offset, double step,
              double shrinkage, Py_ssize_t min_support, double no_overlap, Py_ssize_t begin, Py_ssize_t end,
              int n_threads):
    """Similarity of each of the rows [begin, end) to every row before it.

    Parameters
    ----------
    entries : uint32[n] or uint64[n]
        The ratings row by row. uint32: co-rater << 4 | level, with at most 16 levels and 2^28 codes.
        uint64: co-rater << 32 | bits of the float32 value.
    indptr : int64[n_rows + 1]
        Row x has ``entries[indptr[x]:indptr[x + 1]]``, co-raters ascending.
    ends : int64[n]
        Position of each entry among `co_entries`: the partners before it are those before x.
    co_entries : same dtype [n]
        The same ratings co-rater by co-rater: row << 4 | level, or row << 32 | value, rows ascending.
    co_indptr : int64[n_co_raters + 1]
    products : int16[16, 16, 8]
        For uint32 entries, ``[level of x, level of y]``: 1, x, y, x x, y y, x y, 0, 0, and zeros for levels
        not in use. Ignored for uint64 entries.
    out : float32 or float64 [n_rows, n_rows], changed in place
        Row x gets columns 0..x, the diagonal 1; the rest is left to `mirror`.
    scratch : uint8[>= n_threads, >= row_bytes(...)], overwritten
        Rows start at multiples of 16 bytes, better 64.
    measure : int
        A value of ``MEASURES``: pearson, cosine, msd (1 / (1 + mean squared difference)), jaccard,
        dot (Sxy as it is).
    offset, step : float
        A rating is ``step * (q + offset)`` for the whole number q of its level (0 and 1 for uint64 entries).
    shrinkage : float
        If positive, every similarity is multiplied by (n - 1) / (n - 1 + shrinkage) (Koren 2010, eq. 3).
    min_support : int
        Pairs with fewer co-raters have similarity 0; so have pairs whose denominator is 0.
    no_overlap : float
        Similarity of pairs without co-raters, whatever `min_support`.
    begin, end : int
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, an indptr falls, or a code is out of range.

    Notes
    -----
    O(sum of the co-raters' row lengths) additions of one 128-bit vector (uint32) or of four or six doubles
    (uint64). Sums of uint32 entries are exact. The same bits for any n_threads, slicing and SIMD level.
    """
    cdef Sides sides
    cdef Rule rule = rule_of(measure, offset, step, shrinkage, <double>min_support, no_overlap,
                             0 if sizeof(entry_t) == 4 else 1e-12)
    cdef Py_ssize_t k
    sides.halves = 1
    check(entries, indptr, ends, co_entries, co_indptr, products, scratch, &sides, &rule, begin, end,
          n_threads)
    if out.shape[0] != sides.n_rows or out.shape[1] != sides.n_rows:
        raise ValueError("similarity: out must be square, a row for each row of indptr")
    # The later a row, the more partners before it: the long ones first leave no thread waiting at the end.
    for k in prange(end - begin, nogil=True, schedule="dynamic", num_threads=team_size(n_threads)):
        half_row(<const entry_t *>sides.entries, &sides, &rule, end - 1 - k, &scratch[threadid(), 0],
                 &out[end - 1 - k, 0])


def top_rows(const entry_t[::1] entries, const int64_t[::1] indptr, const entry_t[::1] co_entries,
             const int64_t[::1] co_indptr, const int16_t[:, :, ::1] products, int32_t[:, ::1] codes,
             floating[:, ::1] values, uint8_t[:, ::1] scratch, int measure, double offset, double step,
             double shrinkage, Py_ssize_t min_support, Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """The most similar rows of each of the rows [begin, end).

    Parameters
    ----------
    entries, indptr, co_entries, co_indptr, products, scratch, measure, offset, step, shrinkage
        As for `half_rows`.
    codes : int32[n_rows, k], changed in place
        Row x gets the k rows most similar to it, the most similar first, ties in the order of their codes; -1
        fills up. Left out are x and rows with which it has fewer than max(1, min_support) co-raters.
    values : float32 or float64 [n_rows, k], changed in place
        Their similarities; 0 fills up.
    min_support, begin, end, n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, an indptr falls, or a code is out of range.

    Notes
    -----
    Every pair is summed twice, once for each side, so that memory is that of the result and of `scratch`.
    """
    cdef Sides sides
    cdef Rule rule = rule_of(measure, offset, step, shrinkage, <double>min_support, 0,
                             0 if sizeof(entry_t) == 4 else 1e-12)
    cdef Py_ssize_t k, top = codes.shape[1]
    sides.halves = 0
    check(entries, indptr, indptr, co_entries, co_indptr, products, scratch, &sides, &rule, begin, end,
          n_threads)
    if codes.shape[0] != sides.n_rows or values.shape[0] != sides.n_rows or values.shape[1] != top or top < 1:
        raise ValueError("similarity: codes and values must have shape (n_rows, k) with k at least 1")
    if scratch.shape[1]:
        memset(&scratch[0, 0], 0, scratch.shape[0] * scratch.shape[1])
    for k in prange(begin, end, nogil=True, schedule="dynamic", num_threads=team_size(n_threads)):
        top_row(<const entry_t *>sides.entries, &sides, &rule, k, &scratch[threadid(), 0], top, &values[k, 0],
                &codes[k, 0])


cdef void mirror_tile(floating *out, Py_ssize_t n, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Fill rows [first, last) right of the diagonal, by tiles so that both sides stay in cache."""
    cdef Py_ssize_t i, j, left = first
    while left < n:
        for i in range(first, last):
            for j in range(max(left, i + 1), min(left + TILE, n)):
                out[i * n + j] = out[j * n + i]
        left += TILE


def mirror(floating[:, ::1] out, Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """Copy the half below the diagonal to the half above it, for the target rows [begin, end).

    Parameters
    ----------
    out : float32 or float64 [n, n], changed in place
    begin, end, n_threads : int

    Raises
    ------
    ValueError
        When `out` is not square or the rows are not in it.
    """
    cdef Py_ssize_t n = out.shape[0], k, n_tiles = (end - begin + TILE - 1) // TILE
    if out.shape[1] != n or not 0 <= begin <= end <= n or n_threads < 1:
        raise ValueError("similarity: mirror takes a square array and rows within it")
    for k in prange(n_tiles, nogil=True, schedule="dynamic", num_threads=team_size(n_threads)):
        mirror_tile(&out[0, 0], n, begin + TILE * k, min(begin + TILE * (k + 1), end))
