# Normal numbers from counters: Philox words, by the method of Box and Muller (1958).

from libc.math cimport cos, log, sin, sqrt
from libc.stdint cimport uint32_t, uint64_t

from cfcore.kernels.common.philox cimport philox

cdef inline double unit(uint32_t high, uint32_t low) noexcept nogil:
    """A number in (0, 1) from 53 bits of two random words."""
    return (<double>(((<uint64_t>high << 32) | low) >> 11) + 0.5) * (1.0 / 9007199254740992.0)


cdef inline void normal_pair(uint64_t seed, uint32_t kind, uint32_t sweep, uint32_t row, uint32_t slot,
                             double *two) noexcept nogil:
    """Two standard normal numbers, of the words of the counter (slot, row, sweep, kind)."""
    cdef uint32_t[4] words
    cdef double radius, angle
    words[0], words[1], words[2], words[3] = slot, row, sweep, kind
    philox(words, seed)
    radius = sqrt(-2 * log(unit(words[0], words[1])))
    angle = 6.283185307179586476925 * unit(words[2], words[3])
    two[0] = radius * cos(angle)
    two[1] = radius * sin(angle)
