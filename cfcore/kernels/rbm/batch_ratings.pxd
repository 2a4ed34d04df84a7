# The ratings of a mini-batch of `rbm.pyx`, sorted by visible unit, and where the rest of its work lies.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from cfcore.kernels.rbm.model cimport LANES, MAX_LEVELS, Machine, Rows
from cfcore.kernels.factorization.implicit_terms cimport place_of

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
    SOON = 3        # places between asking for the state of a case and drawing a rating of it
    AHEAD = 8       # places between asking for a row and adding it
    NEAR = 32768    # bytes that the nearest cache holds: to ask for them ahead would only cost
    SPARSE = 16     # units of a part for each of its ratings in a batch from which on counts are not scanned

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
    Place *places          # of this batch
    int64_t *ranges        # [n_parts, 2]: places of each part
    int32_t *counts
    int32_t *touched
    float *gradients       # [threads, n_levels width or more]
    Py_ssize_t gradient_length
    int32_t *slots         # [threads, 2 n_levels batch or more]: cases of a unit, by level given and drawn
    Py_ssize_t slots_length
    double *squares        # [n_batches, n_parts]
    float values[MAX_LEVELS]
    const float *sharing   # [n_levels - 1]; NULL: every level by itself
    float rates[4]
    float decay, momentum
    bint by_count
    Py_ssize_t cd_steps
    uint64_t seed
    int64_t epoch


cdef inline void gather(const Task *t, Py_ssize_t part, bint goes_on, const int32_t *cases,
                        Py_ssize_t n_cases, int32_t *reached) noexcept nogil:
    """The ratings of a batch in a part of the units, sorted by unit, and by case within a unit.

    `reached` says how far into the r of each case the part before went, if this one `goes_on` from it, and
    then how far this one did.

    Units ascend, unless the batch rated so few of the part that looking for them would cost more than that is
    worth: then they come as they are met.
    """
    cdef int32_t first = t.parts[part], unit, count
    cdef const int32_t *touched = NULL
    cdef Py_ssize_t k, n = t.parts[part + 1] - first
    cdef int64_t at, end
    if not goes_on:
        for k in range(n_cases):
            at = t.rows.rated_indptr[cases[k]]
            reached[k] = <int32_t>(place_of(t.rows.rated_units, at, t.rows.rated_indptr[cases[k] + 1], first)
                                   - at)
    count_units(t, part, cases, n_cases, reached)
    at, end = t.ranges[2 * part], t.ranges[2 * part + 1]
    if n > SPARSE * (end - at):
        touched = t.touched + first
        n = note_touched(t, part, cases, n_cases, reached)
    for k in range(n):  # counts become places
        unit = touched[k] if touched != NULL else first + <int32_t>k
        count = t.counts[unit]
        t.counts[unit] = <int32_t>at
        at += count
    put(t, part, cases, n_cases, reached)
    for k in range(n):
        t.counts[touched[k] if touched != NULL else first + <int32_t>k] = 0


cdef inline void count_units(const Task *t, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                             const int32_t *reached) noexcept nogil:
    """Count each unit of a part, and find the range of its places, after those of the parts before."""
    cdef const int32_t *units = t.rows.rated_units
    cdef int64_t at, end, before = 0, own = 0
    cdef Py_ssize_t slot
    for slot in range(n_cases):
        before += reached[slot]
        at = t.rows.rated_indptr[cases[slot]] + reached[slot]
        end = t.rows.rated_indptr[cases[slot] + 1]
        own -= at
        while at < end and units[at] < t.parts[part + 1]:
            t.counts[units[at]] += 1
            at += 1
        own += at
    t.ranges[2 * part] = before
    t.ranges[2 * part + 1] = before + own


cdef inline Py_ssize_t note_touched(const Task *t, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                                    const int32_t *reached) noexcept nogil:
    """Note which units of a part were counted, as they are met, in `touched`; how many there are."""
    cdef const int32_t *units = t.rows.rated_units
    cdef int32_t *touched = t.touched + t.parts[part]
    cdef int64_t at, end
    cdef Py_ssize_t slot, k, n = 0
    for slot in range(n_cases):
        at = t.rows.rated_indptr[cases[slot]] + reached[slot]
        end = t.rows.rated_indptr[cases[slot] + 1]
        while at < end and units[at] < t.parts[part + 1]:
            if t.counts[units[at]] > 0:
                touched[n] = units[at]
                n += 1
                t.counts[units[at]] = -t.counts[units[at]]  # met
            at += 1
    for k in range(n):
        t.counts[touched[k]] = -t.counts[touched[k]]
    return n


cdef inline void put(const Task *t, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                     int32_t *reached) noexcept nogil:
    """Put the ratings of a part where `counts` says, which then says where the next of the unit belongs."""
    cdef const Rows *rows = &t.rows
    cdef int32_t first = t.parts[part], stop = t.parts[part + 1], unit
    cdef int32_t *next_of = t.counts
    cdef int64_t begin, at, end, position, last
    cdef Py_ssize_t slot
    cdef Place *place
    for slot in range(n_cases):
        begin = rows.rated_indptr[cases[slot]]
        end = rows.rated_indptr[cases[slot] + 1]
        at = begin + reached[slot]
        if t.rated_only and not t.persistent:
            while at < end and rows.rated_units[at] < stop:
                unit = rows.rated_units[at]
                place = t.places + next_of[unit]
                next_of[unit] += 1
                place.position, place.unit, place.slot, place.level = at, unit, <int32_t>slot, rows.levels[at]
                at += 1
            reached[slot] = <int32_t>(at - begin)
            continue
        last = rows.indptr[cases[slot] + 1]
        position = place_of(rows.units, rows.indptr[cases[slot]], last, first)
        while at < end and rows.rated_units[at] < stop:
            unit = rows.rated_units[at]
            place = t.places + next_of[unit]
            next_of[unit] += 1
            place.position, place.unit, place.slot = -1, unit, <int32_t>slot
            if position < last and rows.units[position] == unit:
                place.position = position
                place.level = rows.levels[position]
                place.drawn = t.drawn[position]
                position += 1
            at += 1
        reached[slot] = <int32_t>(at - begin)


cdef inline float *sum_of(const Task *t, Py_ssize_t width, Py_ssize_t part, int kind) noexcept nogil:
    """The sums of a part: a row for each case of the batch."""
    return t.sums + (part * N_SUMS + kind) * t.batch * width


cdef inline float *row_of(const Task *t, Py_ssize_t width, int kind, Py_ssize_t slot) noexcept nogil:
    return t.cases + (kind * t.batch + slot) * width


cdef inline float *weights_of(const Task *t, Py_ssize_t width, const Place *place,
                              int32_t level) noexcept nogil:
    return t.m.weights + (place.unit * t.m.n_levels + level) * width
