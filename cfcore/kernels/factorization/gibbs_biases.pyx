"""Biases of groups of ratings in a Gibbs sampler of matrix factorisation.

The twin is `cfcore.reference.factorization.gibbs_biases`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cfcore.kernels.common.arrays cimport check_array, check_record, length, pointer
from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.normals cimport normal_pair
from cfcore.kernels.common.shares cimport Share, divide, take
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size

from cfcore.kernels.records import BiasDraws, DrawKey, check_apart, check_span, check_written

cnp.import_array()

cdef enum:
    AHEAD = 16  # ratings between asking for a target and reading it
    BLOCK = 4096  # targets that a thread takes at a time
    MANY = 16  # groups that a thread takes at a time


def draw_biases(draws, key, span, n_threads):
    """Draw a bias of each group of ratings from its conditional normal distribution; targets follow it.

    Parameters
    ----------
    draws : BiasDraws
        `biases` and `targets` are changed in place, or `sorted` is written in place of `targets`.
    key : DrawKey
    span : (begin, end)
        The groups to draw.
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the record that it should be.
    ValueError
        When an array that is written is read-only or shares memory with another.

    Notes
    -----
    O(n). The same bits for any number of threads and spans.
    """
    check_record(draws, BiasDraws, "draw_biases: draws")
    check_record(key, DrawKey, "draw_biases: key")
    check_written((draws,))
    cdef Py_ssize_t begin, end
    begin, end = check_span("draw_biases", span, draws.n_groups, "groups")
    cdef int workers = 0, team = team_size(n_threads)
    cdef Groups given = Groups(
        indptr=<const int64_t *>pointer(draws.indptr), ratings=NULL,
        targets=<float *>pointer(draws.targets), products=<const float *>pointer(draws.products),
        biases=<double *>pointer(draws.biases), weights=NULL, sorted=NULL, cross=NULL,
        mean=draws.mean, precision=draws.precision, noise_precision=draws.noise_precision, seed=key.seed,
        kind=key.kind, sweep=key.sweep,
    )
    if draws.weights is not None:
        given.weights = <const float *>pointer(draws.weights)
    if draws.ratings is not None:
        given.ratings = <const int32_t *>pointer(draws.ratings)
    if draws.sorted is not None:
        given.sorted = <float *>pointer(draws.sorted)
    if draws.cross is not None:
        given.cross = <double *>pointer(draws.cross)
    cdef Share[64] shares  # MOST_SHARES
    cdef int worker, n_shares = divide(shares, team, given.indptr, begin, end, MANY)
    for worker in prange(team, nogil=True, schedule="static", chunksize=1, num_threads=team):
        workers |= team_present()
        draw_share(&given, shares, n_shares, worker, begin, end)
    report_workers(workers)


cdef struct Groups:
    const int64_t *indptr
    const int32_t *ratings
    float *targets
    const float *products
    double *biases
    const float *weights
    float *sorted
    double *cross
    double mean, precision, noise_precision
    uint64_t seed
    uint32_t kind, sweep


# Of the ratings of a group, each times its weight: targets, products, targets times products, and 1.
cdef struct Sums:
    double targets, products, cross, weights


cdef void draw_share(const Groups *given, Share *shares, int n_shares, int worker, Py_ssize_t begin,
                     Py_ssize_t end) noexcept nogil:
    cdef Groups own = given[0]  # in cache lines that no other thread writes
    cdef Py_ssize_t group, batch = take(shares, n_shares, worker)
    while batch >= 0:
        for group in range(begin + batch * MANY, min(begin + (batch + 1) * MANY, end)):
            draw_bias(&own, group, own.ratings == NULL)
        batch = take(shares, n_shares, worker)


cdef inline void draw_bias(const Groups *given, Py_ssize_t group, bint in_order) noexcept nogil:
    cdef double total, weights, precision, mean, step
    cdef double[2] two
    cdef Sums sums
    memset(&sums, 0, sizeof(sums))
    if in_order:
        sum_in_order(given, given.indptr[group], given.indptr[group + 1], &sums)
    else:
        sum_by_place(given, given.indptr[group], given.indptr[group + 1], &sums)
    weights = sums.weights
    total = sums.targets - sums.products
    total += weights * given.biases[group]
    precision = given.precision + given.noise_precision * weights
    normal_pair(given.seed, given.kind, given.sweep, <uint32_t>group, 0, two)
    mean = (given.precision * given.mean + given.noise_precision * total) / precision
    step = mean + two[0] / sqrt(precision) - given.biases[group]
    given.biases[group] += step
    if given.cross != NULL:
        given.cross[group] = sums.cross - step * sums.products
    cdef Py_ssize_t k
    if given.sorted != NULL:
        for k in range(given.indptr[group], given.indptr[group + 1]):
            given.sorted[k] = <float>(given.sorted[k] - step)
    elif in_order:
        for k in range(given.indptr[group], given.indptr[group + 1]):
            given.targets[k] = <float>(given.targets[k] - step)
    else:
        for k in range(given.indptr[group], given.indptr[group + 1]):
            given.targets[given.ratings[k]] = <float>(given.targets[given.ratings[k]] - step)


cdef inline void sum_by_place(const Groups *given, Py_ssize_t begin, Py_ssize_t end,
                              Sums *sums) noexcept nogil:
    """Sums of the weighted ratings in their order."""
    cdef Py_ssize_t k, rating
    cdef double weight = 1, product
    for k in range(begin, end):
        rating = given.ratings[k]
        if k + AHEAD < end:
            cf_prefetch_read(given.targets + given.ratings[k + AHEAD], 4)
            cf_prefetch_read(given.products + given.ratings[k + AHEAD], 4)
        if given.weights != NULL:
            weight = given.weights[rating]
        product = weight * given.products[rating]
        sums.targets += weight * given.targets[rating]
        sums.products += product
        sums.cross += product * given.targets[rating]
        sums.weights += weight
        if given.sorted != NULL:
            given.sorted[k] = given.targets[rating]


cdef inline void sum_in_order(const Groups *given, Py_ssize_t begin, Py_ssize_t end,
                              Sums *sums) noexcept nogil:
    """The same in 8 lanes."""
    cdef Sums[8] lanes
    cdef double weight = 1, product
    cdef Py_ssize_t first, k, lane
    memset(lanes, 0, sizeof(lanes))
    for first in range(begin, end, 8):
        for lane in range(min(<Py_ssize_t>8, end - first)):
            k = first + lane
            if given.weights != NULL:
                weight = given.weights[k]
            product = weight * given.products[k]
            lanes[lane].targets += weight * given.targets[k]
            lanes[lane].products += product
            lanes[lane].cross += product * given.targets[k]
            lanes[lane].weights += weight
            if given.sorted != NULL:
                given.sorted[k] = given.targets[k]
    for lane in range(8):
        sums.targets += lanes[lane].targets
        sums.products += lanes[lane].products
        sums.cross += lanes[lane].cross
        sums.weights += lanes[lane].weights


def subtract_steps(codes, steps, others, targets, n_threads):
    """Subtract from each target the step of the bias of its group, and then that of another group.

    Parameters
    ----------
    codes : int32[n]
        The group of each target.
    steps : float64[n_groups]
    others : (int32[n], float64[n_others]) or None
        Groups of another kind, and their steps.
    targets : float32[n], changed in place
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array that it should be.
    ValueError
        When lengths differ, a code is out of range, or targets are read-only or share memory with another
        argument.

    Notes
    -----
    O(n). Differences are in double: the same bits for any number of threads.
    """
    check_array(codes, cnp.NPY_INT32, 1, False, "subtract_steps: codes")
    check_array(steps, cnp.NPY_FLOAT64, 1, False, "subtract_steps: steps")
    check_array(targets, cnp.NPY_FLOAT32, 1, True, "subtract_steps: targets")
    read = {"codes": codes, "steps": steps}
    cdef const int32_t *other = NULL
    cdef const double *other_step = NULL
    cdef Py_ssize_t n_others = 0
    if others is not None:
        read["other codes"], read["other steps"] = others
        check_array(read["other codes"], cnp.NPY_INT32, 1, False, "subtract_steps: other codes")
        check_array(read["other steps"], cnp.NPY_FLOAT64, 1, False, "subtract_steps: other steps")
        if len(read["other codes"]) != len(codes):
            raise ValueError("subtract_steps: codes of both kinds must be of one length")
        other = <const int32_t *>pointer(read["other codes"])
        other_step = <const double *>pointer(read["other steps"])
        n_others = length(read["other steps"])
    check_apart("subtract_steps", {"targets": targets}, read)
    cdef Py_ssize_t k, n = length(codes), n_groups = length(steps), bad = 0, worse = 0
    cdef int workers = 0, team = team_size(n_threads)
    if length(targets) != n:
        raise ValueError("subtract_steps: codes and targets must be of one length")
    cdef const int32_t *group = <const int32_t *>pointer(codes)
    cdef const double *step = <const double *>pointer(steps)
    cdef float *target = <float *>pointer(targets)
    for k in prange((n + BLOCK - 1) // BLOCK, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        bad += subtract_block(group, step, n_groups, target, k * BLOCK, min((k + 1) * BLOCK, n))
        if other != NULL:
            worse += subtract_block(other, other_step, n_others, target, k * BLOCK, min((k + 1) * BLOCK, n))
    report_workers(workers)
    if bad or worse:
        raise ValueError(
            f"subtract_steps: {bad or worse} codes are not in [0, {n_groups if bad else n_others})"
        )


cdef inline Py_ssize_t subtract_block(const int32_t *codes, const double *steps, Py_ssize_t n_groups,
                                      float *targets, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k, bad = 0
    for k in range(begin, end):
        if 0 <= codes[k] < n_groups:
            targets[k] = <float>(targets[k] - steps[codes[k]])
        else:
            bad += 1
    return bad
