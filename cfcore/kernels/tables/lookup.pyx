"""The code of one raw id: its position in an ascending vocabulary.

For single ids, of which an array would take longer to make than to look up. The twin is
`cfcore.reference.tables.lookup`.
"""
cimport numpy as cnp
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_Compare
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cfcore.kernels.common.arrays cimport length, pointer

cnp.import_array()

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GetLength(object text) except -1
    uint32_t PyUnicode_ReadChar(object text, Py_ssize_t at)
    uint32_t *PyUnicode_AsUCS4(object text, uint32_t *into, Py_ssize_t size, int with_null) except NULL
    uint32_t *PyUnicode_AsUCS4Copy(object text) except NULL
    void PyMem_Free(void *held)

cdef enum:
    FEW = 128  # code points of a string that is looked up without memory of its own

ctypedef fused integer:
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t
    uint64_t


def find(ids, raw):
    """Position of `raw` in `ids`, or -1 if it is not there.

    Parameters
    ----------
    ids : ndarray of integers, unicode or str objects, shape (n,)
        Ascending.
    raw : int or str
        An int is in no vocabulary of strings, and a str in none of integers.

    Raises
    ------
    TypeError
        `ids` is no ndarray, or `raw` neither an int nor a str, or a bool.
    ValueError
        `ids` has another dtype, or is not one-dimensional, contiguous and aligned.

    Notes
    -----
    O(log n), no memory. Strings are compared by code points, as NumPy and Python sort them; NULs at the end
    do not count where NumPy's unicode holds the vocabulary.
    """
    if not isinstance(ids, cnp.ndarray):
        raise TypeError(f"find: ids must be an ndarray, not {type(ids).__name__}")
    cdef cnp.ndarray held = <cnp.ndarray>ids
    cdef int kind = cnp.PyArray_TYPE(held)
    cdef bint is_text = PyUnicode_Check(raw)
    cdef int64_t number = 0
    cdef int overflow = 0
    if not is_text:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise TypeError(f"find: raw must be an int or a str, not {type(raw).__name__}")
        number = PyLong_AsLongLongAndOverflow(raw, &overflow)
    if cnp.PyArray_NDIM(held) != 1 or not cnp.PyArray_IS_C_CONTIGUOUS(held) \
            or not cnp.PyArray_ISALIGNED(held) or not ids.dtype.isnative:
        raise ValueError("find: ids must be one-dimensional, contiguous and aligned")
    cdef const void *values = pointer(held)
    cdef Py_ssize_t n = length(held)
    if kind == cnp.NPY_UNICODE:
        return find_text(<const uint32_t *>values, n, cnp.PyArray_ITEMSIZE(held) // 4, raw) if is_text else -1
    if kind == cnp.NPY_OBJECT:
        return find_object(<PyObject *const *>values, n, raw) if is_text else -1
    if not cnp.PyTypeNum_ISINTEGER(kind):
        raise ValueError(f"find: ids must hold integers or strings, not {ids.dtype}")
    if is_text or (overflow and not (overflow > 0 and kind_is_uint64(held))):
        return -1
    if overflow:
        return find_large(<const uint64_t *>values, n, raw)
    if cnp.PyTypeNum_ISSIGNED(kind):
        if cnp.PyArray_ITEMSIZE(held) == 8:
            return find_integer(<const int64_t *>values, n, number)
        if cnp.PyArray_ITEMSIZE(held) == 4:
            return find_integer(<const int32_t *>values, n, number)
        if cnp.PyArray_ITEMSIZE(held) == 2:
            return find_integer(<const int16_t *>values, n, number)
        return find_integer(<const int8_t *>values, n, number)
    if number < 0:
        return -1
    if cnp.PyArray_ITEMSIZE(held) == 8:
        return find_integer(<const uint64_t *>values, n, number)
    if cnp.PyArray_ITEMSIZE(held) == 4:
        return find_integer(<const uint32_t *>values, n, number)
    if cnp.PyArray_ITEMSIZE(held) == 2:
        return find_integer(<const uint16_t *>values, n, number)
    return find_integer(<const uint8_t *>values, n, number)


cdef inline bint kind_is_uint64(cnp.ndarray held) noexcept:
    return cnp.PyTypeNum_ISUNSIGNED(cnp.PyArray_TYPE(held)) and cnp.PyArray_ITEMSIZE(held) == 8


cdef Py_ssize_t find_large(const uint64_t *ids, Py_ssize_t n, object raw) except -2:
    """`find_integer` for a number beyond int64."""
    cdef Py_ssize_t begin = 0, end = n, middle
    if raw >= 1 << 64:
        return -1
    cdef uint64_t number = raw
    while begin < end:
        middle = (begin + end) // 2
        if ids[middle] < number:
            begin = middle + 1
        else:
            end = middle
    return begin if begin < n and ids[begin] == number else -1


cdef inline Py_ssize_t find_integer(const integer *ids, Py_ssize_t n, int64_t number) noexcept nogil:
    """Position of a number, which is not negative where the ids are unsigned."""
    cdef Py_ssize_t begin = 0, end = n, middle
    cdef integer own = <integer>number
    if n == 0 or <int64_t>own != number:  # beyond the dtype
        return -1
    while begin < end:
        middle = (begin + end) // 2
        if ids[middle] < own:
            begin = middle + 1
        else:
            end = middle
    return begin if begin < n and ids[begin] == own else -1


cdef Py_ssize_t find_text(const uint32_t *ids, Py_ssize_t n, Py_ssize_t width, object raw) except -2:
    """Position of a string among rows of `width` code points, padded with NULs."""
    cdef Py_ssize_t begin = 0, end = n, middle, whole = PyUnicode_GetLength(raw), size = whole
    cdef uint32_t[FEW] few
    cdef uint32_t *points = few
    while size and PyUnicode_ReadChar(raw, size - 1) == 0:
        size -= 1
    if size > width:
        return -1
    if whole <= FEW:
        PyUnicode_AsUCS4(raw, few, FEW, 0)
    else:
        points = PyUnicode_AsUCS4Copy(raw)
    while begin < end:
        middle = (begin + end) // 2
        if compare_text(ids + middle * width, width, points, size) < 0:
            begin = middle + 1
        else:
            end = middle
    if begin == n or compare_text(ids + begin * width, width, points, size) != 0:
        begin = -1
    if points != few:
        PyMem_Free(points)
    return begin


cdef inline int compare_text(
    const uint32_t *own, Py_ssize_t width, const uint32_t *points, Py_ssize_t size
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        if own[k] != points[k]:
            return -1 if own[k] < points[k] else 1
    return 1 if size < width and own[size] != 0 else 0


cdef Py_ssize_t find_object(PyObject *const *ids, Py_ssize_t n, object raw) except -2:
    """Position of a string among str objects."""
    cdef Py_ssize_t begin = 0, end = n, middle
    cdef int order
    while begin < end:
        middle = (begin + end) // 2
        order = compare_objects(ids[middle], raw)
        if order < 0:
            begin = middle + 1
        elif order > 0:
            end = middle
        else:
            return middle
    return -1


cdef inline int compare_objects(PyObject *own, object raw) except? -2:
    if own == NULL or not PyUnicode_Check(<object>own):
        raise ValueError("find: ids must hold integers or strings")
    return PyUnicode_Compare(<object>own, raw)
