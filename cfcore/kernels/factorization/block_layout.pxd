# Sorting ratings into the blocks of a grid, and shuffling each block; see `lay_out` in svd.pyx.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.common.philox cimport below, philox
from cfcore.kernels.factorization.sgd cimport Rating

# `RatingColumns` and `BlockGrid` records.
cdef struct Columns:
    const int32_t *users
    const int32_t *items
    const float *values
    const int32_t *user_stripes
    const int32_t *item_stripes
    int n_item_stripes


cdef inline Py_ssize_t block_of(const Columns *columns, Py_ssize_t k) noexcept nogil:
    """Block of rating k."""
    return (<Py_ssize_t>columns.user_stripes[columns.users[k]] * columns.n_item_stripes
            + columns.item_stripes[columns.items[k]])


cdef inline void find_blocks(const Columns *columns, Py_ssize_t n, int64_t *block_ptr,
                             Py_ssize_t n_blocks) noexcept nogil:
    """Write where each block begins, from the number of ratings in each."""
    cdef Py_ssize_t k
    cdef int64_t total = 0, own
    for k in range(n_blocks + 1):
        block_ptr[k] = 0
    for k in range(n):
        block_ptr[block_of(columns, k)] += 1
    for k in range(n_blocks + 1):
        own = block_ptr[k]
        block_ptr[k] = total
        total += own


cdef inline bint copy_ratings(const Columns *columns, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t n,
                              int64_t *block_ptr, Rating *ratings) noexcept nogil:
    """Append ratings [begin, end) to their blocks, which end at `block_ptr` so far; False if out of range."""
    cdef Py_ssize_t k, block
    cdef int64_t at
    for k in range(begin, end):
        block = block_of(columns, k)
        at = block_ptr[block]
        if at < 0 or at >= n:
            return False
        block_ptr[block] = at + 1
        ratings[at] = Rating(user=columns.users[k], item=columns.items[k], value=columns.values[k])
    return True


cdef inline bint close_blocks(int64_t *block_ptr, Py_ssize_t n_blocks, Py_ssize_t n) noexcept nogil:
    """From the ends of all blocks to `block_ptr`; False unless they ascend to `n`."""
    cdef Py_ssize_t k
    for k in range(n_blocks, 0, -1):
        block_ptr[k] = block_ptr[k - 1]
    block_ptr[0] = 0
    for k in range(n_blocks):
        if block_ptr[k] > block_ptr[k + 1]:
            return False
    return block_ptr[n_blocks] <= n


cdef inline void shuffle(Rating *ratings, Py_ssize_t n, Py_ssize_t block, uint64_t seed) noexcept nogil:
    """Fisher-Yates: exchange t swaps the last of the n - t ratings left with any of them."""
    cdef uint32_t[4] words
    cdef Py_ssize_t swap, last, other
    for swap in range(n - 1):
        if swap % 4 == 0:
            words[0] = <uint32_t>(swap // 4)
            words[1] = <uint32_t>block
            words[2] = words[3] = 0
            philox(words, seed)
        last = n - 1 - swap
        other = below(words[swap % 4], <uint32_t>(last + 1))
        ratings[last], ratings[other] = ratings[other], ratings[last]
