"""Matrix factorisation by stochastic gradient descent, on a fixed grid of blocks of users x items.

Ratings are laid out once, block after block. Blocks that share no user and no item can be worked on at once;
blocks that do are worked on in the order given. So any number of threads gives the same bits.
The twin is `cfcore.reference.factorization.svd`, the inner loops are in `svd_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint64_t

from cfcore.kernels.common.arrays cimport check_array, check_record, is_float32, length, overlaps, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.block_layout cimport (
    Columns,
    close_blocks,
    copy_ratings,
    find_blocks,
    shuffle,
)
from cfcore.kernels.factorization.block_schedule cimport plan_visits
from cfcore.kernels.factorization.sgd cimport Rating, Steps
from cfcore.kernels.factorization.svd_loops cimport FactorPointers, Predict, SvdLoops
from cfcore.kernels.factorization.svd_visits cimport Pass, visit_blocks

from cfcore.kernels import simd
from cfcore.kernels.records import (
    BlockGrid,
    BlockLayout,
    BlockScratch,
    BlockVisits,
    Factors,
    RatingColumns,
    SGDRates,
    check_seed,
    check_span,
    check_written,
)

cnp.import_array()

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
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, `layout` is read-only or shares memory with another record, or
        ``layout.block_ptr`` is not from the call before.

    Notes
    -----
    A counting sort, then Fisher-Yates in each block with Philox words of counter (swap / 4, block, 0, 0).
    O(n + n_blocks); the same layout for any number of threads.
    """
    check_record(columns, RatingColumns, "lay_out: columns")
    check_record(grid, BlockGrid, "lay_out: grid")
    check_record(layout, BlockLayout, "lay_out: layout")
    check_written((layout,), (columns, grid))
    cdef Py_ssize_t k, n = columns.n, n_blocks = layout.n_blocks, begin, end
    cdef int workers = 0, team = team_size(n_threads)
    cdef uint64_t key = check_seed("lay_out: seed", seed)
    cdef bint sound
    if columns.n_users > grid.n_users or columns.n_items > grid.n_items:
        raise ValueError("lay_out: grid must have a stripe for each user and item of columns")
    if layout.n != n:
        raise ValueError("lay_out: layout and columns must have the same number of ratings")
    if grid.n_item_stripes != layout.n_item_stripes or grid.n_user_stripes * grid.n_item_stripes != n_blocks:
        raise ValueError("lay_out: layout must have a block for each pair of stripes of grid")
    begin, end = check_span("lay_out", span, n, "ratings")
    cdef Columns source = Columns(
        users=<const int32_t *>pointer(columns.user_codes),
        items=<const int32_t *>pointer(columns.item_codes),
        values=<const float *>pointer(columns.values), n_item_stripes=grid.n_item_stripes,
        user_stripes=<const int32_t *>pointer(grid.user_stripes),
        item_stripes=<const int32_t *>pointer(grid.item_stripes),
    )
    cdef int64_t *block_ptr = <int64_t *>pointer(layout.block_ptr)
    cdef Rating *ratings = <Rating *>pointer(layout.ratings)
    with nogil:
        if begin == 0:
            find_blocks(&source, n, block_ptr, n_blocks)
        sound = copy_ratings(&source, begin, end, n, block_ptr, ratings)
        if sound and end == n:
            sound = close_blocks(block_ptr, n_blocks, n)
        if sound and end == n:
            for k in prange(n_blocks, schedule="dynamic", num_threads=team):
                workers |= team_present()
                shuffle(ratings + block_ptr[k], block_ptr[k + 1] - block_ptr[k], k, key)
    report_workers(workers)
    if not sound:
        raise ValueError("lay_out: layout.block_ptr is not from the call before")


cdef FactorPointers pointers_of(factors):
    """Pointers to the arrays of a `Factors` record."""
    return FactorPointers(
        user_factors=pointer(factors.user_factors), item_factors=pointer(factors.item_factors),
        user_bias=pointer(factors.user_bias), item_bias=pointer(factors.item_bias),
        n_users=factors.n_users, n_items=factors.n_items, width=factors.width, mean=factors.mean,
    )


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
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, an array to be written is read-only or shares memory with another,
        or a block, user or item is out of range. Ratings before one out of range may have been used.

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
    check_visits(layout, visits, scratch)
    cdef Py_ssize_t k, begin, end, bad = -1, n_stripes = scratch.n_stripes
    cdef int worker, workers = 0, n_item_stripes = layout.n_item_stripes
    begin, end = check_span("train", span, visits.n_visits, "visits")
    cdef FactorPointers f = pointers_of(factors)
    cdef Steps steps = Steps(lr=rates.lr, reg=rates.reg, lr_bias=rates.lr_bias, reg_bias=rates.reg_bias,
                             low=rates.low, high=rates.high, sequential=rates.sequential)
    cdef Pass work = Pass(
        ratings=<const Rating *>pointer(layout.ratings), block_ptr=<const int64_t *>pointer(layout.block_ptr),
        order=<const int32_t *>pointer(visits.order) + begin, starts=<const int64_t *>pointer(visits.starts),
        squares=<double *>pointer(scratch.squares), schedule=<int32_t *>pointer(scratch.schedule) + 3 * begin,
        n=layout.n, n_blocks=layout.n_blocks, n_visits=end - begin,
        n_user_stripes=layout.n_blocks // n_item_stripes, n_item_stripes=n_item_stripes, sweep=NULL,
    )
    cdef int32_t *latest = <int32_t *>pointer(scratch.latest)
    # More threads than blocks that share no stripe would only wait.
    cdef int team = min(team_size(n_threads), <int>min(work.n_user_stripes, work.n_item_stripes))
    work.sweep = loops.sweep_f32 if is_float32(factors.user_factors) else loops.sweep_f64
    for k in range(work.n_visits):
        check_block(&work, work.order[k], f.n_users > 0 and f.n_items > 0)
    with nogil:
        if team > 1:
            plan_visits(work.order, work.n_visits, n_item_stripes, latest, n_stripes, work.schedule)
        for worker in prange(team, schedule="static", chunksize=1, num_threads=team):
            workers |= team_present()
            visit_blocks(&work, &f, &steps, worker, team)
        for k in range(work.n_visits):
            if work.squares[work.order[k]] < 0:
                bad = work.order[k]
    report_workers(workers)
    if bad >= 0:
        raise ValueError(f"train: a user or an item in block {bad} is out of range")


cdef int check_visits(layout, visits, scratch) except -1:
    """Raise ValueError unless the records of `train` fit together."""
    n_blocks, n_item_stripes = layout.n_blocks, layout.n_item_stripes
    if visits.n_blocks != n_blocks or scratch.n_blocks != n_blocks:
        raise ValueError("train: visits.starts and scratch.squares must have one entry a block")
    if scratch.n_visits < visits.n_visits:
        raise ValueError("train: scratch.schedule must have a row for each visit")
    if scratch.n_stripes < n_blocks // n_item_stripes + n_item_stripes:
        raise ValueError("train: scratch.latest must have an entry for each user stripe and each item stripe")
    return 0


cdef int check_block(const Pass *work, Py_ssize_t block, bint has_parameters) except -1:
    """Raise ValueError unless a block is within the ratings, and has none without users and items."""
    # The arrays may have changed since their records were made.
    if (not 0 <= block < work.n_blocks or work.starts[block] < 0
            or not 0 <= work.block_ptr[block] <= work.block_ptr[block + 1] <= work.n):
        raise ValueError(f"train: block {block} is out of range")
    if work.block_ptr[block] < work.block_ptr[block + 1] and not has_parameters:
        raise ValueError("train: there are ratings, but no users or no items")
    return 0


def predict(users, items, factors, out, n_threads):
    """mu + b_u + b_i + p_u . q_i for pairs of codes; the terms of an unknown user or item (-1) are left out.

    Parameters
    ----------
    users, items : int32[n], each a code or -1
    factors : Factors
    out : float64[n], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When lengths differ, a code is below -1 or too large, or `out` is read-only or shares memory with
        another array.

    Notes
    -----
    O(n x width). The terms are summed in double. The same bits for any number of threads and any SIMD level.
    """
    check_array(users, cnp.NPY_INT32, 1, False, "predict: users")
    check_array(items, cnp.NPY_INT32, 1, False, "predict: items")
    check_record(factors, Factors, "predict: factors")
    check_array(out, cnp.NPY_FLOAT64, 1, True, "predict: out")
    cdef Py_ssize_t k, n = length(users)
    cdef int worker, workers = 0, team = team_size(n_threads)
    cdef const int32_t *user_codes = <const int32_t *>pointer(users)
    cdef const int32_t *item_codes = <const int32_t *>pointer(items)
    cdef double *found = <double *>pointer(out)
    cdef FactorPointers f = pointers_of(factors)
    cdef bint single = is_float32(factors.user_factors)
    if length(items) != n or length(out) != n:
        raise ValueError("predict: users, items and out must be of one length")
    if overlaps(out, (users, items, factors.user_factors, factors.item_factors, factors.user_bias,
                      factors.item_bias)):
        raise ValueError("predict: out shares memory with another argument")
    for k in range(n):
        if not (-1 <= user_codes[k] < f.n_users and -1 <= item_codes[k] < f.n_items):
            raise ValueError(f"predict: pair {k} ({user_codes[k]}, {item_codes[k]}) is out of range")
    cdef Predict predict_range = loops.predict_f32 if single else loops.predict_f64
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        workers |= team_present()
        predict_range(user_codes, item_codes, &f, found, n * worker // team, n * (worker + 1) // team)
    report_workers(workers)
