"""Sets of columns for each row, and of rows for each column, grouped a slice a call in linear time.

`scatter` groups pairs by one of their codes, `transpose` exchanges rows and columns: after both, pairs in any
order are rows of ascending columns. The twin is `cfcore.reference.tables.sets`, the loops are in
`counting.pxd`.

Both functions raise TypeError for an argument that is no array, and ValueError for one of another dtype, that
is not contiguous, or that would be written and is read-only or shares memory with another argument. They run
on one thread.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, length, pointer
from cfcore.kernels.tables.counting cimport count, scatter_range, to_bounds, transpose_row

from cfcore.kernels.records import check_apart, check_span

cnp.import_array()

cdef int64_t INT32_MAX = 2147483647


def scatter(codes, payload, indptr, out, span):
    """Group `payload` by `codes`, a slice of the entries a call.

    Parameters
    ----------
    codes : int32[n], each in [0, n_codes)
    payload : int32[n]
    indptr : int64[n_codes + 1], overwritten
        Between calls it holds the cursors; after the last, the bounds of the groups.
    out : int32[n], overwritten
        ``out[indptr[c]:indptr[c + 1]]`` are the entries of `payload` beside code c, in the order of input.
    span : (int, int)
        The entries [begin, end) of this call. The first call begins at 0 and counts all codes, each goes on
        where the one before ended, the last ends at n.

    Raises
    ------
    ValueError
        When lengths do not fit, a code is out of range, or `indptr` is not from the call before.

    Notes
    -----
    O(end - begin), the first call O(n + n_codes).
    """
    check_array(codes, cnp.NPY_INT32, 1, False, "scatter: codes")
    check_array(payload, cnp.NPY_INT32, 1, False, "scatter: payload")
    check_array(indptr, cnp.NPY_INT64, 1, True, "scatter: indptr")
    check_array(out, cnp.NPY_INT32, 1, True, "scatter: out")
    check_apart("scatter", {"indptr": indptr, "out": out}, {"codes": codes, "payload": payload})
    cdef Py_ssize_t bad = -1, n = length(codes), n_codes = length(indptr) - 1, begin, end
    cdef const int32_t *code = <const int32_t *>pointer(codes)
    cdef const int32_t *given = <const int32_t *>pointer(payload)
    cdef int64_t *bounds = <int64_t *>pointer(indptr)
    cdef int32_t *found = <int32_t *>pointer(out)
    if n_codes < 0 or length(payload) != n or length(out) != n:
        raise ValueError("scatter: payload and out must be as long as codes, "
                         "indptr must have at least one entry")
    begin, end = check_span("scatter", span, n, "entries")
    with nogil:
        if begin == 0:
            bad = count(code, n, bounds, n_codes)
        if bad < 0:
            bad = scatter_range(code, given, n, bounds, n_codes, found, begin, end)
            if end == n:
                to_bounds(bounds, n_codes)
    if bad >= n and n > 0:
        raise ValueError(f"scatter: indptr is not from the call before (at {bad - n})")
    if bad >= 0:
        raise ValueError(f"scatter: code {code[bad]} at {bad} is outside [0, {n_codes})")


def transpose(indptr, indices, other_indptr, other, span):
    """From the columns of each row to the rows of each column, ascending; a slice of the rows a call.

    Parameters
    ----------
    indptr, indices : int64[n_rows + 1], int32[n]
        Row r has the columns ``indices[indptr[r]:indptr[r + 1]]``, each in [0, n_columns).
    other_indptr : int64[n_columns + 1], overwritten
        As `indptr` of `scatter`: the cursors between calls.
    other : int32[n], overwritten
        Column c has the rows ``other[other_indptr[c]:other_indptr[c + 1]]``.
    span : (int, int)
        The rows [begin, end) of this call. The first call begins at 0 and counts all columns, each goes on
        where the one before ended, the last ends at n_rows.

    Raises
    ------
    ValueError
        When lengths do not fit, a column is out of range, or `other_indptr` is not from the call before.

    Notes
    -----
    O(n + n_rows + n_columns) for all calls together. The input is read once, in order of memory.
    """
    check_array(indptr, cnp.NPY_INT64, 1, False, "transpose: indptr")
    check_array(indices, cnp.NPY_INT32, 1, False, "transpose: indices")
    check_array(other_indptr, cnp.NPY_INT64, 1, True, "transpose: other_indptr")
    check_array(other, cnp.NPY_INT32, 1, True, "transpose: other")
    check_apart("transpose", {"other_indptr": other_indptr, "other": other},
                {"indptr": indptr, "indices": indices})
    cdef Py_ssize_t row, bad = -1, n = length(indices), n_columns = length(other_indptr) - 1
    cdef Py_ssize_t n_rows = length(indptr) - 1, begin, end
    cdef const int64_t *bounds = <const int64_t *>pointer(indptr)
    cdef const int32_t *columns = <const int32_t *>pointer(indices)
    cdef int64_t *cursors = <int64_t *>pointer(other_indptr)
    cdef int32_t *found = <int32_t *>pointer(other)
    if n_rows < 0 or n_columns < 0 or length(other) != n:
        raise ValueError("transpose: other must be as long as indices, "
                         "indptr and other_indptr must have at least one entry")
    if bounds[0] != 0 or bounds[n_rows] != n or n_rows > INT32_MAX:
        raise ValueError("transpose: indptr must run from 0 to the number of indices, "
                         "in fewer than 2^31 rows")
    begin, end = check_span("transpose", span, n_rows, "rows")
    with nogil:
        if begin == 0:
            bad = count(columns, n, cursors, n_columns)
        if bad < 0:
            for row in range(begin, end):
                if not 0 <= bounds[row] <= bounds[row + 1] <= n:
                    bad = n
                    break
                bad = transpose_row(columns, bounds[row], bounds[row + 1], n, cursors, n_columns, found,
                                    <int32_t>row)
                if bad >= 0:
                    break
            if end == n_rows:
                to_bounds(cursors, n_columns)
    if bad >= n and n > 0:
        raise ValueError("transpose: indptr decreases, or other_indptr is not from the call before")
    if bad >= 0:
        raise ValueError(f"transpose: code {columns[bad]} at {bad} is outside [0, {n_columns})")
