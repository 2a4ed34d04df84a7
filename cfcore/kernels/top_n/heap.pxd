# The k best of many (value, code) pairs, in a heap whose root is the worst of those kept. Larger values
# first, ties in the order of codes: the result does not depend on the order in which pairs are offered.

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

cdef enum:
    NONE = 2147483647


cdef inline bint worse(floating a, int32_t a_code, floating b, int32_t b_code) noexcept nogil:
    return a < b or (a == b and a_code > b_code)


cdef inline void heap_clear(floating *values, int32_t *codes, int64_t k) noexcept nogil:
    """Fill with pairs that are worse than any other."""
    cdef int64_t node
    for node in range(k):
        values[node], codes[node] = -INFINITY, NONE


cdef inline void sink(floating *values, int32_t *codes, int64_t k, floating value,
                      int32_t code) noexcept nogil:
    """Replace the root."""
    cdef int64_t node = 0, child
    while True:
        child = 2 * node + 1
        if child >= k:
            break
        if child + 1 < k and worse(values[child + 1], codes[child + 1], values[child], codes[child]):
            child += 1
        if not worse(values[child], codes[child], value, code):
            break
        values[node], codes[node] = values[child], codes[child]
        node = child
    values[node], codes[node] = value, code


cdef inline void heap_offer(floating *values, int32_t *codes, int64_t k, floating value,
                            int32_t code) noexcept nogil:
    """Keep the pair if it is better than the worst."""
    if worse(values[0], codes[0], value, code):
        sink(values, codes, k, value, code)


cdef inline void heap_sort(floating *values, int32_t *codes, int64_t k) noexcept nogil:
    """Sort the heap into a list, the best first; entries not filled become value 0, code -1."""
    cdef int64_t node
    cdef floating value
    cdef int32_t code
    for node in range(k - 1, 0, -1):
        value, code = values[node], codes[node]
        values[node], codes[node] = values[0], codes[0]
        sink(values, codes, node, value, code)
    for node in range(k):
        if codes[node] == NONE:
            values[node], codes[node] = 0, -1
