"""Matrix factorisation by stochastic gradient descent, on a fixed grid of blocks of users x items.

Ratings are laid out once, block after block. Blocks that share no user and no item can be worked on at once;
blocks that do are worked on in the order given. So any number of threads gives the same bits.
The twin is `cfcore.reference.factorization.svd`, the inner loops are in `svd_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, is_float32, length, pointer
from cfcore.kernels.common.lanes cimport cf_prefetch
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.philox cimport below, philox
from cfcore.kernels.common.threads cimport team_size
from cfcore.kernels.factorization.block_schedule cimport (
    Share,
    begin_visit,
    end_visit,
    next_own,
    plan_visits,
    share_of,
)
from cfcore.kernels.factorization.sgd cimport Rating, Steps
from cfcore.kernels.factorization.svd_loops cimport FactorPointers, Predict, Sweep, SvdLoops

from cfcore.kernels import simd
from cfcore.kernels.records import (
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
    check_written,
)

cnp.import_array()

cdef enum:
    SOON = 64  # ratings of the next block that are prefetched before this one

cdef const SvdLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const SvdLoops *>table_in(capsule)


simd.register("factorization.svd_loops", _use)


def lay_out(columns, grid, layout, seed, span, n_threads):
    """Sort ratings into blocks and shuffle each block.

    Parameters
    ----------
    columns : RatingColumns
    grid : BlockGrid
    layout : BlockLayout, overwritten
    seed : int in [0, 2^64)
    span : (int, int)
        Ratings to copy in this call. The first call begins at 0, each next where the one before ended, and
        the one that ends at n shuffles. ``layout.block_ptr`` is scratch till then.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or ``layout.block_ptr`` is not from the call before.

    Notes
    -----
    A counting sort, then Fisher-Yates in each block with Philox words of counter (swap / 4, block, 0, 0).
    O(n + n_blocks); the same layout for any number of threads.
    """
    check_record(columns, RatingColumns, "lay_out: columns")
    check_record(grid, BlockGrid, "lay_out: grid")
    check_record(layout, BlockLayout, "lay_out: layout")
    check_written((layout,), (columns, grid))
    cdef Py_ssize_t k, block, n = columns.n, n_blocks = layout.n_blocks, begin = span[0], end = span[1]
    cdef int n_item_stripes = layout.n_item_stripes, team = team_size(n_threads)
    cdef uint64_t key = seed
    cdef int64_t total = 0, own, at
    cdef bint misplaced = False
    cdef const int32_t *users = <const int32_t *>pointer(columns.user_codes)
    cdef const int32_t *items = <const int32_t *>pointer(columns.item_codes)
    cdef const float *values = <const float *>pointer(columns.values)
    cdef const int32_t *user_stripes = <const int32_t *>pointer(grid.user_stripes)
    cdef const int32_t *item_stripes = <const int32_t *>pointer(grid.item_stripes)
    cdef int64_t *block_ptr = <int64_t *>pointer(layout.block_ptr)
    cdef Rating *ratings = <Rating *>pointer(layout.ratings)
    if columns.n_users > grid.n_users or columns.n_items > grid.n_items:
        raise ValueError("lay_out: grid must have a stripe for each user and item of columns")
    if layout.n != n:
        raise ValueError("lay_out: layout and columns must have the same number of ratings")
    if grid.n_item_stripes != n_item_stripes or grid.n_user_stripes * n_item_stripes != n_blocks:
        raise ValueError("lay_out: layout must have a block for each pair of stripes of grid")
    if not 0 <= begin <= end <= n:
        raise ValueError("lay_out: span is not within the ratings")
    with nogil:
        if begin == 0:
            for k in range(n_blocks + 1):
                block_ptr[k] = 0
            for k in range(n):
                block_ptr[user_stripes[users[k]] * n_item_stripes + item_stripes[items[k]]] += 1
            for k in range(n_blocks + 1):
                own = block_ptr[k]
                block_ptr[k] = total
                total += own
        for k in range(begin, end):
            block = user_stripes[users[k]] * n_item_stripes + item_stripes[items[k]]
            at = block_ptr[block]
            if at < 0 or at >= n:
                misplaced = True
                break
            block_ptr[block] = at + 1
            ratings[at] = Rating(user=users[k], item=items[k], value=values[k])
        if not misplaced and end == n:
            for k in range(n_blocks, 0, -1):  # placing moved each start to the end of its block
                block_ptr[k] = block_ptr[k - 1]
            block_ptr[0] = 0
            for k in range(n_blocks):
                misplaced |= not block_ptr[k] <= block_ptr[k + 1] <= n
        if not misplaced and end == n:
            for k in prange(n_blocks, schedule="dynamic", num_threads=team):
                shuffle(ratings + block_ptr[k], block_ptr[k + 1] - block_ptr[k], k, key)
    if misplaced:
        raise ValueError("lay_out: block_ptr is not from the call before")


cdef void shuffle(Rating *ratings, Py_ssize_t n, Py_ssize_t block, uint64_t seed) noexcept nogil:
    """Fisher-Yates: exchange t swaps the last of the n - t ratings left with any of them."""
    cdef uint32_t words[4]
    cdef Py_ssize_t swap, last, other
    for swap in range(n - 1):
        if swap % 4 == 0:
            words[0] = <uint32_t>(swap // 4)
            words[1] = <uint32_t>block
            words[2] = 0
            words[3] = 0
            philox(words, seed)
        last = n - 1 - swap
        other = below(words[swap % 4], <uint32_t>(last + 1))
        ratings[last], ratings[other] = ratings[other], ratings[last]


cdef FactorPointers pointers_of(factors):
    """Pointers to the arrays of a `Factors` record."""
    return FactorPointers(
        user_factors=pointer(factors.user_factors), item_factors=pointer(factors.item_factors),
        user_bias=pointer(factors.user_bias), item_bias=pointer(factors.item_bias),
        n_users=factors.n_users, n_items=factors.n_items, width=factors.width, mean=factors.mean,
    )


# What the threads of a call of `train` share.
cdef struct Pass:
    const Rating *ratings
    const int64_t *block_ptr
    const int32_t *order
    const int64_t *starts
    double *squares
    int32_t *schedule
    Py_ssize_t n_visits, n_user_stripes
    int n_item_stripes
    Sweep sweep


def train(layout, factors, rates, visits, scratch, span, n_threads):
    """Work through blocks ``visits.order[begin:end]`` of an epoch of biased matrix factorisation.

    For each rating, with e = r - clip(mu + b_u + b_i + p_u . q_i, low, high):

        b_u += lr_bias (e - reg_bias b_u)        p_u += lr (e q_i - reg p_u)
        b_i += lr_bias (e - reg_bias b_i)        q_i += lr (e p_u - reg q_i)

    Funk (2006); Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009).

    Parameters
    ----------
    layout : BlockLayout
        From `lay_out`: no two blocks share a user unless they share the user stripe, likewise items.
    factors : Factors, changed in place
        Padding stays zero.
    rates : SGDRates
    visits : BlockVisits
    scratch : BlockScratch, overwritten
    span : (int, int)
        The range [begin, end) of `visits.order`.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or a block, user or item is out of range. Ratings before a bad one
        may have been used.

    Notes
    -----
    O(ratings x width). The same bits for any number of threads and any SIMD level: blocks that share neither
    users nor items run at once, the others in their order.
    """
    check_record(layout, BlockLayout, "train: layout")
    check_record(factors, Factors, "train: factors")
    check_record(rates, SGDRates, "train: rates")
    check_record(visits, BlockVisits, "train: visits")
    check_record(scratch, BlockScratch, "train: scratch")
    check_written((factors, scratch), (layout, visits))
    cdef Py_ssize_t k, block, bad = -1, n = layout.n, n_blocks = layout.n_blocks
    cdef Py_ssize_t begin = span[0], end = span[1], n_stripes = scratch.n_stripes
    cdef int worker, team = team_size(n_threads), n_item_stripes = layout.n_item_stripes
    cdef FactorPointers f = pointers_of(factors)
    cdef Steps steps = Steps(lr=rates.lr, reg=rates.reg, lr_bias=rates.lr_bias, reg_bias=rates.reg_bias,
                             low=rates.low, high=rates.high, sequential=rates.sequential)
    cdef Pass work = Pass(
        ratings=<const Rating *>pointer(layout.ratings), block_ptr=<const int64_t *>pointer(layout.block_ptr),
        order=<const int32_t *>pointer(visits.order) + begin, starts=<const int64_t *>pointer(visits.starts),
        squares=<double *>pointer(scratch.squares), schedule=<int32_t *>pointer(scratch.schedule) + 3 * begin,
        n_visits=end - begin, n_user_stripes=n_stripes - n_item_stripes, n_item_stripes=n_item_stripes,
        sweep=NULL,
    )
    cdef bint single = is_float32(factors.user_factors)
    work.sweep = loops.sweep_f32 if single else loops.sweep_f64
    if visits.n_blocks != n_blocks or scratch.n_blocks != n_blocks:
        raise ValueError("train: visits.starts and scratch.squares must have one entry a block")
    if not 0 <= begin <= end <= visits.n_visits:
        raise ValueError("train: span is not within visits.order")
    if scratch.n_visits < visits.n_visits:
        raise ValueError("train: scratch.schedule must have a row for each visit")
    if (n_stripes - n_item_stripes) * n_item_stripes < n_blocks:
        raise ValueError("train: scratch.latest must have an entry for each user stripe and each item stripe")
    for k in range(end - begin):
        block = work.order[k]
        if not 0 <= work.block_ptr[block] <= work.block_ptr[block + 1] <= n:
            raise ValueError(f"train: block {block} is out of range")
        if work.block_ptr[block] < work.block_ptr[block + 1] and (f.n_users == 0 or f.n_items == 0):
            raise ValueError("train: there are ratings, but no users or no items")
    if begin == end or f.n_users == 0 or f.n_items == 0:
        return
    cdef int32_t *latest = <int32_t *>pointer(scratch.latest)
    with nogil:
        plan_visits(work.order, work.n_visits, n_item_stripes, latest, n_stripes, work.schedule)
        for worker in prange(team, schedule="static", chunksize=1, num_threads=team):
            visit_blocks(&work, &f, &steps, worker, team)
        for k in range(work.n_visits):
            if work.squares[work.order[k]] < 0:
                bad = work.order[k]
    if bad >= 0:
        raise ValueError(f"train: a user or an item in block {bad} is out of range")


cdef void visit_blocks(const Pass *work, const FactorPointers *f, const Steps *steps, int worker,
                       int n_workers) noexcept nogil:
    """The work of one thread: the blocks of its own user stripes, then those of others."""
    # Numbers of blocks are in the order of their user stripes.
    cdef Py_ssize_t first = work.n_user_stripes * worker // n_workers * work.n_item_stripes
    cdef Py_ssize_t last = work.n_user_stripes * (worker + 1) // n_workers * work.n_item_stripes
    cdef Py_ssize_t visit, following, n = work.n_visits
    cdef const int32_t *order = work.order
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
    cdef Py_ssize_t count = work.block_ptr[block + 1] - work.block_ptr[block]
    if count == 0:
        return 0
    return work.sweep(work.ratings + work.block_ptr[block], count, work.starts[block] % count, f, steps)


def predict(users, items, factors, out, n_threads):
    """mu + b_u + b_i + p_u . q_i for pairs of codes; the terms of an unknown user or item (-1) are left out.

    Parameters
    ----------
    users, items : int32[n], each a code or -1
    factors : Factors
    out : float64[n], overwritten
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When lengths differ, or a code is below -1 or too large.

    Notes
    -----
    O(n x width). The terms are summed in double. The same bits for any number of threads and any SIMD level.
    """
    check_array(users, cnp.NPY_INT32, 1, False, "predict: users")
    check_array(items, cnp.NPY_INT32, 1, False, "predict: items")
    check_record(factors, Factors, "predict: factors")
    check_array(out, cnp.NPY_FLOAT64, 1, True, "predict: out")
    cdef Py_ssize_t k, n = length(users)
    cdef int worker, team = team_size(n_threads)
    cdef const int32_t *user_codes = <const int32_t *>pointer(users)
    cdef const int32_t *item_codes = <const int32_t *>pointer(items)
    cdef double *found = <double *>pointer(out)
    cdef FactorPointers f = pointers_of(factors)
    cdef bint single = is_float32(factors.user_factors)
    if length(items) != n or length(out) != n:
        raise ValueError("predict: users, items and out must be of one length")
    for k in range(n):
        if not (-1 <= user_codes[k] < f.n_users and -1 <= item_codes[k] < f.n_items):
            raise ValueError(f"predict: pair {k} ({user_codes[k]}, {item_codes[k]}) is out of range")
    cdef Predict predict_range = loops.predict_f32 if single else loops.predict_f64
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        predict_range(user_codes, item_codes, &f, found, n * worker // team, n * (worker + 1) // team)
