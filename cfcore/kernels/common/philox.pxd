# Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
# SC 2011). The same key and counter give the same four words on any thread, in any order.

from libc.stdint cimport uint32_t, uint64_t


cdef inline void philox(uint32_t *counter, uint64_t key) noexcept nogil:
    """Replace the four words of `counter` by ten rounds of Philox4x32 under `key`."""
    cdef uint32_t k0 = <uint32_t>key, k1 = <uint32_t>(key >> 32)
    cdef uint64_t first, second
    cdef int _round
    for _round in range(10):
        first = <uint64_t>0xD2511F53u * counter[0]
        second = <uint64_t>0xCD9E8D57u * counter[2]
        counter[0] = <uint32_t>(second >> 32) ^ counter[1] ^ k0
        counter[1] = <uint32_t>second
        counter[2] = <uint32_t>(first >> 32) ^ counter[3] ^ k1
        counter[3] = <uint32_t>first
        k0 += 0x9E3779B9u
        k1 += 0xBB67AE85u


cdef inline uint32_t below(uint32_t word, uint32_t bound) noexcept nogil:
    """A number in [0, bound) from a random word; probabilities differ by a factor of 1 + bound / 2^32."""
    return <uint32_t>((<uint64_t>word * bound) >> 32)
