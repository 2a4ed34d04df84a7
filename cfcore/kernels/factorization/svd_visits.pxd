# The work of each thread in a call of `svd.train`: blocks in the order of their schedule.

from libc.stdint cimport int32_t, int64_t

from cfcore.kernels.common.lanes cimport cf_prefetch
from cfcore.kernels.factorization.block_schedule cimport Share, begin_visit, end_visit, next_own, share_of
from cfcore.kernels.factorization.sgd cimport Rating, Steps
from cfcore.kernels.factorization.svd_loops cimport Block, FactorPointers, Sweep

cdef enum:
    SOON = 64  # ratings of the next block that are prefetched before this one

# A call of `train`.
cdef struct Pass:
    const Rating *ratings
    const int64_t *block_ptr
    const int32_t *order
    const int64_t *starts
    double *squares
    int32_t *schedule
    Py_ssize_t n, n_blocks, n_visits, n_user_stripes
    int n_item_stripes
    Sweep sweep


cdef inline void visit_blocks(const Pass *work, const FactorPointers *f, const Steps *steps, int worker,
                              int n_workers) noexcept nogil:
    """The work of one thread: the blocks of its own user stripes, then those of others."""
    cdef Py_ssize_t visit, following, n = work.n_visits
    cdef const int32_t *order = work.order
    # Numbers of blocks are in the order of their user stripes.
    cdef Py_ssize_t first = work.n_user_stripes * worker // n_workers * work.n_item_stripes
    cdef Py_ssize_t last = work.n_user_stripes * (worker + 1) // n_workers * work.n_item_stripes
    cdef Share mine = share_of(work.schedule, order, n, first, last)
    if n_workers == 1:  # no other thread to wait for
        for visit in range(n):
            prefetch_block(work, order[visit + 1] if visit + 1 < n else -1)
            work.squares[order[visit]] = sweep_block(work, order[visit], f, steps)
        return
    visit = begin_visit(&mine)
    while visit < n:
        following = next_own(&mine)
        prefetch_block(work, order[following] if following < n else -1)
        work.squares[order[visit]] = sweep_block(work, order[visit], f, steps)
        end_visit(work.schedule, visit)
        visit = begin_visit(&mine)


cdef inline void prefetch_block(const Pass *work, Py_ssize_t block) noexcept nogil:
    """Prefetch the ratings at which the sweep of a block (-1: none) begins; hardware prefetchers cannot."""
    cdef Py_ssize_t count
    if block >= 0:
        count = work.block_ptr[block + 1] - work.block_ptr[block]
        if count > 0:
            cf_prefetch(work.ratings + work.block_ptr[block] + work.starts[block] % count,
                        SOON * sizeof(Rating))


cdef inline double sweep_block(const Pass *work, Py_ssize_t block, const FactorPointers *f,
                               const Steps *steps) noexcept nogil:
    cdef Block own
    own.ratings = work.ratings + work.block_ptr[block]
    own.n = work.block_ptr[block + 1] - work.block_ptr[block]
    if own.n == 0:
        return 0
    own.start = work.starts[block] % own.n
    return work.sweep(&own, f, steps)
