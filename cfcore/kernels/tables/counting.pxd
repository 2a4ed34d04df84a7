# Loops of `csr` and `sets`, on pointers. Lengths have been checked; codes and positions are checked here.

from libc.stdint cimport int32_t, int64_t, uint32_t

cdef enum:
    CHUNK = 1024  # codes that are compared at once

ctypedef fused position_t:
    int32_t
    int64_t

# Entries are copied whole: 4 or 8 bytes, whatever they mean.
ctypedef fused entry_t:
    int32_t
    int64_t


cdef inline Py_ssize_t first_outside(const int32_t *codes, Py_ssize_t n, Py_ssize_t n_codes) noexcept nogil:
    """Position of the first code outside [0, n_codes), or -1. A negative code is a huge unsigned one."""
    cdef uint32_t limit = 0x80000000u if n_codes > 0x7fffffff else <uint32_t>n_codes
    cdef Py_ssize_t k, begin = 0, end
    cdef int outside
    while begin < n:
        end = min(begin + CHUNK, n)
        outside = 0
        for k in range(begin, end):  # without an exit inside, so that it is vectorised
            outside |= <uint32_t>codes[k] >= limit
        if outside:
            for k in range(begin, end):
                if <uint32_t>codes[k] >= limit:
                    return k
        begin = end
    return -1


cdef inline Py_ssize_t count(const int32_t *codes, Py_ssize_t n, int64_t *indptr,
                             Py_ssize_t n_codes) noexcept nogil:
    """Fill `indptr` with the exclusive running count of each code; return the first bad position, or -1."""
    cdef Py_ssize_t k
    cdef int64_t total = 0, own
    cdef Py_ssize_t bad = first_outside(codes, n, n_codes)
    if bad >= 0:
        return bad
    for k in range(n_codes + 1):
        indptr[k] = 0
    for k in range(n):
        indptr[codes[k]] += 1
    for k in range(n_codes + 1):
        own = indptr[k]
        indptr[k] = total
        total += own
    return -1


cdef inline void to_bounds(int64_t *indptr, Py_ssize_t n_codes) noexcept nogil:
    """From cursors, each at the start of the next row once all entries are written, to starts again."""
    cdef Py_ssize_t k
    for k in range(n_codes, 0, -1):
        indptr[k] = indptr[k - 1]
    indptr[0] = 0


cdef inline Py_ssize_t sort_positions(const int32_t *codes, Py_ssize_t n, int64_t *indptr, Py_ssize_t n_codes,
                                      position_t *order) noexcept nogil:
    """Positions 0 ... n - 1, sorted stably by their codes; return the first bad code's position, or -1."""
    cdef Py_ssize_t k, bad = count(codes, n, indptr, n_codes)
    if bad >= 0:
        return bad
    for k in range(n):
        order[indptr[codes[k]]] = <position_t>k
        indptr[codes[k]] += 1
    to_bounds(indptr, n_codes)
    return -1


cdef inline Py_ssize_t sort_after(const int32_t *codes, const position_t *first, Py_ssize_t n,
                                  int64_t *indptr, Py_ssize_t n_codes, position_t *order) noexcept nogil:
    """Positions `first`, sorted stably by their codes.

    Returns -1, or the position of a bad code, or n + the index of an entry of `first` that cannot be one of a
    permutation.
    """
    cdef Py_ssize_t k, bad = count(codes, n, indptr, n_codes)
    cdef position_t at
    if bad >= 0:
        return bad
    for k in range(n):
        at = first[k]
        # A position that occurs twice could lead beyond `order`, hence the last comparison.
        if at < 0 or at >= n or indptr[codes[at]] >= n:
            bad = n + k
            break
        order[indptr[codes[at]]] = at
        indptr[codes[at]] += 1
    to_bounds(indptr, n_codes)
    return bad


cdef inline Py_ssize_t scatter_range(const int32_t *codes, const int32_t *payload, Py_ssize_t n,
                                     int64_t *cursor, Py_ssize_t n_codes, int32_t *out, Py_ssize_t begin,
                                     Py_ssize_t end) noexcept nogil:
    """Write entries [begin, end) of `payload` at the cursors of their codes.

    Returns -1, or the position of a bad code, or n + the position whose cursor is outside of `out`.
    """
    cdef Py_ssize_t k
    cdef int64_t at
    for k in range(begin, end):
        if <unsigned int>codes[k] >= <size_t>n_codes:
            return k
        at = cursor[codes[k]]
        if at < 0 or at >= n:
            return n + k
        out[at] = payload[k]
        cursor[codes[k]] = at + 1
    return -1


cdef inline Py_ssize_t transpose_row(const int32_t *columns, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t n,
                                     int64_t *cursor, Py_ssize_t n_columns, int32_t *rows,
                                     int32_t row) noexcept nogil:
    """Write `row` at the cursor of each column in [begin, end); return as `scatter_range`."""
    cdef Py_ssize_t k
    cdef int64_t at
    for k in range(begin, end):
        if <unsigned int>columns[k] >= <size_t>n_columns:
            return k
        at = cursor[columns[k]]
        if at < 0 or at >= n:
            return n + k
        rows[at] = row
        cursor[columns[k]] = at + 1
    return -1


cdef inline Py_ssize_t gather(const entry_t *source, Py_ssize_t n_source, const position_t *order,
                              Py_ssize_t n, entry_t *out) noexcept nogil:
    """``out[k] = source[order[k]]``; return the first k whose position is out of range, or -1."""
    cdef Py_ssize_t k
    for k in range(n):
        if order[k] < 0 or order[k] >= n_source:
            return k
        out[k] = source[order[k]]
    return -1


cdef inline Py_ssize_t invert_positions(const position_t *order, Py_ssize_t n,
                                        position_t *inverse) noexcept nogil:
    """``inverse[order[k]] = k``; return the first k whose position is out of range, or -1."""
    cdef Py_ssize_t k
    for k in range(n):
        if order[k] < 0 or order[k] >= n:
            return k
        inverse[order[k]] = <position_t>k
    return -1


cdef inline Py_ssize_t earliest_repeat(const int32_t *minor, Py_ssize_t n, const int64_t *indptr,
                                       Py_ssize_t n_rows, const position_t *order, position_t *seen_at,
                                       Py_ssize_t n_minor) noexcept nogil:
    """Smallest position whose pair an earlier one holds too, n if there is none, or -1 for bad input.

    `seen_at` holds the index in `order` at which each minor code occurred last; an index at or after the
    start of the present row says that it occurred in this row. So nothing is cleared between rows.
    """
    cdef Py_ssize_t row, k, begin, end, found = n
    cdef position_t at
    cdef int32_t code
    if indptr[0] != 0 or indptr[n_rows] != n or first_outside(minor, n, n_minor) >= 0:
        return -1
    for k in range(n_minor):
        seen_at[k] = -1
    for row in range(n_rows):
        begin, end = indptr[row], indptr[row + 1]
        if end < begin or end > n:
            return -1
        for k in range(begin, end):
            at = order[k]
            if at < 0 or at >= n:
                return -1
            code = minor[at]
            if seen_at[code] >= begin and at < found:
                found = at
            seen_at[code] = <position_t>k
    return found
