"""Compressed rows in linear time: a stable counting sort, gathers, and the search for repeated pairs.

Ratings arrive as triples in any order; models read them by user or by item. Two stable counting sorts, the
minor key first, put n triples in canonical order in O(n + n_codes) without a comparison, whatever order they
came in. The twin is `cfcore.reference.tables.csr`.
"""
from libc.stdint cimport int32_t, int64_t

ctypedef fused position_t:
    int32_t
    int64_t

ctypedef fused scalar_t:
    int32_t
    int64_t
    float
    double


cdef inline Py_ssize_t first_outside(const int32_t[::1] codes, Py_ssize_t n_codes) noexcept nogil:
    """Position of the first code outside [0, n_codes), or -1. A negative code is a huge unsigned one."""
    cdef Py_ssize_t k
    for k in range(codes.shape[0]):
        if <unsigned int>codes[k] >= <size_t>n_codes:
            return k
    return -1


cdef inline Py_ssize_t count(const int32_t[::1] codes, int64_t[::1] indptr) noexcept nogil:
    """Fill `indptr` with the exclusive running count of each code; return the first bad position, or -1."""
    cdef Py_ssize_t k, n_codes = indptr.shape[0] - 1
    cdef int64_t total = 0, own
    cdef Py_ssize_t bad = first_outside(codes, n_codes)
    if bad >= 0:
        return bad
    for k in range(n_codes + 1):
        indptr[k] = 0
    for k in range(codes.shape[0]):
        indptr[codes[k]] += 1
    for k in range(n_codes + 1):
        own = indptr[k]
        indptr[k] = total
        total += own
    return -1


cdef inline void unshift(int64_t[::1] indptr) noexcept nogil:
    """Undo the placing pass, which moved the start of each row to the start of the next."""
    cdef Py_ssize_t k
    for k in range(indptr.shape[0] - 1, 0, -1):
        indptr[k] = indptr[k - 1]
    indptr[0] = 0


def counting_sort(const int32_t[::1] codes, int64_t[::1] indptr, position_t[::1] order):
    """Stable order of `codes`, and where each code's run starts in it.

    Parameters
    ----------
    codes : int32[n], each in [0, n_codes)
    indptr : int64[n_codes + 1], overwritten
        ``order[indptr[c]:indptr[c + 1]]`` are the positions of code c, ascending.
    order : int32[n] or int64[n], overwritten

    Raises
    ------
    ValueError
        When lengths do not fit, or a code is out of range.

    Notes
    -----
    O(n + n_codes) time, no scratch: `indptr` itself is the cursor of the placing pass. Deterministic.
    """
    cdef Py_ssize_t k, bad, n = codes.shape[0]
    if indptr.shape[0] < 1 or order.shape[0] != n:
        raise ValueError("counting_sort: order must be as long as codes, "
                         "indptr must have at least one entry")
    if position_t is int32_t and n > 2147483647:
        raise ValueError("counting_sort: more positions than int32 can number; order must be int64")
    with nogil:
        bad = count(codes, indptr)
        if bad < 0:
            for k in range(n):
                order[indptr[codes[k]]] = <position_t>k
                indptr[codes[k]] += 1
            unshift(indptr)
    if bad >= 0:
        raise ValueError(f"counting_sort: code {codes[bad]} at {bad} is outside "
                         f"[0, {indptr.shape[0] - 1})")


def counting_sort_after(const int32_t[::1] codes, const position_t[::1] first, int64_t[::1] indptr,
                        position_t[::1] order):
    """Second pass of a two-key sort: `codes`, read in the order `first`, sorted stably.

    With `first` the order by item and `codes` the users, `order` is by user, and by item within a user.

    Parameters
    ----------
    codes : int32[n], each in [0, n_codes)
    first : int32[n] or int64[n], a permutation of the positions
    indptr : int64[n_codes + 1], overwritten
    order : same dtype as `first` [n], overwritten

    Raises
    ------
    ValueError
        When lengths do not fit, or a code or a position is out of range.
    """
    cdef Py_ssize_t k, bad, n = codes.shape[0]
    cdef position_t at
    if indptr.shape[0] < 1 or order.shape[0] != n or first.shape[0] != n:
        raise ValueError("counting_sort_after: first and order must be as long as codes, "
                         "indptr must have at least one entry")
    with nogil:
        bad = count(codes, indptr)
        if bad < 0:
            # A position met twice could overrun a run of `order`, hence the second check in the loop.
            for k in range(n):
                at = first[k]
                if at < 0 or at >= n or indptr[codes[at]] >= n:
                    bad = n + k
                    break
                order[indptr[codes[at]]] = at
                indptr[codes[at]] += 1
            unshift(indptr)
    if bad >= n and n > 0:
        raise ValueError(f"counting_sort_after: first is no permutation (at {bad - n})")
    if bad >= 0:
        raise ValueError(f"counting_sort_after: code {codes[bad]} at {bad} is outside "
                         f"[0, {indptr.shape[0] - 1})")


def scatter(const int32_t[::1] codes, const int32_t[::1] payload, int64_t[::1] indptr, int32_t[::1] out,
            Py_ssize_t begin, Py_ssize_t end):
    """Group `payload` by `codes`, a slice of the rows a call.

    Parameters
    ----------
    codes : int32[n], each in [0, n_codes)
    payload : int32[n]
    indptr : int64[n_codes + 1], overwritten
        Between calls it is the cursor of the placing pass; after the last, the bounds of the groups.
    out : int32[n], overwritten
        ``out[indptr[c]:indptr[c + 1]]`` is what stands beside code c, in the order of the rows.
    begin, end : int
        Rows of this call. The first call begins at 0 and counts all rows; the last ends at n.

    Raises
    ------
    ValueError
        When lengths do not fit, a code is out of range, or `indptr` is not from the call before.

    Notes
    -----
    O(end - begin), the first call O(n + n_codes). Deterministic.
    """
    cdef Py_ssize_t k, bad = -1, n = codes.shape[0], n_codes = indptr.shape[0] - 1
    cdef int64_t at
    if n_codes < 0 or payload.shape[0] != n or out.shape[0] != n or not 0 <= begin <= end <= n:
        raise ValueError("scatter: payload and out must be as long as codes, [begin, end) within them, "
                         "indptr must have at least one entry")
    with nogil:
        if begin == 0:
            bad = count(codes, indptr)
        if bad < 0:
            for k in range(begin, end):
                if <unsigned int>codes[k] >= <size_t>n_codes:
                    bad = k
                    break
                at = indptr[codes[k]]
                if at < 0 or at >= n:
                    bad = n + k
                    break
                out[at] = payload[k]
                indptr[codes[k]] = at + 1
            if end == n:
                unshift(indptr)
    if bad >= n and n > 0:
        raise ValueError(f"scatter: indptr is not from the call before (at {bad - n})")
    if bad >= 0:
        raise ValueError(f"scatter: code {codes[bad]} at {bad} is outside [0, {n_codes})")


def transpose(const int64_t[::1] indptr, const int32_t[::1] indices, int64_t[::1] other_indptr,
              int32_t[::1] other, Py_ssize_t begin, Py_ssize_t end):
    """From the columns of each row to the rows of each column, ascending; a slice of the rows a call.

    Parameters
    ----------
    indptr, indices : int64[n_rows + 1], int32[n]
        Row r has the columns ``indices[indptr[r]:indptr[r + 1]]``, each in [0, n_columns).
    other_indptr : int64[n_columns + 1], overwritten
        As `indptr` of `scatter`: the cursor between calls.
    other : int32[n], overwritten
        Column c has the rows ``other[other_indptr[c]:other_indptr[c + 1]]``.
    begin, end : int
        Rows of this call. The first call begins at 0 and counts everything; the last ends at n_rows.

    Raises
    ------
    ValueError
        When lengths do not fit, a column is out of range, or `other_indptr` is not from the call before.

    Notes
    -----
    O(n + n_rows + n_columns) for all calls together. Reads go through memory once, in order. Deterministic.
    """
    cdef Py_ssize_t row, k, bad = -1, n = indices.shape[0], n_columns = other_indptr.shape[0] - 1
    cdef Py_ssize_t n_rows = indptr.shape[0] - 1
    cdef int64_t at
    if n_rows < 0 or n_columns < 0 or other.shape[0] != n or not 0 <= begin <= end <= n_rows:
        raise ValueError("transpose: other must be as long as indices, [begin, end) within the rows, "
                         "indptr and other_indptr must have at least one entry")
    if indptr[0] != 0 or indptr[n_rows] != n:
        raise ValueError("transpose: indptr must run from 0 to the number of indices")
    with nogil:
        if begin == 0:
            bad = count(indices, other_indptr)
        if bad < 0:
            for row in range(begin, end):
                if not 0 <= indptr[row] <= indptr[row + 1] <= n:
                    bad = n
                for k in range(indptr[row], indptr[row + 1] if bad < 0 else indptr[row]):
                    if <unsigned int>indices[k] >= <size_t>n_columns:
                        bad = k
                        break
                    at = other_indptr[indices[k]]
                    if at < 0 or at >= n:
                        bad = n
                        break
                    other[at] = <int32_t>row
                    other_indptr[indices[k]] = at + 1
                if bad >= 0:
                    break
            if end == n_rows:
                unshift(other_indptr)
    if bad >= n and n > 0:
        raise ValueError("transpose: indptr decreases, or other_indptr is not from the call before")
    if bad >= 0:
        raise ValueError(f"transpose: code {indices[bad]} at {bad} is outside [0, {n_columns})")


def take(const scalar_t[::1] source, const position_t[::1] order, scalar_t[::1] out):
    """Gather ``out[k] = source[order[k]]`` without widening the positions or filling a buffer first.

    Parameters
    ----------
    source : int32, int64, float32 or float64 [m]
    order : int32[n] or int64[n], each in [0, m)
    out : same dtype as `source` [n], overwritten

    Raises
    ------
    ValueError
        When lengths do not fit, or a position is out of range.
    """
    cdef Py_ssize_t k, bad = -1, n = order.shape[0], m = source.shape[0]
    if out.shape[0] != n:
        raise ValueError("take: out must be as long as order")
    with nogil:
        for k in range(n):
            if order[k] < 0 or order[k] >= m:
                bad = k
                break
            out[k] = source[order[k]]
    if bad >= 0:
        raise ValueError(f"take: position {order[bad]} at {bad} is outside [0, {m})")


def invert(const position_t[::1] order, position_t[::1] inverse):
    """Inverse permutation, ``inverse[order[k]] = k``.

    Parameters
    ----------
    order : int32[n] or int64[n], a permutation
    inverse : same dtype [n], overwritten

    Raises
    ------
    ValueError
        When lengths differ, or a position is out of range.
    """
    cdef Py_ssize_t k, bad = -1, n = order.shape[0]
    if inverse.shape[0] != n:
        raise ValueError("invert: inverse must be as long as order")
    with nogil:
        for k in range(n):
            if order[k] < 0 or order[k] >= n:
                bad = k
                break
            inverse[order[k]] = <position_t>k
    if bad >= 0:
        raise ValueError(f"invert: position {order[bad]} at {bad} is outside [0, {n})")


def first_repeat(const int32_t[::1] minor, const int64_t[::1] indptr, const position_t[::1] order,
                 position_t[::1] seen_at):
    """Earliest position whose (major, minor) pair came before, or -1.

    Parameters
    ----------
    minor : int32[n], each in [0, n_minor)
    indptr : int64[n_major + 1]
    order : int32[n] or int64[n]
        Both from `counting_sort` of the major codes.
    seen_at : same dtype as `order` [n_minor], scratch, overwritten

    Returns
    -------
    int
        The smallest position k in input order for which an earlier one holds the same pair.

    Raises
    ------
    ValueError
        When lengths do not fit, or a code, position or row bound is out of range.

    Notes
    -----
    O(n + n_minor). `seen_at` holds the place in `order` at which each minor code was last met; a place at or
    after the start of the present row means: met in this row. So nothing is cleared between rows.
    """
    cdef Py_ssize_t row, k, bad, n = minor.shape[0], n_minor = seen_at.shape[0], found = n
    cdef position_t at
    if order.shape[0] != n or indptr.shape[0] < 1:
        raise ValueError("first_repeat: order must be as long as minor, indptr must have at least one entry")
    with nogil:
        bad = first_outside(minor, n_minor)
        for k in range(n_minor):
            seen_at[k] = -1
        if indptr[0] != 0 or indptr[indptr.shape[0] - 1] != n:
            bad = n
        if bad < 0:
            for row in range(indptr.shape[0] - 1):
                if indptr[row + 1] < indptr[row] or indptr[row + 1] > n:
                    bad = n
                    break
                for k in range(indptr[row], indptr[row + 1]):
                    at = order[k]
                    if at < 0 or at >= n:
                        bad = n
                        break
                    if seen_at[minor[at]] >= indptr[row] and at < found:
                        found = at
                    seen_at[minor[at]] = <position_t>k
    if bad >= 0:
        raise ValueError("first_repeat: a code, position or row bound is out of range")
    return found if found < n else -1
