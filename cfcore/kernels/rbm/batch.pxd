# Contrastive divergence over mini-batches, visible unit by visible unit.
#
# A rating touches 2 KB of W, so the order in which ratings are worked on matters more than what is done with
# them. The ratings of a mini-batch are sorted by visible unit: W_i is loaded once for all cases that rated i,
# and its gradient is summed in registers or the nearest cache, and applied there. The units are cut into
# parts. For each mini-batch:
#
# 1. part by part: sort the ratings, and sum the rows of W (and D) into each case's inputs;
# 2. case by case: join the parts' sums in their order, and draw the hidden units;
# 3. part by part: draw the ratings anew, and sum their rows of W; then again 2 and 3 for each further step;
# 4. piece by piece of a part: move W, b and D.
#
# The parts depend on the data alone, so that sums are the same for any number of threads. A part stays with
# one thread as long as threads are equally fast (see crew.pxd).

from cython.parallel cimport parallel, threadid
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

from cfcore.kernels.rbm.model cimport (
    LANES,
    MAX_LEVELS,
    VISIBLE,
    cf_add,
    cf_draw,
    cf_expect,
    cf_logits,
    cf_softmax,
    cf_uniforms,
    draw_hidden,
    hidden_means,
)
from cfcore.kernels.rbm.work_stealing cimport Board, Member, clear, end_stage, first_own, member_of, piece_at, take
from cfcore.kernels.common.lanes cimport cf_prefetch, cf_prefetch_read
from cfcore.kernels.rbm.updates cimport PIECES_OF_PART, move_hidden, move_piece
from cfcore.kernels.rbm.batch_ratings cimport (
    AHEAD,
    CHAIN,
    DATA,
    FIRST,
    GIVEN,
    LAST,
    NEAR,
    OFFSET,
    SOON,
    STATE,
    Place,
    Task,
    gather,
    row_of,
    sum_of,
    weights_of,
)
from cfcore.kernels.common.threads cimport team_present


cdef inline void train_batches(const Task *t, int team) noexcept nogil:
    cdef Board board
    clear(&board)
    with parallel(num_threads=team):
        work_usual(t, member_of(&board, threadid(), team_present()))


cdef inline void work_usual(const Task *t, Member me) noexcept nogil:
    """`work`, compiled for 30, 100 and 300 hidden units (padded) by itself: rows are then unrolled."""
    if t.m.width == 32:
        work(t, &me, 32)
    elif t.m.width == 112:
        work(t, &me, 112)
    elif t.m.width == 304:
        work(t, &me, 304)
    else:
        work(t, &me, t.m.width)


cdef inline void work(const Task *t, Member *me, Py_ssize_t width) noexcept nogil:
    """What a member of the crew does of each mini-batch."""
    cdef Py_ssize_t number, step, turn, part, piece, gathered, n_cases, first_slot, last_slot
    cdef Py_ssize_t n_pieces = t.n_parts * PIECES_OF_PART
    cdef const int32_t *cases
    cdef double squares
    for number in range(t.begin, t.end):
        cases = t.order + number * t.batch
        n_cases = min(t.batch, t.n_order - number * t.batch)
        first_slot = first_own(me.number, n_cases, me.team)
        last_slot = first_own(me.number + 1, n_cases, me.team)
        gathered = -2  # no part is the next
        for turn in range(t.n_parts):
            part = piece_at(me, turn, t.n_parts, 1)
            if take(me, part):
                gather(t, part, part == gathered + 1, cases, n_cases, t.slots + me.number * t.slots_length)
                sum_data(t, width, part, n_cases)
                gathered = part
        end_stage(me)
        begin_cases(t, width, cases, first_slot, last_slot)
        end_stage(me)
        for step in range(t.cd_steps):
            for turn in range(t.n_parts):
                part = piece_at(me, turn, t.n_parts, 1)
                if take(me, part):
                    squares = draw_ratings(t, width, part, cases, n_cases, step)
                    if step == 0:
                        t.squares[number * t.n_parts + part] = squares
            end_stage(me)
            end_step(t, width, cases, first_slot, last_slot, step)
            end_stage(me)
        if me.number == 0:
            move_hidden(t, width, n_cases)
        for turn in range(n_pieces):
            piece = piece_at(me, turn, n_pieces, PIECES_OF_PART)
            if take(me, piece):
                move_piece(t, width, piece, n_cases, me.number)
        end_stage(me)


cdef inline void sum_data(const Task *t, Py_ssize_t width, Py_ssize_t part,
                          Py_ssize_t n_cases) noexcept nogil:
    """sum W[i, v_i] and sum D_i over a part of the units, for each case."""
    cdef float *data = sum_of(t, width, part, DATA)
    cdef float *given = sum_of(t, width, part, GIVEN)
    cdef float *chain = sum_of(t, width, part, CHAIN)
    cdef Py_ssize_t k, end = t.ranges[2 * part + 1]
    cdef const Place *place
    memset(data, 0, n_cases * width * sizeof(float))
    if t.m.conditional != NULL:
        memset(given, 0, n_cases * width * sizeof(float))
    if t.persistent:
        memset(chain, 0, n_cases * width * sizeof(float))
    for k in range(t.ranges[2 * part], end):
        place = t.places + k + AHEAD
        if k + AHEAD < end and (place.unit != place[-1].unit or place.level != place[-1].level):
            cf_prefetch(weights_of(t, width, place, place.level), width * sizeof(float))
        place = t.places + k
        if place.position >= 0:
            cf_add(data + place.slot * width, weights_of(t, width, place, place.level), width)
            if t.persistent:
                cf_add(chain + place.slot * width, weights_of(t, width, place, place.drawn), width)
        if t.m.conditional != NULL:
            cf_add(given + place.slot * width, t.m.conditional + place.unit * width, width)


cdef inline void joined(const Task *t, Py_ssize_t width, Py_ssize_t slot, int kind,
                        float *out) noexcept nogil:
    """Add what the parts have summed for a case, in the order of the parts."""
    cdef Py_ssize_t part
    for part in range(t.n_parts):
        cf_add(out, sum_of(t, width, part, kind) + slot * width, width)


cdef inline void means_of(const Task *t, Py_ssize_t width, Py_ssize_t slot, int kind, float *inputs,
                          float *means) noexcept nogil:
    """P(h) of a case from the parts' sums; `inputs` is scratch."""
    cdef const float *offset = row_of(t, width, OFFSET, slot)
    cdef Py_ssize_t k
    for k in range(width):
        inputs[k] = offset[k]
    joined(t, width, slot, kind, inputs)
    hidden_means(&t.m, inputs, means)


cdef inline void begin_cases(const Task *t, Py_ssize_t width, const int32_t *cases, Py_ssize_t first,
                             Py_ssize_t last) noexcept nogil:
    """P(h | V) of the data, and hidden states drawn from it."""
    cdef Py_ssize_t slot, k
    cdef float *offset
    cdef float *state
    for slot in range(first, last):
        offset = row_of(t, width, OFFSET, slot)
        state = row_of(t, width, STATE, slot)
        for k in range(width):
            offset[k] = t.m.hidden_bias[k]
        if t.m.conditional != NULL:
            joined(t, width, slot, GIVEN, offset)
        means_of(t, width, slot, DATA, state, row_of(t, width, FIRST, slot))
        if t.persistent:
            means_of(t, width, slot, CHAIN, state, row_of(t, width, LAST, slot))
        draw_hidden(row_of(t, width, LAST if t.persistent else FIRST, slot), state, t.m.n_hidden, width,
                    t.seed, t.epoch, cases[slot], 0)


cdef inline void end_step(const Task *t, Py_ssize_t width, const int32_t *cases, Py_ssize_t first,
                          Py_ssize_t last, Py_ssize_t step) noexcept nogil:
    """P(h | V') of what was drawn and, but for the last step, hidden states drawn from it."""
    cdef Py_ssize_t slot
    cdef float *state
    for slot in range(first, last):
        state = row_of(t, width, STATE, slot)
        means_of(t, width, slot, DATA, state, row_of(t, width, LAST, slot))
        if step + 1 < t.cd_steps:
            draw_hidden(row_of(t, width, LAST, slot), state, t.m.n_hidden, width, t.seed, t.epoch,
                        cases[slot], step + 1)


cdef inline double draw_ratings(const Task *t, Py_ssize_t width, Py_ssize_t part, const int32_t *cases,
                                Py_ssize_t n_cases, Py_ssize_t step) noexcept nogil:
    """Draw v' given h, `LANES` ratings at a time, and sum W[i, v'_i] for each case.

    Returns the sum of squared errors of the expected ratings.
    """
    cdef float *sums = sum_of(t, width, part, DATA)
    cdef Py_ssize_t k, n_levels = t.m.n_levels, end = t.ranges[2 * part + 1]
    cdef float shares[MAX_LEVELS * LANES]
    cdef float totals[LANES]
    cdef float noise[LANES]
    cdef float expected[LANES]
    cdef int64_t some_cases[LANES]
    cdef int64_t some_units[LANES]
    cdef int32_t drawn[LANES]
    cdef Place *some[LANES]
    cdef Place *place
    cdef int lane, n = 0
    cdef double squares = 0, error
    cdef bint far = 2 * n_cases * width * sizeof(float) > NEAR  # states and sums
    memset(sums, 0, n_cases * width * sizeof(float))
    memset(shares, 0, n_levels * LANES * sizeof(float))
    memset(some_cases, 0, sizeof(some_cases))
    memset(some_units, 0, sizeof(some_units))
    for k in range(t.ranges[2 * part], end):
        place = t.places + k
        if k + AHEAD < end and place[AHEAD].unit != place[AHEAD - 1].unit:
            cf_prefetch(weights_of(t, width, place + AHEAD, 0), n_levels * width * sizeof(float))
        if far and k + SOON < end:
            cf_prefetch_read(row_of(t, width, STATE, place[SOON].slot), width * sizeof(float))
        if place.position >= 0:
            cf_logits(t.m.weights + place.unit * n_levels * width, t.m.visible_bias + place.unit * n_levels,
                      row_of(t, width, STATE, place.slot), width, n_levels, shares + n)
            if far:
                cf_prefetch(sums + place.slot * width, width * sizeof(float))
            some[n] = place
            some_cases[n] = cases[place.slot]
            some_units[n] = place.unit
            n += 1
        if n < LANES and k + 1 < end:
            continue
        cf_softmax(shares, n_levels, totals)
        cf_uniforms(some_cases, some_units, <uint32_t>t.epoch, <uint32_t>(2 * step + VISIBLE), t.seed, noise)
        cf_draw(shares, totals, noise, n_levels, drawn)
        if step == 0:
            cf_expect(shares, totals, t.values, n_levels, expected)
            for lane in range(n):
                error = expected[lane] - t.values[some[lane].level]
                squares += error * error
        for lane in range(n):
            place = some[lane]
            place.drawn = drawn[lane]
            cf_add(sums + place.slot * width, weights_of(t, width, place, drawn[lane]), width)
            if step + 1 == t.cd_steps:
                t.drawn[place.position] = <uint8_t>drawn[lane]
        n = 0
    return squares
