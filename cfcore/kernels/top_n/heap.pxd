# The k best of many (value, code) pairs, in a heap whose root is the worst of those kept. Larger values
# first, ties in the order of codes: the outcome does not depend on the order in which pairs come.

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

cdef enum:
    NONE = 2147483647


cdef inline bint worse(floating a, int32_t a_code, floating b, int32_t b_code) noexcept nogil:
    return a < b or (a == b and a_code > b_code)


cdef inline void heap_clear(floating *values, int32_t *codes, int64_t k) noexcept nogil:
    """Fill with what is worse than any pair."""
    cdef int64_t place
    for place in range(k):
        values[place], codes[place] = -INFINITY, NONE


cdef inline void sink(floating *values, int32_t *codes, int64_t k, floating value,
                      int32_t code) noexcept nogil:
    """Replace the root."""
    cdef int64_t place = 0, child
    while True:
        child = 2 * place + 1
        if child >= k:
            break
        if child + 1 < k and worse(values[child + 1], codes[child + 1], values[child], codes[child]):
            child += 1
        if not worse(values[child], codes[child], value, code):
            break
        values[place], codes[place] = values[child], codes[child]
        place = child
    values[place], codes[place] = value, code


cdef inline void heap_offer(floating *values, int32_t *codes, int64_t k, floating value,
                            int32_t code) noexcept nogil:
    """Keep the pair if it is better than the worst."""
    if worse(values[0], codes[0], value, code):
        sink(values, codes, k, value, code)


cdef inline void heap_sort(floating *values, int32_t *codes, int64_t k) noexcept nogil:
    """Turn the heap into a list, the best first; places not taken become value 0, code -1."""
    cdef int64_t place
    cdef floating value
    cdef int32_t code
    for place in range(k - 1, 0, -1):
        value, code = values[place], codes[place]
        values[place], codes[place] = values[0], codes[0]
        sink(values, codes, place, value, code)
    for place in range(k):
        if codes[place] == NONE:
            values[place], codes[place] = 0, -1
