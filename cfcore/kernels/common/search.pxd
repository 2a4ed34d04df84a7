# Searches in sorted codes.

from libc.stdint cimport int32_t, int64_t


cdef inline int64_t lower_bound(const int32_t *codes, int64_t begin, int64_t end,
                                int32_t code) noexcept nogil:
    """First position in the ascending codes[begin:end] that is not below `code`; `end` if there is none."""
    cdef int64_t middle
    while begin < end:
        middle = (begin + end) // 2
        if codes[middle] < code:
            begin = middle + 1
        else:
            end = middle
    return begin
