# From NumPy arrays to pointers. A record has checked its arrays when it was made; arrays that a function is
# given beside its records are checked by the function.

cimport numpy as cnp


cdef inline void *pointer(object array) noexcept:
    """First entry of an array of a record. (`array` is an ndarray: the record has seen to that.)"""
    return cnp.PyArray_DATA(<cnp.ndarray>array)


cdef inline Py_ssize_t length(object array) noexcept:
    """Length of the first axis of an array of a record."""
    return cnp.PyArray_DIM(<cnp.ndarray>array, 0)


cdef inline bint is_float32(object array) noexcept:
    """Whether an array of a record, float32 or float64, is the former."""
    return cnp.PyArray_TYPE(<cnp.ndarray>array) == cnp.NPY_FLOAT32


cdef inline int check_record(object record, type kind, str name) except -1:
    """Raise TypeError unless an argument is a record of that kind."""
    if not isinstance(record, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(record).__name__}")
    return 0


cdef inline int check_array(object array, int type_number, int n_dimensions, bint written,
                            str name) except -1:
    """Raise unless an argument is a C-contiguous, aligned array of a type, writable if it will be written."""
    cdef cnp.ndarray held
    if not isinstance(array, cnp.ndarray):
        raise TypeError(f"{name} must be an ndarray, not {type(array).__name__}")
    held = <cnp.ndarray>array
    # Two C types of one size (long and long long) are two types to NumPy.
    if not (cnp.PyArray_EquivTypenums(cnp.PyArray_TYPE(held), type_number) and array.dtype.isnative):
        raise ValueError(f"{name} must be of {cnp.PyArray_DescrFromType(type_number)}, not {array.dtype}")
    if cnp.PyArray_NDIM(held) != n_dimensions:
        raise ValueError(f"{name} must have {n_dimensions} dimensions, not {array.ndim}")
    if not cnp.PyArray_IS_C_CONTIGUOUS(held) or not cnp.PyArray_ISALIGNED(held):
        raise ValueError(f"{name} must be contiguous (C order) and aligned; pass np.ascontiguousarray of it")
    if written and not cnp.PyArray_ISWRITEABLE(held):
        raise ValueError(f"{name} is read-only, and would be written")
    return 0


cdef inline bint overlaps(object written, tuple read):
    """Whether an array shares memory with one of the others; all are contiguous."""
    cdef char *begin = <char *>pointer(written)
    cdef char *end = begin + cnp.PyArray_NBYTES(<cnp.ndarray>written)
    cdef char *other_begin
    cdef char *other_end
    for array in read:
        other_begin = <char *>pointer(array)
        other_end = other_begin + cnp.PyArray_NBYTES(<cnp.ndarray>array)
        if max(begin, other_begin) < min(end, other_end):
            return True
    return False
