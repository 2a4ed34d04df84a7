# Sums over the ratings and sessions of a user in a sample, for `given_loops.pyx`.

from libc.math cimport sqrt
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.factorization.given_loops cimport TILE, GivenArrays

cdef extern from "factorization/gibbs.h" nogil:
    void add_products "cf_add_products"(double *gram, const float *scaled, const float *z, Py_ssize_t n,
                                        Py_ssize_t width, double *rest, const float *targets) noexcept
    void add_targets "cf_add_targets"(double *rest, const float *scaled, const float *targets, Py_ssize_t n,
                                      Py_ssize_t width) noexcept

# The sums of a user in a sample, and the tile of rows that are added next. A row ends with the number that
# multiplies the bias, `last`, whose squares and products with targets are summed apart.
cdef struct Sums:
    double *gram     # [width][width], sums of z z'
    double *border   # [width], of z times the last number
    double *rest     # [width], of z times target
    double *mean     # [n_factors + 1], of the prior
    double *members  # [n_factors], their sum
    double *matrix   # the equations, and room to solve them
    double *held     # sums of the present session of each length
    double squares, products
    Py_ssize_t sample, first_sample, last_sample  # this one, the first of a call and the one after its last
    Py_ssize_t end   # of the user's ratings
    float *z         # [TILE][width]
    float *scaled
    float *last      # [TILE]
    float *targets
    Py_ssize_t n


cdef inline Py_ssize_t lay_out(const GivenArrays *given, Py_ssize_t k, Py_ssize_t width, double *room,
                               Sums *sums) noexcept nogil:
    """Divide the scratch of a sample, whose size is returned, and set it to 0."""
    cdef Py_ssize_t size = k // 8 * 8 + 8
    sums.gram, sums.border, sums.rest = room, room + width * width, room + width * (width + 1)
    sums.matrix = sums.rest + width
    sums.mean = sums.matrix + size * size + size
    sums.members = sums.mean + size
    sums.held = sums.members + 10 * size + 16
    sums.z = <float *>(sums.held + (given.n_lengths + 1) * (width + 3))
    sums.scaled = sums.z + TILE * width
    sums.last = sums.scaled + TILE * width
    sums.targets = sums.last + TILE
    sums.squares, sums.products, sums.n = 0, 0, 0
    cdef Py_ssize_t n = <double *>(sums.targets + TILE) - room
    memset(room, 0, n * sizeof(double))
    return n


cdef inline void flush(Sums *sums, Py_ssize_t width) noexcept nogil:
    add_products(sums.gram, sums.scaled, sums.z, sums.n, width, sums.rest, sums.targets)
    add_targets(sums.border, sums.scaled, sums.last, sums.n, width)
    sums.n = 0


cdef inline void end_session(Sums *sums, double *held, double precision, double noise, double *above,
                             Py_ssize_t k, Py_ssize_t width) noexcept nogil:
    """Subtract the products of a session's sums, and add the sums to those of the session around it.

    `held` are sums of rows [k], of their last numbers, of targets, and of ones, times noise.
    """
    cdef double total = precision + held[k + 2], left = precision / total
    cdef double factor = 1 / sqrt(total * noise)
    cdef Py_ssize_t f, at = sums.n * width
    for f in range(k):
        sums.z[at + f] = <float>(held[f] * factor)
        sums.scaled[at + f] = -sums.z[at + f]
    cdef double last = held[k] * factor, target = held[k + 1] * factor
    sums.last[sums.n], sums.targets[sums.n] = <float>last, <float>target
    sums.squares -= last * last
    sums.products -= last * target
    sums.n += 1
    if sums.n == TILE:
        flush(sums, width)
    if above != NULL:
        for f in range(k + 3):
            above[f] += left * held[f]
    memset(held, 0, (k + 3) * sizeof(double))


cdef inline Py_ssize_t first_end(const GivenArrays *given, Py_ssize_t rating, Py_ssize_t end) noexcept nogil:
    """The longest length whose session ends with a rating; n_lengths if none does."""
    cdef const int32_t *codes = given.sessions + rating * given.n_lengths
    cdef Py_ssize_t level
    if rating + 1 == end:
        return 0
    for level in range(given.n_lengths):
        if codes[level] != codes[given.n_lengths + level]:
            return level
    return given.n_lengths
