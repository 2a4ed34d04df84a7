"""Conditional restricted Boltzmann machine with softmax visible units: contrastive divergence, predictions.

A case c rated the visible units i of its row, v_i being the level given, and r holds the units known to be
rated (Salakhutdinov, Mnih and Hinton 2007):

    P(h_j = 1 | V) = sigma(b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j])
    P(v_i = k | h) ~ exp(b[i, k] + sum_j W[i, k, j] h_j)

A mini-batch has two parts. Case by case, each by one thread: up, then `cd_steps` times down and up again.
Unit by unit, each by one thread: the gradients of W_i, b_i and D_i are summed over the batch's cases in their
order and applied. Nothing races, no sum depends on who made it, and what no case of the batch rated is not
touched.
Random numbers are Philox4x32-10 under `seed`, word j % 4 of the counter (case, epoch, 2 step + kind, j // 4),
kind 0 being hidden units and 1 ratings. The twin is `cfcore.reference.rbm`.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport exp, fabs, log1p
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.boltzmann cimport (
    MAX_LEVELS,
    Machine,
    Rows,
    cf_add,
    cf_move,
    cf_share,
    cf_subtract,
    chain,
    hidden_means,
    inputs_of,
    offset_of,
)
from cfcore.kernels.lanes cimport dot
from cfcore.kernels.sgd cimport are_codes
from cfcore.kernels.team cimport team_size


cdef void gather(const Rows *rows, const int32_t *cases, Py_ssize_t n_cases, int32_t *counts,
                 int32_t *touched, int64_t *starts, int64_t *places, Py_ssize_t *n_touched) noexcept nogil:
    """The batch by unit: for each touched unit, its cases' slots and the positions of its ratings, or -1.

    counts is all 0 before; afterwards it holds a touched unit's place among the touched.
    """
    cdef Py_ssize_t slot, k, n = 0, unit
    cdef int64_t at, position, stop
    for slot in range(n_cases):
        for k in range(rows.rated_indptr[cases[slot]], rows.rated_indptr[cases[slot] + 1]):
            unit = rows.rated_units[k]
            if counts[unit] == 0:
                touched[n] = <int32_t>unit
                n += 1
            counts[unit] += 1
    starts[0] = 0
    for k in range(n):
        starts[k + 1] = starts[k] + counts[touched[k]]
        counts[touched[k]] = <int32_t>k
    for slot in range(n_cases):
        position = rows.indptr[cases[slot]]
        stop = rows.indptr[cases[slot] + 1]
        for k in range(rows.rated_indptr[cases[slot]], rows.rated_indptr[cases[slot] + 1]):
            unit = rows.rated_units[k]
            at = starts[counts[unit]]
            starts[counts[unit]] += 1
            places[2 * at] = slot
            if position < stop and rows.units[position] == unit:  # both ascend
                places[2 * at + 1] = position
                position += 1
            else:
                places[2 * at + 1] = -1
    for k in range(n, 0, -1):
        starts[k] = starts[k - 1]
    starts[0] = 0
    for k in range(n):
        counts[touched[k]] = 0
    n_touched[0] = n


cdef void update_unit(const Machine *m, const Machine *v, const Rows *rows, Py_ssize_t unit,
                      const int64_t *places, Py_ssize_t n, const float *first, const float *last,
                      const uint8_t *drawn, float *scratch, Py_ssize_t n_cases, const double *rates,
                      double decay, double momentum, bint by_count, const float *sharing) noexcept nogil:
    """Move W, b and D of one unit by their gradients over the batch."""
    cdef Py_ssize_t k, slot, size = m.n_levels * m.width, rated = 0
    cdef int64_t position
    cdef float *toward = scratch
    cdef float *toward_d = scratch + size
    cdef float bias[MAX_LEVELS]
    cdef float over
    memset(scratch, 0, (size + m.width) * sizeof(float))
    memset(bias, 0, sizeof(bias))
    for k in range(n):
        slot = places[2 * k]
        position = places[2 * k + 1]
        if position >= 0:
            rated += 1
            cf_add(toward + rows.levels[position] * m.width, first + slot * m.width, m.width)
            cf_subtract(toward + drawn[position] * m.width, last + slot * m.width, m.width)
            bias[rows.levels[position]] += 1
            bias[drawn[position]] -= 1
        if m.conditional != NULL:
            cf_add(toward_d, first + slot * m.width, m.width)
            cf_subtract(toward_d, last + slot * m.width, m.width)
    if rated:
        over = <float>(1.0 / rated if by_count else 1.0 / n_cases)
        if sharing != NULL:
            cf_share(toward, sharing, m.n_levels, m.width)
        cf_move(m.weights + unit * size, v.weights + unit * size, toward, size, over, <float>decay,
                <float>rates[0], <float>momentum)
        cf_move(m.visible_bias + unit * m.n_levels, v.visible_bias + unit * m.n_levels, bias, m.n_levels,
                over, 0, <float>rates[1], <float>momentum)
    if m.conditional != NULL:
        over = <float>(1.0 / n if by_count else 1.0 / n_cases)
        cf_move(m.conditional + unit * m.width, v.conditional + unit * m.width, toward_d, m.width, over, 0,
                <float>rates[3], <float>momentum)


cdef bint are_rows(const int64_t[::1] indptr, const int32_t[::1] units, Py_ssize_t n_units):
    """Whether bounds ascend within the entries, and entries are units."""
    cdef Py_ssize_t row
    if indptr.shape[0] < 1 or indptr[0] != 0 or indptr[indptr.shape[0] - 1] != units.shape[0]:
        return False
    for row in range(indptr.shape[0] - 1):
        if indptr[row + 1] < indptr[row]:
            return False
    return units.shape[0] == 0 or are_codes(&units[0], units.shape[0], n_units)


cdef int fill(Machine *m, float[:, :, ::1] weights, float[:, ::1] visible_bias, float[::1] hidden_bias,
              float[:, ::1] conditional, Py_ssize_t n_hidden) except -1:
    """Pointers to parameters (or velocities) whose shapes fit together."""
    m.n_units = weights.shape[0]
    m.n_levels = weights.shape[1]
    m.width = weights.shape[2]
    m.n_hidden = n_hidden
    if m.width % 16 or not 0 < n_hidden <= m.width:
        raise ValueError("rbm: rows must be padded to multiples of 16, and n_hidden be within them")
    if not 1 <= m.n_levels <= MAX_LEVELS or m.n_units < 1:
        raise ValueError("rbm: there must be 1 to 64 levels, and a unit")
    if visible_bias.shape[0] != m.n_units or visible_bias.shape[1] != m.n_levels:
        raise ValueError("rbm: visible_bias must have a row for each unit, and a column for each level")
    if hidden_bias.shape[0] != m.width:
        raise ValueError("rbm: hidden_bias must be as long as rows of weights")
    if conditional.shape[0] not in (0, m.n_units) or conditional.shape[1] != m.width:
        raise ValueError("rbm: conditional must have a row for each unit, or none")
    m.weights = &weights[0, 0, 0]
    m.visible_bias = &visible_bias[0, 0]
    m.hidden_bias = &hidden_bias[0]
    m.conditional = &conditional[0, 0] if conditional.shape[0] else NULL
    return 0


cdef int fill_rows(Rows *rows, const int64_t[::1] indptr, const int32_t[::1] units, const uint8_t[::1] levels,
                   const int64_t[::1] rated_indptr, const int32_t[::1] rated_units,
                   const Machine *m) except -1:
    """Pointers to rows whose bounds and codes are checked."""
    cdef Py_ssize_t k
    if levels.shape[0] != units.shape[0]:
        raise ValueError("rbm: units and levels must be of one length")
    if rated_indptr.shape[0] != indptr.shape[0]:
        raise ValueError("rbm: indptr and rated_indptr must be of one length")
    if not are_rows(indptr, units, m.n_units) or not are_rows(rated_indptr, rated_units, m.n_units):
        raise ValueError("rbm: the bounds of a case or a unit are out of range")
    for k in range(levels.shape[0]):
        if levels[k] >= m.n_levels:
            raise ValueError(f"rbm: level {levels[k]} is out of range")
    rows.indptr = &indptr[0]
    rows.units = &units[0] if units.shape[0] else NULL
    rows.levels = &levels[0] if levels.shape[0] else NULL
    rows.rated_indptr = &rated_indptr[0]
    rows.rated_units = &rated_units[0] if rated_units.shape[0] else NULL
    return 0


def train(const int64_t[::1] indptr, const int32_t[::1] units, const uint8_t[::1] levels,
          const int64_t[::1] rated_indptr, const int32_t[::1] rated_units, const int32_t[::1] order,
          const double[::1] values, const float[:, ::1] sharing, float[:, :, ::1] weights,
          float[:, ::1] visible_bias, float[::1] hidden_bias, float[:, ::1] conditional,
          float[:, :, ::1] weights_velocity, float[:, ::1] visible_velocity, float[::1] hidden_velocity,
          float[:, ::1] conditional_velocity,
          float[:, ::1] first, float[:, ::1] last, uint8_t[::1] drawn, float[:, ::1] scratch,
          int32_t[::1] counts, int32_t[::1] touched, int64_t[::1] starts, int64_t[:, ::1] places,
          double[::1] squares, const double[::1] rates, double decay, double momentum, Py_ssize_t n_hidden,
          Py_ssize_t cd_steps, bint by_count, uint64_t seed, int64_t epoch, Py_ssize_t begin,
          Py_ssize_t end, int n_threads):
    """Train on the mini-batches `begin` to `end` of an epoch, by contrastive divergence.

    With p and p' the hidden probabilities of a case and of its reconstruction v' after `cd_steps`, and n the
    cases of the batch that rated i (`by_count`) or all of them:

        velocity <- momentum velocity + rate (gradient - decay W),   parameter <- parameter + velocity
        gradients: W_ik  sum over cases that rated i of ([v_i = k] p - [v'_i = k] p') / n
                   b_ik  the same without p and p'
                   D_i   sum over cases that have i in r of (p - p') / n,   b_j  mean of p - p' over the cases

    With `sharing`, a matrix S over the levels, the gradient of W_i is S times that. For S = A A', this is the
    gradient of U where W_i = A U_i: levels have part of their weights in common, as in Zheng et al., "A
    neural autoregressive approach to collaborative filtering" (2016), where A adds up the levels below.

    Only units in the r of one of the batch's cases move, and only W decays.

    Parameters
    ----------
    indptr, units, levels : int64[n_cases + 1], int32[n], uint8[n]
        Ratings of each case, units ascending.
    rated_indptr, rated_units : int64[n_cases + 1], int32[m]
        The sets r, ascending; each holds the units that its case rated.
    order : int32[n_order]
        Cases in the order of this epoch; a batch is the next ``len(first)`` of them.
    values : float64[n_levels]
        Ratings that the levels stand for.
    sharing : float32[n_levels, n_levels], or no rows
        Symmetric and positive definite; no rows: every level by itself.
    weights, visible_bias, hidden_bias, conditional : float32, changed in place
        [n_units, n_levels, width], [n_units, n_levels], [width] and [n_units, width] (no rows: without D).
        width is n_hidden padded with zeros to a multiple of 16.
    weights_velocity and so on : the same shapes, changed in place
    first, last : float32[batch, width], overwritten
    drawn : uint8[n], overwritten
    scratch : float32[n_threads or more, (n_levels + 1) width], overwritten
    counts : int32[n_units], all 0 before and after
    touched, starts, places : int32[n_units], int64[n_units + 1], int64[m or more, 2], overwritten
    squares : float64[n_order], written in the places of the batches' cases
        Sum of squared errors of each first reconstruction's expected ratings.
    rates : float64[4]
        Of weights, visible biases, hidden biases, D.
    decay, momentum : float
    n_hidden, cd_steps : int
    by_count : bool
    seed, epoch : int
        Key and second word of the random numbers.
    begin, end : int
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is out of range.

    Notes
    -----
    O(ratings * cd_steps * n_levels * width). The same bits for any number of threads and any slicing.
    """
    cdef Machine m, v
    cdef Rows rows
    cdef Py_ssize_t batch = first.shape[0], number, slot, k, n_cases, n_touched = 0, size
    cdef const int32_t *cases
    cdef int team
    cdef float over, toward
    cdef const float *mixing = &sharing[0, 0] if sharing.shape[0] else NULL
    fill(&m, weights, visible_bias, hidden_bias, conditional, n_hidden)
    fill(&v, weights_velocity, visible_velocity, hidden_velocity, conditional_velocity, n_hidden)
    fill_rows(&rows, indptr, units, levels, rated_indptr, rated_units, &m)
    if v.n_units != m.n_units or v.n_levels != m.n_levels or v.width != m.width or (
            conditional_velocity.shape[0] != conditional.shape[0]):
        raise ValueError("train: velocities must have the shapes of their parameters")
    if values.shape[0] != m.n_levels or rates.shape[0] != 4:
        raise ValueError("train: values must have an entry for each level, and rates 4")
    if sharing.shape[0] not in (0, m.n_levels) or (sharing.shape[0] and sharing.shape[1] != m.n_levels):
        raise ValueError("train: sharing must have a row and a column for each level, or no rows")
    if batch < 1 or last.shape[0] != batch or first.shape[1] != m.width or last.shape[1] != m.width:
        raise ValueError("train: first and last must have a row for each case of a batch")
    if squares.shape[0] != order.shape[0]:
        raise ValueError("train: squares must be as long as order")
    size = (max(2, m.n_levels) + 1) * m.width
    if scratch.shape[0] < 1 or scratch.shape[1] < size:
        raise ValueError("train: scratch is too small")
    if drawn.shape[0] < units.shape[0] or places.shape[0] < rated_units.shape[0] or places.shape[1] != 2 or (
            counts.shape[0] != m.n_units or touched.shape[0] != m.n_units or (
                starts.shape[0] != m.n_units + 1)):
        raise ValueError("train: drawn, counts, touched, starts or places is too small")
    if order.shape[0] < 1 or not are_codes(&order[0], order.shape[0], indptr.shape[0] - 1):
        raise ValueError("train: order holds a case that is out of range")
    if cd_steps < 1 or begin < 0 or end > (order.shape[0] + batch - 1) // batch:
        raise ValueError("train: cd_steps, begin or end is out of range")
    if units.shape[0] == 0:
        return
    team = team_size(min(n_threads, <int>scratch.shape[0]))
    with nogil:
        for number in range(begin, end):
            cases = &order[0] + number * batch
            n_cases = min(batch, order.shape[0] - number * batch)
            for slot in prange(n_cases, schedule="dynamic", num_threads=team):
                squares[number * batch + slot] = chain(
                    &m, &rows, cases[slot], &values[0], &first[slot, 0], &last[slot, 0], &drawn[0],
                    &scratch[threadid(), 0], cd_steps, seed, epoch)
            gather(&rows, cases, n_cases, &counts[0], &touched[0], &starts[0], &places[0, 0], &n_touched)
            for k in prange(n_touched, schedule="dynamic", chunksize=16, num_threads=team):
                update_unit(&m, &v, &rows, touched[k], &places[starts[k], 0], starts[k + 1] - starts[k],
                            &first[0, 0], &last[0, 0], &drawn[0], &scratch[threadid(), 0], n_cases, &rates[0],
                            decay, momentum, by_count, mixing)
            over = <float>(1.0 / n_cases)
            for k in range(n_hidden):
                toward = 0
                for slot in range(n_cases):
                    toward = toward + (first[slot, k] - last[slot, k])
                hidden_velocity[k] = hidden_velocity[k] * <float>momentum + <float>rates[2] * (toward * over)
                hidden_bias[k] += hidden_velocity[k]


def hidden_inputs(const int64_t[::1] indptr, const int32_t[::1] units, const uint8_t[::1] levels,
                  const int64_t[::1] rated_indptr, const int32_t[::1] rated_units, float[:, :, ::1] weights,
                  float[:, ::1] visible_bias, float[::1] hidden_bias, float[:, ::1] conditional,
                  float[:, ::1] scratch, float[:, ::1] out, Py_ssize_t n_hidden, int n_threads):
    """What enters the hidden units of each case: b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j].

    Parameters
    ----------
    indptr, units, levels, rated_indptr, rated_units : as for `train`
    weights, visible_bias, hidden_bias, conditional, n_hidden
        As for `train`; only read.
    scratch : float32[n_threads or more, width], overwritten
    out : float32[n_cases, width], overwritten
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is out of range.
    """
    cdef Machine m
    cdef Rows rows
    cdef Py_ssize_t case, n_cases = indptr.shape[0] - 1
    cdef int team
    cdef float *offset
    fill(&m, weights, visible_bias, hidden_bias, conditional, n_hidden)
    fill_rows(&rows, indptr, units, levels, rated_indptr, rated_units, &m)
    if out.shape[0] != n_cases or out.shape[1] != m.width:
        raise ValueError("hidden_inputs: out must have a row for each case")
    if scratch.shape[0] < 1 or scratch.shape[1] < m.width:
        raise ValueError("hidden_inputs: scratch is too small")
    team = team_size(min(n_threads, <int>scratch.shape[0]))
    with nogil:
        for case in prange(n_cases, schedule="dynamic", chunksize=16, num_threads=team):
            offset = &scratch[threadid(), 0]
            offset_of(&m, &rows, case, offset)
            inputs_of(&m, offset, rows.units + indptr[case], rows.levels + indptr[case],
                      indptr[case + 1] - indptr[case], &out[case, 0])


cdef double plus(double x) noexcept nogil:
    """log(1 + exp(x))"""
    return (x if x > 0 else 0) + log1p(exp(-fabs(x)))


cdef void answer(const Machine *m, const float *inputs, const float *on, Py_ssize_t unit, double *out,
                 bint exact) noexcept nogil:
    """P(v_unit = k) given the ratings behind `inputs`: hidden units at their mean `on`, or summed out."""
    cdef Py_ssize_t k, j
    cdef double top = 0, total = 0
    cdef const float *row
    for k in range(m.n_levels):
        row = m.weights + (unit * m.n_levels + k) * m.width
        out[k] = m.visible_bias[unit * m.n_levels + k]
        if exact:
            for j in range(m.n_hidden):
                out[k] += plus(<double>inputs[j] + row[j])
        else:
            out[k] += dot(row, on, m.width)
        if k == 0 or out[k] > top:
            top = out[k]
    for k in range(m.n_levels):
        out[k] = exp(out[k] - top)
        total += out[k]
    for k in range(m.n_levels):
        out[k] /= total


def probabilities(const int32_t[::1] cases, const int32_t[::1] units, const float[:, ::1] inputs,
                  float[:, :, ::1] weights, float[:, ::1] visible_bias, float[::1] hidden_bias,
                  float[:, ::1] conditional, float[:, ::1] scratch, double[:, ::1] out, Py_ssize_t n_hidden,
                  bint exact, int n_threads):
    """Distribution over the levels of `units[n]`, given the ratings of `cases[n]`.

    By mean field, softmax_k(b_ik + sum_j W_ikj sigma(x_j)), or exactly,
    P(v_i = k) ~ exp(b_ik + sum_j log(1 + exp(x_j + W_ikj))), x being the case's row of `inputs`.

    Parameters
    ----------
    cases, units : int32[n]
    inputs : float32[n_cases, width]
        From `hidden_inputs`.
    weights, visible_bias, hidden_bias, conditional, n_hidden
        As for `train`; only read.
    scratch : float32[n_threads or more, width], overwritten
    out : float64[n, n_levels], overwritten
    exact : bool
    n_threads : int

    Raises
    ------
    ValueError
        When shapes do not fit, or a code is out of range.
    """
    cdef Machine m
    cdef Py_ssize_t k, n = cases.shape[0]
    cdef float *on
    fill(&m, weights, visible_bias, hidden_bias, conditional, n_hidden)
    if units.shape[0] != n or out.shape[0] != n or out.shape[1] != m.n_levels:
        raise ValueError("probabilities: units and out must have a row for each case")
    if inputs.shape[1] != m.width or scratch.shape[0] < 1 or scratch.shape[1] < m.width:
        raise ValueError("probabilities: inputs and scratch must be as wide as weights")
    if n == 0:
        return
    if not are_codes(&cases[0], n, inputs.shape[0]) or not are_codes(&units[0], n, m.n_units):
        raise ValueError("probabilities: a case or a unit is out of range")
    with nogil:
        for k in prange(n, schedule="static", num_threads=team_size(min(n_threads, <int>scratch.shape[0]))):
            on = &scratch[threadid(), 0]
            if not exact:
                hidden_means(&m, &inputs[cases[k], 0], on)
            answer(&m, &inputs[cases[k], 0], on, units[k], &out[k, 0], exact)
