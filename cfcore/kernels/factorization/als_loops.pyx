"""Loops of `cfcore.kernels.factorization.als`."""
from libc.stdint cimport int32_t
from libc.string cimport memset

from cfcore.kernels.common.lanes cimport cf_dot_f64, cf_prefetch_read
from cfcore.kernels.common.loops cimport capsule_of
from cfcore.kernels.factorization.als_loops cimport SCALARS, VECTORS, ALSLoops, SolveArrays
from cfcore.kernels.factorization.gibbs_loops cimport TILE

cdef extern from "factorization/gibbs.h" nogil:
    void add_products "cf_add_products"(double *gram, const float *scaled, const float *z, Py_ssize_t n,
                                        Py_ssize_t width, double *rest, const float *targets) noexcept
    void add_targets "cf_add_targets"(double *rest, const float *scaled, const float *targets, Py_ssize_t n,
                                      Py_ssize_t width) noexcept

cdef extern from "factorization/cholesky.h" nogil:
    bint factorise_groups "cf_factorise_groups"(double *a, double *inverses, Py_ssize_t n,
                                                Py_ssize_t stride) noexcept
    void solve_lower_two "cf_solve_lower_two"(const double *a, const double *inverses, double *first,
                                              double *second, Py_ssize_t n, Py_ssize_t stride) noexcept
    void solve_upper_groups "cf_solve_upper_groups"(const double *a, const double *inverses, double *right,
                                                    Py_ssize_t n, Py_ssize_t stride) noexcept

cdef enum:
    AHEAD = 8  # ratings between asking for the row of a column and copying it


cdef inline void sum_tiles(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t width,
                           bint weighted, double *room) noexcept nogil:
    """Sums of z z', z t, z, t t, t and 1, each times the weight: of vectors as in `gibbs_loops`."""
    cdef double *gram = room + SCALARS
    cdef double *rest = gram + width * width
    cdef double *ones = rest + width
    cdef float *z = <float *>(rest + VECTORS * width)
    cdef float *scaled = z
    cdef float[64] targets  # TILE
    cdef float[64] units
    cdef const float *row
    cdef float weight = 1, target
    cdef double product, squares = 0, total = 0, n_weights = 0
    cdef Py_ssize_t first, k, n, f
    cdef int32_t column
    memset(gram, 0, (width + 2) * width * sizeof(double))
    if weighted:
        scaled = z + TILE * width
    for k in range(TILE):
        units[k] = 1
    for first in range(begin, end, 64):  # TILE, as a literal: Cython makes a C loop of it
        n = min(<Py_ssize_t>TILE, end - first)
        for k in range(n):
            if first + k + AHEAD < end:
                cf_prefetch_read(given.columns + given.indices[first + k + AHEAD] * width,
                                 width * sizeof(float))
            column = given.indices[first + k]
            row = given.columns + column * width
            target = <float>(given.values[first + k] - given.mean - given.column_biases[column])
            targets[k] = target
            product = target
            if weighted:
                weight = given.weights[first + k]
                product *= weight
                for f in range(width):
                    scaled[k * width + f] = row[f] * weight
            for f in range(width):
                z[k * width + f] = row[f]
            squares += product * target
            total += product
            n_weights += weight
        add_products(gram, scaled, z, n, width, rest, targets)
        add_targets(ones, scaled, units, n, width)
    room[0], room[1], room[2] = squares, total, n_weights


cdef void sum_piece(const SolveArrays *given, Py_ssize_t begin, Py_ssize_t end, double *room) noexcept nogil:
    """`sum_tiles`, compiled for up to 16, 32 and 64 factors separately: rows are unrolled."""
    if given.weights != NULL:
        sum_tiles(given, begin, end, given.width, True, room)
    elif given.width == 16:
        sum_tiles(given, begin, end, 16, False, room)
    elif given.width == 32:
        sum_tiles(given, begin, end, 32, False, room)
    elif given.width == 64:
        sum_tiles(given, begin, end, 64, False, room)
    else:
        sum_tiles(given, begin, end, given.width, False, room)


cdef bint finish_row(const SolveArrays *given, Py_ssize_t row, double *room) noexcept nogil:
    cdef Py_ssize_t width = given.width, f
    cdef double *gram = room + SCALARS
    cdef double *rest = gram + width * width
    cdef double *ones = rest + width
    cdef double *solution = ones + width
    cdef double *border = solution + width
    cdef double *inverses = border + width
    cdef double penalty = given.penalty[row], bias = 0, pivot, squares = room[0]
    for f in range(width):
        gram[f * width + f] += penalty
        solution[f] = rest[f]
        border[f] = ones[f]
    if given.centres != NULL:
        for f in range(width):
            solution[f] += penalty * given.centres[row * width + f]
    if not factorise_groups(gram, inverses, width, width):
        return False
    solve_lower_two(gram, inverses, solution, border, width, width)
    if given.bias_penalty != NULL:
        # The bias is one more row and column of the matrix, whose factor is `border` and the root of `pivot`.
        pivot = room[2] + given.bias_penalty[row]
        bias = room[1]
        if width:
            pivot -= cf_dot_f64(border, border, width)
            bias -= cf_dot_f64(border, solution, width)
        if not pivot > 0:
            return False
        bias /= pivot
        for f in range(width):
            solution[f] -= bias * border[f]
        given.biases[row] = <float>bias
        squares += bias * (bias * room[2] - 2 * room[1])
    # The product of factor and row: its square is that of the row by the matrix.
    if width:
        squares += cf_dot_f64(solution, solution, width)
        solve_upper_groups(gram, inverses, solution, width, width)
        for f in range(width):
            border[f] = 2 * (bias * ones[f] - rest[f]) - penalty * solution[f]
        squares += cf_dot_f64(solution, border, width)
    for f in range(width):
        given.rows[row * width + f] = <float>solution[f]
    given.squares[row] = max(squares, 0.0)
    return True


cdef ALSLoops loops = ALSLoops(sum_piece=sum_piece, finish_row=finish_row)
table = capsule_of(&loops)
