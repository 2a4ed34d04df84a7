"""Conditional restricted Boltzmann machine with softmax visible units: contrastive divergence, predictions.

A case c rated the visible units i of its row, v_i being the level given, and r holds the units known to be
rated (Salakhutdinov, Mnih and Hinton 2007):

    P(h_j = 1 | V) = sigma(b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j])
    P(v_i = k | h) ~ exp(b[i, k] + sum_j W[i, k, j] h_j)

`minibatch.pxd` says in which order a mini-batch is worked on. What no case of it rated is not touched. Random
numbers are Philox4x32-10 under `seed`: for hidden unit j word j % 4 of the counter (case, epoch, 2 step, j //
4), for visible unit i word 0 of (case, epoch, 2 step + 1, i). The twin is `cfcore.reference.rbm.rbm`.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport exp, fabs, log1p
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.rbm.model cimport Machine, Rows, hidden_means, inputs_of, offset_of
from cfcore.kernels.factorization.checks cimport check_parts
from cfcore.kernels.rbm.work_stealing cimport MOST_PIECES
from cfcore.kernels.common.lanes cimport dot
from cfcore.kernels.rbm.checks cimport are_levels, fill, fill_rows
from cfcore.kernels.rbm.batch cimport train_batches
from cfcore.kernels.rbm.updates cimport PIECES_OF_PART
from cfcore.kernels.rbm.batch_ratings cimport N_ROWS, N_SUMS, Place, Task
from cfcore.kernels.factorization.sgd cimport are_codes
from cfcore.kernels.common.threads cimport unchecked_team_size as team_size


def train(const int64_t[::1] indptr, const int32_t[::1] units, const uint8_t[::1] levels,
          const int64_t[::1] rated_indptr, const int32_t[::1] rated_units, const int32_t[::1] order,
          const int32_t[::1] parts, const double[::1] values, const float[::1] sharing,
          float[:, :, ::1] weights, float[:, ::1] visible_bias, float[::1] hidden_bias,
          float[:, ::1] conditional, float[:, :, ::1] weights_velocity, float[:, ::1] visible_velocity,
          float[::1] hidden_velocity,
          float[:, ::1] conditional_velocity, uint8_t[::1] drawn, float[:, :, ::1] rows,
          float[:, :, :, ::1] sums, Place[::1] places, int32_t[::1] counts, int32_t[::1] touched,
          int64_t[:, ::1] ranges, float[:, ::1] gradients, int32_t[:, ::1] slots,
          double[:, ::1] squares, const double[::1] rates, double decay, double momentum, Py_ssize_t n_hidden,
          Py_ssize_t cd_steps, bint by_count, bint persistent, uint64_t seed, int64_t epoch, Py_ssize_t begin,
          Py_ssize_t end, int n_threads):
    """Train on the mini-batches `begin` to `end` of an epoch, by contrastive divergence.

    With p and p' the hidden probabilities of a case and of its reconstruction v' after `cd_steps`, and n the
    cases of the batch that rated i (`by_count`) or all of them:

        velocity <- momentum velocity + rate (gradient - decay W),   parameter <- parameter + velocity
        gradients: W_ik  sum over cases that rated i of ([v_i = k] p - [v'_i = k] p') / n
                   b_ik  the same without p and p'
                   D_i   sum over cases that have i in r of (p - p') / n,   b_j  mean of p - p' over the cases

    With `sharing`, the gradient of W_i is S times that, where S[k, l] is the product of what lies between
    levels k and l. For S = A A', this is the gradient of U where W_i = A U_i: levels have part of their
    weights in common, as in Zheng et al., "A neural autoregressive approach to collaborative filtering"
    (2016), where A adds up the levels below.

    Only units in the r of one of the batch's cases move, and only W decays.

    Parameters
    ----------
    indptr, units, levels : int64[n_cases + 1], int32[n], uint8[n]
        Ratings of each case, units ascending.
    rated_indptr, rated_units : int64[n_cases + 1], int32[m]
        The sets r, ascending; each holds the units that its case rated. Faster where they are the same arrays
        as indptr and units.
    order : int32[n_order]
        Cases in the order of this epoch; a batch is the next ``rows.shape[1]`` of them.
    parts : int32[n_parts + 1]
        First unit of each part, and the number of units; ratings should be spread evenly. A part is one
        thread's at a time; there may be 64.
    values : float64[n_levels]
        Ratings that the levels stand for.
    sharing : float32[n_levels - 1], or none
        What a level has in common with the next, from 0 to 1; none: every level by itself.
    weights, visible_bias, hidden_bias, conditional : float32, changed in place
        [n_units, n_levels, width], [n_units, n_levels], [width] and [n_units, width] (no rows: without D).
        width is n_hidden padded with zeros to a multiple of 16.
    weights_velocity and so on : the same shapes, changed in place
        Or all of length 0: without momentum, which saves reading and writing them.
    drawn : uint8[n]
        Overwritten with the level last drawn for each rating; with `persistent`, chains start from it.
    rows : float32[4, batch, width], overwritten
    sums : float32[n_parts, 3, batch, width], overwritten
    places : PLACE[entries of r in the largest batch, or more], overwritten
        np.dtype([("position", "i8"), ("unit", "i4"), ("slot", "i4"), ("level", "i4"), ("drawn", "i4")])
    counts : int32[n_units], all 0 before and after
    touched, ranges : int32[n_units], int64[n_parts, 2], overwritten
    gradients : float32[n_threads or more, n_levels width or more], overwritten
    slots : int32[as many rows as gradients, 2 n_levels batch or more], overwritten
        Rows, each one thread's, should be whole groups of 64 bytes and end with some that nobody uses.
    squares : float64[n_batches, n_parts], written in the rows of the batches
        Sums of squared errors of the first reconstructions' expected ratings.
    rates : float64[4]
        Of weights, visible biases, hidden biases, D.
    decay, momentum : float
    n_hidden, cd_steps : int
    by_count : bool
    persistent : bool
        Chains go on from the reconstructions that `drawn` holds, not from the data (Tieleman 2008).
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
    cdef Task t
    cdef Py_ssize_t k
    fill(&t.m, weights, visible_bias, hidden_bias, conditional, n_hidden)
    fill_rows(&t.rows, indptr, units, levels, rated_indptr, rated_units, &t.m)
    memset(&t.v, 0, sizeof(t.v))
    if weights_velocity.shape[0] > 0:
        fill(&t.v, weights_velocity, visible_velocity, hidden_velocity, conditional_velocity, n_hidden)
        if t.v.n_units != t.m.n_units or t.v.n_levels != t.m.n_levels or t.v.width != t.m.width or (
                conditional_velocity.shape[0] != conditional.shape[0]):
            raise ValueError("train: velocities must have the shapes of their parameters")
    elif momentum != 0:
        raise ValueError("train: momentum must have velocities")
    if values.shape[0] != t.m.n_levels or rates.shape[0] != 4:
        raise ValueError("train: values must have an entry for each level, and rates 4")
    if sharing.shape[0] not in (0, t.m.n_levels - 1):
        raise ValueError("train: sharing must have an entry for each pair of levels side by side, or none")
    if order.shape[0] < 1 or not are_codes(&order[0], order.shape[0], indptr.shape[0] - 1):
        raise ValueError("train: order holds a case that is out of range")
    check_parts("train", parts, t.m.n_units)
    t.order, t.n_order, t.batch, t.begin, t.end = &order[0], order.shape[0], rows.shape[1], begin, end
    t.parts, t.n_parts = &parts[0], parts.shape[0] - 1
    if t.n_parts * PIECES_OF_PART > MOST_PIECES:
        raise ValueError(f"train: {t.n_parts} parts are too many")
    if t.batch < 1 or rows.shape[0] != N_ROWS or rows.shape[2] != t.m.width:
        raise ValueError("train: rows must be of shape (4, batch, width)")
    if sums.shape[0] != t.n_parts or sums.shape[1] != N_SUMS or sums.shape[2] != t.batch or (
            sums.shape[3] != t.m.width):
        raise ValueError("train: sums must be of shape (n_parts, 3, batch, width)")
    k = (order.shape[0] + t.batch - 1) // t.batch
    if squares.shape[0] != k or squares.shape[1] != t.n_parts:
        raise ValueError("train: squares must be of shape (n_batches, n_parts)")
    if cd_steps < 1 or not 0 <= begin <= end <= k:
        raise ValueError("train: cd_steps, begin or end is out of range")
    t.gradient_length = gradients.shape[1]
    if gradients.shape[0] < 1 or t.gradient_length < t.m.n_levels * t.m.width:
        raise ValueError("train: gradients must have n_levels width columns")
    t.slots_length = slots.shape[1]
    if slots.shape[0] != gradients.shape[0] or t.slots_length < 2 * t.m.n_levels * t.batch:
        raise ValueError("train: slots must have a row for each of gradients, and 2 n_levels batch columns")
    if drawn.shape[0] != units.shape[0] or counts.shape[0] != t.m.n_units or (
            touched.shape[0] != t.m.n_units or ranges.shape[0] != t.n_parts or ranges.shape[1] != 2):
        raise ValueError("train: drawn, counts, touched or ranges must be of another length")
    for k in range(t.m.n_units):
        if counts[k] != 0:
            raise ValueError("train: counts must be 0")
    if places.shape[0] < largest(&t):
        raise ValueError("train: places must have room for the largest batch")
    if persistent and not are_levels(drawn, t.m.n_levels):
        raise ValueError("train: drawn holds a level that is out of range")
    if begin == end or units.shape[0] == 0:
        return
    t.rated_only = t.rows.units == t.rows.rated_units and t.rows.indptr == t.rows.rated_indptr
    t.persistent, t.by_count, t.cd_steps, t.seed, t.epoch = persistent, by_count, cd_steps, seed, epoch
    t.cases, t.sums, t.drawn, t.places = &rows[0, 0, 0], &sums[0, 0, 0, 0], &drawn[0], &places[0]
    t.counts, t.touched, t.ranges = &counts[0], &touched[0], &ranges[0, 0]
    t.gradients, t.slots, t.squares = &gradients[0, 0], &slots[0, 0], &squares[0, 0]
    t.sharing = &sharing[0] if sharing.shape[0] else NULL
    t.decay, t.momentum = <float>decay, <float>momentum
    for k in range(4):
        t.rates[k] = <float>rates[k]
    for k in range(t.m.n_levels):
        t.values[k] = <float>values[k]
    cdef int team = team_size(min(n_threads, <int>min(gradients.shape[0], t.n_parts)))
    with nogil:
        train_batches(&t, team)


cdef Py_ssize_t largest(const Task *t) noexcept:
    """Entries of r in the largest of the call's batches."""
    cdef Py_ssize_t number, k, entries, most = 0
    for number in range(t.begin, t.end):
        entries = 0
        for k in range(number * t.batch, min((number + 1) * t.batch, t.n_order)):
            entries += t.rows.rated_indptr[t.order[k] + 1] - t.rows.rated_indptr[t.order[k]]
        most = max(most, entries)
    return most


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
    scratch : float32[n_threads or more, width or more], overwritten
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
    scratch : float32[n_threads or more, width or more], overwritten
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
