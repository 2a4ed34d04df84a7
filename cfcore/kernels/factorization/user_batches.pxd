# The engine of the models with implicit feedback: users in chunks, visited one after the other.
#
# A chunk has three steps, each in parallel:
#
# 1. sum the y of what each user rated, part by part of the items;
# 2. work through the ratings, block by block of users x items: blocks that share no user and no item at
#    once, the others in their order; the first block of a stripe of users joins the parts of their sums, and
#    the last sees how far the sums came;
# 3. hand that on to every y, part by part of the items, users in their order.
#
# What a rating does is the model's: it gives a function that sweeps a block. The call by pointer, once a
# block, costs nothing to be seen.

from cython cimport floating
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int32_t

from cfcore.kernels.factorization.implicit_terms cimport Layout, begin_users, end_users, sum_part, write_back
from cfcore.kernels.factorization.sgd cimport Rating
from cfcore.kernels.common.atomics cimport await_count, cf_arrive, cf_observe, cf_publish
from cfcore.kernels.common.threads cimport team_present
from cfcore.kernels.factorization.block_schedule cimport (
    await_visit,
    end_visit,
    opens_user_stripe,
    plan_visits,
)

# Steps along the n ratings of a block, from `start` to the last, then from the first to `start`; `model` is
# what the model made of its parameters. The sum of squared errors, each taken before its step; -1 at a code
# out of range.
ctypedef double (*Sweep)(const Rating *ratings, Py_ssize_t n, Py_ssize_t start,
                         const void *model) noexcept nogil

# Places in `progress`.
cdef enum:
    DONE, FAILED, N_PROGRESS


cdef inline bint visit_chunks(const Layout *data, floating *y, floating *s, floating *s_first,
                              floating *partial, floating *kept, Py_ssize_t width, double keep_y, Sweep sweep,
                              const void *model, int team) noexcept nogil:
    """All visits of a call. False if a set is not sound; squares of a block are -1 if a rating is not."""
    cdef int32_t[N_PROGRESS] progress
    cdef Py_ssize_t k
    progress[DONE] = progress[FAILED] = 0
    for k in range(data.n_visits):
        plan_visits(data.order + k * data.n_blocks, data.n_blocks, data.n_item_stripes,
                    data.latest + k * data.n_stripes, data.n_stripes, data.turns + 3 * k * data.n_blocks)
    with parallel(num_threads=team):
        work(data, y, s, s_first, partial, kept, progress, width, keep_y, sweep, model, threadid(),
             team_present())
    return not progress[FAILED]


cdef inline void work(const Layout *data, floating *y, floating *s, floating *s_first, floating *partial,
                      floating *kept, int32_t *progress, Py_ssize_t width, double keep_y, Sweep sweep,
                      const void *model, int member, int team) noexcept nogil:
    """What a member of the team does: its own parts of y, and blocks of its own item stripes in their order.

    Items stay with one member through all chunks, so that their rows stay in one cache; that is why work is
    not given to whoever is free. It makes no difference to the result.
    """
    cdef Py_ssize_t visit, part, turn, n_items = data.n_item_stripes
    cdef int32_t done = 0  # units of work, of the whole team
    cdef const int32_t *order = data.order
    cdef const int32_t *before = NULL
    cdef const int32_t *stripes = NULL
    for visit in range(data.n_visits + 1):
        before = stripes  # the chunk before; NULL at the first
        stripes = data.stripe_ptr + data.chunks[visit] * data.per_chunk if visit < data.n_visits else NULL
        await_count(&progress[DONE], done)  # all blocks of the chunk before
        for part in range(data.n_parts):
            if part * team // data.n_parts == member:
                work_part(data, part, before, stripes, y, s, partial, kept, progress, width)
                cf_arrive(&progress[DONE])
        done += <int32_t>data.n_parts
        if visit == data.n_visits:
            return
        await_count(&progress[DONE], done)  # all parts
        for turn in range(data.n_blocks):
            if (order[turn] % n_items) * team // n_items == member:
                work_block(data, visit, order, turn, stripes, s, s_first, partial, kept, progress, width,
                           keep_y, sweep, model)
                cf_arrive(&progress[DONE])
        done += <int32_t>data.n_blocks
        order += data.n_blocks


cdef inline void work_part(const Layout *data, Py_ssize_t part, const int32_t *before, const int32_t *stripes,
                           floating *y, const floating *s, floating *partial, const floating *kept,
                           int32_t *progress, Py_ssize_t width) noexcept nogil:
    """A part of y: what the chunk before hands on to it, and its sums for the users of the next chunk."""
    if cf_observe(&progress[FAILED]):
        return
    if before != NULL:
        write_back(data, part, before[0], before[data.per_chunk], s, kept, y, width)
    if stripes != NULL:
        if not sum_part(data, part, stripes[0], stripes[data.per_chunk], y, partial, width):
            cf_publish(&progress[FAILED], 1)


cdef inline void work_block(const Layout *data, Py_ssize_t visit, const int32_t *order, Py_ssize_t turn,
                            const int32_t *stripes, floating *s, floating *s_first, const floating *partial,
                            floating *kept, int32_t *progress, Py_ssize_t width, double keep_y, Sweep sweep,
                            const void *model) noexcept nogil:
    """A block, with the sums of its users if it is their first, and their steps if it is their last."""
    cdef Py_ssize_t block = data.chunks[visit] * data.n_blocks + order[turn]
    cdef Py_ssize_t stripe = order[turn] // data.n_item_stripes
    cdef Py_ssize_t count = data.block_ptr[block + 1] - data.block_ptr[block]
    cdef int32_t *turns = data.turns + 3 * visit * data.n_blocks
    cdef const int32_t *latest = data.latest + visit * data.n_stripes
    await_visit(turns, turn)
    data.squares[block] = 0
    if opens_user_stripe(turns, turn):
        begin_users(data, stripes[0], stripes[stripe], stripes[stripe + 1], partial, s, s_first, width)
    if count > 0 and not cf_observe(&progress[FAILED]):
        data.squares[block] = sweep(data.ratings + data.block_ptr[block], count, data.starts[block] % count,
                                    model)
    if latest[data.n_item_stripes + stripe] == turn:
        end_users(data, stripes[stripe], stripes[stripe + 1], s, s_first, kept, width, keep_y)
    end_visit(turns, turn)
