"""Scores of pairs of users and items in each kept sample of a Gibbs sampler.

The twin is `cfcore.reference.factorization.samples`, the inner loop is in `samples_loops.pyx`.
"""
cimport numpy as cnp
from cython.parallel cimport prange
from libc.stdint cimport int32_t

from cfcore.kernels.common.arrays cimport check_array, check_record, length, pointer
from cfcore.kernels.common.loops cimport table_in
from cfcore.kernels.common.threads cimport report_workers, team_present, team_size
from cfcore.kernels.factorization.samples_loops cimport SampleArrays, SamplesLoops

from cfcore.kernels import simd
from cfcore.kernels.records import FactorSamples, check_apart

cnp.import_array()

cdef const SamplesLoops *loops = NULL


def _use(capsule):
    global loops
    loops = <const SamplesLoops *>table_in(capsule)


simd.register("factorization.samples_loops", _use)


def score_samples(users, items, samples, means, draws, n_threads):
    """Scores of pairs in each sample s, of a user's conditional mean m and of what the draw adds to it, d:

        means[., s] = b_u + b_i + scale m_u . z_i,    draws[., s] = d_u . z_i

    with biases, m, d and z of sample s. m + d is the draw of the user's row, and m - d as likely.

    Parameters
    ----------
    users, items : int32[n]
        Codes.
    samples : FactorSamples
    means, draws : float32[n, n_kept], overwritten
    n_threads : int in [1, 1024]

    Raises
    ------
    TypeError
        When an argument is not the array or record that it should be.
    ValueError
        When lengths differ, a code is out of range, or an array that is written is read-only or shares memory
        with another argument.

    Notes
    -----
    O(n n_kept n_factors). Products are summed in float32, factor f in lane f % 16: the same bits for any
    number of threads, and at any SIMD level.
    """
    check_array(users, cnp.NPY_INT32, 1, False, "score_samples: users")
    check_array(items, cnp.NPY_INT32, 1, False, "score_samples: items")
    check_record(samples, FactorSamples, "score_samples: samples")
    check_array(means, cnp.NPY_FLOAT32, 2, True, "score_samples: means")
    check_array(draws, cnp.NPY_FLOAT32, 2, True, "score_samples: draws")
    cdef Py_ssize_t k, n = length(users), n_users = samples.n_users, n_items = samples.n_items
    cdef int workers = 0, team = team_size(n_threads)
    cdef const int32_t *user_codes = <const int32_t *>pointer(users)
    cdef const int32_t *item_codes = <const int32_t *>pointer(items)
    if length(items) != n:
        raise ValueError("score_samples: users and items must be of one length")
    if means.shape != (n, samples.n_kept) or draws.shape != (n, samples.n_kept):
        raise ValueError(f"score_samples: means and draws must be of shape ({n}, {samples.n_kept})")
    read = {name: held for name, held, _ in samples.arrays()}
    check_apart("score_samples", {"means": means, "draws": draws}, {"users": users, "items": items, **read})
    for k in range(n):
        if not (0 <= user_codes[k] < n_users and 0 <= item_codes[k] < n_items):
            raise ValueError(f"score_samples: pair {k} ({user_codes[k]}, {item_codes[k]}) is out of range")
    cdef SampleArrays given = SampleArrays(
        users=user_codes, items=item_codes, user_means=<const float *>pointer(samples.user_means),
        user_draws=<const float *>pointer(samples.user_draws),
        item_factors=<const float *>pointer(samples.item_factors),
        user_biases=<const float *>pointer(samples.user_biases),
        item_biases=<const float *>pointer(samples.item_biases), means=<float *>pointer(means),
        draws=<float *>pointer(draws), n_kept=samples.n_kept, n_factors=samples.n_factors,
        scale=samples.scale,
    )
    for k in prange(n, nogil=True, schedule="static", num_threads=team):
        workers |= team_present()
        loops.score_pair(&given, k)
    report_workers(workers)
