# Contrastive divergence over mini-batches, visible unit by visible unit.
#
# A rating reads and writes 2 KB of W, so the order in which ratings are worked on matters more than the
# arithmetic. The ratings of a mini-batch are sorted by visible unit: W_i is loaded once for all cases that
# rated i, and its gradient is summed in registers or the nearest cache, and applied there. The units are cut
# into parts. The stages of a mini-batch:
#
# 1. by part: sort the ratings, and sum the rows of W (and D) into each case's inputs;
# 2. by case: add the sums of the parts in their order, and draw the hidden units;
# 3. by part: draw the ratings of the reconstruction, and sum their rows of W; 2 and 3 for each further step;
# 4. by quarter of a part: update W, b and D.
#
# The parts depend on the data alone, so the sums are the same for any number of threads.

from cython.parallel cimport parallel, threadid
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch
from cfcore.kernels.common.threads cimport team_present
from cfcore.kernels.rbm.batch_ratings cimport (
    AHEAD,
    CHAIN,
    DATA,
    KNOWN,
    NEGATIVE,
    OFFSET,
    POSITIVE,
    STATE,
    BatchRating,
    Pass,
    row_of,
    sort_ratings,
    sum_of,
    weights_of,
)
from cfcore.kernels.rbm.model cimport cf_add, draw_hidden, hidden_means
from cfcore.kernels.rbm.updates cimport UPDATES_OF_PART, update_hidden_bias
from cfcore.kernels.rbm.work_stealing cimport (
    Shared,
    Worker,
    claim,
    clear,
    end_stage,
    finish,
    first_own,
    task_at,
    worker_of,
)


cdef inline int train_batches(const Pass *work, int team) noexcept nogil:
    """`RbmLoops.train_batches`."""
    cdef Shared shared
    clear(&shared)
    with parallel(num_threads=team):
        train_usual(work, worker_of(&shared, threadid(), team_present()))
    return shared.team


cdef inline void train_usual(const Pass *work, Worker me) noexcept nogil:
    """`train_as_worker`, compiled for 30, 100 and 300 hidden units (padded) separately: rows are unrolled."""
    if work.p.width == 32:
        train_as_worker(work, &me, 32)
    elif work.p.width == 112:
        train_as_worker(work, &me, 112)
    elif work.p.width == 304:
        train_as_worker(work, &me, 304)
    else:
        train_as_worker(work, &me, work.p.width)


cdef inline void train_as_worker(const Pass *work, Worker *me, Py_ssize_t width) noexcept nogil:
    """The work of one thread on each mini-batch of the call."""
    cdef Py_ssize_t number, step, attempt, part, task, sorted_last, n_cases
    cdef Py_ssize_t n_updates = work.n_parts * UPDATES_OF_PART
    cdef const int32_t *cases
    cdef double squares
    for number in range(work.begin, work.end):
        cases = work.order + number * work.batch_size
        n_cases = min(work.batch_size, work.n_order - number * work.batch_size)
        sorted_last = -2  # no part continues it
        for attempt in range(work.n_parts):
            part = task_at(me, attempt, work.n_parts, 1)
            if claim(me, part):
                sort_ratings(work, part, part == sorted_last + 1, cases, n_cases,
                             work.rows + me.number * work.rows_length)
                sum_data(work, width, part, n_cases)
                sorted_last = part
                finish(me)
        end_stage(me, work.n_parts)
        for attempt in range(me.team):
            task = task_at(me, attempt, me.team, 1)
            if claim(me, task):
                begin_cases(work, width, cases, first_own(task, n_cases, me.team),
                            first_own(task + 1, n_cases, me.team))
                finish(me)
        end_stage(me, me.team)
        for step in range(work.cd_steps):
            for attempt in range(work.n_parts):
                part = task_at(me, attempt, work.n_parts, 1)
                if claim(me, part):
                    squares = work.draw_ratings(work, part, cases, n_cases, step)
                    if step == 0:
                        work.squares[number * work.n_parts + part] = squares
                    finish(me)
            end_stage(me, work.n_parts)
            for attempt in range(me.team):
                task = task_at(me, attempt, me.team, 1)
                if claim(me, task):
                    end_step(work, width, cases, first_own(task, n_cases, me.team),
                             first_own(task + 1, n_cases, me.team), step)
                    finish(me)
            end_stage(me, me.team)
        if claim(me, n_updates):
            update_hidden_bias(work, width, n_cases, me.number)
            finish(me)
        for attempt in range(n_updates):
            task = task_at(me, attempt, n_updates, UPDATES_OF_PART)
            if claim(me, task):
                work.update_units(work, task, n_cases, me.number)
                finish(me)
        end_stage(me, n_updates + 1)


cdef inline void sum_data(const Pass *work, Py_ssize_t width, Py_ssize_t part,
                          Py_ssize_t n_cases) noexcept nogil:
    """sum W[i, v_i] and sum D_i over a part of the units, for each case."""
    cdef float *data = sum_of(work, width, part, DATA)
    cdef float *known = sum_of(work, width, part, KNOWN)
    cdef float *chain = sum_of(work, width, part, CHAIN)
    cdef Py_ssize_t k, end = work.ranges[2 * part + 1]
    cdef const BatchRating *rating
    memset(data, 0, n_cases * width * sizeof(float))
    if work.p.conditional != NULL:
        memset(known, 0, n_cases * width * sizeof(float))
    if work.persistent:
        memset(chain, 0, n_cases * width * sizeof(float))
    for k in range(work.ranges[2 * part], end):
        rating = work.ratings + k + AHEAD
        if k + AHEAD < end and (rating.unit != (rating - 1).unit or rating.level != (rating - 1).level):
            cf_prefetch(weights_of(work, width, rating, rating.level), width * sizeof(float))
        rating = work.ratings + k
        if rating.position >= 0:
            cf_add(data + rating.row * width, weights_of(work, width, rating, rating.level), width)
            if work.persistent:
                cf_add(chain + rating.row * width, weights_of(work, width, rating, rating.drawn), width)
        if work.p.conditional != NULL:
            cf_add(known + rating.row * width, work.p.conditional + rating.unit * width, width)


cdef inline void add_parts(const Pass *work, Py_ssize_t width, Py_ssize_t row, int kind,
                           float *out) noexcept nogil:
    """Add the sums of the parts for a case, in the order of the parts."""
    cdef Py_ssize_t part
    for part in range(work.n_parts):
        cf_add(out, sum_of(work, width, part, kind) + row * width, width)


cdef inline void means_of(const Pass *work, Py_ssize_t width, Py_ssize_t row, int kind, float *inputs,
                          float *means) noexcept nogil:
    """P(h) of a case from the sums of the parts; `inputs` is scratch."""
    cdef const float *offset = row_of(work, width, OFFSET, row)
    cdef Py_ssize_t k
    for k in range(width):
        inputs[k] = offset[k]
    add_parts(work, width, row, kind, inputs)
    hidden_means(&work.p, inputs, means)


cdef inline void begin_cases(const Pass *work, Py_ssize_t width, const int32_t *cases, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil:
    """P(h | V) of the data, and hidden states drawn from it, for cases [first, last) of the mini-batch."""
    cdef Py_ssize_t row, k
    cdef float *offset
    cdef float *state
    for row in range(first, last):
        offset = row_of(work, width, OFFSET, row)
        state = row_of(work, width, STATE, row)
        for k in range(width):
            offset[k] = work.p.hidden_bias[k]
        if work.p.conditional != NULL:
            add_parts(work, width, row, KNOWN, offset)
        means_of(work, width, row, DATA, state, row_of(work, width, POSITIVE, row))
        if work.persistent:
            means_of(work, width, row, CHAIN, state, row_of(work, width, NEGATIVE, row))
        draw_hidden(row_of(work, width, NEGATIVE if work.persistent else POSITIVE, row), state,
                    work.p.n_hidden, width, work.seed, work.epoch, cases[row], 0)


cdef inline void end_step(const Pass *work, Py_ssize_t width, const int32_t *cases, Py_ssize_t first,
                          Py_ssize_t last, Py_ssize_t step) noexcept nogil:
    """P(h | V') of the reconstructions and, but for the last step, hidden states drawn from it."""
    cdef Py_ssize_t row
    cdef float *state
    for row in range(first, last):
        state = row_of(work, width, STATE, row)
        means_of(work, width, row, DATA, state, row_of(work, width, NEGATIVE, row))
        if step + 1 < work.cd_steps:
            draw_hidden(row_of(work, width, NEGATIVE, row), state, work.p.n_hidden, width, work.seed,
                        work.epoch, cases[row], step + 1)
