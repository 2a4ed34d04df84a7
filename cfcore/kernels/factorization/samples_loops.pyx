"""Loops of `cfcore.kernels.factorization.samples`."""
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.samples_loops cimport SampleArrays, SamplesLoops

cdef extern from "factorization/samples.h" nogil:
    void two_products "cf_two_products"(const float *means, const float *draws, const float *row,
                                        Py_ssize_t n, float *mean, float *draw) noexcept


cdef inline void score_samples_of(const SampleArrays *given, Py_ssize_t pair, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t user = given.users[pair], item = given.items[pair], n_kept = given.n_kept, s
    cdef const float *user_means = given.user_means + user * n_kept * k
    cdef const float *user_draws = given.user_draws + user * n_kept * k
    cdef const float *row = given.item_factors + item * n_kept * k
    cdef const float *user_biases = given.user_biases + user * n_kept
    cdef const float *item_biases = given.item_biases + item * n_kept
    cdef float *means = given.means + pair * n_kept
    cdef float *draws = given.draws + pair * n_kept
    cdef float mean = 0, draw = 0
    for s in range(n_kept):
        two_products(user_means + s * k, user_draws + s * k, row + s * k, k, &mean, &draw)
        means[s] = (user_biases[s] + item_biases[s]) + given.scale * mean
        draws[s] = draw


cdef void score_pair(const SampleArrays *given, Py_ssize_t pair) noexcept nogil:
    """`score_samples_of`, compiled for 16 and for 32 factors separately: the sums are unrolled."""
    if given.n_factors == 16:
        score_samples_of(given, pair, 16)
    elif given.n_factors == 32:
        score_samples_of(given, pair, 32)
    else:
        score_samples_of(given, pair, given.n_factors)


cdef SamplesLoops loops = SamplesLoops(score_pair=score_pair)
table = capsule_of(&loops)
