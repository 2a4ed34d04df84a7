# Batches of rows that threads share: each thread begins with a contiguous share of its own.
#
# A pass over the rows finds what the pass before has written in the caches of the same core: lines from those
# of another core take long. A thread that has finished its share takes batches of others, so that one that is
# preempted does not delay the rest. The result of a batch must not depend on the thread.

from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.atomics cimport cf_exchange_if, cf_observe

cdef enum:
    MOST_SHARES = 64  # further threads begin with the shares of others

cdef struct Share:
    int32_t next, end    # batches
    int32_t[30] apart    # two cache lines, which processors fetch together


cdef inline int divide(Share *shares, int team, const int64_t *indptr, Py_ssize_t begin, Py_ssize_t end,
                       Py_ssize_t size) noexcept nogil:
    """Shares of the batches of rows [begin, end), with about as many ratings each; their number."""
    cdef int at, n_shares = min(team, <int>MOST_SHARES)
    cdef Py_ssize_t first = 0, low, high, middle, n = (end - begin + size - 1) // size
    cdef int64_t bound
    for at in range(n_shares):
        bound = indptr[begin] + (indptr[end] - indptr[begin]) * (at + 1) // n_shares
        low, high = first, n
        while low < high:
            middle = (low + high) // 2
            if indptr[begin + middle * size] < bound:
                low = middle + 1
            else:
                high = middle
        if at == n_shares - 1:
            low = n  # rows without ratings, too
        shares[at].next, shares[at].end = <int32_t>first, <int32_t>low
        first = low
    return n_shares


cdef inline Py_ssize_t take(Share *shares, int n_shares, int worker) noexcept nogil:
    """The next batch of a thread: of its own share, or else of another; -1 if there is none."""
    cdef int step
    cdef int32_t at
    cdef Share *share
    for step in range(n_shares):
        share = &shares[(worker + step) % n_shares]
        at = cf_observe(&share.next)
        while at < share.end:
            if cf_exchange_if(&share.next, at, at + 1):
                return at
            at = cf_observe(&share.next)
    return -1
