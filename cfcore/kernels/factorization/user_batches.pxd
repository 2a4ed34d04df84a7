# User batches, trained one after the other: the models with implicit terms. A batch has three steps, each in
# parallel:
#
# 1. sum table rows over the set of each user, part by part of the table;
# 2. work through the ratings, block by block of users x items: blocks that share no user and no item at once,
#    the others in their order; the first block of a user stripe adds up the parts of its users' sums, and the
#    last one finds how much the sums changed;
# 3. write the changes to the table's rows, part by part, users in their order.
#
# Step 3 of a batch and step 1 of the next are one pass over the parts. The loops are compiled per SIMD level
# and called by pointer, once a block or part.

from cython.parallel cimport parallel, threadid
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport pointer
from cfcore.kernels.common.atomics cimport (
    await_count,
    cf_arrive,
    cf_exchange_if,
    cf_give_way,
    cf_observe,
    cf_pause,
    cf_publish,
)
from cfcore.kernels.common.threads cimport team_present
from cfcore.kernels.factorization.block_schedule cimport (
    BEGUN,
    FREE,
    STATE,
    end_visit,
    is_due,
    is_free,
    opens_user_stripe,
    plan_visits,
)
from cfcore.kernels.factorization.implicit_terms cimport TermLoops, Terms
from cfcore.kernels.factorization.sgd cimport Rating
from cfcore.kernels.factorization.svdpp_loops cimport Sweep

# What the threads of a call share.
cdef struct Batches:
    const Rating *ratings
    const int64_t *block_ptr
    const int32_t *stripe_ptr   # users of each stripe
    const int32_t *batches      # of each visit
    const int32_t *order        # blocks of the batch, a row for each visit
    const int64_t *starts
    Py_ssize_t n_visits, n_item_stripes
    Py_ssize_t n_user_stripes, n_blocks, n_stripes  # of a batch; stripes of users and items together
    double *squares             # of each block
    int32_t *schedule
    int32_t *latest
    int32_t *claims             # of each part, a row for each visit and one more
    Terms terms
    TermLoops loops
    Sweep sweep
    const void *model

# Entries of `progress`: parts and blocks that are done, whether sets or cuts are wrong, and threads.
cdef enum:
    DONE, FAILED, WORKERS, N_PROGRESS

cdef enum:
    PATIENCE = 512  # pauses before work of another thread is taken: less time than a part or block takes
    REGAINED = 16   # pauses more that a thread may make after a block that was due at once

# A thread, and its state in a visit.
cdef struct Worker:
    int number, team
    int patience
    Py_ssize_t own          # all earlier visits of own blocks are begun
    Py_ssize_t earliest     # all earlier visits are begun


cdef inline Batches batches_of(object layout, object visits, object scratch, object span) except *:
    """Pointers to arrays of records that `check_user_batches` has checked; terms and loops are not set."""
    cdef Batches work
    cdef Py_ssize_t begin = span[0], end = span[1]
    memset(&work, 0, sizeof(work))
    work.n_item_stripes, work.n_user_stripes = layout.n_item_stripes, layout.batch_stripes
    work.n_stripes = work.n_item_stripes + work.n_user_stripes
    work.n_blocks, work.n_visits = layout.batch_blocks, end - begin
    work.ratings = <const Rating *>pointer(layout.ratings)
    work.block_ptr = <const int64_t *>pointer(layout.block_ptr)
    work.stripe_ptr = <const int32_t *>pointer(layout.stripe_ptr)
    work.batches = <const int32_t *>pointer(visits.batches) + begin
    work.order = <const int32_t *>pointer(visits.order) + begin * work.n_blocks
    work.starts = <const int64_t *>pointer(visits.starts)
    work.squares = <double *>pointer(scratch.squares)
    work.schedule = <int32_t *>pointer(scratch.schedule) + 3 * begin * work.n_blocks
    work.latest = <int32_t *>pointer(scratch.latest) + begin * work.n_stripes
    work.claims = <int32_t *>pointer(scratch.claims) + begin * <Py_ssize_t>layout.n_parts
    return work


cdef inline Terms terms_of(object sets, object table, object sums) except *:
    """Pointers to the arrays of an `ImplicitSets` record, its table and the sums."""
    cdef Terms terms
    memset(&terms, 0, sizeof(terms))
    terms.indptr = <const int64_t *>pointer(sets.indptr)
    terms.members = <const int32_t *>pointer(sets.members)
    if sets.weights is not None:
        terms.weights = <const float *>pointer(sets.weights)
    terms.table, terms.sums = pointer(table), pointer(sums)
    terms.n_rows, terms.width = table.shape[0], table.shape[1]
    return terms


cdef inline Terms batch_terms(object layout, object sets, object table, object scratch) except *:
    """`terms_of`, and what else `train_batches` needs."""
    cdef Terms terms = terms_of(sets, table, scratch.sums)
    terms.user_counts = <const int64_t *>pointer(layout.user_counts)
    terms.parts, terms.n_parts = <const int32_t *>pointer(layout.parts), layout.n_parts
    terms.cuts = <const int64_t *>pointer(layout.cuts)
    terms.first_sums, terms.partial_sums = pointer(scratch.first_sums), pointer(scratch.partial_sums)
    terms.kept, terms.gains = pointer(scratch.kept), pointer(scratch.gains)
    return terms


cdef inline void train_batches(const Batches *work, int team, int32_t *progress) noexcept nogil:
    """All visits of a call; see `check_outcome`. `progress` is overwritten."""
    cdef Py_ssize_t k
    # More threads than there are parts, or blocks that share no stripe, would have no work. (Two run even if
    # one has it all: then small problems try what threads share.)
    cdef Py_ssize_t most = max(2, work.terms.n_parts, min(work.n_item_stripes, work.n_user_stripes))
    cdef int n_workers = <int>min(<Py_ssize_t>team, most)
    progress[DONE] = progress[FAILED] = 0
    progress[WORKERS] = 1
    for k in range(work.n_visits):
        plan_visits(work.order + k * work.n_blocks, work.n_blocks, <int>work.n_item_stripes,
                    work.latest + k * work.n_stripes, work.n_stripes, work.schedule + 3 * k * work.n_blocks)
    for k in range((work.n_visits + 1) * work.terms.n_parts):
        work.claims[k] = FREE
    with parallel(num_threads=n_workers):
        work_through(work, progress, threadid(), team_present())


cdef inline void work_through(const Batches *work, int32_t *progress, int worker, int team) noexcept nogil:
    """The work of one thread: parts of the table and blocks, its own ones first.

    The parts and item stripes of a thread are the same in all batches, so that their rows stay in one cache.
    Those of another thread are taken only when it does not begin them for some time, because it was
    preempted. It makes no difference to the result.
    """
    cdef Worker mine = Worker(number=worker, team=team, patience=PATIENCE, own=0, earliest=0)
    cdef Py_ssize_t visit, part, place
    cdef int32_t done = 0  # parts and blocks, by all threads
    cdef const int32_t *before = NULL
    cdef const int32_t *stripes = NULL
    if worker == 0:
        progress[WORKERS] = team
    for visit in range(work.n_visits + 1):
        before = stripes  # user stripes of the batch before; NULL at the first
        stripes = NULL
        if visit < work.n_visits:
            stripes = work.stripe_ptr + work.batches[visit] * work.n_user_stripes
        await_count(&progress[DONE], done)  # all blocks of the batch before
        part = begin_part(work, visit, &mine)
        while part < work.terms.n_parts:
            work_part(work, part, before, stripes, progress)
            cf_arrive(&progress[DONE])
            part = begin_part(work, visit, &mine)
        done += <int32_t>work.terms.n_parts
        if visit == work.n_visits:
            return
        await_count(&progress[DONE], done)  # all parts
        mine.own = mine.earliest = 0
        place = begin_block(work, visit, &mine)
        while place < work.n_blocks:
            work_block(work, visit, place, stripes, progress)
            cf_arrive(&progress[DONE])
            place = begin_block(work, visit, &mine)
        done += <int32_t>work.n_blocks


cdef inline bint is_own(const Worker *mine, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Whether part or item stripe k of n is the thread's."""
    return k * mine.team // n == mine.number


cdef inline Py_ssize_t begin_part(const Batches *work, Py_ssize_t visit, Worker *mine) noexcept nogil:
    """Begin a part, one of the thread's own if possible, and return it; n_parts when all are begun."""
    cdef Py_ssize_t part, n_parts = work.terms.n_parts
    cdef int32_t *claims = work.claims + visit * n_parts
    cdef int pauses = 0
    for part in range(n_parts):
        if is_own(mine, part, n_parts) and cf_exchange_if(&claims[part], FREE, BEGUN):
            return part
    for part in range(n_parts):
        while cf_observe(&claims[part]) == FREE:
            if not is_patient(mine, &pauses) and cf_exchange_if(&claims[part], FREE, BEGUN):
                return part
    return n_parts


cdef inline Py_ssize_t begin_block(const Batches *work, Py_ssize_t visit, Worker *mine) noexcept nogil:
    """Begin a visit of a block, of the thread's own item stripes if possible; n_blocks when all are begun.

    Returns the position in the order of the batch's blocks.
    """
    cdef const int32_t *order = work.order + visit * work.n_blocks
    cdef int32_t *schedule = work.schedule + 3 * visit * work.n_blocks
    cdef Py_ssize_t t, n = work.n_blocks, n_items = work.n_item_stripes
    cdef int pauses = 0
    while True:
        while mine.own < n and not (is_own(mine, order[mine.own] % n_items, n_items)
                                    and is_free(schedule, mine.own)):
            mine.own += 1
        while mine.earliest < n and not is_free(schedule, mine.earliest):
            mine.earliest += 1
        if mine.earliest == n:
            return n
        t = mine.own
        if t < n and is_due(schedule, t):
            if pauses == 0:
                mine.patience = min(PATIENCE, mine.patience + REGAINED)
        else:
            if is_patient(mine, &pauses):
                continue
            t = mine.earliest
            while t < n and not (is_free(schedule, t) and is_due(schedule, t)):
                t += 1
        if t == n:
            cf_give_way()
        elif cf_exchange_if(&schedule[3 * t + STATE], FREE, BEGUN):
            return t


cdef inline bint is_patient(Worker *mine, int *pauses) noexcept nogil:
    """Wait a moment for another thread; False when it was long enough. `pauses` counts those of this wait."""
    if pauses[0] < mine.patience:
        pauses[0] += 1
        cf_pause()
        return True
    mine.patience //= 2  # the thread awaited may not be running: wait less the next time
    return False


cdef inline void work_part(const Batches *work, Py_ssize_t part, const int32_t *before,
                           const int32_t *stripes, int32_t *progress) noexcept nogil:
    """A part of the table: the changes by the batch before, and sums for the users of the next batch."""
    if cf_observe(&progress[FAILED]):
        return
    if before != NULL:
        work.loops.write_back(&work.terms, part, before[0], before[work.n_user_stripes])
    if stripes != NULL:
        if not work.loops.sum_part(&work.terms, part, stripes[0], stripes[work.n_user_stripes]):
            cf_publish(&progress[FAILED], 1)


cdef inline void work_block(const Batches *work, Py_ssize_t visit, Py_ssize_t place,
                            const int32_t *stripes, int32_t *progress) noexcept nogil:
    """A block, with the sums of its users if it is their first, and the sums' changes if it is the last."""
    cdef int32_t number = work.order[visit * work.n_blocks + place]
    cdef Py_ssize_t block = work.batches[visit] * work.n_blocks + number
    cdef Py_ssize_t stripe = number // work.n_item_stripes
    cdef Py_ssize_t count = work.block_ptr[block + 1] - work.block_ptr[block]
    cdef int32_t *schedule = work.schedule + 3 * visit * work.n_blocks
    cdef const int32_t *latest = work.latest + visit * work.n_stripes
    work.squares[block] = 0
    if opens_user_stripe(schedule, place):
        work.loops.begin_users(&work.terms, stripes[0], stripes[stripe], stripes[stripe + 1])
    if count > 0 and not cf_observe(&progress[FAILED]):
        work.squares[block] = work.sweep(work.ratings + work.block_ptr[block], count,
                                         work.starts[block] % count, work.model)
    if latest[work.n_item_stripes + stripe] == place:
        work.loops.end_users(&work.terms, stripes[stripe], stripes[stripe + 1])
    end_visit(schedule, place)


cdef inline int check_outcome(const Batches *work, const int32_t *progress, str codes) except -1:
    """Raise ValueError if `train_batches` met wrong sets or cuts, or a rating with `codes` out of range."""
    cdef Py_ssize_t visit, block
    if progress[FAILED]:
        raise ValueError("train: sets are not ascending, or layout.cuts are not those of the sets")
    for visit in range(work.n_visits):
        for block in range(work.batches[visit] * work.n_blocks, (work.batches[visit] + 1) * work.n_blocks):
            if work.squares[block] < 0:  # -1: the sweep met a bad rating
                raise ValueError(f"train: {codes} in block {block} is out of range")
