# The ratings of a mini-batch of `rbm.pyx`, sorted by visible unit, and where the rest of its work lies.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from cfcore.kernels.boltzmann cimport MAX_LEVELS, Machine, Rows
from cfcore.kernels.implicit cimport place_of

# A member of a case's r, in Python np.dtype([("position", "i8"), ("unit", "i4"), ("slot", "i4"),
# ("level", "i4"), ("drawn", "i4")]): where its rating is, or -1; the unit; which case of the batch; its
# level, and the level drawn for it.
cdef struct Place:
    int64_t position
    int32_t unit
    int32_t slot
    int32_t level
    int32_t drawn

cdef enum:
    LANES = 16      # ratings drawn together
    AHEAD = 8       # places between asking for a row and adding it

cdef enum:
    FIRST, LAST, OFFSET, STATE, N_ROWS  # rows of a case
cdef enum:
    DATA, GIVEN, CHAIN, N_SUMS          # sums of a part for a case: of W, of D, of W where chains go on

cdef struct Task:
    Machine m
    Machine v              # velocities; v.weights NULL: without momentum
    Rows rows
    bint rated_only        # each r holds just what its case rated
    bint persistent        # chains go on from where they ended in the epoch before
    const int32_t *order
    Py_ssize_t n_order, batch, begin, end
    const int32_t *parts
    Py_ssize_t n_parts
    float *cases           # [N_ROWS, batch, width]
    float *sums            # [n_parts, N_SUMS, batch, width]
    uint8_t *drawn
    Place *places          # [2, capacity]: of this batch and of the next
    Py_ssize_t capacity
    int64_t *ranges        # [n_parts, 2]: places of each part
    int32_t *counts
    int32_t *touched
    float *gradients       # [threads, (n_levels + 1) width]
    Py_ssize_t gradient_length
    double *squares        # [n_batches, n_parts]
    float values[MAX_LEVELS]
    const float *sharing   # [n_levels, n_levels]; NULL: every level by itself
    float rates[4]
    float decay, momentum
    bint by_count
    Py_ssize_t cd_steps
    uint64_t seed
    int64_t epoch


cdef inline void gather(const Task *t, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                        Place *places) noexcept nogil:
    """The ratings of a batch in a part of the units, sorted by unit, and by case within a unit."""
    cdef const Rows *rows = &t.rows
    cdef int32_t first = t.parts[part], stop = t.parts[part + 1], unit
    cdef int32_t *touched = t.touched + first
    cdef Py_ssize_t slot, k, n_touched = 0
    cdef int64_t begin = 0, at, end, position, last, count
    cdef Place *place
    for slot in range(n_cases):
        at = rows.rated_indptr[cases[slot]]
        end = rows.rated_indptr[cases[slot] + 1]
        begin -= at
        at = place_of(rows.rated_units, at, end, first)
        begin += at  # what the parts before have
        while at < end and rows.rated_units[at] < stop:
            unit = rows.rated_units[at]
            if t.counts[unit] == 0:
                touched[n_touched] = unit
                n_touched += 1
            t.counts[unit] += 1
            at += 1
    t.ranges[2 * part] = begin
    count = begin
    for k in range(n_touched):
        unit = touched[k]
        count += t.counts[unit]
        t.counts[unit] = <int32_t>(count - t.counts[unit])
    t.ranges[2 * part + 1] = count
    for slot in range(n_cases):
        end = rows.rated_indptr[cases[slot] + 1]
        at = place_of(rows.rated_units, rows.rated_indptr[cases[slot]], end, first)
        last = rows.indptr[cases[slot] + 1]
        position = at if t.rated_only else place_of(rows.units, rows.indptr[cases[slot]], last, first)
        while at < end and rows.rated_units[at] < stop:
            unit = rows.rated_units[at]
            place = places + t.counts[unit]
            t.counts[unit] += 1
            place.unit = unit
            place.slot = <int32_t>slot
            place.position = -1
            if position < last and rows.units[position] == unit:
                place.position = position
                place.level = rows.levels[position]
                place.drawn = t.drawn[position]
                position += 1
            at += 1
    for k in range(n_touched):
        t.counts[touched[k]] = 0


cdef inline float *sum_of(const Task *t, Py_ssize_t width, Py_ssize_t part, int kind) noexcept nogil:
    """The sums of a part: a row for each case of the batch."""
    return t.sums + (part * N_SUMS + kind) * t.batch * width


cdef inline float *row_of(const Task *t, Py_ssize_t width, int kind, Py_ssize_t slot) noexcept nogil:
    return t.cases + (kind * t.batch + slot) * width


cdef inline float *weights_of(const Task *t, Py_ssize_t width, const Place *place,
                              int32_t level) noexcept nogil:
    return t.m.weights + (place.unit * t.m.n_levels + level) * width
