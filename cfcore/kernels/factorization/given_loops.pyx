"""Loops of `cfcore.kernels.factorization.given`."""
from libc.math cimport sqrt
from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.common.normals cimport normals
from cfcore.kernels.factorization.given_loops cimport TILE, TOGETHER, GivenArrays, GivenLoops
from cfcore.kernels.factorization.given_sums cimport Sums, end_session, first_end, flush, lay_out

cdef extern from "common/lanes.h" nogil:
    float dot "cf_dot_f32"(const float *one, const float *other, Py_ssize_t n) noexcept

cdef extern from "factorization/row_solutions.h" nogil:
    void add_combination "cf_add_combination"(double *to, const double *rows, const double *times,
                                              Py_ssize_t n) noexcept
    bint factorise "cf_factorise"(double *gram, double *inverse, double *scaled, Py_ssize_t n,
                                  Py_ssize_t width) noexcept
    void solve_lower "cf_solve_lower"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept
    void solve_upper "cf_solve_upper"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept

cdef inline void sum_ratings(const GivenArrays *given, Py_ssize_t begin, Py_ssize_t stop, Py_ssize_t k,
                             Py_ssize_t width, Sums *sums) noexcept nogil:
    """Add ratings [begin, stop) of a user's, and the sessions that end with them.

    What is read next is asked for: rows of the next sample, or those of the next tile in the first sample.
    """
    cdef Py_ssize_t rating, f, level, longest, at, row, after, columns = given.n_kept * k
    cdef Py_ssize_t n_lengths = given.n_lengths, s = sums.sample, end = sums.end
    cdef double noise = given.noise[s], times
    cdef float weight = 1
    cdef const float *z
    cdef double *held = sums.held
    cdef double *own = held + (n_lengths - 1) * (k + 3)
    for rating in range(begin, stop):
        row = given.items[rating] * columns + s * k
        z = given.item_factors + row
        after = row + k
        if s + 1 == sums.last_sample:
            after = given.items[min(rating + 64, end - 1)] * columns + sums.first_sample * k
        cf_prefetch_read(given.item_factors + after, k * sizeof(float))
        at = sums.n * width
        if given.weights != NULL:
            weight = given.weights[rating]
        for f in range(k):
            sums.z[at + f] = z[f]
            sums.scaled[at + f] = weight * z[f]
        sums.last[sums.n], sums.targets[sums.n] = 1, given.targets[rating * given.n_kept + s]
        sums.squares += weight
        sums.products += weight * sums.targets[sums.n]
        if given.members != NULL:
            cf_prefetch_read(given.members + after, k * sizeof(float))
            for f in range(k):
                sums.members[f] += given.members[row + f]
        if n_lengths:
            times = noise * weight
            for f in range(k):
                own[f] += times * z[f]
            own[k] += times
            own[k + 1] += times * sums.targets[sums.n]
            own[k + 2] += times
        sums.n += 1
        if sums.n == TILE:
            flush(sums, width)
        if n_lengths == 0:
            continue
        longest = first_end(given, rating, end)
        level = n_lengths - 1
        while level >= longest:
            end_session(sums, held + level * (k + 3), given.session_precisions[s * n_lengths + level], noise,
                        held + (level - 1) * (k + 3) if level else NULL, k, width)
            level -= 1


cdef inline void solve_sessions(const GivenArrays *given, Py_ssize_t user, Py_ssize_t s, Py_ssize_t k,
                                Py_ssize_t width, const double *x, Sums *sums) noexcept nogil:
    """The biases of a user's sessions given the user's row, and how they vary."""
    cdef Py_ssize_t begin = given.indptr[user], end = given.indptr[user + 1], n_lengths = given.n_lengths
    cdef Py_ssize_t rating, level, f, longest, columns = given.n_kept * k
    cdef const int32_t *codes
    cdef const float *row
    cdef double times, precision, total, slope, variance, outer, left
    cdef float *means = given.session_means + s * given.n_sessions
    cdef float *slopes = given.session_slopes + s * given.n_sessions
    cdef float *variances = given.session_variances + s * given.n_sessions
    cdef float *own = sums.z          # the user's row, padded
    cdef float *of_item = sums.scaled
    cdef double *held = sums.held
    cdef double *sums_of = held               # [n_lengths], of errors
    cdef double *weights = held + n_lengths   # of ones
    for f in range(k):
        own[f] = <float>x[f]
    memset(held, 0, 2 * n_lengths * sizeof(double))
    # From the shortest to the longest: `means` and `slopes` hold sums and weights until the next loop.
    for rating in range(begin, end):
        row = given.item_factors + given.items[rating] * columns + s * k
        memcpy(of_item, row, k * sizeof(float))
        times = given.noise[s] if given.weights == NULL else given.noise[s] * given.weights[rating]
        sums_of[n_lengths - 1] += times * (given.targets[rating * given.n_kept + s] - x[k]
                                           - dot(own, of_item, width))
        weights[n_lengths - 1] += times
        longest = first_end(given, rating, end)
        codes = given.sessions + rating * n_lengths
        level = n_lengths - 1
        while level >= longest:
            means[codes[level]] = <float>sums_of[level]
            slopes[codes[level]] = <float>weights[level]
            if level:
                precision = given.session_precisions[s * n_lengths + level]
                left = precision / (precision + weights[level])
                sums_of[level - 1] += left * sums_of[level]
                weights[level - 1] += left * weights[level]
            sums_of[level] = weights[level] = 0
            level -= 1
    # From the longest to the shortest; `held` has sum of biases, slope and variance of each length now.
    longest = 0
    for rating in range(begin, end):
        codes = given.sessions + rating * n_lengths
        for level in range(longest, n_lengths):
            outer, slope, variance = 0, 1, 0
            if level:
                outer, slope, variance = held[3 * level - 3], held[3 * level - 2], held[3 * level - 1]
            precision = given.session_precisions[s * n_lengths + level]
            total = precision + slopes[codes[level]]
            left = precision / total
            means[codes[level]] = <float>((means[codes[level]] - slopes[codes[level]] * outer) / total)
            held[3 * level] = outer + means[codes[level]]
            held[3 * level + 1] = slope * left
            held[3 * level + 2] = variance * left * left + 1 / total
            slopes[codes[level]] = <float>held[3 * level + 1]
            variances[codes[level]] = <float>held[3 * level + 2]
        longest = first_end(given, rating, end)


cdef inline bint solve_row(const GivenArrays *given, Py_ssize_t user, Py_ssize_t s, Py_ssize_t k,
                           Py_ssize_t width, Sums *sums) noexcept nogil:
    """The row of a user from its sums; False if its precision is not positive definite."""
    cdef Py_ssize_t size = k // 8 * 8 + 8, i, j  # whole blocks; a diagonal of 1 behind the bias
    cdef Py_ssize_t n = given.indptr[user + 1] - given.indptr[user]
    cdef double *matrix = sums.matrix
    cdef double *right = matrix + size * size
    cdef double *mean = sums.mean
    cdef double *inverse = sums.members  # which are in the mean by then
    cdef double *noise = inverse + size
    cdef double *scaled = noise + size + 16  # 8 rows
    cdef const double *base = given.base + ((0 if given.one_base else user) * given.n_kept + s) * (k + 1)
    for i in range(k + 1):
        mean[i] = base[i]
    if given.members != NULL and n:
        for i in range(k):
            mean[i] += sums.members[i] / sqrt(<double>n)
    cdef const double *precision = given.precisions + s * k * k
    cdef double alpha = given.noise[s], of_bias = given.bias_precisions[s]
    for i in range(k):
        for j in range(i // 8 * 8, k):  # whole blocks
            matrix[i * size + j] = alpha * sums.gram[i * width + j] + precision[i * k + j]
        matrix[i * size + k] = matrix[k * size + i] = alpha * sums.border[i]
        right[i] = alpha * sums.rest[i]
    matrix[k * size + k] = alpha * sums.squares + of_bias
    add_combination(right, precision, mean, k)
    right[k] = alpha * sums.products + of_bias * mean[k]
    for i in range(k + 1, size):
        matrix[i * size + i] = 1
    if not factorise(matrix, inverse, scaled, size, size):
        return False
    solve_lower(matrix, right, size, size)
    for i in range(0, k + 1, 16):  # 2 CF_SLOTS, as a literal
        normals(0, 0, <uint32_t>(given.first + s), 0, <uint32_t>(i // 2), noise + i)
    for i in range(k + 1):
        right[i] *= inverse[i]
        noise[i] = noise[i] * sqrt(inverse[i])
    memset(noise + k + 1, 0, (size - k - 1) * sizeof(double))
    solve_upper(matrix, right, size, size)
    solve_upper(matrix, noise, size, size)
    cdef Py_ssize_t at = (user * given.n_kept + s) * (k + 1)
    for i in range(k + 1):
        given.means[at + i] = <float>right[i]
        given.draws[at + i] = <float>noise[i]
    if given.n_lengths:
        solve_sessions(given, user, s, k, width, right, sums)
    return True


cdef inline Py_ssize_t solve_of(const GivenArrays *given, Py_ssize_t user, Py_ssize_t first, Py_ssize_t last,
                                Py_ssize_t k, Py_ssize_t width, double *room) noexcept nogil:
    cdef Sums[TOGETHER] sums
    cdef Py_ssize_t begin = given.indptr[user], end = given.indptr[user + 1], s, rating, failed = 0
    for s in range(first, last):
        room += lay_out(given, k, width, room, &sums[s - first])
        sums[s - first].sample, sums[s - first].end = s, end
        sums[s - first].first_sample, sums[s - first].last_sample = first, last
    # Samples of an item are neighbours in memory: a tile of all samples before the next tile.
    for rating in range(begin, end, 64):  # TILE, as a literal
        for s in range(first, last):
            sum_ratings(given, rating, min(rating + <Py_ssize_t>TILE, end), k, width, &sums[s - first])
    for s in range(first, last):
        flush(&sums[s - first], width)
        failed += not solve_row(given, user, s, k, width, &sums[s - first])
    return failed


cdef Py_ssize_t solve_user(const GivenArrays *given, Py_ssize_t user, Py_ssize_t first, Py_ssize_t last,
                           double *room) noexcept nogil:
    """`solve_of`, compiled for 16 and for 32 factors separately: rows are unrolled."""
    if given.n_factors == 16:
        return solve_of(given, user, first, last, 16, 16, room)
    if given.n_factors == 32:
        return solve_of(given, user, first, last, 32, 32, room)
    return solve_of(given, user, first, last, given.n_factors, given.width, room)


cdef GivenLoops loops = GivenLoops(solve_user=solve_user)
table = capsule_of(&loops)
