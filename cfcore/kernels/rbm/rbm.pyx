"""Training of the conditional restricted Boltzmann machine (softmax visible units): contrastive divergence.

A case rated the visible units i of its row, v_i being the level given; r holds the units known to be rated
(Salakhutdinov, Mnih and Hinton 2007):

    P(h_j = 1 | V) = sigma(b_j + sum_i W[i, v_i, j] + sum_{i in r} D[i, j])
    P(v_i = k | h) ~ exp(b[i, k] + sum_j W[i, k, j] h_j)

The order of work on a mini-batch is described in `batch.pxd`. Units that no case of it has in its r are not
read or written. Random numbers are Philox4x32-10 under `seed`: for hidden unit j word j % 4 of the counter
(case, epoch, 2 step, j // 4), for visible unit i word 0 of (case, epoch, 2 step + 1, i). The twin is
`cfcore.reference.rbm.rbm`, the inner loops are in `rbm_loops.pyx`.
"""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_record, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_size
from cfcore.kernels.rbm.batch_ratings cimport BatchRating, Pass
from cfcore.kernels.rbm.model cimport CasePointers
from cfcore.kernels.rbm.pointers cimport are_sound, cases_of, parameters_of
from cfcore.kernels.rbm.draw_loops cimport DrawLoops
from cfcore.kernels.rbm.rbm_loops cimport RbmLoops
from cfcore.kernels.rbm.update_loops cimport UpdateLoops

from cfcore.kernels import simd
from cfcore.kernels.records import (
    BatchScratch,
    Cases,
    MiniBatches,
    RBMParameters,
    RBMRates,
    check_entries,
    check_training,
)

cnp.import_array()

cdef const RbmLoops *loops = NULL
cdef const DrawLoops *draw_loops = NULL
cdef const UpdateLoops *update_loops = NULL


def _use(capsule):
    global loops
    loops = <const RbmLoops *>table_in(capsule)


simd.register("rbm.rbm_loops", _use)


def _use_draws(capsule):
    global draw_loops
    draw_loops = <const DrawLoops *>table_in(capsule)


simd.register("rbm.draw_loops", _use_draws)


def _use_updates(capsule):
    global update_loops
    update_loops = <const UpdateLoops *>table_in(capsule)


simd.register("rbm.update_loops", _use_updates)


def train(cases, parameters, velocities, rates, batches, scratch, span, n_threads):
    """Train on mini-batches [begin, end) of an epoch by contrastive divergence.

    With p and p' the hidden probabilities of a case and of its reconstruction v' after `cd_steps`, and n the
    cases of the mini-batch that rated i (`by_count`) or all of them:

        velocity <- momentum velocity + lr (gradient - weight_decay W),   parameter <- parameter + velocity
        gradients: W_ik  sum over cases that rated i of ([v_i = k] p - [v'_i = k] p') / n
                   b_ik  the same without p and p'
                   D_i   sum over cases that have i in r of (p - p') / n,   b_j  mean of p - p' over the cases

    With `sharing`, the gradient of W_i is S times that, where S[k, l] is the product of the entries between
    levels k and l. For S = A A', this is the gradient of U where W_i = A U_i: levels have part of their
    weights in common, as in Zheng et al., "A neural autoregressive approach to collaborative filtering"
    (2016), where A adds up the levels below.

    Only units in the r of one of the mini-batch's cases are updated, and only W decays. Salakhutdinov, Mnih
    and Hinton, "Restricted Boltzmann machines for collaborative filtering" (2007).

    Parameters
    ----------
    cases : Cases
    parameters : RBMParameters, changed in place
        Padding stays zero.
    velocities : RBMParameters of the same shapes, changed in place, or None
        None: without momentum, which saves reading and writing them.
    rates : RBMRates
    batches : MiniBatches
    scratch : BatchScratch, changed in place
    span : (int, int)
        The range [begin, end) of mini-batches.
    n_threads : int

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When records do not fit together, or a code is out of range.

    Notes
    -----
    O(ratings x cd_steps x n_levels x width). The same bits for any number of threads, any slicing and any
    SIMD level.
    """
    check_record(cases, Cases, "train: cases")
    check_record(parameters, RBMParameters, "train: parameters")
    check_record(rates, RBMRates, "train: rates")
    check_record(batches, MiniBatches, "train: batches")
    check_record(scratch, BatchScratch, "train: scratch")
    if velocities is not None:
        check_record(velocities, RBMParameters, "train: velocities")
    cdef CasePointers of = cases_of(cases)
    if not are_sound(cases, &of):
        check_entries(cases)
    check_training(cases, parameters, velocities, rates, batches, scratch, span)
    cdef Pass work
    cdef Py_ssize_t k, begin = span[0], end = span[1]
    cdef int workers, team = min(team_size(n_threads), <int>min(scratch.n_threads, batches.n_parts))
    cdef double[4] lr = [rates.weights, rates.visible_bias, rates.hidden_bias, rates.conditional]
    cdef const double *values = <const double *>pointer(cases.values)
    memset(&work, 0, sizeof(work))
    work.p, work.cases = parameters_of(parameters), of
    if velocities is not None:
        work.v = parameters_of(velocities)
    if begin == end or cases.n == 0:
        return
    work.rated_only = (work.cases.units == work.cases.rated_units
                       and work.cases.indptr == work.cases.rated_indptr)
    work.persistent, work.by_count, work.cd_steps = rates.persistent, rates.by_count, rates.cd_steps
    work.order, work.n_order = <const int32_t *>pointer(batches.order), batches.n_order
    work.batch_size, work.begin, work.end = batches.batch_size, begin, end
    work.parts, work.n_parts = <const int32_t *>pointer(batches.parts), batches.n_parts
    work.seed, work.epoch = batches.seed, batches.epoch
    work.hidden, work.sums = <float *>pointer(scratch.hidden), <float *>pointer(scratch.sums)
    work.drawn, work.squares = <uint8_t *>pointer(scratch.drawn), <double *>pointer(scratch.squares)
    work.ratings = <BatchRating *>pointer(scratch.ratings)
    work.counts, work.touched = <int32_t *>pointer(scratch.counts), <int32_t *>pointer(scratch.touched)
    work.ranges = <int64_t *>pointer(scratch.ranges)
    work.gradients, work.gradient_length = <float *>pointer(scratch.gradients), scratch.gradient_length
    work.rows, work.rows_length = <int32_t *>pointer(scratch.rows), scratch.rows_length
    if rates.n_sharing:
        work.sharing = <const float *>pointer(rates.sharing)
    work.decay, work.momentum = <float><double>rates.weight_decay, <float><double>rates.momentum
    for k in range(4):
        work.rates[k] = <float>lr[k]
    for k in range(work.p.n_levels):
        work.values[k] = <float>values[k]
    with nogil:
        work.draw_ratings = draw_loops.draw_ratings
        work.update_units = update_loops.update_units
        workers = loops.train_batches(&work, team)
    report_workers(workers)
