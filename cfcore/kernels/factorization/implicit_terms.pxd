# The implicit terms of SVD++ and timeSVD++: sums s_u of table rows y_j over the sets N(u), and the way back
# from the sums to the rows. Functions on floats are compiled per SIMD level, in `svdpp_loops` and
# `timesvdpp_loops`.
#
# With weights w_uj, s_u = sum of w_uj y_j. When every y_j of N(u) is updated by lr (e w_uj q_i - reg y_j),
# s_u is updated by lr (e c_u q_i - reg s_u), where c_u, the gain, is the sum of w_uj^2: 1 for w_uj =
# |N(u)|^-1/2. So the sum is updated by each rating without visiting its rows. After the user's ratings s_u =
# kept s_first + c_u d, and y_j <- kept y_j + w_uj d, with kept = (1 - lr reg)^ratings.

from cython cimport floating
from libc.math cimport exp, log
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.lanes cimport decay, sum_rows

# Arrays of the records ImplicitSets, UserBatchLayout and UserBatchScratch; `table` and the rows are of float
# or of double.
cdef struct Terms:
    const int64_t *indptr
    const int32_t *members
    const float *weights        # NULL: |N(u)|^-1/2 for all members
    const int64_t *user_counts
    const int32_t *parts
    const int64_t *cuts
    void *table
    void *sums
    void *first_sums
    void *partial_sums
    void *kept
    void *gains
    Py_ssize_t n_parts, n_rows, width
    double keep                 # 1 - lr reg of the table

# The functions below that are called by pointer, for float or for double.
cdef struct TermLoops:
    bint (*sum_users)(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    bint (*sum_part)(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void (*begin_users)(const Terms *terms, Py_ssize_t batch_first, Py_ssize_t first,
                        Py_ssize_t last) noexcept nogil
    void (*end_users)(const Terms *terms, Py_ssize_t first, Py_ssize_t last) noexcept nogil
    void (*write_back)(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last) noexcept nogil


cdef inline floating inverse_root(Py_ssize_t n, floating kind) noexcept nogil:
    """n^-1/2; 1 for n = 0, where it multiplies an empty sum."""
    # Not n ** -0.5, for which Cython takes the power of complex numbers: the same bits, several times slower.
    return <floating>(exp(-0.5 * log(<double>n)) if n > 0 else 1.0)


cdef inline floating gain_of(const Terms *terms, Py_ssize_t u, floating kind) noexcept nogil:
    """c_u"""
    cdef double squares = 0
    cdef int64_t k
    if terms.weights == NULL:
        return 1
    for k in range(terms.indptr[u], terms.indptr[u + 1]):
        squares += <double>terms.weights[k] * terms.weights[k]
    return <floating>squares


cdef inline bint is_ascending(const int32_t *members, Py_ssize_t n, int32_t low,
                              Py_ssize_t stop) noexcept nogil:
    """True if members are ascending, and in [low, stop)."""
    cdef Py_ssize_t k
    cdef int32_t unsorted = 0
    for k in range(1, n):
        unsorted |= members[k - 1] >= members[k]
    return n == 0 or not (unsorted or members[0] < low or members[n - 1] >= stop)


cdef inline bint sum_users(const Terms *terms, Py_ssize_t first, Py_ssize_t last,
                           floating kind) noexcept nogil:
    """s_u of users [first, last). False if a set is not ascending or out of range."""
    cdef const floating *table = <const floating *>terms.table
    cdef const float *weights = NULL
    cdef floating *own
    cdef floating scale
    cdef int64_t begin, n
    cdef Py_ssize_t u, k, width = terms.width
    for u in range(first, last):
        begin, n = terms.indptr[u], terms.indptr[u + 1] - terms.indptr[u]
        if not is_ascending(terms.members + begin, n, 0, terms.n_rows):
            return False
        own = <floating *>terms.sums + u * width
        if terms.weights != NULL:
            weights = terms.weights + begin
        sum_rows(table, terms.members + begin, weights, n, width, own)
        if weights == NULL:
            scale = inverse_root(n, kind)
            for k in range(width):
                own[k] *= scale
    return True


cdef inline bint sum_part(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last,
                          floating kind) noexcept nogil:
    """Sum the rows of a part of the table for users [first, last) of a batch.

    Row (u - first) * n_parts + part of `partial_sums` is user u's. False if sets or cuts are wrong.
    """
    cdef const floating *table = <const floating *>terms.table
    cdef const int32_t *members = terms.members
    cdef const float *weights = NULL
    cdef int32_t lowest = terms.parts[part], stop = terms.parts[part + 1]
    cdef int64_t begin, end
    cdef Py_ssize_t u, width = terms.width
    for u in range(first, last):
        begin = terms.cuts[u * (terms.n_parts + 1) + part]
        end = terms.cuts[u * (terms.n_parts + 1) + part + 1]
        # Ranges that are ascending and follow each other from the first member to the last make up the set.
        if (not terms.indptr[u] <= begin <= end <= terms.indptr[u + 1]
                or (part == 0 and begin != terms.indptr[u])
                or (part == terms.n_parts - 1 and end != terms.indptr[u + 1])
                or not is_ascending(members + begin, end - begin, lowest, stop)):
            return False
        if terms.weights != NULL:
            weights = terms.weights + begin
        sum_rows(table, members + begin, weights, end - begin, width,
                 <floating *>terms.partial_sums + ((u - first) * terms.n_parts + part) * width)
    return True


cdef inline void begin_users(const Terms *terms, Py_ssize_t batch_first, Py_ssize_t first, Py_ssize_t last,
                             floating kind) noexcept nogil:
    """Add up the partial sums of users [first, last) of a batch, and keep a copy of the sums."""
    cdef const floating *rows
    cdef floating *own
    cdef floating *copy
    cdef floating scale = 1
    cdef Py_ssize_t u, k, part, width = terms.width
    for u in range(first, last):
        rows = <const floating *>terms.partial_sums + (u - batch_first) * terms.n_parts * width
        own = <floating *>terms.sums + u * width
        copy = <floating *>terms.first_sums + u * width
        (<floating *>terms.gains)[u] = gain_of(terms, u, kind)
        if terms.weights == NULL:
            scale = inverse_root(terms.indptr[u + 1] - terms.indptr[u], kind)
        for k in range(width):
            own[k] = rows[k]
        for part in range(1, terms.n_parts):
            for k in range(width):
                own[k] += rows[part * width + k]
        for k in range(width):
            own[k] *= scale
            copy[k] = own[k]


cdef inline void end_users(const Terms *terms, Py_ssize_t first, Py_ssize_t last,
                           floating kind) noexcept nogil:
    """Replace the sums of users [first, last) by d, or |N(u)|^-1/2 d where there are no weights."""
    cdef floating *kept = <floating *>terms.kept
    cdef floating *sums = <floating *>terms.sums
    cdef const floating *first_sums = <const floating *>terms.first_sums
    cdef Py_ssize_t u, k
    cdef floating scale, gain
    for u in range(first, last):
        if terms.weights == NULL:
            scale = inverse_root(terms.indptr[u + 1] - terms.indptr[u], kind)
        else:
            gain = (<const floating *>terms.gains)[u]
            scale = 1 / gain if gain > 0 else 0
        kept[u] = <floating>power(terms.keep, terms.user_counts[u])
        for k in range(u * terms.width, (u + 1) * terms.width):
            sums[k] = (sums[k] - kept[u] * first_sums[k]) * scale


cdef inline void write_back(const Terms *terms, Py_ssize_t part, Py_ssize_t first, Py_ssize_t last,
                            floating kind) noexcept nogil:
    """Update the rows of a part of the table by the sets of users [first, last), one user after the other."""
    cdef floating *table = <floating *>terms.table
    cdef const floating *steps = <const floating *>terms.sums
    cdef const floating *kept = <const floating *>terms.kept
    cdef const int32_t *members = terms.members
    cdef const int64_t *cuts = terms.cuts + part
    cdef const float *weights = terms.weights
    cdef Py_ssize_t u, n_cuts = terms.n_parts + 1, width = terms.width
    cdef int64_t k
    cdef floating keep
    if weights != NULL:
        for u in range(first, last):
            keep = kept[u]
            for k in range(cuts[u * n_cuts], cuts[u * n_cuts + 1]):
                decay(table + members[k] * width, steps + u * width, width, keep, <floating>weights[k])
        return
    for u in range(first, last):  # a loop of its own: it is most of the work of SVD++
        keep = kept[u]
        for k in range(cuts[u * n_cuts], cuts[u * n_cuts + 1]):
            decay(table + members[k] * width, steps + u * width, width, keep, 1)


cdef inline double power(double base, int64_t n) noexcept nogil:
    """base^n by squaring: the same bits on every machine."""
    cdef double result = 1
    while n > 0:
        if n % 2:
            result *= base
        base *= base
        n //= 2
    return result
