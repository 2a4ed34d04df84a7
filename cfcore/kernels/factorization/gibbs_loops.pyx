"""Loops of `cfcore.kernels.factorization.gibbs`."""
from libc.math cimport sqrt
from libc.stdint cimport uint32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.common.normals cimport normal_pair, normals
from cfcore.kernels.factorization.gibbs_loops cimport TILE, GibbsLoops, MemberArrays, RowArrays

cdef extern from "factorization/gibbs.h" nogil:
    void add_products "cf_add_products"(double *gram, const float *scaled, const float *z, Py_ssize_t n,
                                        Py_ssize_t width) noexcept
    void add_targets "cf_add_targets"(double *rest, const float *scaled, const float *targets, Py_ssize_t n,
                                      Py_ssize_t width) noexcept
    void add_eight "cf_add_eight"(double *sum, const double *row, double weight) noexcept

cdef extern from "factorization/row_solutions.h" nogil:
    void add_combination "cf_add_combination"(double *to, const double *rows, const double *times,
                                              Py_ssize_t n) noexcept
    bint factorise "cf_factorise"(double *gram, double *inverse, double *scaled, Py_ssize_t n,
                                  Py_ssize_t width) noexcept
    void solve_lower "cf_solve_lower"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept
    void solve_upper "cf_solve_upper"(const double *factor, double *rest, Py_ssize_t n,
                                      Py_ssize_t width) noexcept

cdef enum:
    AHEAD = 24  # ratings between asking for the row of a column and copying it


cdef inline void sum_tiles(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t width,
                           double *room) noexcept nogil:
    """Sums of z z' and of z times target: tiles in float32, in the order of the ratings, then in double."""
    cdef double *rest = room + width * width
    cdef float *z = <float *>(rest + 3 * width)
    cdef float *scaled = z + TILE * width
    cdef const float *row
    cdef float weight
    cdef Py_ssize_t first, k, n, f
    memset(room, 0, (width + 1) * width * sizeof(double))
    for first in range(begin, end, 64):  # TILE, as a literal: Cython makes a C loop of it
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(n):
            if first + k + AHEAD < end:
                cf_prefetch_read(given.columns + given.indices[first + k + AHEAD] * width,
                                 width * sizeof(float))
            row = given.columns + given.indices[first + k] * width
            weight = given.column_weight[given.indices[first + k]]
            if given.weights != NULL:
                weight *= given.weights[first + k]
            for f in range(width):
                z[k * width + f] = row[f]
                scaled[k * width + f] = row[f] * weight
        add_products(room, scaled, z, n, width)
        add_targets(rest, scaled, given.targets + first, n, width)


cdef void sum_piece(const RowArrays *given, Py_ssize_t begin, Py_ssize_t end, double *room) noexcept nogil:
    """`sum_tiles`, compiled for up to 16 and up to 32 factors separately: rows are unrolled."""
    if given.width == 16:
        sum_tiles(given, begin, end, 16, room)
    elif given.width == 32:
        sum_tiles(given, begin, end, 32, room)
    else:
        sum_tiles(given, begin, end, given.width, room)


cdef inline bint draw_row(const RowArrays *given, Py_ssize_t row, Py_ssize_t width,
                          double *room) noexcept nogil:
    cdef Py_ssize_t n = given.n_factors, i, j
    cdef Py_ssize_t size = (n + 7) // 8 * 8  # whole blocks; a diagonal of 1 behind the factors
    cdef double alpha = given.row_precision[row]
    cdef const double *mean = given.prior_mean + row * n
    cdef double *rest = room + width * width
    cdef double *inverse = rest + width  # of the diagonal of the factor
    cdef double *noise = inverse + width
    cdef double *scaled = noise + width  # 8 rows, in place of the tiles
    for i in range(n):
        for j in range(i // 8 * 8, n):  # whole blocks
            room[i * width + j] = alpha * room[i * width + j] + given.precision[i * n + j]
        rest[i] *= alpha
    for i in range(n, size):
        room[i * width + i] = 1
    add_combination(rest, given.precision, mean, n)
    if not factorise(room, inverse, scaled, size, width):
        return False
    solve_lower(room, rest, size, width)
    for i in range(0, n, 16):  # 2 CF_SLOTS, as a literal
        normals(given.seed, given.kind, given.sweep, <uint32_t>row * given.own_numbers, <uint32_t>(i // 2),
                noise + i)
    for i in range(size):
        rest[i] *= inverse[i]
        noise[i] = rest[i] + noise[i] * sqrt(inverse[i])
    solve_upper(room, noise, size, width)
    for i in range(n):
        given.rows[row * width + i] = <float>noise[i]
    if given.means != NULL:
        solve_upper(room, rest, size, width)
        for i in range(n):
            given.means[row * width + i] = <float>rest[i]
    return True


cdef bint finish_row(const RowArrays *given, Py_ssize_t row, double *room) noexcept nogil:
    """`draw_row`, compiled for up to 16 and up to 32 factors separately."""
    if given.width == 16:
        return draw_row(given, row, 16, room)
    if given.width == 32:
        return draw_row(given, row, 32, room)
    return draw_row(given, row, given.width, room)


cdef inline double member_weight(const MemberArrays *given, Py_ssize_t k) noexcept nogil:
    cdef double weight = given.weights[given.owners[k]]
    return weight if given.values == NULL else weight * given.values[k]


cdef void draw_block(const MemberArrays *given, Py_ssize_t block, Py_ssize_t begin,
                     Py_ssize_t end) noexcept nogil:
    cdef double *errors = given.errors + block * given.n_owners * 8
    cdef double *members = given.members + block * given.n_members * 8
    cdef double *member
    cdef double[8] sums
    cdef double[8] step
    cdef double[2] two
    cdef double squares, weight, precision
    cdef Py_ssize_t j, k, lane
    for j in range(begin, end):
        member = members + j * 8
        memset(sums, 0, sizeof(sums))
        squares = 0
        for k in range(given.indptr[j], given.indptr[j + 1]):
            weight = member_weight(given, k)
            squares += weight * weight
            add_eight(sums, errors + <Py_ssize_t>given.owners[k] * 8, weight)
        precision = squares + given.penalty
        for lane in range(0, 8, 2):
            normal_pair(given.seed, given.kind, given.sweep, <uint32_t>j,
                        <uint32_t>(block * 4 + lane // 2), two)
            step[lane] = given.noise * two[0] / sqrt(precision)
            step[lane + 1] = given.noise * two[1] / sqrt(precision)
        for lane in range(8):
            step[lane] += (sums[lane] + squares * member[lane]) / precision - member[lane]
            member[lane] += step[lane]
        for k in range(given.indptr[j], given.indptr[j + 1]):
            add_eight(errors + <Py_ssize_t>given.owners[k] * 8, step, -member_weight(given, k))


cdef GibbsLoops loops = GibbsLoops(sum_piece=sum_piece, finish_row=finish_row, draw_block=draw_block)
table = capsule_of(&loops)
