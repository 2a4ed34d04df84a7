"""Compressed rows in linear time: stable counting sorts, gathers, and the search for repeated pairs.

Ratings arrive as triples in any order; models read them by user or by item. Two stable counting sorts, the
minor key first, put n triples in canonical order in O(n + n_codes) without a comparison, whatever order they
came in. The twin is `cfcore.reference.tables.csr`, the loops are in `counting.pxd`.

All functions raise TypeError for an argument that is no array, and ValueError for one of another dtype, that
is not contiguous, or that would be written and is read-only or shares memory with another argument. They run
on one thread.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.arrays cimport check_array, length, pointer
from cfcore.kernels.tables.counting cimport (
    earliest_repeat,
    gather,
    invert_positions,
    sort_after,
    sort_positions,
)

from cfcore.kernels.records import check_apart

cnp.import_array()

cdef int64_t INT32_MAX = 2147483647


cdef bint are_narrow(object positions, str name, bint written) except -1:
    """Whether positions are int32, after a check that they are int32 or int64."""
    cdef bint narrow = isinstance(positions, cnp.ndarray) and positions.dtype.itemsize == 4
    check_array(positions, cnp.NPY_INT32 if narrow else cnp.NPY_INT64, 1, written, name)
    return narrow


def counting_sort(codes, indptr, order):
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
    O(n + n_codes) time, no scratch: `indptr` itself holds the cursors while entries are written.
    """
    check_array(codes, cnp.NPY_INT32, 1, False, "counting_sort: codes")
    check_array(indptr, cnp.NPY_INT64, 1, True, "counting_sort: indptr")
    cdef bint narrow = are_narrow(order, "counting_sort: order", True)
    check_apart("counting_sort", {"indptr": indptr, "order": order}, {"codes": codes})
    cdef Py_ssize_t bad, n = length(codes), n_codes = length(indptr) - 1
    cdef const int32_t *code = <const int32_t *>pointer(codes)
    cdef int64_t *bounds = <int64_t *>pointer(indptr)
    cdef void *found = pointer(order)
    if n_codes < 0 or length(order) != n:
        raise ValueError("counting_sort: order must be as long as codes, indptr must have at least one entry")
    if narrow and n > INT32_MAX:
        raise ValueError("counting_sort: more positions than int32 can number; order must be int64")
    with nogil:
        if narrow:
            bad = sort_positions(code, n, bounds, n_codes, <int32_t *>found)
        else:
            bad = sort_positions(code, n, bounds, n_codes, <int64_t *>found)
    if bad >= 0:
        raise ValueError(f"counting_sort: code {code[bad]} at {bad} is outside [0, {n_codes})")


def counting_sort_after(codes, first, indptr, order):
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

    Notes
    -----
    O(n + n_codes) time, no scratch.
    """
    check_array(codes, cnp.NPY_INT32, 1, False, "counting_sort_after: codes")
    cdef bint narrow = are_narrow(first, "counting_sort_after: first", False)
    check_array(indptr, cnp.NPY_INT64, 1, True, "counting_sort_after: indptr")
    check_array(order, cnp.NPY_INT32 if narrow else cnp.NPY_INT64, 1, True, "counting_sort_after: order")
    check_apart("counting_sort_after", {"indptr": indptr, "order": order}, {"codes": codes, "first": first})
    cdef Py_ssize_t bad, n = length(codes), n_codes = length(indptr) - 1
    cdef const int32_t *code = <const int32_t *>pointer(codes)
    cdef int64_t *bounds = <int64_t *>pointer(indptr)
    cdef const void *given = pointer(first)
    cdef void *found = pointer(order)
    if n_codes < 0 or length(order) != n or length(first) != n:
        raise ValueError("counting_sort_after: first and order must be as long as codes, "
                         "indptr must have at least one entry")
    with nogil:
        if narrow:
            bad = sort_after(code, <const int32_t *>given, n, bounds, n_codes, <int32_t *>found)
        else:
            bad = sort_after(code, <const int64_t *>given, n, bounds, n_codes, <int64_t *>found)
    if bad >= n and n > 0:
        raise ValueError(f"counting_sort_after: first is no permutation (at {bad - n})")
    if bad >= 0:
        raise ValueError(f"counting_sort_after: code {code[bad]} at {bad} is outside [0, {n_codes})")


def take(source, order, out):
    """Gather ``out[k] = source[order[k]]``; unlike NumPy's it neither widens positions nor copies `out`.

    Parameters
    ----------
    source : int32, int64, float32 or float64 [m]
    order : int32[n] or int64[n], each in [0, m)
    out : same dtype as `source` [n], overwritten

    Raises
    ------
    ValueError
        When lengths do not fit, or a position is out of range.

    Notes
    -----
    O(n).
    """
    check_array(source, type_of(source), 1, False, "take: source")
    cdef bint narrow = are_narrow(order, "take: order", False)
    check_array(out, type_of(source), 1, True, "take: out")
    check_apart("take", {"out": out}, {"source": source, "order": order})
    cdef Py_ssize_t bad, n = length(order), m = length(source)
    cdef bint short_entries = source.dtype.itemsize == 4
    cdef const void *given = pointer(source)
    cdef const void *at = pointer(order)
    cdef void *found = pointer(out)
    if length(out) != n:
        raise ValueError("take: out must be as long as order")
    with nogil:
        if narrow and short_entries:
            bad = gather(<const int32_t *>given, m, <const int32_t *>at, n, <int32_t *>found)
        elif narrow:
            bad = gather(<const int64_t *>given, m, <const int32_t *>at, n, <int64_t *>found)
        elif short_entries:
            bad = gather(<const int32_t *>given, m, <const int64_t *>at, n, <int32_t *>found)
        else:
            bad = gather(<const int64_t *>given, m, <const int64_t *>at, n, <int64_t *>found)
    if bad >= 0:
        raise ValueError(f"take: position {order[bad]} at {bad} is outside [0, {m})")


cdef int type_of(object source) except -1:
    """Type number of entries that `take` copies."""
    for name, number in (("int32", cnp.NPY_INT32), ("int64", cnp.NPY_INT64), ("float32", cnp.NPY_FLOAT32)):
        if getattr(source, "dtype", None) == name:
            return number
    return cnp.NPY_FLOAT64


def invert(order, inverse):
    """Inverse permutation, ``inverse[order[k]] = k``.

    Parameters
    ----------
    order : int32[n] or int64[n], a permutation
    inverse : same dtype [n], overwritten

    Raises
    ------
    ValueError
        When lengths differ, or a position is out of range.

    Notes
    -----
    O(n).
    """
    cdef bint narrow = are_narrow(order, "invert: order", False)
    check_array(inverse, cnp.NPY_INT32 if narrow else cnp.NPY_INT64, 1, True, "invert: inverse")
    check_apart("invert", {"inverse": inverse}, {"order": order})
    cdef Py_ssize_t bad, n = length(order)
    cdef const void *given = pointer(order)
    cdef void *found = pointer(inverse)
    if length(inverse) != n:
        raise ValueError("invert: inverse must be as long as order")
    with nogil:
        if narrow:
            bad = invert_positions(<const int32_t *>given, n, <int32_t *>found)
        else:
            bad = invert_positions(<const int64_t *>given, n, <int64_t *>found)
    if bad >= 0:
        raise ValueError(f"invert: position {order[bad]} at {bad} is outside [0, {n})")


def first_repeat(minor, indptr, order, seen_at):
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
    O(n + n_minor).
    """
    check_array(minor, cnp.NPY_INT32, 1, False, "first_repeat: minor")
    check_array(indptr, cnp.NPY_INT64, 1, False, "first_repeat: indptr")
    cdef bint narrow = are_narrow(order, "first_repeat: order", False)
    check_array(seen_at, cnp.NPY_INT32 if narrow else cnp.NPY_INT64, 1, True, "first_repeat: seen_at")
    check_apart("first_repeat", {"seen_at": seen_at}, {"minor": minor, "indptr": indptr, "order": order})
    cdef Py_ssize_t found, n = length(minor), n_rows = length(indptr) - 1, n_minor = length(seen_at)
    cdef const int32_t *codes = <const int32_t *>pointer(minor)
    cdef const int64_t *bounds = <const int64_t *>pointer(indptr)
    cdef const void *at = pointer(order)
    cdef void *scratch = pointer(seen_at)
    if length(order) != n or n_rows < 0:
        raise ValueError("first_repeat: order must be as long as minor, indptr must have at least one entry")
    with nogil:
        if narrow:
            found = earliest_repeat(codes, n, bounds, n_rows, <const int32_t *>at, <int32_t *>scratch,
                                    n_minor)
        else:
            found = earliest_repeat(codes, n, bounds, n_rows, <const int64_t *>at, <int64_t *>scratch,
                                    n_minor)
    if found < 0:
        raise ValueError("first_repeat: a code, position or row bound is out of range")
    return found if found < n else -1
