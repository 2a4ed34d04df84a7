# Normal numbers from counters, see normals.h.

from libc.stdint cimport uint32_t, uint64_t

from cfcore.kernels.common.philox cimport philox

cdef extern from "common/normals.h" nogil:
    enum:
        SLOTS "CF_SLOTS"
    double unit "cf_unit"(uint64_t word) noexcept
    void normal_of "cf_normal_of"(uint64_t one, uint64_t two, double *first, double *second) noexcept
    # Numbers 2 first, ..., 2 (first + SLOTS) - 1 of a row.
    void normals "cf_normals"(uint64_t seed, uint32_t kind, uint32_t sweep, uint32_t row, uint32_t first,
                              double *out) noexcept


cdef inline void normal_pair(uint64_t seed, uint32_t kind, uint32_t sweep, uint32_t row, uint32_t slot,
                             double *two) noexcept nogil:
    """Two standard normal numbers, of the words of the counter (slot, row, sweep, kind)."""
    cdef uint32_t[4] words
    words[0], words[1], words[2], words[3] = slot, row, sweep, kind
    philox(words, seed)
    normal_of(<uint64_t>words[0] << 32 | words[1], <uint64_t>words[2] << 32 | words[3], two, two + 1)
