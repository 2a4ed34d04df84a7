"""Philox4x32-10, the counter-based generator of the kernels, on arrays.

The twin is `cfcore.reference.common.rng`.
"""
cimport numpy as cnp
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from cfcore.kernels.common.arrays cimport check_array, length, pointer
from cfcore.kernels.common.philox cimport philox as philox_words

from cfcore.kernels.records import check_apart, check_seed

cnp.import_array()


def philox(counters, words, key):
    """Four random words for each counter.

    Parameters
    ----------
    counters : uint32[n, 4]
    words : uint32[n, 4], overwritten
    key : int in [0, 2^64)

    Raises
    ------
    TypeError
        When `counters` or `words` is not an array.
    ValueError
        When one is not a contiguous array of uint32 of shape (n, 4), they share memory, or `key` is out of
        range.

    Notes
    -----
    Salmon, Moraes, Dror and Shaw (2011): ten rounds of multiply and xor. About 10 ns a counter.
    """
    check_array(counters, cnp.NPY_UINT32, 2, False, "philox: counters")
    check_array(words, cnp.NPY_UINT32, 2, True, "philox: words")
    check_apart("philox", {"words": words}, {"counters": counters})
    cdef Py_ssize_t row, n = length(counters)
    cdef const uint32_t *given = <const uint32_t *>pointer(counters)
    cdef uint32_t *drawn = <uint32_t *>pointer(words)
    cdef uint64_t seed
    if counters.shape != (n, 4) or words.shape != (n, 4):
        raise ValueError("philox: counters and words must both be of shape (n, 4)")
    seed = check_seed("philox: key", key)
    with nogil:
        memcpy(drawn, given, 4 * n * sizeof(uint32_t))
        for row in range(n):
            philox_words(drawn + 4 * row, seed)
