"""Loops of `cfcore.kernels.neighbors.predict`."""
from libc.math cimport copysign, fabsf, pow, sqrt
from libc.stdint cimport int32_t, uint32_t, uint64_t

from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.neighbors.predict_loops cimport PredictLoops, Rule

cdef extern from "neighbors/collect.h" nogil:
    ctypedef struct Search "cfcore_search":
        const float *row
        const int32_t *codes
        int32_t target
        int positive_only
    Py_ssize_t collect "cfcore_collect"(const Search *search, Py_ssize_t q, Py_ssize_t stop, float threshold,
                                        uint64_t *keys, Py_ssize_t kept) noexcept
    float float_if "cfcore_float_if"(bint wanted, float x) noexcept

cdef double NAN = float("nan")


cdef inline double raised(double weight, const Rule *rule) noexcept nogil:
    """weight^power. Powers that are halves of small integers need no call of pow, which is far slower."""
    cdef double out = 1.0
    cdef int _
    if rule.twice_power == 2:
        return weight
    if rule.twice_power == 0:
        return pow(weight, rule.power)
    for _ in range(rule.twice_power >> 1):
        out *= weight
    if rule.twice_power & 1:
        out *= sqrt(weight)
    return out


cdef inline float magnitude(float similarity, bint positive_only) noexcept nogil:
    """|s|, or s where only positive ones count; not above 0 (or NaN) for what is no neighbour."""
    return similarity if positive_only else fabsf(similarity)


cdef inline Py_ssize_t position_of(uint64_t key) noexcept nogil:
    return <Py_ssize_t>(~<uint32_t>key)


cdef inline void largest_first(uint64_t *keys, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Partition n different keys: the k largest first, the least of them at k - 1 (Hoare's FIND).

    There is no branch that depends on the keys: a mispredicted one would cost more than the exchange.
    """
    cdef Py_ssize_t low = 0, high = n - 1, i, j, middle
    cdef uint64_t pivot, key
    while low < high:
        middle = low + (high - low) // 2
        pivot = keys[middle]
        keys[middle] = keys[high]
        i = low
        for j in range(low, high):
            key = keys[j]
            keys[j] = keys[i]
            keys[i] = key
            i += key > pivot
        keys[high] = keys[i]
        keys[i] = pivot
        if i == k - 1:
            return
        if i > k - 1:
            high = i - 1
        else:
            low = i + 1


cdef inline Py_ssize_t nearest(const float *row, const int32_t *codes, Py_ssize_t n, int32_t target,
                               const Rule *rule, uint64_t *keys) noexcept nogil:
    """Keys of the at most n_neighbors nearest entries; returns how many.

    Entries come in ascending order of codes, so one that only equals the threshold has lost the tie.
    """
    cdef Search search = Search(row=row, codes=codes, target=target, positive_only=rule.positive_only)
    cdef Py_ssize_t q = 0, stop, kept = 0
    cdef float threshold = 0
    while q < n:
        stop = min(n, q + rule.room - kept)
        kept = collect(&search, q, stop, threshold, keys, kept)
        q = stop
        if kept > rule.n_neighbors and (kept == rule.room or q == n):
            largest_first(keys, kept, rule.n_neighbors)
            kept = rule.n_neighbors
            threshold = magnitude(row[codes[position_of(keys[kept - 1])]], rule.positive_only)
    return kept


cdef inline double mean_of_all(const float *row, const int32_t *codes, const float *values, Py_ssize_t n,
                               int32_t target, const Rule *rule, bint linear) noexcept nogil:
    """The weighted mean where all entries count. `linear`, a constant: the power is 1."""
    cdef double weight, above = 0, below = rule.damping
    cdef Py_ssize_t q
    cdef float near
    for q in range(n):
        near = magnitude(row[codes[q]], rule.positive_only)
        # About half of all similarities are negative, in an order that makes the branch unpredictable.
        near = float_if((near > 0) & (codes[q] != target), near)
        weight = near if linear else raised(near, rule)
        above += copysign(weight, row[codes[q]]) * values[q]
        below += weight
    return above / below if below > 0 else NAN


cdef double predict(const float *row, const int32_t *codes, const float *values, Py_ssize_t n, int32_t target,
                    const Rule *rule, uint64_t *keys) noexcept nogil:
    """`Predict`"""
    cdef double weight, above = 0, below = rule.damping
    cdef Py_ssize_t kept, k, q
    if rule.n_neighbors == 0 or n <= rule.n_neighbors:
        if rule.twice_power == 2:
            return mean_of_all(row, codes, values, n, target, rule, True)
        return mean_of_all(row, codes, values, n, target, rule, False)
    kept = nearest(row, codes, n, target, rule, keys)
    for k in range(kept):
        q = position_of(keys[k])
        weight = raised(fabsf(row[codes[q]]), rule)
        above += copysign(weight, row[codes[q]]) * values[q]
        below += weight
    return above / below if below > 0 else NAN


cdef PredictLoops loops = PredictLoops(predict=predict)
table = capsule_of(&loops)
