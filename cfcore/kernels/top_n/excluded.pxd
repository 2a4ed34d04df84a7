# Bitmaps of the items that a list excludes: a bit for each position in the order of items.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef inline bint mark(uint64_t *bitmap, const int32_t *items, Py_ssize_t n, const int32_t *positions,
                      Py_ssize_t n_items, bint on) noexcept nogil:
    """Set or clear the bit of each item's position; false, and nothing done, if an item is out of range."""
    cdef Py_ssize_t k
    cdef int32_t position
    cdef uint32_t largest = 0
    for k in range(n):  # a loop of its own, which compilers vectorize
        largest = max(largest, <uint32_t>items[k])
    if n and largest >= <uint32_t>n_items:
        return False
    for k in range(n):
        position = positions[items[k]]
        if position < 0:
            continue
        if on:
            bitmap[position >> 6] |= <uint64_t>1 << (position & 63)
        else:
            bitmap[position >> 6] &= ~(<uint64_t>1 << (position & 63))
    return True


cdef inline bint marked(const uint64_t *bitmap, int64_t position) noexcept nogil:
    return bitmap[position >> 6] >> (position & 63) & 1


cdef inline int check_excluded(str function, queries, Py_ssize_t n_items) except -1:
    """Raise ValueError for the first item that a list of `queries` excludes and that does not exist."""
    for start, stop in zip(queries.starts, queries.stops):
        items = queries.excluded[start:stop]
        bad = (items < 0) | (items >= n_items)
        if bad.any():
            raise ValueError(f"{function}: excluded item {items[bad.argmax()]} is out of range")
    return 0
