"""Philox4x32-10, the counter-based generator of the kernels, as arrays. Twin: `cfcore.reference.common.rng`."""
from libc.stdint cimport uint32_t, uint64_t

from cfcore.kernels.common.philox cimport philox as philox_words


def philox(const uint32_t[:, ::1] counters, uint32_t[:, ::1] words, uint64_t key):
    """Four random words for each counter.

    Parameters
    ----------
    counters : uint32[n, 4]
    words : uint32[n, 4], overwritten
    key : int in [0, 2^64)

    Raises
    ------
    ValueError
        When the shapes are not (n, 4).

    Notes
    -----
    Salmon, Moraes, Dror and Shaw (2011): ten rounds of multiply and xor. About 10 ns a counter.
    """
    cdef Py_ssize_t row, n = counters.shape[0]
    cdef int word
    if counters.shape[1] != 4 or words.shape[0] != n or words.shape[1] != 4:
        raise ValueError("philox: counters and words must both be of shape (n, 4)")
    with nogil:
        for row in range(n):
            for word in range(4):
                words[row, word] = counters[row, word]
            philox_words(&words[row, 0], key)
