"""Neighbourhood prediction: the weighted mean of what a holder gave the nearest neighbours of a target.

With targets = items, a holder is a user and lists the items it rated; with roles exchanged, targets are users
and a holder is an item with the users who rated it. For a request (holder h, target t),

    prediction = sum_{j in N} sign(s_tj) |s_tj|^power v_hj / (damping + sum_{j in N} |s_tj|^power),

N being the n_neighbors entries j of h with the largest |s_tj| (Herlocker et al. 1999; damping toward 0 as in
Bell and Koren 2007). What v holds (ratings, deviations from a mean, z-scores, residuals of a baseline) and
what is done with the result is the caller's choice. The twin is `cfcore.reference.neighbors.predict`.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport copysign, fabsf, pow, sqrt
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from cfcore.kernels.common.threads cimport unchecked_team_size as team_size

cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    static inline uint32_t cfcore_float_bits(float x) { uint32_t b; memcpy(&b, &x, 4); return b; }
    static inline float cfcore_float_if(int wanted, float x) {
        uint32_t b = cfcore_float_bits(x) & (0u - (uint32_t)wanted);
        memcpy(&x, &b, 4);
        return x;
    }
    #if defined(__GNUC__) || defined(__clang__)
    #define CFCORE_PREFETCH(p) __builtin_prefetch(p)
    #else
    #define CFCORE_PREFETCH(p) ((void)(p))
    #endif
    """
    float float_if "cfcore_float_if"(bint wanted, float x) noexcept nogil  # x or 0, without a branch
    void prefetch "CFCORE_PREFETCH"(const void* p) noexcept nogil

cdef extern from "neighbors/collect.h" nogil:
    Py_ssize_t collect "cfcore_collect"(const float* row, const int32_t* codes, Py_ssize_t q, Py_ssize_t stop,
                                        int32_t target, bint positive_only, float threshold, uint64_t* keys,
                                        Py_ssize_t kept) noexcept nogil

# Requests that one thread takes at a time: enough for neighbours in `order` to share a row of similarities.
cdef enum:
    CHUNK = 256

cdef double NAN = float("nan")


cdef struct Rule:
    Py_ssize_t n_neighbors
    Py_ssize_t room
    int halves
    double power
    double damping
    bint positive_only


cdef inline double raised(double weight, const Rule* rule) noexcept nogil:
    """weight^power; powers that are halves of small integers need no call of pow, which is far slower."""
    cdef double out = 1.0
    cdef int _
    if rule.halves == 2:
        return weight
    if rule.halves == 0:
        return pow(weight, rule.power)
    for _ in range(rule.halves >> 1):
        out *= weight
    if rule.halves & 1:
        out *= sqrt(weight)
    return out


cdef inline float magnitude(float similarity, bint positive_only) noexcept nogil:
    """How near: |s|, or s where only positive ones count; not above 0 (or NaN) for what is no neighbour."""
    return similarity if positive_only else fabsf(similarity)


cdef inline Py_ssize_t position_of(uint64_t key) noexcept nogil:
    return <Py_ssize_t>(~<uint32_t>key)


cdef inline void largest_first(uint64_t* keys, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Move the k largest of n different keys to the front, the least of them to place k - 1 (Hoare's FIND).

    The partition has no branch that depends on the keys: a mispredicted one would cost more than the move.
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


cdef inline Py_ssize_t nearest(const float* row, const int32_t* codes, Py_ssize_t n, int32_t target,
                               const Rule* rule, uint64_t* keys) noexcept nogil:
    """Keys of the at most n_neighbors nearest entries; returns how many.

    Entries come in ascending order of codes, so one that only equals the threshold has lost the tie.
    """
    cdef Py_ssize_t q = 0, stop, kept = 0
    cdef float threshold = 0
    while q < n:
        stop = min(n, q + rule.room - kept)
        kept = collect(row, codes, q, stop, target, rule.positive_only, threshold, keys, kept)
        q = stop
        if kept > rule.n_neighbors and (kept == rule.room or q == n):
            largest_first(keys, kept, rule.n_neighbors)
            kept = rule.n_neighbors
            threshold = magnitude(row[codes[position_of(keys[kept - 1])]], rule.positive_only)
    return kept


cdef inline double predicted(const float* row, const int32_t* codes, const float* values, Py_ssize_t n,
                             int32_t target, const Rule* rule, uint64_t* keys) noexcept nogil:
    """The weighted mean for one request; NaN where the weights and the damping sum to 0."""
    cdef double weight, above = 0, below = rule.damping
    cdef Py_ssize_t kept, k, q
    cdef float near
    if rule.n_neighbors == 0 or n <= rule.n_neighbors:
        for q in range(n):
            near = magnitude(row[codes[q]], rule.positive_only)
            # About half of all similarities are negative, in no order that a branch could foresee.
            weight = raised(float_if((near > 0) & (codes[q] != target), near), rule)
            above += copysign(weight, row[codes[q]]) * values[q]
            below += weight
    else:
        kept = nearest(row, codes, n, target, rule, keys)
        for k in range(kept):
            q = position_of(keys[k])
            weight = raised(fabsf(row[codes[q]]), rule)
            above += copysign(weight, row[codes[q]]) * values[q]
            below += weight
    return above / below if below > 0 else NAN


cdef int check(str who, const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] values,
               const int32_t[::1] holders, const int32_t[::1] targets, const int64_t[::1] order,
               double[::1] out, uint64_t[:, ::1] keys, Py_ssize_t n_targets, Py_ssize_t n_neighbors,
               double damping, double power, Py_ssize_t begin, Py_ssize_t end, int n_threads) except -1:
    """Raise ValueError unless everything fits together and stays within bounds."""
    cdef Py_ssize_t k, n = holders.shape[0], n_holders = indptr.shape[0] - 1
    cdef bint rows = n_holders >= 0, codes = True, requests = True
    if targets.shape[0] != n or order.shape[0] != n or out.shape[0] != n:
        raise ValueError(f"{who}: holders, targets, order and out must be of one length")
    if values.shape[0] != indices.shape[0]:
        raise ValueError(f"{who}: indices and values must be of one length")
    if begin < 0 or end > n or begin > end:
        raise ValueError(f"{who}: [{begin}, {end}) is not within [0, {n})")
    if n_neighbors < 0 or not damping >= 0 or not power > 0 or n_threads < 1:
        raise ValueError(f"{who}: n_neighbors and damping must be at least 0, power above 0, "
                         "n_threads at least 1")
    if keys.shape[0] < n_threads or (n_neighbors > 0 and keys.shape[1] <= n_neighbors):
        raise ValueError(f"{who}: keys needs a row for each thread, longer than n_neighbors")
    with nogil:
        if rows:
            rows = indptr[0] == 0 and indptr[n_holders] == indices.shape[0]
            for k in range(n_holders):
                rows &= indptr[k + 1] >= indptr[k]
        for k in range(indices.shape[0]):
            codes &= <size_t><uint32_t>indices[k] < <size_t>n_targets
        for k in range(n):
            requests &= holders[k] >= -1 and holders[k] < n_holders and targets[k] >= -1
            requests &= targets[k] < n_targets and order[k] >= 0 and order[k] < n
    if not rows or not codes:
        raise ValueError(f"{who}: indptr must rise from 0 to the length of indices, and "
                         f"indices must lie in [0, {n_targets})")
    if not requests:
        raise ValueError(f"{who}: holders must lie in [-1, {n_holders}), targets in [-1, {n_targets}), "
                         f"order in [0, {n})")
    return 0


cdef struct Rated:
    const int64_t* indptr
    const int32_t* indices
    const float* values


cdef inline Rated rated_by(const int64_t[::1] indptr, const int32_t[::1] indices, const float[::1] values):
    cdef Rated rated
    rated.indptr = &indptr[0]
    rated.indices = &indices[0] if indices.shape[0] else NULL
    rated.values = &values[0] if values.shape[0] else NULL
    return rated


cdef inline Rule rule_of(Py_ssize_t n_neighbors, double damping, double power, bint positive_only,
                         Py_ssize_t room):
    cdef Rule rule
    rule.n_neighbors = n_neighbors
    rule.room = room
    rule.power = power
    rule.halves = <int>(2 * power) if power <= 8 and 2 * power == <int>(2 * power) else 0
    rule.damping = damping
    rule.positive_only = positive_only
    return rule


cdef inline double answer(const Rated* rated, const float* row, int32_t holder, int32_t target,
                          const Rule* rule, uint64_t* keys) noexcept nogil:
    cdef int64_t at = rated.indptr[holder]
    return predicted(row, rated.indices + at, rated.values + at, rated.indptr[holder + 1] - at, target, rule,
                     keys)


cdef inline void fetch(const Rated* rated, int32_t holder) noexcept nogil:
    """Ask for the beginning of a holder's row; the processor sees by itself how it goes on."""
    if holder >= 0:
        prefetch(rated.indices + rated.indptr[holder])
        prefetch(rated.values + rated.indptr[holder])


cdef void dense_chunk(const float[:, ::1] similarity, const Rated* rated, const int32_t[::1] holders,
                      const int32_t[::1] targets, const int64_t[::1] order, double[::1] out, uint64_t* keys,
                      const Rule* rule, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k, at
    for k in range(begin, end):
        if k + 1 < end:
            fetch(rated, holders[order[k + 1]])
        at = order[k]
        if holders[at] < 0 or targets[at] < 0:
            out[at] = NAN
        else:
            out[at] = answer(rated, &similarity[targets[at], 0], holders[at], targets[at], rule, keys)


def predict_dense(const float[:, ::1] similarity, const int64_t[::1] indptr, const int32_t[::1] indices,
                  const float[::1] values, const int32_t[::1] holders, const int32_t[::1] targets,
                  const int64_t[::1] order, double[::1] out, uint64_t[:, ::1] keys, Py_ssize_t n_neighbors,
                  double damping, double power, bint positive_only, Py_ssize_t begin, Py_ssize_t end,
                  int n_threads):
    """Weighted means over the nearest neighbours, from the whole matrix of similarities.

    Parameters
    ----------
    similarity : float32[n_targets, n_targets]
        NaN means: no neighbour.
    indptr, indices, values : int64[n_holders + 1], int32[nnz], float32[nnz]
        What each holder gave to whom, as compressed rows with ascending indices.
    holders, targets : int32[n]
        The requests; -1 is unknown and gives NaN.
    order : int64[n], a permutation
        The order in which requests are worked on. Fastest where equal targets follow each other; the
        results are the same in any.
    out : float64[n], overwritten at ``order[begin:end]``
        NaN where there is nothing to divide by: no neighbours and no damping.
    keys : uint64[n_threads, room], scratch
        room is longer than n_neighbors; four times as long is fast. Its length decides in which order the
        neighbours are added: results are the same to rounding for all, and to the bit for equal lengths.
    n_neighbors : int
        How many of the nearest count; 0 for all. Of equally near ones the lower code wins. The target
        itself is never a neighbour.
    damping : float, at least 0
    power : float, above 0
    positive_only : bool
        Leave out negative similarities. Otherwise they count by their size, with their sign.
    begin, end : int
        The slice of `order` to work on.
    n_threads : int

    Raises
    ------
    ValueError
        Shapes that do not fit, codes or bounds out of range.

    Notes
    -----
    O(ratings of the holder) a request. Sums in double precision. Deterministic, the same bits for any number
    of threads and any slices.
    """
    cdef Py_ssize_t k, n_chunks = (end - begin + CHUNK - 1) // CHUNK
    cdef Rule rule = rule_of(n_neighbors, damping, power, positive_only, keys.shape[1])
    cdef Rated rated
    if similarity.shape[0] != similarity.shape[1]:
        raise ValueError("predict_dense: similarity must be square")
    check("predict_dense", indptr, indices, values, holders, targets, order, out, keys, similarity.shape[0],
          n_neighbors, damping, power, begin, end, n_threads)
    if begin == end:
        return
    rated = rated_by(indptr, indices, values)
    for k in prange(n_chunks, schedule="dynamic", num_threads=team_size(n_threads), nogil=True):
        dense_chunk(similarity, &rated, holders, targets, order, out, &keys[threadid(), 0], &rule,
                    begin + k * CHUNK, min(end, begin + (k + 1) * CHUNK))


cdef void rows_chunk(const int32_t[:, ::1] codes, const float[:, ::1] weights, const Rated* rated,
                     const int32_t[::1] holders, const int32_t[::1] targets, const int64_t[::1] order,
                     double[::1] out, float* row, uint64_t* keys, const Rule* rule,
                     Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t k, at
    cdef int32_t laid_out = -1
    for k in range(begin, end):
        if k + 1 < end:
            fetch(rated, holders[order[k + 1]])
        at = order[k]
        if holders[at] < 0 or targets[at] < 0:
            out[at] = NAN
            continue
        if targets[at] != laid_out:
            lay_out(codes, weights, laid_out, row, False)
            laid_out = targets[at]
            lay_out(codes, weights, laid_out, row, True)
        out[at] = answer(rated, row, holders[at], targets[at], rule, keys)
    lay_out(codes, weights, laid_out, row, False)


cdef inline void lay_out(const int32_t[:, ::1] codes, const float[:, ::1] weights, int32_t target, float* row,
                         bint present) noexcept nogil:
    """Write a target's similarities to their places in a row of zeros, or zeros back over them."""
    cdef Py_ssize_t k
    if target < 0:
        return
    for k in range(codes.shape[1]):
        if codes[target, k] >= 0:
            row[codes[target, k]] = weights[target, k] if present else 0


def predict_rows(const int32_t[:, ::1] codes, const float[:, ::1] weights, const int64_t[::1] indptr,
                 const int32_t[::1] indices, const float[::1] values, const int32_t[::1] holders,
                 const int32_t[::1] targets, const int64_t[::1] order, double[::1] out, float[:, ::1] rows,
                 uint64_t[:, ::1] keys, Py_ssize_t n_neighbors, double damping, double power,
                 bint positive_only, Py_ssize_t begin, Py_ssize_t end, int n_threads):
    """As `predict_dense`, from the most similar ones of each target alone.

    Parameters
    ----------
    codes, weights : int32[n_targets, n_kept], float32[n_targets, n_kept]
        Each target's most similar ones and their similarities, in any order; code -1 fills up short rows.
        All other pairs count as similarity 0.
    rows : float32[n_threads, n_targets], scratch
        Zeros, and zeros again on return.

    The other parameters, errors and notes are those of `predict_dense`.
    """
    cdef Py_ssize_t j, k, n_targets = codes.shape[0], n_chunks = (end - begin + CHUNK - 1) // CHUNK
    cdef Rule rule = rule_of(n_neighbors, damping, power, positive_only, keys.shape[1])
    cdef Rated rated
    cdef int32_t target, seen = -1
    cdef bint sound = True
    if weights.shape[0] != n_targets or weights.shape[1] != codes.shape[1]:
        raise ValueError("predict_rows: codes and weights must be of one shape")
    if rows.shape[0] < n_threads or rows.shape[1] != n_targets:
        raise ValueError(f"predict_rows: rows needs {n_targets} columns and a row for each thread")
    check("predict_rows", indptr, indices, values, holders, targets, order, out, keys, n_targets, n_neighbors,
          damping, power, begin, end, n_threads)
    if begin == end:
        return
    with nogil:
        for k in range(begin, end):
            target = targets[order[k]]
            if target >= 0 and target != seen:
                for j in range(codes.shape[1]):
                    sound &= codes[target, j] >= -1 and codes[target, j] < n_targets
                seen = target
    if not sound:
        raise ValueError(f"predict_rows: codes must lie in [-1, {n_targets})")
    rated = rated_by(indptr, indices, values)
    for k in prange(n_chunks, schedule="dynamic", num_threads=team_size(n_threads), nogil=True):
        rows_chunk(codes, weights, &rated, holders, targets, order, out, &rows[threadid(), 0],
                   &keys[threadid(), 0], &rule, begin + k * CHUNK, min(end, begin + (k + 1) * CHUNK))
