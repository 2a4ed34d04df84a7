# The ratings of a mini-batch of `rbm.pyx`, sorted by visible unit, and where the arrays of its work are.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from cfcore.kernels.common.search cimport lower_bound
from cfcore.kernels.rbm.model cimport MAX_LEVELS, CasePointers, ParameterPointers

# An entry of a case's r; in Python `records.BATCH_RATING`.
cdef struct BatchRating:
    int64_t position  # of the rating in the cases; -1 if its value is not known
    int32_t unit
    int32_t row       # of the case in this mini-batch
    int32_t level
    int32_t drawn     # level of the reconstruction

cdef enum:
    SOON = 3        # ratings between prefetching the state of a case and drawing a rating of it
    AHEAD = 8       # ratings between prefetching a row of W and adding it
    NEAR = 32768    # bytes in the nearest cache: prefetching data that is in it only costs time
    SPARSE = 16     # units of a part for each of its ratings in a batch from which on counts are not scanned

cdef enum:
    POSITIVE, NEGATIVE, OFFSET, STATE, N_HIDDEN_ROWS  # of a case: p, p', b + sum of D, drawn states
cdef enum:
    DATA, KNOWN, CHAIN, N_SUMS  # of a part for a case: of W, of D, of W where persistent chains start

# Updates of W, b and D of some units, a task, at the end of a mini-batch; `work` is a Pass.
ctypedef void (*UpdateUnits)(const void *work, Py_ssize_t task, Py_ssize_t n_cases, int worker) noexcept nogil

# Draws the ratings of a part of the units given the hidden states, and sums their rows of W for each case.
# Returns the sum of squared errors of the expected ratings.
ctypedef double (*DrawRatings)(const void *work, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                               Py_ssize_t step) noexcept nogil

# The arguments of a call of `train`, shared by its threads.
cdef struct Pass:
    DrawRatings draw_ratings  # of `draw_loops.pyx`
    UpdateUnits update_units  # of `update_loops.pyx`
    ParameterPointers p
    ParameterPointers v    # velocities; v.weights NULL: without momentum
    CasePointers cases
    bint rated_only        # each set r is that of the units rated
    bint persistent
    bint by_count
    const int32_t *order
    Py_ssize_t n_order, batch_size, begin, end
    const int32_t *parts
    Py_ssize_t n_parts
    float *hidden          # [N_HIDDEN_ROWS, batch_size, width]
    float *sums            # [n_parts, N_SUMS, batch_size, width]
    uint8_t *drawn
    BatchRating *ratings   # of this mini-batch
    int64_t *ranges        # [n_parts, 2]: ratings of each part
    int32_t *counts
    int32_t *touched
    float *gradients       # [threads, n_levels width or more]
    Py_ssize_t gradient_length
    int32_t *rows          # [threads, 2 n_levels batch_size or more]: of a unit, by level given and drawn
    Py_ssize_t rows_length
    double *squares        # [n_batches, n_parts]
    float values[MAX_LEVELS]
    const float *sharing   # [n_levels - 1]; NULL: each level has a gradient of its own
    float rates[4]         # of W, b_ik, b_j, D
    float decay, momentum
    Py_ssize_t cd_steps
    uint64_t seed
    int64_t epoch


cdef inline void sort_ratings(const Pass *work, Py_ssize_t part, bint continues, const int32_t *cases,
                              Py_ssize_t n_cases, int32_t *reached) noexcept nogil:
    """Sort the ratings of a mini-batch in a part of the units by unit, and by case within a unit.

    `reached` says how many entries of the r of each case lie before this part, if it `continues` the part
    that this thread sorted last, and then how many lie before its end.

    Units ascend, unless the mini-batch rated so few of the part that scanning all its units would take longer
    than the rest: then they are in the order in which they are met.
    """
    cdef int32_t first = work.parts[part], unit, count
    cdef const int32_t *touched = NULL
    cdef Py_ssize_t k, n = work.parts[part + 1] - first
    cdef int64_t at, end
    if not continues:
        for k in range(n_cases):
            at = work.cases.rated_indptr[cases[k]]
            end = work.cases.rated_indptr[cases[k] + 1]
            reached[k] = <int32_t>(lower_bound(work.cases.rated_units, at, end, first) - at)
    count_units(work, part, cases, n_cases, reached)
    at, end = work.ranges[2 * part], work.ranges[2 * part + 1]
    if n > SPARSE * (end - at):
        touched = work.touched + first
        n = list_touched(work, part, cases, n_cases, reached)
    for k in range(n):  # from counts to positions
        unit = touched[k] if touched != NULL else first + <int32_t>k
        count = work.counts[unit]
        work.counts[unit] = <int32_t>at
        at += count
    put_ratings(work, part, cases, n_cases, reached)
    for k in range(n):
        work.counts[touched[k] if touched != NULL else first + <int32_t>k] = 0


cdef inline void count_units(const Pass *work, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                             const int32_t *reached) noexcept nogil:
    """Count each unit of a part, and find the range of its ratings, after those of the parts before."""
    cdef const int32_t *units = work.cases.rated_units
    cdef int64_t at, end, before = 0, own = 0
    cdef Py_ssize_t row
    for row in range(n_cases):
        before += reached[row]
        at = work.cases.rated_indptr[cases[row]] + reached[row]
        end = work.cases.rated_indptr[cases[row] + 1]
        own -= at
        while at < end and units[at] < work.parts[part + 1]:
            work.counts[units[at]] += 1
            at += 1
        own += at
    work.ranges[2 * part] = before
    work.ranges[2 * part + 1] = before + own


cdef inline Py_ssize_t list_touched(const Pass *work, Py_ssize_t part, const int32_t *cases,
                                    Py_ssize_t n_cases, const int32_t *reached) noexcept nogil:
    """List the counted units of a part in `touched`, in the order in which they are met; their number."""
    cdef const int32_t *units = work.cases.rated_units
    cdef int32_t *touched = work.touched + work.parts[part]
    cdef int64_t at, end
    cdef Py_ssize_t row, k, n = 0
    for row in range(n_cases):
        at = work.cases.rated_indptr[cases[row]] + reached[row]
        end = work.cases.rated_indptr[cases[row] + 1]
        while at < end and units[at] < work.parts[part + 1]:
            if work.counts[units[at]] > 0:
                touched[n] = units[at]
                n += 1
                work.counts[units[at]] = -work.counts[units[at]]  # listed
            at += 1
    for k in range(n):
        work.counts[touched[k]] = -work.counts[touched[k]]
    return n


cdef inline void put_ratings(const Pass *work, Py_ssize_t part, const int32_t *cases, Py_ssize_t n_cases,
                             int32_t *reached) noexcept nogil:
    """Write the ratings of a part; `counts` has the position of the next rating of each unit."""
    cdef const CasePointers *of = &work.cases
    cdef int32_t first = work.parts[part], stop = work.parts[part + 1], unit
    cdef int32_t *next_of = work.counts
    cdef int64_t begin, at, end, position, last
    cdef Py_ssize_t row
    cdef BatchRating *rating
    for row in range(n_cases):
        begin = of.rated_indptr[cases[row]]
        end = of.rated_indptr[cases[row] + 1]
        at = begin + reached[row]
        if work.rated_only and not work.persistent:
            while at < end and of.rated_units[at] < stop:
                unit = of.rated_units[at]
                rating = work.ratings + next_of[unit]
                next_of[unit] += 1
                rating.position, rating.unit, rating.row, rating.level = at, unit, <int32_t>row, of.levels[at]
                at += 1
            reached[row] = <int32_t>(at - begin)
            continue
        last = of.indptr[cases[row] + 1]
        position = lower_bound(of.units, of.indptr[cases[row]], last, first)
        while at < end and of.rated_units[at] < stop:
            unit = of.rated_units[at]
            rating = work.ratings + next_of[unit]
            next_of[unit] += 1
            rating.position, rating.unit, rating.row = -1, unit, <int32_t>row
            if position < last and of.units[position] == unit:
                rating.position = position
                rating.level = of.levels[position]
                rating.drawn = work.drawn[position]
                position += 1
            at += 1
        reached[row] = <int32_t>(at - begin)


cdef inline float *sum_of(const Pass *work, Py_ssize_t width, Py_ssize_t part, int kind) noexcept nogil:
    """The sums of a part: a row for each case of the mini-batch."""
    return work.sums + (part * N_SUMS + kind) * work.batch_size * width


cdef inline float *row_of(const Pass *work, Py_ssize_t width, int kind, Py_ssize_t row) noexcept nogil:
    return work.hidden + (kind * work.batch_size + row) * width


cdef inline float *weights_of(const Pass *work, Py_ssize_t width, const BatchRating *rating,
                              int32_t level) noexcept nogil:
    return work.p.weights + (rating.unit * work.p.n_levels + level) * width
